/**
 * Allocation contexts: a gctx for each distinct backtrace of the process, a tctx for each (thread, backtrace)
 * (jemalloc 5.3.0, include/jemalloc/internal/prof_structs.h, prof_gctx_s, prof_tctx_s).
 * Invariant: a tctx in use is linked in its gctx's list, in order of (thrUid, thrDiscrim, tctxUid); a gctx in use has at least one tctx,
 * save while one is made or destroyed.
 * Differs: a sorted list for a red-black tree; and no states of a dump under way, since nothing else happens during a dump.
 */
import { grown, type RowColumn } from '../columns.ts';
import { CntTable } from './prof_cnt.ts';
import type { TdataTable } from './prof_tdata.ts';
import { type BacktraceRow, FIRST_ROWS, type GctxRow, NO_BACKTRACE, NO_GCTX, NO_TCTX, type TctxRow, type TdataRow } from './rows.ts';

/** Global contexts (prof_gctx_t). */
export class GctxTable {
  /** Rows ever used. */
  length = 0;
  /** Rows in use. */
  count = 0;
  /** Row of the backtrace, NO_BACKTRACE if this row is free. */
  bt = new Int32Array(FIRST_ROWS) as RowColumn<BacktraceRow>;
  /** Handle of the memory. */
  handle = new Float64Array(FIRST_ROWS);
  /** Which of the 1024 shared locks guards it. */
  lock = new Uint16Array(FIRST_ROWS);
  /** First and last tctx, NO_TCTX if none. */
  first = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  last = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  /** 1 once a look-up found no memory for a tctx of it: it is never destroyed, even without a tctx. */
  limbo = new Uint8Array(FIRST_ROWS);
  /** Free row -> the next one. */
  #nextFree = new Int32Array(FIRST_ROWS) as RowColumn<GctxRow>;
  #free = NO_GCTX;

  /** A row for the context of backtrace row `bt`, without a tctx yet (prof_gctx_create). */
  take(bt: BacktraceRow, handle: number, lock: number): GctxRow {
    let row = this.#free;
    if (row >= 0) {
      this.#free = this.#nextFree[row];
    } else {
      row = this.length++ as GctxRow;
      if (row >= this.bt.length) {
        this.bt = grown(this.bt, row + 1);
        this.handle = grown(this.handle, row + 1);
        this.lock = grown(this.lock, row + 1);
        this.first = grown(this.first, row + 1);
        this.last = grown(this.last, row + 1);
        this.limbo = grown(this.limbo, row + 1);
        this.#nextFree = grown(this.#nextFree, row + 1);
      }
    }
    this.limbo[row] = 0;
    this.bt[row] = bt;
    this.handle[row] = handle;
    this.lock[row] = lock;
    this.first[row] = NO_TCTX;
    this.last[row] = NO_TCTX;
    this.count++;
    return row;
  }

  /** Gives back the row of a context without a tctx. */
  give(row: GctxRow): void {
    this.bt[row] = NO_BACKTRACE;
    this.#nextFree[row] = this.#free;
    this.#free = row;
    this.count--;
  }
}

/** Contexts of threads (prof_tctx_t). */
export class TctxTable {
  /** Rows ever used. */
  length = 0;
  /** Rows in use. */
  count = 0;
  /** Row of the thread's record. */
  tdata = new Int32Array(FIRST_ROWS) as RowColumn<TdataRow>;
  /** Row of the context, NO_GCTX while this row is in no list. */
  gctx = new Int32Array(FIRST_ROWS) as RowColumn<GctxRow>;
  /** Copies of the thread's identity, and a number that tells contexts of one thread apart. */
  thrUid = new Float64Array(FIRST_ROWS);
  thrDiscrim = new Float64Array(FIRST_ROWS);
  tctxUid = new Float64Array(FIRST_ROWS);
  /** References from the list of recent allocations. */
  recentCount = new Float64Array(FIRST_ROWS);
  /** 1 between its look-up and the recording of the object. */
  prepared = new Uint8Array(FIRST_ROWS);
  /** Handle of the memory. */
  handle = new Float64Array(FIRST_ROWS);
  /** Its counters (prof_cnt_t). */
  readonly cnts = new CntTable(FIRST_ROWS);
  /** The tctx after this one in its gctx's list, NO_TCTX at the end; of a free row, the next free one. */
  next = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  #previous = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  #free = NO_TCTX;

