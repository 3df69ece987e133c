import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { accountTrace, withUntil } from './trace_accounts.ts';

const folder = testFolder();

test('Ctrl-C in the first reading of --until peak: what follows is partial, and says so', async () => {
  const path = join(folder, 'grows.ndjson');
  const events = 100_000;
  writeFileSync(path, Array.from({ length: events }, (_, event) => `{"op":"malloc","size":8,"ptr":"0x${event + 1}0"}\n`).join(''));
  // The file is read in pieces, with looks at signals between them.
  setImmediate(() => process.emit('SIGINT'));
  const { trace, eventCount } = await withUntil(path, { quiet: true }, 'peak', ({ args, until, source }) =>
    accountTrace(path, args, until === undefined ? {} : { until }, source),
  );
  expect(eventCount).toBeLessThan(events);
  expect(trace).toMatchObject({ partial: true, warnings: ['interrupted: this is of the trace up to there'] });
});
