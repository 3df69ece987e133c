/**
 * Runs the events of a trace through a heap: trace addresses become regions of the model, and requested bytes go to the ledger.
 * Invariant: an object of the live table is live in the trace, and in the model unless the model had no memory for it.
 * Differs from the recorded run: what the trace frees without having allocated, or allocated without getting memory, does nothing here.
 */
import type { BackgroundThreads } from '../background/background_threads.ts';
import { arenaOfCpu } from '../conf/boot.ts';
import type { Heap } from '../heap.ts';
import {
  addressOf,
  alignedAllocC11,
  calloc,
  free,
  malloc,
  mallocUsableSize,
  memalign,
  overflows,
  posixMemalign,
  realloc,
  usableSizeOf,
  valloc,
} from '../jemalloc.ts';
import { hangAt } from '../hang_error.ts';
import { ModelMemory } from '../model_memory.ts';
import { PAGE } from '../sizes/sc.ts';
import { threadExit, tsdFetch } from '../thread/lifecycle.ts';
import type { Tsd } from '../thread/tsd.ts';
import { type EventBatch, Op } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import type { Skipped, Trace } from '../trace/trace.ts';
import { type Bytes, MAIN_THREAD, NO_STACK, type StackIndex } from '../units.ts';
import { auditHeap } from '../audit.ts';
import { bytesToByteString, textOfByteString, toByteString } from '../conf/byte_string.ts';
import { collectPrint, Ctl } from '../stats/ctl.ts';
import type { CtlValue } from '../stats/ctl_tree.ts';
import { Mallctl } from '../stats/mallctl.ts';
import { type AccountOptions, AccountReplay } from './accounts.ts';
import { bootHeap, type ModelOptions } from './boot.ts';
import { WINDOW } from './event_window.ts';
import { Lane } from './lane.ts';
import { NO_MEMORY } from './live_row.ts';
import type { NumberedBatch } from './numbers.ts';
import { NULL_REGION, type Region } from '../extent/types.ts';
import { type ModelBytes, modelBytes, type ReplaySummary } from './summary.ts';

/** Settings of a replay. */
export interface ReplayOptions extends AccountOptions, ModelOptions {
  /** False: no allocator, only the accounts of the program (ledger, counts, what was skipped), at a fraction of the time. */
  readonly model?: boolean;
  /** Check every table after every event. */
  readonly audit?: boolean;
  /** Takes each allocation's place: event number, how-maniest mapping of the heap, bytes from its start, usable bytes. */
  readonly placement?: (event: number, mapping: number, offset: number, usable: number) => void;
}

/** jemalloc's state, and what runs it. */
interface Model {
  readonly heap: Heap;
  readonly lane: Lane;
  readonly ctl: Ctl;
}

/** Place of errors in what the process does at its end. */
const EXIT = 'exit of the process';
/** Bytes between the stacks of threads that the trace gives no PRNG state, as glibc lays them out by default. */
const THREAD_STRIDE = 0x801000n;

/** A replay under way. Feed it batches with `take`, then call `finish` and ask for results. */
export class Replay extends AccountReplay {
  /** True if the option string has mistakes, which jemalloc warns of and passes by; known once the model is booted. */
  confError = false;
  readonly #options: ReplayOptions;
  /** None without a model. */
  readonly #memory: ModelMemory | undefined;
  #booted: Model | undefined;
  #mallctl: Mallctl | undefined;
  #outOfMemory = 0;
  #peak: ModelBytes | null = null;
  /** An event has told its CPU to a model with arenas of CPUs. */
  #cpusKnown = false;

  constructor(trace: Trace, options: ReplayOptions = {}) {
    const memory = options.model === false ? undefined : new ModelMemory();
    super(trace, options, memory);
    this.#memory = memory;
    this.#options = options;
  }

  /** jemalloc's state, booted from the trace's header at the first event or result. @throws as bootHeap does, then */
  get heap(): Heap {
    return this.#model.heap;
  }

  get #model(): Model {
    return (this.#booted ??= this.#boot());
  }

  #boot(): Model {
    const memory = this.#memory ?? new ModelMemory();
    const message = this.#options.message ?? (() => {});
    const { heap, confError } = bootHeap(this.trace, this.#options, memory);
    this.confError = confError;
    heap.notePeak = () => this.#takePeak();
    const lane = new Lane(memory, this.window, this.live, this.ledger, heap.background === null && heap.conf.percpuArenas === 0);
    const ctl = new Ctl(heap);
    ctl.printAtIntervals((chunk) => message(textOfBytes(chunk), chunk));
    return { heap, lane, ctl };
  }

