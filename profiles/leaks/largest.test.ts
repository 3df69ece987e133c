import fc from 'fast-check';
import { expect, test } from 'vitest';
import { largest } from './largest.ts';

test('the largest are those that sorting finds', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1 }), fc.nat(), (values, seed) => {
      const count = 1 + (seed % values.length);
      const least = [...values].sort((a, b) => b - a)[count - 1];
      // rows need not be in order, nor are they all
      const rows = Int32Array.from(values, (_, row) => row + 1).reverse();
      const found = largest(rows, Float64Array.from([99, ...values]), count);
      expect([...found]).toEqual([...rows].filter((row) => values[row - 1] >= least));
    }),
  );
});
