import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import { growthOf, MOST_GROWTH } from '../../fixtures/growth.ts';
import { openInput } from '../../formats/input.ts';
import { formatLeaks } from '../leaks/leaks_text.ts';
import { leaksFromProfile } from '../leaks/leaks.ts';
import { leaksToJson } from '../leaks/leaks_json.ts';
import { type Profile, SAMPLE_TYPES } from '../profile.ts';
import { isProfile, readProfile } from '../read_profile.ts';
import { sumProfiles } from '../sum.ts';
import { readDhat } from './dhat.ts';
import { isMassif, readMassif } from './massif.ts';

const fixture = async (name: string) => {
  const { chunks } = await openInput(fileURLToPath(new URL(`../../fixtures/profiles/${name}`, import.meta.url)));
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return Buffer.concat(parts);
};
const utf8 = new TextEncoder();

/** What a frame and those inlined in it are called, leaf first, without the address, as ms_print has it. */
function textsOf({ stacks, samples }: Profile, row: number): string[] {
  return Array.from(stacks.framesOf(samples.stack[row] as StackIndex)).flatMap((index) => {
    const { fn = '???', file, line, module, inlined = [] } = stacks.frames.frames[index];
    const outermost = module === undefined ? { fn, file, line } : { fn: `${fn} (in ${module})`, file: undefined, line: undefined };
    return [...inlined, outermost].map((one) => (one.file === undefined ? one.fn : `${one.fn} (${one.file}:${one.line})`));
  });
}

/** Bytes by the innermost callers, as a tree's nodes have them. */
function nodesOf(profile: Profile): Map<string, number> {
  const nodes = new Map<string, number>();
  for (let row = 0; row < profile.samples.length; row++) {
    let key = '';
    for (const text of textsOf(profile, row)) {
      key += `${text}\n`;
      nodes.set(key, (nodes.get(key) ?? 0) + profile.samples.inuseBytes[row]);
    }
  }
  return nodes;
}

/** The same, as ms_print printed it. */
function printedNodes(text: string): Map<string, number> {
  const nodes = new Map<string, number>();
  const path: string[] = [];
  for (const line of text.split('\n')) {
    const match = /^((?:\| |  )*)->[\d.]+% \(([\d,]+)B\) (.*)$/.exec(line);
    if (match === null) continue;
    const [, indent = '', size = '', what = ''] = match;
    path.length = indent.length / 2;
    path.push(/^in \d+ places?, /.test(what) ? "[below massif's threshold]" : what.replace(/^0x[0-9A-F]+: /, ''));
    const key = path.map((part) => `${part}\n`).join('');
    // A node of nothing has no row.
    if (size !== '0') nodes.set(key, (nodes.get(key) ?? 0) + Number(size.replaceAll(',', '')));
  }
  return nodes;
}

describe('the peak is what ms_print prints', () => {
  test.each([
    ['leaky', 'leaky.massif.out', { number: 84, heapBytes: 1030524, extraBytes: 28876, snapshots: 86, timeUnit: 'i' }],
    ['leakycpp', 'leakycpp.massif.out.zst', { number: 50, heapBytes: 767396, extraBytes: 44644, snapshots: 65, timeUnit: 'B' }],
  ])('%s', async (name, file, { number, heapBytes, extraBytes, snapshots, timeUnit }) => {
    const bytes = await fixture(file);
    expect(isProfile(bytes.subarray(0, 65536))).toBe(true);
    const massif = readMassif(bytes, name);
    expect(massif).toMatchObject({ timeUnit, shown: { number, heapBytes, extraBytes, detailed: true } });
    expect(massif.snapshots.length).toBe(snapshots);
    const printed = printedNodes((await fixture(`${name}.peak.ms_print.txt`)).toString());
    expect(printed.size).toBeGreaterThan(15);
    expect(nodesOf(massif.profile)).toEqual(printed);
    expect(SAMPLE_TYPES.map((type) => massif.profile.samples.total(type))).toEqual([0, 0, 0, heapBytes]);
    expect(massif.profile).toMatchObject({ accumulated: false, requested: true, symbolized: true, moment: 'at the peak' });
    expect(readProfile(bytes, name)?.profile.samples).toEqual(massif.profile.samples);
  });
});

