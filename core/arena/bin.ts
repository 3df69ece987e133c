/**
 * Bins and slabs: small regions (jemalloc 5.3.0, src/arena.c, src/bin.c, src/bitmap.c).
 * Invariant: of the slabs of a bin with free regions, one is slabcur or none, all others are in the heap; freeCount[slab] = bits set
 * in its bitmap.
 * Differs: a region is named by slab and number; its address is computed when it is asked for.
 */
import type { BootConf } from '../conf/boot.ts';
import { Flag, snadLess } from '../extent/edata.ts';
import type { EdataTable } from '../extent/edata.ts';
import { handleDeferredWork, paAlloc, paDalloc } from '../extent/pac.ts';
import { heapInsert, heapRemove, heapRemoveFirst } from '../extent/ph.ts';
import { slabExtentDecideGuard } from '../extent/san.ts';
import { REGIONS, SLAB_WORDS } from '../extent/region.ts';
import type { Extent } from '../extent/types.ts';
import type { Heap } from '../heap.ts';
import { lock } from '../mutex.ts';
import { indexToSize, NBINS, PAGE } from '../sizes/sc.ts';
import { decayTick } from '../thread/decay_tick.ts';
import type { Tsd } from '../thread/tsd.ts';
import type { Arena, BinTable } from './arena_state.ts';

/** Shape of the bins: SizeClass -> value (bin_infos). */
export class BinInfo {
  readonly slabPages: Int32Array;
  /** Regions of a slab, 1..512. */
  readonly regions: Uint16Array;
  readonly shards: Uint8Array;
  /** Number of the class's first bin in an arena. */
  readonly firstBin: Int32Array = new Int32Array(NBINS);
  /** Bins of an arena. */
  readonly bins: number;

  constructor(conf: BootConf) {
    this.slabPages = conf.slabPages;
    this.regions = conf.slabRegions;
    this.shards = conf.binShards;
    let bins = 0;
    for (let szind = 0; szind < NBINS; szind++) {
      this.firstBin[szind] = bins;
      bins += this.shards[szind];
    }
    this.bins = bins;
  }
}

/** arena_bin_choose: the bin of `arena` that this thread uses for a class. */
export function binChoose(heap: Heap, tsd: Tsd, szind: number): number {
  return heap.binInfo.firstBin[szind] + (tsd.arena === null ? 0 : tsd.shards[szind]);
}

/** bitmap_init: all regions free. */
function initBitmap(edata: EdataTable, slab: number, regions: number): void {
  const { freeBits } = edata;
  const first = slab * SLAB_WORDS;
  const whole = regions >>> 5;
  for (let word = 0; word < whole; word++) freeBits[first + word] = 0xffffffff;
  if ((regions & 31) !== 0) freeBits[first + whole] = 2 ** (regions & 31) - 1;
}

/** Takes the lowest free region (arena_slab_reg_alloc). */
export function takeRegion(edata: EdataTable, slab: number): number {
  const { freeBits } = edata;
  edata.freeCount[slab]--;
  let word = slab * SLAB_WORDS;
  while (freeBits[word] === 0) word++;
  const bits = freeBits[word] | 0;
  freeBits[word] = bits & (bits - 1);
  return slab * REGIONS + ((word & (SLAB_WORDS - 1)) << 5) + 31 - Math.clz32(bits & -bits);
}

/** arena_slab_alloc: a slab with all regions free; 0 if out of memory. */
function slabAlloc(heap: Heap, tsd: Tsd, arena: Arena, szind: number, shard: number): Extent {
  const { edata, binInfo } = heap;
  const guarded = slabExtentDecideGuard(heap, tsd);
  const slab = paAlloc(heap, arena, binInfo.slabPages[szind], PAGE, true, szind, guarded, false);
  if (heap.deferredWork) handleDeferredWork(heap, arena);
  if (slab === 0) return slab;
  edata.freeCount[slab] = binInfo.regions[szind];
  edata.shard[slab] = shard;
  initBitmap(edata, slab, binInfo.regions[szind]);
  return slab;
}

