import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detachedMemory } from '../../fixtures/detached_memory.ts';
import { BACKTRACE_SEED, Hash128, LOG_THREAD_SEED } from './hash.ts';

const hash = new Hash128(detachedMemory(), 130);

function hashOf(values: readonly bigint[], seed = BACKTRACE_SEED): string[] {
  const { words, result } = hash;
  values.forEach((value, i) => {
    words[i * 2] = Number(value & 0xffffffffn);
    words[i * 2 + 1] = Number(value >> 32n);
  });
  hash.compute(values.length, seed);
  return [0, 2].map((at) => ((BigInt(result[at + 1]) << 32n) | BigInt(result[at])).toString(16).padStart(16, '0'));
}

/** The same, written from MurmurHash3's definition, on BigInt. */
function slowHash(values: readonly bigint[], seed: number): string[] {
  const wrap = (x: bigint) => BigInt.asUintN(64, x);
  const rotate = (x: bigint, r: bigint) => wrap((x << r) | (x >> (64n - r)));
  const c1 = 0x87c37b91114253d5n;
  const c2 = 0x4cf5ad432745937fn;
  let h1 = BigInt(seed);
  let h2 = BigInt(seed);
  let i = 0;
  for (; i + 1 < values.length; i += 2) {
    h1 ^= wrap(rotate(wrap(values[i] * c1), 31n) * c2);
    h1 = wrap(wrap(rotate(h1, 27n) + h2) * 5n + 0x52dce729n);
    h2 ^= wrap(rotate(wrap(values[i + 1] * c2), 33n) * c1);
    h2 = wrap(wrap(rotate(h2, 31n) + h1) * 5n + 0x38495ab5n);
  }
  if (i < values.length) h1 ^= wrap(rotate(wrap(values[i] * c1), 31n) * c2);
  const length = BigInt(values.length * 8);
  h1 ^= length;
  h2 ^= length;
  h1 = wrap(h1 + h2);
  h2 = wrap(h2 + h1);
  const mix = (k: bigint) => {
    k = wrap((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn);
    k = wrap((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n);
    return k ^ (k >> 33n);
  };
  h1 = mix(h1);
  h2 = mix(h2);
  h1 = wrap(h1 + h2);
  h2 = wrap(h2 + h1);
  return [h1, h2].map((h) => h.toString(16).padStart(16, '0'));
}

describe('hash of a backtrace', () => {
  // Read from the running library.
  test.each([
    [[], 'bf0b473a4555245e', '11927f2edfb9049d'],
    [[0x400000], '73d9130c9bf052c4', '7037d096cd98f9d2'],
    [[0x400000, 0x400010], 'a00d2f30848d2455', 'b929e570a5d6c4db'],
    [[0x400000, 0x400010, 0x400020], 'a8894a5d5e6bbafd', '8301354c6f6c2a90'],
  ])('of %j', (frames: number[], h0, h1) => {
    expect(hashOf(frames.map(BigInt))).toEqual([h0, h1]);
  });

  test('equals the definition for any frames and both seeds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { maxLength: 130 }),
        fc.constantFrom(BACKTRACE_SEED, LOG_THREAD_SEED),
        (frames, seed) => {
          expect(hashOf(frames, seed)).toEqual(slowHash(frames, seed));
        },
      ),
    );
  });
});
