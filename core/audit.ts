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
import { checkEset } from './extent/eset.ts';
import { checkHeap } from './extent/ph.ts';
import type { Extent } from './extent/types.ts';
import type { Heap } from './heap.ts';
import { checkProf } from './prof/prof.ts';
import { indexToSize, LARGE_MIN_INDEX, NBINS, PAGE } from './sizes/sc.ts';
import { checkTcache } from './thread/tcache.ts';

/** Checks all tables. @throws Error naming the table and what does not hold. */
export function auditHeap(heap: Heap): void {
  const { edata, binInfo } = heap;
  const slabs = new Map<string, { slabs: number; taken: number }>();
  const activePages = new Float64Array(heap.arenas.length);
  for (let row = 1 as Extent; row < edata.length; row++) {
    if (edata.pages[row] === 0) continue;
    const above = edata.above[row];
    if (above !== 0) {
      if (edata.below[above] !== row) throw new Error('page map: a neighbour does not point back');
      const end = edata.base[row] + edata.pages[row] * PAGE;
      if ((edata.flags[row] & Flag.guarded) === 0 && (edata.flags[above] & Flag.guarded) === 0 && edata.base[above] !== end) {
        throw new Error('page map: linked neighbours do not touch');
      }
    }
    if (edata.state[row] !== State.active || (edata.flags[row] & Flag.bump) !== 0) continue;
    activePages[edata.arena[row]] += edata.pages[row];
    if ((edata.flags[row] & Flag.slab) === 0) {
      checkLarge(heap, row as Extent);
      continue;
    }
    checkSlab(heap, row);
    const key = `${edata.arena[row]} ${binInfo.firstBin[edata.szind[row]] + edata.shard[row]}`;
    const sum = slabs.get(key) ?? { slabs: 0, taken: 0 };
    sum.slabs++;
    sum.taken += binInfo.regions[edata.szind[row]] - edata.freeCount[row];
    slabs.set(key, sum);
  }
  for (const arena of heap.arenas) {
    if (arena === undefined) continue;
    checkBase(arena.base);
    for (const cache of [arena.dirty, arena.muzzy, arena.retained]) {
      checkEset(edata, cache.eset, cache.state);
      checkEset(edata, cache.guarded, cache.state);
    }
    arena.decayDirty.check();
    arena.decayMuzzy.check();
    if (activePages[arena.index] !== arena.activePages) throw new Error('arena: activePages differs from its active extents');
    checkBins(heap, arena, slabs);
    for (const tcache of arena.tcaches) checkTcache(heap, tcache);
  }
  if (heap.prof !== null) checkProf(heap.prof);
}

function checkBins(heap: Heap, arena: Arena, slabs: ReadonlyMap<string, { slabs: number; taken: number }>): void {
  const { bins, large } = arena;
  let allocated = 0;
  for (let szind = 0; szind < NBINS; szind++) {
    for (let shard = 0; shard < heap.binInfo.shards[szind]; shard++) {
      const bin = heap.binInfo.firstBin[szind] + shard;
      const sum = slabs.get(`${arena.index} ${bin}`) ?? { slabs: 0, taken: 0 };
      if (sum.slabs !== bins.curslabs[bin]) throw new Error('bin: curslabs differs from its slabs');
      if (sum.taken !== bins.curregs[bin]) throw new Error('bin: curregs differs from the regions taken');
      if (arena.automatic && bins.nmalloc[bin] - bins.ndalloc[bin] !== bins.curregs[bin]) {
        throw new Error('bin: curregs is not nmalloc - ndalloc');
      }
      const nonfull = checkHeap(heap.edata, bins.nonfull, bin);
      if (arena.automatic && nonfull !== bins.nonfullSlabs[bin]) throw new Error('bin: nonfullSlabs differs from the heap');
      allocated += bins.curregs[bin] * indexToSize[szind];
    }
  }
  for (let row = 0; row < large.nmalloc.length; row++) {
    allocated += (large.nmalloc[row] - large.ndalloc[row]) * indexToSize[row + LARGE_MIN_INDEX];
  }
  if (allocated !== arena.allocated) throw new Error('arena: allocated differs from its bins and large objects');
}
