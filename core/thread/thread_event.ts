/**
 * What happens to a thread after so many bytes, as TypeScript reaches it: that is compiled (assembly/thread_event.ts).
 * Invariant: an event fires in the first operation after which its clock has reached the threshold, and is armed again from there.
 * Differs: see there; here the compiled functions get their names.
 */
import type { Heap } from '../heap.ts';
import type { Tsd } from './tsd.ts';

/** peak_event_update */
export function peakEventUpdate(heap: Heap, tsd: Tsd): void {
  heap.memory.code.peakEventUpdate(tsd.place);
}

/** peak_event_zero: the peak is counted from here. */
export function peakEventZero(heap: Heap, tsd: Tsd): void {
  heap.memory.code.peakEventZero(tsd.place);
}

/** tsd_te_init: arms every event afresh, from the clocks as they stand. */
export function threadEventInit(heap: Heap, tsd: Tsd): void {
  heap.memory.code.threadEventInit(tsd.place);
}

/** thread_alloc_event: counts an allocation of `usize` bytes, after it was made, and fires what is due. */
export function threadAllocEvent(heap: Heap, tsd: Tsd, usize: number): void {
  heap.memory.code.threadAllocEvent(tsd.place, usize);
}

/** thread_dalloc_event */
export function threadDallocEvent(heap: Heap, tsd: Tsd, usize: number): void {
  heap.memory.code.threadDallocEvent(tsd.place, usize);
}
