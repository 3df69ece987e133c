/**
 * Taking, splitting, merging and giving back extents (jemalloc 5.3.0, src/extent.c, src/extent_dss.c).
 * Invariant: an extent is in the eset of its state, or active and in nobody's; neighbours in memory are linked.
 * Differs: whether memory is committed or known to be zero has no effect that can be seen, so neither is kept.
 */
import type { Arena, Ecache } from '../arena/arena_state.ts';
import { pagesMap } from '../base/pages.ts';
import { UnsupportedOption } from '../conf/boot.ts';
import type { Heap } from '../heap.ts';
import { lock } from '../mutex.ts';
import { LARGE_MINCLASS, NPSIZES, PAGE, pindToPages } from '../sizes/sc.ts';
import { Flag, NO_EXTENT, State } from './edata.ts';
import { edataGet, edataPut } from './edata_cache.ts';
import { deregisterBoundary, mergeCommit, neighbor, registerBoundary, registerRange, splitCommit } from './emap.ts';
import { unguardPagesPreDestroy, unguardPagesTwoSided } from './san.ts';
import type { Extent } from './types.ts';

/** Bits of a pointer: a limit that limits nothing (SC_PTR_BITS, sc.h). */
const SC_PTR_BITS = 64;
/** Bytes from which on sbrk would take a size for a step back: its argument is a signed one. */
const SBRK_END = 2 ** 63;

/** A new active extent over fresh address space, `flags` bits of Flag. The struct has been taken from the cache. */
function newMapping(heap: Heap, arena: Arena, address: number, pages: number, flags: number, sn: number): Extent {
  const { edata } = heap;
  const extent = edata.add(arena.index, address, pages, sn, State.active, flags);
  // one call of sbrk gives one range, the gap in it included
  if ((flags & Flag.dss) === 0) heap.mappings.add(address, pages * PAGE);
  heap.boundaries?.join(edata, extent);
  return extent;
}

/** extent_split_impl: cuts the extent to `pages` pages and gives the rest as a new one, in the same state; NO_EXTENT if out of memory. */
export function extentSplit(heap: Heap, arena: Arena, extent: Extent, pages: number): Extent {
  const { edata } = heap;
  if (!edataGet(heap, arena)) return NO_EXTENT;
  const trailBase = edata.base[extent] + pages * PAGE;
  const trailPages = edata.pages[extent] - pages;
  // emap_split_prepare: of both parts, also if there is no memory for the first one
  const leadRegistered = registerRange(heap, edata.base[extent], pages);
  const trailRegistered = registerRange(heap, trailBase, trailPages);
  if (!leadRegistered || !trailRegistered) {
    edataPut(heap, arena);
    return NO_EXTENT;
  }
  const trail = edata.add(
    edata.arena[extent],
    trailBase,
    trailPages,
    edata.sn[extent],
    edata.state[extent],
    edata.flags[extent] & Flag.dss,
  );
  edata.pages[extent] = pages;
  splitCommit(heap, extent, trail);
  return trail;
}

/**
 * extent_merge_impl: adds `high` to `low`, which lies directly below it. False if they cannot be one, which is known only now: what the dss gave
 * and what a mapping gave never merge (extent_dss_mergeable).
 */
export function extentMerge(heap: Heap, arena: Arena, low: Extent, high: Extent): boolean {
  const { edata } = heap;
  if (((edata.flags[low] ^ edata.flags[high]) & Flag.dss) !== 0) return false;
  mergeCommit(heap, low, high);
  edata.state[low] = State.active;
  edata.pages[low] += edata.pages[high];
  if (edata.sn[high] < edata.sn[low]) edata.sn[low] = edata.sn[high];
  edata.release(high);
  edataPut(heap, arena);
  return true;
}

/** extent_coalesce: merges `high` into `low`; the one of them that is `outer` comes from the cache. If that fails it goes back, as the youngest. */
function coalesce(heap: Heap, arena: Arena, ecache: Ecache, low: Extent, high: Extent, outer: Extent): boolean {
  ecache.eset.remove(outer);
  if (extentMerge(heap, arena, low, high)) return true;
  deactivate(heap, ecache, outer);
  return false;
}

