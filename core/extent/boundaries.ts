/**
 * Which extents of different mappings touch, where unmapping is allowed (retain:false): what the page map answers when a mapping arrives beside old ones
 * (jemalloc 5.3.0, src/emap.c emap_try_acquire_edata_neighbor).
 * Invariant: each extent is there by both ends; with retain:true there is no such table, for the first extent of a mapping never merges downwards.
 * Differs: two maps of ends for a look-up in the radix tree.
 */
import { PAGE } from '../sizes/sc.ts';
import { type EdataTable, Flag } from './edata.ts';
import type { Extent } from './types.ts';

/** Extents of mappings and of the dss by their first and past-the-end address. */
export class Boundaries {
  readonly #startsAt = new Map<number, Extent>();
  readonly #endsAt = new Map<number, Extent>();

  /** Enters a new mapping's extent and links it with what it touches. */
  join(edata: EdataTable, extent: Extent): void {
    const base = edata.base[extent];
    const end = base + edata.pages[extent] * PAGE;
    const below = this.#endsAt.get(base) ?? 0;
    const above = this.#startsAt.get(end) ?? 0;
    edata.below[extent] = below;
    edata.above[extent] = above;
    if (below !== 0) edata.above[below] = extent;
    if (above !== 0) edata.below[above] = extent;
    this.#startsAt.set(base, extent);
    this.#endsAt.set(end, extent);
  }

  /** After `trail` was cut off `extent`. */
  split(edata: EdataTable, extent: Extent, trail: Extent): void {
    const cut = edata.base[trail];
    this.#endsAt.set(cut, extent);
    this.#startsAt.set(cut, trail);
    this.#endsAt.set(cut + edata.pages[trail] * PAGE, trail);
  }

  /** Before `high` is added to `low`. */
  merge(edata: EdataTable, low: Extent, high: Extent): void {
    const cut = edata.base[high];
    this.#endsAt.delete(cut);
    this.#startsAt.delete(cut);
    this.#endsAt.set(cut + edata.pages[high] * PAGE, low);
  }

  /** Before an extent is unmapped. */
  leave(edata: EdataTable, extent: Extent): void {
    this.#startsAt.delete(edata.base[extent]);
    this.#endsAt.delete(edata.base[extent] + edata.pages[extent] * PAGE);
  }

  /**
   * Checks the ends of all extents against the tables. @throws Error naming what does not hold. A guarded extent is there with its guards, one on
   * either side, and extents of page slabs are not there.
   */
  check(edata: EdataTable): void {
    let extents = 0;
    for (let row = 1 as Extent; row < edata.length; row++) {
      if (edata.pages[row] === 0 || (edata.flags[row] & Flag.hpa) !== 0) continue;
      const guard = (edata.flags[row] & Flag.guarded) === 0 ? 0 : PAGE;
      const base = edata.base[row] - guard;
      const end = edata.base[row] + edata.pages[row] * PAGE + guard;
      if (this.#startsAt.get(base) !== row || this.#endsAt.get(end) !== row) throw new Error('boundaries: an extent lies elsewhere');
      extents++;
    }
    if (this.#startsAt.size !== extents || this.#endsAt.size !== extents) throw new Error('boundaries: there is an extent that is not');
  }
}
