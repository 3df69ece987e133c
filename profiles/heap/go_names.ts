/**
 * What Go writes below the rows of a heap profile as text, `/debug/pprof/heap?debug=1` (runtime/pprof/pprof.go, printStackRecord):
 *
 *     51: 15458304 [51: 15458304] @ 0x4b3d45 0x4b3c40 0x437452 0x461121
 *     #	0x4b3d44	main.big+0x164		/src/main.go:5
 *
 * These addresses lie in the calls, also that of the head; Go before 1.7 has the row's own ones there. The runtime's functions at the head have no line, nor has runtime.goexit, which alone is left out at the root.
 * Invariant: a frame has the names below the first row that it is in; of several lines of one address, each is inlined into the next.
 */
import type { InlinedFrame, StackTable } from '../../core/trace/stacks.ts';
import { type FrameIndex, NO_STACK, type StackIndex } from '../../core/units.ts';

const FRAME = /^#\s+0x([0-9a-f]{1,16})(?:\s+(\S.*)\+0x[0-9a-f]+\s+(\S.*):(\d{1,9}))?\s*$/;

/** Names the frames of stacks whose lines it is given. */
export class GoNames {
  readonly #stacks: StackTable;
  /** Frames that rows before have named. */
  readonly #known = new Set<FrameIndex>();
  /** The row's stack, its frames by their addresses, and the names of those that have some, innermost first. */
  #stack: StackIndex = NO_STACK;
  readonly #byAddress = new Map<bigint, FrameIndex>();
  readonly #names = new Map<FrameIndex, InlinedFrame[]>();
  /** Address in the row that its last line is of. */
  #last = -1n;

  constructor(stacks: StackTable) {
    this.#stacks = stacks;
  }

  /** True once there was a name. */
  get any(): boolean {
    return this.#known.size > 0;
  }

  /** Takes a comment below the row of a stack. False if it is none of Go's lines of frames. */
  take(text: string, stack: StackIndex): boolean {
    const match = FRAME.exec(text);
    if (match === null) return false;
    if (this.#stack === NO_STACK) this.#begin(stack);
    const [, address, fn, file, line] = match as (string | undefined)[];
    const call = BigInt(`0x${address}`);
    this.#last = this.#byAddress.has(call + 1n) ? call + 1n : call;
    const frame = this.#byAddress.get(this.#last);
    if (fn === undefined || file === undefined || frame === undefined || this.#known.has(frame)) return true;
    const names = this.#names.get(frame) ?? [];
    names.push({ fn, file, line: Number(line) });
    this.#names.set(frame, names);
    return true;
  }

  /** The row is over: the next lines are of another one. */
  endRow(): void {
    if (this.#stack === NO_STACK) return;
    const { frames } = this.#stacks.frames;
    for (const [frame, names] of this.#names) {
      const inlined = names.slice(0, -1);
      frames[frame] = { ...frames[frame], ...names[inlined.length], ...(inlined.length === 0 ? {} : { inlined }) };
      this.#known.add(frame);
    }
    const root = this.#stacks.framesOf(this.#stack).at(-1) as FrameIndex | undefined;
    if (root !== undefined && !this.#known.has(root) && frames[root].pc !== this.#last) {
      frames[root] = { ...frames[root], fn: 'runtime.goexit' };
      this.#known.add(root);
    }
    this.#stack = NO_STACK;
  }

  #begin(stack: StackIndex): void {
    const { frames } = this.#stacks.frames;
    this.#stack = stack;
    this.#byAddress.clear();
    this.#names.clear();
    for (const index of this.#stacks.framesOf(stack)) {
      const { pc } = frames[index];
      if (pc !== undefined) this.#byAddress.set(pc, index as FrameIndex);
    }
  }
}
