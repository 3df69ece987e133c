/**
 * Addresses and a number for each: which blocks are live, since when, and which were freed.
 * Invariant: an address with a positive number is live, one with a negative number was live and is not; 0 is never stored.
 * Freed addresses are forgotten whenever the table grows beyond KEPT, so that it stays in proportion to the live ones.
 * Invariant: none lies more than `farthest` slots behind its own (core/trace/hash_factor.ts).
 */
import { HashFactor } from '../../core/trace/hash_factor.ts';

const TWO_32 = 2 ** 32;
/** Numbers of a table that is small enough to keep what was freed. */
const KEPT = 2 * 4096;

/** Table of addresses, open addressing with linear probing. */
export class AddressTable {
  /** Slot s -> address at 2s (-1 for a free slot), its number at 2s + 1: side by side, so that both are fetched at once. */
  #slots = new Float64Array(2 * 256).fill(-1);
  /** Slots in use. */
  #used = 0;
  readonly #factor = new HashFactor();

  /** The address's number; 0 if it has none. */
  get(address: number): number {
    const at = this.#find(address);
    return this.#slots[at] === address ? this.#slots[at + 1] : 0;
  }

  /** Turns the number of a live address into `value`, and gives the number that it had; an address that is not live keeps its own. */
  end(address: number, value: number): number {
    const at = this.#find(address);
    const slots = this.#slots;
    if (slots[at] !== address) return 0;
    const former = slots[at + 1];
    if (former > 0) slots[at + 1] = value;
    return former;
  }

  /** Gives the address a number other than 0. */
  set(address: number, value: number): void {
    let at = this.#find(address);
    if (this.#slots[at] !== address) {
      if (this.#used * 4 >= this.#slots.length) {
        this.#rehash();
        at = this.#find(address);
      }
      while (this.#slots[at] >= 0) {
        this.#factor.change();
        this.#spread(this.#slots.length, () => true);
        at = this.#find(address);
      }
      this.#slots[at] = address;
      this.#used++;
    }
    this.#slots[at + 1] = value;
  }

  /** Live addresses, in no order that means anything. */
  *live(): Generator<number> {
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at += 2) if (slots[at] >= 0 && slots[at + 1] > 0) yield slots[at];
  }

  clear(): void {
    this.#slots.fill(-1);
    this.#used = 0;
  }

  /** Where the address is, or the free place where it belongs: another's if it has to be hashed anew for that. */
  #find(address: number): number {
    const slots = this.#slots;
    const mask = slots.length - 2;
    const { value: factor, farthest } = this.#factor;
    const high = (address / TWO_32) | 0;
    let hash = Math.imul((address >>> 4) ^ Math.imul(high, factor), factor);
    hash ^= hash >>> 15;
    let at = (hash << 1) & mask;
    let left = farthest;
    for (let key = slots[at]; key !== address && key >= 0 && left > 0; key = slots[at]) {
      at = (at + 2) & mask;
      left--;
    }
    return at;
  }

  /** Forgets freed addresses unless the table is small, and grows until at most a quarter of the places are taken. */
  #rehash(): void {
    const former = this.#slots;
    const keepsFreed = former.length < KEPT;
    const stays = (at: number) => former[at] >= 0 && (keepsFreed || former[at + 1] > 0);
    let staying = 0;
    for (let at = 0; at < former.length; at += 2) if (stays(at)) staying++;
    let { length } = former;
    while (staying * 8 > length) length *= 2;
    if (length > former.length) this.#factor.tighten();
    this.#used = staying;
    this.#spread(length, stays);
  }

  /** Brings the addresses that stay into so many places, with other factors if they do not fit. */
  #spread(length: number, stays: (at: number) => boolean): void {
    const former = this.#slots;
    this.#slots = new Float64Array(length).fill(-1);
    for (let from = 0; from < former.length; from += 2) {
      if (former[from] < 0 || !stays(from)) continue;
      const at = this.#find(former[from]);
      if (this.#slots[at] >= 0) {
        this.#factor.change();
        this.#slots.fill(-1);
        from = -2;
        continue;
      }
      this.#slots[at] = former[from];
      this.#slots[at + 1] = former[from + 1];
    }
  }
}
