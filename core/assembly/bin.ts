/**
 * Bins and slabs: small regions (jemalloc 5.3.0, src/arena.c, src/bin.c, src/bitmap.c).
 * A slab is an extent cut into regions of one class, a bin the slabs of a class in an arena, or of one shard of it. Regions come from one slab, slabcur, the lowest first;
 * once it is full, from the oldest slab that has a free one: so old slabs stay full, and young ones run empty and give back their pages.
 * Invariant: of the slabs of a bin with free regions, one is slabcur or none, all others are in the heap; freeCount[slab] = bits set
 * in its bitmap.
 * Differs: a region is named by slab and number; its address is computed when it is asked for. Slabs come from and go to TypeScript.
 */
import { REGION_BITS, SLAB_WORDS } from '../extent/region';
import * as calls from './calls';
import { heapInsert, heapRemove, heapRemoveFirst, snadLess } from './ph';
import { Arena, Column, extents, model, mutexes, Tsd } from './tables';

/** Takes a mutex (and gives it back: nobody else can want it). */
export function lock(mutex: u32): void {
  mutexes.ops[mutex] += 1;
  if (mutexes.owner[mutex] !== mutexes.running) {
    mutexes.owner[mutex] = mutexes.running;
    mutexes.ownerSwitches[mutex] += 1;
  }
}

/** Counts `ticks` operations of a thread on an arena; when the ticker runs out, the arena decays (thread/decay_tick.ts). */
export function decayTick(tsd: Tsd, arena: Arena, ticks: i32): void {
  tsd.tick -= ticks;
  if (tsd.tick < 0) calls.decay(tsd.index, arena.index);
}

/** arena_bin_choose: the bin of an arena that this thread uses for a class. */
export function binChoose(tsd: Tsd, szind: u32): u32 {
  return model.firstBin[szind] + (tsd.arena === null ? 0 : <u32>tsd.shards[szind]);
}

/** bitmap_init: all regions free. */
function initBitmap(slab: u32, regions: u32): void {
  const first = slab * SLAB_WORDS;
  const whole = regions >>> 5;
  for (let word: u32 = 0; word < whole; word++) extents.freeBits[first + word] = 0xffffffff;
  if ((regions & 31) !== 0) extents.freeBits[first + whole] = (1 << (regions & 31)) - 1;
}

/** arena_slab_alloc: a slab with all regions free; 0 if out of memory. */
function slabAlloc(tsd: Tsd, arena: Arena, szind: u32, shard: u32): u32 {
  const slab = calls.slabAlloc(tsd.index, arena.index, szind);
  if (slab === 0) return slab;
  const regions = model.regions[szind];
  extents.freeCount[slab] = regions;
  extents.shard[slab] = <u8>shard;
  initBitmap(slab, regions);
  return slab;
}

/** Takes the lowest free regions of a slab, `count` of them: the first one goes to stack[at], the later ones below it (arena_slab_reg_alloc_batch). */
function takeRegions(slab: u32, count: u32, stack: Column<u32>, at: u32): void {
  const freeBits = extents.freeBits;
  extents.freeCount[slab] = <u16>(extents.freeCount[slab] - count);
  const first = slab << REGION_BITS;
  let word = slab * SLAB_WORDS;
  let base = first;
  let bits = freeBits[word];
  for (const end = at - count; at !== end; at--) {
    while (bits === 0) {
      freeBits[word] = 0;
      bits = freeBits[++word];
      base += 32;
    }
    stack[at] = base + ctz(bits);
    bits &= bits - 1;
  }
  freeBits[word] = bits;
}

/** Takes the lowest free region (arena_slab_reg_alloc). */
function takeRegion(slab: u32): u32 {
  const freeBits = extents.freeBits;
  extents.freeCount[slab] -= 1;
  let word = slab * SLAB_WORDS;
  while (freeBits[word] === 0) word++;
  const bits = freeBits[word];
  freeBits[word] = bits & (bits - 1);
  return (slab << REGION_BITS) + ((word & (SLAB_WORDS - 1)) << 5) + ctz(bits);
}

function fullInsert(arena: Arena, bin: u32, slab: u32): void {
  if (arena.automatic === 0) calls.fullInsert(arena.index, bin, slab);
}

function fullRemove(arena: Arena, bin: u32, slab: u32): void {
  if (arena.automatic === 0) calls.fullRemove(arena.index, bin, slab);
}

/** arena_bin_refill_slabcur_no_fresh_slab: makes the first slab of the heap slabcur; false if there is none. */
function refillSlabcur(arena: Arena, bin: u32): bool {
  if (arena.slabcur[bin] !== 0) fullInsert(arena, bin, arena.slabcur[bin]);
  const slab = heapRemoveFirst(extents, arena.nonfullOf(bin));
  arena.slabcur[bin] = slab;
  if (slab === 0) return false;
  arena.reslabs[bin] += 1;
  arena.nonfullSlabs[bin] -= 1;
  return true;
}

function refillFresh(arena: Arena, bin: u32, slab: u32): void {
  arena.nslabs[bin] += 1;
  arena.curslabs[bin] += 1;
  arena.slabcur[bin] = slab;
}

/**
 * arena_cache_bin_fill_small: takes up to `count` regions, the first one into stack[at + count - 1] and the later ones below it.
 * `pendingRequests` are the cache's, booked with the fill. Gives how many it got; fewer only if out of memory.
 */
