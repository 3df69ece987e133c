/**
 * The made-up program behind a synthetic trace: its threads, functions, clock and heap, written down as events as it runs.
 * Invariant: the truth is counted here, call by call, and by nothing that reads traces: it is what readers and replays are held to.
 * Differs from a real process: addresses come from lists of freed blocks by size, last in first out, on a heap that only grows.
 */
import { grown } from '../columns.ts';
import { EventBatch, Op } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import type { ProgramTotals } from '../trace/totals.ts';
import type { Trace } from '../trace/trace.ts';
import { type Bytes, type Nanoseconds, NO_STACK, type StackIndex, type ThreadIndex } from '../units.ts';
import { Random } from './random.ts';

/** Row of a live block. */
export type Block = number;
/** Row of a place in the code that allocates. */
export type Site = number;

/** What is live at the end under one site. */
export interface SiteTruth {
  readonly site: string;
  /** Functions of the backtrace, the allocating one first. */
  readonly stack: readonly string[];
  readonly objects: number;
  readonly bytes: number;
}

/** What the program did. */
export interface ProgramTruth extends ProgramTotals {
  /** Sites with live blocks, most bytes first. */
  readonly leaks: readonly SiteTruth[];
}

const HEAP_START = 0x55d000000000;
/** What a trace can hold: 52 bits. */
const LAST_ADDRESS = 2 ** 52 - 1;
/** Thread ids of the main thread and those after it. */
const MAIN_TID = 1000;
/** Classes of freed blocks: multiples of 16 bytes to 1 KiB, then powers of two. */
const FINE_CLASSES = 64;
const CLASSES = 128;
const START_TIME = 1_700_000_000_000_000_000n;

/** A stack of addresses. */
class AddressStack {
  #items = new Float64Array(16);
  length = 0;

  /** Puts an address on top. */
  push(address: number): void {
    if (this.length === this.#items.length) this.#items = grown(this.#items, this.length + 1);
    this.#items[this.length++] = address;
  }

  /** Takes the top address, of a stack that is not empty. */
  pop(): number {
    return this.#items[--this.length];
  }
}

/** A program that runs. Its calls are appended to batches for `sink`. */
export class Program {
  readonly random: Random;
  readonly #trace: Trace;
  readonly #sink: (batch: EventBatch) => void;
  readonly #batch = new EventBatch();
  readonly #pace: Random;

  /** Block -> its address, requested bytes and site. A freed row's site is the next free row. */
  #address = new Float64Array(1024);
  #size = new Float64Array(1024);
  #site = new Int32Array(1024);
  #rows = 0;
  #freeRow = -1;
  readonly #freed = Array.from({ length: CLASSES }, () => new AddressStack());
  #top = HEAP_START;

  readonly #sites: { name: string; functions: readonly string[]; stack: StackIndex }[] = [];
  #siteObjects = new Float64Array(16);
  #siteBytes = new Float64Array(16);
  /** Thread of the program -> row of the trace, in order of their first calls. */
  readonly #threads: number[] = [];
  #now = 0;
  /** Time of the latest event. */
  #latest = 0;

  events = 0;
  /** Calls that gave a block, realloc included. */
  allocations = 0;
  #frees = 0;
  #totalBytes = 0;
  #peakBytes = 0;
  #liveBytes = 0;
  /** Blocks live now. */
  live = 0;

  constructor(trace: Trace, sink: (batch: EventBatch) => void, seed: number) {
    this.#trace = trace;
    this.#sink = sink;
    this.random = new Random(seed, 1);
    this.#pace = new Random(seed, 2);
    trace.header.source = 'synth';
    trace.header.pid = MAIN_TID;
    trace.header.startTime = START_TIME;
    trace.header.startTimeGiven = true;
    trace.header.timed = true;
  }

  /** Declares a place that allocates, by its functions from the allocating one to `main`. */
  site(...functions: readonly string[]): Site {
    const { stacks } = this.#trace;
    const frames = [...functions, 'main'].map((fn, depth) =>
      stacks.frames.intern({ fn, file: 'synth.c', line: 10 * functions.length + depth }),
    );
    const stack = stacks.intern(frames);
    const known = this.#sites.findIndex((other) => other.stack === stack);
    if (known >= 0) return known;
    const site = this.#sites.push({ name: functions[0], functions: [...functions, 'main'], stack }) - 1;
    if (site === this.#siteObjects.length) {
      this.#siteObjects = grown(this.#siteObjects, site + 1);
      this.#siteBytes = grown(this.#siteBytes, site + 1);
    }
    return site;
  }

  /** Lets time pass, ns. */
  idle(nanoseconds: number): void {
    this.#now += nanoseconds;
  }

  // calls of a thread of the program, each an event: sizes are bytes, and what they give is the row of a live block

  malloc(thread: number, size: number, site: Site): Block {
    return this.#allocate(Op.malloc, thread, size, 0, size, site);
  }

  calloc(thread: number, count: number, size: number, site: Site): Block {
    return this.#allocate(Op.calloc, thread, size, count, count * size, site);
  }

  alignedAlloc(thread: number, alignment: number, size: number, site: Site): Block {
    return this.#allocate(Op.aligned_alloc, thread, size, alignment, size, site);
  }

  realloc(thread: number, block: Block, size: number, site: Site): Block {
    const old = this.#address[block];
    const former = this.#size[block];
    this.#leave(block);
    let address = old;
    if (classOf(size) !== classOf(former)) {
      address = this.#take(size);
      this.#freed[classOf(former)].push(old);
    }
    this.#append(Op.realloc, thread, address, old, size, 0, this.#sites[site].stack);
    this.#enter(block, address, size, site);
    return block;
  }

