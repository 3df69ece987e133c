/**
 * A place in DWARF's bytes that moves on as numbers are read (DWARF 5, sections 7.4 "32-Bit and 64-Bit DWARF Formats", 7.6 "Variable Length Data").
 * Invariant: nothing outside the window is read: what leads there is `Damaged`.
 * Numbers above 2^53, which no address or offset of a real file is, lose their low bits.
 */

/** Raised by debug information that leads out of its section, or contradicts itself. */
export class Damaged extends Error {}

/** Raised by debug information that is whole, but of a kind that is not read here: split units, unknown forms. */
export class Unsupported extends Error {}

/** Bytes of a section from `start` on; `at` and all places are offsets in the section. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly little: boolean;
  /** Offset in the section of the first byte, and behind the last. */
  readonly start: number;
  readonly end: number;
  at: number;
  #view: DataView | undefined;

  constructor(bytes: Uint8Array, little: boolean, start = 0) {
    this.bytes = bytes;
    this.little = little;
    this.start = start;
    this.at = start;
    this.end = start + bytes.length;
  }

  /** Made when it is needed: many cursors read bytes only. */
  get #numbers(): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes;
    return (this.#view ??= new DataView(buffer, byteOffset, byteLength));
  }

  /** Moves on over some bytes, and gives the index in `bytes` of the first of them. @throws Damaged */
  take(length: number): number {
    const index = this.at - this.start;
    // Also for a length or a place that is no number.
    if (!(length >= 0 && index >= 0 && index + length <= this.bytes.length)) throw new Damaged();
    this.at += length;
    return index;
  }

  u8(): number {
    // Outside the window there is no element.
    const byte: number | undefined = this.bytes[this.at - this.start];
    if (byte === undefined) throw new Damaged();
    this.at++;
    return byte;
  }

  u16(): number {
    return this.#numbers.getUint16(this.take(2), this.little);
  }

  u24(): number {
    const index = this.take(3);
    const [low, high] = this.little ? [index, index + 2] : [index + 2, index];
    return this.bytes[low] + this.bytes[index + 1] * 0x100 + this.bytes[high] * 0x10000;
  }

  u32(): number {
    return this.#numbers.getUint32(this.take(4), this.little);
  }

  u64(): number {
    const index = this.take(8);
    const numbers = this.#numbers;
    const first = numbers.getUint32(index, this.little);
    const second = numbers.getUint32(index + 4, this.little);
    return this.little ? second * 0x100000000 + first : first * 0x100000000 + second;
  }

  /** A number of 1, 2, 4 or 8 bytes: an address or an offset. @throws Damaged for other sizes */
  word(size: number): number {
    switch (size) {
      case 8:
        return this.u64();
      case 4:
        return this.u32();
      case 2:
        return this.u16();
      case 1:
        return this.u8();
      default:
        throw new Damaged();
    }
  }

  /** Seven bits a byte, lowest first (7.6). */
  uleb(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first - 0x80;
    let factor = 0x80;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  }

  /** The same with a sign, which is the highest bit of the last seven. */
  sleb(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      factor *= 0x80;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - factor;
    }
  }

  skipLeb(): void {
    while (this.u8() >= 0x80);
  }

  /** Moves on behind the next zero byte. @returns the text before it */
  text(): string {
    const index = this.take(0);
    const end = this.bytes.indexOf(0, index);
    if (end < 0) throw new Damaged();
    this.at += end - index + 1;
    // Not TextDecoder, which takes its time to load.
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + index, end - index).toString();
  }

  skipText(): void {
    const index = this.take(0);
    const end = this.bytes.indexOf(0, index);
    if (end < 0) throw new Damaged();
    this.at += end - index + 1;
  }

  /** A length, and by how it is written the size of offsets in what it is the length of (7.4). The reader stands behind it afterwards. */
  unitLength(): { readonly length: number; readonly offsetSize: 4 | 8 } {
    const short = this.u32();
    if (short < 0xfffffff0) return { length: short, offsetSize: 4 };
    if (short !== 0xffffffff) throw new Damaged();
    return { length: this.u64(), offsetSize: 8 };
  }

  /** The next bytes alone. @throws Damaged if there are fewer */
  part(length: number): Cursor {
    const start = this.at;
    const index = this.take(length);
    return new Cursor(this.bytes.subarray(index, index + length), this.little, start);
  }
}
