/**
 * Numbers for 64-bit addresses, without a bigint or a string per lookup.
 * Invariant: rows are numbered from 0 in order of first appearance; at most half of the slots are taken, and no address lies more than `farthest` slots behind its
 * own (core/trace/hash_factor.ts).
 */
import { grown } from '../../core/columns.ts';
import { HashFactor } from '../../core/trace/hash_factor.ts';

/** Open addressing over the two halves of an address. */
export class AddressIndex {
  /** Rows in use. */
  length = 0;
  /** Row -> halves of the address. */
  #high = new Uint32Array(2048);
  #low = new Uint32Array(2048);
  /** Slot -> row + 1, 0 for free. */
  #slots = new Int32Array(4096);
  readonly #factor = new HashFactor();

  /** The row of an address, added if it is new. Both halves are unsigned. */
  add(high: number, low: number): number {
    let slot = this.#slot(high, low);
    if (slot >= 0 && this.#slots[slot] !== 0) return this.#slots[slot] - 1;
    if (this.length === this.#low.length) {
      this.#high = grown(this.#high, this.length + 1);
      this.#low = grown(this.#low, this.length + 1);
      this.#factor.tighten();
      this.#spread(this.#low.length * 2);
      slot = this.#slot(high, low);
    }
    while (slot < 0) {
      this.#factor.change();
      this.#spread(this.#slots.length);
      slot = this.#slot(high, low);
    }
    const row = this.length++;
    this.#high[row] = high;
    this.#low[row] = low;
    this.#slots[slot] = row + 1;
    return row;
  }

  /** The row of an address, -1 if it has none. */
  find(address: bigint): number {
    const slot = this.#slot(Number((address >> 32n) & 0xffffffffn), Number(address & 0xffffffffn));
    return slot < 0 ? -1 : this.#slots[slot] - 1;
  }

  /** The slot that holds an address, or the free one where it belongs; -1 if all have to be hashed anew for that. */
  #slot(high: number, low: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const { value: factor, farthest } = this.#factor;
    const mixed = Math.imul(low ^ Math.imul(high, factor), factor);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    let left = farthest;
    for (let found = slots[slot]; found !== 0; found = slots[slot]) {
      if (this.#low[found - 1] === low && this.#high[found - 1] === high) break;
      if (left-- === 0) return -1;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Enters all rows in a new table of so many slots, a power of two, with other factors if they do not fit. */
  #spread(slots: number): void {
    this.#slots = new Int32Array(slots);
    for (let row = 0; row < this.length; row++) {
      const slot = this.#slot(this.#high[row], this.#low[row]);
      if (slot >= 0) this.#slots[slot] = row + 1;
      else {
        this.#factor.change();
        this.#slots.fill(0);
        row = -1;
      }
    }
  }
}

/** Value of a hex digit's character code, -1 if it is none. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
