import { describe, expect, test } from 'vitest';
import { GOLDEN, readGolden } from '../../fixtures/stats/golden.ts';
import { bootConf } from '../conf/boot.ts';
import { environmentSources, parseMallocConf } from '../conf/malloc_conf.ts';
import { Heap } from '../heap.ts';
import { DETACHED } from '../heap_prof.ts';
import { free, malloc } from '../jemalloc.ts';
import { GlobalMutex } from '../mutex.ts';
import { collectPrint, Ctl } from './ctl.ts';
import { type Bytes, NO_STACK, type StackIndex } from '../units.ts';
import type { Region } from '../extent/types.ts';

/** Every backtrace of the program is seven frames deep; which frames they are cannot be seen. */
const SEVEN_FRAMES = { framesOf: () => [1, 2, 3, 4, 5, 6, 7], frames: { addressOf: BigInt } };

/** A heap as the program statsdump.c starts with; `seed` and `mmapTop` come from its values. */
function startHeap(conf: string, seed = 0x7ffff7cd3b78n, mmapTop = 0x7ffff7c00000): Heap {
  const { options } = parseMallocConf(environmentSources(conf), () => {});
  const boot = bootConf(options, { ncpus: 2 }, () => {});
  return new Heap({ conf: boot, mainSeed: seed, addressSpace: { top: mmapTop }, profiling: { ...DETACHED, stacks: SEVEN_FRAMES } });
}

/** The single-threaded workloads of statsdump.c. */
function run(heap: Heap, workload: number): void {
  const main = heap.tsds[0];
  if (workload === 4) malloc(heap, main, 1 as Bytes, 0 as StackIndex);
  if (workload !== 1) return;
  const kept: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const region = malloc(heap, main, (((i * 977) % 5000) + 1) as Bytes, NO_STACK);
    if (i % 5 === 0) free(heap, main, region, NO_STACK);
    else kept.push(region);
    if (i % 100 === 0) kept.push(malloc(heap, main, (20000 + i * 500) as Bytes, NO_STACK));
    heap.now += 1000;
  }
  for (let i = 0; i < kept.length; i += 3) free(heap, main, kept[i] as Region, NO_STACK);
}

const lines = (document: string) => document.split(/(?<=[\n,{])/);

describe('a replayed process prints what the real one printed', () => {
  const single = GOLDEN.filter(({ workload }) => workload !== 2 && workload !== 3);
  test.each(single)('$name', ({ name, conf, letters, uptimeNs, workload }) => {
    const { document, values } = readGolden(name);
    const known = new Map(values.split('\n').map((line) => line.split(' ') as [string, string]));
    const heap = startHeap(conf, BigInt(known.get('seed')!), Number(known.get('mmap_top')));
    run(heap, workload);
    heap.now = uptimeNs;
    const ctl = new Ctl(heap);
    const printed = Buffer.from(collectPrint((write) => ctl.statsPrint(heap.tsds[0], letters, write))).toString('latin1');
    // Only a difference is worth the comparison piece by piece.
    if (printed !== document.toString('latin1')) expect(lines(printed)).toEqual(lines(document.toString('latin1')));
    expect(printed.length).toBe(document.length);
  });
});

test('a print shows in the next one', () => {
  const heap = startHeap('narenas:1');
  const ctl = new Ctl(heap);
  const numOps = () => {
    const text = Buffer.from(collectPrint((write) => ctl.statsPrint(heap.tsds[0], 'J', write))).toString();
    const { mutexes } = (JSON.parse(text) as { jemalloc: { stats: { mutexes: Record<string, { num_ops: number }> } } }).jemalloc.stats;
    return [mutexes['ctl'].num_ops, mutexes['background_thread'].num_ops];
  };
  expect([numOps(), numOps(), numOps()]).toEqual([
    [2, 4],
    [2 + 6416, 7],
    [2 + 2 * 6416, 10],
  ]);
});

test('the first call takes memory for the records of all indices, later ones none', () => {
  const heap = startHeap('narenas:5');
  const ctl = new Ctl(heap);
  const before = heap.base0.allocated;
  ctl.enter(heap.tsds[0]);
  expect(heap.base0.allocated - before).toBe(33520 + 37856 * (2 + 6));
  expect(ctl.refresh(heap.tsds[0])).toBe(2);
  expect(heap.base0.allocated - before).toBe(33520 + 37856 * (2 + 6));
  expect(heap.mutexes.ops[GlobalMutex.ctl]).toBe(2);
});

test('a print at exit books what thread caches have not reported', () => {
  const heap = startHeap('narenas:1,stats_print_opts:Jgx');
  const main = heap.tsds[0];
  for (let i = 0; i < 3; i++) malloc(heap, main, 100 as Bytes, NO_STACK);
  const ctl = new Ctl(heap);
  const nrequests = (text: string) => /"small":{[^}]*"nrequests":(\d+)/.exec(text)![1];
  expect(nrequests(Buffer.from(collectPrint((write) => ctl.statsPrint(main, 'Jgx', write))).toString())).toBe('0');
  expect(nrequests(Buffer.from(collectPrint((write) => ctl.statsPrintAtExit(main, write))).toString())).toBe('3');
});

test.each([
  // bytes between prints, request, requests -> numbers of the requests that print (one per print at most)
  ['0', 4096, 3, [1, 2, 3]],
  ['1000', 4096, 3, [1, 2, 3]],
  ['65536', 4096, 33, [16, 32]],
  ['1000000', 112, 9000, [8960]],
])('stats_interval:%s with requests of %d bytes', (interval, bytes, requests, expected) => {
  const heap = startHeap(`narenas:1,stats_interval:${interval},stats_interval_opts:Jgmda`);
  const ctl = new Ctl(heap);
  const prints: number[] = [];
  let request = 0;
  ctl.printAtIntervals(() => prints.push(request));
  for (request = 1; request <= requests; request++) malloc(heap, heap.tsds[0], bytes as Bytes, NO_STACK);
  expect(prints).toEqual(expected);
});
