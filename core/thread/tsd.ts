/**
 * What the allocator keeps for each thread (jemalloc 5.3.0, struct tsd_s, include/jemalloc/internal/tsd.h).
 * Invariant: a thread with a tcache is nominal; `allocEvent` <= every armed threshold of an allocation event.
 * Differs: event thresholds are absolute byte counts, not waits that shrink.
 */
import type { Arena } from '../arena/arena_state.ts';
import { TSD_BYTES } from '../assembly/places.ts';
import type { ModelMemory } from '../model_memory.ts';
import { NBINS } from '../sizes/sc.ts';
import { getU64, prngLgRange, setU64 } from '../u64.ts';
import { NO_SHARD } from '../hpa/sec.ts';
import type { Tcache } from './tcache.ts';
import { DECAY_TICKS } from './ticker.ts';
import type { SizeClass, ThreadIndex } from '../units.ts';

/** How far a thread's tsd has come (tsd_state_*). */
export const TsdState = {
  /** Never called the allocator. */
  uninitialized: 0,
  nominal: 1,
  /** Has only freed: no tcache, no arena. */
  minimal: 2,
  /** Its destructor has run. */
  purgatory: 3,
  /** Called again after that. */
  reincarnated: 4,
} as const;

/** Doubles of the struct Tsd of assembly/tables.ts, then its words, and where its shards are in it. */
const ALLOCATED = 0;
const ALLOC_EVENT = 1;
const DEALLOCATED = 2;
const DEALLOC_EVENT = 3;
const GC_EVENT = 4;
const GC_DEALLOC_EVENT = 5;
const SAMPLE_EVENT = 6;
const STATS_EVENT = 7;
const PEAK_EVENT = 8;
const PEAK_DEALLOC_EVENT = 9;
const PEAK_MAX = 13;
const ALLOCATED_BEFORE = 15;
const DEALLOCATED_BEFORE = 16;
const INDEX = 34;
const TICK = 36;
const STATE = 37;
const REENTRANCY = 38;
const ARENA = 39;
const TCACHE = 40;
const SHARDS = 41;
const SHARDS_AT = 168;
/** Behind the shards: the state of the PRNG, low word first. */
const PRNG = 51;

/** tsd_t. What mallocs and frees of small objects work on lies in the memory of the model; a program may have many threads, so that none has views of its own. */
export class Tsd {
  readonly #memory: ModelMemory;
  /** Where that is. */
  readonly place: number;
  /** Number of the thread; below 0 for a background thread. */
  readonly index: ThreadIndex;
  /** Address of the real tsd: the PRNG starts from it. */
  readonly seed: bigint;
  /** Stands for the tsd in mutex ownership; equal for equal seeds. */
  readonly owner: number;
  /** CPU that the thread runs on, which percpu_arena asks for. */
  cpu = 0;
  #tcache: Tcache | null = null;
  /** thread.tcache.enabled */
  tcacheEnabled = false;
  #arena: Arena | null = null;
  /** Arena for the library's own allocations. */
  internalArena: Arena | null = null;
  /** Shard of small extent caches that it uses, NO_SHARD before it needs one (sec_shard). */
  secShard = NO_SHARD;
  /** Slabs and large extents until the next guarded one (san_guard_small, san_guard_large). */
  guardSmall = 0;
  guardLarge = 0;

