/**
 * From samples to estimates, and back to what jeprof expects to read (jemalloc 5.3.0, src/prof_data.c, prof_unbias_map_init, prof_do_unbias;
 * src/prof.c, prof_sample_new_event_wait).
 * Invariant: the tables belong to one rate of 2^lg bytes a sample; a new rate is a new object.
 * Differs: V8's log for glibc's; no wait differs for lg up to 30 (measured).
 */
import { indexToSize, NSIZES } from '../sizes/sc.ts';
import { exp } from './exp.ts';

const TWO_32 = 2 ** 32;
const TWO_64 = 2 ** 64;
/** Bits of a draw (prof_sample_new_event_wait): as many as a double's fraction has. */
export const DRAW_BITS = 53;
/** A count is multiplied by so much before it is rounded (1 << SC_LG_TINY_MIN): that keeps the error small, and sums of counts below sums of bytes. */
const COUNT_SHIFT = 8;

/**
 * What one sampled object of each size class stands for at a sampling rate of 2^lg bytes. Samples are taken as if every byte were drawn with a chance of 1 in 2^lg: an
 * object of s bytes is one with a chance of p = 1 - exp(-s / 2^lg), and stands for 1 / p such objects.
 */
export class UnbiasMap {
  /** Base-2 logarithm of the mean bytes between samples, 0..63. */
  readonly lgSample: number;
  /** 2^lgSample as a double. */
  readonly rate: number;
  /** Size class -> 8 times the objects that one sample stands for, low word first (prof_shifted_unbiased_cnt). */
  readonly shiftedCount: Uint32Array = new Uint32Array(2 * NSIZES);
  /** Size class -> bytes that one sample stands for, low word first (prof_unbiased_sz). */
  readonly bytes: Uint32Array = new Uint32Array(2 * NSIZES);
  readonly #logMiss: number;

  /** prof_unbias_map_init. @param lgSample 0..63 */
  constructor(lgSample: number) {
    this.lgSample = lgSample;
    this.rate = 2 ** lgSample;
    this.#logMiss = Math.log(1 - 1 / this.rate);
    for (let szind = 0; szind < NSIZES; szind++) {
      const size = indexToSize[szind];
      const chance = 1 - exp(-size / this.rate);
      setRounded(this.bytes, szind, size / chance);
      setRounded(this.shiftedCount, szind, COUNT_SHIFT / chance);
    }
  }

  /**
   * Bytes until the next sample, geometrically distributed with a mean of 2^lgSample (prof_sample_new_event_wait): to draw the wait for the byte that is sampled is to draw
   * for every byte.
   * At lgSample 0 every allocation is sampled, and the library does not draw: do not ask then.
   * @param r53 A uniform draw of DRAW_BITS bits.
   */
  wait(r53: number): number {
    const u = r53 === 0 ? 1 : r53 * 2 ** -DRAW_BITS;
    const quotient = Math.log(u) / this.#logMiss;
    // From lg 54 on the divisor is 0, and the library's conversion of an infinite or undefined quotient gives 2^63.
    return quotient < 2 ** 63 && quotient >= 0 ? Math.trunc(quotient) + 1 : 2 ** 63;
  }

  /**
   * A pair of estimates as a dump prints it: the numbers that jeprof's own correction turns into these estimates (prof_do_unbias).
   * @param shiftedObjs Sum of shiftedCount.
   * @param unbiasedBytes Sum of bytes.
   * @returns "objects: bytes"
   */
  dumpText(shiftedObjs: number, unbiasedBytes: number): string {
    if (shiftedObjs === 0 || unbiasedBytes === 0) return '0: 0';
    const meanSize = unbiasedBytes / (shiftedObjs / COUNT_SHIFT);
    const sampledBytes = unbiasedBytes * (1 - exp(-meanSize / this.rate));
    return `${uint64Text(sampledBytes / meanSize)}: ${uint64Text(sampledBytes)}`;
  }
}

/** C's round: halves away from zero. For values from 0. */
export function round(value: number): number {
  const whole = Math.floor(value);
  return value - whole >= 0.5 ? whole + 1 : whole;
}

/** A double rounded to a uint64, as decimal text; the largest one where it does not fit or is not a number (prof_double_uint64_cast). */
function uint64Text(value: number): string {
  const rounded = round(value);
  if (rounded <= Number.MAX_SAFE_INTEGER) return String(rounded);
  return rounded < TWO_64 ? BigInt(rounded).toString() : '18446744073709551615';
}

/** Writes round(value) as a size_t; what does not fit becomes 0, as x86-64 converts it. */
function setRounded(words: Uint32Array, index: number, value: number): void {
  const rounded = round(value);
  const fits = rounded < TWO_64;
  words[2 * index] = fits ? rounded % TWO_32 : 0;
  words[2 * index + 1] = fits ? Math.floor(rounded / TWO_32) : 0;
}
