import { expect, test } from 'vitest';
import { CallTree } from './call_tree.ts';
import { HashFactor } from './hash_factor.ts';

test('factors are odd, and none comes again soon', () => {
  const seen = new Set<number>();
  for (const factor = new HashFactor(); seen.size < 1000; factor.change()) {
    expect(factor.value & 1).toBe(1);
    expect(seen.has(factor.value)).toBe(false);
    seen.add(factor.value);
  }
});

/** The number whose product with an odd one is 1, modulo 2^32. */
function inverse(odd: number): number {
  let result = odd;
  for (let round = 0; round < 4; round++) result = Math.imul(result, 2 - Math.imul(odd, result));
  return result;
}

/** Processor time to add `count` calls, the ninth of a caller each and found again, ms; their frames are 9, or chosen so that hashes are the same. */
function timeOf(count: number, chosen: boolean): number {
  const tree = new CallTree();
  const callers: number[] = [];
  const ninth: number[] = [];
  for (let frame = 100; callers.length < count; frame++) {
    const caller = tree.child(tree.child(0, frame & 7), frame);
    const same = Math.imul(Math.imul(caller, 0x9e3779b1), inverse(new HashFactor().value));
    if (chosen && same < 100) continue;
    for (let listed = 0; listed < 8; listed++) tree.child(caller, listed);
    callers.push(caller);
    ninth.push(chosen ? same : 9);
  }
  const before = process.cpuUsage();
  const nodes = callers.map((caller, index) => tree.child(caller, ninth[index]));
  expect(callers.map((caller, index) => tree.child(caller, ninth[index]))).toEqual(nodes);
  const { user, system } = process.cpuUsage(before);
  expect(new Set(nodes).size).toBe(count);
  return (user + system) / 1000;
}

test('calls that hash to the same slots take no longer than others', () => {
  const best = (chosen: boolean) => Math.min(timeOf(10_000, chosen), timeOf(10_000, chosen), timeOf(10_000, chosen));
  const ordinary = best(false);
  expect(best(true) / ordinary).toBeLessThan(10);
});
