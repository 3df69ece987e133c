/**
 * MurmurHash3_x64_128 over 64-bit values, as the profiling tables use it (jemalloc 5.3.0, include/jemalloc/internal/hash.h, hash_x64_128).
 * Invariant: a 64-bit value is two elements of a Uint32Array, low word first; so is each half of the result.
 * Differs: whole 64-bit values only (a backtrace or a thread id), so the tail is either empty or 8 bytes; and 32-bit words for uint64_t,
 * because a BigInt product is an allocation.
 */

/** Seed of backtrace hashes (prof_bt_hash). */
export const BACKTRACE_SEED = 0x94122f33;
/** Seed of the log's thread hashes (prof_thr_node_hash). */
export const LOG_THREAD_SEED = 0x94122f35;

const C1_HIGH = 0x87c37b91;
const C1_LOW = 0x114253d5;
const C2_HIGH = 0x4cf5ad43;
const C2_LOW = 0x2745937f;

/** High word of the last product; its low word is what multiply returned. */
let productHigh = 0;

/** (aHigh, aLow) * (bHigh, bLow) mod 2^64. */
function multiply(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  // Each of these partial sums stays below 2^32, so the shifts lose nothing.
  const low = Math.imul(a0, b0) >>> 0;
  const middle1 = (Math.imul(a1, b0) >>> 0) + (low >>> 16);
  const middle2 = (Math.imul(a0, b1) >>> 0) + (middle1 & 0xffff);
  productHigh = (Math.imul(a1, b1) + (middle1 >>> 16) + (middle2 >>> 16) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0;
  return Math.imul(aLow, bLow);
}

/**
 * Hashes `count` 64-bit values that start at value `start` of `words`, and writes the two 64-bit results to `out[0..3]`.
 * @param seed 32-bit seed of both halves.
 */
export function hash128(words: Uint32Array, start: number, count: number, seed: number, out: Uint32Array): void {
  let h1Low = seed | 0;
  let h1High = 0;
  let h2Low = seed | 0;
  let h2High = 0;
  let at = start * 2;
  const end = at + (count & ~1) * 2;
  for (; at < end; at += 4) {
    // k1 *= c1; k1 = rotl(k1, 31); k1 *= c2; h1 ^= k1
    let low = multiply(words[at + 1], words[at], C1_HIGH, C1_LOW);
    let high = productHigh;
    low = multiply((high << 31) | (low >>> 1), (low << 31) | (high >>> 1), C2_HIGH, C2_LOW);
    h1Low ^= low;
    h1High ^= productHigh;
    // h1 = rotl(h1, 27) + h2; h1 = h1 * 5 + 0x52dce729
    low = ((h1Low << 27) | (h1High >>> 5)) >>> 0;
    high = (h1High << 27) | (h1Low >>> 5);
    let sum = low + (h2Low >>> 0);
    high = (high + h2High + (sum > 0xffffffff ? 1 : 0)) | 0;
    low = multiply(high, sum | 0, 0, 5);
    sum = (low >>> 0) + 0x52dce729;
    h1High = (productHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
    h1Low = sum | 0;

    // k2 *= c2; k2 = rotl(k2, 33); k2 *= c1; h2 ^= k2
    low = multiply(words[at + 3], words[at + 2], C2_HIGH, C2_LOW);
    high = productHigh;
    low = multiply((low << 1) | (high >>> 31), (high << 1) | (low >>> 31), C1_HIGH, C1_LOW);
    h2Low ^= low;
    h2High ^= productHigh;
    // h2 = rotl(h2, 31) + h1; h2 = h2 * 5 + 0x38495ab5
    low = ((h2Low << 31) | (h2High >>> 1)) >>> 0;
    high = (h2High << 31) | (h2Low >>> 1);
    sum = low + (h1Low >>> 0);
    high = (high + h1High + (sum > 0xffffffff ? 1 : 0)) | 0;
    low = multiply(high, sum | 0, 0, 5);
    sum = (low >>> 0) + 0x38495ab5;
    h2High = (productHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
    h2Low = sum | 0;
  }
  if ((count & 1) !== 0) {
    let low = multiply(words[at + 1], words[at], C1_HIGH, C1_LOW);
    const high = productHigh;
    low = multiply((high << 31) | (low >>> 1), (low << 31) | (high >>> 1), C2_HIGH, C2_LOW);
    h1Low ^= low;
    h1High ^= productHigh;
  }

  h1Low ^= count * 8;
  h2Low ^= count * 8;
  let sum = (h1Low >>> 0) + (h2Low >>> 0);
  h1High = (h1High + h2High + (sum > 0xffffffff ? 1 : 0)) | 0;
  h1Low = sum | 0;
  sum = (h2Low >>> 0) + (h1Low >>> 0);
  h2High = (h2High + h1High + (sum > 0xffffffff ? 1 : 0)) | 0;
  h2Low = sum | 0;

  h1Low = finalMix(h1High, h1Low);
  h1High = productHigh;
  h2Low = finalMix(h2High, h2Low);
  h2High = productHigh;

  sum = (h1Low >>> 0) + (h2Low >>> 0);
  h1High = (h1High + h2High + (sum > 0xffffffff ? 1 : 0)) | 0;
  h1Low = sum | 0;
  sum = (h2Low >>> 0) + (h1Low >>> 0);
  h2High = (h2High + h1High + (sum > 0xffffffff ? 1 : 0)) | 0;
  h2Low = sum | 0;
  out[0] = h1Low;
  out[1] = h1High;
  out[2] = h2Low;
  out[3] = h2High;
}

/** hash_fmix_64: returns the low word, leaves the high one in productHigh. Shifting by 33 moves the high word's 31 upper bits down. */
function finalMix(high: number, low: number): number {
  low = multiply(high, low ^ (high >>> 1), 0xff51afd7, 0xed558ccd);
  low = multiply(productHigh, low ^ (productHigh >>> 1), 0xc4ceb9fe, 0x1a85ec53);
  return low ^ (productHigh >>> 1);
}
