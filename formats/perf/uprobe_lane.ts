/** The fast lane of perf script recordings (../assembly/uprobe_lane.ts) with what it needs. */
import type { LaneMemory } from '../shared/lane_memory.ts';
import { LaneText } from '../shared/lane_text.ts';
import type { ProbeCalls } from '../uprobes/probe_calls.ts';
import type { CallerStacks } from './caller_stacks.ts';
import { EventShapes } from './event_shapes.ts';
import * as Plan from './lane_plan.ts';
import { LineHeads } from './line_heads.ts';

/** What the lane knows of lines, and where it was when it ended. */
export class UprobeLane {
  readonly heads: LineHeads;
  readonly shapes: EventShapes;
  readonly #callers: CallerStacks;
  /** A word stands between CPU and time. */
  readonly flagged: boolean;
  readonly #memory: LaneMemory;
  readonly #text: LaneText;
  /** Numbers of the line being read. */
  readonly #values: Float64Array;
  /** What a run gives back: see `Lanes`. */
  readonly #results: Int32Array;

  constructor(memory: LaneMemory, callers: CallerStacks, flagged: boolean) {
    this.#memory = memory;
    this.heads = new LineHeads(memory);
    this.shapes = new EventShapes(memory);
    this.#callers = callers;
    this.flagged = flagged;
    this.#text = new LaneText(memory);
    this.#values = memory.float64(Plan.FIRST_VALUE + Plan.MOST_VALUES);
    this.#results = memory.int32(4);
  }

  /** Head of the line taken last. */
  get head(): number {
    return this.#results[0];
  }

  /** Lines taken by the last run. */
  get taken(): number {
    return this.#results[2];
  }

  forgetHeads(): void {
    this.heads.clear();
    this.#results[0] = 0;
  }

  /**
   * Takes lines from `start` on that begin at `furthest` at most, until one does not fit or the window is full. LONGEST_FIT bytes behind
   * `furthest` can be read, and there is a newline further on. The time of a record is known.
   * @returns The start of the first line that was not taken.
   */
  run(calls: ProbeCalls, bytes: Uint8Array, start: number, furthest: number): number {
    const { heads, shapes } = this;
    const { keys, stacks } = this.#callers;
    const { seconds, nanos } = calls.origin;
    const window = calls.room();
    const text = this.#text.of(bytes);
    const end = this.#memory.lanes.runUprobeLane(
      heads.count,
      heads.lengths.byteOffset,
      heads.texts.byteOffset,
      heads.lasts.byteOffset,
      heads.hasCpu.byteOffset,
      heads.thread.byteOffset,
      shapes.count,
      shapes.plan.byteOffset,
      shapes.texts.byteOffset,
      shapes.words.byteOffset,
      shapes.after.byteOffset,
      this.#values.byteOffset,
      keys.byteOffset,
      stacks.byteOffset,
      this.flagged,
      calls.records.byteOffset,
      seconds,
      nanos,
      window.time.byteOffset,
      window.cpu?.byteOffset ?? 0,
      window.capacity,
      window.length,
      this.#results.byteOffset,
      text + start,
      text + furthest,
    );
    if (this.taken > 0) calls.filled(window.length + this.taken, this.#results[3] === 1);
    return end - text;
  }
}
