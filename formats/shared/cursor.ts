/**
 * Reads numbers and words from bytes where they lie.
 * Invariant: start <= pos <= end; a method that finds nothing to read leaves `pos` where it was and gives NaN or false.
 * Numbers never pass through strings: a trace of a gigabyte has some hundred million of them.
 */
import type { Address, Bytes } from '../../core/units.ts';
import { CARRIAGE_RETURN, TAB, SPACE, DOT, ZERO, NINE, UNDERSCORE, LOWER_A, LOWER_X, LOWER_Z } from './letters.ts';

const TWO_32 = 2 ** 32;

/** Hex digit values by byte, 255 for others. */
export const HEX = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) HEX[0x30 + i] = i;
for (let i = 0; i < 6; i++) HEX[0x41 + i] = HEX[0x61 + i] = 10 + i;

const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

/** Four decimal digits at `at`, summed in three steps instead of four turns of a loop; -1 if one of the four is no digit. */
export function fourDigits(view: DataView, at: number): number {
  const digits = view.getInt32(at, true) ^ 0x30303030;
  // Of a byte above 9 either the byte or its sum with 0x76 has the highest bit.
  if ((((digits + 0x76767676) | digits) & 0x80808080) !== 0) return -1;
  const pairs = (Math.imul(digits, 10) + (digits >>> 8)) & 0x00ff00ff;
  return (pairs & 0xff) * 100 + (pairs >>> 16);
}

const POWERS_OF_10 = Int32Array.of(1, 10, 100, 1000);

/** Up to seven decimal digits at `at`, until a byte that is none: eight times their value, and their count. -1 for none, or for more. */
export function sevenDigits(view: DataView, at: number): number {
  const first = view.getInt32(at, true) ^ 0x30303030;
  const firstOthers = ((first + 0x76767676) | 0 | first) & 0x80808080;
  if (firstOthers !== 0) {
    const count = (31 - Math.clz32(firstOthers & -firstOthers)) >> 3;
    return count === 0 ? -1 : (summed(first, count) << 3) | count;
  }
  const second = view.getInt32(at + 4, true) ^ 0x30303030;
  const secondOthers = ((second + 0x76767676) | 0 | second) & 0x80808080;
  if (secondOthers === 0) return -1;
  const count = (31 - Math.clz32(secondOthers & -secondOthers)) >> 3;
  return ((summed(first, 4) * POWERS_OF_10[count] + (count === 0 ? 0 : summed(second, count))) << 3) | (4 + count);
}

/** The first `count` digits of a word, 1 to 4, each a byte. */
function summed(digits: number, count: number): number {
  // The last one goes to the end of the word, as if there were zeros before the first.
  const ended = digits << (32 - 8 * count);
  const pairs = (Math.imul(ended, 10) + (ended >>> 8)) & 0x00ff00ff;
  return (pairs & 0xff) * 100 + (pairs >>> 16);
}

/** Twelve hex digits at `at`, as most addresses have; -1 if one of them is none. */
export function twelveHex(bytes: Uint8Array, at: number): number {
  const a = HEX[bytes[at]];
  const b = HEX[bytes[at + 1]];
  const c = HEX[bytes[at + 2]];
  const d = HEX[bytes[at + 3]];
  const e = HEX[bytes[at + 4]];
  const f = HEX[bytes[at + 5]];
  const g = HEX[bytes[at + 6]];
  const h = HEX[bytes[at + 7]];
  const i = HEX[bytes[at + 8]];
  const j = HEX[bytes[at + 9]];
  const k = HEX[bytes[at + 10]];
  const l = HEX[bytes[at + 11]];
  if ((a | b | c | d | e | f | g | h | i | j | k | l) > 15) return -1;
  const high = (a << 20) | (b << 16) | (c << 12) | (d << 8) | (e << 4) | f;
  const low = (g << 20) | (h << 16) | (i << 12) | (j << 8) | (k << 4) | l;
  return high * 0x1000000 + low;
}

/** The bytes of an ASCII word, to compare input with. */
export function ascii(word: string): Uint8Array {
  return Uint8Array.from(word, (letter) => letter.charCodeAt(0));
}

/** Text of a byte range. Bytes that are not UTF-8 become U+FFFD. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return utf8.decode(bytes.subarray(start, end));
}

/** A whole number above 2^53 as the next double that is not below it, as sizes are kept. */
export function roundUp(value: bigint): number {
  const near = Number(value);
  if (BigInt(near) >= value) return near;
  // One unit in the last place up: doubles of the same sign are ordered as their bits.
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, near);
  view.setBigUint64(0, view.getBigUint64(0) + 1n);
  return view.getFloat64(0);
}

/** Most digits of a number of 64 bits. */
const LONGEST_DECIMAL = 20;
/** Times are below this, in ns: what every form of a trace can hold. */
export const TIMES_END = 2 ** 63;
/** The latest time, 2^63 - 1 ns: its whole seconds, and the nanoseconds after them. */
const LATEST_SECONDS = 9223372036;
const LATEST_NANOS = 854775807;
const LARGEST = (1n << 64n) - 1n;

