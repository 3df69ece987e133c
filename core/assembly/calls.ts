/** What of the model is TypeScript and called from here (ModelCalls of model_memory.ts). All of it can give columns other places. */

/** A slab of a class for an arena, asked for by a thread; 0 if out of memory. */
@external('model', 'slabAlloc')
export declare function callSlabAlloc(thread: i32, arena: u32, szind: u32): u32;

/** Frees a slab that has left its bin. */
@external('model', 'slabDalloc')
export declare function callSlabDalloc(arena: u32, slab: u32): void;

/** A thread's decay ticks have run out on an arena. */
@external('model', 'decay')
export declare function callDecay(thread: i32, arena: u32): void;

/** Puts a slab in the list of an arena's full ones. */
@external('model', 'fullInsert')
export declare function callFullInsert(arena: u32, bin: u32, slab: u32): void;

/** Takes it out. */
@external('model', 'fullRemove')
export declare function callFullRemove(arena: u32, bin: u32, slab: u32): void;
