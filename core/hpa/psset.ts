/**
 * The page slabs of one arena: which serves, which is purged and which is made huge next (jemalloc 5.3.0, src/psset.c).
 * Invariant: outside an update a slab is counted in one row of the statistics, by its longest free run; one that may serve is in the heap of
 * that run's class, or in the list of empty ones, or full; one with dirty pages that may be purged is in the list of its dirtiness.
 * Differs: rows of a table for linked structs.
 */
import { heapFirst, heapInsert, heapRemove, HeapTable, checkHeap } from '../extent/ph.ts';
import { ListTable } from '../extent/ql.ts';
import type { PageSlab } from '../extent/types.ts';
import type { ModelMemory } from '../model_memory.ts';
import { firstFitPind, pagesToPind } from '../sizes/sc.ts';
import { SLAB_PAGES } from './fb.ts';
import { checkHpdata, type HpdataTable, ndirty, NO_PAGE_SLAB, PageSlabFlag } from './hpdata.ts';

/** Page size classes that slabs are counted by (psset.h). */
export const PSSET_NPSIZES = 64;
/** Rows of HpaSlabStats after those of the nonfull slabs. */
export const HPA_EMPTY: number = PSSET_NPSIZES + 1;
export const HPA_FULL: number = HPA_EMPTY - 1;
/** Two lists a page size class, huge slabs before others, and the last two for empty slabs (PSSET_NPURGE_LISTS). */
const PURGE_LISTS = 2 * PSSET_NPSIZES;

/** Page slabs, their active and their dirty pages (psset_stats_t): rows 0..63 nonfull by longest free run, then full, then empty. */
export class HpaSlabStats {
  readonly npageslabs_nonhuge = new Float64Array(PSSET_NPSIZES + 2);
  readonly npageslabs_huge = new Float64Array(PSSET_NPSIZES + 2);
  readonly nactive_nonhuge = new Float64Array(PSSET_NPSIZES + 2);
  readonly nactive_huge = new Float64Array(PSSET_NPSIZES + 2);
  readonly ndirty_nonhuge = new Float64Array(PSSET_NPSIZES + 2);
  readonly ndirty_huge = new Float64Array(PSSET_NPSIZES + 2);
}

/** The columns of HpaSlabStats in the order of the mallctl tree. */
export const HPA_SLAB_COUNTERS = [
  'npageslabs_nonhuge',
  'npageslabs_huge',
  'nactive_nonhuge',
  'nactive_huge',
  'ndirty_nonhuge',
  'ndirty_huge',
] as const;

/** psset_t */
export class Psset {
  /** Page size class of the longest free run -> slabs, by age. */
  readonly heaps: HeapTable;
  readonly stats = new HpaSlabStats();
  /** Pages over all slabs (merged_stats). */
  nactive = 0;
  ndirty = 0;
  /** Empty slabs, the latest first (empty). */
  readonly empty = new ListTable(1);
  /** How much a slab is worth purging (purgeList) -> slabs, the longest waiting first. */
  readonly toPurge = new ListTable(PURGE_LISTS);
  /** Slabs worth being huge, the longest waiting first. */
  readonly toHugify = new ListTable(1);

  constructor(memory: ModelMemory) {
    this.heaps = new HeapTable(memory, PSSET_NPSIZES);
  }
}

/** What is counted of a set. */
type PssetCounts = Pick<Psset, 'stats' | 'nactive' | 'ndirty'>;

/** Row of the statistics in which a slab counts, and of the heap that it is in unless full or empty. */
function rowOf(table: HpdataTable, slab: PageSlab): number {
  if (table.nactive[slab] === 0) return HPA_EMPTY;
  if (table.nactive[slab] === SLAB_PAGES) return HPA_FULL;
  return pagesToPind(table.longestFree[slab]);
}

/** psset_bin_stats_insert_remove: `sign` is 1 or -1. */
function count(psset: PssetCounts, table: HpdataTable, slab: PageSlab, sign: number): void {
  const row = rowOf(table, slab);
  const active = sign * table.nactive[slab];
  const dirty = sign * ndirty(table, slab);
  const { stats } = psset;
  if ((table.flags[slab] & PageSlabFlag.huge) !== 0) {
    stats.npageslabs_huge[row] += sign;
    stats.nactive_huge[row] += active;
    stats.ndirty_huge[row] += dirty;
  } else {
    stats.npageslabs_nonhuge[row] += sign;
    stats.nactive_nonhuge[row] += active;
    stats.ndirty_nonhuge[row] += dirty;
  }
  psset.nactive += active;
  psset.ndirty += dirty;
}

/** psset_alloc_container_insert */
function containerInsert(psset: Psset, table: HpdataTable, slab: PageSlab): void {
  table.flags[slab] |= PageSlabFlag.inAllocContainer;
  const row = rowOf(table, slab);
  if (row === HPA_EMPTY) psset.empty.prepend(table.empty, 0, slab);
  else if (row !== HPA_FULL) heapInsert(table, psset.heaps, row, slab);
}

/** psset_alloc_container_remove */
function containerRemove(psset: Psset, table: HpdataTable, slab: PageSlab): void {
  table.flags[slab] &= ~PageSlabFlag.inAllocContainer;
  const row = rowOf(table, slab);
  if (row === HPA_EMPTY) psset.empty.remove(table.empty, 0, slab);
  else if (row !== HPA_FULL) heapRemove(table, psset.heaps, row, slab);
}

/** psset_purge_list_ind: the higher, the sooner. Empty slabs first, huge ones of them before others; else the dirtier, huge ones after others. */
function purgeList(table: HpdataTable, slab: PageSlab): number {
  const huge = (table.flags[slab] & PageSlabFlag.huge) !== 0;
  if (table.nactive[slab] === 0) return huge ? PURGE_LISTS - 1 : PURGE_LISTS - 2;
  return pagesToPind(ndirty(table, slab)) * 2 + (huge ? 0 : 1);
}

