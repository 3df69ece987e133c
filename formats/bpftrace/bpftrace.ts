/**
 * Traces printed by bpftrace scripts with probes on the allocator's functions, as text or JSON lines.
 * Lines of calls are those of call_line.ts; stacks follow a call on indented lines (frames.ts).
 *
 * Invariant: every line is part of an event or counted; what a cut or a lost record leaves of a call never becomes another call.
 * What the format cannot say: which process was meant (a uprobe fires in every one that maps the library), and the direct caller,
 * unless the script prints the return address: at a function's first instruction the walk of frame pointers misses it.
 */
import { Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { InputError } from '../../core/trace/input_error.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { ByteCursor, ascii, hasWord, textOf } from '../shared/cursor.ts';
import {
  TAB,
  NEWLINE,
  CARRIAGE_RETURN,
  SPACE,
  HASH,
  CLOSE,
  ZERO,
  NINE,
  UPPER_A,
  UPPER_F,
  UPPER_R,
  LOWER_X,
  OPEN_BRACE,
  CLOSE_BRACE,
} from '../shared/letters.ts';
import { LONGEST_LINE, LineScanner } from '../shared/lines.ts';
import { RecordingFacts, SCRIPT_HEADER, SYMBOL_FACT, SYMBOL_SINCE_FACT } from '../shared/recording_facts.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { ProbeCalls } from '../uprobes/probe_calls.ts';
import { CallLine, LineKind, NO_PID } from './call_line.ts';
import { CallStack } from './call_stack.ts';
import { BpftraceFrames, NOT_A_FRAME } from './frames.ts';
import { CallPrefix, hasIds, hasTimes } from './call_prefix.ts';
import { JsonLine } from './json_text.ts';
import { isAttaching, isMap, PrintedMaps } from './own_lines.ts';
import { WholeLines, takeWholeLines } from './whole_lines.ts';

const LOST = ascii('Lost ');
const EVENTS = ascii(' events');
const RETURN_ADDRESS = ascii(' ra=0x');
const OPENING = ascii(SCRIPT_HEADER);
const SYMBOL = ascii(SYMBOL_FACT);
const SYMBOL_SINCE = ascii(SYMBOL_SINCE_FACT);
const NOTES = ['Attached ', 'ERROR: ', 'WARNING: ', 'stdin:', 'Use of '].map(ascii);
const PRINTF = ascii('printf');
const LOST_EVENTS = ascii('lost_events');
/** JSON records of maps that are printed. */
const MAP_TYPES = ['map', 'hist', 'lhist', 'stats'].map(ascii);
const EVENTS_FIELD = ascii('{"events": ');

class BpftraceReader implements TraceReader {
  /** Lines that were a call, and lines that fit no rule: for recognising the format. */
  calls = 0;
  unparsed = 0;
  /** The line that bpftrace opens its output with was there. */
  opened = false;
  readonly #trace: Trace;
  readonly #calls: ProbeCalls;
  readonly #lines: LineScanner;
  /** Lines of the text that JSON lines carry. */
  readonly #text: LineScanner;
  readonly #json = new JsonLine();
  readonly #cursor = new ByteCursor();
  readonly #frames: BpftraceFrames;
  readonly #strangers: Unparsed;
  readonly #facts: RecordingFacts;
  readonly #whole = new WholeLines();
  readonly #name: string;
  /** The call whose stack lines may still follow. */
  #open = false;
  /** Calls so far behind a prefix of the script's own. Once there is one, all others fit no rule, and the other way round. */
  #loose = 0;
  readonly #prefix = new CallPrefix();
  /** CallPrefix.shape of the first of them. */
  #looseShape = 0;
  readonly #maps = new PrintedMaps();
  /** The line that was read last, which the open call is of. */
  readonly #call = new CallLine();
  /** Thread whose name was seen last. */
  #lastNamed = -1;
  readonly #stack = new CallStack();
  /** A blank line stands behind the open call. */
  #isBlankBehind = false;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    trace.header.source = 'bpftrace';
    trace.header.timed = true;
    this.#calls = new ProbeCalls(trace, sink, options);
    this.#name = options.name;
    const onLine = this.#onLine.bind(this);
    // Programs print into such recordings as much as they like.
    this.#strangers = new Unparsed(trace, options, 'bpftrace', Infinity);
    this.#facts = new RecordingFacts(trace);
    this.#lines = new LineScanner(options.name, onLine, LONGEST_LINE, this.#takeWholeLines.bind(this));
    this.#text = new LineScanner(options.name, onLine);
    this.#frames = new BpftraceFrames(trace.stacks.frames);
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const onLast = this.#onLastLine.bind(this);
    this.#lines.end(ending, onLast);
    this.#text.end(ending, onLast);
    this.#strangers.end();
    this.#commit();
    if (this.opened && this.calls === 0 && this.#maps.count > 0 && this.#calls.lost === 0) {
      throw new InputError(
        this.#name,
        'bpftrace printed maps, which are sums, and no calls',
        'those by stacks: see them with jereplay report FILE or jereplay flamegraph FILE; for a trace, print each call as formats/bpftrace/jereplay.bt does',
      );
    }
    this.#calls.end();
    this.#facts.end();
    if (this.#loose > 0) this.#endLoose();
  }

  /** Says what a script of one's own left out. */
  #endLoose(): void {
    const { warnings, header } = this.#trace;
    if (!hasTimes(this.#looseShape)) {
      header.timed = false;
      warnings.push(
        'the calls have no times: they are taken in the order in which bpftrace printed them, which for several threads may not be the true one (print nsecs first, then pid and tid)',
      );
    }
    if (!hasIds(this.#looseShape))
      warnings.push('the calls have no ids of threads: all are taken for those of one (print nsecs first, then pid and tid)');
  }

  /** A last line without its newline, which bpftrace always writes: only one that its parenthesis ends is known to be whole. */
  #onLastLine(bytes: Uint8Array, start: number, end: number): void {
    const isNote =
      isMap(bytes, start) ||
      bytes[start] === HASH ||
      isAttaching(bytes, start, end) ||
      hasWord(bytes, start, end, LOST) ||
      NOTES.some((note) => hasWord(bytes, start, end, note));
    if (bytes[end - 1] === CLOSE || bytes[end - 1] === CLOSE_BRACE || isNote) {
      this.#onLine(bytes, start, end);
      return;
    }
    this.#trace.skip('torn');
    this.#trace.partial = true;
  }

  /** Lines of calls without stacks, as many as there are in line; every other one goes to `#onLine`. */
  #takeWholeLines(bytes: Uint8Array, start: number, limit: number): number {
    const digit = bytes[start] - ZERO;
    if (digit < 0 || digit > 9 || this.#loose > 0) return start;
    this.#commit();
    const next = takeWholeLines(this.#whole, this.#calls, bytes, start, limit);
    if (next === start) return start;
    const { taken } = this.#whole;
    this.calls += taken;
    this.#strangers.fits(this.#lines.line + 1);
    this.#lines.line += taken;
    return next;
  }

  #onLine(bytes: Uint8Array, start: number, end: number): void {
    if (end > start && bytes[end - 1] === CARRIAGE_RETURN) end--;
    if (start === end) return this.#onBlankLine();
    const first = bytes[start];
    if (first === TAB || first === SPACE) return this.#onStackLine(bytes, start, end);
    this.#commit();
    let taken: boolean;
    const call = this.#call;
    if (first >= ZERO && first <= NINE) taken = this.#loose === 0 && this.#takeCall(call.readTimed(bytes, start, end));
    else if (first === OPEN_BRACE) taken = this.#onJsonLine(bytes, start, end);
    else if ((first === UPPER_A || first === UPPER_F || first === UPPER_R) && bytes[start + 1] === SPACE)
      taken = this.#takeCall(call.readLetter(bytes, start, end));
    else taken = this.#onOtherLine(bytes, start, end);
    taken ||= this.opened && this.calls === this.#loose && this.#onLooseLine(bytes, start, end);
    if (taken) return this.#strangers.fits(this.#lines.line);
    this.unparsed++;
    this.#strangers.add(this.#lines.line, bytes, start, end);
  }

  /** A call behind what the script prints of time, process and thread. Where it prints no time, the call's number stands for it. */
  #onLooseLine(bytes: Uint8Array, start: number, end: number): boolean {
    const prefix = this.#prefix;
    const call = this.#call;
    const callAt = prefix.read(bytes, start, end);
    if (callAt < 0 || (this.#loose > 0 && prefix.shape !== this.#looseShape)) return false;
    call.process = prefix.pid ?? NO_PID;
    call.tid = prefix.tid ?? 0;
    call.seconds = prefix.hasTime ? prefix.seconds : 0;
    call.nanos = prefix.hasTime ? prefix.nanos : this.#loose;
    if (!this.#takeCall(call.readBare(bytes, callAt, end))) return false;
    const { process, tid } = call;
    if (prefix.name !== '' && this.#calls.nameOf(process, tid) === undefined) this.#calls.name(process, tid, prefix.name);
    this.#looseShape = prefix.shape;
    this.#loose++;
    return true;
  }

  /** Ends a stack. Before one it says nothing: a stack begins with a line end, and a script may print another (`"malloc(%d) = %p\n%s\n"`). */
  #onBlankLine(): void {
    if (this.#stack.depth === 0 && !this.#isBlankBehind) this.#isBlankBehind = true;
    else this.#commit();
  }

  #onStackLine(bytes: Uint8Array, start: number, end: number): void {
    if (this.#maps.inKey) return this.#trace.skip('note');
    let at = start;
    while (at < end && (bytes[at] === TAB || bytes[at] === SPACE)) at++;
    // Behind a blank line there need be no stack, and lines of another recording may be indented as well.
    if (this.#open && this.#isBlankBehind && this.#stack.depth === 0 && this.#frames.intern(bytes, at, end) === NOT_A_FRAME) this.#commit();
    if (!this.#open) return this.#strangers.keep(this.#lines.line, bytes, start, end);
    if (this.#call.kind !== Op.free && !this.#stack.astray) this.#stack.push(this.#frames.intern(bytes, at, end));
  }

  /** Hands the open call over: its stack is complete. */
  #commit(): void {
    if (!this.#open) return;
    this.#open = false;
    const { kind, process, tid, seconds, nanos, ptr, old, size, extra } = this.#call;
    const stack = kind === Op.free ? NO_STACK : this.#stack.internIn(this.#trace.stacks);
    this.#calls.push(kind, process, tid, seconds, nanos, ptr, old, size, extra, stack);
  }

  /** Takes what a line says that was read as one of a call. False if it is none. */
  #takeCall(kind: LineKind): boolean {
    const call = this.#call;
    switch (kind) {
      case LineKind.other:
        return false;
      case LineKind.call:
        this.#openCall();
        this.#nameOnce();
        break;
      case LineKind.otherCall:
        this.#trace.skip('other_call');
        break;
      case LineKind.threadName:
        this.#calls.name(call.process, call.tid, call.name);
        this.#trace.skip('note');
        break;
      case LineKind.exec:
        this.#calls.exec(call.process, call.tid, call.seconds, call.nanos);
        break;
      case LineKind.note:
        this.#nameOnce();
        this.#trace.skip('note');
    }
    return true;
  }

  /** Opens a call; its stack lines may follow. */
  #openCall(): void {
    this.#stack.clear();
    this.#open = true;
    this.#isBlankBehind = false;
    this.#maps.inKey = false;
    this.calls++;
    const { kind, seconds, nanos, cursor } = this.#call;
    this.#frames.now = seconds * 1e9 + nanos;
    if (kind !== Op.free) this.#readCaller(cursor);
  }

  /** Names the call's thread if the line does and no one has before. */
  #nameOnce(): void {
    const { process, tid, nameEnd } = this.#call;
    if (nameEnd === 0 || tid === this.#lastNamed || this.#calls.nameOf(process, tid) !== undefined) return;
    this.#lastNamed = tid;
    this.#calls.name(process, tid, this.#call.name);
  }

  /** ` ra=0xADDRESS[ symbol]`, the direct caller. */
  #readCaller(cursor: ByteCursor): void {
    if (!cursor.eatWord(RETURN_ADDRESS)) return;
    const { bytes, end } = cursor;
    const start = cursor.pos;
    while (cursor.pos < end && bytes[cursor.pos] !== SPACE) cursor.pos++;
    const digits = textOf(bytes, start, Math.min(cursor.pos, start + 16));
    if (!/^[0-9a-f]+$/.test(digits)) return;
    let fn: string | undefined;
    if (cursor.eat(SPACE) && cursor.pos < end && !(bytes[cursor.pos] === ZERO && bytes[cursor.pos + 1] === LOWER_X))
      fn = textOf(bytes, cursor.pos, end);
    this.#stack.caller = this.#frames.caller(BigInt(`0x${digits}`), fn);
  }

  #onJsonLine(bytes: Uint8Array, start: number, end: number): boolean {
    const json = this.#json;
    if (!json.read(bytes, start, end)) return false;
    if (json.isType(bytes, PRINTF)) {
      const length = json.unescape(bytes);
      if (length < 0) return false;
      // Each printf is one call with its stack: what it leaves open, the next one does not continue.
      if (length > 0 && json.text[length - 1] === NEWLINE) this.#text.write(json.text.subarray(0, length));
      else this.#onLine(json.text, 0, length);
      return true;
    }
    if (json.isType(bytes, LOST_EVENTS)) {
      const cursor = this.#cursor;
      cursor.reset(bytes, json.dataStart, json.dataEnd);
      if (!cursor.eatWord(EVENTS_FIELD)) return false;
      const count = cursor.decimal();
      if (Number.isNaN(count)) return false;
      this.opened = true;
      this.#calls.lose(count);
      return true;
    }
    // attached_probes, and maps that are left at the end.
    this.opened = true;
    if (MAP_TYPES.some((type) => json.isType(bytes, type))) this.#maps.count++;
    this.#trace.skip('note');
    return true;
  }

  #onOtherLine(bytes: Uint8Array, start: number, end: number): boolean {
    if (hasWord(bytes, start, end, LOST)) {
      const cursor = this.#cursor;
      cursor.reset(bytes, start + LOST.length, end);
      const count = cursor.decimal();
      if (Number.isNaN(count) || !cursor.eatWord(EVENTS)) return false;
      this.#calls.lose(count);
      return true;
    }
    if (bytes[start] === HASH && this.#takeFact(bytes, start, end)) return true;
    const attaching = isAttaching(bytes, start, end);
    if (attaching) this.opened = true;
    const map = this.#maps.take(bytes, start, end);
    if (!attaching && !map && bytes[start] !== HASH && !NOTES.some((note) => hasWord(bytes, start, end, note))) return false;
    this.#trace.skip('note');
    return true;
  }

  /** A line of `jereplay record`. */
  #takeFact(bytes: Uint8Array, start: number, end: number): boolean {
    if (hasWord(bytes, start, end, SYMBOL_SINCE)) {
      if (!this.#frames.rename(textOf(bytes, start + SYMBOL_SINCE.length, end))) return false;
      this.#trace.skip('note');
      return true;
    }
    if (!hasWord(bytes, start, end, SYMBOL)) {
      this.opened ||= hasWord(bytes, start, end, OPENING);
      return this.#facts.take(textOf(bytes, start, end));
    }
    if (this.#frames.intern(bytes, start + SYMBOL.length, end) === NOT_A_FRAME) return false;
    this.#trace.skip('note');
    return true;
  }
}

/** bpftrace's output. */
export const bpftrace: TraceFormat = {
  name: 'bpftrace',
  title: 'output of a bpftrace script that probes the allocator, text or JSON',
  sniff(head) {
    const reader = new BpftraceReader(new Trace(), () => {}, SNIFFING);
    // A head may end in mid-line.
    reader.write(head);
    const { calls, unparsed, opened } = reader;
    if (calls === 0) return opened && unparsed === 0 ? 0.8 : 0;
    const share = calls / (calls + unparsed);
    return opened ? 0.5 + share / 2 : share * 0.95;
  },
  open: (trace, sink, options) => new BpftraceReader(trace, sink, options),
};
