/**
 * The stack of a bpftrace call whose lines are under way.
 * Invariant: its leaf is the allocation function. The direct caller stands behind it even where the walk of frame pointers missed it and only the return address
 * that the script prints tells.
 */
import type { StackTable } from '../../core/trace/stacks.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { ASTRAY, NOT_A_FRAME } from './frames.ts';

/** Frames that are kept. */
const DEEPEST = 1024;

/** Frames of the open call, leaf first. */
export class CallStack {
  depth = 0;
  /** The walk went astray: what follows is of no stack. */
  astray = false;
  /** FrameIndex of the return address that the script printed; below 0 if there is none, or it cannot be code. */
  caller: number = NOT_A_FRAME;
  readonly #frames = new Int32Array(DEEPEST);

  clear(): void {
    this.depth = 0;
    this.astray = false;
    this.caller = NOT_A_FRAME;
  }

  /** Takes a stack line: a FrameIndex, ASTRAY or NOT_A_FRAME. */
  push(frame: number): void {
    if (frame === ASTRAY) this.astray = true;
    else if (frame !== NOT_A_FRAME && this.depth < DEEPEST) this.#frames[this.depth++] = frame;
  }

  /** The stack, once it is complete. */
  internIn(stacks: StackTable): StackIndex {
    if (this.caller >= 0) this.#insert(this.caller);
    return this.depth > 0 ? stacks.intern(this.#frames, this.depth) : NO_STACK;
  }

  /** Puts the direct caller behind the leaf; without a stack it is all there is. */
  #insert(caller: number): void {
    const frames = this.#frames;
    if (this.depth === 0) {
      frames[0] = caller;
      this.depth = 1;
    } else if (frames[1] !== caller || this.depth === 1) {
      frames.copyWithin(2, 1, Math.min(this.depth, DEEPEST - 1));
      frames[1] = caller;
      this.depth = Math.min(this.depth + 1, DEEPEST);
    }
  }
}
