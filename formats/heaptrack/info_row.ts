/**
 * Layout of an allocation info's row (append_calls.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/** Doubles and words of a row; the first double is the bytes requested. */
export const SIZES = 2;
export const WORDS = 4;
/**
 * Words of a row: StackIndex; and twice the latest block that lives under the info, from 1, 0 for none, plus 1 if the info's function reallocates.
 */
export const STACK = 2;
export const LIVE = 3;
