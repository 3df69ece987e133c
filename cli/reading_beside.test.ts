/**
 * A trace read beside its replay gives every file, every line and every exit code that it gives in one thread.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { paysBeside } from './reading_beside.ts';
import { finished, run, start } from './testing.ts';

const recording = (name: string) => fileURLToPath(new URL(`../fixtures/traces/${name}`, import.meta.url));

const folder = testFolder();

/** NDJSON of some batches of events, with dumps on the way if profiled, and threads that get their names as it goes. */
function namedThreads(events: number): string {
  const lines = ['{"op":"trace","version":1,"command":"named","pid":7,"ncpus":2}', '{"op":"thread","tid":1,"name":"first"}'];
  for (let event = 0; event < events; event++) {
    if (event % 3000 === 2999) lines.push(`{"op":"thread","tid":${event % 3},"name":"named at ${event}"}`);
    if (event % 100 === 0)
      lines.push(`{"op":"stack","id":${event / 100},"frames":["leaf","caller ${event % 1700}","0x${(event * 16).toString(16)}"]}`);
    const place = `"ts":${event * 1000},"tid":${event % 3},"ptr":"0x${(0x7f0000000000 + (event % 5000) * 4096).toString(16)}"`;
    if (event % 10000 >= 5000) lines.push(`{"op":"free",${place}}`);
    else lines.push(`{"op":"malloc",${place},"size":${(event * 37) % 5000},"stack":${Math.floor(event / 100)}}`);
  }
  return `${lines.join('\n')}\n`;
}

const made = (name: string) => join(folder, name);

beforeAll(async () => {
  const text = namedThreads(40_000);
  writeFileSync(made('named.ndjson'), text);
  writeFileSync(made('named.ndjson.gz'), gzipSync(text));
  writeFileSync(made('torn.ndjson.gz'), gzipSync(text));
  truncateSync(made('torn.ndjson.gz'), Math.floor(statSync(made('torn.ndjson.gz')).size * 0.8));
  writeFileSync(made('torn.ndjson'), text.slice(0, -30));
  writeFileSync(made('damaged.ndjson'), text.replace('"ts":30000000,', '"ts":?,'));
  writeFileSync(made('unknown.ndjson'), text.replace('{"op":"free"', '{"op":"free","ptr":"0x10"}\n{"op":"free"'));
  expect(await run(['convert', made('named.ndjson'), '-o', made('named.jrt')])).toMatchObject({ code: 0 });
  writeFileSync(made('torn.jrt'), readFileSync(made('named.jrt')).subarray(0, -4000));
});

const PROFILED = 'prof:true,lg_prof_sample:10,lg_prof_interval:22,prof_final:true,prof_prefix:dump,prof_sys_thread_name:true';
const everything = (trace: string, ...more: string[]) => [
  'replay',
  trace,
  '--conf',
  PROFILED,
  '-o',
  'OUT',
  '--placements',
  'OUT/placements',
  ...more,
];

const CASES: readonly [name: string, args: readonly string[]][] = [
  ['ndjson', everything(made('named.ndjson'))],
  ['ndjson in gzip', everything(made('named.ndjson.gz'))],
  ['compact', everything(made('named.jrt'))],
  ['ltrace', everything(recording('mt4_x_ttt.ltrace.zst'))],
  ['bpftrace with names', everything(recording('mt3_300_jereplay.json.zst'))],
  [
    'bpftrace with CPUs',
    [...everything(recording('mt4_split_perf.txt.zst')), '--conf', `${PROFILED},percpu_arena:percpu`, '--ncpus', '64'],
  ],
  ['perf', everything(recording('mt4_cut.perfscript.zst'))],
  ['heaptrack', everything(recording('leakycpp_cut.heaptrack.zst'))],
  ['heaptrack raw', everything(recording('leaky_500.heaptrack.raw.zst'))],
  ['summary as JSON', ['replay', made('named.ndjson'), '--json']],
  ['leaks', ['leaks', recording('leaky_g.perfscript.zst')]],
  ['flamegraph', ['flamegraph', recording('leaky_500.heaptrack.zst'), '-o', 'OUT/page.html']],
  ['report', ['report', recording('leaky_g.perfscript.zst'), '--text']],
  ['sweep', ['sweep', made('named.ndjson'), 'narenas:1', 'tcache:false', '--json']],
  ['convert to ndjson', ['convert', made('named.jrt'), '-o', 'OUT/trace.ndjson']],
  ['convert to compact', ['convert', made('named.ndjson'), '-o', 'OUT/trace.jrt']],
  ['until an event', everything(made('named.ndjson'), '--until', '20000')],
  ['until the last event', everything(made('named.ndjson'), '--until', '40000')],
  ['until a time', everything(made('named.ndjson'), '--until', '17ms')],
  ['until the peak', ['leaks', made('named.ndjson'), '--until', 'peak']],
  ['torn', everything(made('torn.ndjson'))],
  ['torn gzip', everything(made('torn.ndjson.gz'))],
  ['torn compact', everything(made('torn.jrt'))],
  ['a damaged line', everything(made('damaged.ndjson'))],
  ['an error of the replay', everything(made('unknown.ndjson'), '--unmatched', 'error')],
  ['an event on a CPU that is not there', ['replay', recording('mt4_cut.perfscript.zst'), '--conf', 'percpu_arena:percpu', '--ncpus', '1']],
  ['a format that it is not', ['replay', made('named.ndjson'), '--from', 'perf']],
  ['a file that is not there', ['replay', made('missing')]],
];