  /** The control interface (mallctl, statistics) of the model. */
  get ctl(): Ctl {
    return this.#model.ctl;
  }

  /**
   * mallctl by a thread of the trace (row of `trace.threads`) between two batches of events, with all that it does to the heap: reads `name`,
   * and writes `value` if one is given; an action such as `arena.0.purge` is read. Objects of an arena that is reset are gone: the trace
   * must not free them afterwards. Strings are text here, UTF-8 to jemalloc.
   * @returns The value before the call, in the units of jemalloc's manual; undefined for an action.
   * @throws MallctlError with jemalloc's error, UnsupportedName for what a replay has not.
   */
  mallctl(name: string, value?: CtlValue, thread = 0): CtlValue | undefined {
    this.#mallctl ??= new Mallctl(this.ctl);
    if (this.ledger.newPeak) this.#takePeak();
    try {
      const given = typeof value === 'string' ? toByteString(value) : value;
      const former = this.#mallctl.byName(this.tsdOf(thread), name, given);
      return typeof former === 'string' ? textOfByteString(former) : former;
    } finally {
      this.heap.background?.settle();
    }
  }

  /** The data of a thread of the trace (row of `trace.threads`); threads that have none yet get theirs, in order, with their seeds. */
  tsdOf(thread: number): Tsd {
    const { heap } = this;
    while (heap.tsds.length <= thread) {
      const index = heap.tsds.length;
      heap.addThread(this.trace.threads.prngSeeds[index] ?? BigInt.asUintN(64, heap.tsds[0].seed - BigInt(index) * THREAD_STRIDE));
    }
    return heap.tsds[thread];
  }

  /** Runs the first `rows` events of a batch through the model, or only books them. @throws InputError where the real library would never return. */
  protected override runRows(numbers: NumberedBatch, rows: number): void {
    if (this.#options.model === false) {
      super.runRows(numbers, rows);
      return;
    }
    try {
      this.#runModel(numbers, rows);
    } catch (error) {
      throw hangAt(this.eventPlace, error);
    }
  }

