/**
 * What happens to a thread after so many bytes (jemalloc 5.3.0, src/thread_event.c, include/jemalloc/internal/thread_event.h,
 * src/peak_event.c).
 * Invariant: an event fires in the first operation after which its clock has reached the threshold, and is armed again from there.
 * Differs: thresholds are absolute; the 4 MiB cap on waits is absent, because nothing of it can be seen.
 */
import type { Heap } from '../heap.ts';
import { prngLgRange } from '../u64.ts';
import { tcacheGc } from './tcache.ts';
import type { Tsd } from './tsd.ts';
import { TsdState } from './tsd.ts';

/** Bytes between two looks at a thread's peak (PEAK_EVENT_WAIT). */
const PEAK_EVENT_WAIT = 65536;

/** Bytes until the thread's next sample (prof_sample_new_event_wait): a geometric draw of 53 bits, or 1 without a draw if all is sampled. */
function sampleWait(heap: Heap, tsd: Tsd): number {
  const { prof } = heap;
  if (prof === null || !prof.drawsWait) return 1;
  return prof.sampleWait(prngLgRange(tsd.prng, 0, 53));
}

function armAllocEvent(tsd: Tsd): void {
  tsd.allocEvent = Math.min(tsd.gcEvent, tsd.sampleEvent, tsd.statsEvent, tsd.peakEvent);
}

function armDeallocEvent(tsd: Tsd): void {
  tsd.deallocEvent = Math.min(tsd.gcDeallocEvent, tsd.peakDeallocEvent);
}

/** peak_event_update */
export function peakEventUpdate(tsd: Tsd): void {
  tsd.peakMax = Math.max(tsd.peakMax, tsd.allocated - tsd.deallocated - tsd.peakZero);
}

/** peak_event_zero: the peak is counted from here. */
export function peakEventZero(tsd: Tsd): void {
  tsd.peakMax = 0;
  tsd.peakZero = tsd.allocated - tsd.deallocated;
}

/** tsd_te_init: arms every event afresh, from the clocks as they stand. */
export function threadEventInit(heap: Heap, tsd: Tsd): void {
  const { conf } = heap;
  tsd.lastEvent = tsd.allocated;
  tsd.gcEvent = tsd.allocated + conf.tcacheGcIncrBytes;
  // The main thread comes here before the sampling rate is set: its first wait is 1.
  if (conf.options.prof) tsd.sampleEvent = tsd.allocated + sampleWait(heap, tsd);
  if (conf.statsInterval > 0) tsd.statsEvent = tsd.allocated + conf.statsIntervalBatch;
  tsd.peakEvent = tsd.allocated + PEAK_EVENT_WAIT;
  armAllocEvent(tsd);
  tsd.gcDeallocEvent = tsd.deallocated + conf.tcacheGcIncrBytes;
  tsd.peakDeallocEvent = tsd.deallocated + PEAK_EVENT_WAIT;
  armDeallocEvent(tsd);
}

/** thread_alloc_event: counts an allocation of `usize` bytes, after it was made, and fires what is due. */
export function threadAllocEvent(heap: Heap, tsd: Tsd, usize: number): void {
  tsd.allocated += usize;
  if (tsd.allocated >= tsd.allocEvent) triggerAlloc(heap, tsd);
}

/** thread_dalloc_event */
export function threadDallocEvent(heap: Heap, tsd: Tsd, usize: number): void {
  tsd.deallocated += usize;
  if (tsd.deallocated >= tsd.deallocEvent) triggerDealloc(heap, tsd);
}

/** te_event_trigger on the allocation clock: all new waits first, then the handlers. */
function triggerAlloc(heap: Heap, tsd: Tsd): void {
  const { conf } = heap;
  const clock = tsd.allocated;
  const allowed = tsd.state === TsdState.nominal && tsd.reentrancy === 0;
  tsd.lastEvent = clock;
  const collect = clock >= tsd.gcEvent;
  if (collect) tsd.gcEvent = clock + (allowed ? conf.tcacheGcIncrBytes : 1);
  const sample = clock >= tsd.sampleEvent;
  if (sample) tsd.sampleEvent = clock + sampleWait(heap, tsd);
  const stats = clock >= tsd.statsEvent;
  if (stats) tsd.statsEvent = clock + (allowed ? conf.statsIntervalBatch : 1);
  const peak = clock >= tsd.peakEvent;
  if (peak) tsd.peakEvent = clock + (allowed ? PEAK_EVENT_WAIT : 1);
  armAllocEvent(tsd);
  if (!allowed) return;
  if (collect) tcacheGc(heap, tsd);
  if (sample) {
    const elapsed = tsd.lastEvent - tsd.lastSampleEvent;
    tsd.lastSampleEvent = tsd.lastEvent;
    heap.prof?.sampleEvent(tsd.index, elapsed);
  }
  if (stats) {
    const elapsed = tsd.lastEvent - tsd.lastStatsEvent;
    tsd.lastStatsEvent = tsd.lastEvent;
    heap.statsIntervalEvent(tsd, elapsed);
  }
  if (peak) peakEventUpdate(tsd);
}

function triggerDealloc(heap: Heap, tsd: Tsd): void {
  const clock = tsd.deallocated;
  const allowed = tsd.state === TsdState.nominal && tsd.reentrancy === 0;
  const collect = clock >= tsd.gcDeallocEvent;
  if (collect) tsd.gcDeallocEvent = clock + (allowed ? heap.conf.tcacheGcIncrBytes : 1);
  const peak = clock >= tsd.peakDeallocEvent;
  if (peak) tsd.peakDeallocEvent = clock + (allowed ? PEAK_EVENT_WAIT : 1);
  armDeallocEvent(tsd);
  if (!allowed) return;
  if (collect) tcacheGc(heap, tsd);
  if (peak) peakEventUpdate(tsd);
}
