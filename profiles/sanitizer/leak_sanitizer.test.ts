import { describe, expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import { growthOf, MOST_GROWTH } from '../../fixtures/growth.ts';
import type { Profile } from '../profile.ts';
import { isProfile, readProfile } from '../read_profile.ts';
import { readLeakSanitizer } from './leak_sanitizer.ts';

const utf8 = new TextEncoder();
const read = (text: string) => readLeakSanitizer(utf8.encode(text), 'log');

/** Rows as `bytes in objects: leaf < caller …`, with places. */
function rows({ stacks, samples }: Profile): string[] {
  return Array.from({ length: samples.length }, (_, row) => {
    const frames = Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (frame) => {
      const { fn = '???', file, line, module, inlined = [] } = stacks.frames.frames[frame];
      return [...inlined.map((inner) => `[${inner.fn}]`), fn, file === undefined ? (module ?? '') : `${file}:${line}`].join(' ').trim();
    });
    return `${samples.inuseBytes[row]} in ${samples.inuseObjects[row]}: ${frames.join(' < ')}`;
  });
}

// By gcc 12, of a program that loses 7 blocks and a list of 5.
const REPORT = `the program's own line
=================================================================
==32732==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 77 byte(s) in 7 object(s) allocated from:
    #0 0x7fcece013545 in __interceptor_malloc ../../../../src/libsanitizer/lsan/lsan_interceptors.cpp:75
    #1 0x561e1053e1c0 in inner /sample/src folder/lk.c:7
    #2 0x561e1053e240 in main /sample/src folder/lk.c:10:3
    #3 0x7fcecde45249  (/lib/x86_64-linux-gnu/libc.so.6+0x27249) (BuildId: 93a4bb)

Direct leak of 48 byte(s) in 1 object(s) allocated from:
    #0 0x7fcece0130aa in __interceptor_calloc ../../../../src/libsanitizer/lsan/lsan_interceptors.cpp:90
    #1 0x561e1053e1ed in std::vector<int, std::allocator<int> >::f(int) lk.c:8
    #2 0x561e1053e1ed in chain lk.c:9
    #3 0x561e1053e22d in main (/sample/lk+0x122d)
    #4 0x561e1053e100  (<unknown module>)
Objects leaked above this point:
0x602000000010 (48 bytes)

Indirect leak of 192 byte(s) in 4 object(s) allocated from:
    #0 0x7fcece0130aa in __interceptor_calloc ../../../../src/libsanitizer/lsan/lsan_interceptors.cpp:90

SUMMARY: LeakSanitizer: 317 byte(s) leaked in 12 allocation(s).
`;

describe('reports of LeakSanitizer', () => {
  test('leaks with their stacks, and the sums of its summary', () => {
    const profile = readProfile(utf8.encode(REPORT), 'log')?.profile as Profile;
    const source = '../../../../src/libsanitizer/lsan/lsan_interceptors.cpp';
    expect(rows(profile)).toEqual([
      `77 in 7: __interceptor_malloc ${source}:75 < inner /sample/src folder/lk.c:7 < main /sample/src folder/lk.c:10 < libc.so.6+0x27249 /lib/x86_64-linux-gnu/libc.so.6`,
      `48 in 1: __interceptor_calloc ${source}:90 < [std::vector<int, std::allocator<int> >::f(int)] chain lk.c:9 < main /sample/lk < ???`,
      `192 in 4: __interceptor_calloc ${source}:90`,
    ]);
    expect(profile.warnings).toEqual(['125 bytes have leaked themselves (direct), 192 are held by those alone (indirect)']);
    expect(profile.damaged).toBeUndefined();
  });

  test('colours and CRLF; the last report of a process, and one of several processes', () => {
    const coloured = REPORT.replace('==32732==ERROR', '\x1b[1m\x1b[31m==32732==ERROR')
      .replace('Direct', '\x1b[0m\x1b[1m\x1b[34mDirect')
      .replaceAll('\n', '\r\n');
    expect(isProfile(utf8.encode(coloured))).toBe(true);
    expect(rows(read(coloured))).toEqual(rows(read(REPORT)));
    const twice = read(`${REPORT.replaceAll('77', '11')}${REPORT}${REPORT.replace('==32732==', '==4==')}`);
    expect(rows(twice)).toEqual(rows(read(REPORT)));
    expect(twice.warnings.at(-1)).toBe('process 32732 alone is shown; 1 more has leaks (LSAN_OPTIONS=log_path=FILE makes a file for each)');
  });

  test('what is not listed is said, a report that breaks off is damaged, one without leaks is bad input', () => {
    expect(read(REPORT.replace('317', '400')).warnings.at(-1)).toBe(
      '83 of 400 bytes leaked are not listed (LSAN_OPTIONS=max_leaks=0 lists all)',
    );
    expect(read(REPORT.replaceAll(/^ +#/gm, '[frame=')).warnings).toContainEqual(expect.stringContaining('leaks have no stack'));
    const cut = read(REPORT.slice(0, REPORT.indexOf('SUMMARY')));
    expect([cut.damaged, cut.warnings.at(-1)]).toEqual([true, 'the report breaks off: leaks are missing']);
    expect(() => read('==7==ERROR: LeakSanitizer: detected memory leaks\n')).toThrow('without a leak');
    expect(isProfile(utf8.encode('==7==ERROR: AddressSanitizer: heap-buffer-overflow\n'))).toBe(false);
  });

  test('a part of a report without its heading', () => {
    const part = REPORT.slice(REPORT.indexOf('Direct leak'));
    expect(isProfile(utf8.encode(part))).toBe(true);
    expect(rows(read(part))).toEqual(rows(read(REPORT)));
    expect(read(part).warnings).toContain('the report’s heading is missing: leaks before the first one may be, too');
  });

  test('a frame takes a time that grows with its length', () => {
    const head = REPORT.slice(0, REPORT.indexOf('    #0'));
    const reading = (words: number) => {
      const text = `${head}    #0 0x10 in f${' /a'.repeat(words)}\nSUMMARY: LeakSanitizer: 77 byte(s) leaked in 7 allocation(s).\n`;
      return () => read(text);
    };
    expect(growthOf(reading(20_000), reading(80_000))).toBeLessThan(MOST_GROWTH);
  });
});
