import { expect, test } from 'vitest';
import { OwnValues } from './own_values.ts';

test('functions with as much stand in the order of their names, whatever numbers their frames have', () => {
  const metric = { key: 'inuse_space', group: 'In use', unit: 'bytes', column: 0, base: -1, total: 42, baseTotal: 0 } as const;
  const shown = (names: readonly string[]) => {
    const own = new OwnValues(1);
    names.forEach((name, frame) => own.add(frame, [name === 'most' ? 21 : 7]));
    return [...own.shown([metric], (frame) => names[frame]).keys()];
  };
  expect(shown(['c', 'a', 'most', 'b'])).toEqual(['most', 'a', 'b', 'c']);
  expect(shown(['most', 'b', 'c', 'a'])).toEqual(['most', 'a', 'b', 'c']);
});
