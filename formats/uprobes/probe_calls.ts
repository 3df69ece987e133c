/**
 * Allocator calls from probes on function entries and returns: the part that bpftrace, perf, ftrace and bcc recordings share.
 * Records arrive in the order of the file; they are sorted by time in a bounded window, entries are joined with their returns,
 * calls inside calls are folded (call_joins.ts), and what is left goes out as events of one process (probed_processes.ts).
 * Invariant: every record becomes an event, becomes part of one, or is counted in `trace.skipped`.
 *
 * Probes see what interposed functions do not:
 * - a call that another allocator call makes (glibc's realloc(NULL, n) jumps to malloc, posix_memalign of small alignments calls it);
 * - the frees by which an exiting thread hands back its cache (glibc's tcache_thread_shutdown): their blocks are free already,
 *   some never were a block of the program at all;
 * - a realloc's time is that of its return, but the block it moves from is free before that: another thread may have it already.
 */
import { formatCounted } from '../../core/trace/counted.ts';
import { MOST_CPU, OP_NAMES, Op } from '../../core/trace/events.ts';
import type { EventBatch } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { InputError } from '../format.ts';
import type { BatchSink, ReadOptions } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { FormerPrograms } from '../shared/former_programs.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { Reorder } from '../shared/reorder.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { FREED, LIVE, UNSEEN } from './address_state.ts';
import { AddressStates } from './address_states.ts';
import { CallJoins } from './call_joins.ts';
import { Moves } from './moves.ts';
import { isMain, nameOf, pidOf, type ProbedThread, ProbedProcesses, type Process } from './probed_processes.ts';
import { CONSUMED, ENTRY, EXEC, MISLABELLED, NESTED, RETURN, UNSEEN_ADDRESS } from './record_kinds.ts';
import { TakeLane } from './take_lane.ts';

/** A realloc is looked for this far behind the allocation that took its old block: records, and ns. */
const AHEAD_RECORDS = 8192;
const AHEAD_TIME = 100e6;

/** What is particular to a recorder. */
export interface Recorder {
  /** What tells forked processes from threads, of a recorder that may leave out which process a thread is of. */
  readonly forkRemedy?: string;
  /** Says of a probe's number that the recorder calls it by a wrong name, as far as its records have shown it. */
  readonly isMislabelled?: (probe: number) => boolean;
}

