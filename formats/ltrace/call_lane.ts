/**
 * The fast lane of ltrace recordings: calls of malloc and free on one line each, of the thread and the second that the line before was of,
 * `14525 1795218304.000001 malloc@libc.so.6(288)    = 0x7f0000000010`, many in one loop.
 * Invariant: a line that is taken here gives the event that the reader's general path gives; any other line ends the stretch untouched.
 * Differs: everything in locals; texts are compared four bytes at once, with the beginning of the line before and with names seen before;
 * numbers are taken up to the lengths that need no care (sizes of 9 digits, addresses of 12).
 */
import { Op } from '../../core/trace/events.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { fourDigits, HEX, twelveHex } from '../shared/cursor.ts';
import { CLOSE, EQUALS, GREATER, LESS, LOWER_X, NEWLINE, SPACE, ZERO } from '../shared/letters.ts';
import type { LinePrefix } from './line_prefix.ts';
import type { Bytes, Nanoseconds, StackIndex, ThreadIndex } from '../../core/units.ts';

/** Names kept: those of malloc and free in the libraries that called them last. */
const MOST_NAMES = 12;
/** Bytes of a name that is kept: as many as its words. */
const SHORTEST_NAME = 4;
const LONGEST_NAME = 60;
/** Words of a name's row: those of its bytes, and the last four with the parenthesis behind them. */
const ROW = 1 + LONGEST_NAME / 4;
/** Bytes of a line that are read without looking for its end: beginning, name, and a number of fixed length behind each. */
export const READ_AHEAD = 192;
/** Digits of a size and of the halves of an address, at most. */
const SIZE_DIGITS = 9;
const HALF = 6;
/** `void`. */
const VOID_WORD = 0x766f6964;

/** Names of malloc and free as they stand on lines, and the stacks of their calls. */
export class LaneNames {
  count = 0;
  /** Bytes of the name. */
  readonly lengths = new Int32Array(MOST_NAMES);
  /** Row r: its words at ROW r. */
  readonly words = new Int32Array(MOST_NAMES * ROW);
  /** Words of the row but for the first. */
  readonly wholes = new Int32Array(MOST_NAMES);
  readonly isFree = new Uint8Array(MOST_NAMES);
  readonly stacks = new Int32Array(MOST_NAMES);
  readonly #known: Int32Array[] = [];
  #next = 0;

  /**
   * Takes a name in, in place of the one that has been here longest if there is no room.
   * @param name its words: the last four bytes, the parenthesis behind the name included, then all from the start
   */
  add(name: Int32Array, length: number, isFree: boolean, stack: number): void {
    if (length < SHORTEST_NAME || length > LONGEST_NAME || this.#known.includes(name)) return;
    const row = this.#next;
    this.#next = (row + 1) % MOST_NAMES;
    this.count = Math.max(this.count, row + 1);
    this.#known[row] = name;
    this.words.set(name, row * ROW);
    this.lengths[row] = length;
    this.wholes[row] = name.length - 1;
    this.isFree[row] = isFree ? 1 : 0;
    this.stacks[row] = stack;
  }
}

/** Where a stretch stands in time. */
export interface LaneClock {
  /** Whole seconds of the lines since the trace's first event, as ns, and the nanoseconds of that event. */
  begin: number;
  originNanos: number;
  /** Nanoseconds of the line taken last. */
  nanos: number;
}

/**
 * Takes lines from `start` on until the batch is full, a line does not fit, or `limit`, where there is a newline, is near.
 * `view` is of the same bytes; `thread` is the row of the lines' thread.
 * @returns The start of the first line that was not taken. The batch has grown by one row for each that was.
 */
export function runCallLane(
  prefix: LinePrefix,
  { count, lengths, words, wholes, isFree, stacks }: LaneNames,
  clock: LaneClock,
  thread: number,
  builder: BatchBuilder,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  limit: number,
): number {
  const { batch } = builder;
  const { op, thread: threads, time: times, ptr, old, size: sizes, extra, stack, capacity } = batch;
  const { malloc, free } = Op;
  const { begin, originNanos } = clock;
  const hex = HEX;
  const furthest = limit - READ_AHEAD;
  const prefixWords = prefix.words;
  const prefixLast = prefix.count - 1;
  const prefixLength = prefix.length;
  let { lastTime, raised } = builder;
  let { nanos } = clock;
  let row = batch.length;
  let line = start;
  lines: while (line <= furthest && row < capacity) {
    let at = line + prefixLength;
    if (view.getInt32(at - 4) !== prefixWords[prefixLast]) break;
    for (let word = 0, from = line; word < prefixLast; word++, from += 4) if (view.getInt32(from) !== prefixWords[word]) break lines;
    const first = fourDigits(view, at);
    const fifth = bytes[at + 4] - ZERO;
    const sixth = bytes[at + 5] - ZERO;
    if (first < 0 || fifth >>> 0 > 9 || sixth >>> 0 > 9 || bytes[at + 6] !== SPACE) break;
    at += 7;

    let name = 0;
    names: for (; name < count; name++) {
      let word = name * ROW;
      if (view.getInt32(at + lengths[name] - 3) !== words[word++]) continue;
      const last = word + wholes[name];
      for (let from = at; word < last; word++, from += 4) if (view.getInt32(from) !== words[word]) continue names;
      break;
    }
    if (name === count) break;
    at += lengths[name] + 1;
    const frees = isFree[name] !== 0;

    let size = 0;
    let address = 0;
    if (!frees) {
      const from = at;
      for (let digit = bytes[at] - ZERO; digit >>> 0 < 10; digit = bytes[++at] - ZERO) size = (size * 10 + digit) | 0;
      if (at === from || at > from + SIZE_DIGITS || bytes[at++] !== CLOSE) break;
      while (bytes[at] === SPACE) at++;
      if (bytes[at] !== EQUALS || bytes[at + 1] !== SPACE) break;
      at += 2;
    }
    if (bytes[at] !== ZERO || bytes[at + 1] !== LOWER_X) break;
    at += 2;
    address = twelveHex(bytes, at);
    if (address >= 0) at += 2 * HALF;
    else {
      address = 0;
      const from = at;
      for (let digit = hex[bytes[at]]; digit < 16 && at < from + 2 * HALF; digit = hex[bytes[++at]]) address = address * 16 + digit;
      if (at === from) break;
    }
    if (frees) {
      if (bytes[at++] !== CLOSE) break;
      while (bytes[at] === SPACE) at++;
      if (bytes[at] !== EQUALS || bytes[at + 1] !== SPACE || bytes[at + 2] !== LESS) break;
      if (at > limit - 8 || view.getInt32(at + 3) !== VOID_WORD || bytes[at + 7] !== GREATER) break;
      at += 8;
    }
    if (bytes[at] !== NEWLINE || address === 0) break;

    nanos = (first * 100 + fifth * 10 + sixth) * 1000;
    let time = begin + (nanos - originNanos);
    if (time < lastTime) {
      time = lastTime;
      raised++;
    }
    lastTime = time;
    op[row] = frees ? free : malloc;
    threads[row] = thread as ThreadIndex;
    times[row] = time as Nanoseconds;
    ptr[row] = address;
    old[row] = 0;
    sizes[row] = size as Bytes;
    extra[row] = 0;
    stack[row] = stacks[name] as StackIndex;
    row++;
    line = at + 1;
  }
  clock.nanos = nanos;
  builder.raised = raised;
  builder.lastTime = lastTime;
  batch.length = row;
  return line;
}
