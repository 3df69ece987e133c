/**
 * Sorts records by time within a bounded window: recorders that drain one buffer per CPU write lines out of order.
 * Invariant: records leave in order of time, those of equal time in the order they came, as long as none comes more than
 * `window` records late. One that does is passed on at once and counted in `late`.
 * Method: a natural merge sort, by runs, of twice the window each time it is full; sorted input is not sorted again.
 */
import { BATCH_EVENTS, type EventBatch } from '../../core/trace/events.ts';
import { cpusOf, emptyBatch } from './lane_batch.ts';
import type { LaneMemory } from './lane_memory.ts';
import type { Bytes, Nanoseconds, StackIndex, ThreadIndex } from '../../core/units.ts';

/**
 * Takes the first `count` rows of `rows`, the next records in order of time; those behind them will follow. The rows before `known` were
 * among those behind them the last time, and are as the caller left them.
 */
export type OnRecords = (rows: EventBatch, count: number, known: number) => void;

/** Default window, records. */
export const REORDER_WINDOW = 1 << 18;

/** A sorting window. The columns are those of EventBatch; what their values mean (op, thread) is up to the caller. */
export class Reorder {
  /** Records that came too late to be put in order. */
  late = 0;
  readonly #window: number;
  readonly #onRecords: OnRecords;
  readonly #memory: LaneMemory | undefined;
  #rows: EventBatch;
  /** What `#rows` is put in order into. */
  #other: EventBatch | undefined;
  #order = new Uint32Array(0);
  #spare = new Uint32Array(0);
  /** True while every row held is in order. */
  #sorted = true;
  #lastTime = -Infinity;
  /** Rows held that the last call has shown, as long as none came before them. */
  #known = 0;

  /** @param memory where lanes reach the window's columns; default: memory of its own */
  constructor(onRecords: OnRecords, window = REORDER_WINDOW, memory?: LaneMemory) {
    this.#memory = memory;
    this.#window = Math.max(1, window);
    this.#onRecords = onRecords;
    this.#rows = emptyBatch(Math.min(BATCH_EVENTS, 2 * this.#window), memory);
  }

