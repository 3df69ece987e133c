/**
 * A process that is recorded: what it has mapped, its threads' names, its command line.
 * Invariant: what was seen last stays known when the process is gone.
 */
import type { TraceHeader } from '../../core/trace/trace.ts';
import { mapsOf } from './allocator.ts';
import { stateOf } from './child.ts';
import { machineFacts, textOf, threadsOf } from './proc.ts';

/** Milliseconds between two looks at what a process has mapped. */
const MAPS_MS = 1000;
/** A line of /proc/PID/maps: of a file's code. */
const CODE = /^\S+ ..x. \S+ \S+ \d+ +\/.*$/gm;

/** When something was seen at each of several looks in turn: the first and the last one's beginning and end, nanoseconds of bpftrace's clock. */
export interface Seen {
  readonly first: readonly [begin: number, end: number];
  last: readonly [begin: number, end: number];
  /** Number of the last look. */
  look: number;
}

/** Nanoseconds between two steps of /proc/uptime, and within which two clocks that are read one after the other are taken for alike. */
const UPTIME_STEP = 1e7;
const ALIKE = 1e8;

/** From when to when it may be by bpftrace's clock, which counts the time that the machine was asleep (CLOCK_BOOTTIME), nanoseconds. */
function clock(): readonly [earliest: number, latest: number] {
  const uptime = Number.parseFloat(textOf('/proc/uptime') ?? '') * 1e9;
  const awake = Number(process.hrtime.bigint());
  return Math.abs(awake - uptime) < ALIKE ? [awake, awake] : [uptime, uptime + UPTIME_STEP];
}

/** A process that is recorded. */
export class Observed {
  readonly pid: number;
  /** Thread id -> name, of all threads that were seen. */
  readonly threads = new Map<number, string>();
  #maps: string | undefined;
  /** Line of /proc/PID/maps -> when it was seen, in order of time: all that has had code, also what is no longer mapped, of libraries that were closed, and of a program that it was before. */
  readonly code = new Map<string, Seen[]>();
  #looks = 0;
  readonly #command: string | undefined;
  readonly #machine: TraceHeader;
  #next = 0;

  constructor(pid: number) {
    this.pid = pid;
    this.#machine = machineFacts(pid);
    this.#command = textOf(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim();
  }

  /** Looks what it has mapped, from time to time or `now`. */
  look(now = false): void {
    if (!now && performance.now() < this.#next) return;
    this.#next = performance.now() + MAPS_MS;
    const [begin] = clock();
    const maps = mapsOf(this.pid);
    if (!maps) return;
    this.#maps = maps;
    const time = [begin, clock()[1]] as const;
    const look = ++this.#looks;
    for (const [line] of maps.matchAll(CODE)) {
      const seen = this.code.get(line) ?? [];
      this.code.set(line, seen);
      const last = seen.at(-1);
      if (last?.look === look - 1) {
        last.last = time;
        last.look = look;
      } else seen.push({ first: time, last: time, look });
    }
  }

  /** Its id as it knows it itself, which in a container is another one. */
  get ownPid(): number {
    return Number(/^NSpid:.*\t(\d+)$/m.exec(textOf(`/proc/${this.pid}/status`) ?? '')?.[1] ?? this.pid);
  }

  /** Looks what its threads are called. */
  lookAtThreads(): void {
    for (const tid of threadsOf(this.pid)) {
      const name = textOf(`/proc/${this.pid}/task/${tid}/comm`)?.trimEnd();
      if (name) this.threads.set(Number(tid), name);
    }
  }

  /** Lets it go on if it was stopped. */
  resume(): void {
    if (stateOf(this.pid) !== 'T') return;
    try {
      process.kill(this.pid, 'SIGCONT');
    } catch {
      // It is gone already.
    }
  }

  get header(): TraceHeader {
    const maps = this.#maps;
    return {
      pid: this.pid,
      ...this.#machine,
      ...(this.#command ? { command: this.#command } : {}),
      ...(maps === undefined ? {} : { maps }),
    };
  }
}
