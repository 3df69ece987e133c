/**
 * The page allocator of an arena and its decay (jemalloc 5.3.0, src/pa.c, src/pac.c; the arena_decay functions of src/arena.c).
 * Invariant: pacMapped = bytes of active, dirty and muzzy extents that are not from page slabs, as long as no slab is guarded, none was abandoned, and no object was to
 * grow across the border between a mapping and the dss: there jemalloc itself loses count.
 * Differs: purging takes no memory away, only the accounts say so.
 */
import type { Arena, Ecache } from '../arena/arena_state.ts';
import type { Heap } from '../heap.ts';
import { HpaShard } from '../hpa/hpa.ts';
import { Sec, secAlloc, secDalloc, secFlush } from '../hpa/sec.ts';
import { ArenaMutex, lock } from '../mutex.ts';
import { CACHELINE, PAGE } from '../sizes/sc.ts';
import type { Decay } from './decay.ts';
import { Flag, NO_EXTENT, NOT_A_SLAB, State } from './edata.ts';
import { ecacheAllocGrow, ecacheEvict, extentDallocWrapper, extentMerge, extentRecord, extentRecycle, extentSplit } from './extent.ts';
import { GUARDS_PAGES, guardPagesTwoSided, unguardPagesTwoSided } from './san.ts';
import { sanBumpAlloc } from './san_bump.ts';
import type { Extent } from './types.ts';
import type { SizeClass } from '../units.ts';

/** pac_alloc_real: from the dirty cache, the muzzy one if there may be such pages, or new. NO_EXTENT if out of memory. */
function pacAllocReal(heap: Heap, arena: Arena, pages: number, alignment: number, guarded: boolean): Extent {
  let extent = extentRecycle(heap, arena, arena.dirty, NO_EXTENT, pages, alignment, guarded);
  if (extent === 0 && arena.decayMuzzy.ms !== 0) extent = extentRecycle(heap, arena, arena.muzzy, NO_EXTENT, pages, alignment, guarded);
  if (extent === 0) {
    extent = ecacheAllocGrow(heap, arena, NO_EXTENT, pages, alignment, guarded);
    if (extent !== 0) arena.pacMapped += pages * PAGE;
  }
  return extent;
}

/** pac_alloc_new_guarded: slabs come from the bump region if memory is retained; then pacMapped does not count them, though purging them subtracts. */
function pacAllocNewGuarded(heap: Heap, arena: Arena, pages: number, slab: boolean): Extent {
  if (slab && heap.options.retain) return sanBumpAlloc(heap, arena, pages);
  const extent = pacAllocReal(heap, arena, pages + GUARDS_PAGES, PAGE, false);
  if (extent !== 0) guardPagesTwoSided(heap, extent);
  return extent;
}

/** pa_shard_enable_hpa: from here on page slabs serve what they can. Those of arena 0, made before there are background threads, leave nothing to these. */
export function paShardEnableHpa(heap: Heap, arena: Arena): void {
  const sec = new Sec(heap.options, heap.mutexes);
  arena.base.alloc(sec.metadataBytes, CACHELINE);
  arena.hpaSec = sec;
  arena.hpaShard = new HpaShard(heap.memory, heap.options, arena.index !== 0 && heap.background !== null);
}

/**
 * pa_alloc: an active extent of `pages` pages at a multiple of `alignment` bytes; NO_EXTENT if out of memory. `szind` and `slab` say what it is for; with
 * `guarded` there are guard pages around it, and the alignment is a page at most. Page slabs serve nothing that has to be `zero`; whether they leave work is in `heap.deferredWork`.
 */
