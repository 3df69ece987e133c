import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Engine } from '../../fixtures/prof/engine.ts';
import { prngLgRange, setU64 } from '../u64.ts';
import { ProfDeadlockError } from './host.ts';
import type { Prof } from './prof.ts';
import { Cnt } from './prof_cnt.ts';
import { NO_TCTX } from './rows.ts';
import { UnbiasMap } from './unbias.ts';
import { profBoot1 } from '../conf/prof_boot.ts';
import type { SizeClass, StackIndex } from '../units.ts';

const MAIN_SEED = 0x7ffff7cd3b78n;
const THREAD_SEED = 0x7ffff341ec78n;
const SIZES = [10, 100, 1000, 5000, 20000];
const STACKS = [0, 1, 2, 3, 4].map((k) => [BigInt(0x400100 + 0x1000 * k), 0x410200n, 0x420300n]);

/** The worked example: 200 allocations of two threads, the C library's calloc of a new thread, 50 frees. Gives what each event asked of memory. */
function workedExample(lg: number): { engine: Engine; asked: (event: number | 'calloc' | 'boot') => string[]; sampled: number[] } {
  const engine = new Engine({ lg_prof_sample: lg }, STACKS, [MAIN_SEED, THREAD_SEED]);
  const parts = new Map<number | string, string[]>();
  const take = (event: number | string) => parts.set(event, engine.log.splice(0));
  const sampled: number[] = [];
  take('boot');
  for (let i = 0; i < 200; i++) {
    if (i === 10) {
      engine.malloc(0, -1, 18 * 16, -1);
      take('calloc');
    }
    const before = engine.samples;
    engine.malloc(Math.floor(i / 10) % 2, i, SIZES[(i + Math.floor(i / 5)) % 5], i % 5);
    if (engine.samples > before) sampled.push(i);
    take(i);
  }
  for (let i = 1; i < 200; i += 4) engine.free(0, i, -1);
  take('frees');
  return { engine, asked: (event) => parts.get(event)!, sampled };
}

describe('the worked example', () => {
  test('with every allocation sampled', () => {
    const { engine, asked } = workedExample(0);
    expect(engine.samples).toBe(201);
    expect(asked('boot')).toEqual(['2048']);
    expect(asked(0)).toEqual(['1208>1280', '2048', '144>160', '200>224']);
    for (const event of [1, 2, 3, 4]) expect(asked(event)).toEqual(['144>160', '200>224']);
    expect(asked('calloc')).toEqual(['120>128', '200>224']);
    expect(asked(10)).toEqual(['1208>1280', '2048', '200>224']);
    for (const event of [11, 12, 13, 14]) expect(asked(event)).toEqual(['200>224']);
    for (let event = 15; event < 200; event++) expect(asked(event)).toEqual([]);
    expect(asked('frees' as 'boot')).toEqual([]);
    expect(engine.internal).toBe(12096);
    expect([8, 9, 11, 21, 24].map((szind) => engine.made[szind])).toEqual([1, 5, 11, 2, 3]);
    expect(engine.threads[0].allocated).toBe(535360);

    const text = engine.prof.dumpText(0)!;
    engine.prof.refreshLocks();
    engine.prof.refreshLocks();
    expect(engine.prof.locks).toMatchObject({ prof: 19 + 1, prof_thds_data: 4 + 2, prof_dump: 2 + 1 });
    expect(text).toBe(
      [
        'heap_v2/1',
        '  t*: 151: 802880 [0: 0]',
        '  t0: 71: 374848 [0: 0]',
        '  t1: 80: 428032 [0: 0]',
        '@',
        '  t*: 1: 320 [0: 0]',
        '  t0: 1: 320 [0: 0]',
        ...[0, 1, 2, 3, 4].flatMap((k) => {
          const main = k === 2 || k === 3 ? 20 : 10;
          return [
            `@ 0x40${k}100 0x410200 0x420300`,
            '  t*: 30: 160512 [0: 0]',
            `  t0: ${main}: ${main * 5350.4} [0: 0]`,
            `  t1: ${30 - main}: ${(30 - main) * 5350.4} [0: 0]`,
          ];
        }),
        '',
      ].join('\n'),
    );
  });

  test('with a sample in 4096 bytes', () => {
    const { engine, sampled } = workedExample(12);
    expect(engine.samples).toBe(81);
    expect(sampled.filter((i) => Math.floor(i / 10) % 2 === 0).length).toBe(42);
    expect(sampled.filter((i) => i < 30 && Math.floor(i / 10) % 2 === 0)).toEqual([0, 4, 7, 8, 20, 24, 28, 29]);
    expect(sampled.filter((i) => i < 20 && i >= 10).slice(0, 3)).toEqual([11, 12, 16]);
    expect(engine.internal).toBe(11744);
    const text = engine.prof.dumpText(0)!;
    expect(text).toBe(
      [
        'heap_v2/4096',
        '  t*: 152: 321393 [0: 0]',
        '  t0: 82: 95043 [0: 0]',
        '  t1: 41: 366048 [0: 0]',
        ...[
          ['35: 19935', '13: 2528', '10: 90235'],
          ['20: 133527', '6: 42799', '14: 90729'],
          ['19: 143203', '12: 100439', '6: 42799'],
          ['25: 80355', '20: 47814', '2: 40969'],
          ['12: 151854', '4: 52398', '8: 99435'],
        ].flatMap(([all, main, other], k) => [
          `@ 0x40${k}100 0x410200 0x420300`,
          `  t*: ${all} [0: 0]`,
          `  t0: ${main} [0: 0]`,
          `  t1: ${other} [0: 0]`,
        ]),
        '',
      ].join('\n'),
    );
    engine.prof.refreshLocks();
    engine.prof.refreshLocks();
    expect(engine.prof.locks.prof).toBe(17 + 1);
  });
});

