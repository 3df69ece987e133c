/**
 * Reads heap dumps: jemalloc's heap_v2 (5.3.0, src/prof_data.c) and gperftools' older `heap profile:`, with or without a symbol section.
 * What the format cannot say: which functions a dump without symbol section has, file and line in any dump, and (`heap profile:`) threads.
 * Invariant: the values are those that jeprof computes from the same rows (ReadThreadedHeapProfile, ReadHeapProfile, AdjustSamples).
 * Differs: rows of named threads are read (jeprof passes them over), and an empty backtrace keeps its rows
 * (jeprof takes those at the head of the dump for the header and drops them).
 */
import { InputError } from '../../core/trace/input_error.ts';
import { PassedOver, TELLING_LINE_BYTES } from '../passed_over.ts';
import { GO_HEAP, type Profile } from '../profile.ts';
import { type RawTotals, readHeader } from './header.ts';
import { mainProgram, parseMaps } from './maps.ts';
import { Rows } from './rows.ts';
import { SymbolSection } from './symbols.ts';

/** A heap dump: estimates as a profile, and what its header says. */
export interface HeapDump {
  readonly profile: Profile;
  readonly header: RawTotals;
  /** The dump without its symbol section, from the header line to the end of the file. */
  readonly text: Uint8Array;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;

const NO_COUNTS = 'no header with counts, as in "heap profile: 1: 2 [3: 4] @ heap/5"';

/** True if bytes look like the beginning of a file that `readHeap` takes. */
export function isHeap(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 65536));
  const first = text.split('\n').find((line) => !isBeforeHead(line)) ?? '';
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
    const newline = bytes.indexOf(NEWLINE, start);
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

/** True for commands of pprof's and blank lines, which may stand before a header. */
const isBeforeHead = (line: string) => line.startsWith('%') || line.trim() === '';

/** Reads a dump line by line: no more of its text need be there than a line. */
export class HeapReader {
  readonly #name: string;
  readonly #withThreads: boolean;
  #line = 0;
  #symbols: SymbolSection | undefined;
  /** The symbol section whose lines come now. */
  #openSymbols: SymbolSection | undefined;
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
    if (this.#maps !== undefined) this.#maps.push(textOf(bytes, start, end));
    else if (this.#rows !== undefined) {
      this.#rowBytes += end + 1 - start;
      this.#takeRow(this.#rows, bytes, start, end);
    } else if (this.#openSymbols !== undefined) this.#takeSymbol(this.#openSymbols, textOf(bytes, start, end));
    else this.#takeHead(textOf(bytes, start, end));
  }

  /** @throws InputError if the lines so far are no heap dump */
  finish(): Omit<HeapDump, 'text'> {
    if (!this.begun && this.#symbols === undefined && !this.#hasHeapMark)
      throw new InputError(
        this.#name,
        'the dump is empty',
        'a process that ends by prof_leak_error, or is killed, leaves its dump unwritten',
      );
    const rows = this.#rows ?? this.#begin('');
    rows.finish();
    const { header, sampling, stacks, samples, threads, totals, accumulated } = rows;
    const { kind, source } = header;
    const maps = this.#maps?.map((line) => `${line}\n`).join('');
    const binary = this.#symbols?.binary ?? mainProgram(maps === undefined ? [] : parseMaps(maps));
    const profile: Profile = {
      kind,
      source: rows.named ? GO_HEAP : source,
      stacks,
      samples,
      threads: [...threads.values()],
      sampling,
      accumulated,
      // jemalloc counts what size classes made of requests; of gperftools' forms some do, some do not.
      ...(source === 'heap_v2' ? { requested: false } : {}),
      symbolized: this.#symbols !== undefined || rows.named,
      ...(binary === undefined ? {} : { binary }),
      ...(maps === undefined ? {} : { maps }),
      warnings: [...this.#warnings, ...this.#passedOver.warnings(this.#name)],
      ...(this.#passedOver.any ? { damaged: true } : {}),
    };
    return { profile, header: totals };
  }

  /** Before the header there may be `%` commands, a symbol section and a mark of what follows. */
  #takeHead(text: string): void {
    if (isBeforeHead(text)) return;
    if (!this.#hasHeapMark && this.#symbols === undefined && /^--- *symbol/.test(text)) {
      this.#symbols = this.#openSymbols = new SymbolSection();
    } else if (!this.#hasHeapMark && /^--- *(heap|growth)/.test(text)) this.#hasHeapMark = true;
    else this.#begin(text);
  }

  #takeSymbol(symbols: SymbolSection, text: string): void {
    if (text.startsWith('---')) this.#openSymbols = undefined;
    else if (!symbols.take(text)) this.#passedOver.addLine(this.#line, 'neither the name of an address nor a variable', text);
  }

  #begin(text: string): Rows {
    const header = readHeader(text, this.#warnings);
    if (header === undefined)
      throw new InputError(
        `${this.#name}:${this.#line}`,
        'no heap dump: it does not begin with heap_v2/RATE, bytes between samples, or "heap profile:"',
      );
    if (header.countsMissing === true) this.#passedOver.addLine(this.#line, NO_COUNTS, text);
    return (this.#rows = new Rows(header, this.#symbols, this.#withThreads));
  }

  #takeRow(rows: Rows, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && bytes[at] <= SPACE) at++;
    if (at === end) return;
    const fault = rows.take(bytes, at, end);
    if (fault === undefined) return;
    if (isMapsMark(bytes, at, end)) {
      this.#maps = [];
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
