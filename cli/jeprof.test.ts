import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, mapLine, nm } from '../fixtures/symbols/host.ts';
import { testFolder } from '../fixtures/test_folder.ts';
import { needsTool } from '../fixtures/tools.ts';
import { jeprofArguments } from './jeprof_arguments.ts';
import { finished, MAIN, run, start } from './testing.ts';

const BASE = 0x555500000000;
const HAS_TOOLS = needsTool('jeprof', 'gcc', 'g++', 'nm', 'readelf', 'addr2line', 'objdump');
const SYMBOLIZED = new URL('../fixtures/profiles/leaky_s0.symbolized.heap', import.meta.url).pathname;

describe.skipIf(!HAS_TOOLS)('a script that calls jeprof', () => {
  let folder: string;
  let program: string;
  let dump: string;
  let base: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'cli-jeprof-')));
    program = build(folder, 'pie');
    dump = join(folder, 'a.heap');
    base = join(folder, 'b.heap');
    const at = (name: string, offset: number) =>
      `0x${(BASE + (nm(program).find((symbol) => symbol.name === name)?.start ?? 0) + offset).toString(16)}`;
    const rows = (count: number) => {
      let text = 'heap_v2/1\n  t*: 0: 0 [0: 0]\n';
      for (let i = 1; i <= count; i++)
        text += `@ ${at('hidden', i)} ${at(i % 2 === 0 ? 'exported' : 'alias_a', i)} ${at('main', 7)}\n  t*: ${i}: ${i * 100000} [${i}: ${i * 100000}]\n`;
      return `${text}\nMAPPED_LIBRARIES:\n${mapLine(program, BASE)}`;
    };
    writeFileSync(dump, rows(9));
    writeFileSync(base, rows(4));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The order of what jeprof keeps in hash tables is its own. */
  const lines = (text: string) => text.split('\n').sort();

  test('gets what it got', async () => {
    const COMMANDS = [
      '--text --show_bytes',
      '-text -cum --lines',
      '--show --inuse_o --addresses',
      '--files --alloc_space',
      '--collapsed',
      '--dot --nodefraction=0.01 --heapcheck',
      '--list=exported',
      '--disasm hidden --show_bytes',
      `--base=${base}`,
      `--base ${base} --drop_negative --focus=alias`,
      '--ignore alias --exclude main',
    ];
    for (const flags of COMMANDS) {
      const args = [...flags.split(' '), program, dump];
      const theirs = execFileSync('jeprof', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      const ours = await run(['jeprof', ...args]);
      expect(ours.code, flags).toBe(0);
      const unpadded = flags.startsWith('--disasm')
        ? theirs.replace(/^ +\. +\. +[0-9a-f]+: (?:data16 .*|(?:cs )?nop.*|xchg +%ax,%ax)\n/gm, '')
        : theirs;
      if (/dot|collapsed/.test(flags)) expect(lines(ours.stdout), flags).toEqual(lines(unpadded));
      else expect(ours.stdout, flags).toBe(unpadded);
    }
  }, 120000);

  test('names from files that are elsewhere, or not relocated', async () => {
    const library = join(folder, 'libsample.so');
    const fixed = build(folder, 'fixed');
    mkdirSync(join(folder, 'prefix', 'lib'), { recursive: true });
    copyFileSync(library, join(folder, 'prefix', 'lib', 'libgone.so'));
    const libraryBase = 0x7f0000000000;
    const places = (path: string, from: number) => nm(path).map(({ start }) => `0x${(from + start + 1).toString(16)}`);
    const known = [...places(library, libraryBase), ...places(fixed, 0), ...places(program, BASE)];
    const rows = known.map((address, i) => `@ ${address} ${known[0]}\n  t*: 1: ${i + 1000} [0: 0]\n`).join('');
    const away = mapLine(library, libraryBase).replace(library, '/gone/lib/libgone.so');
    const scattered = join(folder, 'scattered.heap');
    writeFileSync(scattered, `heap_v2/1\n  t*: 0: 0 [0: 0]\n${rows}\nMAPPED_LIBRARIES:\n${away}${mapLine(program, BASE)}`);
    for (const flags of [
      [],
      [`--lib_prefix=${join(folder, 'prefix')}`],
      [`--lib_prefix=/none,${join(folder, 'prefix', 'lib')}/`],
      [`--add_lib=${fixed}`],
      [`--add_lib=${library}`, `--lib_prefix=${join(folder, 'prefix')}`],
    ]) {
      const args = ['--addresses', '--show_bytes', ...flags, program, scattered];
      const theirs = spawnSync('jeprof', ['--text', ...args], { encoding: 'utf8' }).stdout;
      expect((await run(['jeprof', '--nearest', '--text', ...args])).stdout, flags.join(' ')).toBe(theirs);
    }
    const { code, stderr } = await run(['jeprof', '--text', '--add_lib', join(folder, 'none'), program, dump]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^--add_lib: no program or library at .*none\nhint: /) });
  });

  test('--symbols', async () => {
    const addresses = nm(program).filter(({ name }) => ['hidden', 'main'].includes(name));
    const input = `${mapLine(program, BASE)}${addresses.map(({ start }) => `0x${(BASE + start).toString(16)}\n`).join('')}0x1234\n`;
    const theirs = spawnSync('jeprof', ['--symbols', program], { input, encoding: 'utf8' }).stdout;
    // What is in no mapping jeprof looks up in the program, as if it were not relocated.
    expect((await run(['jeprof', '--symbols', program], input)).stdout.split('\n').slice(0, 2)).toEqual(theirs.split('\n').slice(0, 2));
    expect((await run(['jeprof', '--symbols', program], '0x1234\n')).stdout).toBe('??\n');
  });
});

