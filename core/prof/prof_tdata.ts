/**
 * A thread's profiling record: its identity, its name and its table of contexts (jemalloc 5.3.0, include/jemalloc/internal/prof_structs.h,
 * prof_tdata_s; src/prof_data.c, tdatas).
 * Invariant: rows in use are linked from `first` by `next` in order of (thrUid, thrDiscrim), the order of a dump; no two share that pair.
 * Differs: a sorted list for a red-black tree. New records nearly always go to its end.
 */
import type { Ckh } from './ckh.ts';
import { grown, type RowColumn } from '../columns.ts';
import { type BacktraceRow, FIRST_ROWS, NO_TDATA, type TctxRow, type TdataRow } from './rows.ts';

/** Threads' records (prof_tdata_t), linked in the order of a dump (tdatas). */
export class TdataTable {
  /** Rows ever used; free ones among them are linked from #free. */
  length = 0;
  /** Rows in use. */
  count = 0;
  /** Unique number of the thread, by creation of its first record; the `t<N>` of a dump. */
  thrUid = new Float64Array(FIRST_ROWS);
  /** How-maniest record of that thread: a reset makes a new one. */
  thrDiscrim = new Float64Array(FIRST_ROWS);
  /** The name, null if none. */
  readonly name: (string | null)[] = [];
  /** Handle of the name's memory; only where there is a name. */
  nameHandle = new Float64Array(FIRST_ROWS);
  /** Handle of the record's own memory. */
  handle = new Float64Array(FIRST_ROWS);
  /** 1 until the thread exits or gets a new record. */
  attached = new Uint8Array(FIRST_ROWS);
  /** 1 after a reset. */
  expired = new Uint8Array(FIRST_ROWS);
  /** 1 if the thread's allocations may be sampled (thread.prof.active). */
  active = new Uint8Array(FIRST_ROWS);
  /** 1 while the thread works on bt2gctx, when a dump has to wait. */
  enq = new Uint8Array(FIRST_ROWS);
  /** 1 if a gdump waits for that. */
  enqGdump = new Uint8Array(FIRST_ROWS);
  /** Number of the next tctx that the record's thread makes. */
  tctxUidNext = new Float64Array(FIRST_ROWS);
  /** Backtrace -> tctx. */
  readonly bt2tctx: Ckh<BacktraceRow, TctxRow>[] = [];
  /** Least record, NO_TDATA if none. */
  first = NO_TDATA;
  #last = NO_TDATA;
  /** The record after this one, NO_TDATA at the end; of a free row, the next free one. */
  next = new Int32Array(FIRST_ROWS) as RowColumn<TdataRow>;
  #previous = new Int32Array(FIRST_ROWS) as RowColumn<TdataRow>;
  #free = NO_TDATA;

  /** Takes a row and fills its identity; it is linked by `insert`. */
  take(thrUid: number, thrDiscrim: number): TdataRow {
    let row = this.#free;
    if (row >= 0) {
      this.#free = this.next[row];
    } else {
      row = this.length++ as TdataRow;
      if (row >= this.thrUid.length) this.#reach(row + 1);
    }
    this.thrUid[row] = thrUid;
    this.thrDiscrim[row] = thrDiscrim;
    return row;
  }

  /** Links a row at its place. */
  insert(row: TdataRow): void {
    const { thrUid, thrDiscrim, next } = this;
    let before = this.#last;
    while (before >= 0 && (thrUid[before] > thrUid[row] || (thrUid[before] === thrUid[row] && thrDiscrim[before] > thrDiscrim[row]))) {
      before = this.#previous[before];
    }
    const after = before < 0 ? this.first : next[before];
    next[row] = after;
    this.#previous[row] = before;
    if (before < 0) this.first = row;
    else next[before] = row;
    if (after < 0) this.#last = row;
    else this.#previous[after] = row;
    this.count++;
  }

  /** Unlinks a row and gives it back. */
  remove(row: TdataRow): void {
    const before = this.#previous[row];
    const after = this.next[row];
    if (before < 0) this.first = after;
    else this.next[before] = after;
    if (after < 0) this.#last = before;
    else this.#previous[after] = before;
    this.next[row] = this.#free;
    this.#free = row;
    this.count--;
  }

  #reach(rows: number): void {
    this.thrUid = grown(this.thrUid, rows);
    this.thrDiscrim = grown(this.thrDiscrim, rows);
    this.nameHandle = grown(this.nameHandle, rows);
    this.handle = grown(this.handle, rows);
    this.attached = grown(this.attached, rows);
    this.expired = grown(this.expired, rows);
    this.active = grown(this.active, rows);
    this.enq = grown(this.enq, rows);
    this.enqGdump = grown(this.enqGdump, rows);
    this.tctxUidNext = grown(this.tctxUidNext, rows);
    this.next = grown(this.next, rows);
    this.#previous = grown(this.#previous, rows);
  }
}

/** @throws Error unless the records are linked in order, and each one's table is sound. */
export function checkTdata(tdatas: TdataTable): void {
  let count = 0;
  for (let row = tdatas.first, before = NO_TDATA; row >= 0; before = row, row = tdatas.next[row]) {
    count++;
    if (count > tdatas.length) throw new Error('the list of thread records does not end');
    tdatas.bt2tctx[row].check();
    if (tdatas.enq[row] !== 0) throw new Error('a thread record is left in the middle of a table operation');
    if (before < 0) continue;
    const uids = tdatas.thrUid[row] - tdatas.thrUid[before];
    if (uids < 0 || (uids === 0 && tdatas.thrDiscrim[row] <= tdatas.thrDiscrim[before])) throw new Error('thread records are out of order');
  }
  if (count !== tdatas.count) throw new Error('thread records are lost');
}