/** psset_maybe_insert_purge_list */
function purgeInsert(psset: Psset, table: HpdataTable, slab: PageSlab): void {
  if ((table.flags[slab] & PageSlabFlag.purgeAllowed) !== 0) psset.toPurge.append(table.purge, purgeList(table, slab), slab);
}

/** psset_update_begin: takes a slab out of every collection that goes by what is going to change. The list of those to make huge keeps its order. */
export function updateBegin(psset: Psset, table: HpdataTable, slab: PageSlab): void {
  count(psset, table, slab, -1);
  if ((table.flags[slab] & PageSlabFlag.inAllocContainer) !== 0) containerRemove(psset, table, slab);
  if ((table.flags[slab] & PageSlabFlag.purgeAllowed) !== 0) psset.toPurge.remove(table.purge, purgeList(table, slab), slab);
}

/** psset_update_end */
export function updateEnd(psset: Psset, table: HpdataTable, slab: PageSlab): void {
  pssetInsert(psset, table, slab);
  const { flags } = table;
  const allowed = (flags[slab] & PageSlabFlag.hugifyAllowed) !== 0;
  const listed = (flags[slab] & PageSlabFlag.inHugifyContainer) !== 0;
  if (allowed === listed) return;
  flags[slab] ^= PageSlabFlag.inHugifyContainer;
  if (allowed) psset.toHugify.append(table.hugify, 0, slab);
  else psset.toHugify.remove(table.hugify, 0, slab);
}

/** psset_insert: a slab that is new here; it may not be made huge yet. */
export function pssetInsert(psset: Psset, table: HpdataTable, slab: PageSlab): void {
  count(psset, table, slab, 1);
  if ((table.flags[slab] & PageSlabFlag.allocAllowed) !== 0) containerInsert(psset, table, slab);
  purgeInsert(psset, table, slab);
}

/** psset_pick_alloc: the oldest slab of the first class that can give `pages` pages, else the latest that became empty; 0 for none. */
export function pickAlloc(psset: Psset, table: HpdataTable, pages: number): PageSlab {
  const { heaps } = psset;
  for (let row = firstFitPind(pages); row < PSSET_NPSIZES; row++) {
    if (heaps.root(row) !== 0) return heapFirst(table, heaps, row) as PageSlab;
  }
  return psset.empty.first[0] as PageSlab;
}

/** psset_pick_purge: the longest waiting of the slabs most worth purging; 0 for none. */
export function pickPurge(psset: Psset): PageSlab {
  for (let list = PURGE_LISTS - 1; list >= 0; list--) if (psset.toPurge.first[list] !== 0) return psset.toPurge.first[list] as PageSlab;
  return NO_PAGE_SLAB;
}

/** psset_pick_hugify: the longest waiting; 0 for none. */
export function pickHugify(psset: Psset): PageSlab {
  return psset.toHugify.first[0] as PageSlab;
}

/** Checks the sums and collections against the slabs themselves, `slabs`. @throws Error naming what does not hold. */
export function checkPsset(psset: Psset, table: HpdataTable, slabs: readonly PageSlab[]): void {
  const fresh: PssetCounts = { stats: new HpaSlabStats(), nactive: 0, ndirty: 0 };
  let serving = 0;
  let empty = 0;
  let purgeable = 0;
  let hugifiable = 0;
  for (const slab of slabs) {
    checkHpdata(table, slab);
    count(fresh, table, slab, 1);
    const row = rowOf(table, slab);
    if (row < PSSET_NPSIZES) serving++;
    else if (row === HPA_EMPTY) empty++;
    const mayPurge = (table.flags[slab] & PageSlabFlag.purgeAllowed) !== 0;
    if (mayPurge !== ndirty(table, slab) > 0) throw new Error('page slabs: purgeable against its dirty pages');
    if (mayPurge) purgeable++;
    if ((table.flags[slab] & PageSlabFlag.hugifyAllowed) !== 0) hugifiable++;
  }
  if (fresh.nactive !== psset.nactive || fresh.ndirty !== psset.ndirty) throw new Error('page slabs: sums differ from the slabs');
  for (const name of HPA_SLAB_COUNTERS) {
    if (fresh.stats[name].some((value, row) => value !== psset.stats[name][row]))
      throw new Error('page slabs: statistics differ from the slabs');
  }
  for (let row = 0; row < PSSET_NPSIZES; row++) serving -= checkHeap(table, psset.heaps, row);
  if (serving !== 0) throw new Error('page slabs: the heaps hold other slabs than can serve');
  psset.empty.check(table.empty, 0, 'page slabs: the list of empty ones', (slab) => {
    if (rowOf(table, slab as PageSlab) !== HPA_EMPTY) throw new Error('page slabs: one in the list of empty ones is not empty');
    empty--;
  });
  if (empty !== 0) throw new Error('page slabs: an empty one is not in the list of such');
  for (let list = 0; list < PURGE_LISTS; list++) {
    psset.toPurge.check(table.purge, list, 'page slabs: a list of those to purge', (slab) => {
      if (purgeList(table, slab as PageSlab) !== list) throw new Error('page slabs: one to purge is in the list of another dirtiness');
      purgeable--;
    });
  }
  if (purgeable !== 0) throw new Error('page slabs: the lists of those to purge hold other slabs than may be purged');
  psset.toHugify.check(table.hugify, 0, 'page slabs: the list of those to make huge', () => hugifiable--);
  if (hugifiable !== 0) throw new Error('page slabs: the list of those to make huge holds other slabs than may be made huge');
}
