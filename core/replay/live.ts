/**
 * The objects that are live in a trace, by number.
 * Invariant: an object lives if and only if the region of its row is not FREE.
 * Differs from a Map: a row is 16 bytes of a table, because every event of a trace comes here, and what it costs is the cache lines it touches.
 */
import { grown } from '../columns.ts';
import { FREE, REGION, SIZES, STACK, WORDS } from './live_row.ts';

/** Objects by number. Number 0 is NULL and never lives. */
export class LiveObjects {
  /** Rows that there is room for. */
  capacity = 512;
  /** Number of the object that the latest call has allocated, 0 after a free: freed now, it was a temporary one. Kept without a model only. */
  latest = 0;
  /** Requested bytes: row * SIZES. */
  sizes: Float64Array<ArrayBuffer> = new Float64Array(this.capacity * SIZES);
  /** The same memory: row * WORDS + REGION or STACK. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(this.sizes.buffer);

  constructor() {
    // compiled code takes a field that was never replaced for a constant, and is thrown away when it is: so it happens once before
    this.reach(this.capacity);
  }

  /** Whether an object has this number. */
  has(number: number): boolean {
    return number < this.capacity && this.words[number * WORDS + REGION] !== FREE;
  }

  /** Makes room for a row. */
  reach(number: number): void {
    if (number < this.capacity) return;
    while (this.capacity <= number) this.capacity *= 2;
    this.sizes = grown(this.sizes, this.capacity * SIZES);
    this.words = new Uint32Array(this.sizes.buffer);
  }

  /** Checks how many objects live. @throws Error if it is another number. */
  check(expected: number): void {
    let found = 0;
    for (let number = 0; number < this.capacity; number++) if (this.has(number)) found++;
    if (found !== expected) throw new Error('live objects: their count differs from the ledger');
  }

  put(number: number, region: number, size: number, stack: number): void {
    this.reach(number);
    this.sizes[number * SIZES] = size;
    this.words[number * WORDS + REGION] = region;
    this.words[number * WORDS + STACK] = stack;
  }

  region(number: number): number {
    return this.words[number * WORDS + REGION];
  }

  size(number: number): number {
    return this.sizes[number * SIZES];
  }

  stack(number: number): number {
    return this.words[number * WORDS + STACK] | 0;
  }

  remove(number: number): void {
    this.words[number * WORDS + REGION] = FREE;
  }
}
