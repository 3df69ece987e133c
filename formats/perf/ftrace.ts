/**
 * The kernel's own `trace` file with uprobe events on the allocator's functions (`p:malloc LIBC:0x98930 size=%di`, `r:malloc__return …`), and what
 * `trace-cmd report` prints of such events, without flags and in perf's order of addresses.
 *
 *                edge-19547   [000] DBZff   921.841325: malloc: (0x7f6b096fd930) size=48
 *                edge-19547   [000] DBZff   921.841330: malloc__return: (0x55f29ec7d731 <- 0x7f6b096fd930) ret=0x55f2ae3862f0
 *
 * With the option latency-format, `    edge-19547     0DBZff 1292us+: malloc: …`, times are those since the trace began.
 *
 * Invariant: every line is part of an event or counted.
 * Differs from perf script: in the kernel's file the return's two addresses are in the opposite order. There are no stacks; the direct caller is known.
 * What the format cannot say: which threads are of one process (unless `record-tgid` was on), and the block of a posix_memalign.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { ByteCursor, ascii, findWord, hasWord, textOf } from '../shared/cursor.ts';
import { CARRIAGE_RETURN, SPACE, HASH, COLON, OPEN_BRACKET } from '../shared/letters.ts';
import { LineScanner, LONGEST_LINE } from '../shared/lines.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { UprobeEvent } from './arguments.ts';
import { FtraceHead } from './ftrace_head.ts';
import { KnownLines } from './known_lines.ts';
import { UprobeCalls } from './uprobe_calls.ts';

const LOST = ascii('CPU:');
const LOST_EVENTS = ascii('[LOST ');
const DROPPED = ascii('EVENTS DROPPED]');
/** What trace-cmd puts behind a time: how long after the line before it is (`--ts-diff`). */
const SINCE = ascii('(+');
/** The name of a buffer, which trace-cmd puts before the lines of an instance: the command behind it is padded to 8 or 16 letters, and has 15 at most. */
const BUFFER = /^\S+: (?: +|(?=.{12}))/;
/** A stack that the options stacktrace and userstacktrace add: what stands behind the head of its own line, and before each of its frames. */
const STACK = ascii('stack trace>');
const STACK_FRAME = ascii(' => ');
/** How the kernel's own file begins, and trace-cmd. */
const TRACER = ascii('# tracer: ');
const OPENINGS = ['version = ', 'cpus='].map(ascii);

