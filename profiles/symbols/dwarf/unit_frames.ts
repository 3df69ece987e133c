/**
 * Functions and lines at the addresses of a unit, put together (DWARF 5, section 3.3.8.2 for the places of calls that were inlined).
 * Invariant: the outermost function comes first; each but the last has the line of the call of the next, and the last the line of the address.
 */
import type { SourceFrame } from '../frames.ts';
import { DW_AT_CALL_FILE, DW_AT_CALL_LINE, DW_AT_COMP_DIR, DW_AT_STMT_LIST } from './constants.ts';
import { Unsupported } from './cursor.ts';
import { type FunctionEntry, functionsHolding } from './functions.ts';
import { LineTable } from './lines.ts';
import { type FunctionName, FunctionNames } from './names.ts';
import type { Unit } from './unit.ts';

/** What the outermost function at an address is called, by the name that it has in the source, if it has one; undefined if its symbol says. */
export type NameOfSource = (address: number, name: string | undefined) => string | undefined;

/** What a unit says of addresses (ascending). @throws Damaged, Unsupported */
export function unitFrames(unit: Unit, addresses: readonly number[], outermost: NameOfSource): (readonly SourceFrame[] | undefined)[] {
  if (unit.isSplit) throw new Unsupported();
  const { root } = unit;
  const start = root.value(DW_AT_STMT_LIST);
  if (start === undefined) return addresses.map(() => undefined);
  const lines = new LineTable(unit, start, unit.textOf(root.get(DW_AT_COMP_DIR)), addresses);
  const functions = functionsHolding(unit, addresses, (address) => lines.at(address) !== undefined);
  const frames = new Frames(unit, lines, outermost);
  return addresses.map((address, i) => frames.at(address, functions[i]));
}

/** What is the same at all addresses of a function: its name, and where it was inlined. */
interface KnownFunction {
  readonly name: FunctionName | undefined;
  /** Number of the file, undefined for one that was not inlined. */
  readonly callFile: number | undefined;
  readonly callLine: number;
}

/** As addr2line has it. */
const UNKNOWN_PLACE = '??:?';

/** Frames of a unit's functions. */
class Frames {
  readonly #unit: Unit;
  readonly #lines: LineTable;
  readonly #outermost: NameOfSource;
  readonly #known = new Map<FunctionEntry, KnownFunction>();
  readonly #names = new FunctionNames();

  constructor(unit: Unit, lines: LineTable, outermost: NameOfSource) {
    this.#unit = unit;
    this.#outermost = outermost;
    this.#lines = lines;
  }

  /** The functions at an address, outermost first: the innermost has the address's line, each other one the line of the call that was inlined. */
  at(address: number, innermost: FunctionEntry | undefined): readonly SourceFrame[] | undefined {
    const line = this.#lines.at(address);
    // As addr2line prints it: that of the instruction, at all functions that have it.
    const mark = (line?.discriminator ?? 0) === 0 ? '' : ` (discriminator ${line?.discriminator})`;
    const place = (file: number, row: number) => `${this.#lines.path(file)}:${row === 0 ? '?' : `${row}${mark}`}`;
    let location = line && place(line.file, line.line);
    if (innermost === undefined) return location === undefined ? undefined : [{ name: undefined, location }];
    const found: SourceFrame[] = [];
    for (let entry: FunctionEntry | undefined = innermost; entry !== undefined; entry = entry.caller) {
      const { name, callFile, callLine } = this.#function(entry);
      const isSource = name?.isLinkage !== true && entry.caller === undefined;
      if (location !== undefined) found.unshift({ name: isSource ? this.#outermost(address, name?.name) : name?.name, location });
      // DWARF 2 does not say where calls stand that were inlined.
      location = callFile === undefined ? UNKNOWN_PLACE : place(callFile, callLine);
    }
    return found.length === 0 ? undefined : found;
  }

  #function(entry: FunctionEntry): KnownFunction {
    let known = this.#known.get(entry);
    if (known === undefined) {
      const attributes = this.#unit.entry(entry.offset);
      const name = this.#names.of(this.#unit, attributes);
      known = { name, callFile: attributes.value(DW_AT_CALL_FILE), callLine: attributes.value(DW_AT_CALL_LINE) ?? 0 };
      this.#known.set(entry, known);
    }
    return known;
  }
}
