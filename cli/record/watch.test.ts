import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { Watch } from './watch.ts';

const folder = testFolder();

const isEvent = (line: string) => /^\d+ \d+ \d+ (?!thread\()/.test(line);
const file = join(folder, 'watched');

/** What is left of a recording that is cut to so many events. */
function cut(lines: readonly string[], most: number, timeOf?: (line: string) => number): string[] {
  writeFileSync(file, `${lines.join('\n')}\n`);
  const watch = new Watch(file, isEvent, most, timeOf);
  watch.look();
  expect(watch.isFull).toBe(true);
  watch.cut();
  expect(watch.events).toBe(most);
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}

const [first, second, third] = [
  ['10 7 7 malloc(8) = 0x1000', '\tmain', ''],
  ['20 7 8 thread(b)', '20 7 8 malloc(8) = 0x2000', '\tother', ''],
  ['30 7 7 free(0x1000)'],
] as const;

test('lines of two processors: the first events in order of time stay, with their stacks', () => {
  const timeOf = (line: string) => Number.parseInt(line, 10);
  const lines = ['# header', ...first, ...third, ...second, 'Lost 5 events', 'Attached until here'];
  expect(cut(lines, 1, timeOf)).toEqual(['# header', ...first, 'Lost 5 events', 'Attached until here']);
  expect(cut(lines, 2, timeOf)).toEqual(['# header', ...first, ...second, 'Lost 5 events', 'Attached until here']);
  expect(cut(lines, 3, timeOf)).toEqual(lines);
  expect(cut([...third, ...third, ...third], 2, timeOf)).toEqual([...third, ...third]);
});

test('lines in order: those up to the last event wanted stay', () => {
  expect(cut([...first, ...second, ...third], 2)).toEqual([...first, ...second].slice(0, -1));
});