test('a drawing without a Graphviz', async () => {
  const { code, stdout } = await run(['jeprof', '--svg', '--show_bytes', SYMBOLIZED]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/<svg .*leak_session.*<\/svg>/s);
});

describe('drawings for paper', () => {
  test('PostScript without a Graphviz', async () => {
    const { code, stdout } = await run(['jeprof', '--ps', '--show_bytes', SYMBOLIZED]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^%!PS-Adobe-3\.0\n.*\(leak_session\).*%%EOF\s*$/s);
  });

  test.skipIf(!needsTool('ps2pdf'))('PDF', async () => {
    const { code, stdout } = await run(['jeprof', '--pdf', SYMBOLIZED]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^%PDF-1.*%%EOF\s*$/s);
  });

  test.skipIf(!needsTool('dot'))('GIF', async () => {
    const { code, stdout } = await run(['jeprof', '--gif', SYMBOLIZED]);
    expect(code).toBe(0);
    expect(stdout.slice(0, 6)).toBe('GIF89a');
  });

  test.each([
    ['--pdf', 'ps2pdf', 'Ghostscript'],
    ['--gif', 'dot', 'Graphviz'],
  ])('%s without %s', async (flag, tool, remedy) => {
    const child = start(['jeprof', flag, '--quiet', SYMBOLIZED], { PATH: '/nowhere' });
    const { code, stdout, stderr } = await finished(child);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `${flag}: needs ${tool}, which is not on this machine\nhint: install ${remedy}, or use --svg${flag === '--pdf' ? ' or --ps' : ''}\n`,
    );
  });
});