/** Runs the program, with OUT a folder of the run's own; what it said and wrote, whatever the folder's name. */
async function outcome(args: readonly string[], mode: 'always' | 'never') {
  const out = join(folder, `out-${mode}-${Math.random()}`);
  mkdirSync(out);
  const ran = await finished(
    start(
      args.map((arg) => arg.replace(/^OUT/, out)),
      { JEREPLAY_READ_BESIDE: mode },
    ),
  );
  const plain = (text: string) => text.replaceAll(out, 'OUT');
  const files = Object.fromEntries(readdirSync(out).map((name) => [name, readFileSync(join(out, name)).toString('latin1')]));
  return { code: ran.code, stdout: plain(ran.stdout), stderr: plain(ran.stderr), files };
}

describe.concurrent('the same beside', () => {
  test.each(CASES)('%s', async (name, args) => {
    const [expected, found] = await Promise.all([outcome(args, 'never'), outcome(args, 'always')]);
    expect(found).toEqual(expected);
    const fails = /^(a|an) /.test(name);
    if (fails) expect(found).toMatchObject({ code: 2, stdout: '' });
    else expect([found.stdout, ...Object.values(found.files)].join('').length).toBeGreaterThan(100);
    if (args.includes(PROFILED) && !fails) expect(Object.keys(found.files)).toContain('placements');
  });
});

test('dumps that are taken on the way have the names of that time', async () => {
  const { files } = await outcome(everything(made('named.ndjson')), 'always');
  const dumps = Object.entries(files).filter(([name]) => /\.i\d+\.heap$/.test(name));
  expect(dumps.length).toBeGreaterThan(2);
  const named = dumps.map(([, text]) => [...text.matchAll(/named at (\d+)/g)].map(([, event]) => Number(event)));
  expect(new Set(named.map((events) => events.join())).size, 'names change from dump to dump').toBeGreaterThan(2);
});

test('Ctrl-C ends both threads, and what was replayed is written', async () => {
  const trace = made('long.ndjson');
  writeFileSync(trace, namedThreads(600_000));
  const placements = made('placements');
  const child = start(['replay', trace, '--json', '--placements', placements], { JEREPLAY_READ_BESIDE: 'always' });
  const done = finished(child);
  while (child.exitCode === null && !(existsSync(placements) && statSync(placements).size > 0)) await sleep(5);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await done;
  expect(code, stderr).toBe(0);
  const { partial, events } = JSON.parse(stdout) as { partial: boolean; events: number };
  expect(partial).toBe(true);
  expect(events).toBeGreaterThan(0);
  expect(events).toBeLessThan(600_000);
});

test('beside pays for what is long once decompressed, where there are two processors', async () => {
  delete process.env['JEREPLAY_READ_BESIDE'];
  const long = Array.from({ length: 500_000 }, (_, i) => `{"op":"malloc","size":8,"ptr":"0x${(i * 65521 + 1).toString(16)}"}\n`).join('');
  const compact = readFileSync(made('named.jrt'));
  const files: [string, string | Uint8Array, boolean][] = [
    ['long.jrt', Buffer.concat([compact, Buffer.alloc(20 << 20)]), false],
    ['long', long, true],
    ['long.gz', gzipSync(long), true],
    ['short', long.slice(0, 9_000_000), false],
    ['short.gz', gzipSync(long.slice(0, 9_000_000)), false],
    ['damaged.gz', Buffer.concat([gzipSync('').subarray(0, 10), Buffer.alloc(20 << 20, 0xff)]), false],
  ];
  for (const [name, content, pays] of files) {
    writeFileSync(made(name), content);
    expect(await paysBeside(made(name)), name).toBe(pays && availableParallelism() > 1);
    rmSync(made(name));
  }
  // what is booked as it is read leaves nothing to do beside it
  const recording = `v 10400 3\nX p\nI 1000 5\nt 1 0\na 8 1\n${'+ 0\n'.repeat(5_000_000)}`;
  writeFileSync(made('recording'), recording);
  expect(await paysBeside(made('recording'))).toBe(availableParallelism() > 1);
  expect(await paysBeside(made('recording'), true)).toBe(false);
  rmSync(made('recording'));
  for (const path of ['/dev/stdin', folder, made('missing')]) expect(await paysBeside(path), path).toBe(false);
});