class FtraceReader implements TraceReader {
  events = 0;
  unparsed = 0;
  readonly #trace: Trace;
  readonly #calls: UprobeCalls;
  readonly #lines: LineScanner;
  readonly #cursor = new ByteCursor();
  readonly #strangers: Unparsed;
  readonly #event = new UprobeEvent();
  readonly #head = new FtraceHead();
  /** Times have no unit. */
  #hasTicks = false;
  #stacks = 0;
  /** The kernel's own first line was there. */
  #opened = false;
  readonly #name: string;
  readonly #known: KnownLines;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#name = options.name;
    trace.header.source = 'ftrace';
    trace.header.timed = true;
    this.#calls = new UprobeCalls(trace, sink, options);
    // Programs print into such recordings as much as they like.
    this.#strangers = new Unparsed(trace, options, 'ftrace', Infinity);
    this.#known = new KnownLines(this.#calls, true);
    this.#lines = new LineScanner(options.name, this.#onLine.bind(this), LONGEST_LINE, this.#takeAhead.bind(this));
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    this.#lines.endWhole(this.#trace, ending);
    this.#strangers.end();
    if (this.#opened && this.events === 0 && this.unparsed > 0 && this.#event.bare === 0) {
      throw new InputError(
        this.#name,
        'no line is an event as the kernel prints it by default',
        'leave out the trace options raw, hex, bin, verbose and nocontext-info',
      );
    }
    this.#calls.calls.end();
    this.#trace.warnings.push(...this.#event.advice);
    if (this.#stacks > 0)
      this.#trace.warnings.push(
        `stacks by the options stacktrace and userstacktrace are left out (${this.#stacks}): direct callers are known from the returns`,
      );
    if (this.#hasTicks)
      this.#trace.warnings.push(
        'times are ticks of a clock of unknown rate (trace_clock counter, uptime, x86-tsc), each taken for a nanosecond',
      );
  }

  /** Takes lines of known threads and probes; gives the start of the first that is left. */
  #takeAhead(bytes: Uint8Array, start: number, limit: number): number {
    if (this.#strangers.running || !this.#known.mayTake(bytes, start, limit)) return start;
    const before = this.#lines.line;
    const next = this.#known.take(bytes, start, limit, this.#lines);
    this.events += this.#lines.line - before;
    return next;
  }

  #onLine(bytes: Uint8Array, start: number, end: number): void {
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    if (start === end) return;
    const opens = OPENINGS.some((opening) => hasWord(bytes, start, end, opening));
    this.#opened ||= opens || hasWord(bytes, start, end, TRACER);
    if (bytes[start] === HASH || opens) {
      this.#trace.skip('note');
      return;
    }
    if (this.#onEventLine(bytes, start, end) || this.#onLostLine(bytes, start, end) || this.#onStackLine(bytes, start, end))
      return this.#strangers.fits(this.#lines.line);
    this.unparsed++;
    this.#strangers.add(this.#lines.line, bytes, start, end);
  }

  /** `head time: event: (address…) arguments` */
  #onEventLine(bytes: Uint8Array, start: number, end: number): boolean {
    const head = this.#head;
    const event = this.#event;
    const cursor = this.#cursor;
    if (!head.read(bytes, start, end) && !head.readLatency(bytes, start, end)) return false;
    cursor.reset(bytes, head.timeEnd + 1, end);
    cursor.skipSpaces();
    const isAfter = cursor.eatWord(SINCE);
    if (isAfter && !cursor.skipTo(SPACE)) return false;
    cursor.skipSpaces();
    const nameStart = cursor.pos;
    if (!cursor.skipTo(COLON)) return false;
    const nameEnd = cursor.pos;
    cursor.pos++;
    cursor.skipSpaces();
    if (!event.readName(bytes, nameStart, nameEnd)) {
      this.#trace.skip('other_call');
      return true;
    }
    if (!event.readArguments(cursor, true)) return false;
    this.events++;
    const { pid, tid, cpu, cpuAt, commandEnd, timeEnd, seconds, nanos } = head;
    this.#hasTicks ||= head.isTicks;
    const { calls } = this.#calls;
    calls.ranOn(cpu);
    const process = this.#calls.processOf(event, pid);
    if (calls.nameOf(process, tid) === undefined) {
      calls.name(process, tid, textOf(bytes, start, commandEnd).trimStart().replace(BUFFER, ''));
    }
    this.#calls.push(event, process, tid, seconds, nanos, NO_STACK);
    if (cpuAt >= 0 && !head.isTicks && !isAfter)
      this.#known.learn(bytes, event, { start, end, headEnd: cpuAt, hasCpu: true, timeEnd, pid, process, tid });
    return true;
  }

  /** `head time: <user stack trace>`, and its frames, which those of other processors may part from their event. */
  #onStackLine(bytes: Uint8Array, start: number, end: number): boolean {
    const begins = hasWord(bytes, end - STACK.length, end, STACK);
    if (!begins && !hasWord(bytes, start, end, STACK_FRAME)) return false;
    if (begins) this.#stacks++;
    this.#trace.skip('note');
    return true;
  }

  /** `CPU:1 [LOST 123 EVENTS]`; by trace-cmd `CPU:1 [123 EVENTS DROPPED]`, and `CPU:1 [EVENTS DROPPED]` where it does not know how many. */
  #onLostLine(bytes: Uint8Array, start: number, end: number): boolean {
    if (!hasWord(bytes, start, end, LOST)) return false;
    const cursor = this.#cursor;
    const lost = findWord(bytes, start, end, LOST_EVENTS);
    const dropped = lost < 0 ? findWord(bytes, start, end, DROPPED) : -1;
    if (lost < 0 && dropped < 0) return false;
    cursor.reset(bytes, start, end);
    if (lost >= 0) cursor.pos = lost + LOST_EVENTS.length;
    else if (!cursor.skipTo(OPEN_BRACKET) || ++cursor.pos === dropped) {
      this.#calls.calls.lose(1);
      return true;
    }
    const count = cursor.decimal();
    if (Number.isNaN(count)) return false;
    this.#calls.calls.lose(count);
    return true;
  }
}

/** The kernel's `trace` file. */
export const ftrace: TraceFormat = {
  name: 'ftrace',
  title: "the kernel's trace file with uprobe events on the allocator",
  sniff(head) {
    const reader = new FtraceReader(new Trace(), () => {}, SNIFFING);
    reader.write(head);
    const { events, unparsed } = reader;
    const opened = hasWord(head, 0, head.length, TRACER) || OPENINGS.some((opening) => hasWord(head, 0, head.length, opening));
    if (events === 0) return opened ? 0.6 : 0;
    const share = events / (events + unparsed);
    return opened ? 0.5 + share / 2 : 0.96 * share;
  },
  open: (trace, sink, options) => new FtraceReader(trace, sink, options),
};
