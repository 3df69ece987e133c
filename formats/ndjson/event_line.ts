/**
 * One line of an NDJSON trace, taken apart where it lies: the keys of events, in any order, without making an object.
 * Invariant: `scan` is true only if the line has the structure of a JSON object; the numbers of its known keys are then exact,
 * or their bit in `bad` is set.
 * Differs from JSON.parse: strings and nested values of unknown keys are stepped over, not checked; who needs to know parses the line.
 */
import { Op } from '../../core/trace/events.ts';
import { ByteCursor, ascii, hasWord } from '../shared/cursor.ts';

/** Bits of `present` and `bad`. */
export const Key = { op: 1, ts: 2, tid: 4, size: 8, ptr: 16, old: 32, count: 64, alignment: 128, stack: 256, start_ts: 512 } as const;

/** What a line's `op` says besides the operations of core: negative, so that the two do not meet. */
export const Line = { unknown: -1, trace: -2, maps: -3, stack: -4, thread: -5 } as const;

const OPS: readonly (readonly [Uint8Array, number])[] = [
  ...Object.entries(Op).map(([name, op]) => [ascii(name), op] as const),
  [ascii('trace'), Line.trace],
  [ascii('maps'), Line.maps],
  [ascii('stack'), Line.stack],
  [ascii('thread'), Line.thread],
];

/** Candidates by length and first letter; no two words share both, or they share a list. */
const OPS_BY_SHAPE = new Map<number, (readonly [Uint8Array, number])[]>();
for (const entry of OPS) {
  const shape = entry[0].length * 256 + entry[0][0];
  OPS_BY_SHAPE.set(shape, [...(OPS_BY_SHAPE.get(shape) ?? []), entry]);
}

const KEYS: readonly (readonly [Uint8Array, number])[] = Object.entries(Key).map(([name, bit]) => [ascii(name), bit] as const);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Bytes that end a number or a literal. */
const ENDS_TOKEN = new Uint8Array(256);
for (const byte of [0x20, 0x09, 0x0d, 0x0a, COMMA, CLOSE_BRACE, CLOSE_BRACKET, COLON]) ENDS_TOKEN[byte] = 1;

const LITERALS = [ascii('true'), ascii('false'), ascii('null')];

const TWO_63 = 2n ** 63n;

/** The fields of the line scanned last. Those whose bit is not in `present` hold 0. */
export class EventLine {
  present = 0;
  /** Keys whose value is not of the kind that an event needs. */
  bad = 0;
  /** Op, or one of Line. */
  op: number = Line.unknown;
  seconds = 0;
  nanos = 0;
  startSeconds = 0;
  startNanos = 0;
  tid = 0;
  size = 0;
  ptr = 0;
  old = 0;
  /** count or alignment, whichever the line has. */
  count = 0;
  alignment = 0;
  stack = 0;
  /** True if parts of the line were stepped over that may not be JSON. */
  unchecked = false;
  readonly #cursor = new ByteCursor();

  /** Takes the line start..end apart. False if it is not an object. */
  scan(bytes: Uint8Array, start: number, end: number): boolean {
    this.present = 0;
    this.bad = 0;
    this.op = Line.unknown;
    this.unchecked = false;
    let pos = skipSpace(bytes, start, end);
    if (pos >= end || bytes[pos] !== OPEN_BRACE) return false;
    pos = skipSpace(bytes, pos + 1, end);
    if (pos < end && bytes[pos] === CLOSE_BRACE) return skipSpace(bytes, pos + 1, end) === end;
    for (;;) {
      if (pos >= end || bytes[pos] !== QUOTE) return false;
      const keyStart = pos + 1;
      pos = stringEnd(bytes, keyStart, end);
      if (pos < 0) return false;
      const key = this.#keyOf(bytes, keyStart, pos);
      pos++;
      if (bytes[pos] !== COLON || pos >= end) {
        pos = skipSpace(bytes, pos, end);
        if (pos >= end || bytes[pos] !== COLON) return false;
      }
      pos++;
      if (pos < end && bytes[pos] <= 0x20) pos = skipSpace(bytes, pos, end);
      pos = this.#value(key, bytes, pos, end);
      if (pos < 0) return false;
      if (pos < end && bytes[pos] <= 0x20) pos = skipSpace(bytes, pos, end);
      if (pos >= end) return false;
      if (bytes[pos] === COMMA) {
        pos++;
        if (pos < end && bytes[pos] <= 0x20) pos = skipSpace(bytes, pos, end);
      } else if (bytes[pos] === CLOSE_BRACE) {
        return skipSpace(bytes, pos + 1, end) === end;
      } else return false;
    }
  }

