/**
 * heaptrack's recordings (KDE heaptrack 1.0 to 1.5, file format versions 0 to 3): what `heaptrack` writes, and with `--raw` what it has before interpreting.
 *
 *     v 10400 3                     version of heaptrack and of the format
 *     s 4 main                      string (1-based, as all tables below; the length is new in version 3)
 *     i 5611eb2b21e0 1 f 10 2a      code address, module, then function, file, line, innermost first if functions are inlined
 *     t 5 2                         frame and calling trace; raw: code address and calling trace
 *     a 138 7                       allocation info (0-based): size, trace
 *     + 3                           allocation under an info; raw and version 0: size, trace, block
 *     - 3                           free of a block of an info; raw and version 0: block
 *     c 1f4                         milliseconds since the start
 *     x 15 /usr/bin/leaky           raw: the program
 *     m 4 libc 7f00 0 25388 …       raw: a module, its base, and address and length of its segments; `m 1 -` begins a new listing
 *
 * Also `X` the command, `I` page size and pages, `R` resident pages, `A` attached, `S` suppressions, `#` comments. All numbers are hex.
 * Source: accumulatedtracedata.cpp, heaptrack_interpret.cpp and libheaptrack.cpp of heaptrack 1.5.
 * Invariant: every line is part of an event, of a table, or counted.
 * What the format cannot say: threads, which function allocated (calloc's size is the product, alignments are not there), calls that failed, frees of NULL.
 * Interpreted files of version 1 and later have no block addresses either (see AppendedInfos).
 * A realloc is a free and an allocation. It is one event here where that shows: raw, the block stays where it is; interpreted, the calling function is called so.
 */
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { InputError, SNIFFING } from '../format.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { ascii, ByteCursor, textOf, TIMES_END } from '../shared/cursor.ts';
import { NEWLINE, CARRIAGE_RETURN, SPACE, PLUS, MINUS } from '../shared/letters.ts';
import { RecordingFacts } from '../shared/recording_facts.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { AddressedCalls, addAllocation, addFree, takeAddressedCalls } from './addressed.ts';
import { AppendedInfos } from './append_calls.ts';
import { LineBlocks } from './blocks.ts';
import { BookedInfos } from './book_calls.ts';
import { type AllocationInfos, takeCalls } from './infos.ts';
import { INFO, TRACE } from './numbers.ts';
import { Modules } from './modules.ts';
import { HeaptrackStacks, type FrameIndices } from './stacks.ts';
import { takeTables } from './tables.ts';

