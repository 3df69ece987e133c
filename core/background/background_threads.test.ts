import { expect, test } from 'vitest';
import { Replay } from '../replay/replay.ts';
import { EventBatch, Op } from '../trace/events.ts';
import { Trace } from '../trace/trace.ts';
import { type Bytes, type Nanoseconds, NO_STACK } from '../units.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;

interface Call {
  readonly time: number;
  readonly op: Op;
  readonly ptr: number;
  readonly size?: number;
}

function replayOf(conf: string, calls: readonly Call[], capacity = 4096): Replay {
  const trace = new Trace();
  trace.threads.intern(1);
  const replay = new Replay(trace, { conf, ncpus: 2 });
  const batch = new EventBatch(capacity);
  for (let from = 0; from < calls.length; from += capacity) {
    const some = calls.slice(from, from + capacity);
    batch.length = some.length;
    some.forEach(({ time, op, ptr, size = 0 }, row) => {
      batch.time[row] = time as Nanoseconds;
      batch.op[row] = op;
      batch.ptr[row] = ptr;
      batch.size[row] = size as Bytes;
      batch.stack[row] = NO_STACK;
    });
    replay.take(batch);
  }
  return replay;
}

/** 10 MB in blocks of 100 kB, freed at once. */
function burst(time: number): Call[] {
  const blocks = Array.from({ length: 100 }, (_, block) => 4096 * (block + 1));
  return [
    ...blocks.map((ptr) => ({ time, op: Op.malloc, ptr, size: 100_000 })),
    ...blocks.map((ptr) => ({ time: time + MS, op: Op.free, ptr })),
  ];
}

/** Small blocks in the cache of the thread, for so long: nothing in them makes pages decay. */
const idling = (from: number, to: number): Call[] =>
  Array.from({ length: Math.floor((to - from) / SECOND) }, (_, second) => [
    { time: from + second * SECOND, op: Op.malloc, ptr: 64, size: 8 },
    { time: from + second * SECOND + 1, op: Op.free, ptr: 64 },
  ]).flat();

/** Pages purged of arena 0 that were dirty, and what the threads have done. */
function purged(replay: Replay): { readonly dirty: number; readonly runs: number } {
  replay.mallctl('epoch', 1);
  return {
    dirty: Number(replay.mallctl('stats.arenas.0.dirty_purged')),
    runs: Number(replay.mallctl('stats.background_thread.num_runs')),
  };
}

test('dirty pages of a program that does nothing more are purged, which nobody does without background threads', () => {
  const calls = [...burst(SECOND), ...idling(2 * SECOND, 60 * SECOND)];
  const conf = 'narenas:1,dirty_decay_ms:5000,muzzy_decay_ms:0';
  expect(purged(replayOf(conf, calls))).toEqual({ dirty: 0, runs: 0 });
  const { dirty, runs } = purged(replayOf(`${conf},background_thread:true`, calls));
  expect(dirty).toBeGreaterThan(2000);
  expect(runs).toBeGreaterThan(3);
});

test('however the calls are batched, the threads run at the same times', () => {
  const calls = [...burst(SECOND), ...idling(2 * SECOND, 9 * SECOND), ...burst(9 * SECOND), ...idling(10 * SECOND, 40 * SECOND)];
  const conf = 'background_thread:true,narenas:1,dirty_decay_ms:3000,muzzy_decay_ms:1000';
  const stats = [1, 3, 100, 4096].map((capacity) => replayOf(conf, calls, capacity).statsJson());
  expect(new Set(stats).size).toBe(1);
});

test('a free that was lost is a call of its own, after which the threads run', () => {
  const malloc = (time: number, size: number): Call => ({ time, op: Op.malloc, ptr: 64, size });
  const conf = 'background_thread:true,narenas:1,tcache:false';
  const lost = replayOf(conf, [malloc(0, 868), malloc(MS, 13_093)]);
  const recorded = replayOf(conf, [malloc(0, 868), { time: MS, op: Op.free, ptr: 64 }, malloc(MS, 13_093)]);
  const prints = (replay: Replay) => [replay.statsJson(), replay.statsText()];
  expect(prints(lost)).toEqual(prints(recorded));
});

test('time that goes by between batches lets them run, too', () => {
  const replay = replayOf('background_thread:true,narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0', burst(SECOND));
  expect(purged(replay).dirty).toBe(0);
  replay.passTime(30 * SECOND);
  expect(purged(replay).dirty).toBeGreaterThan(2000);
});

test('a wakeup past the clock’s 64 bits is one in the past, and is at once', () => {
  const conf = 'background_thread:true,narenas:1,dirty_decay_ms:18446744072000,muzzy_decay_ms:0';
  expect(purged(replayOf(conf, burst(SECOND))).dirty).toBe(0);
  expect(purged(replayOf(conf, burst(2 * SECOND))).dirty).toBeGreaterThan(2000);
});

test('a thread that never sleeps because its work is due centuries from now is a hang, as in the real library', () => {
  const conf = 'background_thread:true,hpa:true,hpa_hugify_delay_ms:18446744073710,hpa_hugification_threshold_ratio:0.01,hpa_dirty_mult:-1';
  const calls = [60_000, 1000, 50_000].map((size, i) => ({ time: (i * SECOND) / 4, op: Op.malloc, ptr: 4096 * (i + 1), size }));
  expect(() => replayOf(conf, calls)).toThrow('event 2: the real jemalloc hangs here');
});

test('they are there from the start or not at all: turning them on or off is refused by name', () => {
  const on = replayOf('background_thread:true', []);
  const off = replayOf('', []);
  expect([on.mallctl('background_thread'), off.mallctl('background_thread')]).toEqual([true, false]);
  for (const [replay, value] of [
    [on, false],
    [off, true],
  ] as const) {
    expect(replay.mallctl('background_thread', !value)).toBe(!value);
    expect(() => replay.mallctl('background_thread', value)).toThrowError(expect.objectContaining({ name: 'UnsupportedName' }));
  }
});

test('an alarm that nobody waits for, and a thread that has not stopped purging, are named', () => {
  const { background } = replayOf('background_thread:true', burst(SECOND)).heap;
  background!.check();
  background!.purging = true;
  expect(() => background!.check()).toThrow('background threads: one has not stopped purging');
  background!.nextAlarm = 1;
  expect(() => background!.check()).toThrow('background threads: the next alarm');
});
