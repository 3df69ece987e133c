/**
 * Layout of what the lane of stacks works on (stack_lane.ts): the words of its state, and of a row of its table of texts.
 * Constants alone, as in shape_plan.ts.
 */

/** What every line begins with: where it is, and its bytes. */
export const HEAD = 0;
export const HEAD_LENGTH = 1;
/** What stands between the id and the frames. */
export const MIDDLE = 2;
export const MIDDLE_LENGTH = 3;
/** Where the rows of texts are, and how many there are. */
export const ROWS = 4;
export const ROW_COUNT = 5;
/** Open addressing: hash -> row + 1, 0 for free; how many slots, a power of two, less one. */
export const SLOTS = 6;
export const SLOT_MASK = 7;
/** Where the next text goes, a multiple of eight bytes. */
export const TEXTS_END = 8;
/** What was found: the stack's id, where its frames are, leaf first, and how many. */
export const ID = 9;
export const FRAMES = 10;
export const COUNT = 11;
export const STATE = 12;

/** A row: where its text is, followed by zeros to a multiple of eight bytes; its bytes and hash; and of which frame it is the text, UNKNOWN if that was not asked. */
export const TEXT = 0;
export const LENGTH = 1;
export const HASH = 2;
export const FRAME = 3;
export const ROW = 4;
export const UNKNOWN = -1;

/** What is given in place of where the next line starts: the line is another, or has frames whose texts were not seen before. */
export const OTHER = 0;
export const NEW_FRAMES = 1;

/** Frames that the lane takes of a line, and bytes of their texts. */
export const MOST_FRAMES = 4096;
export const MOST_TEXT = 65536;

/** Slots that a text lies behind its own, at most: more than chance brings about in a table that is half full. */
export const FARTHEST = 128;
/** Digits of an id. */
export const MOST_DIGITS = 9;
