/**
 * Rows of a table by their content: where one with the same content may be, and places for new ones.
 * Invariant: rows are added in order, from 0; at least half of the slots are free.
 * The table itself compares contents, of rows whose hashes are the same: that is, nearly always, of the row that was looked for.
 * Differs from tables that change their factor (hash_factor.ts): contents are not here to be hashed anew, so that n rows whose hashes were made to be the same
 * take time in proportion to n^2.
 */
import { grown } from '../columns.ts';

/** Rows by hash. */
export class HashedRows {
  /** Rows added. */
  length = 0;
  /** Row -> hash of its content, 32 bits. */
  #hashes = new Int32Array(64);
  /** Open addressing: slot -> row + 1, 0 for free. */
  #slots = new Int32Array(128);
  /** Where the search is. */
  #slot = 0;

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

  /** Adds the next row, whose content has this hash. */
  add(hash: number): void {
    const row = this.length++;
    if (row === this.#hashes.length) this.#hashes = grown(this.#hashes, row + 1);
    this.#hashes[row] = hash;
    if (this.length * 2 > this.#slots.length) this.#spread(this.#slots.length * 2);
    else this.#enter(row);
  }

  /** Makes room for `rows` rows in all, so that adding them leaves no smaller tables behind. */
  reserve(rows: number): void {
    if (rows > this.#hashes.length) this.#hashes = grown(this.#hashes, rows);
    let slots = this.#slots.length;
    while (slots < rows * 2) slots *= 2;
    if (slots > this.#slots.length) this.#spread(slots);
  }

  /** Enters all rows in a new table of so many slots, a power of two. */
  #spread(slots: number): void {
    this.#slots = new Int32Array(slots);
    for (let row = 0; row < this.length; row++) this.#enter(row);
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

  #enter(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hashes[row] & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = row + 1;
  }
}

/** Hash of the numbers from `start` to `end` - 1, 32 bits. */
export function hashNumbers(numbers: ArrayLike<number>, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ numbers[i], 0x01000193);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995);
  return hash ^ (hash >>> 16);
}
