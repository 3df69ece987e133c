/**
 * The frames of a heap dump's addresses.
 * Invariant: each address is looked up in the symbols once for the head of a backtrace and once for the rest, where it is a return address: the call lies
 * before it (jeprof, FixCallerAddresses).
 */
import { grown } from '../../core/columns.ts';
import type { Frame, StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex } from '../../core/units.ts';
import { AddressIndex, hexDigit } from './address_index.ts';
import { splitNames, type SymbolSection } from './symbols.ts';

const SPACE = 0x20;
const ZERO = 0x30;
const LOWER_X = 0x78;

/** Character code -> value of a hex digit, 16 for all others. */
const HEX_DIGITS = Uint8Array.from({ length: 256 }, (_, code) => (hexDigit(code) < 0 ? 16 : hexDigit(code)));

/** Frames by address. */
export class AddressFrames {
  readonly #stacks: StackTable;
  readonly #symbols: SymbolSection | undefined;
  readonly #rows = new AddressIndex();
  /** Row -> FrameIndex + 1 at the head of a backtrace and elsewhere, 0 for not looked up yet. */
  #leaf = new Int32Array(4096);
  #caller = new Int32Array(4096);
  /** Place after the address that `frameAt` read last. */
  end = 0;

  constructor(stacks: StackTable, symbols: SymbolSection | undefined) {
    this.#stacks = stacks;
    this.#symbols = symbols;
  }

  /**
   * The frame of the address that stands in hex at bytes[start], with or without `0x`, up to a blank or `limit`; -1 if that is no address.
   * Sets `end` to the place after it.
   */
  frameAt(bytes: Uint8Array, start: number, limit: number, leaf: boolean): number {
    let at = start;
    if (limit - at > 2 && bytes[at] === ZERO && (bytes[at + 1] | 0x20) === LOWER_X && bytes[at + 2] > SPACE) at += 2;
    while (at < limit && bytes[at] === ZERO) at++;
    const first = at;
    let high = 0;
    let low = 0;
    let code = 0;
    for (; at < limit && (code = bytes[at]) > SPACE; at++) {
      const digit = HEX_DIGITS[code];
      if (digit > 15) break;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    const isAddress = at - first <= 16 && (at === limit || code <= SPACE);
    while (at < limit && bytes[at] > SPACE) at++;
    this.end = at;
    if (!isAddress) return -1;
    const row = this.#rows.add(high >>> 0, low >>> 0);
    if (row >= this.#leaf.length) {
      this.#leaf = grown(this.#leaf, row + 1);
      this.#caller = grown(this.#caller, row + 1);
    }
    const known = leaf ? this.#leaf : this.#caller;
    if (known[row] === 0) {
      const other = (leaf ? this.#caller : this.#leaf)[row] - 1;
      known[row] = this.#add((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), leaf, other) + 1;
    }
    return known[row] - 1;
  }

  /** The frame of an address: a new one, unless the `other` one that the address has (-1: none) says the same. No other address has it. */
  #add(pc: bigint, leaf: boolean, other: number): FrameIndex {
    const entry = this.#symbols?.entryAt(leaf || pc === 0n ? pc : pc - 1n);
    if (other >= 0 && sameNames(entry, this.#symbols?.entryAt(!leaf || pc === 0n ? pc : pc - 1n))) return other as FrameIndex;
    const { frames } = this.#stacks;
    if (entry === undefined) return frames.append({ pc });
    const names = splitNames(entry);
    const frame: Frame = { pc, fn: names[0] };
    if (names.length === 1) return frames.append(frame);
    const inlined = names
      .slice(1)
      .reverse()
      .map((fn) => ({ fn }));
    return frames.append({ ...frame, inlined });
  }
}

/** True if two entries of a symbol section name the same functions. */
function sameNames(one: string | undefined, other: string | undefined): boolean {
  if (one === other || one === undefined || other === undefined) return one === other;
  return splitNames(one).join('--') === splitNames(other).join('--');
}
