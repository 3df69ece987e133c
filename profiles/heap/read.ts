/**
 * Reads heap dumps: jemalloc's heap_v2 (5.3.0, src/prof_data.c) and gperftools' older `heap profile:`, with or without a symbol section.
 * What the format cannot say: which functions a dump without symbol section has, file and line in any dump, and (`heap profile:`) threads.
 * Invariant: the values are those that jeprof computes from the same rows (ReadThreadedHeapProfile, ReadHeapProfile, AdjustSamples).
 * Differs: rows of named threads are read (jeprof passes them over), and an empty backtrace keeps its rows
 * (jeprof takes those at the head of the dump for the header and drops them).
 */
import { grown } from '../../core/columns.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import { PassedOver, TELLING_LINE_BYTES } from '../passed_over.ts';
import type { Profile, Sampling, ThreadSamples } from '../profile.ts';
import { SampleTable } from '../profile.ts';
import { AddressIndex, hexDigit } from './address_index.ts';
import { mainProgram, parseMaps } from './maps.ts';
import { splitNames, SymbolSection } from './symbols.ts';
import { DEFAULT_UNIFORM_RATE, unsampled } from './unsample.ts';

/** Sums as the dump's header gives them: samples, not estimates. */
export interface RawTotals {
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  readonly allocObjects: number;
  readonly allocBytes: number;
}

const NO_TOTALS: RawTotals = { inuseObjects: 0, inuseBytes: 0, allocObjects: 0, allocBytes: 0 };

/** A heap dump: estimates as a profile, and what its header says. */
export interface HeapDump {
  readonly profile: Profile;
  readonly header: RawTotals;
  /** The dump without its symbol section, from the header line to the end of the file. */
  readonly text: Uint8Array;
}

const LF = 10;
const SPACE = 32;
const BRACKET = 91;
const HASH = 35;

/** True if bytes look like the beginning of a file that `readHeap` takes. */
export function isHeap(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 65536));
  const first = text.split('\n').find((line) => !line.startsWith('%')) ?? '';
  return /^(--- *(symbol|heap(?!z \d)|growth)|heap profile:|heap_v2\/)/.test(first);
}

/**
 * Reads a dump.
 * @param name what errors call it
 * @throws InputError if it is empty or is no heap dump
 */
export function readHeap(bytes: Uint8Array, name: string): HeapDump {
  const reader = new HeapReader(name);
  let textStart = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(LF, start);
    const end = newline < 0 ? bytes.length : newline;
    if (!reader.begun) textStart = start;
    reader.takeLine(bytes, start, end);
    start = end + 1;
  }
  return { ...reader.finish(), text: bytes.subarray(textStart) };
}

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

const latin1 = new TextDecoder('latin1');

const textOf = (bytes: Uint8Array, start: number, end: number) => textDecoder.decode(bytes.subarray(start, end)).replaceAll('\r', '');

/** Bytes of rows that tell how many of what are in the others. */
const TELLING_BYTES = 1 << 16;
/** Room made, as a part of what those suggest: room that stays unused is no memory, and one row too many has all columns made anew. */
const SPARE = 1.25;
/** Bytes of rows that room is made for at once. */
const MOST_EXPECTED = 1 << 28;

/** What a line of a dump belongs to. */
type Part = 'head' | 'symbols' | 'rows' | 'maps';

/** Reads a dump line by line: no more of its text need be there than a line. */
export class HeapReader {
  readonly #name: string;
  readonly #withThreads: boolean;
  #line = 0;
  #part: Part = 'head';
  #symbols: SymbolSection | undefined;
  #hasHeapMark = false;
  #rows: Rows | undefined;
  /** Length of the rows so far. */
  #rowBytes = 0;
  #hasRoom = false;
  #maps: string[] | undefined;
  readonly #passedOver = new PassedOver();
  readonly #warnings: string[] = [];

  /**
   * @param name what errors call the dump
   * @param withThreads whether the profile is to tell what each thread has
   */
  constructor(name: string, withThreads = true) {
    this.#name = name;
    this.#withThreads = withThreads;
  }

  /** True once the header line has been taken. */
  get begun(): boolean {
    return this.#rows !== undefined;
  }

