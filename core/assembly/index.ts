/** The part of the model that is compiled to WebAssembly. What TypeScript calls of it is in ModelCode of ../model_memory.ts. */
export { dallocSmall, mallocSmall } from './bin';
export { esetFit, esetInsert, esetRemove } from './eset';
export { hash128 } from './hash';
export { heapFirst, heapInsert, heapRemove, heapRemoveFirst } from './ph';
export { runCached, runLane } from './lane';
export { tcacheFill, tcacheFlush } from './tcache';
export { peakEventUpdate, peakEventZero, threadAllocEvent, threadDallocEvent, threadEventInit } from './thread_event';
