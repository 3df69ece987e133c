/**
 * Layout of a row of the live objects (live.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loops when the program is bundled.
 */

/** Regions of rows that have none: nothing lives here, or it lives in the trace and the model had no memory for it. Real ones are REGIONS and more. */
export const FREE = 0;
export const NO_MEMORY = 1;

/** Fields of a row in `words`: row * WORDS + field. The first two are the double of `sizes`. */
export const WORDS = 4;
export const REGION = 2;
/** StackIndex of the allocation, as 32 bits. */
export const STACK = 3;
/** Doubles of a row in `sizes`; the first is the object's requested bytes. */
export const SIZES = 2;
