/**
 * The way to the fast lane of a replay, which is compiled (assembly/lane.ts): mallocs, callocs, reallocs and frees of small objects, of a program's calls nearly all.
 * It sees a batch through a window (event_window.ts).
 * Invariant: what a row does there is what `malloc`, `calloc`, `realloc` and `free` of jemalloc.ts would do; a row that needs anything more ends the stretch untouched.
 * Differs: nothing is booked here but what a whole stretch comes to.
 */
import { LANE_BYTES } from '../assembly/places.ts';
import type { ModelMemory } from '../model_memory.ts';
import type { EventWindow } from './event_window.ts';
import type { Ledger } from './ledger.ts';
import { FIELDS } from './ledger_row.ts';
import type { LiveObjects } from './live.ts';

/** Fields of the struct Lane of assembly/lane.ts: first doubles, then words. */
const LIVE_BYTES = 0;
const PEAK_BYTES = 1;
const BYTES = 2;
const MALLOCS = 6;
const MOVES = 7;
const PEAK_ROW = 8;
const ROW = 9;
const FAILED = 10;
const EVENTS = 11;
const LIVE = 12;
const ACCOUNTS = 15;
const TSDS = 17;
const THREAD_COUNT = 18;
const REFILLS = 19;
const NEW_PEAK = 20;

/** The lane of one replay. */
export class Lane {
  readonly #memory: ModelMemory;
  readonly #window: EventWindow;
  readonly #live: LiveObjects;
  readonly #ledger: Ledger;
  readonly #place: number;
  readonly #doubles: Float64Array;
  readonly #words: Int32Array;
  /** Tables as they were found last. */
  #rows: Uint32Array | undefined;
  #accounts: Float64Array | undefined;
  #tsds: Uint32Array | undefined;

  /**
   * @param window what shows the lane its events
   * @param refills whether caches may be filled and flushed there: nobody else is to be told, and a thread's arena is the one that it is bound to
   */
  constructor(memory: ModelMemory, window: EventWindow, live: LiveObjects, ledger: Ledger, refills: boolean) {
    this.#memory = memory;
    this.#window = window;
    this.#live = live;
    this.#ledger = ledger;
    this.#place = memory.take(LANE_BYTES);
    this.#doubles = new Float64Array(memory.buffer, this.#place, LANE_BYTES / 8);
    this.#words = new Int32Array(memory.buffer, this.#place, LANE_BYTES / 4);
    this.#words[EVENTS] = window.place;
    this.#words[REFILLS] = refills ? 1 : 0;
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
    const mallocs = words[MALLOCS];
    const moves = words[MOVES];
    if (stop > from || moves > 0) ledger.addTotals(mallocs, doubles[BYTES], stop - from - mallocs, moves, doubles[LIVE_BYTES]);
    const peakRow = words[PEAK_ROW];
    if (peakRow >= 0) ledger.setPeak(doubles[PEAK_BYTES], this.#window.timeOf(peakRow), event + peakRow - from);
    ledger.newPeak = words[NEW_PEAK] !== 0;
    return stop;
  }

  /** Writes down where the tables are now, if one has grown. */
  #findTables(): void {
    const words = this.#words;
    const { words: rows, stacks, capacity } = this.#live;
    const { contexts, accounts } = this.#ledger;
    const { tsds } = this.#memory;
    if (rows === this.#rows && accounts === this.#accounts && tsds === this.#tsds) return;
    this.#rows = rows;
    this.#accounts = accounts;
    this.#tsds = tsds;
    words[LIVE] = rows.byteOffset;
    words[LIVE + 1] = stacks.byteOffset;
    words[LIVE + 2] = capacity;
    words[ACCOUNTS] = accounts.byteOffset;
    words[ACCOUNTS + 1] = contexts ? accounts.length / FIELDS : 0;
    words[TSDS] = tsds.byteOffset;
  }

  /** Whether the row that ended the latest stretch is an allocation that got no memory: it has been tried, and is not to be tried again. */
  get failed(): boolean {
    return this.#words[FAILED] !== 0;
  }

  /** The row that was in progress when the model gave up in the middle of a stretch. */
  get row(): number {
    return this.#words[ROW];
  }
}
