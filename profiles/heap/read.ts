/**
 * Reads heap dumps: jemalloc's heap_v2 (5.3.0, src/prof_data.c) and gperftools' older `heap profile:`, with or without a symbol section.
 * What the format cannot say: which functions a dump without symbol section has, file and line in any dump, and (`heap profile:`) threads.
 * Invariant: the values are those that jeprof computes from the same rows (ReadThreadedHeapProfile, ReadHeapProfile, AdjustSamples).
 * Differs: rows of named threads are read (jeprof passes them over), and an empty backtrace keeps its rows
 * (jeprof takes those at the head of the dump for the header and drops them).
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { StackTable } from '../../core/trace/stacks.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import { NO_STACK } from '../../core/units.ts';
import type { Profile, Sampling, ThreadSamples } from '../profile.ts';
import { SampleTable } from '../profile.ts';
import { AddressIndex, hexDigit } from './address_index.ts';
import type { Mapping } from './maps.ts';
import { parseMaps } from './maps.ts';
import type { SymbolSection } from './symbols.ts';
import { readSymbolLines } from './symbols.ts';
import { DEFAULT_UNIFORM_RATE, unsampled } from './unsample.ts';

/** Sums as the dump's header gives them: samples, not estimates. */
export interface RawTotals {
  readonly inuseObjects: number;
  readonly inuseBytes: number;
  readonly allocObjects: number;
  readonly allocBytes: number;
}

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
  const lines = new Lines(bytes);
  let header = lines.nextHeader();
  if (header === undefined) {
    throw new InputError(name, 'the dump is empty', 'a process that ends by prof_leak_error, or is killed, leaves its dump unwritten');
  }
  let symbols: SymbolSection | undefined;
  if (/^--- *symbol/.test(header)) {
    symbols = readSymbolLines(lines.until('---'));
    header = lines.nextHeader() ?? '';
  }
  if (/^--- *(heap|growth)/.test(header)) header = lines.nextHeader() ?? '';
  const textStart = lines.lineStart;
  const reader = new Reader(name, lines, symbols);
  const dump = /^heap profile:/.test(header) ? reader.readPlain(header) : reader.readThreaded(header);
  return { ...dump, text: bytes.subarray(textStart) };
}

