/**
 * The way to the fast lane of a replay, which is compiled (assembly/lane.ts): mallocs, callocs and frees of small objects, of a program's calls nearly all.
 * A batch's columns are copied into a window in the memory of the model, which is a twentieth of what the lane then takes.
 * Invariant: what a row does there is what `malloc`, `calloc` and `free` of jemalloc.ts would do; a row that needs anything more ends the stretch untouched.
 */
import { LANE_BYTES } from '../assembly/places.ts';
import type { ModelMemory } from '../model_memory.ts';
import { type EventBatch, Op } from '../trace/events.ts';
import type { Ledger } from './ledger.ts';
import { FIELDS } from './ledger_row.ts';
import type { LiveObjects } from './live.ts';

/** Rows that a window holds. */
export const WINDOW = 4096;

/** Below so many rows, copying them one by one is faster than making views of columns. */
const FEW = 64;

/** Fields of the struct Lane of assembly/lane.ts: first doubles, then words. */
const LIVE_BYTES = 0;
const PEAK_BYTES = 1;
const BYTES = 2;
const MALLOCS = 6;
const PEAK_ROW = 7;
const ROW = 8;
const FAILED = 9;
const COLUMNS = 10;
const LIVE = 16;
const ACCOUNTS = 19;
const TSDS = 21;
const THREAD_COUNT = 22;
const REFILLS = 23;
const NEW_PEAK = 24;

/** The lane of one replay. */
export class Lane {
  readonly #memory: ModelMemory;
  readonly #live: LiveObjects;
  readonly #ledger: Ledger;
  readonly #place: number;
  readonly #doubles: Float64Array;
  readonly #words: Int32Array;
  readonly #op: Uint8Array;
  readonly #thread: Int32Array;
  readonly #size: Float64Array;
  readonly #stack: Int32Array;
  readonly #object: Int32Array;
  readonly #time: Float64Array;

  /** @param refills whether caches may be filled and flushed there: nobody else is to be told, and a thread's arena is the one that it is bound to */
  constructor(memory: ModelMemory, live: LiveObjects, ledger: Ledger, refills: boolean) {
    this.#memory = memory;
    this.#live = live;
    this.#ledger = ledger;
    this.#place = memory.take(LANE_BYTES);
    this.#doubles = new Float64Array(memory.buffer, this.#place, LANE_BYTES / 8);
    this.#words = new Int32Array(memory.buffer, this.#place, LANE_BYTES / 4);
    this.#op = memory.uint8(WINDOW);
    this.#thread = memory.int32(WINDOW);
    this.#size = memory.float64(WINDOW);
    this.#stack = memory.int32(WINDOW);
    this.#object = memory.int32(WINDOW);
    this.#time = memory.float64(WINDOW);
    memory.writePlaces(this.#place, COLUMNS, [this.#op, this.#thread, this.#size, this.#stack, this.#object, this.#time]);
    this.#words[REFILLS] = refills ? 1 : 0;
  }

  /** Copies rows `from` to `to` - 1 of a batch, WINDOW at most, whose blocks `object` numbers. */
  load(batch: EventBatch, object: Int32Array, from: number, to: number): void {
    const { contexts } = this.#ledger;
    if (to - from < FEW) {
      for (let row = from; row < to; row++) {
        this.#op[row - from] = batch.op[row];
        this.#thread[row - from] = batch.thread[row];
        this.#size[row - from] = batch.op[row] === Op.calloc ? batch.extra[row] * batch.size[row] : batch.size[row];
        this.#object[row - from] = object[row];
        this.#time[row - from] = batch.time[row];
        if (contexts) this.#stack[row - from] = batch.stack[row];
      }
    } else {
      const op = batch.op.subarray(from, to);
      this.#op.set(op);
      this.#thread.set(batch.thread.subarray(from, to));
      this.#size.set(batch.size.subarray(from, to));
      for (let row = op.indexOf(Op.calloc); row >= 0; row = op.indexOf(Op.calloc, row + 1))
        this.#size[row] = batch.extra[from + row] * batch.size[from + row];
      this.#object.set(object.subarray(from, to));
      this.#time.set(batch.time.subarray(from, to));
      if (contexts) this.#stack.set(batch.stack.subarray(from, to));
    }
  }

  /**
   * Runs the rows of the window from `from` on, to `to` - 1 at most, while they are such calls. The thread of row `from` must be there, and `threads` of them
   * are. `event` is the event number of row `from`.
   * @returns The first row that was not run.
   */
  run(threads: number, from: number, to: number, event: number): number {
    const ledger = this.#ledger;
    const doubles = this.#doubles;
    const words = this.#words;
    this.#findTables();
    words[THREAD_COUNT] = threads;
    doubles[LIVE_BYTES] = ledger.totalLiveBytes;
    doubles[PEAK_BYTES] = ledger.totalPeakBytes;
    words[NEW_PEAK] = ledger.newPeak ? 1 : 0;
    words[FAILED] = 0;
    const stop = this.#memory.code.runLane(this.#place, from, to);
    if (stop > from) {
      const mallocs = words[MALLOCS];
      ledger.addTotals(mallocs, doubles[BYTES], stop - from - mallocs, 0, doubles[LIVE_BYTES]);
      const peakRow = words[PEAK_ROW];
      if (peakRow >= 0) ledger.setPeak(doubles[PEAK_BYTES], this.#time[peakRow], event + peakRow - from);
    }
    return stop;
  }

  /** Writes down where the tables are now. */
  #findTables(): void {
    const words = this.#words;
    const { words: rows, stacks, capacity } = this.#live;
    const { contexts, accounts } = this.#ledger;
    words[LIVE] = rows.byteOffset;
    words[LIVE + 1] = stacks.byteOffset;
    words[LIVE + 2] = capacity;
    words[ACCOUNTS] = accounts.byteOffset;
    words[ACCOUNTS + 1] = contexts ? accounts.length / FIELDS : 0;
    words[TSDS] = this.#memory.tsds.byteOffset;
  }

  /** Whether the row that ended the latest stretch is an allocation that got no memory: it has been tried, and is not to be tried again. */
  get failed(): boolean {
    return this.#words[FAILED] !== 0;
  }

  /** Bytes that a row of the window asks for. */
  requested(row: number): number {
    return this.#size[row];
  }

  /** The row that was in progress when the model gave up in the middle of a stretch. */
  get row(): number {
    return this.#words[ROW];
  }
}
