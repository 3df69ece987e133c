/**
 * What a recording of ltrace tells of a call's stack: its return address (-i) or the program or library that called, and the same of the
 * calls that enclose it, where those are recorded too.
 */
import type { Trace } from '../../core/trace/trace.ts';
import { type FrameIndex, NO_STACK, type StackIndex } from '../../core/units.ts';
import { type Call, Kind } from './functions.ts';
import type { Name } from './names.ts';
import type { OpenCall } from './open_calls.ts';

/** Most enclosing calls in a stack. */
const MOST_FRAMES = 128;

/** Makes the stacks of calls. */
export class CallStacks {
  readonly #stacks: Trace['stacks'];

  constructor(stacks: Trace['stacks']) {
    this.#stacks = stacks;
  }

  /** The stack of a call with nothing around it whose return address is not known: the program or library that called. */
  ofCall({ kind, caller }: Call): StackIndex {
    const frame = kind === Kind.other ? undefined : this.#frame(NaN, caller);
    return frame === undefined ? NO_STACK : this.#stacks.intern([frame]);
  }

  /** The stack of a call with nothing around it: its return address, or the program or library that called. */
  alone(name: Name, ip: number): StackIndex {
    if (Number.isNaN(ip)) return name.stack;
    let stack = name.byAddress.get(ip);
    if (stack === undefined) {
      stack = this.#stacks.intern([this.#frame(ip, name.caller) as FrameIndex]);
      name.byAddress.set(ip, stack);
    }
    return stack;
  }

  /** The stack of a call within others: each level's return address or caller, or else the function that encloses it. */
  within(name: Name, ip: number, calls: readonly OpenCall[]): StackIndex {
    if (calls.length === 0) return this.alone(name, ip);
    const stacks = this.#stacks;
    const frames: FrameIndex[] = [];
    let level: { name: Name; ip: number } = { name, ip };
    for (let i = calls.length - 1; ; i--) {
      const frame = this.#frame(level.ip, level.name.caller);
      if (frame !== undefined) frames.push(frame);
      else if (i >= 0) frames.push(stacks.frames.intern({ fn: calls[i].name.fn }));
      if (i < 0 || frames.length >= MOST_FRAMES) break;
      level = calls[i];
    }
    return stacks.intern(frames);
  }

  /** The frame of a return address, or, without one, of the program or library that called; undefined if that is not known either. */
  #frame(ip: number, caller: string | undefined): FrameIndex | undefined {
    const { frames } = this.#stacks;
    if (!Number.isNaN(ip)) return frames.intern({ pc: BigInt(ip), ...(caller === undefined ? {} : { module: caller }) });
    return caller === undefined ? undefined : frames.intern({ fn: caller, module: caller });
  }
}
