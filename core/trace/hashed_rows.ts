/**
 * Rows of a table by their content: where one with the same content may be, and places for new ones.
 * Invariant: rows are added in order, from 0; at least half of the slots are free, and no row lies more than `farthest` slots behind its own (hash_factor.ts).
 * Whoever has the contents compares them, of rows whose hashes are the same: that is, nearly always, of the row that was looked for.
 */
import { grown } from '../columns.ts';
import { HashFactor } from './hash_factor.ts';

/** Rows by hash. */
export class HashedRows {
  /** Rows added. */
  length = 0;
  readonly #hashOf: (row: number, seed: number) => number;
  readonly #factor = new HashFactor();
  /** Row -> hash of its content, 32 bits. */
  #hashes = new Int32Array(64);
  /** Open addressing: slot -> row + 1, 0 for free. */
  #slots = new Int32Array(128);
  /** Where the search is. */
  #slot = 0;

  /** @param hashOf hash of the content of a row that was added, 32 bits, by a seed */
  constructor(hashOf: (row: number, seed: number) => number) {
    this.#hashOf = hashOf;
  }

  /** What hashes begin with; `add` may change it. */
  get seed(): number {
    return this.#factor.value;
  }

  /** The first row of this hash; -1 if there is none. */
  first(hash: number): number {
    this.#slot = hash & (this.#slots.length - 1);
    return this.#search(hash);
  }

  /** The next row of the hash that `first` was asked for; -1 if there is none. */
  next(hash: number): number {
    this.#slot = (this.#slot + 1) & (this.#slots.length - 1);
    return this.#search(hash);
  }

  /** Adds the next row, whose content is there and has this hash. */
  add(hash: number): void {
    const row = this.length++;
    if (row === this.#hashes.length) this.#hashes = grown(this.#hashes, row + 1);
    this.#hashes[row] = hash;
    if (this.length * 2 > this.#slots.length) {
      this.#factor.tighten();
      this.#spread(this.#slots.length * 2);
    } else if (!this.#enter(row)) {
      this.#changeSeed();
      this.#spread(this.#slots.length);
    }
  }

  /** Makes room for `rows` rows in all, so that adding them leaves no smaller tables behind. */
  reserve(rows: number): void {
    if (rows > this.#hashes.length) this.#hashes = grown(this.#hashes, rows);
    let slots = this.#slots.length;
    while (slots < rows * 2) slots *= 2;
    if (slots > this.#slots.length) this.#spread(slots);
  }

  /** Enters all rows in a new table of so many slots, a power of two, with other seeds if they do not fit. */
  #spread(slots: number): void {
    this.#slots = new Int32Array(slots);
    for (let row = 0; row < this.length; row++) {
      if (this.#enter(row)) continue;
      this.#changeSeed();
      this.#slots.fill(0);
      row = -1;
    }
  }

  #changeSeed(): void {
    this.#factor.change();
    for (let row = 0; row < this.length; row++) this.#hashes[row] = this.#hashOf(row, this.#factor.value);
  }

  #search(hash: number): number {
    const slots = this.#slots;
    const hashes = this.#hashes;
    const mask = slots.length - 1;
    let slot = this.#slot;
    let found = slots[slot];
    while (found !== 0 && hashes[found - 1] !== hash) {
      slot = (slot + 1) & mask;
      found = slots[slot];
    }
    this.#slot = slot;
    return found - 1;
  }

  /** Enters a row; false if that is too far behind its own slot. */
  #enter(row: number): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hashes[row] & mask;
    let left = this.#factor.farthest;
    while (slots[slot] !== 0 && left-- > 0) slot = (slot + 1) & mask;
    if (slots[slot] !== 0) return false;
    slots[slot] = row + 1;
    return true;
  }
}

/** Hash of the numbers from `start` to `end` - 1, 32 bits, by a seed. */
export function hashNumbers(numbers: ArrayLike<number>, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ numbers[i], 0x01000193);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995);
  return hash ^ (hash >>> 16);
}
