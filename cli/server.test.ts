/**
 * A server that grows: redis with jemalloc's profiling under load, two of its interval dumps, and what reports make of the growth between them.
 * JEREPLAY_SERVER_SECONDS is the time between the dumps (2); JEREPLAY_SERVER_DIR keeps dumps and flame graphs there, to be looked at.
 */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './program.ts';

const SECONDS = Number(process.env['JEREPLAY_SERVER_SECONDS'] ?? 2);
const KEPT = process.env['JEREPLAY_SERVER_DIR'];
const SERVER = '/usr/bin/redis-server';
const HAS_TOOLS = needsTool('redis-server', 'redis-benchmark', 'jeprof', 'libjemalloc');

describe.skipIf(!HAS_TOOLS)('redis under load', () => {
  let folder: string;
  let before: string;
  let after: string;
  beforeAll(
    async () => {
      folder = KEPT ?? mkdtempSync(join(tmpdir(), 'redis-'));
      mkdirSync(folder, { recursive: true });
      before = join(folder, 'before.heap');
      after = join(folder, 'after.heap');
      const socket = join(folder, 'socket');
      // No network: a socket in the folder. A dump for every 8 MB that are allocated.
      const server = spawn(SERVER, ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder], {
        stdio: 'ignore',
        env: {
          ...process.env,
          LD_PRELOAD: 'libjemalloc.so.2',
          MALLOC_CONF: `prof:true,prof_accum:true,lg_prof_sample:12,lg_prof_interval:23,prof_prefix:${join(folder, 'dump')}`,
        },
      });
      const ended = new Promise((resolve) => server.once('exit', resolve));
      try {
        for (let tries = 0; !existsSync(socket); tries++) {
          if (tries > 200) throw new Error('redis-server does not listen');
          await sleep(50);
        }
        const load = (tests: string, bytes: number) =>
          execFileSync('redis-benchmark', ['-s', socket, '-q', '-n', '10000', '-r', '100000000', '-t', tests, '-d', String(bytes)], {
            stdio: 'ignore',
          });
        load('set', 1000);
        copyFileSync(newestDump(folder), before);
        const start = Date.now();
        do load('set,lpush', 1000);
        while (Date.now() - start < SECONDS * 1000);
        copyFileSync(newestDump(folder), after);
      } finally {
        server.kill();
        await ended;
      }
    },
    60_000 + SECONDS * 2000,
  );
  afterAll(() => {
    if (KEPT === undefined) rmSync(folder, { recursive: true });
  });

  async function ours(...args: string[]): Promise<string> {
    const path = join(folder, 'out');
    await run([...args, '--quiet', '-o', path], '0.0.0');
    return readFileSync(path, 'utf8');
  }

  test.each([[[]], [['--inuse_objects']], [['--alloc_space', '--cum']], [['--drop_negative', '--lines']]])(
    '--base equals jeprof’s with %j',
    async (flags) => {
      const args = ['--text', '--show_bytes', ...flags, `--base=${before}`, SERVER, after];
      const theirs = execFileSync('jeprof', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      expect(theirs).toMatch(/^Total: \d{6,} (B|objects)$|^Total: \d{4,} objects$/m);
      expect(await ours('jeprof', '--nearest', ...args)).toBe(theirs);
    },
    60_000,
  );

  test('the growth is found: values of keys and lists, which leaks has first', async () => {
    const { total_bytes, rows } = JSON.parse(await ours('report', '--json', '--base', before, after)) as {
      total_bytes: number;
      rows: { name: string; flat_bytes: number; cumulative_bytes: number }[];
    };
    const grown = (name: string) => rows.find((row) => row.name === name)?.cumulative_bytes ?? 0;
    expect(total_bytes).toBeGreaterThan(5e6);
    expect(grown('processInputBuffer')).toBeGreaterThan(0.9 * total_bytes);
    expect(grown('pushGenericCommand')).toBeGreaterThan(0);
    const { contexts } = JSON.parse(await ours('leaks', '--json', after)) as { contexts: { bytes: number; stack: unknown[] }[] };
    expect(JSON.stringify(contexts[0]?.stack)).toMatch(/processMultibulkBuffer|pushGenericCommand|setGenericCommand/);
  });

  test('flame graphs show both', async () => {
    await run(['flamegraph', after, '--quiet', '-o', join(folder, 'after.html')], '0.0.0');
    await run(['flamegraph', after, '--base', before, '--quiet', '-o', join(folder, 'difference.html')], '0.0.0');
    expect(readFileSync(join(folder, 'after.html'), 'utf8')).toContain('processInputBuffer');
    expect(readFileSync(join(folder, 'difference.html'), 'utf8')).toContain('compared with before.heap');
  });
});

function newestDump(folder: string): string {
  const dumps = readdirSync(folder).filter((name) => /^dump\..*\.i\d+\.heap$/.test(name));
  const numberOf = (name: string) => Number(/\.i(\d+)\.heap$/.exec(name)?.[1]);
  dumps.sort((a, b) => numberOf(a) - numberOf(b));
  const whole = dumps.filter((name) => statSync(join(folder, name)).size > 0);
  const newest = whole.at(-1);
  if (newest === undefined) throw new Error('redis-server wrote no dump: is it linked with jemalloc?');
  return join(folder, newest);
}
