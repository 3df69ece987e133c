/**
 * Copies the allocator's counters into a snapshot (jemalloc 5.3.0, src/ctl.c ctl_refresh; src/arena.c arena_stats_merge;
 * src/pa_extra.c pa_shard_stats_merge, pa_shard_mtx_stats_read; src/bin.c bin_stats_merge).
 * Invariant: each mutex is taken as often as jemalloc takes it, and its counter is read while it is held, so a snapshot shows its own reading.
 * Differs: the clock is the heap's.
 */
import type { Arena, Ecache } from '../arena/arena_state.ts';
import type { Heap } from '../heap.ts';
import { HPA_SLAB_COUNTERS } from '../hpa/psset.ts';
import { ArenaMutex, GlobalMutex, lock, type MutexTable } from '../mutex.ts';
import { CACHE_BIN, CACHED } from '../thread/cache_bin.ts';
import { indexToSize, NBINS, NPSIZES, PAGE } from '../sizes/sc.ts';
import { InputError } from '../trace/input_error.ts';
import { ArenaStats, type CtlStats, HPA_SHARD_COUNTERS, mergeArenaStats, type MutexStats, NLEXTENTS } from './ctl_stats.ts';

/** Takes mutex `m` and adds its counters to row `row`. */
function lockAndRead(mutexes: MutexTable, m: number, out: MutexStats, row: number): void {
  lock(mutexes, m);
  out.num_ops[row] += mutexes.ops[m];
  out.num_owner_switch[row] += mutexes.ownerSwitches[m];
}

/**
 * Fills `out`, which is clear, with an arena's counters (arena_stats_merge).
 * @throws InputError where jemalloc's count of active pages would have wrapped around below 0.
 */
export function arenaStatsMerge(heap: Heap, arena: Arena, out: ArenaStats): void {
  const { mutexes } = heap;
  out.nthreads = arena.applicationThreads;
  out.dss = arena.dss;
  out.dirty_decay_ms = arena.decayDirty.ms;
  out.muzzy_decay_ms = arena.decayMuzzy.ms;
  if (arena.activePages < 0) {
    throw new InputError(
      'model',
      'the count of active pages has fallen below 0, as that of jemalloc would: extents of several sizes share a class of the small extent cache',
      'leave out slab_sizes, or keep hpa_sec_max_alloc at 32768 or less',
    );
  }
  out.pactive = arena.activePages;
  out.pdirty = arena.dirty.pages;
  out.pmuzzy = arena.muzzy.pages;

  // base_stats_get
  lock(mutexes, arena.mutexes + ArenaMutex.base);
  const { base } = arena;
  // unsigned, as it is there: guarded slabs take more from it than they gave (exact, for both are whole pages)
  out.mapped = (2 ** 64 + base.mapped + arena.pacMapped) % 2 ** 64;
  out.resident = base.resident + (out.pactive + out.pdirty) * PAGE;
  out.base = base.allocated;
  out.internal = arena.internal;
  out.metadata_thp = base.thpPages;

  mergeLarge(arena, out);
  mergePages(arena, out);
  mergeHpa(heap, arena, out);

  mergeTcaches(heap, arena, out);
  lockAndRead(mutexes, arena.mutexes + ArenaMutex.tcache_list, out.mutexes, ArenaMutex.tcache_list);
  for (const name of READ_IN_ORDER) lockAndRead(mutexes, arena.mutexes + ArenaMutex[name], out.mutexes, ArenaMutex[name]);
  readHpaMutexes(heap, arena, out);
  out.uptime = heap.now - arena.createTime;
  mergeBins(heap, arena, out);
}

/** The mutexes that arena_stats_merge and pa_shard_mtx_stats_read take after that of the caches, in this order. */
const READ_IN_ORDER = [
  'large',
  'base',
  'extent_avail',
  'extents_dirty',
  'extents_muzzy',
  'extents_retained',
  'decay_dirty',
  'decay_muzzy',
] as const;

