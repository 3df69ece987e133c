/**
 * Layout of the account of an allocation info (book_calls.ts): 32 bytes, so that a call touches one line of the cache.
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/** Doubles and words of a row; the first double is the bytes requested. */
export const SIZES = 4;
export const WORDS = 8;
/** Words of a row: twice the blocks that live under the info, plus 1 if its function reallocates. */
export const LIVE = 2;
/** Blocks ever allocated; below 0 if the calls are booked in the ledger, under the stack ~OBJECTS - 1. */
export const OBJECTS = 3;
/** LIVE at its most. */
export const PEAK = 4;
/** When the first and last block was allocated, and the peak first reached: rows of the table of times. */
export const FIRST = 5;
export const LAST = 6;
export const PEAK_AT = 7;
