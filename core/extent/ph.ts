/**
 * Pairing heaps of extents and of page slabs, as TypeScript reaches them: what they do is compiled (assembly/ph.ts; jemalloc 5.3.0,
 * include/jemalloc/internal/ph.h).
 * Invariant: the auxiliary list hangs on the root's `next`; a first child's `prev` is its parent.
 */
import { HEAP_BYTES } from '../assembly/places.ts';
import type { ModelMemory } from '../model_memory.ts';

/** What heaps are made of: rows in an order, by serial number (or age) and address, with links. */
export interface HeapNodes {
  readonly memory: ModelMemory;
  /** Where the places of the columns are: base, sn, prev, next and child. */
  readonly place: number;
  readonly prev: Int32Array;
  readonly next: Int32Array;
  readonly child: Int32Array;
}

/** Heaps by number. */
export class HeapTable {
  /** Where the first one is; they are HEAP_BYTES apart. */
  readonly place: number;
  readonly #words: Uint32Array;

  constructor(memory: ModelMemory, heaps: number) {
    this.#words = memory.uint32((heaps * HEAP_BYTES) / 4);
    this.place = this.#words.byteOffset;
  }

  /** The root of a heap, 0 if it is empty. */
  root(heap: number): number {
    return this.#words[heap * 2];
  }

  /** Inserts since the last merge of a heap's auxiliary list. */
  auxCount(heap: number): number {
    return this.#words[heap * 2 + 1];
  }
}

/** ph_insert */
export function heapInsert(nodes: HeapNodes, heaps: HeapTable, heap: number, node: number): void {
  nodes.memory.code.heapInsert(nodes.place, heaps.place + heap * HEAP_BYTES, node);
}

/** ph_first: the first element, 0 if the heap is empty. It reshapes the heap: call it only where jemalloc does. */
export function heapFirst(nodes: HeapNodes, heaps: HeapTable, heap: number): number {
  return nodes.memory.code.heapFirst(nodes.place, heaps.place + heap * HEAP_BYTES);
}

/** ph_remove_first: takes the first element out, 0 if the heap is empty. */
export function heapRemoveFirst(nodes: HeapNodes, heaps: HeapTable, heap: number): number {
  return nodes.memory.code.heapRemoveFirst(nodes.place, heaps.place + heap * HEAP_BYTES);
}

/** ph_remove: takes any element out. */
export function heapRemove(nodes: HeapNodes, heaps: HeapTable, heap: number, node: number): void {
  nodes.memory.code.heapRemove(nodes.place, heaps.place + heap * HEAP_BYTES, node);
}

/**
 * Checks the links of a heap. Not the order: an element may come before its parent once a childless root was removed and a new one came in above it
 * (assembly/ph.ts). @throws Error naming what does not hold. @returns how many elements it holds.
 */
export function checkHeap(nodes: HeapNodes, heaps: HeapTable, heap: number): number {
  return checkTree(nodes, heaps.root(heap));
}

/** The same of the heap with a root. */
export function checkTree(nodes: HeapNodes, root: number): number {
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
