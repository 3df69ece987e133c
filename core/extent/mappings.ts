/**
 * The address ranges that extents lie in: one for each mapping, in order of mapping.
 * Invariant: live ranges are disjoint and sorted by address.
 * Differs: jemalloc keeps no such list. It is here to name placements (which range, how far in), and, where unmapping is allowed
 * (retain:false), to find which extents of different mappings touch.
 */
import type { EdataTable } from './edata.ts';
import type { Extent } from './types.ts';

/** Ranges as parallel arrays sorted by address. A range that was unmapped in its middle has two rows with one start. */
export class Mappings {
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #start: number[] = [];
  readonly #ordinal: number[] = [];
  #next = 0;
  #last = 0;

  add(address: number, bytes: number): void {
    const at = this.#upper(address);
    this.#from.splice(at, 0, address);
    this.#to.splice(at, 0, address + bytes);
    this.#start.splice(at, 0, address);
    this.#ordinal.splice(at, 0, this.#next++);
  }

  remove(address: number, bytes: number): void {
    const end = address + bytes;
    for (let at = Math.max(0, this.#upper(address) - 1); at < this.#from.length && this.#from[at] < end; ) {
      const from = this.#from[at];
      const to = this.#to[at];
      if (to <= address) {
        at++;
      } else if (from < address && to > end) {
        this.#to[at] = address;
        this.#from.splice(at + 1, 0, end);
        this.#to.splice(at + 1, 0, to);
        this.#start.splice(at + 1, 0, this.#start[at]);
        this.#ordinal.splice(at + 1, 0, this.#ordinal[at]);
        return;
      } else if (from < address) {
        this.#to[at++] = address;
      } else if (to > end) {
        this.#from[at++] = end;
      } else {
        for (const column of [this.#from, this.#to, this.#start, this.#ordinal]) column.splice(at, 1);
      }
    }
    this.#last = 0;
  }

  /** Row of the range that holds `address`; it is in one. */
  find(address: number): number {
    const last = this.#last;
    if (address >= this.#from[last] && address < this.#to[last]) return last;
    return (this.#last = this.#upper(address) - 1);
  }

  /** How-maniest mapping a row is, from 0. */
  ordinal(row: number): number {
    return this.#ordinal[row];
  }

  /** Address at which a row's mapping began. */
  start(row: number): number {
    return this.#start[row];
  }

  /** Address at which the how-maniest mapping began; it is still there. */
  startOf(ordinal: number): number {
    return this.#start[this.#ordinal.indexOf(ordinal)];
  }

  #upper(address: number): number {
    let low = 0;
    let high = this.#from.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#from[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Extents by first and past-the-end address: what the page map answers when a new mapping arrives beside old ones. */
export class Boundaries {
  readonly #startsAt = new Map<number, Extent>();
  readonly #endsAt = new Map<number, Extent>();

  /** Enters a new mapping's extent and links it with what it touches. */
  join(edata: EdataTable, extent: Extent): void {
    const base = edata.base[extent];
    const end = base + edata.pages[extent] * 4096;
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
    this.#endsAt.set(cut + edata.pages[trail] * 4096, trail);
  }

  /** Before `high` is added to `low`. */
  merge(edata: EdataTable, low: Extent, high: Extent): void {
    const cut = edata.base[high];
    this.#endsAt.delete(cut);
    this.#startsAt.delete(cut);
    this.#endsAt.set(cut + edata.pages[high] * 4096, low);
  }

  /** Before an extent is unmapped. */
  leave(edata: EdataTable, extent: Extent): void {
    this.#startsAt.delete(edata.base[extent]);
    this.#endsAt.delete(edata.base[extent] + edata.pages[extent] * 4096);
  }
}
