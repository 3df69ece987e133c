import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, fileOf, mapLine, nm } from '../../fixtures/symbols/host.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { readHeap } from '../heap/read.ts';
import { prepareReport } from '../report/report.ts';
import type { SymbolHost } from './host.ts';
import { listing } from './listing.ts';
import { Symbolizer } from './symbolizer.ts';

const BASE = 0x555500000000;
const HAS_TOOLS = needsTool('gcc', 'g++', 'nm', 'readelf', 'addr2line', 'objdump');

describe.skipIf(!HAS_TOOLS)('source and instructions', () => {
  let folder: string;
  let program: string;
  let dump: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'listing-')));
    program = build(folder, 'pie');
    const starts = ['hidden', 'exported', 'main'].map((name) => nm(program).find((symbol) => symbol.name === name)?.start ?? 0);
    let text = 'heap_v2/1\n  t*: 0: 0 [0: 0]\n';
    // Return addresses all over the functions.
    for (let i = 1; i < 12; i++)
      text += `@ ${starts.map((start) => `0x${(BASE + start + i).toString(16)}`).join(' ')}\n  t*: ${i}: ${i * 1000} [0: 0]\n`;
    dump = `${text}\nMAPPED_LIBRARIES:\n${mapLine(program, BASE)}`;
    writeFileSync(join(folder, 'a.heap'), dump);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const host: SymbolHost = {
    open: fileOf,
    run: (tool, args, input) => {
      const { status, stdout } = spawnSync(tool, args, { input, stdio: ['pipe', 'pipe', 'ignore'] });
      return status === 0 ? stdout : undefined;
    },
  };

  test('a C++ function by any of its names, whose table was made without this source of names', () => {
    const source = join(folder, 'listed.cc');
    writeFileSync(
      source,
      'template <class A> __attribute__((noinline)) A *listed(A a) { return new A(a); }\nint main() { return *listed(1); }\n',
    );
    const path = join(folder, 'listed');
    execFileSync('g++', ['-g', '-O1', '-fno-pie', '-no-pie', '-o', path, source]);
    const { start } = nm(path).find(({ name }) => name.includes('listed')) ?? { start: 0 };
    const text = `heap_v2/1\n@ 0x${start.toString(16)}\n  t*: 1: 100 [0: 0]\n\nMAPPED_LIBRARIES:\n${mapLine(path, 0)}`;
    const { profile } = readHeap(new TextEncoder().encode(text), 'a');
    const maps = [profile.maps ?? ''];
    const [part] = prepareReport([profile], {});
    for (const pattern of ['^int[*] listed', 'listed<int>[(]int[)]', '^listed<', '^int[*] listed$']) {
      const found = listing(part, { kind: 'list', pattern, maps, symbolizer: new Symbolizer(host), note: () => {} });
      expect(found, pattern).toMatch(/^ROUTINE =+ int[*] listed in /);
    }
  });

  function ours(kind: 'list' | 'disasm', pattern: string, from: SymbolHost = host, Names = Symbolizer) {
    const { profile } = readHeap(new TextEncoder().encode(dump), 'a');
    const symbolizer = new Names(from);
    const maps = [profile.maps ?? ''];
    const notes: string[] = [];
    const [part] = prepareReport([profile], { showBytes: true, symbolSource: symbolizer.source(maps) });
    return { text: listing(part, { kind, pattern, maps, symbolizer, note: (note) => notes.push(note) }), notes };
  }

  test.skipIf(!needsTool('jeprof'))('what jeprof lists', () => {
    for (const kind of ['list', 'disasm'] as const) {
      const theirs = execFileSync('jeprof', [`--${kind}=^(hidden|exported|main)`, '--show_bytes', program, join(folder, 'a.heap')], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      // jeprof's functions go on to the next symbol: what lies between is padding.
      const unpadded = theirs.replace(/^ +\. +\. +[0-9a-f]+: (?:data16 .*|(?:cs )?nop.*|xchg +%ax,%ax)\n/gm, '');
      expect(theirs.match(/^ROUTINE/gm)).toHaveLength(3);
      expect(ours(kind, '^(hidden|exported|main)').text, kind).toBe(kind === 'list' ? theirs : unpadded);
    }
  });

  test('what the compiler made of no line stays with the line before, as objdump and so jeprof have it', () => {
    class Lineless extends Symbolizer {
      override lines(...args: Parameters<Symbolizer['lines']>) {
        return super.lines(...args).map((frames, i) => (i % 2 === 0 ? frames : [{ name: 'exported', location: 'program.c:?' }]));
      }
    }
    const { text } = ours('disasm', '^exported$', host, Lineless);
    expect(text.match(/^-{20}.*/gm)).toEqual([expect.stringMatching(/program\.c$/)]);
    // A source line, and both instructions below it.
    const rows = text.split('\n').slice(3, -1);
    expect(rows.map((row) => (/^.{13} {5,}[0-9a-f]{3,}: /.test(row) ? 'i' : 's')).join('')).toMatch(/^(sii)+$/);
  });

  test('the values of a routine add up', () => {
    const { text } = ours('list', '^exported$');
    expect(text).toMatch(/^ROUTINE =+ exported in .*program\.c\n {5}0 {2}66000 Total B \(flat \/ cumulative\)\n/);
    const lines = [...text.matchAll(/^ *(\S+) +(\S+) +\d+: /gm)];
    expect(lines.reduce((sum, line) => sum + (line[2] === '.' ? 0 : Number(line[2])), 0)).toBe(66000);
  });

  test('a routine that several processes have at other addresses is listed once, with the values of all', () => {
    const { start } = nm(program).find(({ name }) => name === 'exported') ?? { start: 0 };
    const dumpAt = (base: number, bytes: number) => {
      const text = `heap_v2/1\n@ 0x${(base + start).toString(16)}\n  t*: 1: ${bytes} [0: 0]\n\nMAPPED_LIBRARIES:\n${mapLine(program, base)}`;
      return readHeap(new TextEncoder().encode(text), 'a').profile;
    };
    const profiles = [dumpAt(BASE, 300), dumpAt(BASE + 0x100000, 1000)];
    const maps = profiles.map((profile) => profile.maps ?? '');
    for (const kind of ['list', 'disasm'] as const) {
      const symbolizer = new Symbolizer(host);
      const [part] = prepareReport(profiles, { showBytes: true, symbolSource: symbolizer.source(maps) });
      const text = listing(part, { kind, pattern: '^exported$', maps, symbolizer, note: () => {} });
      expect(text.match(/^ROUTINE.*\n.*/gm), kind).toEqual([expect.stringMatching(/\n +1300 +1300 /)]);
    }
  });

  test('without objdump or source there is a note', () => {
    const without = (tool: string): SymbolHost => ({
      ...host,
      run: (name, args, input) => (name === tool ? undefined : host.run(name, args, input)),
    });
    expect(ours('list', 'main', without('objdump'))).toMatchObject({ text: '', notes: [expect.stringContaining('objdump')] });
    const noSource: SymbolHost = { ...host, open: (path) => (path.endsWith('.c') ? undefined : host.open(path)) };
    expect(ours('list', '^main$', noSource)).toMatchObject({ text: '', notes: [expect.stringContaining('--lib_prefix')] });
  });
});
