import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { InputError } from '../../core/trace/input_error.ts';
import { finished, MAIN, type Run, run, start } from '../testing.ts';
import type { Form, ReportArgs } from './args.ts';
import { makeReport } from './forms.ts';
import { Session } from './session.ts';
import { wholeText } from '../output.ts';
import { ReportSource } from './source.ts';

const OLDER = new URL('../../fixtures/profiles/leaky_s19.symbolized.heap', import.meta.url).pathname;
const DUMP = new URL('../../fixtures/profiles/leaky_s0.symbolized.heap', import.meta.url).pathname;

/** What other processes do takes its time. */
const POLL = { timeout: 40_000, interval: 200 };

const folder = testFolder();

/** Lines at the prompt, from a pipe. */
const session = (lines: readonly string[], ...args: string[]) => run(['report', '-i', DUMP, ...args], `${lines.join('\n')}\n`);
/** One report by its flags. */
const report = async (...args: string[]) => (await run(['report', DUMP, ...args])).stdout;

test.skipIf(!needsTool('jeprof'))('a session prints what jeprof prints at its prompt', async () => {
  const lines = ['top3', 'top5 --cum', 'top3 -main', 'top20 -handle -lru', '  top7 --lines', 'quit', 'top'];
  const theirs = execFileSync('jeprof', ['--interactive', DUMP], { input: `${lines.join('\n')}\n`, encoding: 'utf8', stdio: 'pipe' });
  const ours = await run(['jeprof', '--interactive', DUMP], `${lines.join('\n')}\n`);
  expect(ours.code).toBe(0);
  expect(ours.stdout).toBe(theirs.replace(/^After ignoring .*\n/gm, ''));
  expect(ours.stderr).toContain('note: ignore=handle|lru leaves 0.');
});

