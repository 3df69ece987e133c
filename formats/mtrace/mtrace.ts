/**
 * glibc's mtrace (MALLOC_TRACE and a call of mtrace(); malloc/mtrace.c of glibc, since 2.34 in libc_malloc_debug.so).
 *
 *     = Start
 *     @ /opt/sample/bin/leaky:(main+90)[0x16a5] + 0x5593b89fa4a0 0x10000     allocation: block, size
 *     @ sqlite3:[0x911e] - 0x55a507c254e0                                    free
 *     @ ./app:(f+0x10)[0x55e0c6a81a22] < 0x5593b8a12600                      realloc: the block it took …
 *     @ ./app:(f+0x10)[0x55e0c6a81a22] > 0x5593b8a12600 0x720                … and the one it gave, on the next line
 *     @ [0x400a22] ! 0x5593b8a12600 0x8000000000                             realloc that failed
 *     = End
 *
 * The first versions, and the manual of the C library to this day, have no `@ ` before the address.
 * Invariant: every line is an event, half of one, or counted.
 * What the format cannot say: times, threads, which function allocated, and of the stack more than the caller. Its address is since 2.36 one within its file.
 * With threads, a block that a realloc gave back may be given out again before the realloc's two lines are written: an allocation where one is live.
 * A program that this one executes opens the same file anew: what was in it is gone, and reads as NUL bytes once the first one writes on.
 */
import { formatCounted } from '../../core/trace/counted.ts';
import { Op } from '../../core/trace/events.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { ByteCursor, ascii, hasWord, seenEnd, textOf } from '../shared/cursor.ts';
import { SPACE, PLUS, MINUS, AT, OPEN_BRACKET, CLOSE_BRACKET } from '../shared/letters.ts';
import { LineScanner } from '../shared/lines.ts';
import { Unparsed } from '../shared/unparsed.ts';

const OLD = 0x3c;
const NEW = 0x3e;
const FAILED = 0x21;
const START = ascii('= Start');
const END = ascii('= End');
/** A line that only mtrace writes. */
const OWN_LINE = /^ *(?:@ \S|= Start\s*$)/m;
/** Where one must be: what comes before the recording is short. */
const SNIFFED_BYTES = 4096;
const NIL = ascii('(nil)');
/** The ends of `module:(function+offset)[address]`, any part but the last missing. */
const ADDRESS_END = /\[(?:0x([0-9a-f]{1,16})|\(nil\))\]$/;
const OFFSET_END = /([+-])(?:0x)?([0-9a-f]{1,13})\)$/;
/** What stands behind an address: no name of a module has it. */
const CALL_WITHIN = /\[0x[0-9a-f]+\] [-+<>!] /;
/** Blocks lie at multiples of this, bytes: of glibc's MALLOC_ALIGNMENT on 32-bit machines, half of that on 64-bit ones. */
const ALIGNMENT = 8;
/** No block is as large, bytes: such a size is an address. */
const SIZES_END = 2 ** 46;
/** Below it a number is taken for one within the file, above it for an address of the process. */
const LOWEST_ADDRESS = 1n << 32n;

class MtraceReader implements TraceReader {
  /** Calls read, and lines that fit no rule. */
  calls = 0;
  unparsed = 0;
  started = false;
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lines: LineScanner;
  readonly #cursor = new ByteCursor();
  readonly #places = new ByteTable();
  /** Row of `#places` -> StackIndex. */
  readonly #stacks: number[] = [];
  /** Row -> whether another line is torn before the place. */
  readonly #torn: boolean[] = [];
  readonly #strangers: Unparsed;
  /** Block that a realloc took, whose second line is to come; NaN for none. */
  #old = NaN;
  #clobbered = 0;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    trace.header.source = 'mtrace';
    trace.header.timed = false;
    trace.threads.intern(0);
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    this.#lines = new LineScanner(options.name, this.#onLine.bind(this));
    this.#strangers = new Unparsed(trace, options, 'mtrace’s');
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const { warnings } = this.#trace;
    this.#lines.endWhole(this.#trace, ending);
    this.#strangers.end();
    this.#endRealloc();
    if (this.#clobbered > 0) {
      this.#trace.partial = true;
      warnings.push(
        `the file was overwritten, ${formatCounted(this.#clobbered, 'byte')} lost: a program that was executed has opened it anew`,
      );
    }
    if (this.#builder.count > 0) warnings.push('mtrace records neither times nor threads: all calls are replayed as those of one thread');
    this.#builder.flush();
  }

