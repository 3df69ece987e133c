/**
 * Which unit an address belongs to (DWARF 5, section 6.1.2 "Lookup by Address").
 * Invariant: units that the section does not mention are not known here: compilers may leave any out.
 */
import { firstFrom } from '../../../core/trace/search.ts';
import { Damaged } from './cursor.ts';
import type { DebugFile } from './file.ts';

/** Units that an address is looked for in: more than one have it only where the linker took equal functions for one. */
const MOST_UNITS = 8;
/** Bytes before the length of a set's content, at most. */
const LENGTH_BYTES = 12;

/** A look-up of addresses, a set of ranges after the other. */
export class AddressIndex {
  readonly #file: DebugFile;
  /** Ascending. */
  readonly #addresses: readonly number[];
  /** Address -> offsets of units that have it. */
  readonly #units = new Map<number, number[]>();
  /** Offsets of the units that the sets so far are of. */
  readonly mentioned = new Set<number>();
  /** Where the next set is. */
  #at = 0;

  constructor(file: DebugFile, addresses: readonly number[]) {
    this.#file = file;
    this.#addresses = addresses;
  }

  /** Offsets of the units found so far that have an address. */
  unitsOf(address: number): readonly number[] {
    return this.#units.get(address) ?? NONE;
  }

  /** Reads on until there is a unit for each address. @throws Damaged, Unsupported */
  readToFound(): this {
    while (this.#units.size < this.#addresses.length && this.#at < this.#file.section('aranges').size) this.#readSet();
    return this;
  }

  /** Reads what is left. @throws Damaged, Unsupported */
  readToEnd(): this {
    while (this.#at < this.#file.section('aranges').size) this.#readSet();
    return this;
  }

  /** Reads the ranges of a unit. */
  #readSet(): void {
    const section = this.#file.section('aranges');
    const start = this.#at;
    const head = section.cursor(start, Math.min(section.size, start + LENGTH_BYTES));
    const { length, offsetSize } = head.unitLength();
    const set = section.cursor(head.at, head.at + length);
    this.#file.spend(length);
    this.#at = set.end;
    // Version 2 in all versions of DWARF.
    if (set.u16() !== 2) return;
    const unit = set.word(offsetSize);
    const addressSize = set.u8();
    const segmentSize = set.u8();
    if (segmentSize !== 0) return;
    if (addressSize === 0) throw new Damaged();
    this.mentioned.add(unit);
    // Pairs lie at multiples of their size.
    const pair = 2 * addressSize;
    set.take((pair - ((set.at - start) % pair)) % pair);
    const addresses = this.#addresses;
    const least = addresses[0];
    const most = addresses[addresses.length - 1];
    while (set.end - set.at >= pair) {
      const low = set.word(addressSize);
      const high = low + set.word(addressSize);
      if (high === 0) break;
      if (low > most || high <= least) continue;
      const first = firstFrom(addresses, low);
      let i = first;
      while (addresses[i] < high) this.#found(addresses[i++], unit);
      this.#file.spend(i - first);
    }
  }

  #found(address: number, unit: number): void {
    const units = this.#units.get(address);
    if (units === undefined) this.#units.set(address, [unit]);
    else if (units.length < MOST_UNITS && !units.includes(unit)) units.push(unit);
  }
}

const NONE: readonly number[] = [];
