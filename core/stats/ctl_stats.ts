/**
 * The counters that a refresh copies out of the allocator and that prints and mallctl then read (jemalloc 5.3.0,
 * include/jemalloc/internal/ctl.h: ctl_arenas_t, ctl_arena_t, ctl_arena_stats_t, ctl_stats_t).
 * Invariant: nothing here changes but by a refresh and an arena's destruction.
 * Differs: one column a counter, named as in the mallctl tree; all numbers are doubles, exact below 2^53.
 */
import { HPA_SLAB_COUNTERS, HpaSlabStats } from '../hpa/psset.ts';
import { ARENA_MUTEXES, GLOBAL_MUTEXES } from '../mutex.ts';
import { NBINS, NPSIZES, NSIZES } from '../sizes/sc.ts';

/** Large size classes. */
export const NLEXTENTS = NSIZES - NBINS;
/** Index that stands for the sum of all arenas (MALLCTL_ARENAS_ALL, jemalloc_macros.h). */
export const ARENAS_ALL = 4096;
/** Index that stands for the sum of all destroyed arenas (MALLCTL_ARENAS_DESTROYED). */
export const ARENAS_DESTROYED = 4097;

/** Lock counters of a row of mutexes. Waits and spins need contention, which a replay has not; they are 0 in its results. */
export class MutexStats {
  readonly num_ops: Float64Array;
  readonly num_wait: Float64Array;
  readonly num_spin_acq: Float64Array;
  readonly num_owner_switch: Float64Array;
  /** Nanoseconds. */
  readonly total_wait_time: Float64Array;
  /** Nanoseconds. */
  readonly max_wait_time: Float64Array;
  readonly max_num_thds: Float64Array;

  constructor(mutexes: number) {
    this.num_ops = new Float64Array(mutexes);
    this.num_wait = new Float64Array(mutexes);
    this.num_spin_acq = new Float64Array(mutexes);
    this.num_owner_switch = new Float64Array(mutexes);
    this.total_wait_time = new Float64Array(mutexes);
    this.max_wait_time = new Float64Array(mutexes);
    this.max_num_thds = new Float64Array(mutexes);
  }

  clear(): void {
    for (const name of MUTEX_COUNTERS) this[name].fill(0);
  }

  /** Adds the counters of row `from` of `other` to row `to` (malloc_mutex_prof_merge): sums, and maxima of the maxima. */
  merge(to: number, other: MutexStats, from: number): void {
    this.num_ops[to] += other.num_ops[from];
    this.num_wait[to] += other.num_wait[from];
    this.num_spin_acq[to] += other.num_spin_acq[from];
    this.num_owner_switch[to] += other.num_owner_switch[from];
    this.total_wait_time[to] += other.total_wait_time[from];
    this.max_wait_time[to] = Math.max(this.max_wait_time[to], other.max_wait_time[from]);
    this.max_num_thds[to] = Math.max(this.max_num_thds[to], other.max_num_thds[from]);
  }
}

/** The counters of a mutex in the order in which they are declared and printed. */
export const MUTEX_COUNTERS = [
  'num_ops',
  'num_wait',
  'num_spin_acq',
  'num_owner_switch',
  'total_wait_time',
  'max_wait_time',
  'max_num_thds',
] as const;

/** Sums over small or over large allocations. Bytes and counts. */
export class KindStats {
  allocated = 0;
  nmalloc = 0;
  ndalloc = 0;
  nrequests = 0;
  /** For large allocations always nmalloc. */
  nfills = 0;
  nflushes = 0;
}

/** The counts of KindStats, in the order in which they are declared and printed; `allocated` is bytes. */
export const KIND_COUNTERS = ['nmalloc', 'ndalloc', 'nrequests', 'nfills', 'nflushes'] as const;

/** Small class -> counters. */
export class BinStats {
  readonly nmalloc = new Float64Array(NBINS);
  readonly ndalloc = new Float64Array(NBINS);
  readonly nrequests = new Float64Array(NBINS);
  readonly curregs = new Float64Array(NBINS);
  readonly nfills = new Float64Array(NBINS);
  readonly nflushes = new Float64Array(NBINS);
  readonly nslabs = new Float64Array(NBINS);
  readonly nreslabs = new Float64Array(NBINS);
  readonly curslabs = new Float64Array(NBINS);
  readonly nonfull_slabs = new Float64Array(NBINS);
  /** Sums over the shards. */
  readonly mutex = new MutexStats(NBINS);
}

/** Large class (0 is 16384 bytes) -> counters. */
export class LextentStats {
  readonly nmalloc = new Float64Array(NLEXTENTS);
  readonly ndalloc = new Float64Array(NLEXTENTS);
  readonly nrequests = new Float64Array(NLEXTENTS);
  readonly curlextents = new Float64Array(NLEXTENTS);
}

/** Page size class -> free extents of that class and their bytes. */
export class ExtentStats {
  readonly ndirty = new Float64Array(NPSIZES);
  readonly nmuzzy = new Float64Array(NPSIZES);
  readonly nretained = new Float64Array(NPSIZES);
  readonly dirty_bytes = new Float64Array(NPSIZES);
  readonly muzzy_bytes = new Float64Array(NPSIZES);
  readonly retained_bytes = new Float64Array(NPSIZES);
}

/** The columns of ExtentStats, in the order in which they are declared and printed. */
export const EXTENT_COUNTERS = ['ndirty', 'nmuzzy', 'nretained', 'dirty_bytes', 'muzzy_bytes', 'retained_bytes'] as const;

