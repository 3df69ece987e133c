/**
 * Damaged files of Valgrind's tools: every one is read or refused as bad input.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { SAMPLE_TYPES } from '../profile.ts';
import { readProfile } from '../read_profile.ts';

test.each(['leaky.dhat.json', 'recursion.dhat.json', 'leaky.massif.out', 'recursion.xtree.ms'])('%s', (name) => {
  const whole = readFileSync(new URL(`../../fixtures/profiles/${name}`, import.meta.url));
  // Behind what tells the kind of file.
  const place = fc.integer({ min: 120, max: whole.length - 1 });
  let refused = 0;
  fc.assert(
    fc.property(place, fc.uint8Array({ maxLength: 12 }), fc.integer({ min: 0, max: 40 }), fc.boolean(), (at, noise, removed, cut) => {
      const bytes = Buffer.concat([whole.subarray(0, at), noise, cut ? Buffer.alloc(0) : whole.subarray(at + removed)]);
      try {
        const samples = readProfile(bytes, 'a')?.profile.samples;
        for (const type of SAMPLE_TYPES) expect(samples?.total(type)).toBeGreaterThanOrEqual(0);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused++;
      }
    }),
    { numRuns: 150 },
  );
  expect(refused).toBeGreaterThan(0);
});
