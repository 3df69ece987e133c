/**
 * Ctrl-C while a trace is read: every result is of whole lines up to there, and says that it is partial.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { finished, type Run, start } from './testing.ts';

const folder = testFolder();

/** Runs a command on 50,000 events and a part of a line on standard input, which stays open, until it is interrupted. */
async function interrupted(...args: readonly string[]): Promise<Run> {
  const child = start(args);
  const done = finished(child);
  child.stdin?.on('error', () => {});
  let lines = '';
  for (let i = 0; i < 50_000; i++) lines += `{"op":"malloc","size":64,"ptr":"0x${(0x1000 + i * 64).toString(16)}"}\n`;
  // More than a pipe holds: once it is written, the program has begun to read.
  await new Promise((resolve) => child.stdin?.write(`${lines}{"op":"malloc","si`, resolve));
  child.kill('SIGINT');
  const run = await done;
  expect(run.code, run.stderr).toBe(0);
  expect(run.stderr + run.stdout).not.toContain('torn');
  return run;
}

const NOTE = 'note: interrupted: this is of the trace up to there\n';

test('leaks', async () => {
  const { stdout, stderr } = await interrupted('leaks', '-');
  expect(stdout.split('\n')[2]).toBe('partial: the trace was not taken to its end');
  expect(stderr).toBe(NOTE);
  const { partial, total_objects } = JSON.parse((await interrupted('leaks', '-', '--json')).stdout) as Record<string, unknown>;
  expect({ partial, total_objects }).toEqual({ partial: true, total_objects: expect.any(Number) });
});

test('report and flamegraph', async () => {
  expect((await interrupted('report', '-')).stderr).toBe(NOTE);
  const { stdout, stderr } = await interrupted('flamegraph', '-');
  expect(stdout).toContain('Partial: the trace was not taken to its end.');
  expect(stderr).toBe(NOTE);
});

test('the whole set of a replay', async () => {
  const out = join(folder, 'out');
  const { stdout, stderr } = await interrupted('replay', '-', '--json', '-o', out);
  expect(JSON.parse(stdout)).toMatchObject({ partial: true, skipped: {} });
  expect(stderr).toBe(NOTE);
  expect(readFileSync(join(out, 'leaks.txt'), 'utf8')).toContain('\npartial: the trace was not taken to its end\n');
  expect(readFileSync(join(out, 'flamegraph.html'), 'utf8')).toContain('Partial: ');
});

test('what was kept of standard input to find its peak', async () => {
  const { stdout, stderr } = await interrupted('replay', '-', '--json', '--until', 'peak');
  expect(JSON.parse(stdout)).toMatchObject({ partial: true, skipped: {} });
  expect(stderr).toBe(NOTE);
});

test.each([['replay'], ['replay', '--until', 'peak'], ['convert', '-o', '-']])(
  'a pipe that nobody writes to: %s %s',
  async (command, ...flags) => {
    const pipe = join(folder, `silent_${command}${flags.length}`);
    spawnSync('mkfifo', [pipe]);
    const child = start([command, ...flags, pipe]);
    const done = finished(child);
    await sleep(700);
    child.kill('SIGINT');
    expect((await done).stdout).toBe('');
  },
);

test('convert', async () => {
  const { stdout } = await interrupted('convert', '-', '-o', '-');
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ op: 'trace', end: true, partial: true });
});
