/**
 * The address ranges that extents lie in: one for each mapping, in order of mapping.
 * Invariant: live ranges are disjoint and sorted by address.
 * Differs: jemalloc keeps no such list. It is here to name placements: which range, and how far in.
 */

/** Ranges as parallel arrays sorted by address. A range that was unmapped in its middle has two rows with one start. */
export class Mappings {
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #start: number[] = [];
  readonly #ordinal: number[] = [];
  #next = 0;
  #last = 0;

  /** Enters a new mapping, which gets the next number. Address and length in bytes. */
  add(address: number, bytes: number): void {
    const at = this.#upper(address);
    this.#from.splice(at, 0, address);
    this.#to.splice(at, 0, address + bytes);
    this.#start.splice(at, 0, address);
    this.#ordinal.splice(at, 0, this.#next++);
  }

  /** Takes out what was unmapped: a part of a range, a range or several. Address and length in bytes. */
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

  /** Checks that the ranges are sorted and disjoint. @throws Error naming what does not hold. */
  check(): void {
    let end = 0;
    for (let row = 0; row < this.#from.length; row++) {
      if (this.#from[row] < end) throw new Error('mappings: two ranges overlap, or are not sorted');
      if (this.#to[row] <= this.#from[row]) throw new Error('mappings: a range is empty');
      if (this.#start[row] > this.#from[row]) throw new Error('mappings: a range begins before its mapping');
      end = this.#to[row];
    }
  }

  /** First row that begins above an address. */
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
