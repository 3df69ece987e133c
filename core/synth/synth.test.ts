import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Ledger } from '../replay/ledger.ts';
import { Replay } from '../replay/replay.ts';
import { OP_NAMES, Op, type EventBatch } from '../trace/events.ts';
import { Trace } from '../trace/trace.ts';
import type { StackIndex } from '../units.ts';
import { Random } from './random.ts';
import { Synth, type SynthOptions, type SynthTruth } from './synth.ts';
import { WORKLOADS, type Leak } from './workloads.ts';

/** A made trace as an obvious account sees it: a map of live addresses and a ledger. */
interface Account {
  readonly trace: Trace;
  readonly truth: SynthTruth;
  readonly ledger: Ledger;
  readonly text: string[];
  readonly ops: Set<string>;
  frees: number;
  /** Frees by another thread than the one that allocated. */
  crossed: number;
}

const GRANULE = 16;

/** @throws Error for a call that no program makes: a free of what is not live, a block over a live one, a time that runs backwards. */
function account(options: SynthOptions): Account {
  const trace = new Trace();
  const ledger = new Ledger();
  const live = new Map<number, { bytes: number; stack: StackIndex; thread: number }>();
  const taken = new Set<number>();
  const result: Account = { trace, ledger, truth: undefined as never, text: [], ops: new Set(), frees: 0, crossed: 0 };
  let time = 0;
  const release = (address: number) => {
    const block = live.get(address);
    if (block === undefined) throw new Error('free of what is not live');
    live.delete(address);
    for (let granule = 0; granule < block.bytes; granule += GRANULE) taken.delete(address + granule);
    ledger.free(block.stack, block.bytes);
    return block;
  };
  const take = (batch: EventBatch) => {
    for (let row = 0; row < batch.length; row++) {
      const op = batch.op[row];
      const stack = batch.stack[row] as StackIndex;
      const ptr = batch.ptr[row];
      const old = batch.old[row];
      const bytes = op === Op.calloc ? batch.size[row] * batch.extra[row] : batch.size[row];
      if (batch.time[row] < time) throw new Error('time runs backwards');
      time = batch.time[row];
      result.text.push([op, batch.thread[row], time, ptr, old, batch.size[row], batch.extra[row], stack].join(' '));
      result.ops.add(OP_NAMES[op]);
      if (op === Op.free) {
        result.frees++;
        if (release(ptr).thread !== batch.thread[row]) result.crossed++;
      }
      if (old !== 0) release(old);
      if (op >= Op.free) continue;
      if (op === Op.aligned_alloc && ptr % batch.extra[row] !== 0) throw new Error('not aligned');
      for (let granule = 0; granule < bytes; granule += GRANULE) {
        if (taken.has(ptr + granule)) throw new Error('a block over a live one');
        taken.add(ptr + granule);
      }
      live.set(ptr, { bytes, stack, thread: batch.thread[row] });
      ledger.allocate(stack, bytes, time, result.text.length - 1);
    }
  };
  const synth = new Synth(trace, take, options);
  while (synth.run());
  return Object.assign(result, { truth: synth.truth() });
}

function liveUnder({ trace, ledger }: Account): { site: string; objects: number; bytes: number }[] {
  const found = [];
  for (const { stack, liveObjects, liveBytes } of ledger.rows()) {
    if (liveObjects === 0) continue;
    const [leaf] = trace.stacks.framesOf(stack);
    found.push({ site: trace.stacks.frames.frames[leaf].fn as string, objects: liveObjects, bytes: liveBytes });
  }
  return found.sort((a, b) => b.bytes - a.bytes);
}

function expectTruth(made: Account, options: SynthOptions): void {
  const { truth, ledger, trace } = made;
  expect(made.text).toHaveLength(options.events);
  expect(truth).toMatchObject({
    workload: options.workload,
    seed: options.seed,
    events: options.events,
    allocations: ledger.totalObjects,
    frees: made.frees,
    threads: trace.threads.length,
    requested_bytes_total: ledger.totalBytes,
    requested_bytes_peak: ledger.totalPeakBytes,
    requested_bytes_live: ledger.totalLiveBytes,
    objects_live: ledger.totalLiveObjects,
  });
  expect(truth.leaks.map(({ site, objects, bytes }) => ({ site, objects, bytes }))).toEqual(liveUnder(made));
}

