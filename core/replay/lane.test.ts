import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { auditHeap } from '../audit.ts';
import { HangError } from '../hang_error.ts';
import { addressOf, calloc, free, malloc, realloc } from '../jemalloc.ts';
import { Random } from '../synth/random.ts';
import { threadExit } from '../thread/lifecycle.ts';
import { EventBatch, Op } from '../trace/events.ts';
import { Trace } from '../trace/trace.ts';
import { type Bytes, type Nanoseconds, NO_STACK, type StackIndex, type ThreadIndex } from '../units.ts';
import { WINDOW } from './event_window.ts';
import { Lane } from './lane.ts';
import { Ledger } from './ledger.ts';
import { NO_MEMORY } from './live_row.ts';
import { Replay, type ReplayOptions } from './replay.ts';
import { modelBytes } from './summary.ts';
import { NULL_REGION, type Region } from '../extent/types.ts';

/** A call of a program; its blocks have numbers. */
interface Call {
  readonly op: number;
  readonly thread: number;
  readonly block: number;
  /** The block that a realloc takes, 0 for NULL. */
  readonly old?: number;
  /** Elements, of a calloc. */
  readonly count?: number;
  readonly size?: number;
  readonly stack?: number;
}

/** Time of a call, ns since the start, by its number; the CPU that it runs on, by its number and its thread. */
const timeOf = (event: number) => event * 1_000_000;
const cpuOf = (event: number, thread: number) => ((event >> 9) + thread) & 3;

const STACKS = 7;

/** A seeded program: four threads at a time that free each other's blocks, sizes of all classes, callocs, reallocs; others come for threads that end. */
function randomProgram(seed: number, events: number, largest = 20_000): Call[] {
  const random = new Random(seed);
  const live: number[] = [];
  const free: number[] = [];
  const program: Call[] = [];
  const threads = [0, 1, 2, 3];
  let blocks = 0;
  let turn = 0;
  const unused = () => (free.length > 100 ? (free.shift() as number) : ++blocks);
  while (program.length < events) {
    if (random.oneIn(20)) turn = random.below(4);
    const thread = threads[turn];
    if (thread !== 0 && random.oneIn(2000)) {
      program.push({ op: Op.thread_exit, thread, block: 0 });
      threads[turn] = Math.max(...threads) + 1;
    } else if (random.below(1000) < (live.length < 4000 ? 400 : 520) && live.length > 0) {
      // the youngest as often as any
      const at = random.oneIn(2) ? live.length - 1 : random.below(live.length);
      const block = live[at];
      live[at] = live.at(-1) as number;
      live.pop();
      free.push(block);
      program.push({ op: Op.free, thread, block });
    } else if (random.oneIn(4)) {
      // of NULL; to the same address; to another one
      const at = random.below(live.length);
      const old = random.oneIn(10) || live.length === 0 ? 0 : live[at];
      const stays = old !== 0 && random.oneIn(2);
      const block = stays ? old : unused();
      if (old === 0) live.push(block);
      else live[at] = block;
      if (old !== 0 && !stays) free.push(old);
      const size = random.oneIn(20) ? random.below(100_000) : random.oneIn(3) ? 1 + random.below(64) : random.tailed(1, 10);
      program.push({ op: Op.realloc, thread, block, old, size, stack: random.below(STACKS + 1) - 1 });
    } else {
      const block = unused();
      live.push(block);
      const size = random.oneIn(200) ? random.below(300_000) : random.oneIn(4) ? random.below(largest + 1) : random.tailed(1, 10) - 1;
      const count = random.oneIn(5) ? random.between(0, 5) : undefined;
      const stack = random.below(STACKS + 1) - 1;
      if (count === undefined) program.push({ op: Op.malloc, thread, block, size, stack });
      else program.push({ op: Op.calloc, thread, block, count, size: Math.floor(size / 3), stack });
    }
  }
  return program;
}

function numberedBatch(capacity: number): EventBatch {
  const batch = new EventBatch(capacity);
  batch.object = new Int32Array(capacity);
  batch.oldObject = new Int32Array(capacity);
  return batch;
}

