/**
 * Lines as bytes: numbers are spelt digit by digit, without making strings of them, and handed on in pieces.
 * Invariant: between two calls of `makeRoom` no more than LONGEST_EVENT bytes are put; `text` makes room by itself.
 */
import { ascii } from '../shared/cursor.ts';
import { QUOTE } from '../shared/letters.ts';

/** Takes the next bytes of the file. They are its own: the writer does not touch them again. */
export type BytesOut = (bytes: Uint8Array) => void;

/** Bytes gathered before they are handed on. */
const PIECE_BYTES = 1 << 18;
/** More than an event line can take: eight numbers of at most 24 digits, and their keys. */
const LONGEST_EVENT = 400;

const TWO_32 = 2 ** 32;
const HEX = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** 00 to 99. */
const PAIRS = ascii(Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0')).join(''));

/** The bytes gathered. */
export class LineBytes {
  readonly #out: BytesOut;
  #bytes = new Uint8Array(PIECE_BYTES + LONGEST_EVENT);
  #length = 0;

  constructor(out: BytesOut) {
    this.#out = out;
  }

  /** Before an event line. */
  makeRoom(): void {
    if (this.#length > PIECE_BYTES) this.flush();
  }

  /** A key, and a number as its value. */
  field(key: Uint8Array, value: number): void {
    this.put(key);
    this.decimal(value);
  }

  /** A key, and an address as its value: hex digits and a quote. */
  address(key: Uint8Array, value: number): void {
    this.put(key);
    let high = Math.floor(value / TWO_32);
    let low = value >>> 0;
    let digits = 1;
    for (let rest = high > 0 ? high : low; rest > 15; rest >>>= 4) digits++;
    if (high > 0) digits += 8;
    const bytes = this.#bytes;
    const end = this.#length + digits;
    for (let at = end - 1; at >= this.#length; at--) {
      bytes[at] = HEX[low & 15];
      low = (low >>> 4) | (high << 28);
      high >>>= 4;
    }
    bytes[end] = QUOTE;
    this.#length = end + 1;
  }

  /** A whole number from 0. */
  decimal(value: number): void {
    if (value >= 1e15) {
      // Sizes near 2^63 were rounded up to a double, which may be 2^63 itself; the largest one that can be written stands for it.
      const exact = BigInt(value);
      this.put(ascii(String(exact >= 2n ** 63n ? 2n ** 63n - 1n : exact)));
      return;
    }
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    this.digits(value, digits);
  }

  /** A whole number from 0, with zeros before it up to so many digits. */
  digits(value: number, digits: number): void {
    const bytes = this.#bytes;
    const end = this.#length + digits;
    let at = end - 1;
    let rest = value;
    while (rest >= 4294967296 && at >= this.#length) {
      const tenth = Math.floor(rest / 10);
      bytes[at--] = 0x30 + (rest - tenth * 10);
      rest = tenth;
    }
    let small = rest >>> 0;
    for (; at > this.#length; at -= 2) {
      const hundredth = (small / 100) >>> 0;
      const pair = 2 * (small - hundredth * 100);
      bytes[at - 1] = PAIRS[pair];
      bytes[at] = PAIRS[pair + 1];
      small = hundredth;
    }
    if (at === this.#length) bytes[at] = 0x30 + (small % 10);
    this.#length = end;
  }

  /** A word as it is. */
  put(word: Uint8Array): void {
    const bytes = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < word.length; i++) bytes[at + i] = word[i];
    this.#length = at + word.length;
  }

  /** Hands on what is gathered. */
  flush(): void {
    if (this.#length === 0) return;
    this.#out(this.#bytes.subarray(0, this.#length));
    this.#bytes = new Uint8Array(PIECE_BYTES + LONGEST_EVENT);
    this.#length = 0;
  }

  /** Text of any length. */
  text(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    if (this.#length + bytes.length > PIECE_BYTES) this.flush();
    if (bytes.length > PIECE_BYTES) this.#out(bytes);
    else {
      this.#bytes.set(bytes, this.#length);
      this.#length += bytes.length;
    }
  }
}