/** Counters of an arena's huge page shard; all 0 as long as hpa is off. */
export class HpaShardStats {
  npurge_passes = 0;
  npurges = 0;
  nhugifies = 0;
  ndehugifies = 0;
  readonly slabs = new HpaSlabStats();
}

/** The counters of HpaShardStats, in the order in which they are declared and printed. */
export const HPA_SHARD_COUNTERS = ['npurge_passes', 'npurges', 'nhugifies', 'ndehugifies'] as const;

/** One arena's record, or the sum of several. Pages where a name begins with p, else bytes and counts. */
export class ArenaStats {
  /** Whether the last refresh saw the arena. */
  initialized = false;
  nthreads = 0;
  /** Nanoseconds. */
  uptime = 0;
  dss = 'N/A';
  dirty_decay_ms = -1;
  muzzy_decay_ms = -1;
  pactive = 0;
  pdirty = 0;
  pmuzzy = 0;
  mapped = 0;
  retained = 0;
  /** Unused extent records. */
  extent_avail = 0;
  dirty_npurge = 0;
  dirty_nmadvise = 0;
  /** Pages. */
  dirty_purged = 0;
  muzzy_npurge = 0;
  muzzy_nmadvise = 0;
  /** Pages. */
  muzzy_purged = 0;
  base = 0;
  internal = 0;
  metadata_thp = 0;
  tcache_bytes = 0;
  tcache_stashed_bytes = 0;
  resident = 0;
  abandoned_vm = 0;
  hpa_sec_bytes = 0;
  small = new KindStats();
  large = new KindStats();
  bins = new BinStats();
  lextents = new LextentStats();
  extents = new ExtentStats();
  mutexes = new MutexStats(ARENA_MUTEXES);
  hpa_shard = new HpaShardStats();
}

/** Counters of the whole process (ctl_stats_t). */
export class GlobalStats {
  allocated = 0;
  active = 0;
  metadata = 0;
  metadata_thp = 0;
  resident = 0;
  mapped = 0;
  retained = 0;
  /** Background threads, their runs, and the mean nanoseconds between two; 0 as long as they are off. */
  background_thread = { num_threads: 0, num_runs: 0, run_interval: 0 };
  mutexes = new MutexStats(GLOBAL_MUTEXES);
}

/** Everything that prints and mallctl read. */
export class CtlStats {
  /** Refreshes so far. */
  epoch = 0;
  global = new GlobalStats();
  merged = new ArenaStats();
  destroyed = new ArenaStats();
  /** Arena index -> its record, undefined until a refresh sees the arena. The length is `arenas.narenas`, reserved indices included. */
  arenas: (ArenaStats | undefined)[] = [];
}

/** What an arena has now: a destroyed one has none of it. */
const PRESENT_SUMS = [
  'nthreads',
  'pactive',
  'pdirty',
  'pmuzzy',
  'mapped',
  'retained',
  'extent_avail',
  'base',
  'resident',
  'metadata_thp',
  'internal',
] as const;
/** What an arena has done: it outlives the arena. */
const HISTORY_SUMS = [
  'dirty_npurge',
  'dirty_nmadvise',
  'dirty_purged',
  'muzzy_npurge',
  'muzzy_nmadvise',
  'muzzy_purged',
  'abandoned_vm',
  'tcache_bytes',
  'tcache_stashed_bytes',
  'hpa_sec_bytes',
] as const;

function addColumn(to: Float64Array, from: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] += from[i];
}

/**
 * Adds an arena's record to a sum (ctl_arena_stats_sdmerge). A destroyed arena leaves its history and the extents that it still held;
 * its present state is gone. The sum's uptime is that of arena 0.
 */
export function mergeArenaStats(sum: ArenaStats, arena: ArenaStats, arenaIndex: number, destroyed: boolean): void {
  if (!destroyed) {
    for (const name of PRESENT_SUMS) sum[name] += arena[name];
    sum.mapped %= 2 ** 64;
    sum.small.allocated += arena.small.allocated;
    sum.large.allocated += arena.large.allocated;
    addColumn(sum.bins.curregs, arena.bins.curregs);
    addColumn(sum.bins.curslabs, arena.bins.curslabs);
    addColumn(sum.bins.nonfull_slabs, arena.bins.nonfull_slabs);
    addColumn(sum.lextents.curlextents, arena.lextents.curlextents);
  }
  for (const name of HISTORY_SUMS) sum[name] += arena[name];
  for (const kind of ['small', 'large'] as const) {
    for (const name of KIND_COUNTERS) sum[kind][name] += arena[kind][name];
  }
  if (arenaIndex === 0) sum.uptime = arena.uptime;
  for (let m = 0; m < ARENA_MUTEXES; m++) sum.mutexes.merge(m, arena.mutexes, m);
  for (const name of ['nmalloc', 'ndalloc', 'nrequests', 'nfills', 'nflushes', 'nslabs', 'nreslabs'] as const) {
    addColumn(sum.bins[name], arena.bins[name]);
  }
  for (let bin = 0; bin < NBINS; bin++) sum.bins.mutex.merge(bin, arena.bins.mutex, bin);
  for (const name of ['nmalloc', 'ndalloc', 'nrequests'] as const) addColumn(sum.lextents[name], arena.lextents[name]);
  for (const name of EXTENT_COUNTERS) addColumn(sum.extents[name], arena.extents[name]);
  for (const name of HPA_SHARD_COUNTERS) sum.hpa_shard[name] += arena.hpa_shard[name];
  for (const name of HPA_SLAB_COUNTERS) addColumn(sum.hpa_shard.slabs[name], arena.hpa_shard.slabs[name]);
}
