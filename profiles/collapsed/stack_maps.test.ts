import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import type { StackIndex } from '../../core/units.ts';
import { isStackMaps, readStackMaps } from './stack_maps.ts';

const utf8 = new TextEncoder();
/** Names and value of each row. */
const rowsOf = (text: string) => {
  const { samples, stacks } = readStackMaps(text, 'maps');
  return Array.from({ length: samples.length }, (_, row) => {
    const frames = [...stacks.framesOf(samples.stack[row] as StackIndex)].map((index) => stacks.frames.frames[index]);
    return [
      samples.allocBytes[row],
      ...frames.map(({ fn, pc, offset, module }) => [fn ?? pc?.toString(16), offset, module].join(' ').trim()),
    ];
  });
};

/** As bpftrace 0.17 printed them. */
const TEXT = `Attaching 2 probes...


@bytes[
    __GI___libc_malloc+0
    main+144
]: 65536
@bytes[
    0x7f369a7ab930
]: 4704
@by[leaky]: 983299
@calls[16756, 
    main+144
]: 12
@h[
    main+144
]: 
[64, 128)             12 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|

@n: 0
`;

describe('maps by stacks', () => {
  test('the first one is read, the others are named', () => {
    expect(isStackMaps(utf8.encode(TEXT))).toBe(true);
    expect(rowsOf(TEXT)).toEqual([
      [65536, '__GI___libc_malloc 0', 'main 144'],
      [4704, '7f369a7ab930'],
    ]);
    expect(readStackMaps(TEXT, 'maps')).toMatchObject({
      freedOnly: true,
      warnings: [expect.stringContaining('map @bytes'), 'other maps are left out: @calls, @by, @h, @n'],
    });
  });

  test('addresses and modules, what else a key has, two stacks, statistics', () => {
    const text =
      '@[\n\t7f369a7ab930 malloc+4 (/lib/libc.so.6)\n, leaky]: 390\n@[7, \n    f+1\n, \n    g+2\n, ls]: 5\n@[\n    h+3\n]: count 2, average 4, total 8\n';
    expect(rowsOf(text)).toEqual([
      [390, 'malloc 4 /lib/libc.so.6', 'leaky'],
      [5, 'f 1', 'g 2', '7', 'ls'],
      [8, 'h 3'],
    ]);
  });

  test('JSON', () => {
    const text =
      '{"type": "attached_probes", "data": {"probes": 2}}\n{"type": "map", "data": {"@": {"\\n\\t7f7e9ba02930 f+16 (/bin/a)\\n,leaky": 12, "16793,\\n    g+1\\n": 2}}}\n' +
      '{"type": "stats", "data": {"@st": {"\\n    g+1\\n": {"count": 390, "average": 12, "total": 4704}}}}\n';
    expect(isStackMaps(utf8.encode(text))).toBe(true);
    expect(rowsOf(text)).toEqual([
      [12, 'f 16 /bin/a', 'leaky'],
      [2, 'g 1', '16793'],
    ]);
  });

  test('what was printed again, lines that are none of a map', () => {
    const row = (value: number) => `@[\n    f+1\n]: ${value}\n`;
    expect(rowsOf(row(3) + row(5))).toEqual([[5, 'f 1']]);
    expect(readStackMaps(row(3) + row(5), 'maps').warnings).toContainEqual(expect.stringContaining('more than once'));
    expect(readStackMaps(`${row(3)}hello\n`, 'maps').warnings).toContainEqual(expect.stringContaining('maps:4: no line of a map: "hello"'));
  });

  test('other text is none', () => {
    for (const text of ['', '@x: 5\n', '@[a]: 5\n', `${TEXT}100 7 7 malloc(8) = 0x1000\n`, '@ a:[0x1] + 0x10 0x8\n', 'main;f 5\n'])
      expect(isStackMaps(utf8.encode(text))).toBe(false);
    expect(() => readStackMaps('@x: 5\n', 'maps')).toThrow(InputError);
  });
});