describe('waits and estimates', () => {
  test.each([
    [12, [11937, 3473, 1835, 2633, 6165, 2685, 1339, 19319]],
    [19, [1528057, 444515, 234904, 337029]],
  ])('waits at lg %i', (lg, expected) => {
    const prng = new Uint32Array(2);
    setU64(prng, 0, MAIN_SEED);
    const map = new UnbiasMap(lg);
    expect(expected.map(() => map.wait(prngLgRange(prng, 0, 53)))).toEqual(expected);
  });

  test('the ends of the range of waits', () => {
    expect(new UnbiasMap(19).wait(0)).toBe(1);
    expect(new UnbiasMap(19).wait(2 ** 53 - 1)).toBe(1);
    expect(new UnbiasMap(0).wait(12345)).toBe(1);
    for (const lg of [54, 63]) for (const draw of [0, 1, 2 ** 53 - 1]) expect(new UnbiasMap(lg).wait(draw)).toBe(2 ** 63);
  });

  // class, 8 times the objects, bytes
  test.each([
    [0, 0, 8, 8],
    [0, 231, 8, 0x7000000000000000],
    [12, 1, 2052, 4104],
    [12, 7, 297, 4152],
    [12, 20, 36, 4629],
    [12, 29, 11, 7176],
    [12, 37, 8, 20480 + 139],
    [19, 0, 524292, 524292],
    [19, 1, 262148, 524296],
    [63, 0, 0, 0],
  ])('table at lg %i, class %i', (lg, szind, count, bytes) => {
    const map = new UnbiasMap(lg);
    expect(map.shiftedCount[2 * szind] + map.shiftedCount[2 * szind + 1] * 2 ** 32).toBe(count);
    expect(map.bytes[2 * szind] + map.bytes[2 * szind + 1] * 2 ** 32).toBe(bytes);
  });

  test('2000 small objects at lg 0 print as 1999', () => {
    const engine = new Engine({ lg_prof_sample: 0 }, STACKS);
    engine.audit = false;
    for (let i = 0; i < 2000; i++) engine.malloc(0, i, 8, 0);
    expect(engine.prof.dumpText(0)).toContain('  t*: 1999: 15995 [0: 0]\n');
  });

  test('at lg 63 contexts print as zero, but are there', () => {
    const engine = new Engine({ lg_prof_sample: 63 }, STACKS);
    engine.malloc(0, 0, 100, 0);
    expect(engine.prof.dumpText(0)).toBe(
      'heap_v2/9223372036854775808\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0]\n@ 0x400100 0x410200 0x420300\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0]\n',
    );
  });

  test('sums pass 2^53 exactly', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_unbias: false, prof_accum: true }, STACKS);
    for (let i = 0; i < 5; i++) engine.malloc(0, i, 2 ** 52 + 2 ** 50, 0);
    engine.malloc(0, 5, 8, 0);
    engine.free(0, 1, 0);
    expect(engine.prof.dumpText(0)).toContain(`t0: 5: ${4n * (2n ** 52n + 2n ** 50n) + 8n} [6: ${5n * (2n ** 52n + 2n ** 50n) + 8n}]\n`);
  });
});