/** The program in batches of so many rows, by default as a reader that numbers blocks gives them. */
function* batchesOf(program: readonly Call[], capacity: number, first = 0, newBatch = numberedBatch): Generator<EventBatch> {
  for (let from = 0; from < program.length; from += capacity) {
    const batch = newBatch(capacity);
    batch.cpu = new Int16Array(capacity);
    for (const { op, thread, block, old = 0, count = 0, size = 0, stack = -1 } of program.slice(from, from + capacity)) {
      const row = batch.length++;
      const event = first + from + row;
      batch.op[row] = op;
      batch.thread[row] = thread as ThreadIndex;
      batch.time[row] = timeOf(event) as Nanoseconds;
      batch.ptr[row] = block * 16;
      if (batch.object !== undefined) batch.object[row] = block;
      if (batch.oldObject !== undefined) batch.oldObject[row] = old;
      batch.old[row] = old * 16;
      batch.size[row] = size as Bytes;
      batch.extra[row] = count;
      batch.stack[row] = stack as StackIndex;
      batch.cpu[row] = cpuOf(event, thread);
    }
    yield batch;
  }
}

/** A replay that shows its live blocks. */
class OpenReplay extends Replay {
  regionOf(block: number): number {
    return this.live.has(block) ? this.live.region(block) : 0;
  }
}

function begin(options: ReplayOptions = {}, mmapTop?: bigint): OpenReplay {
  const trace = new Trace();
  if (mmapTop !== undefined) trace.header.mmapTop = mmapTop;
  for (let stack = 0; stack < STACKS; stack++) trace.stacks.intern([trace.stacks.frames.intern({ pc: 0x400000n + BigInt(stack) })]);
  return new OpenReplay(trace, options);
}

/** The places of blocks that are live, "none" for one that there was no memory for. */
function places(replay: Replay, blocks: number, regionOf: (block: number) => number): string[] {
  const found: string[] = [];
  for (let block = 1; block <= blocks; block++) {
    const region = regionOf(block);
    if (region === NO_MEMORY) found.push(`${block}: none`);
    else if (region !== 0) found.push(`${block}: region ${region} at ${addressOf(replay.heap, region as Region)}`);
  }
  return found;
}

function blocksOf(program: readonly Call[]): number {
  return program.reduce((most, { block }) => Math.max(most, block), 0);
}

/** All that a program comes to, by the lane, or one call after the other by the functions that programs call. */
interface Outcome {
  readonly places: readonly string[];
  readonly contexts: unknown;
  readonly totals: unknown;
  readonly peak: unknown;
  readonly outOfMemory: number;
  readonly profile: string;
  /** JSON, and the text: of owners of locks JSON says nothing. */
  readonly stats: readonly string[];
  readonly messages: readonly string[];
}

function outcome(replay: Replay, ledger: Ledger, rest: Pick<Outcome, 'places' | 'peak' | 'outOfMemory' | 'messages'>): Outcome {
  const { totalBytes, totalObjects, totalLiveBytes, totalLiveObjects, totalPeakBytes, totalPeakEvent, totalPeakTime, frees } = ledger;
  auditHeap(replay.heap);
  return {
    ...rest,
    contexts: [...ledger.rows()],
    // some are -0 as long as they are none
    totals: [totalBytes, totalObjects, totalLiveBytes, totalLiveObjects, totalPeakBytes, totalPeakEvent, totalPeakTime, frees].map(
      (n) => n + 0,
    ),
    profile: replay.heap.prof === null ? '' : replay.heapText(),
    stats: [replay.statsJson(), replay.statsText()],
  };
}

type BatchMaker = (replay: Replay, capacity: number) => EventBatch;

function inBatches(program: readonly Call[], capacity: number, conf: string, mmapTop?: bigint, newBatch?: BatchMaker): Outcome {
  const messages: string[] = [];
  const replay = begin({ conf, message: (text) => messages.push(text) }, mmapTop);
  const maker = newBatch && ((rows: number) => newBatch(replay, rows));
  for (const batch of batchesOf(program, capacity, 0, maker)) replay.take(batch);
  replay.finish(false);
  const { peak, out_of_memory } = replay.summary().model;
  const found = places(replay, blocksOf(program), (block) => replay.regionOf(block));
  return outcome(replay, replay.ledger, { places: found, peak, outOfMemory: out_of_memory, messages: [...messages] });
}

