/**
 * Traces printed by bpftrace scripts with probes on the allocator's functions, as text or JSON lines.
 * Shapes of a call (times are `nsecs`; stacks follow on indented lines):
 *
 *     772218247019 18355 18355 malloc(65536) = 0x557a804dc2a0          whole, stamped at the return
 *     772218247019 18355 18355 malloc(65536) = 0x557a804dc2a0 ra=0x557a8042a6a5 main     … and its direct caller
 *     772218471003 18355 18355 free(0x557a804f42c0)                    stamped at the entry
 *     772218471003 18355 18355 exec()                          another program runs from here on
 *     681162994808 17328/17328 edge malloc size=0                      entry …
 *     681163049109 17328/17328 edge malloc ret=0x5642021812a0          … and return
 *     A 678041839564 17301 65536 0x5558f09902a0 ra=0x5558d4d7c6a5 main   allocation: time, [pid,] tid, size, address, direct caller
 *     F 678041996728 17301 0x5558f09a82c0 ra=0x5558d4d7c521            free
 *     R 678041996728 17301 0x5558f09a82c0 64 0x5558f09a8400            realloc: old address, size, address
 *     [[18355 ]18355 ]malloc(65536) = 0x557a804dc2a0                   whole, without a time, behind bpftrace's own first line alone
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
import { ByteCursor, ascii, findWord, hasWord, textOf, unsignedOf } from '../shared/cursor.ts';
import { LONGEST_LINE, LineScanner } from '../shared/lines.ts';
import { RecordingFacts } from '../shared/recording_facts.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { opNamed } from '../uprobes/call_names.ts';
import { ProbeCalls } from '../uprobes/probe_calls.ts';
import { ENTRY, RETURN, UNSEEN_ADDRESS } from '../uprobes/record_kinds.ts';
import { ASTRAY, BpftraceFrames, NOT_A_FRAME } from './frames.ts';
import { JsonLine } from './json_text.ts';
import { WholeLines, takeWholeLines } from './whole_lines.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const HASH = 0x23;
const OPEN = 0x28;
const CLOSE = 0x29;
const STAR = 0x2a;
const COMMA = 0x2c;
const MINUS = 0x2d;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const EQUALS = 0x3d;
const AT = 0x40;
const UPPER_A = 0x41;
const BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const UPPER_F = 0x46;
const UPPER_R = 0x52;
const BRACE = 0x7b;
const BAR = 0x7c;

const LOST = ascii('Lost ');
const EVENTS = ascii(' events');
const RETURN_ADDRESS = ascii(' ra=0x');
const RESULT = ascii('ret=');
const NIL = ascii('(nil)');
const THREAD = ascii('thread(');
const EXEC = ascii('exec()');
const ATTACHING = ['Attaching ', 'Attached '].map(ascii);
const NOTES = ['Attached ', 'ERROR: ', 'WARNING: ', 'stdin:', 'Use of '].map(ascii);
const PRINTF = ascii('printf');
const LOST_EVENTS = ascii('lost_events');
/** JSON records of maps that are printed. */
const MAP_TYPES = ['map', 'hist', 'lhist', 'stats'].map(ascii);
const EVENTS_FIELD = ascii('{"events": ');

