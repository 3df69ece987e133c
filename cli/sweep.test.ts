/**
 * sweep from outside: each row is what replay says of the same option string.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import type { ReplaySummary } from '../core/replay/summary.ts';
import type { SweepRun } from './sweep_table.ts';
import { finished, run, start } from './testing.ts';

const LEAKY = fileURLToPath(new URL('../fixtures/traces/leaky_1000_e_ttt.ltrace.zst', import.meta.url));
const EXAMPLE = '{"op":"malloc","size":5000000,"ptr":"0x10"}\n{"op":"free","ptr":"0x10"}\n';

/** What is said of decay where a recording is shorter than it takes. */
const LIMIT = /^note: the recording (?:lasts [^:]+|has no times): what decay gives back later, .*\n/;

const folder = testFolder();
const path = (name: string) => join(folder, name);

/** A recording long enough to be replayed in several threads. */
async function longTrace(): Promise<string> {
  const trace = path('long.jrt');
  await run(['synth', 'server', '--events', '250000', '-o', trace]);
  return trace;
}

/** Sums a counter over the arenas of a malloc_stats_print document. */
function sumOf(stats: string, names: readonly string[]): number {
  const arenas = (JSON.parse(stats) as { jemalloc: { 'stats.arenas': Record<string, Record<string, number>> } }).jemalloc['stats.arenas'];
  const numbered = Object.entries(arenas).filter(([name]) => /^\d+$/.test(name));
  return numbered.reduce((sum, [, arena]) => names.reduce((total, name) => total + arena[name], sum), 0);
}

