/**
 * Allocator calls from probes on function entries and returns: the part that bpftrace, perf, ftrace and bcc recordings share.
 * Records arrive in the order of the file; they are sorted by time in a bounded window, entries are joined with their returns,
 * calls inside calls are folded, and what is left goes out as events of one process.
 * Invariant: every record becomes an event, becomes part of one, or is counted in `trace.skipped`.
 *
 * Probes see what interposed functions do not:
 * - a call that another allocator call makes (glibc's realloc(NULL, n) jumps to malloc, posix_memalign of small alignments calls it);
 * - the frees by which an exiting thread hands back its cache (glibc's tcache_thread_shutdown): their blocks are free already,
 *   some never were a block of the program at all;
 * - a realloc's time is that of its return, but the block it moves from is free before that: another thread may have it already.
 */
import { MOST_CPU, OP_NAMES, Op } from '../../core/trace/events.ts';
import type { EventBatch } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import type { StackIndex } from '../../core/units.ts';
import { InputError } from '../format.ts';
import type { BatchSink, ReadOptions } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { Reorder } from '../shared/reorder.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { FREED, LIVE, UNSEEN } from './address_state.ts';
import { AddressStates } from './address_states.ts';
import { JoinState, NONE, PROBES, SEVERAL, joinLane } from './join_lane.ts';
import { CONSUMED, ENTRY, EXEC, MISLABELLED, NESTED, RETURN } from './record_kinds.ts';
import { TakeLane } from './take_lane.ts';

/** Result of a call that gave a block whose address the recorder could not see. */
export const UNSEEN_ADDRESS = -1;

/** A realloc is looked for this far behind the allocation that took its old block: records, and ns. */
const AHEAD_RECORDS = 8192;
const AHEAD_TIME = 100e6;
/** Other processes that a message names. */
const MOST_NAMED = 8;

/** A process of the recording, or one of the programs that it ran. */
interface Process {
  /** What tells it from the others: its pid (keyOfProgram), or a negative number where the recording has none. */
  readonly key: number;
  /** By tid, in order of appearance. */
  readonly threads: Map<number, ProbedThread>;
}

/** Beyond any pid. */
const PIDS = 2 ** 32;

/** Key of the program that process `pid` runs after so many calls of exec. */
export function keyOfProgram(pid: number, execs: number): number {
  return pid + execs * PIDS;
}

/** Pid of a process that has one. */
function pidOf({ key }: Process): number {
  return key % PIDS;
}

/** A thread, by process and tid. */
class ProbedThread {
  readonly process: Process;
  readonly tid: number;
  readonly index: number;
  name: string | undefined;
  /** Its row in the trace's threads, -1 before its first event. */
  row = -1;
  /** Entries without a return so far, and for each the completed call inside it or -1: rows of the window. Empty unless `open` says SEVERAL. */
  readonly pending: number[] = [];
  readonly inner: number[] = [];
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

/** Joins, folds and sorts probe records. */
export class ProbeCalls {
  readonly #trace: Trace;
  readonly #options: ReadOptions;
  /** Where lanes reach the window, the batch and the tables. */
  readonly memory = new LaneMemory();
  readonly #builder: BatchBuilder;
  readonly #reorder: Reorder;
  /** What the records' times are counted from; known from the first one on. */
  readonly origin = new TimeOrigin();
  readonly #states = new AddressStates(this.memory);
  readonly #processes = new Map<number, Process>();
  readonly #threads: ProbedThread[] = [];
  /** Thread's index -> its whole calls and returns. An entry says little of a process: its return may not be recorded. */
  records: Float64Array;
  #thread: ProbedThread | undefined;
  /** The process that is taken; undefined until the first record leaves the window. */
  #chosen: Process | undefined;
  readonly #lane = new TakeLane(this.memory, this.#states);
  readonly #joins = new JoinState();
  /** Time of the first event, ns from the origin. -0 is a double, as what follows it: a change of kind would throw compiled code away. */
  #startTime = -0;
  /** Stack of an entry -> stack of its return -> joined stack. */
  readonly #joined = new Map<StackIndex, Map<StackIndex, StackIndex>>();
  /** Records that the recorder says it lost. */
  lost = 0;
  /** Kind of a record, an Op with or without ENTRY or RETURN -> 1 once there was one, of any process. */
  readonly #seen = new Uint8Array(CONSUMED);
  /** CPU of the records that are added, -1 if the recording does not say. */
  #cpu = -1;
  /** What tells forked processes from threads, of a recorder that may leave out which process a thread is of. */
  forkRemedy: string | undefined;
  /** Address -> rows of the reallocs in the window that move a block away from it, the last one first; made when it is first asked for. */
  #movers: Map<number, number[]> | undefined;
  /** Blocks that were given out while they were live. */
  #givenTwice = 0;
  /** Says of a probe's number that the recorder calls it by a wrong name. */
  isMislabelled: ((probe: number) => boolean) | undefined;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    const { memory } = this;
    this.records = memory.float64(16);
    this.#trace = trace;
    this.#options = options;
    this.#builder = new BatchBuilder(sink, options.batchEvents, memory);
    this.#reorder = new Reorder((rows, count, known) => this.#takeAll(rows, count, known), options.reorderWindow, memory);
  }

