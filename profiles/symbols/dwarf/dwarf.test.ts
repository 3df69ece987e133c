import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileOf, nm, symbolFile } from '../../../fixtures/symbols/host.ts';
import { needsTool } from '../../../fixtures/tools.ts';
import type { ElfImage } from '../elf.ts';
import { readElf } from '../elf.ts';
import type { SourceFrame } from '../frames.ts';
import { dwarfLines, type OwnAnswer } from './dwarf.ts';

const FIXTURES = join(import.meta.dirname, '../../../fixtures/symbols');

function imageOf(bytes: Uint8Array): ElfImage {
  return readElf(symbolFile(bytes)) as ElfImage;
}

/** What a file says of its addresses itself; the outermost functions have their names of the source. */
function own(path: string, addresses: readonly number[], image = imageOf(readFileSync(path))): OwnAnswer[] {
  return dwarfLines({ open: fileOf, run: () => undefined }, { path, image }, addresses, (_, name) => name);
}

/** What addr2line says: functions, outermost first. Nothing where the place of the address is none; that of a call is not known to DWARF 2. */
function binutils(path: string, addresses: readonly number[]): SourceFrame[][] {
  const input = addresses.map((at) => `0x${at.toString(16)}\n`).join('');
  const { stdout } = spawnSync('addr2line', ['-a', '-f', '-i', '-e', path], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  return stdout
    .split(/^0x[0-9a-f]+\n/m)
    .slice(1)
    .map((answer) => {
      const lines = answer.trimEnd().split('\n');
      const frames = Array.from({ length: lines.length / 2 }, (_, i) => ({ name: lines[2 * i], location: lines[2 * i + 1] }));
      return /^\?\?:|^[^/]*:\?$/.test(frames[0].location) ? [] : frames.reverse();
    });
}

/** Every address of a file's code. */
function codeOf(path: string): number[] {
  const code = imageOf(readFileSync(path)).sections.filter(({ executable, size }) => executable && size > 0);
  return code.flatMap(({ address, size }) => Array.from({ length: size }, (_, i) => address + i));
}

const HAS_BUILD = needsTool('gcc', 'g++', 'nm', 'addr2line', 'objcopy');

/** Builds that addr2line of binutils 2.40 reads whole. */
const BUILDS = {
  'DWARF 3': ['-O2', '-gdwarf-3', '-gstrict-dwarf'],
  'DWARF 4': ['-O2', '-gdwarf-4'],
  'DWARF 5': ['-O2', '-gdwarf-5'],
  'not optimised': ['-O0', '-g'],
  'lines only': ['-O2', '-g1'],
  compressed: ['-O2', '-g', '-gz=zlib'],
  'sections of their own': ['-O2', '-g', '-ffunction-sections', '-Wl,--gc-sections'],
  'at link time': ['-O2', '-g', '-flto'],
  'not moved': ['-O2', '-g', '-no-pie'],
} as const;

/** The code of `DWARF 5`, with debug information that addr2line of binutils 2.40 does not read, or only some of it. */
const SAME_CODE = {
  '64-bit': ['-O2', '-gdwarf-5', '-gdwarf64'],
  'old compression': ['-O2', '-gdwarf-5', '-gz=zlib-gnu'],
  'units of types': ['-O2', '-gdwarf-5', '-fdebug-types-section'],
} as const;

describe.skipIf(!HAS_BUILD)('a program of functions in many shapes', () => {
  let folder: string;
  const build = (name: string, flags: readonly string[]) => {
    const path = join(folder, name.replaceAll(' ', '_'));
    execFileSync('g++', [...flags, '-o', path, join(FIXTURES, 'shapes.cc')]);
    return path;
  };
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'dwarf-')));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Compares addresses, or all, with addr2line. */
  function compare(path: string, addresses = codeOf(path)): void {
    const symbols = nm(path);
    const theirs = binutils(path, addresses);
    let inlined = 0;
    own(path, addresses).forEach((answer, i) => {
      const at = addresses[i].toString(16);
      const ours = answer as readonly SourceFrame[] | undefined;
      expect(
        ours?.map(({ location }) => location),
        at,
      ).toEqual(theirs[i].length === 0 ? undefined : theirs[i].map(({ location }) => location));
      if (ours !== undefined && ours.length > 1) inlined++;
      ours?.forEach(({ name }, k) => {
        const theirName = theirs[i][k].name;
        if (name === theirName) return;
        // A function without a name for the symbol table: addr2line takes that of the symbol there, also for one that is inlined into it.
        // Between functions, where there is none, it takes the nearest symbol's.
        const isSymbol = symbols.some(
          (symbol) => symbol.name === theirName && (name === undefined || symbol.start + symbol.size > addresses[i]),
        );
        expect(isSymbol && !name?.startsWith('_Z'), `${at}: ${name} ${theirName}`).toBe(true);
      });
    });
    expect(inlined, path).toBeGreaterThan(50);
  }

  for (const [name, flags] of Object.entries(BUILDS)) {
    test(`${name}: as addr2line, at each byte of the code`, () => compare(build(name, flags)));
  }

  test('DWARF 2, which has no places of calls: as addr2line, where that finds the unit', () => {
    const path = build('DWARF 2', ['-O2', '-gdwarf-2', '-gstrict-dwarf']);
    const addresses = codeOf(path);
    const theirs = binutils(path, addresses);
    compare(
      path,
      addresses.filter((_, i) => theirs[i].length > 0),
    );
  });

  test('without an index of addresses: as with it', () => {
    const path = build('index', ['-O2', '-g']);
    const addresses = codeOf(path);
    const indexed = own(path, addresses);
    execFileSync('objcopy', ['--remove-section=.debug_aranges', path]);
    expect(own(path, addresses)).toEqual(indexed);
  });

  for (const [name, flags] of Object.entries(SAME_CODE)) {
    test(`${name}: the same answers`, () => {
      const [plain, other] = [build(`plain ${name}`, ['-O2', '-gdwarf-5']), build(name, flags)];
      const addresses = codeOf(plain);
      expect(codeOf(other)).toEqual(addresses);
      const answers = own(other, addresses);
      expect(answers.filter((answer) => answer !== undefined).length).toBeGreaterThan(500);
      expect(answers).toEqual(own(plain, addresses));
    });
  }

  test('some addresses alone have the answers that they have among all', () => {
    const path = build('some', ['-O2', '-g']);
    const addresses = codeOf(path);
    const all = own(path, addresses);
    for (let i = 3; i < addresses.length; i += 97) expect(own(path, [addresses[i]])).toEqual([all[i]]);
    // In any order, and twice.
    const mixed = [...addresses].reverse().concat(addresses.slice(0, 9));
    expect(own(path, mixed)).toEqual([...all].reverse().concat(all.slice(0, 9)));
  });

  test('units in files of their own are left to the tools', () => {
    const path = build('split', ['-O2', '-g', '-gsplit-dwarf']);
    const [{ start }] = nm(path).filter(({ name }) => name === 'main');
    expect(own(path, [start, 1])).toEqual(['unread', undefined]);
  });

  test('compressed sections that are cut, or decompress to more than they say, are left to the tools', () => {
    const path = build('packed', ['-O2', '-g', '-gz=zlib']);
    const whole = readFileSync(path);
    const addresses = codeOf(path).filter((_, i) => i % 50 === 0);
    const said = own(path, addresses).filter((answer) => answer !== undefined).length;
    expect(said).toBeGreaterThan(10);
    const info = imageOf(whole).section('.debug_info');
    const offset = info?.offset ?? 0;
    const damages: ((bytes: Buffer) => void)[] = [
      (bytes) => bytes.fill(0, offset + 40, offset + 400),
      // The size that the header says (Elf64_Chdr): less than there is, and more than zlib could make of it.
      (bytes) => bytes.writeBigUInt64LE(100n, offset + 8),
      (bytes) => bytes.writeBigUInt64LE(1n << 40n, offset + 8),
      (bytes) => bytes.writeUInt32LE(77, offset),
    ];
    for (const damage of damages) {
      const bytes = Buffer.from(whole);
      damage(bytes);
      const answers = own(path, addresses, imageOf(bytes));
      expect(answers.filter((answer) => answer === 'unread').length).toBeGreaterThanOrEqual(said);
    }
  });

  test('damaged debug information ends nothing, and takes no longer than a whole one', { timeout: 120000 }, () => {
    const path = build('damaged', ['-O2', '-g', '-gz=none']);
    const whole = readFileSync(path);
    const addresses = codeOf(path).filter((_, i) => i % 13 === 0);
    const sections = imageOf(whole).sections.filter(({ name }) => name.startsWith('.debug_'));
    const start = performance.now();
    const right = own(path, addresses, imageOf(whole));
    const once = performance.now() - start;
    // A seeded walk: the same bytes are broken each time.
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
    let different = 0;
    for (let run = 0; run < 400; run++) {
      const bytes = Uint8Array.from(whole);
      const { offset, size } = sections[run % sections.length];
      for (let i = 0; i < 1 + (run % 20); i++)
        bytes[offset + random(run % 3 === 0 ? Math.min(size, 64) : size)] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)];
      const begun = performance.now();
      const answers = own(path, addresses, imageOf(bytes));
      expect(performance.now() - begun, `run ${run}`).toBeLessThan(2000 + 20 * once);
      expect(answers).toHaveLength(addresses.length);
      if (JSON.stringify(answers) !== JSON.stringify(right)) different++;
    }
    expect(different).toBeGreaterThan(50);
  });
});

