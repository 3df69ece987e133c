/**
 * Strings, instruction pointers and traces of a heaptrack file, as frames and stacks.
 * Invariant: a row is added for each line that defines one, readable or not: later lines count them. Index 0 means none, rows count from 1.
 * A trace is an instruction pointer and the trace of its caller, which is always an earlier row.
 */
import type { Frame, InlinedFrame } from '../../core/trace/stacks.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';

/** Frames of the deepest stack taken; heaptrack records 64 at most. */
const DEEPEST = 1024;

/** Functions whose call heaptrack sees as a free and an allocation. */
const REALLOCATES = /realloc/i;

/** A function, and where it is executing: indices of strings, 0 for unknown. */
export interface FrameIndices {
  readonly fn: number;
  readonly file: number;
  readonly line: number;
}

/** Tables of a file. */
export class HeaptrackStacks {
  readonly strings: string[] = [];
  readonly #trace: Trace;
  /** Instruction pointer -> FrameIndex, -1 for one that could not be read. */
  readonly #pointers: number[] = [];
  /** Trace -> FrameIndex, -1 for none. */
  readonly #frames: number[] = [];
  /** Trace -> the caller's trace. */
  readonly #callers: number[] = [];
  /** Trace -> StackIndex, undefined before it is asked for. */
  readonly #stacks: (number | undefined)[] = [];
  /** FrameIndex -> whether its function reallocates, undefined before it is asked for. */
  readonly #reallocating: (boolean | undefined)[] = [];
  readonly #path = new Int32Array(DEEPEST);

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Adds an instruction pointer: `chain` is innermost first, its last one the function that the others are inlined into. */
  addPointer(pc: bigint, module: number, chain: readonly FrameIndices[]): void {
    const outermost = chain.length > 0 ? this.#function(chain[chain.length - 1]) : undefined;
    const path = this.#string(module);
    const inlined: InlinedFrame[] = [];
    for (let i = 0; i < chain.length - 1; i++) {
      const { fn = '??', ...place } = this.#function(chain[i]);
      inlined.push({ fn, ...place });
    }
    this.#pointers.push(
      this.#trace.stacks.frames.intern({
        pc,
        ...outermost,
        ...(path === '' ? {} : { module: path }),
        ...(inlined.length > 0 ? { inlined } : {}),
      }),
    );
  }

  /** Adds an instruction pointer that could not be read. */
  addUnknownPointer(): void {
    this.#pointers.push(-1);
  }

  /** Adds a trace that names an instruction pointer. False if there is no such pointer or caller; the row is added all the same. */
  addTrace(pointer: number, caller: number): boolean {
    const known = pointer <= this.#pointers.length;
    return this.addTraceOf(known && pointer > 0 ? this.#pointers[pointer - 1] : -1, caller) && known;
  }

  /** Adds a trace of a FrameIndex, -1 for none. False if there is no such caller; the row is added all the same. */
  addTraceOf(frame: number, caller: number): boolean {
    const known = caller <= this.#frames.length;
    this.#frames.push(frame);
    this.#callers.push(known ? caller : 0);
    this.#stacks.push(undefined);
    return known;
  }

  /** The stack of a trace; undefined if there is no such trace. */
  stackOf(trace: number): number | undefined {
    if (trace === 0) return NO_STACK;
    if (!(trace <= this.#frames.length)) return undefined;
    return (this.#stacks[trace - 1] ??= this.#walk(trace));
  }

  /** True if the function that called the allocator under this trace is one that reallocates. */
  reallocates(trace: number): boolean {
    const frame = trace > 0 ? this.#frames[trace - 1] : -1;
    if (frame < 0) return false;
    return (this.#reallocating[frame] ??= this.#isReallocating(frame));
  }

  #isReallocating(frame: number): boolean {
    const { fn, inlined } = this.#trace.stacks.frames.frames[frame];
    const leaf = inlined?.[0].fn ?? fn;
    return leaf !== undefined && REALLOCATES.test(leaf);
  }

  #walk(trace: number): number {
    let depth = 0;
    let row = trace;
    for (let step = 0; row > 0 && step < DEEPEST; step++) {
      const frame = this.#frames[row - 1];
      if (frame >= 0) this.#path[depth++] = frame;
      row = this.#callers[row - 1];
    }
    return this.#trace.stacks.intern(this.#path, depth);
  }

  #function({ fn, file, line }: FrameIndices): Pick<Frame, 'fn' | 'file' | 'line'> {
    const name = this.#string(fn);
    const path = this.#string(file);
    return { ...(name === '' ? {} : { fn: name }), ...(path === '' ? {} : { file: path }), ...(path !== '' && line > 0 ? { line } : {}) };
  }

  /** A string by its index; empty for none. */
  #string(index: number): string {
    return this.strings[index - 1] ?? '';
  }
}
