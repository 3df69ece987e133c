/**
 * One line of an NDJSON trace, taken apart where it lies: the keys of events, in any order, without making an object.
 * Invariant: `scan` is true only if the line has the structure of a JSON object; the numbers of its known keys are then exact,
 * or their bit in `bad` is set.
 * Differs from JSON.parse: strings and nested values of unknown keys are stepped over, not checked; who needs to know parses the line.
 */
import { ByteCursor, HEX, ascii, hasWord } from '../shared/cursor.ts';
import { QUOTE, COMMA, COLON, OPEN_BRACKET, BACKSLASH, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE } from '../shared/letters.ts';
import { Key, KEY_LENGTHS, keyAt, Line, opOf } from './line_keys.ts';

/** Bytes that end a number or a literal. */
const ENDS_TOKEN = new Uint8Array(256);
for (const byte of [0x20, 0x09, 0x0d, 0x0a, COMMA, CLOSE_BRACE, CLOSE_BRACKET, COLON]) ENDS_TOKEN[byte] = 1;

const NULL = ascii('null');
const LITERALS = [ascii('true'), ascii('false'), NULL];

/** Keys whose values are numbers. */
const NUMBERS = Key.ts | Key.tid | Key.size | Key.count | Key.alignment | Key.stack | Key.start_ts | Key.cpu;

/** A number with a sign, a point or an exponent. */
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/;

const TWO_63 = 2n ** 63n;

/**
 * The fields of the line scanned last. Those whose bit is not in `present` are not of that line. Large numbers begin as NaN, which is
 * stored as they will be: a field that changes its kind later costs the code that uses it its optimisation.
 */
export class EventLine {
  present = 0;
  /** Keys whose value is not of the kind that an event needs. */
  bad = 0;
  /** Op, or one of Line. */
  op: number = Line.unknown;
  /** The time: whole seconds and nanoseconds. A time below 10^15 ns, exact as one number, is left in `nanos` whole. */
  seconds = 0;
  nanos = NaN;
  startSeconds = 0;
  startNanos = NaN;
  tid = 0;
  cpu = 0;
  size = NaN;
  ptr = NaN;
  old = NaN;
  /** count or alignment, whichever the line has. */
  count = NaN;
  alignment = NaN;
  stack = 0;
  /** True if parts of the line were stepped over that may not be JSON. */
  unchecked = false;
  /** Where the numbers of the line lie, as LineShapes takes them; `spanCount` is -1 if the line holds more that varies. */
  readonly spans = new Int32Array(4 * 16);
  spanCount = 0;
  /** Where the fields lie that are not known, from the quote of the key to the end of the value: start and end of each. */
  readonly others: number[] = [];
  readonly #cursor = new ByteCursor();

  /**
   * Takes the line start..end apart. False if it is not an object.
   * `bytes[end]` must be a newline, or lie outside the array: no word matches across it, so that words need no check of their length.
   */
  scan(bytes: Uint8Array, start: number, end: number): boolean {
    this.present = 0;
    this.bad = 0;
    this.op = Line.unknown;
    this.unchecked = false;
    this.spanCount = 0;
    if (this.others.length > 0) this.others.length = 0;
    let pos = start;
    if (bytes[pos] !== OPEN_BRACE) {
      pos = skipSpace(bytes, pos, end);
      if (bytes[pos] !== OPEN_BRACE) return false;
    }
    pos++;
    if (bytes[pos] !== QUOTE) {
      pos = skipSpace(bytes, pos, end);
      if (bytes[pos] === CLOSE_BRACE) return skipSpace(bytes, pos + 1, end) === end;
    }
    for (;;) {
      if (bytes[pos] !== QUOTE) return false;
      const keyStart = pos++;
      const key = keyAt(bytes, pos);
      if (key !== 0) {
        // Of a key that comes twice the last value counts, which no shape can say.
        if ((this.present & key) !== 0) this.spanCount = -1;
        pos += KEY_LENGTHS[31 - Math.clz32(key)];
      } else {
        this.spanCount = -1;
        const keyEnd = stringEnd(bytes, pos, end);
        if (keyEnd < 0) return false;
        // A known key may be spelt with escapes; then the line is left to JSON.parse.
        if (!isPlain(bytes, pos, keyEnd)) this.unchecked = true;
        pos = keyEnd + 1;
      }
      if (bytes[pos] !== COLON) {
        pos = skipSpace(bytes, pos, end);
        if (bytes[pos] !== COLON) return false;
      }
      pos++;
      if (bytes[pos] <= 0x20) pos = skipSpace(bytes, pos, end);
      pos = this.#value(key, bytes, pos, end);
      if (pos < 0) return false;
      if (key === 0) this.others.push(keyStart, pos);
      if (bytes[pos] <= 0x20) pos = skipSpace(bytes, pos, end);
      if (bytes[pos] === COMMA) {
        pos++;
        if (bytes[pos] <= 0x20) pos = skipSpace(bytes, pos, end);
      } else if (bytes[pos] === CLOSE_BRACE) {
        return pos + 1 === end || skipSpace(bytes, pos + 1, end) === end;
      } else return false;
    }
  }

