/**
 * Stacks as people read them: inlined functions in their place, the allocator's own functions folded away, and addresses that
 * read the same made one.
 * Invariant: two paths never hold the same frames; a stack that is not empty never becomes an empty path.
 * Differs from a StackTable, whose frames are told apart by all they hold: here by function, file, line and module, and by address where no
 * line says which call it was.
 */
import { grown } from '../../core/columns.ts';
import { HashedRows, hashNumbers } from '../../core/trace/hashed_rows.ts';
import type { StackTable } from '../../core/trace/stacks.ts';
import { type FrameIndex, NO_STACK, type StackIndex } from '../../core/units.ts';
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

/** Row of `CallPaths`; -1 is the path of the empty backtrace. */
export type PathIndex = StackIndex;

export interface CallPathOptions {
  /** Fold the allocator's functions away, and everything they call. Default true. */
  readonly foldAllocators?: boolean;
  /** Tell the calls of one function apart, by line, else by address. Default true. */
  readonly lines?: boolean;
}

/**
 * The paths of a stack table, made as they are asked for.
 * A path is kept as the first stack that reads so: its frames are put together again when they are asked for, or to be compared.
 */
export class CallPaths {
  /** Frames that paths are made of, by the numbers that `framesOf` gives. */
  readonly frames: PathFrame[] = [];
  readonly #stacks: StackTable;
  readonly #fold: boolean;
  readonly #lines: boolean;
  readonly #byKey = new Map<string, number>();
  /** Of FrameIndex f, 2f and 2f + 1: the first of its rows in `#rows`, the innermost inlined function's, and the end of them; 0 and 0 before it is asked for. */
  #shown = new Int32Array(128);
  /** Rows of `frames`, frame after frame. */
  #rows = new Int32Array(128);
  #rowCount = 0;
  /** Row of `frames` -> 1 if it is an allocation function that is folded away. */
  #folds = new Uint8Array(64);
  /** The path that `#read` has read: rows of `frames`, from `#start` to `#end` - 1. */
  #path = new Int32Array(64);
  #start = 0;
  #end = 0;
  /** Another one, to compare it with. */
  #other = new Int32Array(64);
  /** PathIndex -> the first stack that reads so. */
  #firsts = new Int32Array(64);
  readonly #paths = new HashedRows();

  constructor(stacks: StackTable, options: CallPathOptions = {}) {
    this.#stacks = stacks;
    this.#fold = options.foldAllocators ?? true;
    this.#lines = options.lines ?? true;
  }

  /** The path of a stack. */
  pathOf(stack: StackIndex): PathIndex {
    this.#read(stack);
    if (this.#start === this.#end) return NO_STACK;
    const paths = this.#paths;
    const hash = hashNumbers(this.#path, this.#start, this.#end);
    for (let path = paths.first(hash); path >= 0; path = paths.next(hash)) if (this.#readsAs(path)) return path as PathIndex;
    const path = paths.length;
    paths.add(hash);
    if (path === this.#firsts.length) this.#firsts = grown(this.#firsts, path + 1);
    this.#firsts[path] = stack;
    return path as PathIndex;
  }

  /** Rows of `frames`, leaf first: a view, valid until the next call. */
  framesOf(path: PathIndex): Int32Array {
    if (path < 0) return this.#path.subarray(0, 0);
    this.#read(this.#firsts[path] as StackIndex);
    return this.#path.subarray(this.#start, this.#end);
  }

  /** Reads the path of a stack into `#path`. */
  #read(stack: StackIndex): void {
    const { entries, starts } = this.#stacks;
    const stop = stack < 0 ? 0 : starts[stack + 1];
    let shown = this.#shown;
    let path = this.#path;
    let depth = 0;
    let folded = 0;
    for (let entry = stack < 0 ? 0 : starts[stack]; entry < stop; entry++) {
      const frame = entries[entry];
      if (frame * 2 >= shown.length || shown[frame * 2 + 1] === 0) {
        this.#show(frame as FrameIndex);
        shown = this.#shown;
      }
      const end = shown[frame * 2 + 1];
      for (let at = shown[frame * 2]; at < end; at++) {
        const row = this.#rows[at];
        if (depth === path.length) path = this.#path = grown(path, depth + 1);
        path[depth++] = row;
        if (this.#folds[row] === 1) folded = depth;
      }
    }
    // All allocator: the outermost frame stays.
    this.#start = folded === depth && depth > 0 ? folded - 1 : folded;
    this.#end = depth;
  }

  /** Whether the path read last is this one. */
  #readsAs(path: number): boolean {
    const read = this.#path;
    const start = this.#start;
    const end = this.#end;
    this.#path = this.#other;
    this.#read(this.#firsts[path] as StackIndex);
    const other = this.#path;
    const shift = this.#start - start;
    let same = this.#end === end + shift;
    for (let at = start; same && at < end; at++) same = read[at] === other[at + shift];
    this.#path = read;
    this.#start = start;
    this.#end = end;
    this.#other = other;
    return same;
  }

  #show(index: FrameIndex): void {
    const { fn, file, line, module, pc, offset, inlined = [] } = this.#stacks.frames.frames[index];
    const address = line === undefined ? (offset ?? pc) : undefined;
    const start = this.#rowCount;
    for (const inner of inlined) this.#add(this.#intern(inner.fn, inner.file, inner.line, module));
    this.#add(this.#intern(fn ?? `0x${this.#stacks.frames.addressOf(index).toString(16)}`, file, line, module, address));
    if (index * 2 >= this.#shown.length) this.#shown = grown(this.#shown, index * 2 + 2);
    this.#shown[index * 2] = start;
    this.#shown[index * 2 + 1] = this.#rowCount;
  }

  #add(row: number): void {
    if (this.#rowCount === this.#rows.length) this.#rows = grown(this.#rows, this.#rowCount + 1);
    this.#rows[this.#rowCount++] = row;
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
      if (row === this.#folds.length) this.#folds = grown(this.#folds, row + 1);
      this.#folds[row] = this.#fold && allocator ? 1 : 0;
    }
    return row;
  }
}
