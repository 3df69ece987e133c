import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { Decay } from './decay.ts';
import { arenaDecay, decayMsSet } from './pac.ts';
import { State } from './edata.ts';

/** A decay as the description has it, in whole numbers of any size: jitter, backlog, limit. */
class Twin {
  jitter: bigint;
  epoch: bigint;
  deadline = 0n;
  backlog: bigint[] = Array.from({ length: 200 }, () => 0n);
  unpurged = 0n;
  limit = 0n;
  readonly interval: bigint;

  constructor(address: number, now: number, ms: number) {
    this.jitter = BigInt(address);
    this.interval = (BigInt(ms) * 1_000_000n) / 200n;
    this.epoch = BigInt(now);
    this.#arm();
  }

  #arm(): void {
    let lg = 0n;
    while (1n << lg < this.interval) lg++;
    let drawn: bigint;
    do {
      this.jitter = BigInt.asUintN(64, this.jitter * 6364136223846793005n + 1442695040888963407n);
      drawn = this.jitter >> (64n - lg);
    } while (drawn >= this.interval);
    this.deadline = this.epoch + this.interval + drawn;
  }

  advance(now: number, pages: number): boolean {
    if (this.deadline > BigInt(now)) return false;
    const epochs = (BigInt(now) - this.epoch) / this.interval;
    this.epoch += epochs * this.interval;
    this.#arm();
    const current = BigInt(pages);
    for (let shifted = 0n; shifted < epochs && shifted < 200n; shifted++) this.backlog = [...this.backlog.slice(1), 0n];
    this.backlog[199] = current > this.unpurged ? current - this.unpurged : 0n;
    // 2^24 times the smoothstep at x = i/200, exactly
    const step = (i: bigint) => ((6n * i ** 5n - 15n * 200n * i ** 4n + 10n * 200n ** 2n * i ** 3n) << 24n) / 200n ** 5n;
    this.limit = this.backlog.reduce((sum, delta, i) => sum + delta * step(BigInt(i) + 1n), 0n) >> 24n;
    this.unpurged = this.limit > current ? this.limit : current;
    return true;
  }
}

test('epochs, deadlines and limits are those of a twin in whole numbers', () => {
  const wait = fc.oneof(
    fc.integer({ min: 0, max: 1_000_000 }),
    fc.integer({ min: 0, max: 100_000_000 }),
    fc.integer({ min: 0, max: 20_000_000_000 }),
  );
  const steps = fc.array(fc.record({ wait, pages: fc.integer({ min: 0, max: 5_000_000 }) }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 47 }), fc.constantFrom(1, 3, 100, 500, 10_000, 1_000_000), steps, (address, ms, list) => {
      let now = 0;
      const decay = new Decay(address, now, ms);
      const twin = new Twin(address, now, ms);
      for (const step of list) {
        now += step.wait;
        expect(decay.maybeAdvanceEpoch(now, step.pages)).toBe(twin.advance(now, step.pages));
        expect([decay.epoch, decay.deadline]).toEqual([Number(twin.epoch), Number(twin.deadline)]);
        expect([decay.pagesLimit, decay.pagesUnpurged]).toEqual([Number(twin.limit), Number(twin.unpurged)]);
        decay.check();
      }
    }),
    { numRuns: 60 },
  );
});

test('the longest times are whole numbers of nanoseconds, and a product past 64 bits is cut before it is halved', () => {
  for (const ms of [2000, 18446744071999]) {
    const decay = new Decay(2 ** 40, 0, ms);
    const epoch = BigInt(ms) * 5000n;
    expect(decay.timeUntilPurge(0, 1024)).toBe(2n ** 64n - 1n);
    decay.maybeAdvanceEpoch(decay.deadline, 5000);
    expect(decay.timeUntilPurge(1000, 1024)).toBe(200n * epoch);
    expect(decay.timeUntilPurge(5000, 2000)).toBe((177n * epoch) / 2n);
    expect(decay.timeUntilPurge(5000, 2600)).toBe((301n * epoch - (ms === 2000 ? 0n : 2n ** 64n)) / 2n);
    expect([decay.pagesPurgedIn(100n * epoch - 1n, 5000), decay.pagesPurgedIn(100n * epoch, 5000)]).toEqual([2453, 2500]);
  }
});

test('a time of 0 or -1 draws nothing', () => {
  expect(new Decay(12345, 7, 0).deadline).toBe(7);
  expect(new Decay(12345, 7, -1).deadline).toBe(7);
});

describe('in an arena', () => {
  const dirtied = (conf: string) => {
    const p = new Program(`narenas:1,tcache:false,${conf}`);
    p.free(p.memalign(4096, 400_000));
    return p;
  };
  const pages = (p: Program) => [p.arena().dirty.pages, p.arena().muzzy.pages];

  test('0: all goes at once, and straight to retained', () => {
    const p = dirtied('dirty_decay_ms:0,muzzy_decay_ms:1000');
    expect(pages(p)).toEqual([0, 0]);
    expect([p.arena().decayDirty.npurge, p.arena().decayMuzzy.npurge]).toEqual([1, 0]);
  });

  test('-1: nothing goes by itself', () => {
    const p = dirtied('dirty_decay_ms:-1');
    arenaDecay(p.at(1e6).heap, p.arena(), false);
    expect(pages(p)).toEqual([113, 0]);
  });

  test('a part is muzzy, then retained', () => {
    const p = dirtied('dirty_decay_ms:1000,muzzy_decay_ms:1000');
    arenaDecay(p.at(20).heap, p.arena(), false);
    expect(pages(p)).toEqual([113, 0]);
    arenaDecay(p.at(900).heap, p.arena(), false);
    expect(pages(p)).toEqual([0, 113]);
    arenaDecay(p.at(901).heap, p.arena(), false);
    expect(pages(p)).toEqual([0, 113]);
    // a few pages are due, and whole extents go
    arenaDecay(p.at(1000).heap, p.arena(), false);
    expect(pages(p)).toEqual([0, 0]);
    expect([p.arena().decayDirty.purged, p.arena().decayMuzzy.purged]).toEqual([113, 113]);
  });

  test('a new time starts afresh; 0 purges now', () => {
    const p = dirtied('dirty_decay_ms:1000');
    decayMsSet(p.at(500).heap, p.arena(), State.dirty, 2000);
    expect([p.arena().decayDirty.epoch, pages(p)]).toEqual([500_000_000, [113, 0]]);
    decayMsSet(p.heap, p.arena(), State.dirty, 0);
    expect(pages(p)).toEqual([0, 0]);
  });

  test('every thousandth operation pays for it, on average', () => {
    const p = new Program('narenas:1,tcache:false,dirty_decay_ms:1');
    const a = p.malloc(100);
    let fired = 0;
    const operations = 200_000;
    let before = p.tsd.tick;
    for (let i = 0; i < operations; i++) {
      p.realloc(a, 100);
      if (p.tsd.tick >= before) fired++;
      before = p.tsd.tick;
    }
    expect(fired).toBeGreaterThan(operations / 1000 / 2);
    expect(fired).toBeLessThan((operations / 1000) * 2);
  });
});
