/**
 * convert and synth from outside: formats by ending, compression, joined parts, refusals, and truths that replays confirm.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { run } from './testing.ts';

const LEAKY = fileURLToPath(new URL('../fixtures/traces/leaky_clean_perf.txt.zst', import.meta.url));

const folder = testFolder();
const path = (name: string) => join(folder, name);

const summaryOf = async (file: string) => JSON.parse((await run(['replay', file, '--json', '--quiet'])).stdout) as Record<string, unknown>;

describe('convert', () => {
  test('a recording to the compact trace and back: the same events, the same replay, a sixth of the size', async () => {
    expect(await run(['convert', LEAKY, '-o', path('a.ndjson')])).toMatchObject({ code: 0 });
    expect(await run(['convert', path('a.ndjson'), '-o', path('a.jrt')])).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(await run(['convert', path('a.jrt'), '-o', path('b.ndjson')])).toMatchObject({ code: 0 });
    expect(readFileSync(path('b.ndjson'), 'utf8')).toBe(readFileSync(path('a.ndjson'), 'utf8'));
    expect(statSync(path('a.jrt')).size * 6).toBeLessThan(statSync(path('a.ndjson')).size);
    expect(await summaryOf(path('a.jrt'))).toEqual(await summaryOf(path('a.ndjson')));
  });

  test.each(['c.ndjson.gz', 'c.jrt.gz'])('%s is compressed', async (name) => {
    await run(['synth', 'churn', '--events', '60k', '-o', path('c.ndjson'), '--quiet']);
    expect(await run(['convert', path('c.ndjson'), '-o', path(name)])).toMatchObject({ code: 0 });
    expect(readFileSync(path(name)).subarray(0, 2).toString('hex')).toBe('1f8b');
    expect((await run(['convert', path(name), '-o', '-'])).stdout).toBe(readFileSync(path('c.ndjson'), 'utf8'));
  });

  test('.zst where Node has it, else the reason', async () => {
    await run(['synth', 'churn', '--events', '20k', '-o', path('z.ndjson'), '--quiet']);
    const { code, stderr } = await run(['convert', path('z.ndjson'), '-o', path('z.jrt.zst')]);
    if ('zstdCompressSync' in zlib) {
      expect(code).toBe(0);
      expect((await run(['convert', path('z.jrt.zst'), '-o', '-'])).stdout).toBe(readFileSync(path('z.ndjson'), 'utf8'));
    } else
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/Zstandard is not in this version of Node\nhint: write \.gz/),
      });
  });

  test('the compact trace through a pipe, broken off', async () => {
    await run(['synth', 'server', '--events', '50k', '-o', path('p.jrt'), '--quiet']);
    const bytes = readFileSync(path('p.jrt'));
    const { code, stdout, stderr } = await run(['replay', '-', '--json'], bytes.subarray(0, bytes.length / 2));
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ partial: true, events: 16384 });
    expect(stderr).toBe('note: the trace breaks off after event 16384: what came before is used\n');
    const damaged = Uint8Array.from(bytes);
    damaged.fill(0x55, 60_000, 60_400);
    expect(await run(['replay', '-', '--json'], damaged)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^-:byte \d+: is damaged here: /),
    });
  });

  test('inputs that are no parts of one recording are refused', async () => {
    await run(['synth', 'server', '--events', '1k', '-o', path('s.jrt'), '--quiet']);
    await run(['synth', 'server', '--events', '1k', '-o', path('s.ndjson'), '--quiet']);
    expect(await run(['convert', path('s.jrt'), path('s.jrt'), '-o', '-'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('s.jrt: is a compact trace, which is whole by itself\nhint: join the parts'),
    });
    expect(await run(['convert', path('s.ndjson'), LEAKY, '-o', '-'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/is bpftrace, but .*s\.ndjson is ndjson/),
    });
  });

  test('--to goes before the ending', async () => {
    await run(['synth', 'server', '--events', '1k', '-o', path('t.x'), '--to', 'compact', '--quiet']);
    expect(readFileSync(path('t.x')).includes('jereplay.trace')).toBe(true);
    expect(await run(['convert', path('t.x'), '-o', path('t.y'), '--to', 'ndjson'])).toMatchObject({ code: 0 });
    expect(readFileSync(path('t.y'), 'utf8')).toMatch(/^\{"op":"trace","version":1,/);
    expect(await run(['convert', path('t.x'), '-o', path('t.y'), '--to', 'xml'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('unknown format "xml"'),
    });
  });

  test('what cannot be read leaves the output as it was', async () => {
    writeFileSync(path('kept.jrt'), 'of an earlier run');
    writeFileSync(path('bad.ndjson'), '{"op":"malloc","size":1,"ptr":"0x10"}\n{"op":"malloc","size":"many","ptr":"0x20"}\n');
    for (const output of ['kept.jrt', 'none.jrt']) {
      expect(await run(['convert', path('bad.ndjson'), '-o', path(output)])).toMatchObject({ code: 2 });
    }
    expect(readFileSync(path('kept.jrt'), 'utf8')).toBe('of an earlier run');
    expect(existsSync(path('none.jrt'))).toBe(false);
  });
});

test('--to takes the endings as names of their formats', async () => {
  writeFileSync(path('one.ndjson'), '{"op":"malloc","size":8,"ptr":"0x10"}\n');
  const [compact, jrt] = await Promise.all(['compact', 'jrt'].map((to) => run(['convert', path('one.ndjson'), '-o', '-', '--to', to])));
  expect(jrt).toEqual(compact);
  expect(jrt.code, jrt.stderr).toBe(0);
  expect(await run(['convert', path('one.ndjson'), '-o', '-', '--to', 'jr'])).toMatchObject({ code: 2 });
});

describe('synth', () => {
  test.each(['--to=ndjson', '--to=compact'])('%s: a replay confirms the truth', async (to) => {
    const args = ['synth', 'leak', to, '--events', '50k', '--seed', '9', '--threads', '3', '--live', '500'];
    const made = await run([
      ...args,
      '--leak',
      'a::b:64:1000',
      '--leak',
      'c:1k:5000',
      '-o',
      path('truth.trace'),
      '--truth',
      path('truth.json'),
    ]);
    expect(made).toEqual({ code: 0, stdout: '', stderr: '' });
    const { workload, seed, leaks, ...truth } = JSON.parse(readFileSync(path('truth.json'), 'utf8')) as Record<string, unknown>;
    expect({ workload, seed }).toEqual({ workload: 'leak', seed: 9 });
    expect(await summaryOf(path('truth.trace'))).toMatchObject(truth);
    const { contexts } = JSON.parse((await run(['leaks', path('truth.trace'), '--json'])).stdout) as {
      contexts: Record<string, unknown>[];
    };
    expect(contexts.map(({ bytes, objects, stack }) => ({ bytes, objects, stack }))).toEqual(
      (leaks as Record<string, unknown>[]).map(({ bytes, objects, stack }) => ({ bytes, objects, stack })),
    );
    expect(contexts).toHaveLength(4);
  });

  test('numbers in thousands and millions may have fractions that come out even', async () => {
    const { code, stderr } = await run([
      'synth',
      'cache',
      '--events',
      '1.1k',
      '--seed',
      '2.3M',
      '--threads',
      '1.0',
      '-o',
      path('even.jrt'),
    ]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stderr)).toMatchObject({ events: 1100, seed: 2_300_000, threads: 1 });
  });

  test('standard output gets NDJSON, stderr the truth', async () => {
    const { code, stdout, stderr } = await run(['synth', 'cache', '--events', '100']);
    expect(code).toBe(0);
    expect(
      stdout.split('\n').filter((line) => /^\{"op":"(malloc|calloc|realloc|free|malloc_usable_size|thread_exit)"/.test(line)),
    ).toHaveLength(100);
    expect(JSON.parse(stderr)).toMatchObject({ workload: 'cache', events: 100, leaks: [] });
  });

  test.each([
    [['nothing'], 'unknown workload "nothing"'],
    [['server', '--events', '1'], '--events: "1" is not a whole number from 2'],
    [['server', '--events', 'many'], '--events: "many" is not'],
    [['server', '--threads', '0'], '--threads: "0" is not'],
    [['server', '--leak', 'x:1'], '--leak: "x:1" is not SITE:BYTES:EVERY'],
    [['server', '--events', '2.5'], '--events: "2.5" is not a whole number from 2'],
    [['server', '--threads', '1.5'], '--threads: "1.5" is not a whole number from 1'],
    [['server', '--seed', '1.0005k'], '--seed: "1.0005k" is not a whole number from 0'],
    [['server', '--leak', 'x:0:1'], '--leak: "x:0:1" leaks nothing'],
    [['server', '--leak', 'x:1:1:1'], '--leak: "x:1:1:1" is not SITE:BYTES:EVERY'],
    [['server', '--leak', 'x:99999999999999999999:1'], '--leak: "99999999999999999999" is more than an allocator serves'],
    [
      ['server', '--leak', 'x:4611686018427387904:1', '-o', '/dev/null', '--to', 'compact'],
      'synth: its blocks take more room than there are addresses',
    ],
    [['server', '--leak', 'x:9223372036854775808:1'], '--leak: "9223372036854775808" is more than an allocator serves'],
    [['server', '--leak', 'x:1:0'], '--leak: "0" is not a whole number from 1 up'],
  ])('%j is bad usage', async (args, fact) => {
    const { code, stdout, stderr } = await run(['synth', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(fact);
  });

  test('an unknown workload leaves an existing file as it was', async () => {
    writeFileSync(path('kept.ndjson'), 'kept');
    expect(await run(['synth', 'nothing', '-o', path('kept.ndjson')])).toMatchObject({ code: 2 });
    expect(readFileSync(path('kept.ndjson'), 'utf8')).toBe('kept');
  });
});
