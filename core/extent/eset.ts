/**
 * Unused extents by page size class, and in order of age (jemalloc 5.3.0, src/eset.c, src/ecache.c).
 * Invariant: bit c of `nonempty` is set if and only if heap c holds an extent; pages = the sum over all extents held.
 * Differs: rows of a table for linked structs. `minSn` and `minBase` are jemalloc's cached minimum of each heap, kept as it keeps them:
 * where the pairing heap buries its least element, they follow.
 */
import { ListTable } from './ql.ts';
import type { EdataTable } from './edata.ts';

import { heapFirst, heapInsert, heapRemove, HeapTable, checkHeap } from './ph.ts';
import type { ModelMemory } from '../model_memory.ts';
import type { Extent } from './types.ts';
import { firstFitPind, NPSIZES, PAGE, pagesToPind, pindToPages } from '../sizes/sc.ts';

/** Heaps of an eset: the page size classes, and one for what is larger than all of them. */
export const ESET_ROWS: number = NPSIZES + 1;

/** Extents of one state and one arena. */
export class Eset {
  readonly heaps: HeapTable;
  /** Row -> serial number and address of the least extent, as jemalloc remembers it. */
  readonly minSn: Float64Array = new Float64Array(ESET_ROWS);
  readonly minBase: Float64Array = new Float64Array(ESET_ROWS);
  /** Row -> one bit: the heap holds something. */
  readonly nonempty: Uint32Array = new Uint32Array(7);
  /** Row -> extents held, and their pages. */
  readonly counts: Float64Array = new Float64Array(ESET_ROWS);
  readonly rowPages: Float64Array = new Float64Array(ESET_ROWS);
  /** Pages held in all. */
  pages = 0;
  /** One list: first what has been unused longest. */
  readonly lru: ListTable = new ListTable(1);

  constructor(memory: ModelMemory) {
    this.heaps = new HeapTable(memory, ESET_ROWS);
  }
}

/** First non-empty row from `row` on; ESET_ROWS if there is none (fb_ffs). */
function nextRow(eset: Eset, row: number): number {
  if (row >= ESET_ROWS) return ESET_ROWS;
  const { nonempty } = eset;
  let word = row >>> 5;
  let bits = nonempty[word] & (-1 << (row & 31));
  while (bits === 0) {
    if (++word === nonempty.length) return ESET_ROWS;
    bits = nonempty[word];
  }
  return (word << 5) + 31 - Math.clz32(bits & -bits);
}

/** eset_insert: into its heap, and as the youngest of all. */
export function esetInsert(edata: EdataTable, eset: Eset, extent: Extent): void {
  const pages = edata.pages[extent];
  const row = pagesToPind(pages);
  const sn = edata.sn[extent];
  const base = edata.base[extent];
  if (eset.heaps.root(row) === 0) {
    eset.nonempty[row >>> 5] |= 1 << (row & 31);
    eset.minSn[row] = sn;
    eset.minBase[row] = base;
  } else if (sn < eset.minSn[row] || (sn === eset.minSn[row] && base < eset.minBase[row])) {
    eset.minSn[row] = sn;
    eset.minBase[row] = base;
  }
  heapInsert(edata, eset.heaps, row, extent);
  eset.counts[row]++;
  eset.rowPages[row] += pages;
  eset.pages += pages;
  eset.lru.append(edata.links, 0, extent);
}

/** eset_remove */
export function esetRemove(edata: EdataTable, eset: Eset, extent: Extent): void {
  const pages = edata.pages[extent];
  const row = pagesToPind(pages);
  eset.counts[row]--;
  eset.rowPages[row] -= pages;
  eset.pages -= pages;
  heapRemove(edata, eset.heaps, row, extent);
  if (eset.heaps.root(row) === 0) {
    eset.nonempty[row >>> 5] &= ~(1 << (row & 31));
  } else if (edata.sn[extent] === eset.minSn[row] && edata.base[extent] === eset.minBase[row]) {
    const first = heapFirst(edata, eset.heaps, row);
    eset.minSn[row] = edata.sn[first];
    eset.minBase[row] = edata.base[first];
  }
  eset.lru.remove(edata.links, 0, extent);
}