  /**
   * Adds a record. `kind` is an Op, alone (a whole call, stamped at its return; a free, at its entry) or with ENTRY or RETURN;
   * `process` a pid, or a negative key; the time is `seconds` and `nanos`; the other columns are those of EventBatch.
   */
  push(
    kind: number,
    process: number,
    tid: number,
    seconds: number,
    nanos: number,
    ptr: number,
    old: number,
    size: number,
    extra: number,
    stack: number,
  ): void {
    let thread = this.#thread;
    if (thread === undefined || thread.tid !== tid || thread.process.key !== process) thread = this.#threadOf(process, tid);
    const origin = this.origin;
    if (!origin.known) origin.set(seconds, nanos);
    this.#seen[kind] = 1;
    this.#reorder.push(kind, thread.index, origin.since(seconds, nanos), ptr, old, size, extra, stack, this.#cpu);
    // Behind it: where the window is full, the process is chosen by the records in it, as where a lane fills it.
    if (kind < ENTRY || kind >= RETURN) this.records[thread.index]++;
  }

  /** Adds that a process runs another program from here on: its blocks are gone. */
  exec(process: number, tid: number, seconds: number, nanos: number): void {
    const { index } = this.#threadOf(process, tid);
    const { origin } = this;
    if (!origin.known) origin.set(seconds, nanos);
    this.#reorder.push(EXEC, index, origin.since(seconds, nanos), 0, 0, 0, 0, NO_STACK);
  }

  /** Place of a thread in `records`, and in the column of threads of what `room` gives. */
  threadIndex(process: number, tid: number): number {
    return this.#threadOf(process, tid).index;
  }

  /**
   * Columns with room for a record at `length` at least, for readers that add many at once. They fill every column, count in `records`,
   * and say so by `filled`.
   */
  room(): EventBatch {
    return this.#reorder.room();
  }

  /** Says that rows which a reader fills will have records of a kind. */
  fills(kind: number): void {
    this.#seen[kind] = 1;
  }

  /** Says that the rows before `length` are filled, and whether the new ones are in order of time, each behind the one before it. */
  filled(length: number, inOrder: boolean): void {
    this.#reorder.filled(length, inOrder);
  }

  /** Says on which CPU the records added from now on were made; a number that no CPU has stands for not known. */
  ranOn(cpu: number): void {
    this.#cpu = cpu >= 0 && cpu <= MOST_CPU ? cpu : -1;
  }

  /** Names a thread; the last name given stays. */
  name(process: number, tid: number, name: string): void {
    this.#threadOf(process, tid).name = name;
  }

  /** The thread's name so far. */
  nameOf(process: number, tid: number): string | undefined {
    return this.#threadOf(process, tid).name;
  }

