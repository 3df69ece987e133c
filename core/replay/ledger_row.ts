/**
 * Layout of a context's account (ledger.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loops when the program is bundled.
 */

/** Fields of a row. */
export const ALLOC_OBJECTS = 0;
export const ALLOC_BYTES = 1;
export const LIVE_OBJECTS = 2;
export const LIVE_BYTES = 3;
export const FIRST_TIME = 4;
export const LAST_TIME = 5;
export const PEAK_BYTES = 6;
export const PEAK_TIME = 7;
export const FIELDS = 8;