  /** Says how many bytes are still to come. Room is made for them once there are rows to tell how much of it they will need. */
  expect(bytes: number): void {
    if (this.#hasRoom || this.#rowBytes < TELLING_BYTES) return;
    this.#hasRoom = true;
    this.#rows?.reserve((1 + Math.min(bytes, MOST_EXPECTED) / this.#rowBytes) * SPARE);
  }

  /**
   * Takes the next line, bytes[start] to bytes[end - 1].
   * @throws InputError if it stands where the header must and is none
   */
  takeLine(bytes: Uint8Array, start: number, end: number): void {
    this.#line++;
    switch (this.#part) {
      case 'head':
        return this.#takeHead(textOf(bytes, start, end));
      case 'symbols':
        return this.#takeSymbol(textOf(bytes, start, end));
      case 'rows':
        this.#rowBytes += end + 1 - start;
        return this.#takeRow(bytes, start, end);
      case 'maps':
        this.#maps!.push(textOf(bytes, start, end));
    }
  }

  /** @throws InputError if the lines so far are no heap dump */
  finish(): Omit<HeapDump, 'text'> {
    if (!this.begun && this.#symbols === undefined && !this.#hasHeapMark)
      throw new InputError(
        this.#name,
        'the dump is empty',
        'a process that ends by prof_leak_error, or is killed, leaves its dump unwritten',
      );
    const { header, stacks, samples, threads, totals, accumulated } = this.#rows ?? this.#begin('');
    const { kind, source, sampling } = header;
    const maps = this.#maps?.map((line) => `${line}\n`).join('');
    const binary = this.#symbols?.binary ?? mainProgram(maps === undefined ? [] : parseMaps(maps));
    const profile: Profile = {
      kind,
      source,
      stacks,
      samples,
      threads: [...threads.values()],
      sampling,
      accumulated,
      // jemalloc counts what size classes made of requests; of gperftools' forms some do, some do not.
      ...(source === 'heap_v2' ? { requested: false } : {}),
      symbolized: this.#symbols !== undefined,
      ...(binary === undefined ? {} : { binary }),
      ...(maps === undefined ? {} : { maps }),
      warnings: [...this.#warnings, ...this.#passedOver.warnings(this.#name)],
      ...(this.#passedOver.any ? { damaged: true } : {}),
    };
    return { profile, header: totals };
  }

  /** Before the header there may be `%` commands, a symbol section and a mark of what follows. */
  #takeHead(text: string): void {
    if (text.startsWith('%')) return;
    if (!this.#hasHeapMark && this.#symbols === undefined && /^--- *symbol/.test(text)) {
      this.#symbols = new SymbolSection();
      this.#part = 'symbols';
    } else if (!this.#hasHeapMark && /^--- *(heap|growth)/.test(text)) this.#hasHeapMark = true;
    else this.#begin(text);
  }

  #takeSymbol(text: string): void {
    if (text.startsWith('---')) this.#part = 'head';
    else if (!this.#symbols!.take(text)) this.#passedOver.addLine(this.#line, 'neither the name of an address nor a variable', text);
  }

  #begin(text: string): Rows {
    const header = /^heap profile:/.test(text) ? plainHeader(text, this.#warnings) : threadedHeader(text);
    if (header === undefined)
      throw new InputError(
        `${this.#name}:${this.#line}`,
        'no heap dump: it does not begin with heap_v2/RATE, bytes between samples, or "heap profile:"',
      );
    if (header.countsMissing === true) this.#passedOver.addLine(this.#line, NO_COUNTS, text);
    this.#part = 'rows';
    return (this.#rows = new Rows(header, this.#symbols, this.#withThreads));
  }

  #takeRow(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && bytes[at] <= SPACE) at++;
    if (at === end) return;
    const fault = this.#rows!.take(bytes, at, end);
    if (fault === undefined) return;
    if (isMapsMark(bytes, at, end)) {
      this.#maps = [];
      this.#part = 'maps';
      return;
    }
    const text = textOf(bytes, fault.start, Math.min(fault.end, fault.start + TELLING_LINE_BYTES));
    this.#passedOver.addLine(this.#line, fault.fact, text);
  }
}

/** True at the line that the mappings stand under. */
function isMapsMark(bytes: Uint8Array, start: number, end: number): boolean {
  const text = latin1.decode(bytes.subarray(start, Math.min(end, start + 32)));
  return text.startsWith('MAPPED_LIBRARIES:') || text.startsWith('--- Memory map:');
}

/** What a header says. */
interface Header {
  readonly kind: Profile['kind'];
  readonly source: string;
  readonly sampling: Sampling;
  /** Of heap_v2 they stand in a row of their own. */
  readonly totals: RawTotals | undefined;
  /** True if it should have counts and has none, so that nothing is known of the sampling either. */
  readonly countsMissing?: boolean;
}

/** The header of heap_v2, undefined if it is none. */
function threadedHeader(text: string): Header | undefined {
  // lg_prof_sample goes up to 63.
  const match = /^heap_v2\/(\d{1,19})(?!\d)/.exec(text);
  if (match === null) return undefined;
  const rate = Number(match[1]);
  return {
    kind: 'heap',
    source: 'heap_v2',
    sampling: rate > 0 ? { method: 'poisson', rate } : { method: 'none', rate: 1 },
    totals: undefined,
  };
}

const PLAIN_HEADER = /^heap profile:\s*(\d+):\s+(\d+)\s+\[\s*(\d+):\s+(\d+)\](\s*@\s*([^/]*)(\/(\d+))?)?/;

/** gperftools' header. */
function plainHeader(text: string, warnings: string[]): Header {
  const kind = text.includes('growth') ? 'growth' : 'heap';
  let sampling: Sampling = { method: 'none', rate: 1 };
  let totals = NO_TOTALS;
  const match = PLAIN_HEADER.exec(text);
  if (match !== null) {
    totals = { inuseObjects: Number(match[1]), inuseBytes: Number(match[2]), allocObjects: Number(match[3]), allocBytes: Number(match[4]) };
    const type = match[6] ?? '';
    const period = match[8] === undefined ? 0 : Number(match[8]);
    if (type === '') {
      // So old that it names no sampler: sampled if nothing tells freed objects apart.
      if (match[1] === match[3] && match[2] === match[4]) sampling = { method: 'uniform', rate: 0 };
    } else if (type.includes('heap') && type !== 'heapprofile') {
      sampling = type.includes('_v2') ? { method: 'poisson', rate: period } : { method: 'uniform', rate: period / 2 };
    }
    if (sampling.method !== 'none' && sampling.rate === 0) {
      warnings.push('the dump does not say how it was sampled: taken as one sample in 128 KiB');
      sampling = { method: sampling.method, rate: DEFAULT_UNIFORM_RATE };
    }
  }
  return { kind, source: 'heap profile', sampling, totals, ...(match === null ? { countsMissing: true } : {}) };
}

/** What is not part of a dump: bytes[start] to bytes[end - 1] of a line, and what they should be. */
interface Fault {
  readonly fact: string;
  readonly start: number;
  readonly end: number;
}

const NO_COUNTS = 'no header with counts, as in "heap profile: 1: 2 [3: 4] @ heap/5"';
const NO_ADDRESS = 'no address';
const NO_THREAD = 'no row of a thread, as in "t1: 2: 3 [4: 5]"';
const NO_LINE = 'neither a backtrace, "@ 0x1 0x2", nor a row of a thread';
const NO_ROW = 'no row of counts and a backtrace, as in "1: 2 [3: 4] @ 0x5"';

interface Thread extends ThreadSamples {
  name: string | undefined;
}

/** The rows of a dump: contexts, and what each thread has of them. */
class Rows {
  readonly header: Header;
  readonly #withThreads: boolean;
  readonly stacks = new StackTable();
  readonly samples = new SampleTable();
  /** By the digits of their numbers. */
  readonly threads = new Map<string, Thread>();
  totals: RawTotals;
  /** Whether there are counts of what was ever allocated. */
  accumulated = false;
  readonly #addresses: AddressFrames;
  /** The context that the next rows of threads are of; undefined before the first. */
  #stack: StackIndex | undefined;
  #counts = new Float64Array(4);
  #path = new Int32Array(256);

  constructor(header: Header, symbols: SymbolSection | undefined, withThreads: boolean) {
    this.header = header;
    this.#withThreads = withThreads;
    this.totals = header.totals ?? NO_TOTALS;
    this.#addresses = new AddressFrames(this.stacks, symbols);
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
    if (bytes[start] === 0x40 /* @ */) return this.#takeStack(bytes, start + 1, end);
    const isThread = bytes[start] === 0x74; /* t */
    if (isThread && this.#takeThread(bytes, start + 1, end)) return undefined;
    return { fact: isThread ? NO_THREAD : NO_LINE, start, end };
  }

  /** heap_v2: `t*: 1: 2 [3: 4]` for all threads, `t7: 1: 2 [3: 4] name` for one. False if it is neither. */
  #takeThread(bytes: Uint8Array, start: number, end: number): boolean {
    let colon = start;
    while (colon < end && bytes[colon] !== 0x3a) colon++;
    const after = colon > start ? this.#readCounts(bytes, colon + 1, end) : -1;
    if (after < 0) return false;
    if (bytes[start] === 0x2a /* * */) {
      if (this.#stack === undefined) {
        const [inuseObjects, inuseBytes, allocObjects, allocBytes] = this.#counts;
        this.totals = { inuseObjects, inuseBytes, allocObjects, allocBytes };
      } else this.#add(this.samples, this.#stack);
      return true;
    }
    for (let at = start; at < colon; at++) if (bytes[at] < 0x30 || bytes[at] > 0x39) return false;
    if (!this.#withThreads) return true;
    const thread = this.#thread(latin1.decode(bytes.subarray(start, colon)));
    if (thread.name === undefined && after < end) thread.name = textDecoder.decode(bytes.subarray(after, end)).trim() || undefined;
    if (this.#stack !== undefined) this.#add(thread.samples, this.#stack);
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
    if (bytes[start] === HASH) return undefined;
    let at = this.#readCounts(bytes, start, end);
    while (at >= 0 && at < end && bytes[at] === SPACE) at++;
    if (at < 0 || at === end || bytes[at] !== 0x40) return { fact: NO_ROW, start, end };
    const fault = this.#takeStack(bytes, at + 1, end);
    this.#add(this.samples, this.#stack!);
    return fault;
  }

  #add(into: SampleTable, stack: StackIndex): void {
    const { sampling } = this.header;
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
        if (bytes[at] !== BRACKET) return -1;
        at++;
        while (at < end && bytes[at] === SPACE) at++;
      }
      const start = at;
      let value = 0;
      while (at < end && bytes[at] >= 0x30 && bytes[at] <= 0x39) value = value * 10 + bytes[at++] - 0x30;
      if (at === start) return -1;
      this.#counts[i] = value;
      if (i === 0 || i === 2) {
        if (bytes[at] !== 0x3a) return -1;
        at++;
      }
    }
    return at < end && bytes[at] === 0x5d ? at + 1 : -1;
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
    return fault;
  }
}

/** Character code -> value of a hex digit, 16 for all others. */
const HEX_DIGITS = Uint8Array.from({ length: 256 }, (_, code) => (hexDigit(code) < 0 ? 16 : hexDigit(code)));

/** Frames by address: each address is looked up in the symbols once for the head of a backtrace and once for the rest. */
class AddressFrames {
  readonly #stacks: StackTable;
  readonly #symbols: SymbolSection | undefined;
  readonly #rows = new AddressIndex();
  /** Row -> FrameIndex + 1 at the head of a backtrace and elsewhere, 0 for not looked up yet. */
  #leaf = new Int32Array(4096);
  #caller = new Int32Array(4096);
  /** Place after the address that `frameAt` read last. */
  end = 0;

  constructor(stacks: StackTable, symbols: SymbolSection | undefined) {
    this.#stacks = stacks;
    this.#symbols = symbols;
  }

  /**
   * The frame of the address that stands in hex at bytes[start], with or without `0x`, up to a blank or `limit`; -1 if that is no address.
   * Sets `end` to the place after it.
   */
  frameAt(bytes: Uint8Array, start: number, limit: number, leaf: boolean): number {
    let at = start;
    if (limit - at > 2 && bytes[at] === 0x30 && (bytes[at + 1] | 0x20) === 0x78 && bytes[at + 2] > SPACE) at += 2;
    while (at < limit && bytes[at] === 0x30) at++;
    const first = at;
    let high = 0;
    let low = 0;
    let code = 0;
    for (; at < limit && (code = bytes[at]) > SPACE; at++) {
      const digit = HEX_DIGITS[code];
      if (digit > 15) break;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | digit;
    }
    const isAddress = at - first <= 16 && (at === limit || code <= SPACE);
    while (at < limit && bytes[at] > SPACE) at++;
    this.end = at;
    if (!isAddress) return -1;
    const row = this.#rows.add(high >>> 0, low >>> 0);
    if (row >= this.#leaf.length) this.#grow();
    const known = leaf ? this.#leaf : this.#caller;
    if (known[row] === 0) {
      const other = (leaf ? this.#caller : this.#leaf)[row] - 1;
      known[row] = this.#add((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), leaf, other) + 1;
    }
    return known[row] - 1;
  }

  #grow(): void {
    const [leaf, caller] = [this.#leaf, this.#caller];
    this.#leaf = new Int32Array(leaf.length * 2);
    this.#caller = new Int32Array(leaf.length * 2);
    this.#leaf.set(leaf);
    this.#caller.set(caller);
  }

  /** The frame of an address: a new one, unless the `other` one that the address has (-1: none) says the same. No other address has it. */
  #add(pc: bigint, leaf: boolean, other: number): FrameIndex {
    const entry = this.#symbols?.entryAt(leaf || pc === 0n ? pc : pc - 1n);
    if (other >= 0 && sameNames(entry, this.#symbols?.entryAt(!leaf || pc === 0n ? pc : pc - 1n))) return other as FrameIndex;
    const { frames } = this.#stacks;
    if (entry === undefined) return frames.append({ pc });
    const names = splitNames(entry);
    const frame: Frame = { pc, fn: names[0] };
    if (names.length === 1) return frames.append(frame);
    const inlined = names
      .slice(1)
      .reverse()
      .map((fn) => ({ fn }));
    return frames.append({ ...frame, inlined });
  }
}

/** True if two entries of a symbol section name the same functions. */
function sameNames(one: string | undefined, other: string | undefined): boolean {
  if (one === other || one === undefined || other === undefined) return one === other;
  return splitNames(one).join('--') === splitNames(other).join('--');
}
