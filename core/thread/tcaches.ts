/**
 * Thread caches that a program makes for itself, by number (jemalloc 5.3.0, src/tcache.c, tcaches_create and its siblings).
 * Invariant: an index is in use or on the stack of free ones; the one freed last is used again first.
 * Differs: an index that is not in use, behind which jemalloc reads what happens to lie there, is refused. What the caches would hold is up to
 * calls that no trace has (mallocx with MALLOCX_TCACHE), so they stay empty.
 */
import { arenaIchoose } from '../arena/choose.ts';
import type { Arena } from '../arena/arena_state.ts';
import { internalAlloc } from '../arena/internal.ts';
import type { Heap } from '../heap.ts';
import { tcacheDestroy } from './lifecycle.ts';
import { Tcache, tcacheAssociate } from './tcache.ts';
import type { Tsd } from './tsd.ts';

/** Caches that can be in use together (MALLOCX_TCACHE_MAX + 1). */
const TCACHES = 4094;
/** sizeof(tcache_t) + sizeof(tcache_slow_t), which lie behind the stacks of an explicit cache. */
const TCACHE_BYTES = 1760 + 176;

/** The caches by index. */
export class Tcaches {
  /** Index -> cache; null if it was flushed, undefined if the index is free. */
  readonly caches: (Tcache | null | undefined)[] = [];
  /** Free indices, the next one last. */
  readonly available: number[] = [];
}

/** tcaches_create: the new cache's index; -1 if there are too many or no memory. */
export function tcachesCreate(heap: Heap, tsd: Tsd): number {
  const { caches, available } = heap.tcaches;
  if (caches.length === 0) heap.base0.alloc(8 * TCACHES, 64);
  if (available.length === 0 && caches.length === TCACHES) return -1;
  // tcache_create_explicit
  const memory = internalAlloc(heap, tsd, Math.ceil((heap.tcacheInfo.bytes + TCACHE_BYTES) / 8) * 8, 4096, heap.arenas[0] as Arena);
  if (memory < 0) return -1;
  const tcache = new Tcache(heap.tcacheInfo, memory);
  tcacheAssociate(heap, tcache, arenaIchoose(heap, tsd));
  const index = available.pop() ?? caches.length;
  caches[index] = tcache;
  return index;
}

/** tcaches_flush: takes a cache apart; the index stays in use. False if it is not. */
export function tcachesFlush(heap: Heap, tsd: Tsd, index: number): boolean {
  const { caches } = heap.tcaches;
  const tcache = caches[index];
  if (tcache === undefined) return false;
  caches[index] = null;
  if (tcache !== null) tcacheDestroy(heap, tsd, tcache);
  return true;
}

/** tcaches_destroy: the same, and the index is free. */
export function tcachesDestroy(heap: Heap, tsd: Tsd, index: number): boolean {
  if (!tcachesFlush(heap, tsd, index)) return false;
  heap.tcaches.caches[index] = undefined;
  heap.tcaches.available.push(index);
  return true;
}
