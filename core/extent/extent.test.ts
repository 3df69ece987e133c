import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import type { Arena, Ecache } from '../arena/arena_state.ts';
import { auditHeap } from '../audit.ts';
import { ArenaMutex } from '../mutex.ts';
import { PAGE } from '../sizes/sc.ts';
import { arenaDecay } from './pac.ts';

const MIB = 1 << 20;

/** The extents of a cache, the longest unused first, as "first page:pages" from `start`. */
function lru(p: Program, { eset }: Ecache, start: number): string[] {
  const { edata } = p.heap;
  const list: string[] = [];
  for (let extent = eset.lru.first[0]; extent !== 0; extent = edata.links.next[extent]) {
    list.push(`${(edata.base[extent] - start) / PAGE}:${edata.pages[extent]}`);
  }
  return list;
}

const NAMES = ['extent_avail', 'base', 'extents_dirty', 'extents_muzzy', 'extents_retained'] as const;
const lockCounts = (p: Program, arena: Arena) => NAMES.map((name) => p.heap.mutexes.ops[arena.mutexes + ArenaMutex[name]]);

/** Runs a step and tells what it cost in locks: extent_avail, base, extents dirty, muzzy and retained. */
function locksOf(p: Program, step: () => void, arena = p.arena()): number[] {
  const before = lockCounts(p, arena);
  step();
  auditHeap(p.heap);
  return lockCounts(p, arena).map((count, i) => count - before[i]);
}

