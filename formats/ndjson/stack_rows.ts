/**
 * Stacks of an NDJSON trace: rows for the ids that its `stack` lines have.
 * Invariant: an id is of the stack that was defined last under it.
 */
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { type EventLane, UNDEFINED } from './event_lane.ts';

/** Stack id -> row. */
export class StackRows {
  readonly #trace: Trace;
  readonly #lane: EventLane;
  /** Ids that are too large for the lane. */
  readonly #rows = new Map<number, StackIndex>();
  #lastId = -1;
  #lastRow: StackIndex = NO_STACK;

  constructor(trace: Trace, lane: EventLane) {
    this.#trace = trace;
    this.#lane = lane;
  }

  /** The row of a stack that an event names; undefined if no line before has defined it. */
  of(id: number): StackIndex | undefined {
    if (id === this.#lastId) return this.#lastRow;
    const found = this.#lane.stackOf(id) ?? this.#rows.get(id) ?? UNDEFINED;
    if (found === UNDEFINED) return undefined;
    this.#lastId = id;
    this.#lastRow = found as StackIndex;
    return this.#lastRow;
  }

  /** Defines a stack of frames, leaf first; `fields` are those of its line that are not known. Small ids, as writers number stacks, are the lane's. */
  define(id: number, frames: ArrayLike<number>, count: number, fields?: string): void {
    const row = fields === undefined ? this.#plain(frames, count) : this.#trace.stacks.append(frames, count);
    if (fields !== undefined) this.#trace.stackFields.set(row, fields);
    if (!this.#lane.setStack(id, row)) this.#rows.set(id, row);
    this.#lastId = -1;
  }

  /** The row of a stack without other fields. */
  #plain(frames: ArrayLike<number>, count: number): StackIndex {
    const { stacks, stackFields } = this.#trace;
    const row = stacks.intern(frames, count);
    return stackFields.has(row) ? stacks.append(frames, count) : row;
  }
}
