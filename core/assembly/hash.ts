/**
 * MurmurHash3_x64_128 over 64-bit values (jemalloc 5.3.0, include/jemalloc/internal/hash.h, hash_x64_128).
 * Invariant: the result is jemalloc's, on which the places of keys in its tables hang.
 * Differs: whole values alone, so that the tail of an odd count is 8 bytes.
 */
import { Column } from './tables';

/** What the algorithm multiplies by (hash_x64_128). */
const C1: u64 = 0x87c37b91114253d5;
const C2: u64 = 0x4cf5ad432745937f;

/** Hashes the first `count` of `values`, with a seed of both halves, to the two values of `result`. */
export function hash128(values: Column<u64>, count: u32, seed: u32, result: Column<u64>): void {
  let h1: u64 = seed;
  let h2: u64 = seed;
  let at: u32 = 0;
  for (; at + 1 < count; at += 2) {
    h1 ^= rotl(values[at] * C1, 31) * C2;
    h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
    h2 ^= rotl(values[at + 1] * C2, 33) * C1;
    h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5;
  }
  if (at < count) h1 ^= rotl(values[at] * C1, 31) * C2;
  h1 ^= count * 8;
  h2 ^= count * 8;
  h1 += h2;
  h2 += h1;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h1 += h2;
  h2 += h1;
  result[0] = h1;
  result[1] = h2;
}

/** hash_fmix_64 */
function finalMix(value: u64): u64 {
  value = (value ^ (value >>> 33)) * 0xff51afd7ed558ccd;
  value = (value ^ (value >>> 33)) * 0xc4ceb9fe1a85ec53;
  return value ^ (value >>> 33);
}
