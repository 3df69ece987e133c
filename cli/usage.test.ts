/**
 * The command line's own rules: what stands behind `--`, what is named in refusals, and which outputs and inputs are none.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { finished, MAIN, run, start } from './testing.ts';

/** a = malloc 24 in leak <- main */
const SMALL = `{"op":"stack","id":0,"frames":["leak","main"]}\n{"op":"malloc","ts":10,"size":24,"ptr":"0x7f001000","stack":0}\n`;

const folder = testFolder();
const trace = join(folder, 'small.ndjson');
beforeAll(() => writeFileSync(trace, SMALL));

describe.concurrent('what stands behind -- is no flag', () => {
  test.each(['leaks', 'replay', 'report', 'flamegraph', 'jeprof'])('%s', async (command) => {
    const flags = command === 'jeprof' ? ['--text'] : [];
    const plain = await run([command, ...flags, trace]);
    expect(plain.code, plain.stderr).toBe(0);
    expect(await run([command, ...flags, '--', trace])).toEqual(plain);
  });

  test('what comes before it may be a list', async () => {
    const { code, stdout, stderr } = await run([
      'synth',
      '--events',
      '1000',
      '--quiet',
      '--leak',
      'a:8:100',
      '--leak',
      'b:8:100',
      '--',
      'cache',
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/synth, cache|"a"/);
    expect((await run(['synth', '--events', '1000', '--quiet', '--leak', 'a:8:100', '--leak', 'b:8:100', 'cache'])).stdout).toBe(stdout);
  });

  test('options of a sweep, and standard input', async () => {
    const { code, stdout, stderr } = await run(['sweep', '--', '-', 'tcache:false'], SMALL);
    expect(code, stderr).toBe(0);
    expect(stdout.trimEnd().split('\n').slice(4)).toHaveLength(2);
    expect(stdout).toContain('  tcache:false\n');
    expect((await run(['sweep', trace, '--', 'tcache:false'])).stdout).toBe(stdout);
  });

  test('a name that begins with a dash', async () => {
    const { code, stderr } = await run(['leaks', '--', '--from']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^--from: no such file/) });
  });
});

describe.concurrent('what is almost right is asked for', () => {
  test.each([
    [['repot', 'x'], 'jereplay: unknown command: repot\nhint: is report meant? jereplay --help lists the commands\n'],
    [['re'], 'jereplay: unknown command: re\nhint: is record or replay or report meant? jereplay --help lists the commands\n'],
    [['xyz'], 'jereplay: unknown command: xyz\nhint: jereplay --help lists the commands\n'],
    [['--vers'], 'jereplay: unknown flag: --vers\nhint: is --version meant? jereplay --help lists the commands\n'],
    [['--json', 'leaks', 'a'], 'jereplay: unknown flag: --json\nhint: the command stands first: jereplay leaks --json\n'],
    // The flag would have taken the trace for its value.
    [['leaks', '--jsno', 'a'], 'jereplay leaks: unknown flag: --jsno\nhint: is --json meant? jereplay leaks --help lists what it takes\n'],
    [
      ['leaks', '--base', 'a', 'b'],
      'unknown flag: --base\nhint: it is a flag of jereplay report and flamegraph; jereplay leaks --help lists what it takes\n',
    ],
    [
      ['report', '--conf', 'a', 'b'],
      'unknown flag: --conf\nhint: it is a flag of jereplay replay; jereplay report --help lists what it takes\n',
    ],
    [['leaks', '--no-json', 'a'], 'jereplay leaks: unknown flag: --no-json\nhint: leave --json out\n'],
    [['record', './app', '-v'], 'unknown flag: -v\nhint: what is recorded stands behind --: jereplay record -- PROGRAM ARGS\n'],
    [['record', './app'], 'unknown argument: ./app\nhint: what is recorded stands behind --: jereplay record -- PROGRAM ARGS\n'],
    [['synth', 'leak', '--threads', '0'], 'hint: for example --threads 8\n'],
  ])('%j', async (args, said) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
  });

  test('a recording without a command', async () => {
    expect((await run([trace])).stderr).toBe(
      `jereplay: unknown command: ${trace}\nhint: of a recording: jereplay leaks ${trace}; jereplay --help lists the commands\n`,
    );
  });
});

test.each([
  ['rep', 'replay report'],
  ['leaks --f', '--fail-on-leak --from'],
  ['leaks --', expect.stringMatching(/ --json --top .* --quiet$/)],
  ["replay a --unmatched ''", 'count error'],
  ['record --with h', 'heaptrack'],
])('bash completes %s', (typed, offered) => {
  const script = `jereplay() { "$NODE" "$MAIN" "$@"; }; eval "$(jereplay completion)"; COMP_WORDS=(jereplay ${typed}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _jereplay_yargs_completions; echo "\${COMPREPLY[*]}"`;
  const env = { ...process.env, SHELL: '/bin/bash', NODE: process.execPath, MAIN };
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8', env });
  expect({ stdout: stdout.trimEnd(), stderr }).toEqual({ stdout: offered, stderr: '' });
});

