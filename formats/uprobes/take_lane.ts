/** The fast lane of probe records on their way to events (../assembly/take_lane.ts) with what it needs. */
import type { EventBatch } from '../../core/trace/events.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import type { AddressStates } from './address_states.ts';

/** What the lane knows of threads, and where it was. */
export class TakeLane {
  /** Time of the last record that became an event or could have, ns. */
  lastTime = -Infinity;
  readonly #memory: LaneMemory;
  readonly #states: AddressStates;
  /** Thread's index -> its row in the trace's threads while its records may be taken here, else -1. */
  #rows: Int32Array;
  /** What a run gives back: see `Lanes`. */
  readonly #times: Float64Array;
  readonly #counts: Int32Array;

  constructor(memory: LaneMemory, states: AddressStates) {
    this.#memory = memory;
    this.#states = states;
    this.#rows = memory.int32(16).fill(-1);
    this.#times = memory.float64(2);
    this.#counts = new Int32Array(this.#times.buffer, this.#times.byteOffset + 8, 2);
  }

  /** Makes room for so many threads. */
  holdThreads(threads: number): void {
    if (threads > this.#rows.length) this.#rows = this.#memory.longer(this.#rows, threads, -1);
  }

  setRow(thread: number, row: number): void {
    this.#rows[thread] = row;
  }

  /**
   * Takes rows from `from` on, to `to` - 1 at most. `startTime` is that of the first event, ns. The builder's batch is of the lane's memory, and so is the window.
   * @returns The first row that was not taken.
   */
  run(window: EventBatch, from: number, to: number, builder: BatchBuilder, startTime: number): number {
    const states = this.#states;
    const { batch } = builder;
    this.#times[0] = this.lastTime;
    this.#counts[0] = states.used;
    const row = this.#memory.lanes.runTakeLane(
      window.time.byteOffset,
      window.cpu?.byteOffset ?? 0,
      window.capacity,
      from,
      to,
      this.#rows.byteOffset,
      states.keys.byteOffset,
      states.states.byteOffset,
      states.keys.length,
      states.factor.value,
      states.factor.farthest,
      batch.time.byteOffset,
      batch.cpu?.byteOffset ?? 0,
      batch.capacity,
      batch.length,
      startTime,
      this.#times.byteOffset,
    );
    this.lastTime = this.#times[0];
    states.used = this.#counts[0];
    states.changes += this.#counts[1];
    if (this.#counts[1] > 0) builder.appended(this.#counts[1]);
    return row;
  }
}
