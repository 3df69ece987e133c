/**
 * Pairing heaps of extents and of page slabs, ordered by serial number (or age) and address (jemalloc 5.3.0, include/jemalloc/internal/ph.h).
 * An insert only joins the auxiliary list, of which a pair is merged now and then; it is merged as a whole when the first element is asked for (auxiliary two-pass heaps:
 * Stasko and Vitter, Pairing Heaps: Experiments and Analysis, 1987).
 * Invariant: the auxiliary list hangs on the root's `next`; a first child's `prev` is its parent.
 * Differs: in nothing but the links being columns. The shape is jemalloc's, step by step: `remove` of a childless root puts an arbitrary
 * auxiliary node in its place, so that the first element is not always the least, and that can be seen in placements.
 */
import { HeapNodes, PairingHeap } from './tables';

/** Order by serial number, then address (edata_snad_comp): true if `a` comes before `b`. */
export function snadLess(nodes: HeapNodes, a: u32, b: u32): bool {
  const sa = nodes.sn[a];
  const sb = nodes.sn[b];
  return sa < sb || (sa === sb && nodes.base[a] < nodes.base[b]);
}

function merge(nodes: HeapNodes, a: u32, b: u32): u32 {
  if (a === 0) return b;
  if (b === 0) return a;
  let parent = a;
  let other = b;
  if (!snadLess(nodes, a, b)) {
    parent = b;
    other = a;
  }
  nodes.prev[other] = parent;
  const oldChild = nodes.child[parent];
  nodes.next[other] = oldChild;
  if (oldChild !== 0) nodes.prev[oldChild] = other;
  nodes.child[parent] = other;
  return parent;
}

function unlink(nodes: HeapNodes, node: u32): void {
  nodes.prev[node] = 0;
  nodes.next[node] = 0;
}

/** Merges a sibling list into one tree: pairs first, then the results in turn, first in first out. */
function mergeSiblings(nodes: HeapNodes, first: u32): u32 {
  let a = first;
  let b = nodes.next[a];
  if (b === 0) return a;
  let rest = nodes.next[b];
  if (rest !== 0) nodes.prev[rest] = 0;
  unlink(nodes, a);
  unlink(nodes, b);
  a = merge(nodes, a, b);
  let head = a;
  let tail = a;
  a = rest;
  while (a !== 0) {
    b = nodes.next[a];
    if (b === 0) {
      nodes.next[tail] = a;
      tail = a;
      break;
    }
    rest = nodes.next[b];
    if (rest !== 0) nodes.prev[rest] = 0;
    unlink(nodes, a);
    unlink(nodes, b);
    a = merge(nodes, a, b);
    nodes.next[tail] = a;
    tail = a;
    a = rest;
  }
  a = head;
  b = nodes.next[a];
  while (b !== 0) {
    head = nodes.next[b];
    nodes.next[a] = 0;
    nodes.next[b] = 0;
    a = merge(nodes, a, b);
    if (head === 0) break;
    nodes.next[tail] = a;
    tail = a;
    a = head;
    b = nodes.next[a];
  }
  return a;
}

function mergeAux(nodes: HeapNodes, heap: PairingHeap): void {
  heap.auxCount = 0;
  const root = heap.root;
  const aux = nodes.next[root];
  if (aux === 0) return;
  unlink(nodes, root);
  nodes.prev[aux] = 0;
  heap.root = merge(nodes, root, mergeSiblings(nodes, aux));
}

function mergeChildren(nodes: HeapNodes, node: u32): u32 {
  const children = nodes.child[node];
  return children === 0 ? 0 : mergeSiblings(nodes, children);
}

/** Merges the first two of the auxiliary list; true if there is nothing left to merge. */
function mergeAuxPair(nodes: HeapNodes, root: u32): bool {
  let a = nodes.next[root];
  if (a === 0) return true;
  const b = nodes.next[a];
  if (b === 0) return true;
  const rest = nodes.next[b];
  unlink(nodes, a);
  unlink(nodes, b);
  a = merge(nodes, a, b);
  nodes.next[a] = rest;
  if (rest !== 0) nodes.prev[rest] = a;
  nodes.next[root] = a;
  nodes.prev[a] = root;
  return rest === 0;
}

/** ph_insert */
export function heapInsert(nodes: HeapNodes, heap: PairingHeap, node: u32): void {
  unlink(nodes, node);
  nodes.child[node] = 0;
  const root = heap.root;
  if (root === 0) {
    heap.root = node;
  } else {
    if (snadLess(nodes, node, root)) {
      nodes.child[node] = root;
      nodes.prev[root] = node;
      heap.root = node;
      heap.auxCount = 0;
      return;
    }
    heap.auxCount++;
    const aux = nodes.next[root];
    nodes.next[node] = aux;
    if (aux !== 0) nodes.prev[aux] = node;
    nodes.prev[node] = root;
    nodes.next[root] = node;
  }
  if (heap.auxCount > 1) {
    for (let merges = ctz(heap.auxCount - 1); merges > 0; merges--) if (mergeAuxPair(nodes, heap.root)) break;
  }
}

/** ph_first: the first element, 0 if the heap is empty. It reshapes the heap: call it only where jemalloc does. */
export function heapFirst(nodes: HeapNodes, heap: PairingHeap): u32 {
  if (heap.root === 0) return 0;
  mergeAux(nodes, heap);
  return heap.root;
}

/** ph_remove_first: takes the first element out, 0 if the heap is empty. */
export function heapRemoveFirst(nodes: HeapNodes, heap: PairingHeap): u32 {
  if (heap.root === 0) return 0;
  mergeAux(nodes, heap);
  const first = heap.root;
  heap.root = mergeChildren(nodes, first);
  return first;
}

/** ph_remove: takes any element out. */
export function heapRemove(nodes: HeapNodes, heap: PairingHeap, node: u32): void {
  if (heap.root === node) {
    if (nodes.child[node] === 0) {
      const aux = nodes.next[node];
      heap.root = aux;
      if (aux !== 0) nodes.prev[aux] = 0;
      return;
    }
    mergeAux(nodes, heap);
    if (heap.root === node) {
      heap.root = mergeChildren(nodes, node);
      return;
    }
  }
  const before = nodes.prev[node];
  const parent: u32 = before !== 0 && nodes.child[before] === node ? before : 0;
  const after = nodes.next[node];
  const replacement = mergeChildren(nodes, node);
  if (replacement !== 0) {
    if (parent !== 0) {
      nodes.prev[replacement] = parent;
      nodes.child[parent] = replacement;
    } else {
      nodes.prev[replacement] = before;
      if (before !== 0) nodes.next[before] = replacement;
    }
    nodes.next[replacement] = after;
    if (after !== 0) nodes.prev[after] = replacement;
  } else if (parent !== 0) {
    nodes.child[parent] = after;
    if (after !== 0) nodes.prev[after] = parent;
  } else {
    nodes.next[before] = after;
    if (after !== 0) nodes.prev[after] = before;
  }
}
