import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ElfImage, readElf } from './elf.ts';
import { type FunctionTable, functionsOf } from './symbol_table.ts';

const SYMTAB = 2;
const DYNSYM = 11;
const FUNC = 2;
const FILE = 4;
const VERDEF = 0x6ffffffd;
const VERNEED = 0x6ffffffe;
const VERSYM = 0x6fffffff;

/** A row of a symbol table; a function in the code, local unless it says otherwise. */
interface Row {
  readonly name: string;
  readonly start?: number;
  readonly size?: number;
  readonly isFile?: boolean;
  readonly isGlobal?: boolean;
}

/** Words of four bytes each, little-endian; of two where a list of two stands. */
function words(...values: readonly (number | readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    if (typeof value === 'number') bytes.writeUInt32LE(value, i * 4);
    else value.forEach((half, side) => bytes.writeUInt16LE(half, i * 4 + side * 2));
  });
  return bytes;
}

/** The image of a 64-bit file: section 1 is the strings (`extra` and then the names of the rows), 2 the code, 3 the table, then the others, linked to the strings. */
function elf(
  type: number,
  rows: readonly Row[],
  others: readonly (readonly [number, Buffer])[] = [],
  extra: readonly string[] = [],
): ElfImage {
  const texts = ['', ...extra, ...rows.map(({ name }) => name)];
  const offsets: number[] = [];
  let length = 0;
  for (const text of texts) {
    offsets.push(length);
    length += Buffer.byteLength(text) + 1;
  }
  const table = Buffer.alloc((rows.length + 1) * 24);
  rows.forEach(({ start = 0, size = 1, isFile = false, isGlobal = false }, i) => {
    const at = (i + 1) * 24;
    table.writeUInt32LE(offsets[i + 1 + extra.length] as number, at);
    table.writeUInt8((isGlobal ? 16 : 0) + (isFile ? FILE : FUNC), at + 4);
    table.writeUInt16LE(isFile ? 0xfff1 : 2, at + 6);
    table.writeBigUInt64LE(BigInt(start), at + 8);
    table.writeBigUInt64LE(BigInt(isFile ? 0 : size), at + 16);
  });
  const contents = [[3, Buffer.from(`${texts.join('\0')}\0`)], [1, Buffer.alloc(0)], [type, table], ...others] as const;
  const header = Buffer.alloc(64);
  header.write('\x7fELF', 'latin1');
  header.set([2, 1, 1], 4);
  header.writeUInt16LE(3, 16);
  header.writeBigUInt64LE(64n, 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(contents.length + 1, 60);
  const headers = Buffer.alloc((contents.length + 1) * 64);
  let offset = header.length + headers.length;
  contents.forEach(([kind, bytes], i) => {
    const at = (i + 1) * 64;
    headers.writeUInt32LE(kind, at + 4);
    headers.writeBigUInt64LE(i === 1 ? 4n : 0n, at + 8);
    headers.writeBigUInt64LE(BigInt(offset), at + 24);
    headers.writeBigUInt64LE(BigInt(i === 1 ? 1 << 30 : bytes.length), at + 32);
    headers.writeUInt32LE(1, at + 40);
    offset += bytes.length;
  });
  const file = Buffer.concat([header, headers, ...contents.map(([, bytes]) => bytes)]);
  return readElf({ size: file.length, read: (from, count) => file.subarray(from, from + count) }) as ElfImage;
}

const functionsIn = (...of: Parameters<typeof elf>) => functionsOf(elf(...of)) as FunctionTable;

describe('versions', () => {
  const exported = [{ name: 'f', isGlobal: true }];
  const strings = ['V1', 'V2', 'V3'];
  /** The version of `f`, whose number in the list is 2. */
  const versionOf = (type: number, list: Buffer) =>
    functionsIn(
      DYNSYM,
      exported,
      [
        [VERSYM, words([0, 2])],
        [type, list],
      ],
      strings,
    ).find(0)?.version;
  /** `vn_version`, `vn_cnt`, `vn_file`, `vn_aux`, `vn_next`. */
  const need = (count: number, auxiliary: number, next: number) => words([1, count], 0, auxiliary, next);
  /** `vna_hash`, `vna_flags`, `vna_other`, `vna_name`, `vna_next`. */
  const version = (number: number, name: number, next: number) => words(0, [0, number], name, next);
  const V1 = 1;
  const V2 = 4;
  const V3 = 7;

  test('of a symbol that another file has, and of one that this file has', () => {
    const list = [need(1, 16, 32), version(3, V1, 0), need(2, 16, 0), version(4, V3, 16), version(2, V2, 0)];
    expect(versionOf(VERNEED, Buffer.concat(list))).toBe('@V2');
    const base = words([1, 1], [1, 1], 0, 20, 28, V1, 0);
    expect(versionOf(VERDEF, Buffer.concat([base, words([1, 0], [2, 1], 0, 20, 0, V3, 0)]))).toBe('@@V3');
  });

  test('a list ends where a link says so, whatever its count says', () => {
    expect(versionOf(VERNEED, Buffer.concat([need(0xffff, 16, 0), version(2, V2, 0)]))).toBe('@V2');
  });

  test.each([1, 12, 15])('a link %i bytes on, into the same entry, ends its list', (step) => {
    const list = [need(2, 16, 0), version(3, V1, step), version(2, V2, 0)];
    expect(versionOf(VERNEED, Buffer.concat(list))).toBe('');
    expect(versionOf(VERNEED, Buffer.concat([need(0, 16, step), need(1, 16, 0), version(2, V2, 0)]))).toBe('');
  });

  test('lists that share their entries take no longer than the section has entries', () => {
    const entries = 4000;
    const needs = Array.from({ length: entries }, (_, i) => need(0xffff, (entries - i) * 16, i === entries - 1 ? 0 : 16));
    const shared = Array.from({ length: entries }, (_, i) => version(2, V2, i === entries - 1 ? 0 : 16));
    const list = Buffer.concat([...needs, ...shared]);
    const start = performance.now();
    expect(versionOf(VERNEED, list)).toBe('@V2');
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('functions that nest', () => {
  /** Last of the rows by start, and of one start by row, that hold an address. */
  function innermost(rows: readonly Required<Pick<Row, 'name' | 'start' | 'size'>>[], address: number) {
    const ordered = rows.map((row, i) => ({ ...row, i })).sort((a, b) => a.start - b.start || a.i - b.i);
    const found = ordered.findLast(({ start, size }) => start <= address && address < start + size);
    if (found === undefined) return undefined;
    const holding = ordered.filter(({ start, size }) => start === found.start && address < start + size);
    const shortest = holding.reduce((best, other) => (other.size < best.size ? other : best));
    return { start: found.start, end: found.start + found.size, firstName: shortest.name };
  }

  test('the innermost of those that hold an address, as a search of all finds it', () => {
    const row = fc.record({ start: fc.nat(12), size: fc.integer({ min: 1, max: 14 }) });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (places) => {
        const rows = places.map((place, i) => ({ ...place, name: `f${i}` }));
        const functions = functionsIn(SYMTAB, rows);
        for (let address = 0; address < 30; address++) {
          const found = functions.find(address);
          expect(found && { start: found.start, end: found.end, firstName: found.firstName }).toEqual(innermost(rows, address));
        }
      }),
    );
  });

  const COUNT = 100_000;
  test.each<[string, (i: number) => Row]>([
    ['each in the one before', (i) => ({ name: 'f', start: i, size: 2 * (COUNT - i) })],
    ['all in the first', (i) => ({ name: 'f', start: i, size: i === 0 ? 2 * COUNT : 1 })],
    ['all from one address', (i) => ({ name: 'f', start: 0, size: COUNT + i + 1 })],
    ['one after the other, of one source file', (i) => ({ name: 'f', start: i, size: COUNT, isFile: i === 0 })],
    ['exported, without a source file', (i) => ({ name: 'f', start: i, size: COUNT, isGlobal: true })],
  ])('%s: as many addresses are found in little time', (_name, rowAt) => {
    const rows = Array.from({ length: COUNT }, (_, i) => rowAt(i));
    const functions = functionsIn(SYMTAB, rows);
    const start = performance.now();
    let named = 0;
    for (let i = 0; i < COUNT; i++) if (functions.find(COUNT + (i % (COUNT - 1)))?.name === 'f') named++;
    expect(named).toBe(COUNT);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('the source file: of a local function the last one before it, of another the only one', () => {
    const file = (name: string) => ({ name, isFile: true });
    const filesOf = (...rows: readonly Row[]) => {
      const placed = rows.map((row, start) => ({ ...row, start }));
      const functions = functionsIn(SYMTAB, placed);
      return placed.flatMap(({ isFile, start }) => (isFile === true ? [] : [functions.find(start)?.file]));
    };
    const local = { name: 'f' };
    const exported = { name: 'g', isGlobal: true };
    expect(filesOf(local, exported)).toEqual([undefined, undefined]);
    expect(filesOf(file('a.c'), local, file('b.c'), local, exported)).toEqual(['a.c', 'b.c', undefined]);
    expect(filesOf(file('a.c'), local, exported)).toEqual(['a.c', 'a.c']);
    expect(filesOf(file('crt.c'), file('a.c'), local, exported, file('b.c'), local)).toEqual(['a.c', 'a.c', 'b.c']);
    expect(filesOf(local, file('a.c'), exported, local)).toEqual([undefined, undefined, 'a.c']);
  });
});