  /** The bit of a key, 0 for one that is not known here. */
  #keyOf(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    for (let i = 0; i < KEYS.length; i++) {
      const word = KEYS[i][0];
      if (word.length === length && word[0] === bytes[start] && hasWord(bytes, start, end, word)) return KEYS[i][1];
    }
    // A known key may be spelt with escapes; then the line is left to JSON.parse.
    if (!isPlain(bytes, start, end)) this.unchecked = true;
    return 0;
  }

  /** Takes the value at `pos`; gives the position after it, -1 if there is none. */
  #value(key: number, bytes: Uint8Array, pos: number, end: number): number {
    if (pos >= end) return -1;
    if (key === 0) return this.#skip(bytes, pos, end);
    this.present |= key;
    this.bad &= ~key;
    const first = bytes[pos];
    if (first === QUOTE) {
      const after = stringEnd(bytes, pos + 1, end);
      if (after < 0) return -1;
      if (key === Key.op) this.op = opOf(bytes, pos + 1, after);
      else if (key !== Key.ptr && key !== Key.old) this.bad |= key;
      else this.#address(key, bytes, pos + 1, after);
      return after + 1;
    }
    if (first < 0x30 || first > 0x39) {
      this.bad |= key;
      return this.#skip(bytes, pos, end);
    }
    let after = pos + 1;
    while (after < end && bytes[after] >= 0x30 && bytes[after] <= 0x39) after++;
    if (after < end && ENDS_TOKEN[bytes[after]] === 0) {
      this.bad |= key;
      return this.#skip(bytes, pos, end);
    }
    if (first === 0x30 && after > pos + 1) return -1;
    this.#integer(key, bytes, pos, after);
    return after;
  }

  #integer(key: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    if (key === Key.ts || key === Key.start_ts) {
      cursor.reset(bytes, start, end);
      cursor.nanoseconds();
      if (end - start > 24) this.bad |= key;
      else if (key === Key.ts) {
        this.seconds = cursor.seconds;
        this.nanos = cursor.nanos;
      } else {
        this.startSeconds = cursor.seconds;
        this.startNanos = cursor.nanos;
      }
      return;
    }
    let value = 0;
    if (end - start <= 15) {
      for (let i = start; i < end; i++) value = value * 10 + bytes[i] - 0x30;
    } else {
      cursor.reset(bytes, start, end);
      value = cursor.decimal();
      // 2^63 - 1 itself rounds up to 2^63: the digits decide.
      if (value >= 2 ** 63 && (end - start > 19 || BigInt(Buffer.from(bytes.subarray(start, end)).toString('latin1')) >= TWO_63)) this.bad |= key;
    }
    switch (key) {
      case Key.size:
        this.size = value;
        break;
      case Key.tid:
        this.tid = value;
        if (value > Number.MAX_SAFE_INTEGER) this.bad |= key;
        break;
      case Key.stack:
        this.stack = value;
        break;
      case Key.count:
        this.count = value;
        break;
      case Key.alignment:
        this.alignment = value;
        break;
      default:
        this.bad |= key;
    }
  }

  #address(key: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    const value = cursor.address();
    if (cursor.pos !== end || end - start > 18 || end - start < 3 || bytes[start] !== 0x30 || (bytes[start + 1] | 0x20) !== 0x78) this.bad |= key;
    else if (key === Key.ptr) this.ptr = value;
    else this.old = value;
  }

  /** Steps over a value of any kind. */
  #skip(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start];
    if (first === QUOTE) {
      const after = stringEnd(bytes, start + 1, end);
      if (after < 0) return -1;
      if (!this.unchecked) this.unchecked = !isPlain(bytes, start + 1, after);
      return after + 1;
    }
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
      let pos = start;
      while (pos < end && ENDS_TOKEN[bytes[pos]] === 0) pos++;
      if (!isSmallInteger(bytes, start, pos) && !LITERALS.some((word) => pos - start === word.length && hasWord(bytes, start, pos, word))) {
        this.unchecked = true;
      }
      return pos === start ? -1 : pos;
    }
    this.unchecked = true;
    let depth = 0;
    for (let pos = start; pos < end; pos++) {
      const byte = bytes[pos];
      if (byte === QUOTE) {
        pos = stringEnd(bytes, pos + 1, end);
        if (pos < 0) return -1;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth--;
        if (depth === 0) return pos + 1;
      }
    }
    return -1;
  }
}

function skipSpace(bytes: Uint8Array, start: number, end: number): number {
  let pos = start;
  while (pos < end && (bytes[pos] === 0x20 || bytes[pos] === 0x09 || bytes[pos] === 0x0d)) pos++;
  return pos;
}

/** Position of the quote that ends the string whose first character is at `start`; -1 if it does not end. */
function stringEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let pos = start; pos < end; pos++) {
    const byte = bytes[pos];
    if (byte === QUOTE) return pos;
    if (byte === BACKSLASH) pos++;
  }
  return -1;
}

/** True for the inside of a string without escapes, control characters and bytes that may not be UTF-8. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] < 0x20 || bytes[i] > 0x7e || bytes[i] === BACKSLASH) return false;
  return true;
}

/** True for an integer as JSON spells it, signed or not. */
function isSmallInteger(bytes: Uint8Array, start: number, end: number): boolean {
  const digits = bytes[start] === 0x2d ? start + 1 : start;
  if (digits >= end || (bytes[digits] === 0x30 && end > digits + 1)) return false;
  for (let i = digits; i < end; i++) if (bytes[i] < 0x30 || bytes[i] > 0x39) return false;
  return true;
}

function opOf(bytes: Uint8Array, start: number, end: number): number {
  const candidates = OPS_BY_SHAPE.get((end - start) * 256 + bytes[start]);
  if (candidates !== undefined) {
    for (const [word, op] of candidates) if (hasWord(bytes, start, end, word)) return op;
  }
  return Line.unknown;
}