describe('records', () => {
  test('a context goes with its last object, a thread record with its last context after the exit', () => {
    const engine = new Engine({ lg_prof_sample: 0 }, STACKS);
    engine.malloc(1, 1, 10, 0);
    engine.prof.setThreadName(1, 'worker one');
    engine.malloc(0, 2, 10, 0);
    engine.exit(1);
    expect(engine.prof.dumpText(0)).toContain('  t0: 1: 16 [0: 0] worker one\n  t1: 1: 16 [0: 0]\n@');
    engine.log.length = 0;
    engine.free(0, 1, 1);
    // name, table, record, then the thread's context; the backtrace is still used.
    expect(engine.log).toEqual(['free 16', 'free 2048', 'free 1280', 'free 224']);
    engine.log.length = 0;
    engine.free(0, 2, 1);
    expect(engine.log).toEqual(['free 160', 'free 224']);
    engine.exit(0);
    expect(engine.internal).toBe(2048);
  });

  test('a realloc from the same stack keeps its context; the new sample comes first', () => {
    const engine = new Engine({ lg_prof_sample: 0 }, STACKS);
    engine.malloc(0, 1, 10, 0);
    engine.log.length = 0;
    engine.realloc(0, 1, 20000, 0);
    expect(engine.log).toEqual([]);
    engine.realloc(0, 1, 30, 1);
    expect(engine.log).toEqual(['144>160', '200>224', 'free 160', 'free 224']);
  });

  test('a prepared context that is rolled back goes', () => {
    const engine = new Engine({ lg_prof_sample: 0 }, STACKS);
    engine.enter(0);
    engine.log.length = 0;
    const tctx = engine.prof.allocPrep(0, 3 as StackIndex);
    engine.prof.allocRollback(0, tctx);
    expect(engine.log).toEqual(['1208>1280', '2048', '144>160', '200>224', 'free 160', 'free 224']);
    engine.check();
  });

  test('inactive threads have a record but no samples; an inactive process has neither', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_thread_active_init: false }, STACKS);
    engine.prof.active = false;
    engine.malloc(0, 1, 10, 0);
    expect(engine.log).toEqual(['2048']);
    engine.prof.active = true;
    engine.malloc(0, 2, 10, 0);
    expect(engine.log).toEqual(['2048', '1208>1280', '2048']);
    expect(engine.prof.setThreadActive(0, true)).toBe(true);
    engine.malloc(0, 3, 10, 0);
    expect(engine.prof.dumpText(0)).toContain('t0: 1: 16 ');
  });

  test('stacks at the same addresses are one context; only 128 frames count', () => {
    const deep = Array.from({ length: 140 }, (_, i) => BigInt(0x1000 + i));
    const engine = new Engine({ lg_prof_sample: 0 }, [deep, deep.slice(0, 128), deep.slice(0, 127), [0n], []]);
    [0, 1, 2, 3, 4, -1].forEach((stack, i) => engine.malloc(0, i, 64, stack));
    const text = engine.prof.dumpText(0)!;
    expect(text.match(/^@.*/gm)!.map((line) => line.split(' ').length - 1)).toEqual([0, 1, 127, 128]);
    expect(text).toContain('@ 0x0\n');
    expect(engine.log).toContain('1144>1280');
  });

  test('contexts come by the bytes of their addresses, then by length', () => {
    const stacks = [[0x0201n], [0x0102n], [0xff00n, 1n], [0xff00n], [1n << 56n], [0x8000000000000000n], [0x100000001n], [0x01n]];
    const engine = new Engine({ lg_prof_sample: 0 }, stacks);
    stacks.forEach((_, i) => {
      engine.malloc(0, i, 64, i);
      // Each dump extends the order that the one before has left.
      engine.prof.dumpText(0);
    });
    const bytes = (stack: readonly bigint[]) =>
      Buffer.concat(
        stack.map((address) => {
          const eight = Buffer.alloc(8);
          eight.writeBigUInt64LE(address);
          return eight;
        }),
      );
    const expected = [...stacks]
      .sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
      .map((stack) => '@' + stack.map((address) => ` 0x${address.toString(16)}`).join(''));
    expect(engine.prof.dumpText(0)!.match(/^@.*/gm)).toEqual(expected);
  });

  test('names', () => {
    const engine = new Engine({ lg_prof_sample: 0 }, STACKS);
    engine.enter(0);
    engine.log.length = 0;
    expect(engine.prof.setThreadName(0, 'a\nb')).toBe('EFAULT');
    expect(engine.prof.setThreadName(0, 'naïve')).toBe('EFAULT');
    expect(engine.prof.setThreadName(0, 'a\tb c')).toBe(0);
    expect(engine.prof.setThreadName(0, 'longer than sixteen')).toBe(0);
    expect(engine.prof.threadName(0)).toBe('longer than sixteen');
    expect(engine.prof.setThreadName(0, '')).toBe(0);
    expect(engine.log).toEqual(['1208>1280', '2048', '6>8', '20>32', 'free 8', 'free 32']);
    expect(engine.prof.threadName(0)).toBe('');
  });

  test('the name from the system is set again at every sample', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_sys_thread_name: true }, STACKS);
    engine.malloc(0, 1, 10, 0);
    engine.log.length = 0;
    engine.malloc(0, 2, 10, 0);
    expect(engine.log).toEqual(['9>16', 'free 16']);
    expect(engine.prof.setThreadName(0, 'x')).toBe('ENOENT');
    expect(engine.prof.dumpText(0)).toContain('  t0: 2: 32 [0: 0] thread 0\n');
  });

  test('a reset hides all data, and renews records at their next use', () => {
    const engine = new Engine({ lg_prof_sample: 0 }, STACKS);
    engine.malloc(0, 1, 10, 0);
    engine.prof.setThreadName(0, 'main');
    engine.prof.setThreadActive(0, true);
    engine.prof.reset(0, 70);
    expect(engine.prof.lgSample).toBe(63);
    engine.prof.reset(0, 0);
    engine.log.length = 0;
    // The dump renews the record: the name is copied first.
    expect(engine.prof.dumpText(0)).toBe('heap_v2/1\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0] main\n');
    expect(engine.log).toEqual(['5>8', '1208>1280', '2048']);
    engine.malloc(0, 2, 10, 0);
    expect(engine.prof.dumpText(0)).toContain(
      't0: 1: 16 [0: 0] main\n@ 0x400100 0x410200 0x420300\n  t*: 1: 16 [0: 0]\n  t0: 1: 16 [0: 0]\n',
    );
    engine.log.length = 0;
    engine.free(0, 1, 0);
    expect(engine.log).toEqual(['free 8', 'free 2048', 'free 1280', 'free 224']);
  });

  test('with prof_accum nothing goes', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_accum: true }, STACKS);
    for (let i = 0; i < 5; i++) {
      engine.malloc(1, i, 10, 0);
      engine.free(0, i, 0);
    }
    engine.exit(1);
    expect(engine.prof.dumpText(0)).toContain('@ 0x400100 0x410200 0x420300\n  t*: 0: 0 [5: 80]\n  t0: 0: 0 [5: 80]\n');
  });

  test('a thread that has only freed cannot have a record', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_recent_alloc_max: 10n }, STACKS);
    engine.malloc(0, 1, 10, 0);
    engine.free(1, 1, 1);
    expect(engine.prof.dumpText(0)).not.toContain('t1:');
    expect(engine.prof.recentDump(0)).not.toContain('dalloc');
  });
});

