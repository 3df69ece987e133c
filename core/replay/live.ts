/**
 * Which trace addresses are live, and what is known of the objects there.
 * Invariant: `count` rows are reachable from the slots, each by its address; a free row is on the free list.
 * Differs from a Map: open addressing over numbers, since every event of a trace comes through here; a row's fields lie side by side, half a
 * cache line each. Removal shifts the following entries back, so that there are no tombstones.
 */

/** No object lives at that address. */
export const NOT_LIVE = -1;

/** Fields of a row in `rows`: row * LIVE_FIELDS + field. The first is the object's address in the trace. */
export const LIVE_FIELDS = 4;
/** Its region in the model; -1 if the model had no memory for it. */
export const REGION = 1;
/** Requested bytes. */
export const SIZE = 2;
/** StackIndex of the allocation. */
export const STACK = 3;

/** Objects by trace address. */
export class LiveTable {
  count = 0;
  rows: Float64Array<ArrayBuffer> = new Float64Array(1024 * LIVE_FIELDS);
  /** Rows ever used. */
  #length = 0;
  /** First free row, chained through STACK. */
  #free = NOT_LIVE;
  /** Slot -> row + 1, 0 for empty. */
  #slots = new Int32Array(2048);

  /** Row of the object at `address`, NOT_LIVE if there is none. */
  find(address: number): number {
    const slots = this.#slots;
    const { rows } = this;
    const mask = slots.length - 1;
    let slot = hash(address) & mask;
    for (;;) {
      const row = slots[slot] - 1;
      if (row < 0 || rows[row * LIVE_FIELDS] === address) return row;
      slot = (slot + 1) & mask;
    }
  }

  /**
   * The row for a new object at `address`: a fresh one, whose fields the caller fills, or, if one is live there, that row's complement (~row),
   * which it keeps.
   */
  claim(address: number): number {
    if ((this.count + 1) * 2 > this.#slots.length) this.#growSlots();
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash(address) & mask;
    for (let row = slots[slot] - 1; row >= 0; row = slots[slot] - 1) {
      if (this.rows[row * LIVE_FIELDS] === address) return ~row;
      slot = (slot + 1) & mask;
    }
    const row = this.#takeRow();
    this.rows[row * LIVE_FIELDS] = address;
    slots[slot] = row + 1;
    return row;
  }

  #takeRow(): number {
    this.count++;
    const row = this.#free;
    if (row !== NOT_LIVE) {
      this.#free = this.rows[row * LIVE_FIELDS + STACK];
      return row;
    }
    if (this.#length * LIVE_FIELDS === this.rows.length) {
      const larger = new Float64Array(this.rows.length * 2);
      larger.set(this.rows);
      this.rows = larger;
    }
    return this.#length++;
  }

  /** Removes the object of a row. The row's fields but STACK stay readable until the next `claim`. */
  remove(row: number): void {
    const slots = this.#slots;
    const { rows } = this;
    const mask = slots.length - 1;
    let hole = hash(rows[row * LIVE_FIELDS]) & mask;
    while (slots[hole] !== row + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = hash(rows[(slots[slot] - 1) * LIVE_FIELDS]) & mask;
      // the entry may move back unless its home lies cyclically in (hole, slot]
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = slots[slot];
        hole = slot;
      }
    }
    slots[hole] = 0;
    rows[row * LIVE_FIELDS + STACK] = this.#free;
    this.#free = row;
    this.count--;
  }

  #growSlots(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    const mask = slots.length - 1;
    for (const entry of old) {
      if (entry === 0) continue;
      let slot = hash(this.rows[(entry - 1) * LIVE_FIELDS]) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = entry;
    }
    this.#slots = slots;
  }

  /** Checks that every row can be found. @throws Error naming what does not hold. */
  check(): void {
    let entries = 0;
    for (const entry of this.#slots) {
      if (entry === 0) continue;
      entries++;
      if (this.find(this.rows[(entry - 1) * LIVE_FIELDS]) !== entry - 1) {
        throw new Error('live table: an object cannot be found by its address');
      }
    }
    if (entries !== this.count) throw new Error('live table: count differs from the entries');
  }
}

/** Objects by number, for formats that number blocks themselves: the same fields and methods, and nothing to look up. Number 0 is NULL. */
export class NumberedTable {
  count = 0;
  /** Row n is block number n; its first field holds n while the block is live, else 0. */
  rows: Float64Array<ArrayBuffer> = new Float64Array(1024 * LIVE_FIELDS);

  find(number: number): number {
    return this.rows[number * LIVE_FIELDS] === number ? number : NOT_LIVE;
  }

  claim(number: number): number {
    const at = number * LIVE_FIELDS;
    if (at >= this.rows.length) {
      const larger = new Float64Array(Math.max(this.rows.length * 2, at + LIVE_FIELDS));
      larger.set(this.rows);
      this.rows = larger;
    }
    if (this.rows[at] === number) return ~number;
    this.rows[at] = number;
    this.count++;
    return number;
  }

  remove(row: number): void {
    this.rows[row * LIVE_FIELDS] = 0;
    this.count--;
  }

  /** Checks the count. @throws Error naming what does not hold. */
  check(): void {
    let live = 0;
    for (let number = 1; number * LIVE_FIELDS < this.rows.length; number++) if (this.find(number) === number) live++;
    if (live !== this.count) throw new Error('live table: count differs from the blocks');
  }
}

function hash(address: number): number {
  const high = (address * (1 / 0x100000000)) | 0;
  const low = address >>> 0;
  const mixed = Math.imul((low >>> 3) ^ (low << 7) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
