/**
 * What a line of ltrace begins with: `[pid ][time ][\[ip\] ]`, the time in one of four forms (-t, -tt, -ttt, -r).
 * Invariant: `prefix` is kept of lines with -ttt alone, whose whole seconds say all that lines which begin alike share.
 * All lines of a recording have the same of these: what stands before them, and lines without them, are what the program printed.
 */
import { ByteCursor, fourDigits, hasWord, isDigit, isTime, isTaskId } from '../shared/cursor.ts';
import { SPACE, DOT, ZERO, COLON, OPEN_BRACKET, CLOSE_BRACKET } from '../shared/letters.ts';
import { LinePrefix } from './line_prefix.ts';
import { Clock, type LineShape, ownNamedPart, ownPart, PID } from './line_shape.ts';

/** A time below this many seconds is the difference to the line before (-r), for 1973 is long past. */
const RELATIVE_BELOW = 1e8;

/** Reads beginnings, one line's after the other's. */
export class LineStart {
  /** The line's beginning before its microseconds, as it was on the line before. */
  readonly prefix = new LinePrefix();
  /** Thread of the line; 0 where none is named. */
  tid = 0;
  /** True once a line began with `[pid N]`: all of ltrace's do then. */
  named = false;
  /** The line has an id without brackets. */
  numbered = false;
  /** True once a call has shown how all lines begin. */
  settled = false;
  /** True once a line had a time. */
  timed = false;
  /**
   * Time of the line: seconds and nanoseconds in the recording's clock. Numbers that may be fractions or large begin as NaN, which is
   * stored as they will be: a field that changes its kind later costs the code that uses it its optimisation.
   */
  seconds = NaN;
  nanos = NaN;
  /** Return address (-i), NaN if there is none. */
  ip = NaN;
  readonly #cursor = new ByteCursor();
  #clock: Clock = Clock.none;
  #digits = 0;
  /** What all lines have, once a call has shown it; undefined before, and where they have ids. */
  #shape: LineShape | undefined;
  #relative: boolean | undefined;
  #dayStart = 0;
  #lastClock = 0;

  /**
   * Most lines begin as the one before, up to the fraction of the second (-ttt): then only that is read.
   * Gives the position after the time, or -1 if this line begins otherwise.
   */
  sameSecond(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const { prefix } = this;
    const after = start + prefix.length;
    if (after + 7 >= end || !prefix.begins(view, start)) return -1;
    const first = fourDigits(view, after);
    const fifth = bytes[after + 4] - ZERO;
    const sixth = bytes[after + 5] - ZERO;
    if (first < 0 || fifth < 0 || fifth > 9 || sixth < 0 || sixth > 9) return -1;
    if (bytes[after + 6] !== SPACE) return -1;
    this.tid = prefix.tid;
    this.nanos = (first * 100 + fifth * 10 + sixth) * 1000;
    return after + 7;
  }

  /** The line read last is a call of the allocator's: it shows how all lines begin. */
  settle(): void {
    this.settled = true;
    // Only a file of its own has ids without brackets.
    if (!this.named && !this.numbered) this.#shape = { clock: this.#clock, digits: this.#digits, ip: !Number.isNaN(this.ip) };
  }

  /** Where ltrace's part of a line begins: `start`, behind it where the program has printed without a newline, -1 if all is the program's. */
  ownPart(bytes: Uint8Array, start: number, end: number): number {
    if (this.named) return ownNamedPart(bytes, start, end);
    return this.#shape === undefined ? start : ownPart(this.#shape, bytes, start, end);
  }

