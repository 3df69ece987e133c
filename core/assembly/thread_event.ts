/**
 * What happens to a thread after so many bytes (jemalloc 5.3.0, src/thread_event.c, include/jemalloc/internal/thread_event.h,
 * src/peak_event.c).
 * Invariant: an event fires in the first operation after which its clock has reached the threshold, and is armed again from there.
 * Differs: thresholds are absolute, and clocks doubles that are wound back before they lose whole numbers; the 4 MiB cap on waits is absent, because nothing
 * of it can be seen.
 */
import * as calls from './calls';
import { model, NOMINAL, Tsd } from './tables';
import { tcacheGc } from './tcache';

/** Bytes between two looks at a thread's peak (PEAK_EVENT_WAIT). */
const PEAK_EVENT_WAIT: f64 = 65536;

/** Where clocks are wound back, 2^52 bytes: far below 2^53, for an operation adds less than the address space has. */
const TURN: f64 = 4503599627370496;

/** Takes a turn off the clock of allocations and whatever is compared with it. */
function windBackAlloc(tsd: Tsd): void {
  tsd.allocated -= TURN;
  tsd.gcEvent -= TURN;
  tsd.sampleEvent -= TURN;
  tsd.statsEvent -= TURN;
  tsd.peakEvent -= TURN;
  tsd.lastSampleEvent -= TURN;
  tsd.lastStatsEvent -= TURN;
  tsd.allocatedBefore += TURN;
}

/** The same for the other clock. */
function windBackDealloc(tsd: Tsd): void {
  tsd.deallocated -= TURN;
  tsd.gcDeallocEvent -= TURN;
  tsd.peakDeallocEvent -= TURN;
  tsd.deallocatedBefore += TURN;
}

/** Bytes that the thread has allocated beyond those it freed. */
function beyondFreed(tsd: Tsd): f64 {
  return tsd.allocated - tsd.deallocated + (tsd.allocatedBefore - tsd.deallocatedBefore);
}

function armAllocEvent(tsd: Tsd): void {
  tsd.allocEvent = min(min(tsd.gcEvent, tsd.sampleEvent), min(tsd.statsEvent, tsd.peakEvent));
}

function armDeallocEvent(tsd: Tsd): void {
  tsd.deallocEvent = min(tsd.gcDeallocEvent, tsd.peakDeallocEvent);
}

/** peak_event_update */
export function peakEventUpdate(tsd: Tsd): void {
  tsd.peakMax = max(tsd.peakMax, beyondFreed(tsd) - tsd.peakZero);
}

/** peak_event_zero: the peak is counted from here. */
export function peakEventZero(tsd: Tsd): void {
  tsd.peakMax = 0;
  tsd.peakZero = beyondFreed(tsd);
}

/** tsd_te_init: arms every event afresh, from the clocks as they stand. */
export function threadEventInit(tsd: Tsd): void {
  tsd.lastEvent = tsd.allocated;
  tsd.gcEvent = tsd.allocated + model.gcIncrement;
  // The main thread comes here before the sampling rate is set: its first wait is 1.
  if (model.samples !== 0) tsd.sampleEvent = tsd.allocated + calls.sampleWait(tsd.index);
  tsd.statsEvent = tsd.allocated + model.statsBatch;
  tsd.peakEvent = tsd.allocated + PEAK_EVENT_WAIT;
  armAllocEvent(tsd);
  tsd.gcDeallocEvent = tsd.deallocated + model.gcIncrement;
  tsd.peakDeallocEvent = tsd.deallocated + PEAK_EVENT_WAIT;
  armDeallocEvent(tsd);
}

/** thread_alloc_event: counts an allocation of `usize` bytes, after it was made, and fires what is due. */
export function threadAllocEvent(tsd: Tsd, usize: f64): void {
  tsd.allocated += usize;
  if (tsd.allocated >= tsd.allocEvent) triggerAlloc(tsd);
}

/** thread_dalloc_event */
export function threadDallocEvent(tsd: Tsd, usize: f64): void {
  tsd.deallocated += usize;
  if (tsd.deallocated >= tsd.deallocEvent) triggerDealloc(tsd);
}

/** Whether events do something now, or wait for the next call. */
function isAllowed(tsd: Tsd): bool {
  return tsd.state === NOMINAL && tsd.reentrancy === 0;
}

/** te_event_trigger on the allocation clock: all new waits first, then the handlers. */
export function triggerAlloc(tsd: Tsd): void {
  if (tsd.allocated >= TURN) windBackAlloc(tsd);
  const clock = tsd.allocated;
  const allowed = isAllowed(tsd);
  tsd.lastEvent = clock;
  const collect = clock >= tsd.gcEvent;
  if (collect) tsd.gcEvent = clock + (allowed ? model.gcIncrement : 1);
  const sample = clock >= tsd.sampleEvent;
  if (sample) tsd.sampleEvent = clock + calls.sampleWait(tsd.index);
  const stats = clock >= tsd.statsEvent;
  if (stats) tsd.statsEvent = clock + (allowed ? model.statsBatch : 1);
  const peak = clock >= tsd.peakEvent;
  if (peak) tsd.peakEvent = clock + (allowed ? PEAK_EVENT_WAIT : 1);
  armAllocEvent(tsd);
  if (!allowed) return;
  if (collect) tcacheGc(tsd);
  if (sample) {
    const elapsed = tsd.lastEvent - tsd.lastSampleEvent;
    tsd.lastSampleEvent = tsd.lastEvent;
    calls.sampleEvent(tsd.index, elapsed);
  }
  if (stats) {
    const elapsed = tsd.lastEvent - tsd.lastStatsEvent;
    tsd.lastStatsEvent = tsd.lastEvent;
    calls.statsEvent(tsd.index, elapsed);
  }
  if (peak) peakEventUpdate(tsd);
}

/** te_event_trigger on the other clock. */
export function triggerDealloc(tsd: Tsd): void {
  if (tsd.deallocated >= TURN) windBackDealloc(tsd);
  const clock = tsd.deallocated;
  const allowed = isAllowed(tsd);
  const collect = clock >= tsd.gcDeallocEvent;
  if (collect) tsd.gcDeallocEvent = clock + (allowed ? model.gcIncrement : 1);
  const peak = clock >= tsd.peakDeallocEvent;
  if (peak) tsd.peakDeallocEvent = clock + (allowed ? PEAK_EVENT_WAIT : 1);
  armDeallocEvent(tsd);
  if (!allowed) return;
  if (collect) tcacheGc(tsd);
  if (peak) peakEventUpdate(tsd);
}
