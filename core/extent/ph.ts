/**
 * Pairing heaps of extents and of page slabs, ordered by serial number (or age) and address (jemalloc 5.3.0, include/jemalloc/internal/ph.h).
 * Invariant: the auxiliary list hangs on the root's `next`; a first child's `prev` is its parent.
 * Differs: in nothing but the links being columns. The shape is jemalloc's, step by step: `remove` of a childless root puts an arbitrary
 * auxiliary node in its place, so that the first element is not always the least, and that can be seen in placements.
 */
import { snadLess, type SnadOrder } from './edata.ts';

/** What heaps are made of: rows in an order, with links. */
export interface HeapNodes extends SnadOrder {
  readonly prev: Int32Array;
  readonly next: Int32Array;
  readonly child: Int32Array;
}

/** Heaps as two columns: heap number -> root (0: empty), and inserts since the last merge of the auxiliary list. */
export class HeapTable {
  readonly root: Int32Array;
  readonly auxCount: Uint32Array;
  constructor(heaps: number) {
    this.root = new Int32Array(heaps);
    this.auxCount = new Uint32Array(heaps);
  }
}

function merge(nodes: HeapNodes, a: number, b: number): number {
  if (a === 0) return b;
  if (b === 0) return a;
  const { prev, next, child } = nodes;
  let parent = a;
  let other = b;
  if (!snadLess(nodes, a, b)) {
    parent = b;
    other = a;
  }
  prev[other] = parent;
  const oldChild = child[parent];
  next[other] = oldChild;
  if (oldChild !== 0) prev[oldChild] = other;
  child[parent] = other;
  return parent;
}

/** Merges a sibling list into one tree: pairs first, then the results in turn, first in first out. */
function mergeSiblings(nodes: HeapNodes, first: number): number {
  const { prev, next } = nodes;
  let a = first;
  let b = next[a];
  if (b === 0) return a;
  let rest = next[b];
  if (rest !== 0) prev[rest] = 0;
  prev[a] = 0;
  next[a] = 0;
  prev[b] = 0;
  next[b] = 0;
  a = merge(nodes, a, b);
  let head = a;
  let tail = a;
  a = rest;
  while (a !== 0) {
    b = next[a];
    if (b !== 0) {
      rest = next[b];
      if (rest !== 0) prev[rest] = 0;
      prev[a] = 0;
      next[a] = 0;
      prev[b] = 0;
      next[b] = 0;
      a = merge(nodes, a, b);
      next[tail] = a;
      tail = a;
      a = rest;
    } else {
      next[tail] = a;
      tail = a;
      a = 0;
    }
  }
  a = head;
  b = next[a];
  while (b !== 0) {
    head = next[b];
    next[a] = 0;
    next[b] = 0;
    a = merge(nodes, a, b);
    if (head === 0) break;
    next[tail] = a;
    tail = a;
    a = head;
    b = next[a];
  }
  return a;
}

function mergeAux(nodes: HeapNodes, heaps: HeapTable, heap: number): void {
  const { prev, next } = nodes;
  heaps.auxCount[heap] = 0;
  const root = heaps.root[heap];
  const aux = next[root];
  if (aux !== 0) {
    prev[root] = 0;
    next[root] = 0;
    prev[aux] = 0;
    heaps.root[heap] = merge(nodes, root, mergeSiblings(nodes, aux));
  }
}

function mergeChildren(nodes: HeapNodes, node: number): number {
  const children = nodes.child[node];
  return children === 0 ? 0 : mergeSiblings(nodes, children);
}

/** Merges the first two of the auxiliary list; true if there is nothing left to merge. */
function mergeAuxPair(nodes: HeapNodes, root: number): boolean {
  const { prev, next } = nodes;
  let a = next[root];
  if (a === 0) return true;
  const b = next[a];
  if (b === 0) return true;
  const rest = next[b];
  next[a] = 0;
  prev[a] = 0;
  next[b] = 0;
  prev[b] = 0;
  a = merge(nodes, a, b);
  next[a] = rest;
  if (rest !== 0) prev[rest] = a;
  next[root] = a;
  prev[a] = root;
  return rest === 0;
}

