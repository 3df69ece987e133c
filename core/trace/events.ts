/**
 * Allocator calls of a recorded process, as batches of columns.
 * Invariant: rows 0..length-1 of every column are filled; a column that an operation does not use holds 0 (-1 in `stack`).
 * Row order is the order of execution: whoever fills a batch has already sorted it by time.
 */
import type { UnitColumn } from '../columns.ts';
import { type Bytes, type Nanoseconds, NO_STACK, type StackIndex, type ThreadIndex } from '../units.ts';

/** What was called. The numbers are the values of the `op` column. */
export const Op = {
  malloc: 0,
  calloc: 1,
  realloc: 2,
  reallocarray: 3,
  posix_memalign: 4,
  aligned_alloc: 5,
  memalign: 6,
  valloc: 7,
  pvalloc: 8,
  free: 9,
  /** malloc_usable_size: takes and gives nothing, but starts the thread as any call does. */
  malloc_usable_size: 10,
  thread_exit: 11,
} as const;
export type Op = (typeof Op)[keyof typeof Op];

/** Names by op number, as the NDJSON trace spells them. */
export const OP_NAMES: readonly string[] = Object.keys(Op);

/** The highest CPU number that a column of CPUs holds. */
export const MOST_CPU = 32767;

/** Bytes that a row of the columns takes which every batch has. */
export const EVENT_BYTES = 5 * 8 + 2 * 4 + 1;

/** Events of a batch by default: small enough to stay in the cache, large enough that a call per batch costs nothing. */
export const BATCH_EVENTS = 4096;

/** Events of a batch, so many at most. */
export class EventBatch {
  readonly capacity: number;
  length = 0;
  /** Op */
  readonly op: Uint8Array;
  readonly thread: UnitColumn<Int32Array, ThreadIndex>;
  /** Since the trace's start_ts; the event's own number where the trace has no times. Never decreases. */
  readonly time: UnitColumn<Float64Array, Nanoseconds>;
  /** Address that the call gave (allocations; 0: it failed) or took (free, malloc_usable_size). */
  readonly ptr: Float64Array;
  /** Address that a realloc or reallocarray took; 0 for NULL. */
  readonly old: Float64Array;
  /** As requested; of one element for calloc and reallocarray. */
  readonly size: UnitColumn<Float64Array, Bytes>;
  /** Element count (calloc, reallocarray) or alignment in bytes (the aligned forms). */
  readonly extra: Float64Array;
  /** Leaf first; NO_STACK for the empty backtrace. */
  readonly stack: UnitColumn<Int32Array, StackIndex>;
  /**
   * Numbers of the addresses in `ptr` and in `old`, where the format gives them, else undefined. 0 is NULL. An address keeps its number from
   * an allocation there to its free, no two live blocks share one, and numbers stay below 1.25 times the most live blocks plus 2^17:
   * a table by number does for one by address.
   */
  object: Int32Array | undefined = undefined;
  oldObject: Int32Array | undefined = undefined;

  /**
   * CPU that the call ran on, where the recording has it, else undefined. -1, if it does not say so of this event: the one that the thread's
   * event before ran on, 0 for its first. CPUs are numbered from 0, as the system does.
   */
  cpu: Int16Array | undefined = undefined;

  /**
   * `shared`: memory in which the columns lie, as they are there, one after the other from byte `start` on, a multiple of 8: `capacity * EVENT_BYTES` bytes.
   * Default: memory of the batch's own.
   */
  constructor(capacity = BATCH_EVENTS, shared?: SharedArrayBuffer, start = 0) {
    this.capacity = capacity;
    const memory = shared ?? new ArrayBuffer(capacity * EVENT_BYTES);
    const at = (bytesBefore: number) => start + capacity * bytesBefore;
    this.op = new Uint8Array(memory, at(48), capacity);
    this.thread = new Int32Array(memory, at(40), capacity) as UnitColumn<Int32Array, ThreadIndex>;
    this.time = new Float64Array(memory, at(0), capacity) as UnitColumn<Float64Array, Nanoseconds>;
    this.ptr = new Float64Array(memory, at(8), capacity);
    this.old = new Float64Array(memory, at(16), capacity);
    this.size = new Float64Array(memory, at(24), capacity) as UnitColumn<Float64Array, Bytes>;
    this.extra = new Float64Array(memory, at(32), capacity);
    this.stack = new Int32Array(memory, at(44), capacity) as UnitColumn<Int32Array, StackIndex>;
    if (shared === undefined) this.stack.fill(NO_STACK);
  }
}
