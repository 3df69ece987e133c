/**
 * Runs the events of a trace through a heap: trace addresses become regions of the model, and requested bytes go to the ledger.
 * Invariant: an object of the live table is live in the trace, and in the model unless the model had no memory for it.
 * Differs from the recorded run: what the trace frees without having allocated, or allocated without getting memory, does nothing here.
 */
import type { Arena } from '../arena/arena_state.ts';
import type { BackgroundThreads } from '../background/background_threads.ts';
import type { AddressSpaceOptions } from '../base/pages.ts';
import { arenaOfCpu, type BootConf, bootConf } from '../conf/boot.ts';
import { type ConfMessage, environmentSources, parseMallocConf } from '../conf/malloc_conf.ts';
import type { Options } from '../conf/options.ts';
import { profBoot1 } from '../conf/prof_boot.ts';
import { Heap } from '../heap.ts';
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
import type { ProfFile } from '../prof/host.ts';
import { AbortError, HangError } from '../hang_error.ts';
import { ModelMemory } from '../model_memory.ts';
import { PAGE } from '../sizes/sc.ts';
import { threadExit, tsdFetch } from '../thread/lifecycle.ts';
import type { Tsd } from '../thread/tsd.ts';
import { type EventBatch, MOST_CPU, Op } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import type { Skipped, Trace, TraceHeader } from '../trace/trace.ts';
import { type Bytes, MAIN_THREAD, NO_STACK, type StackIndex } from '../units.ts';
import { auditHeap } from '../audit.ts';
import { bytesToByteString } from '../conf/byte_string.ts';
import { collectPrint, Ctl } from '../stats/ctl.ts';
import type { CtlValue } from '../stats/ctl_tree.ts';
import { Mallctl } from '../stats/mallctl.ts';
import { type AccountOptions, AccountReplay } from './accounts.ts';
import { WINDOW } from './event_window.ts';
import { Lane } from './lane.ts';
import { NO_MEMORY } from './live_row.ts';
import type { NumberedBatch } from './numbers.ts';
import { NULL_REGION, type Region } from '../extent/types.ts';

/** Settings of a replay. */
export interface ReplayOptions extends AccountOptions {
  /** MALLOC_CONF, as the environment would give it. */
  readonly conf?: string;
  /** Profiling is on unless `conf` turns it off: where `conf` does not turn it on by itself, the program's own `malloc_conf` says prof:true. */
  readonly profiling?: boolean;
  /** CPUs the model sees; default the trace's, else 4. */
  readonly ncpus?: number;
  /** PRNG state of the main thread; default the trace's, else 0. */
  readonly prngSeed?: bigint;
  /** False: no allocator, only the accounts of the program (ledger, counts, what was skipped), at a fraction of the time. */
  readonly model?: boolean;
  /** Check every table after every event. */
  readonly audit?: boolean;
  /** Takes what jemalloc would write to standard error. */
  readonly message?: (text: string) => void;
  /** Takes the automatic heap dumps and profiling logs, under jemalloc's file names. */
  readonly openFile?: (name: string) => ProfFile;
  /** Takes each allocation's place: event number, how-maniest mapping of the heap, bytes from its start, usable bytes. */
  readonly placement?: (event: number, mapping: number, offset: number, usable: number) => void;
}

/** jemalloc's own view of the heap, bytes; the names are those of its statistics. */
export interface ModelBytes {
  readonly allocated: number;
  readonly active: number;
  readonly metadata: number;
  readonly resident: number;
  readonly mapped: number;
  readonly retained: number;
}

/** What a replay comes to: the object that `--json` prints. */
export interface ReplaySummary {
  /** Event lines taken. */
  readonly events: number;
  /** Calls that gave a block, realloc included. */
  readonly allocations: number;
  /** Frees of live blocks. */
  readonly frees: number;
  readonly threads: number;
  readonly requested_bytes_total: number;
  readonly requested_bytes_peak: number;
  readonly requested_bytes_live: number;
  readonly objects_live: number;
  readonly duration_ns: number;
  /** Time and event number of the peak of requested bytes. */
  readonly peak_time_ns: number;
  readonly peak_event: number;
  readonly skipped: Skipped;
  readonly model: {
    readonly end: ModelBytes;
    readonly peak: ModelBytes;
    /** Allocations that the model had no memory for. */
    readonly out_of_memory: number;
  };
  readonly partial: boolean;
}

