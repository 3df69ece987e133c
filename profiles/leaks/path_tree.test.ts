import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CallTree } from '../../core/trace/call_tree.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { StackIndex } from '../../core/units.ts';
import { CallPaths } from './call_paths.ts';

/** Frames of which some read the same, some are allocators', and some have functions inlined into them. */
const FRAMES = [
  { pc: 1n, fn: 'main', file: 'a.c', line: 1 },
  { pc: 2n, fn: 'main', file: 'a.c', line: 1 },
  { pc: 3n, fn: 'main', file: 'a.c', line: 2 },
  { pc: 4n, fn: 'malloc' },
  { pc: 5n, fn: 'work', inlined: [{ fn: 'operator new(unsigned long)' }] },
  { pc: 6n, fn: 'work', file: 'b.c', line: 3, inlined: [{ fn: 'inner', file: 'b.h', line: 4 }, { fn: 'main' }] },
  { pc: 7n, fn: 'calloc', inlined: [{ fn: 'inner', file: 'b.h', line: 4 }] },
  { pc: 8n },
];

test('paths of stacks that are nodes of a tree are those of the same stacks read frame by frame', () => {
  const call = fc.tuple(fc.nat(50), fc.nat(FRAMES.length - 1));
  fc.assert(
    fc.property(fc.array(call, { maxLength: 50 }), fc.boolean(), fc.boolean(), (calls, foldAllocators, lines) => {
      const tree = new CallTree();
      const asNodes = new StackTable();
      for (const frame of FRAMES) asNodes.frames.append(frame);
      for (const [caller, frame] of calls) {
        const nodes = tree.length;
        const node = tree.child(caller % nodes, frame);
        // every other one is a stack
        if (node === nodes && node % 2 === 1) asNodes.appendNode(tree, node);
      }
      const rows = new StackTable(asNodes.frames);
      for (let stack = 0; stack < asNodes.length; stack++) rows.append([...asNodes.framesOf(stack as StackIndex)]);
      const ofTree = new CallPaths(asNodes, { foldAllocators, lines });
      const ofRows = new CallPaths(rows, { foldAllocators, lines });
      const shown = (paths: CallPaths, path: StackIndex) => Array.from(paths.framesOf(path), (row) => paths.frames[row]);
      // the last first: paths are numbered as they are asked for
      for (let stack = asNodes.length - 1; stack >= -1; stack--) {
        const path = ofTree.pathOf(stack as StackIndex);
        expect(path).toBe(ofRows.pathOf(stack as StackIndex));
        expect(shown(ofTree, path)).toEqual(shown(ofRows, path));
      }
      expect(ofRows.pathOf(-1 as StackIndex)).toBe(-1);
    }),
  );
});
