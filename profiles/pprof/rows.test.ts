/** Reports of pprof profiles beside those of `go tool pprof`. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { renderText } from '../report/report.ts';
import { readPprof } from './read.ts';
import { encodeProfile, uint64 } from './schema.ts';
import { writePprof } from './write.ts';

const folder = testFolder();

/** A function by its name, and by the system's; its id is its place among these, from 1. */
const FUNCTIONS = [
  ['main.run', 'main.run'],
  ['strings.grow', 'strings.grow'],
  ['__softirqentry_text_start', ''],
  ['./index.ts:(anonymous):24', ''],
  ['android::Foo::bar(int)', '_ZN7android3Foo3barEi'],
  ['_ZN3foo3barEv', '_ZN3foo3barEv'],
  ['', '_RNvCs1234_7mycrate3foo'],
  ['ns::f<int>(char)', 'ns::f<int>(char)'],
] as const;

/** Locations by their addresses and functions, innermost first; their ids are their places, from 1. */
const LOCATIONS: readonly (readonly [bigint, readonly number[]])[] = [
  [0x400100n, [2, 1]],
  [0x400200n, [2]],
  [0xffffffff95c00071n, [3]],
  [0x400300n, [4]],
  [0x400400n, [5]],
  [0x400500n, [6]],
  [0x400600n, [7]],
  [0x400700n, [8]],
  [0n, []],
];

/** Stacks as ids of locations, leaf first: the n-th has n objects. */
const STACKS = [[1], [2, 1], [3, 2], [4, 2], [5, 4], [6, 5], [7, 6], [8, 7], [9, 8]];

function profile(): Uint8Array {
  const strings = ['', 'objects', 'count', 'space', 'bytes'];
  const index = (text: string) => (strings.includes(text) ? strings.indexOf(text) : strings.push(text) - 1);
  return encodeProfile({
    sampleType: [
      { type: 1, unit: 2 },
      { type: 3, unit: 4 },
    ],
    sample: STACKS.map((locationId, i) => ({ locationId, value: [i + 1, 1000 * (i + 1)] })),
    mapping: [],
    location: LOCATIONS.map(([address, ids], i) => ({
      id: i + 1,
      address: uint64(address),
      line: ids.map((functionId) => ({ functionId, line: 7 })),
    })),
    function: FUNCTIONS.map(([name, systemName], i) => ({ id: i + 1, name: index(name), systemName: index(systemName), filename: 0 })),
    stringTable: strings,
  });
}

/** Values by name: own and cumulative. */
const rowsOf = (text: string, row: RegExp) =>
  new Map([...text.matchAll(row)].map(([, flat, cumulative, name]) => [name, [Number(flat), Number(cumulative)]]));

const ours = (bytes: Uint8Array, sampleType: string) =>
  rowsOf(renderText(readPprof(bytes, 'a'), { sampleType }), /^ *(\d+) +\S+ +\S+ +(\d+) +\S+ (.*)$/gm);

function theirs(bytes: Uint8Array): Map<string, number[]> {
  const path = join(folder, 'a.pb');
  writeFileSync(path, bytes);
  const flags = ['-top', '-sample_index=objects', '-nodecount=1000', '-nodefraction=0'];
  const env = { ...process.env, PPROF_TMPDIR: folder, PPROF_BINARY_PATH: folder };
  const text = execFileSync('go', ['tool', 'pprof', ...flags, path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env });
  return rowsOf(text.replaceAll(' (inline)', '').replaceAll(' (partial-inline)', ''), /^ *(\d+) +\S+ +\S+ +(\d+) +\S+ +(.*)$/gm);
}

test.skipIf(!needsTool('go'))('names, inlined functions, the kernel and what is not known', () => {
  const bytes = profile();
  expect(ours(bytes, 'inuse_objects')).toEqual(theirs(bytes));
});

describe('a profile with names of its own for what is in use', () => {
  test('by that name', () => expect(ours(profile(), 'objects')).toEqual(ours(profile(), 'inuse_objects')));

  test('written again it has the same rows', () => {
    const written = writePprof(readPprof(profile(), 'a'));
    expect(ours(written, 'inuse_space')).toEqual(ours(profile(), 'space'));
  });
});

test('addresses are those of the profile, at the head of a backtrace as elsewhere, and stay so when it is written', () => {
  const addresses = (bytes: Uint8Array) => {
    const text = renderText(readPprof(bytes, 'a'), { granularity: 'addresses', ignore: '<unknown>' });
    return [...new Set(Array.from(text.matchAll(/ ([0-9a-f]{16}) /g), ([, address]) => address))].sort();
  };
  const known = LOCATIONS.slice(0, -1).map(([address]) => address.toString(16).padStart(16, '0'));
  expect(addresses(profile())).toEqual(known.sort());
  expect(addresses(writePprof(readPprof(profile(), 'a')))).toEqual(known);
});
