/**
 * The shape of an event line: what stands between its numbers.
 * A writer spells the lines of one operation alike: after the first, only numbers are read, and what lies between them is compared,
 * four bytes at once. (Measured: twice the speed of finding the keys anew on each line.)
 * Invariant: a line fits a shape only if the general scan would take the same numbers from it.
 */
import { fourDigits, HEX, twelveHex } from '../shared/cursor.ts';
import { Key, type EventLine } from './event_line.ts';

/** Digits that a sum keeps exact. */
const MOST_DIGITS = 15;
/** Digits of the longest time taken. */
const MOST_TIME_DIGITS = 24;
/** Hex digits of an address without tag bits. */
const MOST_HEX = 13;
const TWO_32 = 2 ** 32;
const NEWLINE = 0x0a;
/** Shapes kept: the operations, with stacks and without. */
const MOST_SHAPES = 32;

/** Shape of one line, and of those like it. */
export class LineShape {
  readonly op: number;
  /** Keys of the line, bits of Key. */
  readonly present: number;
  /** For each piece of text: words of four bytes, further bytes, then the key of the number after it (0: the line ends) and 1 if it is in hex. */
  readonly #plan: Int32Array;
  /** The pieces' words, little-endian, and further bytes, in order. */
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** Length of all pieces and of one digit a number: a shorter line does not fit. */
  readonly #least: number;

  /** `spans` holds, for each number in order of place: key, first byte, byte after it, 1 for hex. */
  constructor(bytes: Uint8Array, start: number, end: number, op: number, present: number, spans: ArrayLike<number>, count: number) {
    this.op = op;
    this.present = present;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const plan: number[] = [];
    const words: number[] = [];
    const rest: number[] = [];
    let least = count;
    let at = start;
    for (let i = 0; i <= count; i++) {
      const to = i < count ? spans[4 * i + 1] : end;
      least += to - at;
      plan.push((to - at) >> 2, (to - at) & 3, i < count ? spans[4 * i] : 0, i < count ? spans[4 * i + 3] : 0);
      for (; at + 4 <= to; at += 4) words.push(view.getInt32(at, true));
      for (; at < to; at++) rest.push(bytes[at]);
      if (i < count) at = spans[4 * i + 2];
    }
    this.#plan = Int32Array.from(plan);
    this.#words = Int32Array.from(words);
    this.#bytes = Uint8Array.from(rest);
    this.#least = least;
  }

  /**
   * Takes the numbers of the line at `start` into `line` if it has this shape, and gives the position of its newline, else -1.
   * `view` is of the same bytes; there is a newline at `limit`.
   */
  fits(bytes: Uint8Array, view: DataView, start: number, limit: number, line: EventLine): number {
    if (limit - start < this.#least) return -1;
    const plan = this.#plan;
    const words = this.#words;
    const rest = this.#bytes;
    const furthest = limit - 4;
    let at = start;
    let word = 0;
    let byte = 0;
    for (let step = 0; ; step += 4) {
      for (const last = word + plan[step]; word < last; word++, at += 4)
        if (at > furthest || view.getInt32(at, true) !== words[word]) return -1;
      for (const last = byte + plan[step + 1]; byte < last; byte++, at++) if (bytes[at] !== rest[byte]) return -1;
      const key = plan[step + 2];
      if (key === 0) break;
      const first = at;
      if (plan[step + 3] === 1) {
        let address = at + 12 < limit ? twelveHex(bytes, at) : -1;
        if (address >= 0 && HEX[bytes[at + 12]] > 15) at += 12;
        else {
          let high = 0;
          let low = 0;
          for (let digit = HEX[bytes[at]]; digit <= 15; digit = HEX[bytes[++at]]) {
            high = (high << 4) | (low >>> 28);
            low = (low << 4) | digit;
          }
          if (at === first || at - first > MOST_HEX) return -1;
          address = high * TWO_32 + (low >>> 0);
        }
        if (key === Key.ptr) line.ptr = address;
        else line.old = address;
        continue;
      }
      let value = 0;
      if (at <= furthest) {
        for (let four = fourDigits(view, at); four >= 0; four = at <= furthest ? fourDigits(view, at) : -1) {
          value = value * 10000 + four;
          at += 4;
        }
      }
      for (let digit = bytes[at] - 0x30; digit >= 0 && digit <= 9; digit = bytes[++at] - 0x30) value = value * 10 + digit;
      if (at === first || (bytes[first] === 0x30 && at > first + 1)) return -1;
      if (at - first <= MOST_DIGITS) line.set(key, value);
      else if (key !== Key.ts || at - first > MOST_TIME_DIGITS) return -1;
      else setTime(bytes, first, at, line);
    }
    if (bytes[at] !== NEWLINE) return -1;
    line.op = this.op;
    line.present = this.present;
    line.bad = 0;
    line.unchecked = false;
    return at;
  }
}

/** Wall-clock nanoseconds pass 2^53: seconds and nanoseconds are summed apart. */
function setTime(bytes: Uint8Array, start: number, end: number, line: EventLine): void {
  const split = end - 9;
  let seconds = 0;
  for (let at = start; at < split; at++) seconds = seconds * 10 + bytes[at] - 0x30;
  let nanos = 0;
  for (let at = split; at < end; at++) nanos = nanos * 10 + bytes[at] - 0x30;
  line.seconds = seconds;
  line.nanos = nanos;
}

/** Shapes seen last, tried in turn. */
export class LineShapes {
  #shapes: LineShape[] = [];
  /** For each hash of what distinguishes lines, the number of the shape that such a line last had. */
  readonly #likely = new Int32Array(64);
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);

  /** Takes the numbers of the line at `start`, if its shape is known, into `line`, and gives the position of its newline; else -1. */
  take(bytes: Uint8Array, start: number, limit: number, line: EventLine): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const shapes = this.#shapes;
    if (shapes.length === 0 || start + 11 > limit) return -1;
    // Behind `{"op":"` lines begin to differ: what stands there tells which shape to try first.
    const word = this.#view.getInt32(start + 7, true);
    const slot = Math.imul(word, 0x9e3779b1) >>> 26;
    const guess = this.#likely[slot];
    let end = shapes[guess].fits(bytes, this.#view, start, limit, line);
    if (end >= 0) return end;
    for (let i = 0; i < shapes.length; i++) {
      if (i === guess) continue;
      end = shapes[i].fits(bytes, this.#view, start, limit, line);
      if (end < 0) continue;
      this.#likely[slot] = i;
      return end;
    }
    return -1;
  }

  /** Remembers the shape of the line that `line` has just scanned. */
  learn(bytes: Uint8Array, start: number, end: number, line: EventLine): void {
    const { spans, spanCount } = line;
    if (line.bad !== 0 || spanCount < 0) return;
    // A number that is too long to be taken so would not fit next time either.
    for (let at = 0; at < 4 * spanCount; at += 4) {
      const most = spans[at + 3] === 1 ? MOST_HEX : spans[at] === Key.ts ? MOST_TIME_DIGITS : MOST_DIGITS;
      if (spans[at + 2] - spans[at + 1] > most) return;
    }
    if (this.#shapes.length === MOST_SHAPES) {
      this.#shapes = [];
      this.#likely.fill(0);
    }
    this.#shapes.push(new LineShape(bytes, start, end, line.op, line.present, spans, spanCount));
  }
}