describe('a worked example, every value as the real library has it', () => {
  // the collection of the thread cache is kept out of it
  const p = new Program('narenas:1,tcache_gc_incr_bytes:1000000000000', { seed: 140737350810488n });
  const arena = p.arena();
  const m0 = p.heap.space.options.top - 4 * MIB;
  const objects = new Map<string, number>();
  const object = (name: string) => objects.get(name)!;
  const state = () => [arena.activePages, lru(p, arena.dirty, m0).join(' '), arena.retained.pages];
  const offset = (name: string) => (p.address(object(name)) - m0).toString(16);

  test('the start', () => {
    expect(lockCounts(p, arena)).toEqual([2, 7, 1, 0, 2]);
    expect([arena.decayDirty.address, arena.decayDirty.deadline]).toEqual([140737347919752, 93125858 - 1]);
  });

  test.each([
    [1, 'p1', () => p.malloc(40000), '80c0', [1, 1, 1, 0, 1], [19, '', 493]],
    [2, 'p2', () => p.malloc(100000), '136c0', [1, 1, 1, 0, 1], [48, '', 464]],
    [3, 'p3', () => p.memalign(65536, 50000), '30000', [1, 1, 1, 0, 1], [63, '', 449]],
    [4, 'p4', () => p.malloc(20000), '3fa00', [1, 1, 1, 0, 1], [69, '', 443]],
    [5, '', () => p.free(object('p1')), '', [0, 0, 1, 0, 0], [58, '8:11', 443]],
    [6, 'p5', () => p.malloc(40000), '8840', [0, 0, 1, 0, 0], [69, '', 443]],
    [7, '', () => p.free(object('p2')), '', [0, 0, 1, 0, 0], [40, '19:29', 443]],
    [8, 'p6', () => p.malloc(28000), '13380', [1, 1, 1, 0, 0], [48, '27:21', 443]],
    [9, 'p6', () => p.realloc(object('p6'), 60000), '13380', [2, 1, 1, 0, 0], [57, '36:12', 443]],
    [10, 'p3', () => p.realloc(object('p3'), 16385), '30000', [1, 0, 1, 0, 0], [48, '36:12 54:9', 443]],
    [11, '', () => p.free(object('p4')), '', [0, 0, 0, 0, 0], [48, '36:12 54:9', 443]],
    [12, 'p7', () => p.calloc(1, 18000), '3fa00', [0, 0, 0, 0, 0], [48, '36:12 54:9', 443]],
  ] as const)('%d ms: %s', (ms, name, step, place, locks, after) => {
    p.at(ms);
    expect(
      locksOf(p, () => {
        const result = step();
        if (typeof result === 'number') objects.set(name, result);
      }),
    ).toEqual(locks);
    if (place !== '') expect(offset(name)).toBe(place);
    expect(state()).toEqual(after);
  });

  test('13 and 14 ms: an object of 9 MB in the arena for such, purged when it is freed', () => {
    p.at(13);
    objects.set('p8', p.malloc(9000000));
    const huge = p.arena(1);
    expect(p.offset(object('p8'))).toBe(0x840);
    expect([huge.activePages, huge.retained.pages, huge.decayDirty.ms]).toEqual([2561, 511, 0]);
    expect(lockCounts(p, huge)).toEqual([2, 3, 1, 0, 2]);
    p.at(14);
    expect(locksOf(p, () => p.free(object('p8')), huge)).toEqual([1, 0, 1, 0, 1]);
    expect([huge.activePages, huge.retained.pages, huge.pacMapped]).toEqual([0, 3072, 0]);
    expect([huge.decayDirty.npurge, huge.decayDirty.nmadvise, huge.decayDirty.purged]).toEqual([0, 1, 2561]);
  });

  test('15 ms: what is freed merges forward, and is the youngest then', () => {
    p.at(15);
    expect(locksOf(p, () => p.free(object('p6')))).toEqual([1, 0, 1, 0, 0]);
    expect(state()).toEqual([31, '54:9 19:29', 443]);
    expect(p.tsd.tick).toBe(986);
  });

  test('then one tick every 4 ms: the first decay purges nothing, the second one extent', () => {
    const ticks = (count: number, from: number) => {
      for (let i = 0; i < count; i++) objects.set('p5', p.at(from + 4 * i).realloc(object('p5'), 40000));
    };
    const { decayDirty } = arena;
    ticks(987, 20);
    expect(p.heap.now).toBe(3_964_000_000);
    expect(p.tsd.tick).toBe(311);
    expect([decayDirty.epoch, decayDirty.deadline]).toEqual([3_950_000_000, 4_017_587_266]);
    expect([decayDirty.pagesLimit, decayDirty.pagesUnpurged, decayDirty.npurge]).toEqual([38, 38, 0]);
    expect(locksOf(p, () => ticks(312, 3968))).toEqual([0, 0, 1, 0, 1]);
    expect(p.heap.now).toBe(5_212_000_000);
    expect(p.tsd.tick).toBe(4163);
    expect([decayDirty.epoch, decayDirty.pagesLimit]).toEqual([5_200_000_000, 37]);
    expect([decayDirty.npurge, decayDirty.nmadvise, decayDirty.purged]).toEqual([1, 1, 9]);
    expect(state()).toEqual([31, '19:29', 452]);
    expect(arena.pacMapped).toBe(60 * PAGE);
    expect(p.tsd.prng).toBe(164952305372670240n);
  });
});

describe('first fit', () => {
  const p = () => new Program('narenas:1,tcache:false,dirty_decay_ms:-1');

  test('the oldest that is large enough, not the one that fits best', () => {
    const q = p();
    const [old, wall, exact, end] = [80000, 20000, 40000, 20000].map((size) => q.memalign(PAGE, size));
    q.free(exact, old);
    expect(q.address(q.memalign(PAGE, 40000))).toBe(q.address(old));
    expect(q.address(q.memalign(PAGE, 40000))).toBe(q.address(exact));
    q.free(wall, end);
    auditHeap(q.heap);
  });

  test('a dirty extent of more than 64 times the size is spared', () => {
    for (const [usable, spared] of [
      [229376, false],
      [262144, true],
    ] as const) {
      const q = p();
      const large = q.memalign(PAGE, usable);
      q.memalign(PAGE, 20000);
      q.free(large);
      expect(q.address(q.malloc(8)) !== q.address(large)).toBe(spared);
    }
  });

  test.each([8192, 65536, 1 << 20, 2 << 20])('a multiple of %d, what lies before it kept', (alignment) => {
    const q = p();
    q.malloc(1);
    const a = q.memalign(alignment, 20000);
    expect(q.address(a) % alignment).toBe(0);
    const { dirty, retained } = q.arena();
    expect(dirty.pages).toBe(0);
    expect(q.arena().activePages + retained.pages).toBe((alignment > MIB ? 2 * MIB + 2.5 * MIB : 2 * MIB) / PAGE);
    auditHeap(q.heap);
  });
});

