/**
 * Addresses as the lines of a report: functions, source lines, files or addresses (jeprof: TranslateStack, ReduceProfile,
 * FlatProfile, CumulativeProfile).
 * Invariant: a translated backtrace is leaf first, and names no entry twice once reduced, so that recursion counts once.
 */
import { AddressProfile, type AddressTable } from './address_profile.ts';
import { settled } from './numbers.ts';

/** What one line of a report stands for. */
export type Granularity = 'functions' | 'lines' | 'files' | 'addresses';

/** Entries of a report, each text once, and the translation of addresses to them. */
export class EntryTable {
  readonly names: string[] = [];
  readonly #byName = new Map<string, number>();
  readonly #addresses: AddressTable;
  readonly #granularity: Granularity;
  /** Full name -> short name with its address, for functions of equal short names. */
  readonly #distinct: ReadonlyMap<string, string>;
  /** Address row -> its entries, innermost function first; undefined: not translated yet. */
  readonly #entries: (readonly number[] | undefined)[] = [];
  /** Address row -> number, for the frames that are told apart by what they call. */
  readonly #runIds = new Map<number, number>();

  constructor(addresses: AddressTable, granularity: Granularity) {
    this.#addresses = addresses;
    this.#granularity = granularity;
    this.#distinct = distinctShortNames(addresses);
  }

  /** Fills `out` with the entries of a backtrace, leaf first, and gives their number. */
  translate(path: Int32Array, out: number[]): number {
    let length = 0;
    for (let i = 0; i < path.length; i++) {
      for (const entry of this.#entriesOf(path[i], i === 0 ? -1 : path[i - 1])) out[length++] = entry;
    }
    return length;
  }

  #entriesOf(address: number, callee: number): readonly number[] {
    const known = this.#entries[address];
    if (known !== undefined) return known;
    const { likePprof } = this.#addresses;
    const hex = this.#addresses.hex[address];
    // Beyond user space: the unwinder lost its way.
    if (!likePprof && hex.length === 16 && hex > '7fffffffffffffff') return (this.#entries[address] = []);
    const symbols = this.#addresses.symbols[address] ?? [{ short: hex, location: '', full: hex }];
    const entries: number[] = [];
    let dependsOnCallee = false;
    for (let i = symbols.length - 1; i >= 0; i--) {
      const { short, location, full } = symbols[i];
      let name = this.#distinct.get(full) ?? short;
      if (i > 0 && !likePprof) name += ' (inline)';
      // Every Callback::Run is its own node per function it runs: as one, it would tie unrelated calls into a cycle.
      if (/Callback.*::Run$/s.test(name)) {
        dependsOnCallee = true;
        name = `Run#${this.#runId(callee)}`;
      }
      const text = this.#text(hex, name, location);
      if (text !== '') entries.push(this.#intern(text));
    }
    if (!dependsOnCallee) this.#entries[address] = entries;
    return entries;
  }

  #text(hex: string, name: string, location: string): string {
    switch (this.#granularity) {
      case 'addresses':
        return `${hex} ${name} ${location}`;
      case 'lines':
        return name === '??' && location === '??:0' ? hex : `${name} ${location}`;
      case 'functions':
        return name === '??' ? hex : name;
      case 'files':
        return location === '??:0' || location === '' ? hex : location.replace(/:\d+$/, '');
    }
  }

  #runId(callee: number): number {
    let id = this.#runIds.get(callee);
    if (id === undefined) this.#runIds.set(callee, (id = this.#runIds.size + 1));
    return id;
  }

  #intern(name: string): number {
    let entry = this.#byName.get(name);
    if (entry === undefined) {
      entry = this.names.length;
      this.names.push(name);
      this.#byName.set(name, entry);
    }
    return entry;
  }
}

/** Short names that several functions have, told apart by the address that nm gives at the end of their full names: `name@addr`. */
function distinctShortNames(addresses: AddressTable): Map<string, string> {
  const fullOf = new Map<string, string>();
  const ambiguous = new Set<string>();
  for (const symbols of addresses.symbols) {
    if (symbols === undefined) continue;
    const { short, full } = symbols[0];
    if (!/<[0-9a-fA-F]+>$/.test(full)) continue;
    const other = fullOf.get(short);
    if (other !== undefined && other !== full) ambiguous.add(short);
    else fullOf.set(short, full);
  }
  const distinct = new Map<string, string>();
  if (ambiguous.size === 0) return distinct;
  for (const symbols of addresses.symbols) {
    if (symbols === undefined || !ambiguous.has(symbols[0].short)) continue;
    const { short, full } = symbols[0];
    const address = /<0*([^>]*)>$/.exec(full);
    if (address !== null) distinct.set(full, `${short}@${address[1]}`);
  }
  return distinct;
}

/** A profile with entries in place of addresses: backtraces that read the same are one. */
export function translated(profile: AddressProfile, entries: EntryTable): AddressProfile {
  const merged = new AddressProfile();
  const path: number[] = [];
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    merged.add(path, entries.translate(profile.path(row), path), profile.values[row]);
  }
  return merged;
}

/** Values per entry. */
export interface Reduced {
  /** Entry -> value of the backtraces that it heads. */
  readonly flat: Float64Array;
  /** Entry -> value of the backtraces that it is in. */
  readonly cumulative: Float64Array;
  /** Entry -> 1 if it is in a backtrace. */
  readonly present: Uint8Array;
  /** Sum of `flat`: all backtraces but those without an entry. */
  readonly total: number;
}

/** Translates every backtrace and sums it up, an entry once per backtrace. */
export function reduce(profile: AddressProfile, entries: EntryTable): Reduced {
  let flat = new Float64Array(1024);
  let cumulative = new Float64Array(1024);
  let seenIn = new Int32Array(1024).fill(-1);
  let total = 0;
  let size = 0;
  const path: number[] = [];
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const length = entries.translate(profile.path(row), path);
    if (length === 0) continue;
    if (entries.names.length > flat.length) {
      const capacity = entries.names.length * 2;
      flat = grown(flat, capacity);
      cumulative = grown(cumulative, capacity);
      const seen = new Int32Array(capacity).fill(-1);
      seen.set(seenIn);
      seenIn = seen;
    }
    const value = profile.values[row];
    total += value;
    size += Math.abs(value);
    flat[path[0]] += value;
    for (let i = 0; i < length; i++) {
      const entry = path[i];
      if (seenIn[entry] === row) continue;
      seenIn[entry] = row;
      cumulative[entry] += value;
    }
  }
  return { flat, cumulative, present: Uint8Array.from(seenIn, (row) => (row < 0 ? 0 : 1)), total: settled(total, size) };
}

function grown(old: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const array = new Float64Array(capacity);
  array.set(old);
  return array;
}