/** The part of arena_stats_merge for large objects. */
function mergeLarge(arena: Arena, out: ArenaStats): void {
  const { lextents, large } = out;
  for (let i = 0; i < NLEXTENTS; i++) {
    const nmalloc = arena.large.nmalloc[i];
    const ndalloc = arena.large.ndalloc[i];
    // what no thread cache served went straight to the arena, so each allocation is a request too.
    const nrequests = nmalloc + arena.large.nrequests[i];
    lextents.nmalloc[i] = nmalloc;
    lextents.ndalloc[i] = ndalloc;
    lextents.nrequests[i] = nrequests;
    lextents.curlextents[i] = nmalloc - ndalloc;
    large.allocated += (nmalloc - ndalloc) * indexToSize[NBINS + i];
    large.nmalloc += nmalloc;
    large.ndalloc += ndalloc;
    large.nrequests += nrequests;
    large.nfills += nmalloc;
    large.nflushes += arena.large.nflushes[i];
  }
}

/** The part of pa_shard_stats_merge for the page caches. */
function mergePages(arena: Arena, out: ArenaStats): void {
  out.retained = arena.retained.pages * PAGE;
  out.extent_avail = arena.edataAvailable;
  out.dirty_npurge = arena.decayDirty.npurge;
  out.dirty_nmadvise = arena.decayDirty.nmadvise;
  out.dirty_purged = arena.decayDirty.purged;
  out.muzzy_npurge = arena.decayMuzzy.npurge;
  out.muzzy_nmadvise = arena.decayMuzzy.nmadvise;
  out.muzzy_purged = arena.decayMuzzy.purged;
  out.abandoned_vm = arena.abandonedBytes;
  countExtents(arena.dirty, out.extents.ndirty, out.extents.dirty_bytes);
  countExtents(arena.muzzy, out.extents.nmuzzy, out.extents.muzzy_bytes);
  countExtents(arena.retained, out.extents.nretained, out.extents.retained_bytes);
}

