import { expect, test } from 'vitest';
import { readHeap } from '../heap/read.ts';
import type { Granularity } from './entries.ts';
import { prepareReport, type ReportPart } from './report.ts';
import { traces } from './traces.ts';

const DUMP = `--- symbol
binary=app
0x0000000000000010 leak
0x0000000000000011 leak
0x000000000000001f main
0x000000000000002f start
---
--- heap
heap_v2/1
  t*: 4: 400 [4: 400]
@ 0x10 0x20 0x30
  t*: 1: 100 [1: 100]
@ 0x11 0x20 0x30
  t*: 2: 200 [2: 200]
@ 0x20 0x30
  t*: 1: 50 [1: 50]
`;

const parts = (options = {}) => prepareReport([readHeap(new TextEncoder().encode(DUMP), 'a').profile], { showBytes: true, ...options });
const text = (part: ReportPart, granularity: Granularity = 'functions', top?: number) => [...traces(part, granularity, top)].join('');
const RULE = '-'.repeat(72);

test('backtraces that read the same are one; the largest come first', () => {
  const [part] = parts();
  const expected = [
    'Total: 350 B',
    RULE,
    '     300  85.7%   leak',
    '                  main',
    '                  start',
    RULE,
    '      50  14.3%   0x0000000000000020',
    '                  start',
    '',
  ];
  expect(text(part).split('\n')).toEqual(expected);
  expect(text(part, 'functions', 1).split('\n')).toEqual([...expected.slice(0, 6), '… 1 smaller', '']);
  // By address they are three.
  expect(text(part, 'addresses').match(/^-/gm)).toHaveLength(3);
});

test('values that cancel out are no backtrace, growth and shrinkage are', () => {
  const base = readHeap(new TextEncoder().encode(DUMP.replace('2: 200 [2: 200]', '5: 500 [5: 500]')), 'b').profile;
  expect(text(parts({ base })[0]).split('\n').slice(0, 3)).toEqual(['Total: -300 B', RULE, '    -300 100.0%   leak']);
  expect(text(parts({ base: readHeap(new TextEncoder().encode(DUMP), 'b').profile })[0])).toBe('Total: 0 B\n');
});
