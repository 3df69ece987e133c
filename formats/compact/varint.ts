/**
 * Numbers in as few bytes as they need, seven bits a byte, low ones first (LEB128).
 * Invariant: every double that is a whole number from 0 to 2^64 comes back as it was: the parts of its 53 bits never round.
 * Differs: a signed number has its sign in bit 6 of the first byte, where LEB128 would need two's complement of unknown width.
 */
import { LONGEST } from './block_layout.ts';

/** Bytes that grow. */
export class VarintWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  /** Appends a whole number from 0 to 2^64. */
  unsigned(value: number): void {
    this.#reserve();
    let rest = value;
    while (rest >= 128) {
      const high = Math.floor(rest / 128);
      this.#bytes[this.#length++] = 128 | (rest - high * 128);
      rest = high;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Appends a whole number between -2^53 and 2^53. */
  signed(value: number): void {
    this.#reserve();
    const size = Math.abs(value);
    const high = Math.floor(size / 64);
    const first = (value < 0 ? 64 : 0) | (size - high * 64);
    this.#bytes[this.#length++] = high === 0 ? first : first | 128;
    if (high > 0) this.unsigned(high);
  }

  /** The bytes so far, a view; the next number may begin anew. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  #reserve(): void {
    if (this.#length + 2 * LONGEST <= this.#bytes.length) return;
    const grown = new Uint8Array(this.#bytes.length * 2);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** A position in such bytes. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #pos = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#pos === this.#bytes.length;
  }

  /** The next number; NaN if the bytes end within it. */
  unsigned(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let power = 1, left = LONGEST; left > 0 && this.#pos < bytes.length; power *= 128, left--) {
      const byte = bytes[this.#pos++];
      value += (byte & 127) * power;
      if (byte < 128) return value;
    }
    return NaN;
  }

  /** The next signed number; NaN if the bytes end within it. */
  signed(): number {
    if (this.#pos >= this.#bytes.length) return NaN;
    const first = this.#bytes[this.#pos++];
    const size = first < 128 ? first & 63 : (first & 63) + this.unsigned() * 64;
    return (first & 64) === 0 ? size : -size;
  }
}
