/**
 * Layout of the tree of addresses (numbers.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/**
 * A page is LEAF grains, and a grain so many bytes that hardly two blocks begin in one. Entries of a leaf: a cache line of them, so that
 * blocks which lie far apart cost no more.
 */
export const LEAF = 16;
/** log2 of the bytes of a grain at first: where blocks are small, more of them crowd in one, and grains are halved. */
export const COARSE = 8;
/**
 * An entry is its block's number times 2^NUMBER, plus CROWDED if more blocks may begin in the grain, plus which of 2^PLACES places in the grain its own
 * begins at. What begins between two places is among the crowded.
 */
export const PLACES = 5;
export const IN_GRAIN = 31;
export const CROWDED = 32;
export const NUMBER = 6;
export const MOST_NUMBERS = 2 ** (32 - NUMBER);
/** 2^32 divided by the golden ratio: the upper bits of its multiples lie far apart, those of pages that follow each other the farthest. */
export const GOLDEN = 0x9e3779b1;
/** No page. */
export const EMPTY = -1;