  /** Counts `count` records that the recorder lost. */
  lose(count: number): void {
    if (count === 0) return;
    this.lost += count;
    this.#trace.skip('lost', count);
  }

  /**
   * Takes what is held and hands over the last batch.
   * @throws InputError if there is nothing of the process that was asked for.
   */
  end(): void {
    const { header, warnings, threads } = this.#trace;
    const { pid, name } = this.#options;
    this.#reorder.flush();
    this.#builder.flush();
    // Threads may have names and no call.
    const chosen = this.#chosen ?? (this.#processes.size > 0 ? this.#choose() : undefined);
    const others = [...this.#processes.values()].filter((process) => process !== chosen);
    if (chosen !== undefined && others.length > 0) {
      const also = this.#describeAll(others);
      if (pid !== undefined && this.#recordsOf(chosen) === 0) throw new InputError(name, `no events of process ${pid}`, `it has ${also}`);
      warnings.push(`only ${this.#nameOf(chosen)} is replayed; the recording also has ${also} (--pid N for one of them)`);
    }
    if (this.lost > 0) warnings.push(`the recorder lost ${this.lost} events, so blocks whose free was lost look like leaks`);
    warnings.push(...this.#unprobed());
    if (
      chosen !== undefined &&
      chosen.key < 0 &&
      this.#givenTwice > 0 &&
      this.#seen[Op.free] === 1 &&
      this.lost === 0 &&
      threads.length > 1 &&
      this.forkRemedy !== undefined
    )
      warnings.push(
        `${this.#givenTwice} blocks were given out twice, as to a process and its forked child: ${this.forkRemedy} tells them from threads`,
      );
    const late = this.#trace.skipped.late ?? 0;
    if (late > 0) warnings.push(`${late} events came too late to be put in order`);
    for (const thread of this.#threads) if (thread.row >= 0) threads.names[thread.row] = thread.name;
    if (chosen !== undefined && chosen.key > 0) header.pid ??= pidOf(chosen);
    if (this.origin.known) header.startTime ??= this.origin.toBigInt() + BigInt(this.#startTime);
  }

  /** What the recorder was not told to record, as far as its records show it. */
  #unprobed(): string[] {
    const seen = this.#seen;
    const halves = (kind: number, other: number) =>
      OP_NAMES.filter((_name, op) => seen[kind + op] === 1 && seen[other + op] === 0).join(', ');
    const [called, returned] = [halves(ENTRY, RETURN), halves(RETURN, ENTRY)];
    const remarks: string[] = [];
    if (called !== '')
      remarks.push(
        `no return of ${called} is recorded, which tells the block, so that none of these calls is replayed: record it, too (perf probe -x LIBRARY 'malloc%return ret=$retval', in bpftrace a uretprobe)`,
      );
    if (returned !== '')
      remarks.push(
        `no entry of ${returned} is recorded, which tells the size, so that none of these calls is replayed: record it, too (perf probe -x LIBRARY 'malloc size=%di:u64', in bpftrace a uprobe)`,
      );
    if (this.#givenTwice > 0 && seen[Op.free] === 0)
      remarks.push(
        `no free is recorded, but blocks were given out again (${this.#givenTwice} times), so that what was freed seems to leak: record it, too (perf probe -x LIBRARY 'free ptr=%di', in bpftrace a uprobe)`,
      );
    return remarks;
  }

  #threadOf(key: number, tid: number): ProbedThread {
    const process = this.#processes.get(key) ?? this.#addProcess(key);
    let thread = process.threads.get(tid);
    if (thread === undefined) {
      thread = new ProbedThread(process, tid, this.#threads.length);
      process.threads.set(tid, thread);
      this.#threads.push(thread);
      if (this.#threads.length > this.records.length) {
        const larger = this.memory.float64(this.records.length * 2);
        larger.set(this.records);
        this.records = larger;
        this.#lane.addThreads(larger.length);
        this.#joins.addThreads(larger.length);
      }
    }
    this.#thread = thread;
    return thread;
  }

  /** Chooses the process asked for, else the one with the most calls. */
  #choose(): Process {
    const { pid } = this.#options;
    let processes = [...this.#processes.values()];
    if (pid !== undefined) {
      processes = processes.filter((process) => pidOf(process) === pid);
      if (processes.length === 0) return this.#ofThread(pid) ?? this.#addProcess(pid);
    }
    const records = processes.map((process) => this.#recordsOf(process));
    return processes[records.indexOf(records.reduce((most, count) => Math.max(most, count)))];
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

  /** Whole calls and returns of a process. */
  #recordsOf(process: Process): number {
    let sum = 0;
    for (const { index } of process.threads.values()) sum += this.records[index];
    return sum;
  }

  /** Processes for a message: of many, those that call most. */
  #describeAll(processes: readonly Process[]): string {
    if (processes.length <= MOST_NAMED) return processes.map((process) => this.#describe(process)).join(', ');
    const records = new Map(processes.map((process) => [process, this.#recordsOf(process)]));
    const sorted = [...records].sort(([, a], [, b]) => b - a);
    const rest = sorted.slice(MOST_NAMED);
    const calls = rest.reduce((sum, [, count]) => sum + count, 0);
    const named = sorted.slice(0, MOST_NAMED).map(([process]) => this.#describe(process));
    return `${named.join(', ')}, and ${rest.length} more with ${calls} calls`;
  }

  #describe(process: Process): string {
    const calls = this.#recordsOf(process);
    return `${this.#nameOf(process)} with ${calls} call${calls === 1 ? '' : 's'}`;
  }

  /** Its number, or where only threads have numbers, that of its first one; and the command, which is its first thread's name, if that is known. */
  #nameOf(process: Process): string {
    const pid = pidOf(process);
    const [earliest] = process.threads.values();
    const first = process.threads.get(pid) ?? earliest;
    const number = process.key > 0 ? `process ${pid}` : `the process of thread ${first?.tid}`;
    return first?.name === undefined ? number : `${number} (${first.name})`;
  }

  #addProcess(key: number): Process {
    const process = { key, threads: new Map<number, ProbedThread>() };
    this.#processes.set(key, process);
    return process;
  }

  /** Joins and folds the rows of a full window from `known` on, before its first part leaves. */
  #prepare(rows: EventBatch, known: number): void {
    const joins = this.#joins;
    const { length } = rows;
    joins.hold(rows.capacity);
    // A probe seen since may have shown that another one is mislabelled.
    joins.usual.fill(this.isMislabelled === undefined ? 1 : 0);
    if (known === 0) {
      joins.clear();
      for (const thread of this.#threads) {
        thread.pending.length = thread.inner.length = 0;
        thread.kept = thread.unseenTo = -1;
      }
    }
    for (let row = known; row < length; ) {
      row = joinLane(rows, row, length, joins);
      if (row < length) this.#prepareOne(rows, row++);
    }
  }

  #prepareOne(rows: EventBatch, row: number): void {
    const { op, ptr, old } = rows;
    const { next, open, last, lastAllocation, usual } = this.#joins;
    const kind = op[row];
    next[row] = 0;
    if (kind >= CONSUMED) return;
    if (this.isMislabelled !== undefined && kind >= ENTRY) {
      const probe = kind >= RETURN ? old[row] : ptr[row];
      if (this.isMislabelled(probe)) {
        op[row] = MISLABELLED;
        return;
      }
      if (probe < PROBES) usual[probe] = 1;
    }
    const thread = this.#threads[rows.thread[row]];
    const { pending, inner, index } = thread;
    if (open[index] >= 0) {
      pending.push(open[index]);
      inner.push(-1);
    }
    const former = last[index];
    if (kind >= RETURN) this.#join(rows, thread, row);
    else if (kind >= ENTRY) {
      this.#abandon(rows, thread, row, kind - ENTRY);
      pending.push(row);
      inner.push(-1);
    } else if (pending.length > 0) {
      this.#abandon(rows, thread, row, kind);
      if (pending.length > 0) inner[pending.length - 1] = row;
    } else if (former >= 0) foldInto(rows, row, former);
    if (former >= 0) next[former] = row - former;
    last[index] = row;
    if (op[row] !== Op.free && kind !== Op.thread_exit) lastAllocation[index] = row;
    this.#noteOpen(thread);
  }

  /** Keeps the thread's pending entries where the lane finds them, if it has one and nothing within it, or none. */
  #noteOpen({ pending, inner, index }: ProbedThread): void {
    const { open } = this.#joins;
    if (pending.length === 0) open[index] = NONE;
    else if (pending.length === 1 && inner[0] < 0) {
      open[index] = pending[0];
      pending.pop();
      inner.pop();
    } else open[index] = SEVERAL;
  }

  /** The first `count` of `length` rows have gone: entries among them were counted, and no return belongs to them any more. */
  #shift(count: number, length: number): void {
    this.#joins.shift(count, length);
    for (const thread of this.#threads) {
      const { pending, inner } = thread;
      thread.kept = Math.max(-1, thread.kept - count);
      thread.unseenTo = Math.max(-1, thread.unseenTo - count);
      if (pending.length === 0) continue;
      const gone = pending.findIndex((row) => row >= count);
      const kept = gone < 0 ? [] : pending.slice(gone);
      const within = inner.slice(inner.length - kept.length);
      pending.length = inner.length = 0;
      kept.forEach((row, i) => {
        pending.push(row - count);
        inner.push(within[i] < 0 ? -1 : within[i] - count);
      });
      this.#noteOpen(thread);
    }
  }

  /** Gives up entries that cannot be around a call of `kind` at `row`: their returns are lost. */
  #abandon(rows: EventBatch, thread: ProbedThread, row: number, kind: number): void {
    const { pending, inner } = thread;
    for (let top = pending.length - 1; top >= 0; top--) {
      if (inner[top] < 0 && canContain(rows, pending[top], rows.op[pending[top]] - ENTRY, row, kind)) return;
      pending.pop();
      inner.pop();
    }
  }

  /** Joins the return at `row` with its entry: the return's row becomes the whole call. */
  #join(rows: EventBatch, thread: ProbedThread, row: number): void {
    const { op, ptr, old, size, extra, stack, cpu } = rows;
    const { pending, inner } = thread;
    const kind = op[row] - RETURN;
    let at = pending.length - 1;
    while (at >= 0 && op[pending[at]] !== kind + ENTRY) at--;
    if (at < 0) return;
    const entry = pending[at];
    const within = inner[at];
    // Nearly always one: assigning to `length` costs more than the rest of this function.
    for (let top = pending.length; top > at; top--) {
      pending.pop();
      inner.pop();
    }
    op[row] = kind;
    op[entry] = CONSUMED;
    old[row] = old[entry];
    size[row] = size[entry];
    extra[row] = extra[entry];
    if (cpu !== undefined) cpu[row] = cpu[entry];
    stack[row] = this.#joinStacks(stack[entry] as StackIndex, stack[row] as StackIndex);
    if (within >= 0) {
      // glibc's realloc(p, 0) calls free(p) and gives NULL; every other inner call gives what the outer one gives.
      const same = op[within] === Op.free ? ptr[row] === 0 : ptr[row] === UNSEEN_ADDRESS || ptr[within] === ptr[row];
      if (same) nest(rows, row, within);
    }
    if (at > 0) {
      if (inner[at - 1] < 0) inner[at - 1] = row;
      else pending.length = inner.length = at - 1;
    }
  }

  /**
   * The stack of a call whose entry and return both have one. At a function's first instruction the walk misses the direct caller;
   * at its return it has it, but no longer the function itself.
   */
  #joinStacks(entry: StackIndex, after: StackIndex): StackIndex {
    if (entry === NO_STACK) return after;
    if (after === NO_STACK) return entry;
    const { stacks } = this.#trace;
    let ofEntry = this.#joined.get(entry);
    if (ofEntry === undefined) this.#joined.set(entry, (ofEntry = new Map()));
    let joined = ofEntry.get(after);
    if (joined === undefined) {
      const inside = Array.from(stacks.framesOf(entry));
      const outside = Array.from(stacks.framesOf(after));
      // One frame after the return, more before: it is only the return address that the probe noted.
      const rest = outside.length === 1 ? inside.slice(1) : [];
      if (rest[0] === outside[0]) rest.shift();
      joined = stacks.intern([inside[0], ...outside, ...rest]);
      ofEntry.set(after, joined);
    }
    return joined;
  }

