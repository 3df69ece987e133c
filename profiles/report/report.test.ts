import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { type Frame, StackTable } from '../../core/trace/stacks.ts';
import { callgrindCalls } from '../../fixtures/callgrind.ts';
import { randomDump } from '../../fixtures/profiles/random_dump.ts';
import { jeprofByName } from '../../fixtures/parity/jeprof.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { readCollapsed } from '../collapsed/collapsed.ts';
import { readHeap } from '../heap/read.ts';
import { type Profile, SampleTable } from '../profile.ts';
import type { ReportFormat, ReportOptions } from './report.ts';
import { renderReport, renderText } from './report.ts';

const FIXTURES = new URL('../../fixtures/profiles/', import.meta.url);
const fixture = (name: string) => readFileSync(new URL(name, FIXTURES));
const dumpOf = (bytes: Uint8Array | string, name = 'a.heap') =>
  readHeap(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes, name).profile;

describe('reports recorded from jeprof', () => {
  const FLAGS: [string, ReportOptions][] = [
    ['text', {}],
    ['alloc_space', { sampleType: 'alloc_space' }],
    ['alloc_objects', { sampleType: 'alloc_objects' }],
    ['inuse_objects', { sampleType: 'inuse_objects' }],
    ['showbytes_cum', { showBytes: true, cumulative: true }],
  ];
  for (const name of ['leaky_s0', 'leaky_s19', 'leakycpp_s0_mt4']) {
    test.each(FLAGS)(`${name} --%s`, (file, options) => {
      const report = renderText(dumpOf(fixture(`${name}.symbolized.heap`)), options);
      expect(report).toBe(fixture(`${name}.${file}.txt`).toString());
    });
  }
});

/** jeprof's flags and ours for the same report. */
const SAME: [string, ReportFormat, ReportOptions][] = [
  ['--text', 'text', {}],
  ['--text --cum', 'text', { cumulative: true }],
  ['--text --inuse_objects', 'text', { sampleType: 'inuse_objects' }],
  ['--text --alloc_space --show_bytes', 'text', { sampleType: 'alloc_space', showBytes: true }],
  ['--text --alloc_objects --cum', 'text', { sampleType: 'alloc_objects', cumulative: true }],
  ['--text --addresses', 'text', { granularity: 'addresses' }],
  ['--text --files', 'text', { granularity: 'files' }],
  ['--text --thread=0', 'text', { thread: '0' }],
  ['--text --thread=*', 'text', { thread: '*' }],
  ['--text --focus=[hl]ea', 'text', { focus: '[hl]ea' }],
  ['--text --focus=4.$', 'text', { focus: '4.$' }],
  ['--text --ignore=main|std', 'text', { ignore: 'main|std' }],
  ['--text --retain=(?i)LEAK|run', 'text', { retain: '(?i)LEAK|run' }],
  ['--text --exclude=^_|main', 'text', { exclude: '^_|main' }],
  ['--collapsed', 'collapsed', {}],
  ['--collapsed --alloc_objects --thread=*', 'collapsed', { sampleType: 'alloc_objects', thread: '*' }],
  ['--callgrind --alloc_space', 'callgrind', { sampleType: 'alloc_space' }],
  // Which of several equal edges --maxdegree and --edgefraction leave out is up to jeprof's hash table.
  ['--dot --maxdegree=10000 --edgefraction=0', 'dot', { maxDegree: 10000, edgeFraction: 0 }],
  [
    '--dot --alloc_objects --heapcheck --nodecount=7 --maxdegree=10000 --edgefraction=0',
    'dot',
    { sampleType: 'alloc_objects', heapcheck: true, nodeCount: 7, maxDegree: 10000, edgeFraction: 0 },
  ],
  ['--dot --nodefraction=0.1 --maxdegree=10000 --edgefraction=0', 'dot', { nodeFraction: 0.1, maxDegree: 10000, edgeFraction: 0 }],
];

const ALL_FLAGS = new Set(['leakycpp_s0_mt4.symbolized.heap', 'random, sampled']);
const FEW_FLAGS = new Set(['--text --alloc_objects --cum', '--text --thread=*', '--collapsed']);

