/**
 * The allocation functions (jemalloc 5.3.0, src/jemalloc.c; arena_malloc, arena_dalloc and arena_ralloc).
 * Invariant: a region is live from the call that gave it to the call that takes it; its size class is in its extent.
 * Differs: regions stand for pointers. There is no memory, so zeroing and copying are not done, and a program error (a double free,
 * an address that is not live) is the caller's to find.
 */
import { type Arena, arenaOfExtent } from './arena/arena_state.ts';
import { arenaChoose, chooseMaybeHuge } from './arena/choose.ts';
import { dallocSmall, mallocSmall } from './arena/bin.ts';
import { largeDalloc, largeMalloc, largePalloc, largeProfInfo, largeRallocNoMove, setLargeProfInfo } from './arena/large.ts';
import { AbortError } from './hang_error.ts';
import { Flag } from './extent/edata.ts';
import { extentOf } from './extent/emap.ts';
import { REGIONS } from './extent/region.ts';
import { type Extent, NULL_REGION, type Region } from './extent/types.ts';
import type { Heap } from './heap.ts';
import {
  alignedUsableSize,
  CACHELINE,
  indexToSize,
  LARGE_MAXCLASS,
  LARGE_MIN_INDEX,
  LARGE_MINCLASS,
  NBINS,
  NO_ALIGNMENT,
  PAGE,
  sizeToIndex,
  SMALL_MAXCLASS,
  usableSize,
} from './sizes/sc.ts';
import { NO_MEMORY } from './prof/prof_data.ts';
import { NO_INFO, NO_TCTX } from './prof/rows.ts';
import { decayTick } from './thread/decay_tick.ts';
import { tsdFetch, tsdFetchMin } from './thread/lifecycle.ts';
import type { Tcache } from './thread/tcache.ts';
import { CACHE_BIN, CACHED, LOW_WATER, REQUESTS, SLOTS, STACK_BASE } from './thread/cache_bin.ts';
import { tcacheFill, tcacheFlush } from './thread/tcache.ts';
import { threadAllocEvent, threadDallocEvent } from './thread/thread_event.ts';
import type { Tsd } from './thread/tsd.ts';
import { TsdState } from './thread/tsd.ts';
import type { Address, Bytes, SizeClass, StackIndex } from './units.ts';

/** A byte, and a pointer: the least alignments that there are. */
const BYTE = 1 as Bytes;
const POINTER = 8 as Bytes;

/** Address of a region. */
export function addressOf(heap: Heap, region: Region): Address {
  const { edata } = heap;
  const extent = extentOf(region);
  if ((edata.flags[extent] & Flag.slab) === 0) return (edata.base[extent] + edata.offset[extent]) as Address;
  return (edata.base[extent] + (region - extent * REGIONS) * indexToSize[edata.szind[extent]]) as Address;
}

/** Usable bytes of a live region (malloc_usable_size). */
export function usableSizeOf(heap: Heap, region: Region): Bytes {
  return indexToSize[heap.edata.szind[extentOf(region)]];
}

/**
 * malloc: a region of at least `size` bytes, NULL_REGION if there is none. `stack` is the call's backtrace, for profiling; `zero` is for calloc,
 * because page slabs do not serve what is to be cleared.
 */
export function malloc(heap: Heap, tsd: Tsd, size: Bytes, stack: StackIndex, zero = false): Region {
  return imalloc(heap, tsd, size, NO_ALIGNMENT, size, stack, zero);
}

/** calloc. `count` times `size` must not overflow 64 bits, else NULL_REGION. */
export function calloc(heap: Heap, tsd: Tsd, count: number, size: Bytes, stack: StackIndex): Region {
  if (overflows(count, size)) {
    tsdFetch(heap, tsd);
    return NULL_REGION;
  }
  return malloc(heap, tsd, (count * size) as Bytes, stack, true);
}

