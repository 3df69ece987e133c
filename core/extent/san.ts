/**
 * Guard pages: pages without access before and behind an extent (jemalloc 5.3.0, src/san.c, include/jemalloc/internal/san.h).
 * Invariant: a guarded extent's base and pages tell what lies between its guards, and only that is in the page map; the links to its
 * neighbours stay those of the whole, because the guards fall back to it.
 * Differs: nothing is protected, so a stray access goes unseen. Detection of uses after a free is absent: this build has none.
 */
import type { Heap } from '../heap.ts';
import { LARGE_MAXCLASS, PAGE } from '../sizes/sc.ts';
import type { Tsd } from '../thread/tsd.ts';
import { Flag } from './edata.ts';
import { registerBoundary } from './emap.ts';
import type { Extent } from './types.ts';

/** Pages of both guards (SAN_PAGE_GUARDS_SIZE). */
export const GUARDS_PAGES = 2;

/** tsd_san_init: a new thread counts from the start. */
export function tsdSanInit(heap: Heap, tsd: Tsd): void {
  tsd.guardSmall = heap.conf.sanGuardSmall;
  tsd.guardLarge = heap.conf.sanGuardLarge;
}

/** san_slab_extent_decide_guard: whether the next slab of a thread is a guarded one, each `san_guard_small`th; it counts as taken. */
export function slabExtentDecideGuard(heap: Heap, tsd: Tsd): boolean {
  const every = heap.conf.sanGuardSmall;
  if (every === 0) return false;
  if (tsd.guardSmall === 1) {
    tsd.guardSmall = every;
    return true;
  }
  tsd.guardSmall--;
  return false;
}

/**
 * san_large_extent_decide_guard: the same for a large extent of `pages` pages at a multiple of `alignment` bytes (san_guard_large). One whose turn it is but
 * that cannot be guarded leaves it to the next.
 */
export function largeExtentDecideGuard(heap: Heap, tsd: Tsd, pages: number, alignment: number): boolean {
  const every = heap.conf.sanGuardLarge;
  if (every === 0) return false;
  if (tsd.guardLarge > 1) {
    tsd.guardLarge--;
    return false;
  }
  if (alignment > PAGE || (pages + GUARDS_PAGES) * PAGE > LARGE_MAXCLASS) return false;
  tsd.guardLarge = every;
  return true;
}

/** san_guard_pages_two_sided: the first and the last page become guards, and the extent what lies between. */
export function guardPagesTwoSided(heap: Heap, extent: Extent): void {
  const { edata } = heap;
  edata.base[extent] += PAGE;
  edata.pages[extent] -= GUARDS_PAGES;
  edata.flags[extent] |= Flag.guarded;
  registerBoundary(heap, extent);
}

/** san_guard_pages with a guard on the right alone. */
export function guardPagesRight(heap: Heap, extent: Extent): void {
  const { edata } = heap;
  edata.pages[extent] -= 1;
  edata.flags[extent] |= Flag.guarded;
  registerBoundary(heap, extent);
}

/** san_unguard_pages_two_sided: the guards are the extent's own again. */
export function unguardPagesTwoSided(heap: Heap, extent: Extent): void {
  const { edata } = heap;
  edata.base[extent] -= PAGE;
  edata.pages[extent] += GUARDS_PAGES;
  edata.flags[extent] &= ~Flag.guarded;
  registerBoundary(heap, extent);
}

/** san_unguard_pages_pre_destroy: the same for a retained extent, which has a right guard only, and without a trace in the page map. */
export function unguardPagesPreDestroy(heap: Heap, extent: Extent): void {
  const { edata } = heap;
  edata.pages[extent] += 1;
  edata.flags[extent] &= ~Flag.guarded;
}
