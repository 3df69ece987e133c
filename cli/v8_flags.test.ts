import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { run } from './testing.ts';

test('a report of a dozen large dumps has no warning of Node’s', async () => {
  const path = join(testFolder(), 'app.heap');
  const rows = Array.from({ length: 60_000 }, (_, i) => `@ 0x${(0x400000 + (i % 50)).toString(16)}\n  t*: 1: 4096 [0: 0]\n`);
  writeFileSync(path, `heap_v2/524288\n  t*: 60000: 245760000 [0: 0]\n${rows.join('')}`);
  const { stderr } = await run(['report', ...Array<string>(12).fill(path)]);
  expect(stderr).not.toContain('Warning');
});
