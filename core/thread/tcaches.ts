/**
 * Thread caches that a program makes for itself, by number (jemalloc 5.3.0, src/tcache.c, tcaches_create and its siblings).
 * Invariant: an index is in use, on the list of free ones, or past all that were ever used; the one freed last is used again first.
 * Differs: where jemalloc would take a link of the list of free indices for a cache, look beyond its table, or free what is free, the call is refused. What the
 * caches would hold is up to calls that no trace has (mallocx with MALLOCX_TCACHE), so they stay empty.
 */
import { arenaIchoose } from '../arena/choose.ts';
import { internalAlloc } from '../arena/internal.ts';
import type { Heap } from '../heap.ts';
import { CACHELINE, PAGE } from '../sizes/sc.ts';
import { tcacheDestroy } from './lifecycle.ts';
import { Tcache, tcacheAssociate } from './tcache.ts';
import type { Tsd } from './tsd.ts';
import type { Bytes } from '../units.ts';

/** Caches that can be in use together (MALLOCX_TCACHE_MAX + 1, jemalloc_internal_types.h). */
const TCACHES = 4094;
/** sizeof(void *) */
const POINTER_BYTES = 8;
/** sizeof(tcache_t) + sizeof(tcache_slow_t) (tcache_structs.h), which lie behind the stacks of an explicit cache. */
const TCACHE_BYTES = 1760 + 176;

/** What an element holds of which the cache was flushed (TCACHES_ELM_NEED_REINIT). */
const NEED_REINIT = 'flushed';
/** The end of the list of free elements. */
const NONE = -1;

/** An element (tcaches_t): a cache; or, if it is free, the next free index. Null is both no cache and the end of the list. */
type Element = Tcache | typeof NEED_REINIT | number | null;

/** The caches by index (tcaches). */
export class Tcaches {
  /** `tcaches`: null until the first cache is made. An element that is not there holds null. */
  elements: Element[] | null = null;
  /** `tcaches_past`: first index that tcaches_create has never come to. */
  past = 0;
  /** `tcaches_avail`: the index freed last, NONE if none is free. */
  available = NONE;
}

/** @throws Error unless the list of free elements ends, and every cache is one of its arena's. */
export function checkTcaches({ elements, available, past }: Tcaches): void {
  if (elements === null) {
    if (past !== 0 || available !== NONE) throw new Error('tcaches: there are indices without a table');
    return;
  }
  let left = elements.length;
  for (let index: Element = available; typeof index === 'number' && index !== NONE; index = elements[index]) {
    if (left-- === 0) throw new Error('tcaches: the list of free elements does not end');
    if (elements[index] instanceof Tcache) throw new Error('tcaches: a cache is in the list of free elements');
  }
  for (const element of elements) {
    if (element instanceof Tcache && !element.arena?.tcaches.has(element)) throw new Error('tcaches: a cache is linked to no arena');
  }
}

/** The end of the list of free elements: the only one whose element holds no link. NONE if none is free. */
function lastFree({ elements, available }: Tcaches): number {
  let index = available;
  for (let next = elements?.[index]; typeof next === 'number'; next = elements?.[index]) index = next;
  return index;
}

/** tcaches_create: the new cache's index; -1 if there are too many or no memory. */
export function tcachesCreate(heap: Heap, tsd: Tsd): number {
  const { tcaches } = heap;
  if (tcaches.elements === null) {
    if (heap.base0.alloc(POINTER_BYTES * TCACHES, CACHELINE) === 0) return -1;
    tcaches.elements = [];
  }
  if (tcaches.available === NONE && tcaches.past === TCACHES) return -1;
  // tcache_create_explicit
  const bytes = (Math.ceil((heap.tcacheInfo.bytes + TCACHE_BYTES) / POINTER_BYTES) * POINTER_BYTES) as Bytes;
  const region = internalAlloc(heap, tsd, bytes, PAGE, heap.arena0, true);
  if (region < 0) return -1;
  const tcache = new Tcache(heap.memory, heap.tcacheInfo, region);
  tcacheAssociate(heap, tcache, arenaIchoose(heap, tsd));
  const index = tcaches.available === NONE ? tcaches.past++ : tcaches.available;
  if (index === tcaches.available) tcaches.available = (tcaches.elements[index] as number | null) ?? NONE;
  tcaches.elements[index] = tcache;
  return index;
}

/** tcaches_elm_remove, and what its callers do with the cache. False if there is no such element, or a link of the list in it. */
function tcachesRemove(heap: Heap, tsd: Tsd, index: number, left: Element): boolean {
  const { elements } = heap.tcaches;
  if (elements === null || index < 0 || index >= TCACHES) return false;
  const element = elements[index] ?? null;
  if (typeof element === 'number') return false;
  if (element === null) return true;
  elements[index] = left;
  if (element !== NEED_REINIT) tcacheDestroy(heap, tsd, element);
  return true;
}

/** tcaches_flush: takes a cache apart; the index stays in use. False if the library would run astray. */
export function tcachesFlush(heap: Heap, tsd: Tsd, index: number): boolean {
  return tcachesRemove(heap, tsd, index, NEED_REINIT);
}

/** tcaches_destroy: the same, and the index is free, even one that was never in use. */
export function tcachesDestroy(heap: Heap, tsd: Tsd, index: number): boolean {
  const { tcaches } = heap;
  // a list that comes back to itself
  if (lastFree(tcaches) === index) return false;
  if (!tcachesRemove(heap, tsd, index, null)) return false;
  tcaches.elements![index] = tcaches.available === NONE ? null : tcaches.available;
  tcaches.available = index;
  return true;
}
