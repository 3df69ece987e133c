/**
 * Flat bitmaps of one page slab's pages (jemalloc 5.3.0, include/jemalloc/internal/fb.h).
 * Invariant: a bitmap is SLAB_PAGES bits, lowest first, in FB_WORDS words of a column that begin at `at`.
 * Differs: words of 32 bits for words of 64, and one length for any; what is asked and answered is the same.
 */

/** Pages of a page slab (HUGEPAGE_PAGES). */
export const SLAB_PAGES = 512;
/** Words of its bitmap. */
export const FB_WORDS = 16;

/** First bit from `from` on that differs from those of `other`, 0 or -1; SLAB_PAGES if there is none (fb_find_impl). */
function firstUnlike(bits: Uint32Array, at: number, from: number, other: number): number {
  if (from >= SLAB_PAGES) return SLAB_PAGES;
  let word = from >>> 5;
  let some = (bits[at + word] ^ other) & (-1 << (from & 31));
  while (some === 0) {
    if (++word === FB_WORDS) return SLAB_PAGES;
    some = bits[at + word] ^ other;
  }
  return (word << 5) + 31 - Math.clz32(some & -some);
}

/** First set bit from `from` on; SLAB_PAGES if there is none (fb_ffs). */
export function firstSet(bits: Uint32Array, at: number, from: number): number {
  return firstUnlike(bits, at, from, 0);
}

/** First clear bit from `from` on; SLAB_PAGES if there is none (fb_ffu). */
export function firstClear(bits: Uint32Array, at: number, from: number): number {
  return firstUnlike(bits, at, from, -1);
}

/** Last set bit up to `to`; -1 if there is none (fb_fls). */
export function lastSet(bits: Uint32Array, at: number, to: number): number {
  let word = to >>> 5;
  let some = bits[at + word] & (0xffffffff >>> (31 - (to & 31)));
  while (some === 0) {
    if (--word < 0) return -1;
    some = bits[at + word];
  }
  return (word << 5) + 31 - Math.clz32(some);
}

/** Bits of `word` that lie in from..to-1. */
function mask(word: number, from: number, to: number): number {
  const low = Math.max(0, from - (word << 5));
  const high = Math.min(32, to - (word << 5));
  return (-1 << low) & (0xffffffff >>> (32 - high));
}

/** Sets bits from..to-1, 0 <= from < to <= SLAB_PAGES (fb_set_range). */
export function setRange(bits: Uint32Array, at: number, from: number, to: number): void {
  for (let word = from >>> 5; word << 5 < to; word++) bits[at + word] |= mask(word, from, to);
}

/** Clears bits from..to-1, 0 <= from < to <= SLAB_PAGES (fb_unset_range). */
export function clearRange(bits: Uint32Array, at: number, from: number, to: number): void {
  for (let word = from >>> 5; word << 5 < to; word++) bits[at + word] &= ~mask(word, from, to);
}

/** Set bits among from..to-1, 0 <= from < to <= SLAB_PAGES (fb_scount). */
export function countSet(bits: Uint32Array, at: number, from: number, to: number): number {
  let count = 0;
  for (let word = from >>> 5; word << 5 < to; word++) {
    for (let some = bits[at + word] & mask(word, from, to); some !== 0; some &= some - 1) count++;
  }
  return count;
}