  #runModel(numbers: NumberedBatch, rows: number): void {
    const { placement, audit } = this.#options;
    if (audit !== true && placement === undefined) {
      this.#runOnCpus(numbers, 0, rows);
      return;
    }
    for (let row = 0; row < rows; row++) {
      this.#runOnCpus(numbers, row, row + 1);
      if (placement !== undefined) this.#place(numbers, row, placement);
      if (audit !== true) continue;
      auditHeap(this.heap);
      this.ledger.check();
      this.live.check(this.ledger.totalLiveObjects);
    }
    if (audit === true) this.checkNumbers();
  }

  /** Runs the events of rows `from` to `to` - 1, each on its CPU if arenas belong to CPUs. */
  #runOnCpus(numbers: NumberedBatch, from: number, to: number): void {
    const { thread, cpu } = numbers.batch;
    const { heap } = this;
    if (cpu === undefined || heap.conf.percpuArenas === 0) {
      this.#run(numbers, from, to);
      return;
    }
    this.#cpusKnown = true;
    for (let start = from; start < to; ) {
      let end = start + 1;
      while (end < to && thread[end] === thread[start] && cpu[end] === cpu[start]) end++;
      if (cpu[start] >= 0) this.#moveTo(heap, this.tsdOf(thread[start]), cpu[start]);
      this.#run(numbers, start, end);
      start = end;
    }
  }

  #moveTo(heap: Heap, tsd: Tsd, cpu: number): void {
    const { ncpus, narenasAuto } = heap.conf;
    if (arenaOfCpu(heap.conf, cpu) >= narenasAuto) {
      throw new InputError(
        this.eventPlace,
        `the event ran on CPU ${cpu}, but the model has ${ncpus} CPUs, numbered from 0`,
        `pass --ncpus ${cpu + 1} or more`,
      );
    }
    tsd.cpu = cpu;
  }

  /** Runs the events of rows `from` to `to` - 1. */
  #run(numbers: NumberedBatch, from: number, to: number): void {
    const { batch, object } = numbers;
    const { thread, time } = batch;
    const { heap, lane } = this.#model;
    const { background } = heap;
    let first = from;
    let end = from;
    for (let row = from; row < to; ) {
      if (row === end) {
        first = row;
        end = Math.min(to, row + WINDOW);
        this.window.showCalls(numbers, first, end, this.ledger.contexts);
      }
      const quiet = background === null ? end : this.#rowsUntilAlarm(background, time, row, end);
      // the lane starts no thread
      this.tsdOf(thread[row]);
      const stop = first + this.#runLane(lane, row - first, quiet - first);
      this.eventCount += stop - row;
      row = stop;
      if (row === quiet) continue;
      const tsd = this.tsdOf(thread[row]);
      // the clock of the model does not run backwards
      if (time[row] > this.now) heap.now = this.now = time[row];
      if (lane.failed) this.#enter(object[row], NULL_REGION, requestedBy(batch, row), batch.stack[row] as StackIndex);
      else this.#step(heap, tsd, numbers, row);
      background?.settle();
      this.eventCount++;
      row++;
    }
    if (to > from && time[to - 1] > this.now) heap.now = this.now = time[to - 1];
  }

  /** Runs rows of the lane's window, and gives the first that was not run. */
  #runLane(lane: Lane, from: number, to: number): number {
    try {
      return lane.run(this.heap.tsds.length, from, to, this.eventCount);
    } catch (error) {
      this.eventCount += lane.row - from;
      throw error;
    }
  }

  /**
   * Lets background threads run whose time comes before row `from`, and those that its time comes with.
   * @returns The row before which the next one is to run, `to` at most; more than `from`.
   */
  #rowsUntilAlarm(background: BackgroundThreads, time: Float64Array, from: number, to: number): number {
    this.passTime(time[from]);
    const next = background.nextAlarm;
    let low = from + 1;
    for (let high = to; low < high; ) {
      const middle = (low + high) >> 1;
      if (time[middle] < next) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Lets time go to `time`, ns since start_ts, unless it has: background threads run on the way. Batches of events do so by themselves. */
  passTime(time: number): void {
    const { heap } = this;
    this.now = Math.max(this.now, time);
    if (heap.background === null) {
      heap.now = this.now;
      return;
    }
    if (this.ledger.newPeak && heap.background.nextAlarm <= this.now) this.#takePeak();
    heap.background.advance(this.now);
  }

  /** Runs one event by the allocator's functions. */
  #step(heap: Heap, tsd: Tsd, numbers: NumberedBatch, row: number): void {
    const op = numbers.batch.op[row];
    const { ledger } = this;
    // a row that changes the model's figures after a peak that nobody has noted is none for the lane: here those of the peak still stand
    if (ledger.newPeak && (ledger.totalLiveBytes < ledger.totalPeakBytes || !asksForMore(numbers, row))) this.#takePeak();
    switch (op) {
      case Op.free:
        this.#free(heap, tsd, numbers, row);
        break;
      case Op.realloc:
      case Op.reallocarray:
        this.#realloc(heap, tsd, numbers, row);
        break;
      case Op.malloc_usable_size:
        mallocUsableSize(heap, tsd);
        break;
      case Op.thread_exit:
        threadExit(heap, tsd);
        break;
      default:
        this.#allocate(heap, tsd, numbers, row);
    }
  }

  /** An allocation by any function but realloc. */
  #allocate(heap: Heap, tsd: Tsd, { batch, object }: NumberedBatch, row: number): void {
    const number = object[row];
    if (number === 0) {
      this.skip('failed');
      return;
    }
    const size = batch.size[row] as Bytes;
    const stack = batch.stack[row] as StackIndex;
    this.#vacate(heap, tsd, number);
    if (batch.op[row] === Op.malloc) {
      this.#enter(number, malloc(heap, tsd, size, stack), size, stack);
      return;
    }
    const extra = batch.extra[row];
    switch (batch.op[row]) {
      case Op.calloc:
        this.#enter(number, calloc(heap, tsd, extra, size, stack), extra * size, stack);
        break;
      case Op.posix_memalign:
        this.#enter(number, posixMemalign(heap, tsd, extra as Bytes, size, stack), size, stack);
        break;
      case Op.aligned_alloc:
        this.#enter(number, alignedAllocC11(heap, tsd, extra as Bytes, size, stack), size, stack);
        break;
      case Op.memalign:
        this.#enter(number, memalign(heap, tsd, extra as Bytes, size, stack), size, stack);
        break;
      case Op.valloc:
        this.#enter(number, valloc(heap, tsd, size, stack), size, stack);
        break;
      default:
        // jemalloc has no pvalloc of its own; as a program would get it: whole pages
        this.#enter(number, valloc(heap, tsd, (Math.max(1, Math.ceil(size / PAGE)) * PAGE) as Bytes, stack), size, stack);
    }
  }

  /** Makes a number free for a new object. What was live at its address has lost its free: that object ends here. */
  #vacate(heap: Heap, tsd: Tsd, number: number): void {
    if (!this.live.has(number)) return;
    this.skip('reused');
    if (this.ledger.newPeak) this.#takePeak();
    this.#end(heap, tsd, number, NO_STACK);
    // that free was a call of its own
    heap.background?.settle();
  }

  /** Books a new object among the live ones and in the ledger. */
  #enter(number: number, region: Region, requested: number, stack: StackIndex): void {
    if (region === NULL_REGION) this.#outOfMemory++;
    this.live.put(number, region === NULL_REGION ? NO_MEMORY : region, requested, stack);
    this.ledger.allocate(stack, requested, this.now, this.eventCount);
  }

  /** Tells the place that the row's call was given, if it was given one. */
  #place({ batch, object }: NumberedBatch, row: number, placement: NonNullable<ReplayOptions['placement']>): void {
    const number = object[row];
    if (batch.op[row] >= Op.free || number === 0) return;
    const region = this.live.region(number);
    if (region === NO_MEMORY) return;
    const { heap } = this;
    const address = addressOf(heap, region);
    const mapping = heap.mappings.find(address);
    placement(this.eventCount - 1, heap.mappings.ordinal(mapping), address - heap.mappings.start(mapping), usableSizeOf(heap, region));
  }

  #free(heap: Heap, tsd: Tsd, { batch, object }: NumberedBatch, row: number): void {
    const number = object[row];
    if (number === 0 && batch.ptr[row] === 0) {
      this.skip('free_null');
      return;
    }
    if (!this.live.has(number)) {
      this.unknown(batch.ptr[row]);
      return;
    }
    this.ledger.frees++;
    this.#end(heap, tsd, number, batch.stack[row] as StackIndex);
  }

  /** Ends an object: among the live ones, in the ledger and in the model. */
  #end(heap: Heap, tsd: Tsd, number: number, stack: StackIndex): void {
    const region = this.forget(number);
    if (region !== NO_MEMORY) free(heap, tsd, region, stack);
  }

  #realloc(heap: Heap, tsd: Tsd, { batch, object, old }: NumberedBatch, row: number): void {
    const number = object[row];
    const former = batch.old[row];
    const stack = batch.stack[row] as StackIndex;
    const requested = (batch.op[row] === Op.reallocarray ? batch.extra[row] * batch.size[row] : batch.size[row]) as Bytes;
    if (number === 0 && (requested !== 0 || former === 0)) {
      this.skip('failed');
      return;
    }
    const known = former !== 0 && this.live.has(old[row]);
    if (former !== 0 && !known) this.unknown(former);
    const region = known ? this.forget(old[row]) : NO_MEMORY;
    if (number === 0) {
      if (!known) return;
      // realloc(p, 0) that gave NULL has freed p
      this.ledger.frees++;
      if (region !== NO_MEMORY) realloc(heap, tsd, region, 0 as Bytes, stack);
      return;
    }
    this.#vacate(heap, tsd, number);
    let result = NULL_REGION;
    // The C library's reallocarray looks at the product itself, and calls no allocator then.
    if (batch.op[row] !== Op.reallocarray || !overflows(batch.extra[row], batch.size[row] as Bytes)) {
      result = region === NO_MEMORY ? malloc(heap, tsd, requested, stack) : realloc(heap, tsd, region, requested, stack);
    }
    this.#enter(number, result, requested, stack);
  }

  /** The model's figures at the latest peak of requested bytes, taken before the first event that changes them. */
  #takePeak(): void {
    this.ledger.newPeak = false;
    this.#peak = modelBytes(this.heap);
  }

  /** Ends the replay. @throws Error, with `audit`, if the stacks of the trace are not sound. */
  override finish(partial: boolean): void {
    if (this.ledger.newPeak && this.#options.model !== false) this.#takePeak();
    super.finish(partial);
    if (this.#options.audit === true) this.trace.stacks.check();
    const heap = this.#booted?.heap;
    const told = this.trace.header.ncpus;
    if (heap !== undefined && this.#options.ncpus === undefined && told !== undefined && told !== heap.conf.ncpus) {
      this.trace.warnings.push(
        `only the end of the trace tells that it is of ${told} CPUs; the model had ${heap.conf.ncpus}: pass --ncpus ${told}`,
      );
    }
    if (heap !== undefined && heap.conf.percpuArenas > 0 && !this.#cpusKnown) {
      const mode = heap.options.percpu_arena;
      this.trace.warnings.push(`percpu_arena:${mode}: the trace does not say on which CPU its events ran; all were taken to run on CPU 0`);
    }
  }

  /** What the replay comes to, as it stands now. */
  summary(): ReplaySummary {
    const { ledger, trace } = this;
    const end = modelBytes(this.heap);
    const skipped: Skipped = Object.create(null) as Skipped;
    for (const counts of [trace.skipped, this.skipped]) {
      for (const [reason, count] of Object.entries(counts) as [keyof Skipped, number][]) skipped[reason] = (skipped[reason] ?? 0) + count;
    }
    return {
      events: this.eventCount,
      allocations: ledger.totalObjects,
      frees: ledger.frees,
      threads: this.threadCount,
      requested_bytes_total: ledger.totalBytes + 0,
      requested_bytes_peak: ledger.totalPeakBytes,
      requested_bytes_live: ledger.totalLiveBytes,
      objects_live: ledger.totalLiveObjects,
      duration_ns: this.now,
      peak_time_ns: ledger.totalPeakTime,
      peak_event: ledger.totalPeakEvent,
      skipped,
      model: { end, peak: this.#peak ?? end, out_of_memory: this.#outOfMemory },
      partial: this.partial || trace.partial,
    };
  }

  /** malloc_stats_print with "J" (or other option letters) by the main thread now, with all that printing does to the heap. One character a byte. */
  statsJson(letters = 'J'): string {
    try {
      return bytesToByteString(collectPrint((write) => this.ctl.statsPrint(this.heap.tsds[0], letters, write)));
    } catch (error) {
      throw hangAt('malloc_stats_print', error);
    }
  }

  /** malloc_stats_print for people, likewise. */
  statsText(letters = ''): string {
    return this.statsJson(letters);
  }

  /** The heap profile as jemalloc's `prof.dump` would write it now from the main thread, up to but without MAPPED_LIBRARIES. @throws Error with profiling off. */
  heapText(): string {
    const { heap } = this;
    if (heap.prof === null) throw new Error('there is no heap profile without prof:true');
    this.ctl.enter(heap.tsds[0]);
    const text = heap.prof.dumpText(MAIN_THREAD) ?? '';
    const maps = text.indexOf('\nMAPPED_LIBRARIES:\n');
    return maps < 0 ? text : text.slice(0, maps);
  }

  /**
   * What the library does when the process exits: profiling's log, final dump and leak report, then stats_print.
   * @returns The exit status that this gives the process: 1 if leaks were to end it (prof_leak_error), else 0.
   */
  exit(): number {
    const { heap, ctl } = this;
    const main = heap.tsds[0];
    tsdFetch(heap, main);
    try {
      if (heap.prof !== null && !heap.prof.atExit(MAIN_THREAD)) return 1;
    } catch (error) {
      throw hangAt(EXIT, error);
    }
    if (heap.options.stats_print) ctl.statsPrintAtExit(main, (chunk) => this.#options.message?.(textOfBytes(chunk), chunk));
    return 0;
  }
}

/** Bytes that a call asks for, unless it is reallocarray. */
function requestedBy({ op, size, extra }: EventBatch, row: number): number {
  return op[row] === Op.calloc ? extra[row] * size[row] : size[row];
}

/** Whether a row leaves more bytes live than there were, so that what they were was no peak. */
function asksForMore({ batch, object }: NumberedBatch, row: number): boolean {
  const op = batch.op[row];
  return op < Op.free && op !== Op.realloc && op !== Op.reallocarray && object[row] !== 0 && requestedBy(batch, row) > 0;
}

function textOfBytes(bytes: Uint8Array): string {
  return textOfByteString(bytesToByteString(bytes));
}
