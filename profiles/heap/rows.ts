/**
 * The rows of a heap dump, of either form: what is in use and what was ever allocated in each context.
 *
 *     t*: 3: 300 [5: 500]                      heap_v2, before the first backtrace: all contexts together
 *     @ 0x55d0c0001234 0x55d0c0002000          a context, leaf first; the rows below it are of it
 *       t*: 1: 100 [2: 200]                    all threads: objects and bytes in use [ever allocated]
 *       t7: 1: 100 [2: 200] worker             one thread, with its name
 *     1: 100 [2: 200] @ 0x55d0c0001234         gperftools, Go: one row a context
 *
 * Invariant: what is kept are estimates (unsample.ts); what is no row, or no address of one, is told.
 * Differs: Go samples as tcmalloc's second version does, though its header is that of the first (google/pprof, parseHeapHeader): jeprof takes it for that.
 */
import { grown } from '../../core/columns.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { SampleTable, type Sampling, type ThreadSamples } from '../profile.ts';
import { AddressFrames } from './address_frames.ts';
import { GoNames } from './go_names.ts';
import { type Header, NO_TOTALS, type RawTotals } from './header.ts';
import type { SymbolSection } from './symbols.ts';
import { unsampled } from './unsample.ts';

const SPACE = 0x20;
const HASH = 0x23;
const STAR = 0x2a;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const AT = 0x40;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LOWER_T = 0x74;

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const latin1 = new TextDecoder('latin1');

/** What is not part of a dump: bytes[start] to bytes[end - 1] of a line, and what they should be. */
export interface Fault {
  readonly fact: string;
  readonly start: number;
  readonly end: number;
}

const NO_ADDRESS = 'no address';
const NO_THREAD = 'no row of a thread, as in "t1: 2: 3 [4: 5]"';
const NO_LINE = 'neither a backtrace, "@ 0x1 0x2", nor a row of a thread';
const NO_ROW = 'no row of counts and a backtrace, as in "1: 2 [3: 4] @ 0x5"';

interface Thread extends ThreadSamples {
  name: string | undefined;
}

/** The rows of a dump: contexts, and what each thread has of them. */
export class Rows {
  readonly header: Header;
  readonly #withThreads: boolean;
  readonly stacks = new StackTable();
  readonly samples = new SampleTable();
  /** By the digits of their numbers. */
  readonly threads = new Map<string, Thread>();
  totals: RawTotals;
  /** Whether there are counts of what was ever allocated. */
  accumulated = false;
  /** As the header says, or as Go does where comments show that it wrote the dump. */
  sampling: Sampling;
  readonly #addresses: AddressFrames;
  readonly #goNames: GoNames;
  /** True while the last row is not added: the line below it may tell how it was sampled. */
  #isPending = false;
  /** The context that the next rows are of. Rows of threads before the first one count all contexts. */
  #stack: StackIndex = NO_STACK;
  #hasStack = false;
  #counts = new Float64Array(4);
  #path = new Int32Array(256);

  constructor(header: Header, symbols: SymbolSection | undefined, withThreads: boolean) {
    this.header = header;
    this.#withThreads = withThreads;
    this.totals = header.totals ?? NO_TOTALS;
    this.sampling = header.sampling;
    this.#addresses = new AddressFrames(this.stacks, symbols);
    this.#goNames = new GoNames(this.stacks);
  }

  /** True if rows have named their addresses. */
  get named(): boolean {
    return this.#goNames.any;
  }

