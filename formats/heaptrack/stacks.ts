/**
 * Strings, instruction pointers and traces of a heaptrack file, as frames and stacks.
 * Invariant: a row is added for each line that defines one, readable or not: later lines count them. Index 0 means none, rows count from 1.
 * A trace is an instruction pointer and the trace of its caller, which is always an earlier row.
 */
import { grown } from '../../core/columns.ts';
import { CALLER, DEPTH, FRAME, NODE_WORDS, NOTE } from '../../core/trace/call_node.ts';
import { CallTree } from '../../core/trace/call_tree.ts';
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

/** A frame, or one inlined into it, before its function and place are known. */
interface Named {
  fn?: string;
  file?: string;
  line?: number;
}

/** Tables of a file. */
export class HeaptrackStacks {
  readonly strings: string[] = [];
  readonly #trace: Trace;
  /** Instruction pointers and traces defined. */
  pointers = 0;
  traces = 0;
  /** Addresses of the trace's frames, as near as a number comes to them. */
  readonly #addresses = new Set<number>();
  /** Instruction pointer - 1 -> FrameIndex, -1 for one that could not be read. */
  #pointers = new Int32Array(256);
  /** Nodes note their StackIndex + 1, 0 before it is asked for. */
  readonly #tree = new CallTree();
  /** Trace -> its node; of a trace without a frame, whose backtrace is its caller's, ~node. */
  #nodes = new Int32Array(256);
  /** A trace deeper than DEEPEST was asked for: cut off, it may be the same as another one, so that stacks are told apart by their frames. */
  #cut = false;
  /** Set where frames have nothing but addresses, which are those that calls return to: then heads of stacks have the address before. */
  bare = false;
  /** FrameIndex -> the one that stands for it at the head of a stack. */
  readonly #heads = new Map<number, number>();
  /** FrameIndex -> whether its function reallocates, undefined before it is asked for. */
  readonly #reallocating: (boolean | undefined)[] = [];
  readonly #path = new Int32Array(DEEPEST);

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Adds an instruction pointer: `chain` is innermost first, its last one the function that the others are inlined into. */
  addPointer(pc: bigint, module: number, chain: readonly FrameIndices[]): void {
    const frame: Named & { module?: string; inlined?: InlinedFrame[]; readonly pc: bigint } = { pc };
    if (chain.length > 0) this.#name(frame, chain[chain.length - 1]);
    const path = this.#string(module);
    if (path !== '') frame.module = path;
    if (chain.length > 1) {
      frame.inlined = chain.slice(0, -1).map((indices) => {
        const inner: Named & { fn: string } = { fn: '??' };
        this.#name(inner, indices);
        return inner;
      });
    }
    this.#addPointer(this.frameOf(frame));
  }

  /** The FrameIndex of a frame that has an address. Frames are compared only where two have the same one, as few have. */
  frameOf(frame: Frame & { readonly pc: bigint }): number {
    const { frames } = this.#trace.stacks;
    const near = Number(frame.pc);
    if (this.#addresses.has(near)) return frames.intern(frame);
    this.#addresses.add(near);
    return frames.append(frame);
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
    if (trace === this.#nodes.length) this.#nodes = grown(this.#nodes, trace + 1);
    const above = known ? this.#nodeOf(caller) : 0;
    this.#nodes[trace] = frame < 0 ? ~above : this.#tree.child(above, frame);
    return known;
  }

  /** The stack of a trace; undefined if there is no such trace. */
  stackOf(trace: number): number | undefined {
    if (trace === 0) return NO_STACK;
    if (!(trace <= this.traces)) return undefined;
    const node = this.#nodeOf(trace);
    const noted = this.#tree.rows[node * NODE_WORDS + NOTE];
    return noted > 0 ? noted - 1 : this.#addStack(node);
  }

  /** True if the function that called the allocator under this trace is one that reallocates. */
  reallocates(trace: number): boolean {
    const node = this.#nodes[trace];
    if (node <= 0) return false;
    const frame = this.#tree.rows[node * NODE_WORDS + FRAME];
    return (this.#reallocating[frame] ??= this.#isReallocating(frame));
  }

  #isReallocating(frame: number): boolean {
    const { fn, inlined } = this.#trace.stacks.frames.frames[frame];
    const leaf = inlined?.[0].fn ?? fn;
    return leaf !== undefined && REALLOCATES.test(leaf);
  }

  #nodeOf(trace: number): number {
    const node = this.#nodes[trace];
    return node < 0 ? ~node : node;
  }

  #addStack(node: number): number {
    if (node === 0) return NO_STACK;
    const { stacks } = this.#trace;
    const { rows } = this.#tree;
    const at = node * NODE_WORDS;
    this.#cut ||= rows[at + DEPTH] > DEEPEST;
    const head = this.bare ? this.#tree.child(rows[at + CALLER], this.#headOf(rows[at + FRAME])) : node;
    const stack = this.#cut ? stacks.intern(this.#path, this.#readPath(head * NODE_WORDS)) : stacks.appendNode(this.#tree, head);
    // The tree may have moved.
    this.#tree.rows[at + NOTE] = stack + 1;
    return stack;
  }

  /**
   * The frame that stands for another one at the head of a stack: in the call that allocates, not behind it. Whoever looks for the names of addresses takes
   * that of a head as it is, and of a caller the one before.
   */
  #headOf(frame: number): number {
    const known = this.#heads.get(frame);
    if (known !== undefined) return known;
    const { pc = 1n, ...others } = this.#trace.stacks.frames.frames[frame];
    const head = this.frameOf({ pc: BigInt.asUintN(64, pc - 1n), ...others });
    this.#heads.set(frame, head);
    return head;
  }

  /** Reads the frames of the node at a place into `#path`, leaf first, as many as are taken; gives how many. */
  #readPath(place: number): number {
    const { rows } = this.#tree;
    let depth = 0;
    for (let at = place; at !== 0 && depth < DEEPEST; at = rows[at + CALLER] * NODE_WORDS) this.#path[depth++] = rows[at + FRAME];
    return depth;
  }

  #addPointer(frame: number): void {
    if (this.pointers === this.#pointers.length) this.#pointers = grown(this.#pointers, this.pointers + 1);
    this.#pointers[this.pointers++] = frame;
  }

  /** Gives a frame its function and place, as far as they are known. */
  #name(frame: Named, { fn, file, line }: FrameIndices): void {
    const name = this.#string(fn);
    const path = this.#string(file);
    if (name !== '') frame.fn = name;
    if (path === '') return;
    frame.file = path;
    if (line > 0 && Number.isSafeInteger(line)) frame.line = line;
  }

  /** A string by its index; empty for none. */
  #string(index: number): string {
    return this.strings[index - 1] ?? '';
  }
}