  /** Adds a record; `cpu` is -1 if it does not say on which CPU it was made. */
  push(op: number, thread: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number, cpu = -1): void {
    const rows = this.room();
    const row = rows.length;
    rows.op[row] = op;
    rows.thread[row] = thread as ThreadIndex;
    rows.time[row] = time as Nanoseconds;
    rows.ptr[row] = ptr;
    rows.old[row] = old;
    rows.size[row] = size as Bytes;
    rows.extra[row] = extra;
    rows.stack[row] = stack as StackIndex;
    if (cpu >= 0) cpusOf(rows, this.#memory);
    if (rows.cpu !== undefined) rows.cpu[row] = cpu;
    this.filled(row + 1, row === 0 || time >= rows.time[row - 1]);
  }

  /** The records held, with room for one more at least: whoever fills rows from `length` on says so by `filled`. */
  room(): EventBatch {
    const rows = this.#rows;
    const { length } = rows;
    if (length < rows.capacity) return rows;
    if (length < 2 * this.#window) this.#rows = enlarge(rows, Math.min(2 * length, 2 * this.#window), this.#memory);
    else this.#emit(length - this.#window);
    return this.#rows;
  }

  /** Says that the rows before `length` are filled, and whether each new one comes in order behind the one before it. */
  filled(length: number, inOrder: boolean): void {
    this.#rows.length = length;
    if (!inOrder) this.#sorted = false;
  }

  /** Passes on all records held. */
  flush(): void {
    this.#emit(this.#rows.length);
  }

  /** Passes on the earliest `count` records and keeps the others, in order. */
  #emit(count: number): void {
    const rows = this.#rows;
    const { length } = rows;
    if (!this.#sorted) {
      this.#sort(length);
      // What stays is put in order too, so that the next sort finds it as one run.
      let other = this.#other;
      if (other === undefined || other.capacity < rows.capacity) other = emptyBatch(rows.capacity, this.#memory);
      if (rows.cpu !== undefined) cpusOf(other, this.#memory);
      permute(rows, this.#order, length, other);
      this.#rows = other;
      this.#other = rows;
      this.#sorted = true;
      this.#known = 0;
    }
    const sorted = this.#rows;
    const { time } = sorted;
    for (let row = 0; row < count && time[row] < this.#lastTime; row++) this.late++;
    if (count > 0) this.#lastTime = Math.max(this.#lastTime, time[count - 1]);
    this.#onRecords(sorted, count, this.#known);
    this.#known = length - count;
    for (const column of columnsOf(sorted)) column.copyWithin(0, count, length);
    sorted.cpu?.copyWithin(0, count, length);
    sorted.length = length - count;
  }

  #sort(length: number): void {
    if (this.#order.length < length) {
      this.#order = new Uint32Array(this.#rows.capacity);
      this.#spare = new Uint32Array(this.#rows.capacity);
    }
    const { time } = this.#rows;
    let order = this.#order;
    let spare = this.#spare;
    const runs: number[] = [0];
    order[0] = 0;
    for (let row = 1; row < length; row++) {
      order[row] = row;
      if (time[row] < time[row - 1]) runs.push(row);
    }
    runs.push(length);
    let count = runs.length - 1;
    while (count > 1) {
      let kept = 0;
      for (let run = 0; run < count; run += 2) {
        const start = runs[run];
        const end = runs[Math.min(run + 2, count)];
        if (run + 1 < count) merge(time, order, spare, start, runs[run + 1], end);
        else spare.set(order.subarray(start, end), start);
        runs[kept++] = start;
      }
      runs[kept] = length;
      count = kept;
      [order, spare] = [spare, order];
    }
    this.#order = order;
    this.#spare = spare;
  }
}

/** Merges order[start..middle] and order[middle..end], each in order, into `into`; of equal times the left one first. */
function merge(time: Float64Array, order: Uint32Array, into: Uint32Array, start: number, middle: number, end: number): void {
  let left = start;
  let right = middle;
  for (let at = start; at < end; at++) {
    const takeLeft = left < middle && (right >= end || time[order[left]] <= time[order[right]]);
    into[at] = takeLeft ? order[left++] : order[right++];
  }
}

function columnsOf(rows: EventBatch): (Uint8Array | Int32Array | Float64Array)[] {
  return [rows.op, rows.thread, rows.time, rows.ptr, rows.old, rows.size, rows.extra, rows.stack];
}

function enlarge(rows: EventBatch, capacity: number, memory: LaneMemory | undefined): EventBatch {
  const larger = emptyBatch(capacity, memory);
  const columns = columnsOf(larger);
  columnsOf(rows).forEach((column, i) => columns[i].set(column));
  if (rows.cpu !== undefined) cpusOf(larger, memory).set(rows.cpu);
  larger.length = rows.length;
  return larger;
}

function permute(rows: EventBatch, order: Uint32Array, length: number, result: EventBatch): void {
  permuteBytes(rows.op, order, length, result.op);
  permuteIntegers(rows.thread, order, length, result.thread);
  permuteIntegers(rows.stack, order, length, result.stack);
  permuteDoubles(rows.time, order, length, result.time);
  permuteDoubles(rows.ptr, order, length, result.ptr);
  permuteDoubles(rows.old, order, length, result.old);
  permuteDoubles(rows.size, order, length, result.size);
  permuteDoubles(rows.extra, order, length, result.extra);
  if (rows.cpu !== undefined && result.cpu !== undefined) permuteShorts(rows.cpu, order, length, result.cpu);
  result.length = length;
}

// One function per array class: a loop that sees several takes four times as long.
function permuteBytes(from: Uint8Array, order: Uint32Array, length: number, into: Uint8Array): void {
  for (let row = 0; row < length; row++) into[row] = from[order[row]];
}

function permuteShorts(from: Int16Array, order: Uint32Array, length: number, into: Int16Array): void {
  for (let row = 0; row < length; row++) into[row] = from[order[row]];
}

function permuteIntegers(from: Int32Array, order: Uint32Array, length: number, into: Int32Array): void {
  for (let row = 0; row < length; row++) into[row] = from[order[row]];
}

function permuteDoubles(from: Float64Array, order: Uint32Array, length: number, into: Float64Array): void {
  for (let row = 0; row < length; row++) into[row] = from[order[row]];
}
