/**
 * Addresses and a number for each: which blocks are live, since when, and which were freed.
 * Invariant: an address with a positive number is live, one with a negative number was live and is not; 0 is never stored.
 * Freed addresses are forgotten whenever the table grows, so that it stays in proportion to the live ones.
 */
const TWO_32 = 2 ** 32;

/** Table of addresses, open addressing with linear probing. */
export class AddressTable {
  /** Slot -> address, -1 for a free slot. */
  #keys = new Float64Array(4096).fill(-1);
  #values = new Int32Array(4096);
  /** Slots in use. */
  #used = 0;

  /** The address's number; 0 if it has none. */
  get(address: number): number {
    const slot = this.#slotOf(address);
    return this.#keys[slot] === address ? this.#values[slot] : 0;
  }

  /** Gives the address a number other than 0. */
  set(address: number, value: number): void {
    let slot = this.#slotOf(address);
    if (this.#keys[slot] !== address) {
      if (this.#used * 2 >= this.#keys.length) {
        this.#rehash();
        slot = this.#slotOf(address);
      }
      this.#keys[slot] = address;
      this.#used++;
    }
    this.#values[slot] = value;
  }

  /** Live addresses, in no order that means anything. */
  *live(): Generator<number> {
    for (let slot = 0; slot < this.#keys.length; slot++) if (this.#keys[slot] >= 0 && this.#values[slot] > 0) yield this.#keys[slot];
  }

  clear(): void {
    this.#keys.fill(-1);
    this.#used = 0;
  }

  #slotOf(address: number): number {
    const keys = this.#keys;
    const mask = keys.length - 1;
    const high = (address / TWO_32) | 0;
    let hash = Math.imul((address >>> 3) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    for (let key = keys[slot]; key !== address && key >= 0; key = keys[slot]) slot = (slot + 1) & mask;
    return slot;
  }

  #rehash(): void {
    const keys = this.#keys;
    const values = this.#values;
    let live = 0;
    for (let slot = 0; slot < keys.length; slot++) if (keys[slot] >= 0 && values[slot] > 0) live++;
    const capacity = live * 4 > keys.length ? keys.length * 2 : keys.length;
    this.#keys = new Float64Array(capacity).fill(-1);
    this.#values = new Int32Array(capacity);
    this.#used = 0;
    for (let slot = 0; slot < keys.length; slot++) {
      if (keys[slot] < 0 || values[slot] <= 0) continue;
      const at = this.#slotOf(keys[slot]);
      this.#keys[at] = keys[slot];
      this.#values[at] = values[slot];
      this.#used++;
    }
  }
}
