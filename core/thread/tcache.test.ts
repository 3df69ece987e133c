import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { auditHeap } from '../audit.ts';
import { sizeToIndex } from '../sizes/sc.ts';
import { CACHE_BIN, CACHED, LOW_WATER, REQUESTS } from './cache_bin.ts';
import { tcachesCreate } from './tcaches.ts';
import type { Bytes } from '../units.ts';

const field = (p: Program, szind: number, of: number) => p.tsd.tcache!.bins[szind * CACHE_BIN + of];

describe('300 objects of 1000 bytes, every number as the real library has it', () => {
  const p = new Program('narenas:1');
  const bin = p.heap.binInfo.firstBin[20];
  const { bins } = p.arena();
  const locksAtStart = p.heap.mutexes.ops[p.arena().binMutexes + bin];
  const row = () => [
    field(p, 20, CACHED),
    field(p, 20, REQUESTS),
    bins.nmalloc[bin],
    bins.ndalloc[bin],
    bins.nrequests[bin],
    bins.curregs[bin],
    bins.nfills[bin],
    bins.nflushes[bin],
    bins.nslabs[bin],
    bins.reslabs[bin],
    bins.curslabs[bin],
    bins.nonfullSlabs[bin],
    p.heap.mutexes.ops[p.arena().binMutexes + bin] - locksAtStart,
    p.tsd.tick,
  ];
  const objects: number[] = [];
  let freed = 0;
  const mallocUpTo = (count: number) => {
    while (objects.length < count) objects.push(p.malloc(1000));
  };
  const freeUpTo = (count: number) => {
    while (freed < count) p.free(objects[freed++]);
  };

  test.each([
    ['start', () => {}, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 999]],
    ['malloc 1', () => mallocUpTo(1), [9, 1, 10, 0, 0, 10, 1, 0, 3, 0, 3, 0, 4, 998]],
    ['malloc 300', () => mallocUpTo(300), [0, 10, 300, 0, 290, 300, 30, 0, 75, 0, 75, 0, 105, 969]],
    ['free 20', () => freeUpTo(20), [20, 10, 300, 0, 290, 300, 30, 0, 75, 0, 75, 0, 105, 969]],
    ['free 21', () => freeUpTo(21), [11, 0, 300, 10, 300, 290, 30, 1, 75, 2, 73, 1, 106, 959]],
    ['free 31', () => freeUpTo(31), [11, 0, 300, 20, 300, 280, 30, 2, 75, 2, 70, 0, 107, 949]],
    ['free 41', () => freeUpTo(41), [11, 0, 300, 30, 300, 270, 30, 3, 75, 2, 68, 1, 108, 939]],
    ['free 300', () => freeUpTo(300), [20, 0, 300, 280, 300, 20, 30, 28, 75, 2, 5, 0, 133, 689]],
    ['25 more', () => mallocUpTo(325), [5, 5, 310, 280, 320, 30, 31, 28, 78, 2, 8, 0, 137, 688]],
  ])('%s', (_, step, expected) => {
    step();
    expect(row()).toEqual(expected);
    auditHeap(p.heap);
  });
});

describe('the order of objects', () => {
  test('a fill hands out the lowest region first; a free object comes back first', () => {
    const p = new Program('narenas:1');
    const [a, b, c] = [p.malloc(100), p.malloc(100), p.malloc(100)];
    expect([p.address(b) - p.address(a), p.address(c) - p.address(b)]).toEqual([112, 112]);
    p.free(a, c, b);
    expect([p.malloc(112), p.malloc(97), p.malloc(100)]).toEqual([b, c, a]);
  });

  test('a flush gives the oldest half back, and with it the lowest regions are free again', () => {
    const p = new Program('narenas:1,tcache_nslots_small_max:8,tcache_nslots_small_min:8');
    const objects = Array.from({ length: 12 }, () => p.malloc(4096));
    for (const object of objects.slice(0, 9)) p.free(object);
    // the ninth found the cache full: the first four are gone
    expect(field(p, 28, CACHED)).toBe(5);
    expect(Array.from({ length: 5 }, () => p.malloc(4096))).toEqual([8, 7, 6, 5, 4].map((i) => objects[i]));
    auditHeap(p.heap);
  });
});