/** extent_try_coalesce_impl: merges with the neighbours, one step if the cache delays coalescing; then `heap.coalesced` says if it merged. */
function tryCoalesce(heap: Heap, arena: Arena, ecache: Ecache, extent: Extent): Extent {
  let again: boolean;
  do {
    again = false;
    const next = neighbor(heap, extent, ecache, true);
    if (next !== 0 && coalesce(heap, arena, ecache, extent, next, next)) {
      if (ecache.delayCoalesce) {
        heap.coalesced = true;
        return extent;
      }
      again = true;
    }
    const previous = neighbor(heap, extent, ecache, false);
    if (previous !== 0 && coalesce(heap, arena, ecache, previous, extent, previous)) {
      extent = previous;
      if (ecache.delayCoalesce) {
        heap.coalesced = true;
        return extent;
      }
      again = true;
    }
  } while (again);
  heap.coalesced = false;
  return extent;
}

/** Takes an extent out of the page map, and gives its struct back; its address space belongs to no arena from here on. */
function forget(heap: Heap, arena: Arena, extent: Extent): void {
  deregisterBoundary(heap, extent);
  heap.edata.release(extent);
  edataPut(heap, arena);
}

/** extents_abandon_vm, of an extent that could not be split: its address space is lost. */
function abandon(heap: Heap, arena: Arena, extent: Extent): void {
  arena.abandonedBytes += heap.edata.pages[extent] * PAGE;
  forget(heap, arena, extent);
}

/** extent_deactivate_locked: an active extent goes into a cache, as the youngest. */
function deactivate(heap: Heap, ecache: Ecache, extent: Extent): void {
  const { edata } = heap;
  edata.state[extent] = ecache.state;
  const eset = (edata.flags[extent] & Flag.guarded) !== 0 ? ecache.guarded : ecache.eset;
  eset.insert(extent);
}

/**
 * extent_record: puts an active extent into a cache, merged with its neighbours as the cache does it. What is then as large as the arena's
 * oversize threshold does not stay among the dirty ones, unless those are never purged.
 */
export function extentRecord(heap: Heap, arena: Arena, ecache: Ecache, extent: Extent): void {
  const { edata } = heap;
  lock(heap.mutexes, ecache.mutex);
  if ((edata.flags[extent] & Flag.guarded) === 0) {
    if (!ecache.delayCoalesce) {
      extent = tryCoalesce(heap, arena, ecache, extent);
    } else if (edata.pages[extent] * PAGE >= LARGE_MINCLASS) {
      do extent = tryCoalesce(heap, arena, ecache, extent);
      while (heap.coalesced);
      if (edata.pages[extent] * PAGE >= arena.oversizeThreshold && arena.decayDirty.ms !== -1 && arena.decayMuzzy.ms !== -1) {
        maximallyPurge(heap, arena, extent);
        return;
      }
    }
  }
  deactivate(heap, ecache, extent);
}

/** extent_maximally_purge: purges an extent at once, past decay. */
function maximallyPurge(heap: Heap, arena: Arena, extent: Extent): void {
  const pages = heap.edata.pages[extent];
  extentDallocWrapper(heap, arena, extent);
  arena.decayDirty.nmadvise++;
  arena.decayDirty.purged += pages;
  arena.pacMapped -= pages * PAGE;
}

/** extent_dalloc_wrapper: gives an active extent's memory back: unmapped, or purged and retained. */
export function extentDallocWrapper(heap: Heap, arena: Arena, extent: Extent): void {
  const { edata } = heap;
  if (!heap.options.retain) {
    if ((edata.flags[extent] & Flag.guarded) !== 0) unguardPagesTwoSided(heap, extent);
    if ((edata.flags[extent] & Flag.dss) === 0) {
      heap.gdumpSub(edata.pages[extent]);
      unmap(heap, arena, extent);
      return;
    }
  }
  heap.gdumpSub(edata.pages[extent]);
  extentRecord(heap, arena, arena.retained, extent);
}

/** ehooks_default_destroy_impl and extent_deregister: unmaps what is not in the dss, and forgets the extent. */
function unmap(heap: Heap, arena: Arena, extent: Extent): void {
  const { edata } = heap;
  if ((edata.flags[extent] & Flag.dss) === 0) {
    heap.space.munmap(edata.base[extent], edata.pages[extent] * PAGE);
    heap.mappings.remove(edata.base[extent], edata.pages[extent] * PAGE);
  }
  forget(heap, arena, extent);
}