describe('the truth is what an account of the events finds', () => {
  test.each([...WORKLOADS.keys()])('%s', (workload) => {
    const options = { workload, seed: 7, events: 30_000, leaks: [{ site: 'std::map<int, int>::insert', bytes: 48, every: 500 }] };
    const made = account(options);
    expectTruth(made, options);
    const { leaks, allocations } = made.truth;
    const own = leaks.find(({ site }) => site === 'std::map<int, int>::insert');
    expect(own?.bytes).toBe(48 * (own?.objects ?? 0));
    // Once in 500 allocations, within what a step may make at once.
    expect(own?.objects).toBeGreaterThan((0.9 * allocations) / 500);
    expect(own?.objects).toBeLessThanOrEqual(allocations / 500);
    // What is live at the end is what the leaks say, nothing else.
    expect(leaks).toHaveLength(1 + (WORKLOADS.get(workload)?.leaks.length ?? 0));
  });

  test('any options', () => {
    const leak: fc.Arbitrary<Leak> = fc.record({
      site: fc.constantFrom('a', '__proto__', 'b\n'),
      bytes: fc.integer({ min: 1, max: 5000 }),
      every: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(
        fc.record({
          workload: fc.constantFrom(...WORKLOADS.keys()),
          events: fc.integer({ min: 2, max: 3000 }),
          seed: fc.maxSafeNat(),
          threads: fc.integer({ min: 1, max: 20 }),
          live: fc.integer({ min: 1, max: 400 }),
          leaks: fc.array(leak, { maxLength: 3 }),
        }),
        (options) => expectTruth(account(options), options),
      ),
      { numRuns: 150 },
    );
  });

  test('a replay comes to the same figures', () => {
    const trace = new Trace();
    const replay = new Replay(trace);
    const synth = new Synth(trace, (batch) => void replay.take(batch), { workload: 'leak', seed: 3, events: 40_000 });
    while (synth.run());
    replay.finish(false);
    const { workload, seed, leaks, ...figures } = synth.truth();
    expect(replay.summary()).toMatchObject({ ...figures, skipped: {}, partial: false });
    expect(leaks.map(({ site }) => site)).toEqual(expect.arrayContaining(['leak_session', 'leak_log_line']));
  });
});

test('a seed gives one trace, another seed another', () => {
  const options = { workload: 'server', seed: 1, events: 5000 };
  const once = account(options).text;
  expect(account(options).text).toEqual(once);
  expect(account({ ...options, seed: 2 }).text).not.toEqual(once);
});

test('each workload does what it is named for', () => {
  const of = (workload: string, more: Partial<SynthOptions> = {}) => account({ workload, seed: 1, events: 20_000, live: 500, ...more });
  const server = of('server');
  for (const op of ['malloc', 'calloc', 'realloc', 'aligned_alloc', 'free', 'thread_exit']) expect(server.ops).toContain(op);
  const crossing = of('threads');
  expect(crossing.truth.threads).toBe(8);
  // All but the main thread's own block and its padding.
  expect(crossing.crossed).toBeGreaterThan(0.95 * crossing.frees);
  expect(of('churn').crossed).toBe(0);
  const few = of('churn', { live: 50 }).truth.requested_bytes_peak;
  expect(of('churn', { live: 2000 }).truth.requested_bytes_peak).toBeGreaterThan(5 * few);
});

test('random numbers are even, and the same everywhere', () => {
  const random = new Random(1, 1);
  const counts = new Float64Array(10);
  for (let i = 0; i < 100_000; i++) counts[random.below(10)]++;
  // Standard deviation 95.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  const tails = Array.from({ length: 10_000 }, () => random.tailed(64, 6));
  expect(Math.min(...tails)).toBeGreaterThanOrEqual(64);
  expect(Math.max(...tails)).toBeLessThan(64 * 2 ** 7);
  expect(tails.filter((size) => size < 128).length / 10_000).toBeCloseTo(0.5, 1);
  const first = new Random(2 ** 40 + 5, 3);
  expect(Array.from({ length: 4 }, () => first.next())).toMatchInlineSnapshot(`
    [
      -1786891100,
      384302791,
      515242231,
      1318371698,
    ]
  `);
});
