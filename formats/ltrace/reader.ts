/**
 * Reads a recording of ltrace line by line: finds what a line is, pairs the halves of calls, and hands those that count on.
 *
 * Invariant: each call is one event or counted under one reason, whether it takes one line or two (`<unfinished ...>`, `resumed`);
 * every other line is counted too. A call within an allocator's call is its inner work and not counted twice.
 */
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceReader } from '../format.ts';
import { BatchBuilder, raisedNote } from '../shared/batch_builder.ts';
import { ascii, findWord, hasWord, seenEnd, textOf } from '../shared/cursor.ts';
import { SPACE, HASH, CLOSE, PLUS, MINUS, LESS, GREATER, LOWER_U } from '../shared/letters.ts';
import { LineScanner, LONGEST_LINE } from '../shared/lines.ts';
import { shownList } from '../shared/one_process.ts';
import { RecordingFacts } from '../shared/recording_facts.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { LONGEST_RUN, Unparsed } from '../shared/unparsed.ts';
import { Backtrace } from './backtrace.ts';
import { CallEvents } from './call_events.ts';
import { type LaneClock, LaneNames, runCallLane } from './call_lane.ts';
import { CallStacks } from './call_stacks.ts';
import { CallText, Ending, endingOfLine, NO_RETURN, UNFINISHED, UNSHOWN, VOID_RESULT } from './call_text.ts';
import { callNamed, givesThroughPointer, isAllocator, isDuplicate, isWrapper, Kind, LOWEST_ADDRESS, startsTask } from './functions.ts';
import { LineStart } from './line_start.ts';
import { type Name, Names } from './names.ts';
import { type OpenCall, OpenCalls } from './open_calls.ts';
import { Processes } from './processes.ts';

const RESUME = ascii('<... ');
const RESUMED = ascii(' resumed> ');
const PLUSES = ascii('+++ ');
const MINUSES = ascii('--- ');
const EXITED = ascii('+++ exited');
const EXEC = ascii('--- Called exec()');
const SIGCHLD = ascii('--- SIGCHLD');
const WHOLE_ENDS = [VOID_RESULT, UNFINISHED, NO_RETURN, ascii(' +++'), ascii(' ---')];
const BREAKPOINT = ascii('unexpected breakpoint at 0x');
/** What ltrace calls the program of a running process (-p), after /proc/PID/exe. */
const ATTACHED = 'exe';

/** Events of a recording in which a program that never frees is worth a word. */
const MANY_EVENTS = 64;
/** Lines after which a recording has no backtraces if there was none: the first of them may come late, where there are few calls. */
const UNDECIDED_LINES = 256;

