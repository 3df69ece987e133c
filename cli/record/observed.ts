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

/** A process that is recorded. */
export class Observed {
  readonly pid: number;
  /** Thread id -> name, of all threads that were seen. */
  readonly threads = new Map<number, string>();
  #maps: string | undefined;
  /** Lines of all that has had code, also of what is no longer mapped: of libraries that were closed, and of a program that it was before. */
  readonly #code = new Set<string>();
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
    const maps = mapsOf(this.pid);
    if (!maps) return;
    this.#maps = maps;
    for (const [line] of maps.matchAll(CODE)) this.#code.add(line);
  }

  /** What it has mapped, and what it had: of two that have an address the first is the later one. */
  get allMaps(): readonly string[] {
    const former = [...this.#code].reverse().filter((line) => this.#maps?.includes(line) !== true);
    return [this.#maps ?? '', ...former];
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
