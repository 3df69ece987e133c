import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import { growthOf, MOST_GROWTH } from '../../fixtures/growth.ts';
import type { Profile } from '../profile.ts';
import { isProfile, readProfile } from '../read_profile.ts';
import { readMemcheck } from './memcheck.ts';

const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`../../fixtures/profiles/${name}`, import.meta.url)));
const read = (text: string) => readMemcheck(new TextEncoder().encode(text), 'log');

/** Rows as `bytes in objects: leaf < caller …`. */
function rows({ stacks, samples }: Profile): string[] {
  return Array.from({ length: samples.length }, (_, row) => {
    const fns = Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (frame) => stacks.frames.frames[frame].fn ?? '???');
    return `${samples.inuseBytes[row]} in ${samples.inuseObjects[row]}: ${fns.join(' < ')}`;
  });
}

function total({ samples }: Profile): [number, number] {
  const sum = (values: ArrayLike<number>) => Array.from({ length: samples.length }, (_, row) => values[row]).reduce((a, b) => a + b, 0);
  return [sum(samples.inuseBytes), sum(samples.inuseObjects)];
}

/** A log of process 7. */
const log = (...lines: string[]) =>
  `==7== Memcheck, a memory error detector\n${lines.map((line) => `==7== ${line}`.trimEnd()).join('\n')}\n`;
const STACK = [
  '   at 0x48417B4: malloc (in /usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so)',
  '   by 0x1091C0: inner (lk.c:7)',
  '',
];

describe('recordings', () => {
  test('leaky, as XML: the leaks that it names', () => {
    const bytes = fixture('leaky.memcheck.xml');
    expect(isProfile(bytes.subarray(0, 4096))).toBe(true);
    const profile = readProfile(bytes, 'leaky')?.profile as Profile;
    expect(rows(profile)).toContain('31200 in 100: malloc < leak_session < handle < main');
    expect(rows(profile).filter((row) => row.includes('leak_log_line'))).toEqual(['40960 in 40: realloc < leak_log_line < handle < main']);
    expect(total(profile)).toEqual([782700, 1002]);
    const { stacks, samples } = profile;
    const [, caller] = stacks.framesOf(samples.stack[2] as StackIndex);
    expect(stacks.frames.frames[caller]).toMatchObject({ fn: 'leak_session', file: '/opt/sample/src/leaky.c', line: 23 });
    expect(profile.damaged).toBeUndefined();
  });

  test('leakycpp, the log: sums as in its summary, each block once', () => {
    const profile = readProfile(fixture('leakycpp.memcheck.txt'), 'leakycpp')?.profile as Profile;
    expect(total(profile)).toEqual([41928, 101]);
    expect(profile.warnings).toEqual([
      'of what was in use at the exit, 34960 bytes in 70 blocks are definitely lost, 6960 bytes in 30 blocks are indirectly lost, 8 bytes in 1 block are still reachable',
    ]);
  });
});

