import { expect, test } from 'vitest';
import { HashFactor } from '../../core/trace/hash_factor.ts';
import { AddressIndex } from './address_index.ts';

/** Halves of addresses. */
type Halves = readonly (readonly [high: number, low: number])[];

/** Processor time to add addresses and find them again, us. */
function timeOf(addresses: Halves): number {
  const before = process.cpuUsage();
  const index = new AddressIndex();
  expect(addresses.every(([high, low], row) => index.add(high, low) === row)).toBe(true);
  expect(addresses.every(([high, low], row) => index.add(high, low) === row)).toBe(true);
  expect(addresses.every(([high, low], row) => index.find((BigInt(high) << 32n) | BigInt(low)) === row)).toBe(true);
  expect(index.find(17n)).toBe(-1);
  expect(index.length).toBe(addresses.length);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

test('addresses that hash to the same slots take no longer than others', () => {
  const factor = new HashFactor().value;
  const chosen = Array.from({ length: 20_000 }, (_, row) => [row + 1, (Math.imul(row + 1, factor) ^ 0x1234) >>> 0] as const);
  const ordinary = Array.from({ length: 20_000 }, (_, row) => [0x7f00, 0x1000_0010 + row * 16] as const);
  const best = (addresses: Halves) => Math.min(timeOf(addresses), timeOf(addresses), timeOf(addresses));
  expect(best(chosen) / best(ordinary)).toBeLessThan(10);
});
