/**
 * Bounds of the lines that the fast lane takes (whole_lines.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/** Digits of a time: the last eight are summed apart, and those before them are exact. */
export const LEAST_TIME_DIGITS = 9;
export const MOST_TIME_DIGITS = 15;
/** Digits of process and thread, each. */
export const MOST_ID_DIGITS = 9;
/** Digits of an address. */
export const MOST_HEX = 12;
/** Threads' mallocs and frees that are told apart at once; a number of one byte. */
export const MOST_HEADS = 256;
/** Where bytes of a head stand that tell threads and calls apart, whatever the ids' lengths, and what hashes them. */
export const FIRST_HINT = 6;
export const SECOND_HINT = 10;
export const THIRD_HINT = 14;
export const HINT_FACTOR = 0x9e3779b1;
export const HINT_SHIFT = 23;
export const HEAD_HINTS = 512;
/** Bytes of the first stretch. */
export const FIRST_BYTES = 1024;
/** `) = ` and `= 0x`, little-endian. */
export const RETURNS = 0x203d2029;
export const ADDRESS = 0x7830203d;
/** Within so many bytes a line that fits ends, and one that does not is known not to. */
export const LONGEST_FIT = 128;
