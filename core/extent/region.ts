/**
 * Regions: what stands for a pointer. A region is its extent's row times REGIONS, plus its number in the slab; a large object is region 0 of
 * its extent. Row 0 is no extent, so that smaller numbers than REGIONS are free to mean other things.
 * Constants alone: a file that imports nothing has its constants folded into the hot loops when the program is bundled.
 */

/** Regions of a slab, at most (BITMAP_MAXBITS, bitmap.h): those of the least class in a page. */
export const REGIONS = 512;
/** log2(REGIONS). */
export const REGION_BITS = 9;
/** Words of 32 bits in the bitmap of a slab. */
export const SLAB_WORDS = 16;
/** Rows of extents that region numbers of 32 bits can tell apart. */
export const MOST_EXTENTS = 0x800000;
