import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileDriver, GOLDEN, loadValues, readGolden, runStatsdump } from '../../fixtures/stats/golden.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { CtlStats, ArenaStats } from './ctl_stats.ts';
import { ratePerSecond } from './print/table.ts';
import { statsPrint } from './stats_print.ts';

function printed(conf: string, values: string, letters: string): string {
  const { stats, live } = loadValues(conf, values);
  const chunks: Uint8Array[] = [];
  statsPrint(stats, live, letters, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks).toString('latin1');
}

/** The first lines where two documents differ, so that a failure says more than two walls of text. */
function firstDifference(actual: string, expected: string): string | null {
  if (actual === expected) return null;
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at++;
  return `at ${at}: got ${JSON.stringify(actual.slice(at - 80, at + 120))}, expected ${JSON.stringify(expected.slice(at - 80, at + 120))}`;
}

describe('documents of the real library', () => {
  test.each(GOLDEN)('$name', ({ name, conf, letters }) => {
    const { document, values } = readGolden(name);
    expect(firstDifference(printed(conf, values, letters), document.toString('latin1'))).toBeNull();
  });

  test.skipIf(!needsTool('libjemalloc', 'gcc'))('every letter, made on the spot', () => {
    const folder = mkdtempSync(join(tmpdir(), 'jereplay-stats-'));
    try {
      const program = join(folder, 'statsdump');
      compileDriver('statsdump.c', program);
      const confs = ['narenas:1', 'narenas:3,tcache_max:4096,dss:primary', 'narenas:2,prof:true,prof_stats:true,lg_prof_sample:0'];
      for (const letters of ['', 'g', 'm', 'd', 'a', 'b', 'l', 'x', 'e', 'h', 'ma', 'mda', 'xbleh?', 'aJ']) {
        for (const form of ['', 'J']) {
          for (const [i, conf] of confs.entries()) {
            const given = { conf, letters: form + letters, uptimeNs: 1_234_567_890 * i, workload: 3 - i };
            const { document, values } = runStatsdump(program, join(folder, 'values'), given);
            const label = JSON.stringify(given);
            expect([label, firstDifference(printed(conf, values, form + letters), document.toString('latin1'))]).toEqual([label, null]);
          }
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('what a print costs in lock operations', () => {
  // From the values that real prints left behind: ctl, background_thread and prof_stats of the next print less one refresh.
  test.each([
    ['J', 'narenas:1', 1, 6415, 1],
    ['Jmda', 'narenas:1', 1, 2 + 11 + 66, 1],
    ['Jgmdax', 'narenas:1', 1, 11, 0],
    ['J', 'narenas:2', 2, 6417, 1],
  ])('letters %s, %s', (letters, conf, autoArenas, ctl, backgroundThread) => {
    const { live } = loadValues(conf, '');
    const stats = new CtlStats();
    const first = new ArenaStats();
    first.initialized = true;
    stats.arenas.push(first);
    for (let i = 0; i < autoArenas; i++) stats.arenas.push(undefined);
    expect(statsPrint(stats, live, letters, () => {})).toEqual({ ctl, background_thread: backgroundThread });
  });
});

test.each([
  [0, 5e9, 0],
  [7, 0, 0],
  [7, 999_999_999, 7],
  [7, 1_000_000_000, 7],
  [7, 1_999_999_999, 7],
  [7, 2_000_000_000, 3],
])('rate of %d in %d ns', (count, uptime, rate) => expect(ratePerSecond(count, uptime)).toBe(rate));

test('chunks of 65535 bytes and a rest', () => {
  const { stats, live } = loadValues('narenas:1', readGolden('json_one_arena').values);
  stats.arenas.push(stats.arenas[0], stats.arenas[0]);
  const lengths: number[] = [];
  statsPrint(stats, live, 'J', (chunk) => lengths.push(chunk.length));
  expect(lengths.length).toBeGreaterThan(2);
  expect(new Set(lengths.slice(0, -1))).toEqual(new Set([65535]));
  expect(lengths.at(-1)).toBeGreaterThan(0);
});
