/**
 * Inputs that are no traces, through the commands that take them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import type { StackIndex } from '../core/units.ts';
import { contextSumsReader } from '../formats/context_sums.ts';
import { formatNamed } from '../formats/index.ts';
import { profileFromContextSums } from '../profiles/context_sums.ts';
import { PROFILE_FORMATS, readProfile } from '../profiles/read_profile.ts';
import { sumProfiles } from '../profiles/sum.ts';
import { FROM_FLAG } from './commands/command.ts';
import { readSubject } from './subject.ts';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './testing.ts';

const trace = (name: string) => fileURLToPath(new URL(`../fixtures/traces/${name}`, import.meta.url));

interface Leaks {
  readonly total_bytes: number;
  readonly total_objects: number;
  readonly requested: boolean;
  readonly contexts: readonly { readonly bytes: number; readonly objects: number; readonly stack: readonly string[] }[];
}

describe.concurrent('reports behind what a program has printed, however much', () => {
  const stack = '    #0 0x1 in malloc a.c:1\n    #1 0x2 in leak a.c:2\n';
  const lsan = `==7==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 9 byte(s) in 3 object(s) allocated from:\n${stack}\nSUMMARY: AddressSanitizer: 9 byte(s) leaked in 3 allocation(s).\n`;
  const memcheck = '==7== 9 bytes in 3 blocks are definitely lost in loss record 1 of 1\n==7==    at 0x1: leak (a.c:2)\n==7== \n';
  const output = 'what it prints\n'.repeat(10_000);

  test.each([
    ['LeakSanitizer', lsan],
    ['Memcheck', memcheck],
  ])('%s', async (_, report) => {
    const { code, stdout } = await run(['leaks', '-', '--json'], output + report);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      total_bytes: 9,
      total_objects: 3,
      contexts: [{ stack: expect.arrayContaining(['leak']) as unknown }],
    });
  });

  test('without one, it is what it was', async () => {
    const { code, stderr } = await run(['leaks', '-'], output);
    expect([code, stderr]).toEqual([2, expect.stringContaining('-:1: "what it prints" fits no trace or profile format')]);
  });
});

describe.concurrent('memleak’s tables', () => {
  test('leaks: the last table, whole', async () => {
    const { code, stdout, stderr } = await run(['leaks', trace('leaky_interval.txt'), '--json']);
    expect(code).toBe(0);
    const { contexts, requested, total_bytes, total_objects } = JSON.parse(stdout) as Leaks;
    const table = readFileSync(trace('leaky_interval.txt'), 'utf8').split('outstanding allocations:').at(-1) ?? '';
    const rows = [...table.matchAll(/(\d+) bytes in (\d+) allocations/g)].map(([, bytes, objects]) => [Number(bytes), Number(objects)]);
    expect(contexts.map(({ bytes, objects }) => [bytes, objects])).toEqual(rows.reverse());
    const sum = (column: number) => rows.reduce((total, row) => total + (row[column] ?? 0), 0);
    expect({ requested, total_bytes, total_objects }).toEqual({ requested: true, total_bytes: sum(0), total_objects: sum(1) });
    expect(contexts[1]?.stack).toEqual(['leak_log_line', 'handle', 'main', '__libc_start_call_main']);
    expect(stderr).toMatch(/^note: these are the allocations of memleak’s last table/);
    expect(stderr).not.toContain('-T shows more');
  });

  test('report and flamegraph take them from standard input; a full table says that there may be more', async () => {
    const bytes = readFileSync(trace('leakycpp_s5.txt'));
    const { code, stdout, stderr } = await run(['report', '-', '--show_bytes'], bytes);
    expect({ code, total: stdout.split('\n')[0] }).toEqual({ code: 0, total: 'Total: 124598 B' });
    expect(stderr).toContain('note: the table may leave out stacks smaller than these');
    const page = await run(['flamegraph', '-', '--quiet'], bytes);
    expect(page).toMatchObject({ code: 0, stderr: '' });
    expect(page.stdout).toContain('cache_put');
  });

  test('calls and tables in one recording are a trace', () => {
    const table = '[1] Top 2 stacks with outstanding allocations:\n\t8 bytes in 1 allocations from stack\n\t\tf+0x1 [a]\n';
    const call = "(b'a', 7, 1, b'...11', 1.5, b'alloc exited, size = 8, result = 55dc2cdb6210')\n";
    expect(contextSumsReader(Buffer.from(table))).toBeDefined();
    expect(contextSumsReader(Buffer.from(call + table))).toBeUndefined();
    expect(contextSumsReader(Buffer.from(call))).toBeUndefined();
    expect(contextSumsReader(Buffer.from('{"op":"trace"}\n'))).toBeUndefined();
  });
});

describe.concurrent('jemalloc’s logs of sampled allocations', () => {
  test('prof_log: what was allocated, and no word of leaks', async () => {
    const path = trace('leaky_500.prof_log.json');
    const { code, stdout, stderr } = await run(['report', path, '--show_bytes']);
    expect(code).toBe(0);
    expect(stderr).toContain('note: estimated from 373 samples of jemalloc’s prof_log, one in about 4096 bytes\n');
    const log = JSON.parse(readFileSync(path, 'utf8')) as { allocations: { usize: number }[] };
    const total = log.allocations.reduce((sum, { usize }) => sum + usize / (1 - Math.exp(-usize / 4096)), 0);
    expect(Math.abs(Number(/^Total: (\d+) B/.exec(stdout)?.[1]) - total)).toBeLessThan(1);
    expect(await run(['report', path, '--inuse_space'])).toMatchObject({ code: 0, stdout: '' });
    expect(await run(['leaks', path])).toEqual({
      code: 2,
      stdout: '',
      stderr: `${path}: prof_log does not say what is live\nhint: see it with jereplay report FILE\n`,
    });
    const page = await run(['flamegraph', path]);
    expect(page.code).toBe(0);
    expect(page.stdout).toContain('value="alloc_space"');
    expect(page.stdout).not.toContain('value="inuse_space"');
  });

  test('prof_recent: what is live, in requested bytes', async () => {
    const { code, stdout } = await run(['leaks', trace('recent.prof_recent.json'), '--json']);
    expect(code).toBe(0);
    const series = 40 * 100 + (39 * 40) / 2;
    expect(JSON.parse(stdout)).toMatchObject({ total_bytes: 72704 + series, total_objects: 41, requested: true, sampled: false });
  });

  test('a sum knows what is in use as soon as one part does', async () => {
    async function* chunks(bytes: Uint8Array) {
      yield bytes;
    }
    const open = async (name: string) => {
      const bytes = readFileSync(trace(name));
      const read = contextSumsReader(bytes.subarray(0, 65536));
      if (read === undefined) throw new Error('not recognised');
      return profileFromContextSums(await read(chunks(bytes), name));
    };
    const log = await open('leaky_500.prof_log.json');
    const table = await open('leaky_interval.txt');
    expect([log.freedOnly, table.freedOnly]).toEqual([true, undefined]);
    expect([sumProfiles([log, log]).freedOnly, sumProfiles([log, table]).freedOnly]).toEqual([true, undefined]);
  });

  test('the latest of many say so', async () => {
    const entry = '{"size":100,"usize":112,"released":false,"alloc_time":5,"alloc_trace":["0x1f"]}';
    const { code, stderr } = await run(['report', '-'], `{"sample_interval":1,"recent_alloc_max":1,"recent_alloc":[${entry}]}`);
    expect(code).toBe(0);
    expect(stderr).toContain('only the latest 1 sampled allocations');
  });
});

const profile = (name: string) => fileURLToPath(new URL(`../fixtures/profiles/${name}`, import.meta.url));

describe.concurrent('Valgrind’s output', () => {
  test.each([
    ['leaky.dhat.json', 'Total: 1001850 B'],
    ['leaky.massif.out', 'Total: 1030524 B'],
    ['leakycpp.massif.out.zst', 'Total: 767396 B'],
    ['recursion.xtree.ms', 'Total: 201725 B'],
  ])('%s: report, leaks and flamegraph from standard input', async (name, total) => {
    const bytes = readFileSync(profile(name));
    const report = await run(['report', '-', '--show_bytes'], bytes);
    expect({ code: report.code, total: report.stdout.split('\n')[0] }).toEqual({ code: 0, total });
    const leaks = await run(['leaks', '-', '--json'], bytes);
    expect((JSON.parse(leaks.stdout) as Leaks).total_bytes).toBe(Number(total.split(' ')[1]));
    const page = await run(['flamegraph', '-'], bytes);
    expect(page.code).toBe(0);
    expect(page.stdout).toContain('<title>');
  });

  test('leaks of DHAT: what leaky says of itself; a limit fails the run', async () => {
    const { code, stdout } = await run(['leaks', profile('leaky.dhat.json'), '--json', '--fail-on-leak', '1m']);
    expect(code).toBe(0);
    const { contexts } = JSON.parse(stdout) as Leaks;
    const leak = contexts.find(({ stack }) => stack[0] === 'leak_session');
    expect(leak).toMatchObject({ bytes: 93600, objects: 300 });
    expect((await run(['leaks', profile('leaky.dhat.json'), '--fail-on-leak', '900k'])).code).toBe(1);
  });
});

test.each([
  [profile('leaky.dhat.json'), 'is DHAT’s output, not a trace', 'see it with jereplay report FILE'],
  [profile('leaky.massif.out'), 'is Massif’s output, not a trace', 'see it with jereplay report FILE'],
  [profile('leaky_s0.symbolized.heap'), 'is a symbolized heap profile, not a trace', 'see it with jereplay report FILE'],
  [trace('recent.prof_recent.json'), 'cannot be replayed', 'see it with jereplay report FILE; for a trace, record every call'],
  [trace('leaky_interval.txt'), 'is a summary, not a trace', 'see it with jereplay leaks FILE or jereplay report FILE'],
])('replay of %s is refused, and told what shows it', async (path, fact, hint) => {
  const { code, stdout, stderr } = await run(['replay', path]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  const [first, second] = stderr.split('\n');
  expect(first?.replaceAll("'", '’')).toContain(fact);
  expect(second).toContain(`hint: ${hint}`);
});

describe('heap dumps of many blocks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'subject-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A dump of about a megabyte, with rows of all lengths, a line within it that is none, and maps. */
  const lines = ['--- symbol', 'binary=server', '0x55d000000010 main', '---', '--- heap', 'heap_v2/524288', '  t*: 0: 0 [0: 0]'];
  for (let context = 1; context <= 4000; context++) {
    const addresses = Array.from({ length: 1 + ((context * 7) % 31) }, (_, depth) => `0x55d0${(context * 4099 + depth * 17).toString(16)}`);
    const row = `: ${context}: ${context * 48} [${context + 1}: ${context * 96}]`;
    lines.push(`@ ${addresses.join(' ')}`, `  t*${row}`, `  t${context % 3}${row} worker ${context % 3}`);
    if (context === 3900) lines.push('no row of a dump');
  }
  const maps = '55d000000000-55d010000000 r-xp 00000000 fe:00 123 /usr/bin/server';
  const text = Buffer.from([...lines, '', 'MAPPED_LIBRARIES:', maps, ''].join('\n'));
  const whole = readProfile(text, 'dump')!.profile;

  /** What is in the tables, whatever room they have. */
  const contents = ({ stacks, samples, threads, ...rest }: typeof whole) => ({
    ...rest,
    frames: stacks.frames.frames,
    rows: Array.from({ length: samples.length }, (_, row) => [
      [...stacks.framesOf(samples.stack[row] as StackIndex)],
      samples.inuseObjects[row],
      samples.inuseBytes[row],
      samples.allocObjects[row],
      samples.allocBytes[row],
    ]),
    threads: threads.map(({ id, name, samples }) => ({ id, name, bytes: samples.total('inuse_space') })),
  });

  test.each([
    ['plain', text],
    ['with a byte order mark', Buffer.concat([Buffer.from('\ufeff'), text])],
    ['by gzip', gzipSync(text)],
  ])('%s: as from its bytes at once', async (name, bytes) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    const expected = contents(whole);
    expect(expected.warnings).toHaveLength(1);
    const named = { ...expected, warnings: expected.warnings.map((warning) => warning.replace('dump:', `${path}:`)) };
    const { profile, dumpText } = await readSubject(path, {}, { threads: true });
    expect(contents(profile)).toEqual(named);
    expect(dumpText).toBeUndefined();
    expect(contents((await readSubject(path, {})).profile)).toEqual({ ...named, threads: [] });
    const kept = await readSubject(path, {}, { text: true });
    expect(Buffer.from(kept.dumpText!).toString()).toMatch(/^heap_v2\/524288\n {2}t\*: 0: 0/);
  });

  test('report: from a file, from standard input, of one thread, and the text itself', async () => {
    const path = join(folder, 'dump.heap');
    writeFileSync(path, text);
    const { code, stdout } = await run(['report', path, '--show_bytes']);
    expect(code).toBe(2);
    expect(await run(['report', '-', '--show_bytes'], text)).toMatchObject({ code: 2, stdout });
    const thread = await run(['report', path, '--show_bytes', '--thread', '2', '--quiet']);
    expect(thread.stdout).toMatch(/^Total \(t2\): /);
    const raw = await run(['report', path, '--raw', '--quiet']);
    expect(raw.stdout.endsWith(text.toString().slice(text.indexOf('heap_v2')))).toBe(true);
  });
});

