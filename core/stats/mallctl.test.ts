import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileDriver } from '../../fixtures/stats/golden.ts';
import { askCtlNames, CTL_NAMES_CONF, ctlQuestions, readCtlNames } from '../../fixtures/stats/ctl_names.ts';
import { type MallctlOutcome, type MallctlScript, readOutcome, runMallctlrun, SCRIPTS } from '../../fixtures/stats/mallctl_script.ts';
import { needsTool } from '../../fixtures/tools.ts';
import type { Arena } from '../arena/arena_state.ts';
import { dallocSmall, mallocSmall } from '../arena/bin.ts';
import { REGIONS } from '../extent/region.ts';
import { largeDalloc, largeMalloc } from '../arena/large.ts';
import { auditHeap } from '../audit.ts';
import { bootConf } from '../conf/boot.ts';
import { environmentSources, parseMallocConf } from '../conf/malloc_conf.ts';
import type { Extent, Region } from '../extent/types.ts';
import { Heap } from '../heap.ts';
import { DETACHED } from '../heap_prof.ts';
import { addressOf, free, malloc, usableSizeOf } from '../jemalloc.ts';
import { LARGE_MINCLASS, sizeToIndex, usableSize } from '../sizes/sc.ts';
import { tsdFetch } from '../thread/lifecycle.ts';
import { threadAllocEvent, threadDallocEvent } from '../thread/thread_event.ts';
import { Ctl } from './ctl.ts';
import { type CtlValue, MallctlError, UnsupportedName } from './ctl_tree.ts';
import { decimal } from './emitter.ts';
import { Mallctl, mallctlNames } from './mallctl.ts';
import type { Bytes, StackIndex } from '../units.ts';

function start(conf: string, seed = 1n, top = 0x7ffff7c00000): { heap: Heap; ctl: Ctl; mallctl: Mallctl } {
  const { options } = parseMallocConf(environmentSources(conf), () => {});
  // The program's backtraces are seven frames deep; which frames they are cannot be seen.
  const stacks = { framesOf: () => [1, 2, 3, 4, 5, 6, 7], frames: { addressOf: BigInt } };
  const boot = bootConf(options, { ncpus: 2 }, () => {});
  const heap = new Heap({ conf: boot, mainSeed: seed, addressSpace: { top }, profiling: { ...DETACHED, stacks } });
  const ctl = new Ctl(heap);
  return { heap, ctl, mallctl: new Mallctl(ctl) };
}

function shown(value: CtlValue | undefined): string {
  if (typeof value === 'object') return `${value.requested} ${value.count}`;
  return typeof value === 'number' || typeof value === 'bigint' ? decimal(value) : String(value);
}

/** mallocx with MALLOCX_ARENA and without a thread cache. */
function allocateIn(heap: Heap, arena: Arena, size: number): number {
  const main = heap.tsds[0];
  tsdFetch(heap, main);
  const usize = usableSize(size as Bytes);
  const region = usize < LARGE_MINCLASS ? mallocSmall(heap, main, arena, sizeToIndex(usize)) : largeMalloc(heap, main, arena, usize, false);
  threadAllocEvent(heap, main, usize);
  return region;
}

/** Carries out a script as mallctlrun.c does. */
function carryOut({ conf, lines }: Omit<MallctlScript, 'name'>, known: string): { answers: string[]; document: string } {
  const number = (name: string) => BigInt(new RegExp(`^${name} (\\d+)$`, 'm').exec(known)![1]);
  const { heap, ctl, mallctl } = start(conf, number('seed'), Number(number('mmap_top')));
  const main = heap.tsds[0];
  const answers = [`seed ${number('seed')}`, `mmap_top ${number('mmap_top')}`];
  const blocks: number[] = [];
  let document = '';
  const call = (name: string, reads: boolean, value?: CtlValue) => {
    try {
      const answer = mallctl.byName(main, name, value);
      answers.push(reads ? `${name} = ${shown(answer)}` : `${name} done`);
    } catch (error) {
      if (!(error instanceof MallctlError)) throw error;
      answers.push(`${name} ! ${error.code}`);
    }
  };
  const typed = (type: string, text: string): CtlValue => (type === 'b' ? text === 'true' : type === 's' ? text : Number(text));
  const write = (chunk: Uint8Array) => (document += Buffer.from(chunk).toString('latin1'));
  ctl.printAtIntervals(write);
  for (const line of lines) {
    const [op, a = '', b = '', c = ''] = line.split(' ');
    if (op === 'r') call(line.slice(4), true);
    else if (op === 'w') call(b, true, typed(a, c));
    else if (op === 'o') call(b, false, typed(a, c));
    else if (op === 'a') call(a, false);
    else if (op === 'm') blocks.push(malloc(heap, main, Number(a) as Bytes, 0 as StackIndex));
    else if (op === 'f') free(heap, main, blocks[Number(a)] as Region, 0 as StackIndex);
    else if (op === 'x') blocks.push(allocateIn(heap, heap.arenas[Number(b)]!, Number(a)));
    else if (op === 'y') freePastCache(heap, blocks[Number(a)]);
    else if (op === 't') heap.now += Number(a);
    else if (op === 'p') ctl.statsPrint(main, a, write);
    else if (op === 'n') {
      try {
        answers.push(`${a} at ${mallctl.nameToMib(main, a).join(' ')}`);
      } catch (error) {
        if (!(error instanceof MallctlError)) throw error;
        answers.push(`${a} ! ${error.code}`);
      }
    }
    auditHeap(heap);
  }
  if (heap.options.stats_print) ctl.statsPrintAtExit(main, write);
  return { answers, document };
}

