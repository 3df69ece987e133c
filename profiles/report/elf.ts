/**
 * Function names of ELF files (System V ABI, "Object Files"; order and choice of names as `nm -n` and jeprof's GetProcedureBoundariesViaNm).
 * Invariant: `starts` ascends strictly; symbol i covers starts[i] up to starts[i + 1], symbol 0 also what lies before it (jeprof's way:
 * in a library that only exports, these are its own functions).
 * Differs: names are as the file has them, mangled or not; the last symbol ends with its own size, where jeprof gives it none.
 */

/** A loadable part of a file: where it lies in the file and where in memory, before relocation. */
export interface Segment {
  readonly offset: bigint;
  readonly address: bigint;
  /** Bytes in the file. */
  readonly size: bigint;
}

/** What an ELF file says about addresses. */
export interface ElfFile {
  readonly segments: readonly Segment[];
  /** Start addresses of symbols, ascending. */
  readonly starts: readonly bigint[];
  readonly names: readonly string[];
  /** `@VERSION` or `@@VERSION` (the default one) of exported symbols, else empty. */
  readonly versions: readonly string[];
  /** True where several symbols have the address and the name is that of the last function among them. */
  readonly shared: readonly boolean[];
  /** End of the last symbol. */
  readonly end: bigint;
  /** Hex digits of the build id; its debug file is /usr/lib/debug/.build-id/XX/REST.debug. */
  readonly buildId: string | undefined;
}

const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const SHT_DYNSYM = 11;
const STT_SECTION = 3;
const STT_FILE = 4;
const STT_TLS = 6;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const STB_WEAK = 2;
const SHN_UNDEF = 0;
const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERNEED = 0x6ffffffe;
const SHT_GNU_VERSYM = 0x6fffffff;

