/**
 * A profile's stacks folded into a call tree small enough to draw.
 * Invariant: rows come after their parents, and the sums of the self columns are the profile's totals, whatever was merged.
 * Differs from the usual flame graph builder, which cuts small frames off: here each parent shows what was merged under it.
 */

/** A call tree as columns. Row 0 is the root. */
export interface FlameTree {
  /** Row -> row of its parent, less than its own; -1 for the root. */
  readonly parent: Int32Array;
  /** Row -> frame; ROOT_FRAME for the root, -1 - n for a row that stands for n merged frames. */
  readonly frame: Int32Array;
  /** Value column -> row -> what was allocated in this very frame (a merged row: in all frames it stands for). */
  readonly self: readonly Float64Array[];
}

export const ROOT_FRAME = -1;

/** Rows further from the root than this are merged: browsers draw no deeper trees with recursive code. */
export const MAX_DEPTH = 400;

/** Folds paths into a tree. */
export class FlameTreeBuilder {
  readonly #columns: number;
  #rows = 1;
  #parent = new Int32Array(1024).fill(-1, 0, 1);
  #frame = new Int32Array(1024).fill(ROOT_FRAME, 0, 1);
  #depth = new Int32Array(1024);
  readonly #self: Float64Array[];
  /** Open addressing by parent and frame: slot -> row, 0 for free (the root is nobody's child). */
  #slots = new Int32Array(4096);
  /** Multipliers of the hash, odd, others in each table: whoever makes an input cannot choose frames that share a slot. No result depends on them. */
  readonly #ofParent = (Math.random() * 2 ** 32) | 1;
  readonly #ofFrame = (Math.random() * 2 ** 32) | 1;

  /** `columns` values a path. */
  constructor(columns: number) {
    this.#columns = columns;
    this.#self = Array.from({ length: columns }, () => new Float64Array(1024));
  }

  /**
   * Adds `values`, none negative, to the path made of `frames`, which are leaf first.
   * `callers` puts the leaf next to the root instead: each row's children are then its callers.
   */
  add(frames: ArrayLike<number>, values: readonly number[], callers: boolean): void {
    let row = 0;
    const { length } = frames;
    for (let i = 0; i < length; i++) row = this.#child(row, frames[callers ? i : length - 1 - i]);
    for (let column = 0; column < this.#columns; column++) this.#self[column][row] += values[column];
  }

  #child(parent: number, frame: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hashOf(parent, frame) & mask;
    for (let row = this.#slots[slot]; row !== 0; row = this.#slots[slot]) {
      if (this.#parent[row] === parent && this.#frame[row] === frame) return row;
      slot = (slot + 1) & mask;
    }
    if (this.#rows === this.#parent.length) this.#grow();
    const row = this.#rows++;
    this.#parent[row] = parent;
    this.#frame[row] = frame;
    this.#depth[row] = this.#depth[parent] + 1;
    this.#slots[slot] = row;
    if (this.#rows * 2 > this.#slots.length) this.#rehash();
    return row;
  }

  #hashOf(parent: number, frame: number): number {
    const sum = (Math.imul(parent, this.#ofParent) + Math.imul(frame, this.#ofFrame)) | 0;
    const hash = Math.imul(sum ^ (sum >>> 15), 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }

  #grow(): void {
    const capacity = this.#parent.length * 2;
    const grow = <T extends Int32Array | Float64Array>(old: T, grown: T): T => {
      grown.set(old);
      return grown;
    };
    this.#parent = grow(this.#parent, new Int32Array(capacity));
    this.#frame = grow(this.#frame, new Int32Array(capacity));
    this.#depth = grow(this.#depth, new Int32Array(capacity));
    for (const [column, values] of this.#self.entries()) this.#self[column] = grow(values, new Float64Array(capacity));
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let row = 1; row < this.#rows; row++) {
      let slot = this.#hashOf(this.#parent[row], this.#frame[row]) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row;
    }
  }

  /**
   * The tree with its `budget` largest rows, each measured by its largest share in any column, and a row for what is merged under each parent.
   * A row is never larger than its parent, so what is kept hangs together.
   */
  build(budget: number): FlameTree {
    const rows = this.#rows;
    const shares = this.#shares();
    for (let row = 0; row < rows; row++) if (this.#depth[row] > MAX_DEPTH) shares[row] = -1;
    let least = -1;
    if (rows > budget) least = shares.slice().sort()[rows - budget - 1];
    const kept = new Int32Array(rows);
    // No more rows than are kept, and one for what is merged under each.
    const most = Math.min(rows, budget + 1) * 2;
    const parent = new Int32Array(most);
    const frame = new Int32Array(most);
    const self = this.#self.map(() => new Float64Array(most));
    // Kept row -> the row that stands for what was merged under it, 0 for none.
    const mergedUnder = new Int32Array(most);
    let length = 0;
    for (let row = 0; row < rows; row++) {
      const above = row === 0 ? -1 : kept[this.#parent[row]];
      let into: number;
      if (row === 0 || (above >= 0 && shares[row] > least)) {
        into = kept[row] = length++;
        parent[into] = above;
        frame[into] = this.#frame[row];
      } else {
        // Under a merged row, -2 - its number says where values go.
        into = above <= -2 ? -2 - above : mergedUnder[above];
        if (into === 0) {
          into = mergedUnder[above] = length++;
          parent[into] = above;
          frame[into] = -1;
        }
        kept[row] = -2 - into;
        frame[into]--;
      }
      for (let column = 0; column < self.length; column++) self[column][into] += this.#self[column][row];
    }
    return { parent: parent.subarray(0, length), frame: frame.subarray(0, length), self: self.map((values) => values.subarray(0, length)) };
  }

  /** Row -> its largest share of any column's total, what it called included. */
  #shares(): Float64Array {
    const rows = this.#rows;
    const shares = new Float64Array(rows);
    for (const self of this.#self) {
      const total = inclusive(self.subarray(0, rows), this.#parent);
      for (let row = 0; row < rows; row++) if (total[0] > 0) shares[row] = Math.max(shares[row], total[row] / total[0]);
    }
    return shares;
  }
}

/** Adds each row's value to all rows above it. */
function inclusive(self: Float64Array, parent: ArrayLike<number>): Float64Array {
  const total = self.slice();
  for (let row = total.length - 1; row > 0; row--) total[parent[row]] += total[row];
  return total;
}
