import { expect, test } from 'vitest';
import { readCollapsed, writeCollapsed } from './collapsed/collapsed.ts';
import { SAMPLE_TYPES } from './profile.ts';
import { sumProfiles } from './sum.ts';

test('equal stacks of two profiles are one', () => {
  const a = readCollapsed('main;f;g 10\nmain;h 5\n', 'a');
  const b = readCollapsed('main;k 1\nmain;f;g 32\n', 'b');
  const sum = sumProfiles([a, b]);
  expect(writeCollapsed(sum).split('\n').sort()).toEqual(['', 'main;f;g 42', 'main;h 5', 'main;k 1']);
  for (const type of SAMPLE_TYPES) expect(sum.samples.total(type)).toBe(a.samples.total(type) + b.samples.total(type));
  expect(sum.stacks.length).toBe(3);
});

test('one profile is its own sum', () => {
  const a = readCollapsed('main;f 10\n', 'a');
  expect(sumProfiles([a])).toBe(a);
});

test('a sum is damaged where one part is', () => {
  const whole = readCollapsed('main;f 10\n', 'a');
  const damaged = { ...whole, damaged: true };
  expect([sumProfiles([whole, damaged]).damaged, sumProfiles([damaged, whole]).damaged]).toEqual([true, true]);
  expect(sumProfiles([whole, whole]).damaged).toBeUndefined();
});
