/**
 * The fast lane of records in the window before they leave it: entries joined with their returns, whole calls that made no other one.
 * Invariant: a record that is taken here is left as the general path of CallJoins leaves it; any other one ends the stretch untouched.
 * Differs: one loop over many records, and what is known of their threads in columns.
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';
import { NO_STACK } from '../../core/units.ts';
import { CONSUMED, ENTRY, RETURN } from './record_kinds.ts';

/** Values of `open`. */
export const NONE = -1;
export const SEVERAL = -2;
/** Probes of lower numbers may be known not to be mislabelled. */
export const PROBES = 256;

/** What is known of the rows that were joined, and by thread's index of the calls that are under way. */
export class JoinState {
  /** Row -> the same thread's next record is so many rows further on; 0 for none. */
  next = new Int32Array(0);
  /** The thread's one entry without a return so far, within which no call was completed: its row; NONE; or SEVERAL, which are kept elsewhere. */
  open = new Int32Array(16).fill(NONE);
  /** The thread's last record, and its last one that is not a free: rows, NONE if there is none. */
  last = new Int32Array(16).fill(NONE);
  lastAllocation = new Int32Array(16).fill(NONE);
  /** By a probe's number: 1 if its name is known to be right. */
  readonly usual = new Uint8Array(PROBES);

  /** Makes room for so many rows and so many threads. */
  hold(rows: number, threads: number): void {
    if (this.next.length < rows) {
      const { next } = this;
      this.next = new Int32Array(rows);
      this.next.set(next);
    }
    if (this.open.length >= threads) return;
    this.open = lengthen(this.open, threads);
    this.last = lengthen(this.last, threads);
    this.lastAllocation = lengthen(this.lastAllocation, threads);
  }

  /** Forgets all threads' records. */
  clear(): void {
    this.open.fill(NONE);
    this.last.fill(NONE);
    this.lastAllocation.fill(NONE);
  }

  /** The first `count` of `length` rows are gone. */
  shift(count: number, length: number): void {
    this.next.copyWithin(0, count, length);
    const { open, last, lastAllocation } = this;
    for (let thread = 0; thread < open.length; thread++) {
      // An entry that has gone was counted: no return belongs to it any more.
      if (open[thread] >= 0) open[thread] = Math.max(NONE, open[thread] - count);
      last[thread] = Math.max(NONE, last[thread] - count);
      lastAllocation[thread] = Math.max(NONE, lastAllocation[thread] - count);
    }
  }
}

/** A longer column of rows by thread. */
function lengthen(column: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length).fill(NONE);
  longer.set(column);
  return longer;
}

/** Values of CLASSES: calls that make no other, whole ones that may, entries, returns, and rows that are no records any more. */
const PLAIN = 0;
const WHOLE = 1;
const BEGUN = 2;
const RETURNED = 3;
const GONE = 4;
/** Kind of a record -> how it is taken. */
const CLASSES = new Uint8Array(256).fill(GONE).fill(WHOLE, 0, ENTRY).fill(BEGUN, ENTRY, RETURN).fill(RETURNED, RETURN, CONSUMED);
CLASSES[Op.malloc] = CLASSES[Op.free] = PLAIN;

/** Joins rows from `from` on, to `to` - 1 at most, and gives the first one that needs the general path. */
export function joinLane(
  { op, thread: threads, ptr, old, size, extra, stack, cpu }: EventBatch,
  from: number,
  to: number,
  { next, open, last, lastAllocation, usual }: JoinState,
): number {
  const { free, thread_exit } = Op;
  const classes = CLASSES;
  let row = from;
  for (; row < to; row++) {
    let kind = op[row];
    const class_ = classes[kind];
    const thread = threads[row];
    const former = last[thread];
    const entry = open[thread];
    const idle = entry === NONE;
    if (class_ === PLAIN) {
      // Neither makes another call.
      if (!idle) break;
    } else if (class_ === BEGUN) {
      if (!idle || usual[ptr[row]] !== 1) break;
      open[thread] = row;
    } else if (class_ === RETURNED) {
      if (entry < 0 || op[entry] !== kind - RETURN + ENTRY || usual[old[row]] !== 1) break;
      const context = stack[entry];
      if (context !== NO_STACK) {
        if (stack[row] !== NO_STACK) break;
        stack[row] = context;
      }
      kind -= RETURN;
      op[row] = kind;
      op[entry] = CONSUMED;
      old[row] = old[entry];
      size[row] = size[entry];
      extra[row] = extra[entry];
      if (cpu !== undefined) cpu[row] = cpu[entry];
      open[thread] = NONE;
    } else if (class_ === GONE) {
      next[row] = 0;
      continue;
    } else {
      if (!idle || kind === thread_exit) break;
      // It may have made the call before, if that one gave what it gives.
      const given = ptr[row];
      if (former >= 0 && (op[former] === free ? given === 0 : given <= 0 || ptr[former] === given)) break;
    }
    next[row] = 0;
    if (former >= 0) next[former] = row - former;
    last[thread] = row;
    if (kind !== free) lastAllocation[thread] = row;
  }
  return row;
}