/** First letters of lines. */
const [COMMENT, CLOCK, POINTER, MODULE, STRING, VERSION, EXE] = ascii('#cimsvx');
const [ATTACHED, SYSTEM, RESIDENT, SUPPRESSION, COMMAND] = ascii('AIRSX');
/** heaptrack 1.0.0: earlier ones did not write their version. */
const OLDEST_HEAPTRACK = 0x10000;
const NEWEST_VERSION = 3;
/** From this version on, strings have their length before them. */
const SIZED_STRINGS = 3;
/** heaptrack up to 1.0 wrote this number, and no format version, for what is version 1. */
const VERSION_BEFORE_1 = 0x10200;
/** From this heaptrack on, code addresses are those of the call's last byte, not of its return. */
const CALL_ADDRESSES = 0x10300;
/** Most bytes of a command that heaptrack writes. */
const LONGEST_COMMAND = 4096;
/** Bytes in which a file shows whether it is raw: those name the program and its modules first. */
const KIND_BYTES = 4096;
/** A line that is whole and yet fits no rule: it names a row that no line has made. */
const OF_NO_ROW = /^[ta+-](?: [0-9a-f]{1,16})+$/;
/** Lines in a row that do. */
const MOST_OF_NO_ROW = 32;
/** A line of version 3 that can follow the command. */
const AFTER_COMMAND = /^(?:[Iictav+-](?: [0-9a-f]+)+|[smx] [0-9a-f]+ .*|S .*|A|#.*)\r?$/;

class HeaptrackReader implements TraceReader {
  /** Lines that fit the format, and lines that do not. */
  taken = 0;
  unparsed = 0;
  /** True once the line that gives the version was read. */
  versioned = false;
  readonly #trace: Trace;
  readonly #name: string;
  readonly #blocks: LineBlocks;
  readonly #builder: BatchBuilder;
  readonly #cursor = new ByteCursor();
  readonly #stacks: HeaptrackStacks;
  /** Of interpreted files; calls are appended, or booked. */
  readonly #infos: AllocationInfos;
  readonly #addressed = new AddressedCalls();
  readonly #modules = new Modules();
  /** Raw code address -> FrameIndex, as long as the modules stay. */
  readonly #rawFrames = new Map<number, number>();
  readonly #strangers: Unparsed;
  readonly #facts: RecordingFacts;
  /** Number of the line, without those that `takeCalls` and `takeAddressedCalls` have taken. */
  #line = 0;
  #heaptrack = 0;
  #version = 0;
  /** True once a line was seen that only raw files have. */
  #raw = false;
  #exe = '';
  /** Time of the last line that tells one, ns. In an array it is a double from the start: loops are not compiled twice for it. */
  readonly #clock = new Float64Array(1);
  /** The last line was that of the command, or more of it. */
  #inCommand = false;
  /** The line that gives the version once more, 0 for none: of a program that the recorded one has executed, if only comments follow. */
  #again = 0;
  /** Lines in a row that named a row which is not there. */
  #ofNoRow = 0;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#name = options.name;
    trace.header.source = 'heaptrack';
    trace.header.timed = true;
    trace.header.startTime = 0n;
    trace.threads.intern(0);
    this.#stacks = new HeaptrackStacks(trace);
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    this.#blocks = new LineBlocks(options.name, this.#onBlock.bind(this));
    this.#strangers = new Unparsed(trace, options, 'heaptrack’s');
    this.#facts = new RecordingFacts(trace);
    this.#infos = options.accounts === undefined ? new AppendedInfos(this.#builder) : new BookedInfos(options.accounts, trace.stacks);
  }

  write(chunk: Uint8Array): void {
    this.#blocks.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    if (this.#blocks.end() && ending !== 'stopped') {
      this.#trace.skip('torn');
      this.#trace.partial = true;
    }
    this.#infos.end();
    this.#strangers.end();
    const maps = this.#modules.mapsText();
    if (maps !== undefined) this.#trace.header.maps = maps;
    if (this.#again > 0) this.#trace.warnings.push('the recorded program executed another one, of which heaptrack recorded nothing');
    if (this.#builder.count > 0 || this.#infos.lines > 0) {
      this.#trace.warnings.push('heaptrack records no threads: all calls are replayed as those of one');
      if (this.#infos.length > 0) {
        this.#trace.warnings.push(
          'heaptrack’s interpreted recordings have no addresses: a free is taken to mean the latest block of that size and stack, so that placement is approximate (heaptrack --raw keeps addresses)',
        );
      }
    }
    this.#builder.flush();
  }

  /** Whether calls name blocks by their addresses: raw files, and those from before there were allocation infos. A file never has both kinds. */
  get hasAddresses(): boolean {
    return this.#raw || (this.#version === 0 && this.#infos.length === 0);
  }

  /** Number of the current line, from 1. */
  get #lineNumber(): number {
    return this.#line + this.#infos.lines + this.#addressed.lines;
  }

  #onBlock(bytes: Uint8Array, start: number, end: number): void {
    const infos = this.#infos;
    let at = start;
    while (at < end) {
      if (infos.length > 0 && !this.#raw) at = takeCalls(infos, this.#clock[0], bytes, at, end);
      else if (this.hasAddresses) at = takeAddressedCalls(this.#addressed, this.#stacks, this.#builder, this.#clock[0], bytes, at, end);
      if (at === end) return;
      const next = this.#takeTables(bytes, at, end);
      if (next > at) {
        at = next;
        continue;
      }
      let newline = at;
      while (bytes[newline] !== NEWLINE) newline++;
      this.#line++;
      this.#onLine(bytes, at, newline);
      at = newline + 1;
    }
  }

  /** Takes the lines of tables of an interpreted file that stand in line from `start` on; gives the position of the first one that is left. */
  #takeTables(bytes: Uint8Array, start: number, end: number): number {
    if (this.#raw || this.#inCommand) return start;
    const stacks = this.#stacks;
    const infos = this.#infos;
    const before = stacks.traces + infos.length;
    const stop = takeTables(stacks, infos.length > 0 ? infos : undefined, bytes, start, end);
    if (stop === start) return start;
    const lines = stacks.traces + infos.length - before;
    this.#line += lines;
    this.taken += lines;
    this.#strangers.fits();
    return stop;
  }

  #onLine(bytes: Uint8Array, start: number, end: number): void {
    if (this.#inCommand && this.#continueCommand(bytes, start, end)) return;
    const mode = start < end ? bytes[start] : COMMENT;
    if (this.#again > 0 && mode !== COMMENT) {
      throw new InputError(
        `${this.#name}:${this.#again}`,
        'another recording by heaptrack begins here: its tables would be taken for more of the first one’s',
        'split the file before this line, and read one recording at a time',
      );
    }
    const cursor = this.#cursor;
    cursor.reset(bytes, start + 1, end);
    const fits = mode === PLUS || mode === MINUS ? this.#onCall(mode, cursor) : this.#onRecord(mode, cursor);
    if (fits) {
      this.taken++;
      this.#ofNoRow = 0;
      this.#strangers.fits();
      return;
    }
    this.unparsed++;
    if (OF_NO_ROW.test(textOf(bytes, start, end))) this.#onNoRow();
    else this.#strangers.add(this.#lineNumber, bytes, start, end);
  }

  /** A line that names a row which is not there: lines of tables before it are missing if others do so, too. */
  #onNoRow(): void {
    this.#trace.skip('unparsed');
    if (++this.#ofNoRow < MOST_OF_NO_ROW) return;
    const before = this.#lineNumber - MOST_OF_NO_ROW;
    throw new InputError(
      `${this.#name}:${before + 1}`,
      'from here on lines name rows of tables that are not there: lines before are missing',
      `copy the file again, or read what stands before: head -n ${before} FILE`,
    );
  }

  /** A call in a raw file or one of version 0, which have addresses; or one that `takeCalls` or `takeAddressedCalls` has left. */
  #onCall(mode: number, cursor: ByteCursor): boolean {
    if (!this.hasAddresses && (mode === PLUS || this.#infos.length === 0)) return false;
    if (mode === MINUS) {
      const ptr = cursor.eat(SPACE) ? cursor.address() : NaN;
      if (Number.isNaN(ptr) || cursor.pos < cursor.end) return false;
      if (!this.hasAddresses) {
        if (ptr >= this.#infos.length) return false;
        this.#trace.skip('free_unknown');
        this.#infos.freed = false;
      } else addFree(this.#addressed, this.#builder, this.#clock[0], ptr);
      return true;
    }
    const size = next(cursor);
    const trace = next(cursor);
    const ptr = cursor.eat(SPACE) ? cursor.address() : NaN;
    const stack = this.#stacks.stackOf(trace);
    if (Number.isNaN(size) || Number.isNaN(ptr) || cursor.pos < cursor.end || stack === undefined) return false;
    addAllocation(this.#addressed, this.#builder, this.#clock[0], ptr, size, stack);
    return true;
  }

  /** A line that is no call. A row is added to its table even if it cannot be read. */
  #onRecord(mode: number, cursor: ByteCursor): boolean {
    switch (mode) {
      case TRACE:
        return this.#onTrace(cursor);
      case INFO: {
        if (this.hasAddresses && !this.#raw && (this.versioned || this.#builder.count > 0)) return false;
        const size = next(cursor);
        const trace = next(cursor);
        const stack = this.#stacks.stackOf(trace);
        const fits = !Number.isNaN(size) && stack !== undefined && cursor.pos === cursor.end;
        if (fits) this.#infos.add(size, stack, this.#stacks.reallocates(trace));
        else this.#infos.add(0, NO_STACK, false);
        return fits;
      }
      case POINTER:
        return this.#onPointer(cursor);
      case STRING: {
        const text = this.#text(cursor, 'last');
        this.#stacks.strings.push(text ?? '');
        return text !== undefined;
      }
      case CLOCK: {
        const time = next(cursor) * 1e6;
        if (!(time >= this.#clock[0] && time < TIMES_END) || cursor.pos < cursor.end) return false;
        this.#clock[0] = time;
        this.#addressed.freed = NaN;
        this.#infos.freed = false;
        return true;
      }
      case MODULE:
        if (this.#infos.length > 0 && !this.#raw) return false;
        this.#raw = this.#stacks.bare = true;
        return this.#onModule(cursor);
      case EXE: {
        if (this.#infos.length > 0 && !this.#raw) return false;
        this.#raw = this.#stacks.bare = true;
        const path = this.#text(cursor, 'last');
        if (path !== undefined) this.#exe = path;
        return path !== undefined;
      }
      default:
        return this.#onNote(mode, cursor);
    }
  }

  /** What says something of the recording as a whole. */
  #onNote(mode: number, cursor: ByteCursor): boolean {
    const { header, warnings } = this.#trace;
    switch (mode) {
      case VERSION:
        return this.#onVersion(cursor);
      case COMMAND:
        if (!cursor.eat(SPACE)) return false;
        header.command = textOf(cursor.bytes, cursor.pos, cursor.end);
        this.#inCommand = this.#version >= SIZED_STRINGS;
        return true;
      case SYSTEM: {
        const pageSize = next(cursor);
        if (!Number.isSafeInteger(pageSize) || Number.isNaN(next(cursor))) return false;
        header.pageSize = pageSize;
        return true;
      }
      case RESIDENT:
        if (Number.isNaN(next(cursor))) return false;
        break;
      case ATTACHED:
        if (cursor.pos < cursor.end) return false;
        warnings.push('heaptrack was attached to a running program: blocks from before are not in the recording');
        break;
      case SUPPRESSION:
        if (!cursor.eat(SPACE)) return false;
        break;
      case COMMENT:
        if (this.#facts.take(textOf(cursor.bytes, cursor.pos - 1, cursor.end))) return true;
        break;
      default:
        return false;
    }
    this.#trace.skip('note');
    return true;
  }

  #onVersion(cursor: ByteCursor): boolean {
    const heaptrack = next(cursor);
    if (!(heaptrack >= OLDEST_HEAPTRACK)) return false;
    const version = next(cursor);
    if (cursor.pos < cursor.end) return false;
    if (this.versioned) {
      this.#again = this.#lineNumber;
      return true;
    }
    if (version > NEWEST_VERSION) {
      throw new InputError(
        `${this.#name}:${this.#lineNumber}`,
        `heaptrack’s format version ${version}: versions up to ${NEWEST_VERSION} are known`,
      );
    }
    this.versioned = true;
    this.#heaptrack = heaptrack;
    this.#version = Number.isNaN(version) ? (heaptrack === VERSION_BEFORE_1 ? 1 : 0) : version;
    return true;
  }

  #onTrace(cursor: ByteCursor): boolean {
    const stacks = this.#stacks;
    if (!this.#raw) {
      const pointer = next(cursor);
      const caller = next(cursor);
      const fits = stacks.addTrace(pointer, caller);
      return fits && cursor.pos === cursor.end;
    }
    const start = cursor.pos;
    const near = next(cursor);
    let frame = this.#rawFrames.get(near);
    if (frame === undefined) {
      cursor.pos = start;
      const pc = this.#address(cursor);
      if (pc !== undefined) {
        const module = this.#modules.moduleAt(pc);
        frame = stacks.frameOf({ pc: this.#returnAddress(pc), ...(module === undefined ? {} : { module }) });
        if (Number.isSafeInteger(near)) this.#rawFrames.set(near, frame);
      }
    }
    const caller = next(cursor);
    const fits = stacks.addTraceOf(frame ?? -1, caller);
    return fits && frame !== undefined && cursor.pos === cursor.end;
  }

  /** `pc module [function [file line [function file line]…]]` */
  #onPointer(cursor: ByteCursor): boolean {
    const pc = this.#address(cursor);
    const module = next(cursor);
    const chain: FrameIndices[] = [];
    while (cursor.peek() === SPACE) {
      const fn = next(cursor);
      if (Number.isNaN(fn)) break;
      const file = cursor.peek() === SPACE ? next(cursor) : 0;
      const line = cursor.peek() === SPACE ? next(cursor) : 0;
      chain.push({ fn, file, line });
    }
    if (pc === undefined || Number.isNaN(module)) {
      this.#stacks.addUnknownPointer();
      return false;
    }
    this.#stacks.addPointer(this.#returnAddress(pc), module, chain);
    return cursor.pos === cursor.end;
  }

  /** `path base [address size]…`, or `-` for a new listing. */
  #onModule(cursor: ByteCursor): boolean {
    let path = this.#text(cursor, 'word');
    if (path === undefined) return false;
    this.#addressed.freed = NaN;
    this.#rawFrames.clear();
    if (path === '-') {
      this.#modules.clear();
      return true;
    }
    if (path === 'x') path = this.#exe;
    const base = this.#address(cursor);
    if (base === undefined) return false;
    while (cursor.pos < cursor.end) {
      const address = this.#address(cursor);
      const size = this.#address(cursor);
      if (address === undefined || size === undefined) return false;
      this.#modules.add(path, base, address, size);
    }
    return true;
  }

  /** A command with newlines in it. */
  #continueCommand(bytes: Uint8Array, start: number, end: number): boolean {
    const { header } = this.#trace;
    const command = header.command ?? '';
    if (command.length + end - start <= LONGEST_COMMAND) {
      const text = textOf(bytes, start, end);
      if (!AFTER_COMMAND.test(text)) {
        header.command = `${command}\n${text}`;
        return true;
      }
    }
    this.#inCommand = false;
    return false;
  }

  /** A string, which ends its line or is a word of it: before version 3 up to that end or a space, from then on with its length before it. */
  #text(cursor: ByteCursor, is: 'last' | 'word'): string | undefined {
    const sized = this.#version >= SIZED_STRINGS;
    const length = sized ? next(cursor) : 0;
    if (Number.isNaN(length) || !cursor.eat(SPACE)) return undefined;
    const start = cursor.pos;
    if (sized) {
      if (start + length > cursor.end) return undefined;
      cursor.pos = start + length;
      if (is === 'last' && cursor.pos < cursor.end) return undefined;
    } else if (is === 'last' || !cursor.skipTo(SPACE)) cursor.pos = cursor.end;
    return textOf(cursor.bytes, start, cursor.pos);
  }

  /** A 64-bit number, exactly. */
  #address(cursor: ByteCursor): bigint | undefined {
    if (!cursor.eat(SPACE)) return undefined;
    const start = cursor.pos;
    const near = cursor.hex();
    if (Number.isNaN(near) || cursor.pos - start > 16) return undefined;
    return near <= Number.MAX_SAFE_INTEGER ? BigInt(near) : BigInt(`0x${textOf(cursor.bytes, start, cursor.pos)}`);
  }

  #returnAddress(pc: bigint): bigint {
    return this.#heaptrack >= CALL_ADDRESSES ? BigInt.asUintN(64, pc + 1n) : pc;
  }
}

/** The number after the next space; NaN if there is none. */
function next(cursor: ByteCursor): number {
  return cursor.eat(SPACE) ? cursor.hex() : NaN;
}

/** heaptrack's recordings, interpreted and raw. */
export const heaptrack: TraceFormat = {
  name: 'heaptrack',
  ofOneProcess: true,
  title: 'recording by heaptrack, interpreted or raw',
  sniff(head) {
    let first = 0;
    while (head[first] === NEWLINE || head[first] === CARRIAGE_RETURN) first++;
    if (head[first] !== VERSION) return 0;
    const reader = new HeaptrackReader(new Trace(), () => {}, SNIFFING);
    try {
      reader.write(head);
    } catch (error) {
      // A later version is heaptrack's all the same.
      if (error instanceof InputError && reader.taken + reader.unparsed === 0) return 0.97;
    }
    const { taken, unparsed, versioned } = reader;
    if (!versioned) return 0;
    // The line of the version first, and nothing strange after it: no other format need be asked.
    return unparsed === 0 ? 1 : 0.98 * (taken / (taken + unparsed));
  },
  books(head) {
    const reader = new HeaptrackReader(new Trace(), () => {}, SNIFFING);
    try {
      reader.write(head.subarray(0, KIND_BYTES));
    } catch {
      return false;
    }
    return reader.versioned && !reader.hasAddresses;
  },
  open: (trace, sink, options) => new HeaptrackReader(trace, sink, options),
};
