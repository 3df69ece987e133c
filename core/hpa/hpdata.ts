/**
 * Page slabs: huge pages of address space that extents are cut from (jemalloc 5.3.0, src/hpdata.c).
 * Invariant: row 0 stands for "none"; a page that is active is touched; nactive and ntouched are the bits set, longestFree the longest run
 * of pages that are not active.
 * Differs: rows of a table for structs. Purging is one step, since nothing can happen in its middle, and takes no memory away: only the
 * accounts say so.
 */
import { HEAP_NODES_BYTES } from '../assembly/places.ts';
import { grown } from '../columns.ts';
import type { ModelMemory } from '../model_memory.ts';
import { ListLinks } from '../extent/ql.ts';
import type { PageSlab } from '../extent/types.ts';
import { HUGEPAGE, PAGE } from '../sizes/sc.ts';
import { clearRange, countSet, FB_WORDS, firstClear, firstSet, lastSet, setRange, SLAB_PAGES } from './fb.ts';

/** Bits of the `flags` column (h_huge and what follows it in hpdata_t). */
export const PageSlabFlag = {
  huge: 1,
  allocAllowed: 2,
  purgeAllowed: 4,
  hugifyAllowed: 8,
  /** In the collection of slabs that can serve, and in the list of those to make huge (psset.ts). */
  inAllocContainer: 16,
  inHugifyContainer: 32,
} as const;

export const NO_PAGE_SLAB = 0 as PageSlab;

const FIRST_CAPACITY = 16;

/** All page slabs of a heap as columns. A slab is never given back. */
export class HpdataTable {
  readonly memory: ModelMemory;
  /** Where the places of the columns are that its heaps are made of. */
  readonly place: number;
  /** Rows in use, row 0 included. */
  length = 1;
  #capacity = FIRST_CAPACITY;
  /** Address of the first page, and age: the columns by which the heaps of ph.ts order. */
  base: Float64Array;
  sn: Float64Array;
  /** Bits of PageSlabFlag */
  flags = new Uint8Array(FIRST_CAPACITY);
  /** Pages, 0..512. */
  longestFree = new Uint16Array(FIRST_CAPACITY);
  nactive = new Uint16Array(FIRST_CAPACITY);
  ntouched = new Uint16Array(FIRST_CAPACITY);
  /** Page slab -> FB_WORDS words. */
  active = new Uint32Array(FIRST_CAPACITY * FB_WORDS);
  touched = new Uint32Array(FIRST_CAPACITY * FB_WORDS);
  /** When it was last found worth being huge, ns since start_ts; meaningful with hugifyAllowed. */
  hugifyAllowedTime = new Float64Array(FIRST_CAPACITY);
  /** Links of the age heap. */
  prev: Int32Array;
  next: Int32Array;
  child: Int32Array;
  /** Links of the lists of empty slabs, of those to purge and of those to make huge. */
  readonly empty = new ListLinks(FIRST_CAPACITY);
  readonly purge = new ListLinks(FIRST_CAPACITY);
  readonly hugify = new ListLinks(FIRST_CAPACITY);

  constructor(memory: ModelMemory) {
    this.memory = memory;
    this.place = memory.take(HEAP_NODES_BYTES);
    this.base = memory.float64(FIRST_CAPACITY);
    this.sn = memory.float64(FIRST_CAPACITY);
    this.prev = memory.int32(FIRST_CAPACITY);
    this.next = memory.int32(FIRST_CAPACITY);
    this.child = memory.int32(FIRST_CAPACITY);
    this.#placeNodes();
  }

  #placeNodes(): void {
    const { base, sn, prev, next, child } = this;
    this.memory.writePlaces(this.place, 0, [base, sn, prev, next, child]);
  }

  /** hpdata_init: a slab of pages that nobody has touched, at an address. */
  add(address: number, age: number): PageSlab {
    if (this.length === this.#capacity) this.#grow();
    const slab = this.length++ as PageSlab;
    this.base[slab] = address;
    this.sn[slab] = age;
    this.flags[slab] = PageSlabFlag.allocAllowed;
    this.longestFree[slab] = SLAB_PAGES;
    return slab;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    this.base = this.memory.grown(this.base, capacity);
    this.sn = this.memory.grown(this.sn, capacity);
    this.flags = grown(this.flags, capacity);
    this.longestFree = grown(this.longestFree, capacity);
    this.nactive = grown(this.nactive, capacity);
    this.ntouched = grown(this.ntouched, capacity);
    this.active = grown(this.active, capacity * FB_WORDS);
    this.touched = grown(this.touched, capacity * FB_WORDS);
    this.hugifyAllowedTime = grown(this.hugifyAllowedTime, capacity);
    this.prev = this.memory.grown(this.prev, capacity);
    this.next = this.memory.grown(this.next, capacity);
    this.child = this.memory.grown(this.child, capacity);
    for (const links of [this.empty, this.purge, this.hugify]) links.grow(capacity);
    this.#capacity = capacity;
    this.#placeNodes();
  }
}

