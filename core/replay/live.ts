/**
 * Which trace addresses are live, and what is known of the objects there.
 * Invariant: `count` rows are reachable from `slots`, each by its address; a free row is on the free list.
 * Differs from a Map: open addressing over typed columns, since every event of a trace comes through here. Removal shifts the
 * following entries back, so that there are no tombstones.
 */

/** No object lives at that address. */
export const NOT_LIVE = -1;

/** Objects by trace address. */
export class LiveTable {
  count = 0;
  /** Row -> the object's address in the trace. */
  address: Float64Array<ArrayBuffer> = new Float64Array(1024);
  /** Row -> its region in the model; -1 if the model had no memory for it. */
  region: Float64Array<ArrayBuffer> = new Float64Array(1024);
  /** Row -> requested bytes. */
  size: Float64Array<ArrayBuffer> = new Float64Array(1024);
  /** Row -> StackIndex of the allocation. */
  stack: Int32Array<ArrayBuffer> = new Int32Array(1024);
  #length = 0;
  #free = NOT_LIVE;
  /** Slot -> row + 1, 0 for empty. */
  #slots = new Int32Array(2048);
  #mask = 2047;

  /** Row of the object at `address`, NOT_LIVE if there is none. */
  find(address: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = hash(address) & mask; ; slot = (slot + 1) & mask) {
      const row = slots[slot] - 1;
      if (row < 0) return NOT_LIVE;
      if (this.address[row] === address) return row;
    }
  }

  /**
   * The row for a new object at `address`: a fresh one, whose columns the caller fills, or, if one is live there, that row's complement (~row),
   * which it keeps.
   */
  claim(address: number): number {
    if ((this.count + 1) * 2 > this.#slots.length) this.#growSlots();
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash(address) & mask;
    for (let row = slots[slot] - 1; row >= 0; row = slots[slot] - 1) {
      if (this.address[row] === address) return ~row;
      slot = (slot + 1) & mask;
    }
    let row = this.#free;
    if (row !== NOT_LIVE) {
      this.#free = this.stack[row];
    } else {
      if (this.#length === this.address.length) this.#growRows();
      row = this.#length++;
    }
    this.address[row] = address;
    this.count++;
    slots[slot] = row + 1;
    return row;
  }

  /** Removes the object of a row. The row's columns but `stack` stay readable until the next `claim`. */
  remove(row: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = hash(this.address[row]) & mask;
    while (slots[hole] !== row + 1) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = hash(this.address[slots[slot] - 1]) & mask;
      // the entry may move back unless its home lies cyclically in (hole, slot]
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = slots[slot];
        hole = slot;
      }
    }
    slots[hole] = 0;
    this.stack[row] = this.#free;
    this.#free = row;
    this.count--;
  }

  #enter(row: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash(this.address[row]) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = row + 1;
  }

  #growSlots(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#mask = this.#slots.length - 1;
    for (const entry of old) if (entry !== 0) this.#enter(entry - 1);
  }

  #growRows(): void {
    const capacity = this.address.length * 2;
    const float = (column: Float64Array) => {
      const larger = new Float64Array(capacity);
      larger.set(column);
      return larger;
    };
    this.address = float(this.address);
    this.region = float(this.region);
    this.size = float(this.size);
    const stack = new Int32Array(capacity);
    stack.set(this.stack);
    this.stack = stack;
  }

  /** Checks that every row can be found. @throws Error naming what does not hold. */
  check(): void {
    let entries = 0;
    for (const entry of this.#slots) {
      if (entry === 0) continue;
      entries++;
      if (this.find(this.address[entry - 1]) !== entry - 1) throw new Error('live table: an object cannot be found by its address');
    }
    if (entries !== this.count) throw new Error('live table: count differs from the entries');
  }
}

function hash(address: number): number {
  const high = (address * (1 / 0x100000000)) | 0;
  const low = address >>> 0;
  const mixed = Math.imul((low >>> 3) ^ (low << 7) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
