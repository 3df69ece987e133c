import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, mapLine, nm } from '../fixtures/symbols/host.ts';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './testing.ts';

const BASE = 0x555500000000;
const HAS_BUILD = needsTool('gcc', 'g++', 'nm', 'readelf', 'addr2line');

describe.skipIf(!HAS_BUILD)('a dump of a program that was moved', () => {
  let folder: string;
  let program: string;
  let root: string;
  let dump: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'cli-symbols-')));
    const built = build(folder, 'pie');
    root = join(folder, 'root');
    program = join(root, 'bin', 'pie');
    mkdirSync(join(root, 'bin'), { recursive: true });
    const start = (name: string) => {
      const symbol = nm(built).find((other) => other.name === name);
      if (symbol === undefined) throw new Error(`no ${name}`);
      return `0x${(BASE + symbol.start + 5).toString(16)}`;
    };
    dump = join(folder, 'a.heap');
    writeFileSync(
      dump,
      `heap_v2/1\n  t*: 3: 3000 [0: 0]\n@ ${start('hidden')} ${start('exported')} ${start('main')}\n  t*: 3: 3000 [0: 0]\n\nMAPPED_LIBRARIES:\n${mapLine(built, BASE, '/opt/service/bin/pie')}`,
    );
    renameSync(built, program);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('without it: addresses, and what helps', async () => {
    const { code, stdout, stderr } = await run(['report', dump, '--show_bytes']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ 0000555500001[0-9a-f]{3}$/m);
    expect(stderr).toMatch(/^note: 3 addresses have no name: 3 in \/opt\/service\/bin\/pie \(not on this machine\); --lib_prefix DIR/);
  });

  test('named first, as jeprof has it, or by --lib_prefix', async () => {
    for (const args of [
      [program, dump],
      [dump, '--lib_prefix', `${folder},${root}`],
    ]) {
      const { stdout, stderr } = await run(['report', ...args, '--show_bytes', '--lines']);
      expect(stdout).toMatch(/ hidden \S+program\.c:\d+/);
      expect(stdout).toMatch(/ main \S+program\.c:\d+/);
      expect(stderr).toBe('');
    }
  });

  test('leaks and flame graphs', async () => {
    const leaks = await run(['leaks', program, dump, '--json']);
    expect(JSON.parse(leaks.stdout)).toMatchObject({ contexts: [{ bytes: 3000, objects: 3 }] });
    expect(leaks.stdout).toContain('program.c');
    expect((await run(['flamegraph', program, dump])).stdout).toContain('"exported');
    expect((await run(['leaks', dump])).stdout).toContain('[pie+0x');
    expect(await run(['leaks', dump, dump])).toMatchObject({ code: 2, stderr: expect.stringContaining('one at a time') });
  });

  /** A recording of raw addresses: one block is lost in `exported`. */
  function rawTrace(maps: string): string {
    const [symbol] = nm(program).filter(({ name }) => name === 'exported');
    const lines = [
      { op: 'maps', text: maps },
      { op: 'stack', id: 0, frames: [`0x${(BASE + symbol.start).toString(16)}`] },
      { op: 'malloc', size: 100, ptr: '0x1000', stack: 0 },
    ];
    return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  }

  test('a trace with maps and addresses', async () => {
    const trace = rawTrace(mapLine(program, BASE));
    for (const command of ['leaks', 'report', 'flamegraph'])
      expect((await run([command, '-'], trace)).stdout, command).toContain('exported');
  });

  test('the results of a replay; its dump keeps the addresses', async () => {
    const trace = rawTrace(mapLine(program, BASE, '/opt/service/bin/pie'));
    const out = join(folder, 'out');
    const flags = ['--conf', 'lg_prof_sample:0,prof_final:true,prof_prefix:own', '-o', out];
    const { code, stdout, stderr } = await run(['replay', '-', '--lib_prefix', root, ...flags], trace);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/exported.*library\.cc:\d+|exported.*program\.c:\d+/);
    const text = (file: string) => readFileSync(join(out, file), 'utf8');
    for (const file of ['leaks.txt', 'collapsed.txt', 'flamegraph.html']) expect(text(file), file).toContain('exported');
    expect(gunzipSync(readFileSync(join(out, 'profile.pb.gz'))).toString('latin1')).toContain('exported');
    const dumps = ['profile.heap', ...readdirSync(out).filter((file) => file.startsWith('own.'))];
    expect(dumps).toHaveLength(2);
    for (const file of dumps) {
      expect(text(file), file).toMatch(/^heap_v2\/1\n.*\n@ 0x55550000/s);
      expect(text(file), file).not.toContain('exported');
    }
    const unnamed = await run(['replay', '-', '--leaks', join(out, 'leaks.txt')], trace);
    expect(unnamed.stderr).toMatch(/^note: 1 address has no name: 1 in \/opt\/service\/bin\/pie \(not on this machine\); --lib_prefix DIR/);
    expect(text('leaks.txt')).toContain('[pie+0x');
    expect((await run(['replay', '-', '--json'], trace)).stderr).toBe('');
  });

  test('--tools', async () => {
    const only = await run(['report', program, dump, '--lines', '--tools', `addr2line:${join(folder, 'none')}`]);
    expect(only).toMatchObject({ code: 2, stderr: expect.stringContaining('--tools') });
    const misspelt = await run(['report', program, dump, '--tools', 'adr2line:/bin/cat']);
    expect(misspelt).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^--tools: no tool is called "adr2line"\nhint: .*addr2line, /),
    });
    const elsewhere = join(folder, 'tools/');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'addr2line'), '#!/bin/sh\nwhile read -r a; do echo "$a"; echo from_elsewhere; echo other.c:7; done\n', {
      mode: 0o755,
    });
    expect((await run(['report', program, dump, '--lines', '--tools', elsewhere])).stdout).toContain('from_elsewhere other.c:7');
  });
});