export function paAlloc(
  heap: Heap,
  arena: Arena,
  pages: number,
  alignment: number,
  slab: boolean,
  szind: SizeClass,
  guarded: boolean,
  zero: boolean,
): Extent {
  const { edata } = heap;
  const { hpaSec } = arena;
  let extent = NO_EXTENT;
  heap.deferredWork = false;
  if (hpaSec !== null && !guarded) extent = secAlloc(heap, arena, hpaSec, pages, alignment, zero);
  if (extent === 0 && (!guarded || slab)) extent = pacAllocReal(heap, arena, pages, alignment, guarded);
  if (extent === 0 && guarded) extent = pacAllocNewGuarded(heap, arena, pages, slab);
  if (extent === 0) return NO_EXTENT;
  // not those of the extent: the small extent cache may have given a larger one
  arena.activePages += pages;
  edata.szind[extent] = szind;
  if (slab) edata.flags[extent] |= Flag.slab;
  else edata.flags[extent] &= ~Flag.slab;
  edata.slabClass[extent] = slab ? szind : NOT_A_SLAB;
  return extent;
}

/** pa_expand: grows a large extent in place to `pages` pages, of class `szind` then; false if what lies above will not do. */
export function paExpand(heap: Heap, arena: Arena, extent: Extent, pages: number, szind: SizeClass): boolean {
  const { edata } = heap;
  if ((edata.flags[extent] & (Flag.guarded | Flag.hpa)) !== 0) return false;
  const amount = pages - edata.pages[extent];
  let mapped = 0;
  let trail = extentRecycle(heap, arena, arena.dirty, extent, amount, PAGE, false);
  if (trail === 0) trail = extentRecycle(heap, arena, arena.muzzy, extent, amount, PAGE, false);
  if (trail === 0) {
    trail = ecacheAllocGrow(heap, arena, extent, amount, PAGE, false);
    mapped = amount * PAGE;
  }
  if (trail === 0) return false;
  if (!extentMerge(heap, arena, extent, trail)) {
    extentDallocWrapper(heap, arena, trail);
    return false;
  }
  arena.pacMapped += mapped;
  arena.activePages += amount;
  edata.szind[extent] = szind;
  return true;
}

/** pa_shrink: cuts a large extent to `pages` pages in place, of class `szind` then; the rest is dirty. False if it has to move, or out of memory. */
export function paShrink(heap: Heap, arena: Arena, extent: Extent, pages: number, szind: SizeClass): boolean {
  const { edata } = heap;
  if ((edata.flags[extent] & (Flag.guarded | Flag.hpa)) !== 0) return false;
  const amount = edata.pages[extent] - pages;
  const trail = extentSplit(heap, arena, extent, pages);
  if (trail === 0) return false;
  extentRecord(heap, arena, arena.dirty, trail);
  arena.activePages -= amount;
  edata.szind[extent] = szind;
  return true;
}

/**
 * pa_dalloc, then arena_handle_deferred_work: an active extent becomes dirty; if dirty pages do not stay, all of them go. One of a page slab
 * goes back there, and the dirty pages go if the slabs leave work.
 */
export function paDalloc(heap: Heap, arena: Arena, extent: Extent): void {
  const { edata } = heap;
  arena.activePages -= edata.pages[extent];
  if ((edata.flags[extent] & (Flag.guarded | Flag.slab)) === Flag.guarded) unguardPagesTwoSided(heap, extent);
  edata.flags[extent] &= ~Flag.slab;
  edata.offset[extent] = 0;
  if ((edata.flags[extent] & Flag.hpa) !== 0) {
    heap.deferredWork = false;
    secDalloc(heap, arena, arena.hpaSec as Sec, extent);
    if (heap.deferredWork) handleDeferredWork(heap, arena);
    return;
  }
  extentRecord(heap, arena, arena.dirty, extent);
  handleDeferredWork(heap, arena);
}

/** arena_handle_deferred_work: what is to be done after pages have become dirty. */
export function handleDeferredWork(heap: Heap, arena: Arena): void {
  if (arena.decayDirty.ms === 0) decayCache(heap, arena, arena.decayDirty, arena.dirty, ArenaMutex.decay_dirty, true);
  heap.background?.checkInactivity(arena);
}

/** arena_decay: gives back what has been unused for long enough, or `all`. Background threads do it in the stead of others, unless it is all. */
export function arenaDecay(heap: Heap, arena: Arena, all: boolean): void {
  if (all && arena.hpaSec !== null) secFlush(heap, arena, arena.hpaSec);
  decayCache(heap, arena, arena.decayDirty, arena.dirty, ArenaMutex.decay_dirty, all);
  // pa_shard_dont_decay_muzzy
  if (arena.muzzy.pages === 0 && arena.decayMuzzy.ms <= 0) return;
  decayCache(heap, arena, arena.decayMuzzy, arena.muzzy, ArenaMutex.decay_muzzy, all);
}

