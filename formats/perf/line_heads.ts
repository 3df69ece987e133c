/**
 * How the lines of each thread begin: `          server 19498/19501 [`, up to the CPU, or without one up to the space behind the thread.
 * Invariant: the columns of a head are what the reader's general path made of a line that begins so.
 */
import type { LaneMemory } from '../shared/lane_memory.ts';
import { LineTexts } from '../shared/line_texts.ts';
import { MOST_HEADS } from './lane_plan.ts';

/** Heads by number. */
export class LineHeads extends LineTexts {
  readonly hasCpu: Uint8Array;
  readonly process = new Int32Array(MOST_HEADS);
  readonly tid = new Int32Array(MOST_HEADS);
  /** Thread's place in ProbeCalls. */
  readonly thread: Int32Array;

  constructor(memory: LaneMemory) {
    super(MOST_HEADS, memory);
    this.hasCpu = memory.uint8(MOST_HEADS);
    this.thread = memory.int32(MOST_HEADS);
  }

  /** Keeps the beginning start..end of a line. */
  learn(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    hasCpu: boolean,
    process: number,
    tid: number,
    thread: number,
  ): void {
    const head = this.keep(bytes, view, start, end);
    if (head < 0) return;
    this.hasCpu[head] = hasCpu ? 1 : 0;
    this.process[head] = process;
    this.tid[head] = tid;
    this.thread[head] = thread;
  }
}
