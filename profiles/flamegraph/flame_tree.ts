/**
 * A profile's stacks folded into a call tree small enough to draw.
 * Invariant: rows come after their parents, and the sums of the self columns are the profile's totals, whatever was merged.
 * Differs from the usual flame graph builder, which cuts small frames off: here each parent shows what was merged under it.
 */
import { grown } from '../../core/columns.ts';
import { CALLER, DEPTH, FRAME, NODE_WORDS } from '../../core/trace/call_node.ts';
import { CallTree } from '../../core/trace/call_tree.ts';

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
  readonly #tree = new CallTree(1024);
  /** Value column -> node of the tree -> what was allocated there. */
  readonly #self: Float64Array[];

  /** `columns` values a path. */
  constructor(columns: number) {
    this.#self = Array.from({ length: columns }, () => new Float64Array(1024));
  }

  /**
   * Adds `values`, none negative, to the path made of `frames`, which are leaf first.
   * `callers` puts the leaf next to the root instead: each row's children are then its callers.
   */
  add(frames: ArrayLike<number>, values: readonly number[], callers: boolean): void {
    let node = 0;
    const { length } = frames;
    for (let i = 0; i < length; i++) node = this.#tree.child(node, frames[callers ? i : length - 1 - i]);
    for (let column = 0; column < this.#self.length; column++) {
      if (node >= this.#self[column].length) this.#self[column] = grown(this.#self[column], this.#tree.length);
      this.#self[column][node] += values[column];
    }
  }

  /**
   * The tree with its `budget` largest rows, each measured by its largest share in any column, and a row for what is merged under each parent.
   * A row is never larger than its parent, so what is kept hangs together.
   */
  build(budget: number): FlameTree {
    const { length: rows, rows: nodes } = this.#tree;
    for (const [column, values] of this.#self.entries()) if (values.length < rows) this.#self[column] = grown(values, rows);
    const shares = this.#shares();
    for (let row = 0; row < rows; row++) if (nodes[row * NODE_WORDS + DEPTH] > MAX_DEPTH) shares[row] = -1;
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
      const above = row === 0 ? -1 : kept[nodes[row * NODE_WORDS + CALLER]];
      let into: number;
      if (row === 0 || (above >= 0 && shares[row] > least)) {
        into = kept[row] = length++;
        parent[into] = above;
        frame[into] = row === 0 ? ROOT_FRAME : nodes[row * NODE_WORDS + FRAME];
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
    const { length: rows, rows: nodes } = this.#tree;
    const shares = new Float64Array(rows);
    for (const self of this.#self) {
      const total = inclusive(self.subarray(0, rows), nodes);
      for (let row = 0; row < rows; row++) if (total[0] > 0) shares[row] = Math.max(shares[row], total[row] / total[0]);
    }
    return shares;
  }
}

/** Adds each row's value to all rows above it. */
function inclusive(self: Float64Array, nodes: ArrayLike<number>): Float64Array {
  const total = self.slice();
  for (let row = total.length - 1; row > 0; row--) total[nodes[row * NODE_WORDS + CALLER]] += total[row];
  return total;
}