/** Bytes between the stacks of threads that the trace gives no PRNG state, as glibc lays them out by default. */
const THREAD_STRIDE = 0x801000n;

/** Place of errors in what a trace says of its process. */
const HEADER = 'header of the trace';
/** End of user space on x86-64, and the lowest address that a process can map (vm.mmap_min_addr). */
const USER_SPACE_END = 1n << 47n;
const LOWEST_ADDRESS = 0x10000n;

/** How the trace says that the address space looked. @throws InputError for what no process has: AddressSpace takes it as it is. */
function addressSpaceOf({ mmapTop, programBreak }: TraceHeader): Partial<AddressSpaceOptions> {
  if (mmapTop !== undefined && (mmapTop > USER_SPACE_END || mmapTop % BigInt(PAGE) !== 0n))
    throw new InputError(
      HEADER,
      `mmap_top 0x${mmapTop.toString(16)} is not the end of a page up to 0x${USER_SPACE_END.toString(16)}`,
      'give the end of the highest free page, or leave mmap_top out',
    );
  if (programBreak !== undefined && (programBreak >= USER_SPACE_END || programBreak < LOWEST_ADDRESS))
    throw new InputError(
      HEADER,
      `program_break 0x${programBreak.toString(16)} is not an address from 0x${LOWEST_ADDRESS.toString(16)} to 0x${USER_SPACE_END.toString(16)}`,
      'give what sbrk(0) is when the allocator starts, or leave program_break out',
    );
  return {
    ...(mmapTop === undefined ? {} : { top: Number(mmapTop) }),
    ...(programBreak === undefined ? {} : { programBreak: Number(programBreak) }),
  };
}

/** A replay under way. Feed it batches with `take`, then call `finish` and ask for results. */
export class Replay extends AccountReplay {
  /** True if the option string has mistakes, which jemalloc warns of and passes by; known once the model is booted. */
  confError = false;
  readonly #options: ReplayOptions;
  /** None without a model. */
  readonly #memory: ModelMemory | undefined;
  #lane: Lane | undefined;
  #heap: Heap | null = null;
  #ctl: Ctl | null = null;
  #mallctl: Mallctl | undefined;
  #outOfMemory = 0;
  #peak: ModelBytes | null = null;
  /** An event has told its CPU to a model with arenas of CPUs. */
  #cpusKnown = false;

  /** @throws UnsupportedOption for options that cannot be replayed. */
  constructor(trace: Trace, options: ReplayOptions = {}) {
    const memory = options.model === false ? undefined : new ModelMemory();
    super(trace, options, memory);
    this.#memory = memory;
    this.#options = options;
  }

  /** The model, booted from the trace's header at the first event or result. */
  get heap(): Heap {
    return (this.#heap ??= this.#boot());
  }

  #boot(): Heap {
    const { trace } = this;
    const { header, threads } = trace;
    const message = this.#options.message ?? (() => {});
    const { conf: environment = null, profiling = false } = this.#options;
    const program = profiling && !turnsProfilingOn(environment) ? 'prof:true' : null;
    const parsed = parseMallocConf(['', program, '', environment, null], message);
    if (parsed.aborted) throw hangAt('--conf', new AbortError('abort_conf:true, and something in the string is wrong'));
    this.confError = parsed.hadError;
    const ncpus = this.#options.ncpus ?? header.ncpus ?? 4;
    if (!(ncpus >= 1 && ncpus <= MOST_CPU + 1)) {
      const place = this.#options.ncpus === undefined ? HEADER : '--ncpus';
      throw new InputError(place, `${ncpus} CPUs, where a system has 1 to ${MOST_CPU + 1}`, 'pass --ncpus with the number that there are');
    }
    const conf = this.#bootConf(parsed.options, ncpus, message);
    const memory = this.#memory ?? new ModelMemory();
    const heap = new Heap({
      conf,
      memory,
      mainSeed: this.#options.prngSeed ?? header.prngSeed ?? threads.prngSeeds[0] ?? 0n,
      addressSpace: addressSpaceOf(header),
      clockBase: header.startTime ?? 0n,
      profiling: {
        stacks: trace.stacks,
        pid: header.pid ?? 0,
        clockBase: header.startTime ?? 0n,
        systemThreadName: (thread) => threads.names[thread] ?? '',
        maps: () => header.maps,
        openFile: this.#options.openFile ?? (() => ({ write: () => {}, close: () => {} })),
        message,
      },
    });
    heap.notePeak = () => this.#takePeak();
    this.#lane = new Lane(memory, this.window, this.live, this.ledger, heap.background === null && conf.percpuArenas === 0);
    this.#ctl = new Ctl(heap);
    this.#ctl.printAtIntervals((chunk) => message(bytesToByteString(chunk)));
    return heap;
  }