/** Whether so many objects of `size` bytes are more bytes than size_t can say. */
export function overflows(count: number, size: Bytes): boolean {
  return count * size > 2 ** 53 && BigInt(count) * BigInt(size) >= 1n << 64n;
}

/** posix_memalign: alignments are powers of two from 8 on, else NULL_REGION; size 0 counts as 1. */
export function posixMemalign(heap: Heap, tsd: Tsd, alignment: Bytes, size: Bytes, stack: StackIndex): Region {
  return alignedAlloc(heap, tsd, alignment, size, stack, POINTER, true);
}

/** aligned_alloc: alignments are powers of two; size 0 counts as 1. */
export function alignedAllocC11(heap: Heap, tsd: Tsd, alignment: Bytes, size: Bytes, stack: StackIndex): Region {
  return alignedAlloc(heap, tsd, alignment, size, stack, BYTE, true);
}

/** memalign: as aligned_alloc, but size 0 stays 0. */
export function memalign(heap: Heap, tsd: Tsd, alignment: Bytes, size: Bytes, stack: StackIndex): Region {
  return alignedAlloc(heap, tsd, alignment, size, stack, BYTE, false);
}

/** valloc: page-aligned; size 0 stays 0. */
export function valloc(heap: Heap, tsd: Tsd, size: Bytes, stack: StackIndex): Region {
  return alignedAlloc(heap, tsd, PAGE, size, stack, BYTE, false);
}

function alignedAlloc(heap: Heap, tsd: Tsd, alignment: Bytes, size: Bytes, stack: StackIndex, least: Bytes, bumpEmpty: boolean): Region {
  if (alignment < least || !isPowerOfTwo(alignment)) {
    tsdFetch(heap, tsd);
    return NULL_REGION;
  }
  return imalloc(heap, tsd, bumpEmpty && size === 0 ? BYTE : size, alignment, size, stack, false);
}

function isPowerOfTwo(value: number): boolean {
  return value >= 1 && 2 ** Math.round(Math.log2(value)) === value;
}

/** zero_get: whether what is allocated is to be cleared. */
function zeroGet(heap: Heap, guarantee: boolean): boolean {
  return guarantee || heap.options.zero;
}

/** imalloc_body. `asked` is the size as the program gave it, for the profiler. */
function imalloc(heap: Heap, tsd: Tsd, size: Bytes, alignment: Bytes, asked: Bytes, stack: StackIndex, guarantee: boolean): Region {
  tsdFetch(heap, tsd);
  const usize = alignedUsableSize(size, alignment);
  if (usize === 0 || usize > LARGE_MAXCLASS) return NULL_REGION;
  const tcache = tsd.reentrancy > 0 ? null : tsd.tcache;
  const arena = tsd.reentrancy > 0 ? heap.arena0 : null;
  const zero = zeroGet(heap, guarantee);
  const { prof } = heap;
  let region: Region;
  if (prof === null) {
    region = allocate(heap, tsd, size, usize, alignment, tcache, arena, zero);
  } else {
    const context = sampleDue(tsd, usize) ? prof.allocPrep(tsd.index, stack) : NO_TCTX;
    if (context === NO_MEMORY) return NULL_REGION;
    if (context < 0) {
      region = allocate(heap, tsd, usize, usize, alignment, tcache, arena, zero);
    } else {
      region = allocateSampled(heap, tsd, usize, alignment, arena, zero);
      if (region < 0) prof.allocRollback(tsd.index, context);
      else setLargeProfInfo(heap, extentOf(region), prof.mallocSampleObject(tsd.index, context, asked, usize, sizeToIndex(usize)));
    }
  }
  if (region < 0) return NULL_REGION;
  threadAllocEvent(heap, tsd, usize);
  return region;
}

