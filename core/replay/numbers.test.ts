import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ColumnMemory } from '../memory.ts';
import { EventBatch, Op } from '../trace/events.ts';
import { EventWindow } from './event_window.ts';
import { AddressNumbers } from './numbers.ts';
import type { Bytes } from '../units.ts';

/** The obvious way: a Map, and a stack of free numbers. */
class Twin {
  readonly #numbers = new Map<number, number>();
  readonly #free: number[] = [];
  #given = 1;

  claim(address: number): number {
    if (address === 0) return 0;
    const number = this.#numbers.get(address) ?? this.#free.pop() ?? this.#given++;
    this.#numbers.set(address, number);
    return number;
  }

  release(address: number): number {
    const number = this.#numbers.get(address);
    if (number === undefined) return 0;
    this.#numbers.delete(address);
    this.#free.push(number);
    return number;
  }
}

interface Call {
  readonly op: number;
  readonly ptr: number;
  readonly old: number;
  readonly size: number;
}

/** What the twin gives for a call: `object` and `oldObject`. */
function expected(twin: Twin, { op, ptr, old, size }: Call): [number, number] {
  if (op === Op.free) return [twin.release(ptr), 0];
  if (op > Op.free) return [0, 0];
  const former = op === Op.realloc && !(ptr === 0 && size !== 0) ? twin.release(old) : 0;
  return [twin.claim(ptr), former];
}

function compare(calls: readonly Call[]): void {
  const numbers = new AddressNumbers(new EventWindow(new ColumnMemory()));
  const twin = new Twin();
  const batch = new EventBatch(256);
  for (let from = 0; from < calls.length; from += batch.capacity) {
    const some = calls.slice(from, from + batch.capacity);
    batch.length = some.length;
    some.forEach(({ op, ptr, old, size }, row) => {
      batch.op[row] = op;
      batch.ptr[row] = ptr;
      batch.old[row] = old;
      batch.size[row] = size as Bytes;
    });
    const { object, old } = numbers.number(batch);
    const wanted = some.map((call) => expected(twin, call));
    // of reallocs alone the numbers of what they took are told
    expect(some.map(({ op }, row) => [object[row], op === Op.realloc ? old[row] : 0])).toEqual(wanted);
    numbers.check();
  }
}

/** Where addresses begin, how far they lie apart, and among how many. */
const PLACES = [
  [0, 1, 300],
  [0x7f00_0000_0000, 8, 300],
  [0x7f00_0000_0010, 16, 1000],
  [0x55d0_0000_0010, 48, 1000],
  [0x1003, 272, 1000],
  [0x1000, 4096, 3000],
  [2 ** 47 - 0x100000, 100_000_007, 1000],
  [2 ** 52, 2 ** 33 + 24, 500],
] as const;

test.each(PLACES)('numbers of addresses from %d on, %d apart, are those that a Map gives', (first, distance, among) => {
  const address = fc.integer({ min: 0, max: among - 1 }).map((index) => first + index * distance);
  const call = fc.record({
    op: fc.constantFrom(Op.malloc, Op.malloc, Op.malloc, Op.free, Op.free, Op.realloc, Op.calloc, Op.malloc_usable_size),
    ptr: fc.oneof({ weight: 20, arbitrary: address }, { weight: 1, arbitrary: fc.constant(0) }),
    old: fc.oneof({ weight: 10, arbitrary: address }, { weight: 1, arbitrary: fc.constant(0) }),
    size: fc.constantFrom(0, 1),
  });
  fc.assert(
    fc.property(fc.array(call, { minLength: 1, maxLength: 4000, size: 'max' }), (calls) => compare(calls)),
    { numRuns: 15 },
  );
});

