import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Program } from '../../fixtures/program.ts';
import { detachedMemory } from '../../fixtures/detached_memory.ts';
import { EdataTable } from './edata.ts';
import { checkHeap, heapFirst, heapInsert, heapRemove, heapRemoveFirst, HeapTable } from './ph.ts';

/** A pairing heap as a drawing: nodes with lists of children, the auxiliary list beside the root. Smaller keys come first. */
interface Node {
  key: number;
  children: Node[];
}

class Twin {
  root: Node | null = null;
  aux: Node[] = [];
  auxCount = 0;

  static merge(a: Node, b: Node): Node {
    const [parent, child] = a.key < b.key ? [a, b] : [b, a];
    parent.children.unshift(child);
    return parent;
  }

  /** Pairs in turn, an odd last one as it is; then the two at the front, the result to the end, until one is left. */
  static mergeSiblings(list: Node[]): Node | null {
    const queue: Node[] = [];
    for (let i = 0; i < list.length; i += 2) queue.push(i + 1 < list.length ? Twin.merge(list[i], list[i + 1]) : list[i]);
    while (queue.length > 1) queue.push(Twin.merge(queue.shift()!, queue.shift()!));
    return queue[0] ?? null;
  }

  insert(key: number): void {
    const node: Node = { key, children: [] };
    if (this.root === null) {
      this.root = node;
    } else if (key < this.root.key) {
      // the whole chain of the old root becomes children
      node.children = [this.root, ...this.aux];
      this.root = node;
      this.aux = [];
      this.auxCount = 0;
      return;
    } else {
      this.auxCount++;
      this.aux.unshift(node);
    }
    if (this.auxCount > 1) {
      let zeros = 0;
      while ((((this.auxCount - 1) >> zeros) & 1) === 0) zeros++;
      for (; zeros > 0 && this.aux.length >= 2; zeros--) {
        const merged = Twin.merge(this.aux.shift()!, this.aux.shift()!);
        this.aux.unshift(merged);
        if (this.aux.length === 1) break;
      }
    }
  }

  first(): Node | null {
    if (this.root === null) return null;
    this.auxCount = 0;
    const merged = Twin.mergeSiblings(this.aux);
    this.aux = [];
    if (merged !== null) this.root = Twin.merge(this.root, merged);
    return this.root;
  }

  removeFirst(): number {
    const first = this.first();
    if (first === null) return 0;
    this.root = Twin.mergeSiblings(first.children);
    return first.key;
  }

  remove(key: number): void {
    if (this.root!.key === key) {
      if (this.root!.children.length === 0) {
        this.root = this.aux.shift() ?? null;
        return;
      }
      this.first();
      if (this.root!.key === key) {
        this.root = Twin.mergeSiblings(this.root!.children);
        return;
      }
    }
    const replace = (list: Node[]): boolean => {
      const at = list.findIndex((node) => node.key === key);
      if (at < 0) return list.some((node) => replace(node.children));
      const instead = Twin.mergeSiblings(list[at].children);
      list.splice(at, 1, ...(instead === null ? [] : [instead]));
      return true;
    };
    expect(replace(this.aux) || replace(this.root!.children)).toBe(true);
  }
}

/** The shape of a heap: node(children) for the root, then the auxiliary list. */
function shapeOf(edata: EdataTable, heaps: HeapTable): string {
  const list = (first: number): string => {
    const nodes: string[] = [];
    for (let node = first; node !== 0; node = edata.next[node]) nodes.push(`${edata.sn[node]}(${list(edata.child[node])})`);
    return nodes.join(' ');
  };
  return list(heaps.root(0));
}

function drawn(twin: Twin): string {
  const list = (nodes: Node[]): string => nodes.map(({ key, children }) => `${key}(${list(children)})`).join(' ');
  return twin.root === null ? '' : list([twin.root, ...twin.aux]);
}

test('every operation leaves the shape that the description gives', () => {
  const operations = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ op: fc.constant('insert' as const), pick: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('remove' as const), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('removeFirst' as const, 'first' as const), pick: fc.nat() }) },
    ),
    { maxLength: 150, size: 'max' },
  );
  fc.assert(
    fc.property(operations, (list) => {
      const memory = detachedMemory();
      const edata = new EdataTable(memory);
      const heaps = new HeapTable(memory, 1);
      const twin = new Twin();
      const held = new Map<number, number>();
      for (const { op, pick } of list) {
        if (op === 'insert') {
          const node = edata.take();
          const key = 1 + (pick % 1000) * 1024 + node;
          edata.sn[node] = key;
          held.set(key, node);
          heapInsert(edata, heaps, 0, node);
          twin.insert(key);
        } else if (op === 'remove' && held.size > 0) {
          const key = [...held.keys()][pick % held.size];
          heapRemove(edata, heaps, 0, held.get(key)!);
          held.delete(key);
          twin.remove(key);
        } else if (op === 'removeFirst') {
          const node = heapRemoveFirst(edata, heaps, 0);
          const key = node === 0 ? 0 : edata.sn[node];
          expect(key).toBe(twin.removeFirst());
          held.delete(key);
        } else if (op === 'first') {
          const node = heapFirst(edata, heaps, 0);
          expect(node === 0 ? undefined : edata.sn[node]).toBe(twin.first()?.key);
        }
        expect(shapeOf(edata, heaps)).toBe(drawn(twin));
        expect(heaps.auxCount(0)).toBe(twin.auxCount);
        expect(checkHeap(edata, heaps, 0)).toBe(held.size);
      }
    }),
    { numRuns: 300 },
  );
});

test('a slab that is not the least comes first, as in the real library', () => {
  const p = new Program('tcache:false,narenas:1');
  const objects = Array.from({ length: 20 }, () => p.malloc(2048));
  const slab = (region: number) => p.address(region) - p.address(objects[0]);
  p.free(objects[0]);
  objects[0] = p.malloc(2048);
  for (const i of [2, 4, 8, 3, 6]) p.free(objects[i]);
  const places = [p.malloc(2048), p.malloc(2048), p.malloc(2048)].map(slab);
  expect(places).toEqual([6, 4, 8].map((i) => slab(objects[i])));
});