describe('a profile with damaged lines', () => {
  const folder = mkdtempSync(join(tmpdir(), 'damaged-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const GOOD = 'heap_v2/1\n  t*: 1: 4096 [0: 0]\n@ 0x10 0x20\n  t*: 1: 4096 [0: 0]\n';
  const good = file('good.heap', GOOD);
  const bad = file('bad.heap', `${GOOD}  t1: 1: x [0: 0]\nrubbish\n`);
  const note = `note: ${bad}:5: no row of a thread, as in "t1: 2: 3 [4: 5]": "t1: 1: x [0: 0]"; it is passed over, and so is what is wrong in 1 further place\n`;

  test.concurrent.each([
    ['report', ['report', bad]],
    ['leaks', ['leaks', bad]],
    ['flamegraph', ['flamegraph', bad]],
    ['one of several', ['report', good, bad]],
    ['report --base', ['report', good, good, '--base', bad]],
    ['flamegraph --base', ['flamegraph', good, '--base', bad]],
    ['a report by another name', ['report', '--raw', bad]],
  ])('%s: the result, a note that names the first, exit code 2', async (_, args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, hasResult: stdout.length > 0 }).toEqual({ code: 2, hasResult: true });
    expect(stderr).toContain(note);
  });

  test.concurrent('the result is that of the other lines', async () => {
    const [theirs, ours] = await Promise.all([run(['report', good, '--quiet']), run(['report', bad, '--quiet'])]);
    expect(ours).toEqual({ ...theirs, code: 2 });
  });

  test.concurrent('what was asked to fail on comes first', async () => {
    const cut = file('cut.heap.gz', gzipSync(GOOD).subarray(0, -3));
    for (const path of [bad, cut]) {
      expect((await run(['report', path, '--fail-over', '1k'])).code).toBe(1);
      expect((await run(['report', path, '--fail-over', '8k'])).code).toBe(2);
      expect((await run(['leaks', path, '--fail-on-leak', '1k'])).code).toBe(1);
      expect((await run(['leaks', path, '--fail-on-leak', '8k'])).code).toBe(2);
    }
  });

  test.concurrent('a session', async () => {
    const started = await run(['report', '-i', bad], 'top\n');
    expect(started.code).toBe(2);
    expect(started.stderr).toContain(note);
    const asked = await run(['report', '-i', good], `base=${bad}\ntop\ntop\n`);
    expect(asked.code).toBe(2);
    expect(asked.stderr.split(note)).toHaveLength(2);
  });

  test.concurrent('jereplay jeprof: the note, and jeprof’s exit code', async () => {
    const { code, stdout, stderr } = await run(['jeprof', '--text', '--show_bytes', bad]);
    expect({ code, stdout: stdout.split('\n')[0] }).toEqual({ code: 0, stdout: 'Total: 4096 B' });
    expect(stderr).toContain(note);
    expect(await run(['jeprof', '--text', '--base', bad, good])).toMatchObject({ code: 0, stderr: expect.stringContaining(note) });
    expect(await run(['jeprof', '--interactive', bad], 'top\n')).toMatchObject({ code: 0, stderr: expect.stringContaining(note) });
    const cut = file('jeprof.heap.gz', gzipSync(GOOD).subarray(0, -3));
    expect(await run(['jeprof', '--text', cut])).toMatchObject({ code: 2, stderr: expect.stringContaining('breaks off') });
    expect((await run(['jeprof', '--text', file('none.heap', 'heap_v2/x\n')])).code).toBe(2);
  });

  test.skipIf(!needsTool('jeprof'))('jeprof passes such lines over', () => {
    const { status, stdout } = spawnSync('jeprof', ['--text', '--show_bytes', '/bin/true', bad], { encoding: 'utf8' });
    expect({ status, total: stdout.split('\n')[0] }).toEqual({ status: 0, total: 'Total: 4096 B' });
  });

  test.concurrent('messages between folded stacks are noted, and no damage', async () => {
    const path = file('a.folded', 'main;a 1\nmain;b 2\nlost 2 events of 7\x07 .\nmain;c 3\nmain;d 4\n');
    const { code, stderr } = await run(['report', path]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      `note: ${path}:3: no folded stack, which a blank and a number end: "lost 2 events of 7\\x07 ."; it is passed over\n`,
    );
  });
});

