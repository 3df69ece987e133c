/**
 * Unused extents by page size class, and in order of age, as TypeScript reaches them: what they do is compiled (assembly/eset.ts; jemalloc 5.3.0, src/eset.c).
 * Invariant: bit c of `nonempty` is set if and only if heap c holds an extent; pages = the sum over all extents held.
 */
import { ESET_HEADER_BYTES, ESET_ROW_BYTES } from '../assembly/places.ts';
import type { ModelMemory } from '../model_memory.ts';
import { NPSIZES } from '../sizes/sc.ts';
import type { EdataTable } from './edata.ts';
import { checkTree } from './ph.ts';
import { ListTable } from './ql.ts';
import type { Extent } from './types.ts';

/** Heaps of an eset: the page size classes, and one for what is larger than all of them. */
const ESET_ROWS: number = NPSIZES + 1;

const ESET_BYTES = ESET_HEADER_BYTES + ESET_ROWS * ESET_ROW_BYTES;
/** Doubles of a row, and a word: its extents, their pages, and the root of its heap. */
const COUNT = 2;
const PAGES = 3;
const ROOT = 8;

/** Extents of one state and one arena. */
export class Eset {
  /** Row -> one bit: the heap holds something. */
  readonly nonempty: Uint32Array;
  /** One list: first what has been unused longest. */
  readonly lru: ListTable;
  readonly #memory: ModelMemory;
  readonly #place: number;
  readonly #doubles: Float64Array;
  readonly #words: Uint32Array;

  constructor(memory: ModelMemory) {
    const place = memory.take(ESET_BYTES);
    const { buffer } = memory;
    this.#memory = memory;
    this.#place = place;
    this.#doubles = new Float64Array(buffer, place, ESET_BYTES / 8);
    this.#words = new Uint32Array(buffer, place, ESET_BYTES / 4);
    this.lru = new ListTable(1, new Int32Array(buffer, place + 8, 1), new Int32Array(buffer, place + 12, 1));
    this.nonempty = new Uint32Array(buffer, place + 16, 7);
  }

  /** Gives back the memory: the eset is used no more. */
  release(): void {
    this.#memory.give(this.#place, ESET_BYTES);
  }

  /** Pages held in all. */
  get pages(): number {
    return this.#doubles[0];
  }

  set pages(pages: number) {
    this.#doubles[0] = pages;
  }

  /** Extents held in a row. */
  count(row: number): number {
    return this.#doubles[(ESET_HEADER_BYTES + row * ESET_ROW_BYTES) / 8 + COUNT];
  }

  /** Their pages. */
  pagesIn(row: number): number {
    return this.#doubles[(ESET_HEADER_BYTES + row * ESET_ROW_BYTES) / 8 + PAGES];
  }

  #root(row: number): number {
    return this.#words[(ESET_HEADER_BYTES + row * ESET_ROW_BYTES) / 4 + ROOT];
  }

  /** eset_insert: into its heap, and as the youngest of all. */
  insert(extent: Extent): void {
    this.#memory.code.esetInsert(this.#place, extent);
  }

  /** eset_remove */
  remove(extent: Extent): void {
    this.#memory.code.esetRemove(this.#place, extent);
  }

  /**
   * eset_fit: an extent that can give `pages` pages at a multiple of `alignment` bytes, left where it is; 0 for none.
   * The oldest over all classes that are large enough, up to 2^lgMaxFit times the request; failing that, for alignments above a page,
   * the first class in which the least extent happens to lie well.
   */
  fit(pages: number, alignment: number, exactOnly: boolean, lgMaxFit: number): Extent {
    return this.#memory.code.esetFit(this.#place, pages, alignment, exactOnly, lgMaxFit) as Extent;
  }

  /** Checks bits, counts and sums against the heaps and the list. @throws Error naming what does not hold. */
  check(edata: EdataTable, state: number): void {
    let extents = 0;
    for (let row = 0; row < ESET_ROWS; row++) {
      const bit = (this.nonempty[row >>> 5] >>> (row & 31)) & 1;
      const root = this.#root(row);
      if (root === 0 && this.count(row) === 0 && bit === 0) continue;
      const held = checkTree(edata, root);
      if (held !== this.count(row)) throw new Error('eset: a row counts other extents than its heap holds');
      if (held === 0 || bit === 0) throw new Error('eset: a bit disagrees with its heap');
      extents += held;
    }
    let pages = 0;
    this.lru.check(edata.links, 0, 'eset: the LRU list', (extent) => {
      if (edata.state[extent] !== state) throw new Error('eset: an extent of another state is held');
      pages += edata.pages[extent];
      extents--;
    });
    if (extents !== 0) throw new Error('eset: the LRU list and the heaps hold different extents');
    if (pages !== this.pages) throw new Error('eset: pages differ from the sum of the extents');
  }
}
