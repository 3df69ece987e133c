/**
 * Bins and slabs: small regions (jemalloc 5.3.0, src/arena.c, src/bin.c, src/bitmap.c). What happens in a bin is compiled (assembly/bin.ts); here is its
 * shape.
 * Invariant: of the slabs of a bin with free regions, one is slabcur or none, all others are in the heap; freeCount[slab] = bits set
 * in its bitmap.
 * Differs: a region is named by slab and number; its address is computed when it is asked for.
 */
import type { BootConf } from '../conf/boot.ts';
import { Flag } from '../extent/edata.ts';
import { checkHeap } from '../extent/ph.ts';
import type { ListTable } from '../extent/ql.ts';
import { SLAB_WORDS } from '../extent/region.ts';
import type { Heap } from '../heap.ts';
import { indexToSize, NBINS } from '../sizes/sc.ts';
import type { Tsd } from '../thread/tsd.ts';
import type { Arena } from './arena_state.ts';
import type { SizeClass } from '../units.ts';
import type { Region } from '../extent/types.ts';

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

/** arena_bin_choose: the bin of an arena that this thread uses for a class. */
export function binChoose(heap: Heap, tsd: Tsd, szind: SizeClass): number {
  return heap.binInfo.firstBin[szind] + (tsd.arena === null ? 0 : tsd.shardOf(szind));
}

/** arena_malloc_small: one region past the thread cache; -1 if out of memory. */
export function mallocSmall(heap: Heap, tsd: Tsd, arena: Arena, szind: SizeClass): Region {
  return heap.memory.code.mallocSmall(tsd.place, arena.place, szind);
}

/** arena_dalloc_small: frees one region past the thread cache. */
export function dallocSmall(heap: Heap, tsd: Tsd, region: Region): void {
  heap.memory.code.dallocSmall(tsd.place, region);
}

/** What the slabs of an arena come to: bin -> value. */
export interface SlabSums {
  readonly slabs: Float64Array;
  /** Regions that are not free, those in thread caches included. */
  readonly taken: Float64Array;
}

/**
 * Checks an arena's bins against its slabs. `arena.<i>.reset`, which only manual arenas know, leaves two counters of a bin stale in jemalloc itself: they
 * are not held against such arenas.
 * @returns Usable bytes of the regions taken.
 * @throws Error naming what does not hold.
 */
export function checkBins(heap: Heap, { bins, automatic }: Arena, { slabs, taken }: SlabSums): number {
  const { binInfo, edata } = heap;
  const { slabcur, curslabs, curregs, nmalloc, ndalloc, nonfull, nonfullSlabs, full } = bins;
  let bytes = 0;
  for (let szind = 0; szind < NBINS; szind++) {
    const end = binInfo.firstBin[szind] + binInfo.shards[szind];
    for (let bin = binInfo.firstBin[szind]; bin < end; bin++) {
      if (slabs[bin] !== curslabs[bin]) throw new Error('bin: curslabs differs from its slabs');
      if (taken[bin] !== curregs[bin]) throw new Error('bin: curregs differs from the regions taken');
      if (automatic && nmalloc[bin] - ndalloc[bin] !== curregs[bin]) throw new Error('bin: curregs is not nmalloc - ndalloc');
      const held = checkHeap(edata, nonfull, bin);
      if (automatic && held !== nonfullSlabs[bin]) throw new Error('bin: nonfullSlabs differs from the heap');
      if (automatic && full.first[bin] !== 0) throw new Error('bin: an automatic arena lists full slabs');
      if (!automatic) checkFull(heap, full, bin, slabs[bin] - held - (slabcur[bin] === 0 ? 0 : 1));
      bytes += curregs[bin] * indexToSize[szind];
    }
  }
  return bytes;
}

/** Checks the list of full slabs of a manual arena's bin, which has `expected` of them. */
function checkFull({ edata }: Heap, full: ListTable, bin: number, expected: number): void {
  let listed = 0;
  full.check(edata.links, bin, 'bin: a full slab', (slab) => {
    listed++;
    if (edata.freeCount[slab] !== 0) throw new Error('bin: a slab in the list of full ones has a free region');
  });
  if (listed !== expected) throw new Error('bin: the list of full slabs has a wrong length');
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
