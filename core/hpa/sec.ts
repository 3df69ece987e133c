/**
 * The small extent cache before the page slabs (jemalloc 5.3.0, src/sec.c).
 * Invariant: a shard's bytes = those of its bins = those of the extents in its lists, which are active and in nobody's hands.
 * Differs: columns over shards and bins for structs. No shard is ever disabled, because only a program's own extent hooks do that.
 */
import type { Arena } from '../arena/arena_state.ts';
import { UnsupportedOption } from '../conf/boot.ts';
import type { Options } from '../conf/options.ts';
import { Flag, NO_EXTENT } from '../extent/edata.ts';
import { ListTable } from '../extent/ql.ts';
import type { Extent } from '../extent/types.ts';
import type { Heap } from '../heap.ts';
import { lock, type MutexTable } from '../mutex.ts';
import { PAGE, pagesToPind } from '../sizes/sc.ts';
import { hpaAlloc, hpaAllocBatch, hpaDalloc, hpaDallocBatch } from './hpa.ts';

/** sizeof(sec_shard_t) and sizeof(sec_bin_t) (sec.h), bytes. */
const SHARD_BYTES = 144;
const BIN_BYTES = 24;
/** Shard number of a thread that has not drawn one, (uint8_t)-1 (tsd_sec_shardp_get). */
export const NO_SHARD = 255;

/** sec_t, of one arena. Bytes are whole pages. */
export class Sec {
  readonly nshards: number;
  /** Bytes of an extent that is kept, and of all extents of a shard, at most; bytes of a shard that a flush leaves. */
  readonly maxAlloc: number;
  readonly maxBytes: number;
  readonly bytesAfterFlush: number;
  /** Extents that are fetched to be kept, with one that is asked for. */
  readonly batchFillExtra: number;
  /** Bins of a shard: the page size classes up to maxAlloc. */
  readonly classes: number;
  /** First of the shards' mutexes. */
  readonly mutexes: number;
  /** Shard -> bytes, and the class whose bin is flushed next. */
  readonly bytes: Float64Array;
  readonly #flushNext: Uint8Array;
  /** Bin (shard * classes + class) -> bytes, and extents. */
  readonly binBytes: Float64Array;
  readonly lists: ListTable;

  /** sec_init */
  constructor(options: Readonly<Options>, mutexes: MutexTable) {
    const nshards = Number(options.hpa_sec_nshards);
    this.nshards = nshards;
    this.maxAlloc = Number(options.hpa_sec_max_alloc);
    this.maxBytes = Number(options.hpa_sec_max_bytes);
    this.bytesAfterFlush = Number(options.hpa_sec_bytes_after_flush);
    this.batchFillExtra = options.hpa_sec_batch_fill_extra;
    this.classes = pagesToPind(Math.floor(this.maxAlloc / PAGE)) + 1;
    this.mutexes = mutexes.add(nshards);
    this.bytes = new Float64Array(nshards);
    this.#flushNext = new Uint8Array(nshards);
    this.binBytes = new Float64Array(nshards * this.classes);
    this.lists = new ListTable(nshards * this.classes);
  }

  /** Bytes of the shards and bins in base memory. */
  get metadataBytes(): number {
    return this.nshards * (SHARD_BYTES + this.classes * BIN_BYTES);
  }

  /** The bin of a shard to flush next. */
  takeVictim(shard: number): number {
    const szind = this.#flushNext[shard];
    this.#flushNext[shard] = szind + 1 === this.classes ? 0 : szind + 1;
    return shard * this.classes + szind;
  }
}

/** sec_shard_pick: a thread draws its shard when it first needs one. Where shards pass 255, number 255 stands for none drawn, as there. */
function shardPick(heap: Heap, sec: Sec): number {
  const tsd = heap.running;
  if (tsd === null) return 0;
  if (tsd.secShard === NO_SHARD) tsd.secShard = Math.floor((tsd.draw(32) * sec.nshards) / 2 ** 32) & 255;
  return tsd.secShard;
}

/** Moves all of a bin to the end of `to`. */
function emptyBin(heap: Heap, sec: Sec, bin: number, to: Extent[]): void {
  const { edata } = heap;
  for (let extent = sec.lists.first[bin] as Extent; extent !== 0; extent = edata.links.next[extent] as Extent) {
    edata.flags[extent] &= ~Flag.cached;
    to.push(extent);
  }
  sec.lists.clear(bin);
  sec.binBytes[bin] = 0;
}

/** sec_flush_some_and_unlock: bin after bin, until the shard is small enough. What work that puts off is for nobody. */
function flushSome(heap: Heap, arena: Arena, sec: Sec, shard: number): void {
  const toFlush: Extent[] = [];
  while (sec.bytes[shard] > sec.bytesAfterFlush) {
    const bin = sec.takeVictim(shard);
    sec.bytes[shard] -= sec.binBytes[bin];
    emptyBin(heap, sec, bin, toFlush);
  }
  const { deferredWork } = heap;
  hpaDallocBatch(heap, arena, toFlush);
  heap.deferredWork = deferredWork;
}

/**
 * sec_shard_alloc_locked: the first of a bin, for a request of `pages` pages. A class holds several sizes, and nobody looks which one that is.
 * @throws UnsupportedOption where it is too small, and objects would overlap.
 */
