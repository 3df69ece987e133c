/**
 * Threads by process and tid for loops over many lines: a small table that is looked up without a call.
 * Invariant: a slot that names a process and a tid has their index in ProbeCalls.
 */

/** Slots; a thread's is its tid's lowest bits. */
export const THREAD_SLOTS = 64;

/** Columns by slot. */
export class ThreadSlots {
  readonly process = new Int32Array(THREAD_SLOTS);
  readonly tid = new Int32Array(THREAD_SLOTS).fill(-1);
  readonly index = new Int32Array(THREAD_SLOTS);

  /** Gives a thread its slot. */
  put(process: number, tid: number, index: number): void {
    const slot = tid & (THREAD_SLOTS - 1);
    this.process[slot] = process;
    this.tid[slot] = tid;
    this.index[slot] = index;
  }
}