describe('dumps', () => {
  test('interval dumps fall on samples', () => {
    const engine = new Engine({ lg_prof_sample: 0, lg_prof_interval: 10 }, STACKS);
    for (let i = 0; i < 70; i++) engine.malloc(0, i, 100, 0);
    // 112 bytes each: 10 reach 1024 with a rest of 96, and so on.
    expect([...engine.files.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `jeprof.4242.${n}.i${n}.heap`));
    expect(engine.files.get('jeprof.4242.0.i0.heap')).toContain('t0: 10: 1120 ');
  });

  test('automatic names count in common, kinds by themselves; maps close a dump', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_final: true }, STACKS);
    engine.mapsText = '400000-401000 r-xp 00000000 00:00 0 /bin/x\n';
    engine.malloc(0, 1, 10, 0);
    expect(engine.prof.mdump(0, null)).toBe(true);
    expect(engine.prof.mdump(0, 'mine')).toBe(true);
    engine.prof.setPrefix('p');
    expect(engine.prof.mdump(0, null)).toBe(true);
    engine.prof.setPrefix('');
    expect(engine.prof.mdump(0, null)).toBe(false);
    expect(engine.prof.setPrefix('q')).toBe(false);
    expect(engine.prof.atExit(0)).toBe(true);
    expect([...engine.files.keys()]).toEqual(['jeprof.4242.0.m0.heap', 'mine', 'p.4242.1.m1.heap', 'q.4242.2.f.heap']);
    expect(engine.files.get('mine')!.endsWith(`\nMAPPED_LIBRARIES:\n${engine.mapsText}`)).toBe(true);
    expect(engine.messages).toEqual([]);
  });

  test('the leak report counts raw samples', () => {
    const engine = new Engine({ prof_leak: true, prof_final: true }, STACKS, [MAIN_SEED]);
    engine.malloc(0, 1, 10, 0);
    expect(engine.prof.atExit(0)).toBe(true);
    expect(engine.messages.join('')).toBe(
      '<jemalloc>: Leak approximation summary: ~524296 bytes, ~32769 objects, >= 1 context\n<jemalloc>: Run jeprof on dump output for leak detail\n',
    );
  });

  test('prof_leak_error ends the process before the last buffer is written', () => {
    const stacks = Array.from({ length: 1500 }, (_, i) => [BigInt(0x400000 + i)]);
    for (const [count, whole] of [
      [3, 0],
      [1500, 1],
    ]) {
      const engine = new Engine({ prof_leak_error: true, prof_final: true, lg_prof_sample: 0 }, stacks);
      engine.audit = false;
      for (let i = 0; i < count; i++) engine.malloc(0, i, 10, i);
      expect(engine.prof.atExit(0)).toBe(false);
      expect(engine.messages.at(-1)).toBe('<jemalloc>: Exiting with error code because memory leaks were detected\n');
      expect(engine.files.get('jeprof.4242.0.f.heap')!.length).toBe(whole * 65535);
    }
  });

  test('no leak, no report; without prof_final no dump', () => {
    const engine = new Engine({ prof_leak: true, prof_final: true, lg_prof_sample: 0 }, STACKS);
    expect(engine.prof.atExit(0)).toBe(true);
    expect(engine.messages).toEqual([]);
    const quiet = new Engine({ prof_leak: true, lg_prof_sample: 0 }, STACKS);
    quiet.malloc(0, 1, 10, 0);
    expect(quiet.prof.atExit(0)).toBe(true);
    expect(quiet.files.size).toBe(0);
  });

  test('prof_leak without prof turns profiling on, without automatic dumps', () => {
    const options = { ...new Engine({}, []).options, prof: false, prof_leak_error: true, prof_gdump: true, lg_prof_interval: 20 };
    expect(profBoot1(options)).toBe(0);
    expect(options).toMatchObject({ prof: true, prof_leak: true, prof_gdump: false });
    expect(profBoot1({ ...options, lg_prof_interval: 20 })).toBe(2 ** 20);
    expect(profBoot1({ ...options, lg_prof_interval: 63 })).toBe(2 ** 63);
  });

  test('gdump needs a record, waits for the context table, and stops at a thread table that grows', () => {
    const stacks = Array.from({ length: 400 }, (_, i) => [BigInt(0x400000 + 16 * i)]);
    const engine = new Engine({ lg_prof_sample: 0, prof_gdump: true }, stacks);
    engine.audit = false;
    // A slab's worth of pages for each context: a new high every time.
    let mapping: (size: number) => boolean = (size) => size === 128;
    engine.onInternal = (thread, size) => {
      if (mapping(size)) engine.prof.pagesAdd(thread, 1);
    };
    engine.malloc(0, 0, 10, 0);
    expect(engine.prof.pages).toEqual({ current: 1, high: 1 });
    const names = () => [...engine.files.keys()];
    expect(names()).toEqual(['jeprof.4242.0.u0.heap']);
    expect(engine.files.get('jeprof.4242.0.u0.heap')).toBe('heap_v2/1\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0]\n');
    engine.prof.pagesSub(1);
    engine.prof.pagesAdd(0, 1);
    engine.prof.pagesAdd(1, 1);
    expect(names().length).toBe(1);
    // Growth of the table of contexts: the dump comes when it is unlocked, and shows the contexts of that moment.
    mapping = (size) => size === 4096;
    let objects = 1;
    expect(() => {
      for (; objects < 400; objects++) engine.malloc(0, objects, 10, objects);
    }).toThrow(ProfDeadlockError);
    // The thread's table has the same keys, so it grows at the same one, right afterwards.
    expect(objects).toBeGreaterThan(47);
    // That dump has opened its file when it stops.
    expect(names().length).toBe(3);
    expect(engine.files.get(names()[2])).toBe('');
    expect(engine.files.get(names()[1])!.match(/^@/gm)!.length).toBe(objects);
  });
});

