/**
 * Free edata structs of an arena (jemalloc 5.3.0, src/edata_cache.c), and those that its part of the huge page allocator keeps
 * before them (edata_cache_fast_t).
 * Invariant: before there is an extent, a struct for it has been taken; structs never go back to base memory.
 * Differs: structs are counted, because which of them is taken cannot be seen. What an extent is stands in a row of the table (edata.ts).
 */
import type { Arena } from '../arena/arena_state.ts';
import type { Heap } from '../heap.ts';
import type { HpaShard } from '../hpa/hpa.ts';
import { ArenaMutex, lock } from '../mutex.ts';

/** sizeof(edata_t), also its alignment (EDATA_ALIGNMENT, edata.h), bytes. */
const EDATA_BYTES = 128;
/** Structs that an edata_cache_fast_t takes at once (edata_cache.h). */
const EDATA_CACHE_FAST_FILL = 4;

/** base_alloc_edata: a new struct; false if out of memory. */
function baseAllocEdata(arena: Arena): boolean {
  return arena.base.alloc(EDATA_BYTES, EDATA_BYTES) !== 0;
}

/** edata_cache_get: takes a struct for a new extent, from the arena's free ones or from base memory; false if out of memory. */
export function edataGet(heap: Heap, arena: Arena): boolean {
  lock(heap.mutexes, arena.mutexes + ArenaMutex.extent_avail);
  if (arena.edataAvailable === 0) return baseAllocEdata(arena);
  arena.edataAvailable--;
  return true;
}

/** edata_cache_put: a struct is free again. */
export function edataPut(heap: Heap, arena: Arena): void {
  lock(heap.mutexes, arena.mutexes + ArenaMutex.extent_avail);
  arena.edataAvailable++;
}

/** edata_cache_fast_get: takes a struct for an extent of a page slab, some at once from the arena's free ones; false if out of memory. */
export function edataFastGet(heap: Heap, arena: Arena, shard: HpaShard): boolean {
  if (shard.edataKept === 0) {
    lock(heap.mutexes, arena.mutexes + ArenaMutex.extent_avail);
    const filled = Math.min(EDATA_CACHE_FAST_FILL, arena.edataAvailable);
    arena.edataAvailable -= filled;
    shard.edataKept = filled;
    if (filled === 0) return baseAllocEdata(arena);
  }
  shard.edataKept--;
  return true;
}

/** edata_cache_fast_put: a struct is free again, and stays with the shard. */
export function edataFastPut(shard: HpaShard): void {
  shard.edataKept++;
}