/**
 * The decimal digits start..end as a size, exact below 2^53, rounded up above; NaN beyond 64 bits, which no recorder writes.
 * Its time is bounded: a number as long as a damaged file is not worked out.
 */
export function decimalSize(bytes: Uint8Array, start: number, end: number): number {
  while (start < end - 1 && bytes[start] === ZERO) start++;
  if (end - start > LONGEST_DECIMAL) return NaN;
  const value = BigInt(textOf(bytes, start, end));
  return value > LARGEST ? NaN : roundUp(value);
}

/** True for a time up to 2^63 - 1 ns. */
export function isTime(seconds: number, nanos: number): boolean {
  return seconds < LATEST_SECONDS || (seconds === LATEST_SECONDS && nanos <= LATEST_NANOS);
}

/** What a 64-bit number is that was printed as a signed one, `-value`; NaN if there is no such. Rounded as numbers are. */
export function unsignedOf(value: number): number {
  if (value > 2 ** 63) return NaN;
  return value === 0 ? 0 : 2 ** 64 - value;
}

/** True for a decimal digit; not for what is beyond the end of bytes or of a text. */
export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** True for what names of functions in C are made of: letters, digits and the underscore. */
export function isNameByte(byte: number): boolean {
  const letter = byte | 0x20;
  return (letter >= LOWER_A && letter <= LOWER_Z) || isDigit(byte) || byte === UNDERSCORE;
}

/** Whether a number, or NaN, can be the id of a process or thread (pid_t): 0 to 2^31 - 1. */
export function isTaskId(value: number): boolean {
  return value >= 0 && value < 2 ** 31;
}

