/**
 * `perf script` of a recording with uprobes on the allocator's functions (`perf probe -x libc malloc size=%di:u64`, `malloc%return ret=$retval` …).
 *
 *     leaky 19276 [001]   868.006316:         probe_libc:malloc: (7fe8dd333930) size=65536
 *     leaky 19276 [001]   868.006348: probe_libc:malloc__return: (7fe8dd333930 <- 55dcb249a6a5) ret=0x55dcb5e292a0
 *     	            16a5 main+0x90 (/opt/sample/bin/leaky)
 *
 * Any choice of `-F` that has tid, time, event and trace will do; with `-g` or `--call-graph`, the stack follows on lines that begin with a tab, without
 * it the place alone may stand behind the arguments.
 * Invariant: every line is part of an event or counted.
 * What the format cannot say: the block of a posix_memalign, and, without `-F pid`, which threads are of one process.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import type { StackIndex } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { ByteCursor, ascii, findWord, hasWord, textOf, isDigit } from '../shared/cursor.ts';
import { TAB, CARRIAGE_RETURN, SPACE, HASH, OPEN, COLON, CLOSE_BRACKET } from '../shared/letters.ts';
import { LineScanner, LONGEST_LINE } from '../shared/lines.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { UprobeEvent } from './arguments.ts';
import { PerfStack } from './frames.ts';
import { KnownLines } from './known_lines.ts';
import { PerfHead, RECORD } from './perf_head.ts';
import { blanksStart, digitsEnd } from './runs.ts';
import { UprobeCalls } from './uprobe_calls.ts';

const RECORD_LOST = ascii('PERF_RECORD_LOST');
const LOST = ascii(' lost ');
const INLINED = ascii(' (inlined)');
/** What perf itself says, where its messages went into the same file. */
const NOTES = ["'trace' not valid", 'Warning:', 'Processed ', 'Check IO/CPU', '[ perf ', 'Failed to ', 'no symbols '].map(ascii);