function fullInsert(edata: EdataTable, arena: Arena, bin: number, slab: number): void {
  if (!arena.automatic) arena.bins.full.append(edata.links, bin, slab);
}

function fullRemove(edata: EdataTable, arena: Arena, bin: number, slab: number): void {
  if (!arena.automatic) arena.bins.full.remove(edata.links, bin, slab);
}

/** arena_bin_refill_slabcur_no_fresh_slab: makes the first slab of the heap slabcur; false if there is none. */
function refillSlabcur(edata: EdataTable, arena: Arena, bin: number): boolean {
  const { bins } = arena;
  if (bins.slabcur[bin] !== 0) fullInsert(edata, arena, bin, bins.slabcur[bin]);
  const slab = heapRemoveFirst(edata, bins.nonfull, bin);
  bins.slabcur[bin] = slab;
  if (slab === 0) return false;
  bins.reslabs[bin]++;
  bins.nonfullSlabs[bin]--;
  return true;
}

function refillFresh(bins: BinTable, bin: number, slab: number): void {
  bins.nslabs[bin]++;
  bins.curslabs[bin]++;
  bins.slabcur[bin] = slab;
}

/**
 * arena_cache_bin_fill_small: takes up to `count` regions, the first one into `stack[at + count - 1]` and the later ones below it.
 * `pendingRequests` are the cache's, booked with the fill. Gives how many it got; fewer only if out of memory.
 */
export function cacheBinFillSmall(
  heap: Heap,
  tsd: Tsd,
  arena: Arena,
  szind: number,
  stack: Uint32Array,
  at: number,
  count: number,
  pendingRequests: number,
): number {
  const { edata, mutexes } = heap;
  const { bins } = arena;
  const bin = binChoose(heap, tsd, szind);
  const mutex = arena.binMutexes + bin;
  const shard = bin - heap.binInfo.firstBin[szind];
  let fresh = 0;
  let madeProgress = true;
  let filled = 0;
  for (;;) {
    lock(mutexes, mutex);
    let allocateSlab = false;
    while (filled < count) {
      const slab = bins.slabcur[bin];
      if (slab !== 0 && edata.freeCount[slab] > 0) {
        let some = Math.min(count - filled, edata.freeCount[slab]);
        while (some-- > 0) stack[at + count - 1 - filled++] = takeRegion(edata, slab);
        madeProgress = true;
        continue;
      }
      if (refillSlabcur(edata, arena, bin)) continue;
      if (fresh !== 0) {
        refillFresh(bins, bin, fresh);
        fresh = 0;
        continue;
      }
      allocateSlab = madeProgress;
      break;
    }
    if (!allocateSlab) break;
    fresh = slabAlloc(heap, tsd, arena, szind, shard);
    madeProgress = false;
  }
  arena.allocated += filled * indexToSize[szind];
  bins.nmalloc[bin] += filled;
  bins.nrequests[bin] += pendingRequests;
  bins.curregs[bin] += filled;
  bins.nfills[bin]++;
  if (fresh !== 0) paDalloc(heap, arena, fresh as Extent);
  if (filled < count) stack.copyWithin(at, at + count - filled, at + count);
  decayTick(heap, tsd, arena, 1);
  return filled;
}

/** arena_malloc_small: one region past the thread cache; -1 if out of memory. */
export function mallocSmall(heap: Heap, tsd: Tsd, arena: Arena, szind: number): number {
  const { edata, mutexes } = heap;
  const { bins } = arena;
  const bin = binChoose(heap, tsd, szind);
  const mutex = arena.binMutexes + bin;
  lock(mutexes, mutex);
  let fresh = 0;
  let slab = bins.slabcur[bin];
  if ((slab === 0 || edata.freeCount[slab] === 0) && !refillSlabcur(edata, arena, bin)) {
    fresh = slabAlloc(heap, tsd, arena, szind, bin - heap.binInfo.firstBin[szind]);
    lock(mutexes, mutex);
    slab = bins.slabcur[bin];
    if ((slab === 0 || edata.freeCount[slab] === 0) && !refillSlabcur(edata, arena, bin)) {
      if (fresh === 0) return -1;
      refillFresh(bins, bin, fresh);
      fresh = 0;
    }
  }
  const region = takeRegion(edata, bins.slabcur[bin]);
  arena.allocated += indexToSize[szind];
  bins.nmalloc[bin]++;
  bins.nrequests[bin]++;
  bins.curregs[bin]++;
  if (fresh !== 0) paDalloc(heap, arena, fresh as Extent);
  decayTick(heap, tsd, arena, 1);
  return region;
}