/** dallocx with MALLOCX_TCACHE_NONE. */
function freePastCache(heap: Heap, region: number): void {
  const main = heap.tsds[0];
  const extent = Math.floor(region / REGIONS) as Extent;
  const usize = usableSizeOf(heap, region as Region);
  if (usize < LARGE_MINCLASS) dallocSmall(heap, main, region as Region);
  else largeDalloc(heap, main, extent);
  threadDallocEvent(heap, main, usize);
}

const pieces = (document: string) => document.split(/(?<=[\n,{])/);

function compare(script: MallctlScript, expected: MallctlOutcome): void {
  const { answers, document } = carryOut(script, expected.answers);
  expect(answers).toEqual(expected.answers.trimEnd().split('\n'));
  // Only a difference is worth the comparison piece by piece.
  if (document !== expected.document) expect(pieces(document)).toEqual(pieces(expected.document));
}

describe('answers of the real library, and the statistics after them', () => {
  test.each(SCRIPTS)('$name', (script) => compare(script, readOutcome(script.name)));

  test.skipIf(!needsTool('libjemalloc', 'gcc'))('given now, under other options', () => {
    const folder = mkdtempSync(join(tmpdir(), 'jereplay-mallctl-'));
    try {
      const program = join(folder, 'mallctlrun');
      compileDriver('mallctlrun.c', program);
      for (const script of SCRIPTS) {
        for (const more of ['', ',tcache:false', ',bin_shards:1-5000:3,dirty_decay_ms:0']) {
          const changed = { ...script, conf: script.conf + more };
          compare(changed, runMallctlrun(program, join(folder, 'answers'), changed));
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('a mib answers as its name does, and its indices can be changed', () => {
  const { heap, mallctl } = start('narenas:1');
  const main = heap.tsds[0];
  const mib = mallctl.nameToMib(main, 'arenas.bin.0.size');
  mib[2] = 7;
  expect(mallctl.byMib(main, mib)).toBe(112);
  expect(() => mallctl.byMib(main, mib.slice(0, 2))).toThrow(MallctlError);
  expect(() => mallctl.byMib(main, [...mib, 0])).toThrow('ENOENT');
  expect(() => mallctl.byMib(main, [99])).toThrow('ENOENT');
});

test.each([
  ['epoch', 'x', 'EINVAL'],
  ['epoch', 1.5, 'EINVAL'],
  ['thread.tcache.enabled', 1, 'EINVAL'],
  ['thread.arena', true, 'EINVAL'],
  ['arena.0.dss', 0, 'EINVAL'],
  ['arena.0.dirty_decay_ms', '5', 'EINVAL'],
  ['arena.0.purge', true, 'EPERM'],
  ['stats.active', 1, 'EPERM'],
  ['__proto__', 1, 'ENOENT'],
  ['opt.constructor', 1, 'ENOENT'],
  ['', 1, 'ENOENT'],
])('%s written with %j is %s', (name, value, code) => {
  const { heap, mallctl } = start('narenas:1');
  expect(() => mallctl.byName(heap.tsds[0], name, value)).toThrowError(expect.objectContaining({ name: 'MallctlError', code }));
});

test('an arena of a CPU cannot be chosen, another one can, and is then kept', () => {
  const { heap, mallctl } = start('percpu_arena:percpu,narenas:6');
  const [main] = heap.tsds;
  mallctl.byName(main, 'thread.arena');
  expect(() => mallctl.byName(main, 'thread.arena', heap.conf.ncpus - 1)).toThrowError(expect.objectContaining({ code: 'EPERM' }));
  mallctl.byName(main, 'thread.arena', 5);
  main.cpu = 1;
  expect(mallctl.byName(main, 'thread.arena')).toBe(5);
});

test('what a replay has not is refused by name', () => {
  const { heap, mallctl } = start('narenas:1');
  for (const name of ['thread.allocatedp', 'experimental.batch_alloc', 'arena.0.extent_hooks']) {
    expect(() => mallctl.byName(heap.tsds[0], name)).toThrow(UnsupportedName);
  }
});

test('an arena beyond the last index: EAGAIN, after its background thread has been looked for', () => {
  const { heap, mallctl } = start('narenas:4094');
  const main = heap.tsds[0];
  const locks = () => {
    mallctl.byName(main, 'epoch', 1);
    return Number(mallctl.byName(main, 'stats.mutexes.background_thread.num_ops'));
  };
  const [before, between] = [locks(), locks()];
  expect(() => mallctl.byName(main, 'arenas.create')).toThrow('EAGAIN');
  expect(locks() - between).toBe(between - before + 1);
});

test('arenas.lookup knows the arena of an object, and refuses what is none', () => {
  const { heap, mallctl } = start('narenas:1');
  const main = heap.tsds[0];
  const manual = mallctl.byName(main, 'arenas.create') as number;
  for (const size of [8, 14336, 20000, 9_000_000]) {
    const [here, there] = [malloc(heap, main, size as Bytes, 0 as StackIndex), allocateIn(heap, heap.arenas[manual]!, size)];
    expect(mallctl.byName(main, 'arenas.lookup', addressOf(heap, there as Region))).toBe(manual);
    expect(mallctl.byName(main, 'arenas.lookup', addressOf(heap, here))).toBe(size === 9_000_000 ? 1 : 0);
  }
  expect(() => mallctl.byName(main, 'arenas.lookup', 4096)).toThrow('EINVAL');
  expect(() => mallctl.byName(main, 'arenas.lookup')).toThrow('EINVAL');
});

describe('every name of the real library: its numbers, the size of its value, and what a write of a wrong length gives', () => {
  const names = mallctlNames().map((name) => name.replaceAll(/<.>/g, '0'));
  const questions = ctlQuestions(names);

  /** As ctlnames.c says it; undefined for what is not supported. */
  function answer(question: string): string | undefined {
    if (question.includes(' ')) return `${question.split(' ')[0]} none`;
    const { heap, mallctl } = start(CTL_NAMES_CONF);
    const main = heap.tsds[0];
    const attempt = (run: () => CtlValue | undefined): CtlValue | undefined | MallctlError => {
      try {
        return run();
      } catch (error) {
        if (error instanceof MallctlError) return error;
        throw error;
      }
    };
    const mib = mallctl.nameToMib(main, question).join('.');
    try {
      const read = attempt(() => mallctl.byName(main, question));
      const written = attempt(() => mallctl.byName(main, question, WRONG));
      return `${question} ${mib} ${sizeOf(read)} ${written instanceof MallctlError ? written.code : 'done'}`;
    } catch (error) {
      if (error instanceof UnsupportedName) return undefined;
      throw error;
    }
  }

  function check(answers: readonly string[]): void {
    expect(answers.length).toBe(questions.length);
    let compared = 0;
    for (const [i, expected] of answers.entries()) {
      if (questions[i].includes(' ')) {
        expect(expected).toBe(`${questions[i]} none`);
        compared++;
        continue;
      }
      const ours = answer(questions[i]);
      if (ours === undefined) continue;
      const [, , read, written] = expected.split(' ');
      const [name, mib, size, code] = ours.split(' ');
      // not asked: a look-up of no pointer, a write where something has to be read. Here an action cannot be read, only done.
      const answers = [name, mib, size === 'number' && /^[48]$/.test(read) ? read : size, code];
      if (read === '-' || (read === 'EPERM' && size !== 'EPERM')) answers[2] = read;
      if (written === '-') answers[3] = written;
      expect(ours.includes(' none') ? ours : answers.join(' ')).toBe(expected);
      compared++;
    }
    expect(compared).toBeGreaterThan(390);
  }

  test('kept', () => check(readCtlNames()));

  test.skipIf(!needsTool('libjemalloc', 'gcc'))('asked now', () => {
    const folder = mkdtempSync(join(tmpdir(), 'jereplay-ctlnames-'));
    try {
      const program = join(folder, 'ctlnames');
      compileDriver('ctlnames.c', program);
      const answers = askCtlNames(program, questions);
      expect(answers).toEqual(readCtlNames());
      check(answers);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** A value of no name's type. */
const WRONG = { requested: 0n, count: 0n };

/** Bytes of a value in the library, as far as its type tells. */
function sizeOf(value: CtlValue | undefined | MallctlError): string {
  if (value === undefined) return 'done';
  if (value instanceof MallctlError) return value.code;
  if (typeof value === 'boolean') return '1';
  if (typeof value === 'object') return '16';
  return typeof value === 'number' ? 'number' : '8';
}

test('sizes below 0 are as much below 2^64, as size_t is, and what is no index names nothing', () => {
  const { heap, mallctl } = start('prof:true');
  const [main] = heap.tsds;
  const after = (name: string, value: CtlValue) => {
    mallctl.byName(main, name, value);
    return mallctl.byName(main, name);
  };
  expect(after('arena.0.oversize_threshold', -1)).toBe(2 ** 64);
  // the largest size class: jemalloc grows no further
  expect(after('arena.0.retain_grow_limit', -4097)).toBe(7 * 2 ** 60);
  mallctl.byName(main, 'prof.reset', -1);
  expect(mallctl.byName(main, 'prof.lg_sample')).toBe(63);
  malloc(heap, main, (2 ** 20) as Bytes, 0 as StackIndex);
  auditHeap(heap);
  for (const name of ['stats.arenas.0.bins.x.nmalloc', 'arenas.bin..size', 'stats.arenas.0.lextents.-1.nmalloc']) {
    expect(() => mallctl.byName(main, name)).toThrow(MallctlError);
  }
});