describe('recent allocations', () => {
  test('the list, its eviction and its JSON', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_recent_alloc_max: 2n }, STACKS);
    engine.malloc(0, 1, 10, 0);
    expect(engine.log).toEqual(['2048', '1208>1280', '2048', '144>160', '200>224', '72>80']);
    engine.prof.setThreadName(0, 'main "quoted"');
    engine.log.length = 0;
    engine.free(1, 1, 1);
    // A thread that starts with a free has no record; the next one has, and the free's own context is made first.
    expect(engine.log).toEqual([]);
    engine.malloc(1, 2, 100, 2);
    engine.log.length = 0;
    engine.free(1, 2, 3);
    expect(engine.log).toEqual(['144>160', '200>224']);
    expect(engine.prof.recentDump(0)).toBe(
      '{"sample_interval":1,"recent_alloc_max":2,"recent_alloc":[' +
        '{"size":10,"usize":16,"released":true,"alloc_thread_uid":0,"alloc_thread_name":"main "quoted"","alloc_time":1000001000,' +
        '"alloc_trace":["0x400100","0x410200","0x420300"]},' +
        '{"size":100,"usize":112,"released":true,"alloc_thread_uid":1,"alloc_time":1000003000,"alloc_trace":["0x402100","0x410200","0x420300"],' +
        '"dalloc_thread_uid":1,"dalloc_time":1000004000,"dalloc_trace":["0x403100","0x410200","0x420300"]}]}',
    );
    engine.log.length = 0;
    engine.malloc(0, 3, 10, 4);
    // The oldest is forgotten, and its context with it.
    expect(engine.log).toEqual(['144>160', '200>224', 'free 160', 'free 224']);
    engine.log.length = 0;
    expect(engine.prof.recent.setMax(0, 0n)).toBe(2n);
    expect(engine.log).toEqual(['free 160', 'free 224', 'free 160', 'free 224', 'free 80', 'free 80']);
    engine.check();
    engine.free(0, 3, 0);
    expect(engine.prof.recentDump(0)).toBe('{"sample_interval":1,"recent_alloc_max":0,"recent_alloc":[]}');
  });
});

