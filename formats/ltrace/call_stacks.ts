/**
 * What a recording of ltrace tells of a call's stack: its return address (-i) or the program or library that called, and the same of the
 * calls that enclose it, where those are recorded too.
 */
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
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
    if (kind === Kind.other || caller === undefined) return NO_STACK;
    const stacks = this.#stacks;
    return stacks.intern([stacks.frames.intern({ fn: caller, module: caller })]);
  }

  /** The stack of a call with nothing around it: its return address, or the program or library that called. */
  alone(name: Name, ip: number): StackIndex {
    if (Number.isNaN(ip)) return name.stack;
    let stack = name.byAddress.get(ip);
    if (stack === undefined) {
      const stacks = this.#stacks;
      stack = stacks.intern([stacks.frames.intern({ pc: BigInt(ip), ...(name.caller === undefined ? {} : { module: name.caller }) })]);
      name.byAddress.set(ip, stack);
    }
    return stack;
  }

  /** The stack of a call within others: each level's return address or caller, or else the function that encloses it. */
  within(name: Name, ip: number, calls: readonly OpenCall[]): StackIndex {
    if (calls.length === 0) return this.alone(name, ip);
    const stacks = this.#stacks;
    const frames: number[] = [];
    let level: { name: Name; ip: number } = { name, ip };
    for (let i = calls.length - 1; ; i--) {
      const { caller } = level.name;
      if (!Number.isNaN(level.ip))
        frames.push(stacks.frames.intern({ pc: BigInt(level.ip), ...(caller === undefined ? {} : { module: caller }) }));
      else if (caller !== undefined) frames.push(stacks.frames.intern({ fn: caller, module: caller }));
      else if (i >= 0) frames.push(stacks.frames.intern({ fn: calls[i].name.fn }));
      if (i < 0 || frames.length >= MOST_FRAMES) break;
      level = calls[i];
    }
    return stacks.intern(frames);
  }
}