describe('merging', () => {
  test('a dirty extent below 16 KiB stays by itself until it is evicted', () => {
    const p = new Program('narenas:1,tcache:false,dirty_decay_ms:-1');
    const start = p.malloc(4096);
    const base = p.address(start);
    const slabs = [p.malloc(4096), p.malloc(4096), p.malloc(4096)];
    p.free(...slabs);
    expect(lru(p, p.arena().dirty, base)).toEqual(['1:1', '2:1', '3:1']);
    arenaDecay(p.heap, p.arena(), true);
    expect(lru(p, p.arena().dirty, base)).toEqual([]);
    // merged on their way out, they were one madvise
    expect([p.arena().decayDirty.nmadvise, p.arena().decayDirty.purged]).toEqual([1, 3]);
    auditHeap(p.heap);
  });

  test('extents of two mappings do not merge, unless nothing is retained', () => {
    for (const retain of [true, false]) {
      const p = new Program(`narenas:1,tcache:false,dirty_decay_ms:-1,oversize_threshold:0,retain:${retain}`);
      // after the first mapping comes a block of metadata, later ones touch
      p.malloc(1);
      const [a, b] = [p.memalign(PAGE, 2 * MIB - PAGE), p.memalign(PAGE, 2 * MIB - PAGE)];
      p.free(a, b);
      expect(lru(p, p.arena().dirty, 0).length).toBe(retain ? 2 : 1);
      auditHeap(p.heap);
    }
  });
});

describe('growing where it lies', () => {
  const grown = (conf: string, prepare: (p: Program) => void) => {
    const p = new Program(`narenas:1,tcache:false,${conf}`);
    const a = p.memalign(PAGE, 40000);
    prepare(p);
    const b = p.realloc(a, 60000);
    auditHeap(p.heap);
    return a === b;
  };

  test('from retained memory above', () => expect(grown('dirty_decay_ms:-1', () => {})).toBe(true));
  test('from a dirty extent above', () => expect(grown('dirty_decay_ms:-1', (p) => p.free(p.memalign(PAGE, 50000)))).toBe(true));
  test('not if what is free above is too small', () =>
    expect(
      grown('dirty_decay_ms:-1', (p) => {
        const gap = p.memalign(PAGE, 16384);
        p.memalign(PAGE, 16384);
        p.free(gap);
      }),
    ).toBe(false));
  test('not over an active extent', () => expect(grown('dirty_decay_ms:-1', (p) => void p.memalign(PAGE, 50000))).toBe(false));

  test('and what a shrink leaves is dirty', () => {
    const p = new Program('narenas:1,tcache:false,dirty_decay_ms:-1');
    const a = p.memalign(PAGE, 100_000);
    expect(p.realloc(a, 20_000)).toBe(a);
    expect(p.arena().dirty.pages).toBe((114688 - 20480) / PAGE);
    expect(p.realloc(a, 100_000)).toBe(a);
    expect(p.arena().dirty.pages).toBe(0);
    auditHeap(p.heap);
  });
});

describe('out of memory', () => {
  test('an impossible size leaves two structs and the locks of its attempts', () => {
    const p = new Program('narenas:1');
    const before = [p.arena().edataAvailable, p.arena().nextSn];
    const huge = () => p.arena(1);
    expect(p.malloc(2 ** 47)).toBe(-1);
    expect(lockCounts(p, huge())[0]).toBe(8);
    expect([huge().edataAvailable, huge().nextSn, huge().growNext]).toEqual([2, 0, 31]);
    expect([p.arena().edataAvailable, p.arena().nextSn]).toEqual(before);
    expect(p.tsd.tick).toBe(999);
    auditHeap(p.heap);
  });

  test('at the end of what may be mapped, calls fail, and go on when something is freed', () => {
    const p = new Program('narenas:1,tcache:false,dss:disabled', { addressSpace: { limit: 20 * MIB } });
    const objects: number[] = [];
    for (let region = p.malloc(1 << 20); region >= 0; region = p.malloc(1 << 20)) objects.push(region);
    expect(objects.length).toBeGreaterThan(5);
    auditHeap(p.heap);
    expect(p.realloc(objects[0], 4 << 20)).toBe(-1);
    p.free(objects[1]);
    expect(p.malloc(1 << 20)).toBeGreaterThan(0);
    expect(p.malloc(1 << 20)).toBe(-1);
    auditHeap(p.heap);
  });
});

