import { expect, test } from 'vitest';
import { HashFactor } from './hash_factor.ts';
import { HashedRows, hashNumbers } from './hashed_rows.ts';

/** Pairs of numbers: any first one, and a second that leads to the same hash as `second` behind `first` does, by the first seed. */
function pairsLike(first: number, second: number, count: number): [number, number][] {
  const seed = new HashFactor().value;
  const stateOf = (number: number) => {
    const product = Math.imul(seed ^ number, 0x01000193);
    return product ^ (product >>> 15);
  };
  const same = stateOf(first) ^ second;
  return Array.from({ length: count }, (_, row) => [row, stateOf(row) ^ same]);
}

/** Processor time to add pairs and find them again, us. */
function timeOf(pairs: readonly (readonly [number, number])[]): number {
  const before = process.cpuUsage();
  const rows = new HashedRows((row, seed) => hashNumbers(pairs[row], 0, 2, seed));
  const find = (pair: readonly [number, number]) => {
    const hash = hashNumbers(pair, 0, 2, rows.seed);
    for (let row = rows.first(hash); row >= 0; row = rows.next(hash))
      if (pairs[row][0] === pair[0] && pairs[row][1] === pair[1]) return row;
    return -1;
  };
  for (const pair of pairs) {
    expect(find(pair)).toBe(-1);
    rows.add(hashNumbers(pair, 0, 2, rows.seed));
  }
  expect(pairs.every((pair, row) => find(pair) === row)).toBe(true);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

test('contents that hash to the same slots take no longer than others', () => {
  const chosen = pairsLike(7, 9, 20_000);
  const seed = new HashFactor().value;
  expect(new Set(chosen.map((pair) => hashNumbers(pair, 0, 2, seed))).size).toBe(1);
  const best = (pairs: readonly (readonly [number, number])[]) => Math.min(timeOf(pairs), timeOf(pairs), timeOf(pairs));
  const ordinary = best(chosen.map(([first]) => [first, first + 1]));
  expect(best(chosen) / ordinary).toBeLessThan(10);
});

test('rows that are the same, and room made ahead', () => {
  const contents = Array.from({ length: 1000 }, (_, row) => [row % 3 === 0 ? -1 : row]);
  const rows = new HashedRows((row, seed) => hashNumbers(contents[row], 0, 1, seed));
  rows.reserve(10);
  for (const content of contents) rows.add(hashNumbers(content, 0, 1, rows.seed));
  rows.reserve(5000);
  const hash = hashNumbers([-1], 0, 1, rows.seed);
  const found: number[] = [];
  for (let row = rows.first(hash); row >= 0; row = rows.next(hash)) found.push(row);
  expect(found.filter((row) => contents[row][0] === -1)).toEqual(Array.from({ length: 334 }, (_, i) => 3 * i));
});
