import { expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import { isSnapshot, type Profile } from '../profile.ts';
import { isProfile, readProfile } from '../read_profile.ts';
import { readAndroidHeap } from './android.ts';

const utf8 = new TextEncoder();
const read = (text: string) => readAndroidHeap(utf8.encode(text), 'dump');
const rows = ({ stacks, samples }: Profile) =>
  Array.from({ length: samples.length }, (_, row) => {
    const frames = Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (frame) => {
      const { pc = 0n, fn, offset = 0, module = '' } = stacks.frames.frames[frame];
      return fn === undefined ? pc.toString(16) : `${fn}+${offset} ${module}`;
    });
    return `${samples.inuseBytes[row]} in ${samples.inuseObjects[row]}: ${frames.join(' < ')}`;
  });

// From bionic's malloc debug (its README and tests), and its viewer's tests.
const DUMP = `Android Native Heap Dump v1.2

Build fingerprint: 'google/taimen/taimen:8.1.0'

Total memory: 1900
Allocation records: 2
Backtrace size: 16

z 0  sz      400  num    1  bt a2a0 b510
  bt_info {"/system/libc.so" 2a0 "abort" 24} {"" 0 "" 0}
z 1  sz      500  num    3  bt b000
MAPS
0000b000-0000c000 r-xp 00000000 103:00 815       /system/lib/libutils.so
END

`;

test('records by size and backtrace, with the names of backtrace_full, and maps', () => {
  expect(isProfile(utf8.encode(DUMP))).toBe(true);
  const profile = readProfile(utf8.encode(DUMP), 'dump')!.profile;
  expect(rows(profile)).toEqual(['400 in 1: abort+36 /system/libc.so < b510', '1500 in 3: b000']);
  expect(profile).toMatchObject({ symbolized: true, requested: true, binary: '/system/lib/libutils.so' });
  expect(profile.maps).toContain('libutils.so');
  expect(isSnapshot(profile)).toBe(true);
  expect(profile.warnings).toEqual(['400 bytes of these are the zygote’s, from before the app was forked off it']);
});

test('of version 1.0 numbers of blocks count only if they make up the total', () => {
  const older = (total: number) =>
    `Android Native Heap Dump v1.0\r\n\r\nTotal memory: ${total}\r\nAllocation records: 2\r\n\r\nz 1  sz   1000  num    4  bt 00001000\r\nz 1  sz   2000  num    6  bt 00001100\r\n`;
  expect(rows(read(older(16_000)))).toEqual(['4000 in 4: 1000', '12000 in 6: 1100']);
  expect(rows(read(older(3000)))).toEqual(['1000 in 1: 1000', '2000 in 1: 1100']);
  expect(read(older(5000)).warnings).toEqual(['the dump says that 5000 bytes are in use; its records have 3000']);
});

test('damaged lines are said, and a dump without records is bad input', () => {
  const damaged = read(DUMP.replace('num    3', 'num    x'));
  expect([damaged.damaged, damaged.warnings.at(-1)]).toEqual([true, expect.stringContaining('dump:11: no record')]);
  expect(() => read('Android Native Heap Dump v1.2\n\nTotal memory: 0\n')).toThrow('the dump has no records');
});
