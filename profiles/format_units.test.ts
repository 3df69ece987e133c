import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatCounted, formatNanoseconds, formatShare } from './format_units.ts';

test.each([
  [0, '0 B'],
  [1, '1 B'],
  [1023, '1023 B'],
  [101.2, '101 B'],
  [1023.4, '1023 B'],
  [1023.5, '1.00 KiB'],
  [1024, '1.00 KiB'],
  [10235, '10.0 KiB'],
  [102348, '99.9 KiB'],
  [102400, '100 KiB'],
  [1048063, '1023 KiB'],
  [1048064, '1.00 MiB'],
  [1048576, '1.00 MiB'],
  [2310758, '2.20 MiB'],
  [1.5 * 2 ** 40, '1.50 TiB'],
  [2 ** 70, '1024 EiB'],
  [-312, '-312 B'],
  [-2048, '-2.00 KiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1234567, '1,234,567'],
  [12.6, '13'],
  [-1234, '-1,234'],
])('the count %d is %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

test.each([
  [0, '0 objects'],
  [1, '1 object'],
  [1.4, '1 object'],
  [1234, '1,234 objects'],
])('so many as %d are %s', (count, text) => {
  expect(formatCounted(count, 'object')).toBe(text);
});

test.each([
  [0, '0.0%'],
  [1e-9, '<0.1%'],
  [0.0005, '0.1%'],
  [0.531, '53.1%'],
  [0.9994, '99.9%'],
  [0.9999, '>99.9%'],
  [1, '100.0%'],
  [NaN, '-'],
])('the share %d is %s', (share, text) => {
  expect(formatShare(share)).toBe(text);
});

test.each([
  [0, '0 ns'],
  [999, '999 ns'],
  [1000, '1.00 µs'],
  [12_345_678, '12.3 ms'],
  [999_600_000, '1.00 s'],
  [1_530_000_000, '1.53 s'],
  [99_400_000_000, '99.4 s'],
  [99_600_000_000, '1 min 40 s'],
  [3_599_400_000_000, '59 min 59 s'],
  [3_599_600_000_000, '1 h 00 min'],
  [11_220_000_000_000, '3 h 07 min'],
  [-5_000_000, '-5.00 ms'],
])('%d ns are %s', (ns, text) => {
  expect(formatNanoseconds(ns)).toBe(text);
});
