/**
 * Sums over stacks that read the same, and the contexts that they are.
 * Invariant: contexts are ranked by bytes, largest first, then by objects, then in the order of their paths.
 * Differs from an object for each context: columns, because there may be hundreds of thousands of which twenty are shown.
 */
import { grown } from '../../core/columns.ts';
import type { StackIndex } from '../../core/units.ts';
import type { CallPaths, PathFrame, PathIndex } from './call_paths.ts';

/** When a context allocated, ns since the trace's start (event numbers where the trace has no times). */
export interface LeakTimes {
  readonly first: number;
  readonly last: number;
  /** See GROWING of leaks.ts. */
  readonly growing: boolean;
}

/** One allocation context that holds live memory. */
export interface LeakContext {
  /** Live bytes. */
  readonly bytes: number;
  readonly objects: number;
  /** Of all live bytes, 0..1. */
  readonly share: number;
  /** Everything this context ever allocated; 0 if the source does not know. */
  readonly allocatedBytes: number;
  readonly allocatedObjects: number;
  /** Leaf first; empty for calls without a backtrace. */
  readonly stack: readonly PathFrame[];
  /** Absent for profiles, which have no times. */
  readonly times?: LeakTimes;
}

/** Fields of a sum. */
const BYTES = 0;
const OBJECTS = 1;
const ALLOCATED_BYTES = 2;
const ALLOCATED_OBJECTS = 3;
const FIRST = 4;
const LAST = 5;
/** Live bytes of the stacks that grow. */
const GROWING_BYTES = 6;
const FIELDS = 7;

/** Adds up stacks that read the same. */
export class LeakSums {
  readonly #paths: CallPaths;
  readonly #timed: boolean;
  /** PathIndex + 1 -> the row of its sum + 1, 0 for none. */
  #rowOfPath = new Int32Array(64);
  /** Row -> PathIndex. */
  #path = new Int32Array(64);
  /** FIELDS numbers a row. */
  #sums = new Float64Array(64 * FIELDS);
  #length = 0;

  /** `timed`: whether times will be added. */
  constructor(paths: CallPaths, timed: boolean) {
    this.#paths = paths;
    this.#timed = timed;
  }

  /** Adds a stack's bytes and objects, live and ever allocated; gives the row of its sum. */
  add(stack: StackIndex, bytes: number, objects: number, allocatedBytes: number, allocatedObjects: number): number {
    const path = this.#paths.pathOf(stack);
    if (path + 1 >= this.#rowOfPath.length) this.#rowOfPath = grown(this.#rowOfPath, path + 2);
    const row = this.#rowOfPath[path + 1] === 0 ? this.#addRow(path) : this.#rowOfPath[path + 1] - 1;
    const sums = this.#sums;
    const at = row * FIELDS;
    sums[at + BYTES] += bytes;
    sums[at + OBJECTS] += objects;
    sums[at + ALLOCATED_BYTES] += allocatedBytes;
    sums[at + ALLOCATED_OBJECTS] += allocatedObjects;
    return row;
  }

  /** Adds to a sum when one of its stacks allocated first and last, and how many of its live bytes are of a stack that still grows. */
  addTimes(row: number, first: number, last: number, growingBytes: number): void {
    const sums = this.#sums;
    const at = row * FIELDS;
    if (first < sums[at + FIRST]) sums[at + FIRST] = first;
    if (last > sums[at + LAST]) sums[at + LAST] = last;
    sums[at + GROWING_BYTES] += growingBytes;
  }

  /** The contexts with live memory, ranked; nothing may be added any more. */
  ranked(): RankedContexts {
    const paths = this.#paths;
    return new RankedContexts(this.#path.subarray(0, this.#length), this.#sums, this.#timed, (path) => {
      const rows = paths.framesOf(path);
      const stack = new Array<PathFrame>(rows.length);
      for (let i = 0; i < rows.length; i++) stack[i] = paths.frames[rows[i]];
      return stack;
    });
  }

