/**
 * Checks every table of a heap (`--audit`). Each table's own check sits beside it; here they meet, with what holds between them.
 * Invariant: to check changes nothing, and takes no memory of the model.
 * Differs: jemalloc checks this only in debug builds, piece by piece.
 */
import type { Arena } from './arena/arena_state.ts';
import { checkBins, checkSlab, type SlabSums } from './arena/bin.ts';
import { checkThreads } from './arena/choose.ts';
import { checkLarge, checkLargeObjects, largeProfInfo } from './arena/large.ts';
import { checkBase } from './base/base.ts';
import { Flag, State } from './extent/edata.ts';
import { checkEmap } from './extent/emap.ts';
import { checkSanBump } from './extent/san_bump.ts';
import type { Extent } from './extent/types.ts';
import type { Heap } from './heap.ts';
import { checkPsset } from './hpa/psset.ts';
import { checkSec } from './hpa/sec.ts';
import { checkProf } from './prof/prof.ts';
import { checkMutexes } from './mutex.ts';
import { checkTcache } from './thread/tcache.ts';
import { checkTcaches } from './thread/tcaches.ts';

/** Classes of a small extent cache that hold one size each: 1 to 8 pages. */
const ONE_SIZE_CLASSES = 8;

/** What the extents of a heap come to, by arena. */
interface ArenaSums extends SlabSums {
  /** Pages of active extents. */
  pages: number;
  /** Large extents in use. */
  large: number;
  /** Those of them whose object is sampled. */
  samples: number;
}

/** Checks all tables. @throws Error naming the table and what does not hold. */
export function auditHeap(heap: Heap): void {
  const { bins } = heap.binInfo;
  const sums: ArenaSums[] = heap.arenas.map(() => ({
    pages: 0,
    large: 0,
    samples: 0,
    slabs: new Float64Array(bins),
    taken: new Float64Array(bins),
  }));
  // page slab -> pages of extents that are cut from it
  const slabPages: number[] = [];
  heap.edata.check();
  checkEmap(heap);
  heap.mappings.check();
  heap.boundaries?.check(heap.edata);
  heap.space.check();
  heap.background?.check();
  checkExtents(heap, sums, slabPages);
  for (const arena of heap.arenas) {
    if (arena === undefined) continue;
    checkArena(heap, arena, sums[arena.index]);
    checkHpa(heap, arena, slabPages);
  }
  checkMutexes(heap.mutexes);
  checkThreads(heap);
  for (const tsd of heap.tsds) tsd.check();
  checkTcaches(heap.tcaches);
  if (heap.prof === null) return;
  checkProf(heap.prof);
  let samples = 0;
  for (const sum of sums) samples += sum?.samples ?? 0;
  if (samples !== heap.prof.infos.count) throw new Error('samples: other objects are sampled than the profiler knows');
}

/** Checks the objects and slabs that extents hold, and sums them up. */
function checkExtents(heap: Heap, sums: readonly ArenaSums[], slabPages: number[]): void {
  const { edata, binInfo } = heap;
  const { length, pages, flags, state } = edata;
  for (let row = 1 as Extent; row < length; row++) {
    if (pages[row] === 0) continue;
    if ((flags[row] & Flag.hpa) !== 0) slabPages[edata.pageSlab[row]] = (slabPages[edata.pageSlab[row]] ?? 0) + pages[row];
    if (state[row] !== State.active || (flags[row] & (Flag.bump | Flag.cached)) !== 0) continue;
    const sum = sums[edata.arena[row]];
    sum.pages += pages[row];
    if ((flags[row] & Flag.slab) === 0) {
      checkLarge(heap, row as Extent);
      sum.large++;
      if (largeProfInfo(heap, row as Extent) >= 0) sum.samples++;
      continue;
    }
    checkSlab(heap, row);
    const bin = binInfo.firstBin[edata.szind[row]] + edata.shard[row];
    sum.slabs[bin]++;
    sum.taken[bin] += binInfo.regions[edata.szind[row]] - edata.freeCount[row];
  }
}

/** Checks what an arena holds against its extents. */
function checkArena(heap: Heap, arena: Arena, sums: ArenaSums): void {
  checkBase(arena.base);
  for (const cache of [arena.dirty, arena.muzzy, arena.retained]) {
    cache.eset.check(heap.edata, cache.state);
    cache.guarded.check(heap.edata, cache.state);
  }
  checkSanBump(heap, arena);
  arena.decayDirty.check();
  arena.decayMuzzy.check();
  // a small extent cache whose classes hold several sizes gives larger extents than were asked for, and only what was asked for is added
  const mixes = (arena.hpaSec?.classes ?? 0) > ONE_SIZE_CLASSES;
  if (mixes ? arena.activePages > sums.pages : sums.pages !== arena.activePages)
    throw new Error('arena: activePages differs from its active extents');
  const allocated = checkBins(heap, arena, sums) + checkLargeObjects(heap, arena, sums.large);
  if (allocated !== arena.allocated) throw new Error('arena: allocated differs from its bins and large objects');
  for (const tcache of arena.tcaches) checkTcache(heap, tcache);
}

function checkHpa(heap: Heap, { hpaShard, hpaSec }: Arena, slabPages: readonly number[]): void {
  if (heap.hpaCentral === null || hpaShard === null || hpaSec === null) return;
  const table = heap.hpaCentral.hpdata;
  checkSec(heap, hpaSec);
  checkPsset(hpaShard.psset, table, hpaShard.slabs);
  for (const slab of hpaShard.slabs) {
    if (table.nactive[slab] !== (slabPages[slab] ?? 0)) throw new Error('page slab: nactive differs from its extents');
  }
}
