/**
 * Functions of an ELF file by address (System V ABI, "Symbol Table"; choice among equal addresses as `nm -n` and jeprof's GetProcedureBoundariesViaNm).
 * Invariant: rows ascend by start; stretches do too, and all addresses of one have the same innermost row, so that finding one takes a binary search,
 * however functions nest.
 * Differs from nm and jeprof: a symbol names the addresses of its own size and no others. Where the functions between two symbols have been
 * stripped, the nearest symbol is no name for them.
 */
import type { ElfImage, ElfSection } from './elf.ts';
import { guarded, SHT_DYNSYM, SHT_SYMTAB, STB_LOCAL, STB_WEAK, STT_FILE, STT_FUNC, STT_GNU_IFUNC, stringAt, SymbolRows } from './elf.ts';
import { firstAbove, firstFrom } from '../../core/trace/search.ts';

/** Names of one start that are looked at to tell which one is meant: compilers fold far fewer functions into one. */
const MOST_ALIASES = 256;

/** A function that covers an address. */
export interface FoundSymbol {
  /** As the file has it, mangled or not. */
  readonly name: string;
  /** Of several names of the same bytes the one that the file lists first, by which addr2line calls them. */
  readonly firstName: string;
  /** All names of those bytes, in the order of the file: the first of them, if they are very many. */
  readonly aliases?: readonly string[] | undefined;
  /** `@VERSION` or `@@VERSION` (the default one) of an exported symbol, else empty. */
  readonly version: string;
  readonly start: number;
  /** Address behind its last byte. */
  readonly end: number;
  /** True if several symbols have this start. */
  readonly shared: boolean;
  /** The source file that the table puts `firstName` under, as addr2line has it where there is no debug information; may be empty. */
  readonly file?: string | undefined;
}

const STT_NOTYPE = 0;
const SHT_GNU_VERDEF = 0x6ffffffd;
const SHT_GNU_VERNEED = 0x6ffffffe;
const SHT_GNU_VERSYM = 0x6fffffff;
/** Section numbers from here on have other meanings. */
const SHN_LORESERVE = 0xff00;

/** The functions of a file, or those of them that matter for some addresses. */
export class FunctionTable {
  /** More than 0 if the file's table lists any. */
  readonly length: number;
  /** Row -> address of the first byte, ascending. */
  readonly #starts: Float64Array;
  /** Row -> address behind the last byte. */
  readonly #ends: Float64Array;
  readonly #stretches: Stretches;
  /** First row of a start that several rows have -> what they are called, once asked for. */
  readonly #shared = new Map<number, SharedStart>();
  /** Row -> offset in the string table. */
  readonly #names: Uint32Array;
  /** Row -> 1 for a function that is not weak. */
  readonly #strong: Uint8Array;
  /** Row -> row of the file's table. */
  readonly #rows: Uint32Array;
  readonly #strings: Uint8Array;
  readonly #versionOf: (row: number) => string;
  readonly #fileOf: (row: number) => string | undefined;

  /** @param addresses ascending, for a table that need only find what holds these */
  constructor(image: ElfImage, table: ElfSection, strings: Uint8Array, addresses?: readonly number[]) {
    this.#strings = strings;
    this.#versionOf = symbolVersions(image, table);
    const { sections } = image;
    const symbols = new SymbolRows(image, table);
    this.#fileOf = sourceFiles(symbols, strings);
    const places = startsOf(symbols, image.thumb);
    const isFunction = functionTest(image, table, symbols, strings);
    const wanted = addresses === undefined ? undefined : startsThatMatter(symbols, places, isFunction, addresses);
    const picked = rowsAt(places, wanted).filter(isFunction);
    const count = picked.length;
    const starts = new Float64Array(count);
    const ends = new Float64Array(count);
    const names = new Uint32Array(count);
    const strong = new Uint8Array(count);
    const rows = new Uint32Array(count);
    // Section end of those without a size, else 0.
    const open = new Float64Array(count);
    let length = 0;
    for (const row of picked) {
      const start = places[row];
      const bytes = symbols.size(row);
      if (bytes === 0) {
        const section = sections[symbols.section(row)];
        open[length] = section.address + section.size;
      }
      starts[length] = start;
      ends[length] = start + bytes;
      names[length] = symbols.name(row);
      strong[length] = symbols.type(row) !== STT_NOTYPE && symbols.binding(row) !== STB_WEAK ? 1 : 0;
      rows[length++] = row;
    }
    const order = ascending(starts.subarray(0, length));
    this.length = length;
    const sortedStarts = new Float64Array(length);
    const sortedEnds = new Float64Array(length);
    this.#names = new Uint32Array(length);
    this.#strong = new Uint8Array(length);
    this.#rows = new Uint32Array(length);
    for (let i = 0; i < length; i++) {
      const from = order[i];
      sortedStarts[i] = starts[from];
      sortedEnds[i] = ends[from];
      this.#names[i] = names[from];
      this.#strong[i] = strong[from];
      this.#rows[i] = rows[from];
    }
    for (let i = length - 1, next = Number.POSITIVE_INFINITY; i >= 0; i--) {
      const limit = open[order[i]];
      if (limit !== 0) sortedEnds[i] = Math.max(sortedStarts[i], Math.min(next, limit));
      if (i > 0 && sortedStarts[i - 1] < sortedStarts[i]) next = sortedStarts[i];
    }
    this.#starts = sortedStarts;
    this.#ends = sortedEnds;
    this.#stretches = stretchesOf(sortedStarts, sortedEnds);
  }

