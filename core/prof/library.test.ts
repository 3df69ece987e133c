/** Profiling beside the real library: the same calls, the same dumps, lock counts, internal allocations, lists and logs. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../fixtures/prof/engine.ts';
import { needsTool } from '../../fixtures/tools.ts';
import type { ProfOptions } from './host.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/libjemalloc.a';
const there = needsTool('gcc', 'libjemalloc');

interface Script {
  readonly stacks: (readonly bigint[])[];
  readonly threads: number;
  readonly calls: string[];
}

/** A generator of repeatable choices. */
function chooser(seed: number): (below: number) => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

interface Shape {
  readonly threads: number;
  readonly stacks: number;
  readonly calls: number;
  readonly largest: number;
  /** Calls besides malloc, free and realloc, by letter; each about once in 25. */
  readonly extras: string;
  readonly directory: string;
}

function makeScript(seed: number, shape: Shape): Script {
  const choose = chooser(seed);
  const depths = [0, 1, 2, 5, 6, 9, 10, 17, 60, 128, 150];
  const stacks = Array.from({ length: shape.stacks }, (_, i) => {
    const depth = i < 3 * depths.length ? depths[i % depths.length] : 1 + choose(12);
    return Array.from({ length: depth }, (_, j) =>
      j === 0 ? BigInt(0x400000 + choose(1 << 20)) : BigInt(0x55d0c0000000 + choose(64) * 256 + choose(2) * 2 ** 33),
    );
  });
  const calls: string[] = [];
  const live: number[] = [];
  const exited = new Set<number>();
  let objects = 0;
  let logs = 0;
  let logging = false;
  for (let i = 0; i < shape.calls; i++) {
    let thread = choose(shape.threads);
    if (exited.has(thread)) thread = 0;
    const extra = shape.extras === '' || choose(25) > 0 ? '' : shape.extras[choose(shape.extras.length)];
    const stack = choose(10) === 0 ? -1 : choose(choose(2) === 0 ? shape.stacks : Math.min(6, shape.stacks));
    const size = [1 + choose(200), 1 + choose(5000), 1 + choose(shape.largest)][choose(3)];
    // First more is made, then more is freed.
    const wantsFree = choose(100) < (i < shape.calls / 2 ? 30 : 65);
    if (extra === 'x') {
      if (thread !== 0) {
        exited.add(thread);
        calls.push(`x ${thread}`);
      }
    } else if (extra === 'N') calls.push(`N ${thread} ${['', 'io', 'a longer name of a worker', 'bad\x07name', 'tab\tname'][choose(5)]}`);
    else if (extra === 'A' || extra === 'P' || extra === 'I') calls.push(`${extra} ${thread} ${choose(3) > 0 ? 1 : 0}`);
    else if (extra === 'R') calls.push(`R ${thread} ${shape.largest > 14336 ? 0 : 6 + choose(5)}`);
    else if (extra === 'X') calls.push(`X ${thread} ${choose(12) - 1}`);
    else if (extra === 'L' || extra === 'E') {
      calls.push(logging ? `E ${thread}` : `L ${thread} ${join(shape.directory, `log${seed}.${logs++}.json`)}`);
      logging = !logging;
    } else if (extra !== '') calls.push(`${extra} ${thread}`);
    else if (wantsFree && live.length > 0) {
      const [id] = live.splice(choose(live.length), 1);
      calls.push(`f ${thread} ${id} ${stack}`);
    } else if (choose(6) === 0 && live.length > 0) calls.push(`r ${thread} ${live[choose(live.length)]} ${size} ${stack}`);
    else {
      calls.push(`m ${thread} ${objects} ${size} ${stack}`);
      live.push(objects++);
    }
  }
  calls.push(...['J 0', 'D 0', 'Q 0'].slice(shape.extras.includes('J') ? 0 : 1));
  return { stacks, threads: shape.threads, calls };
}

/** The library's answers without what differs from run to run: times and the memory map. */
function tidy(text: string): string {
  return text
    .replace(/\nMAPPED_LIBRARIES:\n(?:[0-9a-f]+-[0-9a-f]+ .*\n)*/g, '')
    .replace(/"(alloc_time|dalloc_time|duration|alloc_timestamp|free_timestamp|pid)":\d+/g, '"$1":0');
}