describe('the log', () => {
  test('frees by threads with a record, in the order of the library', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_log: true }, STACKS);
    engine.malloc(0, 1, 10, 0);
    engine.malloc(1, 2, 5000, 1);
    engine.prof.setThreadName(1, 'w');
    engine.log.length = 0;
    engine.free(1, 1, 2);
    expect(engine.log).toEqual(['2048', '2048', '64', '25>32', '26>32', '56>64', '56>64', 'free 160', 'free 224']);
    engine.log.length = 0;
    engine.free(1, 2, -1);
    expect(engine.log).toEqual(['64', '56>64', '32', 'free 160', 'free 224']);
    engine.malloc(0, 3, 10, 0);
    engine.log.length = 0;
    expect(engine.prof.atExit(0)).toBe(true);
    expect(engine.log).toEqual([
      '65536',
      ...['free 32', 'free 32'],
      ...['free 64', 'free 64', 'free 64', 'free 32'],
      ...['free 64', 'free 64'],
      'free 65536',
      'free 2048',
      'free 2048',
    ]);
    expect(engine.files.get('jeprof.4242.0.json')).toBe(
      '{"info":{"duration":5000,"version":"5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c","lg_sample_rate":0,"prof_time_resolution":"default","pid":4242},' +
        '"threads":[{"thr_uid":0,"thr_name":""},{"thr_uid":1,"thr_name":"w"}],' +
        '"stack_traces":[["0x400100","0x410200","0x420300"],["0x402100","0x410200","0x420300"],["0x401100","0x410200","0x420300"],[]],' +
        '"allocations":[{"alloc_thread":0,"free_thread":1,"alloc_trace":0,"free_trace":1,"alloc_timestamp":1000001000,"free_timestamp":1000003000,"usize":16},' +
        '{"alloc_thread":1,"free_thread":1,"alloc_trace":2,"free_trace":3,"alloc_timestamp":1000002000,"free_timestamp":1000004000,"usize":5120}]}',
    );
    expect(engine.prof.logStop(0)).toBe(false);
    expect(engine.prof.logStart(null)).toBe(true);
    expect(engine.prof.logStart('other')).toBe(false);
    expect(engine.prof.logStop(0)).toBe(true);
    expect(JSON.parse(engine.files.get('jeprof.4242.1.json')!)).toMatchObject({ threads: [], stack_traces: [], allocations: [] });
  });

  test('a free after a reset, by the thread that allocated, never returns', () => {
    const engine = new Engine({ lg_prof_sample: 0, prof_log: true }, STACKS);
    engine.malloc(0, 1, 10, 0);
    engine.prof.reset(0);
    expect(() => engine.free(0, 1, 0)).toThrow(ProfDeadlockError);
  });
});

