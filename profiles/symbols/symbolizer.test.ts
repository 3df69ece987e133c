import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addr2line, build, buildSplit, fileOf, mapLine, nm, strip, symbolFile } from '../../fixtures/symbols/host.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import { shortFunctionName } from '../report/names.ts';
import { readElf } from './elf.ts';
import type { SymbolFile, SymbolHost, SymbolTool } from './host.ts';
import { nameFrames } from './name_frames.ts';
import { functionsOf } from './symbol_table.ts';
import { Symbolizer } from './symbolizer.ts';

const BASE = 0x555500000000;
const LIBRARY_BASE = 0x7f0000000000;

/** This machine's files, and the tools that are let through. Counts what is run. */
function machine(tools: readonly SymbolTool[], ran: SymbolTool[] = []): SymbolHost {
  return {
    open: fileOf,
    run: (tool, args, input) => {
      if (!tools.includes(tool)) return undefined;
      ran.push(tool);
      const { status, stdout } = spawnSync(tool, args, { input, stdio: ['pipe', 'pipe', 'ignore'] });
      return status === 0 ? stdout : undefined;
    },
  };
}

const HAS_BUILD = needsTool('gcc', 'g++', 'nm', 'readelf', 'addr2line', 'objcopy');

describe.skipIf(!HAS_BUILD)('a program and its library', () => {
  let folder: string;
  let pie: string;
  let fixed: string;
  let plain: string;
  let library: string;
  let moved: string;
  let split: ReturnType<typeof buildSplit>;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'symbols-')));
    pie = build(folder, 'pie');
    fixed = build(folder, 'fixed');
    plain = build(folder, 'plain');
    moved = build(folder, 'moved');
    library = join(folder, 'libsample.so');
    split = buildSplit(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The names of an address of a file before relocation, outermost first. */
  function lookup(symbolizer: Symbolizer, path: string, address: number, shownPath = path) {
    const base = path === fixed ? 0 : BASE;
    return symbolizer.names([mapLine(path, base, shownPath)], [BigInt(base + address)])[0];
  }

  test('every byte of every function has the name that nm gives, and the bytes between have none', () => {
    for (const path of [pie, fixed, plain, moved, library]) {
      const image = readElf(fileOf(path) as SymbolFile);
      const functions = image === undefined ? undefined : functionsOf(image);
      const symbols = nm(path).filter(({ size }) => size > 0);
      expect(symbols.length).toBeGreaterThan(4);
      const covered = new Set<number>();
      for (const { start, size } of symbols) {
        const names = symbols.filter((other) => other.start === start).map(({ name }) => name);
        for (const at of [start, start + (size >> 1), start + size - 1]) {
          expect(names, `${path} ${at.toString(16)}`).toContain(functions?.find(at)?.name);
        }
        for (let at = start; at < start + size; at++) covered.add(at);
      }
      const last = symbols.at(-1) as { start: number; size: number };
      // Padding between functions: inside the range of the table, in no function. Unsized symbols such as _fini are not in `symbols`.
      let between = 0;
      const text = image?.sections.find(({ name }) => name === '.text');
      for (let at = symbols[0].start; at < last.start + last.size; at++) {
        if (covered.has(at) || text === undefined || at < text.address || at >= text.address + text.size) continue;
        const found = functions?.find(at);
        if (found !== undefined && symbols.some(({ start }) => start === found.start))
          throw new Error(`${path}: ${at.toString(16)} is no byte of ${found.name}`);
        between++;
      }
      expect(between).toBeGreaterThan(0);
    }
  });

  test('a table for a few addresses finds what the whole one finds there', () => {
    for (const path of [pie, fixed, plain, moved, library]) {
      const image = readElf(fileOf(path) as SymbolFile);
      const whole = functionsOf(image);
      const code = image?.sections.filter(({ executable }) => executable) ?? [];
      // Starts, ends and the bytes about them, of functions with and without a size.
      const edges = [
        ...nm(path).flatMap(({ start, size }) => [start - 1, start, start + size - 1, start + size]),
        ...code.flatMap(({ address, size }) => [address, address + size - 1, address + size]),
      ];
      for (const step of [1, 2, 7]) {
        const some = edges.filter((_, i) => i % step === step >> 1).sort((a, b) => a - b);
        const few = functionsOf(image, some);
        for (const at of some) expect(few?.find(at)).toEqual(whole?.find(at));
      }
      for (const at of edges) expect(functionsOf(image, [at])?.find(at)).toEqual(whole?.find(at));
    }
  });

  test('lines and inlined functions are those of addr2line, at each instruction', () => {
    const symbolizer = new Symbolizer(machine(['c++filt']));
    for (const path of [pie, fixed, moved, library]) {
      const wanted = /^(exported|hidden|main|library_leak|_ZNK?4shop.*)$/;
      const addresses = nm(path)
        .filter(({ name }) => wanted.test(name))
        .flatMap(({ start, size }) => Array.from({ length: size }, (_, i) => start + i));
      expect(addresses.length).toBeGreaterThan(10);
      const base = path === fixed ? 0 : BASE;
      const found = symbolizer.names(
        [mapLine(path, base)],
        addresses.map((at) => BigInt(base + at)),
      );
      for (const [i, at] of addresses.entries()) {
        if (i % 7 !== 0) continue;
        const theirs = addr2line(path, at).reverse();
        const ours = found[i]?.names ?? [];
        expect(
          ours.map(({ location }) => location.replace(/ \(discriminator \d+\)$/, '')),
          at.toString(16),
        ).toEqual(theirs.map(({ location }) => location));
        expect(ours.at(-1)?.short.replace(/ \[clone .*/, '')).toBe(shortFunctionName(theirs.at(-1)?.fn ?? ''));
      }
    }
  });

  test('learnt beforehand, the tools beside each other: the same names and notes, and no tool is asked twice', async () => {
    const maps = [mapLine(split.program, BASE) + mapLine(split.library, LIBRARY_BASE)];
    const inside = nm(split.program).map(({ start }) => BigInt(BASE + start + 3));
    const addresses = [
      ...inside,
      ...nm(split.library).map(({ start }) => BigInt(LIBRARY_BASE + start)),
      5n,
      BigInt(LIBRARY_BASE) + 0xf00000n,
    ];
    const ran: SymbolTool[] = [];
    const host = machine(['addr2line', 'c++filt'], ran);
    const symbolizer = new Symbolizer({ ...host, begin: async (...question) => host.run(...question) });
    await symbolizer.prepare(maps, [...addresses, 7n]);
    // One process a binary, however many addresses.
    expect(ran.filter((tool) => tool === 'addr2line')).toHaveLength(2);
    const alone = new Symbolizer(machine(['addr2line', 'c++filt']));
    const names = alone.names(maps, addresses);
    expect(names.filter((found) => found?.resolved === true).length).toBeGreaterThan(10);
    expect(symbolizer.names(maps, addresses)).toEqual(names);
    expect(symbolizer.notes()).toEqual(alone.notes());
    expect(ran.filter((tool) => tool === 'addr2line')).toHaveLength(2);
  });

  test('kept from an earlier run: the same names and notes, of any addresses, and only of the same files and tools', () => {
    const maps = [mapLine(split.program, BASE) + mapLine(split.library, LIBRARY_BASE)];
    const inside = [...new Set(nm(split.program).map(({ start }) => BigInt(BASE + start + 3)))];
    const addresses = [
      ...inside,
      ...nm(split.library).map(({ start }) => BigInt(LIBRARY_BASE + start)),
      5n,
      BigInt(LIBRARY_BASE) + 0xf00000n,
    ];
    const texts = new Map<string, string>();
    const kept = {
      tools: 'these',
      read: (name: string) => texts.get(name),
      write: (name: string, text: string) => void texts.set(name, text),
    };
    const without = new Symbolizer(machine(['addr2line', 'c++filt']));
    const names = without.names(maps, addresses);
    /** Tools that a run with what is kept asks. */
    const asked = (host: Partial<SymbolHost>, some = addresses, tools: readonly SymbolTool[] = ['addr2line', 'c++filt']) => {
      const ran: SymbolTool[] = [];
      const symbolizer = new Symbolizer({ ...machine(tools, ran), kept, ...host });
      const found = symbolizer.names(maps, some);
      if (tools.includes('addr2line')) expect(found).toEqual(names.filter((_, i) => some.includes(addresses[i])));
      if (some === addresses && tools.includes('addr2line')) expect(symbolizer.notes()).toEqual(without.notes());
      return ran.filter((tool) => tool === 'addr2line').length;
    };
    // Where a tool is missing nothing is kept.
    expect(asked({}, addresses, [])).toBe(0);
    expect(texts.size).toBe(0);
    expect(asked({}, addresses.slice(0, 3))).toBe(1);
    expect(asked({})).toBe(2);
    expect(texts.size).toBe(2);
    expect(asked({})).toBe(0);
    expect(asked({ kept: { ...kept, tools: 'others' } })).toBe(2);
    const changed = (path: string) => {
      const file = fileOf(path);
      return file && { ...file, modified: path === split.library ? 2 : 1 };
    };
    expect(asked({ open: changed })).toBe(1);
    for (const [name, text] of texts) texts.set(name, text.replace(/,(\d+)\]/, ',7]'));
    expect(asked({})).toBe(2);
  });

  test.skipIf(!needsTool('llvm-symbolizer'))('llvm-symbolizer says the same as the debug information itself', () => {
    const at = (path: string, tools: readonly SymbolTool[]) => {
      const [{ start }] = nm(path).filter(({ name }) => name === 'exported');
      const found = lookup(new Symbolizer(machine(tools)), path, start + 4);
      return found?.names.map(({ fn, file, line }) => ({ fn, file, line }));
    };
    const told = at(split.program, ['llvm-symbolizer']);
    expect(told?.map(({ fn }) => fn)[0]).toBe('exported');
    expect(told?.[0].line).toBeGreaterThan(0);
    expect(told).toEqual(at(pie, []));
  });

  test('a named tool is asked first, and each tool for what those before did not answer', async () => {
    const addresses = [...new Set(nm(split.program).map(({ start }) => BigInt(BASE + start)))];
    const maps = [mapLine(split.program, BASE)];
    const asked = async (answering: readonly SymbolTool[], namedTools: readonly SymbolTool[], isBegun: boolean) => {
      const ran: (readonly [SymbolTool, number])[] = [];
      const run: SymbolHost['run'] = (tool, _, input) => {
        if (tool !== 'addr2line' && tool !== 'llvm-symbolizer') return undefined;
        const wanted = String(input).trimEnd().split('\n');
        ran.push([tool, wanted.length]);
        const isKnown = (i: number) => answering.includes(tool) && i > 0;
        const lines = wanted.map((at, i) => {
          if (tool === 'addr2line') return isKnown(i) ? `${at}\nf\n/a.c:7` : `${at}\n??\n??:0`;
          return isKnown(i) ? '{"Symbol":[{"FunctionName":"g","FileName":"/a.c","Line":8}]}' : '{"Symbol":[]}';
        });
        return new TextEncoder().encode(`${lines.join('\n')}\n`);
      };
      const symbolizer = new Symbolizer({
        open: fileOf,
        run,
        namedTools,
        ...(isBegun ? { begin: async (...question) => run(...question) } : {}),
      });
      await symbolizer.prepare(maps, addresses);
      const names = symbolizer.names(maps, addresses).map((found) => found?.names[0].location);
      return { ran, known: names.filter((location) => location?.startsWith('/a.c:')).length };
    };
    for (const isBegun of [true, false]) {
      const [[first, unread], ...others] = (await asked(['addr2line', 'llvm-symbolizer'], [], isBegun)).ran;
      // addr2line knows no inlined functions of split units.
      expect([first, ...others]).toEqual(['llvm-symbolizer', ['addr2line', 1]]);
      expect((await asked(['addr2line', 'llvm-symbolizer'], ['addr2line'], isBegun)).ran).toEqual([
        ['addr2line', addresses.length],
        ['llvm-symbolizer', 1],
      ]);
      expect(await asked(['addr2line'], [], isBegun)).toEqual({
        ran: [
          ['llvm-symbolizer', unread],
          ['addr2line', unread],
        ],
        known: unread - 1,
      });
    }
  });

  test('debug information that only tools read, and no tool: names of the symbol table, and a word on it', () => {
    const symbolizer = new Symbolizer(machine([]));
    const [{ start }] = nm(split.program).filter(({ name }) => name === 'exported');
    expect(lookup(symbolizer, split.program, start)?.names).toMatchObject([{ short: 'exported', location: '??:?' }]);
    expect(symbolizer.notes().join()).toContain('neither addr2line nor llvm-symbolizer runs');
  });

  test('C++ names are readable without any tool', () => {
    const symbolizer = new Symbolizer(machine([]));
    const [{ start }] = nm(library).filter(({ name }) => name.startsWith('_ZN4shop4make'));
    expect(lookup(symbolizer, library, start)?.names[0]).toMatchObject({
      fn: expect.stringMatching(/^std::shared_ptr<shop::Item> shop::make<shop::Item>\(int, |^shop::make<shop::Item>\(int, /),
      short: 'shop::make',
    });
    expect(symbolizer.notes()).toEqual([]);
  });

  test('aliases without debug information: the last function by name, and no address', () => {
    const [{ start }] = nm(plain).filter(({ name }) => name === 'alias_a');
    expect(lookup(new Symbolizer(machine([])), plain, start)?.names[0]).toMatchObject({ short: 'alias_b', full: 'alias_b' });
  });

  test('without debug information a function with several names is called as addr2line calls it', () => {
    const source = join(folder, 'aliases.c');
    const functions = Array.from(
      { length: 20 },
      (_, i) => `int _IO_f${i}(int n) { return n * ${i}; } __typeof(_IO_f${i}) f${i} __attribute__((weak, alias("_IO_f${i}")));`,
    );
    writeFileSync(source, `${functions.join('\n')}\nint main(void) { return 0; }\n`);
    const path = join(folder, 'aliases');
    execFileSync('gcc', ['-O2', '-o', path, source]);
    const symbols = nm(path).filter(({ name }) => /^(?:_IO_)?f\d+$/.test(name));
    const theirs = symbols.map(({ start }) => addr2line(path, start)[0].fn);
    expect(new Set(theirs.map((name) => name.startsWith('_IO_'))).size).toBe(2);
    const symbolizer = new Symbolizer(machine([]));
    expect(symbols.map(({ start }) => lookup(symbolizer, path, start)?.names[0].short)).toEqual(theirs);
  });

  test('functions of equal code that have been made one are called by the one that debug information describes', () => {
    const source = join(folder, 'folded.cc');
    writeFileSync(
      source,
      `#include <stdlib.h>
void *volatile sink;
namespace { __attribute__((noinline)) void first(int n) { sink = malloc(n); __asm__ volatile(""); } }
extern "C" __attribute__((noinline)) void second(int n) { sink = malloc(n); __asm__ volatile(""); }
int main() { first(1000); second(100000); }
`,
    );
    const path = join(folder, 'folded');
    execFileSync('g++', ['-g', '-O2', '-fipa-icf', '-o', path, source]);
    const [first, second] = ['_ZN12_GLOBAL__N_15firstEi', 'second'].map((wanted) => nm(path).find(({ name }) => name === wanted));
    expect(first).toMatchObject({ start: second?.start });
    const at = (second?.start ?? 0) + 4;
    const { fn, location } = lookup(new Symbolizer(machine([])), path, at)?.names[0] ?? {};
    expect([fn, location]).toEqual(['(anonymous namespace)::first(int)', addr2line(path, at)[0].location]);
    expect(addr2line(path, at)[0].fn).toBe(fn);
  });

  test('C++ names have the forms of nm, also by a c++filt that does not know its flag for them', () => {
    const source = join(folder, 'forms.c');
    const mangled = ['_ZNSs4_Rep9_S_createEmmRKSaIcE', '_ZNSo9_M_insertIPvEERSoT_', '_ZN4shop5countEi'];
    writeFileSync(
      source,
      `${[...mangled, '_ZNSs5otherEo'].map((name, i) => `int ${name}(void) { return ${i}; }`).join('\n')}\nint main(void) { return 0; }\n`,
    );
    const path = join(folder, 'forms');
    execFileSync('gcc', ['-O2', '-o', path, source]);
    const symbols = nm(path).filter(({ name }) => mangled.includes(name));
    const readable = new Map(nm(path, '-C').map(({ start, name }) => [start, name]));
    const host = machine(['c++filt']);
    const verbose: SymbolHost = { ...host, run: (tool, args, input) => (args.length > 0 ? undefined : host.run(tool, args, input)) };
    const full = (symbolizer: Symbolizer, start: number) => lookup(symbolizer, path, start)?.names[0].full.replace(/<[0-9a-f]+>$/, '');
    const symbolizer = new Symbolizer(host);
    for (const { start } of symbols) expect(full(symbolizer, start)).toBe(readable.get(start));
    const [other] = nm(path).filter(({ name }) => name === '_ZNSs5otherEo');
    expect(full(new Symbolizer(verbose), other.start)).toMatch(/^std::basic_string<char, .*::other\(/);
  });

  test('a stripped program has only what it exports: other addresses are refused, and said so', () => {
    const path = join(folder, 'bare');
    execFileSync('gcc', [
      '-O2',
      '-rdynamic',
      '-o',
      path,
      join(import.meta.dirname, '../../fixtures/symbols/program.c'),
      library,
      `-Wl,-rpath,${folder}`,
    ]);
    const [hidden] = nm(path).filter(({ name }) => name === 'hidden');
    const [exported] = nm(path).filter(({ name }) => name === 'exported');
    execFileSync('strip', ['--strip-all', path]);
    // What jeprof would say: the nearest exported symbol, which ends before.
    expect(nm(path, '-D').some(({ start, size }) => start <= hidden.start && start + size > hidden.start)).toBe(false);
    const symbolizer = new Symbolizer(machine(['addr2line', 'llvm-symbolizer']));
    expect(lookup(symbolizer, path, exported.start)).toMatchObject({ resolved: true, names: [{ short: 'exported' }] });
    expect(lookup(symbolizer, path, hidden.start)).toMatchObject({
      resolved: false,
      names: [{ short: `[bare+0x${hidden.start.toString(16)}]` }],
    });
    expect(symbolizer.notes()).toEqual([expect.stringMatching(/^1 address has no name: 1 in .*bare \(no symbol there\); .*--debug-dir/)]);
    // Of the allocator's own frames, which are not shown, nothing is said.
    const allocator = join(folder, 'libmymalloc.so');
    copyFileSync(path, allocator);
    const silent = new Symbolizer(machine(['addr2line', 'llvm-symbolizer']));
    expect(lookup(silent, allocator, hidden.start)).toMatchObject({ resolved: false, module: allocator });
    expect(silent.notes()).toEqual([]);
  });

  test('separate debug files: by debuglink beside and in .debug, by build id, in a folder of one’s own; not those of another build', () => {
    const path = join(folder, 'stripped');
    copyFileSync(pie, path);
    const [hidden] = nm(pie).filter(({ name }) => name === 'hidden');
    const id = /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', pie], { encoding: 'utf8' }))?.[1] ?? '';
    const debug = join(folder, 'stripped.debug');
    strip(path, debug);
    const own = join(folder, 'own');
    const places = [
      debug,
      join(folder, '.debug', 'stripped.debug'),
      join(own, '.build-id', id.slice(0, 2), `${id.slice(2)}.debug`),
      join(own, folder, 'stripped.debug'),
      join(own, 'stripped.debug'),
    ];
    let from = debug;
    for (const place of places) {
      mkdirSync(join(place, '..'), { recursive: true });
      renameSync(from, place);
      from = place;
      const found = lookup(new Symbolizer(machine(['addr2line']), { debugFolders: [own] }), path, hidden.start);
      expect(found?.names[0], place).toMatchObject({ short: 'hidden', line: 6 });
    }
    const other = join(own, 'stripped.debug');
    execFileSync('objcopy', ['--only-keep-debug', fixed, other]);
    expect(lookup(new Symbolizer(machine(['addr2line']), { debugFolders: [own] }), path, hidden.start)?.resolved).toBe(false);
  });

  test('without build ids the checksum of the debug link decides', () => {
    const path = join(folder, 'unidentified');
    const debug = join(folder, 'unidentified.debug');
    execFileSync('objcopy', ['--remove-section=.note.gnu.build-id', pie, path]);
    const [hidden] = nm(path).filter(({ name }) => name === 'hidden');
    strip(path, debug);
    expect(lookup(new Symbolizer(machine([])), path, hidden.start)?.names[0].short).toBe('hidden');
    execFileSync('objcopy', ['--remove-section=.comment', debug]);
    expect(lookup(new Symbolizer(machine([])), path, hidden.start)?.resolved).toBe(false);
  });

  test.skipIf(!needsTool('xz'))('symbols that a stripped file carries packed', () => {
    const path = join(folder, 'packed');
    const symbols = join(folder, 'packed.symbols');
    copyFileSync(pie, path);
    const [hidden] = nm(pie).filter(({ name }) => name === 'hidden');
    execFileSync('objcopy', ['--only-keep-debug', '--strip-debug', path, symbols]);
    execFileSync('xz', ['-f', symbols]);
    execFileSync('strip', ['--strip-all', path]);
    execFileSync('objcopy', ['--add-section', `.gnu_debugdata=${symbols}.xz`, path]);
    expect(lookup(new Symbolizer(machine(['xz'])), path, hidden.start)?.names[0].short).toBe('hidden');
    expect(lookup(new Symbolizer(machine([])), path, hidden.start)?.resolved).toBe(false);
  });

  test('a file that was moved, deleted or replaced', () => {
    const [{ start }] = nm(pie).filter(({ name }) => name === 'hidden');
    const gone = '/opt/service/bin/pie';
    const name = (options: object, shownPath: string) => {
      const symbolizer = new Symbolizer(machine([]), options);
      const found = lookup(symbolizer, pie, start, shownPath);
      return { short: found?.names[0].short, read: found?.read, note: symbolizer.notes().join() };
    };
    expect(name({ program: pie }, gone).short).toBe('hidden');
    expect(name({ program: pie }, '/opt/service/bin/other-name').short).toBe('hidden');
    expect(name({ program: library }, pie).short).toBe('hidden');
    expect(name({ program: pie }, '/opt/service/bin/other-name (deleted)').short).toBe('hidden');
    const asLibrary = new Symbolizer(machine([]), { program: pie });
    const maps = `${mapLine(library, 0x1000000000)}${mapLine(pie, BASE, '/opt/other.so')}`;
    expect(asLibrary.names([maps], [BigInt(BASE + start)])[0]?.read).toBe(false);
    const root = join(folder, 'root');
    mkdirSync(join(root, 'bin'), { recursive: true });
    copyFileSync(pie, join(root, 'bin', 'pie'));
    expect(name({ prefixes: [join(folder, 'nowhere'), `${root}/`] }, gone).short).toBe('hidden');
    expect(name({ prefixes: [root] }, `${gone} (deleted)`).short).toBe('hidden');
    expect(name({}, gone)).toMatchObject({ read: false, note: expect.stringMatching(/not on this machine.*--lib_prefix/) });
    expect(name({}, `${pie} (deleted)`)).toMatchObject({
      short: expect.stringMatching(/^\[pie \(deleted\)\+0x/),
      note: expect.stringContaining('deleted while it ran'),
    });
    // Another build under the same name: its code is of another length.
    copyFileSync(library, join(root, 'bin', 'pie'));
    expect(name({ prefixes: [root] }, gone)).toMatchObject({ read: false, note: expect.stringContaining('not the file that was mapped') });
  });

  test('a file whose code is some pages shorter than what was mapped is another one, whatever the size of a page', () => {
    const path = build(folder, 'aligned');
    const [{ start }] = nm(path).filter(({ name }) => name === 'hidden');
    const maps = mapLine(path, BASE);
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(maps) ?? [];
    const isRead = (bytes: number) => {
      const longer = maps.replace(`-${to} `, `-${(Number(`0x${from}`) + bytes).toString(16)} `);
      return new Symbolizer(machine([])).names([longer], [BigInt(BASE + start)])[0]?.read;
    };
    expect([0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x8000, 0x10000].map(isRead)).toEqual([true, false, false, true, false, false, false]);
  });

  test('a program that is not relocated needs no maps; one that is does', () => {
    const address = BigInt(nm(fixed).find(({ name }) => name === 'exported')?.start ?? 0);
    expect(new Symbolizer(machine([]), { program: fixed }).names([''], [address])[0]?.names[0].short).toBe('exported');
    expect(new Symbolizer(machine([]), { extraLibrary: fixed }).names([], [address])[0]?.names[0].short).toBe('exported');
    expect(new Symbolizer(machine([]), { program: pie }).names([''], [address])[0]).toBe(undefined);
  });

  test('frames: callers are looked up before their return addresses, inlined functions stand beside', () => {
    const [main] = nm(pie).filter(({ name }) => name === 'main');
    const [exported] = nm(pie).filter(({ name }) => name === 'exported');
    const stacks = new StackTable();
    // A call that ends a function returns to where the next one begins.
    const leaf = stacks.frames.intern({ pc: BigInt(BASE + exported.start) });
    const caller = stacks.frames.intern({ pc: BigInt(BASE + main.start + main.size) });
    const unknown = stacks.frames.intern({ pc: 0x1234n });
    const given = stacks.frames.intern({ pc: BigInt(BASE + main.start), fn: 'as recorded' });
    // What was there then is not known to be what was there in the end.
    const unseen = stacks.frames.intern({ pc: BigInt(BASE + main.start), module: '[unseen]' });
    stacks.intern([leaf, caller, unknown, given, unseen]);
    expect(nameFrames(stacks, mapLine(pie, BASE), new Symbolizer(machine(['addr2line'])))).toBe(2);
    expect(stacks.frames.frames.map(({ fn }) => fn)).toEqual(['exported', 'main', undefined, 'as recorded', undefined]);
    expect(stacks.frames.frames[leaf]).toMatchObject({ line: expect.any(Number), module: pie });
  });

  test('frames that have a name get the line, if that is what the file calls it', () => {
    const [main] = nm(pie).filter(({ name }) => name === 'main');
    const [exported] = nm(pie).filter(({ name }) => name === 'exported');
    const stacks = new StackTable();
    const leaf = stacks.frames.intern({ pc: BigInt(BASE + exported.start), fn: 'exported', offset: 0 });
    const caller = stacks.frames.intern({ pc: BigInt(BASE + main.start + main.size), fn: 'main', offset: main.size });
    const other = stacks.frames.intern({ pc: BigInt(BASE + main.start), fn: 'as recorded' });
    const placed = stacks.frames.intern({ pc: BigInt(BASE + main.start), fn: 'main', file: 'other.c', line: 7 });
    const nowhere = stacks.frames.intern({ pc: 0x1234n, fn: 'main' });
    stacks.intern([leaf, caller, other, placed, nowhere]);
    const symbolizer = new Symbolizer(machine(['addr2line']));
    expect(nameFrames(stacks, mapLine(pie, BASE), symbolizer)).toBe(0);
    const { frames } = stacks.frames;
    expect([frames[leaf], frames[caller]]).toEqual([
      expect.objectContaining({ fn: 'exported', line: expect.any(Number) }),
      expect.objectContaining({ fn: 'main', line: expect.any(Number) }),
    ]);
    expect([frames[other].line, frames[placed].line, frames[nowhere].line]).toEqual([undefined, 7, undefined]);
    expect(symbolizer.notes()).toEqual([]);
  });

  test('a frame gets its line however its demangler spells types, and keeps its name', () => {
    const [make] = nm(library, '-C').filter(({ name }) => name.includes(' shop::make<'));
    expect(make.name).toMatch(/^std::shared_ptr<.*basic_string/);
    const stacks = new StackTable();
    const pc = BigInt(LIBRARY_BASE + make.start);
    const rows = [make.name, `${make.name} [clone .cold]`, 'int shop::makes<int>(int)', 'shop::operator make'].map((fn) =>
      stacks.frames.intern({ pc, fn }),
    );
    for (const row of rows) stacks.intern([row]);
    nameFrames(stacks, mapLine(library, LIBRARY_BASE), new Symbolizer(machine([])));
    expect(rows.map((row) => stacks.frames.frames[row].line)).toEqual([expect.any(Number), expect.any(Number), undefined, undefined]);
    expect(stacks.frames.frames[rows[0]].fn).toBe(make.name);
  });

  test('names that recorders leave mangled, or half so, are readable, also of inlined functions and without maps', () => {
    const stacks = new StackTable();
    const rows = [
      { fn: '_$LT$alloc..alloc..Global$u20$as$u20$core..alloc..Allocator$GT$::allocate::h25ef1dd91fd128eb' },
      { fn: '_RNvNtCsjrHSEGnQ3l9_3std2rt19lang_start_internal', inlined: [{ fn: 'hello::grow::h58c711f03871c635', line: 1 }] },
      { fn: '_ZN2ns1fEi', file: 'a.cc', line: 3 },
      { fn: 'plain::hash::h12' },
    ].map((frame) => stacks.frames.intern(frame));
    stacks.intern(rows);
    nameFrames(stacks, undefined, new Symbolizer(machine([])));
    expect(rows.map((row) => stacks.frames.frames[row])).toEqual([
      { fn: '<alloc::alloc::Global as core::alloc::Allocator>::allocate' },
      { fn: 'std::rt::lang_start_internal', inlined: [{ fn: 'hello::grow', line: 1 }] },
      { fn: 'ns::f(int)', file: 'a.cc', line: 3 },
      { fn: 'plain::hash::h12' },
    ]);
  });

  test('a frame of a library that lay where another was mapped later has no name of that', () => {
    const [{ start }] = nm(pie).filter(({ name }) => name === 'exported');
    const stacks = new StackTable();
    const pc = BigInt(BASE + start);
    const rows = [undefined, pie, `/elsewhere${pie} (deleted)`, '[unknown]', '/lib/former.so'].map((module) =>
      stacks.frames.intern({ pc, ...(module === undefined ? {} : { module }) }),
    );
    for (const row of rows) stacks.intern([row]);
    expect(nameFrames(stacks, mapLine(pie, BASE), new Symbolizer(machine(['addr2line'])))).toBe(4);
    expect(rows.map((row) => stacks.frames.frames[row].fn)).toEqual(['exported', 'exported', 'exported', 'exported', undefined]);
  });

  test('frames that no stack holds are not asked for, nor told as nameless', () => {
    const stacks = new StackTable();
    const [used] = [0xffff_0000n, 0xffff_0010n].map((pc) => stacks.frames.intern({ pc }));
    stacks.intern([used]);
    const symbolizer = new Symbolizer(machine([]));
    nameFrames(stacks, mapLine(pie, BASE), symbolizer);
    expect(symbolizer.notes().join()).toMatch(/^1 address has no name/);
  });

  test('two processes with the program at two places', () => {
    const [{ start }] = nm(split.program).filter(({ name }) => name === 'exported');
    const maps = [mapLine(split.program, BASE), mapLine(split.program, LIBRARY_BASE)];
    const ran: SymbolTool[] = [];
    const symbolizer = new Symbolizer(machine(['addr2line'], ran));
    const found = symbolizer.names(maps, [BigInt(BASE + start), BigInt(LIBRARY_BASE + start)]);
    expect(found.map((names) => names?.names[0].short)).toEqual(['exported', 'exported']);
    symbolizer.names(maps, [BigInt(BASE + start)]);
    expect(ran).toEqual(['addr2line']);
  });

  test('what is mapped as data has no code: frame pointers led there, the address is of what lay there before, or of another process', () => {
    const [{ start }] = nm(pie).filter(({ name }) => name === 'exported');
    const data = mapLine(pie, BASE).replace('r-xp', 'r--p');
    const symbolizer = new Symbolizer(machine([]));
    expect(symbolizer.names([data], [BigInt(BASE + start)])).toEqual([undefined]);
    expect(symbolizer.notes()).toEqual([`1 address has no name: 1 in ${pie} (no code of a file)`]);
    expect(symbolizer.names([data, mapLine(pie, BASE)], [BigInt(BASE + start)])[0]?.names[0].short).toBe('exported');
  });

  describe('a broken file', () => {
    /** The functions of the library at these addresses before relocation, if its bytes were these; undefined where none is known. */
    const functionsIn = (bytes: Uint8Array, addresses: readonly number[]) => {
      const host: SymbolHost = { open: () => symbolFile(bytes), run: () => undefined };
      const found = new Symbolizer(host).names(
        [mapLine(library, BASE)],
        addresses.map((at) => BigInt(BASE + at)),
      );
      return found.map((names) => (names?.resolved === true ? names.names[0].short : undefined));
    };
    /** Numbers of a seeded walk: the same bytes are broken each time. */
    const walk = (seed: number) => (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
    const middles = (path: string, ...flags: string[]) =>
      nm(path, ...flags)
        .filter(({ size }) => size > 1)
        .map(({ start, size }) => start + (size >> 1));

    test('names nothing but what it holds, and ends nothing', () => {
      const bytes = readFileSync(library);
      const addresses = middles(library);
      const whole = functionsIn(bytes, addresses);
      expect(whole).not.toContain(undefined);
      const random = walk(1);
      const started = performance.now();
      let known = 0;
      for (let run = 0; run < 400; run++) {
        const isHeaderBroken = run % 3 === 0;
        const broken = Buffer.from(bytes.subarray(0, run % 4 === 0 ? random(bytes.length) : bytes.length));
        for (let i = 0; i < 12 && broken.length > 0; i++) {
          const at = isHeaderBroken
            ? random(64)
            : run % 3 === 1
              ? broken.length - 1 - random(Math.min(3000, broken.length))
              : random(broken.length);
          if (at > 3) broken[at] = random(256);
        }
        const found = functionsIn(broken, addresses);
        const image = readElf(symbolFile(broken));
        const functions = image && functionsOf(image);
        const text = broken.toString();
        for (const [i, address] of addresses.entries()) {
          if (found[i] !== undefined) known++;
          // Where the names are whole, and the tables that lead to them.
          if (isHeaderBroken) expect([undefined, whole[i]], `run ${run}`).toContain(found[i]);
          const name = functions?.find(address)?.name;
          if (name !== undefined) expect(text.includes(name), `run ${run}: ${name}`).toBe(true);
        }
      }
      expect(known).toBeGreaterThan(400);
      expect(performance.now() - started).toBeLessThan(60_000);
    });

    test('names the same functions, whatever its lists of versions hold', () => {
      const path = join(folder, 'exports.so');
      execFileSync('strip', ['-o', path, library]);
      const bytes = readFileSync(path);
      const addresses = middles(path, '-D');
      const withoutVersions = (names: readonly (string | undefined)[]) => names.map((name) => name?.replace(/@.*$/, ''));
      const whole = withoutVersions(functionsIn(bytes, addresses));
      expect(whole.length).toBeGreaterThan(1);
      expect(whole).not.toContain(undefined);
      const lists = (readElf(symbolFile(bytes))?.sections ?? []).filter(({ name }) => name.startsWith('.gnu.version'));
      expect(lists.map(({ name }) => name)).toEqual(['.gnu.version', '.gnu.version_r']);
      const random = walk(1);
      const started = performance.now();
      for (let run = 0; run < 400; run++) {
        const broken = Buffer.from(bytes);
        const { offset, size } = lists[run % 2];
        for (let i = 0; i < 12; i++) broken[offset + random(size)] = random(256);
        expect(withoutVersions(functionsIn(broken, addresses)), `run ${run}`).toEqual(whole);
      }
      expect(performance.now() - started).toBeLessThan(20_000);
    });
  });
});

test.skipIf(!needsTool('nm'))('a 32-bit program', () => {
  const path = new URL('../../fixtures/symbols/i386.elf', import.meta.url).pathname;
  const symbols = nm(path).filter(({ size }) => size > 0);
  expect(symbols.map(({ name }) => name).sort()).toEqual(['_start', 'leaf', 'outer']);
  const symbolizer = new Symbolizer(machine([]), { program: path });
  const found = symbolizer.names(
    [],
    symbols.map(({ start, size }) => BigInt(start + size - 1)),
  );
  expect(found.map((names) => names?.names[0].fn)).toEqual(symbols.map(({ name }) => name));
});

test('what is no ELF file has no symbols', () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(100), new TextEncoder().encode('#!/bin/sh\n'.repeat(20))]) {
    expect(readElf(symbolFile(bytes))).toBe(undefined);
  }
});
