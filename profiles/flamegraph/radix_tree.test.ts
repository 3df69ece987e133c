import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RadixTree } from './radix_tree.ts';

/** The frames from the root to the end of a node. */
function pathTo(tree: RadixTree, node: number): number[] {
  if (node === 0) return [];
  const path = pathTo(tree, tree.callerOf(node));
  const depth = path.length;
  for (let at = depth; at < tree.depthOf(node); at++) path.push(tree.frameOf(node, at - depth));
  return path;
}

test('paths end where they did when they were added, and have two nodes at most, however long they are', () => {
  const path = fc.array(fc.nat(2), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(path, { maxLength: 60 }), (paths) => {
      const tree = new RadixTree();
      const ends = paths.map((frames) => tree.add(frames));
      expect(ends.map((node) => pathTo(tree, node))).toEqual(paths);
      expect(paths.map((frames) => tree.add(frames))).toEqual(ends);
      expect(tree.length).toBeLessThanOrEqual(1 + 2 * new Set(ends.filter((node) => node > 0)).size);

      // What paths begin with, in the order in which they come to it.
      const unfolded = new Set(paths.flatMap((frames) => frames.map((_, last) => frames.slice(0, last + 1).join())));
      expect(tree.frames).toBe(unfolded.size);
      const runs = [...tree.inOrder()].slice(1).flatMap((node) => {
        const whole = pathTo(tree, node);
        const depth = tree.depthOf(tree.callerOf(node));
        return whole.slice(depth).map((_, at) => whole.slice(0, depth + at + 1).join());
      });
      expect(runs).toEqual([...unfolded]);
    }),
  );
});

test('paths of many frames take no more nodes than those of few', () => {
  const tree = new RadixTree();
  const frames = Array.from({ length: 10_000 }, (_, at) => at);
  for (let last = 0; last < 100; last++) tree.add([...frames, last, ...frames]);
  expect(tree.length).toBe(1 + 1 + 100);
});
