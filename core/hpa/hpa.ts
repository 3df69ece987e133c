/**
 * The huge page allocator: small extents cut from huge pages, whole ones of which are purged or made huge as they fill and empty
 * (jemalloc 5.3.0, src/hpa.c).
 * Extents of up to hpa_slab_max_alloc come from page slabs, huge pages of address space. Where dirty pages are more than hpa_dirty_mult times the active ones, slabs are
 * purged, empty ones first. A slab with hpa_hugification_threshold bytes active is made huge hpa_hugify_delay_ms later, unless the pages that this would make
 * dirty pass that bound. Either happens at the end of a call, or in a background thread.
 * Invariant: every page of an extent of an arena's shard is active in one of the shard's page slabs.
 * Differs: the kernel is told nothing, and nobody waits while a lock is dropped: no page is ever pending.
 */
import type { Arena } from '../arena/arena_state.ts';
import { pagesMap } from '../base/pages.ts';
import { NO_DIRTY_LIMIT, type Options } from '../conf/options.ts';
import { Flag, NO_EXTENT, NOT_A_SLAB, State } from '../extent/edata.ts';
import { edataFastGet, edataFastPut } from '../extent/edata_cache.ts';
import { registerBoundary } from '../extent/emap.ts';
import type { Extent, PageSlab } from '../extent/types.ts';
import { HangError } from '../hang_error.ts';
import type { Heap } from '../heap.ts';
import type { ModelMemory } from '../model_memory.ts';
import { ArenaMutex, lock } from '../mutex.ts';
import { CACHELINE, HUGEPAGE, PAGE } from '../sizes/sc.ts';
import { UINT64_MAX } from '../u64.ts';
import { SLAB_PAGES } from './fb.ts';
import { HpdataTable, hugify, ndirty, NO_PAGE_SLAB, PageSlabFlag, purgeDirty, reserveAlloc, unreserve } from './hpdata.ts';
import { pickAlloc, pickHugify, pickPurge, Psset, pssetInsert, updateBegin, updateEnd } from './psset.ts';

/** Bytes that are mapped at once (HPA_EDEN_SIZE). */
const EDEN_BYTES: number = 128 * HUGEPAGE;
/** sizeof(hpdata_t) (hpdata.h), bytes. */
const HPDATA_BYTES = 248;
/** Purges and hugifications that one call does, at most; a background thread does all (hpa_shard_maybe_do_deferred_work). */
const MAX_OPS = 16;
/** Nanoseconds of a millisecond. */
const MS = 1_000_000;
/** What stands for no extent for want of memory. */
const OUT_OF_MEMORY = -1 as Extent;

/** Where all arenas have their page slabs from (hpa_central_t). */
export class HpaCentral {
  readonly hpdata: HpdataTable;
  /** Address of the huge pages that are mapped and not handed out yet, and their bytes. */
  eden = 0;
  edenBytes = 0;
  /** Page slabs handed out (age_counter). */
  age = 0;

  constructor(memory: ModelMemory) {
    this.hpdata = new HpdataTable(memory);
  }
}

/** An arena's part of it (hpa_shard_t). */
export class HpaShard {
  readonly psset: Psset;
  /** All its page slabs. */
  readonly slabs: PageSlab[] = [];
  /** Free edata structs that it keeps (edata_cache_fast_t). */
  edataKept = 0;
  /** Extents that were the first of their slab (age_counter). */
  age = 0;
  /** Pages of extents that it serves, at most; of active ones in a slab that is worth being huge, at least. */
  readonly slabMaxAlloc: number;
  readonly hugifyThresholdPages: number;
  /** Milliseconds that a slab waits to be made huge. */
  readonly hugifyDelayMs: number;
  /** Purges and hugifications are left to a background thread (deferral_allowed). */
  readonly deferralAllowed: boolean;
  /** Time of the latest purge, ns since start_ts. */
  lastPurge = 0;
  readonly #dirtyMult: number;
  /** Slabs purged, ranges purged in them, slabs made huge, and huge ones that purging broke up (hpa_shard_nonderived_stats_t). */
  npurge_passes = 0;
  npurges = 0;
  nhugifies = 0;
  ndehugifies = 0;

