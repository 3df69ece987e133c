/**
 * What open addressing needs where keys may be chosen to share slots: a bound on how far one lies behind its own slot, and other factors for the hash.
 * Invariant of such a table: no key lies further than its bound. One that does not fit has all hashed with the next factor, and the bound is then twice as
 * large: a table of n keys is hashed anew fewer than log2(n) times before it grows, and keys chosen for one factor take no longer than others.
 * Whoever knows the order of the factors can still choose keys for all of them. There is no secret: the same input gives the same work.
 */

/** Slots that a key lies behind its own at most, at first: more than chance brings about in a table that is half full. */
const NEAR = 128;

/** The factor and the bound of a table. */
export class HashFactor {
  /** 32 bits, odd. */
  value = 0x85ebca6b | 0;
  /** Slots that a key lies behind its own at most. */
  farthest = NEAR;

  /** Takes the next factor, an odd one, and a bound that keys fit sooner (xorshift32: Marsaglia, Xorshift RNGs, 2003). */
  change(): void {
    let next = this.value;
    next ^= next << 13;
    next ^= next >>> 17;
    next ^= next << 5;
    this.value = next | 1;
    this.farthest *= 2;
  }

  /** Takes the bound at first again: the table has grown, and keys lie further apart. */
  tighten(): void {
    this.farthest = NEAR;
  }
}
