import { expect, test } from 'vitest';
import { symbolOfSource } from './source_lines.ts';

test.each([
  [['second', '_ZN12_GLOBAL__N_15firstEi'], 'first', '_ZN12_GLOBAL__N_15firstEi'],
  [['_ZN1a3oneEv', '_ZN1b3twoEv'], 'two', '_ZN1b3twoEv'],
  [['_Z3oneIiEvT_', '_Z3twoIiEvT_'], 'two<int>', '_Z3twoIiEvT_'],
  [['other', 'plain.part.0'], 'plain', 'plain.part.0'],
  [['plainer', 'plain'], 'plain', 'plain'],
  [['_ZN1aplERKS_', 'other'], 'operator+', '_ZN1aplERKS_'],
  [['one', 'two'], undefined, 'one'],
  [['one', 'two'], 'three', 'one'],
])('of the symbols %j the one of %s is %s', (aliases, name, wanted) => {
  expect(symbolOfSource({ name: 'last', firstName: aliases[0], aliases, version: '', start: 0, end: 1, shared: true }, name)).toBe(wanted);
});
