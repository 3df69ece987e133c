/**
 * Frames as people read them: told apart by function, file, line and module, and by address where no line says which call it was; inlined functions are
 * frames of their own.
 * Invariant: two rows of `frames` never read the same.
 */
import { grown } from '../../core/columns.ts';
import type { FrameTable } from '../../core/trace/stacks.ts';
import type { FrameIndex } from '../../core/units.ts';
import { isAllocationFunction } from './allocation_functions.ts';

/** A frame as it is shown. Every text of it is untrusted. */
export interface PathFrame {
  /** Function, or the address as `0x…` where it has no name. */
  readonly name: string;
  readonly file?: string;
  readonly line?: number;
  /** Path of the binary or library. */
  readonly module?: string;
  /** Bytes from the function's start to the call, where no line tells the calls of a function apart. */
  readonly offset?: number;
  /** True if the function is an allocator's. */
  readonly allocator: boolean;
}

export interface ShownFrameOptions {
  /** Fold the allocator's functions away, and everything they call. */
  readonly foldAllocators: boolean;
  /** Tell the calls of one function apart, by line, else by address. */
  readonly lines: boolean;
}

/** The shown frames of a table, made as they are asked for. */
export class ShownFrames {
  readonly frames: PathFrame[] = [];
  /** Rows of `frames`, frame after frame, the innermost inlined function's first. */
  rows = new Int32Array(128);
  /** Row of `frames` -> 1 if it is an allocation function that is folded away. */
  folds = new Uint8Array(64);
  readonly #table: FrameTable;
  readonly #fold: boolean;
  readonly #lines: boolean;
  readonly #byKey = new Map<string, number>();
  /** Of FrameIndex f, 2f and 2f + 1: the first of its places in `rows` and the end of them; 0 and 0 before it is asked for. */
  #places = new Int32Array(128);
  #length = 0;

  constructor(table: FrameTable, { foldAllocators, lines }: ShownFrameOptions) {
    this.#table = table;
    this.#fold = foldAllocators;
    this.#lines = lines;
  }

  /** The first place of a frame in `rows`. */
  startOf(frame: number): number {
    if (frame * 2 >= this.#places.length || this.#places[frame * 2 + 1] === 0) this.#show(frame as FrameIndex);
    return this.#places[frame * 2];
  }

  /** The end of the places of a frame whose first was asked for. */
  endOf(frame: number): number {
    return this.#places[frame * 2 + 1];
  }

  #show(index: FrameIndex): void {
    const { fn, file, line, module, pc, offset, inlined = [] } = this.#table.frames[index];
    const address = line === undefined ? (offset ?? pc) : undefined;
    const start = this.#length;
    for (const inner of inlined) this.#add(this.#intern(inner.fn, inner.file, inner.line, module));
    this.#add(this.#intern(fn ?? `0x${this.#table.addressOf(index).toString(16)}`, file, line, module, address));
    if (index * 2 >= this.#places.length) this.#places = grown(this.#places, index * 2 + 2);
    this.#places[index * 2] = start;
    this.#places[index * 2 + 1] = this.#length;
  }

  #add(row: number): void {
    if (this.#length === this.rows.length) this.rows = grown(this.rows, this.#length + 1);
    this.rows[this.#length++] = row;
  }

  #intern(name: string, file: string | undefined, line: number | undefined, module: string | undefined, address?: number | bigint): number {
    const shownLine = this.#lines ? line : undefined;
    const allocator = isAllocationFunction(name);
    // the calls inside an allocation function are the allocator's own affair
    const call = this.#lines && !allocator ? address : undefined;
    const key = JSON.stringify([name, file, shownLine, module, call?.toString()]);
    let row = this.#byKey.get(key);
    if (row === undefined) {
      row = this.frames.length;
      this.frames.push({
        name,
        ...(file === undefined ? {} : { file }),
        ...(shownLine === undefined ? {} : { line: shownLine }),
        ...(module === undefined ? {} : { module }),
        ...(typeof call === 'number' ? { offset: call } : {}),
        allocator,
      });
      this.#byKey.set(key, row);
      if (row === this.folds.length) this.folds = grown(this.folds, row + 1);
      this.folds[row] = this.#fold && allocator ? 1 : 0;
    }
    return row;
  }
}
