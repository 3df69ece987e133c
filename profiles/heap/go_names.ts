/**
 * What Go writes below the rows of a heap profile as text, `/debug/pprof/heap?debug=1` (runtime/pprof/pprof.go, printStackRecord):
 *
 *     51: 15458304 [51: 15458304] @ 0x4b3d45 0x4b3c40 0x437452 0x461121
 *     #	0x4b3d44	main.big+0x164		/src/main.go:5
 *
 * These addresses lie in the calls, also that of the head. The runtime's functions at the head have no line, nor has runtime.goexit, which alone is left out at the root.
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
  /** Names below this row, innermost first. */
  readonly #named = new Map<FrameIndex, InlinedFrame[]>();
  /** The last of these addresses, and the stack that it is of. */
  #last = -1n;
  #stack: StackIndex = NO_STACK;

  constructor(stacks: StackTable) {
    this.#stacks = stacks;
  }

  /** True once there was a name. */
  get any(): boolean {
    return this.#known.size + this.#named.size > 0;
  }

  /** A row has been read: the next lines are of another one. */
  nextRow(): void {
    this.#nameRoot();
    for (const frame of this.#named.keys()) this.#known.add(frame);
    this.#named.clear();
  }

  /** Takes a comment below the row of a stack. False if it is none of Go's lines of frames. */
  take(text: string, stack: StackIndex): boolean {
    const match = FRAME.exec(text);
    if (match === null) return false;
    const [, address, fn, file, line] = match as (string | undefined)[];
    const { frames } = this.#stacks.frames;
    const after = BigInt(`0x${address}`) + 1n;
    this.#last = after;
    this.#stack = stack;
    if (fn === undefined || file === undefined) return true;
    for (const index of this.#stacks.framesOf(stack)) {
      const frame = index as FrameIndex;
      if (frames[frame].pc !== after || this.#known.has(frame)) continue;
      const names = this.#named.get(frame) ?? [];
      names.push({ fn, file, line: Number(line) });
      this.#named.set(frame, names);
      const inlined = names.slice(0, -1);
      frames[frame] = { pc: after, ...names[inlined.length], ...(inlined.length === 0 ? {} : { inlined }) };
      break;
    }
    return true;
  }
  #nameRoot(): void {
    if (this.#stack === NO_STACK) return;
    const root = this.#stacks.framesOf(this.#stack).at(-1) as FrameIndex | undefined;
    this.#stack = NO_STACK;
    if (root === undefined || this.#known.has(root) || this.#named.has(root)) return;
    const { frames } = this.#stacks.frames;
    if (frames[root].pc !== this.#last) frames[root] = { ...frames[root], fn: 'runtime.goexit' };
    this.#known.add(root);
  }
}
