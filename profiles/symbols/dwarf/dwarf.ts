/**
 * Functions, files and lines at addresses, from a file's own debug information (DWARF 2 to 5; what `addr2line -f -i` of GNU binutils prints).
 * Invariant: only units that have an address are read, and of the file no more than they need; a damaged file ends nothing and takes no longer than a whole one.
 * Differs from addr2line (2.40): an inlined function that has only the source's name has that name, and not the one of the function around it; lists of ranges
 * by index, 64-bit DWARF and shared files of DWARF 5 are read. Split units, and what is damaged or unknown, are left to the tools.
 */
import type { SourceFrame } from '../frames.ts';
import type { SymbolHost } from '../host.ts';
import type { DebugBinary } from '../debug_files.ts';
import { openAlternate } from './alternate.ts';
import { AddressIndex } from './aranges.ts';
import { DW_AT_STMT_LIST, DW_UT_TYPE } from './constants.ts';
import { Damaged, Unsupported } from './cursor.ts';
import { DebugFile } from './file.ts';
import { within } from './ranges.ts';
import { type NameOfSource, unitFrames } from './unit_frames.ts';

/** What is known at an address: functions, outermost first; undefined where debug information has nothing; `unread` where it may have, and a tool is to be asked. */
export type OwnAnswer = readonly SourceFrame[] | undefined | 'unread';

/**
 * Reads the functions at each address.
 * @param addresses before relocation
 * @param outermost what the outermost function at an address is called whose name is only the source's, or that has none
 */
export function dwarfLines(
  host: SymbolHost,
  { path, image }: DebugBinary,
  addresses: readonly number[],
  outermost: NameOfSource,
): OwnAnswer[] {
  let alternate: { readonly file: DebugFile | undefined } | undefined;
  const file = new DebugFile(image, () => {
    if (alternate === undefined) {
      const other = openAlternate(host, image, path);
      // It has no alternate of its own.
      alternate = { file: other && new DebugFile(other, () => undefined) };
    }
    return alternate.file;
  });
  const search = new Search(file, addresses, outermost);
  search.byIndex();
  search.byUnits();
  return addresses.map((address) => search.answers.get(address));
}

/** The addresses that are yet to be found, and the answers. */
class Search {
  readonly answers = new Map<number, OwnAnswer>();
  readonly #file: DebugFile;
  readonly #outermost: NameOfSource;
  /** How many addresses there are, and those without an answer, ascending. */
  readonly #all: number;
  #left: readonly number[];
  /** Units that need not be looked at any more. */
  #mentioned: ReadonlySet<number> = new Set();

  constructor(file: DebugFile, addresses: readonly number[], outermost: NameOfSource) {
    this.#file = file;
    this.#outermost = outermost;
    this.#left = [...new Set(addresses)].sort((a, b) => a - b);
    this.#all = this.#left.length;
  }

  /** Looks in the units that the file's index names. Most addresses are in one unit, which is often found before the index is read to its end. */
  byIndex(): void {
    const index = new AddressIndex(this.#file, this.#left);
    if (readable(() => index.readToFound()) === undefined) return;
    this.#askRound(index, 0);
    if (this.#left.length === 0 || readable(() => index.readToEnd()) === undefined) return;
    this.#mentioned = index.mentioned;
    // An address may be in more units than one, of which the first has nothing of it.
    for (let round = 0; this.#askRound(index, round); round++);
  }

  /** Asks for each address the unit that is named in this place for it. @returns whether there was any */
  #askRound(index: AddressIndex, round: number): boolean {
    const asked = new Map<number, number[]>();
    for (const address of this.#left) {
      const unit = index.unitsOf(address)[round];
      if (unit === undefined) continue;
      const list = asked.get(unit);
      if (list === undefined) asked.set(unit, [address]);
      else list.push(address);
    }
    // The last one first: a compressed section is then decompressed once, up to there.
    for (const offset of [...asked.keys()].sort((a, b) => b - a)) this.#ask(offset, asked.get(offset) ?? []);
    this.#settle();
    return asked.size > 0;
  }

  /** Looks in the units that the index leaves out, by what they say of themselves. */
  byUnits(): void {
    if (this.#left.length === 0) return;
    const whole = readable(() => {
      for (const offset of this.#file.offsets()) {
        if (this.#mentioned.has(offset)) continue;
        const unit = this.#file.unit(offset);
        if (unit.header.type === DW_UT_TYPE) continue;
        const ranges = unit.rangesOf(unit.root);
        // A unit that does not say where its code is may have any, if it has lines.
        const mayHave = ranges.length > 0 ? within(ranges, this.#left) : unit.root.get(DW_AT_STMT_LIST) !== undefined ? this.#left : [];
        this.#ask(
          offset,
          mayHave.filter((address) => !this.answers.has(address)),
        );
        if (this.answers.size === this.#all) break;
      }
      return true;
    });
    this.#settle();
    if (whole === undefined) for (const address of this.#left) this.answers.set(address, 'unread');
  }

  /** Asks a unit for some addresses. */
  #ask(offset: number, addresses: readonly number[]): void {
    if (addresses.length === 0) return;
    const found = readable(() => {
      this.#file.spend(ADDRESS_BYTES * addresses.length);
      return unitFrames(this.#file.unit(offset), addresses, this.#outermost);
    });
    addresses.forEach((address, i) => {
      if (found === undefined) this.answers.set(address, 'unread');
      else if (found[i] !== undefined) this.answers.set(address, found[i]);
    });
  }

  #settle(): void {
    this.#left = this.#left.filter((address) => !this.answers.has(address));
  }
}

/** An address that a unit is asked for counts as so many bytes that are read. */
const ADDRESS_BYTES = 16;

/** What `read` gives; undefined if debug information is damaged or of an unknown kind. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Damaged || error instanceof Unsupported || error instanceof RangeError) return undefined;
    throw error;
  }
}