test('a program that wanders through memory keeps its numbers, and comes back to pages that were given up', () => {
  const calls: Call[] = [];
  const at = (page: number) => 0x7f00_0000_0000 + page * 4096;
  for (let page = 0; page < 20_000; page++) {
    calls.push({ op: Op.malloc, ptr: at(page), old: 0, size: 1 });
    if (page >= 50 && page % 100 !== 0) calls.push({ op: Op.free, ptr: at(page - 50), old: 0, size: 0 });
  }
  for (let page = 0; page < 20_000; page += 7) calls.push({ op: Op.free, ptr: at(page), old: 0, size: 0 });
  compare(calls);
});

test('blocks that lie pages apart take less than 200 bytes each', () => {
  const memory = new ColumnMemory();
  const numbers = new AddressNumbers(new EventWindow(memory));
  const batch = new EventBatch(1000);
  batch.length = batch.capacity;
  let last = 0;
  for (let block = 0; block < 200_000; ) {
    for (let row = 0; row < batch.length; row++) batch.ptr[row] = 0x7f00_0000_0010 + 8192 * block++;
    last = numbers.number(batch).object[batch.length - 1];
  }
  expect(last).toBe(200_000);
  expect(memory.buffer.byteLength / 200_000).toBeLessThan(200);
});

/** Bytes of a chunk. A Fibonacci number of them is how far addresses lie apart whose hashes by the golden ratio are nearly the same. */
const CHUNK = 65536;
const UNLUCKY = 832_040 * CHUNK;

test('addresses that hash to the same slots keep their numbers', () => {
  const calls: Call[] = [];
  const at = (index: number) => 0x10010 + index * UNLUCKY;
  for (let index = 0; index < 6000; index++) {
    calls.push({ op: Op.malloc, ptr: at(index), old: 0, size: 1 });
    if (index % 3 === 0)
      calls.push({ op: Op.free, ptr: at(index + 7), old: 0, size: 0 }, { op: Op.malloc, ptr: index * CHUNK, old: 0, size: 1 });
    if (index % 5 === 0) calls.push({ op: Op.free, ptr: at(index >> 1), old: 0, size: 0 });
  }
  compare(calls);
});

test('addresses that hash to the same slots take no longer than others', () => {
  const time = (distance: number): number => {
    const numbers = new AddressNumbers(new EventWindow(new ColumnMemory()));
    const batch = new EventBatch(1000);
    batch.length = batch.capacity;
    const before = process.cpuUsage();
    for (let block = 0; block < 20_000; ) {
      for (let row = 0; row < batch.length; row++) batch.ptr[row] = ++block * distance;
      numbers.number(batch);
    }
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  const best = (distance: number) => Math.min(time(distance), time(distance), time(distance));
  const ordinary = best(CHUNK);
  expect(best(UNLUCKY) / ordinary).toBeLessThan(10);
});

test('what is wrong in the tree is found', () => {
  /** Numbers blocks that lie alone, each at the beginning of a chunk; then writes `after` over the one word of the memory that is `before`. */
  const broken = (before: number, after: number): void => {
    const memory = new ColumnMemory();
    const numbers = new AddressNumbers(new EventWindow(memory));
    const batch = new EventBatch();
    for (let row = 0; row < 200; row++) batch.ptr[row] = FIRST + row * CHUNK;
    batch.length = 200;
    numbers.number(batch);
    numbers.check();
    const words = new Uint32Array(memory.buffer, 0, memory.memory.buffer.byteLength / 4);
    expect(words.filter((word) => word === before)).toHaveLength(1);
    words[words.indexOf(before)] = after;
    numbers.check();
  };
  const FIRST = 0x7f00_0000_0000;
  /** The entry of such a block. */
  const entry = (number: number): number => (number << 6) | 32;
  expect(() => broken(entry(150), entry(1))).toThrow('numbers: a number belongs to two blocks');
  expect(() => broken(entry(150), entry(4000))).toThrow('numbers: a number belongs to two blocks, or is spare');
  expect(() => broken(entry(150), 0)).toThrow('numbers: one is neither live nor spare');
  expect(() => broken(FIRST / CHUNK + 7, 7)).toThrow('numbers: a chunk lies elsewhere');
});