  constructor(memory: ModelMemory, index: ThreadIndex, seed: bigint, owner: number) {
    this.#memory = memory;
    this.place = memory.take(TSD_BYTES);
    const { words } = memory;
    words.set([index, owner, DECAY_TICKS], this.#word(INDEX));
    words[this.#word(SHARDS)] = this.place + SHARDS_AT;
    memory.doubles[this.#double(SAMPLE_EVENT)] = Infinity;
    this.index = index;
    this.seed = seed;
    this.owner = owner;
    this.seedPrng();
  }

  /** Where a word and a double of it are in the memory's. */
  #word(at: number): number {
    return (this.place >>> 2) + at;
  }

  #double(at: number): number {
    return (this.place >>> 3) + at;
  }

  /** Bytes allocated since the clock was last wound back, usable sizes: what `sampleEvent` is compared with. */
  get allocated(): number {
    return this.#memory.doubles[this.#double(ALLOCATED)];
  }

  /** All bytes allocated and deallocated by the thread, usable sizes (thread.allocated, thread.deallocated). */
  get allocatedInAll(): bigint {
    return BigInt(this.#memory.doubles[this.#double(ALLOCATED)]) + BigInt(this.#memory.doubles[this.#double(ALLOCATED_BEFORE)]);
  }

  get deallocatedInAll(): bigint {
    return BigInt(this.#memory.doubles[this.#double(DEALLOCATED)]) + BigInt(this.#memory.doubles[this.#double(DEALLOCATED_BEFORE)]);
  }

  /** Value of `allocated` at which the next sample is taken. */
  get sampleEvent(): number {
    return this.#memory.doubles[this.#double(SAMPLE_EVENT)];
  }

  /** Most bytes that the thread has allocated beyond those it freed, seen at events (peak_t). */
  get peakMax(): number {
    return this.#memory.doubles[this.#double(PEAK_MAX)];
  }

  /** TsdState */
  get state(): number {
    return this.#memory.words[this.#word(STATE)];
  }

  set state(state: number) {
    this.#memory.words[this.#word(STATE)] = state;
  }

  /** How deep the thread is within the library (reentrancy_level): above 0 it has no cache, no samples, and arena 0. */
  get reentrancy(): number {
    return this.#memory.words[this.#word(REENTRANCY)];
  }

  set reentrancy(depth: number) {
    this.#memory.words[this.#word(REENTRANCY)] = depth;
  }

  /** Decay ticks left. */
  get tick(): number {
    return this.#memory.words[this.#word(TICK)] | 0;
  }

  set tick(ticks: number) {
    this.#memory.words[this.#word(TICK)] = ticks;
  }

  /** Its thread cache; null if it has none. */
  get tcache(): Tcache | null {
    return this.#tcache;
  }

  set tcache(tcache: Tcache | null) {
    this.#tcache = tcache;
    this.#memory.words[this.#word(TCACHE)] = tcache === null ? 0 : tcache.place;
  }

  /** The arena that it is bound to. */
  get arena(): Arena | null {
    return this.#arena;
  }

  set arena(arena: Arena | null) {
    this.#arena = arena;
    this.#memory.words[this.#word(ARENA)] = arena === null ? 0 : arena.place;
  }

  /** Shard of a class's bins that the thread uses. */
  shardOf(szind: SizeClass): number {
    return (this.#memory.words[this.#word((SHARDS_AT + szind) >> 2)] >>> ((szind & 3) * 8)) & 255;
  }

  /** SizeClass -> that shard. */
  set shards(shards: ArrayLike<number>) {
    new Uint8Array(this.#memory.buffer, this.place + SHARDS_AT, NBINS).set(shards);
  }

  /** State of the thread's PRNG. */
  get prng(): bigint {
    return getU64(this.#memory.words, this.#word(PRNG));
  }

  set prng(state: bigint) {
    setU64(this.#memory.words, this.#word(PRNG), state);
  }

  /** tsd_prng_state_init */
  seedPrng(): void {
    this.prng = this.seed;
  }

  /** Steps the thread's PRNG and gives its top `lg` bits, 0 <= lg <= 53. */
  draw(lg: number): number {
    return prngLgRange(this.#memory.words, this.#word(PRNG), lg);
  }

  /** @throws Error unless every event is still to come, and the thread's cache is one of its arena's. */
  check(): void {
    if (this.state === TsdState.uninitialized) return;
    const first = this.#double(0);
    const clocks = this.#memory.doubles.subarray(first, first + INDEX / 2);
    if (clocks[ALLOCATED] >= clocks[ALLOC_EVENT] || clocks[DEALLOCATED] >= clocks[DEALLOC_EVENT])
      throw new Error('tsd: an event is overdue');
    for (const event of [GC_EVENT, SAMPLE_EVENT, STATS_EVENT, PEAK_EVENT]) {
      if (clocks[event] < clocks[ALLOC_EVENT]) throw new Error('tsd: an event of the allocation clock comes before it is looked at');
    }
    for (const event of [GC_DEALLOC_EVENT, PEAK_DEALLOC_EVENT]) {
      if (clocks[event] < clocks[DEALLOC_EVENT]) throw new Error('tsd: an event of the deallocation clock comes before it is looked at');
    }
    const { tcache } = this;
    if (tcache === null) return;
    if (this.state !== TsdState.nominal) throw new Error('tsd: a thread that is not nominal has a cache');
    if (tcache.arena === null || !tcache.arena.tcaches.has(tcache)) throw new Error('tsd: the cache of a thread is linked to no arena');
  }
}
