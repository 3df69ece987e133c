import { describe, expect, test } from 'vitest';
import { momentOf, parseBytes, parseCount, parseHex, parseUntil } from './settings.ts';

describe('--until', () => {
  test.each([
    ['0', { event: 0 }],
    ['5000', { event: 5000 }],
    ['1.5s', { time: 1_500_000_000 }],
    ['200ms', { time: 200_000_000 }],
    ['.5 us', { time: 500 }],
    ['7ns', { time: 7 }],
    ['2min', { time: 120_000_000_000 }],
    ['1.5m', { time: 90_000_000_000 }],
    ['2h', { time: 7_200_000_000_000 }],
    ['peak', 'peak'],
  ])('%s', (text, expected) => expect(parseUntil(text)).toEqual(expected));

  test.each(['', '-1', '1.5', '1.5 parsecs', 'Peak', '1e3', 's', '99999999999999999'])('"%s" is refused', (text) => {
    expect(() => parseUntil(text)).toThrow('is no point in a trace');
  });
});

test.each([
  ['1ms', '1 ms after the start'],
  ['1.5s', '1.5 s after the start'],
  ['2min', '120 s after the start'],
  ['1234567ns', '1.234567 ms after the start'],
  ['7ns', '7 ns after the start'],
  ['0ns', '0 ns after the start'],
  ['5000', 'before event 5000'],
  ['peak', 'at the peak'],
])('the moment of --until %s is %s', (text, moment) => expect(momentOf(parseUntil(text))).toBe(moment));

test('hexadecimal states', () => {
  expect(parseHex('--prng-seed', '0x7ffff7cd3b78')).toBe(0x7ffff7cd3b78n);
  expect(parseHex('--prng-seed', 'FFFFFFFFFFFFFFFF')).toBe(2n ** 64n - 1n);
  for (const text of ['', '0x', '12345678901234567', 'xyz', '-1']) {
    expect(() => parseHex('--prng-seed', text)).toThrow('is not a 64-bit hexadecimal number');
  }
});

test('whole numbers', () => {
  expect(parseCount('--ncpus', '8', 1)).toBe(8);
  for (const text of ['0', '-1', '1.5', '', 'many']) expect(() => parseCount('--ncpus', text, 1)).toThrow('whole number from 1 up');
});

test('sizes', () => {
  expect(parseBytes('--fail-on-leak', '4096')).toBe(4096);
  expect(parseBytes('--fail-on-leak', '64k')).toBe(65536);
  expect(parseBytes('--fail-on-leak', '1.5MiB')).toBe(1572864);
  expect(parseBytes('--fail-on-leak', '2GB')).toBe(2147483648);
  for (const text of ['', '-1', 'k', '5x']) expect(() => parseBytes('--fail-on-leak', text)).toThrow('is not a size');
});
