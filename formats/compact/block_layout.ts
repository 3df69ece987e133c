/**
 * What both languages of the lanes know of a block: special values of its columns, and the layout of what is handed over between them (block_lane.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loops when the program is bundled.
 */

/** Calls that the table of calls holds, at most. */
export const MOST_CALLS = 65536;
/** In `time` and `object`: the value is the next one of `timeWide` (as a variable-length number) or `objectWide`. */
export const WIDE = 0xffff;

/** Bytes of a row of the table of calls, and where in it the fields are: two doubles and three words. */
export const CALL_BYTES = 32;
export const CALL_SIZE = 0;
export const CALL_EXTRA = 8;
export const CALL_THREAD = 16;
export const CALL_STACK = 20;
export const CALL_OP = 24;

/** Bytes of a variable-length number, at most: 64 bits in sevens. */
export const LONGEST = 10;

/** The state of a block's events, doubles; those up to CALLS stay from block to block. First: time of the event taken last, ns; the new address that came last. */
export const NOW = 0;
export const LAST_ADDRESS = 1;
/** Numbers of addresses ever given; 0 is NULL. Where the table number -> address is, doubles. */
export const NUMBERS = 2;
export const ADDRESSES = 3;
/** Numbers that are free again, words: where the next one is, and where they end. */
export const VACANT = 4;
export const VACANT_END = 5;
/** The table of calls: where it is, and how many it has. */
export const CALL_TABLE = 6;
export const CALLS = 7;
/** Of the block: what times count in, ns. */
export const UNIT = 8;
/** Where its columns are: `call`; `time`, 0 if it has none; `object`. */
export const CALL = 9;
export const TIME = 10;
export const OBJECT = 11;
/** Where the next elements of the other columns are, and where they end. */
export const TIME_WIDE = 12;
export const TIME_WIDE_END = 13;
export const OBJECT_WIDE = 14;
export const OBJECT_WIDE_END = 15;
export const OLD = 16;
export const OLD_END = 17;
export const NEW_ADDRESSES = 18;
export const NEW_ADDRESSES_END = 19;
/** Doubles of the state. */
export const STATE = 20;

/** What a run of the lane says: that it took all rows, or what a row names that cannot be. */
export const SOUND = 0;
export const NO_CALL = 1;
export const NO_ADDRESS = 2;
export const BAD_ADDRESS = 3;
