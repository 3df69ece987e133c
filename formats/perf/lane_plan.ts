/**
 * Layout of an event's shape in `plan` (event_shapes.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/** Header: the record's kind, the number of its probe's place, then for each column the slot of `values` that goes there. */
export const RECORD_KIND = 0;
export const PLACE_NUMBER = 1;
export const PTR = 2;
export const OLD = 3;
export const SIZE = 4;
export const EXTRA = 5;
/** Slot of the return address, ZERO if the line has none. */
export const CALLER = 6;
/** The text before the first number, which is long: its bytes, and where its doubles begin in `texts` and where the last of them is. */
export const TEXT_LENGTH = 7;
export const FIRST_DOUBLE = 8;
export const LAST_DOUBLE = 9;
/** What follows that text. */
export const FIRST_FOLLOWING = 10;
/** The first word in `words` of the texts behind it. */
export const FIRST_WORD = 11;
/** Where the steps begin: a piece of text each, and what follows it. */
export const STEPS = 12;

/** Fields of a step: whole words of text, mask of the word that holds the bytes after those, their count, and what follows. */
export const WHOLE = 0;
export const MASK = 1;
export const REST = 2;
export const FOLLOWING = 3;
export const STEP = 4;

/** What follows a text. */
export const DECIMAL = 0;
export const HEX_DIGITS = 1;
export const LINE_END = 2;

/** Slots of `values`: 0 always, the number of the probe's place, then the line's numbers. */
export const ZERO = 0;
export const PLACE = 1;
export const FIRST_VALUE = 2;

/** Numbers of a line at most: the return address and four arguments. */
export const MOST_VALUES = 5;
/** A shape's part of `plan`. */
export const SHAPE = STEPS + MOST_VALUES * STEP;
/** Shapes kept. */
export const MOST_SHAPES = 32;
/** Text of an event without its numbers, bytes, at most; the part before its first number has eight at least. */
export const MOST_TEXT = 160;
/** Digits of a decimal number and of an address, at most. */
export const MOST_DECIMAL = 9;
export const MOST_HEX = 12;

/** Threads whose parts are kept. */
export const MOST_HEADS = 64;
/** Within so many bytes of a line its time has begun. */
export const LATEST_TIME = 128;
/** Within so many bytes a line that fits ends, and one that does not is known not to. */
export const LONGEST_FIT = 480;

/** Places for return addresses; a power of two, and what a hash is shifted by to be one. */
export const CALLER_SLOTS = 1024;
export const CALLER_SHIFT = 22;
export const HASH_FACTOR = 0x9e3779b1;