/** ph_insert */
export function heapInsert(nodes: HeapNodes, heaps: HeapTable, heap: number, node: number): void {
  const { prev, next, child } = nodes;
  prev[node] = 0;
  next[node] = 0;
  child[node] = 0;
  const root = heaps.root[heap];
  if (root === 0) {
    heaps.root[heap] = node;
  } else {
    if (snadLess(nodes, node, root)) {
      child[node] = root;
      prev[root] = node;
      heaps.root[heap] = node;
      heaps.auxCount[heap] = 0;
      return;
    }
    heaps.auxCount[heap]++;
    const aux = next[root];
    next[node] = aux;
    if (aux !== 0) prev[aux] = node;
    prev[node] = root;
    next[root] = node;
  }
  const count = heaps.auxCount[heap];
  if (count > 1) {
    const below = count - 1;
    const merges = 31 - Math.clz32(below & -below);
    for (let i = 0; i < merges; i++) if (mergeAuxPair(nodes, heaps.root[heap])) break;
  }
}

/** ph_first: the first element, 0 if the heap is empty. It reshapes the heap: call it only where jemalloc does. */
export function heapFirst(nodes: HeapNodes, heaps: HeapTable, heap: number): number {
  if (heaps.root[heap] === 0) return 0;
  mergeAux(nodes, heaps, heap);
  return heaps.root[heap];
}

/** ph_remove_first: takes the first element out, 0 if the heap is empty. */
export function heapRemoveFirst(nodes: HeapNodes, heaps: HeapTable, heap: number): number {
  if (heaps.root[heap] === 0) return 0;
  mergeAux(nodes, heaps, heap);
  const first = heaps.root[heap];
  heaps.root[heap] = mergeChildren(nodes, first);
  return first;
}

/** ph_remove: takes any element out. */
export function heapRemove(nodes: HeapNodes, heaps: HeapTable, heap: number, node: number): void {
  const { prev, next, child } = nodes;
  if (heaps.root[heap] === node) {
    if (child[node] === 0) {
      const aux = next[node];
      heaps.root[heap] = aux;
      if (aux !== 0) prev[aux] = 0;
      return;
    }
    mergeAux(nodes, heaps, heap);
    if (heaps.root[heap] === node) {
      heaps.root[heap] = mergeChildren(nodes, node);
      return;
    }
  }
  const before = prev[node];
  const parent = before !== 0 && child[before] === node ? before : 0;
  const after = next[node];
  const replacement = mergeChildren(nodes, node);
  if (replacement !== 0) {
    if (parent !== 0) {
      prev[replacement] = parent;
      child[parent] = replacement;
    } else {
      prev[replacement] = before;
      if (before !== 0) next[before] = replacement;
    }
    next[replacement] = after;
    if (after !== 0) prev[after] = replacement;
  } else {
    if (parent !== 0) {
      child[parent] = after;
      if (after !== 0) prev[after] = parent;
    } else {
      next[before] = after;
    }
    if (after !== 0) prev[after] = before;
  }
}

/** Checks the links of a heap. @throws Error naming what does not hold. @returns how many elements it holds. */
export function checkHeap(nodes: HeapNodes, heaps: HeapTable, heap: number): number {
  const root = heaps.root[heap];
  if (root === 0) return 0;
  return 1 + checkSiblings(nodes, nodes.child[root], root) + checkSiblings(nodes, nodes.next[root], root);
}

/** Checks a sibling list and what lies below it; `before` is what its first node points back to. @returns how many nodes that is. */
function checkSiblings(nodes: HeapNodes, first: number, before: number): number {
  const { prev, next, child } = nodes;
  let count = 0;
  let previous = before;
  for (let node = first; node !== 0; node = next[node]) {
    if (prev[node] !== previous) throw new Error('heap: a node does not point back');
    count += 1 + checkSiblings(nodes, child[node], node);
    previous = node;
  }
  return count;
}
