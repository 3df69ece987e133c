import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detachedMemory } from '../../fixtures/detached_memory.ts';
import { getU64 } from '../u64.ts';
import { Ckh } from './ckh.ts';
import type { KeyHashes } from './ckh.ts';
import type { ProfMemory } from './host.ts';
import { BacktraceTable } from './prof_bt.ts';
import type { StackIndex } from '../units.ts';

/** Memory that only writes down what is asked of it: "+bytes" and "-bytes". */
function recordingMemory(log: string[]): ProfMemory {
  const sizes: number[] = [];
  return {
    iallocztm(_thread, size, alignment, arena) {
      log.push(`+${size}`);
      if (alignment !== 64 || arena !== 3) throw new Error('a table is aligned to 64 and lies in the internal arena');
      return sizes.push(size) - 1;
    },
    idalloctm: (_thread, handle) => log.push(`-${sizes[handle]}`),
    arenaIchoose: () => 3,
  };
}

const state = (table: Ckh<number, number>) => getU64(table.prng, 0).toString(16).padStart(16, '0');

/** Keys i = 0, 1, … of three frames 0x400000 + 0x1000 i + {0, 0x10, 0x20}. */
function threeFrameKeys(count: number): KeyHashes {
  const stacks = {
    framesOf: (stack: number) => [3 * stack, 3 * stack + 1, 3 * stack + 2],
    frames: { addressOf: (frame: number) => BigInt(0x400000 + 0x1000 * Math.floor(frame / 3) + 0x10 * (frame % 3)) },
  };
  const backtraces = new BacktraceTable(stacks, detachedMemory());
  for (let i = 0; i < count; i++) expect(backtraces.rowOf(i as StackIndex)).toBe(i);
  return backtraces;
}

describe('cuckoo hash table', () => {
  test('grows and shrinks where the library does, with the same generator states', () => {
    const log: string[] = [];
    const table = new Ckh(recordingMemory(log), 0, threeFrameKeys(1200));
    const states: string[] = [];
    const growths: [number, string][] = [];
    for (let i = 0; i < 1200; i++) {
      const before = log.length;
      table.insert(0, i, i * 7);
      if (i === 0) expect(table.keys.indexOf(1)).toBe(118);
      if (i < 4) states.push(state(table));
      if (log.length > before) growths.push([i, state(table)]);
    }
    expect(states).toEqual(['91778aed87ee5eb1', '39b7f8a5c64cf56c', '69afc5a5e88b394b', 'a161c43f85f3c87e']);
    // The 117th, 219th, 483rd and 887th key.
    expect(growths).toEqual([
      [116, '3473f6a751cf6c62'],
      [218, 'bc970f3b0dbbc3f1'],
      [482, '2fbc4d2bf4a3590a'],
      [886, 'e5d5c5dcd90497a4'],
    ]);
    expect(log).toEqual(['+2048', '+4096', '-2048', '+8192', '-4096', '+16384', '-8192', '+32768', '-16384']);

    log.length = 0;
    const shrinks: number[] = [];
    for (let i = 0; i < 1200; i++) {
      const before = log.length;
      expect(table.search(i)).toBe(i * 7);
      table.remove(0, i);
      expect(table.search(i)).toBe(-1);
      if (log.length > before) shrinks.push(table.count);
      if (i % 97 === 0) table.check();
    }
    expect(shrinks).toEqual([511, 255, 127, 63]);
    expect(log).toEqual(['+16384', '-32768', '+8192', '-16384', '+4096', '-8192', '+2048', '-4096']);
    table.delete(0);
    expect(log.at(-1)).toBe('-2048');
  });

  test('equals the slow twin for any keys, colliding ones too', () => {
    // Hashes whose low bits take few values: rebuilds fail, and tables double several times at once.
    const keys = fc.record({
      lowValues: fc.integer({ min: 6, max: 40 }),
      highBitsFrom: fc.integer({ min: 5, max: 7 }),
      count: fc.integer({ min: 20, max: 160 }),
    });
    let failedRebuilds = 0;
    let shrinks = 0;
    fc.assert(
      fc.property(
        keys,
        fc.infiniteStream(fc.nat(2 ** 30)),
        fc.infiniteStream(fc.nat(2 ** 30)),
        ({ lowValues, highBitsFrom, count }, words, steps) => {
          const hash = () => (words.next().value! % lowValues) + (words.next().value! % 4096) * 2 ** highBitsFrom;
          const pairs = Array.from({ length: count }, () => [hash(), hash()] as const);
          const columns = { hash0: Uint32Array.from(pairs, ([h0]) => h0), hash1: Uint32Array.from(pairs, ([, h1]) => h1) };
          const log: string[] = [];
          const twinLog: string[] = [];
          const table = new Ckh(recordingMemory(log), 0, columns);
          const twin = new SlowCuckoo(pairs, twinLog);
          const present = new Set<number>();
          for (let i = 0; i < 4 * count; i++) {
            const key = steps.next().value! % count;
            // The first half mostly inserts, the second mostly removes.
            const removing = i > 2 * count;
            if (!present.has(key) && !removing) {
              table.insert(0, key, key + 1000);
              twin.insert(key);
              present.add(key);
            } else if (present.has(key) && removing) {
              table.remove(0, key);
              twin.remove(key);
              present.delete(key);
            }
          }
          table.check();
          expect(log).toEqual(twinLog);
          log.forEach((line, i) => {
            if (i === 0 || !line.startsWith('-')) return;
            if (log[i - 1].slice(1) === line.slice(1)) failedRebuilds++;
            else if (Number(line) < -Number(log[i - 1])) shrinks++;
          });
          expect([...table.keys]).toEqual(twin.cells().map((key) => key + 1));
          expect(getU64(table.prng, 0)).toBe(twin.state);
          for (const key of present) expect(table.search(key)).toBe(key + 1000);
        },
      ),
      { numRuns: 40 },
    );
    expect(failedRebuilds).toBeGreaterThan(0);
    expect(shrinks).toBeGreaterThan(0);
  });
});