/** extent_destroy_wrapper: unmaps an extent for good. The dss cannot shrink: what lies there is lost. */
export function extentDestroyWrapper(heap: Heap, arena: Arena, extent: Extent): void {
  const { edata } = heap;
  if ((edata.flags[extent] & Flag.guarded) !== 0) unguardPagesPreDestroy(heap, extent);
  unmap(heap, arena, extent);
}

/** What extentSplitInterior leaves beside the extent that serves; NO_EXTENT for what there is not. */
export class SplitInterior {
  /** What lies before and behind it, active and in nobody's hands. */
  lead: Extent = NO_EXTENT;
  trail: Extent = NO_EXTENT;
  /** Out of memory: what could not be split and has to be given up, and the lead that was cut off before. */
  toLeak: Extent = NO_EXTENT;
  toSalvage: Extent = NO_EXTENT;
}

/**
 * extent_split_interior: cuts out of an active extent that can serve them `pages` pages at a multiple of `alignment` bytes. Gives the extent that serves, or
 * NO_EXTENT if out of memory; the rest of it is in `heap.split`, and the caller's to put away.
 */
function extentSplitInterior(heap: Heap, arena: Arena, extent: Extent, pages: number, alignment: number): Extent {
  const { edata, split } = heap;
  split.lead = split.trail = split.toLeak = split.toSalvage = NO_EXTENT;
  const boundary = Math.ceil(alignment / PAGE) * PAGE;
  const base = edata.base[extent];
  const leadPages = (Math.ceil(base / boundary) * boundary - base) / PAGE;
  let interior = extent;
  if (leadPages !== 0) {
    interior = extentSplit(heap, arena, extent, leadPages);
    if (interior === 0) {
      split.toLeak = extent;
      return NO_EXTENT;
    }
    split.lead = extent;
  }
  if (edata.pages[interior] > pages) {
    split.trail = extentSplit(heap, arena, interior, pages);
    if (split.trail === 0) {
      split.toLeak = interior;
      split.toSalvage = split.lead;
      return NO_EXTENT;
    }
  }
  return interior;
}

/**
 * extent_recycle_extract: takes out of a cache an extent that can serve `pages` pages at a multiple of `alignment` bytes, as active; NO_EXTENT if there is none.
 * @throws UnsupportedOption where jemalloc would destroy its own tables (san_guard_small with some slab_sizes).
 */
function recycleExtract(heap: Heap, ecache: Ecache, expand: Extent, pages: number, alignment: number, guarded: boolean): Extent {
  const { edata } = heap;
  const eset = guarded ? ecache.guarded : ecache.eset;
  let extent: Extent;
  if (expand !== 0) {
    extent = neighbor(heap, expand, ecache, true);
    if (extent === 0 || edata.pages[extent] < pages) return NO_EXTENT;
  } else {
    extent = eset.fit(pages, alignment, guarded, ecache.delayCoalesce ? heap.options.lg_extent_max_active_fit : SC_PTR_BITS);
    if (extent === 0) return NO_EXTENT;
  }
  if (guarded && edata.pages[extent] !== pages) {
    // an assertion that a release build does not have; from here on its page caches contradict each other, and extents are handed out twice
    throw new UnsupportedOption(
      'san_guard_small',
      `${heap.options.san_guard_small}`,
      'slab_sizes gives slabs of so nearly equal sizes that jemalloc cuts a guarded one in two, and goes astray',
    );
  }
  eset.remove(extent);
  edata.state[extent] = State.active;
  return extent;
}

/** extent_recycle_split: cuts the extent to what was asked for; what is left goes back to the cache. NO_EXTENT if out of memory. */
function recycleSplit(heap: Heap, arena: Arena, ecache: Ecache, extent: Extent, pages: number, alignment: number): Extent {
  const interior = extentSplitInterior(heap, arena, extent, pages, alignment);
  const { lead, trail, toLeak, toSalvage } = heap.split;
  if (interior === 0) {
    if (toSalvage !== 0) {
      // nothing is salvaged: it is taken out of the page map, and its struct is lost as well
      heap.gdumpSub(heap.edata.pages[toSalvage]);
      deregisterBoundary(heap, toSalvage);
      heap.edata.release(toSalvage);
    }
    abandon(heap, arena, toLeak);
    lock(heap.mutexes, ecache.mutex);
    return NO_EXTENT;
  }
  if (lead !== 0) deactivate(heap, ecache, lead);
  if (trail !== 0) deactivate(heap, ecache, trail);
  return interior;
}