  #onLine(bytes: Uint8Array, lineStart: number, lineEnd: number): void {
    const end = seenEnd(bytes, lineStart, lineEnd);
    let start = lineStart;
    while (start < end && bytes[start] === SPACE) start++;
    if (start === end) return;
    if (this.#onCall(bytes, start, end)) {
      this.calls++;
      this.#strangers.fits();
    } else if (hasWord(bytes, start, end, START) || hasWord(bytes, start, end, END)) {
      this.started = true;
      this.#trace.skip('note');
      this.#strangers.fits();
    } else if (!this.#onHole(bytes, start, end)) {
      this.unparsed++;
      this.#strangers.add(this.#lines.line, bytes, lineStart, lineEnd);
    }
  }

  /** A line with NUL bytes: what stands before them has lost its end, what comes after them its start, unless it happens to be whole. */
  #onHole(bytes: Uint8Array, start: number, end: number): boolean {
    let after = end;
    while (after > start && bytes[after - 1] !== 0) after--;
    if (after === start) return false;
    for (let at = start; at < after; at++) if (bytes[at] === 0) this.#clobbered++;
    this.#trace.skip('torn');
    if (after < end && this.#onCall(bytes, after, end)) this.calls++;
    return true;
  }

  #onCall(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    let at = start;
    let stack = NO_STACK as number;
    if (bytes[start] === AT || bytes[start] === OPEN_BRACKET) {
      const from = bytes[start] === AT ? start + 2 : start;
      // The module's name is free text: its end is found from the back.
      at = end - 1;
      while (at > start && !(bytes[at] === SPACE && bytes[at - 1] === CLOSE_BRACKET)) at--;
      if (at < from || (from > start && bytes[start + 1] !== SPACE)) return false;
      const place = this.#stackOf(bytes, from, at);
      if (place === undefined) return false;
      stack = place;
      at++;
    }
    const sign = bytes[at];
    cursor.reset(bytes, at + 1, end);
    if (!cursor.eat(SPACE)) return false;
    const ptr = cursor.eatWord(NIL) ? 0 : cursor.address();
    // Processes that share the file after a fork write it in pieces of their own: what they tear may look whole.
    if (Number.isNaN(ptr) || ptr % ALIGNMENT !== 0) return false;
    if (sign === MINUS || sign === OLD) {
      if (cursor.pos < end) return false;
      this.#endRealloc();
      if (sign === OLD) this.#old = ptr;
      else this.#append(Op.free, ptr, 0, 0, NO_STACK);
      return true;
    }
    if ((sign !== PLUS && sign !== NEW && sign !== FAILED) || !cursor.eat(SPACE)) return false;
    const size = cursor.number();
    if (Number.isNaN(size) || cursor.pos < end || (size >= SIZES_END && ptr !== 0 && sign !== FAILED)) return false;
    if (sign === NEW && !Number.isNaN(this.#old)) {
      this.#append(Op.realloc, ptr, this.#old, size, stack);
      this.#old = NaN;
      return true;
    }
    this.#endRealloc();
    if (sign === FAILED) this.#append(Op.realloc, 0, ptr, size, stack);
    else this.#append(Op.malloc, ptr, 0, size, stack);
    return true;
  }

  /** A realloc whose second line is missing has at least taken its block. */
  #endRealloc(): void {
    if (Number.isNaN(this.#old)) return;
    this.#trace.skip('torn');
    this.#append(Op.free, this.#old, 0, 0, NO_STACK);
    this.#old = NaN;
  }

  #append(op: Op, ptr: number, old: number, size: number, stack: number): void {
    this.#builder.append(op, 0, this.#builder.count, ptr, old, size, 0, stack);
  }

  /**
   * The stack of one frame that `module:(function+offset)[address]` stands for; undefined if it is none. Another line may be torn before it,
   * as processes do after a fork: the call behind it is whole, the place perhaps.
   */
  #stackOf(bytes: Uint8Array, start: number, end: number): number | undefined {
    const places = this.#places;
    const known = places.length;
    const row = places.intern(bytes, start, end);
    if (row === known) {
      const text = textOf(bytes, start, end);
      const isTorn = isTwoLines(text);
      const parts = text.split('@ ');
      const frame = !isTorn ? parsePlace(text) : parts.length > 1 ? parsePlace(parts[parts.length - 1]) : undefined;
      const { stacks } = this.#trace;
      this.#torn[row] = isTorn;
      if (frame !== undefined) this.#stacks[row] = stacks.intern([stacks.frames.intern(frame)]);
      else this.#stacks[row] = isTorn ? NO_STACK : NaN;
    }
    const stack = this.#stacks[row];
    if (Number.isNaN(stack)) return undefined;
    if (this.#torn[row]) this.#trace.skip('torn');
    return stack;
  }
}