/** arena_decay_impl for one cache; `mutex` is that of its decay (ArenaMutex). */
function decayCache(heap: Heap, arena: Arena, decay: Decay, ecache: Ecache, mutex: number, all: boolean): void {
  lock(heap.mutexes, arena.mutexes + mutex);
  if (all) {
    decayToLimit(heap, arena, decay, ecache, mutex, true, 0, ecache.pages);
    return;
  }
  const advanced = maybeDecayPurge(heap, arena, decay, ecache, mutex);
  const { background } = heap;
  if (advanced && background !== null && !background.purging) background.maybeWake(arena, decay, mutex, decay.pagesOfEpoch);
}

/**
 * pac_maybe_decay_purge; true if a new epoch has begun. The decay mutex has been counted. Who purges is decided as by
 * arena_decide_unforced_purge_eagerness: a background thread always, others when an epoch begins and there are no such threads.
 */
function maybeDecayPurge(heap: Heap, arena: Arena, decay: Decay, ecache: Ecache, mutex: number): boolean {
  if (decay.ms <= 0) {
    if (decay.ms === 0) decayToLimit(heap, arena, decay, ecache, mutex, false, 0, ecache.pages);
    return false;
  }
  const pages = ecache.pages;
  const advanced = decay.maybeAdvanceEpoch(heap.now, pages);
  const purges = heap.background === null ? advanced : heap.background.purging;
  if (purges && pages > decay.pagesLimit)
    decayToLimit(heap, arena, decay, ecache, mutex, false, decay.pagesLimit, pages - decay.pagesLimit);
  return advanced;
}

/**
 * pac_decay_to_limit: evicts up to `most` pages, or one extent's more, while more than `limit` are there (pac_stash_decayed), and gives them back: dirty ones
 * as muzzy unless `fully`, others to the system (pac_decay_stashed).
 */
function decayToLimit(
  heap: Heap,
  arena: Arena,
  decay: Decay,
  ecache: Ecache,
  mutex: number,
  fully: boolean,
  limit: number,
  most: number,
): void {
  if (most === 0) return;
  const { edata } = heap;
  const stashed = heap.stash;
  const first = stashed.length;
  let pages = 0;
  while (pages < most) {
    const extent = ecacheEvict(heap, arena, ecache, limit);
    if (extent === 0) break;
    stashed.push(extent);
    pages += edata.pages[extent];
  }
  if (pages !== 0) {
    const toMuzzy = ecache.state === State.dirty && !fully && arena.decayMuzzy.ms !== 0;
    let unmapped = 0;
    for (let i = first; i < stashed.length; i++) {
      const extent = stashed[i] as Extent;
      if (toMuzzy) {
        extentRecord(heap, arena, arena.muzzy, extent);
      } else {
        unmapped += edata.pages[extent];
        extentDallocWrapper(heap, arena, extent);
      }
    }
    decay.npurge++;
    decay.nmadvise += stashed.length - first;
    decay.purged += pages;
    arena.pacMapped -= unmapped * PAGE;
  }
  stashed.length = first;
  lock(heap.mutexes, arena.mutexes + mutex);
}

/** arena_decay_ms_set (pac_decay_ms_set): restarts the decay of dirty or muzzy pages with another time, `ms` as decayMsValid has it. */
export function decayMsSet(heap: Heap, arena: Arena, state: typeof State.dirty | typeof State.muzzy, ms: number): void {
  const dirty = state === State.dirty;
  const decay = dirty ? arena.decayDirty : arena.decayMuzzy;
  const mutex = dirty ? ArenaMutex.decay_dirty : ArenaMutex.decay_muzzy;
  lock(heap.mutexes, arena.mutexes + mutex);
  decay.reinit(heap.now, ms);
  maybeDecayPurge(heap, arena, decay, dirty ? arena.dirty : arena.muzzy, mutex);
}
