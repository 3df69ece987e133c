import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventBatch, OP_NAMES, Op } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import { Trace } from '../trace/trace.ts';
import { type Bytes, type Nanoseconds, NO_STACK, type StackIndex, type ThreadIndex } from '../units.ts';
import { ALLOC_OBJECTS, FIELDS, LIVE_BYTES, LIVE_OBJECTS, PEAK_BYTES } from './ledger_row.ts';
import { LiveObjects } from './live.ts';
import { Replay, type ReplayOptions } from './replay.ts';
import type { Region } from '../extent/types.ts';

/** Events as lines: `malloc P SIZE`, `calloc P COUNT SIZE`, `realloc OLD P SIZE`, `free P`, `exit`; addresses are small numbers, 0 is NULL. */
function run(lines: readonly string[], options: ReplayOptions = {}, numbered = false, cpus?: readonly number[]): Replay {
  const trace = new Trace();
  trace.threads.intern(1);
  const stack = trace.stacks.intern([trace.stacks.frames.intern({ fn: 'f' })]);
  const replay = new Replay(trace, options);
  const batch = new EventBatch(8);
  const hand = () => {
    if (batch.length > 0) replay.take(batch);
    batch.length = 0;
  };
  for (const [at, line] of lines.entries()) {
    const [op, ...numbers] = line.split(' ');
    const [a = 0, b = 0, c = 0] = numbers.map(Number);
    const row = batch.length++;
    batch.op[row] = op === 'exit' ? Op.thread_exit : OP_NAMES.indexOf(op);
    batch.thread[row] = 0 as ThreadIndex;
    batch.time[row] = (at * 100) as Nanoseconds;
    batch.stack[row] = (at % 3 === 0 ? stack : -1) as StackIndex;
    if (cpus !== undefined) (batch.cpu ??= new Int16Array(8))[row] = cpus[at];
    const ptr = op === 'realloc' ? b : a;
    const old = op === 'realloc' ? a : 0;
    batch.ptr[row] = ptr * 16;
    batch.old[row] = old * 16;
    batch.size[row] = (op === 'malloc' ? b : c) as Bytes;
    batch.extra[row] = op === 'calloc' ? b : 0;
    if (numbered) {
      batch.object ??= new Int32Array(8);
      batch.oldObject ??= new Int32Array(8);
      batch.object[row] = ptr;
      batch.oldObject[row] = old;
    }
    if (batch.length === batch.capacity) hand();
  }
  hand();
  replay.finish(false);
  return replay;
}

/** What the program's side of a replay comes to; temporary objects, which a model does not tell, apart. */
function accounts(replay: Replay): unknown {
  const { model, ...rest } = replay.summary();
  void model;
  const rows = [...replay.ledger.rows()].map((row) => ({ ...row, temporaryObjects: undefined }));
  return { ...rest, skipped: { ...rest.skipped }, rows, end: replay.endTime };
}

/** Lines of allocations that the next call that did anything ended, found by looking at each call alone. */
function temporaryLines(lines: readonly string[]): number[] {
  const lineOf = new Map<number, number>();
  const found: number[] = [];
  let latest: number | undefined;
  const end = (address: number) => {
    const line = lineOf.get(address);
    if (line === undefined) return;
    if (line === latest) found.push(line);
    latest = undefined;
    lineOf.delete(address);
  };
  for (const [at, line] of lines.entries()) {
    const [op, ...numbers] = line.split(' ');
    const [a = 0, b = 0, c = 0] = numbers.map(Number);
    if (op === 'free') end(a);
    else if (op !== 'realloc' || b !== 0 || (a !== 0 && c === 0)) {
      const address = op === 'realloc' ? b : a;
      if (op === 'realloc') end(a);
      if (address === 0) continue;
      // What was live there has lost its free.
      end(address);
      lineOf.set(address, at);
      latest = at;
    }
  }
  return found;
}