function callByCall(program: readonly Call[], conf: string, mmapTop?: bigint): Outcome {
  const messages: string[] = [];
  // it boots the model, and its clock wakes background threads
  const replay = begin({ conf, message: (text) => messages.push(text) }, mmapTop);
  const { heap } = replay;
  const ledger = new Ledger();
  const live = new Map<number, { region: number; bytes: number; stack: number }>();
  let peak = modelBytes(heap);
  let outOfMemory = 0;
  for (const [event, { op, thread, block, old = 0, count = 1, size = 0, stack = -1 }] of program.entries()) {
    replay.passTime(timeOf(event));
    const tsd = replay.tsdOf(thread);
    tsd.cpu = cpuOf(event, thread);
    const former = live.get(block);
    if (op === Op.thread_exit) {
      threadExit(heap, tsd);
    } else if (op === Op.free && former !== undefined) {
      live.delete(block);
      ledger.free(former.stack as StackIndex, former.bytes);
      ledger.frees++;
      if (former.region !== NO_MEMORY) free(heap, tsd, former.region as Region, stack as StackIndex);
    } else {
      const moved = live.get(old);
      if (moved !== undefined) {
        live.delete(old);
        ledger.free(moved.stack as StackIndex, moved.bytes);
      }
      const given =
        moved !== undefined && moved.region !== NO_MEMORY
          ? realloc(heap, tsd, moved.region as Region, size as Bytes, stack as StackIndex)
          : op === Op.calloc
            ? calloc(heap, tsd, count, size as Bytes, stack as StackIndex)
            : malloc(heap, tsd, size as Bytes, stack as StackIndex);
      if (given === NULL_REGION) outOfMemory++;
      live.set(block, { region: given === NULL_REGION ? NO_MEMORY : given, bytes: count * size, stack });
      ledger.allocate(stack as StackIndex, count * size, timeOf(event), event);
    }
    heap.background?.settle();
    if (ledger.newPeak) peak = modelBytes(heap);
    ledger.newPeak = false;
  }
  const found = places(replay, blocksOf(program), (block) => live.get(block)?.region ?? 0);
  return outcome(replay, ledger, { places: found, peak, outOfMemory, messages: [...messages] });
}

interface LaneRuns {
  /** Rows that lanes have run. */
  rows: number;
  /** Lanes that are running, one within what another one asked for. */
  running: number;
  /** Stretches that ended with an allocation that got no memory. */
  failures: number;
}

/** Looks at the lanes from here to the end of the test. */
function watchLanes(): LaneRuns {
  const seen: LaneRuns = { rows: 0, running: 0, failures: 0 };
  const { run } = Lane.prototype;
  const spy = vi.spyOn(Lane.prototype, 'run').mockImplementation(function (this: Lane, threads, from, to, event) {
    seen.running++;
    try {
      const stop = run.call(this, threads, from, to, event);
      seen.rows += stop - from;
      if (this.failed) seen.failures++;
      return stop;
    } finally {
      seen.running--;
    }
  });
  onTestFinished(() => spy.mockRestore());
  return seen;
}