describe('logs', () => {
  test('a check that lists changes alone is no part of the one before, and is said to be one', () => {
    const text = log(
      '8 bytes in 1 blocks are definitely lost in loss record 1 of 1',
      ...STACK,
      'LEAK SUMMARY:',
      '   definitely lost: 8 bytes in 1 blocks',
      '',
      '500 (+500) bytes in 5 (+5) blocks are definitely lost in loss record 2 of 2',
      ...STACK,
      'LEAK SUMMARY:',
    );
    const profile = read(text);
    expect(total(profile)).toEqual([500, 5]);
    expect(profile.warnings[1]).toBe(
      'the last leak check has those records alone that changed since the check before: --leak-check=full makes one of all at the exit',
    );
  });

  test('of several leak checks the last counts, of several processes the first; what is in no record is said', () => {
    const text = [
      log('8 bytes in 1 blocks are definitely lost in loss record 1 of 2', ...STACK),
      log('16 (+8) bytes in 2 (+1) blocks are definitely lost in new loss record 1 of 3', ...STACK),
      log('240 (48 direct, 192 indirect) bytes in 1 blocks are possibly lost in loss record 3 of 3', ...STACK),
      log('HEAP SUMMARY:', '    in use at exit: 1,064 bytes in 4 blocks'),
      '100 bytes in 1 blocks are definitely lost in loss record 1 of 1\n',
      log('999 bytes in 1 blocks are definitely lost in loss record 1 of 1', ...STACK).replaceAll('==7==', '==00:00:00:01.546 8=='),
    ].join('');
    const profile = read(text);
    expect(rows(profile)).toEqual(['16 in 2: malloc < inner', '48 in 1: malloc < inner']);
    expect(profile.warnings).toEqual([
      'of what was in use at the exit, 16 bytes in 2 blocks are definitely lost, 48 bytes in 1 block are possibly lost',
      'the last leak check has those records alone that changed since the check before: --leak-check=full makes one of all at the exit',
      '1000 of 1064 bytes in use at the exit are in no leak record: --show-leak-kinds=all lists those that are not suppressed',
      'process 7 alone is shown; 1 more has leak records (--log-file=%p has a file for each)',
    ]);
  });

  test('stacks of other errors are no leak’s; CRLF', () => {
    const text = log(
      'Invalid write of size 1',
      ...STACK,
      '1,008 bytes in 2 blocks are still reachable in loss record 1 of 1',
      ...STACK,
      ' Address 0x4a is 0 bytes after a block of size 4 alloc’d',
      ...STACK,
    );
    for (const lines of [text, text.replaceAll('\n', '\r\n')]) expect(rows(read(lines))).toEqual(['1008 in 2: malloc < inner']);
  });

  test('a log of a program that freed all, and XML of a leak check that lists nothing, have no leaks', () => {
    const freed = log('Memcheck, a', 'HEAP SUMMARY:', '    in use at exit: 0 bytes in 0 blocks', 'All heap blocks were freed');
    expect(read(freed)).toMatchObject({ samples: { length: 0 }, warnings: ['Memcheck says that nothing was in use at the exit'] });
    expect(() => read(freed.replace('0 bytes in 0', '8 bytes in 1'))).toThrow('without leak records');
    const xml =
      '<valgrindoutput>\n<protocoltool>memcheck</protocoltool>\n<arg>--leak-check=full</arg>\n<state>FINISHED</state>\n</valgrindoutput>\n';
    expect(read(xml)).toMatchObject({ samples: { length: 0 }, warnings: [expect.stringContaining('lists nothing')] });
    expect(() => read(xml.replace('full', 'summary'))).toThrow('without leak records');
  });

  test('what --verbose says of debug information is no call', () => {
    const verbose = `${log('HEAP SUMMARY:')}--7-- summarise_context(loc_start = 0x10): cannot summarise(why=1):\n`;
    expect(isProfile(new TextEncoder().encode(verbose))).toBe(true);
  });

  test('a log without leak records is bad input, one with calls is a trace, one that breaks off is damaged', () => {
    expect(() => read(log('HEAP SUMMARY:', 'LEAK SUMMARY:'))).toThrow('without leak records');
    expect(isProfile(new TextEncoder().encode(`${log('HEAP SUMMARY:')}--7-- malloc(10) = 0x4A41040\n`))).toBe(false);
    const whole = log('8 bytes in 1 blocks are definitely lost in loss record 1 of 2', ...STACK);
    expect(read(whole).damaged).toBeUndefined();
    const cut = read(whole.slice(0, whole.indexOf('inner')));
    expect([cut.damaged, cut.warnings.at(-1)]).toEqual([true, 'the file breaks off: leak records are missing']);
    const xml = new TextDecoder().decode(fixture('leaky.memcheck.xml'));
    expect(readMemcheck(new TextEncoder().encode(xml.slice(0, xml.length / 2)), 'xml').damaged).toBe(true);
  });
});

test('XML of errors that do not end takes time that grows with its length', () => {
  const record = '<error><xwhat><text>8 bytes in 1 blocks are definitely lost in loss record 1 of 1</text></xwhat></error>';
  const opened = (count: number) =>
    Buffer.from(
      `<?xml version="1.0"?>\n<valgrindoutput><protocoltool>memcheck</protocoltool><pid>7</pid>${record}${'<error>'.repeat(count)}`,
    );
  const [once, fourfold] = [opened(10_000), opened(40_000)];
  expect(readMemcheck(once, 'm').damaged).toBe(true);
  const growth = growthOf(
    () => readMemcheck(once, 'm'),
    () => readMemcheck(fourfold, 'm'),
  );
  expect(growth).toBeLessThan(MOST_GROWTH);
});
