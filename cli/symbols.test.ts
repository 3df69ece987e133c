import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, mapLine, nm } from '../fixtures/symbols/host.ts';
import { needsTool } from '../fixtures/tools.ts';
import { run } from './testing.ts';

const BASE = 0x555500000000;
const HAS_BUILD = needsTool('gcc') && needsTool('g++') && needsTool('nm') && needsTool('readelf') && needsTool('addr2line');

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
  }, 60000);
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

  test('a trace with maps and addresses', async () => {
    const [symbol] = nm(program).filter(({ name }) => name === 'exported');
    const lines = [
      { op: 'maps', text: mapLine(program, BASE) },
      { op: 'stack', id: 0, frames: [`0x${(BASE + symbol.start).toString(16)}`] },
      { op: 'malloc', size: 100, ptr: '0x1000', stack: 0 },
    ];
    const trace = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    for (const command of ['leaks', 'report', 'flamegraph'])
      expect((await run([command, '-'], trace)).stdout, command).toContain('exported');
  });

  test('--tools', async () => {
    const only = await run(['report', program, dump, '--lines', '--tools', `addr2line:${join(folder, 'none')}`]);
    expect(only).toMatchObject({ code: 2, stderr: expect.stringContaining('--tools') });
    const elsewhere = join(folder, 'tools/');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'addr2line'), '#!/bin/sh\nwhile read -r a; do echo "$a"; echo from_elsewhere; echo other.c:7; done\n', {
      mode: 0o755,
    });
    expect((await run(['report', program, dump, '--lines', '--tools', elsewhere])).stdout).toContain('from_elsewhere other.c:7');
  });
});