/** imalloc_sample: on pages of its own, past the thread cache; a small object takes the place of a 16 KiB one (arena_prof_promote). */
function allocateSampled(heap: Heap, tsd: Tsd, usize: Bytes, alignment: Bytes, arena: Arena | null, zero: boolean): Region {
  const aligned = Math.max(PAGE, alignment) as Bytes;
  if (usize > SMALL_MAXCLASS) return largePalloc(heap, tsd, arena, usize, aligned, zero);
  const region = largePalloc(heap, tsd, arena, LARGE_MINCLASS, aligned, zero);
  if (region >= 0) heap.edata.szind[extentOf(region)] = sizeToIndex(usize);
  return region;
}

/** imalloc_no_sample: ipalloct with an alignment, iallocztm without. `size` decides about the huge arena. */
function allocate(
  heap: Heap,
  tsd: Tsd,
  size: Bytes,
  usize: Bytes,
  alignment: Bytes,
  tcache: Tcache | null,
  arena: Arena | null,
  zero: boolean,
): Region {
  if (alignment === NO_ALIGNMENT) return arenaMalloc(heap, tsd, size, usize, tcache, arena, zero);
  if (usize <= SMALL_MAXCLASS) return arenaMalloc(heap, tsd, usize, usize, tcache, arena, zero);
  return largePalloc(heap, tsd, arena, usize, Math.max(CACHELINE, alignment) as Bytes, zero);
}

/** arena_malloc */
function arenaMalloc(heap: Heap, tsd: Tsd, size: Bytes, usize: Bytes, tcache: Tcache | null, arena: Arena | null, zero: boolean): Region {
  const szind = sizeToIndex(usize);
  if (tcache !== null) {
    if (size <= SMALL_MAXCLASS) {
      if (tcache.bins[szind * CACHE_BIN + CACHED] > 0) return tcachePop(tcache, szind);
      const chosen = arena ?? arenaChoose(heap, tsd);
      if (szind >= heap.tcacheInfo.classes) return mallocSmall(heap, tsd, chosen, szind);
      return tcacheFill(heap, tsd, tcache, chosen, szind);
    }
    if (size <= heap.conf.tcacheMaxclass) {
      if (tcache.bins[szind * CACHE_BIN + CACHED] > 0) return tcachePop(tcache, szind);
      return largeMalloc(heap, tsd, arena ?? arenaChoose(heap, tsd), usize, zero);
    }
  }
  const chosen = chooseMaybeHuge(heap, tsd, arena, size);
  if (size <= SMALL_MAXCLASS) return mallocSmall(heap, tsd, chosen, szind);
  return largeMalloc(heap, tsd, chosen, usize, zero);
}

function tcachePop(tcache: Tcache, szind: SizeClass): Region {
  const { bins } = tcache;
  const at = szind * CACHE_BIN;
  const left = bins[at + CACHED] - 1;
  bins[at + CACHED] = left;
  if (left < bins[at + LOW_WATER]) bins[at + LOW_WATER] = left;
  bins[at + REQUESTS]++;
  return tcache.stack[bins[at + STACK_BASE] + left];
}

/** free of a live region. `stack` is the call's backtrace, for the profiler's log. */
export function free(heap: Heap, tsd: Tsd, region: Region, stack: StackIndex): void {
  tsdFetchMin(heap, tsd);
  ifree(heap, tsd, region, stack);
}

/** ifree */
function ifree(heap: Heap, tsd: Tsd, region: Region, stack: StackIndex): void {
  const extent = extentOf(region);
  const usize = indexToSize[heap.edata.szind[extent]];
  forgetSample(heap, tsd, extent, stack);
  release(heap, tsd, region, tsd.reentrancy > 0 ? null : tsd.tcache);
  threadDallocEvent(heap, tsd, usize);
}

/** prof_free: takes a sampled object out of the profiler's tables. */
function forgetSample(heap: Heap, tsd: Tsd, extent: Extent, stack: StackIndex): void {
  const { prof, edata } = heap;
  if (prof === null || (edata.flags[extent] & Flag.slab) !== 0) return;
  const info = largeProfInfo(heap, extent);
  if (info < 0) return;
  setLargeProfInfo(heap, extent, NO_INFO);
  prof.free(tsd.index, info, stack);
}

