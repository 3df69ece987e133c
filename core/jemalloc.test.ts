import { describe, expect, test } from 'vitest';
import { Program } from '../fixtures/program.ts';
import { auditHeap } from './audit.ts';
import { alignedAllocC11, valloc } from './jemalloc.ts';
import type { Prof } from './prof/prof.ts';
import { NULL_REGION } from './extent/types.ts';
import { type Bytes, NO_STACK } from './units.ts';

const PAGE = 4096;

describe('sizes of nothing', () => {
  const p = new Program('narenas:1');
  test.each([
    ['malloc(0)', () => p.malloc(0), 8],
    ['calloc(0, 5)', () => p.calloc(0, 5), 8],
    ['calloc(5, 0)', () => p.calloc(5, 0), 8],
    ['memalign(64, 0)', () => p.memalign(64, 0), 8],
    ['valloc(0)', () => valloc(p.heap, p.tsd, 0 as Bytes, NO_STACK), 8],
    ['posix_memalign(64, 0)', () => p.posixMemalign(64, 0), 64],
    ['aligned_alloc(64, 0)', () => alignedAllocC11(p.heap, p.tsd, 64 as Bytes, 0 as Bytes, NO_STACK), 64],
  ])('%s has %d usable bytes', (_, call, usable) => expect(p.usable(call())).toBe(usable));
});

describe('alignment', () => {
  test.each([1, 2, 8, 16, 64, 128, 256, 1024, 4096, 8192, 65536, 1 << 20, 2 << 20])('to %d bytes holds for every size', (alignment) => {
    const p = new Program('narenas:1');
    for (const size of [1, 31, 32, 33, 100, 1000, 3000, 12289, 14336, 16384, 20000, 100_000, 3 << 20]) {
      const region = p.memalign(alignment, size);
      expect(p.address(region) % alignment).toBe(0);
      expect(p.usable(region)).toBeGreaterThanOrEqual(size);
    }
    auditHeap(p.heap);
  });

  test('above a page it makes a small object a large one', () => {
    const p = new Program('narenas:1');
    expect([p.usable(p.memalign(4096, 1)), p.usable(p.memalign(8192, 1))]).toEqual([4096, 16384]);
  });

  test('a large object begins at a random multiple of 64 in its first page, or of its own alignment', () => {
    const p = new Program('narenas:1');
    const offsets = Array.from({ length: 50 }, () => p.address(p.malloc(50_000)) % PAGE);
    expect(offsets.every((offset) => offset % 64 === 0)).toBe(true);
    expect(new Set(offsets).size).toBeGreaterThan(20);
    const wide = Array.from({ length: 50 }, () => p.address(p.memalign(1024, 50_000)) % PAGE);
    expect(new Set(wide)).toEqual(new Set([0, 1024, 2048, 3072]));
  });

  test('refused: what is no power of two, and below 8 for posix_memalign', () => {
    const p = new Program('narenas:1');
    const { ops } = p.heap.mutexes;
    const before = ops.slice();
    for (const alignment of [0, 3, 24, 100, 2 ** 50 - 1, 2 ** 50 + 1]) expect(p.memalign(alignment, 10)).toBe(NULL_REGION);
    // the base-2 logarithms of the last two are whole numbers to a double, and such a request would have looked for memory
    expect(ops).toEqual(before);
    expect([p.posixMemalign(4, 10), p.memalign(4, 10) >= 0]).toEqual([NULL_REGION, true]);
  });
});

describe('realloc', () => {
  test('stays in its class, with one tick', () => {
    const p = new Program('narenas:1');
    const a = p.malloc(97);
    const tick = p.tsd.tick;
    expect(p.realloc(a, 112)).toBe(a);
    expect(tick - p.tsd.tick).toBe(1);
  });

  test.each([
    [100, 200],
    [200, 100],
    [14336, 16384],
    [16384, 14336],
    [100, 100_000],
    [100_000, 100],
  ])('from %d to %d bytes moves', (from, to) => {
    const p = new Program('narenas:1');
    const a = p.malloc(from);
    const b = p.realloc(a, to);
    expect(b).not.toBe(a);
    expect(p.usable(b)).toBeGreaterThanOrEqual(to);
    auditHeap(p.heap);
  });

  test('large to large shrinks in place always, and grows if it can', () => {
    const p = new Program('narenas:1');
    const a = p.malloc(100_000);
    const wall = p.malloc(100_000);
    expect(p.realloc(a, 20_000)).toBe(a);
    expect(p.realloc(a, 100_000)).toBe(a);
    const b = p.realloc(a, 200_000);
    expect(b).not.toBe(a);
    expect(p.realloc(b, 1_000_000)).toBe(b);
    p.free(wall, b);
    auditHeap(p.heap);
  });

  test('both byte clocks move, though nothing else does', () => {
    const p = new Program('narenas:1');
    const a = p.malloc(100);
    const before = [p.tsd.allocatedInAll, p.tsd.deallocatedInAll];
    p.realloc(a, 101);
    expect([p.tsd.allocatedInAll - before[0], p.tsd.deallocatedInAll - before[1]]).toEqual([112n, 112n]);
  });

  test('to 0 bytes frees, or gives one byte past the cache', () => {
    const p = new Program('narenas:1');
    expect(p.realloc(p.malloc(100), 0)).toBe(NULL_REGION);
    expect(p.heap.zeroReallocs).toBe(1);
    const q = new Program('narenas:1,zero_realloc:alloc');
    const b = q.realloc(q.malloc(100), 0);
    expect([q.usable(b), q.heap.zeroReallocs]).toEqual([8, 1]);
    expect(q.arena().bins.nrequests[0]).toBe(1);
    auditHeap(q.heap);
  });
});

describe('samples', () => {
  // the table of extents has room for 1024 rows at first: in one of these programs it grows while the record of a sample takes memory
  test.each([238, 239, 240, 241, 242, 243])(
    'none is lost where the table of extents grows as it is recorded, after %d large objects',
    (before) => {
      const p = new Program('narenas:1,prof:true,lg_prof_sample:0,prof_recent_alloc_max:-1,tcache:false');
      const prof = p.heap.prof as Prof;
      prof.active = false;
      for (let i = 0; i < before; i++) p.malloc(30_000);
      prof.active = true;
      const sampled = Array.from({ length: 900 }, () => p.malloc(100));
      auditHeap(p.heap);
      for (const region of sampled) p.free(region);
      expect(prof.infos.count).toBe(0);
    },
  );
});

describe('what is too large', () => {
  test.each([7.1 * 2 ** 60, 2 ** 63, 2 ** 64])('%d bytes are refused without a trace', (size) => {
    const p = new Program('narenas:1');
    const arenas = p.heap.arenas.length;
    expect(p.malloc(size)).toBe(NULL_REGION);
    expect([p.heap.arenas.length, p.tsd.allocated + 0]).toEqual([arenas, 0]);
  });

  test('calloc sees its product overflow', () => {
    const p = new Program('narenas:1');
    expect(p.calloc(2 ** 33, 2 ** 33)).toBe(NULL_REGION);
    expect(p.heap.arenas.length).toBe(1);
    const a = p.malloc(10);
    expect(p.realloc(a, 2 ** 63)).toBe(NULL_REGION);
    expect(p.usable(a)).toBe(16);
    auditHeap(p.heap);
  });
});
