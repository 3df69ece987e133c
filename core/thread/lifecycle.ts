/**
 * The life of a thread as the allocator sees it (jemalloc 5.3.0, src/tsd.c; tsd_tcache_data_init and tcache_cleanup of src/tcache.c).
 * Invariant: a thread in state nominal has a tcache if and only if tcacheEnabled.
 * Differs: there is no thread-local storage to run destructors: the trace says when a thread exits.
 */
import type { Arena } from '../arena/arena_state.ts';
import { arenaChoose } from '../arena/choose.ts';
import { internalAlloc, internalFree } from '../arena/internal.ts';
import { OutOfMemory } from '../base/base.ts';
import { arenaDecay } from '../extent/pac.ts';
import { tsdSanInit } from '../extent/san.ts';
import type { Heap } from '../heap.ts';
import { PAGE } from '../sizes/sc.ts';
import { Tcache, tcacheAssociate, tcacheDissociate, tcacheFlushAll } from './tcache.ts';
import { threadEventInit } from './thread_event.ts';
import type { Tsd } from './tsd.ts';
import { TsdState } from './tsd.ts';

/** tsd_fetch: the thread is about to allocate (or to do anything but free): initialises what is missing. @throws OutOfMemory as tcacheDataInit. */
export function tsdFetch(heap: Heap, tsd: Tsd): void {
  heap.running = tsd;
  heap.mutexes.running = tsd.owner;
  if (tsd.state === TsdState.nominal) return;
  if (tsd.state === TsdState.uninitialized || tsd.state === TsdState.minimal) {
    if (tsd.state === TsdState.minimal) tsd.reentrancy--;
    tsd.state = TsdState.nominal;
    dataInit(heap, tsd);
    tsd.tcacheEnabled = heap.options.tcache;
    if (tsd.tcacheEnabled) tcacheDataInit(heap, tsd);
  } else if (tsd.state === TsdState.purgatory) {
    tsd.state = TsdState.reincarnated;
    dataInitNoCleanup(heap, tsd);
  }
}

/** tsd_fetch_min: the thread is about to free; that alone gives it no cache and no arena. */
export function tsdFetchMin(heap: Heap, tsd: Tsd): void {
  heap.running = tsd;
  heap.mutexes.running = tsd.owner;
  if (tsd.state === TsdState.nominal) return;
  if (tsd.state === TsdState.uninitialized) {
    tsd.state = TsdState.minimal;
    dataInitNoCleanup(heap, tsd);
  } else if (tsd.state === TsdState.purgatory) {
    tsd.state = TsdState.reincarnated;
    dataInitNoCleanup(heap, tsd);
  }
}

/** tsd_data_init: the parts of a thread's data that neither cache nor arena are. */
function dataInit(heap: Heap, tsd: Tsd): void {
  tsd.seedPrng();
  threadEventInit(heap, tsd);
  tsdSanInit(heap, tsd);
}

/** tsd_data_init_nocleanup: the same for a thread that gets no cache; to all but frees it counts as within the library. */
function dataInitNoCleanup(heap: Heap, tsd: Tsd): void {
  tsd.tcacheEnabled = false;
  tsd.reentrancy = 1;
  dataInit(heap, tsd);
}

/**
 * tsd_tcache_data_init: memory for a cache from arena 0; then the thread is bound, and the cache linked to its arena.
 * @throws OutOfMemory if there is none: jemalloc goes on with a cache of null pointers, and follows one in the thread's next call.
 */
function tcacheDataInit(heap: Heap, tsd: Tsd): void {
  const region = internalAlloc(heap, tsd, heap.tcacheInfo.bytes, PAGE, heap.arena0, true);
  if (region < 0) throw new OutOfMemory('out of memory for a thread cache, where jemalloc follows a null pointer');
  const tcache = new Tcache(heap.memory, heap.tcacheInfo, region);
  tsd.tcache = tcache;
  if (!heap.initialized) {
    tcacheAssociate(heap, tcache, heap.arena0);
    return;
  }
  const arena = arenaChoose(heap, tsd);
  if (tcache.arena === null) tcacheAssociate(heap, tcache, arena);
}

/** tcache_destroy: flushes and unlinks a cache, frees its memory, and lets arena 0 and the cache's arena decay. */
export function tcacheDestroy(heap: Heap, tsd: Tsd, tcache: Tcache): void {
  tcacheFlushAll(heap, tsd, tcache);
  const arena = tcache.arena as Arena;
  tcacheDissociate(heap, tsd, tcache);
  internalFree(heap, tsd, tcache.region);
  arenaDecay(heap, heap.arena0, false);
  arenaDecay(heap, arena, arena.applicationThreads === 0 && heap.background === null);
  tcache.end(heap.memory);
}

/** thread.tcache.enabled, writing (tcache_enabled_set): a cache is made or taken apart. @throws OutOfMemory as tcacheDataInit. */
export function setTcacheEnabled(heap: Heap, tsd: Tsd, enabled: boolean): void {
  if (enabled === tsd.tcacheEnabled) return;
  tsd.tcacheEnabled = enabled;
  if (enabled) {
    tcacheDataInit(heap, tsd);
  } else if (tsd.tcache !== null) {
    const { tcache } = tsd;
    tsd.tcache = null;
    tcacheDestroy(heap, tsd, tcache);
  }
}

/** tsd_cleanup: the thread exits. */
export function threadExit(heap: Heap, tsd: Tsd): void {
  heap.running = tsd;
  heap.mutexes.running = tsd.owner;
  if (tsd.state === TsdState.uninitialized || tsd.state === TsdState.purgatory) return;
  heap.prof?.threadExit(tsd.index);
  if (tsd.internalArena !== null) {
    tsd.internalArena.internalThreads--;
    tsd.internalArena = null;
  }
  if (tsd.arena !== null) {
    tsd.arena.applicationThreads--;
    tsd.arena = null;
  }
  if (tsd.tcache !== null) {
    const { tcache } = tsd;
    tcacheDestroy(heap, tsd, tcache);
    tsd.tcache = null;
  }
  tsd.tcacheEnabled = false;
  tsd.reentrancy = 1;
  tsd.state = TsdState.purgatory;
}
