import { describe, expect, test } from 'vitest';
import { usableSize } from '../sizes/sc.ts';
import { EventBatch, Op } from '../trace/events.ts';
import { Trace } from '../trace/trace.ts';
import { Replay } from './replay.ts';
import type { Bytes, Nanoseconds, StackIndex, ThreadIndex } from '../units.ts';

/** Allocates `counts[i]` objects of `sizes[i]` bytes, each size from a stack of its own, in a mixed order, and keeps them all. */
function replayObjects(conf: string, seed: bigint, sizes: readonly number[], counts: readonly number[]): Replay {
  const trace = new Trace();
  trace.threads.intern(1);
  const stacks = sizes.map((_, i) => trace.stacks.intern([trace.stacks.frames.intern({ pc: 0x400000n + BigInt(i) })]));
  const replay = new Replay(trace, { conf, prngSeed: seed });
  const batch = new EventBatch(4096);
  const push = (op: number, ptr: number, size: number, stack: number) => {
    const row = batch.length++;
    batch.op[row] = op;
    batch.thread[row] = 0 as ThreadIndex;
    batch.time[row] = ptr as Nanoseconds;
    batch.ptr[row] = ptr;
    batch.size[row] = size as Bytes;
    batch.stack[row] = stack as StackIndex;
    if (batch.length === batch.capacity) {
      replay.take(batch);
      batch.length = 0;
    }
  };
  // the main thread's first allocation is always sampled; it must not weigh in
  push(Op.malloc, 8, 8, -1);
  push(Op.free, 8, 0, -1);
  const left = [...counts];
  let ptr = 16;
  for (let more = true; more; ) {
    more = false;
    for (let i = 0; i < sizes.length; i++) {
      if (left[i]-- <= 0) continue;
      more = true;
      push(Op.malloc, (ptr += 16), sizes[i], stacks[i]);
    }
  }
  replay.take(batch);
  replay.finish(false);
  return replay;
}

/** Live objects and bytes by context as `jeprof` scales them, in the order of the dump; row 0 is the total of the header. */
function rowsOf(heapText: string, rate: number): { objects: number; bytes: number }[] {
  return [...heapText.matchAll(/^ {2}t\*: (\d+): (\d+) /gm)].map(([, count, sum]) => {
    const objects = Number(count);
    const bytes = Number(sum);
    if (rate === 1 || objects === 0) return { objects, bytes };
    const scale = 1 / (1 - Math.exp(-bytes / objects / rate));
    return { objects: objects * scale, bytes: bytes * scale };
  });
}

const SIZES = [64, 100, 312, 1000, 4096, 14337, 20000, 100000, 1 << 20];
const COUNTS = [3000, 2500, 2000, 700, 200, 60, 40, 12, 3];
const USABLE = SIZES.map((size, i) => usableSize(size as Bytes) * COUNTS[i]);

describe('a heap dump and the truth', () => {
  test('are equal in usable sizes when every allocation is sampled', () => {
    const replay = replayObjects('prof:true,lg_prof_sample:0', 5n, SIZES, COUNTS);
    const [total, ...rows] = rowsOf(replay.heapText(), 1);
    expect(total.objects).toBe(replay.ledger.totalLiveObjects);
    expect(total.bytes).toBe(USABLE.reduce((sum, bytes) => sum + bytes));
    expect(rows.map(({ bytes }) => bytes)).toEqual(USABLE);
    expect(rows.map(({ objects }) => objects)).toEqual(COUNTS);
  });

  test('are equal for the smallest sizes too, without unbiasing', () => {
    const sizes = [1, 8, 9, 16, 17, 32, 33];
    const counts = sizes.map((_, i) => 500 + i);
    const replay = replayObjects('prof:true,lg_prof_sample:0,prof_unbias:false', 5n, sizes, counts);
    const rows = rowsOf(replay.heapText(), 1).slice(1);
    expect(rows).toEqual(sizes.map((size, i) => ({ objects: counts[i], bytes: counts[i] * usableSize(size as Bytes) })));
  });

  test('differ by what sampling theory says, over 200 seeds', () => {
    const lg = 14;
    const rate = 2 ** lg;
    // of n objects of u bytes, each is sampled with p = 1 - exp(-u / rate) and then counts 1 / p times
    const truth = USABLE.reduce((sum, bytes) => sum + bytes);
    const variance = SIZES.reduce((sum, size, i) => {
      const usable = usableSize(size as Bytes);
      const p = 1 - Math.exp(-usable / rate);
      return sum + (COUNTS[i] * usable * usable * (1 - p)) / p;
    }, 0);
    const sigma = Math.sqrt(variance);
    const seeds = 200;
    let sum = 0;
    let squares = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const replay = replayObjects(`prof:true,lg_prof_sample:${lg}`, BigInt(seed) * 0x9e3779b97f4a7c15n, SIZES, COUNTS);
      const estimate = rowsOf(replay.heapText(), rate)
        .slice(1)
        .reduce((total, { bytes }) => total + bytes, 0);
      const off = (estimate - truth) / sigma;
      expect(Math.abs(off), `seed ${seed}`).toBeLessThan(5);
      sum += off;
      squares += off * off;
    }
    // the mean of 200 draws has a standard deviation of 1 / sqrt(200), their variance one of about sqrt(2 / 200)
    expect(Math.abs(sum / seeds)).toBeLessThan(4 / Math.sqrt(seeds));
    expect(squares / seeds).toBeGreaterThan(0.6);
    expect(squares / seeds).toBeLessThan(1.5);
  });
});
