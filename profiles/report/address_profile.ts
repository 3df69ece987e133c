/**
 * One sample type as values per backtrace of addresses: what jeprof works on (its `profile` hashes and `symbols`).
 * Invariant: `present[row]` is 1 for the rows that have been added to; row 0 is the empty backtrace, row s + 1 is stack s of `stacks`,
 * whose entries are rows of an AddressTable, not frames.
 * Differs: numbered rows for strings of addresses. Keys of equal address are one row, as in jeprof, save where frames have names of their own.
 */
import { grown } from '../../core/columns.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import { hasPprofRows, isHeapDump, type Profile, type SampleTable, valuesOf } from '../profile.ts';
import { shortFunctionName, shortName } from './names.ts';
import { settled } from './numbers.ts';
import type { SymbolName, SymbolSource } from './symbols.ts';
import { frameSymbols, symbolName } from './symbols.ts';

/** Addresses of a report, each once, with their names. */
export class AddressTable {
  /** True if entries are pprof's, not jeprof's: a function is one also where it is inlined, and the kernel's addresses are code. */
  readonly likePprof: boolean;
  /** Address in 16 hex digits. */
  readonly hex: string[] = [];
  /** Names, outermost first; undefined where nothing is known, which reports show as the bare address. */
  readonly symbols: (readonly SymbolName[] | undefined)[] = [];
  readonly #byHex = new Map<string, number>();
  /** Rows of `internNamed` whose address another row had first, by address and names. */
  readonly #byNames = new Map<string, number>();

  constructor(likePprof = false) {
    this.likePprof = likePprof;
  }

  get length(): number {
    return this.hex.length;
  }

  /** Row of an address, added if it is new. Names given later replace earlier ones (jeprof, MergeSymbols). */
  intern(address: bigint, namesOf?: (hex: string) => readonly SymbolName[]): number {
    const hex = (address & 0xffffffffffffffffn).toString(16).padStart(16, '0');
    let row = this.#byHex.get(hex);
    if (row === undefined) this.#byHex.set(hex, (row = this.#add(hex, undefined)));
    if (namesOf !== undefined) this.symbols[row] = namesOf(hex);
    return row;
  }

  /** Row of an address with these names, of profiles whose addresses count from the start of each file: two files may have the same. */
  internNamed(address: bigint, namesOf: (hex: string) => readonly SymbolName[]): number {
    const row = this.intern(address);
    const hex = this.hex[row];
    const names = namesOf(hex);
    const known = this.symbols[row];
    if (known === undefined) this.symbols[row] = names;
    if (known === undefined || sameNames(known, names)) return row;
    const key = `${hex} ${names.map(({ full, location }) => `${full} ${location}`).join('\n')}`;
    let other = this.#byNames.get(key);
    if (other === undefined) this.#byNames.set(key, (other = this.#add(hex, names)));
    return other;
  }

  #add(hex: string, names: readonly SymbolName[] | undefined): number {
    this.hex.push(hex);
    return this.symbols.push(names) - 1;
  }

  /** Names of an address in 16 hex digits; undefined if nothing is known of it. */
  symbolsAt(hex: string): readonly SymbolName[] | undefined {
    const row = this.#byHex.get(hex);
    return row === undefined ? undefined : this.symbols[row];
  }

  /** Adds a row that has no address, only this name. */
  addName(name: string): number {
    return this.#add(name, [symbolName(name)]);
  }

  /** Asks a source for the names of all addresses that have none. */
  lookup(source: SymbolSource): void {
    const rows: number[] = [];
    for (let row = 0; row < this.hex.length; row++) if (this.symbols[row] === undefined) rows.push(row);
    const found = source.lookup(rows.map((row) => BigInt(`0x${this.hex[row]}`)));
    rows.forEach((row, i) => {
      const names = found[i];
      if (names !== undefined && names.length > 0) this.symbols[row] = names;
    });
  }
}

function sameNames(a: readonly SymbolName[], b: readonly SymbolName[]): boolean {
  return a.length === b.length && a.every(({ full, location }, i) => full === b[i].full && location === b[i].location);
}

/** Values per backtrace. */
export class AddressProfile {
  readonly stacks = new StackTable();
  /** Rows that may be in use. */
  length = 1;
  values = new Float64Array(64);
  present = new Uint8Array(64);

  /** Adds `value` to the backtrace of the first `count` rows of `path`, leaf first, and gives its row. */
  add(path: ArrayLike<number>, count: number, value: number): number {
    const row = this.stacks.intern(path, count) + 1;
    if (row >= this.length) {
      this.length = row + 1;
      this.#reserveRows(this.length);
    }
    this.values[row] += value;
    this.present[row] = 1;
    return row;
  }

