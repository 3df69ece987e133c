/**
 * Sections of debug information as they were before compression, read in parts (System V ABI, "Section Compression"; GNU: .zdebug sections).
 * Invariant: bytes are those of the section's offsets [from, to); what leads out of the section or of the file is `Damaged`.
 * A section in the file is read where it is asked for, a compressed one up to where it is asked for.
 */
import * as zlib from 'node:zlib';
import type { ElfImage, ElfSection } from '../elf.ts';
import { Cursor, Damaged, Unsupported } from './cursor.ts';

const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
/** Smaller sections are read whole: many small parts of them are asked for. */
const WHOLE_BYTES = 1 << 20;
/** Largest part of a section that is held in memory. */
const MOST_BYTES = 1 << 30;
/** Memory that is set aside before it is known that there is so much to decompress. */
const MOST_AT_ONCE = 1 << 26;
/** Nothing that zlib makes is shorter than a thousandth of what it was made from (zlib Technical Details: 1032:1). */
const MOST_RATIO = 1100;
/** Compressed bytes that are decompressed at least. */
const FIRST_PACKED = 1 << 14;
/** First guess of an unknown length. */
const FIRST_BYTES = 4096;

/** A section of debug information, uncompressed. */
export class DebugSection {
  /** Bytes. */
  readonly size: number;
  readonly #little: boolean;
  readonly #read: (from: number, to: number) => Uint8Array;

  private constructor(little: boolean, size: number, read: (from: number, to: number) => Uint8Array) {
    this.#little = little;
    this.size = size;
    this.#read = read;
  }

  /** The section `.debug_NAME` of a file, or what stands for it; an empty one if there is none. @throws Damaged, Unsupported */
  static of(image: ElfImage, name: string): DebugSection {
    const { little } = image;
    const section = image.section(`.debug_${name}`);
    if (section?.compressed === true) return new DebugSection(little, ...compressed(image, section));
    if (section !== undefined) return new DebugSection(little, section.size, stored(image, section));
    const old = image.section(`.zdebug_${name}`);
    if (old !== undefined) return new DebugSection(little, ...compressedByGnu(image, old));
    return new DebugSection(little, 0, () => new Uint8Array(0));
  }

  /** The bytes [from, to). @throws Damaged */
  cursor(from: number, to: number): Cursor {
    if (!(from >= 0 && from <= to && to <= this.size)) throw new Damaged();
    if (to - from > MOST_BYTES) throw new Unsupported();
    return new Cursor(this.#read(from, to), this.#little, from);
  }

  /**
   * What `read` makes of the bytes from an offset on, however many it takes.
   * @param read has no effects: it is called again with more bytes where they were too few
   */
  from<T>(offset: number, read: (cursor: Cursor) => T): T {
    for (let bytes = FIRST_BYTES; ; bytes *= 8) {
      const to = Math.min(this.size, offset + bytes);
      const cursor = this.cursor(offset, to);
      try {
        return read(cursor);
      } catch (error) {
        if (!(error instanceof Damaged) || to === this.size) throw error;
      }
    }
  }

  /** The text at an offset, up to its zero byte. */
  text(offset: number): string {
    return this.from(offset, (cursor) => cursor.text());
  }
}

/** Bytes of a file. @throws Damaged if it is shorter */
function bytesOf({ file }: ElfImage, offset: number, length: number): Uint8Array {
  if (!(offset >= 0 && length >= 0 && offset + length <= file.size)) throw new Damaged();
  const bytes = file.read(offset, length);
  if (bytes.length < length) throw new Damaged();
  return bytes;
}

function stored(image: ElfImage, { offset, size }: ElfSection): (from: number, to: number) => Uint8Array {
  if (size > WHOLE_BYTES) return (from, to) => bytesOf(image, offset + from, to - from);
  let whole: Uint8Array | undefined;
  return (from, to) => (whole ??= bytesOf(image, offset, size)).subarray(from, to);
}

/** Size and reader of a section with SHF_COMPRESSED, which begins with an Elf32_Chdr or Elf64_Chdr. */
function compressed(image: ElfImage, section: ElfSection): [number, (from: number, to: number) => Uint8Array] {
  const header = new Cursor(bytesOf(image, section.offset, image.is64 ? 24 : 12), image.little);
  const method = header.u32();
  if (image.is64) header.u32();
  const size = header.word(image.is64 ? 8 : 4);
  const packed = { offset: section.offset + header.bytes.length, size: section.size - header.bytes.length };
  if (method === ELFCOMPRESS_ZLIB) return [size, inflated(image, packed, size)];
  const unzstd = (zlib as { readonly zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array }).zstdDecompressSync;
  if (method !== ELFCOMPRESS_ZSTD || unzstd === undefined || size > MOST_BYTES) throw new Unsupported();
  let whole: Uint8Array | undefined;
  return [size, (from, to) => (whole ??= sized(unzstd(bytesOf(image, packed.offset, packed.size)), size)).subarray(from, to)];
}

/** Size and reader of a .zdebug section: `ZLIB`, the size in eight bytes, highest first, and what zlib made. */
function compressedByGnu(image: ElfImage, section: ElfSection): [number, (from: number, to: number) => Uint8Array] {
  const header = new Cursor(bytesOf(image, section.offset, 12), false);
  if (header.u32() !== 0x5a4c4942) throw new Damaged();
  const size = header.u64();
  return [size, inflated(image, { offset: section.offset + 12, size: section.size - 12 }, size)];
}

/** Decompresses as much from the front as is asked for; where that is too little later, four times as much input and more. */
function inflated(image: ElfImage, packed: { readonly offset: number; readonly size: number }, size: number) {
  if (packed.size <= 0 || size > packed.size * MOST_RATIO) throw new Damaged();
  if (size > MOST_BYTES) throw new Unsupported();
  let front: Uint8Array = new Uint8Array(0);
  let input = 0;
  return (from: number, to: number): Uint8Array => {
    while (front.length < to) {
      if (input >= packed.size) throw new Damaged();
      // As if all of it were equally dense.
      input = Math.min(packed.size, Math.max(FIRST_PACKED, 4 * input, Math.ceil((to / size) * packed.size * 1.25)));
      const expected = Math.min(size, Math.ceil((input / packed.size) * size * 1.25));
      front = inflate(bytesOf(image, packed.offset, input), expected, size);
    }
    return front.subarray(from, to);
  };
}

/**
 * What the front of a stream decompresses to.
 * @param expected bytes, about
 * @param most bytes: a stream that makes more is none of this section
 */
function inflate(bytes: Uint8Array, expected: number, most: number): Uint8Array {
  try {
    return zlib.inflateSync(bytes, {
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      chunkSize: Math.max(FIRST_BYTES, Math.min(expected, MOST_AT_ONCE)),
      maxOutputLength: Math.max(1, most),
    });
  } catch {
    throw new Damaged();
  }
}

function sized(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length < size) throw new Damaged();
  return bytes;
}
