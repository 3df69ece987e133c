/**
 * Stacks as people read them: inlined functions in their place, the allocator's own functions folded away, and addresses that
 * read the same made one.
 * Invariant: two paths never hold the same frames; a stack that is not empty never becomes an empty path.
 * Differs from a StackTable, whose frames are told apart by all they hold: see shown_frames.ts.
 */
import { grown } from '../../core/columns.ts';
import { HashedRows, hashNumbers } from '../../core/trace/hashed_rows.ts';
import type { StackTable } from '../../core/trace/stacks.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { PathTree } from './path_tree.ts';
import { type PathFrame, ShownFrames } from './shown_frames.ts';

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
 * A path is kept as the first stack that reads so: its frames are put together again when they are asked for, or to be compared. Where stacks are nodes of
 * a tree, so are paths, and none need be read.
 */
export class CallPaths {
  readonly #stacks: StackTable;
  readonly #shown: ShownFrames;
  readonly #tree: PathTree | undefined;
  /** The path that `#read` has read: rows of `frames`, from `#start` to `#end` - 1. */
  #path = new Int32Array(64);
  #start = 0;
  #end = 0;
  /** Another one, to compare it with. */
  #other = new Int32Array(64);
  /** PathIndex -> the first stack that reads so. */
  #firsts = new Int32Array(64);
  readonly #paths = new HashedRows((path, seed) => {
    this.#read(this.#firsts[path] as StackIndex);
    return hashNumbers(this.#path, this.#start, this.#end, seed);
  });

  constructor(stacks: StackTable, { foldAllocators = true, lines = true }: CallPathOptions = {}) {
    this.#stacks = stacks;
    this.#shown = new ShownFrames(stacks.frames, { foldAllocators, lines });
    if (stacks.tree !== undefined) this.#tree = new PathTree(stacks.tree, this.#shown);
  }

  /** Frames that paths are made of, by the numbers that `framesOf` gives. */
  get frames(): readonly PathFrame[] {
    return this.#shown.frames;
  }

  /** The path of a stack. */
  pathOf(stack: StackIndex): PathIndex {
    if (this.#tree !== undefined) return this.#tree.pathOf(this.#stacks.nodeOf(stack)) as PathIndex;
    this.#read(stack);
    if (this.#start === this.#end) return NO_STACK;
    const paths = this.#paths;
    const hash = hashNumbers(this.#path, this.#start, this.#end, paths.seed);
    for (let path = paths.first(hash); path >= 0; path = paths.next(hash)) if (this.#readsAs(path)) return path as PathIndex;
    const path = paths.length;
    if (path === this.#firsts.length) this.#firsts = grown(this.#firsts, path + 1);
    this.#firsts[path] = stack;
    paths.add(hash);
    return path as PathIndex;
  }

  /** Rows of `frames`, leaf first: a view, valid until the next call. */
  framesOf(path: PathIndex): Int32Array {
    if (path < 0) return this.#path.subarray(0, 0);
    if (this.#tree !== undefined) return this.#tree.framesOf(path);
    this.#read(this.#firsts[path] as StackIndex);
    return this.#path.subarray(this.#start, this.#end);
  }

  /** Rows of `frames` of a stack's path, leaf first: a view, valid until the next call. Which other stacks read so is not looked for. */
  framesOfStack(stack: StackIndex): Int32Array {
    if (this.#tree !== undefined) return this.framesOf(this.pathOf(stack));
    this.#read(stack);
    return this.#path.subarray(this.#start, this.#end);
  }

  /** Reads the path of a stack into `#path`. */
  #read(stack: StackIndex): void {
    const { entries, starts } = this.#stacks;
    const shown = this.#shown;
    const stop = stack < 0 ? 0 : starts[stack + 1];
    let path = this.#path;
    let depth = 0;
    let folded = 0;
    for (let entry = stack < 0 ? 0 : starts[stack]; entry < stop; entry++) {
      const frame = entries[entry];
      const start = shown.startOf(frame);
      const end = shown.endOf(frame);
      const { rows, folds } = shown;
      for (let at = start; at < end; at++) {
        const row = rows[at];
        if (depth === path.length) path = this.#path = grown(path, depth + 1);
        path[depth++] = row;
        if (folds[row] === 1) folded = depth;
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
}