/** Sorts records by time, has them joined and folded, and takes those of one process. */
export class ProbeCalls {
  readonly #trace: Trace;
  readonly #formerPrograms: FormerPrograms;
  readonly #options: ReadOptions;
  /** Where lanes reach the window, the batch and the tables. */
  readonly memory = new LaneMemory();
  readonly #builder: BatchBuilder;
  readonly #reorder: Reorder;
  /** What the records' times are counted from; known from the first one on. */
  readonly origin = new TimeOrigin();
  readonly #states = new AddressStates(this.memory);
  readonly #processes = new ProbedProcesses(this.memory);
  /** The process that is taken; undefined until the first record leaves the window. */
  #chosen: Process | undefined;
  readonly #lane = new TakeLane(this.memory, this.#states);
  readonly #joins: CallJoins;
  readonly #moves = new Moves();
  /** Time of the first event, ns from the origin. -0 is a double, as what follows it: a change of kind would throw compiled code away. */
  #startTime = -0;
  /** Records that the recorder says it lost. */
  lost = 0;
  /** Kind of a record, an Op with or without ENTRY or RETURN -> 1 once there was one, of any process. */
  readonly #seen = new Uint8Array(CONSUMED);
  /** CPU of the records that are added, -1 if the recording does not say. */
  #cpu = -1;
  /** Blocks that were given out while they were live. */
  #givenTwice = 0;
  readonly #recorder: Recorder;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions, recorder: Recorder = {}) {
    const { memory } = this;
    this.#trace = trace;
    this.#formerPrograms = new FormerPrograms(trace);
    this.#options = options;
    this.#recorder = recorder;
    this.#joins = new CallJoins(trace.stacks, recorder.isMislabelled);
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
    const { index } = this.#processes.threadOf(process, tid);
    const origin = this.origin;
    if (!origin.known) origin.set(seconds, nanos);
    this.#seen[kind] = 1;
    this.#reorder.push(kind, index, origin.since(seconds, nanos), ptr, old, size, extra, stack, this.#cpu);
    // Behind it: where the window is full, the process is chosen by the records in it, as where a lane fills it.
    if (kind < ENTRY || kind >= RETURN) this.records[index]++;
  }

  /** Adds that a process runs another program from here on: its blocks are gone. */
  exec(process: number, tid: number, seconds: number, nanos: number): void {
    const { index } = this.#processes.threadOf(process, tid);
    const { origin } = this;
    if (!origin.known) origin.set(seconds, nanos);
    this.#reorder.push(EXEC, index, origin.since(seconds, nanos), 0, 0, 0, 0, NO_STACK);
  }

  /** Thread's index -> its whole calls and returns, which readers that fill columns themselves count here. */
  get records(): Float64Array {
    return this.#processes.records;
  }

  /** Place of a thread in `records`, and in the column of threads of what `room` gives. */
  threadIndex(process: number, tid: number): number {
    return this.#processes.threadOf(process, tid).index;
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
    this.#processes.threadOf(process, tid).name = name;
  }

  /** The thread's name so far. */
  nameOf(process: number, tid: number): string | undefined {
    return this.#processes.threadOf(process, tid).name;
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
    const { forkRemedy } = this.#recorder;
    const processes = this.#processes;
    this.#reorder.flush();
    this.#builder.flush();
    // Threads may have names and no call.
    const chosen = this.#chosen ?? (processes.all.length > 0 ? processes.choose(pid) : undefined);
    const others = processes.all.filter((process) => process !== chosen);
    if (chosen !== undefined && others.length > 0) {
      const also = processes.describeAll(others);
      if (pid !== undefined && processes.recordsOf(chosen) === 0)
        throw new InputError(name, `no events of process ${pid}`, `it has ${also}`);
      warnings.push(`only ${nameOf(chosen)} is replayed; the recording also has ${also} (--pid N for one of them)`);
    }
    this.#formerPrograms.end();
    if (this.lost > 0)
      warnings.push(`the recorder lost ${formatCounted(this.lost, 'event')}, so blocks whose free was lost look like leaks`);
    warnings.push(...this.#unprobed());
    if (
      chosen !== undefined &&
      chosen.key < 0 &&
      this.#givenTwice > 0 &&
      this.#seen[Op.free] === 1 &&
      this.lost === 0 &&
      threads.length > 1 &&
      forkRemedy !== undefined
    )
      warnings.push(
        `${formatCounted(this.#givenTwice, 'block')} given out twice, as to a process and its forked child: ${forkRemedy} tells them from threads`,
      );
    const late = this.#trace.skipped.late ?? 0;
    if (late > 0) warnings.push(`${formatCounted(late, 'event')} came too late to be put in order`);
    for (const thread of processes.threads) if (thread.row >= 0) threads.names[thread.row] = thread.name;
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

  /** Takes the first `count` records, the next in order of time; those before `known` are joined already. */
  #takeAll(rows: EventBatch, count: number, known: number): void {
    if (count === 0) return;
    const processes = this.#processes;
    const { threads } = processes;
    const room = processes.records.length;
    this.#joins.take(rows, known, room);
    if (known === 0) for (const thread of threads) thread.kept = thread.unseenTo = -1;
    this.#moves.clear();
    this.#chosen ??= processes.choose(this.#options.pid);
    this.#lane.holdThreads(room);
    for (let row = 0; row < count; ) {
      row = this.#lane.run(rows, row, count, this.#builder, this.#startTime);
      if (row < count) this.#take(rows, row++);
    }
    this.#joins.shift(count, rows.length);
    for (const thread of threads) {
      thread.kept = Math.max(-1, thread.kept - count);
      thread.unseenTo = Math.max(-1, thread.unseenTo - count);
    }
  }

  #take(rows: EventBatch, row: number): void {
    const trace = this.#trace;
    const kind = rows.op[row];
    const thread = this.#processes.threads[rows.thread[row]];
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
    this.#formerPrograms.left(left.length);
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
    const move = this.#moves.next(rows, row, address);
    if (move < 0 || move >= row + AHEAD_RECORDS || time[move] - time[row] > AHEAD_TIME) return;
    const mover = this.#processes.threads[thread[move]];
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
