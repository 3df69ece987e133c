/**
 * The symbol section that a heap dump may open with, so that it names its addresses itself (jeprof, PrintSymbolizedProfile and ReadSymbols).
 *
 *     --- symbol
 *     binary=/usr/bin/redis-server
 *     0x55d0c0001234 outer--inlined into outer--innermost
 *     ---
 *     --- heap
 *
 * Invariant: an entry is one line whatever the name holds, and reads back as as many functions as were written.
 * Differs: jeprof has no escape for `--` in a name (`operator--`), nor for a line end; the first is written `- -`, control characters `?`.
 */
import type { Frame } from '../../core/trace/stacks.ts';
import { printable } from '../printable.ts';
import { AddressIndex } from './address_index.ts';

/** A name that stays on its line and in its field: no control characters, no `--`, no blanks at its ends. */
export function symbolName(name: string): string {
  return printable(name)
    .replace(/-(?=-)/g, '- ')
    .trim();
}

/** The functions at a frame in the order of a symbol entry, outermost first; empty if the frame has no name. */
export function frameFunctions(frame: Frame): readonly string[] {
  const { fn, inlined } = frame;
  if (inlined === undefined || inlined.length === 0) return fn === undefined ? [] : [fn];
  const names = [fn ?? '??'];
  for (let i = inlined.length - 1; i >= 0; i--) names.push(inlined[i].fn);
  return names;
}

/**
 * One line of the section, with its line end; empty if there is no name to write.
 * @param hex the address without `0x`
 * @param functions outermost first
 */
export function symbolLine(hex: string, functions: readonly string[]): string {
  let line = '';
  for (const fn of functions) {
    const name = symbolName(fn);
    if (name === '') continue;
    // A `-` before the separator would be read as part of it.
    if (line !== '') line += line.endsWith('-') ? ' --' : '--';
    line += name;
  }
  return line === '' ? '' : `0x${hex} ${line}\n`;
}

const ENTRY = /^0x0*([0-9a-f]+)\s+(.+)/s;
const VARIABLE = /^([a-z][^=]*)=(.*)$/s;

/** What jeprof writes of an address that it found no name for. */
const NAMELESS = /^0x[0-9a-f]+\s*$/;

/** What a symbol section says: the lines between `--- symbol` and `---`. */
export class SymbolSection {
  binary: string | undefined;
  readonly #addresses = new AddressIndex();
  /** Row of `#addresses` -> what is written of it. */
  readonly #entries: string[] = [];

  /** Takes the next line, without its line end. False if it is neither entry nor variable: jeprof passes those over. */
  take(line: string): boolean {
    const entry = ENTRY.exec(line);
    if (entry !== null) {
      const [, digits, names] = entry;
      if (digits.length > ADDRESS_DIGITS) return false;
      const row = this.#addresses.add(hexNumber(digits.slice(0, -8)), hexNumber(digits.slice(-8)));
      this.#entries[row] = names;
      return true;
    }
    const variable = VARIABLE.exec(line);
    if (variable !== null && variable[1].trim() === 'binary') this.binary = variable[2].trim();
    return variable !== null || NAMELESS.test(line) || line.trim() === '';
  }

  /** What is written of an address, if anything is; `splitNames` tells the functions. */
  entryAt(address: bigint): string | undefined {
    const row = this.#addresses.find(address);
    return row < 0 ? undefined : this.#entries[row];
  }
}

/** Hex digits of a 64-bit address. */
const ADDRESS_DIGITS = 16;

const hexNumber = (digits: string) => (digits === '' ? 0 : Number.parseInt(digits, 16));

/** The functions that an entry names, outermost first. Perl's split at `--`: empty fields are kept, except at the end. */
export function splitNames(text: string): string[] {
  const names = text.split('--');
  while (names.length > 1 && names[names.length - 1] === '') names.pop();
  return names;
}
