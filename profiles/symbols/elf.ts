/**
 * The parts of an ELF file that say what its addresses mean (System V ABI, "Object Files" and "Program Loading"; GNU: .gnu_debuglink, build-id notes).
 * Invariant: nothing outside the file's bounds is read, and a table that leads there makes the file a broken one: undefined, never an exception.
 * Addresses and offsets are numbers: what lies above 2^53 is no address of a user's program.
 * Differs: only the headers are read when a file is opened; tables when they are asked for.
 */
import type { SymbolFile } from './host.ts';

/** A loadable part of a file. */
export interface ElfSegment {
  readonly offset: number;
  /** Address before relocation. */
  readonly address: number;
  /** Bytes in the file. */
  readonly size: number;
  readonly executable: boolean;
}

/** A section header. */
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly executable: boolean;
  /** Its content begins with how it is compressed (SHF_COMPRESSED). */
  readonly compressed: boolean;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly index: number;
}

/** Where the debug information of a stripped file went: a file's name, and the checksum of its content. */
export interface DebugLink {
  readonly name: string;
  readonly crc: number;
}

export const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
export const SHT_DYNSYM = 11;
const SHT_NOTE = 7;
/** Types and bindings of symbols. */
export const STT_FUNC = 2;
export const STT_FILE = 4;
export const STT_GNU_IFUNC = 10;
export const STB_LOCAL = 0;
export const STB_WEAK = 2;
const SHF_EXECINSTR = 4;
const SHF_COMPRESSED = 0x800;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_X = 1;
const NT_GNU_BUILD_ID = 3;
const ET_EXEC = 2;
const EM_ARM = 40;
/** More than any file that a linker makes has; fewer than would take long to read. */
const MOST_HEADERS = 1 << 20;

/** Raised while a table is read that does not lie in the file. */
class Broken extends Error {}

/** An ELF file of either class and byte order. */
export class ElfImage {
  readonly file: SymbolFile;
  readonly is64: boolean;
  readonly little: boolean;
  /** Addresses in the file are those in memory: a program that is not position-independent. */
  readonly fixedAddresses: boolean;
  /** What processor its code is for, e_machine. */
  readonly machine: number;
  /** Lowest bit of a function's address says which instruction set it is in (32-bit ARM). */
  readonly thumb: boolean;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** Lower-case hex digits; undefined if the file has none. */
  readonly buildId: string | undefined;
  readonly debugLink: DebugLink | undefined;

  /** Use `readElf`. */
  constructor(file: SymbolFile) {
    this.file = file;
    const identity = bytesOf(file, 0, 52);
    if (identity[0] !== 0x7f || identity[1] !== 0x45 || identity[2] !== 0x4c || identity[3] !== 0x46) throw new Broken();
    this.is64 = identity[4] === 2;
    this.little = identity[5] === 1;
    const header = this.view(0, this.is64 ? 64 : 52);
    this.fixedAddresses = header.getUint16(16, this.little) === ET_EXEC;
    this.machine = header.getUint16(18, this.little);
    this.thumb = this.machine === EM_ARM;
    this.sections = this.#sections(header);
    const notes: [number, number][] = [];
    this.segments = this.#segments(header, notes);
    for (const { type, offset, size } of this.sections) if (type === SHT_NOTE) notes.push([offset, size]);
    this.buildId = this.#buildId(notes);
    this.debugLink = this.#debugLink();
  }

