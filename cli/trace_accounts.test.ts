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

test.each([[{ event: 1 }], ['peak']] as const)(
  'what was mapped is known with --until %j, where the recording tells it at its end',
  async (until) => {
    const path = join(folder, 'maps.ndjson');
    const maps = '55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/app\n';
    // More than one batch of events, of which the first has the peak.
    const small = ['{"op":"malloc","size":1,"ptr":"0x10"}', '{"op":"free","ptr":"0x10"}'];
    const events = ['{"op":"malloc","size":8,"ptr":"0x10","stack":0}', small[1], ...Array.from({ length: 5000 }, () => small).flat()];
    const lines = ['{"op":"stack","id":0,"frames":["0x55d0c0001234"]}', ...events, JSON.stringify({ op: 'maps', text: maps })];
    writeFileSync(path, `${lines.join('\n')}\n`);
    const { trace, eventCount } = await withUntil(path, { quiet: true }, until, ({ args, until: end, source }) =>
      accountTrace(path, args, end === undefined ? {} : { until: end }, source),
    );
    expect([eventCount, trace.header.maps]).toEqual([1, maps]);
  },
);
