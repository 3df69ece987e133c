/**
 * Pages and shards of the small classes, as options can change them (jemalloc 5.3.0, src/sc.c: slab_size, sc_data_update_slab_size;
 * src/bin.c: bin_update_shard_size).
 * Invariant: a slab holds at least one region and at most REGIONS.
 * Differs: pages and shards are columns of the options from the start, where jemalloc makes them when it boots.
 */
import { REGIONS } from '../extent/region.ts';
import { indexToSize, NBINS, PAGE, SMALL_MAXCLASS, sizeToIndex } from '../sizes/sc.ts';
import type { Bytes } from '../units.ts';

/** Most shards of a bin (BIN_SHARDS_MAX, bin_types.h). */
const BIN_SHARDS_MAX = 64n;

/** Slab pages of each small class as built: the fewest pages that its regions fill without a rest. */
export function defaultSlabPages(): Int32Array {
  const pages = new Int32Array(NBINS);
  for (let bin = 0; bin < NBINS; bin++) {
    let count = 1;
    while ((count * PAGE) % indexToSize[bin] !== 0) count++;
    pages[bin] = count;
  }
  return pages;
}

/**
 * Sets the slab pages of every small class with `begin` <= size <= `end`; all three numbers are unsigned 64-bit.
 * A guess below what one region needs or above what the bitmap can hold is clamped.
 */
export function updateSlabPages(pages: Int32Array, begin: bigint, end: bigint, guess: bigint): void {
  for (let bin = 0; bin < NBINS; bin++) {
    const bytes = indexToSize[bin];
    if (BigInt(bytes) < begin || BigInt(bytes) > end) continue;
    const least = Math.ceil(bytes / PAGE);
    const most = Math.floor((REGIONS * bytes) / PAGE);
    pages[bin] = guess < BigInt(least) ? least : guess > BigInt(most) ? most : Number(guess);
  }
}

/**
 * Sets the shards of the classes that hold `begin` to `end` bytes; all three numbers are unsigned 64-bit.
 * @returns true on error: no shard or more than 64.
 */
export function updateBinShards(shards: Uint8Array, begin: bigint, end: bigint, count: bigint): boolean {
  if (count > BIN_SHARDS_MAX || count === 0n) return true;
  if (begin > BigInt(SMALL_MAXCLASS)) return false;
  const last = sizeToIndex(end > BigInt(SMALL_MAXCLASS) ? SMALL_MAXCLASS : (Number(end) as Bytes));
  for (let bin = sizeToIndex(Number(begin) as Bytes); bin <= last; bin++) shards[bin] = Number(count);
  return false;
}
