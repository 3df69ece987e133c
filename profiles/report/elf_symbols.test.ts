import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileOf, symbolFile } from '../../fixtures/symbols/host.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { readHeap } from '../heap/read.ts';
import { readElf } from '../symbols/elf.ts';
import type { Surroundings } from './elf_symbols.ts';
import { elfSymbolSource, lastAddress } from './elf_symbols.ts';
import { findSymbol, nearestSymbols } from './nearest.ts';
import type { ReportFormat, ReportOptions } from './report.ts';
import { renderReport } from './report.ts';

/** Functions of equal names in two files, inlined ones, an alias, labels of code at one address, a thread-local variable. `_ZN4shop4leakEi` is what a C++ compiler makes of shop::leak(int); of `Ss` nm says std::string. */
const SOURCE = `
#include <stdlib.h>
__attribute__((noinline)) void *_ZN4shop4leakEi(int n) { return malloc(n); }
__attribute__((noinline)) static void *leak(int n) { return malloc(n + 1); }
static inline void *inner(int n) { void *p = _ZN4shop4leakEi(n * 3); return (char *)p + 1; }
static inline void *outer(int n) { return n > 3 ? inner(n + 1) : inner(n - 1); }
__attribute__((noinline)) int _ZNSs4_Rep9_S_createEmmRKSaIcE(int n) { return n + (leak(n + 3) != 0); }
int alias_a(int n) { return n + (leak(n) != 0); }
int alias_b(int) __attribute__((alias("alias_a")));
__thread int of_thread = 5;
__asm__(".text\\n.globl mark_a\\nmark_a:\\n.globl mark_b\\nmark_b:\\n nop\\n nop\\n nop\\n ret\\n");
void *other(int);
int main(int argc, char **argv) { return (outer(argc) != 0) + (argv == other(argc)) + (leak(2) != 0) + alias_b(argc) + _ZNSs4_Rep9_S_createEmmRKSaIcE(argc); }
`;
const OTHER = `
#include <stdlib.h>
__attribute__((noinline)) static void *leak(int n) { return calloc(n, n); }
void *other(int n) { return (char *)leak(n) + 2; }
`;

