/**
 * Where results go, from outside: each to a place of its own, all of them though a reader leaves, and nothing left in the temporary folder.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { needsTool } from '../fixtures/tools.ts';
import { finished, MAIN, run, start } from './testing.ts';

/** a = malloc 24, and another one for each further event. */
function allocations(count: number): string {
  let lines = '';
  for (let event = 0; event < count; event++) lines += `{"op":"malloc","ts":${event},"size":24,"ptr":"0x${(event + 1).toString(16)}0"}\n`;
  return lines;
}

const folder = testFolder();
const path = (name: string) => join(folder, name);
const trace = path('trace.ndjson');
beforeAll(() => writeFileSync(trace, allocations(3)));

/** Runs a line of the shell, in which `jereplay` is the program. */
function shell(line: string) {
  const script = `jereplay() { "${process.execPath}" "${MAIN}" "$@"; }; ${line}`;
  const { status, stdout, stderr } = spawnSync('/bin/bash', ['-c', script], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

const ONE_PLACE = 'two results cannot go to the same place';

test
  .skipIf(!needsTool('script'))
  .each(['convert trace.ndjson --to jrt -o -', 'report --pprof trace.ndjson', 'replay trace.ndjson --pprof -'])(
  'a terminal gets nothing binary: %s',
  (command) => {
    const { status, stdout } = spawnSync('script', ['-qec', `${process.execPath} ${MAIN} ${command}`, '/dev/null'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stdout).toMatch(/^-: the result is binary, and standard output is a terminal\r\nhint: name a file for it, or pass it on/m);
    expect(stdout).not.toContain('\0');
  },
);

describe('two results in one place are refused, however it is spelt', () => {
  test('links', async () => {
    writeFileSync(path('there'), 'kept');
    symlinkSync('there', path('soft'));
    linkSync(path('there'), path('hard'));
    for (const other of ['soft', 'hard']) {
      const { code, stderr } = await run(['replay', trace, '--heap', path('there'), '--stats', path(other)]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`/there: ${ONE_PLACE}\n`) });
    }
    symlinkSync('.', path('same'));
    const { stderr } = await run(['replay', trace, '--heap', path('new'), '--stats', path('same/new')]);
    expect(stderr).toContain(ONE_PLACE);
    expect(readFileSync(path('there'), 'utf8')).toBe('kept');
  });

  test.each([
    'jereplay replay trace.ndjson --heap here > here',
    'jereplay replay trace.ndjson --heap here --json > here',
    'jereplay replay trace.ndjson --heap /dev/stdout --json | cat',
    'jereplay replay trace.ndjson --heap - --stats /dev/fd/1',
  ])('%s', (line) => expect(shell(line).stderr).toContain(ONE_PLACE));

  test('a device takes any number of them', () => {
    expect(shell('jereplay replay trace.ndjson --heap /dev/null --stats /dev/null --quiet')).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});

test('a folder is refused before the trace is read', async () => {
  const { code, stderr } = await run(['leaks', path('no_such_trace'), '-o', folder]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`${folder}: is a directory\nhint: name a file`) });
});

test('a trace that is appended to itself', () => {
  for (const input of ['trace.ndjson', '- < trace.ndjson']) {
    const { status, stderr } = shell(`jereplay convert -o - ${input} >> trace.ndjson`);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringMatching(/^standard output: is an input and an output at once\n/),
    });
  }
  expect(readFileSync(trace, 'utf8')).toBe(allocations(3));
});

test('standard output by its name in the file system', () => {
  const asDash = shell('jereplay replay trace.ndjson --quiet --heap - > dash').status;
  // The summary is not written over it.
  expect([asDash, shell('jereplay replay trace.ndjson --heap /dev/stdout > named').status]).toEqual([0, 0]);
  expect(readFileSync(path('named'), 'utf8')).toBe(readFileSync(path('dash'), 'utf8'));
  const [converted, named] = ['-', '/dev/stdout'].map((output) => shell(`jereplay convert trace.ndjson -o ${output} | cat`));
  expect(named).toEqual({ ...converted, stdout: expect.stringContaining('"op":"malloc"') });
});

test('--quiet keeps the summary where nothing else is asked for', () => {
  const summary = shell('jereplay replay trace.ndjson').stdout;
  expect(summary).toContain('3 allocations');
  expect(shell('jereplay replay trace.ndjson --quiet').stdout).toBe(summary);
  expect(shell('jereplay replay trace.ndjson --quiet --heap /dev/null').stdout).toBe('');
});

