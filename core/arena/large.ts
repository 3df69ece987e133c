/**
 * Large objects: an extent each (jemalloc 5.3.0, src/large.c; the large parts of src/arena.c).
 * Invariant: an active large extent has one page more than its size class (from the small extent cache perhaps more), and its object starts `offset` bytes in.
 * Differs: zeroing and copying are absent, but what is to be zero is not taken from page slabs; the profiler's fields of an extent are one column, a row of its records.
 */
import { Flag } from '../extent/edata.ts';
import { paAlloc, paDalloc, paExpand, paShrink, handleDeferredWork } from '../extent/pac.ts';
import { largeExtentDecideGuard } from '../extent/san.ts';
import { type Extent, NULL_REGION, type Region } from '../extent/types.ts';
import type { Heap } from '../heap.ts';
import { ArenaMutex, lock } from '../mutex.ts';
import { type InfoRow, NO_INFO } from '../prof/rows.ts';
import {
  alignedUsableSize,
  CACHELINE,
  indexToSize,
  LARGE_MAXCLASS,
  LARGE_MIN_INDEX,
  LARGE_PAD_PAGES,
  LG_CACHELINE,
  LG_PAGE,
  PAGE,
  sizeToIndex,
} from '../sizes/sc.ts';
import { decayTick } from '../thread/decay_tick.ts';
import type { Tsd } from '../thread/tsd.ts';
import { type Arena, arenaOfExtent } from './arena_state.ts';
import { REGIONS } from '../extent/region.ts';
import { chooseMaybeHuge } from './choose.ts';
import type { Bytes, SizeClass } from '../units.ts';

/** SizeClass -> row of an arena's large statistics; small classes (sampled objects) count in the first. */
function largeRow(szind: SizeClass): number {
  return szind <= LARGE_MIN_INDEX ? 0 : szind - LARGE_MIN_INDEX;
}

/**
 * large_palloc: an object of `usize` usable bytes at a multiple of `alignment`; -1 if out of memory. Without an arena the thread's is
 * taken, or the huge arena. Below page alignment the object starts at a random multiple of its alignment in the first page.
 */
export function largePalloc(heap: Heap, tsd: Tsd, arena: Arena | null, usize: Bytes, alignment: Bytes, zero: boolean): Region {
  const ausize = alignedUsableSize(usize, alignment);
  if (ausize === 0 || ausize > LARGE_MAXCLASS) return NULL_REGION;
  const chosen = chooseMaybeHuge(heap, tsd, arena, usize);
  const { edata } = heap;
  const szind = sizeToIndex(usize);
  const pages = usize / PAGE + LARGE_PAD_PAGES;
  // what page slabs leave to do is not looked at here (arena_extent_alloc_large)
  const extent = paAlloc(heap, chosen, pages, alignment, false, szind, largeExtentDecideGuard(heap, tsd, pages, alignment), zero);
  if (extent === 0) return NULL_REGION;
  setLargeProfInfo(heap, extent, NO_INFO);
  chosen.large.nmalloc[largeRow(szind)]++;
  chosen.allocated += usize;
  if (alignment < PAGE) {
    // arena_cache_oblivious_randomize
    let lgAlignment = LG_CACHELINE;
    while (2 ** lgAlignment < alignment) lgAlignment++;
    edata.offset[extent] = tsd.draw(LG_PAGE - lgAlignment) << lgAlignment;
  } else {
    edata.offset[extent] = 0;
  }
  if (!chosen.automatic) {
    lock(heap.mutexes, chosen.mutexes + ArenaMutex.large);
    chosen.largeList.append(edata.links, 0, extent);
  }
  decayTick(heap, tsd, chosen, 1);
  return (extent * REGIONS) as Region;
}

/** large_malloc: an object of `usize` usable bytes at a multiple of a cache line; -1 if out of memory. */
export function largeMalloc(heap: Heap, tsd: Tsd, arena: Arena | null, usize: Bytes, zero: boolean): Region {
  return largePalloc(heap, tsd, arena, usize, CACHELINE, zero);
}

