/**
 * Places of the memory that the model's TypeScript and its AssemblyScript share (model_memory.ts, tables.ts): bytes from its start.
 * Constants alone: AssemblyScript compiles this file, too.
 */

/** Where the columns of all extents, of all mutexes, and what else belongs to no arena and no thread begin: a word for each, in the order of tables.ts. */
export const EXTENTS = 64;
export const MUTEXES = 128;
export const MODEL = 192;
/** First place that columns may have. */
export const FIRST_COLUMN = 320;

/** Bytes of what tables.ts calls Arena, Tsd and Tcache, and of lane.ts's Lane; and of an EventWindow. */
export const ARENA_BYTES = 128;
export const TSD_BYTES = 216;
export const TCACHE_BYTES = 64;
export const LANE_BYTES = 128;
export const WINDOW_BYTES = 40;
/** Bytes of an Eset before its rows, and of a row. */
export const ESET_HEADER_BYTES = 48;
export const ESET_ROW_BYTES = 40;
/** Bytes of a PairingHeap, and of HeapNodes. */
export const HEAP_BYTES = 8;
export const HEAP_NODES_BYTES = 20;
