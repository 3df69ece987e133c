/**
 * Backtraces as a tree: a node is a frame and the node of its caller, so that backtraces which begin alike share what they share.
 * Invariant: no two nodes have the same frame and the same caller; a caller's node is an earlier one. Node 0 has no frame: it is the empty backtrace.
 * Most functions call few others from one place: what a node has called is listed. Only the further ones of a node with many are hashed, for a table of
 * all that are in it is larger than what a processor keeps near.
 * Invariant: of those none lies more than `farthest` slots behind its own (hash_factor.ts).
 */
import { grown } from '../columns.ts';
import { BESIDE, CALLED, CALLER, DEPTH, FRAME, NODE_WORDS } from './call_node.ts';
import { HashFactor } from './hash_factor.ts';

/** Nodes of one caller that are listed. */
const MOST_LISTED = 8;

/** A tree of calls. */
export class CallTree {
  /** Nodes, the empty backtrace among them. */
  length = 1;
  /** As call_node.ts lays them out. */
  rows: Int32Array<ArrayBuffer>;
  /** Nodes that are not in their callers' lists. Open addressing: slot -> node, 0 for free; at least half of them are free. */
  #slots = new Int32Array(64);
  #hashed = 0;
  readonly #factor = new HashFactor();

  /** `nodes`: room for so many at first. */
  constructor(nodes = 256) {
    this.rows = new Int32Array(nodes * NODE_WORDS);
  }

  /** The node of a frame, 0 or more, that `caller` has called; added if it is new. */
  child(caller: number, frame: number): number {
    const { rows } = this;
    const above = caller * NODE_WORDS;
    let listed = 0;
    for (let node = rows[above + CALLED]; node !== 0; listed++) {
      const at = node * NODE_WORDS;
      if (rows[at + FRAME] === frame) return node;
      node = rows[at + BESIDE];
    }
    if (listed === MOST_LISTED) return this.#hashedChild(caller, frame);
    const node = this.#add(caller, frame);
    this.rows[node * NODE_WORDS + BESIDE] = this.rows[above + CALLED];
    this.rows[above + CALLED] = node;
    return node;
  }

  #hashedChild(caller: number, frame: number): number {
    const { rows } = this;
    const slots = this.#slots;
    const factor = this.#factor;
    const mask = slots.length - 1;
    let slot = hashOfCall(caller, frame, factor.value) & mask;
    let left = factor.farthest;
    for (let node = slots[slot]; node !== 0; node = slots[slot]) {
      const at = node * NODE_WORDS;
      if (rows[at + CALLER] === caller && rows[at + FRAME] === frame) return node;
      if (left-- === 0) {
        factor.change();
        this.#spread(slots.length);
        return this.#hashedChild(caller, frame);
      }
      slot = (slot + 1) & mask;
    }
    const node = this.#add(caller, frame);
    slots[slot] = node;
    if (++this.#hashed * 2 > slots.length) {
      factor.tighten();
      this.#spread(slots.length * 2);
    }
    return node;
  }

  #add(caller: number, frame: number): number {
    const node = this.length++;
    const at = node * NODE_WORDS;
    if (at === this.rows.length) this.rows = grown(this.rows, at + NODE_WORDS);
    const { rows } = this;
    rows[at + FRAME] = frame;
    rows[at + CALLER] = caller;
    rows[at + DEPTH] = rows[caller * NODE_WORDS + DEPTH] + 1;
    return node;
  }

  /** @throws Error unless a node's caller is an earlier one, and no two nodes have the same frame and the same caller. */
  check(): void {
    const { rows } = this;
    const seen = new Set<string>();
    for (let node = 1; node < this.length; node++) {
      const at = node * NODE_WORDS;
      const caller = rows[at + CALLER];
      if (caller < 0 || caller >= node) throw new Error('calls: a node comes before its caller');
      if (rows[at + DEPTH] !== rows[caller * NODE_WORDS + DEPTH] + 1) throw new Error('calls: a node is not one deeper than its caller');
      seen.add(`${caller} ${rows[at + FRAME]}`);
    }
    if (seen.size !== this.length - 1) throw new Error('calls: two nodes are the same');
  }

  /** Enters the hashed nodes in a new table of so many slots, with other factors if they do not fit. */
  #spread(length: number): void {
    const { rows } = this;
    const factor = this.#factor;
    const before = this.#slots;
    const slots = new Int32Array(length);
    const mask = slots.length - 1;
    for (let from = 0; from < before.length; from++) {
      const node = before[from];
      if (node === 0) continue;
      let slot = hashOfCall(rows[node * NODE_WORDS + CALLER], rows[node * NODE_WORDS + FRAME], factor.value) & mask;
      let left = factor.farthest;
      while (slots[slot] !== 0 && left-- > 0) slot = (slot + 1) & mask;
      if (slots[slot] === 0) {
        slots[slot] = node;
      } else {
        factor.change();
        slots.fill(0);
        from = -1;
      }
    }
    this.#slots = slots;
  }
}

/** Hash of a call of a frame by a node, 32 bits, for a table with this factor (hash_factor.ts). */
export function hashOfCall(caller: number, frame: number, factor: number): number {
  const hash = Math.imul(caller, 0x9e3779b1) ^ Math.imul(frame, factor);
  return hash ^ (hash >>> 15);
}
