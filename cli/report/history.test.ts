import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import { historyPath, keepLine, readHistory } from './history.ts';

const folder = testFolder();

test('the state folder is that of the XDG specification', () => {
  expect(historyPath({ XDG_STATE_HOME: '/state' })).toBe('/state/jereplay/history');
  const otherwise = join(homedir(), '.local/state/jereplay/history');
  expect(historyPath({})).toBe(otherwise);
  expect(historyPath({ XDG_STATE_HOME: 'relative' })).toBe(otherwise);
});

test('lines come back in their order, for their user alone', () => {
  const path = join(folder, 'new', 'history');
  expect(readHistory(path)).toEqual([]);
  for (const line of ['top', '', '  ', 'peek a ', 'x'.repeat(2000)]) keepLine(path, line);
  expect(readHistory(path)).toEqual(['top', 'peek a']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('the file does not grow beyond its bounds', () => {
  const path = join(folder, 'history');
  for (let i = 0; i < 1100; i++) keepLine(path, `line ${i}`);
  const lines = readHistory(path);
  expect(lines).toHaveLength(500);
  expect(lines.at(-1)).toBe('line 1099');
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(501);
  writeFileSync(path, 'x'.repeat(1e7));
  expect(readHistory(path)).toEqual([]);
  expect(statSync(path).size).toBe(0);
});

test('where nothing can be written nothing fails', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  chmodSync(file, 0o400);
  expect(() => keepLine(join(file, 'history'), 'top')).not.toThrow();
});
