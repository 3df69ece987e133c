/**
 * Size classes (jemalloc 5.3.0, include/jemalloc/internal/sc.h, src/sc.c; sz.h, src/sz.c), x86-64 with 4 KiB pages:
 * one tiny class of 8 bytes, quantum 16, four classes per doubling.
 * Invariant: indexToSize is strictly increasing; sizeToIndex(indexToSize[i]) = i; classes 0..35 are small, 36..231 large.
 * Differs: sizes are doubles. Every class is exact; a request above 2^53 has been rounded up on its way in, which keeps its class.
 */

export const PAGE = 4096;
export const HUGEPAGE = 2097152;
/** Alignment of every allocation from 16 bytes on, bytes (QUANTUM, quantum.h). */
export const QUANTUM = 16;
/** Small size classes, 8 to 14336 bytes (SC_NBINS). */
export const NBINS = 36;
/** All size classes (SC_NSIZES). */
export const NSIZES = 232;
/** Page size classes (SC_NPSIZES). */
export const NPSIZES = 199;
export const SMALL_MAXCLASS = 14336;
export const LARGE_MINCLASS = 16384;
export const LARGE_MAXCLASS = 0x7000000000000000;
/** Index of LARGE_MINCLASS. */
export const LARGE_MIN_INDEX = 36;
/** Pad that large extents carry for the cache-oblivious offset (sz_large_pad), in pages. */
export const LARGE_PAD_PAGES = 1;

/** SizeClass -> bytes. */
export const indexToSize: Float64Array = new Float64Array(NSIZES);
indexToSize[0] = 8;
for (let index = 1; index < NSIZES; index++) {
  const group = (index - 5) >> 2;
  indexToSize[index] = index <= 4 ? 16 * index : 2 ** (group + 6) + (((index - 5) & 3) + 1) * 2 ** (group + 4);
}

/** Ceiling of (request / 8) -> SizeClass, for requests up to 4096 bytes (sz_size2index_tab). */
export const smallIndex: Uint8Array = new Uint8Array(4096 / 8 + 1);
for (let eighth = 0; eighth < smallIndex.length; eighth++) smallIndex[eighth] = computeIndex(eighth * 8);

/** The class that serves a request of `size` bytes (sz_size2index); 232 if it is above the largest class. */
export function sizeToIndex(size: number): number {
  if (size <= 4096) return smallIndex[(size + 7) >> 3];
  return computeIndex(size);
}

function computeIndex(size: number): number {
  if (size <= 8) return 0;
  if (size <= 64) return Math.ceil(size / 16);
  if (size > LARGE_MAXCLASS) return NSIZES;
  // Classes above 2^22 are multiples of 2^20, so rounding up to one keeps the class and brings it 20 doublings (80 classes) down.
  let doublings = 0;
  while (size > 0x40000000) {
    size = Math.ceil(size / 0x100000);
    doublings += 20;
  }
  const lg = 31 - Math.clz32(size - 1);
  return 4 * (lg + doublings - 6) + 5 + (((size - 1) >>> (lg - 2)) & 3);
}

/** Usable bytes of a request (sz_s2u); infinity above the largest class. */
export function usableSize(size: number): number {
  const index = sizeToIndex(size);
  return index >= NSIZES ? Infinity : indexToSize[index];
}

/**
 * Usable bytes of an aligned request (sz_sa2u, aligned_usize_get): a small class that is a multiple of the alignment,
 * else a large one; 0 if there is none.
 */
export function alignedUsableSize(size: number, alignment: number): number {
  if (size <= SMALL_MAXCLASS && alignment <= PAGE) {
    const usize = usableSize(Math.ceil(size / alignment) * alignment);
    if (usize < LARGE_MINCLASS) return usize;
  }
  if (alignment > LARGE_MAXCLASS) return 0;
  const usize = size <= LARGE_MINCLASS ? LARGE_MINCLASS : usableSize(size);
  if (usize === Infinity) return 0;
  // usize + pad + alignment - PAGE must not pass 2^64
  return usize + PAGE + (Math.ceil(alignment / PAGE) * PAGE - PAGE) < 2 ** 64 ? usize : 0;
}

/** Page size class -> pages: 1 2 3 4 5 6 7 8 10 12 14 16 20 … (sz_pind2sz_tab); index 199 is one page above the largest. */
export const pindToPages: Float64Array = new Float64Array(NPSIZES + 1);
for (let pind = 0; pind < NPSIZES; pind++) {
  pindToPages[pind] = pind < 4 ? pind + 1 : 2 ** ((pind >> 2) + 1) * (1 + ((pind & 3) + 1) / 4);
}
pindToPages[NPSIZES] = LARGE_MAXCLASS / PAGE + 1;

const smallPinds: Uint8Array = new Uint8Array(1025);
for (let pages = 1; pages <= 1024; pages++) smallPinds[pages] = computePind(pages);

/** Smallest page size class of at least `pages` pages (sz_psz2ind); 199 above the largest. It is also the row of an eset that holds extents of so many pages. */
export function pagesToPind(pages: number): number {
  return pages <= 1024 ? smallPinds[pages] : computePind(pages);
}

function computePind(pages: number): number {
  if (pages <= 4) return pages - 1;
  if (pages > LARGE_MAXCLASS / PAGE) return NPSIZES;
  let doublings = 0;
  while (pages > 0x40000000) {
    pages = Math.ceil(pages / 0x100000);
    doublings += 20;
  }
  const lg = 31 - Math.clz32(pages - 1);
  return 4 + 4 * (lg + doublings - 2) + (((pages - 1) >>> (lg - 2)) & 3);
}

/** First row whose extents are all large enough for `pages` pages (sz_psz2ind of sz_psz_quantize_ceil). */
export function firstFitPind(pages: number): number {
  const pind = pagesToPind(pages);
  if (pind === 0 || pindToPages[pind - 1] === pages - 1) return pind;
  return pind + 1;
}