/** The table as buckets of plain arrays, written from the rules; a cell holds a key or -1. */
class SlowCuckoo {
  state = 42n;
  buckets: number[][] = Array.from({ length: 32 }, () => [-1, -1, -1, -1]);
  readonly hashes: readonly (readonly [number, number])[];
  readonly log: string[];
  constructor(hashes: readonly (readonly [number, number])[], log: string[]) {
    this.hashes = hashes;
    this.log = log;
    log.push('+2048');
  }
  cells = () => this.buckets.flat();
  draw(): number {
    this.state = BigInt.asUintN(64, this.state * 6364136223846793005n + 1442695040888963407n);
    return Number(this.state >> 62n);
  }
  place(bucket: number[], key: number): boolean {
    const offset = this.draw();
    const free = [0, 1, 2, 3].map((i) => (i + offset) % 4).find((i) => bucket[i] === -1);
    if (free === undefined) return false;
    bucket[free] = key;
    return true;
  }
  /** The key left without a cell, or -1. */
  tryInsert(buckets: number[][], key: number): number {
    const n = buckets.length;
    if (this.place(buckets[this.hashes[key][0] % n], key)) return -1;
    const start = this.hashes[key][1] % n;
    if (this.place(buckets[start], key)) return -1;
    for (let at = start; ; ) {
      const i = this.draw();
      const evicted = buckets[at][i];
      buckets[at][i] = key;
      key = evicted;
      const [h0, h1] = this.hashes[key];
      const next = h1 % n !== at ? h1 % n : h0 % n;
      if (next === start) return key;
      at = next;
      if (this.place(buckets[at], key)) return -1;
    }
  }
  resize(n: number): boolean {
    const fresh = Array.from({ length: n }, () => [-1, -1, -1, -1]);
    this.log.push(`+${n * 64}`);
    for (const key of this.cells()) {
      if (key !== -1 && this.tryInsert(fresh, key) !== -1) {
        this.log.push(`-${n * 64}`);
        return false;
      }
    }
    this.log.push(`-${this.buckets.length * 64}`);
    this.buckets = fresh;
    return true;
  }
  insert(key: number): void {
    for (let homeless = this.tryInsert(this.buckets, key); homeless !== -1; homeless = this.tryInsert(this.buckets, homeless)) {
      let n = this.buckets.length * 2;
      while (!this.resize(n)) n *= 2;
    }
  }
  remove(key: number): void {
    for (const bucket of this.buckets) if (bucket.includes(key)) bucket[bucket.indexOf(key)] = -1;
    const used = this.cells().filter((cell) => cell !== -1).length;
    if (used < this.buckets.length && this.buckets.length > 32) this.resize(this.buckets.length / 2);
  }
}
