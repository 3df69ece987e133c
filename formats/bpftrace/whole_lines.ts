/**
 * The fast lane of bpftrace recordings: lines `TIME PID TID malloc(SIZE) = 0xADDRESS` and `TIME PID TID free(0xADDRESS)` without a stack,
 * many in one loop, with all that it needs in locals.
 * Invariant: a line that is taken here gives the record that the reader's general path gives; any other line ends the stretch untouched.
 * Differs: what stands between a line's time and its numbers is compared with lines before, eight bytes at once, and so is the beginning of
 * the time. Numbers are taken up to the lengths that need no care, and a line only if a digit follows on its newline, so that no line of a
 * stack belongs to it.
 */
import { Op } from '../../core/trace/events.ts';
import { type Bytes, type Nanoseconds, NO_STACK, type ThreadIndex } from '../../core/units.ts';
import { fourDigits, HEX, sevenDigits, twelveHex } from '../shared/cursor.ts';
import { CLOSE, NEWLINE, SPACE, ZERO } from '../shared/letters.ts';
import { TEXT_DOUBLES } from '../shared/text_rows.ts';
import type { ProbeCalls } from '../uprobes/probe_calls.ts';
import { CallHeads } from './call_heads.ts';
import * as Plan from './whole_line_plan.ts';

/** State between stretches. */
export class WholeLines {
  readonly heads = new CallHeads();
  /** Lines taken by the last call. */
  taken = 0;
  /** Digits of the last time. */
  timeDigits = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);

  /** A view of these bytes. */
  viewOf(bytes: Uint8Array): DataView {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return this.#view;
  }
}

/**
 * Takes the lines that stand in line from `start` on, and gives the start of the first that is left.
 * There is a newline at `limit`.
 */
export function takeWholeLines(state: WholeLines, calls: ProbeCalls, bytes: Uint8Array, start: number, limit: number): number {
  const { origin } = calls;
  const begin = origin.seconds * 1e9 + origin.nanos;
  const furthest = limit - Plan.LONGEST_FIT;
  state.taken = 0;
  if (start > furthest || !(begin <= Number.MAX_SAFE_INTEGER)) return start;
  const view = state.viewOf(bytes);
  let line = start;
  for (;;) {
    // The first stretch is short, so that its end has run too before the loop is compiled.
    const last = state.timeDigits === 0 ? Math.min(furthest, start + Plan.FIRST_BYTES) : furthest;
    const next = takeStretch(state, calls, bytes, view, line, last, begin);
    if (next === line) return line;
    line = next;
  }
}

/** Takes lines that begin at `furthest` at most until one does not fit or the window is full; gives the start of the first that was not taken. */
function takeStretch(
  state: WholeLines,
  calls: ProbeCalls,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  furthest: number,
  begin: number,
): number {
  const rows = calls.room();
  if (rows.cpu !== undefined) return start;
  const { op, thread, time: times, ptr, size: sizes, capacity } = rows;
  const { heads } = state;
  const { lengths, texts, lasts, op: opOf, thread: threadOf, likely } = heads;
  const { free } = Op;
  const hex = HEX;
  let { records } = calls;
  let { timeDigits } = state;
  let headCount = heads.count;
  const first = rows.length;
  let row = first;
  let before = row > 0 ? times[row - 1] : -Infinity;
  let inOrder = true;
  /** First eight bytes of the last time, and what the digits before its last eight mean. */
  let beginning = 0;
  let high = 0;
  let line = start;
  lines: for (; row < capacity && line <= furthest; row++) {
    if (bytes[line + timeDigits] !== SPACE || view.getFloat64(line, true) !== beginning) {
      let digits = 0;
      while ((bytes[line + digits] - ZERO) >>> 0 < 10) digits++;
      if (digits < Plan.LEAST_TIME_DIGITS || digits > Plan.MOST_TIME_DIGITS) break;
      timeDigits = digits;
      beginning = view.getFloat64(line, true);
      high = 0;
      for (let at = line; at < line + digits - 8; at++) high = (high * 10 + bytes[at] - ZERO) | 0;
    }
    const headAt = line + timeDigits;
    const middle = fourDigits(view, headAt - 8);
    const low = fourDigits(view, headAt - 4);
    if (middle < 0 || low < 0) break;

    const hint =
      Math.imul(
        view.getInt32(headAt + Plan.FIRST_HINT, true) ^
          Math.imul(view.getInt32(headAt + Plan.SECOND_HINT, true), 3) ^
          Math.imul(view.getInt32(headAt + Plan.THIRD_HINT, true), 5),
        Plan.HINT_FACTOR,
      ) >>> Plan.HINT_SHIFT;
    const guess = likely[hint];
    let head = guess;
    let at = 0;
    for (;;) {
      const last = lasts[head];
      at = headAt + lengths[head];
      if (view.getFloat64(at - 8, true) === texts[last]) {
        let place = head * TEXT_DOUBLES;
        for (let from = headAt; place < last && view.getFloat64(from, true) === texts[place]; from += 8) place++;
        if (place === last) break;
      }
      head = head + 1 >= headCount ? 0 : head + 1;
      if (head === guess) {
        head = -1;
        if (!heads.read(bytes, headAt)) break lines;
        at = heads.end;
        break;
      }
    }
    const kind = head < 0 ? heads.readOp : opOf[head];

    let size = 0;
    if (kind !== free) {
      const digits = sevenDigits(view, at);
      if (digits < 0) break;
      size = digits >> 3;
      at += digits & 7;
      if (view.getInt32(at, true) !== Plan.RETURNS || view.getInt32(at + 2, true) !== Plan.ADDRESS) break;
      at += 6;
    }
    let address = twelveHex(bytes, at);
    if (address >= 0) at += Plan.MOST_HEX;
    else {
      address = 0;
      const from = at;
      for (let digit = hex[bytes[at]]; digit < 16 && at < from + Plan.MOST_HEX; digit = hex[bytes[++at]]) address = address * 16 + digit;
      if (at === from) break;
    }
    // Written so that mallocs alone, with which a program begins, run all of it: what was never run is not compiled with the rest.
    const closing = kind === free ? 1 : 0;
    if (bytes[at] !== (kind === free ? CLOSE : NEWLINE) || bytes[at + closing] !== NEWLINE) break;
    at += closing + 1;
    if ((bytes[at] - ZERO) >>> 0 > 9) break;

    if (head < 0) {
      head = heads.learn(bytes, view, headAt, calls.threadIndex(heads.process, heads.tid));
      headCount = heads.count;
      calls.fills(kind);
      ({ records } = calls);
    }
    likely[hint] = head;
    const now = high * 1e8 + (middle * 10000 + low) - begin;
    const index = threadOf[head];
    records[index]++;
    op[row] = kind;
    thread[row] = index as ThreadIndex;
    times[row] = now as Nanoseconds;
    ptr[row] = address;
    sizes[row] = size as Bytes;
    if (now < before) inOrder = false;
    before = now;
    line = at;
  }
  state.timeDigits = timeDigits;
  if (row === first) return start;
  rows.old.fill(0, first, row);
  rows.extra.fill(0, first, row);
  rows.stack.fill(NO_STACK, first, row);
  state.taken += row - first;
  calls.filled(row, inOrder);
  return line;
}