  /** Takes the value at `pos`; gives the position after it, -1 if there is none. */
  #value(key: number, bytes: Uint8Array, pos: number, end: number): number {
    if (pos >= end) return -1;
    if (key === 0) return this.#skip(bytes, pos, end);
    this.present |= key;
    this.bad &= ~key;
    const first = bytes[pos];
    if (first === QUOTE) {
      if (key === Key.ptr || key === Key.old) {
        const after = this.#address(key, bytes, pos + 1);
        if (after > 0) return after;
      }
      const after = stringEnd(bytes, pos + 1, end);
      if (after < 0) return -1;
      if (key === Key.op) this.op = opOf(bytes, pos + 1, after);
      else this.bad |= key;
      return after + 1;
    }
    if (key === Key.op || key === Key.ptr || key === Key.old) return this.#otherwise(key, bytes, pos, end);
    let digit = first - 0x30;
    if (!(digit >= 0 && digit <= 9)) return this.#otherwise(key, bytes, pos, end);
    let value = digit;
    let after = pos + 1;
    for (; (digit = bytes[after] - 0x30) >= 0 && digit <= 9; after++) value = value * 10 + digit;
    if (after < end && ENDS_TOKEN[bytes[after]] === 0) return this.#otherwise(key, bytes, pos, end);
    if (first === 0x30 && after > pos + 1) return -1;
    this.#span(key, pos, after, 0);
    if (after - pos > 15) this.#longInteger(key, bytes, pos, after);
    else this.set(key, value);
    return after;
  }

  /**
   * Takes a value that is neither a string nor digits alone. `null` is no value: tables of a column for each key have it where a line has none.
   * Nor do they tell whole numbers from others: 24.0, 1e3 and -0 are spelt so.
   */
  #otherwise(key: number, bytes: Uint8Array, pos: number, end: number): number {
    const after = this.#skip(bytes, pos, end);
    if (after < 0) return -1;
    if (after - pos === NULL.length && hasWord(bytes, pos, after, NULL)) {
      this.present &= ~key;
      return after;
    }
    this.spanCount = -1;
    const digits = (key & NUMBERS) === 0 ? undefined : wholeDigits(Buffer.from(bytes.subarray(pos, after)).toString('latin1'));
    if (digits === undefined) this.bad |= key;
    else this.#longInteger(key, ascii(digits), 0, digits.length);
    return after;
  }

  #span(key: number, start: number, end: number, hex: number): void {
    const { spans, spanCount } = this;
    if (spanCount < 0) return;
    if (4 * spanCount === spans.length) {
      this.spanCount = -1;
      return;
    }
    spans[4 * spanCount] = key;
    spans[4 * spanCount + 1] = start;
    spans[4 * spanCount + 2] = end;
    spans[4 * spanCount + 3] = hex;
    this.spanCount = spanCount + 1;
  }

  /** Sets the field of `key`; times below 10^15 ns. */
  set(key: number, value: number): void {
    switch (key) {
      case Key.ts:
        this.seconds = 0;
        this.nanos = value;
        break;
      case Key.tid:
        this.tid = value;
        break;
      case Key.cpu:
        this.cpu = value;
        break;
      case Key.size:
        this.size = value;
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
      case Key.ptr:
        this.ptr = value;
        break;
      case Key.old:
        this.old = value;
        break;
      case Key.start_ts:
        this.startSeconds = 0;
        this.startNanos = value;
        break;
    }
  }

  /** Sets the field of `key` from more digits than a sum of digits keeps exact. */
  #longInteger(key: number, bytes: Uint8Array, start: number, end: number): void {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    if (key === Key.ts || key === Key.start_ts) {
      if (!cursor.nanoseconds()) this.bad |= key;
      else if (key === Key.ts) {
        this.seconds = cursor.seconds;
        this.nanos = cursor.nanos;
      } else {
        this.startSeconds = cursor.seconds;
        this.startNanos = cursor.nanos;
      }
      return;
    }
    const value = cursor.decimal();
    // 2^63 - 1 itself rounds up to 2^63: the digits decide. Beyond 64 bits the value is NaN.
    if (!(value < 2 ** 63) && (end - start > 19 || BigInt(Buffer.from(bytes.subarray(start, end)).toString('latin1')) >= TWO_63))
      this.bad |= key;
    else if (key === Key.tid && value > Number.MAX_SAFE_INTEGER) this.bad |= key;
    else this.set(key, value);
  }

  /** Takes the address at `start`; gives the position after its quote, or -1 if it is none, which is marked bad. */
  #address(key: number, bytes: Uint8Array, start: number): number {
    let pos = start + 2;
    let high = 0;
    let low = 0;
    let digit = 0;
    if (bytes[start] === 0x30 && (bytes[start + 1] | 0x20) === 0x78) {
      for (; (digit = HEX[bytes[pos]]) <= 15; pos++) {
        high = (high << 4) | (low >>> 28);
        low = (low << 4) | digit;
      }
      const digits = pos - start - 2;
      if (bytes[pos] === QUOTE && digits > 0 && digits <= 16) {
        const value = (high & 0xfffff) * 4294967296 + (low >>> 0);
        this.set(key, value);
        this.#span(key, start + 2, pos, 1);
        return pos + 1;
      }
    }
    this.bad |= key;
    // It may be spelt with escapes.
    this.unchecked = true;
    return -1;
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

/** The digits of a number that is whole and not below 0; undefined for any other. */
function wholeDigits(text: string): string | undefined {
  const [, sign, whole, part = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const point = whole.length + Number(exponent);
  const digits = (whole + part).padEnd(point, '0');
  const behind = digits.slice(Math.max(point, 0));
  const before = digits.slice(0, Math.max(point, 0)).replace(/^0+(?=.)/, '') || '0';
  return /[^0]/.test(behind) || (sign === '-' && before !== '0') ? undefined : before;
}

/** True for an integer as JSON spells it, signed or not. */
function isSmallInteger(bytes: Uint8Array, start: number, end: number): boolean {
  const digits = bytes[start] === 0x2d ? start + 1 : start;
  if (digits >= end || (bytes[digits] === 0x30 && end > digits + 1)) return false;
  for (let i = digits; i < end; i++) if (bytes[i] < 0x30 || bytes[i] > 0x39) return false;
  return true;
}
