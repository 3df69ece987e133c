/**
 * Synthetic traces: a workload, what it leaks, and the exact account of both.
 * Invariant: the same options give the same events; there are exactly as many as asked for; what is live after the last one has leaked.
 */
import type { EventBatch } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import type { Trace } from '../trace/trace.ts';
import { Program, type Block, type ProgramTruth, type Site } from './program.ts';
import { MOST_CALLS, WORKLOADS, type Leak, type Running, type Workload } from './workloads.ts';

/** What to make. */
export interface SynthOptions {
  /** A name of WORKLOADS. */
  readonly workload: string;
  /** Events in all, thread exits included. */
  readonly events: number;
  /** A whole number from 0 to 2^53. */
  readonly seed: number;
  /** Threads, and blocks that the workload keeps live on the way; default the workload's own. */
  readonly threads?: number;
  readonly live?: number;
  /** Leaks besides the workload's own. */
  readonly leaks?: readonly Leak[];
}

/** What is true of the trace, for whoever measures with it. */
export interface SynthTruth extends ProgramTruth {
  readonly workload: string;
  readonly seed: number;
}

/** Steps between two returns to the caller. */
const STEPS = 4096;
/** Least events of a trace: what the program allocates at its start, and its free. */
export const LEAST_EVENTS = 2;
const STARTUP_BYTES = 65536;

/** The workload with this name. @throws InputError for an unknown name. */
export function workloadNamed(name: string): Workload {
  const workload = WORKLOADS.get(name);
  if (workload !== undefined) return workload;
  const known = [...WORKLOADS].map(([key, { title }]) => `${key} (${title})`).join('; ');
  throw new InputError('synth', `unknown workload ${JSON.stringify(name)}`, `known: ${known}`);
}

/** A synthetic trace under way. */
export class Synth {
  readonly #options: SynthOptions;
  readonly #program: Program;
  readonly #running: Running;
  readonly #threads: number;
  readonly #leaks: { readonly leak: Leak; readonly site: Site; due: number }[];
  readonly #startup: Site;
  /** What the main thread allocates first: the first thread of a trace is its main thread. */
  readonly #startupBlock: Block;
  /** Blocks that have leaked. */
  #leaked = 0;
  #stepsLeft = true;

  /**
   * Prepares a trace: fills `trace` as events need it and hands batches to `sink`.
   * @throws InputError for a workload that is not known.
   */
  constructor(trace: Trace, sink: (batch: EventBatch) => void, options: SynthOptions) {
    const workload = workloadNamed(options.workload);
    this.#options = options;
    this.#threads = options.threads ?? workload.threads;
    this.#program = new Program(trace, sink, options.seed);
    trace.header.command = `${options.workload} --seed ${options.seed}`;
    this.#startup = this.#program.site('startup');
    this.#startupBlock = this.#program.malloc(0, STARTUP_BYTES, this.#startup);
    this.#running = workload.start(this.#program, this.#threads, options.live ?? workload.live);
    this.#leaks = [...workload.leaks, ...(options.leaks ?? [])].map((leak) => ({
      leak,
      site: this.#program.site(leak.site, 'run'),
      due: leak.every,
    }));
  }

  /** Makes the next some thousand events. False when the trace is complete. */
  run(): boolean {
    const program = this.#program;
    for (let steps = 0; steps < STEPS && this.#stepsLeft; steps++) this.#step();
    if (this.#stepsLeft) return true;
    for (let spare = this.#left(); spare > 0; spare -= 2) {
      if (spare === 1) program.usableSize(0, this.#startupBlock);
      else program.free(0, program.malloc(0, 64, this.#startup));
    }
    while (this.#running.end());
    for (let thread = 1; thread < this.#threads; thread++) if (program.started(thread)) program.exit(thread);
    program.free(0, this.#startupBlock);
    program.flush();
    return false;
  }

  /** Events made so far. */
  get events(): number {
    return this.#program.events;
  }

  /** Hands over what was made so far, for a trace that ends here. */
  flush(): void {
    this.#program.flush();
  }

  /** Events left besides those of the end: a free for each block that is held, and an exit for each thread but the main one. */
  #left(): number {
    const program = this.#program;
    return this.#options.events - program.events - (program.live - this.#leaked) - (program.threads - 1);
  }

  #step(): void {
    const program = this.#program;
    // A call that allocates what is held takes a free at the end as well, and may start a thread.
    if (this.#left() < 3 * MOST_CALLS + this.#leaks.length) {
      this.#stepsLeft = false;
      return;
    }
    this.#running.step();
    for (const entry of this.#leaks) {
      if (program.allocations < entry.due) continue;
      entry.due = program.allocations + entry.leak.every;
      program.malloc(program.random.below(this.#threads), entry.leak.bytes, entry.site);
      this.#leaked++;
    }
  }

  /** What is true of the trace once it is complete. */
  truth(): SynthTruth {
    const { workload, seed } = this.#options;
    return { workload, seed, ...this.#program.truth() };
  }
}
