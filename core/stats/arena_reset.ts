/**
 * Emptying and destroying arenas that arenas.create made; only the control interface does that (jemalloc 5.3.0, src/arena.c arena_reset,
 * arena_bin_reset, arena_destroy; src/pac.c pac_destroy; src/base.c base_delete).
 * Invariant: an emptied arena has no active extents.
 * Differs: nothing but that the profiler is told of sampled objects by their rows.
 */
import type { Arena } from '../arena/arena_state.ts';
import { largeDalloc, largeProfInfo, setLargeProfInfo } from '../arena/large.ts';
import { NO_INFO } from '../prof/rows.ts';
import { ecacheEvict, extentDestroyWrapper } from '../extent/extent.ts';
import { paDalloc } from '../extent/pac.ts';
import { heapRemoveFirst } from '../extent/ph.ts';
import type { Extent } from '../extent/types.ts';
import type { Heap } from '../heap.ts';
import { secFlush } from '../hpa/sec.ts';
import { ArenaMutex, lock } from '../mutex.ts';
import { indexToSize, NBINS } from '../sizes/sc.ts';
import { NO_STACK, type SizeClass } from '../units.ts';
import type { Tsd } from '../thread/tsd.ts';

/** arena_reset: frees everything in an arena. Small objects do not count as deallocated; slabs that had free regions stay in that count. */
export function arenaReset(heap: Heap, tsd: Tsd, arena: Arena): void {
  const { mutexes } = heap;
  const largeMutex = arena.mutexes + ArenaMutex.large;
  lock(mutexes, largeMutex);
  while (arena.largeList.first[0] !== 0) {
    const extent = arena.largeList.first[0] as Extent;
    const info = largeProfInfo(heap, extent);
    if (info >= 0 && heap.prof !== null) {
      setLargeProfInfo(heap, extent, NO_INFO);
      heap.prof.free(tsd.index, info, NO_STACK);
    }
    largeDalloc(heap, tsd, extent);
    lock(mutexes, largeMutex);
  }
  const { firstBin, shards } = heap.binInfo;
  for (let szind = 0 as SizeClass; szind < NBINS; szind++) {
    for (let shard = 0; shard < shards[szind]; shard++) resetBin(heap, arena, szind, firstBin[szind] + shard);
  }
  // pa_shard_reset: the count is set, whatever it was (a small extent cache with several sizes in a class leaves it too low)
  arena.activePages = 0;
  if (arena.hpaSec !== null) secFlush(heap, arena, arena.hpaSec);
}

/** arena_bin_reset: `bin` is a shard of class `szind`. */
function resetBin(heap: Heap, arena: Arena, szind: SizeClass, bin: number): void {
  const { edata, mutexes } = heap;
  const { bins } = arena;
  const mutex = arena.binMutexes + bin;
  const release = (slab: number) => {
    paDalloc(heap, arena, slab as Extent);
    lock(mutexes, mutex);
  };
  lock(mutexes, mutex);
  const current = bins.slabcur[bin];
  bins.slabcur[bin] = 0;
  if (current !== 0) release(current);
  for (let slab = heapRemoveFirst(edata, bins.nonfull, bin); slab !== 0; slab = heapRemoveFirst(edata, bins.nonfull, bin)) release(slab);
  let full = bins.full.first[bin];
  bins.full.clear(bin);
  while (full !== 0) {
    const next = edata.links.next[full];
    release(full);
    full = next;
  }
  arena.allocated -= bins.curregs[bin] * indexToSize[szind];
  bins.curregs[bin] = 0;
  bins.curslabs[bin] = 0;
}

/**
 * arena_destroy: unmaps what an emptied and purged arena retains (pac_destroy), and takes it out of the heap. Its base memory is unmapped only with retain:false, its page
 * slabs never.
 */
export function arenaDestroy(heap: Heap, arena: Arena): void {
  for (;;) {
    const extent = ecacheEvict(heap, arena, arena.retained, 0);
    if (extent === 0) break;
    extentDestroyWrapper(heap, arena, extent);
  }
  heap.arenas[arena.index] = undefined;
  heap.memory.placeArena(arena.index, 0);
  for (const { eset, guarded } of [arena.dirty, arena.muzzy, arena.retained]) {
    eset.release();
    guarded.release();
  }
  if (heap.options.retain) return;
  syncOthers(heap, arena);
  for (const [block, address] of arena.base.addresses.entries()) heap.space.munmap(address, arena.base.sizes[block]);
}

/** Takes the page caches' mutexes of all other arenas, which might be looking at this one's extents (arena_prepare_base_deletion). */
function syncOthers(heap: Heap, destroyed: Arena): void {
  for (const arena of heap.arenas) {
    if (arena === undefined || arena === destroyed) continue;
    for (const name of ['extents_dirty', 'extents_muzzy', 'extents_retained'] as const)
      lock(heap.mutexes, arena.mutexes + ArenaMutex[name]);
  }
}
