/**
 * Checks every table of a heap (`--audit`). Each table's own check sits beside it; here they meet, with what holds between them.
 * Differs: jemalloc checks this only in debug builds, piece by piece. `arena.<i>.reset`, which only manual arenas know, leaves two counters of
 * a bin stale in jemalloc itself; those two are not held against such arenas.
 */
import type { Arena } from './arena/arena_state.ts';
import { checkSlab } from './arena/bin.ts';
import { checkLarge } from './arena/large.ts';
import { checkBase } from './base/base.ts';
import { Flag, State } from './extent/edata.ts';
import { checkEmap } from './extent/emap.ts';
import { checkHeap } from './extent/ph.ts';
import { checkSanBump } from './extent/san_bump.ts';
import type { Extent } from './extent/types.ts';
import type { Heap } from './heap.ts';
import { checkPsset } from './hpa/psset.ts';
import { checkSec } from './hpa/sec.ts';
import { checkProf } from './prof/prof.ts';
import { indexToSize, LARGE_MIN_INDEX, NBINS } from './sizes/sc.ts';
import { checkTcache } from './thread/tcache.ts';

/** Checks all tables. @throws Error naming the table and what does not hold. */
export function auditHeap(heap: Heap): void {
  const { edata, binInfo } = heap;
  const activePages = new Float64Array(heap.arenas.length);
  // arena * bins + bin -> slabs, and regions taken in them
  const slabs = new Float64Array(heap.arenas.length * binInfo.bins);
  const taken = new Float64Array(heap.arenas.length * binInfo.bins);
  // page slab -> pages of extents that are cut from it
  const slabPages: number[] = [];
  edata.check();
  checkEmap(heap);
  heap.mappings.check();
  heap.boundaries?.check(edata);
  heap.space.check();
  heap.background?.check();
  const { length, pages, flags, state } = edata;
  for (let row = 1 as Extent; row < length; row++) {
    if (pages[row] === 0) continue;
    if ((flags[row] & Flag.hpa) !== 0) slabPages[edata.pageSlab[row]] = (slabPages[edata.pageSlab[row]] ?? 0) + pages[row];
    if (state[row] !== State.active || (flags[row] & (Flag.bump | Flag.cached)) !== 0) continue;
    activePages[edata.arena[row]] += pages[row];
    if ((flags[row] & Flag.slab) === 0) {
      checkLarge(heap, row as Extent);
      continue;
    }
    checkSlab(heap, row);
    const at = edata.arena[row] * binInfo.bins + binInfo.firstBin[edata.szind[row]] + edata.shard[row];
    slabs[at]++;
    taken[at] += binInfo.regions[edata.szind[row]] - edata.freeCount[row];
  }
  for (const arena of heap.arenas) {
    if (arena === undefined) continue;
    checkBase(arena.base);
    for (const cache of [arena.dirty, arena.muzzy, arena.retained]) {
      cache.eset.check(edata, cache.state);
      cache.guarded.check(edata, cache.state);
    }
    checkSanBump(heap, arena);
    checkHpa(heap, arena, slabPages);
    arena.decayDirty.check();
    arena.decayMuzzy.check();
    // a small extent cache whose classes hold several sizes gives larger extents than were asked for, and only what was asked for is added
    const mixes = (arena.hpaSec?.classes ?? 0) > 8;
    if (mixes ? arena.activePages > activePages[arena.index] : activePages[arena.index] !== arena.activePages)
      throw new Error('arena: activePages differs from its active extents');
    checkBins(heap, arena, slabs, taken);
    for (const tcache of arena.tcaches) checkTcache(heap, tcache);
  }
  if (heap.prof !== null) checkProf(heap.prof);
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

function checkBins(heap: Heap, arena: Arena, slabs: Float64Array, taken: Float64Array): void {
  const { bins, large, automatic } = arena;
  const { curslabs, curregs, nmalloc, ndalloc, nonfull, nonfullSlabs } = bins;
  const { firstBin, shards } = heap.binInfo;
  const first = arena.index * heap.binInfo.bins;
  let allocated = 0;
  for (let szind = 0; szind < NBINS; szind++) {
    for (let bin = firstBin[szind]; bin < firstBin[szind] + shards[szind]; bin++) {
      if (slabs[first + bin] !== curslabs[bin]) throw new Error('bin: curslabs differs from its slabs');
      if (taken[first + bin] !== curregs[bin]) throw new Error('bin: curregs differs from the regions taken');
      if (automatic && nmalloc[bin] - ndalloc[bin] !== curregs[bin]) throw new Error('bin: curregs is not nmalloc - ndalloc');
      const held = checkHeap(heap.edata, nonfull, bin);
      if (automatic && held !== nonfullSlabs[bin]) throw new Error('bin: nonfullSlabs differs from the heap');
      allocated += curregs[bin] * indexToSize[szind];
    }
  }
  for (let row = 0; row < large.nmalloc.length; row++) {
    allocated += (large.nmalloc[row] - large.ndalloc[row]) * indexToSize[row + LARGE_MIN_INDEX];
  }
  if (allocated !== arena.allocated) throw new Error('arena: allocated differs from its bins and large objects');
}
