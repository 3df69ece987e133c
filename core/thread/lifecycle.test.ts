import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { auditHeap } from '../audit.ts';
import { ArenaMutex } from '../mutex.ts';
import { sizeToIndex } from '../sizes/sc.ts';
import { setTcacheEnabled } from './lifecycle.ts';
import { TsdState } from './tsd.ts';
import type { Bytes } from '../units.ts';

test('a thread starts with its first call, its cache is memory of arena 0', () => {
  const p = new Program('narenas:2');
  p.malloc(1);
  p.thread(1);
  expect(p.tsd.state).toBe(TsdState.uninitialized);
  const internal = p.arena().internal;
  p.malloc(1);
  expect(p.tsd.state).toBe(TsdState.nominal);
  expect(p.arena().internal - internal).toBe(28672);
  expect(p.heap.edata.arena[p.extent(p.tsd.tcache!.region)]).toBe(0);
  expect(p.tsd.arena).toBe(p.arena(1));
  auditHeap(p.heap);
});

describe('a thread that only frees', () => {
  const start = () => {
    const p = new Program('narenas:2');
    const objects = [1, 2, 3].map(() => p.malloc(100));
    p.thread(1).free(objects[0]);
    return { p, objects };
  };

  test('has no cache and no arena, and frees into the arenas directly', () => {
    const { p } = start();
    expect([p.tsd.state, p.tsd.tcache, p.tsd.arena]).toEqual([TsdState.minimal, null, null]);
    expect(p.arena().bins.ndalloc[7]).toBe(1);
    auditHeap(p.heap);
  });

  test('starts over with its first allocation, its PRNG too', () => {
    const { p } = start();
    p.tsd.prng = 1n;
    const tick = p.tsd.tick;
    p.malloc(1);
    expect(p.tsd.state).toBe(TsdState.nominal);
    expect(p.tsd.prng).toBe(p.tsd.seed);
    expect(p.tsd.tick).toBeLessThan(tick);
    expect(p.tsd.reentrancy).toBe(0);
    auditHeap(p.heap);
  });
});

describe('an exit', () => {
  test('empties the cache, gives its memory back and lets the last one of an arena purge it', () => {
    const p = new Program('narenas:2,dirty_decay_ms:1000');
    p.malloc(1);
    p.thread(1);
    const a = p.malloc(20000);
    p.free(a);
    const internal = p.arena().internal;
    p.exit();
    expect([p.tsd.state, p.tsd.tcache, p.tsd.arena]).toEqual([TsdState.purgatory, null, null]);
    expect(internal - p.arena().internal).toBe(28672);
    expect(p.arena(1).applicationThreads).toBe(0);
    expect([p.arena(1).activePages, p.arena(1).dirty.pages]).toEqual([0, 0]);
    auditHeap(p.heap);
  });

  test('counts a flush for every class, two for large ones', () => {
    const p = new Program('narenas:2');
    p.malloc(1);
    p.thread(1).malloc(1);
    p.exit();
    const { bins, large } = p.arena(1);
    expect(Array.from(bins.nflushes)).toEqual(Array.from({ length: 36 }, () => 1));
    expect(Array.from(large.nflushes.subarray(0, 6))).toEqual([2, 2, 2, 2, 2, 0]);
  });

  test('a call after it makes a thread without a cache', () => {
    const p = new Program('narenas:2');
    const a = p.malloc(100);
    p.thread(1).malloc(1);
    p.exit().free(a);
    expect([p.tsd.state, p.tsd.tcache]).toEqual([TsdState.reincarnated, null]);
    const b = p.malloc(100);
    // with reentrancy raised, allocations come from arena 0
    expect(p.heap.edata.arena[p.extent(b)]).toBe(0);
    p.exit();
    expect(p.tsd.state).toBe(TsdState.purgatory);
    auditHeap(p.heap);
  });

  test('objects in a foreign arena go back to it', () => {
    const p = new Program('narenas:2');
    const objects = Array.from({ length: 10 }, () => p.malloc(100));
    p.thread(1).malloc(1);
    p.free(...objects);
    const ndalloc = p.arena().bins.ndalloc[7];
    p.exit();
    expect(p.arena().bins.ndalloc[7] - ndalloc).toBe(10);
    auditHeap(p.heap);
  });
});

test('thread.tcache.enabled ends a cache and begins another', () => {
  const p = new Program('narenas:1');
  const a = p.malloc(100);
  const list = () => p.heap.mutexes.ops[p.arena().mutexes + ArenaMutex.tcache_list];
  const before = list();
  setTcacheEnabled(p.heap, p.tsd, false);
  expect([p.tsd.tcache, p.arena().internal, list() - before]).toEqual([null, 0, 1]);
  p.free(a);
  expect(p.arena().allocated).toBe(0);
  setTcacheEnabled(p.heap, p.tsd, true);
  expect([p.tsd.tcache!.arena, p.arena().internal, list() - before]).toEqual([p.arena(), 28672, 2]);
  auditHeap(p.heap);
});

test('small memory for a cache is a region of a slab', () => {
  const p = new Program('narenas:1,tcache_max:8,tcache_nslots_small_max:8');
  expect(p.arena().bins.nmalloc[sizeToIndex(4096 as Bytes)]).toBe(1);
  expect(p.arena().internal).toBe(4096);
});
