import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StackTable } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { HeaptrackStacks } from './stacks.ts';

/** Frames that are taken of a stack. */
const DEEPEST = 1024;

/** Stacks put together frame by frame, each told from the others by all its frames. */
class Walked {
  readonly table: StackTable;
  readonly #nodes: { readonly frame: number; readonly caller: number }[] = [{ frame: -1, caller: 0 }];

  constructor(trace: Trace) {
    this.table = new StackTable(trace.stacks.frames);
  }

  add(frame: number, caller: number): void {
    this.#nodes.push({ frame, caller: caller < this.#nodes.length ? caller : 0 });
  }

  stackOf(trace: number): StackIndex {
    const frames: number[] = [];
    for (let at = trace; at > 0 && frames.length < DEEPEST; at = this.#nodes[at].caller) {
      if (this.#nodes[at].frame >= 0) frames.push(this.#nodes[at].frame);
    }
    return this.table.intern(frames);
  }
}

function tables(pointers: number) {
  const trace = new Trace();
  const stacks = new HeaptrackStacks(trace);
  for (let pointer = 1; pointer <= pointers; pointer++) stacks.addPointer(BigInt(pointer), 0, []);
  return { trace, stacks, walked: new Walked(trace) };
}

function expectSame(trace: Trace, { table }: Walked): void {
  expect(trace.stacks.length).toBe(table.length);
  for (let stack = 0; stack < table.length; stack++) {
    expect([...trace.stacks.framesOf(stack as StackIndex)]).toEqual([...table.framesOf(stack as StackIndex)]);
  }
}

test('stacks that are nodes of a tree are those that are told apart frame by frame, in the same order', () => {
  const line = fc.record({ frame: fc.integer({ min: -1, max: 4 }), caller: fc.nat(30), asked: fc.nat(30), looks: fc.boolean() });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const { trace, stacks, walked } = tables(5);
      for (const { frame, caller, asked, looks } of lines) {
        expect(stacks.addTraceOf(frame, caller)).toBe(caller < stacks.traces);
        walked.add(frame, caller);
        const stack = stacks.stackOf(asked);
        expect(stack).toBe(asked <= stacks.traces ? walked.stackOf(asked) : undefined);
        // rows may be asked for while more are added
        if (looks && stack !== undefined) expect(trace.stacks.framesOf(stack as StackIndex)).toBeInstanceOf(Int32Array);
      }
      expectSame(trace, walked);
    }),
  );
});

test('a stack too deep is cut off, and may then be another one', () => {
  const { trace, stacks, walked } = tables(1);
  for (let depth = 1; depth <= DEEPEST + 5; depth++) {
    stacks.addTraceOf(0, depth - 1);
    walked.add(0, depth - 1);
  }
  for (const asked of [3, DEEPEST - 1, DEEPEST + 2, DEEPEST, DEEPEST + 5, 7, 3]) expect(stacks.stackOf(asked)).toBe(walked.stackOf(asked));
  expectSame(trace, walked);
  expect(trace.stacks.tree).toBeUndefined();
  expect(stacks.stackOf(0)).toBe(NO_STACK);
});
