import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CALLER, DEPTH, FRAME, NODE_WORDS } from './call_node.ts';
import { CallTree } from './call_tree.ts';

test('a node is found by its caller and frame, however many a caller has, and nodes are numbered as they are asked for first', () => {
  // few callers and many frames, so that some callers have more than are listed
  const calls = fc.array(fc.tuple(fc.nat(6), fc.nat(60)), { minLength: 300, maxLength: 600 });
  fc.assert(
    fc.property(calls, fc.constantFrom(1, 2, 256), (asked, room) => {
      const tree = new CallTree(room);
      const nodes = new Map<string, number>();
      for (const [call, frame] of asked) {
        const caller = call % tree.length;
        const key = `${caller} ${frame}`;
        const known = nodes.get(key);
        expect(tree.child(caller, frame)).toBe(known ?? nodes.size + 1);
        if (known === undefined) nodes.set(key, nodes.size + 1);
      }
      expect(tree.length).toBe(nodes.size + 1);
      for (const [key, node] of nodes) {
        const row = tree.rows.subarray(node * NODE_WORDS, (node + 1) * NODE_WORDS);
        expect(`${row[CALLER]} ${row[FRAME]}`).toBe(key);
      }
      tree.check();
    }),
  );
});

test.each([
  [CALLER, 3, 'a node comes before its caller'],
  [DEPTH, 7, 'a node is not one deeper than its caller'],
  [FRAME, 5, 'two nodes are the same'],
])('what does not hold of a node is named: field %d', (field, value, message) => {
  const tree = new CallTree();
  tree.child(0, 5);
  const node = tree.child(0, 6);
  tree.child(node, 6);
  tree.rows[node * NODE_WORDS + field] = value;
  expect(() => tree.check()).toThrow(message);
});