  /** Takes the first `count` records, the next in order of time; those before `known` are joined already. */
  #takeAll(rows: EventBatch, count: number, known: number): void {
    if (count === 0) return;
    this.#prepare(rows, known);
    this.#movers = undefined;
    this.#chosen ??= this.#choose();
    for (let row = 0; row < count; ) {
      row = this.#lane.run(rows, row, count, this.#builder, this.#startTime);
      if (row < count) this.#take(rows, row++);
    }
    this.#shift(count, rows.length);
  }

  #take(rows: EventBatch, row: number): void {
    const trace = this.#trace;
    const kind = rows.op[row];
    const thread = this.#threads[rows.thread[row]];
    if (kind === CONSUMED) return;
    if (thread.process !== this.#chosen) return trace.skip('other_process');
    if (kind === NESTED) return trace.skip('nested');
    if (kind === MISLABELLED) return trace.skip('mislabelled');
    if (kind >= RETURN && kind !== EXEC) return trace.skip('no_entry');
    if (kind >= ENTRY && kind !== EXEC) return trace.skip('no_return');
    if (rows.time[row] < this.#lane.lastTime) return trace.skip('late');
    this.#lane.lastTime = rows.time[row];
    if (kind === EXEC) return this.#leaveProgram(thread);
    this.#begin(thread);
    if (kind === Op.thread_exit) {
      // The main thread's is that of the process, and the handlers of exit() still run in it.
      if (thread.tid === pidOf(thread.process)) return trace.skip('note');
      thread.exiting = true;
      this.#admit(thread);
    } else if (kind === Op.free) {
      if (this.#isPhantom(rows, row, thread)) trace.skip('phantom_free');
      else {
        const address = rows.ptr[row];
        if (address !== 0 && this.#states.get(address) === LIVE) this.#states.set(address, FREED);
        this.#emit(rows, row, thread);
      }
    } else this.#allocate(rows, row, thread);
    // What a thread's exit still frees is its last: the exit comes after it.
    if (thread.exiting && this.#joins.next[row] === 0) {
      thread.exiting = false;
      this.#admit(thread);
      this.#builder.append(Op.thread_exit, thread.row, rows.time[row] - this.#startTime, 0, 0, 0, 0, NO_STACK);
    }
  }

  /** Gives the thread its row, if this is its first event. */
  #begin(thread: ProbedThread): void {
    const { threads } = this.#trace;
    if (thread.row >= 0) return;
    if (threads.length === 0) this.#startTime = this.#lane.lastTime;
    thread.row = threads.intern(thread.tid);
    this.#admit(thread);
  }

  /** The process runs another program, by a call of this thread: what the former one held is gone. */
  #leaveProgram(thread: ProbedThread): void {
    this.#trace.skip('note');
    if (this.#trace.threads.length === 0) return;
    const left = this.#states.clear();
    if (left.length > 0) this.#begin(thread);
    const time = this.#lane.lastTime - this.#startTime;
    for (const address of left) this.#builder.append(Op.free, thread.row, time, address, 0, 0, 0, NO_STACK);
    this.#trace.warnings.push(`the process called exec(): ${left.length} blocks of its former program are freed there`);
  }

  #allocate(rows: EventBatch, row: number, thread: ProbedThread): void {
    const states = this.#states;
    if (thread.flushing) {
      thread.flushing = false;
      this.#admit(thread);
    }
    const address = rows.ptr[row];
    const from = rows.old[row];
    if (address === UNSEEN_ADDRESS) return this.#trace.skip('no_address');
    if (from !== 0 && from !== address && (address !== 0 || rows.size[row] === 0)) states.set(from, FREED);
    if (address !== 0) {
      if (address !== from && states.get(address) === LIVE) {
        this.#takeMover(rows, row, address);
        if (states.get(address) === LIVE) this.#givenTwice++;
      }
      states.set(address, LIVE);
    }
    this.#emit(rows, row, thread);
  }

  /** An allocation at `row` got an address that is still live: takes the realloc that moved away from it first, if one returns soon after. */
  #takeMover(rows: EventBatch, row: number, address: number): void {
    const { op, thread, time, ptr } = rows;
    const move = this.#nextMove(rows, row, address);
    if (move < 0 || move >= row + AHEAD_RECORDS || time[move] - time[row] > AHEAD_TIME) return;
    const mover = this.#threads[thread[move]];
    if (mover.process !== this.#chosen || mover.row < 0) return;
    // The realloc was under way at `row` only if its thread did nothing else in between, and is not over if the block is freed before it.
    for (let at = move - 1; at >= row; at--) {
      if (op[at] < CONSUMED && thread[at] === mover.index) return;
      if (op[at] === Op.free && ptr[at] === address) return;
    }
    this.#states.set(address, FREED);
    if (ptr[move] > 0) this.#states.set(ptr[move], LIVE);
    this.#emit(rows, move, mover, time[row]);
    op[move] = CONSUMED;
  }

  /** Row of the first realloc behind `row` that moves a block away from `address`; -1 if there is none. Asked for ever higher rows of a window. */
  #nextMove(rows: EventBatch, row: number, address: number): number {
    const { op, ptr, old, length } = rows;
    const moves = (at: number) => (op[at] === Op.realloc || op[at] === Op.reallocarray) && ptr[at] !== old[at];
    let movers = this.#movers;
    if (movers === undefined) {
      this.#movers = movers = new Map();
      for (let at = length - 1; at > row; at--) {
        if (!moves(at)) continue;
        const known = movers.get(old[at]);
        if (known === undefined) movers.set(old[at], [at]);
        else known.push(at);
      }
    }
    const ahead = movers.get(address);
    if (ahead === undefined) return -1;
    // Those behind are over, and those that were taken are none any more.
    while (ahead.length > 0 && (ahead[ahead.length - 1] <= row || !moves(ahead[ahead.length - 1]))) ahead.pop();
    return ahead.length === 0 ? -1 : ahead[ahead.length - 1];
  }

  #emit(rows: EventBatch, row: number, thread: ProbedThread, time = rows.time[row]): void {
    const { op, ptr, old, size, extra, stack, cpu } = rows;
    if (cpu !== undefined && cpu[row] >= 0) this.#builder.ranOn(cpu[row]);
    this.#builder.append(op[row] as Op, thread.row, time - this.#startTime, ptr[row], old[row], size[row], extra[row], stack[row]);
  }

  /** Whether the free at `row` is one of those by which an exiting thread hands back its cache. */
  #isPhantom(rows: EventBatch, row: number, thread: ProbedThread): boolean {
    const { ptr } = rows;
    const states = this.#states;
    if (ptr[row] === 0) return false;
    const state = states.get(ptr[row]);
    if (state === LIVE) return false;
    // The main thread does not hand its cache back, and a thread that allocates again does not exit.
    if (isMain(thread) || row < this.#joins.lastAllocation[thread.index]) return false;
    if (thread.flushing) return true;
    if (state === UNSEEN && this.lost > 0 && !thread.exiting) return false;
    const { kept, unseenTo, unseenAt } = thread;
    if (kept > row && (ptr[kept] === 0 || states.get(ptr[kept]) === LIVE)) return false;
    // The cache goes back as a whole, at the very end: from here on none of the thread's frees is of a live block. At least one of
    // them has been freed before; others never were blocks of the program but remainders that the C library split off and cached.
    let freed = thread.exiting || state === FREED;
    const { next } = this.#joins;
    let ahead = unseenTo > row && unseenAt === states.changes ? unseenTo : row;
    while (next[ahead] > 0) {
      ahead += next[ahead];
      const later = ptr[ahead] === 0 ? LIVE : states.get(ptr[ahead]);
      if (later === LIVE) {
        thread.kept = ahead;
        return false;
      }
      if (later === FREED) freed = true;
    }
    if (!freed) {
      thread.unseenTo = ahead;
      thread.unseenAt = states.changes;
      return false;
    }
    thread.flushing = true;
    this.#admit(thread);
    return true;
  }

  /** Notes whether a thread's records may be taken by the lane: it is of the chosen process, since it has a row, and is not ending. */
  #admit(thread: ProbedThread): void {
    this.#lane.setRow(thread.index, thread.exiting || thread.flushing ? -1 : thread.row);
  }
}

