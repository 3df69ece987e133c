import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { openPlacements } from './placements.ts';

const folder = testFolder();

const regionsOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { region: number }).region);

test('lines in order, each a JSON object', () => {
  const path = join(folder, 'dense');
  const placements = openPlacements(path);
  placements.add(0, 0, 8192, 32);
  placements.add(3, 1, 0, 16384);
  placements.close();
  expect(readFileSync(path, 'utf8')).toBe(
    '{"event":0,"region":0,"offset":8192,"usable":32}\n{"event":3,"region":1,"offset":0,"usable":16384}\n',
  );
});

test('a mapping that was never given out from has no number', () => {
  const path = join(folder, 'gaps');
  const placements = openPlacements(path);
  const mappings = Array.from({ length: 20_000 }, (_, i) => [1, 2, 5, 12][i % 4] as number);
  mappings.forEach((mapping, i) => placements.add(i, mapping, 64 * i, 64));
  placements.close();
  expect(regionsOf(path)).toEqual(mappings.map((mapping) => [1, 2, 5, 12].indexOf(mapping)));
});

test('no allocations, an empty file', () => {
  const path = join(folder, 'empty');
  openPlacements(path).close();
  expect(readFileSync(path, 'utf8')).toBe('');
});