  /** Takes any line's id and time; gives the position after them, -1 if they do not fit. */
  idAndTime(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    let pos = start;
    while (bytes[pos] === SPACE) pos++;
    let tid = 0;
    let first = bytes[pos];
    const shape = this.#shape;
    this.numbered = false;
    this.#clock = Clock.none;
    if (first === OPEN_BRACKET && hasWord(bytes, pos, end, PID)) {
      const cursor = this.#cursor;
      cursor.reset(bytes, pos + PID.length, end);
      tid = cursor.decimal();
      if (!cursor.eat(CLOSE_BRACKET)) return -1;
      this.named = true;
      pos = cursor.pos;
      while (bytes[pos] === SPACE) pos++;
      first = bytes[pos];
    } else if (isDigit(first) && shape === undefined) {
      let number = 0;
      let at = pos;
      for (let digit = first - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) number = number * 10 + digit;
      if (bytes[at] === SPACE) {
        tid = number;
        this.numbered = true;
        pos = at + 1;
        while (bytes[pos] === SPACE) pos++;
        first = bytes[pos];
      }
    }
    // An id is below 2^22; one that is not even a whole number is damage.
    if (!isTaskId(tid)) return -1;
    this.tid = tid;
    // Where lines have no times, a number is what the program printed.
    return isDigit(first) && shape?.clock !== Clock.none ? this.#time(bytes, view, start, pos, end) : pos;
  }

  /** Takes a return address, if one is next; gives the position of what follows, -1 if it does not fit. */
  returnAddress(bytes: Uint8Array, start: number, end: number): number {
    let pos = start;
    while (bytes[pos] === SPACE) pos++;
    this.ip = NaN;
    if (bytes[pos] !== OPEN_BRACKET) return pos;
    const cursor = this.#cursor;
    cursor.reset(bytes, pos + 1, end);
    this.ip = cursor.address();
    if (!cursor.eat(CLOSE_BRACKET)) return -1;
    ({ pos } = cursor);
    while (bytes[pos] === SPACE) pos++;
    return pos;
  }

  /** Takes a time in one of ltrace's four forms; gives the position after it, -1 if there is none. */
  #time(bytes: Uint8Array, view: DataView, lineStart: number, start: number, end: number): number {
    let pos = start;
    let seconds = 0;
    for (let digit = bytes[pos] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) seconds = seconds * 10 + digit;
    if (bytes[pos] === COLON) return this.#timeOfDay(bytes, pos, seconds);
    if (bytes[pos] !== DOT || pos >= end) return -1;
    this.#digits = pos - start;
    pos++;
    const from = pos;
    let micros = 0;
    for (let digit = bytes[pos] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) micros = micros * 10 + digit;
    const before = this.#relative === true ? this.seconds : 0;
    if (pos - from !== 6 || bytes[pos] !== SPACE || !isTime(before + seconds + 1, 0)) return -1;
    this.timed = true;
    if (this.#relative === undefined) {
      this.#relative = seconds < RELATIVE_BELOW;
      this.seconds = 0;
      this.nanos = 0;
    }
    this.#clock = this.#relative ? Clock.relative : Clock.seconds;
    if (this.#relative) {
      this.nanos += micros * 1000;
      this.seconds += seconds;
      if (this.nanos >= 1e9) {
        this.nanos -= 1e9;
        this.seconds++;
      }
    } else {
      this.seconds = seconds;
      this.nanos = micros * 1000;
      this.prefix.keep(view, lineStart, from, this.tid);
    }
    return pos + 1;
  }

  /** The rest of a time of day, HH:MM:SS[.micros]. A day that ends goes on after 24:00. */
  #timeOfDay(bytes: Uint8Array, colon: number, hours: number): number {
    const two = (at: number) => (bytes[at] - ZERO) * 10 + bytes[at + 1] - ZERO;
    const seconds = hours * 3600 + two(colon + 1) * 60 + two(colon + 4);
    if (bytes[colon + 3] !== COLON || !(seconds >= 0 && seconds <= 86400)) return -1;
    let pos = colon + 6;
    let micros = 0;
    this.#clock = Clock.day;
    if (bytes[pos] === DOT) {
      this.#clock = Clock.dayWithMicros;
      pos++;
      for (let digit = bytes[pos] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) micros = micros * 10 + digit;
    }
    if (bytes[pos] !== SPACE || micros >= 1e6) return -1;
    if (seconds < this.#lastClock - 43200) this.#dayStart += 86400;
    this.#lastClock = seconds;
    this.timed = true;
    this.seconds = this.#dayStart + seconds;
    this.nanos = micros * 1000;
    return pos + 1;
  }
}