describe.skipIf(!needsTool('gcc', 'nm'))('a program of one’s own', () => {
  let folder: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'elf-')));
    const sources = [join(folder, 'a.c'), join(folder, 'b.c')];
    writeFileSync(sources[0], SOURCE);
    writeFileSync(sources[1], OTHER);
    execFileSync('gcc', ['-g', '-O2', '-o', join(folder, 'debug'), ...sources]);
    execFileSync('gcc', ['-O2', '-rdynamic', '-s', '-o', join(folder, 'stripped'), ...sources]);
    execFileSync('gcc', ['-O2', '-s', '-o', join(folder, 'nameless'), ...sources]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const surroundings: Surroundings = {
    open: fileOf,
    run: (tool, args, input) => execFileSync(tool, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }),
  };

  /** A dump with a context of each second address of the program's code, mapped at 0x555500000000 as the system would. */
  function dumpOf(program: string): string {
    const elf = readElf(symbolFile(readFileSync(program)));
    const code = elf?.segments[1];
    if (elf === undefined || code === undefined) throw new Error('no code');
    const base = 0x555500000000;
    const { starts, names } = nearestSymbols(elf);
    const fini = starts[names.indexOf('_fini')] ?? 0;
    // Up to the function that jeprof cannot look up.
    const size = fini > code.address ? fini - code.address : code.size - 64;
    let text = 'heap_v2/1\n  t*: 0: 0 [0: 0]\n';
    for (let at = 0, i = 1; at < size; at += 2, i++)
      text += `@ 0x${(base + code.address + at).toString(16)} 0x${(base + code.address + 1).toString(16)}\n  t*: 1: ${1000 + i} [0: 0]\n`;
    // What lies in no mapping is the program's to jeprof: nothing is there, something is, a symbol is before it.
    for (const at of [0x7f0000001000, code.address + 0x41, code.address + 0x1c3, 0x10])
      text += `@ 0x${at.toString(16)} 0x${(base + code.address + 1).toString(16)}\n  t*: 1: ${5000 + (at % 4096)} [0: 0]\n`;
    // So it is where a library was unloaded and another file's data mapped in its place.
    const data = base + 0x10000000;
    text += `@ 0x${(data + 0x41).toString(16)} 0x${(base + code.address + 1).toString(16)}\n  t*: 1: 7000 [0: 0]\n`;
    const hex = (value: number) => value.toString(16);
    const dataLine = `${hex(data)}-${hex(data + 0x1000)} r--p 00000000 fe:00 123 ${program}\n`;
    return `${text}\nMAPPED_LIBRARIES:\n${hex(base + code.address)}-${hex(base + code.address + code.size)} r-xp ${code.offset.toString(16).padStart(8, '0')} fe:00 123 ${program}\n${dataLine}`;
  }

  test('symbols lie where nm says', () => {
    for (const [name, flags] of [
      ['debug', []],
      ['stripped', ['-D']],
    ] as const) {
      const image = readElf(symbolFile(readFileSync(join(folder, name))));
      if (image === undefined) throw new Error('no ELF file');
      const elf = nearestSymbols(image);
      const theirs = execFileSync('nm', [...flags, '-n', join(folder, name)], { encoding: 'utf8' });
      let compared = 0;
      for (const [, start, type, symbol] of theirs.matchAll(/^([0-9a-f]+) (\w) (.*)$/gm)) {
        if (type !== 'T' && type !== 't') continue;
        const index = findSymbol(elf, Number(`0x${start}`));
        expect(elf.starts[index]).toBe(Number(`0x${start}`));
        if (!elf.shared[index]) expect(elf.names[index] + elf.versions[index]).toBe(symbol);
        compared++;
      }
      expect(compared).toBeGreaterThan(3);
    }
  });

  test.skipIf(!needsTool('jeprof'))(
    'has the names and lines that jeprof finds',
    () => {
      const REPORTS: [string, ReportFormat, ReportOptions][] = [
        ['--text', 'text', {}],
        ['--lines', 'text', { granularity: 'lines' }],
        ['--files', 'text', { granularity: 'files' }],
        ['--collapsed', 'collapsed', {}],
      ];
      for (const name of ['debug', 'stripped', 'nameless']) {
        const program = join(folder, name);
        const path = join(folder, 'a.heap');
        const text = dumpOf(program);
        writeFileSync(path, text);
        const { profile } = readHeap(new TextEncoder().encode(text), path);
        for (const [flag, format, options] of REPORTS) {
          const theirs = execFileSync(
            'jeprof',
            [...(format === 'text' ? ['--text'] : []), flag, program, path].filter((f, i, all) => all.indexOf(f) === i),
            { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
          );
          const ours = renderReport(format, profile, {
            ...options,
            symbolSource: elfSymbolSource(profile.maps ?? '', surroundings, program),
          });
          const sorted = (report: string) => (format === 'text' ? report : report.split('\n').sort().join('\n'));
          expect(sorted(ours), `${name} ${flag}`).toBe(sorted(theirs));
        }
      }
    },
    60000,
  );

  test.skipIf(!needsTool('jeprof'))(
    'takes for the program’s what jeprof does: what lies in no library, up to the last address of the first dump',
    () => {
      const program = join(folder, 'debug');
      const [path, basePath] = [join(folder, 'deleted.heap'), join(folder, 'other.heap')];
      const text = dumpOf(program).replace(/\n$/, ' (deleted)\n');
      const baseText =
        'heap_v2/1\n  t*: 0: 0 [0: 0]\n@ 0x7f0000001001 0x7f0000001002\n  t*: 1: 900 [0: 0]\n@ 0x7f0000000fff\n  t*: 1: 800 [0: 0]\n';
      writeFileSync(path, text);
      writeFileSync(basePath, baseText);
      const [{ profile }, { profile: base }] = [text, baseText].map((dump) => readHeap(new TextEncoder().encode(dump), path));
      const last = lastAddress(profile);
      expect(last).toBe(0x7f0000001000n);
      const theirs = execFileSync('jeprof', ['--text', '--show_bytes', `--base=${basePath}`, program, path], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const symbolSource = elfSymbolSource(profile.maps ?? '', surroundings, program, last);
      expect(renderReport('text', profile, { base, showBytes: true, symbolSource })).toBe(theirs);
    },
  );

  test('addr2line is asked for ascending addresses, as jeprof asks it', () => {
    const program = join(folder, 'debug');
    const inputs: string[] = [];
    const run: Surroundings['run'] = (tool, args, input) => {
      if (tool === 'addr2line') inputs.push(input);
      return surroundings.run?.(tool, args, input);
    };
    elfSymbolSource('', { ...surroundings, run }, program).lookup([0x1203n, 0x1101n, 0x1103n]);
    expect(inputs.join('').match(/^0*1[123]0[123]$/gm)).toEqual([0x1101, 0x1103, 0x1203].map((at) => at.toString(16).padStart(16, '0')));
  });

  test('without addr2line there are the names of the symbol table', () => {
    const { profile } = readHeap(new TextEncoder().encode(dumpOf(join(folder, 'debug'))), 'a');
    const report = renderReport('text', profile, {
      symbolSource: elfSymbolSource(profile.maps ?? '', { open: surroundings.open }),
    });
    expect(report).toContain(' main\n');
    expect(report).toContain(' _ZN4shop4leakEi\n');
    expect(report).toMatch(/ leak@[0-9a-f]+\n/);
  });

  test('a broken file names nothing, and ends nothing', () => {
    const bytes = readFileSync(join(folder, 'stripped'));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 40 }),
        fc.nat(bytes.length),
        fc.boolean(),
        (changes, length, headerOnly) => {
          const broken = Uint8Array.from(bytes.subarray(0, length < 4000 ? length : undefined));
          for (const [at, value] of changes) broken[headerOnly ? 16 + (at % 48) : at % broken.length] = value;
          const image = readElf(symbolFile(broken));
          if (image !== undefined) findSymbol(nearestSymbols(image), 0x1234);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test.each([new Uint8Array(0), new Uint8Array(100), new TextEncoder().encode('#!/bin/sh\n'.repeat(20))])(
  'what is no ELF file has no symbols',
  (bytes) => {
    expect(readElf(symbolFile(bytes))).toBe(undefined);
  },
);