class PerfScriptReader implements TraceReader {
  events = 0;
  unparsed = 0;
  readonly #trace: Trace;
  readonly #calls: UprobeCalls;
  readonly #lines: LineScanner;
  readonly #cursor = new ByteCursor();
  readonly #event = new UprobeEvent();
  readonly #stack: PerfStack;
  readonly #strangers: Unparsed;
  readonly #known: KnownLines;
  /** An event had a stack: so will the next ones, and the lane is of no use. */
  #stacked = false;
  /** An event is open: its stack lines may follow. */
  #open = false;
  #process = 0;
  #tid = 0;
  #seconds = 0;
  #nanos = 0;
  readonly #head = new PerfHead();
  /** The first time is 0, as `--reltime` and `--deltatime` have it. */
  #fromZero = false;
  readonly #options: ReadOptions;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#options = options;
    trace.header.source = 'perf';
    trace.header.timed = true;
    this.#calls = new UprobeCalls(trace, sink, options);
    // Programs print into such recordings as much as they like.
    this.#strangers = new Unparsed(trace, options, 'perf', Infinity);
    this.#known = new KnownLines(this.#calls, false);
    this.#lines = new LineScanner(options.name, this.#onLine.bind(this), LONGEST_LINE, this.#takeAhead.bind(this));
    this.#stack = new PerfStack(trace.stacks.frames);
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    this.#lines.endWhole(this.#trace, ending);
    this.#commit();
    this.#strangers.end();
    this.#calls.calls.end();
    this.#trace.warnings.push(...this.#event.advice);
  }

  /** Takes lines of known threads and probes; gives the start of the first that is left. */
  #takeAhead(bytes: Uint8Array, start: number, limit: number): number {
    const known = this.#known;
    if (this.#stacked || this.#strangers.running || !known.mayTake(bytes, start, limit) || !known.beginsEvent(bytes, start)) return start;
    this.#commit();
    const before = this.#lines.line;
    const next = known.take(bytes, start, limit, this.#lines);
    const taken = this.#lines.line - before;
    this.events += taken;
    if (taken > 0) {
      this.#process = known.process;
      this.#tid = known.tid;
    }
    return next;
  }

  #onLine(bytes: Uint8Array, start: number, end: number): void {
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    if (start === end) return this.#commit();
    const first = bytes[start];
    if (first === TAB) return this.#onStackLine(bytes, start, end);
    if (this.#open && first === SPACE && this.#isSourceLine(bytes, start, end)) return this.#onStackLine(bytes, start, end);
    this.#commit();
    if (this.#onEventLine(bytes, start, end)) return this.#strangers.fits(this.#lines.line);
    if (first === HASH || NOTES.some((note) => hasWord(bytes, start, end, note))) {
      this.#trace.skip('note');
      return;
    }
    this.unparsed++;
    this.#strangers.add(this.#lines.line, bytes, start, end);
  }

  /** `-F +srcline` puts the source line on one of its own, indented by spaces: `  malloc.c:3281`, `  malloc.c:3281 (inlined)`, `  ld.so[10cb3]`. */
  #isSourceLine(bytes: Uint8Array, start: number, end: number): boolean {
    if (hasWord(bytes, end - INLINED.length, end, INLINED)) end -= INLINED.length;
    if (bytes[end - 1] === CLOSE_BRACKET) return findWord(bytes, start, end, ascii(': ')) < 0;
    let at = end - 1;
    while (at > start && isDigit(bytes[at])) at--;
    return at < end - 1 && bytes[at] === COLON && findWord(bytes, start, at, ascii(': ')) < 0;
  }

  #onStackLine(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#open) return this.#strangers.keep(this.#lines.line, bytes, start, end);
    this.#stacked = true;
    let from = start;
    while (from < end && (bytes[from] === TAB || bytes[from] === SPACE)) from++;
    if (this.#stack.add(bytes, from, end)) return;
    this.unparsed++;
    this.#strangers.add(this.#lines.line, bytes, start, end);
  }

  /** Hands the open event over: its stack is complete. */
  #commit(): void {
    if (!this.#open) return;
    this.#open = false;
    const stack = this.#stack;
    let index: StackIndex = NO_STACK;
    stack.finish();
    if (stack.length > 0) index = this.#trace.stacks.intern(stack.entries, stack.length);
    this.#calls.push(this.#event, this.#process, this.#tid, this.#seconds, this.#nanos, index);
  }

  /** `head time: [period] group:event: (address…) arguments` */
  #onEventLine(bytes: Uint8Array, start: number, end: number): boolean {
    const head = this.#head;
    if (!head.read(bytes, start, end)) return false;
    const { pid, tid, cpu, commandEnd, headEnd, hasMode, timeEnd } = head;
    this.#setTime(head.seconds, head.nanos);
    const cursor = this.#cursor;
    cursor.reset(bytes, timeEnd + 1, end);
    cursor.skipSpaces();
    if (cursor.eatWord(RECORD)) return this.#onRecord(bytes, cursor.pos - RECORD.length, end);
    this.#calls.calls.ranOn(cpu);
    if (!this.#onTracepoint(cursor, pid, tid, start, commandEnd)) return false;
    if (this.#open && !this.#stacked && !hasMode) {
      const parts = { start, end, headEnd, hasCpu: cpu >= 0, timeEnd, pid, process: this.#process, tid: this.#tid };
      this.#known.learn(bytes, this.#event, parts);
    }
    return true;
  }

  /** @throws InputError for times that are differences: those of `--reltime`, which also begin at 0, ascend. */
  #setTime(seconds: number, nanos: number): void {
    if (this.events === 0) this.#fromZero = seconds === 0 && nanos === 0;
    else if (
      this.#fromZero &&
      (seconds < this.#seconds || (seconds === this.#seconds && nanos < this.#nanos)) &&
      this.#options !== SNIFFING
    ) {
      throw new InputError(this.#lines.place, 'times are those since the line before (perf script --deltatime)', 'leave --deltatime out');
    }
    this.#seconds = seconds;
    this.#nanos = nanos;
  }

  #onTracepoint(cursor: ByteCursor, pid: number, tid: number, start: number, commandEnd: number): boolean {
    const { bytes, end } = cursor;
    const event = this.#event;
    // `-F +period`: how many events the line stands for, one.
    const periodEnd = digitsEnd(bytes, cursor.pos, end);
    if (bytes[periodEnd] === SPACE) cursor.pos = periodEnd;
    cursor.skipSpaces();
    // group:event: — the group is of no matter.
    let nameStart = cursor.pos;
    let at = nameStart;
    while (at < end && bytes[at] !== SPACE && bytes[at] !== OPEN) {
      if (bytes[at] === COLON && at + 1 < end && bytes[at + 1] !== SPACE) nameStart = at + 1;
      at++;
    }
    if (at === nameStart || bytes[at - 1] !== COLON) return false;
    cursor.pos = at;
    cursor.skipSpaces();
    if (!event.readName(bytes, nameStart, at - 1)) {
      this.#trace.skip('other_call');
      return true;
    }
    if (!event.readArguments(cursor, false)) return false;
    this.events++;
    const process = this.#calls.processOf(event, pid);
    const { calls } = this.#calls;
    if ((tid !== this.#tid || process !== this.#process) && calls.nameOf(process, tid) === undefined && commandEnd > start) {
      while (start < commandEnd && bytes[start] === SPACE) start++;
      const nameEnd = blanksStart(bytes, start, commandEnd);
      if (nameEnd > start) calls.name(process, tid, textOf(bytes, start, nameEnd));
    }
    this.#process = process;
    this.#tid = tid;
    this.#stack.clear();
    this.#open = true;
    if (event.samplePlace >= 0) this.#onStackLine(bytes, event.samplePlace, end);
    return true;
  }

  #onRecord(bytes: Uint8Array, start: number, end: number): boolean {
    const lost = hasWord(bytes, start, end, RECORD_LOST) ? findWord(bytes, start, end, LOST) : -1;
    if (lost < 0) {
      this.#trace.skip('note');
      return true;
    }
    this.#cursor.reset(bytes, lost + LOST.length, end);
    const count = this.#cursor.decimal();
    if (Number.isNaN(count)) return false;
    this.#calls.calls.lose(count);
    return true;
  }
}

/** What `perf script` prints. */
export const perfScript: TraceFormat = {
  name: 'perf',
  title: 'output of perf script for a recording with uprobes on the allocator',
  sniff(head) {
    const reader = new PerfScriptReader(new Trace(), () => {}, SNIFFING);
    reader.write(head);
    const { events, unparsed } = reader;
    return events === 0 ? 0 : 0.97 * (events / (events + unparsed));
  },
  open: (trace, sink, options) => new PerfScriptReader(trace, sink, options),
};
