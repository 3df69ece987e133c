import { describe, expect, test } from 'vitest';
import { auditHeap } from '../audit.ts';
import { OutOfMemory } from '../base/base.ts';
import { bootConf } from '../conf/boot.ts';
import { environmentSources, parseMallocConf } from '../conf/malloc_conf.ts';
import { Heap } from '../heap.ts';
import { DETACHED } from '../heap_prof.ts';
import { free, malloc, realloc } from '../jemalloc.ts';
import type { Arena } from '../arena/arena_state.ts';
import { Flag, NO_EXTENT } from './edata.ts';
import { registerBoundary } from './emap.ts';
import { NULL_REGION, type Region } from './types.ts';
import type { Bytes, StackIndex } from '../units.ts';

const MIB = 2 ** 20;

/** A heap whose address space is so many MiB, with a backtrace for each call. */
function heapOf(mebibytes: number, conf: string): Heap {
  const { options } = parseMallocConf(environmentSources(`dss:disabled,narenas:1,oversize_threshold:0,tcache:false,${conf}`), () => {});
  const stacks = { framesOf: (stack: number) => [stack, 7, 8], frames: { addressOf: BigInt } };
  const addressSpace = { top: 0x10000 + mebibytes * MIB };
  return new Heap({ conf: bootConf(options, { ncpus: 1 }, () => {}), mainSeed: 3n, addressSpace, profiling: { ...DETACHED, stacks } });
}

/** Regions of so many mallocs, those that got memory, from 40 stacks in turn, the first of them given. */
function fill(heap: Heap, size: number, count: number, firstStack = 0): number[] {
  const regions: number[] = [];
  for (let i = 0; i < count; i++) {
    const region = malloc(heap, heap.tsds[0], size as Bytes, (firstStack + (i % 40)) as StackIndex);
    if (region !== NULL_REGION) regions.push(region);
  }
  return regions;
}

/** Takes all address space there is, in pieces of all sizes. */
function exhaust(heap: Heap): void {
  for (let size = 64 * MIB; size >= 4096; size /= 2) fill(heap, size, 40);
}

describe('without memory for the allocator’s own tables', () => {
  test('an extent that cannot be split is abandoned: its address space is lost, and nothing else', () => {
    const heap = heapOf(1024, '');
    const { 0: main } = heap.tsds;
    const large = malloc(heap, main, (832 * MIB) as Bytes, 0 as StackIndex);
    exhaust(heap);
    free(heap, main, large, 0 as StackIndex);
    const pieces = fill(heap, 16384, 48_000);
    expect(pieces.length).toBeGreaterThan(10_000);
    expect(pieces.length).toBeLessThan(48_000);
    expect((heap.arenas[0] as Arena).abandonedBytes).toBeGreaterThan(100 * MIB);
    auditHeap(heap);
    for (const region of pieces) free(heap, main, region as Region, 0 as StackIndex);
    auditHeap(heap);
  });

  test('a thread without memory for its cache ends the replay, as it ends in the process', () => {
    const heap = heapOf(64, 'tcache:true');
    exhaust(heap);
    const thread = heap.addThread(7n);
    expect(() => malloc(heap, thread, 8 as Bytes, 0 as StackIndex)).toThrow(OutOfMemory);
  });

  test('a leaf of the page map that there was no memory for is asked for again', () => {
    const heap = heapOf(64, '');
    malloc(heap, heap.tsds[0], 8 as Bytes, 0 as StackIndex);
    exhaust(heap);
    const { edata } = heap;
    const extent = edata.take();
    edata.base[extent] = 2 ** 40;
    edata.pages[extent] = 1;
    edata.flags[extent] = Flag.head;
    expect([registerBoundary(heap, extent), registerBoundary(heap, extent)]).toEqual([false, false]);
    expect(extent).not.toBe(NO_EXTENT);
  });

  test.each(['lg_prof_sample:0', 'lg_prof_sample:8,prof_accum:true', 'lg_prof_sample:4,prof_recent_alloc_max:-1'])(
    'an allocation whose context has no memory gets none, and the tables of the profiler stay sound: %s',
    (conf) => {
      const heap = heapOf(24, `prof:true,${conf}`);
      const { 0: main } = heap.tsds;
      const before = fill(heap, 100, 500);
      expect(before).toHaveLength(500);
      exhaust(heap);
      // contexts that are new, but no more of them than the tables have room for
      const after = fill(heap, 100, 5000, 1000);
      expect(after.length).toBeLessThan(5000);
      auditHeap(heap);
      expect(realloc(heap, main, before[0] as Region, 5000 as Bytes, 1_000_000 as StackIndex)).toBe(NULL_REGION);
      for (const region of [...before, ...after]) free(heap, main, region as Region, 0 as StackIndex);
      auditHeap(heap);
      expect(malloc(heap, main, 100_000 as Bytes, 0 as StackIndex)).not.toBe(NULL_REGION);
    },
  );
});
