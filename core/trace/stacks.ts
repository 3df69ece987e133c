/**
 * Backtraces of a trace: frames and stacks, each stored once.
 * Invariant: two rows of a table never hold the same content, but for stacks that `append` was asked to make rows of their own; index order is the
 * order of first appearance.
 */
import { grown } from '../columns.ts';
import type { FrameIndex, StackIndex } from '../units.ts';
import { NO_STACK } from '../units.ts';
import { CALLER, DEPTH, FRAME, NODE_WORDS } from './call_node.ts';
import type { CallTree } from './call_tree.ts';
import { HashedRows, hashNumbers } from './hashed_rows.ts';

/** What is known of one frame. Every part may be missing; a frame with nothing but a name is usual for text traces. */
export interface Frame {
  /** Return address as recorded (64-bit), if the trace has it. */
  readonly pc?: bigint;
  /** Function name as recorded (demangled or not). */
  readonly fn?: string;
  readonly file?: string;
  readonly line?: number;
  /** Path of the binary or library. */
  readonly module?: string;
  /** Offset of the address in the function, bytes. */
  readonly offset?: number;
  /** Functions inlined at this address, innermost first; `fn` is the outermost, which has the real frame. */
  readonly inlined?: readonly InlinedFrame[];
  /** What else a recording says of the frame: members of a JSON object, as they were spelt (ReadOptions.keepFields). */
  readonly fields?: string;
}

/** A function that the compiler inlined into a frame: it has no address of its own. */
export interface InlinedFrame {
  readonly fn: string;
  readonly file?: string;
  readonly line?: number;
}

/** Address of the first frame that has none of its own; the following ones lie 16 bytes apart. Far below where Linux maps programs and libraries. */
const MADE_UP_ADDRESSES = 0x100000000n;

/** Frames, each distinct one once. */
export class FrameTable {
  readonly frames: Frame[] = [];
  /** Frames in the order in which stacks first used them. Readers may learn of frames earlier, and of more; this is what every form of a trace keeps. */
  readonly used: FrameIndex[] = [];
  /** FrameIndex -> its place in `used`, if it has one. */
  readonly #places: number[] = [];
  /** Of the first `#found` frames. */
  readonly #byKey = new Map<string, FrameIndex>();
  #found = 0;

  get length(): number {
    return this.frames.length;
  }

  /** The frame's address as it appears in heap dumps: its own, or a made-up one that no other frame has. */
  addressOf(index: FrameIndex): bigint {
    return this.frames[index].pc ?? MADE_UP_ADDRESSES + BigInt(this.use(index)) * 16n;
  }