test('what was in use at the peak is not called never freed, and no objects are counted', async () => {
  const { profile } = readMassif(await fixture('leaky.massif.out'), 'a');
  const report = leaksFromProfile(profile);
  const text = formatLeaks(report, { contexts: 2 });
  expect(text).toMatch(/^1006 KiB in use at the peak, from 7 contexts\n/);
  expect(text).not.toContain('object');
  expect(leaksToJson(report)).toMatchObject({ moment: 'at the peak', total_bytes: 1030524, total_objects: 0 });
  expect(sumProfiles([profile, profile]).moment).toBe('at the peak');
  const { profile: other } = readDhat(readFileSync(new URL('../../fixtures/profiles/leaky.dhat.json', import.meta.url)), 'b');
  expect(sumProfiles([profile, other]).moment).toBe(undefined);
});

test('an xtree has the values that DHAT has', async () => {
  const { profile } = readMassif(await fixture('recursion.xtree.ms'), 'a');
  const dhat = readDhat(await fixture('recursion.dhat.json'), 'b').profile;
  expect(SAMPLE_TYPES.map((type) => profile.samples.total(type))).toEqual([351, 302197, 250, 201725]);
  expect(SAMPLE_TYPES.map((type) => dhat.samples.total(type))).toEqual([351, 302197, 250, 201725]);
  expect(profile).toMatchObject({ source: 'xtree', accumulated: true });
  expect(profile.moment).toBe(undefined);
  // A recursive function is a frame for each call.
  const depths = (read: Profile) =>
    Array.from({ length: read.samples.length }, (_, row) => textsOf(read, row).filter((text) => text === 'rec (a.c:4)').length);
  expect(Math.max(...depths(profile))).toBe(5);
  expect(Math.max(...depths(dhat))).toBe(5);
});

const HEAD = 'desc: (none)\ncmd: ./a\ntime_unit: i\n';
const snapshot = (number: number, heap: number, tree: string) =>
  `#-----------\nsnapshot=${number}\n#-----------\ntime=${number}\nmem_heap_B=${heap}\nmem_heap_extra_B=0\nmem_stacks_B=0\nheap_tree=${tree}\n`;