/** Whether it is its process's first thread: the first in the recording, where processes have no numbers. */
function isMain({ process, tid, row }: ProbedThread): boolean {
  return process.key > 0 ? tid === pidOf(process) : row === 0;
}

/** Bytes that a call asks for. */
function bytesOf(rows: EventBatch, row: number, kind: number): number {
  return kind === Op.calloc || kind === Op.reallocarray ? rows.size[row] * rows.extra[row] : rows.size[row];
}

/** Whether a call `kind` at `row` can be one that the call `outerKind` at `outer` made. */
function canContain(rows: EventBatch, outer: number, outerKind: number, row: number, kind: number): boolean {
  const { ptr, old, extra } = rows;
  if (kind === Op.free) return (outerKind === Op.realloc || outerKind === Op.reallocarray) && old[outer] !== 0 && ptr[row] === old[outer];
  if (kind === Op.thread_exit || kind === Op.malloc_usable_size) return false;
  const asked = bytesOf(rows, outer, outerKind);
  const given = bytesOf(rows, row, kind);
  switch (outerKind) {
    case Op.calloc:
    case Op.realloc:
      return kind === Op.malloc && given === asked;
    case Op.reallocarray:
      return given === asked && (kind === Op.malloc || (kind === Op.realloc && old[row] === old[outer]));
    case Op.posix_memalign:
    case Op.aligned_alloc:
    case Op.memalign:
    case Op.valloc:
    case Op.pvalloc:
      // Some allocators ask malloc for the alignment on top; aligned_alloc and memalign may be names of one function.
      return (
        kind !== outerKind &&
        kind !== Op.calloc &&
        kind !== Op.realloc &&
        kind !== Op.reallocarray &&
        given >= asked &&
        given <= asked + extra[outer] + 8192
      );
    default:
      return false;
  }
}

/** Folds the whole call at `inner`, the same thread's last, into the whole one at `row` if that one made it. */
function foldInto(rows: EventBatch, row: number, inner: number): void {
  const { op, ptr, old, size } = rows;
  const kind = op[row];
  const innerKind = op[inner];
  if (innerKind >= ENTRY || kind === Op.free) return;
  if (innerKind === Op.free) {
    if (kind !== Op.realloc || size[row] !== 0 || ptr[row] !== 0) return;
  } else if (ptr[row] === 0 || (ptr[inner] !== ptr[row] && ptr[row] !== UNSEEN_ADDRESS) || old[row] === ptr[row]) return;
  if (canContain(rows, row, kind, inner, innerKind)) nest(rows, row, inner);
}

/** Marks `inner` as a part of the call at `row`, which takes from it what it lacks. */
function nest(rows: EventBatch, row: number, inner: number): void {
  const { op, ptr, stack } = rows;
  if (stack[row] < 0) stack[row] = stack[inner];
  if (ptr[row] === UNSEEN_ADDRESS) ptr[row] = ptr[inner];
  op[inner] = NESTED;
}
