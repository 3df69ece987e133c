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

/** Words of the struct Tsd of assembly/tables.ts, behind its four clocks; and where its shards are in it. */
const INDEX = 8;
const TICK = 10;
const ARENA = 11;
const TCACHE = 12;
const SHARDS = 13;
const SHARDS_AT = 64;

/** tsd_t. What mallocs and frees of small objects work on lies in the memory of the model. */
export class Tsd {
  /** Where that is. */
  readonly place: number;
  readonly #clocks: Float64Array;
  readonly #words: Int32Array;
  /** Number of the thread, 0 for the main thread. */
  readonly index: number;
  /** Address of the real tsd: the PRNG starts from it. */
  readonly seed: bigint;
  /** Stands for the tsd in mutex ownership; equal for equal seeds. */
  readonly owner: number;
  /** TsdState */
  state: number = TsdState.uninitialized;
  reentrancy = 0;
  /** CPU that the thread runs on, which percpu_arena asks for. */
  cpu = 0;
  /** State of the thread's PRNG, low word first. */
  readonly prng: Uint32Array = new Uint32Array(2);
  #tcache: Tcache | null = null;
  tcacheEnabled = false;
  #arena: Arena | null = null;
  /** Arena for the library's own allocations. */
  internalArena: Arena | null = null;
  /** SizeClass -> shard of the bins this thread uses. */
  readonly shards: Uint8Array;

  // -0 where a number becomes larger than an integer of the machine: a field that is a double from its start never changes its representation
  /** Thresholds of the single events. */
  gcEvent = -0;
  gcDeallocEvent = -0;
  sampleEvent = Infinity;
  statsEvent = Infinity;
  peakEvent = -0;
  peakDeallocEvent = -0;
  /** `allocated` at the latest trigger of an allocation event, of a sample and of a statistics event. */
  lastEvent = -0;
  lastSampleEvent = -0;
  lastStatsEvent = -0;
  /** Most bytes that the thread has allocated beyond those it freed, seen at events; and where it counts from (peak_t). */
  peakMax = 0;
  peakZero = 0;
  /** Shard of small extent caches that it uses, NO_SHARD before it needs one (sec_shard). */
  secShard = NO_SHARD;
  /** Slabs and large extents until the next guarded one (san_guard_small, san_guard_large). */
  guardSmall = 0;
  guardLarge = 0;

  constructor(memory: ModelMemory, index: number, seed: bigint, owner: number) {
    this.place = memory.take(TSD_BYTES);
    this.#clocks = new Float64Array(memory.buffer, this.place, 4);
    this.#words = new Int32Array(memory.buffer, this.place, TSD_BYTES / 4);
    this.shards = new Uint8Array(memory.buffer, this.place + SHARDS_AT, NBINS);
    this.#words.set([index, owner, DECAY_TICKS], INDEX);
    this.#words[SHARDS] = this.place + SHARDS_AT;
    this.index = index;
    this.seed = seed;
    this.owner = owner;
    this.seedPrng();
  }

  /** Bytes allocated and deallocated, usable sizes (thread.allocated, thread.deallocated). */
  get allocated(): number {
    return this.#clocks[0];
  }

  set allocated(bytes: number) {
    this.#clocks[0] = bytes;
  }

  get deallocated(): number {
    return this.#clocks[2];
  }

  set deallocated(bytes: number) {
    this.#clocks[2] = bytes;
  }

  /** Values of `allocated` and `deallocated` at which the next event fires. */
  get allocEvent(): number {
    return this.#clocks[1];
  }

  set allocEvent(bytes: number) {
    this.#clocks[1] = bytes;
  }

  get deallocEvent(): number {
    return this.#clocks[3];
  }

  set deallocEvent(bytes: number) {
    this.#clocks[3] = bytes;
  }

  /** Decay ticks left. */
  get tick(): number {
    return this.#words[TICK];
  }

  set tick(ticks: number) {
    this.#words[TICK] = ticks;
  }

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
}