describe('sweep', () => {
  test.each([
    ['one after the other', async () => LEAKY],
    ['side by side', longTrace],
  ])('rows are what replay says, %s', async (_, recording) => {
    const trace = await recording();
    const confs = ['dirty_decay_ms:0,narenas:1', 'tcache:false', 'dirty_decay_ms:1,muzzy_decay_ms:1'];
    const { code, stdout } = await run(['sweep', trace, ...confs, '--json', '--quiet']);
    expect(code).toBe(0);
    const { runs, partial } = JSON.parse(stdout) as { runs: Required<SweepRun>[]; partial: boolean };
    expect(partial).toBe(false);
    expect(runs.map(({ conf }) => conf)).toEqual(['(default)', ...confs]);
    for (const [at, conf] of ['', ...confs].entries()) {
      const replayed = await run(['replay', trace, '--conf', conf, '--json', '--quiet', '--stats', path('stats.json')]);
      const summary = JSON.parse(replayed.stdout) as ReplaySummary;
      const { result } = runs[at];
      expect(result.model).toEqual(summary.model);
      expect(result).toMatchObject({ events: summary.events, requested_bytes_peak: summary.requested_bytes_peak });
      const { peak, mean, most, end } = result.resident_bytes;
      expect([peak, end]).toEqual([summary.model.peak.resident, summary.model.end.resident]);
      expect(most).toBeGreaterThanOrEqual(Math.max(peak, end, mean));
      const stats = readFileSync(path('stats.json'), 'utf8');
      expect(result.purged_bytes).toBe(4096 * sumOf(stats, ['dirty_purged', 'muzzy_purged']));
      expect(result.madvise_calls).toBe(sumOf(stats, ['dirty_nmadvise', 'muzzy_nmadvise']));
    }
    expect(runs[1].result.purged_bytes).toBeGreaterThan(runs[0].result.purged_bytes);
  });

  test('option strings of a file, a trace on standard input, the table', async () => {
    writeFileSync(path('confs'), '# decay\ndirty_decay_ms:0,muzzy_decay_ms:0   # at once\n\ntcache:false\n');
    const { code, stdout, stderr } = await run(['sweep', '-', 'tcache:false', '--confs-from', path('confs')], EXAMPLE);
    expect({ code, stderr: stderr.replace(LIMIT, '') }).toEqual({ code: 0, stderr: '' });
    const [asked, , , header, ...rows] = stdout.split('\n');
    expect(asked).toBe('2 events, 4.77 MiB requested at the peak');
    expect(header.trim().split(/ +/)).toEqual(['at', 'peak', 'mean', 'change', 'most', 'end', 'purged', 'calls', 'options']);
    expect(rows.map((row) => row.trim().split(/  +/).at(-1))).toEqual([
      '(default)',
      'tcache:false',
      'dirty_decay_ms:0,muzzy_decay_ms:0',
      '',
    ]);
    expect(rows[2]).toContain('5.00 MiB      1  ');
  });

  test('with no strings it tries some, all of which jemalloc takes', async () => {
    const { code, stdout, stderr } = await run(['sweep', '-', '--json'], EXAMPLE);
    expect({ code, stderr: stderr.replace(LIMIT, '') }).toEqual({ code: 0, stderr: '' });
    const { runs } = JSON.parse(stdout) as { runs: SweepRun[] };
    expect(runs.length).toBe(11);
    expect(runs.every(({ messages, result }) => messages.length === 0 && result?.events === 2)).toBe(true);
  });

  test.each([
    ['a short recording', 'dirty_decay_ms:1000', LIMIT],
    ['muzzy pages', 'muzzy_decay_ms:10000', /^note: resident leaves out muzzy pages \(muzzy_decay_ms\), which RSS counts/],
    ['page slabs', 'hpa:true', /^note: with hpa:true, resident and purged leave out/],
    ['nothing of it', 'dirty_decay_ms:0,muzzy_decay_ms:0', LIMIT],
    ['neither', 'narenas:2', /^$/],
  ])('says what its figures leave out: %s', async (_, conf, expected) => {
    const { code, stderr } = await run(['sweep', '-', conf], EXAMPLE);
    expect(code).toBe(0);
    expect(stderr).toMatch(expected);
    expect(stderr.split('\n').length).toBeLessThanOrEqual(2);
  });

  test('a recording of minutes shows what decay gives back', async () => {
    const long = `${EXAMPLE}{"op":"malloc","ts":600000000000,"size":8,"ptr":"0x20"}\n`
      .replace('{"op":"free"', '{"op":"free","ts":2')
      .replace('{"op"', '{"ts":1,"op"');
    expect(await run(['sweep', '-', 'dirty_decay_ms:1000'], long)).toMatchObject({ code: 0, stderr: '' });
  });

  test('rows sorted by a column', async () => {
    const { stdout } = await run(['sweep', '-', 'tcache:false', 'narenas:1', '--sort', 'end', '--json', '--quiet'], EXAMPLE);
    const ends = (JSON.parse(stdout) as { runs: Required<SweepRun>[] }).runs.map(({ result }) => result.resident_bytes.end);
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    expect(ends[0]).toBeLessThan(ends[2]);
  });

  test('a string that is refused is said so, and the others run', async () => {
    const { code, stdout, stderr } = await run(['sweep', '-', 'hpa:true,hpa_sec_nshards:65537', 'no_such:1', 'narenas:2'], EXAMPLE);
    expect(code).toBe(2);
    expect(stdout).toMatch(/refused +hpa:true,hpa_sec_nshards:65537\n/);
    expect(stdout).toMatch(/ narenas:2\n/);
    expect(stderr).toContain('note: hpa:true,hpa_sec_nshards:65537: ');
    expect(stderr).toContain('note: no_such:1: <jemalloc>: Invalid conf pair: no_such:1');
  });

  test('a string with which the real jemalloc would wait for itself is refused where that happens', async () => {
    const conf = 'prof:true,prof_log:true,prof_gdump:true,lg_prof_sample:0';
    const { code, stdout, stderr } = await run(['sweep', LEAKY, conf, 'narenas:1']);
    expect(code).toBe(2);
    expect(stdout).toMatch(/refused +prof:true/);
    expect(stdout).toMatch(/ narenas:1\n/);
    expect(stderr).toMatch(new RegExp(`${conf}: .*leaky_1000_e_ttt.ltrace.zst: event \\d+: the real jemalloc hangs here: `));
  });

  test('Ctrl-C ends it with the rows so far, which are of the whole recording', async () => {
    const confs = Array.from({ length: 400 }, (_, at) => `narenas:${at + 1}`);
    const child = start(['sweep', await longTrace(), ...confs, '--json']);
    const done = finished(child);
    await sleep(4000);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await done;
    expect(code, stderr).toBe(0);
    const { runs, partial } = JSON.parse(stdout) as { runs: SweepRun[]; partial: boolean };
    expect(runs.length).toBeLessThan(401);
    expect(partial).toBe(true);
    expect(stderr).toContain(`note: ended after ${runs.length} of 401 option strings`);
    expect(runs.filter(({ result }) => result?.events !== 250_000)).toEqual([]);
  });

  test('Ctrl-C while a recording comes in ends it with no row', async () => {
    const child = start(['sweep', '-', 'narenas:1', '--json']);
    const done = finished(child);
    // more than a pipe holds: once it is written, the program has begun to read
    const lines = Array.from({ length: 20_000 }, (_, event) =>
      JSON.stringify({ op: 'malloc', ts: event, size: 8, ptr: `0x${event + 1}0` }),
    );
    await new Promise((resolve) => child.stdin?.write(`${lines.join('\n')}\n`, resolve));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await done;
    expect({ code, ...(JSON.parse(stdout) as object) }).toEqual({ code: 0, trace: '-', partial: true, runs: [] });
    expect(stderr).toContain('note: ended after 0 of 2 option strings');
  });

  test('a file of strings that is not there', async () => {
    const { code, stderr } = await run(['sweep', '-', '--confs-from', path('none')], EXAMPLE);
    expect(code).toBe(2);
    expect(stderr).toMatch(/none: cannot be read: .*\nhint: --confs-from takes/);
  });
});