interface Ours {
  readonly text: string;
  /** File name -> contents, in the order of their making. */
  readonly files: ReadonlyMap<string, string>;
  readonly messages: string;
  /** False if the process ended in the leak report. */
  readonly ended: boolean;
  readonly samples: number;
}

/** Runs a script through core/prof and gives what the library's program prints. */
function ours(script: Script, options: Partial<ProfOptions>, seeds: readonly bigint[], bins: boolean): Ours {
  const engine = new Engine(options, script.stacks, seeds);
  engine.audit = false;
  const { prof } = engine;
  let text = '';
  // The C library allocates for each thread that it starts.
  for (let thread = 1; thread < script.threads; thread++) engine.malloc(0, -thread, 18 * 16, -1);
  let mallctls = 0;
  const error = (failed: boolean) => {
    if (failed) text += 'error\n';
  };
  for (const call of script.calls) {
    const [op, threadText, ...words] = call.split(' ');
    const thread = Number(threadText);
    const numbers = words.map(Number);
    const rest = call.slice(3 + threadText.length);
    if (!'mfrx'.includes(op)) {
      engine.enter(thread);
      // The first one initialises the statistics.
      if (mallctls++ === 0) prof.refreshLocks();
    }
    if (op === 'm') engine.malloc(thread, numbers[0], numbers[1], numbers[2]);
    else if (op === 'f') engine.free(thread, numbers[0], numbers[1]);
    else if (op === 'r') engine.realloc(thread, numbers[0], numbers[1], numbers[2]);
    else if (op === 'x') engine.exit(thread);
    else if (op === 'N') error(prof.setThreadName(thread, rest) !== 0);
    else if (op === 'A') error(!prof.setThreadActive(thread, rest === '1'));
    else if (op === 'P') prof.active = rest === '1';
    else if (op === 'I') prof.threadActiveInit = rest === '1';
    else if (op === 'R') prof.reset(thread, numbers[0]);
    else if (op === 'X') prof.recent.setMax(thread, BigInt(rest));
    else if (op === 'L') error(!prof.logStart(rest));
    else if (op === 'E') error(!prof.logStop(thread));
    else if (op === 'G') error(!prof.mdump(thread, null));
    else if (op === 'D') text += `${call}\n${prof.dumpText(thread)!}`;
    else if (op === 'J') text += `${call}\n${prof.recentDump(thread)}\n`;
    else if (op === 'Q') {
      prof.refreshLocks();
      text += `${call}\n`;
      for (const [name, count] of Object.entries(prof.locks)) text += `${name} ${count}\n`;
      // Each started thread also has its cache's stack.
      text += `internal ${engine.internal + 28672 * engine.threads.filter((thread) => thread?.state === 'nominal').length}\n`;
      for (let szind = 0; bins && szind < 36; szind++) {
        if (engine.made[szind] !== undefined) text += `bin ${szind} ${engine.made[szind]} ${engine.freed[szind] ?? 0}\n`;
      }
    }
  }
  const ended = prof.atExit(0);
  return { text, files: engine.files, messages: engine.messages.join(''), ended, samples: engine.samples };
}

let directory = '';
const program = () => join(directory, 'library');

beforeAll(() => {
  if (!there) return;
  directory = mkdtempSync(join(tmpdir(), 'prof-library-'));
  execFileSync('gcc', [
    '-O1',
    '-o',
    program(),
    new URL('../../fixtures/prof/library.c', import.meta.url).pathname,
    LIBRARY,
    '-lm',
    '-lstdc++',
    '-lpthread',
    '-ldl',
  ]);
});
afterAll(() => {
  if (directory !== '') rmSync(directory, { recursive: true });
});

/** Fails at the first line that differs, with what stands around it. */
function expectSameLines(mine: string, theirs: string): void {
  if (mine === theirs) return;
  const a = mine.split('\n');
  const b = theirs.split('\n');
  const at = a.findIndex((line, i) => line !== b[i]);
  const from = Math.max(0, (at < 0 ? a.length : at) - 5);
  expect(a.slice(from, from + 10)).toEqual(b.slice(from, from + 10));
}

