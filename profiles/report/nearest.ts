/**
 * Symbols of ELF files as jeprof takes them from `nm -n` (GetProcedureBoundariesViaNm): an address belongs to the nearest one before it.
 * Invariant: `starts` ascends strictly; symbol i covers starts[i] up to starts[i + 1], symbol 0 also what lies before it (jeprof's way:
 * in a library that only exports, these are its own functions).
 * Differs: names are as the file has them, mangled or not; the last symbol ends with its own size, where jeprof gives it none.
 */
import type { ElfImage, ElfSection } from '../symbols/elf.ts';
import { guarded, SHT_DYNSYM, SHT_SYMTAB, STB_WEAK, STT_FILE, STT_GNU_IFUNC, stringAt, SymbolRows } from '../symbols/elf.ts';
import { symbolVersions } from '../symbols/symbol_table.ts';

/** The symbols of a file. */
export interface NearestSymbols {
  /** Start addresses of symbols, ascending. */
  readonly starts: readonly number[];
  readonly names: readonly string[];
  /** `@VERSION` or `@@VERSION` (the default one) of exported symbols, else empty. */
  readonly versions: readonly string[];
  /** True where several symbols have the address and the name is that of the last one in code among them. */
  readonly shared: readonly boolean[];
  /** End of the last symbol. */
  readonly end: number;
}

const STT_SECTION = 3;
const SHN_UNDEF = 0;

/** Reads a file's symbol table if it has one, else the dynamic one; no symbols if there is none, or a broken one. */
export function nearestSymbols(image: ElfImage): NearestSymbols {
  const table = image.sections.find(({ type }) => type === SHT_SYMTAB) ?? image.sections.find(({ type }) => type === SHT_DYNSYM);
  const rows = table === undefined ? [] : (guarded(() => symbolsOf(image, table)) ?? []);
  rows.sort((a, b) => a.start - b.start || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const starts: number[] = [];
  const names: string[] = [];
  const versions: string[] = [];
  const shared: boolean[] = [];
  let end = 0;
  for (const { name, version, start, size, isCode } of rows) {
    end = start + size;
    const last = starts.length - 1;
    if (last >= 0 && starts[last] === start) {
      // Of several names for one address those in code win, and of those the last.
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
  return { starts, names, versions, shared, end };
}

/** Index of the symbol that covers an address, -1 if none does. */
export function findSymbol({ starts, end }: NearestSymbols, address: number): number {
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

interface SymbolRow {
  readonly name: string;
  readonly version: string;
  readonly start: number;
  readonly size: number;
  readonly isCode: boolean;
}

/** All named symbols that nm lists, in the file's order: those of thread-local variables, too, whose values are places in a thread's block. */
function symbolsOf(image: ElfImage, table: ElfSection): SymbolRow[] {
  const strings = image.content(image.sections[table.link]);
  const rows: SymbolRow[] = [];
  if (strings === undefined) return rows;
  const symbols = new SymbolRows(image, table);
  const versionOf = symbolVersions(image, table);
  for (let row = 0; row < symbols.length; row++) {
    const type = symbols.type(row);
    const section = symbols.section(row);
    if (section === SHN_UNDEF || type === STT_SECTION || type === STT_FILE) continue;
    const name = stringAt(strings, symbols.name(row));
    if (name === '') continue;
    rows.push({
      name,
      version: versionOf(row),
      start: symbols.value(row),
      size: symbols.size(row),
      // nm's `t` and `T` (binutils, bfd_decode_symclass): whatever lies in a section of code, of a type or of none, as assemblers leave it.
      isCode: image.sections[section]?.executable === true && type !== STT_GNU_IFUNC && symbols.binding(row) !== STB_WEAK,
    });
  }
  return rows;
}