describe('a profile that a program wrote is whole', () => {
  const folder = fileURLToPath(new URL('../fixtures/profiles/', import.meta.url));
  const written = (name: string) => /\.(heap|heap\.zst|pb\.gz|json|out|out\.zst|ms)$/.test(name);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(written);
  test.each(names)('%s', async (name) => {
    expect((await readSubject(join(folder, name), {})).profile.damaged).toBeUndefined();
  });

  const SOURCE = `package main
import ("os"; "runtime"; "runtime/pprof")
var kept [][]byte
func keep(n int) { kept = append(kept, make([]byte, n)) }
func main() {
  runtime.MemProfileRate = 1
  for i := 0; i < 100; i++ { keep(1000 + i) }
  runtime.GC()
  pprof.Lookup("heap").WriteTo(os.Stdout, 1)
}
`;
  test.skipIf(!needsTool('go'))('Go’s heap profile as text, names in comments', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'go-heap-'));
    try {
      writeFileSync(join(scratch, 'a.go'), SOURCE);
      const env = { ...process.env, GOCACHE: join(scratch, 'cache'), GO111MODULE: 'off' };
      const { stdout } = spawnSync('go', ['run', join(scratch, 'a.go')], { encoding: 'utf8', env });
      expect(stdout).toMatch(/^#\t0x[0-9a-f]+\tmain\.keep/m);
      expect(await run(['report', '-'], stdout)).toMatchObject({ code: 0, stderr: expect.not.stringContaining('passed over') });
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});

test.each(['calls.valgrind.txt', 'edge.mtrace'])(
  'what --collapsed writes of %s is read back, though no stack has a caller',
  async (name) => {
    const collapsed = await run(['report', trace(name), '--collapsed', '--quiet']);
    // Where symbols of the C library are installed, a call may be in a function that was inlined.
    expect(collapsed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[^;]+(?:;\w+\[inline\] [^;]*)*$/) });
    const [stacks, calls] = await Promise.all([
      run(['report', '-', '--show_bytes'], Buffer.from(collapsed.stdout)),
      run(['report', trace(name), '--show_bytes', '--quiet']),
    ]);
    expect(stacks.code).toBe(0);
    expect(stacks.stdout.split('\n')[0]).toBe(calls.stdout.split('\n')[0]);
  },
);

