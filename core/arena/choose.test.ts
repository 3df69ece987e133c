import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { auditHeap } from '../audit.ts';
import { GlobalMutex } from '../mutex.ts';

const arenaOf = (p: Program, region: number) => p.heap.edata.arena[p.extent(region)];

describe('binding', () => {
  test('the main thread begins with a cache of arena 0 and is bound by its first miss', () => {
    const p = new Program('narenas:2');
    expect([p.tsd.arena, p.tsd.tcache!.arena]).toEqual([null, p.arena()]);
    expect(p.arena().applicationThreads).toBe(0);
    p.malloc(1);
    expect(p.tsd.arena).toBe(p.arena());
  });

  test('new arenas while all are in use, then the one with the fewest threads, the lowest first', () => {
    const p = new Program('narenas:3');
    const places = [0, 1, 2, 3, 4].map((thread) => arenaOf(p.thread(thread), p.malloc(100)));
    expect(places).toEqual([0, 1, 2, 0, 1]);
    p.thread(0).exit();
    p.thread(3).exit();
    expect(arenaOf(p.thread(5), p.malloc(100))).toBe(0);
    expect(arenaOf(p.thread(6), p.malloc(100))).toBe(0);
    expect(p.heap.arenas.map((arena) => arena?.applicationThreads)).toEqual([2, 2, 1]);
    auditHeap(p.heap);
  });

  test('a new arena takes the lock of the background threads twice', () => {
    const p = new Program('narenas:3');
    const ops = () => p.heap.mutexes.ops[GlobalMutex.background_thread];
    p.malloc(1);
    expect(ops()).toBe(0);
    p.thread(1).malloc(1);
    expect(ops()).toBe(2);
  });

  test.each([
    ['narenas:1', 2, 1],
    ['', 2, 8],
    ['', 1, 1],
    ['narenas_ratio:.25', 2, 1],
    ['narenas_ratio:1.5', 3, 5],
    ['narenas:7', 16, 7],
  ])('%s on %d CPUs: %d arenas', (conf, ncpus, arenas) => {
    expect(new Program(conf, { ncpus }).heap.conf.narenasAuto).toBe(arenas);
  });

  test('threads of an arena take the shards of its bins in turn', () => {
    const p = new Program('narenas:1,bin_shards:100-100:3');
    const shards = [0, 1, 2, 3].map((thread) => p.heap.edata.shard[p.extent(p.thread(thread).malloc(100))]);
    expect(shards).toEqual([0, 1, 2, 0]);
    auditHeap(p.heap);
  });
});

describe('arenas of CPUs', () => {
  test('a thread goes where its CPU is at its next miss, if another thread has been there since', () => {
    const p = new Program('percpu_arena:percpu', { ncpus: 2 });
    const on = (thread: number, cpu: number) => {
      p.thread(thread).tsd.cpu = cpu;
      return arenaOf(p, p.malloc(20_000));
    };
    expect([on(0, 0), on(0, 1), on(1, 0), on(0, 1), on(0, 0)]).toEqual([0, 0, 0, 1, 1]);
    expect(p.heap.arenas.map((arena) => arena?.applicationThreads)).toEqual([1, 1]);
    expect(p.thread(0).tsd.internalArena).toBe(p.arena(0));
    auditHeap(p.heap);
  });

  test('an arena that has lost its last thread is purged, and the cache goes with its thread', () => {
    const p = new Program('percpu_arena:percpu,narenas:4,tcache_max:0', { ncpus: 2 });
    p.free(p.malloc(100_000));
    p.thread(1).free(p.malloc(100_000)).exit();
    expect(p.arena(0).dirty.pages).toBeGreaterThanOrEqual(29);
    p.thread(0).tsd.cpu = 1;
    p.malloc(100_000);
    expect([p.arena(0).applicationThreads, p.arena(0).dirty.pages, p.thread(0).tsd.tcache!.arena]).toEqual([0, 0, p.arena(1)]);
    auditHeap(p.heap);
  });

  test('phycpu: the upper half of the CPUs shares the arenas of the lower', () => {
    const p = new Program('percpu_arena:phycpu', { ncpus: 4 });
    const places = [0, 1, 2, 3].map((cpu) => {
      p.thread(cpu).tsd.cpu = cpu;
      return arenaOf(p, p.malloc(100));
    });
    expect(places).toEqual([0, 1, 0, 1]);
  });
});

describe('the arena for great sizes', () => {
  test.each([
    ['', 7982033, 0],
    ['', 8388607, 0],
    ['', 8388608, 2],
    ['prof:true', 7982033, 2],
    ['oversize_threshold:100000', 99999, 0],
    ['oversize_threshold:100000', 100000, 2],
    // what the thread cache would hold is not looked at
    ['oversize_threshold:16384', 32768, 0],
    ['oversize_threshold:16384', 32769, 2],
    ['oversize_threshold:0', 9000000, 0],
  ])('%s malloc(%d) lies in arena %d', (conf, size, arena) => {
    const p = new Program(['narenas:2', conf].filter(Boolean).join(','));
    p.malloc(1);
    expect(arenaOf(p, p.malloc(size))).toBe(arena);
  });

  test('aligned and moving requests are judged by their usable size', () => {
    const p = new Program('narenas:2');
    expect(arenaOf(p, p.memalign(64, 7982033))).toBe(2);
    const a = p.malloc(5_000_000);
    p.memalign(4096, 5_000_000);
    expect(arenaOf(p, p.realloc(a, 7982033))).toBe(2);
    auditHeap(p.heap);
  });

  test('a first request of that size binds nothing', () => {
    const p = new Program('narenas:2');
    p.malloc(9_000_000);
    expect(p.tsd.arena).toBe(null);
  });

  test('what is freed there is given back at once', () => {
    const p = new Program('narenas:2');
    p.free(p.malloc(9_000_000));
    expect([p.arena(2).dirty.pages, p.arena(2).retained.pages]).toEqual([0, 3072]);
  });
});
