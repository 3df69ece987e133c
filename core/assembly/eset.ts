/**
 * Unused extents of one state and one arena, by page size class, and in order of age (jemalloc 5.3.0, src/eset.c).
 * Invariant: bit c of `nonempty` is set if and only if heap c holds an extent; pages = the sum over all extents held.
 * Differs: `minSn` and `minBase` are jemalloc's cached minimum of each heap, kept as it keeps them: where the pairing heap buries its least element,
 * they follow.
 */
import { ESET_HEADER_BYTES } from './places';
import { heapFirst, heapInsert, heapRemove } from './ph';
import { Eset, EsetRow, extents, NPSIZES } from './tables';

const LG_PAGE: u32 = 12;
/** SC_LARGE_MAXCLASS in pages. */
const MOST_PAGES: u64 = 0x7000000000000;

/** Pages of a page size class: 1 2 3 4 5 6 7 8 10 12 14 16 20 … (sz_pind2sz); of the row above the largest, one page more than that. */
function pagesOf(pind: u32): u64 {
  if (pind >= NPSIZES) return MOST_PAGES + 1;
  return pind < 4 ? pind + 1 : (<u64>(pind & 3) + 5) << ((pind >> 2) - 1);
}

/** Smallest page size class of at least `pages` pages (sz_psz2ind): the row that holds extents of so many. */
function rowOf(pages: u64): u32 {
  if (pages <= 4) return <u32>pages - 1;
  if (pages > MOST_PAGES) return NPSIZES;
  const lg = 63 - clz(pages - 1);
  return <u32>(4 * (lg - 1)) + (<u32>((pages - 1) >> (lg - 2)) & 3);
}

/** First row whose extents are all large enough for `pages` pages (sz_psz2ind of sz_psz_quantize_ceil). */
function firstFitRow(pages: u64): u32 {
  const row = rowOf(pages);
  return row === 0 || pagesOf(row - 1) === pages - 1 ? row : row + 1;
}

function rowAt(eset: Eset, row: u32): EsetRow {
  return changetype<EsetRow>(changetype<usize>(eset) + ESET_HEADER_BYTES + <usize>row * offsetof<EsetRow>());
}

function wordOf(eset: Eset, row: u32): usize {
  return changetype<usize>(eset) + offsetof<Eset>('nonempty') + <usize>(row >>> 5) * 4;
}

/** First non-empty row from `row` on; NPSIZES + 1 if there is none (fb_ffs). */
function nextRow(eset: Eset, row: u32): u32 {
  while (row <= NPSIZES) {
    const bits = load<u32>(wordOf(eset, row)) >>> (row & 31);
    if (bits !== 0) return row + ctz(bits);
    row = (row | 31) + 1;
  }
  return NPSIZES + 1;
}

/** eset_insert: into its heap, and as the youngest of all. */
export function esetInsert(eset: Eset, extent: u32): void {
  const pages = extents.pages[extent];
  const index = rowOf(<u64>pages);
  const row = rowAt(eset, index);
  const sn = extents.sn[extent];
  const base = extents.base[extent];
  const isEmpty = row.heap.root === 0;
  if (isEmpty) store<u32>(wordOf(eset, index), load<u32>(wordOf(eset, index)) | (1 << (index & 31)));
  if (isEmpty || sn < row.minSn || (sn === row.minSn && base < row.minBase)) {
    row.minSn = sn;
    row.minBase = base;
  }
  heapInsert(extents, row.heap, extent);
  row.count += 1;
  row.pages += pages;
  eset.pages += pages;
  const last = eset.last;
  extents.listPrev[extent] = last;
  extents.listNext[extent] = 0;
  if (last === 0) eset.first = extent;
  else extents.listNext[last] = extent;
  eset.last = extent;
}

/** eset_remove */
export function esetRemove(eset: Eset, extent: u32): void {
  const pages = extents.pages[extent];
  const index = rowOf(<u64>pages);
  const row = rowAt(eset, index);
  row.count -= 1;
  row.pages -= pages;
  eset.pages -= pages;
  heapRemove(extents, row.heap, extent);
  if (row.heap.root === 0) {
    store<u32>(wordOf(eset, index), load<u32>(wordOf(eset, index)) & ~(1 << (index & 31)));
  } else if (extents.sn[extent] === row.minSn && extents.base[extent] === row.minBase) {
    const first = heapFirst(extents, row.heap);
    row.minSn = extents.sn[first];
    row.minBase = extents.base[first];
  }
  const prev = extents.listPrev[extent];
  const next = extents.listNext[extent];
  if (prev === 0) eset.first = next;
  else extents.listNext[prev] = next;
  if (next === 0) eset.last = prev;
  else extents.listPrev[next] = prev;
}

/**
 * eset_fit: an extent that can give `pages` pages at a multiple of `alignment` bytes, left where it is; 0 for none.
 * The oldest over all classes that are large enough, up to 2^lgMaxFit times the request; failing that, for alignments above a page,
 * the first class in which the least extent happens to lie well. The oldest and not the one that fits best: so old mappings fill up, and young ones
 * run empty and can be given back whole.
 */
export function esetFit(eset: Eset, pages: f64, alignment: f64, exactOnly: bool, lgMaxFit: u32): u32 {
  const bytes = (<u64>pages) << LG_PAGE;
  const boundary = ((<u64>alignment + (1 << LG_PAGE) - 1) >> LG_PAGE) << LG_PAGE;
  const most = (bytes + boundary - (1 << LG_PAGE)) >> LG_PAGE;
  const found = firstFit(eset, most, exactOnly, lgMaxFit);
  return found === 0 && boundary > 1 << LG_PAGE ? fitAlignment(eset, bytes, most, boundary) : found;
}

/** eset_first_fit */
function firstFit(eset: Eset, pages: u64, exactOnly: bool, lgMaxFit: u32): u32 {
  let index = firstFitRow(pages);
  if (exactOnly) return heapFirst(extents, rowAt(eset, index).heap);
  let found: u32 = 0;
  let sn: f64 = 0;
  let base: f64 = 0;
  for (index = nextRow(eset, index); index <= NPSIZES; index = nextRow(eset, index + 1)) {
    if ((pagesOf(index) << LG_PAGE) >> min(lgMaxFit, 63) > pages << LG_PAGE) break;
    const row = rowAt(eset, index);
    if (found === 0 || row.minSn < sn || (row.minSn === sn && row.minBase < base)) {
      found = heapFirst(extents, row.heap);
      sn = row.minSn;
      base = row.minBase;
    }
  }
  return found;
}

/** eset_fit_alignment */
function fitAlignment(eset: Eset, bytes: u64, most: u64, boundary: u64): u32 {
  const end = firstFitRow(most);
  for (let index = nextRow(eset, firstFitRow(bytes >> LG_PAGE)); index < end; index = nextRow(eset, index + 1)) {
    const candidate = heapFirst(extents, rowAt(eset, index).heap);
    const base = <u64>extents.base[candidate];
    const aligned = ((base + boundary - 1) / boundary) * boundary;
    const size = (<u64>extents.pages[candidate]) << LG_PAGE;
    if (base + size <= aligned) continue;
    if (size - (aligned - base) >= bytes) return candidate;
  }
  return 0;
}
