import { expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import type { Profile } from '../profile.ts';
import { isProfile, readProfile, reportWithin } from '../read_profile.ts';
import { readHeapChecker } from './heap_checker.ts';

const utf8 = new TextEncoder();
const read = (text: string) => readHeapChecker(utf8.encode(text), 'log');
const rows = ({ stacks, samples }: Profile) =>
  Array.from({ length: samples.length }, (_, row) => {
    const frames = Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (frame) => {
      const { pc = 0n, fn } = stacks.frames.frames[frame];
      return fn ?? `0x${pc.toString(16)}`;
    });
    return `${samples.inuseBytes[row]} in ${samples.inuseObjects[row]}: ${frames.join(' < ')}`;
  });

// Of a program with libtcmalloc and HEAPCHECK=normal, from a public page.
const REPORT = `WARNING: Perftools heap leak checker is active -- Performance may suffer
Li Ming
Have memory regions w/o callers: might report false leaks
Leak check _main_ detected leaks of 400 bytes in 20 objects
The 2 largest leaks:
Using local file ./a.out.
Leak of 320 bytes in 10 objects allocated from:
	@ 7fb33ee69249 std::string::_Rep::_S_create
	@ 7fb33ee6ad88 std::basic_string::basic_string
	@ 400d8e main
Leak of 80 bytes in 10 objects allocated from:
	@ 400d5e main
	@ 7fb33e7f5f45 __libc_start_main


If the preceding stack traces are not enough to find the leaks, try running THIS shell command:
`;

test('leaks with their stacks, among what the program prints', () => {
  expect(isProfile(utf8.encode(REPORT))).toBe(true);
  const profile = readProfile(utf8.encode(REPORT), 'log')!.profile;
  expect(rows(profile)).toEqual([
    '320 in 10: std::string::_Rep::_S_create < std::basic_string::basic_string < main',
    '80 in 10: main < __libc_start_main',
  ]);
  expect(profile.warnings).toEqual([]);
  expect(reportWithin(utf8.encode(`${'line\n'.repeat(20_000)}${REPORT}`))).toBe('heap-checker');
});

test('indented as in a copy, with CRLF, without its heading', () => {
  const copy = REPORT.slice(REPORT.indexOf('Leak of')).replaceAll('\t', '    ').replaceAll('\n', '\r\n');
  expect(isProfile(utf8.encode(copy))).toBe(true);
  expect(rows(read(copy))).toEqual(rows(read(REPORT)));
});

test('what is not listed or not named, and further checks, are said; a report without a leak is bad input', () => {
  expect(read(REPORT.replace('400 bytes', '500 bytes')).warnings).toEqual([
    expect.stringContaining('100 of 500 bytes leaked are not listed'),
  ]);
  const bare = read(REPORT.replaceAll(/(@ \w+) .*/g, '$1'));
  expect(rows(bare)[1]).toBe('80 in 10: 0x400d5e < 0x7fb33e7f5f45');
  expect(bare.warnings).toEqual([expect.stringContaining('names no function')]);
  expect(read(`${REPORT.replace('_main_', 'first').replace('320', '11')}${REPORT}`).warnings).toEqual([
    'of 2 leak checks the last one is shown, "_main_"',
  ]);
  expect(() => read('Leak check _main_ detected leaks of 4 bytes in 1 objects\n')).toThrow('without a leak that it lists');
});

test('a check that found nothing has no leaks', () => {
  const none = `WARNING: Perftools heap leak checker is active\nNo leaks found for check "_main_" (but no 100% guarantee that there aren't any)\n`;
  expect(isProfile(utf8.encode(none))).toBe(true);
  expect(read(none)).toMatchObject({ samples: { length: 0 }, warnings: ['the heap checker found no leaks'] });
});
