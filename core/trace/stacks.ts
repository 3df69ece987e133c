/**
 * Backtraces of a trace: frames and stacks, each stored once.
 * Invariant: two rows of a table never hold the same content; index order is the order of first appearance.
 */
import { grown } from '../columns.ts';
import type { FrameIndex, StackIndex } from '../units.ts';
import { NO_STACK } from '../units.ts';
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

function frameKey(frame: Frame): string {
  const { pc, fn, file, line, module, offset, inlined, fields } = frame;
  return JSON.stringify([pc === undefined ? null : pc.toString(16), fn, file, line, module, offset, inlined, fields]);
}

/** Stacks as rows of frame indices, leaf first, each distinct stack once. */
export class StackTable {
  readonly frames: FrameTable;
  /** StackIndex -> first entry in `entries`; one more element than stacks. */
  starts = new Uint32Array(64);
  /** FrameIndex values, leaf first, stack after stack. */
  entries = new Int32Array(512);
  #length = 0;
  /** Those that `intern` finds: the first ones, all but the latest appended. */
  readonly #found = new HashedRows();

  constructor(frames: FrameTable = new FrameTable()) {
    this.frames = frames;
  }

  get length(): number {
    return this.#length;
  }

  /** Frames of all stacks. */
  get entryCount(): number {
    return this.starts[this.#length];
  }

  /** Makes room for so many stacks with so many frames in all, so that adding them leaves no smaller columns behind. */
  reserve(stacks: number, entries: number): void {
    if (stacks + 1 > this.starts.length) this.starts = grown(this.starts, stacks + 1);
    if (entries > this.entries.length) this.entries = grown(this.entries, entries);
    this.#found.reserve(stacks);
  }

  /** The frame indices of a stack, leaf first: a view, valid until the next `intern`. */
  framesOf(stack: StackIndex): Int32Array {
    if (stack < 0) return this.entries.subarray(0, 0);
    return this.entries.subarray(this.starts[stack], this.starts[stack + 1]);
  }

  /** Gives the index of the stack made of the first `count` frame indices of `frames` (leaf first), adding it if it is new. An empty one is NO_STACK. */
  intern(frames: ArrayLike<number>, count = frames.length): StackIndex {
    if (count === 0) return NO_STACK;
    const found = this.#found;
    const { starts, entries } = this;
    while (found.length < this.#length) found.add(hashNumbers(entries, starts[found.length], starts[found.length + 1]));
    const hash = hashNumbers(frames, 0, count);
    for (let stack = found.first(hash); stack >= 0; stack = found.next(hash)) {
      if (this.#equals(stack, frames, count)) return stack as StackIndex;
    }
    found.add(hash);
    return this.append(frames, count);
  }

  #equals(stack: number, frames: ArrayLike<number>, count: number): boolean {
    const start = this.starts[stack];
    if (this.starts[stack + 1] - start !== count) return false;
    for (let i = 0; i < count; i++) if (this.entries[start + i] !== frames[i]) return false;
    return true;
  }

  /**
   * Adds a stack that the table does not hold, as one that comes from another table in its order, or one that is to be a row of its own: the first `count`
   * frame indices of `frames`, leaf first. It is looked for only once `intern` is called.
   */
  append(frames: ArrayLike<number>, count = frames.length): StackIndex {
    const index = this.#length++;
    const start = this.starts[index];
    if (index + 2 > this.starts.length) this.starts = grown(this.starts, index + 2);
    if (start + count > this.entries.length) this.entries = grown(this.entries, start + count);
    for (let i = 0; i < count; i++) {
      this.entries[start + i] = frames[i];
      this.frames.use(frames[i] as FrameIndex);
    }
    this.starts[index + 1] = start + count;
    return index as StackIndex;
  }
}