describe.skipIf(!needsTool('gcc', 'nm'))('debug information by hand', () => {
  let folder: string;
  let path: string;
  let symbols: Map<string, number>;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'dwarf-')));
    path = join(folder, 'indexed');
    execFileSync('gcc', ['-nostdlib', '-static', '-o', path, join(FIXTURES, 'indexed.s')], { stdio: 'ignore' });
    symbols = new Map(nm(path).map(({ name, start }) => [name, start]));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const place = (line: number) => `/src/indexed.c:${line}`;

  test('names, addresses and ranges by index', () => {
    const outer = symbols.get('outer') ?? 0;
    const addresses = [0, 1, 2, 3, 4, 5, 6, 10, 11].map((offset) => outer + offset);
    const alone = (line: number) => [{ name: 'outer', location: place(line) }];
    const inner = (line: number) => [
      { name: 'outer', location: place(12) },
      { name: '_Z5innerv', location: place(line) },
    ];
    expect(own(path, addresses)).toEqual([
      alone(11),
      inner(20),
      alone(13),
      inner(21),
      alone(14),
      alone(14),
      undefined,
      undefined,
      alone(15),
    ]);
  });

  test('an instance of itself has no name', () => {
    const circle = symbols.get('circle') ?? 0;
    expect(own(path, [circle, circle + 1, circle + 2])).toEqual([
      [{ name: undefined, location: place(30) }],
      [{ name: undefined, location: place(30) }],
      undefined,
    ]);
  });

  test('many units that share one long line table are not read longer than their bytes account for', () => {
    const source = join(folder, 'shared.s');
    // Each unit has a byte of code, and says that its lines are in the table of a million instructions.
    const units = 20000;
    writeFileSync(
      source,
      `.text\n.globl _start\n_start: .zero ${units}, 0x90
.section .debug_abbrev,"",@progbits\n.byte 1, 0x11, 0, 0x10, 0x17, 0x11, 1, 0x12, 0x0b, 0, 0, 0
.section .debug_info,"",@progbits\n.set at, 0\n.rept ${units}\n.long 21\n.short 4\n.long 0\n.byte 8, 1\n.long 0\n.quad _start + at\n.byte 1\n.set at, at + 1\n.endr
.section .debug_line,"",@progbits\n.long 2f - 1f\n1: .short 2\n.long 9f - 8f\n8: .byte 1, 1, -5, 14, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0\n9: .byte 0, 9, 2\n.quad _start
.zero 1000000, 29\n.byte 0, 1, 1\n2:\n`,
    );
    const program = join(folder, 'shared');
    execFileSync('gcc', ['-nostdlib', '-static', '-o', program, source]);
    const text = imageOf(readFileSync(program)).sections.find(({ name }) => name === '.text');
    const addresses = Array.from({ length: units }, (_, i) => (text?.address ?? 0) + i);
    const answers = own(program, addresses);
    const unread = answers.filter((answer) => answer === 'unread').length;
    expect(unread).toBeGreaterThan(units / 2);
    expect(own(program, addresses.slice(5, 7))).toEqual([
      [{ name: undefined, location: '<unknown>:1' }],
      [{ name: undefined, location: '<unknown>:1' }],
    ]);
  });

  test.skipIf(!needsTool('llvm-symbolizer'))('llvm-symbolizer says the same', () => {
    const outer = symbols.get('outer') ?? 0;
    for (const at of [outer, outer + 1, outer + 3, outer + 11]) {
      const args = [`--obj=${path}`, '--no-demangle', '--functions=linkage', `0x${at.toString(16)}`];
      const lines = execFileSync('llvm-symbolizer', args, { encoding: 'utf8' }).trimEnd().split('\n');
      const [answer] = own(path, [at]) as SourceFrame[][];
      expect([...answer].reverse().flatMap(({ name, location }) => [name, `${location}:0`])).toEqual(lines);
    }
  });
});

test('parts that several files share: by .gnu_debugaltlink, and by .debug_sup', () => {
  const line = (name: string | undefined, row: number) => ({ name, location: `/src/shared.c:${row}` });
  for (const name of ['shared1.elf', 'sup1.elf']) {
    const path = join(FIXTURES, name);
    expect(own(path, [0x401000, 0x401003, 0x401010])).toEqual([
      [line('shared_outer', 11), line('shared_inlined', 7)],
      [line('shared_outer', 11)],
      [line('walk', 15)],
    ]);
    // Elsewhere the other file is not found: what does not need it is read, and the rest left to the tools.
    const image = imageOf(readFileSync(path));
    expect(dwarfLines({ open: () => undefined, run: () => undefined }, { path, image }, [0x401000], (_, name) => name)).toEqual(['unread']);
  }
});

test('a file without debug information says nothing', () => {
  const path = join(FIXTURES, 'i386.elf');
  expect(own(path, [1, 0x8049000])).toEqual([undefined, undefined]);
});