describe('what the lane does, is what malloc, calloc, realloc and free do', () => {
  // with how much of the program the lane must have run
  test.each([
    ['', 0.9],
    ['narenas:1', 0.9],
    ['narenas:4,bin_shards:1-64:4|128-14336:64', 0.9],
    ['tcache_max:1024', 0.6],
    ['lg_tcache_max:0', 0],
    ['tcache:false', 0],
    ['tcache_nslots_small_max:1,tcache_nslots_small_min:1', 0.9],
    ['tcache_gc_incr_bytes:1024', 0.9],
    ['tcache_gc_incr_bytes:1024,tcache_gc_delay_bytes:0,lg_tcache_nslots_mul:4', 0.9],
    ['lg_tcache_flush_small_div:4,lg_tcache_nslots_mul:-3', 0.9],
    ['dirty_decay_ms:0,muzzy_decay_ms:0', 0.9],
    ['dirty_decay_ms:100,retain:false', 0.9],
    ['percpu_arena:percpu', 0.7],
    ['background_thread:true,dirty_decay_ms:50', 0.5],
    ['stats_interval:300000', 0.8],
    ['prof:true,lg_prof_sample:12', 0.6],
    ['prof:true,lg_prof_sample:19,prof_gdump:true,dirty_decay_ms:0', 0.9],
    ['hpa:true', 0.9],
    ['san_guard_small:2,san_guard_large:2', 0.9],
  ])('%s', (conf, share) => {
    const lanes = watchLanes();
    for (const seed of [1, 2]) {
      const program = randomProgram(seed, 4000, seed === 1 ? 20_000 : 5000);
      lanes.rows = 0;
      const result = inBatches(program, 5000, conf);
      expect(lanes.rows / program.length).toBeGreaterThanOrEqual(share);
      expect(result.places.length).toBeGreaterThan(100);
      expect(result).toEqual(callByCall(program, conf));
      if (seed === 1) expect(inBatches(program, 1, conf)).toEqual(result);
    }
  });
});

test.each([7, 100, WINDOW, WINDOW + 1, 3 * WINDOW + 100])('batches of %d rows come to the same', (capacity) => {
  const program = randomProgram(3, 3 * WINDOW + 100);
  expect(inBatches(program, capacity, '')).toEqual(inBatches(program, 1000, ''));
});

describe('batches whose columns lie in the replay’s memory come to the same', () => {
  const program = randomProgram(8, 3 * WINDOW + 100);
  // blocks that addresses number have other numbers
  const unplaced = (outcome: Outcome): Outcome => ({ ...outcome, places: [] });
  const ways: readonly (readonly [string, BatchMaker])[] = [
    ['with numbers', (replay, capacity) => replay.newBatch(capacity, true)],
    ['with addresses alone', (replay, capacity) => replay.newBatch(capacity)],
    [
      'with numbers from elsewhere',
      (replay, capacity) =>
        Object.assign(replay.newBatch(capacity), { object: new Int32Array(capacity), oldObject: new Int32Array(capacity) }),
    ],
    ['with addresses from elsewhere', (_, capacity) => new EventBatch(capacity)],
    ['some of them', (replay, capacity) => (replay.eventCount % 200 < 100 ? replay.newBatch(capacity, true) : numberedBatch(capacity))],
    [
      'some of them, with addresses',
      (replay, capacity) => (replay.eventCount % 200 < 100 ? replay.newBatch(capacity) : new EventBatch(capacity)),
    ],
  ];
  for (const [name, newBatch] of ways) {
    test.each([50, 100, WINDOW, 2 * WINDOW + 100])(`${name}: batches of %d rows`, (capacity) => {
      expect(unplaced(inBatches(program, capacity, '', undefined, newBatch))).toEqual(unplaced(inBatches(program, 1000, '')));
    });
  }
});

test('replays in turn, and one within what another one is asked for, do not disturb each other', () => {
  const program = randomProgram(4, 12_000);
  const others = randomProgram(5, 12_000);
  const conf = 'stats_interval:100000';
  const [alone] = inBatches(program, 5000, conf).stats;
  const inner = begin();
  const left = [...batchesOf(others, 2000)];
  const outer = begin({
    conf,
    message: () => {
      const batch = left.shift();
      if (batch !== undefined) inner.take(batch);
    },
  });
  for (const batch of batchesOf(program, 5000)) outer.take(batch);
  expect(left).toEqual([]);
  expect(outer.statsJson()).toBe(alone);
  expect(inner.statsJson()).toBe(inBatches(others, 2000, '').stats[0]);
});

test('a replay within what a lane asks for in the middle of a stretch does not disturb it', () => {
  const conf = 'prof:true,prof_gdump:true';
  const program = randomProgram(6, 6000);
  const others = randomProgram(7, 6000);
  const inner = begin();
  const left = [...batchesOf(others, 200)];
  const lanes = watchLanes();
  let within = 0;
  const outer = begin({
    conf,
    openFile: () => {
      if (lanes.running > 0) within++;
      const batch = left.shift();
      if (batch !== undefined) inner.take(batch);
      return { write: () => {}, close: () => {} };
    },
  });
  for (const batch of batchesOf(program, 5000)) outer.take(batch);
  expect(within).toBeGreaterThan(0);
  for (const batch of left) inner.take(batch);
  const alone = begin({ conf });
  for (const batch of batchesOf(program, 5000)) alone.take(batch);
  expect(outer.statsJson()).toBe(alone.statsJson());
  expect(inner.statsJson()).toBe(inBatches(others, 5000, '').stats[0]);
});

