/**
 * Strings, instruction pointers and traces of a heaptrack file, as frames and stacks.
 * Invariant: a row is added for each line that defines one, readable or not: later lines count them. Index 0 means none, rows count from 1.
 * A trace is an instruction pointer and the trace of its caller, which is always an earlier row.
 */
import { grown } from '../../core/columns.ts';
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
  /** Instruction pointers and traces defined. */
  pointers = 0;
  traces = 0;
  /** Instruction pointer - 1 -> FrameIndex, -1 for one that could not be read. */
  #pointers = new Int32Array(256);
  /** Of trace t, 2t and 2t + 1: FrameIndex, -1 for none, and the caller's trace. */
  #nodes = new Int32Array(512);
  /** Trace -> StackIndex + 2, 0 before it is asked for. */
  #stacks = new Int32Array(256);
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
    this.#addPointer(
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
    this.#addPointer(-1);
  }

  /** Adds a trace that names an instruction pointer. False if there is no such pointer or caller; the row is added all the same. */
  addTrace(pointer: number, caller: number): boolean {
    const known = pointer <= this.pointers;
    return this.addTraceOf(known && pointer > 0 ? this.#pointers[pointer - 1] : -1, caller) && known;
  }

  /** Adds a trace of a FrameIndex, -1 for none. False if there is no such caller; the row is added all the same. */
  addTraceOf(frame: number, caller: number): boolean {
    const known = caller <= this.traces;
    const trace = ++this.traces;
    if (trace === this.#stacks.length) {
      this.#stacks = grown(this.#stacks, trace + 1);
      this.#nodes = grown(this.#nodes, this.#stacks.length * 2);
    }
    this.#nodes[2 * trace] = frame;
    this.#nodes[2 * trace + 1] = known ? caller : 0;
    return known;
  }

  /** The stack of a trace; undefined if there is no such trace. */
  stackOf(trace: number): number | undefined {
    if (trace === 0) return NO_STACK;
    if (!(trace <= this.traces)) return undefined;
    let stack = this.#stacks[trace] - 2;
    if (stack < NO_STACK) {
      stack = this.#walk(trace);
      this.#stacks[trace] = stack + 2;
    }
    return stack;
  }

  /** True if the function that called the allocator under this trace is one that reallocates. */
  reallocates(trace: number): boolean {
    const frame = trace > 0 ? this.#nodes[2 * trace] : -1;
    if (frame < 0) return false;
    return (this.#reallocating[frame] ??= this.#isReallocating(frame));
  }

  #isReallocating(frame: number): boolean {
    const { fn, inlined } = this.#trace.stacks.frames.frames[frame];
    const leaf = inlined?.[0].fn ?? fn;
    return leaf !== undefined && REALLOCATES.test(leaf);
  }

  #walk(trace: number): number {
    const nodes = this.#nodes;
    const path = this.#path;
    let depth = 0;
    let at = trace;
    for (let step = 0; at > 0 && step < DEEPEST; step++) {
      const frame = nodes[2 * at];
      if (frame >= 0) path[depth++] = frame;
      at = nodes[2 * at + 1];
    }
    return this.#trace.stacks.intern(path, depth);
  }

  #addPointer(frame: number): void {
    if (this.pointers === this.#pointers.length) this.#pointers = grown(this.#pointers, this.pointers + 1);
    this.#pointers[this.pointers++] = frame;
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