test('prof_stats counts requested bytes by class', () => {
  const engine = new Engine({ lg_prof_sample: 0, prof_stats: true }, STACKS);
  engine.malloc(0, 1, 10, 0);
  engine.malloc(0, 2, 12, 0);
  engine.free(0, 1, 0);
  expect(engine.prof.stats!.live(1 as SizeClass)).toEqual({ requested: 12n, count: 1n });
  expect(engine.prof.stats!.accum(1 as SizeClass)).toEqual({ requested: 22n, count: 2n });
  expect(engine.prof.locks.prof_stats).toBe(5);
});

describe('any sequence of calls', () => {
  const addresses: bigint[][] = [[], [1n], [1n, 2n], [0x100n], [1n], [2n ** 63n, 5n], [0x01000000n, 7n, 7n]];
  const call = fc.record({
    op: fc.constantFrom('malloc', 'malloc', 'malloc', 'free', 'free', 'realloc', 'exit', 'reset', 'name', 'active', 'recent', 'dump'),
    thread: fc.nat(3),
    stack: fc.integer({ min: -1, max: addresses.length - 1 }),
    size: fc.constantFrom(1, 8, 9, 100, 4096, 14336, 14337, 16384, 20000, 5000000),
    choice: fc.nat(),
  });

  test.each([false, true])('keeps all tables sound and dumps what is live, prof_accum:%s', (accum) => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 150 }), fc.integer({ min: -1, max: 4 }), (calls, recentMax) => {
        const engine = new Engine(
          { lg_prof_sample: 0, prof_unbias: false, prof_accum: accum, prof_recent_alloc_max: BigInt(recentMax) },
          addresses,
        );
        // The twin: a list of all samples since the last reset.
        let samples: { id: number; thread: number; text: string; usize: number; live: boolean }[] = [];
        const live: number[] = [];
        const exited = new Set<number>();
        let ids = 0;
        const allocate = (id: number, thread: number, stack: number) => {
          if (engine.blocks.get(id)!.info < 0) return;
          const text = (stack < 0 ? [] : addresses[stack]).map((address) => ` 0x${address.toString(16)}`).join('');
          samples.push({ id, thread, text, usize: engine.blocks.get(id)!.usize, live: true });
        };
        const forget = (id: number) => {
          for (const sample of samples) if (sample.id === id) sample.live = false;
        };
        for (const { op, thread: asked, stack, size, choice } of calls) {
          const thread = exited.has(asked) ? 0 : asked;
          if (op === 'malloc') {
            engine.malloc(thread, ids, size, stack);
            allocate(ids, thread, stack);
            live.push(ids++);
          } else if (op === 'free' && live.length > 0) {
            const [id] = live.splice(choice % live.length, 1);
            engine.free(thread, id, stack);
            forget(id);
          } else if (op === 'realloc' && live.length > 0) {
            const id = live[choice % live.length];
            engine.realloc(thread, id, size, stack);
            forget(id);
            allocate(id, thread, stack);
          } else if (op === 'exit' && thread !== 0) {
            engine.exit(thread);
            exited.add(thread);
          } else if (op === 'reset') {
            engine.prof.reset(0);
            samples = [];
          } else if (op === 'recent') {
            engine.enter(thread);
            engine.prof.recent.setMax(thread, BigInt((choice % 6) - 1));
          } else if (op === 'name' || op === 'active') {
            engine.enter(thread);
            if (op === 'name') engine.prof.setThreadName(thread, 'n'.repeat(choice % 40));
            else engine.prof.setThreadActive(thread, choice % 3 > 0);
          } else if (op === 'dump') {
            engine.enter(thread);
            const text = engine.prof.dumpText(thread)!;
            const counts = (chosen: typeof samples) => {
              const now = chosen.filter((sample) => sample.live);
              const bytes = (list: typeof samples) => list.reduce((sum, { usize }) => sum + usize, 0);
              return `${now.length}: ${bytes(now)} [${accum ? `${chosen.length}: ${bytes(chosen)}` : '0: 0'}]`;
            };
            expect(text).toContain(`heap_v2/1\n  t*: ${counts(samples)}\n`);
            const shown = new Set(samples.filter((sample) => accum || sample.live).map((sample) => sample.text));
            expect(new Set(text.match(/(?<=^@).*/gm) ?? [])).toEqual(shown);
            for (const trace of shown)
              expect(text).toContain(`@${trace}\n  t*: ${counts(samples.filter((sample) => sample.text === trace))}\n`);
            // Rows of threads, as a set: their numbers follow the creation of records.
            const rows = [...new Set(samples.map(({ thread }) => thread))].map((one) =>
              counts(samples.filter((sample) => sample.thread === one)),
            );
            const header: readonly string[] = text.split('\n@')[0].match(/(?<=^  t\d+: )\d+: \d+ \[\d+: \d+\]/gm) ?? [];
            for (const row of rows) expect(row.startsWith('0: 0 [0') || header.includes(row)).toBe(true);
          }
          engine.check();
        }
        // Everything goes: what is left is the table of contexts, and what recent allocations and prof_accum hold.
        engine.enter(0);
        engine.prof.recent.setMax(0, 0n);
        for (const id of live) engine.free(0, id, -1);
        for (const thread of [0, 1, 2, 3]) if (!exited.has(thread)) engine.exit(thread);
        if (!accum) expect(engine.internal).toBe(2048);
      }),
      { numRuns: 100 },
    );
  });
});

