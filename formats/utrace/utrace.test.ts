import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, tally } from '../../fixtures/tally.ts';
import { heaptrack } from '../heaptrack/heaptrack.ts';
import { utrace } from './utrace.ts';

const utf8 = new TextEncoder();
const read = (text: string, options = {}) => tally(utrace, utf8.encode(text), options);
const withoutTime = (line: string) =>
  line
    .split(' ')
    .filter((_, i) => i !== 2)
    .join(' ');
const EXAMPLE = `  1234 app      USER  malloc_init()
  1234 app      USER  0x801006000 = malloc(32)
  1234 app      USER  0x801008000 = realloc(0x801006000, 64)
  1234 app      CALL  mmap(0,0x200000,0x3<PROT_READ|PROT_WRITE>,0x1002<MAP_PRIVATE|MAP_ANON>,0xffffffff,0)
  1234 app      RET   mmap 34376515584/0x801000000
  1234 app      USER  RTLD: loaded   0x800f @ 0x800 - 0x900 (/lib/libc.so.7)
  1234 app      USER  4  6f 6f 70 73
  1234 app      USER  free(0x801008000)
  1234 app      USER  free(0x0)
`;

test('kdump’s lines', () => {
  const result = read(EXAMPLE);
  expect(result.text).toEqual([
    `malloc 0 0 ${0x801006000} 0 32 0 -1`,
    `realloc 0 1 ${0x801008000} ${0x801006000} 64 0 -1`,
    `free 0 2 ${0x801008000} 0 0 0 -1`,
    'free 0 3 0 0 0 0 -1',
  ]);
  expect({ ...result.trace.skipped }).toEqual({ note: 3, other_call: 2 });
  expect(result.trace.header).toMatchObject({ source: 'utrace', pid: 1234, timed: false });
  expect(result.trace.warnings).toEqual(['1 line: a free of NULL or an allocation of no bytes, which utrace writes alike']);
});

test.each([
  [' 1234 app      12.000001 USER  0x10 = malloc(1)\n 1234 app      12.000345 USER  free(0x10)\n', [1234], 12_000_001_000n, 344_000],
  [
    '12345 100071 my app 2 1690000000.123456 USER  0x10 = malloc(1)\n12345 100072 my app 2 1690000001.123456 USER  free(0x10)\n',
    [100071, 100072],
    1_690_000_000_123_456_000n,
    1e9,
  ],
  ['    7 100071 x USER  0x10 = malloc(1)\n    7 100071 x USER  free(0x10)\n', [100071], undefined, 1],
])('%j', (text, tids, startTime, last) => {
  const result = read(text);
  expect(result.ops).toEqual({ malloc: 1, free: 1 });
  expect(result.trace.threads.tids).toEqual(tids);
  expect(result.trace.header.startTime).toBe(startTime);
  expect(Number(result.text[1].split(' ')[2])).toBeCloseTo(last, -3);
});

test('times since 1970 to the microsecond', () => {
  const lines = [123457, 123458, 123461].map((micros) => ` 7 x 1690000000.${micros} USER  0x${micros} = malloc(1)\n`);
  const result = read(lines.join(''));
  expect(result.text.map((line) => Number(line.split(' ')[2]))).toEqual([0, 1000, 4000]);
  expect(result.trace.header.startTime).toBe(1_690_000_000_123_457_000n);
});

test('a first record from before the time that kdump -E counts from', () => {
  const result = read(' 7 x -1.250000 USER  0x10 = malloc(1)\n 7 x -0.250000 USER  0x20 = malloc(1)\n 7 x 0.000001 USER  free(0x10)\n');
  expect(result.text.map((line) => Number(line.split(' ')[2]))).toEqual([0, 1e9, 1_250_001_000]);
  expect(result.trace.header).toMatchObject({ timed: true });
  expect(result.trace.header.startTime).toBeUndefined();
  expect(read(` 7 x -${'9'.repeat(400)}.000000 USER  0x10 = malloc(1)\n`).trace.skipped).toMatchObject({ unparsed: 1 });
});

test('processes, failures, lines that fit no rule, a cut line, differences of times', () => {
  const text =
    '5 a USER  0x10 = malloc(1)\n6 b USER  0x10 = malloc(2)\n5 a USER  0x0 = malloc(99)\nhello\n5 a USER  0x20 = malloc(1\n5 a USER  fre';
  const result = read(text);
  expect(result.text.map(withoutTime)).toEqual(['malloc 0 16 0 1 0 -1', 'malloc 0 0 0 99 0 -1']);
  expect({ ...result.trace.skipped }).toEqual({ other_process: 1, unparsed: 1, note: 1, torn: 1 });
  expect(read(text, { pid: 6 }).events).toBe(1);
  const differences = read(
    Array.from({ length: 20 }, (_, i) => `5 a 0.0000${10 + ((i * 7) % 11)} USER  0x${i + 1}0 = malloc(1)\n`).join(''),
  );
  expect(differences.trace.warnings.join()).toContain('kdump -R');
});

describe('a real program', () => {
  /** leaky's calls as kdump would have printed them. */
  const written = async () => {
    const recorded = tally(heaptrack, await fixtureBytes('leaky_500.heaptrack.raw.zst'));
    const lines = recorded.text.map((event, i) => {
      const [op, , , ptr, old, size] = event.split(' ');
      const hex = (text: string) => `0x${Number(text).toString(16)}`;
      const call =
        op === 'free'
          ? `free(${hex(ptr)})`
          : op === 'realloc'
            ? `${hex(ptr)} = realloc(${hex(old)}, ${size})`
            : `${hex(ptr)} = malloc(${size})`;
      return `${' 77'.padStart(6)} leaky    0.${String(i).padStart(6, '0')} USER  ${call}\n`;
    });
    return { recorded, bytes: utf8.encode(lines.join('')) };
  };

  test('every call comes back', async () => {
    const { recorded, bytes } = await written();
    const result = tally(utrace, bytes);
    expect(result.text.map(withoutTime)).toEqual(recorded.text.map((line) => withoutTime(line).replace(/ -?\d+$/, ' -1')));
    expect({ ...result.trace.skipped }).toEqual({});
    expect(result.trace.header.timed).toBe(true);
  });

  test('however it is cut', async () => {
    const bytes = (await written()).bytes.subarray(0, 20000);
    readsTheSameHoweverCut(utrace, bytes);
  });

  test('it is recognised, and only as what it is', async () => {
    for (const head of [(await written()).bytes.subarray(0, 65536), utf8.encode(EXAMPLE)]) {
      recognisedAsNoOther(utrace, head);
    }
    await recognisesNoOther(utrace);
  });
});

test('rubbish is counted, never taken', () => {
  const good = utf8.encode(EXAMPLE);
  const lines = EXAMPLE.split('\n').length - 1;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat({ max: good.length - 1 }), (noise, at) => {
      expect(tally(utrace, noise).events).toBe(0);
      const broken = good.slice();
      const damage = noise.subarray(0, broken.length - at).filter((byte) => byte !== 10 && byte !== 13);
      for (const [i, byte] of damage.entries()) if (broken[at + i] !== 10) broken[at + i] = byte;
      const result = tally(utrace, broken);
      const skipped = Object.values(result.trace.skipped).reduce((sum, count) => sum + count, 0);
      expect(result.events + skipped).toBe(lines);
    }),
  );
});
