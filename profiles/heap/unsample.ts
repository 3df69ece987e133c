/**
 * From sampled counts back to what the program did (jeprof, AdjustSamples).
 * Invariant: bytes / count is the same before and after.
 * jemalloc 5.3.0 writes its counts so that this gives the unbiased ones (prof_do_unbias in src/prof_data.c).
 * Differs: jeprof divides by zero, and ends, for a row that has a count and no bytes, which stays as it is here, and for one whose share of the
 * sampling rate is lost against 1, for which the share itself stands.
 */
import type { Sampling } from '../profile.ts';

/** Bytes between samples that tcmalloc's first format has when its header names none. */
export const DEFAULT_UNIFORM_RATE = 128 * 1024;

/**
 * Estimates `value`, the count or the bytes of a row of `count` objects and `bytes` bytes.
 * With Poisson sampling an object of size s is sampled with probability 1 - exp(-s/rate), and s is taken as the row's mean size.
 */
export function unsampled(value: number, sampling: Sampling, count: number, bytes: number): number {
  if (sampling.method === 'none' || count === 0 || bytes === 0) return value;
  const ratio = bytes / count / sampling.rate;
  if (sampling.method === 'poisson') return value * (1 / (1 - Math.exp(-ratio) || ratio));
  // Not times 1 / ratio, which is another number in the last bit: what should be whole would be cut to one less.
  return ratio < 1 ? value / ratio : value;
}
