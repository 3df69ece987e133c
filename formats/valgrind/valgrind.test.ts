import { describe, expect, test } from 'vitest';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, liveOfSize, tally } from '../../fixtures/tally.ts';
import { signatureOf } from './calls.ts';
import { valgrind } from './valgrind.ts';

const utf8 = new TextEncoder();
const read = (text: string, options = {}) => tally(valgrind, utf8.encode(text), options);
const lines = (...messages: string[]) => messages.map((message) => `--7-- ${message}\n`).join('');
const SAMPLES = ['leaky_500.valgrind.txt.zst', 'calls.valgrind.txt', 'operators.valgrind.txt', 'sh.valgrind.txt'];

test('calls of other functions alone, as --verbose prints them of debug information, are no recording', () => {
  expect(valgrind.sniff(utf8.encode(lines('summarise_context(loc_start = 0x10): cannot summarise(why=1):').repeat(9)))).toBe(0);
});

describe('recordings', () => {
  test.each(SAMPLES.slice(0, 3))('%s: what its heap summary says', async (name) => {
    const bytes = await fixtureBytes(name);
    const result = tally(valgrind, bytes);
    const text = new TextDecoder().decode(bytes);
    const said = (pattern: RegExp) =>
      pattern
        .exec(text)!
        .slice(1)
        .map((figure) => Number(figure.replaceAll(',', '')));
    const { ledger } = result;
    expect(said(/in use at exit: ([\d,]+) bytes in ([\d,]+) blocks/)).toEqual([ledger.totalLiveBytes, ledger.totalLiveObjects]);
    expect(said(/total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes/)).toEqual([
      ledger.totalObjects,
      ledger.totalObjects - ledger.totalLiveObjects,
      ledger.totalBytes,
    ]);
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
  });

  test('leaky 500: what leaks, by its sizes', async () => {
    const result = tally(valgrind, await fixtureBytes('leaky_500.valgrind.txt.zst'));
    expect(liveOfSize(result, 312)).toEqual({ objects: 50, bytes: 15600 });
    expect({ ...result.trace.skipped }).toEqual({ note: 20, unparsed: 1 });
    expect(result.trace.header).toMatchObject({ source: 'valgrind', timed: false });
  });

  test('calls: every function of C, calls within calls, a message within a line', async () => {
    const result = tally(valgrind, await fixtureBytes('calls.valgrind.txt'));
    expect(result.ops).toEqual({ malloc: 6, realloc: 5, calloc: 1, free: 81, memalign: 4, malloc_usable_size: 1 });
    expect({ ...result.trace.skipped }).toEqual({ note: 23, nested: 2, unparsed: 1 });
    expect(result.text).toContainEqual(expect.stringMatching(/^malloc 0 \d+ 0 0 18446744073709552000 /));
    expect(result.text).toContainEqual(expect.stringMatching(/^memalign 0 \d+ \d+ 0 100 64 /));
  });

  test('operators: C++ with time stamps', async () => {
    const result = tally(valgrind, await fixtureBytes('operators.valgrind.txt'));
    expect(result.ops).toEqual({ malloc: 13, free: 109, aligned_alloc: 2, calloc: 1 });
    expect(result.trace.header.timed).toBe(true);
    const times = result.text.map((line) => Number(line.split(' ')[2]));
    expect(times[0]).toBe(0);
    expect(times.at(-1)).toBeGreaterThan(50e6);
    expect(times.every((time) => time % 1e6 === 0)).toBe(true);
  });

  test('sh: one process of several, by choice', async () => {
    const bytes = await fixtureBytes('sh.valgrind.txt');
    const result = tally(valgrind, bytes);
    expect(result.trace.skipped.other_process).toBe(572);
    expect(result.trace.warnings.join()).toContain('other processes are left out');
    expect(() => tally(valgrind, bytes, { pid: 424242 })).toThrow('no events of process 424242');
    const [, child] = [...new Set(Array.from(new TextDecoder().decode(bytes).matchAll(/^--(\d+)-- [a-z]+\(/gm), ([, pid]) => Number(pid)))];
    const other = tally(valgrind, bytes, { pid: child });
    expect(other.trace.header.pid).toBe(child);
    expect(other.events).toBeGreaterThan(400);
  });
});

describe('lines', () => {
  test.each([
    ['malloc(10) = 0x4A41040', 'malloc 77860928 0 10 0'],
    ['malloc(10) = 0xF020000004A41040', 'malloc 77860928 0 10 0'],
    ['calloc(3,7) = 0x10', 'calloc 16 0 7 3'],
    ['realloc(0x10,20) = 0x20', 'realloc 32 16 20 0'],
    ['reallocf(0x10,20) = 0x20', 'realloc 32 16 20 0'],
    ['reallocarray(0x10,3,20) = 0x20', 'reallocarray 32 16 20 3'],
    ['reallocarray(0x10,18446744073709551615,20) = 0', 'reallocarray 0 16 20 18446744073709552000'],
    ['memalign(al 64, size 100) = 0x40', 'memalign 64 0 100 64'],
    ['memalign(64, 100) = 0x40', 'memalign 64 0 100 64'],
    ['posix_memalign(0x1FFE, 64, 100) = 0x40', 'posix_memalign 64 0 100 64'],
    ['aligned_alloc(64, 128) = 0x40', 'aligned_alloc 64 0 128 64'],
    ['_ZnwmSt11align_val_t(size 256, al 128) = 0x80', 'aligned_alloc 128 0 256 128'],
    ['_ZnamSt11align_val_tRKSt9nothrow_t(256, 128) = 0x80', 'aligned_alloc 128 0 256 128'],
    ['_ZnajRKSt9nothrow_t(9) = 0x10', 'malloc 16 0 9 0'],
    ['__builtin_vec_new(9) = 0x10', 'malloc 16 0 9 0'],
    ['free(0x10)', 'free 16 0 0 0'],
    ['_ZdlPvmSt11align_val_t(0x10, 256, 128)', 'free 16 0 0 0'],
    ['_ZdaPv(0x10)', 'free 16 0 0 0'],
    ['malloc_zone_free(0x99, 0x10)', 'free 16 0 0 0'],
    ['malloc_usable_size(0x10) = 24', 'malloc_usable_size 16 0 0 0'],
    ['realloc(0x0,15)malloc(15) = 0x10', 'realloc 16 0 15 0'],
  ])('%s', (message, expected) => {
    expect(
      read(lines(message)).text.map((line) =>
        line
          .split(' ')
          .filter((_, i) => i !== 1 && i !== 2 && i !== 7)
          .join(' '),
      ),
    ).toEqual([expected]);
  });

  test('a calloc of more than 64 bits fails without a word, and is not the caller of what follows', () => {
    const log = read(
      lines(
        'calloc(9223372036854775807,4)malloc(8) = 0x10',
        'calloc(9223372036854775807,4) = 0x0',
        'free(0x10)',
        'calloc(9223372036854775807,4)',
      ),
    );
    expect(log.text.map((line) => line.split(' ')[0])).toEqual(['calloc', 'malloc', 'calloc', 'free', 'calloc']);
    expect({ ...log.trace.skipped }).toEqual({});
  });

  test('names that are none of the allocator’s', () => {
    for (const name of ['mallinfo', 'malloc_trim', '__proto__', 'constructor', '_Znot']) expect(signatureOf(name), name).toBeUndefined();
    expect({
      ...read(
        lines('mallinfo()', 'malloc_trim(0) = 1', 'REDIR: 0x10 (libc.so:malloc) redirected to 0x20 (malloc)', 'Reading syms from /bin/ls'),
      ).trace.skipped,
    }).toEqual({ other_call: 2, note: 2 });
  });

  test('a thread between a call and its result, results without a call, calls without a result, output of the program', () => {
    const result = read(
      `${lines('malloc(10)malloc(20) = 0x20', ' = 0x10', ' = 0x30', 'malloc(5)')}output --7-- free(0x10)\nmore output\n==7== note\n**7** note\n--7-- free(0x2`,
    );
    expect(result.ops).toEqual({ malloc: 2, free: 1 });
    expect({ ...result.trace.skipped }).toEqual({ no_entry: 1, no_return: 1, unparsed: 1, note: 2, torn: 1 });
    expect(result.trace.partial).toBe(true);
  });
});

describe('any input', () => {
  test.each(SAMPLES)('%s reads the same however it is cut', async (name) => {
    const bytes = (await fixtureBytes(name)).subarray(0, 40000);
    readsTheSameHoweverCut(valgrind, bytes);
  });

  test.each(SAMPLES)('%s is recognised from its head, and only as what it is', async (name) => {
    const bytes = await fixtureBytes(name);
    for (const length of [65536, 1500]) {
      const head = bytes.subarray(0, length);
      expect(valgrind.sniff(head)).toBeGreaterThan(0.5);
      recognisedAsNoOther(valgrind, head);
    }
  });

  test('other formats are not recognised', async () => {
    await recognisesNoOther(valgrind);
  });

  test('every line of any input is an event, part of one or counted', async () => {
    const good = (await fixtureBytes('calls.valgrind.txt')).slice(0, 2000);
    neverTakesRubbish(valgrind, good, {
      check: (damaged, { events, trace }) => {
        const count = new TextDecoder('latin1')
          .decode(damaged)
          .split('\n')
          .filter((line) => line !== '').length;
        const skipped = Object.values(trace.skipped).reduce((sum, n) => sum + n, 0);
        // A call and its result may be on lines of their own.
        expect(events + skipped).toBeGreaterThanOrEqual(count - events - (trace.skipped.nested ?? 0));
      },
    });
  });
});