/** The end of a line without what cannot be seen of it: carriage returns, and blanks that copying from a terminal leaves. */
export function seenEnd(bytes: Uint8Array, start: number, end: number): number {
  while (end > start && (bytes[end - 1] === CARRIAGE_RETURN || bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  return end;
}

/** True if `word` stands at `start` and ends by `end`. */
export function hasWord(bytes: Uint8Array, start: number, end: number, word: Uint8Array): boolean {
  const { length } = word;
  if (start + length > end) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}

/** Position of `word` in start..end, or -1. */
export function findWord(bytes: Uint8Array, start: number, end: number, word: Uint8Array): number {
  const first = word[0];
  for (let at = start; at + word.length <= end; at++) {
    if (bytes[at] === first && hasWord(bytes, at, end, word)) return at;
  }
  return -1;
}

/** A position in a byte range, usually one line. */
export class ByteCursor {
  bytes: Uint8Array = new Uint8Array(0);
  pos = 0;
  end = 0;
  /** Whole seconds of the time last read by `time` or `nanoseconds`. */
  seconds = 0;
  /** Nanoseconds of that time, 0 to 999999999. */
  nanos = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.pos = start;
    this.end = end;
  }

  /** The next byte, or -1 at the end. */
  peek(): number {
    return this.pos < this.end ? this.bytes[this.pos] : -1;
  }

  /** Steps over `byte` if it is next. */
  eat(byte: number): boolean {
    if (this.pos < this.end && this.bytes[this.pos] === byte) {
      this.pos++;
      return true;
    }
    return false;
  }

  /** Steps over `word` if it is next. */
  eatWord(word: Uint8Array): boolean {
    if (!hasWord(this.bytes, this.pos, this.end, word)) return false;
    this.pos += word.length;
    return true;
  }

  /** Steps over spaces and tabs. */
  skipSpaces(): void {
    const { bytes, end } = this;
    let { pos } = this;
    while (pos < end && (bytes[pos] === SPACE || bytes[pos] === TAB)) pos++;
    this.pos = pos;
  }

  /** Moves to the next `byte`; false, and no move, if there is none. */
  skipTo(byte: number): boolean {
    const { bytes, end } = this;
    for (let at = this.pos; at < end; at++) {
      if (bytes[at] === byte) {
        this.pos = at;
        return true;
      }
    }
    return false;
  }

  /** Decimal digits as a size: exact below 2^53, rounded up above. NaN if no digit is next, or a number beyond 64 bits. */
  decimal(): Bytes {
    const { bytes, end, pos: start } = this;
    let pos = start;
    let value = 0;
    while (pos < end) {
      const digit = bytes[pos] - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      pos++;
    }
    this.pos = pos;
    if (pos - start > 15) return decimalSize(bytes, start, pos) as Bytes;
    return (pos === start ? NaN : value) as Bytes;
  }

  /** Hex digits, without 0x, as a size: exact below 2^53, rounded up above; beyond 64 bits the upper ones are dropped. NaN if no digit is next. */
  hex(): Bytes {
    const start = this.pos;
    const { high, low } = this.#hex64();
    if (this.pos === start) return NaN as Bytes;
    if (high < 0x200000) return (high * TWO_32 + low) as Bytes;
    return roundUp((BigInt(high) << 32n) | BigInt(low)) as Bytes;
  }

  /** A size in decimal or, after 0x, in hex. NaN if neither is next. */
  number(): Bytes {
    if (this.#eatHexPrefix()) return this.hex();
    return this.decimal();
  }

  /** Hex digits, with or without 0x, as an address. Tag bits above 2^52 are dropped, so that it stays exact. NaN if no digit is next. */
  address(): Address {
    this.#eatHexPrefix();
    const { bytes, end, pos: start } = this;
    let pos = start;
    let high = 0;
    let low = 0;
    // Twelve digits are all that a user-space address has: two integers of six digits each need no carry.
    const six = Math.min(end, start + 6);
    const twelve = Math.min(end, start + 12);
    let digit = 0;
    while (pos < six && (digit = HEX[bytes[pos]]) !== 255) {
      high = (high << 4) | digit;
      pos++;
    }
    if (pos === start) return NaN as Address;
    if (pos < start + 6) {
      this.pos = pos;
      return high as Address;
    }
    while (pos < twelve && (digit = HEX[bytes[pos]]) !== 255) {
      low = (low << 4) | digit;
      pos++;
    }
    if (pos === start + 12 && pos < end && HEX[bytes[pos]] !== 255) {
      const all = this.#hex64();
      return ((all.high & 0xfffff) * TWO_32 + all.low) as Address;
    }
    this.pos = pos;
    return (high * (1 << ((pos - start - 6) * 4)) + low) as Address;
  }

  /** A time `12.345678` in seconds with up to nine decimals (more are dropped): sets `seconds` and `nanos`. False if no digit is next, or a time that no clock has. */
  time(): boolean {
    const seconds = this.decimal();
    if (Number.isNaN(seconds)) return false;
    this.seconds = seconds;
    this.nanos = 0;
    if (!this.eat(DOT)) return isTime(seconds, 0);
    const { bytes, end } = this;
    let { pos } = this;
    let nanos = 0;
    let digits = 0;
    for (; pos < end; pos++) {
      const digit = bytes[pos] - ZERO;
      if (digit < 0 || digit > 9) break;
      if (digits < 9) {
        nanos = nanos * 10 + digit;
        digits++;
      }
    }
    for (; digits < 9; digits++) nanos *= 10;
    this.nanos = nanos;
    this.pos = pos;
    return isTime(seconds, nanos);
  }

  /** A time in whole nanoseconds: sets `seconds` and `nanos`, exact beyond 2^53. False if no digit is next, or a time that no clock has. */
  nanoseconds(): boolean {
    const { bytes, end, pos: start } = this;
    let pos = start;
    while (pos < end && bytes[pos] >= ZERO && bytes[pos] <= NINE) pos++;
    if (pos === start) return false;
    const split = Math.max(start, pos - 9);
    let seconds = 0;
    for (let i = start; i < split; i++) seconds = seconds * 10 + bytes[i] - ZERO;
    let nanos = 0;
    for (let i = split; i < pos; i++) nanos = nanos * 10 + bytes[i] - ZERO;
    this.seconds = seconds;
    this.nanos = nanos;
    this.pos = pos;
    return isTime(seconds, nanos);
  }

  #eatHexPrefix(): boolean {
    const { bytes, pos } = this;
    if (pos + 2 < this.end && bytes[pos] === ZERO && (bytes[pos + 1] | 0x20) === LOWER_X && HEX[bytes[pos + 2]] !== 255) {
      this.pos = pos + 2;
      return true;
    }
    return false;
  }

  #hex64(): { high: number; low: number } {
    const { bytes, end } = this;
    let { pos } = this;
    let high = 0;
    let low = 0;
    for (; pos < end; pos++) {
      const digit = HEX[bytes[pos]];
      if (digit === 255) break;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    this.pos = pos;
    return { high: high >>> 0, low: low >>> 0 };
  }
}

/** The size that a text is, in decimal or, after 0x, in hex, rounded as ByteCursor does; NaN if it is none. For texts that a pattern found: a cursor is made for each. */
export function sizeOfText(text: string): Bytes {
  return wholeNumber(text, (cursor) => cursor.number());
}

/** The address that a text is, in decimal or, after 0x, in hex, without tag bits above 2^52; NaN if it is none. For texts that a pattern found. */
export function addressOfText(text: string): Address {
  return wholeNumber(text, (cursor) => (HEX_PREFIX.test(text) ? cursor.address() : (cursor.decimal() as number as Address)));
}

const HEX_PREFIX = /^0x/i;

function wholeNumber<Kind extends number>(text: string, take: (cursor: ByteCursor) => Kind): Kind {
  const cursor = new ByteCursor();
  cursor.reset(ascii(text), 0, text.length);
  const value = take(cursor);
  return cursor.pos === cursor.end ? value : (NaN as Kind);
}