/** Dirty pages: touched and not active (hpdata_ndirty_get). */
export function ndirty(table: HpdataTable, slab: PageSlab): number {
  return table.ntouched[slab] - table.nactive[slab];
}

/** Takes `pages` pages at the start of the first run of free ones that holds them; the slab has one. Gives their address (hpdata_reserve_alloc). */
export function reserveAlloc(table: HpdataTable, slab: PageSlab, pages: number): number {
  const { active, touched } = table;
  const at = slab * FB_WORDS;
  const longest = table.longestFree[slab];
  let longestOther = 0;
  let begin = firstClear(active, at, 0);
  let end = firstSet(active, at, begin);
  while (end - begin < pages) {
    longestOther = Math.max(longestOther, end - begin);
    begin = firstClear(active, at, end);
    end = firstSet(active, at, begin);
  }
  setRange(active, at, begin, begin + pages);
  table.nactive[slab] += pages;
  table.ntouched[slab] += pages - countSet(touched, at, begin, begin + pages);
  setRange(touched, at, begin, begin + pages);
  // it might have been the only run of that length
  if (end - begin === longest) table.longestFree[slab] = longestFreeFrom(active, at, begin + pages, longest, longestOther);
  return table.base[slab] + begin * PAGE;
}

/** The longest run of free pages from `from` on, or `least` if none is longer; the search ends at one of `most` pages. */
function longestFreeFrom(active: Uint32Array, at: number, from: number, most: number, least: number): number {
  let longest = least;
  for (let begin = firstClear(active, at, from); begin < SLAB_PAGES && longest < most; ) {
    const end = firstSet(active, at, begin);
    longest = Math.max(longest, end - begin);
    begin = firstClear(active, at, end);
  }
  return longest;
}

/** Gives `pages` pages at `address` back; they stay touched (hpdata_unreserve). */
export function unreserve(table: HpdataTable, slab: PageSlab, address: number, pages: number): void {
  const { active } = table;
  const at = slab * FB_WORDS;
  const begin = (address - table.base[slab]) / PAGE;
  clearRange(active, at, begin, begin + pages);
  const run = firstSet(active, at, begin + pages - 1) - (lastSet(active, at, begin) + 1);
  if (run > table.longestFree[slab]) table.longestFree[slab] = run;
  table.nactive[slab] -= pages;
}

/**
 * hpdata_purge_begin to hpdata_purge_end: dirty pages are untouched again, with whatever free pages lie between them. Gives how many ranges
 * that took.
 */
export function purgeDirty(table: HpdataTable, slab: PageSlab): number {
  const { active, touched } = table;
  const at = slab * FB_WORDS;
  let ranges = 0;
  for (let from = 0; from < SLAB_PAGES; ) {
    const begin = firstClear(active, at, from);
    const end = firstSet(active, at, begin);
    if (begin === SLAB_PAGES) break;
    if (firstSet(touched, at, begin) < end) {
      ranges++;
      clearRange(touched, at, begin, end);
    }
    from = end;
  }
  table.ntouched[slab] = table.nactive[slab];
  return ranges;
}

/** hpdata_hugify: one huge page, all of it touched. */
export function hugify(table: HpdataTable, slab: PageSlab): void {
  table.flags[slab] |= PageSlabFlag.huge;
  setRange(table.touched, slab * FB_WORDS, 0, SLAB_PAGES);
  table.ntouched[slab] = SLAB_PAGES;
}

/** Checks a page slab's counts against its bitmaps (hpdata_consistent). @throws Error naming what does not hold. */
export function checkHpdata(table: HpdataTable, slab: PageSlab): void {
  const { active, touched, flags } = table;
  const at = slab * FB_WORDS;
  const longest = longestFreeFrom(active, at, 0, SLAB_PAGES, 0);
  if (table.base[slab] % HUGEPAGE !== 0) throw new Error('page slab: its address is no multiple of a huge page');
  if (longest !== table.longestFree[slab]) throw new Error('page slab: longestFree differs from its bitmap');
  if (countSet(active, at, 0, SLAB_PAGES) !== table.nactive[slab]) throw new Error('page slab: nactive differs from its bitmap');
  if (countSet(touched, at, 0, SLAB_PAGES) !== table.ntouched[slab]) throw new Error('page slab: ntouched differs from its bitmap');
  for (let word = 0; word < FB_WORDS; word++) {
    if ((active[at + word] & ~touched[at + word]) !== 0) throw new Error('page slab: an active page is not touched');
  }
  if ((flags[slab] & PageSlabFlag.huge) !== 0 && table.ntouched[slab] !== SLAB_PAGES)
    throw new Error('page slab: a huge one is not all touched');
  if (((flags[slab] & PageSlabFlag.hugifyAllowed) === 0) !== ((flags[slab] & PageSlabFlag.inHugifyContainer) === 0)) {
    throw new Error('page slab: in the list of those to make huge against its flag');
  }
}
