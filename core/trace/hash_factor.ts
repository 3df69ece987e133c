/**
 * What open addressing needs where keys may be chosen to share slots: a bound on how far one lies behind its own slot, and other factors for the hash.
 * Invariant of such a table: no key lies further than its bound. One that does not fit has all hashed with the next factor, and the bound is then twice as
 * large: a table of n keys is hashed anew fewer than log2(n) times before it grows, and keys chosen for one factor take no longer than others.
 * Whoever knows the order of the factors can still choose keys for all of them. There is no secret: the same input gives the same work.
 */

/** Slots that a key lies behind its own at most, at first: more than chance brings about in a table that is half full. */
export const NEAR = 128;

/** The factor at first: 32 bits, odd. */
export const FIRST_FACTOR = 0x85ebca6b | 0;

/** The one after it (xorshift32: Marsaglia, Xorshift RNGs, 2003), odd as well. */
export function nextFactor(factor: number): number {
  let next = factor;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next | 1;
}