/** Runs one script on both sides and compares every line. */
function compare(seed: number, shape: Omit<Shape, 'directory'>, options: Partial<ProfOptions>, bins: boolean): Ours {
  const script = makeScript(seed, { ...shape, directory });
  const conf = Object.entries(options).map(([name, value]) => `${name}:${value}`);
  const input =
    `S ${script.stacks.length}\n` +
    script.stacks.map((stack) => [stack.length, ...stack.map((address) => address.toString(16))].join(' ') + '\n').join('') +
    `T ${script.threads}\n${script.calls.join('\n')}\n`;
  const prefix = join(directory, `auto${seed}`);
  const result = spawnSync(program(), [join(directory, 'heap')], {
    input,
    env: { MALLOC_CONF: `prof:true,narenas:1,prof_prefix:${prefix},${conf.join()}` },
    maxBuffer: 1 << 28,
    encoding: 'latin1',
  });
  const lines = result.stdout.split('\n');
  const seeds = lines.slice(0, script.threads).map((line) => BigInt(`0x${line}`));
  let theirs = tidy(lines.slice(script.threads).join('\n'));
  if (!bins) theirs = theirs.replace(/^bin .*\n/gm, '');
  const mine = ours(script, { ...options, prof_prefix: prefix }, seeds, bins);
  expectSameLines(tidy(mine.text), theirs);
  expect(result.stderr).toBe(mine.messages);
  expect(result.status).toBe(mine.ended ? 0 : 1);
  const written = readdirSync(directory).filter((name) => new RegExp(`^(auto|log)${seed}\\.`).test(name));
  const withoutPid = (name: string) => name.replace(/(auto\d+\.)\d+/, '$1PID');
  const mineByName = new Map([...mine.files].map(([name, text]) => [withoutPid(basename(name)), text]));
  expect(written.map(withoutPid).sort()).toEqual([...mineByName.keys()].sort());
  for (const name of written) expectSameLines(tidy(mineByName.get(withoutPid(name))!), tidy(readFileSync(join(directory, name), 'latin1')));
  return mine;
}

describe.skipIf(!there)('beside the real library', () => {
  // Every allocation sampled: the small bins then hold nothing but profiling's own memory, and each of its allocations shows.
  test.each([1, 2, 3, 4, 5, 6])('contexts, names, exits, resets, run %i', (seed) => {
    const shape = { threads: 1 + (seed % 5), stacks: [3, 40, 300, 800][seed % 4], calls: 2500, largest: 60000, extras: 'xNRDQQ' };
    const { samples } = compare(
      seed,
      shape,
      { lg_prof_sample: 0, prof_accum: seed % 3 === 0, prof_stats: seed % 2 === 0, prof_unbias: seed % 5 !== 0 },
      true,
    );
    expect(samples).toBeGreaterThan(500);
  });

  test.each([7, 8, 9])('recent allocations and log, run %i', (seed) => {
    const shape = { threads: 1 + (seed % 4), stacks: 60, calls: 1500, largest: 60000, extras: seed === 9 ? 'xNDQQJXLE' : 'NDQJJX' };
    compare(seed, shape, { lg_prof_sample: 0, prof_recent_alloc_max: [-1n, 5n, 100n][seed % 3] }, true);
  });

  test.each([10, 11, 12])('toggles, run %i', (seed) => {
    compare(seed, { threads: 4, stacks: 30, calls: 1500, largest: 60000, extras: 'xAPIDQ' }, { lg_prof_sample: 0 }, false);
  });

  // Real waits, from the seeds that the program says; fewer than 1000 decay ticks, since each 1000 take a draw that is not made here.
  test.each([13, 14, 15, 16, 17, 18])('sampling, run %i', (seed) => {
    const shape = { threads: 1 + (seed % 4), stacks: 40, calls: 350, largest: 14336, extras: 'xNARDQ' };
    compare(seed, shape, { lg_prof_sample: [8, 9, 10, 13][seed % 4], prof_accum: seed % 3 === 0 }, false);
  });

  test.each([19, 20, 21, 22])('automatic dumps and what happens at exit, run %i', (seed) => {
    const shape = { threads: 1 + (seed % 3), stacks: 40, calls: 300, largest: 14336, extras: 'xNPGDQL' };
    const options = {
      lg_prof_sample: seed % 2 === 0 ? 0 : 9,
      lg_prof_interval: 13 + (seed % 4),
      prof_final: true,
      prof_leak: true,
      prof_leak_error: seed === 22,
    };
    const { files, messages, ended } = compare(seed, shape, options, false);
    expect([...files.keys()].filter((name) => /\.i\d+\.heap$/.test(name)).length).toBeGreaterThan(1);
    expect(messages).toContain('<jemalloc>: Leak approximation summary: ~');
    expect(ended).toBe(seed !== 22);
  });
});
