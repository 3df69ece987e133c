/**
 * A profile's stacks folded into a call tree small enough to draw.
 * Invariant: rows come after their parents, and the sums of the self columns are the profile's totals, whatever was merged.
 * Differs from the usual flame graph builder, which cuts small frames off: here each parent shows what was merged under it.
 */
import { grown } from '../../core/columns.ts';
import { LargestValues } from '../leaks/largest.ts';
import { RadixTree } from './radix_tree.ts';

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
  readonly #tree = new RadixTree();
  /** Value column -> node of the tree -> what was allocated at its end; without room where all so far are 0. */
  readonly #self: Float64Array[];

  /** `columns` values a path. */
  constructor(columns: number) {
    this.#self = Array.from({ length: columns }, () => new Float64Array(0));
  }

  /** Adds `values`, none negative, to the path made of `frames`, of which the first is next to the root. */
  add(frames: ArrayLike<number>, values: readonly number[]): void {
    const node = this.#tree.add(frames);
    for (let column = 0; column < this.#self.length; column++) {
      if (values[column] === 0) continue;
      if (node >= this.#self[column].length) this.#self[column] = grown(this.#self[column], node + 1);
      this.#self[column][node] += values[column];
    }
  }

  /**
   * The tree with its `budget` largest rows, each measured by its largest share in any column, and a row for what is merged under each parent.
   * A row is never larger than its parent, so what is kept hangs together. Rows of a node have the same share: nothing is allocated before its end.
   */
  build(budget: number): FlameTree {
    const tree = this.#tree;
    const order = tree.inOrder();
    const shares = this.#shares(order);
    const most = new LargestValues(budget + 1);
    for (const node of order)
      most.add(shares[node], node === 0 ? 1 : depthDrawn(tree.depthOf(node)) - depthDrawn(tree.depthOf(tree.callerOf(node))));
    // No more rows than are kept, and one for what is merged under each.
    const room = Math.min(tree.frames + 1, budget + 1) * 2;
    const parent = new Int32Array(room);
    const frame = new Int32Array(room);
    const self = this.#self.map(() => new Float64Array(room));
    // Kept row -> the row that stands for what was merged under it, 0 for none.
    const mergedUnder = new Int32Array(room);
    // Node -> the row of its last frame; -2 - that row where it is merged.
    const rows = new Int32Array(tree.length);
    let length = 0;
    for (const node of order) {
      const caller = tree.callerOf(node);
      const end = tree.depthOf(node);
      const start = node === 0 ? 0 : tree.depthOf(caller);
      let depth = start;
      let row = node === 0 ? length++ : rows[caller];
      if (node === 0) {
        parent[row] = -1;
        frame[row] = ROOT_FRAME;
      } else if (row >= 0 && shares[node] > most.least) {
        for (; depth < depthDrawn(end); depth++) {
          parent[length] = row;
          frame[length] = tree.frameOf(node, depth - start);
          row = length++;
        }
      }
      if (depth < end) {
        let into = row < 0 ? -2 - row : mergedUnder[row];
        if (into === 0) {
          into = mergedUnder[row] = length++;
          parent[into] = row;
          frame[into] = -1;
        }
        frame[into] -= end - depth;
        row = -2 - into;
      }
      rows[node] = row;
      const into = row < 0 ? -2 - row : row;
      for (let column = 0; column < self.length; column++)
        if (node < this.#self[column].length) self[column][into] += this.#self[column][node];
    }
    return { parent: parent.subarray(0, length), frame: frame.subarray(0, length), self: self.map((values) => values.subarray(0, length)) };
  }

  /** Node -> its largest share of any column's total, what it called included. */
  #shares(order: Int32Array): Float64Array {
    const shares = new Float64Array(order.length);
    const totals = new Float64Array(order.length);
    for (const self of this.#self) {
      totals.fill(0);
      totals.set(self.subarray(0, totals.length));
      for (let at = order.length - 1; at > 0; at--) totals[this.#tree.callerOf(order[at])] += totals[order[at]];
      const all = totals[0];
      if (all > 0) for (let node = 0; node < totals.length; node++) shares[node] = Math.max(shares[node], totals[node] / all);
    }
    return shares;
  }
}

/** Of so many frames from the root, those that are drawn. */
function depthDrawn(depth: number): number {
  return Math.min(depth, MAX_DEPTH);
}
