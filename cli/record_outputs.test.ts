/**
 * Where a recording goes, and what else a recorder says: what is not the program's own stays out of its output.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { bpftraceTraces, needsTool } from '../fixtures/tools.ts';
import { until } from './record/child.ts';
import { MARKS, OVER } from './record/probes.ts';
import { finished, MAIN, run, start } from './testing.ts';

const folder = testFolder();

test.for(['heaptrack', 'ltrace'] as const)('%s: a recording is written through a symbolic link', async (name, { skip }) => {
  skip(!needsTool(name));
  for (const [there, file] of [
    [true, join(folder, `${name}.there`)],
    [false, join(folder, `${name}.new`)],
  ] as const) {
    if (there) writeFileSync(file, '');
    const link = `${file}.link`;
    symlinkSync(file, link);
    const { code, stderr } = await run(['record', '--with', name, '-o', link, '--', 'ls', '/']);
    expect(code, stderr).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(lstatSync(file).isFile()).toBe(true);
    expect(statSync(file).size).toBeGreaterThan(100);
  }
});

test('a recording goes to a regular file: anything else stays what it is', async () => {
  const pipe = join(folder, 'pipe');
  spawnSync('mkfifo', [pipe]);
  for (const name of ['heaptrack', 'ltrace', 'bpftrace']) {
    const { code, stdout, stderr } = await run(['record', '--with', name, '-o', pipe, '--', 'ls', '/']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${pipe}: is no regular file`);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  }
});

test.for(['heaptrack', 'ltrace', 'bpftrace'])('%s: what is no program is refused', async (name) => {
  const text = join(folder, 'text');
  writeFileSync(text, 'words\n', { mode: 0o644 });
  for (const [program, fact] of [
    [folder, 'is a directory, no program'],
    [text, 'may not be executed'],
    [join(folder, 'nothing'), 'no such program'],
  ] as const) {
    const { code, stdout, stderr } = await run(['record', '--with', name, '-o', join(folder, 'refused.trace'), '--', program]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`${program}: ${fact}\nhint: `);
  }
});

/** A PATH that begins with a tool of that text. */
function standIn(tool: string, script: string): string {
  const tools = mkdtempSync(join(folder, 'tools-'));
  writeFileSync(join(tools, tool), `#!/bin/sh\n${script}\n`);
  chmodSync(join(tools, tool), 0o755);
  return `${tools}:${process.env['PATH']}`;
}

test('a disk that is full when the recording ends is bad input', async () => {
  // Its output becomes a place that takes nothing.
  const PATH = standIn('ltrace', 'while [ "$1" != -o ]; do shift; done; ln -sf /dev/full "$2"');
  const trace = join(folder, 'full.trace');
  const { code, stderr } = await finished(start(['record', '--with', 'ltrace', '-o', trace, '--', 'ls'], { PATH }));
  expect(code, stderr).toBe(2);
  expect(stderr).toContain(`${trace}: no space left on the device\n`);
});

/** Writes on both outputs, and ends with 3. */
const SAYS = ['sh', '-c', 'echo out; echo err >&2; exit 3'];

test.for(['heaptrack', 'ltrace'] as const)('%s: outputs are the program’s, and its exit code is noted', async (name, { skip }) => {
  skip(!needsTool(name));
  const trace = join(folder, 'says.trace');
  const quiet = await run(['record', '--with', name, '--quiet', '-o', trace, '--', ...SAYS]);
  expect(quiet).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' });
  const { code, stdout, stderr } = await run(['record', '--with', name, '-o', trace, '--', ...SAYS]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'out\n' });
  expect(stderr).toContain('note: the program ended with exit code 3\n');
  expect(stderr.split('\n').filter((line) => !line.startsWith('note: '))).toEqual(['err', '']);
});