test('dss: one range for each sbrk, growing in place at its end', () => {
  const p = new Program('narenas:1,tcache:false,dss:primary,retain:false', { addressSpace: { programBreak: 0x555555800000 } });
  const a = p.memalign(PAGE, 40000);
  expect(p.address(a)).toBe(0x555555800000);
  expect(p.realloc(a, 60000)).toBe(a);
  const b = p.memalign(65536, 40000);
  expect([p.mapping(b), p.offset(b) > 0, p.address(b) % 65536]).toEqual([2, true, 0]);
  p.free(a, b);
  auditHeap(p.heap);
});

test('dss: what a mapping gave right behind it is no part of an object there, which moves', () => {
  const p = new Program('narenas:1,tcache:false,dss:primary,retain:false', { addressSpace: { programBreak: 0x555555800000 } });
  const a = p.memalign(PAGE, 40000);
  p.arena().dss = 'disabled';
  const before = p.address(a);
  const b = p.realloc(a, 60000);
  expect([p.address(b) === before, p.offset(b) < PAGE]).toEqual([false, true]);
  // what was mapped for it is unmapped again, and counts nowhere
  expect(p.heap.space.mmapAt(0x555555800000 + 11 * PAGE, PAGE)).toBe(true);
  expect([p.arena().dirty.pages, p.arena().retained.pages, p.arena().pacMapped / PAGE]).toEqual([11, 0, 28]);
  auditHeap(p.heap);
});

describe('what does not hold is named', () => {
  /** Damages a program's tables; `region` is a large object with dirty memory behind it. */
  type Damage = (p: Program, region: number) => void;

  function auditDamaged(conf: string, damage: Damage): void {
    const p = new Program(`${conf}narenas:1,tcache:false`);
    const region = p.memalign(PAGE, 40000);
    p.malloc(100);
    p.free(p.memalign(PAGE, 300000), p.memalign(PAGE, 20000));
    auditHeap(p.heap);
    damage(p, region);
    auditHeap(p.heap);
  }

  const freeRowWithPages: Damage = ({ heap: { edata } }) => {
    const row = edata.take();
    edata.release(row);
    edata.pages[row] = 1;
  };
  const unmappedTwice: Damage = (p, region) => {
    for (let times = 0; times < 2; times++) p.heap.space.munmap(p.address(region), PAGE);
  };

  test.each<[string, string, Damage]>([
    ['extents: a row of the free list has pages', '', freeRowWithPages],
    ['extents: a row without pages', '', ({ heap: { edata } }) => (edata.pages[edata.take()] = 0)],
    ['page map: a neighbour', '', (p, region) => (p.heap.edata.below[p.heap.edata.above[p.extent(region)]] = 0)],
    ['page map: linked', '', (p, region) => p.heap.edata.pages[p.extent(region)]--],
    ['page map: a leaf', '', (p) => p.heap.leaves.clear()],
    ['mappings: two ranges', '', (p, region) => p.heap.mappings.add(p.address(region), PAGE)],
    ['boundaries: an extent lies', 'retain:false,', (p, region) => p.heap.boundaries!.leave(p.heap.edata, p.extent(region))],
    ['address space: two gaps', '', unmappedTwice],
    ['bump region', 'san_guard_small:1,', (p) => p.heap.edata.arena[p.arena().bumpRegion]++],
    ['decay: the deadline', '', (p) => (p.arena().decayDirty.deadline = -1)],
    ['eset: the LRU list', '', (p) => (p.arena().dirty.eset.lru.first[0] = 0)],
  ])('%s', (what, conf, damage) => expect(() => auditDamaged(conf, damage)).toThrow(what));
});
