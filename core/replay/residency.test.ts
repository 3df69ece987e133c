import { expect, test } from 'vitest';
import { ResidentBytes } from './residency.ts';

test('what is resident counts until the next look', () => {
  const resident = new ResidentBytes();
  for (const [time, bytes] of [
    [100, 4096],
    [200, 8192],
    [500, 0],
  ])
    resident.at(time, bytes);
  expect(resident.mean).toBe((100 * 4096 + 300 * 8192) / 400);
  expect(resident.most).toBe(8192);
  const still = new ResidentBytes();
  still.at(7, 4096);
  expect(still.mean).toBe(4096);
});
