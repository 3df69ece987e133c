/**
 * Guarded slabs side by side: each cut from the front of a region that is mapped for the purpose, with one guard page behind it
 * (jemalloc 5.3.0, src/san_bump.c).
 * Invariant: an arena's bump region is active and in nobody's hands; what was cut from it never comes back to it.
 * Differs: the mutex around it is absent, for no statistics show it.
 */
import type { Arena } from '../arena/arena_state.ts';
import type { Heap } from '../heap.ts';
import { PAGE } from '../sizes/sc.ts';
import { Flag, NO_EXTENT, State } from './edata.ts';
import { extentAllocWrapper, extentDestroyWrapper, extentSplit } from './extent.ts';
import { guardPagesRight } from './san.ts';
import type { Extent } from './types.ts';

/** Pages of a region (SBA_RETAINED_ALLOC_SIZE, san_bump.h: 4 MiB). */
const REGION_PAGES: number = (4 << 20) / PAGE;

/** san_bump_alloc: an extent of `pages` pages with a guard behind it; NO_EXTENT if out of memory. A region too small for it is unmapped. */
export function sanBumpAlloc(heap: Heap, arena: Arena, pages: number): Extent {
  const { edata } = heap;
  const guardedPages = pages + 1;
  const current = arena.bumpRegion as Extent;
  let toDestroy = NO_EXTENT;
  if (current === 0 || edata.pages[current] < guardedPages) {
    toDestroy = current;
    // out of memory, the old region is forgotten: nothing will unmap it
    if (!grow(heap, arena, guardedPages)) return NO_EXTENT;
  }
  const extent = arena.bumpRegion as Extent;
  let rest = NO_EXTENT;
  if (edata.pages[extent] > guardedPages) {
    rest = extentSplit(heap, arena, extent, guardedPages);
    if (rest === 0) return NO_EXTENT;
    edata.flags[rest] |= Flag.bump;
  }
  arena.bumpRegion = rest;
  edata.flags[extent] &= ~Flag.bump;
  if (toDestroy !== 0) extentDestroyWrapper(heap, arena, toDestroy);
  guardPagesRight(heap, extent);
  heap.gdumpAdd(pages);
  return extent;
}

/** san_bump_grow_locked. What is mapped here counts for a dump at a new high when it is cut off. */
function grow(heap: Heap, arena: Arena, guardedPages: number): boolean {
  const region = extentAllocWrapper(heap, arena, 0, Math.max(guardedPages, REGION_PAGES), PAGE, true);
  arena.bumpRegion = region;
  if (region === 0) return false;
  heap.edata.flags[region] |= Flag.bump;
  return true;
}

/** Checks that an arena's bump region is one. @throws Error naming what does not hold. */
export function checkSanBump({ edata }: Heap, { index, bumpRegion }: Arena): void {
  if (bumpRegion === 0) return;
  const sound = edata.pages[bumpRegion] > 0 && edata.state[bumpRegion] === State.active && edata.arena[bumpRegion] === index;
  if (!sound || (edata.flags[bumpRegion] & Flag.bump) === 0) throw new Error('bump region: it is none, or in a cache, or of another arena');
}