/**
 * extent_recycle: an extent of `pages` pages at a multiple of `alignment` bytes from a cache, active; NO_EXTENT if none can serve, or out of memory. What is
 * left of the one it was cut from is put back. With `expand` set, only what lies directly above that extent will do.
 * @throws UnsupportedOption where jemalloc would destroy its own tables (san_guard_small with some slab_sizes).
 */
export function extentRecycle(
  heap: Heap,
  arena: Arena,
  ecache: Ecache,
  expand: Extent,
  pages: number,
  alignment: number,
  guarded: boolean,
): Extent {
  lock(heap.mutexes, ecache.mutex);
  const extent = recycleExtract(heap, ecache, expand, pages, alignment, guarded);
  return extent === 0 ? NO_EXTENT : recycleSplit(heap, arena, ecache, extent, pages, alignment);
}

/**
 * ehooks_alloc (extent_alloc_core): `bytes` of new address space by mmap and sbrk, as the arena's dss precedence says, at a multiple of `alignment` bytes, and
 * just at `at` unless that is 0. Gives the address, 0 if out of memory; `heap.mappedDss` says where it lies.
 */
function mapNew(heap: Heap, arena: Arena, at: number, bytes: number, alignment: number): number {
  heap.mappedDss = false;
  if (arena.dss === 'primary') {
    const address = dssAlloc(heap, arena, at, bytes, alignment);
    if (address !== 0) return address;
  }
  if (at === 0) {
    const address = pagesMap(heap.space, bytes, alignment);
    if (address !== 0) return address;
  } else if (heap.space.mmapAt(at, bytes)) {
    return at;
  }
  return arena.dss === 'secondary' ? dssAlloc(heap, arena, at, bytes, alignment) : 0;
}

/** extent_alloc_dss: address space at the program break, what was skipped for the alignment retained. 0 if there is none, or not at `at`. */
function dssAlloc(heap: Heap, arena: Arena, at: number, bytes: number, alignment: number): number {
  const { space } = heap;
  if (bytes >= SBRK_END) return 0;
  if (!edataGet(heap, arena)) return 0;
  if (!heap.dssExhausted) {
    const end = space.programBreak;
    if (at === 0 || at === end) {
      const gapPage = Math.ceil(end / PAGE) * PAGE;
      const address = Math.ceil(gapPage / alignment) * alignment;
      const gapPages = (address - gapPage) / PAGE;
      // the gap's serial number is drawn before it is known whether sbrk succeeds
      const gapSn = gapPages !== 0 ? arena.nextSn++ : -1;
      if (space.sbrk(address - end + bytes)) {
        heap.mappings.add(end, address - end + bytes);
        if (gapPages !== 0) {
          const gap = newMapping(heap, arena, gapPage, gapPages, Flag.dss | (heap.options.retain ? Flag.head : 0), gapSn);
          if (registerBoundary(heap, gap)) {
            heap.gdumpAdd(gapPages);
            extentDallocWrapper(heap, arena, gap);
          } else {
            forget(heap, arena, gap);
          }
        } else {
          edataPut(heap, arena);
        }
        heap.mappedDss = true;
        return address;
      }
      heap.dssExhausted = true;
    }
  }
  edataPut(heap, arena);
  return 0;
}

/**
 * extent_grow_retained: maps the next size of the growth series (exp_grow.h) that serves `pages` pages at a multiple of `alignment` bytes, cuts them out and
 * retains the rest. NO_EXTENT if out of memory.
 */
