/**
 * The fast lane of a replay: mallocs and frees that a thread cache serves and after which nothing else is due. Of a program's calls these are nearly
 * all, and nothing happens in them but a region moving between the cache and the live objects (jemalloc 5.3.0: imalloc_fastpath, free_fastpath).
 * Invariant: what a row does here is what `malloc` and `free` of jemalloc.ts would do; a row that needs anything more ends the stretch untouched.
 * Differs: one loop over many calls, with the counters in locals, written back at the end of the stretch; a thread's when another one's turn comes.
 *
 * The columns that the loop reads are copied into a window first, whose arrays an enclosing function names as constants: to compiled code their place and
 * length are constants, too, where of an array that comes as an argument class, length and place are looked up at each access. That is a fifth of the
 * time, and the copying a fiftieth. It needs that there is one such function for the whole program: of two the compiler cannot know whose arrays are meant.
 */
import { CACHE_BIN, CACHED, LOW_WATER, REQUESTS, SLOTS, STACK_BASE } from '../thread/cache_bin.ts';
import type { EdataTable } from '../extent/edata.ts';
import { REGION_BITS } from '../extent/region.ts';
import { indexToSize, LOOKUP_MAXCLASS, NBINS, smallIndex } from '../sizes/sc.ts';
import type { Tsd } from '../thread/tsd.ts';
import type { EventBatch } from '../trace/events.ts';
import { Op } from '../trace/events.ts';
import type { Ledger } from './ledger.ts';
import type { LiveObjects } from './live.ts';
import { FREE, NO_MEMORY, REGION, REQUESTED, WORDS } from './live_row.ts';

/** Rows that a window holds. */
export const WINDOW = 4096;

/** Below so many rows, copying them one by one is faster than making views of columns. */
const FEW = 64;

interface Lane {
  /** Copies rows `from` to `to` - 1 of a batch, WINDOW at most, whose blocks `object` numbers. */
  load(batch: EventBatch, object: Int32Array, from: number, to: number): void;
  /** Times that rows were loaded: who finds it changed must load again. */
  loads(): number;
  /**
   * Runs the rows of the window from `from` on, to `to` - 1 at most, while they are calls that the caches of their threads serve. The thread of row
   * `from` must be there. `event` is the event number of row `from`, and `time` the column of times, whose row `first` is the window's first.
   * @returns The first row that was not run.
   */
  run(
    tsds: readonly Tsd[],
    edata: EdataTable,
    live: LiveObjects,
    ledger: Ledger,
    time: Float64Array,
    first: number,
    from: number,
    to: number,
    event: number,
  ): number;
}

/** The one lane. What its window holds is of no meaning between two loads. */
export const lane: Lane = openLane(smallIndex, indexToSize);

function openLane(classOf: Uint8Array, usableSize: Float64Array): Lane {
  const op = new Uint8Array(WINDOW);
  const thread = new Int32Array(WINDOW);
  const size = new Float64Array(WINDOW);
  const stack = new Int32Array(WINDOW);
  const number = new Int32Array(WINDOW);
  const { malloc, free } = Op;
  let count = 0;

  const load: Lane['load'] = (batch, object, from, to) => {
    count++;
    if (to - from < FEW) {
      for (let row = from; row < to; row++) {
        op[row - from] = batch.op[row];
        thread[row - from] = batch.thread[row];
        size[row - from] = batch.size[row];
        stack[row - from] = batch.stack[row];
        number[row - from] = object[row];
      }
    } else {
      op.set(batch.op.subarray(from, to));
      thread.set(batch.thread.subarray(from, to));
      size.set(batch.size.subarray(from, to));
      stack.set(batch.stack.subarray(from, to));
      number.set(object.subarray(from, to));
    }
  };

  const run: Lane['run'] = (tsds, edata, live, ledger, time, first, from, to, event) => {
    let index = thread[from];
    let tsd = tsds[index];
    if (tsd.tcache === null) return from;
    let { bins, stack: cached } = tsd.tcache;
    let { allocated, allocEvent, deallocated, deallocEvent } = tsd;
    const { slabClass } = edata;
    const { words, stacks, capacity } = live;
    // compared, for compiled code to know that it is nothing but true or false
    const contexts = ledger.contexts === true;
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
      const object = number[row];
      if (object >= capacity) break;
      const word = object * WORDS;
      const kind = op[row];
      if (kind === free) {
        const region = words[word + REGION];
        if (region <= NO_MEMORY) break;
        const szind = slabClass[region >>> REGION_BITS];
        if (szind >= NBINS) break;
        const at = szind * CACHE_BIN;
        const level = bins[at + CACHED];
        const clock = deallocated + usableSize[szind];
        // a class that is not cached has no slots
        if (level >= bins[at + SLOTS] || clock >= deallocEvent) break;
        cached[bins[at + STACK_BASE] + level] = region;
        bins[at + CACHED] = level + 1;
        deallocated = clock;
        words[word + REGION] = FREE;
        const requested = words[word + REQUESTED];
        liveBytes -= requested;
        if (contexts) ledger.freeContext(stacks[object], requested);
      } else if (kind === malloc) {
        const requested = size[row];
        if (requested > LOOKUP_MAXCLASS || object === 0 || words[word + REGION] !== FREE) break;
        const szind = classOf[(requested + 7) >> 3];
        const at = szind * CACHE_BIN;
        const left = bins[at + CACHED] - 1;
        const clock = allocated + usableSize[szind];
        if (left < 0 || clock >= allocEvent) break;
        bins[at + CACHED] = left;
        if (left < bins[at + LOW_WATER]) bins[at + LOW_WATER] = left;
        bins[at + REQUESTS]++;
        allocated = clock;
        words[word + REGION] = cached[bins[at + STACK_BASE] + left];
        words[word + REQUESTED] = requested;
        mallocs++;
        bytes += requested;
        liveBytes += requested;
        if (liveBytes > peakBytes) {
          peakBytes = liveBytes;
          peakRow = row;
        }
        if (contexts) {
          stacks[object] = stack[row];
          ledger.allocateContext(stack[row], requested, time[first + row]);
        }
      } else break;
    }
    if (row > from) {
      tsd.allocated = allocated;
      tsd.deallocated = deallocated;
      ledger.addTotals(mallocs, bytes, row - from - mallocs, 0, liveBytes);
      if (peakRow >= 0) ledger.setPeak(peakBytes, time[first + peakRow], event + peakRow - from);
    }
    return row;
  };

  return { load, loads: () => count, run };
}