test.for([
  ['heaptrack', 130, '1s', 'sleep', '60'],
  ['ltrace', 130, '1s', 'sleep', '60'],
  // On a busy machine it takes its time to be deaf.
  ['heaptrack', 137, '4s', 'perl', '-e', '$SIG{INT} = "IGNORE"; sleep 60'],
  ['ltrace', 137, '4s', 'perl', '-e', '$SIG{INT} = "IGNORE"; sleep 60'],
] as const)(
  '%s: a time that is over ends a program that was started, with exit code %i',
  { timeout: 60_000 },
  async ([name, ended, time, ...program], { skip }) => {
    skip(!needsTool(name));
    const args = ['record', '--with', name, '--duration', time, '-o', join(folder, 'limited.trace'), '--', ...program];
    expect((await run(args)).stderr).toContain(`note: the program ended with exit code ${ended}\n`);
  },
);

test('what is no process is refused, whatever the recorder: a number that none has, a thread of one', async () => {
  const threads = readdirSync('/proc/self/task').map(Number);
  const thread = threads.find((tid) => tid !== process.pid) as number;
  for (const name of ['bpftrace', 'ltrace'])
    for (const [pid, message] of [
      [2 ** 30, `process ${2 ** 30}: does not run, or is not yours to look at\nhint: `],
      [thread, `process ${thread}: is none but a thread of process ${process.pid}\nhint: jereplay record -p ${process.pid}\n`],
    ] as const) {
      const { code, stderr } = await run(['record', '--with', name, '-o', join(folder, 'none.trace'), '-p', String(pid)]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
    }
});

test('why heaptrack is not attached', async ({ skip }) => {
  skip(!needsTool('heaptrack'));
  const { code, stderr } = await run(['record', '--with', 'heaptrack', '-o', join(folder, 'attached.trace'), '-p', String(process.pid)]);
  expect(code).toBe(2);
  expect(stderr).toContain('no recorder: heaptrack is not attached to running processes, as that can crash them\nhint: ');
});

test('the README’s probes for perf give a recording that replays', { timeout: 60_000 }, async ({ skip }) => {
  // bpftrace and perf place the same probes.
  skip(!needsTool('perf') || !bpftraceTraces());
  const listed = spawnSync('perf', ['probe', '-l'], { encoding: 'utf8' }).stdout;
  if (listed.includes('probe_libc')) process.stderr.write('SKIPPED: the README’s probes for perf, as others are there by their names\n');
  skip(listed.includes('probe_libc'));
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const commands = /```\n(for probe in [^`]*)```/.exec(readme)?.[1] ?? '';
  expect(commands).toContain('perf record -g');
  const { status, stderr } = spawnSync('/bin/sh', ['-c', commands.replace('./app', 'ls /')], { cwd: folder, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const summary = JSON.parse((await run(['replay', join(folder, 'app.trace'), '--json'])).stdout) as { allocations: number; frees: number };
  expect(summary.allocations).toBeGreaterThan(20);
  expect(summary.frees).toBeGreaterThan(20);
});

test('heaptrack: a folder with blanks in its name', async ({ skip }) => {
  skip(!needsTool('heaptrack'));
  const place = join(folder, 'two  words * and\na line');
  mkdirSync(place);
  const trace = join(place, 'a b.trace');
  const { code, stderr } = await run(['record', '--with', 'heaptrack', '-o', trace, '--', 'ls', '/']);
  expect(code, stderr).toBe(0);
  expect(readdirSync(place)).toEqual(['a b.trace']);
  expect((JSON.parse((await run(['replay', trace, '--json'])).stdout) as { allocations: number }).allocations).toBeGreaterThan(10);
});

test('heaptrack: a command line of several lines, which it takes for records of its own, is refused', async ({ skip }) => {
  skip(!needsTool('heaptrack'));
  const args = ['record', '--with', 'heaptrack', '-o', join(folder, 'lines.trace'), '--', 'sh', '-c', ':\n:'];
  expect(await run(args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no recorder: heaptrack takes what follows a line break in a command line'),
  });
});

test('heaptrack: that it records nothing of what a program executes is said in words, and is no count', async () => {
  const fault =
    './src/interpret/heaptrack_interpret.cpp:430 ERROR:received duplicate exe event - child process tracking is not yet supported';
  const PATH = standIn('heaptrack', `printf '%s\\n' 'heaptrack stats:' ' allocations: 7' '${fault}' >&2; echo calls >"$2.gz"`);
  const args = ['record', '--with', 'heaptrack', '-o', join(folder, 'executes.trace'), '--', 'ls'];
  const { stderr } = await finished(start(args, { PATH }));
  expect(stderr).toContain('note: the program executed another one, of which heaptrack recorded nothing: ');
  expect(stderr).toContain('note: heaptrack counts allocations: 7\n');
  expect(stderr).not.toMatch(/ERROR|\.cpp:/);
});

test('heaptrack: what is lost where a signal ends the program is said', async ({ skip }) => {
  skip(!needsTool('heaptrack'));
  const args = ['record', '--with', 'heaptrack', '-o', join(folder, 'ended.trace'), '--', 'sh', '-c', 'kill -SEGV $$'];
  expect((await run(args)).stderr).toContain('note: heaptrack writes calls by the block: the last ones of a program that a signal');
});

test('ltrace: a program that a signal ends has the exit code that shells give it', async ({ skip }) => {
  skip(!needsTool('ltrace'));
  const args = ['record', '--with', 'ltrace', '-o', join(folder, 'killed.trace'), '--', 'sh', '-c', 'echo out; kill -SEGV $$'];
  expect((await run(args)).stderr).toContain('note: the program ended with exit code 139\n');
});

test.each([
  [['7 1.1 +++ killed by SIGSEGV +++'], false],
  [['8 1.1 +++ killed by SIGSEGV +++', '7 1.1 +++ killed by SIGSEGV +++'], true],
  [['8 1.1 +++ exited (status 0) +++', '7 1.1 +++ exited (status 139) +++'], false],
])('ltrace: of threads that a signal ends, as ltrace does now and then, that is said: %j', async (ends, said) => {
  const trace = join(folder, 'threads.trace');
  const PATH = standIn('ltrace', `printf '%s\\n' '7 1.0 a->malloc(1) = 0x1000' ${ends.map((end) => `'${end}'`).join(' ')} >"\${10}"`);
  const { stderr } = await finished(start(['record', '--with', 'ltrace', '-o', trace, '--', 'ls'], { PATH }));
  expect(stderr).toContain('note: the program ended with exit code 139\n');
  expect(stderr.includes('a signal ended the program, and may be of ltrace’s making')).toBe(said);
});

test('the terminal is that of the program which is recorded', ({ skip }) => {
  skip(!needsTool('script'));
  const call = '7 1.0 a->malloc(1) = 0x1000';
  const PATH = standIn(
    'ltrace',
    `echo '${call}' >"\${10}"; printf 'a prompt> '; sleep 1; echo >>"\${10}" '${call}'; sleep 0.5; echo answered`,
  );
  const command = `${process.execPath} ${MAIN} record --with ltrace -o ${join(folder, 'terminal.trace')} -- ls`;
  const shown = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: { ...process.env, PATH, TERM: 'xterm' },
  }).stdout;
  expect(shown).toContain('a prompt> answered');
});

test('where no recording can be, a file is asked for, and not standard output', async () => {
  const { code, stderr } = await run(['record', '-o', join(folder, 'no/such.trace'), '--', 'ls']);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/hint: name a file in a folder that can be written to: -o FILE\n$/),
  });
});

test('processes that a program leaves behind are named', async () => {
  const trace = join(folder, 'left.trace');
  const PATH = standIn(
    'ltrace',
    `echo '7 1.0 a->malloc(1) = 0x1000' >"\${10}"
sleep 61 >/dev/null 2>&1 &
until grep -q sleep /proc/$!/comm; do :; done
echo "left $!"`,
  );
  const { stdout, stderr } = await finished(start(['record', '--with', 'ltrace', '-o', trace, '--', 'sleep', '61'], { PATH }));
  const pid = /left (\d+)/.exec(stdout)?.[1];
  process.kill(Number(pid));
  expect(stderr).toContain(`note: it has left processes that run on and are not recorded: jereplay record -p ${pid}\n`);
});

/** What the script answers in the end. */
const ANSWERS = [OVER, ...MARKS].map(({ answer }) => `${answer}\\n`).join('');

test('what bpftrace says on standard error that it lost is part of the recording, as what it says in the output', async ({ skip }) => {
  skip(!bpftraceTraces());
  const pid = spawn('sleep', ['60'], { stdio: 'ignore' });
  const trace = join(folder, 'lossy.trace');
  const call = `printf '1000 ${pid.pid} ${pid.pid} malloc(8) = 0x1000\\n\\n'`;
  const PATH = standIn(
    'bpftrace',
    `[ "$1" = --version ] && exit 0
printf '# jereplay bpftrace 1 pid=${pid.pid} library=libc\\nAttached to the process\\n'; ${call}
echo 'Lost 7 events' >&2
trap 'exit 0' INT
while sleep 0.05; do printf '${ANSWERS}'; done`,
  );
  try {
    const args = ['record', '--with', 'bpftrace', '-p', String(pid.pid), '--duration', '100ms', '-o', trace];
    const { code, stderr } = await finished(start(args, { PATH }));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('7 events were lost, 1 recorded');
  } finally {
    pid.kill('SIGKILL');
  }
  const summary = JSON.parse((await run(['replay', trace, '--json'])).stdout) as { allocations: number; skipped: { lost: number } };
  expect([summary.allocations, summary.skipped.lost]).toEqual([1, 7]);
});

test('bpftrace: Ctrl-C between the first call and the line that says that all probes are in place ends a recording that has begun', async ({
  skip,
}) => {
  skip(!bpftraceTraces());
  const pid = spawn('sleep', ['60'], { stdio: 'ignore' });
  const trace = join(folder, 'early.trace');
  const line = `1000 ${pid.pid} ${pid.pid} malloc(8) = 0x1000`;
  const PATH = standIn(
    'bpftrace',
    `[ "$1" = --version ] && exit 0
printf '# jereplay bpftrace 1 pid=${pid.pid} library=libc\\n${line}\\n\\n'
sleep 0.5
echo 'Attached to the process'
trap 'exit 0' INT
while sleep 0.05; do printf '${ANSWERS}'; done`,
  );
  try {
    const recording = start(['record', '--with', 'bpftrace', '-p', String(pid.pid), '-o', trace], { PATH });
    const result = finished(recording);
    const recorded = () => existsSync(trace) && readFileSync(trace, 'latin1').includes(line);
    await until(() => recording.exitCode !== null || recorded(), 10_000);
    recording.kill('SIGINT');
    const { code, stderr } = await result;
    expect(code, stderr).toBe(0);
  } finally {
    pid.kill('SIGKILL');
  }
  const summary = JSON.parse((await run(['replay', trace, '--json'])).stdout) as { allocations: number };
  expect(summary.allocations).toBe(1);
});

test('bpftrace: where it ends before the program, that runs on, and what was recorded is kept', async ({ skip }) => {
  skip(!bpftraceTraces());
  const trace = join(folder, 'abandoned.trace');
  const PATH = standIn(
    'bpftrace',
    `[ "$1" = --version ] && exit 0
pid=$(echo "$*" | grep -o 'pid == [0-9][0-9]*' | head -1 | cut -c8-)
printf "# jereplay bpftrace 1 pid=$pid library=libc\\nAttached to the process\\n1000 $pid $pid malloc(8) = 0x1000\\n\\n"
sleep 0.3
echo 'what(): no such file' >&2
kill -ABRT $$`,
  );
  const args = ['record', '--with', 'bpftrace', '-o', trace, '--', 'sh', '-c', 'sleep 1; echo done; exit 3'];
  const { code, stdout, stderr } = await finished(start(args, { PATH }));
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'done\n' });
  expect(stderr).toContain('bpftrace ended (SIGABRT: what(): no such file); the program runs on');
  expect(stderr).toContain('before it had written all calls: the last ones are missing');
  expect(stderr).toContain('exit code 3');
  const summary = JSON.parse((await run(['replay', trace, '--json'])).stdout) as { allocations: number };
  expect(summary.allocations).toBe(1);
});
