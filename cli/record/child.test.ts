import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { ended } from './child.ts';

test.each([
  ['exit 3', 3],
  ['kill -SEGV $$', 139],
  ['kill -BUS $$', 135],
  ['kill -ILL $$', 132],
  ['kill -USR1 $$', 138],
])('%s: the exit code that shells have for it', async (script, code) => {
  expect(await ended(spawn('sh', ['-c', script], { stdio: 'ignore' }))).toBe(code);
});