describe('a line is the report of its flags', () => {
  const CASES: readonly (readonly [string, Form, Partial<ReportArgs>])[] = [
    ['text', 'text', {}],
    ['top', 'text', { top: '10' }],
    ['top 4 leak', 'text', { top: '4', focus: 'leak' }],
    ['top 4 leak lru -put', 'text', { top: '4', focus: 'leak|lru', ignore: 'put' }],
    ['top3 -cum -focus=leak', 'text', { top: '3', cum: true, focus: 'leak' }],
    ['tree', 'tree', {}],
    ['tree 5', 'tree', { top: '5' }],
    ['peek "leak_session"', 'peek', { peek: 'leak_session' }],
    ['traces 3', 'traces', { top: '3' }],
    ['collapsed leak', 'collapsed', { focus: 'leak' }],
    ['dot 6', 'dot', { nodecount: '6' }],
    ['csv --alloc_objects', 'csv', { alloc_objects: true }],
    ['json', 'json', {}],
    ['raw', 'raw', {}],
    ['svg', 'svg', {}],
    ['callgrind', 'callgrind', {}],
    // Settings hold until they are taken away.
    ['alloc_space\nfocus=leak\ntext', 'text', { alloc_space: true, focus: 'leak' }],
    ['sample_index=alloc_objects\ngranularity=lines\nsort=cum\ntext', 'text', { alloc_objects: true, lines: true, cum: true }],
    ['--lines\n--show_bytes\nnoshow_bytes\nfunctions\ntext', 'text', {}],
    ['focus leak\nignore = main\nfocus=\n-ignore=\ntext', 'text', {}],
    ['cum\nfocus=leak\nalloc_space\nreset\ntext', 'text', {}],
    [`base=${OLDER}\ntext`, 'text', { base: OLDER }],
    // What fails changes nothing.
    ['focus=leak\nfocus=(\nnodecount=many\nbase=/no/such\ntext', 'text', { focus: 'leak' }],
  ];
  test.each(CASES)('%j', async (lines, form, flags) => {
    const source = await ReportSource.open({ profiles: [DUMP], ...flags });
    const { content } = await makeReport(form, source, { profiles: [DUMP], ...flags }, () => {});
    const text = wholeText(content);
    expect(text.length).toBeGreaterThan(0);
    const file = join(folder, 'result');
    rmSync(file, { force: true });
    const prompt = new Session(source, { profiles: [DUMP], quiet: true });
    for (const line of `${lines} > ${file}`.split('\n')) await prompt.run(line).catch((error) => expect(error).toBeInstanceOf(InputError));
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('from the flags that the session started with', async () => {
    const { stdout } = await session(['text', 'flat', 'text', 'reset', 'text 1'], '--cum', '--focus', 'leak', '--show_bytes');
    const flags = ['--focus', 'leak', '--show_bytes'];
    expect(stdout).toBe((await report(...flags, '--cum')) + (await report(...flags)) + (await report(...flags, '--cum', '--top', '1')));
  });

  test('words are completed', async () => {
    const prompt = new Session(await ReportSource.open({ profiles: [DUMP] }), { profiles: [DUMP] });
    expect(prompt.complete('pe')).toEqual([['peek '], 'pe']);
    expect(prompt.complete('al')).toEqual([['alloc_objects', 'alloc_space'], 'al']);
    expect(prompt.complete('thr')).toEqual([['thread='], 'thr']);
    expect(prompt.complete('top --fo')).toEqual([['--focus='], '--fo']);
    expect(prompt.complete('peek leak_')).toEqual([['leak_log_line', 'leak_session'], 'leak_']);
    expect(prompt.complete('peek session')).toEqual([['leak_session '], 'session']);
    expect(prompt.complete('top -leak_s')).toEqual([['-leak_session '], '-leak_s']);
    expect(prompt.complete('focus=lru')).toEqual([['focus=lru_put '], 'focus=lru']);
    expect(prompt.complete('peek no_such')).toEqual([[], 'no_such']);
    expect(prompt.complete('')[0]).toContain('top');
  });
});

test('a line that fails is told of, and the next one is read', async () => {
  const lines = [
    'nonsense',
    'top "x',
    'peek',
    'top > /no/such/folder/x',
    'help nonsense',
    'focus=(',
    'cum yes',
    'web > x',
    'base=-',
    'top 1',
  ];
  const { code, stdout, stderr } = await session(lines);
  expect(code).toBe(2);
  expect(stdout).toBe(await report('--top', '1'));
  expect(stderr.split('\n').filter((line) => line !== '' && !line.startsWith('hint: '))).toEqual([
    'nonsense: no such command or setting',
    'top "x: a quote " that is not closed',
    'peek: of what?',
    '/no/such/folder/x: no such file or directory',
    'help: there is no nonsense',
    expect.stringMatching(/^--focus: no regular expression/),
    'cum: takes no value, but "yes" follows',
    'web: the drawing is shown, not written',
    'base: standard input is where commands come from',
  ]);
});

test('results go to files', async () => {
  const file = join(folder, 'a table.txt');
  const grind = join(folder, 'callgrind.out');
  const { code, stdout } = await session([`top 2 > ${file}`, `callgrind ${grind}`, 'list nothing_like_it']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(readFileSync(file, 'utf8')).toBe(await report('--top', '2'));
  expect(readFileSync(grind, 'utf8')).toBe(await report('--callgrind'));
});

test('help and settings', async () => {
  const { stdout, stderr } = await session(['help', 'help peek', 'thread=99', 'text', 'options', '', '  ']);
  expect(stdout).toMatch(/^Commands\n {2}top /);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(stdout.match(/peek RE/g)).toHaveLength(2);
  expect(stdout).toMatch(/^thread +99$/m);
  expect(stdout).toMatch(/^sample_index +inuse_space$/m);
  expect(stderr).toMatch(/^note: the profile /);
});

test('standard input without a command is told of', async () => {
  expect(await run(['report', '-i', DUMP])).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'note: no command came on standard input, which is no terminal: --text prints the table\n',
  });
});

test.each([
  [['jeprof', DUMP, '--dot', '--text'], 'jereplay jeprof: --text and --dot at once'],
  [['report', '-i', '-'], 'standard input is where commands come from'],
  [['report', '-i', DUMP, '-o', 'x'], '--interactive and --output at once'],
  [['report', '-i', DUMP, '--text'], '--text and --interactive at once'],
  [['report', '-i', DUMP, '--focus', '('], 'no regular expression'],
])('%j is bad usage', async (args, fact) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stderr).toContain(fact);
});