describe('accounts', () => {
  test('of what a trace does, and of what it cannot have done', () => {
    const replay = run(['malloc 1 100', 'calloc 2 3 8', 'realloc 1 3 200', 'free 2', 'free 0', 'free 9', 'malloc 3 50', 'malloc 0 7']);
    expect(accounts(replay)).toMatchObject({
      events: 8,
      allocations: 4,
      frees: 1,
      requested_bytes_total: 374,
      requested_bytes_peak: 224,
      requested_bytes_live: 50,
      objects_live: 1,
      duration_ns: 700,
      skipped: { free_null: 1, free_unknown: 1, reused: 1, failed: 1 },
    });
  });

  test.each([
    ['an exit', ['exit']],
    ['an allocation of nothing', ['calloc 2 0 8']],
  ])('the model’s figures at the peak are those of the call that reached it, whatever comes next: %s', (_, next) => {
    const reached = ['malloc 1 100000', 'free 1', 'malloc 1 100001'];
    const { end } = run(reached).summary().model;
    for (const rest of [next, [...next, 'free 1'], [...next, 'free 1', 'malloc 1 8']])
      expect(run([...reached, ...rest]).summary().model.peak).toEqual(end);
  });

  test.each([
    ['its free comes next', ['malloc 1 8', 'free 1'], 1],
    ['a realloc frees it', ['malloc 1 8', 'realloc 1 2 9', 'realloc 2 2 10', 'free 2'], 3],
    ['another is allocated before', ['malloc 1 8', 'malloc 2 8', 'free 1', 'free 2'], 0],
    ['another is freed before', ['malloc 2 8', 'malloc 1 8', 'free 2', 'free 1'], 0],
    ['what changes nothing does not come between', ['malloc 1 8', 'free 0', 'free 9', 'malloc 0 8', 'free 1'], 1],
    ['a row of the table that is used again', ['malloc 1 8', 'free 1', 'malloc 2 8', 'malloc 3 8', 'free 2'], 1],
  ])('an allocation is temporary if the next call frees it: %s', (_, calls, temporary) => {
    const { ledger } = run(calls, { model: false });
    expect(ledger.totalTemporaryObjects).toBe(temporary);
    expect([...ledger.rows()].reduce((sum, { temporaryObjects }) => sum + temporaryObjects, 0)).toBe(temporary);
    const totals = run(calls, { model: false, contexts: false }).ledger;
    expect([totals.totalTemporaryObjects, ...totals.rows()]).toEqual([temporary]);
  });

  test('realloc(p, 0) that gives NULL is a free, realloc(NULL, n) a malloc, a failed one nothing', () => {
    const replay = run(['realloc 0 1 10', 'realloc 1 0 20', 'realloc 1 0 0', 'realloc 0 0 5']);
    expect(accounts(replay)).toMatchObject({ allocations: 1, frees: 1, objects_live: 0, skipped: { failed: 2 } });
  });

  test('what is live is exact to the byte, whatever was live before', () => {
    const lines = [
      'malloc 1 101',
      `malloc 2 ${2 ** 62}`,
      'malloc 3 7',
      `calloc 4 ${2 ** 50} ${2 ** 50}`,
      'free 2',
      'free 4',
      'malloc 5 30',
    ];
    for (const options of [{}, { model: false }]) {
      expect(run(lines, options).summary()).toMatchObject({ requested_bytes_live: 138, objects_live: 3 });
      expect([...run(lines, options).ledger.rows()].map(({ liveBytes }) => liveBytes)).toEqual([7, 101 + 30]);
      expect(run([...lines, 'free 1', 'free 3', 'free 5'], options).summary()).toMatchObject({ requested_bytes_live: 0, objects_live: 0 });
    }
  });

  test('an unknown free is an error that names the event, if asked for', () => {
    expect(() => run(['malloc 1 8', 'free 2'], { unmatched: 'error' })).toThrow('event 1: free of 0x20, which is not live');
  });

  const line = fc.oneof(
    fc.tuple(fc.nat(9), fc.nat(40_000)).map(([p, size]) => `malloc ${p} ${size}`),
    fc.tuple(fc.nat(9), fc.nat(9), fc.nat(99)).map(([p, count, size]) => `calloc ${p} ${count} ${size}`),
    fc.tuple(fc.nat(9), fc.nat(9), fc.nat(40_000)).map(([old, p, size]) => `realloc ${old} ${p} ${size % 3 === 0 ? 0 : size}`),
    fc.nat(9).map((p) => `free ${p}`),
  );

  const runs = fc.array(
    fc.oneof(
      line.map((one) => [one]),
      fc.tuple(fc.nat(9), fc.nat(99)).map(([p, size]) => [`malloc ${p} ${size}`, `free ${p}`]),
    ),
    { maxLength: 60 },
  );

  test('temporary allocations are those that a look at each call finds, in the fast lane and between its stretches', () => {
    fc.assert(
      fc.property(runs, fc.boolean(), (parts, numbered) => {
        const lines = parts.flat();
        const found = temporaryLines(lines);
        const { ledger } = run(lines, { model: false }, numbered);
        expect(ledger.totalTemporaryObjects).toBe(found.length);
        const rows = [...ledger.rows()].filter(({ temporaryObjects }) => temporaryObjects > 0);
        const named = found.filter((at) => at % 3 === 0).length;
        expect(rows.map(({ stack, temporaryObjects }) => [stack as number, temporaryObjects])).toEqual(
          [
            [-1, found.length - named],
            [0, named],
          ].filter(([, count]) => count > 0),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('are the same with the allocator and without it, by address and by number', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
        const expected = accounts(run(lines, { audit: true }));
        expect(accounts(run(lines, { model: false }))).toEqual(expected);
        expect(accounts(run(lines, { audit: true }, true))).toEqual(expected);
        expect(accounts(run(lines, { model: false }, true))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe('CPUs', () => {
  const lines = ['malloc 1 20000', 'malloc 2 30000', 'malloc 3 40000'];
  const arenas = (replay: Replay) => replay.heap.arenas.map((arena) => arena?.applicationThreads);

  test('an event without one runs where the event of its thread before did', () => {
    const conf = 'percpu_arena:percpu';
    expect(arenas(run(lines, { conf, ncpus: 3 }, false, [2, -1, -1]))).toEqual([0, undefined, 1]);
    expect(arenas(run(lines, { conf, ncpus: 3, audit: true }, false, [-1, -1, -1]))).toEqual([1]);
    expect(arenas(run(lines, { ncpus: 3 }, false, [2, -1, -1]))).toEqual([1]);
  });

  test.each([0, 32769, 999_999_999])('%d of them are refused', (ncpus) => {
    expect(() => run(lines, { ncpus })).toThrowError(
      expect.objectContaining({ place: '--ncpus', fact: expect.stringContaining(`${ncpus} CPUs`) }),
    );
  });

  test('32768 of them are not', () => {
    expect(run(lines, { ncpus: 32768 }).heap.conf.ncpus).toBe(32768);
  });

  test('one that the model has not is an error that says what to pass', () => {
    const conf = 'percpu_arena:percpu';
    expect(() => run(lines, { conf, ncpus: 3, name: 't' }, false, [0, 3, 0])).toThrowError(
      expect.objectContaining({ place: 't: event 1', fact: expect.stringContaining('CPU 3'), hint: 'pass --ncpus 4 or more' }),
    );
    expect(run(lines, { conf: `${conf},narenas:4`, ncpus: 3 }, false, [0, 3, 0]).eventCount).toBe(3);
    expect(run(lines, { ncpus: 3 }, false, [0, 3, 0]).eventCount).toBe(3);
  });

  test('a trace without them is told so, if the options ask for them', () => {
    const warnings = (conf: string, cpus?: readonly number[]) => run(lines, { conf }, false, cpus).trace.warnings;
    expect(warnings('percpu_arena:phycpu')).toEqual([expect.stringContaining('all were taken to run on CPU 0')]);
    expect([warnings('percpu_arena:phycpu', [0, 0, 0]), warnings('')]).toEqual([[], []]);
  });
});

describe('until', () => {
  const lines = ['malloc 1 8', 'malloc 2 8', 'malloc 3 8'];

  test('an event number is the number of events run', () => {
    for (const event of [0, 1, 2]) expect(run(lines, { until: { event } }).summary()).toMatchObject({ events: event, partial: true });
    expect(run(lines, { until: { event: 3 } }).summary()).toMatchObject({ events: 3, partial: false });
  });

  test('threads whose first event comes later are not counted', () => {
    const counts = [0, 1, 2, 3].map((event) => {
      const trace = new Trace();
      const batch = new EventBatch(3);
      for (let row = 0; row < 3; row++) batch.thread[row] = trace.threads.intern(row);
      batch.length = 3;
      const replay = new Replay(trace, { until: { event } });
      replay.take(batch);
      return replay.summary().threads;
    });
    expect(counts).toEqual([0, 1, 2, 3]);
  });

  test('a time takes what happens at it', () => {
    expect(run(lines, { until: { time: 100 } }).eventCount).toBe(2);
    expect(run(lines, { until: { time: 99 } }).eventCount).toBe(1);
  });
});

/** What confirm_conf:true says where the program's own string turns profiling on. */
const CONFIRMED = `<jemalloc>: malloc_conf #1 (string specified via --with-malloc-conf): ""
<jemalloc>: malloc_conf #2 (string pointed to by the global variable malloc_conf): "prof:true"
<jemalloc>: -- Set conf value: prof:true
<jemalloc>: malloc_conf #3 ("name" of the file referenced by the symbolic link named /etc/malloc.conf): ""
<jemalloc>: malloc_conf #4 (value of the environment variable MALLOC_CONF): "confirm_conf:true"
<jemalloc>: -- Set conf value: confirm_conf:true
<jemalloc>: malloc_conf #5 (string pointed to by the global variable malloc_conf_2_conf_harder): ""
`;

// as the real library has it with prof:true in the program's malloc_conf, and with MALLOC_CONF alone where that turns profiling on
describe('profiling that a result needs', () => {
  const options = (conf: string) => run(['malloc 1 100'], { conf, profiling: true }).heap.options;

  test.each([
    // conf -> prof, prof_gdump: prof_leak turns profiling on, and automatic dumps off
    ['', true, false],
    ['prof_gdump:true', true, true],
    ['prof:true,prof_leak:true,prof_gdump:true', true, true],
    ['prof_leak:true,prof_gdump:true', true, false],
    ['prof_leak_error:true,prof_gdump:true', true, false],
    ['prof:false', false, false],
    ['prof:maybe', true, false],
    [' prof:false', true, false],
  ])('%j', (conf, prof, prof_gdump) => expect(options(conf)).toMatchObject({ prof, prof_gdump }));

  test('is told as the program’s own string', () => {
    let said = '';
    run([], { conf: 'confirm_conf:true', profiling: true, message: (text) => (said += text) }).statsJson();
    expect(said).toBe(CONFIRMED);
  });
});

describe('mallctl on a replay', () => {
  const lines = ['malloc 1 100', 'malloc 2 200000', 'free 2'];

  test('statistics are those of the summary, and purging gives dirty pages back', () => {
    const replay = run(lines, { conf: 'dirty_decay_ms:-1' });
    expect(replay.mallctl('epoch', 1)).toBe(2);
    const { allocated, mapped } = replay.summary().model.end;
    expect(replay.mallctl('stats.allocated')).toBe(allocated);
    expect(replay.mallctl('stats.mapped')).toBe(mapped);
    expect(replay.mallctl('stats.arenas.0.pdirty')).toBeGreaterThan(0);
    expect(replay.mallctl('arena.0.purge')).toBeUndefined();
    replay.mallctl('epoch', 1);
    expect(replay.mallctl('stats.arenas.0.pdirty')).toBe(0);
  });

  test('strings are text, whatever letters they have', () => {
    const files: string[] = [];
    const openFile = (name: string) => {
      files.push(name);
      return { write: () => {}, close: () => {} };
    };
    const replay = run(lines, { conf: 'prof:true,prof_prefix:Größe', openFile });
    expect(replay.mallctl('opt.prof_prefix')).toBe('Größe');
    replay.mallctl('prof.dump');
    replay.mallctl('prof.prefix', 'Maß');
    replay.mallctl('prof.dump');
    replay.mallctl('prof.dump', 'größer.heap');
    expect(files).toEqual(['Größe.0.0.m0.heap', 'Maß.0.1.m1.heap', 'größer.heap']);
  });

  test('a thread’s peak is what it held at most, and starts afresh when reset', () => {
    const replay = run(lines);
    const peak = replay.mallctl('thread.peak.read') as number;
    expect(peak).toBeGreaterThanOrEqual(200000);
    replay.mallctl('thread.peak.reset');
    expect(replay.mallctl('thread.peak.read')).toBe(0);
  });

  // what is purged of a guarded slab counts as unmapped, though it had never counted as mapped
  test.each(['san_guard_small:1,muzzy_decay_ms:0', 'san_guard_large:1', 'san_guard_small:1,san_guard_large:1,retain:false'])(
    '%s: mapped bytes are jemalloc’s, which are never below 0',
    (conf) => {
      const objects = Array.from({ length: 600 }, (_, i) => i + 1);
      const replay = run([...objects.map((i) => `malloc ${i} 14336`), ...objects.map((i) => `free ${i}`)], {
        conf: `tcache:false,dirty_decay_ms:0,${conf}`,
      });
      replay.mallctl('epoch', 1);
      const { mapped } = replay.summary().model.end;
      expect(mapped).toBe(replay.mallctl('stats.mapped'));
      expect(mapped).toBeGreaterThanOrEqual(0);
    },
  );

  test('an unknown name is ENOENT, what is only read EPERM', () => {
    const replay = run(lines);
    expect(() => replay.mallctl('stats.nothing')).toThrow('ENOENT');
    expect(() => replay.mallctl('stats.allocated', 1)).toThrow('EPERM');
  });
});

test.each([
  ['mmapTop', 'mmap_top', [0x7ffff7c00001n, 0x7ffff7c00800n, 2n ** 47n + 4096n, 2n ** 64n - 1n]],
  ['programBreak', 'program_break', [0n, 0xffffn, 2n ** 47n, 2n ** 64n - 1n]],
] as const)('a %s that no process has is bad input', (field, key, values) => {
  for (const value of values) {
    const trace = new Trace();
    trace.header[field] = value;
    expect(() => new Replay(trace).heap, String(value)).toThrow(`header of the trace: ${key} 0x${value.toString(16)} is not`);
  }
});

test.each([
  [2n ** 47n, 0x555555800000n],
  [2n ** 47n - 4096n, 0x555555812345n],
])('mmap_top %d and program_break %d are as a process may have them', (mmapTop, programBreak) => {
  const trace = new Trace();
  Object.assign(trace.header, { mmapTop, programBreak });
  const { space } = new Replay(trace, { conf: 'dss:primary' }).heap;
  expect([space.options.top, BigInt(space.options.programBreak)]).toEqual([Number(mmapTop), programBreak]);
});

test.each([0x20000n, 0x810000n])('a trace that leaves the allocator no room below %d is bad input', (mmapTop) => {
  const trace = new Trace();
  for (const tid of [1, 2, 3, 4]) trace.threads.intern(tid);
  trace.header.mmapTop = mmapTop;
  const batch = new EventBatch(4);
  for (let row = 0; row < 4; row++, batch.length++) {
    batch.thread[row] = row as ThreadIndex;
    batch.ptr[row] = 16 * (row + 1);
    batch.size[row] = 24 as Bytes;
  }
  expect(() => new Replay(trace).take(batch)).toThrow(InputError);
});

test('with audit, what does not hold of the accounts and of the stacks is named', () => {
  const broken = (spoil: (replay: Replay) => void) => {
    const trace = new Trace();
    const stack = trace.stacks.intern([trace.stacks.frames.intern({ fn: 'f' }), trace.stacks.frames.intern({ fn: 'g' })]);
    trace.stacks.intern([0]);
    const replay = new Replay(trace, { audit: true });
    const batch = new EventBatch(2);
    for (const size of [100, 200]) {
      const row = batch.length++;
      batch.op[row] = Op.malloc;
      batch.ptr[row] = size;
      batch.size[row] = size as Bytes;
      batch.stack[row] = stack;
    }
    replay.take(batch);
    spoil(replay);
    batch.length = 1;
    batch.op[0] = Op.malloc_usable_size;
    replay.take(batch);
    replay.finish(false);
  };
  broken(() => {});
  const field = (replay: Replay, at: number, more: number) => (replay.ledger.accounts[FIELDS + at] += more);
  expect(() => broken((replay) => field(replay, ALLOC_OBJECTS, 1))).toThrow('ledger: the contexts do not add up to the objects');
  expect(() => broken((replay) => field(replay, LIVE_OBJECTS, 1))).toThrow('ledger: a context has other live objects');
  expect(() => broken((replay) => field(replay, LIVE_BYTES, -1))).toThrow('ledger: the contexts do not add up to the live bytes');
  expect(() => broken((replay) => field(replay, PEAK_BYTES, -1))).toThrow('ledger: a context has more live bytes');
  expect(() => broken(({ ledger }) => ledger.free(0 as StackIndex, 100))).toThrow('live objects: their count');
  expect(() => broken(({ trace }) => (trace.stacks.entries[1] = 7))).toThrow('stacks: one holds a frame that there is not');
  expect(() => broken(({ trace }) => trace.stacks.frames.used.pop())).toThrow('stacks: one holds a frame that none is said to use');
  expect(() => broken(({ trace }) => trace.stacks.frames.append({ fn: 'f' }))).toThrow('frames: two are the same');
});

test('two live objects in one region are named', () => {
  const live = new LiveObjects();
  live.put(1, 600 as Region, 8, NO_STACK);
  live.put(2, 601 as Region, 8, NO_STACK);
  live.check(2);
  live.put(3, 601 as Region, 8, NO_STACK);
  expect(() => live.check(3)).toThrow('live objects: two lie in one region');
});