  #bootConf(options: Options, ncpus: number, message: ConfMessage): BootConf {
    try {
      return bootConf(options, { ncpus }, message);
    } catch (error) {
      throw hangAt('--conf', error);
    }
  }

  /** The control interface (mallctl, statistics) of the model. */
  get ctl(): Ctl {
    void this.heap;
    return this.#ctl as Ctl;
  }

  /**
   * mallctl by a thread of the trace (row of `trace.threads`) between two batches of events, with all that it does to the heap: reads `name`,
   * and writes `value` if one is given; an action such as `arena.0.purge` is read. Objects of an arena that is reset are gone: the trace
   * must not free them afterwards.
   * @returns The value before the call, in the units of jemalloc's manual; undefined for an action.
   * @throws MallctlError with jemalloc's error, UnsupportedName for what a replay has not.
   */
  mallctl(name: string, value?: CtlValue, thread = 0): CtlValue | undefined {
    this.#mallctl ??= new Mallctl(this.ctl);
    if (this.ledger.newPeak) this.#takePeak();
    try {
      return this.#mallctl.byName(this.tsdOf(thread), name, value);
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
    const { heap } = this;
    const { background } = heap;
    const lane = this.#lane as Lane;
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
    const heap = this.#heap;
    const told = this.trace.header.ncpus;
    if (heap !== null && this.#options.ncpus === undefined && told !== undefined && told !== heap.conf.ncpus) {
      this.trace.warnings.push(
        `only the end of the trace tells that it is of ${told} CPUs; the model had ${heap.conf.ncpus}: pass --ncpus ${told}`,
      );
    }
    if (heap !== null && heap.conf.percpuArenas > 0 && !this.#cpusKnown) {
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
      threads: trace.threads.length,
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
    if (heap.prof !== null && !heap.prof.atExit(MAIN_THREAD)) return 1;
    if (heap.options.stats_print) ctl.statsPrintAtExit(main, (chunk) => this.#options.message?.(bytesToByteString(chunk)));
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

/** What to throw for `error`: where the real library never returns, that is said of the place. */
function hangAt(place: string, error: unknown): unknown {
  if (!(error instanceof HangError)) return error;
  const verb = error instanceof AbortError ? 'ends the process' : 'hangs';
  const said = new InputError(place, `the real jemalloc ${verb} here: ${error.message}`);
  said.cause = error;
  return said;
}

/** Whether a MALLOC_CONF string has profiling on by itself: by prof, or by prof_leak, under which nothing is dumped on the way. */
function turnsProfilingOn(conf: string | null): boolean {
  const { options } = parseMallocConf(environmentSources(conf), () => {});
  profBoot1(options);
  return options.prof;
}

/** Sums over the arenas (ctl_refresh): what stats.allocated and its siblings would say now, without the effects of asking. */
export function modelBytes(heap: Heap): ModelBytes {
  let allocated = 0;
  let active = 0;
  let metadata = 0;
  let resident = 0;
  let mapped = 0;
  let retained = 0;
  for (const arena of heap.arenas as (Arena | undefined)[]) {
    if (arena === undefined) continue;
    allocated += arena.allocated;
    active += arena.activePages * PAGE;
    metadata += arena.base.allocated + arena.internal;
    resident += arena.base.resident + (arena.activePages + arena.dirty.pages) * PAGE;
    mapped += arena.base.mapped + arena.pacMapped;
    retained += arena.retained.pages * PAGE;
  }
  // unsigned: what jemalloc unmaps of guarded slabs it had not all counted as mapped
  return { allocated, active, metadata, resident, mapped: (2 ** 64 + mapped) % 2 ** 64, retained };
}