test.each([
  [['--contentions', SYMBOLIZED], /^jereplay jeprof: --contentions is not made here\nhint: .*--inuse_space/],
  [['http://localhost:1/pprof/heap'], /^http:.*: profiles are not fetched\nhint: curl .*, then jereplay jeprof/],
  [['--text', '--web', SYMBOLIZED], /--text and --web at once/],
  [['--no_such', 'a'], /^jereplay jeprof: unknown flag --no_such\n/],
  [['--text', '--dot', SYMBOLIZED], /--text and --dot at once/],
  [['--text', '--list=a', SYMBOLIZED], /--text and --list at once/],
  [[], /^jereplay jeprof: no profile or trace is named\n/],
])('%j is bad usage', async (args, fact) => {
  const { code, stdout, stderr } = await run(['jeprof', ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(fact);
  expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
});

test('every flag of its help is taken', async () => {
  const { stdout } = await run(['jeprof', '--help']);
  const flags = [...stdout.matchAll(/^ +(?:-\w, )?--([\w-]+)/gm)].map(([, flag = '']) => flag).filter((flag) => flag !== 'help');
  expect(flags.length).toBeGreaterThan(50);
  const refusals = flags.map((flag) => {
    try {
      return jeprofArguments([`--${flag}=1`], undefined)[0];
    } catch (error) {
      return (error as Error).message;
    }
  });
  for (const [i, flag] of flags.entries()) expect([`--${flag}=1`, `jereplay jeprof: --${flag} takes no value`]).toContain(refusals[i]);
});

test('a graph without nodes is none, and jeprof fails then', async () => {
  for (const form of ['--dot', '--svg']) {
    expect((await run(['jeprof', form, '--focus=no_such_function', SYMBOLIZED])).code).toBe(1);
    expect((await run(['jeprof', form, '--thread=77', SYMBOLIZED])).code).toBe(0);
    expect((await run(['report', form, '--focus=no_such_function', SYMBOLIZED])).code).toBe(0);
  }
});

test('numbers as Perl takes them', async () => {
  const dot = async (...flags: string[]) => {
    const { code, stdout } = await run(['jeprof', '--dot', ...flags, SYMBOLIZED]);
    expect(code, flags.join(' ')).toBe(0);
    return stdout;
  };
  expect(await dot('--nodefraction=.5e+0')).toBe(await dot('--nodefraction=0.5'));
  expect(await dot('--edgefraction=+0.1')).toBe(await dot('--edgefraction=0.1'));
  expect(await dot('--nodecount=+5')).toBe(await dot('--nodecount=5'));
});

describe('threads', () => {
  const folder = testFolder();
  const dump = join(folder, 'threads.heap');
  writeFileSync(
    dump,
    '--- symbol\nbinary=/x\n0x401000 f\n---\n--- heap\nheap_v2/1\n  t*: 1: 100 [0: 0]\n  t1: 1: 100 [0: 0] \x1b[31mred\n@ 0x401000\n  t*: 1: 100 [0: 0]\n  t1: 1: 100 [0: 0]\n',
  );

  test('have numbers, however they are written', async () => {
    const { stdout } = await run(['jeprof', '--text', '--thread=1', dump]);
    expect(stdout).toContain('Total (t1)');
    for (const thread of ['1.0', '01', '+1', '1e0', '10e-1'])
      expect((await run(['jeprof', '--text', `--thread=${thread}`, dump])).stdout).toBe(stdout);
    expect((await run(['jeprof', '--text', '--thread=1.5', dump])).stdout).toBe('');
  });

  test.skipIf(!needsTool('script'))('have names that do nothing to a terminal, and go into files as they are', () => {
    const shown = execFileSync('script', ['-qec', `${process.execPath} ${MAIN} report --raw ${dump}`, '/dev/null'], { encoding: 'utf8' });
    expect(shown).toContain('\\x1b[31mred');
    expect(shown).not.toContain('\x1b[31m');
    expect(execFileSync(process.execPath, [MAIN, 'report', '--raw', dump], { encoding: 'utf8' })).toContain('\x1b[31mred');
  });
});

test('other forms of a report, and a limit', async () => {
  const report = (...args: string[]) => run(['report', SYMBOLIZED, '--show_bytes', ...args]);
  const { total_bytes, rows } = JSON.parse((await report('--json', '--top', '1')).stdout) as {
    total_bytes: number;
    rows: { flat_bytes: number }[];
  };
  const text = await report('--top', '1');
  expect(text.stdout).toBe(
    readFileSync(new URL('../fixtures/profiles/leaky_s0.showbytes_cum.txt', import.meta.url), 'utf8').split('\n')[0] +
      '\n' +
      text.stdout.split('\n')[1] +
      '\n',
  );
  expect(text.stdout).toContain(`Total: ${total_bytes} B\n`);
  expect(text.stdout).toContain(` ${rows[0]?.flat_bytes} `);
  expect((await report('--csv')).stdout.split('\r\n')[0]).toBe('name,flat_bytes,cumulative_bytes');
  expect((await report('--tree')).stdout).toContain(' main\n');
  expect((await report('--peek', 'leak_session')).stdout).toContain(' handle\n');
  expect((await report('--speedscope')).stdout).toContain('"exporter":"jereplay"');
  expect((await report('--fail-over', String(total_bytes))).code).toBe(0);
  expect((await report('--fail-over', String(total_bytes - 1))).code).toBe(1);
  expect(await report('--fail-over', '1k@leak_session')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^note: --fail-over: [\d,]{5,} bytes, more than 1,024: exit code 1$/m),
  });
  expect((await report('--fail-over', '1k@leak_session', '--quiet')).stderr).toBe('');
  expect((await report('--inuse_objects', '--fail-over', '0')).stderr).toMatch(/ objects, more than 0: exit code 1\n/);
  expect((await report('--fail-over', '1k@no_such_function')).code).toBe(0);
  expect(await report('--fail-over', 'much')).toMatchObject({ code: 2, stderr: expect.stringContaining('--fail-over') });
});
