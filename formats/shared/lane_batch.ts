/** Batches whose columns lanes reach: they lie in the lanes' memory. */
import { BATCH_EVENTS, EVENT_BYTES, EventBatch } from '../../core/trace/events.ts';
import { NO_STACK } from '../../core/units.ts';
import type { LaneMemory } from './lane_memory.ts';

/** A batch without rows; without a memory for lanes, in its own. */
export function emptyBatch(capacity = BATCH_EVENTS, memory?: LaneMemory): EventBatch {
  const start = memory?.take(capacity * EVENT_BYTES) ?? 0;
  const batch = new EventBatch(capacity, memory?.buffer, start);
  batch.stack.fill(NO_STACK);
  return batch;
}

/** The batch's column of CPUs, which it gets if it has none: -1 in each row. */
export function cpusOf(batch: EventBatch, memory: LaneMemory | undefined): Int16Array {
  const { capacity } = batch;
  return (batch.cpu ??= (memory?.int16(capacity) ?? new Int16Array(capacity)).fill(-1));
}
