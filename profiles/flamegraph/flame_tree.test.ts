import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FlameTreeBuilder, MAX_DEPTH, ROOT_FRAME, type FlameTree } from './flame_tree.ts';

/** The tree as text: frames by path from the root, merged ones as their count. */
function paths(tree: FlameTree): Map<string, number[]> {
  const names: string[] = [];
  const found = new Map<string, number[]>();
  for (let row = 0; row < tree.frame.length; row++) {
    const frame = tree.frame[row];
    const name = frame === ROOT_FRAME ? 'root' : frame < -1 ? `(${-1 - frame})` : String(frame);
    names.push(row === 0 ? name : `${names[tree.parent[row]]};${name}`);
    found.set(
      names[row],
      tree.self.map((column) => column[row]),
    );
  }
  return found;
}

describe('a tree', () => {
  const builder = () => {
    const made = new FlameTreeBuilder(2);
    made.add([1, 2, 3], [100, 1]);
    made.add([1, 2, 4], [50, 1]);
    made.add([1, 2], [20, 5]);
    made.add([], [7, 0]);
    made.add([1, 2, 3], [1, 1]);
    return made;
  };

  test('has a row for each path, with what was allocated in it', () => {
    expect([...paths(builder().build(100))]).toEqual([
      ['root', [7, 0]],
      ['root;1', [0, 0]],
      ['root;1;2', [20, 5]],
      ['root;1;2;3', [101, 2]],
      ['root;1;2;4', [50, 1]],
    ]);
  });

  test('within a budget merges the smallest rows under their parents', () => {
    expect([...paths(builder().build(4))]).toEqual([
      ['root', [7, 0]],
      ['root;1', [0, 0]],
      ['root;1;2', [20, 5]],
      ['root;1;2;3', [101, 2]],
      ['root;1;2;(1)', [50, 1]],
    ]);
    expect([...paths(builder().build(2))]).toEqual([
      ['root', [7, 0]],
      ['root;(4)', [171, 8]],
    ]);
  });

  test('ends at the greatest depth', () => {
    const deep = new FlameTreeBuilder(1);
    deep.add(Array<number>(MAX_DEPTH + 50).fill(1), [8]);
    const tree = deep.build(10_000);
    expect(tree.frame.length).toBe(MAX_DEPTH + 2);
    expect(tree.frame[MAX_DEPTH + 1]).toBe(-1 - 50);
    expect(tree.self[0][MAX_DEPTH + 1]).toBe(8);
  });

  test('is the same as one made of nested maps, and loses nothing to merging', () => {
    const stack = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(stack, fc.nat(1000), fc.nat(10)), { maxLength: 60 }),
        fc.integer({ min: 1, max: 40 }),
        (samples, budget) => {
          const builder = new FlameTreeBuilder(2);
          const twin = new Map<string, number[]>([['root', [0, 0]]]);
          for (const [frames, bytes, objects] of samples) {
            builder.add(frames, [bytes, objects]);
            let path = 'root';
            for (const frame of frames) {
              path += `;${frame}`;
              if (!twin.has(path)) twin.set(path, [0, 0]);
            }
            const sums = twin.get(path)!;
            sums[0] += bytes;
            sums[1] += objects;
          }
          expect(new Map([...paths(builder.build(1e6))].sort())).toEqual(new Map([...twin].sort()));
          const small = builder.build(budget);
          expect(small.frame.filter((frame) => frame >= ROOT_FRAME).length).toBeLessThanOrEqual(Math.max(1, budget));
          for (const column of [0, 1]) {
            expect(small.self[column].reduce((sum, value) => sum + value, 0)).toBe(
              samples.reduce((sum, sample) => sum + (sample[column + 1] as number), 0),
            );
          }
          for (const [row, parent] of small.parent.entries()) expect(parent).toBeLessThan(row);
          const stands = small.frame.reduce((sum, frame) => sum + (frame < ROOT_FRAME ? ROOT_FRAME - frame : 1), 0);
          expect(stands).toBe(twin.size);
        },
      ),
    );
  });
});

test('paths that share the slots of a hash with fixed multipliers take no longer than others', () => {
  const callers = 4000;
  const hashOf = (parent: number, frame: number) => {
    const hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(frame, 0x85ebca6b);
    return (hash ^ (hash >>> 15)) & 0x3ffff;
  };
  const builder = new FlameTreeBuilder(1);
  // Row i + 1 is that of frame i under the root.
  for (let i = 0; i < callers; i++) builder.add([i], [0]);
  let paths = 0;
  const start = performance.now();
  for (let i = 0; i < callers; i++) {
    for (let frame = 0; frame < callers; frame++) {
      if (hashOf(i + 1, frame) >= 1966) continue;
      builder.add([i, frame], [1]);
      paths++;
    }
  }
  expect(performance.now() - start).toBeLessThan(3000);
  expect(paths).toBeGreaterThan(119_000);
  expect(builder.build(200_000).parent.length).toBe(1 + callers + paths);
});
