import { describe, expect, test } from 'vitest';
import { Ledger } from '../../core/replay/ledger.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { printable } from '../printable.ts';
import { readCollapsed } from '../collapsed/collapsed.ts';
import { readHeap } from '../heap/read.ts';
import { profileFromLedger } from '../profile.ts';
import { CallPaths } from './call_paths.ts';
import { formatLeaks } from './leaks_text.ts';
import { leaksJson, leaksToJson } from './leaks_json.ts';
import { lacksCallers, leaksFromLedger, leaksFromProfile, type LeakReport } from './leaks.ts';
import { columnsOf, truncate } from './terminal_text.ts';

/** A trace under construction: calls by the names of their stacks, one time unit each. */
class Recording {
  readonly trace = new Trace();
  readonly ledger = new Ledger();
  time = 0;

  stack(...frames: (string | Frame)[]): StackIndex {
    const rows = frames.map((frame) => this.trace.stacks.frames.intern(typeof frame === 'string' ? { fn: frame } : frame));
    return this.trace.stacks.intern(rows);
  }

  malloc(stack: StackIndex, bytes: number, objects = 1): void {
    for (let i = 0; i < objects; i++) this.ledger.allocate(stack, bytes, this.time++, 0);
  }

  free(stack: StackIndex, bytes: number): void {
    this.ledger.free(stack, bytes);
    this.time++;
  }

  leaks(): LeakReport {
    return leaksFromLedger(this.trace, this.ledger, { endTime: this.time - 1 });
  }
}

const names = (report: LeakReport) => report.contexts.map(({ stack }) => stack.map((frame) => frame.name).join(';'));

describe('contexts', () => {
  test('are what is live, largest first, with their share', () => {
    const recording = new Recording();
    const [small, large, freed] = [recording.stack('small', 'main'), recording.stack('large', 'main'), recording.stack('freed', 'main')];
    recording.malloc(small, 100, 3);
    recording.malloc(large, 900);
    recording.malloc(freed, 5000);
    recording.free(freed, 5000);
    recording.malloc(NO_STACK, 0);
    const report = recording.leaks();
    expect(names(report)).toEqual(['large;main', 'small;main', '']);
    expect(report.contexts.map(({ bytes, objects, share }) => [bytes, objects, share])).toEqual([
      [900, 1, 0.75],
      [300, 3, 0.25],
      [0, 1, 0],
    ]);
    expect(report).toMatchObject({ totalBytes: 1200, totalObjects: 5, allocatedBytes: 6200, allocatedObjects: 6 });
  });

  test('that read the same after folding are one', () => {
    const recording = new Recording();
    for (const leaf of ['malloc', 'calloc+0', '__GI___libc_malloc', 'operator new(unsigned long)'])
      recording.malloc(recording.stack(leaf, 'parse', 'main'), 10);
    recording.malloc(recording.stack({ fn: 'malloc', pc: 0x99n, offset: 7 }, 'parse', 'main'), 10);
    recording.malloc(recording.stack('je_prof_backtrace', 'unknown_of_allocator', 'malloc', 'parse', 'main'), 10);
    expect(names(recording.leaks())).toEqual(['parse;main']);
    expect(recording.leaks().contexts[0]).toMatchObject({ bytes: 60, objects: 6, share: 1, times: { first: 0, last: 5 } });
  });

  test('keep the calls of one function apart where no line does', () => {
    const recording = new Recording();
    const call = (pc: bigint, offset: number, line?: number) => ({ fn: 'parse', pc, offset, ...(line === undefined ? {} : { line }) });
    recording.malloc(recording.stack('malloc', call(0x1012n, 18), 'main'), 30);
    recording.malloc(recording.stack('malloc', call(0x1020n, 32), 'main'), 20);
    recording.malloc(recording.stack('malloc', call(0x1012n, 18, 7), 'main'), 5);
    recording.malloc(recording.stack('malloc', call(0x1020n, 32, 7), 'main'), 5);
    expect(recording.leaks().contexts.map(({ bytes }) => bytes)).toEqual([30, 20, 10]);
    expect(formatLeaks(recording.leaks(), { width: 80 })).toContain('parse+0x12\n');
  });

  test('of allocation functions alone keep the outermost', () => {
    const recording = new Recording();
    recording.malloc(recording.stack('malloc+0'), 1);
    recording.malloc(recording.stack('__libc_malloc', '__strdup'), 2);
    expect(names(recording.leaks())).toEqual(['__strdup', 'malloc+0']);
  });

  test('keep lines, modules and inlined functions apart', () => {
    const recording = new Recording();
    const inlined = { fn: 'outer', line: 9, module: '/bin/a', pc: 1n, inlined: [{ fn: 'malloc' }, { fn: 'inner', file: 'a.c', line: 3 }] };
    recording.malloc(recording.stack(inlined), 40);
    recording.malloc(recording.stack({ fn: 'f', file: 'a.c', line: 1 }), 30);
    recording.malloc(recording.stack({ fn: 'f', file: 'a.c', line: 2 }), 20);
    recording.malloc(recording.stack({ pc: 0xabcn }), 10);
    expect(names(recording.leaks())).toEqual(['inner;outer', 'f', 'f', '0xabc']);
  });

  test('of a profile are those of the ledger it is made from', () => {
    const recording = new Recording();
    for (let i = 0; i < 50; i++) recording.malloc(recording.stack('malloc', `site${i % 7}`, 'main'), i);
    const fromLedger = recording.leaks();
    const fromProfile = leaksFromProfile(profileFromLedger(recording.trace, recording.ledger));
    expect(fromProfile.contexts).toEqual(fromLedger.contexts.map(({ times: _, ...context }) => context));
    expect(fromProfile.totalBytes).toBe(fromLedger.totalBytes);
  });

  test('with one path are the same whether or not stacks came in another order', () => {
    const paths = new Recording();
    const [a, b] = [paths.stack('malloc', 'f'), paths.stack('calloc', 'f')];
    const folded = new CallPaths(paths.trace.stacks);
    expect(folded.pathOf(b)).toBe(folded.pathOf(a));
    const kept = new CallPaths(paths.trace.stacks, { foldAllocators: false });
    expect(kept.pathOf(b)).not.toBe(kept.pathOf(a));
    expect(folded.pathOf(NO_STACK)).toBe(NO_STACK);
  });
});

