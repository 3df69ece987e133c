/**
 * Paths of stacks that are nodes of a tree (call_paths.ts): a node's path follows from its caller's.
 * Invariant: a node of `#paths` is a path, its frames rows of ShownFrames; what an allocation function called, and that function, has the path of who called it.
 */
import { grown } from '../../core/columns.ts';
import { CALLER, DEPTH, FRAME, NODE_WORDS, NOTE } from '../../core/trace/call_node.ts';
import { CallTree } from '../../core/trace/call_tree.ts';
import { NO_STACK } from '../../core/units.ts';
import type { ShownFrames } from './shown_frames.ts';

/** Paths of a tree's nodes. */
export class PathTree {
  readonly #calls: CallTree;
  readonly #shown: ShownFrames;
  /** Nodes note their index as a path + 1, 0 before it is asked for. */
  readonly #paths: CallTree;
  /** Node of `#calls` -> twice the node of its path, plus 1 if the path ended at an allocation function; of the first `#read` nodes. */
  #pathNodes: Int32Array;
  #read = 1;
  /** Path -> its node. */
  #nodes = new Int32Array(64);
  #length = 0;
  #frames = new Int32Array(64);

  constructor(calls: CallTree, shown: ShownFrames) {
    this.#calls = calls;
    this.#shown = shown;
    this.#paths = new CallTree(calls.length + 1);
    this.#pathNodes = new Int32Array(calls.length);
  }

  /** The path of a node: paths are numbered as they are asked for. -1 is the empty backtrace. */
  pathOf(node: number): number {
    if (node === 0) return NO_STACK;
    if (node >= this.#read) this.#readTo(this.#calls.length);
    const at = (this.#pathNodes[node] >> 1) * NODE_WORDS;
    const { rows } = this.#paths;
    if (rows[at + NOTE] === 0) rows[at + NOTE] = this.#add(this.#pathNodes[node] >> 1);
    return rows[at + NOTE] - 1;
  }

  /** Rows of ShownFrames, leaf first: a view, valid until the next call. */
  framesOf(path: number): Int32Array {
    const { rows } = this.#paths;
    let at = this.#nodes[path] * NODE_WORDS;
    const depth = rows[at + DEPTH];
    if (depth > this.#frames.length) this.#frames = grown(this.#frames, depth);
    const frames = this.#frames;
    for (let i = 0; i < depth; i++) {
      frames[i] = rows[at + FRAME];
      at = rows[at + CALLER] * NODE_WORDS;
    }
    return frames.subarray(0, depth);
  }

  /** Gives a node its path, and how many there are then. */
  #add(node: number): number {
    const path = this.#length++;
    if (path === this.#nodes.length) this.#nodes = grown(this.#nodes, path + 1);
    this.#nodes[path] = node;
    return this.#length;
  }

  /** Finds the paths of all nodes before `end`: callers come before those that they call. */
  #readTo(end: number): void {
    if (end > this.#pathNodes.length) this.#pathNodes = grown(this.#pathNodes, end);
    const pathNodes = this.#pathNodes;
    const { rows } = this.#calls;
    for (let node = this.#read, at = node * NODE_WORDS; node < end; node++, at += NODE_WORDS) {
      const above = pathNodes[rows[at + CALLER]];
      pathNodes[node] = (above & 1) !== 0 ? above : this.#pathBelow(above >> 1, rows[at + FRAME]);
    }
    this.#read = end;
  }

  /** The path of a frame's call by who has the path `above`, as `#pathNodes` has it. */
  #pathBelow(above: number, frame: number): number {
    const shown = this.#shown;
    const start = shown.startOf(frame);
    const { rows, folds } = shown;
    let path = above;
    // the outermost function first
    for (let at = shown.endOf(frame) - 1; at >= start; at--) {
      const row = rows[at];
      if (folds[row] === 1) {
        // All allocator: the outermost frame stays.
        if (path === 0) path = this.#paths.child(0, row);
        return path * 2 + 1;
      }
      path = this.#paths.child(path, row);
    }
    return path * 2;
  }
}
