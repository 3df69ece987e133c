/**
 * Layout of a table of texts (line_texts.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/** Bytes of a text, at most. */
export const LONGEST_TEXT = 64;
/** A text's part of the column of doubles. */
export const TEXT_DOUBLES = LONGEST_TEXT / 8;
