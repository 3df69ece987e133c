/**
 * Layout of a node of a tree of calls (call_tree.ts).
 * Constants alone: a file that imports nothing has its constants folded into hot loops when the program is bundled.
 */

/** Words of a row. */
export const FRAME = 0;
/** Node of the caller. */
export const CALLER = 1;
/** Nodes between this one and the empty backtrace, and itself. */
export const DEPTH = 2;
/** The tree's owner's: 0 at first. */
export const NOTE = 3;
/** The latest node that this one has called, and the one before it that has the same caller; 0 for none. */
export const CALLED = 4;
export const BESIDE = 5;
export const NODE_WORDS = 6;
