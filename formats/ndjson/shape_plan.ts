/**
 * Layout of a line's shape in `plan` (line_shape.ts).
 * Constants alone: a file that imports nothing has its constants folded into the hot loop when the program is bundled.
 */

/** Header: the op, then for each column of a batch the slot of `values` that goes there. */
export const OP = 0;
export const TIME = 1;
export const TID = 2;
export const PTR = 3;
export const OLD = 4;
export const SIZE = 5;
export const EXTRA = 6;
/** ZERO: the line has none. */
export const STACK = 7;
export const CPU = 8;
/** Its first word in `words`. */
export const FIRST_WORD = 9;
/** The shape to try next; the last one names the first. */
export const NEXT = 10;
/** Where the steps begin: a piece of text each, and the number after it. */
export const STEPS = 12;

/** Fields of a step: whole words of text, mask of the word that holds the bytes after those, their count, and what follows. */
export const WHOLE = 0;
export const MASK = 1;
export const REST = 2;
export const KIND = 3;
export const STEP = 4;

/** What follows a text. */
export const DECIMAL = 0;
export const CLOCK = 1;
export const HEX_DIGITS = 2;
export const LINE_END = 3;

/** Slots of `values`: 0 always, the event's own number, then the line's numbers in order of place. */
export const ZERO = 0;
export const NUMBER = 1;
export const FIRST_VALUE = 2;

/** Numbers of a line, at most: its keys but for `op`. */
export const MOST_VALUES = 9;
/** A shape's part of `plan`. */
export const SHAPE = 64;

/** Where lines of different operations differ, behind `{"op":"`: four bytes there, times HINT_FACTOR, shifted right, tell which shape to try first. */
export const HINT_AT = 7;
export const HINT_FACTOR = 0x9e3779b1;
export const HINT_SHIFT = 26;
/** Values that a hint may have. */
export const HINTS = 64;

/** Text of a line without its numbers, bytes, at most; one that has more is no usual event. */
export const MOST_TEXT = 256;
/** Digits that a sum keeps exact. */
export const MOST_DIGITS = 15;
/** Digits of the latest time, 2^63 - 1 ns. */
export const MOST_TIME_DIGITS = 19;
/** Hex digits of an address without tag bits. */
export const MOST_HEX = 13;
