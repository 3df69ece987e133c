/**
 * What the allocator keeps for each thread (jemalloc 5.3.0, struct tsd_s, include/jemalloc/internal/tsd.h).
 * Invariant: a thread with a tcache is nominal; `allocEvent` <= every armed threshold of an allocation event.
 * Differs: event thresholds are absolute byte counts, not waits that shrink.
 */
import type { Arena } from '../arena/arena_state.ts';
import { TSD_BYTES } from '../assembly/places.ts';
import type { ModelMemory } from '../model_memory.ts';
import { setU64 } from '../u64.ts';
import { NBINS } from '../sizes/sc.ts';
import { NO_SHARD } from '../hpa/sec.ts';
import type { Tcache } from './tcache.ts';
import { DECAY_TICKS } from './ticker.ts';
import type { ThreadIndex } from '../units.ts';

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

/** tsd_t. What mallocs and frees of small objects work on lies in the memory of the model. */
export class Tsd {
  /** Where that is. */
  readonly place: number;
  /** Its doubles, and its words. */
  readonly #clocks: Float64Array;
  readonly #words: Int32Array;
  /** Number of the thread; below 0 for a background thread. */
  readonly index: ThreadIndex;
  /** Address of the real tsd: the PRNG starts from it. */
  readonly seed: bigint;
  /** Stands for the tsd in mutex ownership; equal for equal seeds. */
  readonly owner: number;
  /** CPU that the thread runs on, which percpu_arena asks for. */
  cpu = 0;
  /** State of the thread's PRNG, low word first. */
  readonly prng: Uint32Array = new Uint32Array(2);
  #tcache: Tcache | null = null;
  /** thread.tcache.enabled */
  tcacheEnabled = false;
  #arena: Arena | null = null;
  /** Arena for the library's own allocations. */
  internalArena: Arena | null = null;
  /** SizeClass -> shard of the bins this thread uses. */
  readonly shards: Uint8Array;

  /** Shard of small extent caches that it uses, NO_SHARD before it needs one (sec_shard). */
  secShard = NO_SHARD;
  /** Slabs and large extents until the next guarded one (san_guard_small, san_guard_large). */
  guardSmall = 0;
  guardLarge = 0;

  constructor(memory: ModelMemory, index: ThreadIndex, seed: bigint, owner: number) {
    this.place = memory.take(TSD_BYTES);
    this.#clocks = new Float64Array(memory.buffer, this.place, INDEX / 2);
    this.#clocks[SAMPLE_EVENT] = Infinity;
    this.#words = new Int32Array(memory.buffer, this.place, TSD_BYTES / 4);
    this.shards = new Uint8Array(memory.buffer, this.place + SHARDS_AT, NBINS);
    this.#words.set([index, owner, DECAY_TICKS], INDEX);
    this.#words[SHARDS] = this.place + SHARDS_AT;
    this.index = index;
    this.seed = seed;
    this.owner = owner;
    this.seedPrng();
  }

  /** Bytes allocated since the clock was last wound back, usable sizes: what `sampleEvent` is compared with. */
  get allocated(): number {
    return this.#clocks[ALLOCATED];
  }

  /** All bytes allocated and deallocated by the thread, usable sizes (thread.allocated, thread.deallocated). */
  get allocatedInAll(): bigint {
    return BigInt(this.#clocks[ALLOCATED]) + BigInt(this.#clocks[ALLOCATED_BEFORE]);
  }

  get deallocatedInAll(): bigint {
    return BigInt(this.#clocks[DEALLOCATED]) + BigInt(this.#clocks[DEALLOCATED_BEFORE]);
  }

  /** Value of `allocated` at which the next sample is taken. */
  get sampleEvent(): number {
    return this.#clocks[SAMPLE_EVENT];
  }

  /** Most bytes that the thread has allocated beyond those it freed, seen at events (peak_t). */
  get peakMax(): number {
    return this.#clocks[PEAK_MAX];
  }

  /** TsdState */
  get state(): number {
    return this.#words[STATE];
  }

  set state(state: number) {
    this.#words[STATE] = state;
  }

  /** How deep the thread is within the library (reentrancy_level): above 0 it has no cache, no samples, and arena 0. */
  get reentrancy(): number {
    return this.#words[REENTRANCY];
  }

  set reentrancy(depth: number) {
    this.#words[REENTRANCY] = depth;
  }

  /** Decay ticks left. */
  get tick(): number {
    return this.#words[TICK];
  }

  set tick(ticks: number) {
    this.#words[TICK] = ticks;
  }

  /** Its thread cache; null if it has none. */
  get tcache(): Tcache | null {
    return this.#tcache;
  }

  set tcache(tcache: Tcache | null) {
    this.#tcache = tcache;
    this.#words[TCACHE] = tcache === null ? 0 : tcache.place;
  }

  /** The arena that it is bound to. */
  get arena(): Arena | null {
    return this.#arena;
  }

  set arena(arena: Arena | null) {
    this.#arena = arena;
    this.#words[ARENA] = arena === null ? 0 : arena.place;
  }

  /** tsd_prng_state_init */
  seedPrng(): void {
    setU64(this.prng, 0, this.seed);
  }

  /** @throws Error unless every event is still to come, and the thread's cache is one of its arena's. */
  check(): void {
    if (this.state === TsdState.uninitialized) return;
    const clocks = this.#clocks;
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
