/**
 * The fast lane of bpftrace recordings: lines `TIME PID TID malloc(SIZE) = 0xADDRESS` and `TIME PID TID free(0xADDRESS)` without a stack,
 * many in one loop, with all that it needs in locals.
 * Invariant: a line that is taken here gives the record that the reader's general path gives; any other line ends the stretch untouched.
 * Differs: numbers are taken up to the lengths that need no care (a time of 15 digits, ids of 9, addresses of 12), and a line only if
 * a digit follows on its newline, so that no line of a stack belongs to it.
 */
import { Op } from '../../core/trace/events.ts';
import { HEX } from '../shared/cursor.ts';
import { CLOSE, EQUALS, LOWER_A, LOWER_C, LOWER_E, LOWER_F, LOWER_L, LOWER_M, LOWER_O, LOWER_R, LOWER_X } from '../shared/letters.ts';
import { NEWLINE, OPEN, SPACE, ZERO } from '../shared/letters.ts';
import type { ProbeCalls } from '../uprobes/probe_calls.ts';
import { THREAD_SLOTS, ThreadSlots } from '../uprobes/thread_slots.ts';

/** Powers of ten that a half of a time is shifted by. */
const SHIFTS = Float64Array.from({ length: 9 }, (_, digits) => 10 ** digits);

/** State between stretches. */
export class WholeLines {
  readonly slots = new ThreadSlots();
  /** Lines taken by the last stretch. */
  taken = 0;
}

/**
 * Takes the lines that stand in line from `start` on, and gives the start of the first that is left.
 * There is a newline at `limit`.
 */
export function takeWholeLines(state: WholeLines, calls: ProbeCalls, bytes: Uint8Array, start: number, limit: number): number {
  const { slots } = state;
  state.taken = 0;
  let line = start;
  for (;;) {
    const end = takeStretch(state, slots, calls, bytes, line, limit);
    if (end < 0) return line;
    line = end + 1;
  }
}

/** Takes lines until one does not fit or the window is full; -1 if none was taken. */
function takeStretch(
  state: WholeLines,
  { process: processes, tid: tids, index: indices }: ThreadSlots,
  calls: ProbeCalls,
  bytes: Uint8Array,
  start: number,
  limit: number,
): number {
  const { origin } = calls;
  const begin = origin.seconds * 1e9 + origin.nanos;
  const rows = calls.room();
  if (!(begin <= Number.MAX_SAFE_INTEGER) || rows.cpu !== undefined) return -1;
  const { op, thread, time: times, ptr, old, size: sizes, extra, stack, capacity } = rows;
  const { malloc, free } = Op;
  const hex = HEX;
  const shifts = SHIFTS;
  let { records } = calls;
  let row = rows.length;
  const first = row;
  let before = row > 0 ? times[row - 1] : -Infinity;
  let inOrder = true;
  let line = start;
  for (; row < capacity; row++) {
    let at = line;
    let digit = 0;
    // Two integers of few digits each: a product of doubles a digit takes four times as long.
    let high = 0;
    let stop = at + 7;
    while (at < stop && (digit = bytes[at] - ZERO) >>> 0 < 10) {
      high = (high * 10 + digit) | 0;
      at++;
    }
    if (at === line) break;
    let low = 0;
    const middle = at;
    stop = at + 8;
    while (at < stop && (digit = bytes[at] - ZERO) >>> 0 < 10) {
      low = (low * 10 + digit) | 0;
      at++;
    }
    const time = high * shifts[at - middle] + low - begin;
    if (bytes[at++] !== SPACE) break;
    let process = 0;
    let from = at;
    while ((digit = bytes[at] - ZERO) >>> 0 < 10) {
      process = (process * 10 + digit) | 0;
      at++;
    }
    if (at === from || at > from + 9 || bytes[at++] !== SPACE) break;
    let tid = 0;
    from = at;
    while ((digit = bytes[at] - ZERO) >>> 0 < 10) {
      tid = (tid * 10 + digit) | 0;
      at++;
    }
    if (at === from || at > from + 9 || bytes[at++] !== SPACE) break;
    let size = 0;
    const letter = bytes[at];
    if (letter === LOWER_M) {
      if (bytes[at + 1] !== LOWER_A || bytes[at + 2] !== LOWER_L || bytes[at + 3] !== LOWER_L) break;
      if (bytes[at + 4] !== LOWER_O || bytes[at + 5] !== LOWER_C || bytes[at + 6] !== OPEN) break;
      at += 7;
      from = at;
      while ((digit = bytes[at] - ZERO) >>> 0 < 10) {
        size = (size * 10 + digit) | 0;
        at++;
      }
      if (at === from || at > from + 9) break;
      if (bytes[at] !== CLOSE || bytes[at + 1] !== SPACE || bytes[at + 2] !== EQUALS || bytes[at + 3] !== SPACE) break;
      at += 4;
    } else {
      if (letter !== LOWER_F || bytes[at + 1] !== LOWER_R || bytes[at + 2] !== LOWER_E || bytes[at + 3] !== LOWER_E) break;
      if (bytes[at + 4] !== OPEN) break;
      at += 5;
    }
    if (bytes[at] !== ZERO || bytes[at + 1] !== LOWER_X) break;
    at += 2;
    from = at;
    high = 0;
    stop = at + 6;
    while (at < stop && (digit = hex[bytes[at]]) !== 255) {
      high = (high << 4) | digit;
      at++;
    }
    if (at === from) break;
    low = 0;
    const half = at;
    stop = at + 6;
    while (at < stop && (digit = hex[bytes[at]]) !== 255) {
      low = (low << 4) | digit;
      at++;
    }
    if (letter === LOWER_F && bytes[at++] !== CLOSE) break;
    if (at >= limit || bytes[at] !== NEWLINE || (bytes[at + 1] - ZERO) >>> 0 > 9) break;
    const slot = tid & (THREAD_SLOTS - 1);
    if (tids[slot] !== tid || processes[slot] !== process) {
      state.slots.put(process, tid, calls.threadIndex(process, tid));
      records = calls.records;
    }
    const index = indices[slot];
    records[index]++;
    op[row] = letter === LOWER_M ? malloc : free;
    thread[row] = index;
    times[row] = time;
    ptr[row] = high * (1 << (((bytes[at - 1] === CLOSE ? at - 1 : at) - half) * 4)) + low;
    old[row] = 0;
    sizes[row] = size;
    extra[row] = 0;
    stack[row] = -1;
    if (time < before) inOrder = false;
    before = time;
    line = at + 1;
  }
  if (row === first) return -1;
  state.taken += row - first;
  calls.filled(row, inOrder);
  return line - 1;
}