describe.skipIf(!needsTool('jeprof'))('the same report as jeprof', () => {
  let folder: string;
  let program: string;
  /** One that loses no calls. */
  let byName: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'report-'));
    program = join(folder, 'program');
    // No binary: jeprof then finds no names and shows bare addresses.
    writeFileSync(program, 'no program\n');
    byName = jeprofByName(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const jeprof = (flags: string, files: readonly string[], path = 'jeprof') =>
    execFileSync(path, [...flags.split(' '), ...files], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });

  /** Writes a dump for jeprof. Its mappings are left out: jeprof would look for their libraries on this machine. */
  const write = (name: string, bytes: Uint8Array | string) => {
    const path = join(folder, name);
    const text = Buffer.from(bytes)
      .toString()
      .replace(/\nMAPPED_LIBRARIES:[\s\S]*/, '');
    writeFileSync(path, text);
    return { path, profile: dumpOf(text), args: text.startsWith('--- symbol') ? [path] : [program, path] };
  };

  test('recorded graphs with all limits', () => {
    const { profile, args } = write('graph.heap', fixture('leakycpp_s0_mt4.symbolized.heap'));
    for (const [flags, options] of [
      ['--dot', {}],
      ['--dot --maxdegree=2 --edgefraction=0.01', { maxDegree: 2, edgeFraction: 0.01 }],
    ] as const) {
      expect(comparable('dot', renderReport('dot', profile, options))).toBe(comparable('dot', jeprof(flags, args)));
    }
  });

  const dumps = readdirSync(FIXTURES).filter((name) => name.endsWith('.heap'));
  test('there are dumps to compare', () => expect(dumps.length).toBeGreaterThan(5));

  for (const [name, read] of [
    ...dumps.map((name) => [name, () => fixture(name)] as const),
    ['random, every byte sampled', () => randomDump(1, { contexts: 300, rate: 1, threads: 3, symbols: true })] as const,
    ['random, sampled', () => randomDump(2, { contexts: 300, rate: 65536, threads: 2, symbols: true })] as const,
    ['random, no names', () => randomDump(3, { contexts: 100, rate: 524288, threads: 12, symbols: false })] as const,
  ]) {
    test(name, () => {
      const { profile, args } = write(`${name}.heap`, read());
      for (const [flags, format, options] of SAME) {
        // jeprof takes its time, above all without names: all flags on two dumps, a few on the others.
        if (!ALL_FLAGS.has(name) && !FEW_FLAGS.has(flags)) continue;
        // jeprof passes over the rows of named threads.
        if (options.thread !== undefined && profile.threads.some((thread) => thread.name !== undefined)) continue;
        const theirs = comparable(format, jeprof(flags, args, format === 'callgrind' ? byName : 'jeprof'));
        const ours = comparable(format, renderReport(format, profile, { ...options, program }));
        expect(ours, flags).toBe(theirs);
      }
    });
  }

  test('sums and differences of dumps', () => {
    const first = write('i0.heap', fixture('leaky_interval.i0.heap'));
    const last = write('f.heap', fixture('leaky_interval.f.heap'));
    for (const [a, b] of [
      [first, last],
      [last, first],
    ]) {
      expect(renderText(b.profile, { base: a.profile })).toBe(jeprof(`--text --base=${a.path}`, b.args));
      expect(renderText(b.profile, { base: a.profile, dropNegative: true })).toBe(
        jeprof(`--text --drop_negative --base=${a.path}`, b.args),
      );
      expect(renderText([a.profile, b.profile], { showBytes: true })).toBe(jeprof('--text --show_bytes', [program, a.path, b.path]));
    }
  });

  test('a difference of nothing', () => {
    const { profile, args, path } = write('same.heap', fixture('leaky_s0.symbolized.heap'));
    expect(renderText(profile, { base: profile })).toBe(jeprof(`--text --base=${path}`, args));
  });

  test('gperftools dumps of every sampler', () => {
    for (const type of ['', ' @ heap/524288', ' @ heap_v2/524288', ' @ heapprofile', ' @ growthz', ' @ heap', ' @ heap_v2']) {
      const text = `heap profile:    3:  1234 [   3:  1234]${type}\n  1:  64 [ 2:  4096] @ 0x400100 0x400200\n  2: 1048576 [ 3: 3145728] @ 0x400180 0x400200\n`;
      const { profile, args } = write('plain.heap', text);
      for (const flags of ['--text', '--text --show_bytes --alloc_space', '--text --inuse_objects']) {
        const options: ReportOptions = {
          showBytes: flags.includes('bytes'),
          sampleType: flags.includes('alloc') ? 'alloc_space' : flags.includes('objects') ? 'inuse_objects' : 'inuse_space',
        };
        expect(renderText(profile, options), type + flags).toBe(jeprof(flags, args));
      }
    }
  });

  test('--raw opens in jeprof and says the same', () => {
    const dump = readHeap(fixture('leaky_s19.symbolized.heap'), 'a');
    const withText = renderReport('raw', dump.profile, { dumpText: dump.text });
    expect(jeprof('--text', [write('raw.heap', withText).path])).toBe(fixture('leaky_s19.text.txt').toString());
    const withoutText = renderReport('raw', dump.profile);
    expect(jeprof('--text', [write('raw.heap', withoutText).path])).toBe(fixture('leaky_s19.text.txt').toString());
  });
});