/** hpa_shard_stats_merge, sec_stats_merge */
function mergeHpa({ mutexes }: Heap, arena: Arena, out: ArenaStats): void {
  const { hpaShard, hpaSec } = arena;
  if (hpaShard === null || hpaSec === null) return;
  lock(mutexes, arena.mutexes + ArenaMutex.hpa_shard_grow);
  lock(mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  for (const name of HPA_SHARD_COUNTERS) out.hpa_shard[name] = hpaShard[name];
  for (const name of HPA_SLAB_COUNTERS) out.hpa_shard.slabs[name].set(hpaShard.psset.stats[name]);
  for (let shard = 0; shard < hpaSec.nshards; shard++) {
    lock(mutexes, hpaSec.mutexes + shard);
    out.hpa_sec_bytes += hpaSec.bytes[shard];
  }
}

/** The end of pa_shard_mtx_stats_read: the mutexes of all shards of the small extent cache count as one. */
function readHpaMutexes({ mutexes }: Heap, arena: Arena, out: ArenaStats): void {
  if (arena.hpaSec === null) return;
  lockAndRead(mutexes, arena.mutexes + ArenaMutex.hpa_shard, out.mutexes, ArenaMutex.hpa_shard);
  lockAndRead(mutexes, arena.mutexes + ArenaMutex.hpa_shard_grow, out.mutexes, ArenaMutex.hpa_shard_grow);
  for (let shard = 0; shard < arena.hpaSec.nshards; shard++) {
    lockAndRead(mutexes, arena.hpaSec.mutexes + shard, out.mutexes, ArenaMutex.hpa_sec);
  }
}

/** Extents and bytes by page size class; what is larger than all classes is not shown. */
function countExtents(ecache: Ecache, extents: Float64Array, bytes: Float64Array): void {
  const { eset, guarded } = ecache;
  for (let row = 0; row < NPSIZES; row++) {
    extents[row] = eset.count(row) + guarded.count(row);
    bytes[row] = (eset.pagesIn(row) + guarded.pagesIn(row)) * PAGE;
  }
}

/** Bytes in the caches that are linked to the arena (cache_bin_nitems_get_remote). */
function mergeTcaches(heap: Heap, arena: Arena, out: ArenaStats): void {
  const { classes } = heap.tcacheInfo;
  for (const tcache of arena.tcaches) {
    for (let szind = 0; szind < classes; szind++) out.tcache_bytes += tcache.bins[szind * CACHE_BIN + CACHED] * indexToSize[szind];
  }
}

/** bin_stats_merge over all shards, and the sums over small classes (ctl_arena_stats_amerge). */
function mergeBins(heap: Heap, arena: Arena, out: ArenaStats): void {
  const { firstBin, shards } = heap.binInfo;
  const { bins, small } = out;
  const from = arena.bins;
  for (let szind = 0; szind < NBINS; szind++) {
    for (let bin = firstBin[szind]; bin < firstBin[szind] + shards[szind]; bin++) {
      lockAndRead(heap.mutexes, arena.binMutexes + bin, bins.mutex, szind);
      bins.nmalloc[szind] += from.nmalloc[bin];
      bins.ndalloc[szind] += from.ndalloc[bin];
      bins.nrequests[szind] += from.nrequests[bin];
      bins.curregs[szind] += from.curregs[bin];
      bins.nfills[szind] += from.nfills[bin];
      bins.nflushes[szind] += from.nflushes[bin];
      bins.nslabs[szind] += from.nslabs[bin];
      bins.nreslabs[szind] += from.reslabs[bin];
      bins.curslabs[szind] += from.curslabs[bin];
      bins.nonfull_slabs[szind] += from.nonfullSlabs[bin];
    }
    small.allocated += bins.curregs[szind] * indexToSize[szind];
    small.nmalloc += bins.nmalloc[szind];
    small.ndalloc += bins.ndalloc[szind];
    small.nrequests += bins.nrequests[szind];
    small.nfills += bins.nfills[szind];
    small.nflushes += bins.nflushes[szind];
  }
}

/** Refreshes every record (ctl_refresh). The caller holds the ctl mutex; `stats.arenas` has an entry for every index. */
export function ctlRefresh(heap: Heap, stats: CtlStats): void {
  const { mutexes } = heap;
  const { global } = stats;
  const merged = new ArenaStats();
  merged.initialized = true;
  stats.merged = merged;
  for (let index = 0; index < stats.arenas.length; index++) {
    const arena = heap.arenas[index];
    if (arena === undefined) {
      stats.arenas[index] = undefined;
      continue;
    }
    const record = new ArenaStats();
    record.initialized = true;
    stats.arenas[index] = record;
    arenaStatsMerge(heap, arena, record);
    mergeArenaStats(merged, record, index, false);
  }
  global.allocated = merged.small.allocated + merged.large.allocated;
  global.active = merged.pactive * PAGE;
  global.metadata = merged.base + merged.internal;
  global.resident = merged.resident;
  global.metadata_thp = merged.metadata_thp;
  global.mapped = merged.mapped;
  global.retained = merged.retained;

  global.mutexes.clear();
  lock(mutexes, GlobalMutex.background_thread);
  global.background_thread = { num_threads: 0, num_runs: 0, run_interval: 0 };
  if (heap.background !== null) {
    const { ops, ownerSwitches, ...threads } = heap.background.stats();
    global.background_thread = threads;
    global.mutexes.num_ops[GlobalMutex.max_per_bg_thd] = ops;
    global.mutexes.num_owner_switch[GlobalMutex.max_per_bg_thd] = ownerSwitches;
  }
  if (heap.prof !== null) {
    heap.prof.refreshLocks();
    for (let m: number = GlobalMutex.prof; m <= GlobalMutex.prof_stats; m++) readHeld(mutexes, m, global.mutexes);
  }
  lockAndRead(mutexes, GlobalMutex.background_thread, global.mutexes, GlobalMutex.background_thread);
  readHeld(mutexes, GlobalMutex.ctl, global.mutexes);
  stats.epoch++;
}

/** Reads a mutex that has been taken already. */
function readHeld(mutexes: MutexTable, m: number, out: MutexStats): void {
  out.num_ops[m] = mutexes.ops[m];
  out.num_owner_switch[m] = mutexes.ownerSwitches[m];
}
