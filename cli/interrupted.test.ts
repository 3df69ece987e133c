/**
 * Ctrl-C while a trace is read, or its terminal closed: every result is of whole lines up to there, and says that it is partial.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { needsTool } from '../fixtures/tools.ts';
import { finished, MAIN, type Run, start } from './testing.ts';

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

/** Runs a command on a terminal, with a trace from a pipe that stays open, and closes the terminal; prints how that ended. */
const HANGS_UP = `import os, pty, sys
trace, *command = sys.argv[1:]
os.mkfifo(trace)
child, terminal = pty.fork()
if child == 0: os.execvp(command[0], command)
with open(trace, 'w') as pipe:
  for i in range(50000): pipe.write('{"op":"malloc","size":64,"ptr":"0x%x"}\\n' % (4096 + i * 64))
  pipe.flush()
  os.close(terminal)
  print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`;

test('a terminal that is closed ends a replay, and its results are there', ({ skip }) => {
  skip(!needsTool('python3'));
  const [trace, out] = [join(folder, 'hangup.pipe'), join(folder, 'hangup')];
  const { stdout } = spawnSync('python3', ['-c', HANGS_UP, trace, process.execPath, MAIN, 'replay', trace, '-o', out], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('-1\n');
  expect(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))).toMatchObject({ partial: true });
});

test('a hangup without a terminal, as nohup has programs ignore it, ends nothing', async () => {
  const child = start(['replay', '-', '--json']);
  const done = finished(child);
  const line = '{"op":"malloc","size":64,"ptr":"0x1000"}\n{"op":"free","ptr":"0x1000"}\n';
  await new Promise((resolve) => child.stdin?.write(line.repeat(20_000), resolve));
  child.kill('SIGHUP');
  child.stdin?.end(line);
  const { code, stdout } = await done;
  expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ events: 40_002, partial: false })]);
});