  /** The last row is over. */
  finish(): void {
    if (this.#isPending) this.#add(this.samples, this.#stack);
    this.#isPending = false;
    this.#goNames.endRow();
  }

  /** Makes room for so many times the rows that there are. */
  reserve(times: number): void {
    const { stacks, samples } = this;
    stacks.reserve(Math.ceil(stacks.length * times), Math.ceil(stacks.entryCount * times));
    for (const table of [samples, ...[...this.threads.values()].map(({ samples }) => samples)])
      table.reserve(Math.ceil(table.length * times));
  }

  /** Takes the row from `start`, where no blank is, to `end`, and gives the first thing in it that is no part of a dump, if there is one. */
  take(bytes: Uint8Array, start: number, end: number): Fault | undefined {
    if (this.header.totals !== undefined) return this.#takePlain(bytes, start, end);
    if (bytes[start] === AT) return this.#takeStack(bytes, start + 1, end);
    const isThread = bytes[start] === LOWER_T;
    if (isThread && this.#takeThread(bytes, start + 1, end)) return undefined;
    return { fact: isThread ? NO_THREAD : NO_LINE, start, end };
  }

  /** heap_v2: `t*: 1: 2 [3: 4]` for all threads, `t7: 1: 2 [3: 4] name` for one. False if it is neither. */
  #takeThread(bytes: Uint8Array, start: number, end: number): boolean {
    let colon = start;
    while (colon < end && bytes[colon] !== COLON) colon++;
    const after = colon > start ? this.#readCounts(bytes, colon + 1, end) : -1;
    if (after < 0) return false;
    if (bytes[start] === STAR) {
      if (!this.#hasStack) {
        const [inuseObjects, inuseBytes, allocObjects, allocBytes] = this.#counts;
        this.totals = { inuseObjects, inuseBytes, allocObjects, allocBytes };
      } else this.#add(this.samples, this.#stack);
      return true;
    }
    for (let at = start; at < colon; at++) if (bytes[at] < ZERO || bytes[at] > NINE) return false;
    if (!this.#withThreads) return true;
    const thread = this.#thread(latin1.decode(bytes.subarray(start, colon)));
    if (thread.name === undefined && after < end) thread.name = textDecoder.decode(bytes.subarray(after, end)).trim() || undefined;
    if (this.#hasStack) this.#add(thread.samples, this.#stack);
    return true;
  }

  #thread(digits: string): Thread {
    let thread = this.threads.get(digits);
    if (thread === undefined) {
      thread = { id: BigInt(digits), name: undefined, samples: new SampleTable() };
      this.threads.set(digits, thread);
    }
    return thread;
  }

  /** gperftools: `1: 2 [3: 4] @ 0x…`, one row a context. Go writes the names of its addresses below it, as comments. */
  #takePlain(bytes: Uint8Array, start: number, end: number): Fault | undefined {
    if (bytes[start] === HASH) {
      this.#takeComment(textDecoder.decode(bytes.subarray(start, end)));
      return undefined;
    }
    this.finish();
    let at = this.#readCounts(bytes, start, end);
    while (at >= 0 && at < end && bytes[at] === SPACE) at++;
    if (at < 0 || at === end || bytes[at] !== AT) return { fact: NO_ROW, start, end };
    const fault = this.#takeStack(bytes, at + 1, end);
    this.#isPending = true;
    return fault;
  }

  #takeComment(text: string): void {
    if (!this.#hasStack || !this.#goNames.take(text, this.#stack)) return;
    if (this.sampling.method === 'uniform') this.sampling = { method: 'poisson', rate: this.sampling.rate };
  }

  #add(into: SampleTable, stack: StackIndex): void {
    const { sampling } = this;
    const [inuseObjects, inuseBytes, allocObjects, allocBytes] = this.#counts;
    const inuse = (value: number) => unsampled(value, sampling, inuseObjects, inuseBytes);
    const alloc = (value: number) => unsampled(value, sampling, allocObjects, allocBytes);
    if (allocObjects > 0) this.accumulated = true;
    into.add(stack, inuse(inuseObjects), inuse(inuseBytes), alloc(allocObjects), alloc(allocBytes));
  }

  /** Reads `1: 2 [3: 4]` into the four counts and gives the position after it, -1 if the text is something else. */
  #readCounts(bytes: Uint8Array, at: number, end: number): number {
    for (let i = 0; i < 4; i++) {
      while (at < end && bytes[at] === SPACE) at++;
      if (i === 2) {
        if (bytes[at] !== OPEN_BRACKET) return -1;
        at++;
        while (at < end && bytes[at] === SPACE) at++;
      }
      const start = at;
      let value = 0;
      while (at < end && bytes[at] >= ZERO && bytes[at] <= NINE) value = value * 10 + bytes[at++] - ZERO;
      if (at === start) return -1;
      this.#counts[i] = value;
      if (i === 0 || i === 2) {
        if (bytes[at] !== COLON) return -1;
        at++;
      }
    }
    return at < end && bytes[at] === CLOSE_BRACKET ? at + 1 : -1;
  }

  /** Makes the backtrace of these addresses, leaf first, the one that rows are of. Gives the first that is no address, if there is one. */
  #takeStack(bytes: Uint8Array, at: number, end: number): Fault | undefined {
    let depth = 0;
    let fault: Fault | undefined;
    while (true) {
      while (at < end && bytes[at] <= SPACE) at++;
      if (at === end) break;
      const start = at;
      const frame = this.#addresses.frameAt(bytes, at, end, depth === 0);
      at = this.#addresses.end;
      if (frame < 0) {
        fault ??= { fact: NO_ADDRESS, start, end: at };
        continue;
      }
      if (depth === this.#path.length) this.#path = grown(this.#path, depth + 1);
      this.#path[depth++] = frame;
    }
    this.#stack = this.stacks.intern(this.#path, depth);
    this.#hasStack = true;
    return fault;
  }
}
