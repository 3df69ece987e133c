import { expect, test } from 'vitest';
import { HashFactor } from '../../core/trace/hash_factor.ts';
import { MOST_GROWTH } from '../../fixtures/growth.ts';
import { tally } from '../../fixtures/tally.ts';
import { bpftrace } from '../bpftrace/bpftrace.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { FREED, LIVE, UNSEEN } from './address_state.ts';
import { AddressStates } from './address_states.ts';

const COUNT = 20_000;
const ORDINARY = Array.from({ length: COUNT }, (_, index) => 0x7f00_0000_0010 + index * 272);
/** Addresses whose hashes are the same by the first factor. */
const CHOSEN: number[] = [];
for (let high = 1; CHOSEN.length < COUNT; high++) {
  const product = Math.imul(high, new HashFactor().value);
  // The lowest bits of what is above 2^32 are the highest of the other number that is hashed.
  if (product >>> 28 === (high & 15)) CHOSEN.push(high * 2 ** 32 + (product & 0xfffffff) * 16);
}

/** Least processor time of three runs, us. */
function timeOf(run: () => void): number {
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  });
  return Math.min(...times);
}

test('addresses that hash to the same slots take no longer than others', () => {
  const enter = (addresses: readonly number[]) =>
    timeOf(() => {
      const states = new AddressStates(new LaneMemory());
      for (const address of addresses) states.set(address, LIVE);
      for (const address of addresses.slice(1)) states.set(address, FREED);
      expect(addresses.every((address, index) => states.get(address) === (index === 0 ? LIVE : FREED))).toBe(true);
      expect(addresses.every((address) => states.get(address + 8) === UNSEEN)).toBe(true);
      expect([...states.clear()]).toEqual([addresses[0]]);
    });
  expect(enter(CHOSEN) / enter(ORDINARY)).toBeLessThan(MOST_GROWTH);
});

test('nor do calls that give them, and blocks are freed once', () => {
  const read = (addresses: readonly number[]) => {
    const calls = (line: (address: string) => string, from: number) =>
      addresses.map((address, index) => `${1e9 + from + index} 7 7 ${line(`0x${address.toString(16)}`)}\n`).join('');
    const text = calls((address) => `malloc(16) = ${address}`, 0) + calls((address) => `free(${address})`, COUNT);
    const bytes = Buffer.from(text);
    return timeOf(() => expect(tally(bpftrace, bytes).ops).toEqual({ malloc: COUNT, free: COUNT }));
  };
  expect(read(CHOSEN) / read(ORDINARY)).toBeLessThan(MOST_GROWTH);
});