/** A cursor over the lines of a file. */
class Lines {
  readonly bytes: Uint8Array;
  /** Bounds of the current line, without its line end. */
  lineStart = 0;
  lineEnd = 0;
  /** Number of the current line, from 1. */
  number = 0;
  #next = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  advance(): boolean {
    if (this.#next >= this.bytes.length) return false;
    this.number++;
    this.lineStart = this.#next;
    const end = this.bytes.indexOf(LF, this.#next);
    this.lineEnd = end < 0 ? this.bytes.length : end;
    this.#next = this.lineEnd + 1;
    return true;
  }

  text(): string {
    return decoder.decode(this.bytes.subarray(this.lineStart, this.lineEnd)).replaceAll('\r', '');
  }

  /** The next line that is no `%` command. */
  nextHeader(): string | undefined {
    while (this.advance()) {
      const text = this.text();
      if (!text.startsWith('%')) return text;
    }
    return undefined;
  }

  *until(mark: string): Generator<string> {
    while (this.advance()) {
      const text = this.text();
      if (text.startsWith(mark)) return;
      yield text;
    }
  }

  rest(): string {
    return decoder.decode(this.bytes.subarray(this.#next)).replaceAll('\r', '');
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const PLAIN_HEADER = /^heap profile:\s*(\d+):\s+(\d+)\s+\[\s*(\d+):\s+(\d+)\](\s*@\s*([^/]*)(\/(\d+))?)?/;

class Reader {
  readonly name: string;
  readonly lines: Lines;
  readonly symbols: SymbolSection | undefined;
  readonly stacks = new StackTable();
  readonly samples = new SampleTable();
  readonly warnings: string[] = [];
  readonly addresses: AddressFrames;
  #counts = new Float64Array(4);
  #path = new Int32Array(256);
  #maps: string | undefined;
  #accumulated = false;
  #unreadable = 0;
  #firstUnreadable = 0;

  constructor(name: string, lines: Lines, symbols: SymbolSection | undefined) {
    this.name = name;
    this.lines = lines;
    this.symbols = symbols;
    this.addresses = new AddressFrames(this.stacks, symbols);
  }

  /** heap_v2: contexts with a row for each thread. */
  readThreaded(header: string): Omit<HeapDump, 'text'> {
    // lg_prof_sample goes up to 63.
    const match = /^heap_v2\/(\d{1,19})(?!\d)/.exec(header);
    if (match === null)
      throw new InputError(
        `${this.name}:${this.lines.number}`,
        'no heap dump: it does not begin with heap_v2/RATE, bytes between samples, or "heap profile:"',
      );
    const sampling: Sampling = Number(match[1]) > 0 ? { method: 'poisson', rate: Number(match[1]) } : { method: 'none', rate: 1 };
    const threads = new Map<string, { id: bigint; name: string | undefined; samples: SampleTable }>();
    const totals: RawTotals = this.#readRows(sampling, threads);
    return this.#finish('heap', 'heap_v2', sampling, [...threads.values()], totals);
  }

  #readRows(sampling: Sampling, threads: Map<string, { id: bigint; name: string | undefined; samples: SampleTable }>): RawTotals {
    const { lines } = this;
    const { bytes } = lines;
    let totals: RawTotals = { inuseObjects: 0, inuseBytes: 0, allocObjects: 0, allocBytes: 0 };
    let inHeader = true;
    let stack: StackIndex = NO_STACK;
    while (lines.advance()) {
      let at = lines.lineStart;
      const end = lines.lineEnd;
      while (at < end && bytes[at] <= SPACE) at++;
      if (at === end) continue;
      if (bytes[at] === 0x40 /* @ */) {
        inHeader = false;
        stack = this.#readStack(at + 1, end);
        continue;
      }
      if (bytes[at] === 0x74 /* t */) {
        const colon = bytes.indexOf(0x3a, at);
        const after = colon > at + 1 && colon < end ? this.#readCounts(colon + 1, end) : -1;
        if (after < 0) {
          this.#noteUnreadable();
          continue;
        }
        if (bytes[at + 1] === 0x2a /* * */) {
          const [inuseObjects, inuseBytes, allocObjects, allocBytes] = this.#counts;
          if (inHeader) totals = { inuseObjects, inuseBytes, allocObjects, allocBytes };
          else this.#addRow(this.samples, stack, sampling);
          continue;
        }
        const label = latin1.decode(bytes.subarray(at + 1, colon));
        let thread = threads.get(label);
        if (thread === undefined) {
          if (!/^\d+$/.test(label)) {
            this.#noteUnreadable();
            continue;
          }
          thread = { id: BigInt(label), name: undefined, samples: new SampleTable() };
          threads.set(label, thread);
        }
        if (thread.name === undefined && after < end) thread.name = decoder.decode(bytes.subarray(after, end)).trim() || undefined;
        if (!inHeader) this.#addRow(thread.samples, stack, sampling);
        continue;
      }
      if (this.#readMapsMark(at, end)) break;
      this.#noteUnreadable();
    }
    return totals;
  }

  /** gperftools: one row a context. */
  readPlain(header: string): Omit<HeapDump, 'text'> {
    const { sampling, kind, source, totals } = plainHeader(header, this.warnings);
    const { lines } = this;
    const { bytes } = lines;
    while (lines.advance()) {
      let at = lines.lineStart;
      const end = lines.lineEnd;
      while (at < end && bytes[at] <= SPACE) at++;
      if (at === end) continue;
      if (bytes[at] >= 0x30 && bytes[at] <= 0x39) {
        let after = this.#readCounts(at, end);
        while (after >= 0 && after < end && bytes[after] === SPACE) after++;
        if (after >= 0 && after < end && bytes[after] === 0x40) {
          this.#addRow(this.samples, this.#readStack(after + 1, end), sampling);
          continue;
        }
      }
      if (this.#readMapsMark(at, end)) break;
      this.#noteUnreadable();
    }
    return this.#finish(kind, source, sampling, [], totals);
  }

  #addRow(into: SampleTable, stack: StackIndex, sampling: Sampling): void {
    const [inuseObjects, inuseBytes, allocObjects, allocBytes] = this.#counts;
    const inuse = (value: number) => unsampled(value, sampling, inuseObjects, inuseBytes);
    const alloc = (value: number) => unsampled(value, sampling, allocObjects, allocBytes);
    if (allocObjects > 0) this.#accumulated = true;
    into.add(stack, inuse(inuseObjects), inuse(inuseBytes), alloc(allocObjects), alloc(allocBytes));
  }

  /** Reads `1: 2 [3: 4]` into the four counts and gives the position after it, -1 if the text is something else. */
  #readCounts(at: number, end: number): number {
    const { bytes } = this.lines;
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

  /** Reads the addresses of a backtrace, leaf first. */
  #readStack(at: number, end: number): StackIndex {
    const { bytes } = this.lines;
    let depth = 0;
    while (true) {
      while (at < end && bytes[at] <= SPACE) at++;
      if (at === end) break;
      const frame = this.addresses.frameAt(bytes, at, end, depth === 0);
      at = this.addresses.end;
      if (frame < 0) {
        this.#noteUnreadable();
        continue;
      }
      if (depth === this.#path.length) {
        const grown = new Int32Array(depth * 2);
        grown.set(this.#path);
        this.#path = grown;
      }
      this.#path[depth++] = frame;
    }
    return this.stacks.intern(this.#path, depth);
  }

  /** At the mark of the mappings: takes the rest of the file. */
  #readMapsMark(at: number, end: number): boolean {
    const text = latin1.decode(this.lines.bytes.subarray(at, Math.min(end, at + 32)));
    if (!text.startsWith('MAPPED_LIBRARIES:') && !text.startsWith('--- Memory map:')) return false;
    this.#maps = this.lines.rest();
    return true;
  }

  #mappings(): readonly Mapping[] {
    return this.#maps === undefined ? [] : parseMaps(this.#maps);
  }

  #noteUnreadable(): void {
    if (this.#unreadable++ === 0) this.#firstUnreadable = this.lines.number;
  }

  #finish(
    kind: Profile['kind'],
    source: string,
    sampling: Sampling,
    threads: readonly ThreadSamples[],
    header: RawTotals,
  ): Omit<HeapDump, 'text'> {
    if (this.#unreadable > 0) {
      this.warnings.push(
        `${this.name}:${this.#firstUnreadable}: ${this.#unreadable === 1 ? 'a line is' : `${this.#unreadable} lines, from here on, are`} no part of a heap dump and passed over`,
      );
    }
    const binary = this.symbols?.binary ?? mainProgram(this.#mappings());
    const profile: Profile = {
      kind,
      source,
      stacks: this.stacks,
      samples: this.samples,
      threads,
      sampling,
      accumulated: this.#accumulated,
      requested: false,
      symbolized: this.symbols !== undefined,
      ...(binary === undefined ? {} : { binary }),
      ...(this.#maps === undefined ? {} : { maps: this.#maps }),
      warnings: this.warnings,
    };
    return { profile, header };
  }
}

const latin1 = new TextDecoder('latin1');

/** The first executable mapping is the program's: Linux lists it before libraries in every layout but that of a program started by its loader. */
function mainProgram(mappings: readonly Mapping[]): string | undefined {
  return mappings.find((mapping) => mapping.permissions.includes('x') && mapping.path.startsWith('/'))?.path;
}

function plainHeader(header: string, warnings: string[]): { sampling: Sampling; kind: Profile['kind']; source: string; totals: RawTotals } {
  const kind = header.includes('growth') ? 'growth' : 'heap';
  let sampling: Sampling = { method: 'none', rate: 1 };
  let totals: RawTotals = { inuseObjects: 0, inuseBytes: 0, allocObjects: 0, allocBytes: 0 };
  const match = PLAIN_HEADER.exec(header);
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
  return { sampling, kind, source: 'heap profile', totals };
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
    const names = this.#namesAt(leaf || pc === 0n ? pc : pc - 1n);
    if (other >= 0) {
      const othersNames = this.#namesAt(!leaf || pc === 0n ? pc : pc - 1n);
      if (names === othersNames || names?.join('--') === othersNames?.join('--')) return other as FrameIndex;
    }
    const { frames } = this.#stacks;
    if (names === undefined) return frames.append({ pc });
    const frame: Frame = { pc, fn: names[0] };
    if (names.length === 1) return frames.append(frame);
    const inlined = names
      .slice(1)
      .reverse()
      .map((fn) => ({ fn }));
    return frames.append({ ...frame, inlined });
  }

  #namesAt(address: bigint): readonly string[] | undefined {
    return this.#symbols?.names.get(address.toString(16));
  }
}
