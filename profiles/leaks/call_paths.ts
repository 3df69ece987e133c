/**
 * Stacks as people read them: inlined functions in their place, the allocator's own functions folded away, and addresses that
 * read the same made one.
 * Invariant: two paths never hold the same frames; a stack that is not empty never becomes an empty path.
 * Differs from a StackTable, whose frames are told apart by all they hold: here by function, file, line and module, and by address where no
 * line says which call it was.
 */
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
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

/** The paths of a stack table, made as they are asked for. */
export class CallPaths {
  /** Frames that paths are made of, by the numbers that `framesOf` gives. */
  readonly frames: PathFrame[] = [];
  readonly #stacks: StackTable;
  readonly #fold: boolean;
  readonly #lines: boolean;
  readonly #paths = new StackTable();
  readonly #byKey = new Map<string, number>();
  /** FrameIndex -> rows of `frames`, the innermost inlined function first. */
  readonly #shown: (readonly number[] | undefined)[] = [];
  /** Rows of the path that is being made, and of longer ones before it. */
  readonly #scratch: number[] = [];

  constructor(stacks: StackTable, options: CallPathOptions = {}) {
    this.#stacks = stacks;
    this.#fold = options.foldAllocators ?? true;
    this.#lines = options.lines ?? true;
  }

  /** The path of a stack. */
  pathOf(stack: StackIndex): PathIndex {
    const path = this.#scratch;
    const frames = this.#stacks.framesOf(stack);
    let depth = 0;
    let folded = 0;
    for (let i = 0; i < frames.length; i++) {
      const rows = this.#shown[frames[i]] ?? this.#show(frames[i] as FrameIndex);
      for (let k = 0; k < rows.length; k++) {
        path[depth++] = rows[k];
        if (this.#fold && this.frames[rows[k]].allocator) folded = depth;
      }
    }
    // All allocator: the outermost frame stays.
    if (folded === depth) folded--;
    return folded > 0 ? this.#paths.intern(path.slice(folded, depth)) : this.#paths.intern(path, depth);
  }

  /** Rows of `frames`, leaf first: a view, valid until the next `pathOf`. */
  framesOf(path: PathIndex): Int32Array {
    return this.#paths.framesOf(path);
  }

  #show(index: FrameIndex): readonly number[] {
    const { fn, file, line, module, pc, offset, inlined = [] } = this.#stacks.frames.frames[index];
    const address = line === undefined ? (offset ?? pc) : undefined;
    const rows = [
      ...inlined.map((inner) => this.#intern(inner.fn, inner.file, inner.line, module)),
      this.#intern(fn ?? `0x${this.#stacks.frames.addressOf(index).toString(16)}`, file, line, module, address),
    ];
    this.#shown[index] = rows;
    return rows;
  }

  #intern(name: string, file: string | undefined, line: number | undefined, module: string | undefined, address?: number | bigint): number {
    const shownLine = this.#lines ? line : undefined;
    // the calls inside an allocation function are the allocator's own affair
    const call = this.#lines && !isAllocationFunction(name) ? address : undefined;
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
        allocator: isAllocationFunction(name),
      });
      this.#byKey.set(key, row);
    }
    return row;
  }
}
