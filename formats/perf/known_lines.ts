/**
 * Lines of threads and probes that were seen before, of perf script and of the kernel's trace file: which the fast lane may take, and what
 * it learns of those that the general path took.
 */
import { NEWLINE, SPACE, COLON } from '../shared/letters.ts';
import type { LineScanner } from '../shared/lines.ts';
import { LONGEST_TEXT } from '../shared/text_rows.ts';
import type { UprobeEvent } from './arguments.ts';
import { LONGEST_FIT } from './lane_plan.ts';
import type { UprobeCalls } from './uprobe_calls.ts';
import { UprobeLane } from './uprobe_lane.ts';

/** Where the parts of a line are that others may have too, and what it says of its thread. */
export interface LineParts {
  readonly start: number;
  readonly end: number;
  /** Behind what names the thread: where the digits of the CPU begin, if `hasCpu`. */
  readonly headEnd: number;
  readonly hasCpu: boolean;
  /** The colon behind the time. */
  readonly timeEnd: number;
  /** As the line has it, 0 if it does not. */
  readonly pid: number;
  readonly process: number;
  readonly tid: number;
}

/** Lines in the fast lane. */
export class KnownLines {
  readonly #calls: UprobeCalls;
  readonly #lane: UprobeLane;
  /** Heads are known that name no process: their lines are of the one that their probe's place tells. */
  #anonymous = false;
  /** A line names its process: then those that do not, which the kernel writes now and then, are not for the lane. */
  #named = false;
  /** A view of the bytes that hold the current line. */
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** @param flagged whether a word may stand between CPU and time, as in the kernel's own lines */
  constructor(calls: UprobeCalls, flagged: boolean) {
    this.#calls = calls;
    this.#lane = new UprobeLane(calls.calls.memory, calls.recentCallers, flagged);
  }

  /** Process and thread of the line taken last. */
  get process(): number {
    return this.#lane.heads.process[this.#lane.head];
  }
  get tid(): number {
    return this.#lane.heads.tid[this.#lane.head];
  }

  /** Whether there may be a line to take at `start`, and a newline at `limit`. */
  mayTake(bytes: Uint8Array, start: number, limit: number): boolean {
    const { heads, shapes } = this.#lane;
    if (heads.count === 0 || shapes.count === 0 || start > limit - LONGEST_FIT) return false;
    if (!this.#calls.oneImage) return false;
    this.#look(bytes);
    return true;
  }

  /** Whether a line begins as an event of a known thread does, and cannot be the source line of the one before. After `mayTake`. */
  beginsEvent(bytes: Uint8Array, start: number): boolean {
    const { heads } = this.#lane;
    const head = heads.find(this.#view, start);
    if (head < 0) return false;
    let at = start + heads.lengths[head];
    while (bytes[at] !== COLON && bytes[at] !== NEWLINE) at++;
    return bytes[at] === COLON && bytes[at + 1] === SPACE;
  }

  /** Takes lines from `start` on, after `mayTake`: gives the start of the first that is left, and adds their number to that of `lines`. */
  take(bytes: Uint8Array, start: number, limit: number, lines: LineScanner): number {
    const lane = this.#lane;
    let line = start;
    do {
      line = lane.run(this.#calls.calls, bytes, line, limit - LONGEST_FIT);
      lines.line += lane.taken;
    } while (lane.taken > 0);
    return line;
  }

  /** Keeps what the line of an event has in common with others. */
  learn(bytes: Uint8Array, event: UprobeEvent, { start, end, headEnd, hasCpu, timeEnd, pid, process, tid }: LineParts): void {
    if (bytes[end] !== NEWLINE || start + LONGEST_TEXT > bytes.length) return;
    this.#look(bytes);
    const { heads, shapes } = this.#lane;
    if (pid > 0 && !this.#named) {
      this.#named = true;
      if (this.#anonymous) this.#lane.forgetHeads();
      this.#anonymous = false;
    }
    if (pid === 0 && this.#named) return;
    if (!shapes.learn(bytes, timeEnd, end, event, this.#calls.placeOf(event)) || heads.find(this.#view, start) >= 0) return;
    if (pid === 0) this.#anonymous = true;
    heads.learn(bytes, this.#view, start, headEnd, hasCpu, process, tid, this.#calls.calls.threadIndex(process, tid));
  }

  /** Turns to other bytes. */
  #look(bytes: Uint8Array): void {
    const view = this.#view;
    if (bytes.buffer === view.buffer && bytes.byteOffset === view.byteOffset && bytes.length === view.byteLength) return;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
}
