import { expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { parseLine } from './line.ts';

test.each([
  ['', [], undefined],
  ['  top  20 ', ['top', '20'], undefined],
  ['peek "operator new" x', ['peek', 'operator new', 'x'], undefined],
  ["focus='a b'|c", ['focus=a b|c'], undefined],
  ['list a\\.b', ['list', 'a\\.b'], undefined],
  ['top > out.txt', ['top'], 'out.txt'],
  ['top >out.txt', ['top'], 'out.txt'],
  ['top a > my file', ['top', 'a'], 'my file'],
  ['peek operator>', ['peek', 'operator>'], undefined],
  ['peek vector<int>::at', ['peek', 'vector<int>::at'], undefined],
])('%j', (text, words, output) => {
  expect(parseLine(text)).toEqual({ words, output });
});

test.each(['top "a', "top 'a b", 'top >', 'top > '])('%j is refused', (text) => {
  expect(() => parseLine(text)).toThrow(InputError);
});