  free(thread: number, block: Block): void {
    const address = this.#address[block];
    this.#append(Op.free, thread, address, 0, 0, 0, NO_STACK);
    this.#freed[classOf(this.#size[block])].push(address);
    this.#leave(block);
    this.#frees++;
    this.#site[block] = this.#freeRow;
    this.#freeRow = block;
  }

  /** A call that changes nothing. */
  usableSize(thread: number, block: Block): void {
    this.#append(Op.malloc_usable_size, thread, this.#address[block], 0, 0, 0, NO_STACK);
  }

  /** Ends a thread that has made a call. */
  exit(thread: number): void {
    this.#append(Op.thread_exit, thread, 0, 0, 0, 0, NO_STACK);
  }

  /** Threads that have made a call. */
  get threads(): number {
    return this.#trace.threads.length;
  }

  /** True once the thread has made a call. */
  started(thread: number): boolean {
    return this.#threads[thread] !== undefined;
  }

  /** Hands over the events so far. */
  flush(): void {
    if (this.#batch.length === 0) return;
    this.#sink(this.#batch);
    this.#batch.length = 0;
  }

  /** What the program has done so far. */
  truth(): ProgramTruth {
    const leaks = this.#sites
      .map(({ name, functions }, site) => ({
        site: name,
        stack: functions,
        objects: this.#siteObjects[site],
        bytes: this.#siteBytes[site],
      }))
      .filter(({ objects }) => objects > 0)
      .sort((a, b) => b.bytes - a.bytes);
    return {
      events: this.events,
      allocations: this.allocations,
      frees: this.#frees,
      threads: this.#trace.threads.length,
      requested_bytes_total: this.#totalBytes,
      requested_bytes_peak: this.#peakBytes,
      requested_bytes_live: this.#liveBytes,
      objects_live: this.live,
      duration_ns: this.#latest,
      leaks,
    };
  }

  #allocate(op: Op, thread: number, size: number, extra: number, bytes: number, site: Site): Block {
    let block = this.#freeRow;
    if (block >= 0) this.#freeRow = this.#site[block];
    else {
      block = this.#rows++;
      if (block === this.#address.length) {
        this.#address = grown(this.#address, block + 1);
        this.#size = grown(this.#size, block + 1);
        this.#site = grown(this.#site, block + 1);
      }
    }
    let address = this.#take(bytes);
    if (op === Op.aligned_alloc && address % extra !== 0) {
      // Not from the lists, which promise no alignment.
      this.#freed[classOf(bytes)].push(address);
      address = Math.ceil(this.#top / extra) * extra;
      this.#top = address + bytesOf(classOf(bytes));
    }
    this.#append(op, thread, address, 0, size, extra, this.#sites[site].stack);
    this.#enter(block, address, bytes, site);
    return block;
  }

  #take(size: number): number {
    const freed = this.#freed[classOf(size)];
    if (freed.length > 0) return freed.pop();
    const address = this.#top;
    this.#top += bytesOf(classOf(size));
    if (this.#top > LAST_ADDRESS)
      throw new InputError('synth', 'its blocks take more room than there are addresses', 'leak smaller blocks');
    return address;
  }

  #enter(block: Block, address: number, size: number, site: Site): void {
    this.#address[block] = address;
    this.#size[block] = size;
    this.#site[block] = site;
    this.#siteObjects[site]++;
    this.#siteBytes[site] += size;
    this.allocations++;
    this.#totalBytes += size;
    this.live++;
    this.#liveBytes += size;
    if (this.#liveBytes > this.#peakBytes) this.#peakBytes = this.#liveBytes;
  }

  #leave(block: Block): void {
    const site = this.#site[block];
    const size = this.#size[block];
    this.#siteObjects[site]--;
    this.#siteBytes[site] -= size;
    this.live--;
    this.#liveBytes -= size;
  }

  #append(op: Op, thread: number, ptr: number, old: number, size: number, extra: number, stack: StackIndex): void {
    const batch = this.#batch;
    const at = batch.length;
    batch.op[at] = op;
    batch.thread[at] = (this.#threads[thread] ?? this.#start(thread)) as ThreadIndex;
    batch.time[at] = this.#now as Nanoseconds;
    this.#latest = this.#now;
    batch.ptr[at] = ptr;
    batch.old[at] = old;
    batch.size[at] = size as Bytes;
    batch.extra[at] = extra;
    batch.stack[at] = stack;
    batch.length = at + 1;
    this.#now += 40 + (this.#pace.next() & 255);
    this.events++;
    if (batch.length === batch.capacity) this.flush();
  }

  #start(thread: number): number {
    const { threads } = this.#trace;
    const row = threads.intern(MAIN_TID + thread);
    threads.names[row] = thread === 0 ? 'main' : `worker-${thread}`;
    this.#threads[thread] = row;
    return row;
  }
}

function classOf(size: number): number {
  if (size <= 1024) return size <= 16 ? 0 : ((size + 15) >>> 4) - 1;
  let result = FINE_CLASSES;
  for (let bytes = 2048; bytes < size; bytes *= 2) result++;
  return result;
}

function bytesOf(sizeClass: number): number {
  return sizeClass < FINE_CLASSES ? (sizeClass + 1) * 16 : 2048 * 2 ** (sizeClass - FINE_CLASSES);
}