/** arena_dalloc: to the thread cache if there is one for the class, else to the arena. */
function release(heap: Heap, tsd: Tsd, region: Region, tcache: Tcache | null): void {
  const { edata, tcacheInfo } = heap;
  const extent = extentOf(region);
  const szind = edata.szind[extent];
  if ((edata.flags[extent] & Flag.slab) !== 0) {
    if (tcache === null || szind >= tcacheInfo.classes) dallocSmall(heap, tsd, region);
    else tcachePush(heap, tsd, tcache, szind, region);
    return;
  }
  // a promoted object is a 16 KiB one again (arena_prof_demote)
  if (szind < NBINS) edata.szind[extent] = LARGE_MIN_INDEX;
  const cachedAs = Math.max(szind, LARGE_MIN_INDEX) as SizeClass;
  if (tcache === null || cachedAs >= tcacheInfo.classes) largeDalloc(heap, tsd, extent);
  else tcachePush(heap, tsd, tcache, cachedAs, region);
}

/** tcache_dalloc_small, tcache_dalloc_large: onto the stack, after half of a full one was flushed. */
function tcachePush(heap: Heap, tsd: Tsd, tcache: Tcache, szind: SizeClass, region: Region): void {
  const { bins } = tcache;
  const at = szind * CACHE_BIN;
  if (bins[at + CACHED] === bins[at + SLOTS]) {
    const div = szind < NBINS ? heap.options.lg_tcache_flush_small_div : heap.options.lg_tcache_flush_large_div;
    tcacheFlush(heap, tsd, tcache, szind, bins[at + SLOTS] >> div);
  }
  tcache.stack[bins[at + STACK_BASE] + bins[at + CACHED]++] = region;
}

/**
 * realloc of a live region to `size` bytes: the region it is then, moved or not; NULL_REGION if there is no memory, or if size 0 frees it.
 * @throws AbortError for size 0 where that ends the process (zero_realloc:abort).
 */
export function realloc(heap: Heap, tsd: Tsd, region: Region, size: Bytes, stack: StackIndex): Region {
  if (size !== 0) return rallocx(heap, tsd, region, size, stack, true);
  heap.zeroReallocs++;
  if (heap.options.zero_realloc === 'abort') throw new AbortError('Called realloc(non-null-ptr, 0) with zero_realloc:abort set');
  if (heap.options.zero_realloc === 'alloc') return rallocx(heap, tsd, region, BYTE, stack, false);
  tsdFetch(heap, tsd);
  ifree(heap, tsd, region, stack);
  return NULL_REGION;
}

/** do_rallocx */
function rallocx(heap: Heap, tsd: Tsd, region: Region, size: Bytes, stack: StackIndex, cache: boolean): Region {
  tsdFetch(heap, tsd);
  const usize = usableSize(size);
  if (usize > LARGE_MAXCLASS) return NULL_REGION;
  const tcache = cache ? tsd.tcache : null;
  const oldUsize = usableSizeOf(heap, region);
  const { prof } = heap;
  let result: Region;
  if (prof === null) {
    result = arenaRalloc(heap, tsd, region, oldUsize, size, NO_ALIGNMENT, tcache);
  } else {
    result = rallocProf(heap, tsd, region, oldUsize, size, usize, tcache, stack);
  }
  if (result < 0) return NULL_REGION;
  threadAllocEvent(heap, tsd, usize);
  threadDallocEvent(heap, tsd, oldUsize);
  return result;
}

