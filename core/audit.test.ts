import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Program } from '../fixtures/program.ts';
import type { Arena } from './arena/arena_state.ts';
import { auditHeap } from './audit.ts';
import { GlobalMutex } from './mutex.ts';
import { sizeToIndex } from './sizes/sc.ts';
import { Ctl } from './stats/ctl.ts';
import { Mallctl } from './stats/mallctl.ts';
import { CACHE_BIN, CACHED, LOW_WATER, STACK_BASE } from './thread/cache_bin.ts';
import { threadExit } from './thread/lifecycle.ts';
import type { Tcache } from './thread/tcache.ts';
import { TsdState } from './thread/tsd.ts';
import type { Bytes } from './units.ts';
import type { Region } from './extent/types.ts';

/** An option now and then, with a value of its own. */
const option = (name: string, values: readonly (string | number)[]) =>
  fc.option(
    fc.constantFrom(...values).map((value) => `${name}:${value}`),
    { nil: '', freq: 2 },
  );

const conf = fc
  .tuple(
    option('narenas', [1, 1, 2, 3]),
    option('tcache', ['true', 'false']),
    option('dirty_decay_ms', [-1, 0, 1, 100, 10000]),
    option('muzzy_decay_ms', [-1, 0, 50, 1000]),
    option('oversize_threshold', [0, 16384, 100000, 1 << 20]),
    option('retain', ['true', 'false']),
    option('bin_shards', ['1-200:2', '1-14336:3|64-64:1']),
    option('slab_sizes', ['1-64:3', '100-8192:8', '1-14336:1']),
    option('tcache_max', [0, 100, 16384, 65536]),
    option('tcache_nslots_small_max', [2, 8, 60]),
    option('tcache_nslots_large', [1, 3]),
    option('tcache_gc_incr_bytes', [1024, 8192]),
    option('lg_tcache_nslots_mul', [-2, 3]),
    option('lg_extent_max_active_fit', [0, 2, 64]),
    option('san_guard_small', [1, 3]),
    option('san_guard_large', [1, 3]),
    option('dss', ['disabled', 'primary', 'secondary']),
    option('prof', ['true,lg_prof_sample:0', 'true,lg_prof_sample:12', 'true,prof_recent_alloc_max:3']),
    option('zero_realloc', ['alloc', 'free']),
    option('hpa', [
      'true',
      'true,hpa_dirty_mult:-1,hpa_hugify_delay_ms:0,hpa_hugification_threshold_ratio:0.05',
      'true,hpa_dirty_mult:0.05,hpa_hugification_threshold_ratio:1,hpa_sec_nshards:1,hpa_sec_max_bytes:65536,hpa_sec_batch_fill_extra:3',
      'true,hpa_sec_nshards:0,hpa_slab_max_alloc:2097152',
    ]),
  )
  .map((options) => options.filter((text) => text !== '').join(','));

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 16384 }) },
  { weight: 3, arbitrary: fc.integer({ min: 16384, max: 200_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 200_000, max: 12 << 20 }) },
);
const pick = fc.nat({ max: 1 << 20 });

/** One call: which, by which thread, ms after the one before, of which size, on which of the live objects. */
const call = fc.record({
  op: fc.constantFrom('malloc', 'malloc', 'malloc', 'free', 'free', 'free', 'realloc', 'memalign', 'calloc', 'exit', 'burst'),
  thread: fc.constantFrom(0, 0, 0, 1, 2, 3),
  wait: fc.constantFrom(0, 0, 0, 0, 1, 20, 500),
  size,
  pick,
  lgAlignment: fc.integer({ min: 0, max: 21 }),
});

function run(
  program: Program,
  calls: readonly { op: string; thread: number; wait: number; size: number; pick: number; lgAlignment: number }[],
): void {
  const live: number[] = [];
  const take = (at: number) => live.splice(at % live.length, 1)[0];
  const keep = (region: number) => {
    if (region >= 0) live.push(region);
  };
  let now = 0;
  for (const { op, thread, wait, size: bytes, pick: at, lgAlignment } of calls) {
    program.at((now += wait)).thread(thread);
    if (op === 'malloc') keep(program.malloc(bytes));
    else if (op === 'calloc') keep(program.calloc(1 + (at % 3), bytes));
    else if (op === 'memalign') {
      const region = program.memalign(2 ** lgAlignment, bytes);
      if (bytes > 0 && region >= 0 && program.address(region) % 2 ** lgAlignment !== 0) throw new Error('not aligned');
      keep(region);
    } else if (op === 'burst') for (let i = 0; i < 30; i++) keep(program.malloc(bytes % 5000));
    else if (op === 'exit') program.exit();
    else if (live.length > 0 && op === 'free') program.free(take(at));
    else if (live.length > 0 && op === 'realloc') {
      const old = take(at);
      const moved = program.realloc(old, bytes);
      if (moved >= 0 || bytes !== 0) keep(moved >= 0 ? moved : old);
    }
    auditHeap(program.heap);
  }
  // live objects do not overlap, and in the end nothing that was given out is left
  live.sort((a, b) => program.address(a) - program.address(b));
  for (let i = 1; i < live.length; i++) {
    if (program.address(live[i - 1]) + program.usable(live[i - 1]) > program.address(live[i])) throw new Error('two live objects overlap');
  }
  program.thread(0);
  for (const region of live) program.free(region);
  for (const tsd of program.heap.tsds) threadExit(program.heap, tsd);
  auditHeap(program.heap);
  const left = program.heap.arenas.reduce((sum, arena) => sum + (arena === undefined ? 0 : arena.allocated - arena.internal), 0);
  expect(left).toBe(0);
}