/** Whether text that stands for a place has a call within, or begins another line behind an address. */
function isTwoLines(text: string): boolean {
  const address = text.indexOf('[0');
  return CALL_WITHIN.test(text) || (address >= 0 && text.lastIndexOf('@ ') > address);
}

function parsePlace(text: string): Frame | undefined {
  const end = ADDRESS_END.exec(text);
  const names = end === null ? undefined : namesIn(text.slice(0, end.index));
  if (end === null || names === undefined) return undefined;
  const [, address = '0'] = end as (string | undefined)[];
  const { module, fn, offset } = names;
  const value = BigInt(`0x${address}`);
  const isAddress = value >= LOWEST_ADDRESS || module === '';
  const name = fn === '' && !isAddress ? `${module.replace(/^.*\//, '')}+0x${address}` : fn;
  return {
    ...(isAddress ? { pc: value } : {}),
    ...(name === '' ? {} : { fn: name }),
    ...(module === '' ? {} : { module }),
    ...(fn !== '' && offset !== undefined ? { offset } : {}),
  };
}

/**
 * What stands before an address: `module:(function+offset)`, `module:` or nothing; undefined if it is something else. A name may hold any of these signs, so that it
 * is taken apart from its end.
 */
function namesIn(text: string): { module: string; fn: string; offset: number | undefined } | undefined {
  if (text.includes('\0')) return undefined;
  const end = OFFSET_END.exec(text);
  if (end === null) return text === '' || text.endsWith(':') ? { module: text.slice(0, -1), fn: '', offset: undefined } : undefined;
  const [, sign, digits] = end;
  const colon = text.lastIndexOf(':(', end.index - 2);
  if (colon < 0 && !text.startsWith('(')) return undefined;
  return {
    module: text.slice(0, Math.max(colon, 0)),
    fn: text.slice(colon < 0 ? 1 : colon + 2, end.index),
    offset: sign === '+' ? Number.parseInt(digits, 16) : undefined,
  };
}

/** glibc's mtrace. */
export const mtrace: TraceFormat = {
  name: 'mtrace',
  ofOneProcess: true,
  title: "recording by glibc's mtrace (MALLOC_TRACE)",
  sniff(head) {
    // The first line may be torn, or the shell's.
    if (head[0] !== AT && !OWN_LINE.test(textOf(head, 0, Math.min(head.length, SNIFFED_BYTES)))) return 0;
    const reader = new MtraceReader(new Trace(), () => {}, SNIFFING);
    try {
      reader.write(head);
    } catch {
      // A long run of other lines has ended the reading; what came before it counts.
    }
    const { calls, unparsed, started } = reader;
    return calls === 0 ? (started && unparsed === 0 ? 0.5 : 0) : 0.98 * (calls / (calls + unparsed));
  },
  open: (trace, sink, options) => new MtraceReader(trace, sink, options),
};