  /** The innermost symbol whose bytes hold an address; undefined if none does. */
  find(address: number): FoundSymbol | undefined {
    const { from, row, length } = this.#stretches;
    const after = firstAbove(from, length, address);
    return after === 0 || row[after - 1] < 0 ? undefined : this.#named(row[after - 1], address);
  }

  #named(row: number, address: number): FoundSymbol {
    const start = this.#starts[row];
    const first = firstFrom(this.#starts, start);
    let shared = this.#shared.get(first);
    if (shared === undefined) this.#shared.set(first, (shared = this.#sharedStart(first)));
    const firstRow = shared.shortest[firstAbove(shared.ends, shared.ends.length, address)];
    const { name, version } = shared;
    const firstName = stringAt(this.#strings, this.#names[firstRow]);
    const file = this.#fileOf(this.#rows[firstRow]);
    const aliases = shared.names.filter((alias) => this.#ends[alias.row] > address).map((alias) => alias.name);
    return { name, firstName, aliases, version, start, end: this.#ends[row], shared: shared.isShared, file };
  }

  /** Of the names of one address the last of the functions by name, else the first of all (the order of `nm -n`, and jeprof's choice). */
  #sharedStart(first: number): SharedStart {
    const names: { name: string; row: number }[] = [];
    for (let i = first; i < this.length && this.#starts[i] === this.#starts[first]; i++)
      names.push({ name: stringAt(this.#strings, this.#names[i]), row: i });
    // Rows of one start are in the order of the file; of those that hold an address addr2line prefers the shortest (BFD, better_fit).
    const shortest: number[] = [];
    for (const { row } of names.toSorted((a, b) => this.#ends[a.row] - this.#ends[b.row] || a.row - b.row))
      if (shortest.length === 0 || this.#ends[shortest[shortest.length - 1]] < this.#ends[row]) shortest.push(row);
    const inFileOrder = names.slice(0, MOST_ALIASES);
    names.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.row - b.row));
    let chosen = names[0];
    let isShared = false;
    for (let i = 1; i < names.length; i++) {
      if (this.#strong[names[i].row] === 0) continue;
      chosen = names[i];
      isShared = true;
    }
    const ends = shortest.map((row) => this.#ends[row]);
    return { name: chosen.name, version: this.#versionOf(this.#rows[chosen.row]), isShared, ends, shortest, names: inFileOrder };
  }
}

/** The rows of one start. */
interface SharedStart {
  readonly name: string;
  readonly version: string;
  readonly isShared: boolean;
  /** Their ends, each once, ascending. */
  readonly ends: readonly number[];
  /** For each of `ends` the first row that has it. */
  readonly shortest: readonly number[];
  /** The names of the first of them, in the order of the file. */
  readonly names: readonly { readonly name: string; readonly row: number }[];
}

/** What of the address space the rows hold, in order and without overlaps; the first `length` of each column count. */
interface Stretches {
  /** Address that a stretch begins at; it ends where the next one begins. */
  readonly from: Float64Array;
  /** The innermost row there: the last that has begun and not ended; -1 for none. */
  readonly row: Int32Array;
  readonly length: number;
}

/** @param starts ascending */
function stretchesOf(starts: Float64Array, ends: Float64Array): Stretches {
  const count = starts.length;
  // A row begins one, and another begins where it ends.
  const from = new Float64Array(count * 2);
  const row = new Int32Array(count * 2);
  let length = 0;
  // Rows that have begun and not ended: a later one ends before those that it lies in, or it hides them to their ends.
  const open = new Int32Array(count);
  let depth = 0;
  const begin = (address: number, innermost: number) => {
    if (length > 0 && from[length - 1] === address) length--;
    from[length] = address;
    row[length++] = innermost;
  };
  const closeTo = (address: number) => {
    while (depth > 0 && ends[open[depth - 1]] <= address) {
      const end = ends[open[--depth]];
      begin(end, depth > 0 ? open[depth - 1] : -1);
    }
  };
  for (let i = 0; i < count; i++) {
    if (ends[i] <= starts[i]) continue;
    closeTo(starts[i]);
    while (depth > 0 && ends[open[depth - 1]] <= ends[i]) depth--;
    open[depth++] = i;
    begin(starts[i], i);
  }
  closeTo(Number.POSITIVE_INFINITY);
  return { from, row, length };
}

/**
 * Gives the source file of a symbol by its row (System V ABI: STT_FILE; choice as BFD, _bfd_elf_find_function): a file's local symbols stand behind it.
 * Of a global one it is known only if no other file follows.
 */
function sourceFiles(symbols: SymbolRows, strings: Uint8Array): (row: number) => string | undefined {
  // Rows of files, once asked for.
  let files: number[] | undefined;
  // Files that the table begins with.
  let leading = 0;
  const nameOf = (file: number | undefined) => (file === undefined ? undefined : stringAt(strings, symbols.name(file)));
  return (row) => {
    if (files === undefined) {
      files = [];
      for (let other = 1; other < symbols.length; other++) if (symbols.type(other) === STT_FILE) files.push(other);
      while (files[leading] === leading + 1) leading++;
    }
    if (symbols.binding(row) === STB_LOCAL) return nameOf(files[firstFrom(files, row) - 1]);
    return files[leading] < row ? undefined : nameOf(files[leading - 1]);
  };
}

/** Tells of the symbol in a row whether it is a function that has bytes here. */
function functionTest(image: ElfImage, table: ElfSection, symbols: SymbolRows, strings: Uint8Array): (row: number) => boolean {
  const { sections } = image;
  const isCode = Uint8Array.from(sections, ({ executable }) => (executable ? 1 : 0));
  return (row) => {
    const type = symbols.type(row);
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC && type !== STT_NOTYPE) return false;
    const number = symbols.section(row);
    if (number === 0 || (number < SHN_LORESERVE && isCode[number] === 0)) return false;
    const name = symbols.name(row);
    // An empty name, or a mark between code and data (`$x`, `$d`), names nothing.
    if (name === 0 || strings[name] === 0 || (type === STT_NOTYPE && strings[name] === 0x24)) return false;
    const bytes = symbols.size(row);
    if (!(symbols.value(row) + bytes <= Number.MAX_SAFE_INTEGER)) return false;
    // Hand-written code often has no size. Only a full table shows where it ends.
    return bytes > 0 || (table.type === SHT_SYMTAB && number < SHN_LORESERVE && sections[number] !== undefined);
  };
}

/** Where each symbol begins. */
function startsOf(symbols: SymbolRows, thumb: boolean): Float64Array {
  const { values } = symbols;
  if (!thumb) return values;
  // The lowest bit of an ARM function says in which instruction set it is.
  return values.map((value, row) => (value % 2 === 1 && symbols.type(row) === STT_FUNC ? value - 1 : value));
}

/** Starts of all functions that hold one of these addresses (ascending), and for each address the nearest starts below and above, which say where one without a size ends. */
function startsThatMatter(
  symbols: SymbolRows,
  places: Float64Array,
  isFunction: (row: number) => boolean,
  addresses: readonly number[],
): Set<number> {
  const starts = new Set<number>();
  const count = addresses.length;
  // Nearest start at or below an address, and above it: first of those starts that have no other address between, then of all.
  const below = new Float64Array(count).fill(-1);
  const above = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const { sizes } = symbols;
  for (let row = 0; row < symbols.length; row++) {
    const start = places[row];
    const next = firstFrom(addresses, start);
    const isNearestAbove = next > 0 && start < above[next - 1];
    const isNearestBelow = next < count && start > below[next];
    const holds = next < count && addresses[next] < start + sizes[row];
    if (!(isNearestAbove || isNearestBelow || holds) || !isFunction(row)) continue;
    if (isNearestAbove) above[next - 1] = start;
    if (isNearestBelow) below[next] = start;
    if (holds) starts.add(start);
  }
  for (let i = 1; i < count; i++) below[i] = Math.max(below[i], below[i - 1]);
  for (let i = count - 2; i >= 0; i--) above[i] = Math.min(above[i], above[i + 1]);
  for (const start of below) if (start >= 0) starts.add(start);
  for (const start of above) if (start < Number.POSITIVE_INFINITY) starts.add(start);
  return starts;
}

/** Rows of the symbols that begin at some addresses, or of all. */
function rowsAt(places: Float64Array, starts: ReadonlySet<number> | undefined): number[] {
  const rows: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const start of starts ?? []) {
    if (start < least) least = start;
    if (start > most) most = start;
  }
  for (let row = 0; row < places.length; row++) {
    const start = places[row];
    if (starts === undefined || (start >= least && start <= most && starts.has(start))) rows.push(row);
  }
  return rows;
}

/** Indices in the order of their values, and of equal values in their own. Values are whole numbers, not negative. */
function ascending(values: Float64Array): Uint32Array {
  const { length } = values;
  let largest = 0;
  for (let i = 0; i < length; i++) if (values[i] > largest) largest = values[i];
  const order = new Uint32Array(length);
  if ((largest + 1) * length > Number.MAX_SAFE_INTEGER) {
    for (let i = 0; i < length; i++) order[i] = i;
    return order.sort((a, b) => values[a] - values[b] || a - b);
  }
  // Value and index as one number: numbers have an order of their own, and sorting by it calls no function for each two of them.
  const keys = new Float64Array(length);
  for (let i = 0; i < length; i++) keys[i] = values[i] * length + i;
  keys.sort();
  for (let i = 0; i < length; i++) order[i] = keys[i] % length;
  return order;
}

/**
 * The functions that a file lists: its symbol table, else what it exports; undefined if it has neither, or a broken one.
 * @param addresses ascending, where only what holds these is to be found
 */
export function functionsOf(image: ElfImage | undefined, addresses?: readonly number[]): FunctionTable | undefined {
  if (image === undefined) return undefined;
  for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
    const table = image.sections.find((section) => section.type === type && section.size > 0);
    const text = table === undefined ? undefined : image.content(image.sections[table.link]);
    if (table === undefined || text === undefined) continue;
    const functions = guarded(() => new FunctionTable(image, table, text, addresses));
    if (functions !== undefined && functions.length > 0) return functions;
  }
  return undefined;
}

const noVersion = () => '';

/** Gives the version of a table's symbol by its row; those of a full table, and of a broken one, have none. */
export function symbolVersions(image: ElfImage, table: ElfSection): (row: number) => string {
  return table.type === SHT_DYNSYM ? (guarded(() => versions(image)) ?? noVersion) : noVersion;
}

/** Bytes of an entry of .gnu.version_r, and fewer than one of .gnu.version_d has with its name's. */
const VERSION_BYTES = 16;

/** Bytes to the next entry of a list of versions, 0 behind the last. A step to within the same entry ends the list. */
const versionStep = (bytes: number) => (bytes < VERSION_BYTES ? 0 : bytes);

/** Gives the version of a dynamic symbol by its row (Linux Standard Base, "Symbol Versioning"). */
function versions(image: ElfImage): (row: number) => string {
  const { little } = image;
  const table = image.sections.find(({ type }) => type === SHT_GNU_VERSYM);
  if (table === undefined) return noVersion;
  const rows = image.view(table.offset, table.size);
  // Version -> where its name is.
  const names = new Map<number, { readonly strings: Uint8Array; readonly at: number }>();
  const needed = new Set<number>();
  for (const type of [SHT_GNU_VERDEF, SHT_GNU_VERNEED]) {
    const list = image.sections.find((section) => section.type === type);
    const strings = image.content(list && image.sections[list.link]);
    if (list === undefined || strings === undefined) continue;
    const view = image.view(list.offset, list.size);
    // Entries have bytes of their own: there are no more than the section has room for, whatever the counts and links say.
    let room = Math.floor(list.size / VERSION_BYTES);
    for (let at = 0, next = -1; next !== 0 && room-- > 0; at += next) {
      next = versionStep(view.getUint32(at + (type === SHT_GNU_VERDEF ? 16 : 12), little));
      if (type === SHT_GNU_VERDEF) {
        // The base version is the file's own name, and no symbol's.
        const isBase = (view.getUint16(at + 2, little) & 1) !== 0;
        const name = { strings, at: view.getUint32(at + view.getUint32(at + 12, little), little) };
        if (!isBase) names.set(view.getUint16(at + 4, little), name);
        continue;
      }
      let auxiliary = at + view.getUint32(at + 8, little);
      for (let left = view.getUint16(at + 2, little), step = -1; left > 0 && step !== 0 && room-- > 0; left--) {
        const version = view.getUint16(auxiliary + 6, little);
        names.set(version, { strings, at: view.getUint32(auxiliary + 8, little) });
        needed.add(version);
        auxiliary += step = versionStep(view.getUint32(auxiliary + 12, little));
      }
    }
  }
  // Version -> its name, once asked for: names may overlap in the table, and are more in all than it has bytes.
  const texts = new Map<number, string>();
  const textOf = (version: number) => {
    let text = texts.get(version);
    const name = names.get(version);
    if (text === undefined && name !== undefined) texts.set(version, (text = stringAt(name.strings, name.at)));
    return text;
  };
  return (row) => {
    if (row * 2 + 2 > rows.byteLength) return '';
    const entry = rows.getUint16(row * 2, little);
    const name = textOf(entry & 0x7fff);
    const isDefault = (entry & 0x8000) === 0 && !needed.has(entry);
    return name === undefined ? '' : `${isDefault ? '@@' : '@'}${name}`;
  };
}