test('every table holds after every call of random programs under random options', () => {
  const calls = fc.array(call, { minLength: 150, maxLength: 250, size: 'max' });
  fc.assert(
    fc.property(conf, calls, (options, list) => run(new Program(options), list)),
    { numRuns: 300, endOnFailure: true },
  );
}, 300_000);

test('what does not hold is named', () => {
  const broken = (spoil: (p: Program, region: number) => void) => {
    const p = new Program('narenas:1');
    const region = p.malloc(100);
    p.free(p.memalign(4096, 300000));
    auditHeap(p.heap);
    spoil(p, region);
    auditHeap(p.heap);
  };
  const cacheOf = (p: Program) => p.heap.tsds[0].tcache as Tcache;
  /** Sets a field of the class of 112 bytes, which the region is of. */
  const setCached = (p: Program, field: number, value: number) => (cacheOf(p).bins[7 * CACHE_BIN + field] = value);
  expect(() => broken((p, region) => p.heap.edata.freeCount[p.extent(region)]++)).toThrow('slab: freeCount');
  expect(() => broken((p) => p.arena().activePages++)).toThrow('arena: activePages');
  expect(() => broken((p) => p.arena().bins.curregs[7]++)).toThrow('bin: curregs');
  expect(() => broken((p) => p.arena().allocated++)).toThrow('arena: allocated');
  expect(() => broken((p) => p.arena().dirty.eset.pages++)).toThrow('eset: pages');
  expect(() => broken((p) => (p.arena().dirty.eset.nonempty[3] ^= 1))).toThrow('eset: a bit');
  expect(() => broken((p) => p.arena().base.resident++)).toThrow('base: resident');
  expect(() => broken((p, region) => (p.heap.edata.above[p.extent(region)] = p.extent(region)))).toThrow('page map');
  expect(() => broken((p) => p.arena().bins.curslabs[7]++)).toThrow('bin: curslabs');
  expect(() => broken((p) => p.arena().bins.nmalloc[7]++)).toThrow('bin: curregs is not');
  expect(() => broken((p) => p.arena().bins.nonfullSlabs[7]++)).toThrow('bin: nonfullSlabs');
  expect(() => broken((p, region) => p.arena().bins.full.append(p.heap.edata.links, 7, p.extent(region)))).toThrow(
    'bin: an automatic arena lists',
  );
  expect(() => broken((p) => p.arena().large.nmalloc[3]++)).toThrow('large: nmalloc');
  expect(() => broken((p) => p.arena().largeList.append(p.heap.edata.links, 0, p.extent(p.malloc(20000))))).toThrow('large: the list');
  expect(() => broken((p) => p.arena().applicationThreads++)).toThrow('arena: applicationThreads');
  expect(() => broken((p) => p.arena().internalThreads--)).toThrow('arena: internalThreads');
  expect(() => broken((p) => p.arena().tcaches.clear())).toThrow('tsd: the cache of a thread');
  expect(() => broken((p) => (p.tsd.state = TsdState.reincarnated))).toThrow('tsd: a thread that is not nominal');
  expect(() => broken((p) => (new Float64Array(p.heap.memory.buffer, p.tsd.place, 1)[0] = 1e9))).toThrow('tsd: an event is overdue');
  expect(() => broken((p) => setCached(p, CACHED, 10_000))).toThrow('tcache: a class holds');
  expect(() => broken((p) => setCached(p, LOW_WATER, 1000))).toThrow('tcache: the low water mark');
  expect(() =>
    broken((p, region) => (cacheOf(p).stack[cacheOf(p).bins[STACK_BASE]] = region as Region) && (cacheOf(p).bins[CACHED] = 1)),
  ).toThrow('tcache: an object of another class');
  expect(() => broken((p) => (cacheOf(p).lgFillDiv[7] = 0))).toThrow('tcache: a fill');
  expect(() => broken((p) => (p.heap.tcaches.available = 3))).toThrow('tcaches: there are indices');
  expect(() => broken((p) => (p.heap.tcaches.elements = [1, 0]) && (p.heap.tcaches.available = 0))).toThrow('tcaches: the list');
  expect(() => broken((p) => p.heap.mutexes.ownerSwitches[0]++)).toThrow('mutex: it changed hands');
  expect(() => broken((p) => (p.heap.mutexes.owner[GlobalMutex.prof] = 1))).toThrow('mutex: it has an owner');
});

test('what a manual arena lists is what it holds', () => {
  const bin = sizeToIndex(5000 as Bytes);
  const broken = (spoil: (p: Program, arena: Arena) => void) => {
    const p = new Program('narenas:1,tcache:false');
    const replay = new Mallctl(new Ctl(p.heap));
    const arena = p.heap.arenas[Number(replay.byName(p.tsd, 'arenas.create'))] as Arena;
    replay.byName(p.tsd, 'thread.arena', arena.index);
    // four of them fill a slab
    for (let i = 0; i < 9; i++) p.malloc(5000);
    p.malloc(20000);
    auditHeap(p.heap);
    spoil(p, arena);
    auditHeap(p.heap);
  };
  expect(() => broken((_, arena) => arena.bins.full.clear(bin))).toThrow('bin: the list of full slabs');
  expect(() => broken((_, arena) => arena.largeList.clear(0))).toThrow('large: the list of a manual arena');
  expect(() => broken((p, arena) => (p.heap.edata.links.prev[arena.bins.full.first[bin]] = 1))).toThrow(
    'bin: a full slab does not point back',
  );
});
