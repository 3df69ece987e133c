import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StackTable } from '../../core/trace/stacks.ts';
import { build, fileOf } from '../../fixtures/symbols/host.ts';
import { testFolder } from '../../fixtures/test_folder.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { followsCall } from './call_sites.ts';
import { type ElfImage, readElf } from './elf.ts';
import type { SymbolFile, SymbolHost } from './host.ts';
import { nameFrames } from './name_frames.ts';
import { Symbolizer } from './symbolizer.ts';

const HOST: SymbolHost = { open: fileOf, run: () => undefined };

/** Addresses behind the calls of a program, with the function that each is in, and all addresses of instructions. */
function disassembled(path: string) {
  const text = execFileSync('objdump', ['-d', '--no-show-raw-insn', path], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const returns = new Map<number, string>();
  const all: number[] = [];
  let fn = '';
  let called = false;
  for (const line of text.split('\n')) {
    fn = /^[0-9a-f]+ <(.*)>:$/.exec(line)?.[1] ?? fn;
    const match = /^ *([0-9a-f]+):\s+(.*)$/.exec(line);
    if (match === null) continue;
    const at = Number.parseInt(match[1], 16);
    if (called) returns.set(at, fn);
    all.push(at);
    called = /^(?:bnd |notrack )*call/.test(match[2]);
  }
  return { returns, all };
}

describe.skipIf(!needsTool('gcc', 'g++', 'objdump'))('places that calls return to', () => {
  const folder = testFolder();

  test('each lies behind a call, by objdump; few other addresses do', () => {
    const path = build(folder, 'pie');
    const image = readElf(fileOf(path) as SymbolFile) as ElfImage;
    const { returns, all } = disassembled(path);
    expect(returns.size).toBeGreaterThan(5);
    for (const at of returns.keys()) expect(followsCall(image, at), at.toString(16)).toBe(true);
    expect(all.filter((at) => followsCall(image, at)).length).toBeLessThan(returns.size * 2);
  });

  test.each(['pie', 'fixed'] as const)('frames of %s that are places in the file get names, if all are of this file', (shape) => {
    const path = build(folder, shape);
    const base = shape === 'fixed' ? 0x400000 : 0;
    const places = [...disassembled(path).returns].filter(([, fn]) => fn === 'main').map(([at]) => at - base);
    expect(places.length).toBeGreaterThan(0);
    const named = (module: string, added: readonly number[], start = 0) => {
      const stacks = new StackTable();
      for (const place of [...places, ...added])
        stacks.intern([stacks.frames.intern({ fn: `${basename(module)}+0x${(place + start).toString(16)}`, module })]);
      stacks.intern([stacks.frames.intern({ fn: `other+0x${places[0].toString(16)}`, module })]);
      const symbolizer = new Symbolizer(HOST, { prefixes: [folder] });
      nameFrames(stacks, undefined, symbolizer);
      return { names: stacks.frames.frames.map(({ fn }) => fn), notes: symbolizer.notes() };
    };
    const expected = [...places.map(() => 'main'), `other+0x${places[0].toString(16)}`];
    expect(named(path, [])).toEqual({ names: expected, notes: [] });
    expect(named(`./${basename(path)}`, []).names).toEqual(expected);
    // glibc before 2.35 wrote the addresses themselves.
    if (shape === 'fixed') expect(named(path, [], base).names).toEqual(expected);
    const other = named(path, [places[0] + 1]);
    expect(other.names).not.toContain('main');
    expect(other.notes[0]).toContain('not the file that was mapped');
  });
});