/**
 * arena_dalloc_bin_locked_step: gives a region back to its slab. True if the slab is empty now: then it has left the bin, and the
 * caller frees it once the lock is dropped.
 */
export function dallocBinStep(heap: Heap, arena: Arena, bin: number, szind: number, region: number): boolean {
  const { edata } = heap;
  const { bins } = arena;
  const slab = (region / REGIONS) | 0;
  const number = region - slab * REGIONS;
  edata.freeBits[slab * SLAB_WORDS + (number >>> 5)] |= 1 << (number & 31);
  const free = ++edata.freeCount[slab];
  const regions = heap.binInfo.regions[szind];
  if (free === regions) {
    if (slab === bins.slabcur[bin]) {
      bins.slabcur[bin] = 0;
    } else if (regions === 1) {
      fullRemove(edata, arena, bin, slab);
    } else {
      heapRemove(edata, bins.nonfull, bin, slab);
      bins.nonfullSlabs[bin]--;
    }
    bins.curslabs[bin]--;
    return true;
  }
  if (free === 1 && slab !== bins.slabcur[bin]) {
    fullRemove(edata, arena, bin, slab);
    lowerSlab(edata, arena, bin, slab);
  }
  return false;
}

/** arena_bin_lower_slab: a slab that has a free region again becomes slabcur if it comes before it, else goes to the heap. */
function lowerSlab(edata: EdataTable, arena: Arena, bin: number, slab: number): void {
  const { bins } = arena;
  const current = bins.slabcur[bin];
  if (current !== 0 && snadLess(edata, slab, current)) {
    if (edata.freeCount[current] > 0) {
      heapInsert(edata, bins.nonfull, bin, current);
      bins.nonfullSlabs[bin]++;
    } else {
      fullInsert(edata, arena, bin, current);
    }
    bins.slabcur[bin] = slab;
    bins.reslabs[bin]++;
  } else {
    heapInsert(edata, bins.nonfull, bin, slab);
    bins.nonfullSlabs[bin]++;
  }
}

/** arena_dalloc_small: frees one region past the thread cache. */
export function dallocSmall(heap: Heap, tsd: Tsd, region: number): void {
  const { edata } = heap;
  const slab = (region / REGIONS) | 0;
  const arena = heap.arenas[edata.arena[slab]] as Arena;
  const szind = edata.szind[slab];
  const bin = heap.binInfo.firstBin[szind] + edata.shard[slab];
  lock(heap.mutexes, arena.binMutexes + bin);
  const empty = dallocBinStep(heap, arena, bin, szind, region);
  arena.allocated -= indexToSize[szind];
  arena.bins.ndalloc[bin]++;
  arena.bins.curregs[bin]--;
  if (empty) paDalloc(heap, arena, slab as Extent);
  decayTick(heap, tsd, arena, 1);
}

/** Checks a slab against its bitmap. @throws Error naming what does not hold. */
export function checkSlab(heap: Heap, slab: number): void {
  const { edata, binInfo } = heap;
  if ((edata.flags[slab] & Flag.slab) === 0) throw new Error('slab: the extent is not one');
  const regions = binInfo.regions[edata.szind[slab]];
  let free = 0;
  for (let word = 0; word << 5 < regions; word++) {
    let bits = edata.freeBits[slab * SLAB_WORDS + word];
    if (regions - (word << 5) < 32 && bits >= 2 ** (regions & 31)) throw new Error('slab: more free regions than regions');
    for (; bits !== 0; bits &= bits - 1) free++;
  }
  if (free !== edata.freeCount[slab]) throw new Error('slab: freeCount differs from the bitmap');
}
