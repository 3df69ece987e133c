/**
 * What columns of records hold beside what those of events do: `op`, and `ptr`.
 * Invariant: this file imports nothing, so that the bundle has the numbers themselves where they are used.
 */

/** Added to an Op: this record is the entry of the call; `ptr` holds the probe's number, `old`, `size`, `extra` the arguments. */
export const ENTRY = 16;
/** Added to an Op: this record is the return of the call; `ptr` holds the result, `old` the probe's number. */
export const RETURN = 32;
/** Kinds that records turn into while they are held. */
export const CONSUMED = 64;
export const NESTED = 65;
export const MISLABELLED = 66;
/** No call: the process runs another program from here on. */
export const EXEC = 67;

/** The `ptr` of a call that gave a block whose address the recorder could not see. */
export const UNSEEN_ADDRESS = -1;
