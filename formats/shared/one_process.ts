/**
 * The process that is replayed, of a recording that may hold several: the one that was asked for, else the first that makes a call.
 * Invariant: a call of another process is counted, and never taken.
 */
import type { Trace } from '../../core/trace/trace.ts';

export class OneProcess {
  readonly #trace: Trace;
  /** -1 before the first call. */
  #pid: number;
  readonly #others = new Set<number>();

  /** @param pid the process that was asked for, if one was. */
  constructor(trace: Trace, pid: number | undefined) {
    this.#trace = trace;
    this.#pid = pid ?? -1;
  }

  /** Whether this is known to be another process than the one that is replayed. */
  isOther(pid: number): boolean {
    return this.#pid >= 0 && pid !== this.#pid;
  }

  /** Whether a call is to be taken: it is the process's own. If not, it is counted. */
  takes(pid: number): boolean {
    if (this.isOther(pid)) {
      this.#others.add(pid);
      this.#trace.skip('other_process');
      return false;
    }
    this.#pid = pid;
    this.#trace.header.pid = pid;
    return true;
  }

  /** At the end: says how many others there were. */
  end(): void {
    if (this.#others.size > 0)
      this.#trace.warnings.push(`calls of ${this.#others.size} other processes are left out: process ${this.#pid} is replayed`);
  }
}
