/**
 * What a trace says besides its events, as the JSON that goes with a block: only what is new since the block before.
 * Invariant: rows are appended in order, so that row numbers of the file are those of the tables it was written from.
 * What stacks and frames repeat is said once: a text in a frame that an earlier frame has said stands as its number, counted from 0 in
 * order of appearance; the outermost frames that a stack has in common with the stack before stand as minus their count, at its end.
 * Header and threads are written as they were before the first event that they have to do with; what changes after that stands at the end,
 * so that whoever reads learns it when it was learnt.
 */

/** Header fields that pass 2^53, in hex. */
export const WIDE_FIELDS = ['startTime', 'mmapTop', 'programBreak', 'prngSeed'] as const;
/** … and those that stand as they are. */
export const PLAIN_FIELDS = ['source', 'command', 'pid', 'ncpus', 'pageSize', 'startTimeGiven', 'timed', 'maps', 'mapsFields'] as const;

/** A thread's id, name, PRNG state and other fields, cut after the last one that is there; of one with events its row before them. */
export type ThreadJson = unknown[];
/** pc, fn, file, line, module, offset, inlined, other fields; cut after the last one that is there. */
export type FrameJson = unknown[];

/** Outermost frames that a stack may take from the one before, at most: so that a few bytes never become many frames. */
export const MOST_SHARED = 127;

/** The JSON of a block; what has nothing new is absent. */
export interface TablesJson {
  header?: Record<string, unknown>;
  threads?: ThreadJson[];
  frames?: FrameJson[];
  stacks?: number[][];
  /** What stacks have besides their frames, by their rows (Trace.stackFields). */
  stackFields?: [number, string][];
  /** What events have besides their columns, by their places in the block (Trace.eventFields). */
  fields?: [number, string][];
  /** Stands at the end of a whole trace, and holds from there on. */
  end?: {
    header?: Record<string, unknown>;
    threads?: ThreadJson[];
    /** Threads without events (Trace.idleThreads), without rows. */
    idle?: ThreadJson[];
    skipped?: [string, number][];
    warnings?: string[];
    partial?: true;
  };
}