export function cacheBinFillSmall(tsd: Tsd, arena: Arena, szind: u32, stack: Column<u32>, at: u32, count: u32, pendingRequests: u32): u32 {
  const bin = binChoose(tsd, szind);
  const mutex = arena.binMutexes + bin;
  let fresh: u32 = 0;
  let madeProgress = true;
  let filled: u32 = 0;
  for (;;) {
    lock(mutex);
    let allocateSlab = false;
    while (filled < count) {
      const slab = arena.slabcur[bin];
      if (slab !== 0 && extents.freeCount[slab] > 0) {
        const some = min(count - filled, <u32>extents.freeCount[slab]);
        takeRegions(slab, some, stack, at + count - 1 - filled);
        filled += some;
        madeProgress = true;
        continue;
      }
      if (refillSlabcur(arena, bin)) continue;
      if (fresh !== 0) {
        refillFresh(arena, bin, fresh);
        fresh = 0;
        continue;
      }
      allocateSlab = madeProgress;
      break;
    }
    if (!allocateSlab) break;
    fresh = slabAlloc(tsd, arena, szind, bin - model.firstBin[szind]);
    madeProgress = false;
  }
  arena.allocated += <f64>filled * model.usableSize[szind];
  arena.nmalloc[bin] += filled;
  arena.nrequests[bin] += pendingRequests;
  arena.curregs[bin] += filled;
  arena.nfills[bin] += 1;
  if (fresh !== 0) calls.slabDalloc(arena.index, fresh);
  if (filled < count) memory.copy(cell(stack, at), cell(stack, at + count - filled), filled << 2);
  decayTick(tsd, arena, 1);
  return filled;
}

/** The place of an element of a column of words. */
export function cell(column: Column<u32>, row: u32): usize {
  return changetype<usize>(column) + ((<usize>row) << 2);
}

/** arena_malloc_small: one region past the thread cache; -1 if out of memory. */
export function mallocSmall(tsd: Tsd, arena: Arena, szind: u32): f64 {
  const bin = binChoose(tsd, szind);
  const mutex = arena.binMutexes + bin;
  lock(mutex);
  let fresh: u32 = 0;
  let slab = arena.slabcur[bin];
  if ((slab === 0 || extents.freeCount[slab] === 0) && !refillSlabcur(arena, bin)) {
    fresh = slabAlloc(tsd, arena, szind, bin - model.firstBin[szind]);
    lock(mutex);
    slab = arena.slabcur[bin];
    if ((slab === 0 || extents.freeCount[slab] === 0) && !refillSlabcur(arena, bin)) {
      if (fresh === 0) return -1;
      refillFresh(arena, bin, fresh);
      fresh = 0;
    }
  }
  const region = takeRegion(arena.slabcur[bin]);
  arena.allocated += model.usableSize[szind];
  arena.nmalloc[bin] += 1;
  arena.nrequests[bin] += 1;
  arena.curregs[bin] += 1;
  if (fresh !== 0) calls.slabDalloc(arena.index, fresh);
  decayTick(tsd, arena, 1);
  return region;
}

/**
 * arena_dalloc_bin_locked_step: gives a region back to its slab. True if the slab is empty now: then it has left the bin, and the
 * caller frees it once the lock is dropped.
 */
export function dallocBinStep(arena: Arena, bin: u32, szind: u32, region: u32): bool {
  const slab = region >>> REGION_BITS;
  const number = region - (slab << REGION_BITS);
  extents.freeBits[slab * SLAB_WORDS + (number >>> 5)] |= 1 << (number & 31);
  const free = <u32>extents.freeCount[slab] + 1;
  extents.freeCount[slab] = <u16>free;
  const regions = <u32>model.regions[szind];
  if (free === regions) {
    if (slab === arena.slabcur[bin]) {
      arena.slabcur[bin] = 0;
    } else if (regions === 1) {
      fullRemove(arena, bin, slab);
    } else {
      heapRemove(extents, arena.nonfullOf(bin), slab);
      arena.nonfullSlabs[bin] -= 1;
    }
    arena.curslabs[bin] -= 1;
    return true;
  }
  if (free === 1 && slab !== arena.slabcur[bin]) {
    fullRemove(arena, bin, slab);
    lowerSlab(arena, bin, slab);
  }
  return false;
}

/** arena_bin_lower_slab: a slab that has a free region again becomes slabcur if it comes before it, else goes to the heap. */
function lowerSlab(arena: Arena, bin: u32, slab: u32): void {
  const current = arena.slabcur[bin];
  if (current !== 0 && snadLess(extents, slab, current)) {
    if (extents.freeCount[current] > 0) {
      heapInsert(extents, arena.nonfullOf(bin), current);
      arena.nonfullSlabs[bin] += 1;
    } else {
      fullInsert(arena, bin, current);
    }
    arena.slabcur[bin] = slab;
    arena.reslabs[bin] += 1;
  } else {
    heapInsert(extents, arena.nonfullOf(bin), slab);
    arena.nonfullSlabs[bin] += 1;
  }
}

/** arena_dalloc_small: frees one region past the thread cache. */
export function dallocSmall(tsd: Tsd, region: u32): void {
  const slab = region >>> REGION_BITS;
  const arena = model.arenas[extents.arena[slab]];
  const szind = <u32>extents.slabClass[slab];
  const bin = model.firstBin[szind] + extents.shard[slab];
  lock(arena.binMutexes + bin);
  const empty = dallocBinStep(arena, bin, szind, region);
  arena.allocated -= model.usableSize[szind];
  arena.ndalloc[bin] += 1;
  arena.curregs[bin] -= 1;
  if (empty) calls.slabDalloc(arena.index, slab);
  decayTick(tsd, arena, 1);
}
