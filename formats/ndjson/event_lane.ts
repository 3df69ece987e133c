/** The fast lane of an NDJSON trace (../assembly/event_lane.ts) with what it needs. */
import type { BatchBuilder } from '../shared/batch_builder.ts';
import type { LaneText } from '../shared/lane_text.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import type { TimeOrigin } from '../shared/time_origin.ts';
import { LineShapes } from './line_shape.ts';

/** Thread ids that are told apart by place; a power of two. */
const THREAD_SLOTS = 1024;
/** Stack ids below this are looked up by place. */
const SMALL_IDS = 1 << 22;
/** In place of a StackIndex: the id was not defined. */
export const UNDEFINED = -2;

/** What the lane knows. */
export class EventLane {
  readonly shapes: LineShapes;
  readonly #memory: LaneMemory;
  readonly #text: LaneText;
  /** Slot -> the thread id that came last in it, -1 for none; and its row. */
  readonly #tids: Float64Array;
  readonly #rows: Int32Array;
  /** Small stack ids of the file -> StackIndex, or UNDEFINED. */
  #stacks: Int32Array;
  /** What a run gives back: see `Lanes`. */
  readonly #lastTime: Float64Array;
  readonly #counts: Int32Array;

  constructor(memory: LaneMemory, text: LaneText) {
    this.#memory = memory;
    this.#text = text;
    this.shapes = new LineShapes(memory);
    this.#tids = memory.float64(THREAD_SLOTS).fill(-1);
    this.#rows = memory.int32(THREAD_SLOTS);
    this.#stacks = memory.int32(1024).fill(UNDEFINED);
    this.#lastTime = memory.float64(2);
    this.#counts = new Int32Array(this.#lastTime.buffer, this.#lastTime.byteOffset + 8, 2);
  }

  /** The row of a thread, if it is the one that came last in its slot; else -1. */
  threadOf(tid: number): number {
    const slot = tid & (THREAD_SLOTS - 1);
    return this.#tids[slot] === tid ? this.#rows[slot] : -1;
  }

  setThread(tid: number, row: number): void {
    const slot = tid & (THREAD_SLOTS - 1);
    this.#tids[slot] = tid;
    this.#rows[slot] = row;
  }

  forgetThread(tid: number): void {
    this.#tids[tid & (THREAD_SLOTS - 1)] = -1;
  }

  /** StackIndex of a stack id, or UNDEFINED; undefined for an id that is not looked up here. */
  stackOf(id: number): number | undefined {
    return id < this.#stacks.length ? this.#stacks[id] : undefined;
  }

  /** False for an id that is too large to be looked up here. */
  setStack(id: number, stack: number): boolean {
    if (id >= SMALL_IDS) return false;
    if (id >= this.#stacks.length) {
      this.#stacks = this.#memory.longer(this.#stacks, Math.min(SMALL_IDS, Math.max(2 * this.#stacks.length, id + 1)), UNDEFINED);
    }
    this.#stacks[id] = stack;
    return true;
  }

  /**
   * Takes lines from `start` on until the batch is full, a line does not fit, or the last one has been taken, whose newline is at `limit`. The batch, of the lane's
   * memory, grows by one row for each line.
   * @returns The start of the first line that was not taken.
   */
  run(builder: BatchBuilder, origin: TimeOrigin, bytes: Uint8Array, start: number, limit: number): number {
    const { batch } = builder;
    const { plan, words, likely, values } = this.shapes;
    const text = this.#text.of(bytes);
    this.#lastTime[0] = builder.lastTime;
    this.#counts[0] = builder.raised;
    const end = this.#memory.lanes.runEventLane(
      plan.byteOffset,
      words.byteOffset,
      likely.byteOffset,
      values.byteOffset,
      this.#tids.byteOffset,
      this.#rows.byteOffset,
      THREAD_SLOTS,
      this.#stacks.byteOffset,
      this.#stacks.length,
      origin.seconds,
      origin.nanos,
      batch.time.byteOffset,
      batch.cpu?.byteOffset ?? 0,
      batch.capacity,
      batch.length,
      builder.count,
      this.#lastTime.byteOffset,
      text + start,
      text + limit,
    );
    builder.lastTime = this.#lastTime[0];
    builder.raised = this.#counts[0];
    batch.length = this.#counts[1];
    return end - text;
  }
}
