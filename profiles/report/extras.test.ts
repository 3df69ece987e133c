import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { InputError } from '../../core/trace/input_error.ts';
import { readCollapsed } from '../collapsed/collapsed.ts';
import { readHeap } from '../heap/read.ts';
import { callTree, peek } from './call_tree.ts';
import { prepareReport, renderText } from './report.ts';
import { reportRows, rowsCsv, rowsJson } from './rows.ts';
import { speedscope } from './speedscope.ts';

const STACKS = 'main;handle;leak 3000\nmain;handle;put 1000\nmain;put 500\nmain;walk;walk;leak 400\nmain 100\n';
const partOf = (text: string) => {
  const [part] = prepareReport([readCollapsed(text, 'a')], { showBytes: true });
  return part;
};

describe('rows', () => {
  test('are those of the table', () => {
    const { profile } = readHeap(readFileSync(new URL('../../fixtures/profiles/leakycpp_s0_mt4.symbolized.heap', import.meta.url)), 'a');
    for (const cumulative of [false, true]) {
      const table = renderText(profile, { showBytes: true, cumulative }).trimEnd().split('\n').slice(1);
      const rows = reportRows(prepareReport([profile], { showBytes: true })[0], { cumulative });
      expect(rows.map(({ name }) => name)).toEqual(table.map((line) => line.trim().split(/ +/).slice(5).join(' ')));
      expect(rows.map(({ flat }) => Math.trunc(flat))).toEqual(table.map((line) => Number(line.trim().split(/ +/)[0])));
    }
  });

  test('--json and --csv', () => {
    const json = JSON.parse(rowsJson([partOf(STACKS)], { top: 2 })) as unknown;
    expect(json).toEqual({
      program: '(unknown)',
      total_bytes: 5000,
      rows: [
        { name: 'leak', flat_bytes: 3400, cumulative_bytes: 3400 },
        { name: 'put', flat_bytes: 1500, cumulative_bytes: 1500 },
      ],
    });
    expect(rowsCsv([partOf('a"b,c 3\nd;e 4\n')])).toBe('name,flat_bytes,cumulative_bytes\r\ne,4,4\r\n"a""b,c",3,3\r\nd,0,4\r\n');
  });
});

describe('calls', () => {
  test('--tree', () => {
    expect([...callTree(partOf(STACKS), 'functions', 0)].join('')).toBe(
      [
        'Total: 5000 B',
        '    5000 100.0%      100 main',
        '    4000  80.0%        .   handle',
        '    3000  60.0%     3000     leak',
        '    1000  20.0%     1000     put',
        '     500  10.0%      500   put',
        '     400   8.0%        .   walk',
        '     400   8.0%        .     walk',
        '     400   8.0%      400       leak',
        '',
      ].join('\n'),
    );
    expect([...callTree(partOf(STACKS), 'functions', 0.1)]).toContain('     900  18.0%        .   … 2 smaller\n');
  });

  test('--tree adds up, whatever the stacks', () => {
    const stack = fc.tuple(
      fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 1000 }),
    );
    fc.assert(
      fc.property(fc.array(stack, { minLength: 1, maxLength: 30 }), (stacks) => {
        const part = partOf(stacks.map(([names, value]) => `${names.join(';')} ${value}\n`).join(''));
        const lines = [...callTree(part, 'functions', 0)].slice(1).map((line) => line.trimEnd());
        // Own values, and those of the outermost calls, are the whole.
        const sum = (texts: readonly string[]) => texts.reduce((total, text) => total + (text === '.' ? 0 : Number(text)), 0);
        expect(sum(lines.map((line) => line.slice(16, 24).trim()))).toBe(part.total);
        expect(sum(lines.filter((line) => line[25] !== ' ').map((line) => line.slice(0, 8).trim()))).toBe(part.total);
      }),
    );
  });

  test('a backtrace of 100000 calls', () => {
    expect([...callTree(partOf(`${'f;'.repeat(100_000)}g 5\n`), 'functions', 0)]).toHaveLength(100_002);
  });

  test('--peek', () => {
    expect(peek(partOf(STACKS), 'functions', '^(put|walk)$')).toBe(
      [
        'Total: 5000 B',
        '',
        '    1000  20.0%            handle',
        '     500  10.0%            main',
        '    1500  30.0%     1500 put',
        '',
        '     400   8.0%            main',
        '     400   8.0%            walk',
        '     400   8.0%        0 walk',
        '     400   8.0%              leak',
        '     400   8.0%              walk',
        '',
      ].join('\n'),
    );
    expect(() => peek(partOf(STACKS), 'functions', '(')).toThrow(InputError);
  });
});

test('a sum of many profiles has room for what it has', () => {
  const profiles = Array.from({ length: 100 }, (_, at) => readCollapsed(`${STACKS}main;only${at} 1\n`, String(at)));
  const [part] = prepareReport(profiles, { showBytes: true });
  expect(reportRows(part)[0]).toMatchObject({ name: 'leak', flat: 340_000 });
  expect(part.profile.values.length).toBeLessThan(1000);
});

test('speedscope: every stack, root first, with its value', () => {
  const notes: string[] = [];
  const file = JSON.parse(speedscope([partOf(STACKS)], 'inuse_space', (note) => notes.push(note))) as {
    shared: { frames: { name: string }[] };
    profiles: { samples: number[][]; weights: number[]; unit: string; endValue: number }[];
  };
  const [profile] = file.profiles;
  const lines = profile.samples.map(
    (sample, i) => `${sample.map((frame) => file.shared.frames[frame].name).join(';')} ${profile.weights[i]}`,
  );
  expect(`${lines.join('\n')}\n`).toBe(STACKS);
  expect(profile).toMatchObject({ unit: 'bytes', endValue: 5000 });
  expect(notes).toEqual([]);
  const base = readCollapsed('main;gone 70\n', 'b');
  const [part] = prepareReport([readCollapsed(STACKS, 'a')], { base });
  expect(speedscope([part], 'inuse_space', (note) => notes.push(note))).not.toContain('gone;');
  expect(notes).toEqual([expect.stringContaining('-70')]);
});
