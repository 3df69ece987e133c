import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { symbolFacts } from './names.ts';
import { Observed } from './observed.ts';

const file = join(testFolder(), 'recording');

const HEADER = 'Attaching 49 probes...\n# jereplay bpftrace 1 pid=7 library=/lib/libc.so.6\n';

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
