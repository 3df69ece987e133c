/**
 * The page map: which extents touch, and the memory that the map itself takes (jemalloc 5.3.0, src/emap.c,
 * include/jemalloc/internal/rtree.h; extent_can_acquire_neighbor in extent.h).
 * Invariant: every extent that has been registered has the leaves of its first and last page.
 * Differs: the radix tree is the set of its leaves, because only their memory shows. Neighbours are found through links between extents;
 * a guard page belongs to no extent of the map, so what lies beyond one is no neighbour.
 */
import type { Ecache } from '../arena/arena_state.ts';
import type { Heap } from '../heap.ts';
import { CACHELINE, PAGE } from '../sizes/sc.ts';
import { Flag, NO_EXTENT } from './edata.ts';
import { REGIONS } from './region.ts';
import type { Extent, Region } from './types.ts';

/** Elements of a leaf of the radix tree, which has two levels over 36 bits of page number (rtree_levels), and bytes of each (rtree_leaf_elm_t). */
const LEAF_ELEMENTS = 2 ** 18;
const ELEMENT_BYTES = 8;
/** Address space that a leaf covers, and its size, bytes. */
const LEAF_SPAN = LEAF_ELEMENTS * PAGE;
const LEAF_BYTES = LEAF_ELEMENTS * ELEMENT_BYTES;

/** Number of the leaf that holds an address. */
function leafOf(address: number): number {
  return Math.floor(address / LEAF_SPAN);
}

/** Makes the leaf of the radix tree that holds `address`, if it is not there (rtree_leaf_elm_lookup with init_missing). False if out of memory. */
function touchLeaf(heap: Heap, address: number): boolean {
  const leaf = leafOf(address);
  if (heap.leaves.has(leaf)) return true;
  if (heap.base0.alloc(LEAF_BYTES, CACHELINE) === 0) return false;
  heap.leaves.add(leaf);
  return true;
}

/** emap_register_boundary: first page, then last page. False if out of memory. */
export function registerBoundary(heap: Heap, extent: Extent): boolean {
  const { edata } = heap;
  return registerRange(heap, edata.base[extent], edata.pages[extent]);
}

/** The same for pages that are no extent yet (emap_rtree_leaf_elms_lookup with init_missing). */
export function registerRange(heap: Heap, base: number, pages: number): boolean {
  return touchLeaf(heap, base) && touchLeaf(heap, base + (pages - 1) * PAGE);
}

/** emap_deregister_boundary: the extent has no neighbours any more. */
export function deregisterBoundary(heap: Heap, extent: Extent): void {
  const { edata } = heap;
  const below = edata.below[extent];
  const above = edata.above[extent];
  if (below !== 0) edata.above[below] = 0;
  if (above !== 0) edata.below[above] = 0;
  heap.boundaries?.leave(edata, extent);
}

/** emap_split_commit: `trail`, which was cut off the end of `lead`, is its neighbour. */
export function splitCommit(heap: Heap, lead: Extent, trail: Extent): void {
  const { edata } = heap;
  const above = edata.above[lead];
  edata.below[trail] = lead;
  edata.above[trail] = above;
  edata.above[lead] = trail;
  if (above !== 0) edata.below[above] = trail;
  heap.boundaries?.split(edata, lead, trail);
}

/** emap_merge_commit: `low` gets the neighbour above of `high`, which is about to be added to it. */
export function mergeCommit(heap: Heap, low: Extent, high: Extent): void {
  const { edata } = heap;
  const above = edata.above[high];
  edata.above[low] = above;
  if (above !== 0) edata.below[above] = low;
  heap.boundaries?.merge(edata, low, high);
}

/** emap_edata_lookup: the extent that a region lies in. */
export function extentOf(region: Region): Extent {
  return ((region / REGIONS) | 0) as Extent;
}

/** emap_try_acquire_edata_neighbor: the neighbour above (or below), if it is in the cache's state and may merge. */
export function neighbor(heap: Heap, extent: Extent, ecache: Ecache, forward: boolean): Extent {
  const { edata } = heap;
  const other = (forward ? edata.above : edata.below)[extent];
  if (other === 0) return NO_EXTENT;
  const higher = forward ? other : extent;
  if ((edata.flags[higher] & Flag.head) !== 0) return NO_EXTENT;
  if (edata.state[other] !== ecache.state) return NO_EXTENT;
  if (edata.arena[other] !== edata.arena[extent]) return NO_EXTENT;
  // behind a guarded one's border lies its guard page
  if (((edata.flags[other] ^ edata.flags[extent]) & Flag.guarded) !== 0) return NO_EXTENT;
  return other as Extent;
}

/** Checks the links between extents that touch, and that the map has their leaves. @throws Error naming what does not hold. */
export function checkEmap({ edata, leaves }: Heap): void {
  const { length, base, pages, above, below, flags } = edata;
  for (let row = 1; row < length; row++) {
    if (pages[row] === 0) continue;
    const end = base[row] + pages[row] * PAGE;
    if (!leaves.has(leafOf(base[row])) || !leaves.has(leafOf(end - PAGE))) throw new Error('page map: a leaf of an extent is missing');
    const next = above[row];
    if (next === 0) continue;
    if (below[next] !== row) throw new Error('page map: a neighbour does not point back');
    // between guarded ones lie their guard pages
    if (base[next] !== end && ((flags[row] | flags[next]) & Flag.guarded) === 0)
      throw new Error('page map: linked neighbours do not touch');
  }
}
