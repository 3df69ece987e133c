/**
 * Appends events to a batch and hands it over when it is full.
 * Invariant: times handed over never decrease; an event that claims an earlier time than the one before gets that one's time.
 */
import { formatCount } from '../../core/trace/counted.ts';
import type { EventBatch, Op } from '../../core/trace/events.ts';
import type { BatchSink } from '../format.ts';
import { cpusOf, emptyBatch } from './lane_batch.ts';
import type { LaneMemory } from './lane_memory.ts';
import type { Bytes, Nanoseconds, StackIndex, ThreadIndex } from '../../core/units.ts';

/** Builder of batches for a sink. */
export class BatchBuilder {
  readonly batch: EventBatch;
  readonly #sink: BatchSink;
  readonly #memory: LaneMemory | undefined;
  /** Events handed over with earlier batches. */
  #before = 0;
  /** Time of the event appended last, ns; a double from the start, as the later ones are. */
  lastTime = -Infinity;
  /** Events whose time was raised to that of the event before. */
  raised = 0;

  /** @param memory where lanes reach the batch's columns; default: memory of the batch's own */
  constructor(sink: BatchSink, capacity?: number, memory?: LaneMemory) {
    this.#memory = memory;
    this.batch = emptyBatch(capacity, memory);
    this.#sink = sink;
  }

  /** Events appended so far: the number of the next one. */
  get count(): number {
    return this.#before + this.batch.length;
  }

  /**
   * Appends one event; columns as in EventBatch.
   * `time` is in ns since the trace's start, or the event's own number (`count`) where the trace has no times.
   */
  append(op: Op, thread: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number): void {
    const { batch } = this;
    const row = batch.length;
    if (time < this.lastTime) {
      time = this.lastTime;
      this.raised++;
    }
    this.lastTime = time;
    batch.op[row] = op;
    batch.thread[row] = thread as ThreadIndex;
    batch.time[row] = time as Nanoseconds;
    batch.ptr[row] = ptr;
    batch.old[row] = old;
    batch.size[row] = size as Bytes;
    batch.extra[row] = extra;
    batch.stack[row] = stack as StackIndex;
    batch.length = row + 1;
    if (batch.length === batch.capacity) this.flush();
  }

  /** Says that so many rows behind `batch.length` are filled, in order of time, the first not before the last event. */
  appended(rows: number): void {
    const { batch } = this;
    batch.length += rows;
    this.lastTime = batch.time[batch.length - 1];
    if (batch.length === batch.capacity) this.flush();
  }

  /** Says on which CPU the event ran that is appended next, 0 to MOST_CPU. */
  ranOn(cpu: number): void {
    const { batch } = this;
    cpusOf(batch, this.#memory)[batch.length] = cpu;
  }

  /** The columns of numbers of blocks, which whoever takes them once fills in every row. */
  numbered(): { object: Int32Array; oldObject: Int32Array } {
    const { batch } = this;
    const { capacity } = batch;
    return { object: (batch.object ??= new Int32Array(capacity)), oldObject: (batch.oldObject ??= new Int32Array(capacity)) };
  }

  /** Hands over what the batch holds, if anything. */
  flush(): void {
    const { batch } = this;
    if (batch.length === 0) return;
    this.#before += batch.length;
    try {
      this.#sink(batch);
    } finally {
      batch.length = 0;
      batch.cpu?.fill(-1);
    }
  }
}

/** What a note says of events whose time was raised to that of `than`. */
export function raisedNote(count: number, than: string): string {
  return count === 1
    ? `1 event is earlier than ${than}; it was given that time`
    : `${formatCount(count)} events are earlier than ${than}; they were given that time`;
}