/**
 * eset_fit: an extent that can give `pages` pages at a multiple of `alignment` bytes, left where it is; 0 for none.
 * The oldest over all classes that are large enough, up to 2^lgMaxFit times the request; failing that, for alignments above a page,
 * the first class in which the least extent happens to lie well.
 */
export function esetFit(edata: EdataTable, eset: Eset, pages: number, alignment: number, exactOnly: boolean, lgMaxFit: number): Extent {
  const most = pages + Math.ceil(alignment / PAGE) - 1;
  const found = firstFit(edata, eset, most, exactOnly, lgMaxFit);
  if (found === 0 && alignment > PAGE) return fitAlignment(edata, eset, pages, most, alignment);
  return found;
}

function firstFit(edata: EdataTable, eset: Eset, pages: number, exactOnly: boolean, lgMaxFit: number): Extent {
  const first = firstFitPind(pages);
  if (exactOnly) return heapFirst(edata, eset.heaps, first) as Extent;
  const bytes = pages * PAGE;
  const divisor = 2 ** Math.min(lgMaxFit, 63);
  let found = 0;
  let sn = 0;
  let base = 0;
  for (let row = nextRow(eset, first); row < ESET_ROWS; row = nextRow(eset, row + 1)) {
    if (Math.floor((pindToPages[row] * PAGE) / divisor) > bytes) break;
    const rowSn = eset.minSn[row];
    if (found === 0 || rowSn < sn || (rowSn === sn && eset.minBase[row] < base)) {
      found = heapFirst(edata, eset.heaps, row);
      sn = rowSn;
      base = eset.minBase[row];
    }
  }
  return found as Extent;
}

function fitAlignment(edata: EdataTable, eset: Eset, pages: number, most: number, alignment: number): Extent {
  const end = firstFitPind(most);
  const boundary = Math.ceil(alignment / PAGE) * PAGE;
  for (let row = nextRow(eset, firstFitPind(pages)); row < end; row = nextRow(eset, row + 1)) {
    const candidate = heapFirst(edata, eset.heaps, row);
    const base = edata.base[candidate];
    const aligned = Math.ceil(base / boundary) * boundary;
    const bytes = edata.pages[candidate] * PAGE;
    if (base + bytes <= aligned) continue;
    if (bytes - (aligned - base) >= pages * PAGE) return candidate as Extent;
  }
  return 0 as Extent;
}

/** Checks an eset: bits, counts and sums against its heaps and its LRU list. @throws Error naming what does not hold. */
export function checkEset(edata: EdataTable, eset: Eset, state: number): void {
  let extents = 0;
  const { counts, nonempty } = eset;
  const { heaps } = eset;
  for (let row = 0; row < ESET_ROWS; row++) {
    const bit = (nonempty[row >>> 5] >>> (row & 31)) & 1;
    if (heaps.root(row) === 0 && counts[row] === 0 && bit === 0) continue;
    const held = checkHeap(edata, eset.heaps, row);
    if (held !== counts[row]) throw new Error('eset: a row counts other extents than its heap holds');
    if (held === 0 || bit === 0) throw new Error('eset: a bit disagrees with its heap');
    extents += held;
  }
  let pages = 0;
  eset.lru.check(edata.links, 0, 'eset: the LRU list', (extent) => {
    if (edata.state[extent] !== state) throw new Error('eset: an extent of another state is held');
    pages += edata.pages[extent];
    extents--;
  });
  if (extents !== 0) throw new Error('eset: the LRU list and the heaps hold different extents');
  if (pages !== eset.pages) throw new Error('eset: pages differ from the sum of the extents');
}
