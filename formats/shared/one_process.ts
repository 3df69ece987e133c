/**
 * The process that is replayed, of a recording that may hold several: the one that was asked for, else the first that makes a call.
 * Invariant: a call of another process is counted, and never taken.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { ReadOptions } from '../format.ts';

export class OneProcess {
  readonly #trace: Trace;
  /** -1 before the first call. */
  #pid: number;
  readonly #asked: number | undefined;
  readonly #others = new Set<number>();
  readonly #name: string;

  /** `pid`: the process that was asked for, if one was. */
  constructor(trace: Trace, { pid, name }: Pick<ReadOptions, 'pid' | 'name'>) {
    this.#trace = trace;
    this.#pid = pid ?? -1;
    this.#asked = pid;
    this.#name = name;
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

  /**
   * At the end: says how many others there were, and of calls that name no process that they are taken for those of the one that was asked for.
   * @param events that were taken
   * @throws InputError if there are others alone
   */
  end(events: number): void {
    const { header, warnings } = this.#trace;
    if (this.#others.size > 0) {
      if (header.pid === undefined) throw noSuchProcess(this.#name, this.#pid, [...this.#others]);
      warnings.push(`calls of ${this.#others.size} other processes are left out: process ${this.#pid} is replayed`);
    } else if (events > 0 && this.#asked !== undefined && header.pid === undefined) warnings.push(unnamedProcess(this.#asked));
  }
}

/** What to say of a recording that does not tell which process it is of, where one was asked for. */
export function unnamedProcess(pid: number): string {
  return `the recording is of one process and does not say of which: it is taken for process ${pid}`;
}

/** The error for a recording that has no call of the process that was asked for, but of others. */
export function noSuchProcess(name: string, pid: number, others: readonly number[]): InputError {
  return new InputError(
    name,
    `no events of process ${pid}`,
    `it has ${others.length === 1 ? 'process' : 'processes'} ${shownList(others)}`,
  );
}

/** Most numbers shown of a list. */
const MOST_SHOWN = 8;

/** Numbers for a message, the first few of them. */
export function shownList(numbers: readonly number[]): string {
  return `${numbers.slice(0, MOST_SHOWN).join(', ')}${numbers.length > MOST_SHOWN ? ' …' : ''}`;
}