/** Process of a line that names none. */
const NO_PID = -1;
/** Longest thread name, bytes. */
const LONGEST_NAME = 16;
const DEEPEST = 1024;

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
  /** Calls so far that have no time; their number stands for it. Once there is one, those with times fit no rule, and the other way round. */
  #untimed = 0;
  /** Maps that were printed, as rows of theirs. */
  #maps = 0;
  /** A printed map's key is a stack, whose lines may still follow. */
  #inKey = false;
  #kind = 0;
  #process = NO_PID;
  #tid = 0;
  /** Thread whose name was seen last. */
  #lastNamed = -1;
  #seconds = 0;
  #nanos = 0;
  #ptr = 0;
  #old = 0;
  #size = 0;
  #extra = 0;
  #caller = NOT_A_FRAME;
  /** FrameIndex values of the open call's stack. */
  readonly #stack = new Int32Array(DEEPEST);
  #depth = 0;
  #astray = false;

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
    if (this.opened && this.calls === 0 && this.#maps > 0 && this.#calls.lost === 0) {
      throw new InputError(
        this.#name,
        'bpftrace printed maps, which are sums, and no calls',
        'print each call as formats/bpftrace/jereplay.bt does; of @[ustack] alone: stackcollapse-bpftrace.pl FILE | jereplay flamegraph -',
      );
    }
    this.#calls.end();
    this.#facts.end();
    if (this.#untimed > 0) {
      this.#trace.header.timed = false;
      this.#trace.warnings.push(
        'the calls have no times: they are taken in the order in which bpftrace printed them, which for several threads may not be the true one (print nsecs first, then pid and tid)',
      );
    }
  }

  /** A last line without its newline, which bpftrace always writes: only one that its parenthesis ends is known to be whole. */
  #onLastLine(bytes: Uint8Array, start: number, end: number): void {
    const isNote =
      isMap(bytes, start) ||
      bytes[start] === HASH ||
      isAttaching(bytes, start, end) ||
      hasWord(bytes, start, end, LOST) ||
      NOTES.some((note) => hasWord(bytes, start, end, note));
    if (bytes[end - 1] === CLOSE || bytes[end - 1] === 0x7d || isNote) {
      this.#onLine(bytes, start, end);
      return;
    }
    this.#trace.skip('torn');
    this.#trace.partial = true;
  }

  /** Lines of calls without stacks, as many as there are in line; every other one goes to `#onLine`. */
  #takeWholeLines(bytes: Uint8Array, start: number, limit: number): number {
    const digit = bytes[start] - ZERO;
    if (digit < 0 || digit > 9 || this.#untimed > 0) return start;
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
    if (end > start && bytes[end - 1] === 0x0d) end--;
    if (start === end) return this.#commit();
    const first = bytes[start];
    if (first === TAB || first === SPACE) return this.#onStackLine(bytes, start, end);
    this.#commit();
    let taken: boolean;
    if (first >= ZERO && first <= NINE) taken = this.#onTimedLine(bytes, start, end);
    else if (first === BRACE) taken = this.#onJsonLine(bytes, start, end);
    else if ((first === UPPER_A || first === UPPER_F || first === UPPER_R) && bytes[start + 1] === SPACE)
      taken = this.#onLetterLine(bytes, start, end);
    else taken = this.#onOtherLine(bytes, start, end);
    taken ||= this.opened && this.calls === this.#untimed && this.#onUntimedLine(bytes, start, end);
    if (taken) return this.#strangers.fits(this.#lines.line);
    this.unparsed++;
    this.#strangers.add(this.#lines.line, bytes, start, end);
  }

  #onStackLine(bytes: Uint8Array, start: number, end: number): void {
    if (this.#inKey) return this.#trace.skip('note');
    if (!this.#open) return this.#strangers.keep(this.#lines.line, bytes, start, end);
    if (this.#kind === Op.free || this.#astray) return;
    while (start < end && (bytes[start] === TAB || bytes[start] === SPACE)) start++;
    const frame = this.#frames.intern(bytes, start, end);
    if (frame === ASTRAY) this.#astray = true;
    else if (frame !== NOT_A_FRAME && this.#depth < DEEPEST) this.#stack[this.#depth++] = frame;
  }

  /** Hands the open call over: its stack is complete. */
  #commit(): void {
    if (!this.#open) return;
    this.#open = false;
    let stack = NO_STACK;
    if (this.#kind !== Op.free) {
      if (this.#caller >= 0) this.#insertCaller(this.#caller);
      if (this.#depth > 0) stack = this.#trace.stacks.intern(this.#stack, this.#depth);
    }
    this.#calls.push(
      this.#kind,
      this.#process,
      this.#tid,
      this.#seconds,
      this.#nanos,
      this.#ptr,
      this.#old,
      this.#size,
      this.#extra,
      stack,
    );
  }

  /** Puts the direct caller behind the allocation function, whose frame is the leaf; without a stack it is all there is. */
  #insertCaller(caller: number): void {
    const stack = this.#stack;
    if (this.#depth === 0) {
      stack[0] = caller;
      this.#depth = 1;
    } else if (stack[1] !== caller || this.#depth === 1) {
      stack.copyWithin(2, 1, Math.min(this.#depth, DEEPEST - 1));
      stack[1] = caller;
      this.#depth = Math.min(this.#depth + 1, DEEPEST);
    }
  }

  /** Opens a call; its stack lines may follow. */
  #openCall(kind: number, ptr: number, old: number, size: number, extra: number): void {
    this.#kind = kind;
    this.#ptr = ptr;
    this.#old = old;
    this.#size = size;
    this.#extra = extra;
    this.#depth = 0;
    this.#astray = false;
    this.#caller = NOT_A_FRAME;
    this.#open = true;
    this.#inKey = false;
    this.calls++;
  }

  /** `[[pid ]tid ]` and a whole call. */
  #onUntimedLine(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    const first = idIn(cursor);
    const second = idIn(cursor);
    this.#process = Number.isNaN(second) ? NO_PID : first;
    this.#tid = Number.isNaN(first) ? 0 : Number.isNaN(second) ? first : second;
    this.#seconds = 0;
    this.#nanos = this.#untimed;
    if (!isCall(bytes, cursor.pos, end) || !this.#onWholeCall(cursor)) return false;
    this.#untimed++;
    return true;
  }

  /** A line that starts with its time. */
  #onTimedLine(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#untimed > 0) return false;
    const cursor = this.#cursor;
    // Written out: these three numbers are half of a line without a stack.
    let pos = start;
    let digit = 0;
    let time = 0;
    while (pos < end && (digit = bytes[pos] - ZERO) >= 0 && digit <= 9) {
      time = time * 10 + digit;
      pos++;
    }
    if (pos - start < 16) {
      this.#seconds = Math.floor(time / 1e9);
      this.#nanos = time - this.#seconds * 1e9;
    } else {
      cursor.reset(bytes, start, end);
      this.#readTime(cursor);
    }
    if (bytes[pos] !== SPACE) return false;
    const processStart = ++pos;
    let process = 0;
    while (pos < end && (digit = bytes[pos] - ZERO) >= 0 && digit <= 9) {
      process = process * 10 + digit;
      pos++;
    }
    const separator = bytes[pos];
    if (pos === processStart || pos >= end || (separator !== SPACE && separator !== SLASH)) return false;
    const tidStart = ++pos;
    let tid = 0;
    while (pos < end && (digit = bytes[pos] - ZERO) >= 0 && digit <= 9) {
      tid = tid * 10 + digit;
      pos++;
    }
    if (pos === tidStart || pos >= end || bytes[pos] !== SPACE || !isThreadId(process) || !isThreadId(tid)) return false;
    this.#process = process;
    this.#tid = tid;
    cursor.reset(bytes, pos + 1, end);
    return separator === SPACE ? this.#onWholeCall(cursor) : this.#onHalfCall(cursor);
  }

  #readTime(cursor: ByteCursor): boolean {
    if (!cursor.nanoseconds()) return false;
    this.#seconds = cursor.seconds;
    this.#nanos = cursor.nanos;
    return true;
  }

  /** `name(arguments) = result[ address][ ra=caller symbol]` */
  #onWholeCall(cursor: ByteCursor): boolean {
    const { bytes, end } = cursor;
    const nameStart = cursor.pos;
    let pos = nameStart;
    while (pos < end && bytes[pos] !== OPEN) pos++;
    if (pos === end) return false;
    const op = opNamed(bytes, nameStart, pos);
    cursor.pos = pos + 1;
    if (op < 0) return this.#onNamelessCall(bytes, nameStart, end);
    // Arguments: two at most matter, and they are the last ones (posix_memalign may come with the place of its result).
    let first = 0;
    let second = 0;
    let count = 0;
    while (!cursor.eat(CLOSE)) {
      if (count > 0 && !cursor.eat(COMMA)) return false;
      cursor.eat(SPACE);
      first = second;
      second =
        op === Op.free || op === Op.malloc_usable_size || ((op === Op.realloc || op === Op.reallocarray) && count === 0)
          ? addressIn(cursor)
          : sizeIn(cursor);
      if (Number.isNaN(second)) return false;
      if (op === Op.reallocarray && count === 0) this.#old = second;
      count++;
    }
    if (op === Op.free || op === Op.thread_exit || op === Op.malloc_usable_size) {
      if (count !== (op === Op.thread_exit ? 0 : 1)) return false;
      this.#openCall(op, second, 0, 0, 0);
      this.#readCaller(cursor);
      return true;
    }
    if (!cursor.eat(SPACE) || !cursor.eat(EQUALS) || !cursor.eat(SPACE)) return false;
    const negative = cursor.eat(MINUS);
    let ptr: number = addressIn(cursor);
    if (Number.isNaN(ptr)) return false;
    if (op === Op.posix_memalign) {
      const failed = negative || ptr !== 0;
      if (bytes[cursor.pos] === SPACE && bytes[cursor.pos + 1] === ZERO) {
        cursor.pos++;
        ptr = addressIn(cursor);
      } else ptr = UNSEEN_ADDRESS;
      if (failed) ptr = 0;
    }
    const pairs = op === Op.calloc || op === Op.posix_memalign || op === Op.aligned_alloc || op === Op.memalign || op === Op.reallocarray;
    if (count < (op === Op.reallocarray ? 3 : pairs || op === Op.realloc ? 2 : 1)) return false;
    const old = op === Op.realloc ? first : op === Op.reallocarray ? this.#old : 0;
    this.#openCall(op, ptr, old, second, pairs ? first : 0);
    this.#readCaller(cursor);
    return true;
  }

  /** `thread(name)`, `exec()`, or a call of a function that is not the allocator's. */
  #onNamelessCall(bytes: Uint8Array, start: number, end: number): boolean {
    if (hasWord(bytes, start, end, THREAD) && bytes[end - 1] === CLOSE) {
      this.#calls.name(this.#process, this.#tid, textOf(bytes, start + THREAD.length, end - 1));
      this.#trace.skip('note');
    } else if (end - start === EXEC.length && hasWord(bytes, start, end, EXEC)) {
      this.#calls.exec(this.#process, this.#tid, this.#seconds, this.#nanos);
    } else this.#trace.skip('other_call');
    return true;
  }

  /** ` ra=0xADDRESS[ symbol]`, the direct caller. */
  #readCaller(cursor: ByteCursor): void {
    if (this.#kind === Op.free || !cursor.eatWord(RETURN_ADDRESS)) return;
    const { bytes, end } = cursor;
    const start = cursor.pos;
    while (cursor.pos < end && bytes[cursor.pos] !== SPACE) cursor.pos++;
    const digits = textOf(bytes, start, Math.min(cursor.pos, start + 16));
    if (!/^[0-9a-f]+$/.test(digits)) return;
    let fn: string | undefined;
    if (cursor.eat(SPACE) && cursor.pos < end && !(bytes[cursor.pos] === ZERO && bytes[cursor.pos + 1] === 0x78))
      fn = textOf(bytes, cursor.pos, end);
    const frame = this.#frames.caller(BigInt(`0x${digits}`), fn);
    if (frame >= 0) this.#caller = frame;
  }

  /** `command name key=value…`: an entry, or with `ret=` a return. */
  #onHalfCall(cursor: ByteCursor): boolean {
    const { bytes, end } = cursor;
    const nameStart = cursor.pos;
    // The command may hold spaces: the function is the first word of an allocator's that arguments follow.
    let op: Op | -1 = -1;
    let commandEnd = nameStart;
    while (op < 0) {
      cursor.pos = commandEnd;
      if (commandEnd - nameStart > LONGEST_NAME || !cursor.skipTo(SPACE)) break;
      commandEnd = cursor.pos;
      const start = ++cursor.pos;
      if (!cursor.skipTo(SPACE)) break;
      if (isKey(bytes, cursor.pos + 1, end)) op = opNamed(bytes, start, cursor.pos);
      commandEnd = op < 0 ? start : commandEnd;
    }
    if (op < 0) {
      if (findWord(bytes, nameStart, end, ascii('=')) < 0) return false;
      this.#trace.skip('other_call');
      return true;
    }
    let ptr = 0;
    let old = 0;
    let size = 0;
    let extra = 0;
    let result = UNSEEN_ADDRESS;
    let returned = false;
    while (cursor.eat(SPACE) && cursor.pos < end) {
      const key = bytes[cursor.pos];
      const second = bytes[cursor.pos + 1];
      const isResult = hasWord(bytes, cursor.pos, end, RESULT);
      if (!cursor.skipTo(EQUALS)) return false;
      cursor.pos++;
      if (isResult) {
        returned = true;
        const negative = cursor.eat(MINUS);
        ptr = addressIn(cursor);
        if (negative) ptr = unsignedOf(ptr);
        if (Number.isNaN(ptr)) return false;
      } else if (key === STAR) result = addressIn(cursor);
      else if (key === 0x70 || key === 0x6f)
        old = addressIn(cursor); // ptr, old
      else {
        const value = sizeIn(cursor);
        if (Number.isNaN(value)) return false;
        if (key === 0x73 || key === 0x62)
          size = value; // size, bytes
        else if (key === 0x6e || (key === 0x61 && second === 0x6c) || key === 0x63) extra = value; // n, align, count
      }
      if (Number.isNaN(old) || Number.isNaN(result)) return false;
    }
    if (this.#tid !== this.#lastNamed && this.#calls.nameOf(this.#process, this.#tid) === undefined) {
      this.#lastNamed = this.#tid;
      this.#calls.name(this.#process, this.#tid, textOf(bytes, nameStart, commandEnd));
    }
    if (op === Op.free || op === Op.malloc_usable_size) {
      if (returned) this.#trace.skip('note');
      else this.#openCall(op, old, 0, 0, 0);
    } else if (returned) {
      if (op === Op.posix_memalign) ptr = ptr === 0 ? result : 0;
      this.#openCall(op + RETURN, ptr, 0, 0, 0);
    } else this.#openCall(op + ENTRY, 0, old, size, extra);
    return true;
  }

  /** `A|F|R time [pid] tid …` */
  #onLetterLine(bytes: Uint8Array, start: number, end: number): boolean {
    const cursor = this.#cursor;
    cursor.reset(bytes, start + 2, end);
    if (!this.#readTime(cursor)) return false;
    const numbers: number[] = [];
    while (cursor.eat(SPACE)) {
      if ((bytes[cursor.pos] === ZERO && bytes[cursor.pos + 1] === 0x78) || bytes[cursor.pos] === OPEN) break;
      const value = sizeIn(cursor);
      if (Number.isNaN(value) || numbers.length > 2) return false;
      numbers.push(value);
    }
    const ptr = addressIn(cursor);
    if (Number.isNaN(ptr)) return false;
    const letter = bytes[start];
    const size = letter === UPPER_A ? numbers.pop() : 0;
    const tid = numbers.pop();
    if (tid === undefined || size === undefined || !isThreadId(tid) || numbers.length > 1) return false;
    this.#tid = tid;
    this.#process = numbers.pop() ?? NO_PID;
    if (letter === UPPER_R) {
      if (!cursor.eat(SPACE)) return false;
      const bytesAsked = cursor.decimal();
      if (Number.isNaN(bytesAsked) || !cursor.eat(SPACE)) return false;
      const moved = addressIn(cursor);
      if (Number.isNaN(moved)) return false;
      this.#openCall(Op.realloc, moved, ptr, bytesAsked, 0);
    } else this.#openCall(letter === UPPER_A ? Op.malloc : Op.free, ptr, 0, size, 0);
    this.#readCaller(cursor);
    return true;
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
    if (MAP_TYPES.some((type) => json.isType(bytes, type))) this.#maps++;
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
    if (bytes[start] === HASH && this.#facts.take(textOf(bytes, start, end))) return true;
    const attaching = isAttaching(bytes, start, end);
    if (attaching) this.opened = true;
    const map = this.#isOfMap(bytes, start, end);
    if (!attaching && !map && bytes[start] !== HASH && !NOTES.some((note) => hasWord(bytes, start, end, note))) return false;
    this.#trace.skip('note');
    return true;
  }

  /** A map that is printed, or the end of one that stacks are keys of (`]: 5`, `, ls]: 5`), or a row of a histogram (`[4, 8)   12 |@@   |`). */
  #isOfMap(bytes: Uint8Array, start: number, end: number): boolean {
    if (isMap(bytes, start)) {
      this.#maps++;
      this.#inKey = bytes[end - 1] === BRACKET;
      return true;
    }
    const inKey = this.#inKey;
    this.#inKey = false;
    if (inKey && (bytes[start] === CLOSE_BRACKET || bytes[start] === COMMA)) return true;
    return (bytes[start] === BRACKET || bytes[start] === OPEN) && bytes[end - 1] === BAR;
  }
}

