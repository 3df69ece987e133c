/**
 * How the lines of each thread begin: `          server 19498/19501 [`, up to the CPU, or without one up to the space behind the thread.
 * Invariant: the columns of a head are what the reader's general path made of a line that begins so.
 */
import { isPlain, putDoubles } from './doubles.ts';
import { HEAD_DOUBLES, LONGEST_HEAD, MOST_HEADS } from './lane_plan.ts';

/** Heads by number. */
export class LineHeads {
  count = 0;
  readonly lengths = new Int32Array(MOST_HEADS);
  /** Text of head h from HEAD_DOUBLES h to lasts[h]. */
  readonly texts = new Float64Array(MOST_HEADS * HEAD_DOUBLES);
  readonly lasts = new Int32Array(MOST_HEADS);
  readonly hasCpu = new Uint8Array(MOST_HEADS);
  readonly process = new Int32Array(MOST_HEADS);
  readonly tid = new Int32Array(MOST_HEADS);
  /** Thread's place in ProbeCalls. */
  readonly thread = new Int32Array(MOST_HEADS);
  #next = 0;

  /** The head that a line begins with, -1 if there is none. LONGEST_HEAD bytes can be read from `line` on. */
  find(view: DataView, line: number): number {
    for (let head = 0; head < this.count; head++) {
      const last = this.lasts[head];
      if (view.getFloat64(line + this.lengths[head] - 8, true) !== this.texts[last]) continue;
      let place = head * HEAD_DOUBLES;
      for (let at = line; place < last && view.getFloat64(at, true) === this.texts[place]; at += 8) place++;
      if (place === last) return head;
    }
    return -1;
  }

  /** Keeps the beginning start..end of a line, in place of the one kept longest if there is no room. */
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
    const length = end - start;
    if (length > LONGEST_HEAD || !isPlain(bytes, start, end)) return;
    const head = this.#next;
    this.#next = (head + 1) % MOST_HEADS;
    this.count = Math.max(this.count, head + 1);
    this.lasts[head] = putDoubles(view, start, end, this.texts, head * HEAD_DOUBLES);
    this.lengths[head] = length;
    this.hasCpu[head] = hasCpu ? 1 : 0;
    this.process[head] = process;
    this.tid[head] = tid;
    this.thread[head] = thread;
  }
}