test('completion for a shell that is named, and its help', async () => {
  expect((await run(['completion', 'zsh'])).stdout).toMatch(/^#compdef jereplay\n/);
  expect((await run(['completion', 'bash'])).stdout).toMatch(/^###-begin-jereplay-completions-###\n(?:.*\n)*complete -o /);
  expect(await run(['completion', 'fish'])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'jereplay completion: unknown shell: fish\nhint: bash and zsh are known\n',
  });
  for (const args of [
    ['completion', '--help'],
    ['help', 'completion'],
  ])
    expect((await run(args)).stdout).toMatch(/^jereplay completion \[shell\]\n\nPrint a script by which bash and zsh /);
});

test('option strings that stand elsewhere than behind the trace', async () => {
  expect((await run(['sweep', 'tcache:false', trace])).stderr).toBe(
    `tcache:false: no such file or directory\nhint: the trace stands first: jereplay sweep ${trace} tcache:false\n`,
  );
  expect((await run(['sweep', trace, '--conf', 'tcache:false'])).stderr).toMatch(
    /^jereplay sweep: unknown flag: --conf\nhint: option strings stand behind the trace: /,
  );
});

test('-oFILE is -o FILE, up to --', async () => {
  const out = join(folder, 'attached.txt');
  expect(await run(['leaks', trace, `-o${out}`])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(readFileSync(out, 'utf8')).toBe((await run(['leaks', trace])).stdout);
  expect((await run(['leaks', '--', `-o${out}`])).stderr).toMatch(/^-o.*: no such file/);
});

describe.concurrent('where results go', () => {
  test('a folder for results is none on standard output', async () => {
    const { code, stdout, stderr } = await run(['replay', trace, '-o', '-']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^-: .*\nhint: .*-o FOLDER/);
    expect(existsSync('-')).toBe(false);
  });

  test('a folder that cannot be made', async () => {
    // Node makes folders there for ever.
    const { code, stderr } = await run(['replay', trace, '-o', '/proc/no/such']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^\/proc\/no\/such: no such file or directory\n/) });
    expect((await run(['replay', trace, '-o', join(trace, 'below')])).stderr).toContain('a part of the path is not a directory');
    expect((await run(['replay', trace, '--quiet', '-o', join(folder, 'made/one/by/one/')])).code).toBe(0);
    expect(readdirSync(join(folder, 'made/one/by/one'))).toContain('summary.json');
  });

  test('two results in one place, one of them in the folder of -o', async () => {
    for (const name of ['summary.json', 'profile.heap']) {
      const out = join(folder, `one_place_${name}`);
      const { code, stderr } = await run(['replay', trace, '-o', out, '--leaks', join(out, name)]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('two results cannot go to the same place') });
    }
  });

  test('a replay that is refused leaves no empty folder, and one that was there stays', async () => {
    const unknown = join(folder, 'unknown.ndjson');
    writeFileSync(unknown, `${SMALL}{"op":"free","ptr":"0x99"}\n`);
    const out = join(folder, 'refused/deep');
    expect((await run(['replay', unknown, '--unmatched', 'error', '-o', out])).code).toBe(2);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
    mkdirSync(join(folder, 'mine'));
    expect((await run(['replay', unknown, '--unmatched', 'error', '-o', join(folder, 'mine')])).code).toBe(2);
    expect(existsSync(join(folder, 'mine'))).toBe(true);
  });

  test('all that is written is named', async () => {
    const out = join(folder, 'named');
    const { stdout } = await run(['replay', trace, '-o', out, '--placements', join(folder, 'placed.ndjson')]);
    const written = /^written: (.*)$/m.exec(stdout)?.[1]?.split(' ') ?? [];
    expect(written.sort()).toEqual([...readdirSync(out).map((name) => join(out, name)), join(folder, 'placed.ndjson')].sort());
  });

  test('a standard output that is full', () => {
    const { status, stderr } = spawnSync('/bin/sh', ['-c', `"$0" "$1" leaks "$2" >/dev/full`, process.execPath, MAIN, trace], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: '-: no space left on the device\nhint: name a file in a folder that can be written to\n',
    });
  });
});

describe.concurrent('where things come from', () => {
  test('option strings on standard input, and a file without any', async () => {
    const { code, stdout, stderr } = await run(['sweep', trace, '--confs-from', '-'], 'tcache:false # none\n');
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('  tcache:false\n');
    expect(await run(['sweep', '-', '--confs-from', '-'], SMALL)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^-: /) });
    for (const text of ['', '# nothing\n\n']) {
      const none = join(folder, `none${text.length}`);
      writeFileSync(none, text);
      const run1 = await run(['sweep', trace, '--confs-from', none]);
      expect(run1).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(/none\d+: has no option string\nhint: /) });
    }
  });

  test('a working directory that is gone', () => {
    const gone = join(folder, 'gone');
    mkdirSync(gone);
    const { status, stdout, stderr } = spawnSync(
      '/bin/sh',
      ['-c', `cd "$0" && rmdir "$0" && exec "$1" "$2" leaks "$3"`, gone, process.execPath, MAIN, trace],
      {
        encoding: 'utf8',
      },
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe('working directory: is no longer there\nhint: cd to a folder that is\n');
  });
});

