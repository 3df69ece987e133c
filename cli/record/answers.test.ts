import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { tell } from './answers.ts';

test('who tells a word is called afterwards what it was called before', () => {
  const before = readFileSync('/proc/self/comm', 'utf8');
  tell('jereplay ready');
  expect(readFileSync('/proc/self/comm', 'utf8')).toBe(before);
});