/** What of a report is not in the order of jeprof's hash tables. */
function comparable(format: ReportFormat, text: string): string {
  if (format === 'text') return text;
  if (format === 'callgrind') return callgrindCalls(text);
  return text.split('\n').sort().join('\n');
}

test('--callgrind keeps names with blanks and files with colons whole, and each on a line', () => {
  const stacks = new StackTable();
  const frames: Frame[] = [
    { fn: 'unsigned long work', file: 'a b.c', line: 3 },
    { fn: 'of\nlines', file: 'C:\\x\n.c', line: 7 },
  ];
  const samples = new SampleTable();
  samples.add(stacks.intern(frames.map((frame) => stacks.frames.intern(frame))), 1, 1000, 1, 1000);
  const profile: Profile = { ...dumpOf('heap_v2/1\n  t*: 0: 0 [0: 0]\n'), stacks, samples, symbolized: true };
  expect(callgrindCalls(renderReport('callgrind', profile).toString())).toBe(
    [
      '',
      'events: Hits',
      'fl=C:\\x\\n.c\nfn=of\\nlines\ncfl=a b.c\ncfn=unsigned long work\ncalls=1000 3\n7 1000',
      'fl=a b.c\nfn=unsigned long work\n3 1000',
    ].join('\n\n'),
  );
});

test('files and programs have no control characters in tables and graphs', () => {
  const stacks = new StackTable();
  const samples = new SampleTable();
  samples.add(stacks.intern([stacks.frames.intern({ fn: 'f', file: 'a\x1b[31m.c', line: 3 })]), 1, 1000, 1, 1000);
  const profile: Profile = { ...dumpOf('heap_v2/1\n  t*: 0: 0 [0: 0]\n'), stacks, samples, symbolized: true, binary: 'b\x1b[2J' };
  for (const granularity of ['lines', 'files'] as const) {
    expect(renderText(profile, { granularity })).toContain('a\\x1b[31m.c');
    const graph = renderReport('dot', profile, { granularity }).toString();
    expect(graph).toContain('b\\\\x1b[2J');
    expect(graph).not.toContain('\x1b');
  }
});

test('values that a base cancels out have no shares of what rounding leaves', () => {
  const dump = (from: number, sizes: readonly number[]) =>
    dumpOf(`heap_v2/524288\n${sizes.map((size, i) => `@ 0x${from + i}\n  t*: 1: ${size} [0: 0]\n`).join('')}`);
  const base = dump(7, [1000, 17, 80, 320, 48, 4096]);
  const rows = renderText(dump(1, [4096, 320, 17, 48, 1000, 80]), { base, showBytes: true }).split('\n');
  expect(rows.map((row) => row.trim().split(/ +/).slice(0, 2).join(' '))).toEqual([
    ...[526338, 524788, 524448, 524328, 524312, 524296].map((value) => `${value} +inf`),
    ...[524296, 524312, 524328, 524448, 524788, 526338].map((value) => `-${value} -inf`),
    '',
  ]);
});

test('many dumps take the room of what they have', () => {
  const dumps = Array.from({ length: 60 }, () => dumpOf('heap_v2/1\n  t*: 1: 100 [0: 0]\n@ 0x10 0x20\n  t*: 1: 100 [0: 0]\n'));
  expect(renderText(dumps, { showBytes: true }).split('\n').slice(0, 2)).toEqual([
    'Total: 6000 B',
    '    6000 100.0% 100.0%     6000 100.0% 0000000000000010',
  ]);
});

