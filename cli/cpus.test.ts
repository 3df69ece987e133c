/**
 * How many CPUs a replay has: what its recording tells, wherever it tells it.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { until } from './record/child.ts';
import { cpusOf, programOf } from './record/proc.ts';
import type { SweepRun } from './sweep_table.ts';
import { run } from './testing.ts';

const folder = testFolder();

/** More than one batch of events: the model is there before the end is read. */
const CALLS = '7 1.000001 a->malloc(1) = 0x1000\n7 1.000001 a->free(0x1000) = <void>\n'.repeat(10_000);
const FACTS = `# jereplay ncpus 3\n${'# jereplay map 55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /a\n'.repeat(400)}`;

/** Automatic arenas of a replay, of which jemalloc has four for each CPU, and what is said on standard error. */
async function arenas(args: readonly string[], input?: Uint8Array): Promise<[number: number, stderr: string]> {
  const stats = join(folder, 'stats.json');
  const { stderr } = await run(['replay', '--stats', stats, ...args], input);
  const { jemalloc } = JSON.parse(readFileSync(stats, 'utf8')) as { jemalloc: { opt: { narenas: number } } };
  return [jemalloc.opt.narenas, stderr];
}

test.each([
  ['text', Buffer.from(CALLS + FACTS)],
  ['compressed before them', Buffer.concat([gzipSync(CALLS), gzipSync(FACTS, { level: 0 })])],
])('a recording that tells its CPUs at its end is replayed with as many from its first event: %s', async (_, bytes) => {
  const trace = join(folder, 'app.trace');
  writeFileSync(trace, bytes);
  expect(await arenas([trace])).toEqual([12, '']);
  expect((await arenas([trace, '--ncpus', '2']))[0]).toBe(8);
  const converted = join(folder, 'app.ndjson');
  await run(['convert', trace, '-o', converted]);
  expect(await arenas([converted])).toEqual([12, '']);
});

test('of a pipe, whose end is not known, it is said', async () => {
  const bytes = Buffer.from(CALLS + FACTS);
  expect(await arenas(['-'], bytes)).toEqual([
    16,
    'note: only the end of the trace tells that it is of 3 CPUs; the model had 4: pass --ncpus 3\n',
  ]);
  expect(await arenas(['-', '--ncpus', '3'], bytes)).toEqual([12, '']);
});

test('a sweep reads all of the recording before it replays it', async () => {
  const calls = Array.from({ length: 10_000 }, (_, at) => `{"op":"malloc","tid":${at % 16},"size":8,"ptr":"0x${at + 1}0"}\n`);
  const input = `{"op":"trace","version":1}\n${calls.join('')}{"op":"trace","version":1,"end":true,"ncpus":3}\n`;
  const { stdout, stderr } = await run(['sweep', '-', 'narenas:12', 'narenas:16', '--json'], input);
  const { runs } = JSON.parse(stdout) as { runs: SweepRun[] };
  expect(runs[0].result).toEqual(runs[1].result);
  expect(runs[0].result).not.toEqual(runs[2].result);
  expect(stderr).toBe('');
});

test('CPUs are those that the process may run on, of which jemalloc makes its arenas', async () => {
  const pinned = spawn('taskset', ['-c', '0', 'sleep', '60']);
  await until(() => programOf(pinned.pid as number)?.endsWith('sleep') === true, 10_000);
  expect(cpusOf(pinned.pid as number)).toBe(1);
  pinned.kill();
});