test('what does not hold is named', () => {
  const broken = (spoil: (prof: Prof) => void) => {
    const engine = new Engine({ lg_prof_sample: 0, prof_recent_alloc_max: 2n, prof_stats: true, prof_log: true }, STACKS, [MAIN_SEED]);
    for (let i = 0; i < 4; i++) engine.malloc(0, i, SIZES[i], i);
    engine.free(0, 1, 0);
    engine.check();
    spoil(engine.prof);
    engine.check();
  };
  const row = 0;
  expect(() => broken(({ data }) => data.tctxs.cnts.add(row, Cnt.curObjs, 1, 0))).toThrow("a context's counters");
  expect(() => broken(({ data }) => data.tctxs.recentCount[row]++)).toThrow('a context counts other references');
  expect(() => broken(({ data }) => (data.tctxs.prepared[row] = 1))).toThrow('a thread context is left prepared');
  expect(() => broken(({ data }) => (data.gctxs.last[row] = NO_TCTX))).toThrow("a context's last thread context");
  expect(() => broken(({ data }) => data.gctxs.count++)).toThrow('contexts are lost');
  expect(() => broken(({ data }) => data.bt2gctx.count++)).toThrow("a hash table's count");
  expect(() => broken(({ data }) => data.bt2gctx.keys.fill(0))).toThrow("a hash table's count");
  expect(() => broken(({ data }) => data.backtraces.hash1[row]++)).toThrow("a backtrace's hashes");
  expect(() => broken(({ data }) => data.tdatas.count++)).toThrow('thread records are lost');
  expect(() => broken(({ data }) => (data.tdatas.enq[row] = 1))).toThrow('a thread record is left');
  expect(() => broken(({ infos }) => infos.count++)).toThrow('rows of sampled objects are lost');
  expect(() => broken(({ infos }) => infos.usize[row]++)).toThrow("a sampled object's usable size");
  expect(() => broken(({ infos }) => infos.size[row]++)).toThrow('prof_stats: what is live');
  expect(() => broken(({ recent }) => recent.count++)).toThrow('the list of recent allocations');
});