function growRetained(heap: Heap, arena: Arena, pages: number, alignment: number): Extent {
  const { edata } = heap;
  const needed = pages + Math.ceil(alignment / PAGE) - 1;
  let row = arena.growNext;
  while (pindToPages[row] < needed) if (++row >= NPSIZES - 1) return NO_EXTENT;
  if (!edataGet(heap, arena)) return NO_EXTENT;
  const mapPages = pindToPages[row];
  const address = mapNew(heap, arena, 0, mapPages * PAGE, PAGE);
  if (address === 0) {
    edataPut(heap, arena);
    return NO_EXTENT;
  }
  const extent = newMapping(heap, arena, address, mapPages, Flag.head | (heap.mappedDss ? Flag.dss : 0), arena.nextSn++);
  if (!registerBoundary(heap, extent)) {
    forget(heap, arena, extent);
    return NO_EXTENT;
  }
  const interior = extentSplitInterior(heap, arena, extent, pages, alignment);
  const { lead, trail, toLeak, toSalvage } = heap.split;
  if (interior === 0) {
    if (toSalvage !== 0) {
      heap.gdumpAdd(edata.pages[toSalvage]);
      extentRecord(heap, arena, arena.retained, toSalvage);
    }
    abandon(heap, arena, toLeak);
    return NO_EXTENT;
  }
  if (lead !== 0) extentRecord(heap, arena, arena.retained, lead);
  if (trail !== 0) extentRecord(heap, arena, arena.retained, trail);
  arena.growNext = row + 1 <= arena.growLimit ? row + 1 : arena.growLimit;
  heap.gdumpAdd(pages);
  return interior;
}

/**
 * extent_alloc_wrapper: an active extent that is a mapping of just the size asked for, at `at` unless that is 0. With `retained` set it is not in use yet,
 * and a new high is no matter (growing_retained). NO_EXTENT if out of memory.
 */
export function extentAllocWrapper(heap: Heap, arena: Arena, at: number, pages: number, alignment: number, retained: boolean): Extent {
  if (!edataGet(heap, arena)) return NO_EXTENT;
  const address = mapNew(heap, arena, at, pages * PAGE, Math.ceil(alignment / PAGE) * PAGE);
  if (address === 0) {
    edataPut(heap, arena);
    return NO_EXTENT;
  }
  const extent = newMapping(
    heap,
    arena,
    address,
    pages,
    (heap.options.retain ? Flag.head : 0) | (heap.mappedDss ? Flag.dss : 0),
    arena.nextSn++,
  );
  if (!registerBoundary(heap, extent)) {
    forget(heap, arena, extent);
    return NO_EXTENT;
  }
  if (!retained) heap.gdumpAdd(pages);
  return extent;
}

/** ecache_alloc_grow: from the retained cache, else from the system; arguments and result as of extentRecycle. NO_EXTENT also if out of memory. */
export function ecacheAllocGrow(heap: Heap, arena: Arena, expand: Extent, pages: number, alignment: number, guarded: boolean): Extent {
  const { edata, options } = heap;
  let extent = extentRecycle(heap, arena, arena.retained, expand, pages, alignment, guarded);
  if (extent !== 0) {
    heap.gdumpAdd(pages);
    return extent;
  }
  if (options.retain && expand === 0 && !guarded) {
    extent = growRetained(heap, arena, pages, alignment);
    if (extent !== 0) return extent;
  }
  if (options.retain && expand !== 0) return NO_EXTENT;
  if (guarded) return NO_EXTENT;
  return extentAllocWrapper(heap, arena, expand !== 0 ? edata.base[expand] + edata.pages[expand] * PAGE : 0, pages, alignment, false);
}

/**
 * ecache_evict: takes the longest unused extent out of a cache, as active, if the cache holds more than `limitPages`. NO_EXTENT if not.
 * In the dirty cache it is merged with what it touches first; then the result is the latest, and the search starts over.
 */
export function ecacheEvict(heap: Heap, arena: Arena, ecache: Ecache, limitPages: number): Extent {
  const { edata } = heap;
  lock(heap.mutexes, ecache.mutex);
  for (;;) {
    let eset = ecache.eset;
    let extent = eset.lru.first[0] as Extent;
    if (extent === 0) {
      eset = ecache.guarded;
      extent = eset.lru.first[0] as Extent;
      if (extent === 0) return NO_EXTENT;
    }
    if (ecache.pages <= limitPages) return NO_EXTENT;
    eset.remove(extent);
    if (!ecache.delayCoalesce || (edata.flags[extent] & Flag.guarded) !== 0) {
      edata.state[extent] = State.active;
      return extent;
    }
    edata.state[extent] = State.active;
    extent = tryCoalesce(heap, arena, ecache, extent);
    if (!heap.coalesced) return extent;
    deactivate(heap, ecache, extent);
  }
}