/** Reader of one recording. */
export class LtraceReader implements TraceReader {
  readonly #trace: Trace;
  readonly #lines: LineScanner;
  readonly #builder: BatchBuilder;
  readonly #processes: Processes;
  readonly #unparsed: Unparsed;
  readonly #facts: RecordingFacts;
  readonly #start = new LineStart();
  readonly #text = new CallText();
  readonly #names: Names;
  readonly #stacks: CallStacks;
  readonly #open: OpenCalls;
  readonly #events: CallEvents;
  readonly #origin = new TimeOrigin();
  readonly #backtrace: Backtrace;
  /** True once a backtrace was seen (-w): lines are held back until the one behind them. False if there are none. */
  #hasBacktraces: boolean | undefined;
  /** A line that its backtrace may follow, and its number. */
  #held: Uint8Array | undefined;
  #heldLine = 0;
  /** The stack below the line, where a backtrace told it. */
  #below: StackIndex | undefined;
  readonly #laneNames = new LaneNames();
  readonly #laneClock: LaneClock = { begin: NaN, originNanos: NaN, nanos: NaN };
  /** The bytes that hold the current line, and a view of them. */
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    // What is earlier than the origin counts as earlier than the event before, too.
    this.#builder.lastTime = 0;
    this.#processes = new Processes(trace, this.#builder, () => this.#start.timed, options);
    this.#events = new CallEvents(trace, this.#processes);
    this.#stacks = new CallStacks(trace.stacks);
    this.#names = new Names(this.#stacks);
    this.#open = new OpenCalls(trace);
    this.#backtrace = new Backtrace(trace.stacks);
    this.#unparsed = new Unparsed(trace, options, 'ltrace', Infinity);
    this.#facts = new RecordingFacts(trace);
    this.#lines = new LineScanner(
      options.name,
      (bytes, start, end) => this.#onLine(bytes, start, end),
      LONGEST_LINE,
      (bytes, start, limit) => this.#takeAhead(bytes, start, limit),
    );
    trace.header.source = 'ltrace';
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const trace = this.#trace;
    this.#lines.end(ending, (bytes, start, end) => {
      // Without its newline a line may end within an address: only what ends in a word that is known is whole.
      if (WHOLE_ENDS.some((word) => hasWord(bytes, end - word.length, end, word))) this.#onLine(bytes, start, end);
      else {
        trace.skip('torn');
        trace.partial = true;
      }
    });
    this.#takeHeld();
    this.#unparsed.end();
    this.#open.end();
    this.#processes.end();
    this.#builder.flush();
    this.#facts.end();
    trace.header.timed = this.#start.timed;
    trace.header.startTime = this.#origin.toBigInt();
    trace.header.startTimeGiven = false;
    this.#events.end();
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
    if (this.#builder.count >= MANY_EVENTS) {
      for (const program of this.#names.programsWithoutFree())
        trace.warnings.push(
          `no call of free by ${program} is recorded: what it frees counts as live. If free was traced, ltrace -e does not see how it is called (.plt.got); ltrace -L -x malloc@libc.so*+free@libc.so* does`,
        );
    }
    if (this.#builder.raised > 0) trace.warnings.push(raisedNote(this.#builder.raised, 'the event before'));
  }

  /** Takes whole calls of malloc and free of a lone thread; gives the start of the first line that is another. */
  #takeAhead(bytes: Uint8Array, start: number, limit: number): number {
    const lineStart = this.#start;
    const { prefix } = lineStart;
    const names = this.#laneNames;
    const processes = this.#processes;
    const origin = this.#origin;
    if (
      this.#hasBacktraces !== false ||
      prefix.count === 0 ||
      names.count === 0 ||
      this.#open.count > 0 ||
      this.#unparsed.running ||
      !origin.known
    )
      return start;
    const thread = processes.loneThread(prefix.tid);
    if (thread < 0) return start;
    this.#look(bytes);
    const clock = this.#laneClock;
    clock.begin = origin.since(lineStart.seconds, origin.nanos);
    clock.originNanos = origin.nanos;
    clock.nanos = lineStart.nanos;
    const builder = this.#builder;
    const { batch } = builder;
    let line = start;
    for (;;) {
      const { length } = batch;
      line = runCallLane(prefix, names, clock, thread, builder, bytes, this.#view, line, limit);
      processes.appended(batch, length);
      this.#lines.line += batch.length - length;
      lineStart.nanos = clock.nanos;
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

  /** Takes a line at once, or, where backtraces may follow, once the line behind its own is there. */
  #onLine(bytes: Uint8Array, start: number, end: number): void {
    if (this.#hasBacktraces === false && !(bytes[start] === SPACE && bytes[start + 1] === GREATER)) return this.#line(bytes, start, end);
    const last = seenEnd(bytes, start, end);
    if (this.#backtrace.take(bytes, start, last, this.#hasBacktraces === true)) {
      this.#hasBacktraces = true;
      return;
    }
    this.#takeHeld();
    if (this.#hasBacktraces === undefined && this.#lines.line > UNDECIDED_LINES) this.#hasBacktraces = false;
    if (this.#hasBacktraces === false) return this.#line(bytes, start, end);
    this.#held = bytes.slice(start, end);
    this.#heldLine = this.#lines.line;
    this.#backtrace.begin();
  }

  /** Takes the line that was held back, with its backtrace. */
  #takeHeld(): void {
    const held = this.#held;
    if (held === undefined) return;
    const { line } = this.#lines;
    this.#held = undefined;
    this.#lines.line = this.#heldLine;
    this.#below = this.#backtrace.stack();
    this.#line(held, 0, held.length);
    this.#below = undefined;
    this.#lines.line = line;
  }

  /** Takes a line: where it has a beginning that fits, by what stands after it. */
  #line(bytes: Uint8Array, start: number, end: number): void {
    this.#look(bytes);
    end = seenEnd(bytes, start, end);
    const lineStart = this.#start;
    let pos = lineStart.sameSecond(bytes, this.#view, start, end);
    if (pos < 0) {
      if (bytes[start] === HASH && this.#facts.take(textOf(bytes, start, end))) return;
      const own = lineStart.ownPart(bytes, start, end);
      if (own < 0 && !hasWord(bytes, start, end, BREAKPOINT)) return this.#unfit(bytes, start, end);
      if (own > start) {
        this.#trace.skip('program_output');
        start = own;
      }
      pos = lineStart.idAndTime(bytes, this.#view, start, end);
      if (pos < 0) return this.#unfit(bytes, start, end);
    }
    pos = lineStart.returnAddress(bytes, pos, end);
    if (pos < 0) return this.#unfit(bytes, start, end);
    const { tid } = lineStart;
    const first = bytes[pos];
    if (first === LESS && hasWord(bytes, pos, end, RESUME)) this.#resumed(bytes, start, pos + RESUME.length, end, tid);
    else if (first === PLUS && hasWord(bytes, pos, end, PLUSES)) this.#ended(tid, hasWord(bytes, pos, end, EXITED));
    else if (first === MINUS && hasWord(bytes, pos, end, MINUSES)) this.#signalled(bytes, pos, end, tid);
    else if (first === LOWER_U && hasWord(bytes, pos, end, BREAKPOINT)) {
      this.#unparsed.fits();
      this.#trace.skip('note');
    } else this.#call(bytes, start, pos, end, tid);
  }

  #unfit(bytes: Uint8Array, start: number, end: number): void {
    this.#unparsed.add(this.#lines.line, bytes, start, end);
  }

  /** Nanoseconds since the first event; `event` is false for a line that may be none, and is not the first then. */
  #now(event: boolean): number {
    const { timed, seconds, nanos } = this.#start;
    if (!timed || !(event || this.#origin.known)) return 0;
    if (!this.#origin.known) this.#origin.set(seconds, nanos);
    return this.#origin.since(seconds, nanos);
  }

  #ended(tid: number, exited: boolean): void {
    this.#unparsed.fits();
    this.#processes.see(tid, this.#lines.line);
    this.#open.endThread(tid);
    if (!this.#processes.exited(tid, this.#now(false), !exited, this.#lines.line)) this.#trace.skip('note');
  }

  #signalled(bytes: Uint8Array, pos: number, end: number, tid: number): void {
    this.#unparsed.fits();
    this.#processes.see(tid, this.#lines.line);
    this.#trace.skip('note');
    if (hasWord(bytes, pos, end, SIGCHLD)) this.#processes.childEnded();
    else if (hasWord(bytes, pos, end, EXEC)) {
      this.#open.endThread(tid);
      this.#processes.exec(tid, this.#now(false));
    }
  }

  /** A line that begins a call, and mostly ends it too. */
  #call(bytes: Uint8Array, start: number, nameStart: number, end: number, tid: number): void {
    const name = this.#names.at(bytes, this.#view, nameStart, end);
    if (name === undefined) {
      const resumed = findWord(bytes, nameStart, end, RESUME);
      if (resumed < 0) return this.#unfit(bytes, start, end);
      this.#trace.skip('program_output');
      return this.#resumed(bytes, start, resumed + RESUME.length, end, tid);
    }
    const { kind } = name;
    let pos = this.#names.after + 1;
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
    const text = this.#text;
    pos = text.arguments(kind, bytes, pos, end);
    let ending: number = Ending.none;
    if (pos > 0) {
      if (bytes[pos] === CLOSE) {
        pos = text.returned(bytes, pos + 1, end);
        if (pos > 0 && (text.result !== UNSHOWN || isDuplicate(kind))) ending = Ending.returned;
      } else if (hasWord(bytes, pos, end, UNFINISHED) || hasWord(bytes, pos, end, NO_RETURN)) ending = Ending.open;
    }
    if (ending === Ending.none) return this.#unfit(bytes, start, end);
    this.#unparsed.fits();
    if (!this.#start.settled) {
      this.#start.settle();
      // Lines with ids stand in a file of their own, to which no program prints.
      if (this.#start.numbered) this.#unparsed.longest = LONGEST_RUN;
    }
    if (name.printed) this.#trace.skip('program_output');
    if (name.caller === ATTACHED) this.#processes.attached();
    this.#processes.see(tid, this.#lines.line);
    if (ending === Ending.returned) {
      const calls = this.#open.count === 0 ? undefined : this.#open.of(tid);
      if ((kind === Kind.malloc || kind === Kind.free) && this.#processes.loneThread(tid) >= 0)
        this.#laneNames.add(name.words, name.bytes.length, kind === Kind.free, name.stack);
      const stack = calls === undefined ? this.#stacks.alone(name, this.#start.ip) : NO_STACK;
      this.#finish(tid, name, kind, text.a, text.b, text.c, stack, calls, undefined);
    } else this.#push(tid, name);
  }

  /** The second half of a call. */
  #resumed(bytes: Uint8Array, start: number, nameStart: number, end: number, tid: number): void {
    const nameEnd = findWord(bytes, nameStart, end, RESUMED);
    if (nameEnd < 0) return this.#unfit(bytes, start, end);
    const fn = textOf(bytes, nameStart, nameEnd);
    const calls = this.#open.of(tid);
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
    let { a, b, c } = call;
    this.#text.given = 0;
    if (known) {
      if (givesThroughPointer(call.kind) && bytes[pos] !== CLOSE) {
        pos = this.#text.arguments(call.kind, bytes, pos, end);
        if (pos < 0) return this.#unfit(bytes, start, end);
        ({ a, b, c } = this.#text);
      } else while (pos < end && bytes[pos] !== CLOSE) pos++;
      pos = this.#text.returned(bytes, pos + 1, end);
      if (pos < 0 || (this.#text.result === UNSHOWN && !isDuplicate(call.kind))) {
        if (endingOfLine(bytes, nameEnd, end) === Ending.none) return this.#unfit(bytes, start, end);
        this.#text.result = NaN;
      }
    }
    this.#unparsed.fits();
    this.#open.pop(calls, depth);
    if (!known) {
      this.#trace.skip('other_call');
      return;
    }
    if (call.done) return;
    if (Number.isNaN(this.#text.result)) this.#trace.skip('no_return');
    else this.#finish(tid, call.name, call.kind, a, b, c, call.stack, calls, call);
  }

  /** A call of pthread_create; where the function entered is seen within the call of it, they are one. */
  #creates(tid: number): void {
    const calls = this.#open.of(tid);
    if (calls?.some(({ name }) => name.createsThread) !== true) this.#processes.creates(tid);
  }

  /** Opens a call. A free takes effect where it begins: its block may be given out again before ltrace prints its end. */
  #push(tid: number, name: Name): void {
    const calls = this.#open.roomFor(tid);
    const text = this.#text;
    const { ip } = this.#start;
    const { a, b, c } = text;
    const { kind } = name;
    const stack = kind === Kind.other ? NO_STACK : this.#stacks.within(name, ip, calls);
    const call: OpenCall = { name, kind, a, b, c, ip, stack, counted: false, done: false, inner: 0, copied: NaN };
    if (kind === Kind.free) {
      text.result = 0;
      this.#finish(tid, name, kind, a, 0, 0, stack, calls, undefined);
      call.done = true;
    }
    this.#open.push(calls, call);
  }

  /**
   * A call has returned the text's result (or, a free, begun). `calls` are those that enclose it, `self` its own entry if it took two lines.
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
    const { result } = this.#text;
    if (startsTask(kind)) {
      trace.skip('other_call');
      const thread = kind === Kind.clone3 || (kind === Kind.clone && (a & 0x10000) !== 0);
      this.#processes.started(tid, result, thread, this.#lines.line);
      return;
    }
    if (kind === Kind.libc_realloc && result < LOWEST_ADDRESS) {
      const caller = calls?.[calls.length - 1];
      if (caller?.kind === Kind.strndup && b === caller.b && result <= b) caller.copied = result;
      trace.skip('mislabelled');
      return;
    }
    if (calls !== undefined && self === undefined) stack = this.#stacks.within(name, this.#start.ip, calls);
    const inner = self === undefined || self.inner === 0 ? this.#text.given : self.inner;
    const outer = calls === undefined ? undefined : this.#open.enclosing(calls, kind, a, b, c);
    if (self?.counted) {
      trace.skip('nested');
      if (outer !== undefined && isWrapper(outer.kind)) outer.counted = true;
      return;
    }
    if (outer !== undefined) {
      const gave = givesThroughPointer(kind) ? inner : result;
      if (gave !== 0 && kind !== Kind.free) outer.inner = gave;
      if (!isWrapper(outer.kind)) {
        trace.skip('nested');
        return;
      }
      outer.counted = true;
    }
    const length = self === undefined || Number.isNaN(self.copied) ? c : self.copied;
    this.#events.append(kind, tid, this.#now(true), a, b, length, result, inner, this.#below ?? stack, this.#lines.line, name.entered);
  }
}
