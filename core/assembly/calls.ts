/**
 * What of the model is TypeScript and called from here: ModelCalls of ../model_memory.ts.
 * Invariant: no column is kept in a local over such a call, because any of them can make tables grow, and then columns are elsewhere. Structs (Tsd, Tcache,
 * Arena, Lane) and the stack of a cache stay where they are; all of them may call back into code compiled here before they return.
 */

/** A thread's call is in progress. */
export declare function enter(thread: i32): void;

/** A slab of a class for an arena, asked for by a thread; 0 if out of memory. */
export declare function slabAlloc(thread: i32, arena: u32, szind: u32): u32;

/** Frees a slab that has left its bin. */
export declare function slabDalloc(arena: u32, slab: u32): void;

/** A thread's decay ticks have run out on an arena. */
export declare function decay(thread: i32, arena: u32): void;

/** Flushes a large class of a thread's cache until `remaining` are left. */
export declare function flushLarge(thread: i32, szind: u32, remaining: u32): void;

/** Bytes until a thread's next sample. */
export declare function sampleWait(thread: i32): f64;

/** A thread's sample, or statistics, are due: so many bytes after the last time. */
export declare function sampleEvent(thread: i32, elapsed: f64): void;
export declare function statsEvent(thread: i32, elapsed: f64): void;

/** Puts a slab in the list of an arena's full ones. */
export declare function fullInsert(arena: u32, bin: u32, slab: u32): void;

/** Takes it out. */
export declare function fullRemove(arena: u32, bin: u32, slab: u32): void;

/** The model's figures are those of the latest peak of requested bytes, and are about to change. */
export declare function notePeak(): void;