  /** A row for a context of the thread whose record is `tdata`, with counters of 0; it is linked by `link`. */
  take(tdata: TdataRow, thrUid: number, thrDiscrim: number, tctxUid: number, handle: number): TctxRow {
    let row = this.#free;
    if (row >= 0) {
      this.#free = this.next[row];
    } else {
      row = this.length++ as TctxRow;
      if (row >= this.tdata.length) this.#reach(row + 1);
    }
    this.tdata[row] = tdata;
    this.gctx[row] = NO_GCTX;
    this.thrUid[row] = thrUid;
    this.thrDiscrim[row] = thrDiscrim;
    this.tctxUid[row] = tctxUid;
    this.recentCount[row] = 0;
    this.handle[row] = handle;
    this.cnts.clear(row);
    this.count++;
    return row;
  }

  /** Links a tctx into its gctx's list, at its place. */
  link(row: TctxRow, gctx: GctxRow, gctxs: GctxTable): void {
    const { next } = this;
    this.gctx[row] = gctx;
    let before = gctxs.last[gctx];
    while (before >= 0 && this.#precedes(row, before)) before = this.#previous[before];
    const after = before < 0 ? gctxs.first[gctx] : next[before];
    next[row] = after;
    this.#previous[row] = before;
    if (before < 0) gctxs.first[gctx] = row;
    else next[before] = row;
    if (after < 0) gctxs.last[gctx] = row;
    else this.#previous[after] = row;
  }

  /** Takes a tctx out of its gctx's list. */
  unlink(row: TctxRow, gctxs: GctxTable): void {
    const gctx = this.gctx[row];
    const before = this.#previous[row];
    const after = this.next[row];
    if (before < 0) gctxs.first[gctx] = after;
    else this.next[before] = after;
    if (after < 0) gctxs.last[gctx] = before;
    else this.#previous[after] = before;
    this.gctx[row] = NO_GCTX;
  }

  /** Gives back an unlinked row. */
  give(row: TctxRow): void {
    this.next[row] = this.#free;
    this.#free = row;
    this.count--;
  }

  /** prof_tctx_comp */
  #precedes(a: TctxRow, b: TctxRow): boolean {
    if (this.thrUid[a] !== this.thrUid[b]) return this.thrUid[a] < this.thrUid[b];
    if (this.thrDiscrim[a] !== this.thrDiscrim[b]) return this.thrDiscrim[a] < this.thrDiscrim[b];
    return this.tctxUid[a] < this.tctxUid[b];
  }

  #reach(rows: number): void {
    this.tdata = grown(this.tdata, rows);
    this.gctx = grown(this.gctx, rows);
    this.thrUid = grown(this.thrUid, rows);
    this.thrDiscrim = grown(this.thrDiscrim, rows);
    this.tctxUid = grown(this.tctxUid, rows);
    this.recentCount = grown(this.recentCount, rows);
    this.prepared = grown(this.prepared, rows);
    this.handle = grown(this.handle, rows);
    this.cnts.reach(this.tdata.length - 1);
    this.next = grown(this.next, rows);
    this.#previous = grown(this.#previous, rows);
  }
}

/**
 * @throws Error unless every tctx is in the list of its gctx, in order, and in the table of its thread under its backtrace, and every one in a
 *   table is in a list.
 */
export function checkTctx(tctxs: TctxTable, gctxs: GctxTable, tdatas: TdataTable): void {
  let linked = 0;
  let used = 0;
  for (let gctx = 0 as GctxRow; gctx < gctxs.length; gctx++) {
    if (gctxs.bt[gctx] < 0) continue;
    used++;
    if (gctxs.first[gctx] < 0 && gctxs.limbo[gctx] === 0) throw new Error('a context has no thread');
    let before = NO_TCTX;
    for (let row = gctxs.first[gctx]; row >= 0; before = row, row = tctxs.next[row]) {
      linked++;
      if (linked > tctxs.count) throw new Error('a list of thread contexts does not end');
      if (tctxs.gctx[row] !== gctx) throw new Error('a thread context is in the list of another context');
      if (tctxs.prepared[row] !== 0) throw new Error('a thread context is left prepared');
      if (tdatas.bt2tctx[tctxs.tdata[row]].search(gctxs.bt[gctx]) !== row) throw new Error("a thread context is not in its thread's table");
      if (tctxs.thrUid[row] !== tdatas.thrUid[tctxs.tdata[row]]) throw new Error('a thread context names another thread than its record');
      if (before >= 0 && tctxs.thrUid[before] > tctxs.thrUid[row]) throw new Error('thread contexts are out of order');
    }
    if (gctxs.last[gctx] !== before) throw new Error("a context's last thread context is not the end of its list");
  }
  if (used !== gctxs.count || linked !== tctxs.count) throw new Error('contexts are lost');
  let inTables = 0;
  for (let row = tdatas.first; row >= 0; row = tdatas.next[row]) inTables += tdatas.bt2tctx[row].count;
  if (inTables !== linked) throw new Error('threads hold other contexts than there are');
}