/** large_prof_info_get: what the profiler keeps of the object in an extent, NO_INFO if it is not sampled. */
export function largeProfInfo({ edata }: Heap, extent: Extent): InfoRow {
  return (edata.sample[extent] - 1) as InfoRow;
}

/** large_prof_info_set, and with NO_INFO large_prof_tctx_reset. */
export function setLargeProfInfo({ edata }: Heap, extent: Extent, info: InfoRow): void {
  edata.sample[extent] = info + 1;
}

/** Books the end of a large object and unlinks it (large_dalloc_prep_locked). The large mutex of a manual arena has been counted. */
export function largeDallocPrep(heap: Heap, arena: Arena, extent: Extent): void {
  const { edata } = heap;
  if (!arena.automatic) arena.largeList.remove(edata.links, 0, extent);
  const row = largeRow(edata.szind[extent]);
  arena.large.ndalloc[row]++;
  arena.allocated -= indexToSize[row + LARGE_MIN_INDEX];
}

/** large_dalloc: frees a large object past the thread cache. */
export function largeDalloc(heap: Heap, tsd: Tsd, extent: Extent): void {
  const arena = arenaOfExtent(heap, extent);
  if (!arena.automatic) lock(heap.mutexes, arena.mutexes + ArenaMutex.large);
  largeDallocPrep(heap, arena, extent);
  paDalloc(heap, arena, extent);
  decayTick(heap, tsd, arena, 1);
}

/** large_ralloc_no_move: changes a large object's class where it lies; false if it has to move. */
export function largeRallocNoMove(heap: Heap, tsd: Tsd, extent: Extent, usize: Bytes): boolean {
  const { edata } = heap;
  const arena = arenaOfExtent(heap, extent);
  const oldIndex = edata.szind[extent];
  const oldUsize = indexToSize[oldIndex];
  if (usize !== oldUsize) {
    const szind = sizeToIndex(usize);
    const pages = usize / PAGE + LARGE_PAD_PAGES;
    if (usize > oldUsize) {
      if (!paExpand(heap, arena, extent, pages, szind)) return false;
    } else {
      if (!paShrink(heap, arena, extent, pages, szind)) return false;
      handleDeferredWork(heap, arena);
    }
    arena.large.nmalloc[largeRow(szind)]++;
    arena.large.ndalloc[largeRow(oldIndex)]++;
    arena.allocated += usize - oldUsize;
  }
  decayTick(heap, tsd, arena, 1);
  return true;
}

/**
 * Checks the large objects of an arena, of which there are `extents`.
 * @returns Their usable bytes, small objects that are sampled counted as the pages that they lie in.
 * @throws Error naming what does not hold.
 */
export function checkLargeObjects(heap: Heap, { large, largeList, automatic }: Arena, extents: number): number {
  let bytes = 0;
  let objects = 0;
  for (let row = 0; row < large.nmalloc.length; row++) {
    const live = large.nmalloc[row] - large.ndalloc[row];
    if (live < 0) throw new Error('large: more objects are gone than ever were');
    objects += live;
    bytes += live * indexToSize[row + LARGE_MIN_INDEX];
  }
  if (objects !== extents) throw new Error('large: nmalloc - ndalloc differs from the extents');
  let listed = 0;
  largeList.check(heap.edata.links, 0, 'large: an object of the list', (extent) => {
    listed++;
    if ((heap.edata.flags[extent] & Flag.slab) !== 0) throw new Error('large: a slab is in the list');
  });
  if (listed !== (automatic ? 0 : extents)) throw new Error('large: the list of a manual arena has a wrong length');
  return bytes;
}

/** Checks a large extent. @throws Error naming what does not hold. */
export function checkLarge(heap: Heap, extent: Extent): void {
  const { edata } = heap;
  if ((edata.flags[extent] & Flag.slab) !== 0) throw new Error('large: the extent is a slab');
  const szind = Math.max(edata.szind[extent], LARGE_MIN_INDEX);
  const pages = indexToSize[szind] / PAGE + LARGE_PAD_PAGES;
  const hpa = (edata.flags[extent] & Flag.hpa) !== 0;
  if (edata.pages[extent] !== pages && !(hpa && edata.pages[extent] > pages)) throw new Error('large: pages differ from the size class');
}
