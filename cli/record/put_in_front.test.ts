import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { putInFront } from './put_in_front.ts';

const file = join(testFolder(), 'recording');

const HEADER = 'Attaching 49 probes...\n# jereplay bpftrace 1 pid=7 library=/lib/libc.so.6\n';

test.each([
  ['nothing behind them', HEADER, '', 100],
  ['calls behind them', HEADER, '10 7 7 free(0x1000)\n'.repeat(10), 100],
  ['more than one part behind them', HEADER, Array.from({ length: 200_000 }, (_, i) => `${i} 7 7 free(0x1000)\n`).join(''), 100],
  ['more lines than the rest of the file', HEADER, '10 7 7 free(0x1000)\n', 3_000_000],
  ['no first lines', '', '10 7 7 free(0x1000)\n', 100],
])('lines are put behind the first ones of a recording: %s', (_what, head, rest, bytes) => {
  const lines = `${'x'.repeat(bytes)}\n`;
  writeFileSync(file, head + rest);
  putInFront(file, lines);
  expect(readFileSync(file, 'latin1') === head + lines + rest).toBe(true);
});