/** Mallocs of so many blocks, numbered from 1 on. */
function mallocs(blocks: number, size: number): Call[] {
  return Array.from({ length: blocks }, (_, i) => ({ op: Op.malloc, thread: 0, block: i + 1, size }));
}

describe('an allocation in the middle of a stretch that gets no memory', () => {
  /** The address below which there are so many MiB. */
  const topOf = (mebibytes: number) => 0x10000n + BigInt(mebibytes << 20);

  test('is counted once, and what is freed later is there again', () => {
    const top = topOf(24);
    const lanes = watchLanes();
    const fills = mallocs(9000, 4096);
    const frees = fills.map(({ block }) => ({ op: Op.free, thread: 0, block }));
    const program = [...fills, ...frees, ...mallocs(1000, 4096)];
    const result = inBatches(program, WINDOW, '', top);
    const none = result.places.filter((place) => place.endsWith('none')).length;
    const before = inBatches(fills, WINDOW, '', top);
    expect(before.outOfMemory).toBeGreaterThan(1000);
    expect(before.places.filter((place) => place.endsWith('none'))).toHaveLength(before.outOfMemory);
    // but for those that the table of live objects has to grow for first
    expect(lanes.failures).toBeGreaterThan(1.99 * before.outOfMemory);
    expect([result.outOfMemory, none]).toEqual([before.outOfMemory, 0]);
    expect(result).toEqual(callByCall(program, '', top));
  });

  // as much as lets every thread have its cache first: without it, the process ends
  test.each([
    ['narenas:1', 10],
    ['narenas:1,dirty_decay_ms:0', 10],
    ['narenas:1,tcache_nslots_small_min:200', 12],
    ['narenas:1,prof:true,lg_prof_sample:14', 12],
    ['narenas:1,retain:false', 10],
  ])('leaves a program what call by call leaves it: %s', (conf, mebibytes) => {
    const lanes = watchLanes();
    const program = randomProgram(8, 12_000);
    const result = inBatches(program, 5000, conf, topOf(mebibytes));
    expect(result.outOfMemory).toBeGreaterThan(lanes.failures);
    expect(lanes.failures).toBeGreaterThan(0);
    expect(result).toEqual(callByCall(program, conf, topOf(mebibytes)));
  });
});

test('where the real library never returns, the event is named, in the middle of a stretch, too', () => {
  const conf = 'hpa:true,narenas:1,hpa_sec_nshards:0,hpa_hugify_delay_ms:0,hpa_hugification_threshold_ratio:0.5,hpa_dirty_mult:0';
  const program = mallocs(1000, 4096);
  const { heap } = begin({ conf });
  let event = 0;
  expect(() => {
    for (; ; event++) {
      heap.now = timeOf(event);
      malloc(heap, heap.tsds[0], 4096 as Bytes, NO_STACK);
    }
  }).toThrow(HangError);
  const lanes = watchLanes();
  for (const capacity of [1, 100, WINDOW]) {
    const replay = begin({ conf });
    expect(() => {
      for (const batch of batchesOf(program, capacity)) replay.take(batch);
    }).toThrow(`trace: event ${event}: the real jemalloc hangs here: `);
    expect(lanes.running).toBe(0);
  }
  expect(lanes.rows).toBeGreaterThan(event);
});

test('the clock goes on where the lane fills and flushes caches', () => {
  const fills = mallocs(3000, 4096);
  const round = [...fills, ...fills.map(({ block }) => ({ op: Op.free, thread: 0, block }))];
  const program = [...round, ...round, ...round];
  const lanes = watchLanes();
  const conf = 'dirty_decay_ms:2000,narenas:1';
  expect(inBatches(program, 5000, conf)).toEqual(callByCall(program, conf));
  expect(lanes.rows / program.length).toBeGreaterThan(0.99);
});

