import { expect, test } from 'vitest';
import { type Code, placementOf, PlacedCode } from './placed_code.ts';

/** Code of a file that was seen at some times. */
const code = (path: string, start: number, end: number, ...times: number[]): Code => ({
  start,
  end,
  path,
  line: path,
  seen: times.map((time, look) => ({ first: [time, time + 1], last: [time, time + 1], look })),
});
const placement = (start: number, end: number, time: number) => ({ start, end, time });

test.each([
  ['nothing came', [code('a', 10, 20, 5)], [], ['0 a']],
  ['no code was seen there', [code('a', 20, 30, 5)], [], []],
  ['it came and stayed', [code('a', 10, 20, 5)], [placement(10, 20, 3)], ['0 a']],
  ['another one came into its place', [code('a', 10, 20, 1), code('b', 10, 20, 6)], [placement(10, 20, 3)], ['0 a', '3 b']],
  [
    'the former one came back',
    [code('a', 10, 20, 1, 9), code('b', 12, 18, 6)],
    [placement(12, 18, 3), placement(10, 20, 8)],
    ['0 a', '3 b', '8 a'],
  ],
  ['one was not seen', [code('b', 10, 20, 6)], [placement(10, 20, 1), placement(10, 20, 3)], ['0 ?', '3 b']],
  ['a program was executed, and one was not seen', [code('a', 10, 20, 1)], [placement(0, 99, 3), placement(10, 20, 5)], ['0 a', '3 ?']],
  ['code came elsewhere', [code('a', 10, 20, 1, 9)], [placement(20, 30, 3)], ['0 a']],
  ['it came while one looked', [code('a', 10, 20, 5)], [placement(10, 20, 5.5)], ['0 ?']],
])('whose code is at an address: %s', (_what, all, placements, owners) => {
  const placed = new PlacedCode(all, placements);
  expect(placed.ownersOf(15).map((owner) => `${owner.since} ${owner.code?.path ?? '?'}`)).toEqual(owners);
});

test('lines of the script for code that takes its place', () => {
  expect(placementOf('Attached to code at 7f10 20 84444124790517')).toEqual({ start: 0x7f10, end: 0x7f30, time: 84444124790517 });
  expect(placementOf('Attached to the process')).toBeUndefined();
});
