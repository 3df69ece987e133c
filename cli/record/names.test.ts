import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { putInFront, symbolFacts } from './names.ts';
import { Observed } from './observed.ts';

const folder = testFolder();
const file = join(folder, 'recording');

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

test('addresses are named by what an engine says of the code it has made, and only those that have no name', () => {
  const listing = `/tmp/perf-${process.pid}.map`;
  writeFileSync(listing, '1000000 100 LazyCompile:~old app.js:1\n1000000 80 LazyCompile:*new\tapp.js:1\n1000200 10 Stub\n');
  writeFileSync(
    file,
    `${HEADER}10 7 7 malloc(8) = 0x2000 ra=0x1000050 0x1000050
\t1000200 0x1000200 ([unknown])
\t1000080 0x1000080 ([unknown])
\t1000090 0x1000090 ([unknown])
\t1000070 known+12 (/usr/bin/app)

`,
  );
  try {
    // What is returned to lies behind what called: at the end of a piece that is still its.
    expect(symbolFacts(file, new Observed(process.pid)).split('\n').sort()).toEqual([
      '',
      `# jereplay symbol 1000050 LazyCompile:*new app.js:1+80 (${listing})`,
      `# jereplay symbol 1000080 LazyCompile:*new app.js:1+128 (${listing})`,
      `# jereplay symbol 1000200 Stub+0 (${listing})`,
    ]);
  } finally {
    rmSync(listing);
  }
});