describe('large objects', () => {
  test('are cached up to 32768 bytes, one at a time', () => {
    const p = new Program('narenas:1');
    const [small, large] = [p.malloc(32768), p.malloc(32769)];
    const nmalloc = () => p.arena().large.nmalloc[sizeToIndex(32768 as Bytes) - 36];
    expect(nmalloc()).toBe(1);
    p.free(small, large);
    expect(field(p, sizeToIndex(32768 as Bytes), CACHED)).toBe(1);
    expect(p.malloc(30000)).toBe(small);
    expect([nmalloc(), field(p, sizeToIndex(32768 as Bytes), REQUESTS)]).toEqual([1, 1]);
    auditHeap(p.heap);
  });

  test('aligned ones and those that realloc moves are made past the cache, and go into it', () => {
    const p = new Program('narenas:1');
    const a = p.malloc(20000);
    p.free(a);
    const b = p.memalign(64, 20000);
    expect(b).not.toBe(a);
    p.free(b);
    expect(field(p, sizeToIndex(20480 as Bytes), CACHED)).toBe(2);
    expect([p.malloc(20000), p.malloc(20000)]).toEqual([b, a]);
  });
});

describe('collection', () => {
  test('looks at one class each 64 KiB, and flushes three quarters of what lay untouched', () => {
    const p = new Program('narenas:1,tcache_max:8,tcache_gc_incr_bytes:65536');
    const a = Array.from({ length: 150 }, () => p.malloc(8));
    p.free(...a);
    expect([field(p, 0, CACHED), field(p, 0, LOW_WATER)]).toEqual([200, 0]);
    // the first event sets the low water mark, the second finds nothing taken since
    p.malloc(65536);
    expect([field(p, 0, CACHED), field(p, 0, LOW_WATER)]).toEqual([200, 200]);
    p.malloc(65536);
    expect([field(p, 0, CACHED), field(p, 0, LOW_WATER)]).toEqual([50, 50]);
    expect(p.tsd.tcache!.lgFillDiv[0]).toBe(2);
    auditHeap(p.heap);
  });

  test('a delay passes small classes by', () => {
    const p = new Program('narenas:1,tcache_max:8,tcache_gc_delay_bytes:1600');
    p.free(...Array.from({ length: 150 }, () => p.malloc(8)));
    for (let i = 0; i < 2; i++) p.malloc(65536);
    // 150 of the 200 items are below the delay of 200
    expect([field(p, 0, CACHED), p.tsd.tcache!.delayItems[0]]).toEqual([200, 50]);
    p.malloc(65536);
    expect([field(p, 0, CACHED), p.tsd.tcache!.delayItems[0]]).toEqual([50, 200]);
  });
});

test.each([
  ['', 41, [200, 128, 20, 20]],
  ['tcache_max:0', 1, [200, 0, 0, 0]],
  ['tcache_nslots_small_max:41,tcache_nslots_small_min:1', 41, [40, 40, 8, 20]],
  ['lg_tcache_nslots_mul:-2', 41, [128, 20, 20, 20]],
  ['tcache_nslots_large:7', 41, [200, 128, 20, 7]],
])('%s: %d classes, with these slots for 8, 64, 1024 and 32768 bytes', (conf, classes, slots) => {
  const { tcacheInfo } = new Program(['narenas:1', conf].filter(Boolean).join(',')).heap;
  expect(tcacheInfo.classes).toBe(classes);
  expect([0, 4, 20, 40].map((szind) => tcacheInfo.slots[szind] ?? 0)).toEqual(slots);
});

test('a program gets no cache of its own where there is no memory for the table of them', () => {
  const p = new Program('narenas:1');
  const { base0, tcaches } = p.heap;
  const alloc = base0.alloc.bind(base0);
  base0.alloc = () => 0;
  expect([tcachesCreate(p.heap, p.tsd), tcaches.elements]).toEqual([-1, null]);
  base0.alloc = alloc;
  expect(tcachesCreate(p.heap, p.tsd)).toBe(0);
  auditHeap(p.heap);
});