  /** Says that a stack holds the frame; gives its place in `used`. */
  use(index: FrameIndex): number {
    return (this.#places[index] ??= this.used.push(index) - 1);
  }

  /** @throws Error if two frames are the same, or what stacks use is not each frame once. */
  check(): void {
    if (new Set(this.frames.map(frameKey)).size !== this.frames.length) throw new Error('frames: two are the same');
    this.used.forEach((frame, place) => {
      if (this.#places[frame] !== place) throw new Error('frames: one is used twice');
    });
  }

  /** Gives the frame's index, adding it if it is new. */
  intern(frame: Frame): FrameIndex {
    const { frames } = this;
    for (; this.#found < frames.length; this.#found++) this.#byKey.set(frameKey(frames[this.#found]), this.#found as FrameIndex);
    const key = frameKey(frame);
    let index = this.#byKey.get(key);
    if (index === undefined) {
      index = this.append(frame);
      this.#byKey.set(key, index);
      this.#found = frames.length;
    }
    return index;
  }

  /** Adds a frame that the table does not hold, as one that comes from another table in its order: it is looked for only once `intern` is called. */
  append(frame: Frame): FrameIndex {
    return (this.frames.push(frame) - 1) as FrameIndex;
  }
}

/** No two frames that differ share one: JSON begins with a bracket, and an address has neither space nor plus. */
function frameKey(frame: Frame): string {
  const { pc, fn, file, line, module, offset, inlined, fields } = frame;
  const isPlain = file === undefined && line === undefined && offset === undefined && inlined === undefined && fields === undefined;
  if (isPlain && pc !== undefined && fn !== undefined) {
    if (module === undefined) return `${pc.toString(16)} ${fn}`;
    // the length says where the path ends: it may hold anything
    return `${pc.toString(16)}+${module.length} ${module}${fn}`;
  }
  return JSON.stringify([pc === undefined ? null : pc.toString(16), fn, file, line, module, offset, inlined, fields]);
}

/** Stacks as rows of frame indices, leaf first, each distinct stack once. */
export class StackTable {
  readonly frames: FrameTable;
  #starts = new Uint32Array(64);
  #entries = new Int32Array(512);
  #length = 0;
  /** Stacks whose frames are in `#entries`: the others are nodes of `#tree` as yet. */
  #spread = 0;
  #tree: CallTree | undefined;
  /** StackIndex -> node, while all stacks are nodes of one tree. */
  #nodes = new Int32Array(64);
  /** Those that `intern` finds: the first ones, all but the latest appended. */
  readonly #found = new HashedRows((stack, seed) => hashNumbers(this.#entries, this.#starts[stack], this.#starts[stack + 1], seed));

  constructor(frames: FrameTable = new FrameTable()) {
    this.frames = frames;
  }

  get length(): number {
    return this.#length;
  }

  /** StackIndex -> first entry in `entries`; one more element than stacks. */
  get starts(): Uint32Array<ArrayBuffer> {
    this.#spreadAll();
    return this.#starts;
  }

  /** FrameIndex values, leaf first, stack after stack. */
  get entries(): Int32Array<ArrayBuffer> {
    this.#spreadAll();
    return this.#entries;
  }

  /** The tree that all stacks are nodes of, where they came so. */
  get tree(): CallTree | undefined {
    return this.#tree;
  }

  /** The node that a stack is in `tree`. */
  nodeOf(stack: StackIndex): number {
    return stack < 0 ? 0 : this.#nodes[stack];
  }

  /** Frames of all stacks. */
  get entryCount(): number {
    return this.starts[this.#length];
  }

  /** Makes room for so many stacks with so many frames in all, so that adding them leaves no smaller columns behind. */
  reserve(stacks: number, entries: number): void {
    if (stacks + 1 > this.#starts.length) this.#starts = grown(this.#starts, stacks + 1);
    if (entries > this.#entries.length) this.#entries = grown(this.#entries, entries);
    this.#found.reserve(stacks);
  }

  /** The frame indices of a stack, leaf first: a view, valid until the next `intern`. */
  framesOf(stack: StackIndex): Int32Array {
    const { starts, entries } = this;
    return stack < 0 ? entries.subarray(0, 0) : entries.subarray(starts[stack], starts[stack + 1]);
  }

  /** Gives the index of the stack made of the first `count` frame indices of `frames` (leaf first), adding it if it is new. An empty one is NO_STACK. */
  intern(frames: ArrayLike<number>, count = frames.length): StackIndex {
    if (count === 0) return NO_STACK;
    const found = this.#found;
    const { starts, entries } = this;
    while (found.length < this.#length) found.add(hashNumbers(entries, starts[found.length], starts[found.length + 1], found.seed));
    const hash = hashNumbers(frames, 0, count, found.seed);
    for (let stack = found.first(hash); stack >= 0; stack = found.next(hash)) {
      if (this.#equals(stack, frames, count)) return stack as StackIndex;
    }
    const stack = this.append(frames, count);
    found.add(hash);
    return stack;
  }

  #equals(stack: number, frames: ArrayLike<number>, count: number): boolean {
    const start = this.#starts[stack];
    if (this.#starts[stack + 1] - start !== count) return false;
    for (let i = 0; i < count; i++) if (this.#entries[start + i] !== frames[i]) return false;
    return true;
  }

  /**
   * Adds a stack that the table does not hold, as one that comes from another table in its order, or one that is to be a row of its own: the first `count`
   * frame indices of `frames`, leaf first. It is looked for only once `intern` is called.
   */
  append(frames: ArrayLike<number>, count = frames.length): StackIndex {
    this.#spreadAll();
    this.#tree = undefined;
    const index = this.#length++;
    this.#spread = this.#length;
    const start = this.#reserve(index, count);
    for (let i = 0; i < count; i++) {
      this.#entries[start + i] = frames[i];
      this.frames.use(frames[i] as FrameIndex);
    }
    return index as StackIndex;
  }

  /**
   * Adds a stack that the table does not hold, a node of a tree of FrameIndex values, of which all have addresses of their own. Its row is made only when
   * frames are asked for: of half a million stacks that takes longer than all that most results want of them.
   */
  appendNode(tree: CallTree, node: number): StackIndex {
    const index = this.#length;
    if (index === 0) this.#tree = tree;
    if (this.#tree !== tree) throw new Error('stacks: nodes of two trees');
    if (index === this.#nodes.length) this.#nodes = grown(this.#nodes, index + 1);
    this.#nodes[index] = node;
    this.#length++;
    return index as StackIndex;
  }

  /** Makes the rows of stacks that are nodes as yet. */
  #spreadAll(): void {
    if (this.#spread === this.#length) return;
    const { rows } = this.#tree as CallTree;
    for (; this.#spread < this.#length; this.#spread++) {
      let at = this.#nodes[this.#spread] * NODE_WORDS;
      let entry = this.#reserve(this.#spread, rows[at + DEPTH]);
      for (; at !== 0; at = rows[at + CALLER] * NODE_WORDS) {
        const frame = rows[at + FRAME] as FrameIndex;
        this.#entries[entry++] = frame;
        this.frames.use(frame);
      }
    }
  }

  /** Checks stacks and frames. @throws Error naming what does not hold. */
  check(): void {
    const { starts, entries, frames } = this;
    frames.check();
    this.#tree?.check();
    for (let stack = 0; stack < this.#length; stack++) {
      if (starts[stack + 1] < starts[stack]) throw new Error('stacks: one ends before it begins');
    }
    const used = new Set<number>(frames.used);
    for (let at = 0; at < this.entryCount; at++) {
      if (entries[at] < 0 || entries[at] >= frames.length) throw new Error('stacks: one holds a frame that there is not');
      if (!used.has(entries[at])) throw new Error('stacks: one holds a frame that none is said to use');
    }
  }

  /** Makes room for the entries of the stack that is next, and gives where they begin. */
  #reserve(index: number, count: number): number {
    const start = this.#starts[index];
    if (index + 2 > this.#starts.length) this.#starts = grown(this.#starts, index + 2);
    if (start + count > this.#entries.length) this.#entries = grown(this.#entries, start + count);
    this.#starts[index + 1] = start + count;
    return start;
  }
}