/** An address, or `(nil)`, which printf makes of a null pointer. */
function addressIn(cursor: ByteCursor): number {
  return cursor.peek() === OPEN && cursor.eatWord(NIL) ? 0 : cursor.address();
}

/** A size; one below 0 is what `%d` makes of its lowest 32 bits, or `%ld` of all, of which no block has so many. */
function sizeIn(cursor: ByteCursor): number {
  if (!cursor.eat(MINUS)) return cursor.number();
  const value = cursor.number();
  return value <= 2 ** 31 ? 2 ** 32 - value : unsignedOf(value);
}

/** The id of a process or thread and the blank behind it, or NaN. */
function idIn(cursor: ByteCursor): number {
  const start = cursor.pos;
  const id = cursor.decimal();
  if (isThreadId(id) && cursor.eat(SPACE)) return id;
  cursor.pos = start;
  return NaN;
}

/** Whether the name of a function of the allocator and a bracket stand at `start`. */
function isCall(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && bytes[at] !== OPEN) at++;
  return at < end && opNamed(bytes, start, at) >= 0;
}

/** A map that is printed: `@name: value`, `@[key]: value`. mtrace's lines have a blank after the sign. */
function isMap(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === AT && bytes[start + 1] !== SPACE;
}

/** `Attaching 11 probes...`, newer `Attached 11 probes`. */
function isAttaching(bytes: Uint8Array, start: number, end: number): boolean {
  for (const word of ATTACHING) {
    const digit = bytes[start + word.length];
    if (hasWord(bytes, start, end, word) && digit >= ZERO && digit <= NINE) return true;
  }
  return false;
}

function isThreadId(value: number): boolean {
  return value >= 0 && value < 0x80000000;
}

/** Whether a `key=` stands at `start`. */
function isKey(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  if (bytes[at] === STAR) at++;
  const word = at;
  while (at < end && bytes[at] >= 0x5f && bytes[at] <= 0x7a) at++;
  return at > word && at < end && bytes[at] === EQUALS;
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