describe('windows', () => {
  /** Puts a viewer in PATH that leaves what it was shown in `shown`. */
  function viewer(name: string, shown: string): Record<string, string> {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\nfor last; do :; done\ncp "$last" "${shown}.part" && mv "${shown}.part" "${shown}"\n`);
    chmodSync(path, 0o755);
    return { PATH: `${folder}:${process.env['PATH']}` };
  }
  const show = (args: string[], env: Record<string, string>, input = ''): Promise<Run> => {
    const child = start(args, env);
    child.stdin?.end(input);
    return finished(child);
  };

  test('a browser is shown the drawing, by a flag and at the prompt', async () => {
    const shown = join(folder, 'shown.svg');
    viewer('browser', shown);
    const env = { BROWSER: join(folder, 'browser') };
    const byFlag = await show(['jeprof', '--web', DUMP], env);
    expect(byFlag).toMatchObject({ code: 0, stdout: '' });
    await expect.poll(() => existsSync(shown), POLL).toBe(true);
    expect(readFileSync(shown, 'utf8')).toBe(await report('--svg'));
    rmSync(shown);
    expect(await show(['report', '-i', DUMP], env, 'web 4 leak\n')).toMatchObject({ code: 0, stdout: '' });
    await expect.poll(() => existsSync(shown), POLL).toBe(true);
    expect(readFileSync(shown, 'utf8')).toBe(await report('--svg', '--nodecount', '4', '--focus', 'leak'));
  });

  test('gv is shown PostScript, and what was written for it is removed', async () => {
    const shown = join(folder, 'shown.ps');
    const { code, stderr } = await show(['jeprof', '--gv', '--scale', '2', DUMP], viewer('gv', shown));
    expect(code).toBe(0);
    expect(readFileSync(shown, 'latin1')).toMatch(/^%!PS-Adobe/);
    const [, written = ''] = /file:\/\/(\S+)/.exec(stderr) ?? [];
    expect(written).toMatch(/graph\.ps$/);
    await expect.poll(() => existsSync(written), POLL).toBe(false);
  });

  test('no viewer at hand', async () => {
    const { code, stderr } = await show(['jeprof', '--evince', '--quiet', DUMP], { PATH: '/nowhere' });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^(?:evince: no program|--pdf: needs ps2pdf).*\nhint: .*\n$/);
  });
});

describe.skipIf(!needsTool('script'))('at a terminal', () => {
  /** At a terminal, types each of the keys once the screen shows what comes before it. Gives all that the screen got. */
  async function typed(state: string, command: string, steps: readonly (readonly [after: string, keys: string])[]): Promise<string> {
    const child = spawn('script', ['-qec', `${process.execPath} ${MAIN} ${command}`, '/dev/null'], {
      env: { ...process.env, XDG_STATE_HOME: state, NO_COLOR: '1', TERM: 'xterm' },
    });
    let screen = '';
    child.stdout.on('data', (bytes: Buffer) => (screen += bytes.toString().replaceAll('\r', '')));
    const ended = once(child, 'close');
    let seen = 0;
    for (const [after, keys] of steps) {
      await expect.poll(() => screen.indexOf(after, seen), { timeout: 30_000 }).toBeGreaterThanOrEqual(0);
      seen = screen.indexOf(after, seen) + after.length;
      child.stdin.write(keys);
    }
    await ended;
    return screen;
  }

  test('jeprof without a form asks; Tab, Ctrl-C, Up and Ctrl-D do what they do elsewhere', async () => {
    const state = join(folder, 'state');
    const screen = await typed(state, `jeprof ${DUMP}`, [
      ['(jereplay) ', 'nonsense'],
      ['nonsense', '\u0003'],
      ['(jereplay) ', 'pe'],
      ['pe', '\t'],
      ['ek ', 'leak_se'],
      ['leak_se', '\t'],
      ['ssion ', '\n'],
      ['(jereplay) ', '\u0004'],
    ]);
    expect(screen).toContain('nonsense^C\n');
    expect(screen).not.toContain('no such command');
    expect(screen).toMatch(/ handle\n.* leak_session\n/);
    expect(readFileSync(join(state, 'jereplay', 'history'), 'utf8')).toBe('peek leak_session\n');
    const again = await typed(state, `report -i ${DUMP}`, [
      ['(jereplay) ', '\u001b[A'],
      ['peek leak_session', '\n'],
      ['(jereplay) ', 'quit\n'],
    ]);
    expect(again).toMatch(/ handle\n.* leak_session\n/);
    expect(readFileSync(join(state, 'jereplay', 'history'), 'utf8')).toBe('peek leak_session\npeek leak_session\nquit\n');
  }, 120_000);
});
