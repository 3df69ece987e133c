/**
 * Size classes (jemalloc 5.3.0, include/jemalloc/internal/sc.h, src/sc.c; sz.h, src/sz.c), x86-64 with 4 KiB pages:
 * one tiny class of 8 bytes, quantum 16, four classes per doubling. A request gets the least class that holds it: above 64 bytes less than a fifth of an object
 * is lost so, and there are few enough classes that what one object leaves fits another. Runs of pages go by such a series of their own.
 * Invariant: indexToSize is strictly increasing; sizeToIndex(indexToSize[i]) = i; classes 0..35 are small, 36..231 large.
 * Differs: sizes are doubles. Every class is exact; a request above 2^53 has been rounded up on its way in, which keeps its class.
 */

import type { UnitColumn } from '../columns.ts';
import type { Bytes, SizeClass } from '../units.ts';

/** LG_PAGE and PAGE, HUGEPAGE, of pages.h, as Debian builds them. Bytes. */
export const LG_PAGE = 12;
export const PAGE = 4096 as Bytes;
export const HUGEPAGE = 2097152 as Bytes;
/** Alignment of every allocation from 16 bytes on, and what all larger size classes are multiples of, bytes (QUANTUM, quantum.h). */
export const QUANTUM = 16 as Bytes;
/** LG_CACHELINE and CACHELINE of jemalloc_internal_types.h: bytes. */
export const LG_CACHELINE = 6;
export const CACHELINE = 64 as Bytes;
/** SC_LG_TINY_MIN and two to its power: the least class, and the steps of the lookup table, bytes. */
const LG_TINY_MIN = 3;
export const TINY_MIN = 8 as Bytes;
/** SC_LOOKUP_MAXCLASS: the largest request whose class is looked up in a table, bytes. */
const LOOKUP_MAXCLASS = 4096 as Bytes;
/** SC_LG_NGROUP and SC_NGROUP: classes of a group, that is, per doubling of the size. */
const LG_NGROUP = 2;
const NGROUP = 4;
/** Index of the first class of the first regular group (80 bytes), and the lg of that group's base (SC_LG_FIRST_REGULAR_BASE). */
const FIRST_REGULAR = 5;
const LG_FIRST_REGULAR_BASE = 6;
/** Small size classes, 8 to 14336 bytes (SC_NBINS). */
export const NBINS = 36;
/** All size classes (SC_NSIZES). */
export const NSIZES = 232;
/** Page size classes (SC_NPSIZES). */
export const NPSIZES = 199;
/** SC_SMALL_MAXCLASS, SC_LARGE_MINCLASS and SC_LARGE_MAXCLASS, bytes. */
export const SMALL_MAXCLASS = 14336 as Bytes;
export const LARGE_MINCLASS = 16384 as Bytes;
export const LARGE_MAXCLASS = 0x7000000000000000 as Bytes;
/** Alignment of a request that asks for none, and the usable bytes of one that no class can serve. */
export const NO_ALIGNMENT = 0 as Bytes;
const NO_CLASS = 0 as Bytes;
/** Index of LARGE_MINCLASS. */
export const LARGE_MIN_INDEX = 36 as SizeClass;
/** Pad that large extents carry for the cache-oblivious offset (sz_large_pad), in pages. */
export const LARGE_PAD_PAGES = 1;

/** Where a size passes what shifts of 32 bits can do: it is brought down by so many doublings at a time. */
const SHIFTABLE = 2 ** 30;
const DOUBLINGS = 20;

/** SizeClass -> bytes (sz_index2size_tab). */
export const indexToSize = new Float64Array(NSIZES) as UnitColumn<Float64Array, Bytes>;
indexToSize[0] = TINY_MIN;
for (let index = 1; index < NSIZES; index++) {
  if (index < FIRST_REGULAR) {
    indexToSize[index] = (QUANTUM * index) as Bytes;
  } else {
    const group = (index - FIRST_REGULAR) >> LG_NGROUP;
    const base = 2 ** (group + LG_FIRST_REGULAR_BASE);
    indexToSize[index] = (base + (((index - FIRST_REGULAR) & (NGROUP - 1)) + 1) * (base / NGROUP)) as Bytes;
  }
}

/** Ceiling of (request / 8) -> SizeClass, for requests up to 4096 bytes (sz_size2index_tab). */
const smallIndex = new Uint8Array(LOOKUP_MAXCLASS / TINY_MIN + 1) as UnitColumn<Uint8Array, SizeClass>;
for (let eighth = 0; eighth < smallIndex.length; eighth++) smallIndex[eighth] = computeIndex(eighth * TINY_MIN);

