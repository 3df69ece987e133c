/**
 * Hands uprobe events of the kernel on to the joining of calls, with the stack that perf printed for them.
 * Differs from bpftrace: places are known, so that probes on linkage table slots are told apart, and so is each call's direct caller.
 */
import type { Trace } from '../../core/trace/trace.ts';
import { Op } from '../../core/trace/events.ts';
import { NO_STACK } from '../../core/units.ts';
import type { StackIndex } from '../../core/units.ts';
import { ProbePlaces } from '../uprobes/probe_places.ts';
import { ProbeCalls } from '../uprobes/probe_calls.ts';
import { keyOfProgram } from '../uprobes/probed_processes.ts';
import { ENTRY, RETURN, UNSEEN_ADDRESS } from '../uprobes/record_kinds.ts';
import type { BatchSink, ReadOptions } from '../format.ts';
import type { UprobeEvent } from './arguments.ts';
import { CallerStacks } from './caller_stacks.ts';

/** Process key of a line that names only a thread: by its program image. */
function imageKey(image: number): number {
  return -1 - image;
}

/** Joins uprobe events. */
export class UprobeCalls {
  readonly calls: ProbeCalls;
  readonly #trace: Trace;
  readonly #places = new ProbePlaces();
  /** Pid -> program images that it has had, in order. */
  readonly #imagesOf = new Map<number, number[]>();
  /** Pid, image and key of the line before that had a pid. */
  #pid = 0;
  #image = -1;
  #key = 0;
  /** Those of `#callers` that came last, for the lane. */
  readonly recentCallers: CallerStacks;
  /** Return address -> stack of it alone. */
  readonly #callers = new Map<number, StackIndex>();

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.calls = new ProbeCalls(trace, sink, options, {
      forkRemedy: 'perf script -F +pid (of ftrace, the option record-tgid)',
      isMislabelled: (place) => this.#places.isMislabelled(place),
    });
    this.recentCallers = new CallerStacks(this.calls.memory);
  }

  /**
   * Key of the process: its pid, or what tells program images apart where `pid` is 0. After an exec a pid's libraries lie elsewhere:
   * the blocks of its former program are gone, and it counts as another process.
   */
  processOf(event: UprobeEvent, pid: number): number {
    const image = this.#places.imageOf(event.place);
    if (pid <= 0) return imageKey(image);
    if (pid !== this.#pid || image !== this.#image) {
      let images = this.#imagesOf.get(pid);
      if (images === undefined) this.#imagesOf.set(pid, (images = []));
      let program = images.indexOf(image);
      if (program < 0) program = images.push(image) - 1;
      this.#pid = pid;
      this.#image = image;
      this.#key = keyOfProgram(pid, program);
    }
    return this.#key;
  }

  /** Number of the place of the event's probe. */
  placeOf(event: UprobeEvent): number {
    return this.#places.intern(event.op, event.place);
  }

  /** True while there was no exec, and lines that name no process are all of the same. */
  get oneImage(): boolean {
    return this.#places.images <= 1;
  }

  /** Adds an event; `stack` is NO_STACK if none was recorded. */
  push(event: UprobeEvent, process: number, tid: number, seconds: number, nanos: number, stack: StackIndex): void {
    const { op, old, size, extra } = event;
    const place = this.placeOf(event);
    if (op === Op.free) {
      // What free returns says nothing; few record it.
      if (event.isReturn) this.#trace.skip('note');
      else this.calls.push(op, process, tid, seconds, nanos, old, 0, 0, 0, NO_STACK);
    } else if (op === Op.malloc_usable_size) {
      if (event.isReturn) this.#trace.skip('note');
      else this.calls.push(op, process, tid, seconds, nanos, old, 0, 0, 0, NO_STACK);
    } else if (event.isReturn) {
      let result = event.result;
      if (op === Op.posix_memalign) result = result === 0 ? UNSEEN_ADDRESS : 0;
      if (stack === NO_STACK && event.caller > 0) stack = this.#stackOf(event.caller);
      this.calls.push(op + RETURN, process, tid, seconds, nanos, result, place, 0, 0, stack);
    } else this.calls.push(op + ENTRY, process, tid, seconds, nanos, place, old, size, extra, stack);
  }

  #stackOf(caller: number): StackIndex {
    let stack = this.#callers.get(caller);
    if (stack === undefined) {
      const { stacks } = this.#trace;
      stack = stacks.intern([stacks.frames.intern({ pc: BigInt(caller) })]);
      this.#callers.set(caller, stack);
    }
    this.recentCallers.put(caller, stack);
    return stack;
  }
}
