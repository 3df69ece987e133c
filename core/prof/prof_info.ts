/**
 * Sampled objects: what an extent's record knows of the sample that lies in it (jemalloc 5.3.0, include/jemalloc/internal/edata.h,
 * e_prof_info; src/large.c, large_prof_info_set).
 * Invariant: a row in use belongs to one live sampled object, or to one whose free or realloc is under way.
 * Differs: the fields are columns of a table, and the extent keeps the row; size and class are stored too, so that a free need not pass them.
 */
import { grown, type RowColumn, type UnitColumn } from '../columns.ts';
import { indexToSize } from '../sizes/sc.ts';
import { FIRST_ROWS, type InfoRow, NO_INFO, NO_RECENT, NO_TCTX, type RecentRow, type TctxRow } from './rows.ts';
import type { SizeClass } from '../units.ts';

/** A row for each live sampled object. */
export class InfoTable {
  /** Rows ever used. */
  length = 0;
  /** Rows in use. */
  count = 0;
  /** Row -> tctx, NO_TCTX if this row is free. */
  tctx = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  /** Time of the allocation, ns since start. */
  time = new Float64Array(FIRST_ROWS);
  /** Requested bytes. */
  size = new Float64Array(FIRST_ROWS);
  /** Usable bytes. */
  usize = new Float64Array(FIRST_ROWS);
  /** Size class of usize. */
  szind = new Uint8Array(FIRST_ROWS) as UnitColumn<Uint8Array, SizeClass>;
  /** Node of the list of recent allocations, NO_RECENT if none. */
  recent = new Int32Array(FIRST_ROWS) as RowColumn<RecentRow>;
  /** Free row -> the next one. */
  #nextFree = new Int32Array(FIRST_ROWS) as RowColumn<InfoRow>;
  #free = NO_INFO;

  /** A row for a sample that `tctx` counts (large_prof_info_set): taken at `time`, ns, of `size` requested and `usize` usable bytes, of size class `szind`. */
  take(tctx: TctxRow, time: number, size: number, usize: number, szind: SizeClass): InfoRow {
    let row = this.#free;
    if (row >= 0) {
      this.#free = this.#nextFree[row];
    } else {
      row = this.length++ as InfoRow;
      if (row >= this.tctx.length) {
        this.tctx = grown(this.tctx, row + 1);
        this.time = grown(this.time, row + 1);
        this.size = grown(this.size, row + 1);
        this.usize = grown(this.usize, row + 1);
        this.szind = grown(this.szind, row + 1);
        this.recent = grown(this.recent, row + 1);
        this.#nextFree = grown(this.#nextFree, row + 1);
      }
    }
    this.tctx[row] = tctx;
    this.time[row] = time;
    this.size[row] = size;
    this.usize[row] = usize;
    this.szind[row] = szind;
    this.recent[row] = NO_RECENT;
    this.count++;
    return row;
  }

  /** Gives back the row of an object that is gone. */
  give(row: InfoRow): void {
    this.tctx[row] = NO_TCTX;
    this.#nextFree[row] = this.#free;
    this.#free = row;
    this.count--;
  }

  /** @throws Error unless every row is in use or free, and objects have the usable size of their class. */
  check(): void {
    let used = 0;
    for (let row = 0; row < this.length; row++) {
      if (this.tctx[row] < 0) continue;
      used++;
      if (this.usize[row] !== indexToSize[this.szind[row]]) throw new Error("a sampled object's usable size is not that of its class");
    }
    let free = 0;
    for (let row = this.#free; row >= 0; row = this.#nextFree[row]) {
      free++;
      if (free > this.length || this.tctx[row] >= 0) throw new Error('a row of a sampled object is free and in use');
    }
    if (used !== this.count || used + free !== this.length) throw new Error('rows of sampled objects are lost');
  }
}