  /** The section of a name, if it has content in this file. */
  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name && section.type !== SHT_NOBITS && section.size > 0);
  }

  /** True if the file tells lines and inlined functions. */
  get hasDebugInfo(): boolean {
    return this.section('.debug_info') !== undefined || this.section('.zdebug_info') !== undefined;
  }

  /** Address before relocation of an offset in the file; undefined if no executable part holds it. */
  addressOf(offset: number): number | undefined {
    const part = this.segments.find((segment) => segment.executable && offset >= segment.offset && offset < segment.offset + segment.size);
    return part === undefined ? undefined : offset - part.offset + part.address;
  }

  /** True if an address before relocation lies in code. */
  isCode(address: number): boolean {
    return this.segments.some((part) => part.executable && address >= part.address && address < part.address + part.size);
  }

  /** A part of the file for reading numbers. @throws Broken */
  view(offset: number, length: number): DataView {
    const bytes = bytesOf(this.file, offset, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A section's content; undefined if it does not lie in the file, or is none that the file has. */
  content(section: ElfSection | undefined): Uint8Array | undefined {
    return section && guarded(() => bytesOf(this.file, section.offset, section.size));
  }

  /** An address, offset or size: 8 bytes, or 4 in a 32-bit file. */
  word(view: DataView, at: number): number {
    const first = view.getUint32(at, this.little);
    if (!this.is64) return first;
    const second = view.getUint32(at + 4, this.little);
    return this.little ? second * 0x100000000 + first : first * 0x100000000 + second;
  }

  #segments(header: DataView, notes: [number, number][]): ElfSegment[] {
    const table = this.word(header, this.is64 ? 32 : 28);
    const size = header.getUint16(this.is64 ? 54 : 42, this.little);
    const count = header.getUint16(this.is64 ? 56 : 44, this.little);
    if (count === 0 || size < (this.is64 ? 56 : 32)) return [];
    const view = this.view(table, count * size);
    const segments: ElfSegment[] = [];
    for (let at = 0; at < count * size; at += size) {
      const type = view.getUint32(at, this.little);
      const [flags, offset, address, length] = this.is64 ? [4, 8, 16, 32] : [24, 4, 8, 16];
      const part = {
        offset: this.word(view, at + offset),
        address: this.word(view, at + address),
        size: this.word(view, at + length),
        executable: (view.getUint32(at + flags, this.little) & PF_X) !== 0,
      };
      if (type === PT_LOAD) segments.push(part);
      else if (type === PT_NOTE) notes.push([part.offset, part.size]);
    }
    return segments;
  }

  #sections(header: DataView): ElfSection[] {
    const table = this.word(header, this.is64 ? 40 : 32);
    const size = header.getUint16(this.is64 ? 58 : 46, this.little);
    if (table === 0 || size < (this.is64 ? 64 : 40)) return [];
    const [flags, address, offset, length, link] = this.is64 ? [8, 16, 24, 32, 40] : [8, 12, 16, 20, 24];
    const first = this.view(table, size);
    // Of more than 65279 sections the number and the index of the names are in the first header.
    const count = header.getUint16(this.is64 ? 60 : 48, this.little) || this.word(first, length);
    const named = header.getUint16(this.is64 ? 62 : 50, this.little);
    const names = named === 0xffff ? first.getUint32(link, this.little) : named;
    if (count > MOST_HEADERS) throw new Broken();
    const view = this.view(table, count * size);
    const place = names * size;
    const text =
      names < count ? guarded(() => bytesOf(this.file, this.word(view, place + offset), this.word(view, place + length))) : undefined;
    return Array.from({ length: count }, (_, index): ElfSection => {
      const at = index * size;
      const bits = this.word(view, at + flags);
      const type = view.getUint32(at + 4, this.little);
      return {
        name: text === undefined ? '' : stringAt(text, view.getUint32(at, this.little)),
        // What is compressed is of no use here: as if it were not there.
        type: (bits & SHF_COMPRESSED) !== 0 && type === SHT_SYMTAB ? SHT_NOBITS : type,
        executable: (bits & SHF_EXECINSTR) !== 0,
        compressed: (bits & SHF_COMPRESSED) !== 0,
        address: this.word(view, at + address),
        offset: this.word(view, at + offset),
        size: this.word(view, at + length),
        link: view.getUint32(at + link, this.little),
        index,
      };
    });
  }

  #buildId(places: readonly (readonly [number, number])[]): string | undefined {
    for (const [offset, size] of places) {
      const view = size < 1 << 20 ? guarded(() => this.view(offset, size)) : undefined;
      if (view === undefined) continue;
      // Notes: lengths of name and content, a type, both padded to four bytes.
      for (let at = 0; at + 12 <= size; ) {
        const nameSize = view.getUint32(at, this.little);
        const contentSize = view.getUint32(at + 4, this.little);
        const content = at + 12 + ((nameSize + 3) & ~3);
        if (nameSize > size || contentSize > size || content + contentSize > size) break;
        if (view.getUint32(at + 8, this.little) === NT_GNU_BUILD_ID && nameSize === 4 && view.getUint32(at + 12) === 0x474e5500) {
          return hex(new Uint8Array(view.buffer, view.byteOffset + content, contentSize));
        }
        at = content + ((contentSize + 3) & ~3);
      }
    }
    return undefined;
  }

  #debugLink(): DebugLink | undefined {
    const section = this.section('.gnu_debuglink');
    const bytes = section === undefined || section.size > 65536 ? undefined : this.content(section);
    if (bytes === undefined || bytes.length < 8) return undefined;
    const name = stringAt(bytes, 0);
    // A name, not a path: it comes from the file, and leads nowhere but where debug files are.
    if (name === '' || name.includes('/')) return undefined;
    const crc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, this.little);
    return { name, crc };
  }
}

