/**
 * Paths from the root as a radix tree (Morrison, PATRICIA, 1968): a node is a run of frames from which no path turns off, nor ends on the way.
 * Invariant: nodes that one node calls begin with different frames, and none but the root is without any. There are at most two nodes a path, however long
 * paths are, and each frame of the unfolded tree stands in `labels` once.
 * Differs from a CallTree, which has a row for each of those frames: runs are split where a path turns off, so that a node's caller may be a later one.
 */
import { grown } from '../../core/columns.ts';
import { hashOfCall } from '../../core/trace/call_tree.ts';
import { HashFactor } from '../../core/trace/hash_factor.ts';

/** Words of a row. */
const CALLER = 0;
/** Place of the first frame in `labels`. */
const LABEL = 1;
/** Frames from the root to the last one of the node. */
const DEPTH = 2;
/** The node in which the first path ended that came here. */
const FIRST = 3;
const WORDS = 4;

/** A tree of paths. */
export class RadixTree {
  /** Nodes, the root (0) among them. */
  length = 1;
  #rows = new Int32Array(1024 * WORDS);
  /** Frames, run after run, the outermost of each first. */
  #labels = new Int32Array(4096);
  #labelled = 0;
  /** Open addressing: slot -> node, 0 for free; at least half of them are free. None lies more than `farthest` slots behind its own (hash_factor.ts). */
  #slots = new Int32Array(2048);
  readonly #factor = new HashFactor();
  /** Where the search ended. */
  #slot = 0;

  /** Frames of all nodes. */
  get frames(): number {
    return this.#labelled;
  }

  /** The node in which the path of these frames ends, the outermost first. */
  add(frames: ArrayLike<number>): number {
    const { length } = frames;
    let node = 0;
    for (let depth = 0; depth < length; ) {
      const called = this.#find(node, frames[depth]);
      if (called === 0) return this.#append(node, frames, depth);
      const at = called * WORDS;
      const stop = this.#rows[at + DEPTH];
      const labels = this.#labels;
      let label = this.#rows[at + LABEL];
      do {
        label++;
        depth++;
      } while (depth < stop && depth < length && labels[label] === frames[depth]);
      node = depth < stop ? this.#split(called, depth) : called;
    }
    return node;
  }

  /** The node that called a node; the root's is itself. */
  callerOf(node: number): number {
    return this.#rows[node * WORDS + CALLER];
  }

  /** Frames from the root to the last one of a node. */
  depthOf(node: number): number {
    return this.#rows[node * WORDS + DEPTH];
  }

  /** A frame of a node, counted from its outermost one, 0. */
  frameOf(node: number, index: number): number {
    return this.#labels[this.#rows[node * WORDS + LABEL] + index];
  }

  /** All nodes in the order in which paths first came to them: callers before those that they call. */
  inOrder(): Int32Array {
    const rows = this.#rows;
    const order = new Int32Array(this.length);
    let start = order.length;
    for (let last = this.length - 1; last > 0; last--) {
      for (let node = last; rows[node * WORDS + FIRST] === last; node = rows[node * WORDS + CALLER]) order[--start] = node;
    }
    return order;
  }

  /** Searches for the node that `caller` calls which begins with a frame; 0 if there is none, and then `#slot` is where it belongs. */
  #find(caller: number, frame: number): number {
    const slots = this.#slots;
    const rows = this.#rows;
    const labels = this.#labels;
    const mask = slots.length - 1;
    let slot = hashOfCall(caller, frame, this.#factor.value) & mask;
    let left = this.#factor.farthest;
    let node = slots[slot];
    for (; node !== 0; node = slots[slot]) {
      const at = node * WORDS;
      if (rows[at + CALLER] === caller && labels[rows[at + LABEL]] === frame) break;
      if (left-- === 0) {
        this.#factor.change();
        this.#spread(slots.length);
        return this.#find(caller, frame);
      }
      slot = (slot + 1) & mask;
    }
    this.#slot = slot;
    return node;
  }

  /** Adds a node of the frames from `depth` on, where the search has ended. */
  #append(caller: number, frames: ArrayLike<number>, depth: number): number {
    const { length } = frames;
    const start = this.#labelled;
    const end = (this.#labelled += length - depth);
    if (end > this.#labels.length) this.#labels = grown(this.#labels, end);
    for (let label = start, from = depth; label < end; label++, from++) this.#labels[label] = frames[from];
    return this.#enter(this.#add(caller, start, length, this.length));
  }

  /** Ends the node that the search has found at `depth`; what it was behind that is another one, which keeps its number. */
  #split(node: number, depth: number): number {
    const at = node * WORDS;
    const caller = this.#rows[at + CALLER];
    const label = this.#rows[at + LABEL];
    const upper = this.#add(caller, label, depth, this.#rows[at + FIRST]);
    this.#slots[this.#slot] = upper;
    const rest = label + depth - this.depthOf(caller);
    this.#rows[at + CALLER] = upper;
    this.#rows[at + LABEL] = rest;
    this.#find(upper, this.#labels[rest]);
    this.#enter(node);
    return upper;
  }

  #add(caller: number, label: number, depth: number, first: number): number {
    const node = this.length++;
    const at = node * WORDS;
    if (at === this.#rows.length) this.#rows = grown(this.#rows, at + WORDS);
    const rows = this.#rows;
    rows[at + CALLER] = caller;
    rows[at + LABEL] = label;
    rows[at + DEPTH] = depth;
    rows[at + FIRST] = first;
    return node;
  }

  /** Enters a node where the search has ended. */
  #enter(node: number): number {
    this.#slots[this.#slot] = node;
    if (this.length * 2 > this.#slots.length) {
      this.#factor.tighten();
      this.#spread(this.#slots.length * 2);
    }
    return node;
  }

  /** Enters the nodes in a new table of so many slots, with other factors if they do not fit. */
  #spread(length: number): void {
    const rows = this.#rows;
    const labels = this.#labels;
    const factor = this.#factor;
    const before = this.#slots;
    const slots = new Int32Array(length);
    const mask = length - 1;
    for (let from = 0; from < before.length; from++) {
      const node = before[from];
      if (node === 0) continue;
      const at = node * WORDS;
      let slot = hashOfCall(rows[at + CALLER], labels[rows[at + LABEL]], factor.value) & mask;
      let left = factor.farthest;
      while (slots[slot] !== 0 && left-- > 0) slot = (slot + 1) & mask;
      if (slots[slot] === 0) slots[slot] = node;
      else {
        factor.change();
        slots.fill(0);
        from = -1;
      }
    }
    this.#slots = slots;
  }
}
