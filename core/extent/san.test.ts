import { describe, expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { auditHeap } from '../audit.ts';
import { UnsupportedOption } from '../conf/boot.ts';
import { PAGE } from '../sizes/sc.ts';
import { Flag } from './edata.ts';
import { arenaDecay } from './pac.ts';

const MIB = 1 << 20;

describe('guarded large extents', () => {
  test('a guard page before and behind, taken back with a free', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_large:2');
    const plain = p.memalign(PAGE, 40960);
    const guarded = p.memalign(PAGE, 40960);
    expect(p.offset(plain)).toBe(0);
    expect(p.offset(guarded)).toBe(11 * PAGE + PAGE);
    // what is mapped is counted with its guards, what is active without them
    expect(p.arena().pacMapped).toBe((11 + 13) * PAGE);
    expect(p.arena().activePages).toBe(22);
    p.free(guarded);
    expect(p.arena().dirty.pages).toBe(13);
    expect(p.arena().dirty.guarded.pages).toBe(0);
    p.free(plain);
    expect(p.arena().dirty.pages).toBe(24);
    const all = p.memalign(PAGE, 80000);
    expect(p.offset(all)).toBe(0);
    auditHeap(p.heap);
  });

  test('is never grown or shrunk where it lies', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_large:1');
    const a = p.memalign(PAGE, 40960);
    const b = p.realloc(a, 65536);
    expect(b).not.toBe(a);
    const c = p.realloc(b, 20480);
    expect(c).not.toBe(b);
    expect(p.realloc(c, 20000)).toBe(c);
    auditHeap(p.heap);
  });

  test('above page alignment the turn goes to the next extent', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_large:3');
    const guardedNow = (region: number) => (p.heap.edata.flags[p.extent(region)] & Flag.guarded) !== 0;
    const alignments = [64, 64, 2 * PAGE, 4 * PAGE, PAGE, 64, 64, 64];
    expect(alignments.map((alignment) => guardedNow(p.memalign(alignment, 20000)))).toEqual([
      false,
      false,
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});

describe('guarded slabs', () => {
  test('lie side by side in a region of their own, a guard page behind each', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_small:1');
    const slabs = [0, 1, 2].map(() => p.malloc(4096));
    expect(slabs.map((slab) => p.offset(slab))).toEqual([0, 2 * PAGE, 4 * PAGE]);
    const wide = p.malloc(7168);
    expect(p.offset(wide)).toBe(6 * PAGE);
    // nothing of it counts as mapped by the page allocator
    expect(p.arena().pacMapped).toBe(0);
    expect(p.arena().activePages).toBe(3 + 7);
    auditHeap(p.heap);
  });

  test('a region too small for the next slab is unmapped, what is left of it', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_small:1');
    const space = p.heap.space;
    const first = p.malloc(4096);
    for (let i = 1; i < 511; i++) p.malloc(4096);
    // 511 slabs with their guards leave 2 pages of 1024
    const region = p.address(first);
    const wide = p.malloc(7168);
    expect(p.mapping(wide)).toBe(p.mapping(first) + 1);
    expect(space.mmapAt(region + 1022 * PAGE, 2 * PAGE)).toBe(true);
    expect(space.mmapAt(region + 1021 * PAGE, PAGE)).toBe(false);
    expect(p.heap.space.mmapAt(region - 4 * MIB, PAGE)).toBe(false);
    auditHeap(p.heap);
  });

  test('wait in the caches guarded, and serve slabs of their size alone', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_small:2,muzzy_decay_ms:1000');
    const arena = p.arena();
    const guardedPages = () => [arena.dirty, arena.muzzy, arena.retained].map((cache) => cache.guarded.pages);
    const [plain, guarded] = [p.malloc(4096), p.malloc(4096)];
    const place = p.address(guarded);
    p.free(guarded, plain);
    expect(guardedPages()).toEqual([1, 0, 0]);
    arenaDecay(p.heap, arena, true);
    expect(guardedPages()).toEqual([0, 0, 1]);
    // purging counts the guarded slab, which mapping it did not
    expect(arena.pacMapped).toBe(-PAGE);
    // the third slab is a plain one, the fourth a guarded one
    expect(p.address(p.malloc(4096))).toBe(p.address(plain));
    const wide = p.malloc(8192);
    expect(p.address(wide)).toBe(place + 2 * PAGE);
    p.malloc(4096);
    expect(p.address(p.malloc(4096))).toBe(place);
    expect(arena.pacMapped).toBe(2 * PAGE);
    auditHeap(p.heap);
  });

  test('with retain:false they are cut out of ordinary memory, guards on both sides', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_small:1,retain:false');
    const a = p.malloc(4096);
    expect(p.offset(a)).toBe(PAGE);
    expect(p.arena().pacMapped).toBe(3 * PAGE);
    p.free(a);
    expect(p.arena().dirty.guarded.pages).toBe(1);
    auditHeap(p.heap);
  });

  test('slab sizes that share a row of the cache lead jemalloc astray: refused where that begins', () => {
    const p = new Program('narenas:1,tcache:false,san_guard_small:1,slab_sizes:8192-8192:9|10240-10240:10');
    p.free(p.malloc(10240));
    expect(() => p.malloc(8192)).toThrow(UnsupportedOption);
  });
});