test.each([
  [1, '1 block of posix_memalign or asprintf is missing: ltrace does not show its address'],
  [2, '2 blocks of posix_memalign or asprintf are missing: ltrace does not show their addresses'],
])('%d block without an address', async (count, fact) => {
  const call = '7 1795218296.000100 p->posix_memalign(0x7ffc1000, 64, 100, 0x10) = 0\n';
  const { stderr } = await run(['leaks', '-'], `7 1795218296.000000 p->malloc(24) = 0x5555\n${call.repeat(count)}`);
  expect(stderr).toContain(`note: ${fact}\n`);
});

test('the exit code of prof_leak_error is that of a finding', async () => {
  const ended = (conf: string) => run(['replay', trace, '--quiet', '-o', join(folder, 'leak_error'), '--conf', conf]);
  const conf = 'lg_prof_sample:0,prof_final:true,prof_leak:true';
  expect(await ended(`${conf},prof_leak_error:true`)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('memory leaks were detected'),
  });
  expect((await ended(conf)).code).toBe(0);
});

test('allocation functions are in flame graphs where they are asked for', async () => {
  const lines = '{"op":"stack","id":0,"frames":["malloc","leak"]}\n{"op":"malloc","size":24,"ptr":"0x10","stack":0}\n';
  const names = async (...flags: string[]) => /"names":\[[^\]]*\]/.exec((await run(['flamegraph', '-', ...flags], lines)).stdout)?.[0];
  expect(await names('--allocators')).toContain('"malloc"');
  expect(await names()).not.toContain('"malloc"');
});

test('an empty dump is remarked on where something is live', async () => {
  const notes = async (lines: string, ...flags: string[]) =>
    (await run(['replay', '-', '--json', '--heap', join(folder, 'empty.heap'), ...flags], lines)).stderr;
  // Of these the first one is sampled.
  const lines = `${SMALL}{"op":"malloc","ts":11,"size":24,"ptr":"0x7f002000"}\n{"op":"free","ts":12,"ptr":"0x7f001000"}\n`;
  expect(await notes(SMALL)).toBe('');
  expect(await notes(lines)).toContain('the heap dump is empty: it holds one sample per 512 KiB on average');
  expect(await notes(lines, '--conf', 'lg_prof_sample:25')).toContain('one sample per 32.0 MiB on average');
  expect(await notes(lines, '--conf', 'prof_active:false')).toContain(
    'the heap dump is empty: with prof_active:false nothing is sampled\n',
  );
  expect(await notes(`${lines}{"op":"free","ts":13,"ptr":"0x7f002000"}\n`)).toBe('');
});

test('what --until stopped is in use there, and not leaked', async () => {
  const lines = `${SMALL}{"op":"malloc","ts":11,"size":24,"ptr":"0x7f002000"}\n{"op":"free","ts":12,"ptr":"0x7f001000"}\n`;
  const out = join(folder, 'stopped');
  const summary = (await run(['replay', '-', '-o', out, '--until', 'peak'], lines)).stdout;
  const { stdout } = await run(['leaks', '-', '--until', 'peak'], lines);
  expect(stdout).toMatch(/^48 B in 2 objects in use at the peak, /);
  expect(readFileSync(join(out, 'leaks.txt'), 'utf8')).toBe(stdout);
  expect(summary).toContain('48 B in 2 objects in use at the peak, ');
  const page = readFileSync(join(out, 'flamegraph.html'), 'utf8');
  expect(page).toContain('<p class="subtitle">The heap at the peak.</p>');
  expect(await run(['flamegraph', '-', '--until', 'peak', '--title', 'standard input'], lines)).toMatchObject({ code: 0, stdout: page });
  expect((await run(['replay', '-'], lines)).stdout).toContain('24 B in 1 object never freed');
});

test('Ctrl-C ends a synthetic trace, and its truth is of what there is', async () => {
  const path = join(folder, 'made.jrt');
  const child = start(['synth', 'churn', '--events', '10G', '-o', path]);
  const done = finished(child);
  // Once something is written it is at work.
  while (!(existsSync(path) && statSync(path).size > 0)) await sleep(20);
  child.kill('SIGINT');
  const { code, stderr } = await done;
  expect(code).toBe(0);
  const truth = JSON.parse(stderr) as { events: number; partial: boolean };
  const summary = JSON.parse((await run(['replay', path, '--json'])).stdout) as { events: number };
  expect({ partial: truth.partial, events: truth.events }).toEqual({ partial: true, events: summary.events });
});
