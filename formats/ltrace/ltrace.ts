/**
 * Recordings of ltrace 0.7.3: `[pid ][time ][\[ip\] ][caller->]fn[@library](args) = result[ <seconds>]`, with any of its options
 * (-f -t -tt -ttt -r -i -T -S -n -a -C -e -x -L -p), to a file or to standard error.
 *
 * It cannot say: which process an id is of (processes.ts infers it), the address that posix_memalign and asprintf give,
 * stacks beyond one frame (more only where enclosing calls are recorded too), the whole of a string longer than its limit.
 *
 * On standard error the program prints between, and with -f each of ltrace's lines names its thread there: other lines are the program's,
 * and what stands before the name of a thread is, too.
 *
 * Invariant: each call is one event or counted under one reason, whether it takes one line or two (`<unfinished ...>`, `resumed`);
 * every other line is counted too. A call within an allocator's call is its inner work and not counted twice.
 */
import { Op } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import type { BatchSink, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { BPFTRACE } from '../not_traces.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { ascii, ByteCursor, decimalSize, findWord, fourDigits, HEX, hasWord, isTime, textOf, twelveHex } from '../shared/cursor.ts';
import { LineScanner, LONGEST_LINE } from '../shared/lines.ts';
import { shownList } from '../shared/one_process.ts';
import { FACT_PREFIX, RecordingFacts } from '../shared/recording_facts.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { Unparsed } from '../shared/unparsed.ts';
import { type LaneClock, LaneNames, runCallLane } from './call_lane.ts';
import { callNamed, isAllocator, isWrapper, Kind, startsTask, type Call } from './functions.ts';
import { LinePrefix } from './line_prefix.ts';
import { Processes } from './processes.ts';

export const ltrace: TraceFormat = {
  name: 'ltrace',
  title: "ltrace's recording of library calls",
  sniff,
  open: (trace, sink, options) => new LtraceReader(trace, sink, options),
};

/** A line of ltrace, as far as sniffing needs it. */
const LINE =
  /^ *(?:\[pid \d+\] |\d+ +)?(?:(?:\d+\.\d{6}|\d\d:\d\d:\d\d(?:\.\d{6})?) )? *(?:\[0x[0-9a-f]+\] )? *(?:[^\s(]+->|[^\s"'=,;][^"'=,;]*->|SYS_)?[^\s("'=,;]+(?: new| delete)?(?:\[\])?\(.*(?:\) += \S.*|<unfinished \.\.\.>|<no return \.\.\.>)$|^ *(?:\[pid \d+\] |\d+ +)?[\d.: ]*(?:\[0x[0-9a-f]+\] )?(?:<\.\.\. .+ resumed> |--- (?:SIG\w+|Called exec)|\+\+\+ (?:exited|killed))/;
/**
 * Names and results that no other recorder of calls prints in this shape. A recording of all calls may come to its first allocation late:
 * functions of the C library that are no system calls tell it from strace's.
 */
const OWN_WORDS =
  /\) += (?:nil|<void>)(?: <|$)|(?:^|[ >])(?:__libc_start_main|setlocale|getenv|puts|f?printf|str(?:n?cmp|r?chr|n?len|n?cpy)|mem(?:cpy|move|set|cmp|chr))\(|->\w[\w:~<>]*(?: new| delete)?(?:\[\])?\(|\w@[\w.+-]+\(|\bSYS_\d|(?:malloc|calloc|realloc|free|strdup)\(.*= (?:0x[0-9a-f]+|<void>|0)|<\.\.\. \w+ resumed> \)|_Zn[wa]m|operator (?:new|delete)/;

function sniff(head: Uint8Array): number {
  const text = textOf(head, 0, Math.min(head.length, 16384));
  // Its scripts may print calls as ltrace does, and say between them what was lost.
  if (BPFTRACE.test(text)) return 0;
  const lines = text.split(/\r?\n/);
  if (lines.length > 1) lines.pop();
  let fits = 0;
  let own = false;
  let seen = 0;
  for (const line of lines) {
    // What is appended to a recording says nothing of its format; of a short one it is most.
    if (line.trim() === '' || line.startsWith(FACT_PREFIX)) continue;
    seen++;
    if (line.length < 4000 && LINE.test(line)) {
      fits++;
      own ||= OWN_WORDS.test(line);
    }
  }
  if (seen === 0 || !own) return 0;
  return fits / seen >= 0.5 ? 0.5 + 0.45 * (fits / seen) : 0;
}

const VOID_RESULT = ascii('= <void>');
const UNFINISHED = ascii(' <unfinished ...>');
const NO_RETURN = ascii(' <no return ...>');
const RESUME = ascii('<... ');
const RESUMED = ascii(' resumed> ');
const PLUSES = ascii('+++ ');
const MINUSES = ascii('--- ');
const EXITED = ascii('+++ exited');
const EXEC = ascii('--- Called exec()');
const SIGCHLD = ascii('--- SIGCHLD');
const WHOLE_ENDS = [VOID_RESULT, UNFINISHED, NO_RETURN, ascii(' +++'), ascii(' ---')];
const BREAKPOINT = ascii('unexpected breakpoint at 0x');
const PID = ascii('[pid ');
const PID_END = ascii('] ');
const NIL = ascii('nil');
const VOID = ascii('<void>');

const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const OPEN = 0x28;
const CLOSE = 0x29;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const LESS = 0x3c;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;

/** A time below this many seconds is the difference to the line before (-r), for 1973 is long past. */
const RELATIVE_BELOW = 1e8;
/** Results below this are no addresses. */
const LOWEST_ADDRESS = 65536;
/** Names that are tried before the table of all. */
const RECENT_NAMES = 12;
/** A limit of strndup above this is none, bytes. */
const LONGEST_LIMIT = 65536;
/** Most calls kept open in a thread: deeper ones are not tracked. */
const DEEPEST = 4096;
/** Most enclosing calls in a stack. */
const MOST_FRAMES = 128;

/**
 * What follows a call's arguments. `<no return ...>` stands where another line interrupts a call whose thread or sibling execs or ends;
 * the call may still be resumed after it, so it is an open call like one that is `<unfinished ...>`.
 */
const Ending = { none: 0, returned: 1, open: 2 } as const;

/** A name that was seen before an argument list, taken apart once. A class, so that all have one shape. */
class Name {
  /** As it stands on the line, and as words to compare with. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly kind: Kind;
  readonly fn: string;
  readonly caller: string | undefined;
  readonly entered: boolean;
  readonly createsThread: boolean;
  /** True for words before a parenthesis that may be part of a program's name. */
  readonly spaced: boolean;
  /** Stack of a call that is known by this name alone. */
  readonly stack: StackIndex;
  /** Stacks by return address (-i). */
  readonly byAddress = new Map<number, StackIndex>();

  constructor(bytes: Uint8Array, call: Call, stack: StackIndex) {
    this.bytes = bytes;
    this.words = wordsOf(bytes);
    this.kind = call.kind;
    this.fn = call.fn;
    this.caller = call.caller;
    this.entered = call.entered;
    this.createsThread = call.createsThread;
    this.spaced = call.caller === undefined && bytes.includes(SPACE);
    this.stack = stack;
  }
}

/** A call that was entered and has not returned. */
interface OpenCall {
  readonly name: Name;
  readonly kind: Kind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Return address, NaN if unknown. */
  readonly ip: number;
  readonly stack: StackIndex;
  /** True once an inner call was counted in this one's place. */
  counted: boolean;
  /** The call was counted when it was entered. */
  done: boolean;
  /** What an inner allocation gave. */
  inner: number;
}

class LtraceReader implements TraceReader {
  readonly #trace: Trace;
  readonly #lines: LineScanner;
  readonly #builder: BatchBuilder;
  readonly #processes: Processes;
  readonly #unparsed: Unparsed;
  readonly #facts: RecordingFacts;
  readonly #cursor = new ByteCursor();
  readonly #names = new ByteTable();
  readonly #nameFacts: Name[] = [];
  readonly #recent: Name[] = [];
  /** The bytes that hold the current line, and a view of them. */
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** The line's beginning before its microseconds, as it was on the line before. */
  readonly #prefix = new LinePrefix();
  readonly #laneNames = new LaneNames();
  readonly #laneClock: LaneClock = { begin: NaN, originNanos: NaN, nanos: NaN };
  #tid = 0;
  /** True once a line began with `[pid N]`: all of ltrace's do then. */
  #named = false;
  readonly #open = new Map<number, OpenCall[]>();
  #openCalls = 0;
  readonly #origin = new TimeOrigin();
  #timed = false;
  #relative: boolean | undefined;
  /**
   * Time of the line: seconds and nanoseconds in the recording's clock. Numbers that may be fractions or large begin as NaN, which is
   * stored as they will be: a field that changes its kind later costs the code that uses it its optimisation.
   */
  #seconds = NaN;
  #nanos = NaN;
  #dayStart = 0;
  #lastClock = 0;
  #cutStrings = 0;
  /** Strings that were printed as addresses: those with a limit, and without. */
  #limitedStrings = 0;
  #unseenStrings = 0;
  #withoutAddress = 0;

  /** The call on the line: its arguments, result, return address. */
  #a = NaN;
  #b = NaN;
  #c = NaN;
  #result = NaN;
  #ip = NaN;
  /** Position after the number read last. */
  #after = 0;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    // What is earlier than the origin counts as earlier than the event before, too.
    this.#builder.lastTime = 0;
    this.#processes = new Processes(trace, this.#builder, () => this.#timed, options);
    this.#unparsed = new Unparsed(trace, options, 'ltrace');
    this.#facts = new RecordingFacts(trace);
    this.#lines = new LineScanner(
      options.name,
      (bytes, start, end) => this.#line(bytes, start, end),
      LONGEST_LINE,
      (bytes, start, limit) => this.#takeAhead(bytes, start, limit),
    );
    trace.header.source = 'ltrace';
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(): void {
    const trace = this.#trace;
    this.#lines.end((bytes, start, end) => {
      // Without its newline a line may end within an address: only what ends in a word that is known is whole.
      if (WHOLE_ENDS.some((word) => hasWord(bytes, end - word.length, end, word))) this.#line(bytes, start, end);
      else {
        trace.skip('torn');
        trace.partial = true;
      }
    });
    this.#unparsed.end();
    for (const calls of this.#open.values()) this.#drop(calls, 0);
    this.#processes.end();
    this.#builder.flush();
    this.#facts.end();
    trace.header.timed = this.#timed;
    trace.header.startTime = this.#origin.toBigInt();
    trace.header.startTimeGiven = false;
    if (this.#cutStrings > 0)
      trace.warnings.push(`${this.#cutStrings} strings of strdup were cut by ltrace: their sizes are lower bounds (record with -s 4096)`);
    if (this.#limitedStrings > 0)
      trace.warnings.push(
        this.#limitedStrings === 1
          ? '1 string of strndup was not recorded: its size is an upper bound, from the limit that the call has'
          : `${this.#limitedStrings} strings of strndup were not recorded: their sizes are upper bounds, from the limits that the calls have`,
      );
    if (this.#unseenStrings > 0)
      trace.warnings.push(
        this.#unseenStrings === 1
          ? '1 string of strdup or strndup was not recorded: its size is a lower bound of 1 byte'
          : `${this.#unseenStrings} strings of strdup or strndup were not recorded: their sizes are lower bounds of 1 byte`,
      );
    if (this.#withoutAddress > 0)
      trace.warnings.push(
        this.#withoutAddress === 1
          ? '1 block of posix_memalign or asprintf is missing: ltrace does not show its address'
          : `${this.#withoutAddress} blocks of posix_memalign or asprintf are missing: ltrace does not show their addresses`,
      );
    const { others, root } = this.#processes;
    if (others.length > 0) {
      const further = `${others.length} further process${others.length === 1 ? '' : 'es'}`;
      trace.warnings.push(`${further} in the recording: process ${root} alone is replayed (--pid N for another: ${shownList(others)})`);
    }
    const { doubtful, guessed } = this.#processes;
    if (doubtful > 0)
      trace.warnings.push(
        `${doubtful} of them may be threads: nothing but the heap that they use tells (record calls of pthread_create, too, for that)`,
      );
    if (guessed > 0)
      trace.warnings.push(
        `${guessed} thread${guessed === 1 ? '' : 's'} may be of this process or of another: each is taken for one of the process whose line is before its first`,
      );
    if (this.#builder.raised > 0)
      trace.warnings.push(`${this.#builder.raised} events have an earlier time than the event before them; they were given its time`);
  }

  /** Takes whole calls of malloc and free of a lone thread; gives the start of the first line that is another. */
  #takeAhead(bytes: Uint8Array, start: number, limit: number): number {
    const prefix = this.#prefix;
    const names = this.#laneNames;
    const processes = this.#processes;
    const origin = this.#origin;
    if (prefix.count === 0 || names.count === 0 || this.#openCalls > 0 || this.#unparsed.running || !origin.known) return start;
    const thread = processes.loneThread(prefix.tid);
    if (thread < 0) return start;
    this.#look(bytes);
    const clock = this.#laneClock;
    clock.begin = origin.since(this.#seconds, origin.nanos);
    clock.originNanos = origin.nanos;
    clock.nanos = this.#nanos;
    const builder = this.#builder;
    const { batch } = builder;
    let line = start;
    for (;;) {
      const { length } = batch;
      line = runCallLane(prefix, names, clock, thread, builder, bytes, this.#view, line, limit);
      processes.appended(batch, length);
      this.#lines.line += batch.length - length;
      this.#nanos = clock.nanos;
      if (batch.length < batch.capacity) return line;
      builder.flush();
    }
  }

  /** Turns to other bytes. */
  #look(bytes: Uint8Array): void {
    if (bytes === this.#bytes) return;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    this.#look(bytes);
    if (end > start && bytes[end - 1] === 0x0d) end--;
    let pos = this.#sameSecond(bytes, start, end);
    let { tid } = this.#prefix;
    if (pos < 0) {
      if (bytes[start] === HASH && this.#facts.take(textOf(bytes, start, end))) return;
      if (this.#named && !beginsWithPid(bytes, start, end) && !hasWord(bytes, start, end, BREAKPOINT)) {
        const named = behindOutput(bytes, start, end);
        if (named < 0) return this.#unfit(bytes, start, end);
        this.#trace.skip('program_output');
        start = named;
      }
      pos = this.#beginning(bytes, start, end);
      if (pos < 0) return this.#unfit(bytes, start, end);
      tid = this.#tid;
    }
    while (bytes[pos] === SPACE) pos++;
    this.#ip = NaN;
    if (bytes[pos] === BRACKET) {
      const cursor = this.#cursor;
      cursor.reset(bytes, pos + 1, end);
      this.#ip = cursor.address();
      if (!cursor.eat(0x5d)) return this.#unfit(bytes, start, end);
      pos = cursor.pos;
      while (bytes[pos] === SPACE) pos++;
    }
    const first = bytes[pos];
    if (first === LESS && hasWord(bytes, pos, end, RESUME)) this.#resumed(bytes, start, pos + RESUME.length, end, tid);
    else if (first === 0x2b && hasWord(bytes, pos, end, PLUSES)) this.#ended(tid, hasWord(bytes, pos, end, EXITED));
    else if (first === MINUS && hasWord(bytes, pos, end, MINUSES)) this.#signalled(bytes, pos, end, tid);
    else if (first === 0x75 && hasWord(bytes, pos, end, BREAKPOINT)) {
      this.#unparsed.fits();
      this.#trace.skip('note');
    } else this.#call(bytes, start, pos, end, tid);
  }

  /**
   * Most lines begin as the one before, up to the fraction of the second (-ttt): then only that is read.
   * Gives the position after the time, or -1 if this line begins otherwise.
   */
  #sameSecond(bytes: Uint8Array, start: number, end: number): number {
    const prefix = this.#prefix;
    const view = this.#view;
    const after = start + prefix.length;
    if (after + 7 >= end || !prefix.begins(view, start)) return -1;
    const first = fourDigits(view, after);
    const fifth = bytes[after + 4] - ZERO;
    const sixth = bytes[after + 5] - ZERO;
    if (first < 0 || fifth < 0 || fifth > 9 || sixth < 0 || sixth > 9) return -1;
    if (bytes[after + 6] !== SPACE) return -1;
    this.#nanos = (first * 100 + fifth * 10 + sixth) * 1000;
    return after + 7;
  }

  /** Takes a line's id (into `#tid`) and time; gives the position after them, -1 if they do not fit. */
  #beginning(bytes: Uint8Array, start: number, end: number): number {
    let pos = start;
    while (bytes[pos] === SPACE) pos++;
    let tid = 0;
    let first = bytes[pos];
    if (first === BRACKET && hasWord(bytes, pos, end, PID)) {
      const cursor = this.#cursor;
      cursor.reset(bytes, pos + PID.length, end);
      tid = cursor.decimal();
      if (!cursor.eat(0x5d)) return -1;
      this.#named = true;
      pos = cursor.pos;
      while (bytes[pos] === SPACE) pos++;
      first = bytes[pos];
    } else if (first >= ZERO && first <= NINE) {
      let number = 0;
      let at = pos;
      for (let digit = first - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) number = number * 10 + digit;
      if (bytes[at] === SPACE) {
        tid = number;
        pos = at + 1;
        while (bytes[pos] === SPACE) pos++;
        first = bytes[pos];
      }
    }
    // An id is below 2^22; one that is not even a whole number is damage.
    if (!(tid < 0x80000000)) return -1;
    this.#tid = tid;
    return first >= ZERO && first <= NINE ? this.#time(bytes, start, pos, end) : pos;
  }

  #unfit(bytes: Uint8Array, start: number, end: number): void {
    this.#unparsed.add(this.#lines.line, bytes, start, end);
  }

  /** Takes a time in one of ltrace's four forms; gives the position after it, -1 if there is none. */
  #time(bytes: Uint8Array, lineStart: number, start: number, end: number): number {
    let pos = start;
    let seconds = 0;
    for (let digit = bytes[pos] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) seconds = seconds * 10 + digit;
    if (bytes[pos] === COLON) return this.#clock(bytes, pos, seconds);
    if (bytes[pos] !== DOT || pos >= end) return -1;
    pos++;
    const from = pos;
    let micros = 0;
    for (let digit = bytes[pos] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) micros = micros * 10 + digit;
    const before = this.#relative === true ? this.#seconds : 0;
    if (pos - from !== 6 || bytes[pos] !== SPACE || !isTime(before + seconds + 1, 0)) return -1;
    this.#timed = true;
    if (this.#relative === undefined) {
      this.#relative = seconds < RELATIVE_BELOW;
      this.#seconds = 0;
      this.#nanos = 0;
    }
    if (this.#relative) {
      this.#nanos += micros * 1000;
      this.#seconds += seconds;
      if (this.#nanos >= 1e9) {
        this.#nanos -= 1e9;
        this.#seconds++;
      }
    } else {
      this.#seconds = seconds;
      this.#nanos = micros * 1000;
      this.#prefix.keep(this.#view, lineStart, from, this.#tid);
    }
    return pos + 1;
  }

  /** The rest of a time of day, HH:MM:SS[.micros]. A day that ends goes on after 24:00. */
  #clock(bytes: Uint8Array, colon: number, hours: number): number {
    const two = (at: number) => (bytes[at] - ZERO) * 10 + bytes[at + 1] - ZERO;
    const seconds = hours * 3600 + two(colon + 1) * 60 + two(colon + 4);
    if (bytes[colon + 3] !== COLON || !(seconds >= 0 && seconds <= 86400)) return -1;
    let pos = colon + 6;
    let micros = 0;
    if (bytes[pos] === DOT) {
      pos++;
      for (let digit = bytes[pos] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) micros = micros * 10 + digit;
    }
    if (bytes[pos] !== SPACE || micros >= 1e6) return -1;
    if (seconds < this.#lastClock - 43200) this.#dayStart += 86400;
    this.#lastClock = seconds;
    this.#timed = true;
    this.#seconds = this.#dayStart + seconds;
    this.#nanos = micros * 1000;
    return pos + 1;
  }

  /** Nanoseconds since the first event; `event` is false for a line that may be none, and is not the first then. */
  #now(event: boolean): number {
    if (!this.#timed || !(event || this.#origin.known)) return 0;
    if (!this.#origin.known) this.#origin.set(this.#seconds, this.#nanos);
    return this.#origin.since(this.#seconds, this.#nanos);
  }

  #ended(tid: number, exited: boolean): void {
    this.#unparsed.fits();
    this.#processes.see(tid, this.#lines.line);
    const calls = this.#open.get(tid);
    if (calls !== undefined) {
      this.#drop(calls, 0);
      this.#open.delete(tid);
    }
    if (!this.#processes.exited(tid, this.#now(false), !exited, this.#lines.line)) this.#trace.skip('note');
  }

  #signalled(bytes: Uint8Array, pos: number, end: number, tid: number): void {
    this.#unparsed.fits();
    this.#processes.see(tid, this.#lines.line);
    this.#trace.skip('note');
    if (hasWord(bytes, pos, end, SIGCHLD)) this.#processes.childEnded();
    else if (hasWord(bytes, pos, end, EXEC)) {
      const calls = this.#open.get(tid);
      if (calls !== undefined) this.#drop(calls, 0);
      this.#processes.exec(tid, this.#now(false));
    }
  }

  /**
   * The name that begins at `start`, if it is one of those seen last. Few names make up most lines, and four bytes are compared at once:
   * to find a name anew takes ten times as long.
   */
  #recentName(start: number, end: number): Name | undefined {
    const recent = this.#recent;
    const view = this.#view;
    for (let i = 0; i < recent.length; i++) {
      const name = recent[i];
      const { words } = name;
      const parenthesis = start + name.bytes.length;
      if (parenthesis >= end || parenthesis < 3) continue;
      if (view.getInt32(parenthesis - 3) !== words[0]) continue;
      let at = start;
      let word = 1;
      while (word < words.length && view.getInt32(at) === words[word]) {
        word++;
        at += 4;
      }
      if (word === words.length) return name;
    }
    return undefined;
  }

  /** Puts a name first among those seen last. One that is too short to be compared so is left out. */
  #remember(name: Name): void {
    if (name.words.length === 0) return;
    this.#recent.unshift(name);
    if (this.#recent.length > RECENT_NAMES) this.#recent.pop();
  }

  /** A line that begins a call, and mostly ends it too. */
  #call(bytes: Uint8Array, start: number, nameStart: number, end: number, tid: number): void {
    let pos = nameStart;
    let name = this.#recentName(pos, end);
    if (name === undefined) {
      // A program's name may begin with a parenthesis.
      if (bytes[pos] === OPEN) pos++;
      while (bytes[pos] !== OPEN && pos < end) pos++;
      if (pos === end) return this.#unfit(bytes, start, end);
      name = this.#nameOf(bytes, nameStart, pos);
      this.#remember(name);
    } else pos += name.bytes.length;
    if (name.kind === Kind.other || name.kind === Kind.new || name.kind === Kind.delete) {
      // A demangled name has parameters in parentheses of their own: `operator new(unsigned long)(8, …`.
      let after = endOfParameters(bytes, pos, end);
      if (after < 0 && name.spaced) {
        const callee = endOfCallee(bytes, pos, end);
        after = callee < 0 ? -1 : Math.max(callee, endOfParameters(bytes, callee, end));
      }
      if (after > 0) {
        pos = after;
        name = this.#nameOf(bytes, nameStart, pos);
      }
    }
    const { kind } = name;
    pos++;
    if (kind === Kind.other) {
      const ending = endingOfLine(bytes, pos, end);
      if (ending === Ending.none) return this.#unfit(bytes, start, end);
      this.#unparsed.fits();
      this.#processes.see(tid, this.#lines.line);
      if (name.createsThread) this.#creates(tid);
      if (ending !== Ending.returned) this.#push(tid, name);
      this.#trace.skip('other_call');
      return;
    }
    pos = this.#arguments(kind, bytes, pos, end);
    let ending: number = Ending.none;
    if (pos > 0) {
      if (bytes[pos] === CLOSE) {
        pos = this.#returned(bytes, pos + 1, end);
        if (pos > 0) ending = Ending.returned;
      } else if (hasWord(bytes, pos, end, UNFINISHED) || hasWord(bytes, pos, end, NO_RETURN)) ending = Ending.open;
    }
    if (ending === Ending.none) return this.#unfit(bytes, start, end);
    this.#unparsed.fits();
    this.#processes.see(tid, this.#lines.line);
    if (ending === Ending.returned) {
      const calls = this.#openCalls === 0 ? undefined : this.#open.get(tid);
      if ((kind === Kind.malloc || kind === Kind.free) && this.#processes.loneThread(tid) >= 0)
        this.#laneNames.add(name.words, name.bytes.length, kind === Kind.free, name.stack);
      this.#finish(
        tid,
        name,
        kind,
        this.#a,
        this.#b,
        this.#c,
        calls === undefined ? this.#stackOf(name, this.#ip) : NO_STACK,
        calls,
        undefined,
      );
    } else this.#push(tid, name);
  }

  /** The second half of a call. */
  #resumed(bytes: Uint8Array, start: number, nameStart: number, end: number, tid: number): void {
    const nameEnd = findWord(bytes, nameStart, end, RESUMED);
    if (nameEnd < 0) return this.#unfit(bytes, start, end);
    const fn = textOf(bytes, nameStart, nameEnd);
    const calls = this.#open.get(tid);
    let depth = calls === undefined ? -1 : calls.length - 1;
    while (depth >= 0 && (calls as OpenCall[])[depth].name.fn !== fn) depth--;
    this.#processes.see(tid, this.#lines.line);
    if (calls === undefined || depth < 0) {
      this.#unparsed.fits();
      // Its first half is not in the recording, and with it the arguments.
      const { kind } = callNamed(fn);
      this.#trace.skip(isAllocator(kind) ? 'torn' : 'other_call');
      return;
    }
    const call = calls[depth];
    let pos = nameEnd + RESUMED.length;
    const known = call.kind !== Kind.other;
    if (known) {
      while (pos < end && bytes[pos] !== CLOSE) pos++;
      pos = this.#returned(bytes, pos + 1, end);
      if (pos < 0) {
        if (endingOfLine(bytes, nameEnd, end) === Ending.none) return this.#unfit(bytes, start, end);
        this.#result = NaN;
      }
    }
    this.#unparsed.fits();
    this.#drop(calls, depth + 1);
    calls.pop();
    this.#openCalls--;
    if (!known) {
      this.#trace.skip('other_call');
      return;
    }
    if (call.done) return;
    if (Number.isNaN(this.#result)) this.#trace.skip('no_return');
    else this.#finish(tid, call.name, call.kind, call.a, call.b, call.c, call.stack, calls, call);
  }

  /** A call of pthread_create; where the function entered is seen within the call of it, they are one. */
  #creates(tid: number): void {
    const calls = this.#open.get(tid);
    if (calls?.some(({ name }) => name.createsThread) !== true) this.#processes.creates(tid);
  }

  /** Opens a call. A free takes effect where it begins: its block may be given out again before ltrace prints its end. */
  #push(tid: number, name: Name): void {
    let calls = this.#open.get(tid);
    if (calls === undefined) this.#open.set(tid, (calls = []));
    if (calls.length >= DEEPEST) this.#drop(calls, 0);
    const known = name.kind !== Kind.other;
    const stack = known ? this.#stackWithin(name, this.#ip, calls) : NO_STACK;
    const { kind } = name;
    const call: OpenCall = { name, kind, a: this.#a, b: this.#b, c: this.#c, ip: this.#ip, stack, counted: false, done: false, inner: 0 };
    if (kind === Kind.free) {
      this.#result = 0;
      this.#finish(tid, name, kind, this.#a, 0, 0, stack, calls, undefined);
      call.done = true;
    }
    calls.push(call);
    this.#openCalls++;
  }

  /** Gives up open calls from `depth` on: they never returned. */
  #drop(calls: OpenCall[], depth: number): void {
    for (let i = depth; i < calls.length; i++) {
      const { kind, done } = calls[i];
      if (isAllocator(kind)) {
        if (!done) this.#trace.skip('no_return');
      } else if (kind !== Kind.other) this.#trace.skip('other_call');
    }
    this.#openCalls -= Math.max(0, calls.length - depth);
    calls.length = Math.min(calls.length, depth);
  }

  /**
   * A call has returned `#result` (or, a free, begun). `calls` are those that enclose it, `self` its own entry if it took two lines.
   * A call within an allocator's is that one's work; a call within a wrapper (operator new, strdup) counts in the wrapper's place.
   */
  #finish(
    tid: number,
    name: Name,
    kind: Kind,
    a: number,
    b: number,
    c: number,
    stack: StackIndex,
    calls: OpenCall[] | undefined,
    self: OpenCall | undefined,
  ): void {
    const trace = this.#trace;
    const result = this.#result;
    if (startsTask(kind)) {
      trace.skip('other_call');
      const thread = kind === Kind.clone3 || (kind === Kind.clone && (a & 0x10000) !== 0);
      this.#processes.started(tid, result, thread, this.#lines.line);
      return;
    }
    if (kind === Kind.libc_realloc && result < LOWEST_ADDRESS) {
      trace.skip('mislabelled');
      return;
    }
    if (calls !== undefined && self === undefined) stack = this.#stackWithin(name, this.#ip, calls);
    const outer = calls === undefined ? undefined : this.#enclosing(calls, kind, a, b, c);
    if (self?.counted) {
      trace.skip('nested');
      if (outer !== undefined && isWrapper(outer.kind)) outer.counted = true;
      return;
    }
    if (outer !== undefined) {
      if (result !== 0 && kind !== Kind.free) outer.inner = result;
      if (!isWrapper(outer.kind)) {
        trace.skip('nested');
        return;
      }
      outer.counted = true;
    }
    const line = this.#lines.line;
    const time = this.#now(true);
    const { entered } = name;
    const processes = this.#processes;
    switch (kind) {
      case Kind.malloc:
      case Kind.new:
        processes.event(Op.malloc, tid, time, result, 0, a, 0, stack, line, entered);
        break;
      case Kind.calloc:
        processes.event(Op.calloc, tid, time, result, 0, b, a, stack, line, entered);
        break;
      case Kind.libc_calloc:
        // A true calloc has a count before the size, realloc an address or NULL.
        if (a !== 0 && a < LOWEST_ADDRESS) processes.event(Op.calloc, tid, time, result, 0, b, a, stack, line, entered);
        else processes.event(Op.realloc, tid, time, result, a, b, 0, stack, line, entered);
        break;
      case Kind.realloc:
      case Kind.libc_realloc:
        // glibc frees the block and gives NULL.
        if (b === 0 && result === 0 && a !== 0) processes.event(Op.free, tid, time, a, 0, 0, 0, stack, line, entered);
        else processes.event(Op.realloc, tid, time, result, a, b, 0, stack, line, entered);
        break;
      case Kind.reallocarray:
        if (b * c === 0 && result === 0 && a !== 0) processes.event(Op.free, tid, time, a, 0, 0, 0, stack, line, entered);
        else processes.event(Op.reallocarray, tid, time, result, a, c, b, stack, line, entered);
        break;
      case Kind.posix_memalign: {
        const ptr = result === 0 ? (self?.inner ?? 0) : 0;
        if (result === 0 && ptr === 0) this.#addressUnknown();
        else processes.event(Op.posix_memalign, tid, time, ptr, 0, c, b, stack, line, entered);
        break;
      }
      case Kind.asprintf:
        this.#addressUnknown();
        break;
      case Kind.aligned_alloc:
        processes.event(Op.aligned_alloc, tid, time, result, 0, b, a, stack, line, entered);
        break;
      case Kind.memalign:
        processes.event(Op.memalign, tid, time, result, 0, b, a, stack, line, entered);
        break;
      case Kind.new_aligned:
        processes.event(Op.aligned_alloc, tid, time, result, 0, a, b, stack, line, entered);
        break;
      case Kind.valloc:
        processes.event(Op.valloc, tid, time, result, 0, a, 0, stack, line, entered);
        break;
      case Kind.pvalloc:
        processes.event(Op.pvalloc, tid, time, result, 0, a, 0, stack, line, entered);
        break;
      case Kind.malloc_usable_size:
        processes.event(Op.malloc_usable_size, tid, time, a, 0, 0, 0, stack, line, entered);
        break;
      case Kind.strdup:
      case Kind.strndup: {
        // Without a prototype ltrace prints an address.
        const unseen = Number.isNaN(c);
        const shown = unseen ? 0 : c < 0 ? -c - 1 : c;
        const limited = kind === Kind.strndup && b <= (unseen ? LONGEST_LIMIT : shown);
        if (unseen && b > 0 && limited) this.#limitedStrings++;
        else if (unseen && !limited) this.#unseenStrings++;
        else if (c < 0 && !limited) this.#cutStrings++;
        processes.event(Op.malloc, tid, time, result, 0, (limited ? b : shown) + 1, 0, stack, line, entered);
        break;
      }
      case Kind.free:
      case Kind.delete:
        processes.event(Op.free, tid, time, a, 0, 0, 0, stack, line, entered);
    }
  }

  #addressUnknown(): void {
    this.#trace.skip('no_address');
    this.#withoutAddress++;
  }

  /**
   * The innermost open allocator call that this call is part of. One that has nothing to do with it has never returned
   * (a thread that died in it): it is given up.
   */
  #enclosing(calls: OpenCall[], kind: Kind, a: number, b: number, c: number): OpenCall | undefined {
    for (let i = calls.length - 1; i >= 0; i--) {
      const outer = calls[i];
      if (!isAllocator(outer.kind)) continue;
      if (isWrapper(outer.kind) || isPartOf(kind, a, b, c, outer)) return outer;
      if (!outer.done) this.#trace.skip('no_return');
      calls.splice(i, 1);
      this.#openCalls--;
    }
    return undefined;
  }

  /** Takes the arguments that a call of this kind needs; gives the position of the closing parenthesis or of ` <unfinished`, -1 if they do not fit. */
  #arguments(kind: Kind, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    this.#a = this.#b = this.#c = 0;
    if (kind === Kind.strdup || kind === Kind.strndup) {
      this.#string();
      if (kind === Kind.strndup && cursor.eat(COMMA)) {
        cursor.eat(SPACE);
        this.#b = this.#number(bytes, cursor.pos, end, false);
        cursor.pos = this.#after;
      }
    } else if (kind !== Kind.fork) {
      this.#a = this.#number(bytes, start, end, takesAddress(kind));
      if (Number.isNaN(this.#a)) return -1;
      if (bytes[this.#after] === COMMA) {
        this.#b = this.#number(bytes, this.#after + 2, end, false);
        if (bytes[this.#after] === COMMA) this.#c = this.#number(bytes, this.#after + 2, end, false);
        if ((Number.isNaN(this.#b) && needsTwo(kind)) || (Number.isNaN(this.#c) && needsThree(kind))) return -1;
      }
      cursor.pos = this.#after;
    }
    let { pos } = cursor;
    // Further arguments are whatever the registers held; strings among them may hold parentheses.
    while (pos < end && bytes[pos] !== CLOSE && !(bytes[pos] === SPACE && bytes[pos + 1] === LESS)) {
      if (bytes[pos] === QUOTE) pos = lastQuote(bytes, pos, end);
      pos++;
    }
    return pos < end ? pos : -1;
  }

  /**
   * A number: decimal, hex after 0x, `nil`. A negative one is the size that its bits are. Of an address, tag bits above 2^52 are dropped;
   * in decimal it has none.
   * Sets `#after` to the position after it. NaN if there is none.
   */
  #number(bytes: Uint8Array, start: number, end: number, address: boolean): number {
    let pos = start;
    this.#after = start;
    const first = bytes[pos];
    if (first === ZERO && bytes[pos + 1] === 0x78) {
      pos += 2;
      const usual = pos + 12 < end + 1 ? twelveHex(bytes, pos) : -1;
      if (usual >= 0 && HEX[bytes[pos + 12]] > 15) {
        this.#after = pos + 12;
        return usual;
      }
      let high = 0;
      let low = 0;
      let digit = HEX[bytes[pos]];
      for (; digit <= 15; digit = HEX[bytes[++pos]]) {
        high = (high << 4) | (low >>> 28);
        low = (low << 4) | digit;
      }
      if (pos - start > 18 || pos - start < 3) return NaN;
      this.#after = pos;
      return (address ? high & 0xfffff : high >>> 0) * 4294967296 + (low >>> 0);
    }
    let digit = first - ZERO;
    if (digit >= 0 && digit <= 9) {
      let value = 0;
      for (; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) value = value * 10 + digit;
      this.#after = pos;
      if (pos - start <= 15) return value;
      if (address) return NaN;
      return decimalSize(bytes, start, pos);
    }
    if (!address && first === MINUS && bytes[pos + 1] > ZERO && bytes[pos + 1] <= NINE)
      return 2 ** 64 - this.#number(bytes, pos + 1, end, false);
    if (!hasWord(bytes, pos, end, NIL)) return NaN;
    this.#after = pos + NIL.length;
    return 0;
  }

  /** Takes a string: `#c` is its length in bytes, or, where ltrace cut it, minus that minus one; NaN where an address is in its place. */
  #string(): void {
    const cursor = this.#cursor;
    const { bytes, end } = cursor;
    if (!cursor.eat(QUOTE)) {
      this.#c = NaN;
      while (cursor.pos < end && bytes[cursor.pos] !== COMMA && bytes[cursor.pos] !== CLOSE && bytes[cursor.pos] !== SPACE) cursor.pos++;
      return;
    }
    let length = 0;
    let { pos } = cursor;
    const last = lastQuote(bytes, pos - 1, end);
    for (; pos < last; pos++, length++) {
      if (bytes[pos] !== BACKSLASH) continue;
      pos++;
      // Three octal digits, or one letter.
      if (isOctal(bytes[pos])) for (let more = 0; more < 2 && isOctal(bytes[pos + 1]); more++) pos++;
    }
    cursor.pos = last + 1;
    let cut = false;
    while (cursor.eat(DOT)) cut = true;
    this.#c = cut ? -length - 1 : length;
  }

  /** Takes ` = result` after a closing parenthesis into `#result`; gives the position after it, -1 if there is none. */
  #returned(bytes: Uint8Array, start: number, end: number): number {
    let pos = start;
    while (pos < end && bytes[pos] === SPACE) pos++;
    if (pos >= end || bytes[pos] !== EQUALS) return -1;
    pos += 2;
    let after = pos + VOID.length;
    if (bytes[pos] === LESS) {
      if (!hasWord(bytes, pos, end, VOID)) return -1;
      this.#result = 0;
    } else {
      this.#result = this.#number(bytes, pos, end, true);
      if (Number.isNaN(this.#result)) return -1;
      after = this.#after;
    }
    if (after === end) return after;
    // Only the time within the call (-T) may follow.
    return bytes[after] === SPACE && bytes[after + 1] === LESS ? after : -1;
  }

  #nameOf(bytes: Uint8Array, start: number, end: number): Name {
    const row = this.#names.intern(bytes, start, end);
    const found = this.#nameFacts[row];
    if (found !== undefined) return found;
    const call = callNamed(this.#names.text(row));
    const { stacks } = this.#trace;
    const stack =
      call.kind === Kind.other || call.caller === undefined
        ? NO_STACK
        : stacks.intern([stacks.frames.intern({ fn: call.caller, module: call.caller })]);
    return (this.#nameFacts[row] = new Name(Uint8Array.from(bytes.subarray(start, end)), call, stack));
  }

  /** The stack of a call with nothing around it: its return address, or the program or library that called. */
  #stackOf(name: Name, ip: number): StackIndex {
    if (Number.isNaN(ip)) return name.stack;
    let stack = name.byAddress.get(ip);
    if (stack === undefined) {
      const { stacks } = this.#trace;
      stack = stacks.intern([stacks.frames.intern({ pc: BigInt(ip), ...(name.caller === undefined ? {} : { module: name.caller }) })]);
      name.byAddress.set(ip, stack);
    }
    return stack;
  }

  /** The stack of a call within others: each level's return address or caller, or else the function that encloses it. */
  #stackWithin(name: Name, ip: number, calls: readonly OpenCall[]): StackIndex {
    if (calls.length === 0) return this.#stackOf(name, ip);
    const { stacks } = this.#trace;
    const frames: number[] = [];
    let level: { name: Name; ip: number } = { name, ip };
    for (let i = calls.length - 1; ; i--) {
      const { caller } = level.name;
      if (!Number.isNaN(level.ip))
        frames.push(stacks.frames.intern({ pc: BigInt(level.ip), ...(caller === undefined ? {} : { module: caller }) }));
      else if (caller !== undefined) frames.push(stacks.frames.intern({ fn: caller, module: caller }));
      else if (i >= 0) frames.push(stacks.frames.intern({ fn: calls[i].name.fn }));
      if (i < 0 || frames.length >= MOST_FRAMES) break;
      level = calls[i];
    }
    return stacks.intern(frames);
  }
}

/** True if a call of `kind` with these arguments is what `outer`, an allocator's call, does to do its own work. */
function isPartOf(kind: Kind, a: number, b: number, c: number, outer: OpenCall): boolean {
  if (outer.done) return kind === Kind.free && outer.a === a;
  const gone = kind === Kind.free || kind === Kind.realloc || kind === Kind.libc_calloc || kind === Kind.reallocarray ? a : 0;
  const reallocates =
    outer.kind === Kind.realloc || outer.kind === Kind.reallocarray || outer.kind === Kind.libc_calloc || outer.kind === Kind.libc_realloc;
  if (gone !== 0) return reallocates && gone === outer.a;
  const size = requested(kind, a, b, c);
  const whole = requested(outer.kind, outer.a, outer.b, outer.c);
  // Some allocators round the size up within, for alignment or a header.
  return size >= whole && size <= whole + 4096 + alignmentOf(outer);
}

function requested(kind: Kind, a: number, b: number, c: number): number {
  switch (kind) {
    case Kind.calloc:
      return a * b;
    case Kind.realloc:
    case Kind.libc_calloc:
    case Kind.libc_realloc:
    case Kind.aligned_alloc:
    case Kind.memalign:
      return b;
    case Kind.reallocarray:
      return b * c;
    case Kind.posix_memalign:
      return c;
    default:
      return a;
  }
}

function alignmentOf({ kind, a, b }: OpenCall): number {
  if (kind === Kind.posix_memalign) return b;
  return kind === Kind.memalign || kind === Kind.aligned_alloc ? a : 0;
}

/** True if the first argument is the address of a block. */
function takesAddress(kind: Kind): boolean {
  return (
    kind === Kind.free ||
    kind === Kind.delete ||
    kind === Kind.realloc ||
    kind === Kind.reallocarray ||
    kind === Kind.malloc_usable_size ||
    kind >= Kind.libc_calloc
  );
}

/** The calls whose third argument is a size or a count. */
function needsThree(kind: Kind): boolean {
  return kind === Kind.posix_memalign || kind === Kind.reallocarray;
}

function needsTwo(kind: Kind): boolean {
  return (
    kind === Kind.calloc ||
    kind === Kind.new_aligned ||
    (kind >= Kind.realloc && kind <= Kind.memalign) ||
    kind === Kind.libc_calloc ||
    kind === Kind.libc_realloc
  );
}

/**
 * What to compare a name with, four bytes at once: the last three with the parenthesis after them, then all from the start
 * (the last of these words may overlap the one before its end). Nothing for a name of less than four bytes.
 */
function wordsOf(name: Uint8Array): Int32Array {
  if (name.length < 4) return new Int32Array(0);
  const bytes = Uint8Array.from([...name, OPEN]);
  const view = new DataView(bytes.buffer);
  const words = [view.getInt32(name.length - 3)];
  for (let at = 0; at + 4 <= name.length; at += 4) words.push(view.getInt32(at));
  return Int32Array.from(words);
}

function isOctal(byte: number): boolean {
  return byte >= ZERO && byte <= 0x37;
}

/**
 * Position of the quote that ends the last string of a line, where one begins at `start`; `end` if none ends. ltrace escapes no quotes,
 * so that those within a string look like its ends; behind the last one are numbers alone.
 */
function lastQuote(bytes: Uint8Array, start: number, end: number): number {
  let pos = end - 1;
  while (pos > start && bytes[pos] !== QUOTE) pos--;
  return pos > start ? pos : end;
}

/** Position of the parenthesis that opens the arguments, where the one at `open` opens a demangled name's parameters; -1 otherwise. */
function endOfParameters(bytes: Uint8Array, open: number, end: number): number {
  let after = -1;
  for (let from = open; ; ) {
    let depth = 0;
    let pos = from;
    for (; pos < end; pos++) {
      const byte = bytes[pos];
      if (byte === QUOTE) return after;
      if (byte === OPEN) depth++;
      else if (byte === CLOSE && --depth === 0) break;
    }
    if (pos >= end) return after;
    pos++;
    if (hasWord(bytes, pos, end, CONST)) pos += CONST.length;
    // Template arguments and scopes may go on after parentheses: `std::function<void (int)>::operator()(…)(args`.
    let next = pos;
    while (next < end && bytes[next] !== OPEN && bytes[next] !== EQUALS && bytes[next] !== QUOTE) next++;
    if (next >= end || bytes[next] !== OPEN || (next > pos && bytes[pos] === SPACE)) return after;
    after = next;
    from = next;
  }
}
const CONST = ascii(' const');

/** Position of the parenthesis that opens the arguments, where the one at `open` is in a program's name; -1 if no `->` follows. */
function endOfCallee(bytes: Uint8Array, open: number, end: number): number {
  let pos = open;
  while (pos < end && bytes[pos] !== QUOTE && !(bytes[pos] === MINUS && bytes[pos + 1] === GREATER)) pos++;
  while (pos < end && bytes[pos] !== QUOTE && bytes[pos] !== OPEN) pos++;
  return pos < end && bytes[pos] === OPEN ? pos : -1;
}

function beginsWithPid(bytes: Uint8Array, start: number, end: number): boolean {
  while (bytes[start] === SPACE) start++;
  return hasWord(bytes, start, end, PID);
}

/** Position of the first `[pid N] ` behind `start`, -1 if there is none. */
function behindOutput(bytes: Uint8Array, start: number, end: number): number {
  for (let at = findWord(bytes, start, end, PID); at >= 0; at = findWord(bytes, at + 1, end, PID)) {
    const from = at + PID.length;
    let pos = from;
    while (pos < end && bytes[pos] >= ZERO && bytes[pos] <= NINE) pos++;
    if (pos > from && hasWord(bytes, pos, end, PID_END)) return at;
  }
  return -1;
}

/** How the line of a call that is no allocator's ends. */
function endingOfLine(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[end - 1] === 0x3e) {
    if (hasWord(bytes, end - UNFINISHED.length, end, UNFINISHED) || hasWord(bytes, end - NO_RETURN.length, end, NO_RETURN))
      return Ending.open;
  }
  for (let pos = end - 2; pos > start; pos--) {
    if (bytes[pos] !== EQUALS || bytes[pos - 1] !== SPACE || bytes[pos + 1] !== SPACE) continue;
    let at = pos - 1;
    while (at > start && bytes[at] === SPACE) at--;
    if (bytes[at] === CLOSE) return Ending.returned;
  }
  return Ending.none;
}
