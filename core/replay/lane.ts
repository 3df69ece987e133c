/**
 * The fast lane of a replay: mallocs and frees that a thread cache serves and after which nothing else is due. Of a program's calls these are nearly
 * all, and nothing happens in them but a region moving between the cache and the live objects (jemalloc 5.3.0: imalloc_fastpath, free_fastpath).
 * Invariant: what a row does here is what `malloc` and `free` of jemalloc.ts would do; a row that needs anything more ends the stretch untouched.
 * Differs: one loop over many calls, with the counters in locals, written back at the end of the stretch; a thread's when another one's turn comes.
 */
import { CACHE_BIN, CACHED, LOW_WATER, REQUESTS, SLOTS, STACK_BASE } from '../thread/cache_bin.ts';
import type { EdataTable } from '../extent/edata.ts';
import { REGION_BITS } from '../extent/region.ts';
import { indexToSize, LOOKUP_MAXCLASS, NBINS, smallIndex } from '../sizes/sc.ts';
import type { Tsd } from '../thread/tsd.ts';
import type { EventBatch } from '../trace/events.ts';
import { Op } from '../trace/events.ts';
import type { Ledger } from './ledger.ts';
import { FREE, type LiveObjects, NO_MEMORY, REGION, SIZES, STACK, WORDS } from './live.ts';

/**
 * Runs rows from `from` on, to `to` - 1 at most, while they are calls that the caches of their threads serve. The thread of row `from` must be there.
 * `object` numbers the rows' blocks. `event` is the event number of row `from`.
 * @returns The first row that was not run.
 */
export function runLane(
  tsds: readonly Tsd[],
  edata: EdataTable,
  live: LiveObjects,
  ledger: Ledger,
  batch: EventBatch,
  object: Int32Array,
  from: number,
  to: number,
  event: number,
): number {
  const { op, thread, size, stack } = batch;
  let index = thread[from];
  let tsd = tsds[index];
  if (tsd.tcache === null) return from;
  let { bins, stack: cached } = tsd.tcache;
  let { allocated, allocEvent, deallocated, deallocEvent } = tsd;
  const { slabClass } = edata;
  const { sizes, words, capacity } = live;
  const { contexts } = ledger;
  const { malloc, free } = Op;
  let mallocs = 0;
  let bytes = 0;
  let liveBytes = ledger.totalLiveBytes;
  let peakBytes = ledger.totalPeakBytes;
  let peakRow = -1;
  let row = from;
  for (; row < to; row++) {
    if (thread[row] !== index) {
      if (thread[row] >= tsds.length) break;
      const other = tsds[thread[row]];
      if (other.tcache === null) break;
      tsd.allocated = allocated;
      tsd.deallocated = deallocated;
      tsd = other;
      index = thread[row];
      ({ bins, stack: cached } = other.tcache);
      ({ allocated, allocEvent, deallocated, deallocEvent } = other);
    }
    const number = object[row];
    if (number >= capacity) break;
    const word = number * WORDS;
    const kind = op[row];
    if (kind === free) {
      const region = words[word + REGION];
      if (region <= NO_MEMORY) break;
      const szind = slabClass[region >>> REGION_BITS];
      if (szind >= NBINS) break;
      const at = szind * CACHE_BIN;
      const level = bins[at + CACHED];
      const clock = deallocated + indexToSize[szind];
      // a class that is not cached has no slots
      if (level >= bins[at + SLOTS] || clock >= deallocEvent) break;
      cached[bins[at + STACK_BASE] + level] = region;
      bins[at + CACHED] = level + 1;
      deallocated = clock;
      words[word + REGION] = FREE;
      const requested = sizes[number * SIZES];
      liveBytes -= requested;
      if (contexts) ledger.freeContext(words[word + STACK] | 0, requested);
    } else if (kind === malloc) {
      const requested = size[row];
      if (requested > LOOKUP_MAXCLASS || number === 0 || words[word + REGION] !== FREE) break;
      const szind = smallIndex[(requested + 7) >> 3];
      const at = szind * CACHE_BIN;
      const left = bins[at + CACHED] - 1;
      const clock = allocated + indexToSize[szind];
      if (left < 0 || clock >= allocEvent) break;
      bins[at + CACHED] = left;
      if (left < bins[at + LOW_WATER]) bins[at + LOW_WATER] = left;
      bins[at + REQUESTS]++;
      allocated = clock;
      words[word + REGION] = cached[bins[at + STACK_BASE] + left];
      words[word + STACK] = stack[row];
      sizes[number * SIZES] = requested;
      mallocs++;
      bytes += requested;
      liveBytes += requested;
      if (liveBytes > peakBytes) {
        peakBytes = liveBytes;
        peakRow = row;
      }
      if (contexts) ledger.allocateContext(stack[row], requested, batch.time[row]);
    } else break;
  }
  if (row > from) {
    tsd.allocated = allocated;
    tsd.deallocated = deallocated;
    ledger.addTotals(mallocs, bytes, row - from - mallocs, 0, liveBytes);
    if (peakRow >= 0) ledger.setPeak(peakBytes, batch.time[peakRow], event + peakRow - from);
  }
  return row;
}