describe('growth at the end', () => {
  test('is a highest live size in the last tenth, by a context that began before it and still holds it', () => {
    const recording = new Recording();
    const sites = new Map(['startup', 'leak', 'late', 'buffer', 'filler'].map((name) => [name, recording.stack(name)]));
    const at = (name: string) => sites.get(name)!;
    recording.malloc(at('startup'), 1000);
    recording.malloc(at('buffer'), 1);
    for (let i = 0; i < 98; i++) recording.malloc(at(i % 2 === 0 ? 'leak' : 'filler'), 8);
    recording.malloc(at('buffer'), 500);
    recording.free(at('buffer'), 500);
    recording.malloc(at('late'), 64);
    const growing = recording.leaks().contexts.filter(({ times }) => times?.growing);
    expect(growing.map(({ stack }) => stack[0].name)).toEqual(['leak', 'filler']);
  });

  test('that stacks end at the direct caller is a matter of recorders that walk frame pointers', () => {
    const recording = new Recording();
    recording.malloc(recording.stack('malloc', 'zmalloc'), 60);
    recording.malloc(recording.stack('malloc', 'grow', 'main'), 50);
    expect(['bpftrace', 'perf', 'heaptrack', 'ltrace', undefined].map((source) => lacksCallers(recording.leaks(), source))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    recording.malloc(recording.stack('malloc', 'grow', 'main'), 11);
    expect(lacksCallers(recording.leaks(), 'bpftrace')).toBe(false);
  });

  test.each([
    [24, true],
    [25, true],
    [26, false],
  ])('of stacks with one path is that of those with half of the bytes: beside %d bytes of 25', (others, growing) => {
    const recording = new Recording();
    recording.malloc(recording.stack('calloc', 'leak'), others);
    for (let i = 0; i < 25; i++) recording.malloc(recording.stack('malloc', 'leak'), 1);
    expect(recording.leaks().contexts).toMatchObject([{ bytes: 25 + others, times: { growing } }]);
  });
});

test('of contexts with as many bytes the one with more objects comes first, also of the largest alone', () => {
  const recording = new Recording();
  for (const [name, size, count] of [
    ['few', 60, 1],
    ['many', 10, 6],
    ['some', 20, 3],
  ] as const)
    recording.malloc(recording.stack(name), size, count);
  expect(names(recording.leaks())).toEqual(['many', 'some', 'few']);
  const [largest] = recording.leaks().ranked.split(1).first;
  expect(largest.stack[0].name).toBe('many');
});

describe('JSON', () => {
  test('gives contexts with names leaf first, and where they are from', () => {
    const recording = new Recording();
    recording.malloc(recording.stack('malloc', { fn: 'leak', file: 'a.c', line: 7 }, 'main'), 312, 2);
    expect(leaksToJson(recording.leaks())).toEqual({
      contexts: [
        {
          bytes: 624,
          objects: 2,
          share: 1,
          allocated_bytes: 624,
          allocated_objects: 2,
          first_time_ns: 0,
          last_time_ns: 1,
          growing: true,
          stack: ['leak', 'main'],
          frames: [{ fn: 'leak', file: 'a.c', line: 7 }, { fn: 'main' }],
        },
      ],
      total_bytes: 624,
      total_objects: 2,
      allocated_bytes: 624,
      allocated_objects: 2,
      requested: true,
      sampled: false,
      end_time_ns: 1,
      warnings: [],
    });
  });

  test('says event numbers where a trace has no times', () => {
    const recording = new Recording();
    recording.trace.header.timed = false;
    recording.malloc(recording.stack('leak'), 1, 5);
    const [context] = leaksToJson(recording.leaks()).contexts as Record<string, unknown>[];
    expect(context).toMatchObject({ first_event: 0, last_event: 4 });
    expect(context).not.toHaveProperty('first_time_ns');
  });

  test.each([0, 1, 3])('of %d contexts is the same in pieces', (contexts) => {
    const recording = new Recording();
    for (let at = 0; at < contexts; at++) recording.malloc(recording.stack(`leak\n${at}`, { fn: 'f', file: 'a.c', line: at }), 8, at + 1);
    const report = recording.leaks();
    const pieces = [...leaksJson(report)];
    expect(pieces.join('')).toBe(`${JSON.stringify(leaksToJson(report), null, 2)}\n`);
    expect(pieces.length).toBe(contexts + 1);
  });

  test('survives hostile names', () => {
    const recording = new Recording();
    recording.malloc(recording.stack('__proto__', 'constructor', '\u001b[2J'), 8);
    const json = JSON.parse(JSON.stringify(leaksToJson(recording.leaks())));
    expect(json.contexts[0].stack).toEqual(['__proto__', 'constructor', '\u001b[2J']);
  });
});

describe('text', () => {
  const hostile = new Recording();
  hostile.malloc(
    hostile.stack('malloc', '\u001b[31mred\u202e\r\n', { fn: '名前'.repeat(60), file: '/a/b/c/d.c', line: 3 }, ...Array(30).fill('again')),
    1234,
  );
  for (let i = 0; i < 30; i++) hostile.malloc(hostile.stack(`site${i}`), i);

  test('is cut to no width unless one is asked for', () => {
    const name = 'n'.repeat(300);
    const recording = new Recording();
    recording.malloc(recording.stack(name, 'main'), 8);
    expect(formatLeaks(recording.leaks())).toContain(`${name}\n`);
    expect(formatLeaks(recording.leaks(), { width: 100 })).not.toContain(name);
  });

  test.each([40, 72, 100, 200])('stays within %d columns and has no control characters', (width) => {
    const lines = formatLeaks(hostile.leaks(), { width }).split('\n');
    for (const line of lines) expect(columnsOf(line)).toBeLessThanOrEqual(width);
    expect(lines.join('')).not.toMatch(/\p{Cc}|\u202e/u);
    expect(lines.join(' ')).toContain('\\x1b[31mred\\u202e\\x0d\\n');
  });

  test('says of sizes what the source does', () => {
    const report = leaksFromProfile(readCollapsed('main;leak 4096\n', 'a.folded'));
    expect(formatLeaks(report)).toBe('4.00 KiB never freed, from 1 context\n\n1. 4.00 KiB  100.0%\n     leak\n     main\n');
    expect(leaksToJson(report)).not.toHaveProperty('requested');
  });

  test('names the library once of which nothing else is known', () => {
    const recording = new Recording();
    recording.malloc(recording.stack({ fn: 'libz.so.1', module: 'libz.so.1' }), 5);
    expect(formatLeaks(recording.leaks())).toContain('  libz.so.1\n');
    expect(formatLeaks(recording.leaks())).not.toMatch(/libz.*libz/);
  });

  test('has a line for a frame without a name', () => {
    const text = formatLeaks(leaksFromProfile(readCollapsed('main;;leak 8\n', 'a.folded')));
    expect(text).toContain('\n     leak\n     (no name)\n     main\n');
  });

  test('cuts nothing of what it says of all sizes', () => {
    const recording = new Recording();
    recording.malloc(recording.stack('leak'), 3000);
    const profile = {
      ...profileFromLedger(recording.trace, recording.ledger),
      requested: false,
      sampling: { method: 'poisson', rate: 512 } as const,
    };
    const lines = (width: number) => formatLeaks(leaksFromProfile(profile), { width }).split('\n').slice(1, 3);
    const sizes = '100.0% of the 2.93 KiB allocated; sizes rounded up to size classes';
    expect(lines(120)).toEqual([`${sizes}; estimated from samples, one in about 512 B`, '']);
    expect(lines(80)).toEqual([sizes, 'estimated from samples, one in about 512 B']);
    expect(leaksToJson(leaksFromProfile(profile))).toMatchObject({ sampled: true, sample_rate_bytes: 512 });
  });

  test('does not call leaked what a dump has in use, which may be freed later', () => {
    const text = (rate: number) => {
      const dump = `heap_v2/${rate}\n  t*: 1: 64 [0: 0]\n@ 0x10\n  t*: 1: 64 [0: 0]\n`;
      return formatLeaks(leaksFromProfile(readHeap(new TextEncoder().encode(dump), 'a').profile));
    };
    // lg_prof_sample:0 has every allocation
    expect(text(1)).toMatch(/^64 B in 1 object in use, from 1 context\nsizes rounded up to size classes\n/);
    expect(text(64)).toMatch(
      /^about 101 B in 2 objects in use, from 1 context\nsizes rounded up to size classes; estimated from samples, one in about 64 B\n/,
    );
  });

  test('sums up what it does not show', () => {
    const text = formatLeaks(hostile.leaks(), { contexts: 2, frames: 4 });
    expect(text).toContain('1.63 KiB in 31 objects never freed, from 31 contexts');
    expect(text).toContain('1. 1.21 KiB');
    expect(text).toContain('… 28 callers more');
    expect(text).toContain('and 29 smaller contexts: 406 B in 29 objects');
  });

  test('colours only when asked', () => {
    expect(formatLeaks(hostile.leaks())).not.toContain('\x1b[');
    expect(formatLeaks(hostile.leaks(), { colour: true })).toContain('\x1b[1m');
  });

  test('says so if nothing leaks', () => {
    const recording = new Recording();
    recording.malloc(recording.stack('f'), 8);
    recording.free(recording.stack('f'), 8);
    expect(formatLeaks(recording.leaks())).toBe('Everything that was allocated was freed.\n');
    expect(formatLeaks(new Recording().leaks())).toBe('Nothing is in use.\n');
  });
});

test.each([
  ['plain', 5, 'plain'],
  ['plain', 4, 'pla…'],
  ['plain', 1, '…'],
  ['plain', 0, ''],
  ['漢字', 4, '漢字'],
  ['漢字', 3, '漢…'],
  ['漢字', 2, '…'],
  ['e\u0301tude', 5, 'e\u0301tude'],
])('%s in %d columns is %s', (text, width, fitted) => {
  expect(truncate(text, width)).toBe(fitted);
});

test.each([
  ['tab\there', 'tab\\there'],
  ['\u0000\u007f\u009b', '\\x00\\x7f\\x9b'],
  ['\u2028\u2066\ufeff\ud800', '\\u2028\\u2066\\ufeff\\ud800'],
  ['é漢😀', 'é漢😀'],
])('%j prints as %s', (text, printed) => {
  expect(printable(text)).toBe(printed);
});