  /** hpa_shard_init */
  constructor(memory: ModelMemory, options: Readonly<Options>, deferralAllowed: boolean) {
    this.psset = new Psset(memory);
    this.deferralAllowed = deferralAllowed;
    this.slabMaxAlloc = Math.floor(options.hpa_slab_max_alloc / PAGE);
    this.hugifyThresholdPages = options.hpa_hugification_threshold / PAGE;
    this.hugifyDelayMs = Number(options.hpa_hugify_delay_ms);
    this.#dirtyMult = options.hpa_dirty_mult;
  }

  /** Dirty pages that may stay (hpa_ndirty_max, fxp_mul_frac). */
  get ndirtyMax(): number {
    if (this.#dirtyMult === NO_DIRTY_LIMIT) return Infinity;
    const { nactive } = this.psset;
    return nactive * (this.#dirtyMult >>> 16) + Math.floor((nactive * (this.#dirtyMult & 0xffff)) / 65536);
  }
}

/** hpa_central_extract: a page slab that nobody has touched; 0 if out of memory. */
function centralExtract(heap: Heap, central: HpaCentral): PageSlab {
  if (central.edenBytes === 0) {
    const address = pagesMap(heap.space, EDEN_BYTES, HUGEPAGE);
    if (address === 0) return NO_PAGE_SLAB;
    if (heap.base0.alloc(HPDATA_BYTES, CACHELINE) === 0) {
      heap.space.munmap(address, EDEN_BYTES);
      return NO_PAGE_SLAB;
    }
    heap.mappings.add(address, EDEN_BYTES);
    central.eden = address;
    central.edenBytes = EDEN_BYTES;
  } else if (heap.base0.alloc(HPDATA_BYTES, CACHELINE) === 0) {
    return NO_PAGE_SLAB;
  }
  const slab = central.hpdata.add(central.eden, central.age++);
  central.eden += HUGEPAGE;
  central.edenBytes -= HUGEPAGE;
  return slab;
}

/** The part of hpa_should_purge that goes by the dirty pages alone. */
function shouldPurge(shard: HpaShard): boolean {
  return shard.psset.ndirty > shard.ndirtyMax;
}

/** hpa_hugify_blocked_by_ndirty: a huge page is touched as a whole, and that might be too much. */
function hugifyBlocked(shard: HpaShard, table: HpdataTable): boolean {
  const slab = pickHugify(shard.psset);
  return slab !== 0 && shard.psset.ndirty + SLAB_PAGES - table.ntouched[slab] > shard.ndirtyMax;
}

/** hpa_update_purge_hugify_eligibility. A slab once worth being huge stays so until it is empty, purged or huge; its delay begins anew whenever it is found so. */
function updateEligibility(heap: Heap, shard: HpaShard, table: HpdataTable, slab: PageSlab): void {
  const { flags, nactive } = table;
  if (ndirty(table, slab) > 0) flags[slab] |= PageSlabFlag.purgeAllowed;
  else flags[slab] &= ~PageSlabFlag.purgeAllowed;
  if (nactive[slab] >= shard.hugifyThresholdPages && (flags[slab] & PageSlabFlag.huge) === 0) {
    flags[slab] |= PageSlabFlag.hugifyAllowed;
    table.hugifyAllowedTime[slab] = heap.now;
  }
  if (nactive[slab] === 0) flags[slab] &= ~PageSlabFlag.hugifyAllowed;
}

/** The part before the lock is dropped of a purge or a hugification. */
function beginChange(shard: HpaShard, table: HpdataTable, slab: PageSlab, allocAllowed: boolean): void {
  updateBegin(shard.psset, table, slab);
  table.flags[slab] &= ~(PageSlabFlag.purgeAllowed | PageSlabFlag.hugifyAllowed);
  if (!allocAllowed) table.flags[slab] &= ~PageSlabFlag.allocAllowed;
  updateEnd(shard.psset, table, slab);
}

/** hpa_try_purge: false if there is nothing to purge. */
function tryPurge(heap: Heap, arena: Arena, shard: HpaShard, table: HpdataTable): boolean {
  const { psset } = shard;
  const slab = pickPurge(psset);
  if (slab === 0) return false;
  beginChange(shard, table, slab, false);
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  shard.npurge_passes++;
  shard.lastPurge = heap.now;
  updateBegin(psset, table, slab);
  if ((table.flags[slab] & PageSlabFlag.huge) !== 0) {
    shard.ndehugifies++;
    table.flags[slab] &= ~PageSlabFlag.huge;
  }
  shard.npurges += purgeDirty(table, slab);
  table.flags[slab] |= PageSlabFlag.allocAllowed;
  updateEligibility(heap, shard, table, slab);
  updateEnd(psset, table, slab);
  return true;
}

/** hpa_hugify_delay_ms have passed since the slab was last found worth being huge. */
function isHugifyDue(heap: Heap, shard: HpaShard, table: HpdataTable, slab: PageSlab): boolean {
  return Math.floor((heap.now - table.hugifyAllowedTime[slab]) / MS) >= shard.hugifyDelayMs;
}

/** hpa_try_hugify: false if no slab is due, or too many pages are dirty. */
function tryHugify(heap: Heap, arena: Arena, shard: HpaShard, table: HpdataTable): boolean {
  const { psset } = shard;
  if (hugifyBlocked(shard, table)) return false;
  const slab = pickHugify(psset);
  if (slab === 0) return false;
  if (!isHugifyDue(heap, shard, table, slab)) return false;
  beginChange(shard, table, slab, true);
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  shard.nhugifies++;
  updateBegin(psset, table, slab);
  hugify(table, slab);
  updateEligibility(heap, shard, table, slab);
  updateEnd(psset, table, slab);
  return true;
}

/**
 * The work of hpa_shard_maybe_do_deferred_work: `most` operations, or one more.
 * @throws HangError where a slab cannot be made huge for the pages that this would make dirty, and there are no dirty ones to purge.
 */
function doDeferredWork(heap: Heap, arena: Arena, shard: HpaShard, table: HpdataTable, most: number): void {
  let operations = 0;
  let purged: boolean;
  let hugified: boolean;
  do {
    purged = false;
    while ((shouldPurge(shard) || hugifyBlocked(shard, table)) && operations < most) {
      purged = tryPurge(heap, arena, shard, table);
      if (!purged) {
        throw new HangError('a page slab may be made huge only once dirty pages are purged (hpa_dirty_mult), and there are none to purge');
      }
      operations++;
    }
    hugified = tryHugify(heap, arena, shard, table);
    if (hugified) operations++;
  } while ((hugified || purged) && operations < most);
}

/** hpa_shard_maybe_do_deferred_work at the end of a call, and hpa_shard_has_deferred_work into `heap.deferredWork`. */
function endCall(heap: Heap, arena: Arena, shard: HpaShard, table: HpdataTable): void {
  if (!shard.deferralAllowed) doDeferredWork(heap, arena, shard, table, MAX_OPS);
  heap.deferredWork = pickHugify(shard.psset) !== 0 || shouldPurge(shard);
}

/** hpa_shard_do_deferred_work: a background thread does what there is to do. */
export function hpaDoDeferredWork(heap: Heap, arena: Arena, shard: HpaShard): void {
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  doDeferredWork(heap, arena, shard, (heap.hpaCentral as HpaCentral).hpdata, Infinity);
}

/** hpa_time_until_deferred_work: nanoseconds, UINT64_MAX if there is nothing to do. */
export function hpaTimeUntilDeferredWork(heap: Heap, arena: Arena, shard: HpaShard): bigint {
  const table = (heap.hpaCentral as HpaCentral).hpdata;
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  const { hpa_hugify_delay_ms: hugifyDelay, hpa_min_purge_interval_ms: purgeInterval } = heap.options;
  /** Nanoseconds until `delay` ms after `time` are over, 0 if they are; cut to 64 bits, which those of a long delay do not fit into. */
  const remaining = (delay: bigint, time: number) => {
    const ms = delay - BigInt(Math.floor((heap.now - time) / MS));
    return ms <= 0n ? 0n : BigInt.asUintN(64, ms * BigInt(MS));
  };
  let time = UINT64_MAX;
  const slab = pickHugify(shard.psset);
  if (slab !== 0) {
    if (isHugifyDue(heap, shard, table, slab)) return 0n;
    time = remaining(hugifyDelay, table.hugifyAllowedTime[slab]);
  }
  if (!shouldPurge(shard) && !hugifyBlocked(shard, table)) return time;
  if (shard.npurge_passes === 0) return 0n;
  const purge = remaining(purgeInterval, shard.lastPurge);
  return purge < time ? purge : time;
}

/** hpa_try_alloc_one_no_grow: NO_EXTENT if no slab can serve, OUT_OF_MEMORY without a struct, which is fetched before that is known. */
function tryAllocOne(heap: Heap, arena: Arena, shard: HpaShard, table: HpdataTable, pages: number): Extent {
  if (!edataFastGet(heap, arena, shard)) return OUT_OF_MEMORY;
  const { psset } = shard;
  const slab = pickAlloc(psset, table, pages);
  if (slab === 0) {
    edataFastPut(shard);
    return NO_EXTENT;
  }
  updateBegin(psset, table, slab);
  // an empty slab is as good as new
  if (table.nactive[slab] === 0) table.sn[slab] = shard.age++;
  const { edata } = heap;
  const extent = edata.add(arena.index, reserveAlloc(table, slab, pages), pages, table.sn[slab], State.active, Flag.hpa);
  edata.slabClass[extent] = NOT_A_SLAB;
  edata.pageSlab[extent] = slab;
  if (!registerBoundary(heap, extent)) {
    unreserve(table, slab, edata.base[extent], pages);
    updateEnd(psset, table, slab);
    edata.release(extent);
    edataFastPut(shard);
    return OUT_OF_MEMORY;
  }
  updateEligibility(heap, shard, table, slab);
  updateEnd(psset, table, slab);
  return extent;
}

/** hpa_try_alloc_batch_no_grow: up to `count` extents onto `results`. True if that is all there will be: enough, or out of memory. */
function tryAllocBatch(
  heap: Heap,
  arena: Arena,
  shard: HpaShard,
  table: HpdataTable,
  pages: number,
  count: number,
  results: Extent[],
): boolean {
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  let extent = NO_EXTENT;
  while (results.length < count) {
    extent = tryAllocOne(heap, arena, shard, table, pages);
    if (extent <= 0) break;
    results.push(extent);
  }
  endCall(heap, arena, shard, table);
  return results.length === count || extent === OUT_OF_MEMORY;
}

/** hpa_alloc_batch: up to `count` extents of `pages` pages, by one new page slab at most. `heap.deferredWork` says whether there is work left. */
export function hpaAllocBatch(heap: Heap, arena: Arena, pages: number, count: number): Extent[] {
  const shard = arena.hpaShard as HpaShard;
  const central = heap.hpaCentral as HpaCentral;
  const table = central.hpdata;
  const results: Extent[] = [];
  if (pages > shard.slabMaxAlloc) return results;
  if (tryAllocBatch(heap, arena, shard, table, pages, count, results)) return results;
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard_grow);
  if (tryAllocBatch(heap, arena, shard, table, pages, count, results)) return results;
  const slab = centralExtract(heap, central);
  if (slab === 0) return results;
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  pssetInsert(shard.psset, table, slab);
  shard.slabs.push(slab);
  tryAllocBatch(heap, arena, shard, table, pages, count, results);
  return results;
}

/** hpa_alloc: an extent of `pages` pages; NO_EXTENT for what it does not serve (an `alignment` above a page, memory that has to be `zero`), or out of memory. */
export function hpaAlloc(heap: Heap, arena: Arena, pages: number, alignment: number, zero: boolean): Extent {
  if (alignment > PAGE || zero) return NO_EXTENT;
  const results = hpaAllocBatch(heap, arena, pages, 1);
  return results.length === 0 ? NO_EXTENT : results[0];
}

/** hpa_dalloc_batch: extents of an arena go back to their page slabs. `heap.deferredWork` says whether there is work left. */
export function hpaDallocBatch(heap: Heap, arena: Arena, extents: readonly Extent[]): void {
  const shard = arena.hpaShard as HpaShard;
  const table = (heap.hpaCentral as HpaCentral).hpdata;
  lock(heap.mutexes, arena.mutexes + ArenaMutex.hpa_shard);
  for (const extent of extents) dallocOne(heap, shard, table, extent);
  endCall(heap, arena, shard, table);
}

/** hpa_dalloc_locked */
function dallocOne(heap: Heap, shard: HpaShard, table: HpdataTable, extent: Extent): void {
  const { edata } = heap;
  const slab = edata.pageSlab[extent] as PageSlab;
  edataFastPut(shard);
  updateBegin(shard.psset, table, slab);
  unreserve(table, slab, edata.base[extent], edata.pages[extent]);
  edata.release(extent);
  updateEligibility(heap, shard, table, slab);
  updateEnd(shard.psset, table, slab);
}

/** hpa_dalloc */
export function hpaDalloc(heap: Heap, arena: Arena, extent: Extent): void {
  hpaDallocBatch(heap, arena, [extent]);
}