/** irallocx_prof */
function rallocProf(
  heap: Heap,
  tsd: Tsd,
  region: Region,
  oldUsize: Bytes,
  size: Bytes,
  usize: Bytes,
  tcache: Tcache | null,
  stack: StackIndex,
): Region {
  const { prof, edata } = heap;
  if (prof === null) return NULL_REGION;
  const extent = extentOf(region);
  const old = (edata.flags[extent] & Flag.slab) !== 0 ? NO_INFO : largeProfInfo(heap, extent);
  if (old >= 0) {
    prof.recentReset(tsd.index, old, stack);
    // whoever gets the old extent next must not find this sample there
    setLargeProfInfo(heap, extent, NO_INFO);
  }
  const context = sampleDue(tsd, usize) ? prof.allocPrep(tsd.index, stack) : NO_TCTX;
  let result: Region;
  if (context === NO_MEMORY) {
    result = NULL_REGION;
  } else if (context >= 0) {
    const target = usize <= SMALL_MAXCLASS ? LARGE_MINCLASS : usize;
    result = arenaRalloc(heap, tsd, region, oldUsize, target, PAGE, tcache);
    if (result >= 0 && usize <= SMALL_MAXCLASS) edata.szind[extentOf(result)] = sizeToIndex(usize);
  } else {
    result = arenaRalloc(heap, tsd, region, oldUsize, size, NO_ALIGNMENT, tcache);
  }
  if (result < 0) {
    prof.allocRollback(tsd.index, context);
    setLargeProfInfo(heap, extent, old);
    return NULL_REGION;
  }
  const info = prof.realloc(tsd.index, context, size, usize, sizeToIndex(usize), old, stack);
  const extentNow = extentOf(result);
  if ((edata.flags[extentNow] & Flag.slab) === 0) setLargeProfInfo(heap, extentNow, info);
  return result;
}

/** te_prof_sample_event_lookahead: whether an allocation of `usize` bytes reaches the thread's next sample. */
function sampleDue(tsd: Tsd, usize: Bytes): boolean {
  return tsd.allocated + usize >= tsd.sampleEvent && tsd.reentrancy === 0 && tsd.state === TsdState.nominal;
}

/** iralloct and arena_ralloc: where it lies if that can be, else allocated anew, and then the old region released. */
function arenaRalloc(heap: Heap, tsd: Tsd, region: Region, oldUsize: Bytes, size: Bytes, alignment: Bytes, tcache: Tcache | null): Region {
  const zero = zeroGet(heap, false);
  if (alignment !== NO_ALIGNMENT && addressOf(heap, region) % alignment !== 0) {
    const usize = alignedUsableSize(size, alignment);
    const moved = allocate(heap, tsd, usize, usize, alignment, tcache, null, zero);
    if (moved >= 0) release(heap, tsd, region, tcache);
    return moved;
  }
  const extent = extentOf(region);
  const usize = alignedUsableSize(size, alignment);
  if (usize === 0 || size > LARGE_MAXCLASS) return NULL_REGION;
  if (usize <= SMALL_MAXCLASS && oldUsize <= SMALL_MAXCLASS && usize === oldUsize) {
    decayTick(heap, tsd, arenaOfExtent(heap, extent), 1);
    return region;
  }
  let moved: Region;
  if (oldUsize >= LARGE_MINCLASS && usize >= LARGE_MINCLASS) {
    if (largeRallocNoMove(heap, tsd, extent, usize)) return region;
    moved = largePalloc(heap, tsd, null, usize, Math.max(CACHELINE, alignment) as Bytes, zero);
  } else if (alignment === NO_ALIGNMENT) {
    moved = arenaMalloc(heap, tsd, usize, usize, tcache, null, zero);
  } else {
    moved = allocate(heap, tsd, usize, usize, alignment, tcache, null, zero);
  }
  if (moved < 0) return NULL_REGION;
  release(heap, tsd, region, tcache);
  return moved;
}

/** malloc_usable_size as a call: it starts the thread. */
export function mallocUsableSize(heap: Heap, tsd: Tsd): void {
  tsdFetch(heap, tsd);
}