/** Reads the tables of an ELF file, its symbol table if it has one, else the dynamic one. Undefined if it is no ELF file or a broken one. */
export function readElf(bytes: Uint8Array): ElfFile | undefined {
  if (bytes.length < 52 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) return undefined;
  try {
    return new ElfReader(bytes).read();
  } catch (error) {
    // An offset beyond the end of the file.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Index of the symbol that covers an address, -1 if none does. */
export function findSymbol({ starts, end }: ElfFile, address: bigint): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= address) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return starts.length > 0 ? 0 : -1;
  return address < (low < starts.length ? starts[low] : end) ? low - 1 : -1;
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

interface SymbolRow {
  readonly name: string;
  readonly version: string;
  readonly start: bigint;
  readonly size: bigint;
  readonly isCode: boolean;
}

class ElfReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #is64: boolean;
  readonly #little: boolean;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#is64 = bytes[4] === 2;
    this.#little = bytes[5] === 1;
  }

  read(): ElfFile {
    const sections = this.#sections();
    const table = sections.find(({ type }) => type === SHT_SYMTAB) ?? sections.find(({ type }) => type === SHT_DYNSYM);
    const rows = table === undefined ? [] : this.#symbols(table, sections);
    rows.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const starts: bigint[] = [];
    const names: string[] = [];
    const versions: string[] = [];
    const shared: boolean[] = [];
    let end = 0n;
    for (const { name, version, start, size, isCode } of rows) {
      end = start + size;
      const last = starts.length - 1;
      if (last >= 0 && starts[last] === start) {
        // Of several names for one address functions win, and of those the last.
        if (!isCode) continue;
        names[last] = name;
        versions[last] = version;
        shared[last] = true;
      } else {
        starts.push(start);
        names.push(name);
        versions.push(version);
        shared.push(false);
      }
    }
    return { segments: this.#segments(), starts, names, versions, shared, end, buildId: this.#buildId(sections) };
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, this.#little);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#little);
  }

  /** An address or offset: 8 bytes, or 4 in a 32-bit file. */
  #word(at: number): bigint {
    return this.#is64 ? this.#view.getBigUint64(at, this.#little) : BigInt(this.#u32(at));
  }

  #segments(): Segment[] {
    const table = Number(this.#word(this.#is64 ? 32 : 28));
    const size = this.#u16(this.#is64 ? 54 : 42);
    const count = this.#u16(this.#is64 ? 56 : 44);
    const segments: Segment[] = [];
    for (let i = 0; i < count; i++) {
      const at = table + i * size;
      if (this.#u32(at) !== PT_LOAD) continue;
      segments.push(
        this.#is64
          ? { offset: this.#word(at + 8), address: this.#word(at + 16), size: this.#word(at + 32) }
          : { offset: this.#word(at + 4), address: this.#word(at + 8), size: this.#word(at + 16) },
      );
    }
    return segments;
  }

  #sections(): Section[] {
    const table = Number(this.#word(this.#is64 ? 40 : 32));
    const size = this.#u16(this.#is64 ? 58 : 46);
    const count = this.#u16(this.#is64 ? 60 : 48);
    const sections: Section[] = [];
    for (let i = 0; i < count && table !== 0; i++) {
      const at = table + i * size;
      const [offset, length, link] = this.#is64 ? [at + 24, at + 32, at + 40] : [at + 16, at + 20, at + 24];
      sections.push({
        type: this.#u32(at + 4),
        offset: Number(this.#word(offset)),
        size: Number(this.#word(length)),
        link: this.#u32(link),
      });
    }
    return sections;
  }

  #symbols(table: Section, sections: readonly Section[]): SymbolRow[] {
    const strings = sections[table.link];
    const rows: SymbolRow[] = [];
    if (strings === undefined) return rows;
    const size = this.#is64 ? 24 : 16;
    const versionOf = table.type === SHT_DYNSYM ? this.#versions(sections) : () => '';
    for (let at = table.offset; at + size <= table.offset + table.size; at += size) {
      const info = this.#bytes[at + (this.#is64 ? 4 : 12)];
      const type = info & 15;
      const section = this.#u16(at + (this.#is64 ? 6 : 14));
      if (section === SHN_UNDEF || type === STT_SECTION || type === STT_FILE || type === STT_TLS) continue;
      const name = this.#string(strings, this.#u32(at));
      if (name === '') continue;
      const value = at + (this.#is64 ? 8 : 4);
      const isCode = (type === STT_FUNC || type === STT_GNU_IFUNC) && info >> 4 !== STB_WEAK;
      const version = versionOf((at - table.offset) / size);
      rows.push({ name, version, start: this.#word(value), size: this.#word(at + (this.#is64 ? 16 : 8)), isCode });
    }
    return rows;
  }

  /** Gives the version of a dynamic symbol by its row. */
  #versions(sections: readonly Section[]): (row: number) => string {
    const rows = sections.find(({ type }) => type === SHT_GNU_VERSYM);
    if (rows === undefined) return () => '';
    const names = new Map<number, string>();
    const needed = new Set<number>();
    for (const { type, offset, size, link } of sections) {
      if (type !== SHT_GNU_VERDEF && type !== SHT_GNU_VERNEED) continue;
      const strings = sections[link];
      // A broken file may name a section that it does not have.
      if (strings === undefined) continue;
      for (let at = offset, next = -1; at < offset + size && next !== 0; at += next) {
        next = this.#u32(at + (type === SHT_GNU_VERDEF ? 16 : 12));
        if (type === SHT_GNU_VERDEF) {
          // The base version is the file's own name, and no symbol's.
          if ((this.#u16(at + 2) & 1) === 0) names.set(this.#u16(at + 4), this.#string(strings, this.#u32(at + this.#u32(at + 12))));
          continue;
        }
        let auxiliary = at + this.#u32(at + 8);
        for (let left = this.#u16(at + 2); left > 0; left--, auxiliary += this.#u32(auxiliary + 12)) {
          names.set(this.#u16(auxiliary + 6), this.#string(strings, this.#u32(auxiliary + 8)));
          needed.add(this.#u16(auxiliary + 6));
        }
      }
    }
    return (row) => {
      const entry = this.#u16(rows.offset + row * 2);
      const name = names.get(entry & 0x7fff);
      const isDefault = (entry & 0x8000) === 0 && !needed.has(entry);
      return name === undefined ? '' : `${isDefault ? '@@' : '@'}${name}`;
    };
  }

  #string(strings: Section, index: number): string {
    const start = strings.offset + index;
    const end = this.#bytes.indexOf(0, start);
    return end < 0 ? '' : decoder.decode(this.#bytes.subarray(start, end));
  }

  #buildId(sections: readonly Section[]): string | undefined {
    for (const { type, offset, size } of sections) {
      if (type !== SHT_NOTE || size < 20) continue;
      // One note: lengths of name and description, type 3, "GNU\0", the id.
      if (this.#u32(offset) !== 4 || this.#u32(offset + 8) !== 3 || this.#u32(offset + 12) !== (this.#little ? 0x00554e47 : 0x474e5500))
        continue;
      const id = this.#bytes.subarray(offset + 16, offset + 16 + this.#u32(offset + 4));
      return Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
    }
    return undefined;
  }
}

const decoder = new TextDecoder();