function takeCached(heap: Heap, sec: Sec, shard: number, bin: number, pages: number): Extent {
  const { edata } = heap;
  const extent = sec.lists.first[bin] as Extent;
  if (extent === 0) return NO_EXTENT;
  if (edata.pages[extent] < pages) {
    // an assertion that a release build does not have
    const reason =
      'slab_sizes gives slabs of so nearly equal sizes that the cache takes a smaller one for a larger, and jemalloc goes astray';
    throw new UnsupportedOption('hpa_sec_max_alloc', `${heap.options.hpa_sec_max_alloc}`, reason);
  }
  sec.lists.remove(edata.links, bin, extent);
  edata.flags[extent] &= ~Flag.cached;
  const bytes = edata.pages[extent] * PAGE;
  sec.binBytes[bin] -= bytes;
  sec.bytes[shard] -= bytes;
  return extent;
}

/** sec_batch_fill_and_alloc: one more than asked for each extent that is to be kept. What work that puts off is for nobody. */
function batchFill(heap: Heap, arena: Arena, sec: Sec, shard: number, bin: number, pages: number): Extent {
  const { deferredWork } = heap;
  const results = hpaAllocBatch(heap, arena, pages, 1 + sec.batchFillExtra);
  heap.deferredWork = deferredWork;
  lock(heap.mutexes, sec.mutexes + shard);
  if (results.length === 0) return NO_EXTENT;
  if (results.length === 1) return results[0];
  for (let i = 1; i < results.length; i++) {
    sec.lists.append(heap.edata.links, bin, results[i]);
    heap.edata.flags[results[i]] |= Flag.cached;
  }
  const bytes = (results.length - 1) * pages * PAGE;
  sec.binBytes[bin] += bytes;
  sec.bytes[shard] += bytes;
  if (sec.bytes[shard] > sec.maxBytes) flushSome(heap, arena, sec, shard);
  return results[0];
}

/** sec_alloc: an extent of `pages` pages from the arena's page slabs; NO_EXTENT if they do not serve it. `heap.deferredWork` as of hpaAlloc. */
export function secAlloc(heap: Heap, arena: Arena, sec: Sec, pages: number, alignment: number, zero: boolean): Extent {
  if (zero || alignment > PAGE || sec.nshards === 0 || pages * PAGE > sec.maxAlloc) return hpaAlloc(heap, arena, pages, alignment, zero);
  const shard = shardPick(heap, sec);
  const bin = shard * sec.classes + pagesToPind(pages);
  lock(heap.mutexes, sec.mutexes + shard);
  const extent = takeCached(heap, sec, shard, bin, pages);
  if (extent !== 0) return extent;
  if (sec.batchFillExtra > 0) return batchFill(heap, arena, sec, shard, bin, pages);
  return hpaAlloc(heap, arena, pages, alignment, zero);
}

/** sec_dalloc: an extent becomes the first of its bin; one that is too large goes to the page slabs. `heap.deferredWork` as of hpaDalloc. */
export function secDalloc(heap: Heap, arena: Arena, sec: Sec, extent: Extent): void {
  const { edata } = heap;
  const pages = edata.pages[extent];
  if (sec.nshards === 0 || pages * PAGE > sec.maxAlloc) {
    hpaDalloc(heap, arena, extent);
    return;
  }
  const shard = shardPick(heap, sec);
  lock(heap.mutexes, sec.mutexes + shard);
  const bin = shard * sec.classes + pagesToPind(pages);
  sec.lists.prepend(edata.links, bin, extent);
  edata.flags[extent] |= Flag.cached;
  sec.binBytes[bin] += pages * PAGE;
  sec.bytes[shard] += pages * PAGE;
  if (sec.bytes[shard] > sec.maxBytes) flushSome(heap, arena, sec, shard);
}

/** sec_flush: everything back to the page slabs. */
export function secFlush(heap: Heap, arena: Arena, sec: Sec): void {
  for (let shard = 0; shard < sec.nshards; shard++) {
    lock(heap.mutexes, sec.mutexes + shard);
    const toFlush: Extent[] = [];
    for (let szind = 0; szind < sec.classes; szind++) emptyBin(heap, sec, shard * sec.classes + szind, toFlush);
    sec.bytes[shard] = 0;
    hpaDallocBatch(heap, arena, toFlush);
  }
}

/** Checks the bytes against the lists. @throws Error naming what does not hold. */
export function checkSec(heap: Heap, sec: Sec): void {
  const { edata } = heap;
  for (let shard = 0; shard < sec.nshards; shard++) {
    let shardBytes = 0;
    for (let bin = shard * sec.classes; bin < (shard + 1) * sec.classes; bin++) {
      let bytes = 0;
      sec.lists.check(edata.links, bin, 'small extent cache: a list', (extent) => {
        if ((edata.flags[extent] & Flag.cached) === 0) throw new Error('small extent cache: an extent in it is not marked as cached');
        if (pagesToPind(edata.pages[extent]) !== bin % sec.classes)
          throw new Error('small extent cache: an extent is in the bin of another class');
        bytes += edata.pages[extent] * PAGE;
      });
      if (bytes !== sec.binBytes[bin]) throw new Error("small extent cache: a bin's bytes differ from its extents");
      shardBytes += bytes;
    }
    if (shardBytes !== sec.bytes[shard]) throw new Error("small extent cache: a shard's bytes differ from its bins");
  }
}
