/**
 * Layout of a row of the live objects (live.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loops when the program is bundled.
 */

/** Regions of rows that have none: nothing lives here, or it lives in the trace and the model had no memory for it. Real ones are REGIONS and more. */
export const FREE = 0;
export const NO_MEMORY = 1;

/** Fields of a row in `words`: row * WORDS + field. */
export const WORDS = 2;
export const REGION = 0;
/** Requested bytes; MANY where they do not fit, and are kept apart. */
export const REQUESTED = 1;
export const MANY = 0xffffffff;
