/**
 * The window through which addresses reach their numbers (numbers.ts, ../assembly/numbers.ts): places in the memory, bytes from its start.
 * Constants alone: AssemblyScript compiles this file, too.
 */

/** Rows that it holds. */
export const ROWS = 4096;
/** Its columns, those of EventBatch by name; and one for the numbers of blocks and one for those of blocks that reallocs took. */
export const PTR = 64;
export const OLD = PTR + ROWS * 8;
export const SIZE = OLD + ROWS * 8;
export const EXTRA = SIZE + ROWS * 8;
export const OBJECT = EXTRA + ROWS * 8;
export const OLD_OBJECT = OBJECT + ROWS * 4;
export const OP = OLD_OBJECT + ROWS * 4;
/** First place that other columns may have. */
export const WINDOW_END = OP + ROWS;
