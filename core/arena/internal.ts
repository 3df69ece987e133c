/**
 * Allocations of the library's own: thread caches, profiling tables, the statistics buffer (jemalloc 5.3.0, iallocztm, ipallocztm and
 * idalloctm with is_internal, include/jemalloc/internal/jemalloc_internal_inlines_c.h).
 * Invariant: an arena's `internal` = usable bytes of such allocations in its extents.
 * Differs: nothing is in that memory; the tables that would be there are elsewhere.
 */
import type { Heap } from '../heap.ts';
import type { Region } from '../extent/types.ts';
import { Flag } from '../extent/edata.ts';
import { extentOf } from '../extent/emap.ts';
import { alignedUsableSize, CACHELINE, indexToSize, SMALL_MAXCLASS, sizeToIndex } from '../sizes/sc.ts';
import type { Tsd } from '../thread/tsd.ts';
import { type Arena, arenaOfExtent } from './arena_state.ts';
import { dallocSmall, mallocSmall } from './bin.ts';
import { largeDalloc, largePalloc } from './large.ts';
import type { Bytes } from '../units.ts';

/**
 * Allocates `size` bytes from `arena`, past the thread cache, at a multiple of `alignment` bytes (NO_ALIGNMENT: none is asked for); `zero` if they are to
 * be cleared. Gives the region, -1 if out of memory.
 */
export function internalAlloc(heap: Heap, tsd: Tsd, size: Bytes, alignment: Bytes, arena: Arena, zero: boolean): Region {
  const usize = alignedUsableSize(size, alignment);
  const region =
    usize <= SMALL_MAXCLASS
      ? mallocSmall(heap, tsd, arena, sizeToIndex(usize))
      : largePalloc(heap, tsd, arena, usize, Math.max(CACHELINE, alignment) as Bytes, zero);
  if (region >= 0) arena.internal += usize;
  return region;
}

/** Frees what internalAlloc gave (idalloctm with is_internal). */
export function internalFree(heap: Heap, tsd: Tsd, region: Region): void {
  const { edata } = heap;
  const extent = extentOf(region);
  const arena = arenaOfExtent(heap, extent);
  arena.internal -= indexToSize[edata.szind[extent]];
  if ((edata.flags[extent] & Flag.slab) !== 0) dallocSmall(heap, tsd, region);
  else largeDalloc(heap, tsd, extent);
}
