/**
 * Byte strings, each distinct one once: names of functions, libraries and frames, looked up without making a string.
 * Invariant: two rows never hold the same bytes; index order is the order of first appearance. None lies more than `farthest` slots behind its own
 * (core/trace/hash_factor.ts).
 */
import { HashFactor } from '../../core/trace/hash_factor.ts';
import { textOf } from './cursor.ts';

/** Interned byte strings. */
export class ByteTable {
  #bytes = new Uint8Array(1024);
  /** Row -> first byte; one more element than rows. */
  #starts = new Uint32Array(64);
  #hashes = new Int32Array(64);
  /** Open addressing: slot -> row + 1, 0 for free. */
  #slots = new Int32Array(128);
  #length = 0;
  /** What hashes begin with. */
  readonly #seed = new HashFactor();

  get length(): number {
    return this.#length;
  }

  /** Text of a row. */
  text(row: number): string {
    return textOf(this.#bytes, this.#starts[row], this.#starts[row + 1]);
  }

  /** The row of these bytes, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const slot = this.#slotOf(bytes, start, end, hashBytes(bytes, start, end, this.#seed.value));
    return slot < 0 ? -1 : this.#slots[slot] - 1;
  }

  /** The row of these bytes, added if they are new: then it equals the former `length`. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    let hash = hashBytes(bytes, start, end, this.#seed.value);
    let slot = this.#slotOf(bytes, start, end, hash);
    while (slot < 0) {
      this.#changeSeed();
      this.#spread(this.#slots.length);
      hash = hashBytes(bytes, start, end, this.#seed.value);
      slot = this.#slotOf(bytes, start, end, hash);
    }
    const found = this.#slots[slot];
    if (found !== 0) return found - 1;
    const row = this.#length++;
    this.#slots[slot] = row + 1;
    if (row + 2 > this.#starts.length) {
      this.#starts = grow(this.#starts, new Uint32Array(this.#starts.length * 2));
      this.#hashes = grow(this.#hashes, new Int32Array(this.#hashes.length * 2));
    }
    const at = this.#starts[row];
    const after = at + end - start;
    if (after > this.#bytes.length) this.#bytes = grow(this.#bytes, new Uint8Array(Math.max(after, this.#bytes.length * 2)));
    this.#bytes.set(bytes.subarray(start, end), at);
    this.#starts[row + 1] = after;
    this.#hashes[row] = hash;
    if (this.#length * 2 > this.#slots.length) {
      this.#seed.tighten();
      this.#spread(this.#slots.length * 2);
    }
    return row;
  }

  /** The slot where these bytes are, or the free one where they belong; -1 if all have to be hashed anew for that. */
  #slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    let left = this.#seed.farthest;
    for (let found = slots[slot]; found !== 0; found = slots[slot]) {
      if (this.#hashes[found - 1] === hash && this.#equals(found - 1, bytes, start, end)) break;
      if (left-- === 0) return -1;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #equals(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.#bytes;
    const at = this.#starts[row];
    if (this.#starts[row + 1] - at !== end - start) return false;
    for (let i = start, j = at; i < end; i++, j++) if (bytes[i] !== own[j]) return false;
    return true;
  }

  #changeSeed(): void {
    this.#seed.change();
    for (let row = 0; row < this.#length; row++) {
      this.#hashes[row] = hashBytes(this.#bytes, this.#starts[row], this.#starts[row + 1], this.#seed.value);
    }
  }

  /** Enters all rows in a new table of so many slots, with other seeds if they do not fit. */
  #spread(length: number): void {
    const slots = new Int32Array(length);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      const hash = this.#hashes[row];
      let slot = (hash ^ (hash >>> 15)) & mask;
      let left = this.#seed.farthest;
      while (slots[slot] !== 0 && left-- > 0) slot = (slot + 1) & mask;
      if (slots[slot] === 0) {
        slots[slot] = row + 1;
      } else {
        this.#changeSeed();
        slots.fill(0);
        row = -1;
      }
    }
    this.#slots = slots;
  }
}

function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash;
}

function grow<T extends Uint8Array | Uint32Array | Int32Array>(old: T, grown: T): T {
  grown.set(old);
  return grown;
}