test('rows without backtrace are left out of a dump, with a note', () => {
  const notes: string[] = [];
  const profile = dumpOf('heap_v2/1\n  t*: 2: 4096 [0: 0]\n@\n  t*: 1: 3072 [0: 0]\n@ 0x400100\n  t*: 1: 1024 [0: 0]\n');
  expect(renderText(profile, { showBytes: true, note: (text) => notes.push(text) })).toBe(
    'Total: 1024 B\n    1024 100.0% 100.0%     1024 100.0% 0000000000400100\n',
  );
  expect(notes).toEqual(['3072 bytes have no backtrace in the dump and are in no row']);
});

test('a profile that is no dump shows them', () => {
  const profile = { ...dumpOf('heap_v2/1\n  t*: 1: 3072 [0: 0]\n@\n  t*: 1: 3072 [0: 0]\n'), source: 'replay' };
  expect(renderText(profile, { showBytes: true })).toContain('[no backtrace]');
});

test('names of other languages than C++ keep their brackets', () => {
  const folded = `main.(*Tree[...]).Insert;main.(*Node[...]).Insert 2\n<module> (a.py:1);run (a.py:3) 5\n(root);f;(anonymous) 3\n`;
  const profile = readCollapsed(folded, 'a.folded');
  expect(renderText(profile, { showBytes: true })).toBe(
    `Total: 10 B
       5  50.0%  50.0%        5  50.0% run (a.py:3)
       3  30.0%  80.0%        3  30.0% (anonymous)
       2  20.0% 100.0%        2  20.0% main.(*Node[...]).Insert
       0   0.0% 100.0%        3  30.0% (root)
       0   0.0% 100.0%        5  50.0% <module> (a.py:1)
       0   0.0% 100.0%        3  30.0% f
       0   0.0% 100.0%        2  20.0% main.(*Tree[...]).Insert
`,
  );
});

test('addresses that count from the start of each file are told apart by their names', () => {
  const stacks = new StackTable();
  const samples = new SampleTable();
  const frame = (fn: string, module: string) => stacks.frames.intern({ pc: 0x1001n, fn, module });
  const [open, send] = [frame('open_db', 'libdb.so'), frame('send_all', 'libnet.so')];
  samples.add(stacks.intern([open, send], 2), 1, 70, 0, 0);
  samples.add(stacks.intern([send, open], 2), 1, 30, 0, 0);
  const profile = { ...readCollapsed('', 'a'), stacks, samples };
  expect(renderText(profile, { showBytes: true })).toBe(
    `Total: 100 B
      70  70.0%  70.0%      100 100.0% open_db
      30  30.0% 100.0%      100 100.0% send_all
`,
  );
});

test('a bad pattern is the user’s error', () => {
  expect(() => renderText(dumpOf('heap_v2/1\n  t*: 0: 0 [0: 0]\n'), { focus: '(' })).toThrow(InputError);
});

test('the allocator by any of glibc’s names is no row, but of dumps it is as in jeprof', () => {
  const folded = readCollapsed('main;work;__GI___libc_malloc 10\nmain;work;__libc_calloc 20\nmain;__posix_memalign 5\n', 'x');
  expect(renderText(folded, { showBytes: true })).toMatch(/^Total: 35 B\n +30 .* work\n +5 .* main\n$/);
  // Where no caller was recorded, all that is there is what was called.
  const bare = readCollapsed('main;work;malloc 10\n__libc_calloc;malloc 7\n', 'x');
  expect(renderText(bare, { showBytes: true })).toMatch(
    /^Total: 17 B\n +10 +58\.8% .* work\n +7 .* 100\.0% .* __libc_calloc\n +0 .* main\n$/,
  );
  const dump = dumpOf(
    '--- symbol\nbinary=a\n0x11 __GI___libc_malloc\n0x20 main\n---\n--- heap\nheap_v2/1\n  t*: 1: 8 [0: 0]\n@ 0x11 0x21\n  t*: 1: 8 [0: 0]\n',
  );
  expect(renderText(dump)).toContain('100.0% __GI___libc_malloc\n');
});