describe('where the reader of a result leaves early', () => {
  test('the others are written', () => {
    const { stdout } = shell(`jereplay replay trace.ndjson --quiet --stats - --leaks left.txt | head -c1; echo " \${PIPESTATUS[0]}"`);
    expect(stdout).toBe('{ 0\n');
    expect(readFileSync(path('left.txt'), 'utf8')).toContain('72 B in 3 objects');
    const line = 'mkfifo fifo; (head -c1 fifo) & jereplay replay many.ndjson --quiet --placements fifo --leaks left.txt; wait';
    writeFileSync(path('many.ndjson'), allocations(5000));
    expect(shell(line)).toEqual({ status: 0, stdout: '{', stderr: '' });
    expect(readFileSync(path('left.txt'), 'utf8')).toContain('117 KiB in 5,000 objects');
  });

  test('a finding stays one, and bad options bad input', () => {
    // What was written before it came to reading is lost: a pipe without a reader.
    const code = (command: string) => shell(`(sleep 0.1; jereplay ${command}; echo $? > code) | true; cat code`).stdout;
    expect(code('leaks trace.ndjson --fail-on-leak 1')).toBe('1\n');
    expect(code('report trace.ndjson --fail-over 1')).toBe('1\n');
    expect(code('replay trace.ndjson --conf no_such:1 --json 2>/dev/null')).toBe('2\n');
  });
});

test('nothing is left in the temporary folder by Ctrl-C while results are written', async () => {
  const temporary = mkdtempSync(path('tmp-'));
  const child = start(['replay', '-', '--quiet', '--placements', '-'], { TMPDIR: temporary });
  child.stdin?.end(allocations(20_000));
  // Nobody reads the rest of it: it is still being written when the signal comes.
  await once(child.stdout as NodeJS.ReadableStream, 'readable');
  await sleep(100);
  child.kill('SIGINT');
  expect((await once(child, 'exit'))[1]).toBe('SIGINT');
  child.stdout?.destroy();
  expect(readdirSync(temporary)).toEqual([]);
});

test('placements of a pipe, too, are numbered without gaps', () => {
  // The first mapping of the model is not given out from.
  const conf = 'jereplay replay aligned.ndjson --quiet --placements';
  writeFileSync(
    path('aligned.ndjson'),
    '{"op":"aligned_alloc","alignment":8388608,"size":8388608,"ptr":"0x10"}\n'.repeat(2).replace('0x10', '0x20'),
  );
  expect(shell(`${conf} file; mkfifo pipe; (cat pipe > piped) & ${conf} pipe; wait; cmp file piped`)).toEqual({
    status: 0,
    stdout: '',
    stderr: '',
  });
  expect(statSync(path('file')).size).toBeGreaterThan(0);
});

test.each([
  ['replay - --quiet --placements - < trace.ndjson', 'placements are kept there until all are known'],
  ['leaks - --until peak < trace.ndjson', 'input that is read twice is kept there'],
  ['sweep trace.ndjson', 'a copy of the trace is kept there'],
])('no room for temporary files: %s', (command, use) => {
  expect(shell(`TMPDIR=./absent jereplay ${command}`)).toEqual({
    status: 2,
    stdout: '',
    stderr: `./absent: no such file or directory\nhint: ${use}; TMPDIR names another folder\n`,
  });
});

test('Ctrl-C while a further part comes in on standard input', async () => {
  const child = start(['convert', trace, '-', '-o', '-']);
  const done = finished(child);
  child.stdin?.on('error', () => {});
  // More than a pipe holds: once it is written, the program has begun to read.
  await new Promise((resolve) => child.stdin?.write(allocations(20_000), resolve));
  child.kill('SIGINT');
  const { code, stderr } = await done;
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('note: interrupted: this is of the trace up to there\n') });
});

test('a dump that the options put where nothing can be written', async () => {
  const prefix = join(folder, 'absent', 'app');
  const args = ['replay', trace, '--conf', `prof:true,lg_prof_sample:0,prof_final:true,prof_prefix:${prefix}`];
  const stats = join(folder, 'stats.json');
  const refused = await run([...args, '--stats', stats]);
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^<jemalloc>: failed to open ".*\nnote: .*\.f\.heap: could not be opened, and not written; what the options of --conf name goes into the folder of -o DIR/,
    ),
  });
  expect(readFileSync(stats, 'utf8')).toMatch(/^{"jemalloc":/);
  const { code, stderr } = await run([...args, '-o', join(folder, 'all')]);
  expect(code, stderr).toBe(0);
  expect(readdirSync(join(folder, 'all'))).toContainEqual(expect.stringMatching(/^app\.\d+\.0\.f\.heap$/));
});
