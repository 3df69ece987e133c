/**
 * The objects that are live in a trace, by number.
 * Invariant: an object lives if and only if the region of its row is not FREE.
 * Differs from a Map: a row is 8 bytes of a table, because every event of a trace comes here, and what it costs is the cache lines it touches.
 */
import { type Columns, HEAP_COLUMNS, type UnitColumn } from '../columns.ts';
import { FREE, MANY, NO_MEMORY, REGION, REQUESTED, WORDS } from './live_row.ts';
import type { Region } from '../extent/types.ts';
import type { StackIndex } from '../units.ts';

/** Objects by number. Number 0 is NULL and never lives. */
export class LiveObjects {
  /** Rows that there is room for. */
  capacity = 512;
  /** Number of the object that the latest call has allocated, 0 after a free: freed now, it was a temporary one. Kept without a model only. */
  latest = 0;
  /** Row * WORDS + REGION or REQUESTED. */
  words: Uint32Array;
  /** Stack of the allocation. Apart from the rest: only the accounts of contexts need it. */
  stacks: UnitColumn<Int32Array, StackIndex>;
  /** Requested bytes of the rows that say MANY. */
  readonly #many = new Map<number, number>();

  readonly #columns: Columns;

  constructor(columns: Columns = HEAP_COLUMNS) {
    this.#columns = columns;
    this.words = columns.uint32(this.capacity * WORDS);
    this.stacks = columns.int32(this.capacity) as UnitColumn<Int32Array, StackIndex>;
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
    this.words = this.#columns.grown(this.words, this.capacity * WORDS);
    this.stacks = this.#columns.grown(this.stacks, this.capacity);
  }

  /** Checks how many objects live, each in a region of its own. @throws Error if it is another number, or two share one. */
  check(expected: number): void {
    const regions = new Set<number>();
    let found = 0;
    let without = 0;
    for (let number = 0; number < this.capacity; number++) {
      if (!this.has(number)) continue;
      found++;
      if (this.region(number) === NO_MEMORY) without++;
      else regions.add(this.region(number));
    }
    if (found !== expected) throw new Error('live objects: their count differs from the ledger');
    if (regions.size + without !== found) throw new Error('live objects: two lie in one region');
  }

  /** Books that an object lives: in `region` (NO_MEMORY: in the trace alone), of `size` requested bytes, allocated under `stack`. */
  put(number: number, region: Region | typeof NO_MEMORY, size: number, stack: StackIndex): void {
    this.reach(number);
    this.words[number * WORDS + REGION] = region;
    this.words[number * WORDS + REQUESTED] = Math.min(size, MANY);
    if (size >= MANY) this.#many.set(number, size);
    this.stacks[number] = stack;
  }

  /** The region that an object lies in; NO_MEMORY if the model had none for it. */
  region(number: number): Region | typeof NO_MEMORY {
    return this.words[number * WORDS + REGION] as Region | typeof NO_MEMORY;
  }

  /** Requested bytes. */
  size(number: number): number {
    const size = this.words[number * WORDS + REQUESTED];
    return size === MANY ? (this.#many.get(number) as number) : size;
  }

  /** Stack of an object's allocation. */
  stack(number: number): StackIndex {
    return this.stacks[number];
  }

  /** Books that an object lives no more. */
  remove(number: number): void {
    if (this.words[number * WORDS + REQUESTED] === MANY) this.#many.delete(number);
    this.words[number * WORDS + REGION] = FREE;
  }
}
