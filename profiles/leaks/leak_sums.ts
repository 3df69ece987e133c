/**
 * Sums over stacks that read the same, and the contexts that they are.
 * Invariant: contexts are ranked by bytes, largest first, then by objects, then in the order of their paths.
 * Differs from an object for each context: columns, because there may be hundreds of thousands of which twenty are shown. What ranks them is added up at
 * once, the rest for those that are shown.
 */
import type { StackIndex } from '../../core/units.ts';
import type { CallPaths, PathIndex } from './call_paths.ts';
import { largest } from './largest.ts';
import type { PathFrame } from './shown_frames.ts';

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

/** What is added up: rows of a stack each, of which several may have the same. */
export interface LeakRows {
  /** Row -> StackIndex. */
  readonly stacks: Int32Array;
  /** Row -> live bytes and objects; there may be more rows than there are stacks. */
  readonly bytes: Float64Array;
  readonly objects: Float64Array;
  allocatedBytes(row: number): number;
  allocatedObjects(row: number): number;
  /** Absent where there are no times. */
  times?(row: number): LeakTimes;
}

/** Contexts by rank, each made when it is asked for. */
export class RankedContexts implements Iterable<LeakContext> {
  /** How many there are. */
  readonly length: number;
  readonly #paths: CallPaths;
  readonly #rows: LeakRows;
  /** Row -> its path + 1. */
  readonly #pathOfRow: Int32Array;
  /** Path + 1 -> live bytes and objects. */
  readonly #bytes: Float64Array;
  readonly #objects: Float64Array;
  /** Paths + 1 of the contexts, not ranked. */
  readonly #contexts: Int32Array;
  readonly #totalBytes: number;
  /** Row -> the next row of its path + 1, and path + 1 -> its first one + 1, 0 for none; made when the first context is. */
  #links: { readonly first: Int32Array; readonly next: Int32Array } | undefined;
  #all: readonly LeakContext[] | undefined;

  constructor(paths: CallPaths, rows: LeakRows) {
    const { stacks, bytes: liveBytes, objects: liveObjects } = rows;
    const pathOfRow = new Int32Array(stacks.length);
    const bytes = new Float64Array(stacks.length + 1);
    const objects = new Float64Array(stacks.length + 1);
    let end = 1;
    for (let row = 0; row < stacks.length; row++) {
      const path = paths.pathOf(stacks[row] as StackIndex) + 1;
      pathOfRow[row] = path;
      bytes[path] += liveBytes[row];
      objects[path] += liveObjects[row];
      if (path >= end) end = path + 1;
    }
    const contexts = new Int32Array(end);
    let length = 0;
    let total = 0;
    for (let path = 0; path < end; path++) {
      if (!(bytes[path] > 0 || objects[path] > 0)) continue;
      contexts[length++] = path;
      total += bytes[path];
    }
    this.#paths = paths;
    this.#rows = rows;
    this.#pathOfRow = pathOfRow;
    this.#bytes = bytes;
    this.#objects = objects;
    this.#contexts = contexts.subarray(0, length);
    this.length = length;
    this.#totalBytes = total;
  }

  /** The first `count`, or all if there are fewer; and the bytes and objects of the others. */
  split(count: number): { readonly first: readonly LeakContext[]; readonly bytes: number; readonly objects: number } {
    const shown = this.#largest(count);
    const isShown = new Uint8Array(this.#bytes.length);
    for (const path of shown) isShown[path] = 1;
    let bytes = 0;
    let objects = 0;
    for (const path of this.#contexts) {
      if (isShown[path] === 1) continue;
      bytes += this.#bytes[path];
      objects += this.#objects[path];
    }
    return { first: Array.from(shown, (path) => this.#context(path)), bytes, objects };
  }

  /** All of them, kept once they are made. */
  get all(): readonly LeakContext[] {
    return (this.#all ??= [...this]);
  }

  *[Symbol.iterator](): Generator<LeakContext> {
    for (const path of this.#largest(this.length)) yield this.#context(path);
  }

  /** Paths + 1 of the first `count`. */
  #largest(count: number): Int32Array {
    const bytes = this.#bytes;
    const objects = this.#objects;
    const contexts = count < this.length ? largest(this.#contexts, bytes, count) : this.#contexts.slice();
    contexts.sort((a, b) => bytes[b] - bytes[a] || objects[b] - objects[a] || a - b);
    return contexts.subarray(0, count);
  }

  #context(path: number): LeakContext {
    const rows = this.#rows;
    const { first, next } = (this.#links ??= this.#link());
    const bytes = this.#bytes[path];
    let allocatedBytes = 0;
    let allocatedObjects = 0;
    let firstTime = Infinity;
    let lastTime = -Infinity;
    let growingBytes = 0;
    for (let row = first[path] - 1; row >= 0; row = next[row] - 1) {
      allocatedBytes += rows.allocatedBytes(row);
      allocatedObjects += rows.allocatedObjects(row);
      const times = rows.times?.(row);
      if (times === undefined) continue;
      firstTime = Math.min(firstTime, times.first);
      lastTime = Math.max(lastTime, times.last);
      if (times.growing) growingBytes += rows.bytes[row];
    }
    return {
      bytes,
      objects: this.#objects[path],
      share: this.#totalBytes > 0 ? bytes / this.#totalBytes : 0,
      allocatedBytes,
      allocatedObjects,
      stack: this.#stackOf((path - 1) as PathIndex),
      // Of stacks that were made one, those that grow decide if they hold half of the bytes.
      ...(rows.times === undefined
        ? {}
        : { times: { first: firstTime, last: lastTime, growing: growingBytes > 0 && growingBytes * 2 >= bytes } }),
    };
  }

  #stackOf(path: PathIndex): PathFrame[] {
    const { frames } = this.#paths;
    return Array.from(this.#paths.framesOf(path), (row) => frames[row]);
  }

  #link(): { readonly first: Int32Array; readonly next: Int32Array } {
    const paths = this.#pathOfRow;
    const first = new Int32Array(this.#bytes.length);
    const next = new Int32Array(paths.length);
    // the last row first, so that sums are in the order of the rows
    for (let row = paths.length - 1; row >= 0; row--) {
      next[row] = first[paths[row]];
      first[paths[row]] = row + 1;
    }
    return { first, next };
  }
}