  /** Rows of the AddressTable, leaf first; a view, valid until the next `add`. */
  path(row: number): Int32Array {
    return this.stacks.framesOf((row - 1) as StackIndex);
  }

  total(): number {
    let sum = 0;
    let size = 0;
    for (let row = 0; row < this.length; row++) {
      sum += this.values[row];
      size += Math.abs(this.values[row]);
    }
    return settled(sum, size);
  }

  /** Makes room for so many backtraces with so many addresses in all. */
  reserve(backtraces: number, entries: number): void {
    this.stacks.reserve(backtraces, entries);
    this.#reserveRows(backtraces + 1);
  }

  #reserveRows(rows: number): void {
    if (rows <= this.values.length) return;
    this.values = grown(this.values, rows);
    this.present = grown(this.present, rows);
  }
}

/**
 * Adds the rows of a sample table.
 * @param addresses takes the addresses of its stacks
 * @param emptyBacktrace row of the address that stands for an empty backtrace; -1 leaves those out
 */
export function addSamples(
  into: AddressProfile,
  addresses: AddressTable,
  profile: Profile,
  samples: SampleTable,
  type: string,
  emptyBacktrace: number,
): void {
  const rows = addressRows(profile, addresses);
  const values = valuesOf(profile, type, samples);
  into.reserve(into.length + samples.length, into.stacks.entryCount + profile.stacks.entryCount);
  let path = new Int32Array(256);
  for (let i = 0; i < samples.length; i++) {
    const frames = profile.stacks.framesOf(samples.stack[i] as StackIndex);
    const depth = frames.length;
    if (depth === 0) {
      if (emptyBacktrace < 0) continue;
      path[0] = emptyBacktrace;
      into.add(path, 1, values[i]);
      continue;
    }
    if (depth > path.length) path = new Int32Array(depth * 2);
    path[0] = rows.leaf(frames[0]);
    for (let k = 1; k < depth; k++) path[k] = rows.caller(frames[k]);
    into.add(path, depth, values[i]);
  }
}

/**
 * AddressTable rows of a profile's frames. A frame that was called from has the address before its return address:
 * that of the call (jeprof, FixCallerAddresses).
 */
function addressRows(profile: Profile, addresses: AddressTable): { leaf: (frame: number) => number; caller: (frame: number) => number } {
  const { frames } = profile.stacks;
  const isDump = isHeapDump(profile);
  const { wholeNames } = profile;
  const shorten =
    isDump && !hasPprofRows(profile) ? shortFunctionName : (name: string) => (wholeNames?.has(name) === true ? name : shortName(name));
  const leaves = new Int32Array(frames.length).fill(-1);
  const callers = new Int32Array(frames.length).fill(-1);
  const row = (known: Int32Array, index: number, less: bigint) => {
    let found = known[index];
    if (found < 0) {
      const frame = frames.frames[index];
      const address = frames.addressOf(index as FrameIndex) - less;
      const isNamed = profile.symbolized || frame.fn !== undefined;
      if (isNamed && !isDump) found = addresses.internNamed(address, (hex) => frameSymbols(frame, hex, shorten));
      else found = addresses.intern(address, isNamed ? (hex) => frameSymbols(frame, hex, shorten) : undefined);
      known[index] = found;
    }
    return found;
  };
  return { leaf: (frame) => row(leaves, frame, 0n), caller: (frame) => row(callers, frame, 1n) };
}

/** `profile` less `base`, backtrace by backtrace (jeprof, SubtractProfile). `dropNegative` makes less than nothing nothing. */
export function subtract(profile: AddressProfile, base: AddressProfile, dropNegative: boolean): AddressProfile {
  const result = new AddressProfile();
  const add = (from: AddressProfile, row: number, value: number) => {
    const path = from.path(row);
    return result.add(path, path.length, value);
  };
  for (let row = 0; row < profile.length; row++) if (profile.present[row] !== 0) add(profile, row, profile.values[row]);
  const inProfile = result.present.slice();
  const less = new Float64Array(result.length + base.length);
  for (let row = 0; row < base.length; row++) if (base.present[row] !== 0) less[add(base, row, 0)] += base.values[row];
  for (let row = 0; row < result.length; row++) {
    if (inProfile[row] === 1) {
      const value = result.values[row] - less[row];
      result.values[row] = value < 0 && dropNegative ? 0 : value;
    } else if (dropNegative) {
      result.present[row] = 0;
    } else {
      result.values[row] = 0 - less[row];
    }
  }
  return result;
}
