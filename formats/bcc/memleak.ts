/**
 * Traces of bcc's memleak (`memleak -t`): tuples as Python prints them, one a line.
 *
 *     (b'leaky', 21075, 1, b'...11', 1095.302331, b'alloc entered, size = 365')
 *     (b'leaky', 21075, 1, b'...11', 1095.302449, b'alloc exited, size = 365, result = 55dc2cdb6210')
 *     (b'leaky', 21075, 1, b'...11', 1099.030365, b'free entered, address = 55dc2cda5150, size = 282')
 *
 * The memleak of libbpf-tools, and programs after its pattern, leave such messages in the kernel's trace (`cat /sys/kernel/tracing/trace_pipe`):
 *
 *              leaky-21075   [001] ...11  1095.302449: bpf_trace_printk: alloc exited, size = 365, result = 55dc2cdb6210
 *
 * Invariant: every line is part of an event or counted. An allocation is its "exited" line, which holds all that its "entered" line does.
 * What the format cannot say: which function allocated (calloc's size is the product), stacks, and process ids (the number is the thread's).
 * A realloc is its free and its allocation. Without `-t`, memleak prints tables of outstanding allocations: a summary, not a trace.
 */
import { Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { InputError, SNIFFING } from '../format.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { FtraceHead } from '../perf/ftrace_head.ts';
import { ByteCursor, ascii, findWord, hasWord, seenEnd, textOf, isTaskId } from '../shared/cursor.ts';
import { TAB, CARRIAGE_RETURN, QUOTE, APOSTROPHE, OPEN, BACKSLASH, LOWER_B } from '../shared/letters.ts';
import { LineScanner } from '../shared/lines.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { ProbeCalls } from '../uprobes/probe_calls.ts';
import { CONTEXT_END, SUMMARY_HEADING } from './memleak_summary.ts';

const SEPARATOR = ascii(', ');
const ALLOC = ascii('alloc e');
const ENTERED = ascii('alloc entered, size = ');
const EXITED = ascii('alloc exited, size = ');
const RESULT = ascii(', result = ');
const FREED = ascii('free entered, address = ');
const LOST_EVENTS = ascii('[LOST ');
const NOTES = ['#', 'Attaching to ', 'Executing ', 'Tracing ', 'WARNING', 'Possibly lost'].map(ascii);
/** Process of every line: the format has none. */
const NO_PID = -1;

class MemleakReader implements TraceReader {
  events = 0;
  unparsed = 0;
  summaries = 0;
  /** Events that are messages in the kernel's trace. */
  printed = 0;
  readonly #trace: Trace;
  readonly #calls: ProbeCalls;
  readonly #lines: LineScanner;
  readonly #cursor = new ByteCursor();
  readonly #head = new FtraceHead();
  readonly #strangers: Unparsed;
  /** Thread -> how many allocations it has entered, by size. */
  readonly #entered = new Map<number, Map<number, number>>();
  readonly #sniffing: boolean;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions, sniffing = false) {
    this.#trace = trace;
    this.#sniffing = sniffing;
    trace.header.source = 'memleak';
    trace.header.timed = true;
    this.#calls = new ProbeCalls(trace, sink, options);
    // Programs print into such recordings as much as they like.
    this.#strangers = new Unparsed(trace, options, 'memleak', Infinity);
    this.#lines = new LineScanner(options.name, this.#onLine.bind(this));
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    this.#lines.endWhole(this.#trace, ending);
    for (const entries of this.#entered.values()) if (entries.size > 0) this.#trace.skip('no_return', countOf(entries));
    this.#strangers.end();
    this.#calls.end();
  }

  #onLine(bytes: Uint8Array, start: number, end: number): void {
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    if (start === end) return;
    if (bytes[start] === OPEN ? this.#onTuple(bytes, start + 1, end) : this.#onPrinted(bytes, start, end)) return this.#strangers.fits();
    if (
      findWord(bytes, start, end, SUMMARY_HEADING) >= 0 ||
      hasWord(bytes, seenEnd(bytes, start, end) - CONTEXT_END.length, end, CONTEXT_END)
    ) {
      // A table after trace lines is memleak's own summing up; one before them means that there are none.
      this.summaries++;
      if (this.events === 0 && !this.#sniffing) {
        throw new InputError(
          this.#lines.place,
          'memleak’s table of outstanding allocations is a summary, not a trace: it does not say what was freed',
          'see it with jereplay leaks FILE or jereplay report FILE; for a trace, record with memleak -t',
        );
      }
      this.#trace.skip('note');
      return;
    }
    const lost = findWord(bytes, start, end, LOST_EVENTS);
    if (lost >= 0) {
      this.#cursor.reset(bytes, lost + LOST_EVENTS.length, end);
      const count = this.#cursor.decimal();
      if (!Number.isNaN(count)) return this.#calls.lose(count);
    }
    if (NOTES.some((note) => hasWord(bytes, start, end, note)) || (this.summaries > 0 && bytes[start] === TAB)) {
      this.#trace.skip('note');
      return;
    }
    this.unparsed++;
    this.#strangers.add(this.#lines.line, bytes, start, end);
  }

  /** `name, tid, cpu, flags, seconds, message)` */
  #onTuple(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    const nameStart = eatString(cursor);
    const nameEnd = cursor.pos - 1;
    if (nameStart < 0 || !cursor.eatWord(SEPARATOR)) return false;
    const tid = cursor.decimal();
    if (!isTaskId(tid) || !cursor.eatWord(SEPARATOR)) return false;
    const cpu = cursor.decimal();
    if (Number.isNaN(cpu) || !cursor.eatWord(SEPARATOR)) return false;
    this.#calls.ranOn(cpu);
    if (eatString(cursor) < 0 || !cursor.eatWord(SEPARATOR) || !cursor.time() || !cursor.eatWord(SEPARATOR)) return false;
    const { seconds, nanos } = cursor;
    cursor.eat(LOWER_B);
    if (!cursor.eat(APOSTROPHE) && !cursor.eat(QUOTE)) return false;
    if (!this.#onMessage(cursor, tid, seconds, nanos)) return false;
    this.events++;
    if (this.#calls.nameOf(NO_PID, tid) === undefined) this.#calls.name(NO_PID, tid, textOf(bytes, nameStart, nameEnd));
    return true;
  }

  /** A line of the kernel's trace; false if it is none, or of another message. */
  #onPrinted(bytes: Uint8Array, start: number, end: number): boolean {
    const head = this.#head;
    const message = findWord(bytes, start, end, ALLOC);
    const at = message < 0 ? findWord(bytes, start, end, FREED) : message;
    if (at < 0 || !head.read(bytes, start, at) || head.isTicks) return false;
    const { tid, cpu, seconds, nanos, commandEnd } = head;
    const cursor = this.#cursor;
    cursor.reset(bytes, at, end);
    this.#calls.ranOn(cpu);
    if (!this.#onMessage(cursor, tid, seconds, nanos)) return false;
    this.events++;
    this.printed++;
    if (this.#calls.nameOf(NO_PID, tid) === undefined) this.#calls.name(NO_PID, tid, textOf(bytes, start, commandEnd).trimStart());
    return true;
  }

  #onMessage(cursor: ByteCursor, tid: number, seconds: number, nanos: number): boolean {
    if (cursor.eatWord(ENTERED)) {
      const size = cursor.decimal();
      if (Number.isNaN(size)) return false;
      const entries = this.#entered.get(tid);
      if (entries === undefined) this.#entered.set(tid, new Map([[size, 1]]));
      else entries.set(size, (entries.get(size) ?? 0) + 1);
      return true;
    }
    if (cursor.eatWord(EXITED)) {
      const size = cursor.decimal();
      if (Number.isNaN(size) || !cursor.eatWord(RESULT)) return false;
      const ptr = cursor.address();
      if (Number.isNaN(ptr)) return false;
      this.#settleEntries(tid, size);
      this.#calls.push(Op.malloc, NO_PID, tid, seconds, nanos, ptr, 0, size, 0, NO_STACK);
      return true;
    }
    if (!cursor.eatWord(FREED)) return false;
    const ptr = cursor.address();
    if (Number.isNaN(ptr)) return false;
    this.#calls.push(Op.free, NO_PID, tid, seconds, nanos, ptr, 0, 0, 0, NO_STACK);
    return true;
  }

  /** An allocation has returned: memleak prints one return for a call and the call inside it. */
  #settleEntries(tid: number, size: number): void {
    const entries = this.#entered.get(tid);
    const alike = entries?.get(size);
    if (entries === undefined || alike === undefined) return;
    if (alike > 1) this.#trace.skip('nested', alike - 1);
    const lost = countOf(entries) - alike;
    if (lost > 0) this.#trace.skip('no_return', lost);
    entries.clear();
  }
}

/** How many allocations there are in all. */
function countOf(entries: ReadonlyMap<number, number>): number {
  let count = 0;
  for (const alike of entries.values()) count += alike;
  return count;
}

/** Steps over a Python string or bytes literal: where its text starts, or -1. */
function eatString(cursor: ByteCursor): number {
  cursor.eat(LOWER_B);
  const quote = cursor.peek();
  if (quote !== APOSTROPHE && quote !== QUOTE) return -1;
  const { bytes, end } = cursor;
  const start = ++cursor.pos;
  for (let at = start; at < end; at++) {
    if (bytes[at] === BACKSLASH) at++;
    else if (bytes[at] === quote) {
      cursor.pos = at + 1;
      return start;
    }
  }
  return -1;
}

/** True if an input that begins with `head` has a table of outstanding allocations before any call: it is read by sumMemleakTable. */
export function isMemleakTable(head: Uint8Array): boolean {
  const headings = [SUMMARY_HEADING, CONTEXT_END].map((word) => findWord(head, 0, head.length, word)).filter((at) => at >= 0);
  if (headings.length === 0) return false;
  const heading = Math.min(...headings);
  const reader = new MemleakReader(new Trace(), () => {}, SNIFFING, true);
  reader.write(head.subarray(0, heading));
  return reader.events === 0 && memleak.sniff(head) > 0;
}

/** memleak's trace; recognises its summaries too, which it refuses with an explanation. */
export const memleak: TraceFormat = {
  name: 'memleak',
  title: "trace of bcc's memleak -t",
  sniff(head) {
    const reader = new MemleakReader(new Trace(), () => {}, SNIFFING, true);
    reader.write(head);
    const { events, unparsed, summaries, printed } = reader;
    if (events + summaries === 0) return 0;
    if (summaries > 0) return 0.9;
    const share = events / (events + unparsed);
    // The kernel's trace may have other events: it is one of memleak's by a message.
    return printed > 0 ? 0.5 + 0.47 * share : 0.97 * share;
  },
  open: (trace, sink, options) => new MemleakReader(trace, sink, options),
};
