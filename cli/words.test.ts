import { expect, test } from 'vitest';
import { bytes, count, duration, percent } from './words.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1048524, '1023.9 KiB'],
  [1048575, '1.0 MiB'],
  [2310758, '2.2 MiB'],
  [-2048, '-2.0 KiB'],
  [2 ** 53, '8.0 PiB'],
])('%i bytes', (value, text) => expect(bytes(value)).toBe(text));

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1234567, '1,234,567'],
])('count %i', (value, text) => expect(count(value)).toBe(text));

test.each([
  [12, '12 ns'],
  [1500, '1.50 µs'],
  [2.5e6, '2.50 ms'],
  [1.5e9, '1.50 s'],
  [200e9, '3 min 20 s'],
  [7260e9, '2 h 1 min 0 s'],
])('duration %d', (value, text) => expect(duration(value)).toBe(text));

test('shares', () => expect(percent(0.12345)).toBe('12.3%'));