test('peaks are the same however few rows a batch has', () => {
  // each round holds more than any before, in caches that soon are full, gives most of it back, and takes less again
  const program: Call[] = [];
  const push = (op: number, from: number, to: number, round: number) => {
    for (let block = from; block <= to; block++) {
      program.push({ op, thread: block & 1, block, size: 1 + ((block * round) % 3) * 2000 });
    }
  };
  for (let round = 1; round <= 30; round++) {
    const most = round * 10;
    push(Op.malloc, 1, most, round);
    push(Op.free, 1 + round, most, round);
    push(Op.malloc, 1 + round, 5 * round, round);
    push(Op.free, 1, 5 * round, round);
  }
  const conf = 'tcache_nslots_small_max:2,dirty_decay_ms:0';
  for (let calls = 500; calls < program.length; calls += 3000) {
    const { peak, totals } = callByCall(program.slice(0, calls), conf);
    for (const capacity of [1, 100, WINDOW]) expect(inBatches(program.slice(0, calls), capacity, conf)).toMatchObject({ peak, totals });
  }
});

test('a peak is noted before a realloc to less, which takes a slab of another class', () => {
  const program: Call[] = [...mallocs(50, 1000), { op: Op.realloc, thread: 0, block: 1, old: 1, size: 24 }];
  const { peak } = callByCall(program, '');
  const atPeak = callByCall(program.slice(0, -1), '');
  expect(peak).toEqual(atPeak.peak);
  for (const capacity of [1, WINDOW]) expect(inBatches(program, capacity, '').peak).toEqual(peak);
});

test('a realloc to where another block still lives ends that one, and counts it', () => {
  const program: Call[] = [
    ...mallocs(3, 100),
    { op: Op.realloc, thread: 0, block: 2, old: 1, size: 200 },
    { op: Op.realloc, thread: 0, block: 3, old: 0, size: 300 },
    { op: Op.realloc, thread: 0, block: 1, old: 5, size: 400 },
  ];
  for (const capacity of [1, WINDOW]) {
    const replay = begin();
    for (const batch of batchesOf(program, capacity)) replay.take(batch);
    replay.finish(false);
    const { skipped, objects_live, requested_bytes_live, allocations, frees } = replay.summary();
    expect({ ...skipped }).toEqual({ reused: 2, free_unknown: 1 });
    expect([objects_live, requested_bytes_live, allocations, frees]).toEqual([3, 900, 6, 0]);
  }
});

test.each([1, 4095, 4097, 5678])('a replay that is to end before event %d is one of so many events', (event) => {
  const program = randomProgram(9, 8000);
  const replay = begin({ until: { event } });
  for (const batch of batchesOf(program, 8000)) expect(replay.take(batch)).toBe(false);
  replay.finish(false);
  const part = begin();
  for (const batch of batchesOf(program.slice(0, event), 8000)) part.take(batch);
  part.finish(true);
  const threads = new Set(program.slice(0, event).map(({ thread }) => thread)).size;
  expect(replay.summary()).toEqual({ ...part.summary(), events: event, threads, partial: true });
  expect(replay.statsJson()).toBe(part.statsJson());
});

test('threads that come and go leave nothing in the memory of the model but what names them', () => {
  const replay = begin();
  const THREADS = 10_000;
  const program: Call[] = [];
  for (let thread = 1; thread <= THREADS; thread++) {
    program.push(
      { op: Op.malloc, thread, block: 1, size: 100 },
      { op: Op.free, thread, block: 1 },
      { op: Op.thread_exit, thread, block: 0 },
    );
  }
  const few = 3 * 100;
  for (const batch of batchesOf(program.slice(0, few), few)) replay.take(batch);
  const before = replay.heap.memory.buffer.byteLength;
  for (const batch of batchesOf(program.slice(few), WINDOW, few)) replay.take(batch);
  expect(replay.heap.tsds).toHaveLength(THREADS + 1);
  // a cache of each would be 150 MB
  expect(replay.heap.memory.buffer.byteLength - before).toBeLessThan(THREADS * 400);
});