describe('trees', () => {
  test('without a peak the largest that says who allocated', () => {
    const trees = [40, 70, 60].map((heap, i) => snapshot(i, heap, `detailed\nn1: ${heap} (all)\n n0: ${heap} 0x10: f${i} (a.c:1)`));
    const { shown, profile } = readMassif(utf8.encode(HEAD + trees.join('') + snapshot(3, 90, 'empty')), 'a');
    expect(shown.number).toBe(1);
    expect(textsOf(profile, 0)).toEqual(['f1 (a.c:1)']);
    expect(profile.warnings[0]).toContain('snapshot 1, the largest that says who allocated');
    expect(profile.moment).toBe('at snapshot 1');
  });

  test('what no child has is its parent’s; names may hold anything', () => {
    const tree =
      'peak\nn2: 100 (all)\n n1: 60 0x10: f{lambda(int)#1} (a.c:1)\n  n0: 50 0x20: <script> (b.c:2)\n n0: 30 0x30: __proto__ (c.c:3)';
    const { profile } = readMassif(utf8.encode(HEAD + snapshot(0, 100, tree)), 'a');
    const rows = Array.from({ length: profile.samples.length }, (_, row) => [
      textsOf(profile, row).join(' < '),
      profile.samples.inuseBytes[row],
    ]);
    expect(rows).toEqual([
      ['f{lambda(int)#1} (a.c:1) < <script> (b.c:2)', 50],
      ['f{lambda(int)#1} (a.c:1)', 10],
      ['__proto__ (c.c:3)', 30],
      ['', 10],
    ]);
  });

  test.each([
    [HEAD, 'a:4: Massif’s output breaks off'],
    [`${HEAD}snapshot=0\ntime=1\n`, 'a:6: Massif’s output breaks off'],
    [HEAD + snapshot(0, 1, 'empty'), 'a: none of Massif’s 1 snapshots says who allocated'],
    [HEAD + snapshot(0, 1, 'detailed\nn1: 1 (all)'), 'a:13: no node of Massif’s tree where one must be'],
    [HEAD + snapshot(0, 1, 'peak\nn1: 1 (all)\n n0: 2 f'), 'a:13: the children of a node of Massif’s tree have more than it has'],
    [HEAD + snapshot(0, 1, 'empty').replace('mem_heap_B=1', 'mem_heap_B=x'), 'a:11: a snapshot whose mem_heap_B is no number'],
    [
      `${HEAD.replace('(none)', 'xtree.produce_report')}${snapshot(0, 1, 'detailed\nn0: 1 RB : Reachable Bytes')}`,
      'a: is an xtree of Valgrind’s that does not say what is in use',
    ],
  ])('%#: a damaged file is refused by place', (text, message) => {
    expect(isMassif(utf8.encode(text))).toBe(true);
    expect(() => readMassif(utf8.encode(text), 'a')).toThrow(expect.objectContaining({ name: 'InputError', message }));
  });

  test('a chain in which every node has bytes of its own is read at the pace at which its stacks are copied', () => {
    const depth = 4000;
    const tree = Array.from(
      { length: depth },
      (_, i) => `n${i === depth - 1 ? 0 : 1}: ${depth - i} 0x${(i + 1).toString(16)}: f${i} (a.c:1)`,
    );
    const bytes = utf8.encode(HEAD + snapshot(0, depth, `peak\n${tree.join('\n')}`));
    const start = performance.now();
    const { samples, stacks } = readMassif(bytes, 'a').profile;
    expect(performance.now() - start).toBeLessThan(5000);
    expect(samples.length).toBe(depth);
    // The innermost node ends first, and has the longest stack.
    expect(stacks.framesOf(samples.stack[0] as StackIndex).length).toBe(depth - 1);
    expect(stacks.framesOf(samples.stack[depth - 2] as StackIndex).length).toBe(1);
  });

  test('stacks of more frames than Massif follows callers are refused before they fill the memory', () => {
    const depth = 50_000;
    const chain = Array.from({ length: depth }, (_, i) => `n${i === depth - 1 ? 2000 : 1}: 2000 0x${(i + 1).toString(16)}: f`);
    const leaves = Array.from({ length: 2000 }, (_, i) => `n0: 1 0x1: g${i}`);
    const bytes = utf8.encode(HEAD + snapshot(0, 2000, `peak\n${[...chain, ...leaves].join('\n')}`));
    const message = 'the stacks of Massif’s tree have more than 67108864 frames in all';
    expect(() => readMassif(bytes, 'a')).toThrow(
      expect.objectContaining({ name: 'InputError', message: expect.stringContaining(message) }),
    );
  });

  test('functions inlined into one another are one frame, whose parts differ by node', () => {
    const tree =
      'peak\nn1: 100 (all)\n n2: 100 0x10: a (a.c:1)\n  n1: 90 0x10: b (a.c:2)\n   n0: 60 0x20: c (a.c:3)\n  n1: 10 0x10: a (a.c:1)\n   n0: 5 0x10: b (a.c:2)';
    const { samples, stacks } = readMassif(utf8.encode(HEAD + snapshot(0, 100, tree)), 'a').profile;
    const rows = Array.from({ length: samples.length }, (_, row) => [
      samples.inuseBytes[row],
      ...Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (frame) => {
        const { pc, fn, inlined = [] } = stacks.frames.frames[frame];
        return `${pc?.toString(16)} ${[...inlined, { fn }].map((one) => one.fn).join(' in ')}`;
      }),
    ]);
    expect(rows).toEqual([
      [60, '10 a in b', '21 c'],
      [30, '10 a in b'],
      [5, '10 a', '11 a in b'],
      [5, '10 a', '11 a'],
    ]);
  });

  test('a tree as deep as it is long', () => {
    const depth = 50_000;
    const tree = Array.from({ length: depth }, (_, i) => `n${i === depth - 1 ? 0 : 1}: 8 0x${(i + 1).toString(16)}: f`).join('\n');
    const { profile } = readMassif(utf8.encode(HEAD + snapshot(0, 8, `peak\n${tree}`)), 'a');
    expect(profile.samples.total('inuse_space')).toBe(8);
    expect(profile.stacks.framesOf(0 as StackIndex).length).toBe(depth - 1);
  });
});

test('a chain of calls that is four times as deep takes less than ten times as long', () => {
  const chain = (depth: number): Uint8Array =>
    Buffer.from(
      [
        'desc: (none)\ncmd: ./app\ntime_unit: i',
        '#-----------\nsnapshot=0\n#-----------\ntime=1\nmem_heap_B=100\nmem_heap_extra_B=8\nmem_stacks_B=0\nheap_tree=peak',
        'n1: 100 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.',
        ...Array.from(
          { length: depth },
          (_, level) => `${' '.repeat(level % 200)}n${level < depth - 1 ? 1 : 0}: 100 0x${(0x1000 + level).toString(16)}: f (a.c:${level})`,
        ),
        '',
      ].join('\n'),
    );
  const [once, fourfold] = [chain(7_500), chain(30_000)];
  const growth = growthOf(
    () => readMassif(once, 'a'),
    () => readMassif(fourfold, 'a'),
  );
  expect(growth).toBeLessThan(MOST_GROWTH);
});
