/**
 * Layout of a class in a thread cache's `bins` (jemalloc 5.3.0, include/jemalloc/internal/cache_bin.h, cache_bin_t).
 * Constants alone: the hot loops read them everywhere, and a file that imports nothing has its constants folded into them when the program is bundled.
 */

/** Fields of a class in `bins`, CACHE_BIN of them for each: class * CACHE_BIN + field. */
export const CACHED = 0;
export const LOW_WATER = 1;
/** Requests served and not yet reported to an arena; a fill or a flush comes long before 2^31. */
export const REQUESTS = 2;
/** Where the class's stack begins. */
export const STACK_BASE = 3;
/** Objects that the class may hold. */
export const SLOTS = 4;
export const CACHE_BIN = 8;
