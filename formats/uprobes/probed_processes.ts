/**
 * Processes and threads of a recording by probes, which fire in every process that has the library mapped.
 * Invariant: a thread is one tid of one process, and has the same index for good; its records are counted under that.
 * What recordings cannot say: which process was meant (that with the most calls, unless one is asked for), and without pids which
 * threads are of one process at all.
 */
import type { LaneMemory } from '../shared/lane_memory.ts';

/** Other processes that a message names. */
const MOST_NAMED = 8;
/** Beyond any pid. */
const PIDS = 2 ** 32;

/** A process of the recording, or one of the programs that it ran. */
export interface Process {
  /** What tells it from the others: its pid (keyOfProgram), or a negative number where the recording has none. */
  readonly key: number;
  /** By tid, in order of appearance. */
  readonly threads: Map<number, ProbedThread>;
}

/** A thread, by process and tid. */
export class ProbedThread {
  readonly process: Process;
  readonly tid: number;
  readonly index: number;
  name: string | undefined;
  /** Its row in the trace's threads, -1 before its first event. */
  row = -1;
  /** It is handing back its cache. */
  flushing = false;
  /** A row of its own further on that is no free, or one of a block that was live when it was looked at: its cache is not handed back before. -1 for none. */
  kept = -1;
  /** Up to this row its frees were of blocks never seen, when the states of addresses had changed so often. */
  unseenTo = -1;
  unseenAt = -1;
  /** The recording says that it exits. */
  exiting = false;

  constructor(process: Process, tid: number, index: number) {
    this.process = process;
    this.tid = tid;
    this.index = index;
  }
}

/** Key of the program that process `pid` runs after so many calls of exec. */
export function keyOfProgram(pid: number, execs: number): number {
  return pid + execs * PIDS;
}

/** Pid of a process that has one. */
export function pidOf({ key }: Process): number {
  return key % PIDS;
}

/** Whether it is its process's first thread: the first in the recording, where processes have no numbers. */
export function isMain({ process, tid, row }: ProbedThread): boolean {
  return process.key > 0 ? tid === pidOf(process) : row === 0;
}

/** All of a recording. */
export class ProbedProcesses {
  /** By index, in order of appearance. */
  readonly threads: ProbedThread[] = [];
  /** Thread's index -> its whole calls and returns, with room for more threads. An entry says little of a process: its return may not be recorded. */
  records: Float64Array;
  readonly #memory: LaneMemory;
  readonly #processes = new Map<number, Process>();
  /** The thread that was asked for last. */
  #last: ProbedThread | undefined;

  /** @param memory where lanes reach `records` */
  constructor(memory: LaneMemory) {
    this.#memory = memory;
    this.records = memory.float64(16);
  }

  /** Processes in order of appearance. */
  get all(): readonly Process[] {
    return [...this.#processes.values()];
  }

  /** The thread `tid` of the process with that key; it is there from now on. */
  threadOf(key: number, tid: number): ProbedThread {
    const last = this.#last;
    if (last !== undefined && last.tid === tid && last.process.key === key) return last;
    const process = this.#processes.get(key) ?? this.#add(key);
    let thread = process.threads.get(tid);
    if (thread === undefined) {
      thread = new ProbedThread(process, tid, this.threads.length);
      process.threads.set(tid, thread);
      this.threads.push(thread);
      if (this.threads.length > this.records.length) {
        const larger = this.#memory.float64(this.records.length * 2);
        larger.set(this.records);
        this.records = larger;
      }
    }
    return (this.#last = thread);
  }

  /** The process asked for, which may turn out to have no thread; else the one with the most calls. */
  choose(pid: number | undefined): Process {
    let processes = this.all;
    if (pid !== undefined) {
      processes = processes.filter((process) => pidOf(process) === pid);
      if (processes.length === 0) return this.#ofThread(pid) ?? this.#add(pid);
    }
    const records = processes.map((process) => this.recordsOf(process));
    return processes[records.indexOf(records.reduce((most, count) => Math.max(most, count)))];
  }

  /** Whole calls and returns of a process. */
  recordsOf(process: Process): number {
    let sum = 0;
    for (const { index } of process.threads.values()) sum += this.records[index];
    return sum;
  }

  /** Processes for a message: of many, those that call most. */
  describeAll(processes: readonly Process[]): string {
    if (processes.length <= MOST_NAMED) return processes.map((process) => this.#describe(process)).join(', ');
    const records = new Map(processes.map((process) => [process, this.recordsOf(process)]));
    const sorted = [...records].sort(([, a], [, b]) => b - a);
    const rest = sorted.slice(MOST_NAMED);
    const calls = rest.reduce((sum, [, count]) => sum + count, 0);
    const named = sorted.slice(0, MOST_NAMED).map(([process]) => this.#describe(process));
    return `${named.join(', ')}, and ${rest.length} more with ${calls} calls`;
  }

  #describe(process: Process): string {
    const calls = this.recordsOf(process);
    return `${nameOf(process)} with ${calls} call${calls === 1 ? '' : 's'}`;
  }

  #add(key: number): Process {
    const process = { key, threads: new Map<number, ProbedThread>() };
    this.#processes.set(key, process);
    return process;
  }

  /**
   * The process of thread `tid`, where processes have no numbers; undefined if there is none. Its parent's program counts as another one
   * than what it runs itself: the one in which it calls most, the later one of two alike.
   */
  #ofThread(tid: number): Process | undefined {
    let found: ProbedThread | undefined;
    for (const { threads } of this.#processes.values()) {
      const thread = threads.get(tid);
      if (thread !== undefined && (found === undefined || this.records[thread.index] >= this.records[found.index])) found = thread;
    }
    return found?.process;
  }
}

/** Its number, or where only threads have numbers, that of its first one; and the command, which is its first thread's name, if that is known. */
export function nameOf(process: Process): string {
  const pid = pidOf(process);
  const [earliest] = process.threads.values();
  const first = process.threads.get(pid) ?? earliest;
  const number = process.key > 0 ? `process ${pid}` : `the process of thread ${first?.tid}`;
  return first?.name === undefined ? number : `${number} (${first.name})`;
}