/** The class that serves a request of `size` bytes (sz_size2index); NSIZES if it is above the largest class. */
export function sizeToIndex(size: Bytes): SizeClass {
  if (size <= LOOKUP_MAXCLASS) return smallIndex[(size + TINY_MIN - 1) >> LG_TINY_MIN];
  return computeIndex(size);
}

/** sz_size2index_compute */
function computeIndex(size: number): SizeClass {
  if (size <= TINY_MIN) return 0 as SizeClass;
  if (size <= NGROUP * QUANTUM) return Math.ceil(size / QUANTUM) as SizeClass;
  if (size > LARGE_MAXCLASS) return NSIZES as SizeClass;
  // classes above 2^22 are multiples of 2^20, so rounding up to one keeps the class and brings it 20 doublings (80 classes) down
  let doublings = 0;
  while (size > SHIFTABLE) {
    size = Math.ceil(size / 2 ** DOUBLINGS);
    doublings += DOUBLINGS;
  }
  const lg = 31 - Math.clz32(size - 1);
  const group = lg + doublings - LG_FIRST_REGULAR_BASE;
  return (FIRST_REGULAR + NGROUP * group + (((size - 1) >>> (lg - LG_NGROUP)) & (NGROUP - 1))) as SizeClass;
}

/** Usable bytes of a request (sz_s2u); infinity above the largest class. */
export function usableSize(size: Bytes): Bytes {
  const index = sizeToIndex(size);
  return index >= NSIZES ? (Infinity as Bytes) : indexToSize[index];
}

/**
 * Usable bytes of a request of `size` bytes at a multiple of `alignment` bytes (sz_sa2u, aligned_usize_get): a small class that is such a multiple,
 * else a large one; 0 if there is none. With NO_ALIGNMENT those of the request.
 */
export function alignedUsableSize(size: Bytes, alignment: Bytes): Bytes {
  if (alignment === NO_ALIGNMENT) return usableSize(size);
  if (size <= SMALL_MAXCLASS && alignment <= PAGE) {
    const usize = usableSize((Math.ceil(size / alignment) * alignment) as Bytes);
    if (usize < LARGE_MINCLASS) return usize;
  }
  if (alignment > LARGE_MAXCLASS) return NO_CLASS;
  const usize = size <= LARGE_MINCLASS ? LARGE_MINCLASS : usableSize(size);
  if (usize === Infinity) return NO_CLASS;
  // usize + pad + alignment - PAGE must not pass 2^64
  return usize + PAGE + (Math.ceil(alignment / PAGE) * PAGE - PAGE) < 2 ** 64 ? usize : NO_CLASS;
}

/** Page size class -> pages: 1 2 3 4 5 6 7 8 10 12 14 16 20 … (sz_pind2sz_tab); index NPSIZES is one page above the largest. */
export const pindToPages: Float64Array = new Float64Array(NPSIZES + 1);
for (let pind = 0; pind < NPSIZES; pind++) {
  const base = 2 ** ((pind >> LG_NGROUP) + 1);
  pindToPages[pind] = pind < NGROUP ? pind + 1 : base + ((pind & (NGROUP - 1)) + 1) * (base / NGROUP);
}
pindToPages[NPSIZES] = LARGE_MAXCLASS / PAGE + 1;

/** Pages -> page size class, for extents of up to 4 MiB. */
const smallPinds: Uint8Array = new Uint8Array(1025);
for (let pages = 1; pages < smallPinds.length; pages++) smallPinds[pages] = computePind(pages);

/**
 * Smallest page size class of at least `pages` pages (sz_psz2ind); NPSIZES above the largest. It is also the row of an eset that holds
 * extents of so many pages.
 */
export function pagesToPind(pages: number): number {
  return pages <= 1024 ? smallPinds[pages] : computePind(pages);
}

function computePind(pages: number): number {
  if (pages <= NGROUP) return pages - 1;
  if (pages > LARGE_MAXCLASS / PAGE) return NPSIZES;
  let doublings = 0;
  while (pages > SHIFTABLE) {
    pages = Math.ceil(pages / 2 ** DOUBLINGS);
    doublings += DOUBLINGS;
  }
  const lg = 31 - Math.clz32(pages - 1);
  const group = lg + doublings - LG_NGROUP;
  return NGROUP + NGROUP * group + (((pages - 1) >>> (lg - LG_NGROUP)) & (NGROUP - 1));
}

/** First row whose extents are all large enough for `pages` pages (sz_psz2ind of sz_psz_quantize_ceil). */
export function firstFitPind(pages: number): number {
  const pind = pagesToPind(pages);
  if (pind === 0 || pindToPages[pind - 1] === pages - 1) return pind;
  return pind + 1;
}
