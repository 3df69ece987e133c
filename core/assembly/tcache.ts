/**
 * Thread caches: filling and flushing small classes, and collecting (jemalloc 5.3.0, src/tcache.c, include/jemalloc/internal/cache_bin.h).
 * A cache has a stack of free objects for each class, for which it takes a bin's lock once in a while: an empty stack is filled with a share of its slots, a full one
 * flushed of its oldest. Every tcache_gc_incr_bytes one class is collected, each in its turn: what lay below the low water mark since then was not needed.
 * Fills are halved where that is so, and doubled again where a stack ran empty.
 * Invariant: of each class, stack[stackBase .. stackBase + cached - 1] are free regions, the oldest first; lowWater <= cached <= slots.
 * Differs: large classes are TypeScript (thread/tcache.ts). Slabs that a flush empties are chained and freed at its end, where jemalloc has an array on its
 * stack.
 */
import { REGION_BITS } from '../extent/region';
import { binChoose, cacheBinFillSmall, cell, dallocBinStep, decayTick, lock } from './bin';
import * as calls from './calls';
import { Arena, CacheBin, extents, model, NBINS, Tcache, Tsd } from './tables';

/** The part of tcache_alloc_small_hard that fills an empty class from `arena`. Gives how many objects there are then, 0 if out of memory. */
export function tcacheRefill(tsd: Tsd, tcache: Tcache, arena: Arena, szind: u32): u32 {
  const bin = tcache.bin(szind);
  const count = bin.slots >> tcache.lgFillDiv[szind];
  const filled = cacheBinFillSmall(tsd, arena, szind, tcache.stack, bin.stackBase, count, bin.requests);
  bin.requests = 0;
  tcache.refilled[szind] = 1;
  // the fill ran with an empty cache, so the low water mark stays at 0
  bin.cached = filled;
  return filled;
}

/** tcache_alloc_small_hard: fills an empty class from `arena` and takes the top object; -1 if out of memory. */
export function tcacheFill(tsd: Tsd, tcache: Tcache, arena: Arena, szind: u32): f64 {
  if (tcacheRefill(tsd, tcache, arena, szind) === 0) return -1;
  const bin = tcache.bin(szind);
  bin.cached--;
  bin.requests++;
  return tcache.stack[bin.stackBase + bin.cached];
}

/** tcache_bin_flush_bottom: gives the oldest objects of a small class back to their arenas, until `remaining` are left. */
export function tcacheFlush(tsd: Tsd, tcache: Tcache, szind: u32, remaining: i32): void {
  const bin = tcache.bin(szind);
  const cached = bin.cached;
  const base = bin.stackBase;
  flushRegions(tsd, tcache, bin, szind, base, cached - remaining);
  memory.copy(cell(tcache.stack, base), cell(tcache.stack, base + cached - remaining), remaining << 2);
  bin.cached = remaining;
  if (bin.lowWater > remaining) bin.lowWater = remaining;
}

/** Books a flush, and with it what the class has served since the last one. */
function mergeRequests(arena: Arena, bin: u32, cacheBin: CacheBin): void {
  arena.nflushes[bin] += 1;
  arena.nrequests[bin] += cacheBin.requests;
  cacheBin.requests = 0;
}

/** tcache_bin_flush_impl over stack[at .. at + count - 1], the youngest of them first; those entries are overwritten. */
function flushRegions(tsd: Tsd, tcache: Tcache, cacheBin: CacheBin, szind: u32, at: u32, count: u32): void {
  const stack = tcache.stack;
  const own = tcache.arena;
  let merged = false;
  // slabs that are empty, chained by the links of the heap that they have left
  let firstEmptied: u32 = 0;
  let lastEmptied: u32 = 0;
  let left = count;
  // the youngest region left lies at stack[at + left - 1]; a pass keeps what it passes by at the top of that range
  while (left > 0) {
    const top = at + left - 1;
    const first = stack[top] >>> REGION_BITS;
    const arenaIndex = extents.arena[first];
    const shard = extents.shard[first];
    const arena = model.arenas[arenaIndex];
    const bin = model.firstBin[szind] + shard;
    lock(arena.binMutexes + bin);
    if (arena === own && !merged) {
      merged = true;
      mergeRequests(arena, bin, cacheBin);
    }
    let keep = top;
    for (let i = left; i > 0; i--) {
      const region = stack[at + i - 1];
      const slab = region >>> REGION_BITS;
      if (extents.arena[slab] !== arenaIndex || extents.shard[slab] !== shard) {
        stack[keep--] = region;
      } else if (dallocBinStep(arena, bin, szind, region)) {
        extents.next[slab] = 0;
        if (lastEmptied === 0) firstEmptied = slab;
        else extents.next[lastEmptied] = slab;
        lastEmptied = slab;
      }
    }
    const deferred = top - keep;
    const done = left - deferred;
    arena.allocated -= <f64>done * model.usableSize[szind];
    arena.ndalloc[bin] += done;
    arena.curregs[bin] -= done;
    decayTick(tsd, arena, done);
    // what was kept moves down, in order, so that it is again stack[at .. at + deferred - 1]
    if (deferred > 0) memory.copy(cell(stack, at), cell(stack, keep + 1), deferred << 2);
    left = deferred;
  }
  for (let slab = firstEmptied; slab !== 0; ) {
    const next = extents.next[slab];
    calls.slabDalloc(extents.arena[slab], slab);
    slab = next;
  }
  if (!merged) {
    const bin = binChoose(tsd, szind);
    lock(own.binMutexes + bin);
    mergeRequests(own, bin, cacheBin);
  }
}

/** tcache_event: looks at one class, flushes three quarters of what was not touched since the last look, and adapts the fill size. */
export function tcacheGc(tsd: Tsd): void {
  if (tsd.tcache === null) return;
  const tcache = <Tcache>tsd.tcache;
  const szind = tcache.nextGcBin;
  const bin = tcache.bin(szind);
  const low = bin.lowWater;
  if (low > 0) {
    const flush = low - (low >> 2);
    if (szind >= NBINS) {
      calls.flushLarge(tsd.index, szind, bin.cached - flush);
    } else if (flush < <i32>tcache.delayItems[szind]) {
      tcache.delayItems[szind] = <u8>(tcache.delayItems[szind] - flush);
    } else {
      tcache.delayItems[szind] = model.delayItems[szind];
      tcacheFlush(tsd, tcache, szind, bin.cached - flush);
      if (bin.slots >> (tcache.lgFillDiv[szind] + 1) >= 1) tcache.lgFillDiv[szind] += 1;
    }
  } else if (szind < NBINS && tcache.refilled[szind] !== 0) {
    if (tcache.lgFillDiv[szind] > 1) tcache.lgFillDiv[szind] -= 1;
    tcache.refilled[szind] = 0;
  }
  bin.lowWater = bin.cached;
  tcache.nextGcBin = szind + 1 === model.cachedClasses ? 0 : szind + 1;
}
