import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StackTable } from './stacks.ts';

test('room made beforehand changes nothing but the room', () => {
  const path = fc.array(fc.nat(5), { maxLength: 4 });
  const room = fc.record({ stacks: fc.nat(400), entries: fc.nat(2000) });
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 9, arbitrary: path }, room), { maxLength: 300 }), (steps) => {
      const plain = new StackTable();
      const table = new StackTable();
      for (const step of steps) {
        if (Array.isArray(step)) expect(table.intern(step)).toBe(plain.intern(step));
        else table.reserve(step.stacks, step.entries);
      }
      expect(table.length).toBe(plain.length);
      expect(table.entries.subarray(0, table.entryCount)).toEqual(plain.entries.subarray(0, plain.entryCount));
    }),
  );
});

test('frames whose module and name run together alike are two', () => {
  const { frames } = new StackTable();
  const rows = [
    { pc: 1n, module: 'a', fn: 'bc' },
    { pc: 1n, module: 'ab', fn: 'c' },
    { pc: 1n, fn: 'abc' },
    { pc: 1n, module: '', fn: 'abc' },
  ].map((frame) => frames.intern(frame));
  expect(new Set(rows).size).toBe(4);
  frames.check();
});