  #addRow(path: PathIndex): number {
    const row = this.#length++;
    if (row === this.#path.length) {
      this.#path = grown(this.#path, row + 1);
      this.#sums = grown(this.#sums, this.#path.length * FIELDS);
    }
    this.#rowOfPath[path + 1] = row + 1;
    this.#path[row] = path;
    this.#sums[row * FIELDS + FIRST] = Infinity;
    this.#sums[row * FIELDS + LAST] = -Infinity;
    return row;
  }
}

/** Contexts by rank, each made when it is asked for. */
export class RankedContexts implements Iterable<LeakContext> {
  /** How many there are. */
  readonly length: number;
  /** Their rows, not ranked. */
  readonly #rows: Int32Array;
  readonly #path: Int32Array;
  readonly #sums: Float64Array;
  readonly #timed: boolean;
  readonly #stackOf: (path: PathIndex) => PathFrame[];
  readonly #totalBytes: number;
  #all: readonly LeakContext[] | undefined;

  constructor(path: Int32Array, sums: Float64Array, timed: boolean, stackOf: (path: PathIndex) => PathFrame[]) {
    this.#path = path;
    this.#sums = sums;
    this.#timed = timed;
    this.#stackOf = stackOf;
    const rows = new Int32Array(path.length);
    let length = 0;
    let total = 0;
    for (let row = 0; row < path.length; row++) {
      const bytes = sums[row * FIELDS + BYTES];
      if (!(bytes > 0 || sums[row * FIELDS + OBJECTS] > 0)) continue;
      rows[length++] = row;
      total += bytes;
    }
    this.#rows = rows.subarray(0, length);
    this.length = length;
    this.#totalBytes = total;
  }

  /** The first `count`, or all if there are fewer; and the bytes and objects of the others. */
  split(count: number): { readonly first: readonly LeakContext[]; readonly bytes: number; readonly objects: number } {
    const largest = this.#largest(count);
    const shown = new Set(largest);
    const sums = this.#sums;
    let bytes = 0;
    let objects = 0;
    for (const row of this.#rows) {
      if (shown.has(row)) continue;
      bytes += sums[row * FIELDS + BYTES];
      objects += sums[row * FIELDS + OBJECTS];
    }
    return { first: Array.from(largest, (row) => this.#context(row)), bytes, objects };
  }

  /** All of them, kept once they are made. */
  get all(): readonly LeakContext[] {
    return (this.#all ??= [...this]);
  }

  *[Symbol.iterator](): Generator<LeakContext> {
    for (const row of this.#largest(this.length)) yield this.#context(row);
  }

  /** The rows of the first `count`. */
  #largest(count: number): Int32Array {
    if (count <= 0) return new Int32Array(0);
    const sums = this.#sums;
    let rows = this.#rows;
    if (count < rows.length) {
      // numbers alone are sorted many times as fast as rows that a function compares
      const bytes = new Float64Array(rows.length);
      for (let i = 0; i < rows.length; i++) bytes[i] = sums[rows[i] * FIELDS + BYTES];
      const least = bytes.sort()[rows.length - count];
      rows = rows.filter((row) => sums[row * FIELDS + BYTES] >= least);
    } else rows = rows.slice();
    const path = this.#path;
    rows.sort(
      (a, b) =>
        sums[b * FIELDS + BYTES] - sums[a * FIELDS + BYTES] || sums[b * FIELDS + OBJECTS] - sums[a * FIELDS + OBJECTS] || path[a] - path[b],
    );
    return rows.subarray(0, count);
  }

  #context(row: number): LeakContext {
    const sums = this.#sums;
    const at = row * FIELDS;
    const bytes = sums[at + BYTES];
    const context = {
      bytes,
      objects: sums[at + OBJECTS],
      share: this.#totalBytes > 0 ? bytes / this.#totalBytes : 0,
      allocatedBytes: sums[at + ALLOCATED_BYTES],
      allocatedObjects: sums[at + ALLOCATED_OBJECTS],
      stack: this.#stackOf(this.#path[row] as PathIndex),
    };
    if (!this.#timed) return context;
    // Of stacks that were made one, those that grow decide if they hold half of the bytes.
    const growing = sums[at + GROWING_BYTES] > 0 && sums[at + GROWING_BYTES] * 2 >= bytes;
    return { ...context, times: { first: sums[at + FIRST], last: sums[at + LAST], growing } };
  }
}