/** Reads the headers of an ELF file; undefined if it is none, or a broken one. */
export function readElf(file: SymbolFile): ElfImage | undefined {
  return guarded(() => new ElfImage(file));
}

/** The text at an offset of a string table, up to its zero byte. */
export function stringAt(strings: Uint8Array, offset: number): string {
  if (offset >= strings.length) return '';
  const end = strings.indexOf(0, offset);
  // Node's own decoder of bytes that it knows: TextDecoder takes its time to load.
  return Buffer.from(strings.buffer, strings.byteOffset + offset, (end < 0 ? strings.length : end) - offset).toString();
}

/** What `read` gives; undefined if a table leads out of the file. */
export function guarded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Broken || error instanceof RangeError) return undefined;
    throw error;
  }
}

function bytesOf(file: SymbolFile, offset: number, length: number): Uint8Array {
  if (!(offset >= 0 && length >= 0 && offset + length <= file.size)) throw new Broken();
  const bytes = file.read(offset, length);
  if (bytes.length < length) throw new Broken();
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const HOST_IS_LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The rows of a symbol table, field by field (Elf64_Sym, Elf32_Sym). @throws for a table that lies beyond the file, as `view` does */
export class SymbolRows {
  readonly length: number;
  readonly #image: ElfImage;
  readonly #view: DataView;
  /** Bytes of a row, and from its start to its fields; the name comes first. */
  readonly #bytes: number;
  readonly #info: number;
  readonly #section: number;
  /** Row -> address, and bytes, which are 0 if they are not known. */
  readonly values: Float64Array;
  readonly sizes: Float64Array;

  constructor(image: ElfImage, table: ElfSection) {
    [this.#bytes, this.#info, this.#section] = image.is64 ? [24, 4, 6] : [16, 12, 14];
    this.length = Math.floor(table.size / this.#bytes);
    this.#image = image;
    this.#view = image.view(table.offset, this.length * this.#bytes);
    this.values = this.#words(image.is64 ? 8 : 4);
    this.sizes = this.#words(image.is64 ? 16 : 8);
  }

  /** A field of all rows: they are looked at again and again. */
  #words(at: number): Float64Array {
    const { little, is64 } = this.#image;
    const { buffer, byteOffset, byteLength } = this.#view;
    const words = new Float64Array(this.length);
    if (little && is64 && HOST_IS_LITTLE && byteOffset % 4 === 0) {
      // Elements of an array are read in half the time that a DataView takes.
      const numbers = new Uint32Array(buffer, byteOffset, byteLength / 4);
      for (let row = 0, i = at / 4; row < words.length; row++, i += 6) words[row] = numbers[i + 1] * 0x100000000 + numbers[i];
    } else {
      for (let row = 0; row < words.length; row++) words[row] = this.#image.word(this.#view, row * this.#bytes + at);
    }
    return words;
  }

  /** Offset of the name in the table's strings. */
  name(row: number): number {
    return this.#view.getUint32(row * this.#bytes, this.#image.little);
  }

  /** STT_FUNC and the like. */
  type(row: number): number {
    return this.#view.getUint8(row * this.#bytes + this.#info) & 15;
  }

  /** STB_WEAK and the like. */
  binding(row: number): number {
    return this.#view.getUint8(row * this.#bytes + this.#info) >> 4;
  }

  /** Number of the section it lies in, 0 if it is undefined here. */
  section(row: number): number {
    return this.#view.getUint16(row * this.#bytes + this.#section, this.#image.little);
  }

  /** Address. */
  value(row: number): number {
    return this.values[row];
  }

  /** Bytes, 0 if that is not known. */
  size(row: number): number {
    return this.sizes[row];
  }
}
