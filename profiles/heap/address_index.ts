/**
 * Numbers for 64-bit addresses, without a bigint or a string per lookup.
 * Invariant: rows are numbered from 0 in order of first appearance; at most half of the slots are taken.
 */

/** Open addressing over the two halves of an address. */
export class AddressIndex {
  /** Rows in use. */
  length = 0;
  /** Row -> halves of the address. */
  #high = new Uint32Array(2048);
  #low = new Uint32Array(2048);
  /** Slot -> row + 1, 0 for free. */
  #slots = new Int32Array(4096);

  /** The row of an address, added if it is new. Both halves are unsigned. */
  add(high: number, low: number): number {
    let slot = this.#slot(high, low);
    const found = this.#slots[slot];
    if (found !== 0) return found - 1;
    if (this.length === this.#low.length) {
      this.#grow();
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
    return this.#slots[this.#slot(Number((address >> 32n) & 0xffffffffn), Number(address & 0xffffffffn))] - 1;
  }

  /** The slot that holds an address, or the free one where it belongs. */
  #slot(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    let slot = hashAddress(high, low) & mask;
    for (let found = this.#slots[slot]; found !== 0; found = this.#slots[slot]) {
      if (this.#low[found - 1] === low && this.#high[found - 1] === high) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const capacity = this.#low.length * 2;
    const highs = new Uint32Array(capacity);
    const lows = new Uint32Array(capacity);
    highs.set(this.#high);
    lows.set(this.#low);
    this.#high = highs;
    this.#low = lows;
    this.#slots = new Int32Array(capacity * 2);
    for (let row = 0; row < this.length; row++) this.#slots[this.#slot(highs[row], lows[row])] = row + 1;
  }
}

function hashAddress(high: number, low: number): number {
  const mixed = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Value of a hex digit's character code, -1 if it is none. */
export function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