test('--from names formats of profiles, too, where the content does not say which it is', async () => {
  const [found, named, other, unknown] = await Promise.all([
    run(['report', '-', '--show_bytes'], 'malloc 1 100\nno stack\n'),
    run(['report', '-', '--show_bytes', '--from', 'collapsed'], 'malloc 1 100\nno stack\n'),
    run(['leaks', '-', '--from', 'massif'], 'main;leak 100\n'),
    run(['convert', '-', '-o', '-', '--from', 'collapsed'], 'main;leak 100\n'),
  ]);
  expect(found).toMatchObject({ code: 2, stderr: expect.stringContaining('--from NAME') });
  expect(named).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Total: 100 B\n +100 100\.0% 100\.0% +100 100\.0% malloc 1\n/) });
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('Massif’s output breaks off') });
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown format "collapsed"') });
});

test('--help names the formats of profiles, none of which is a trace’s', () => {
  expect(FROM_FLAG.from.describe.split(/, (?:or )?/).slice(-PROFILE_FORMATS.length)).toEqual(PROFILE_FORMATS);
  for (const name of PROFILE_FORMATS) expect(() => formatNamed(name)).toThrow('unknown format');
});

test('texts of a sampled dump say how it was sampled, and data does not', async () => {
  const dump = new URL('../fixtures/profiles/leaky_s19.symbolized.heap', import.meta.url).pathname;
  const said = async (...args: string[]) => (await run(['report', ...args])).stderr;
  expect(await said(dump)).toBe('note: estimated from samples, one in about 512 KiB; --error shows how exact that is\n');
  for (const form of [['--error'], ['--tree'], ['--traces']])
    expect(await said(dump, ...form), form[0]).toBe('note: estimated from samples, one in about 512 KiB\n');
  for (const form of ['--json', '--collapsed', '--quiet']) expect(await said(dump, form), form).toBe('');
  expect(await said(dump.replace('s19', 's0'))).toBe('');
});
