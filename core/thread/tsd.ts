/**
 * What the allocator keeps for each thread (jemalloc 5.3.0, struct tsd_s, include/jemalloc/internal/tsd.h).
 * Invariant: a thread with a tcache is nominal; `allocEvent` <= every armed threshold of an allocation event.
 * Differs: event thresholds are absolute byte counts, not waits that shrink.
 */
import type { Arena } from '../arena/arena_state.ts';
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

/** tsd_t */
export class Tsd {
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
  /** Decay ticks left. */
  tick = DECAY_TICKS;
  tcache: Tcache | null = null;
  tcacheEnabled = false;
  /** Bound arenas: of the application, and for the library's own allocations. */
  arena: Arena | null = null;
  internalArena: Arena | null = null;
  /** SizeClass -> shard of the bins this thread uses. */
  readonly shards: Uint8Array = new Uint8Array(NBINS);

  // -0 where a number becomes larger than an integer of the machine: a field that is a double from its start never changes its representation
  /** Bytes allocated and deallocated, usable sizes (thread.allocated, thread.deallocated). */
  allocated = -0;
  deallocated = -0;
  /** Values of `allocated` and `deallocated` at which the next event fires. */
  allocEvent = -0;
  deallocEvent = -0;
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

  constructor(index: number, seed: bigint, owner: number) {
    this.index = index;
    this.seed = seed;
    this.owner = owner;
    this.seedPrng();
  }

  /** tsd_prng_state_init */
  seedPrng(): void {
    setU64(this.prng, 0, this.seed);
  }
}
