/**
 * The NDJSON trace, version 1 (README.md, "The NDJSON trace").
 * Invariant: every line is an event, a line of tables, or an error that names it; only a last line without newline may be torn.
 * The main thread is that of the first event: `thread` lines describe threads, and one may describe a worker before any event.
 */
import { MOST_CPU, Op, OP_NAMES } from '../../core/trace/events.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame, InlinedFrame } from '../../core/trace/stacks.ts';
import type { SkipReason, Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex, type ThreadIndex } from '../../core/units.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { BatchBuilder, raisedNote } from '../shared/batch_builder.ts';
import { textOf, TIMES_END } from '../shared/cursor.ts';
import { LineScanner } from '../shared/lines.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { quoteLine } from '../shared/unparsed.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { LaneText } from '../shared/lane_text.ts';
import { EventLane, UNDEFINED } from './event_lane.ts';
import { EventLine, Key, Line, NEEDS } from './event_line.ts';
import { membersOf, otherMembers, partsOf, spellingOf } from '../shared/json_parts.ts';
import { StackLane } from './stack_lane.ts';

/** Longest line taken, bytes. */
const LONGEST_LINE = 8 * 1024 * 1024;

/** Where the name of a line's operation begins, and a letter that those of stacks have there. */
const LETTER_AT = 7;
const LOWER_S = 0x73;

/** Keys that any event may have. */
const ALWAYS = Key.ts | Key.tid | Key.stack | Key.cpu;

export const ndjson: TraceFormat = {
  name: 'ndjson',
  ofOneProcess: true,
  title: 'one JSON object a line, the format of this project',
  sniff,
  open: (trace, sink, options) => new NdjsonReader(trace, sink, options),
};

/** Sure if the first line is an object with an `op` that is known, unsure if it has one of another kind. */
function sniff(head: Uint8Array): number {
  const line = new EventLine();
  let start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  while (start < head.length && head[start] <= 0x20) start++;
  const newline = head.indexOf(0x0a, start);
  if (head[start] !== 0x7b) return 0;
  if (newline < 0) {
    // A first line longer than the head, or without its newline: only its beginning can be looked at.
    return /^\{\s*"op"\s*:\s*"\w+"/.test(textOf(head, start, Math.min(head.length, start + 200))) ? 0.9 : 0;
  }
  if (!line.scan(head, start, newline)) return 0;
  if ((line.present & Key.op) === 0) return line.unchecked && hasOp(textOf(head, start, newline)) ? 0.9 : 0;
  return line.op === Line.unknown ? 0.3 : 1;
}

/** Whether a line has an `op`, which may be spelt with escapes. */
function hasOp(text: string): boolean {
  try {
    return typeof (JSON.parse(text) as Record<string, unknown>)['op'] === 'string';
  } catch {
    return false;
  }
}

interface ThreadFacts {
  name?: string;
  prngSeed?: bigint;
  fields?: string;
}

/** A JSON string of a line. */
const ESCAPED = /"(?:[^"\\]|\\.)*"/g;
/** A line of what JSON takes for white space: Unicode has more. */
const BLANK = /^[ \t\r]*$/;

/** Keys that lines of tables and frames may have, besides others that are kept. */
const MAPS_KEYS: ReadonlySet<string> = new Set(['op', 'text']);
const THREAD_KEYS: ReadonlySet<string> = new Set(['op', 'tid', 'nth', 'name', 'prng_seed']);
const STACK_KEYS: ReadonlySet<string> = new Set(['op', 'id', 'frames']);
const PLAIN_FRAME_KEYS: ReadonlySet<string> = new Set(['pc', 'fn', 'file', 'line', 'module', 'offset']);
const FRAME_KEYS: ReadonlySet<string> = new Set([...PLAIN_FRAME_KEYS, 'inlined']);
const INLINED_KEYS: ReadonlySet<string> = new Set(['fn', 'file', 'line']);

class NdjsonReader implements TraceReader {
  readonly #trace: Trace;
  readonly #lines: LineScanner;
  readonly #builder: BatchBuilder;
  readonly #line = new EventLine();
  readonly #origin = new TimeOrigin();
  readonly #text: LaneText;
  readonly #lane: EventLane;
  /** Stack ids that are too large for the lane. */
  readonly #stacks = new Map<number, StackIndex>();
  readonly #stackLane: StackLane;
  readonly #keepFields: boolean;
  /** What `thread` lines said of threads that have had no event since. */
  readonly #facts = new Map<number, ThreadFacts>();
  readonly #threads = new Map<number, ThreadIndex>();
  #lastTid = -1;
  #lastThread = 0;
  #lastId = -1;
  #lastStack: StackIndex = NO_STACK;
  #early = 0;
  /** Fields of inlined functions that are not known: how often they came. */
  readonly #lost = new Map<string, number>();
  #timed = false;
  #opened = false;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#keepFields = options.keepFields === true;
    const memory = new LaneMemory();
    this.#text = new LaneText(memory);
    this.#lane = new EventLane(memory, this.#text);
    this.#builder = new BatchBuilder(sink, options.batchEvents, memory);
    this.#stackLane = new StackLane(memory, trace.stacks.frames, (text) => this.#frame(JSON.parse(text), text));
    this.#lines = new LineScanner(
      options.name,
      (bytes, start, end) => this.#take(bytes, start, end, false),
      LONGEST_LINE,
      (bytes, start, limit) => this.#takeAhead(bytes, start, limit),
    );
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    this.#lines.end(ending, (bytes, start, end) => this.#take(bytes, start, end, true));
    this.#builder.flush();
    const { warnings } = this.#trace;
    if (this.#builder.raised > 0) warnings.push(raisedNote(this.#builder.raised, 'the event before'));
    if (this.#lost.size > 0) {
      const names = [...this.#lost].map(([key, count]) => `${JSON.stringify(key)} (${count})`);
      warnings.push(`fields of inlined functions that are not known are not kept: ${names.join(', ')}`);
    }
    if (this.#early > 0) {
      const start = this.#trace.header.startTimeGiven === true ? 'start_ts' : 'the first event';
      warnings.push(raisedNote(this.#early, start));
    }
  }

  /** Takes lines that the lanes take, from `start` on; gives the start of the first that is another. */
  #takeAhead(bytes: Uint8Array, start: number, limit: number): number {
    let line = start;
    for (;;) {
      const first = line;
      line = this.#takeEvents(bytes, line, limit);
      line = this.#takeStacks(bytes, line, limit);
      if (line === first) return line;
    }
  }

  /** Takes event lines of shapes that were seen before. */
  #takeEvents(bytes: Uint8Array, start: number, limit: number): number {
    if (this.#lane.shapes.count === 0) return start;
    const builder = this.#builder;
    const { batch } = builder;
    let line = start;
    for (;;) {
      const { length } = batch;
      line = this.#lane.run(builder, this.#origin, bytes, line, limit);
      this.#lines.line += batch.length - length;
      if (batch.length < batch.capacity) return line;
      builder.flush();
    }
  }

  /** Takes lines of stacks. */
  #takeStacks(bytes: Uint8Array, start: number, limit: number): number {
    const lane = this.#stackLane;
    let line = start;
    while (line < limit && bytes[line + LETTER_AT] === LOWER_S) {
      const text = this.#text.of(bytes);
      const next = lane.read(text + line);
      if (next === 0) break;
      this.#setStack(lane.id, this.#stackOf(lane.frames, lane.count));
      this.#lastId = -1;
      this.#lines.line++;
      line = next - text;
    }
    return line;
  }

  #take(bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const line = this.#line;
    const scanned = line.scan(bytes, start, end);
    if (!scanned || line.op < 0 || line.unchecked) {
      if (this.#lines.line === 1 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) {
        this.#take(bytes, start + 3, end, last);
        return;
      }
      this.#takeSlowly(bytes, start, end, last, scanned);
      return;
    }
    // What a shape does not need, its lane passes over.
    if (!this.#keepFields || !hasMore(line)) this.#lane.shapes.learn(bytes, start, end, line);
    this.#event(bytes, start, end);
  }

  #event(bytes: Uint8Array, start: number, end: number): void {
    const line = this.#line;
    const { op, present } = line;
    const needs = NEEDS[op];
    if ((present & needs) !== needs || (line.bad & (needs | ALWAYS)) !== 0)
      throw this.#error(hasNul(bytes, start, end) ?? this.#explain(needs));
    const builder = this.#builder;
    const number = builder.count;
    let { seconds, nanos } = line;
    if ((present & Key.ts) === 0) {
      seconds = Math.floor(number / 1e9);
      nanos = number % 1e9;
    }
    if (number === 0) this.#begin((present & Key.ts) !== 0);
    else if (!this.#timed && (present & Key.ts) !== 0) this.#trace.header.timed = this.#timed = true;
    let time: number = this.#origin.since(seconds, nanos);
    if (time < 0) {
      time = 0;
      this.#early++;
    }

    const tid = (present & Key.tid) !== 0 ? line.tid : 0;
    let thread = this.#lastThread;
    if (tid !== this.#lastTid) {
      const known = this.#lane.threadOf(tid);
      thread = known < 0 ? this.#threadOf(tid) : known;
    }

    let stack = NO_STACK;
    if ((present & Key.stack) !== 0) {
      if (line.stack !== this.#lastId) {
        const found = this.#lane.stackOf(line.stack) ?? this.#stacks.get(line.stack) ?? UNDEFINED;
        if (found === UNDEFINED) throw this.#error(`stack ${line.stack} was not defined before`);
        this.#lastId = line.stack;
        this.#lastStack = found as StackIndex;
      }
      stack = this.#lastStack;
    }

    if ((present & Key.cpu) !== 0) {
      if (line.cpu > MOST_CPU) throw this.#error(`"cpu" is not an integer from 0 to ${MOST_CPU}`);
      builder.ranOn(line.cpu);
    }

    const ptr = (needs & Key.ptr) !== 0 ? line.ptr : 0;
    const old = (needs & Key.old) !== 0 ? line.old : 0;
    const size = (needs & Key.size) !== 0 ? line.size : 0;
    let extra = 0;
    if ((needs & Key.count) !== 0) extra = line.count;
    else if ((needs & Key.alignment) !== 0) extra = line.alignment;
    if (op === Op.thread_exit) {
      // The system may give the id to another thread.
      this.#forget(tid);
    }
    if (this.#keepFields && (line.others.length > 0 || hasMore(line))) {
      const fields = hasMore(line) ? otherMembers(textOf(bytes, start, end), keysOf(op)) : otherFields(line, bytes);
      if (fields !== undefined) this.#trace.eventFields.set(number, fields);
    }
    builder.append(op as Op, thread, time, ptr, old, size, extra, stack);
  }

  /** The next event with this id is another thread's. */
  #forget(tid: number): void {
    this.#trace.threads.forget(tid);
    this.#threads.delete(tid);
    this.#lastTid = -1;
    this.#lane.forgetThread(tid);
  }

  /** The first event: the trace's start, unless a header gave another, is its time. */
  #begin(timed: boolean): void {
    const { header } = this.#trace;
    header.timed = this.#timed = timed;
    const { seconds, nanos } = this.#line;
    if (!this.#origin.known) this.#origin.set(timed ? seconds : 0, timed ? nanos : 0);
    header.startTime = this.#origin.toBigInt();
    header.startTimeGiven ??= false;
  }

  #threadOf(tid: number): number {
    const { threads } = this.#trace;
    let thread = this.#threads.get(tid);
    if (thread === undefined) {
      thread = threads.intern(tid);
      this.#threads.set(tid, thread);
      const facts = this.#facts.get(tid);
      if (facts !== undefined) {
        threads.names[thread] = facts.name;
        threads.prngSeeds[thread] = facts.prngSeed;
        threads.fields[thread] = facts.fields;
        this.#facts.delete(tid);
      }
    }
    this.#lastTid = tid;
    this.#lastThread = thread;
    this.#lane.setThread(tid, thread);
    return thread;
  }

  /** What is wrong with the fields of an event line. */
  #explain(needs: number): string {
    const { present, bad, op } = this.#line;
    for (const [key, bit] of Object.entries(Key)) {
      if ((needs & bit) !== 0 && (present & bit) === 0) return `${OP_NAMES[op]} without "${key}"`;
      if (((needs | ALWAYS) & bit) !== 0 && (bad & bit) !== 0) {
        return bit === Key.ptr || bit === Key.old
          ? `"${key}" is not an address such as "0x7f001000"`
          : `"${key}" is not an integer from 0 to 2^63 - 1`;
      }
    }
    return 'not an event';
  }

  #error(fact: string, hint?: string): InputError {
    return new InputError(this.#lines.place, fact, hint);
  }

  /** Lines of tables, lines that only JSON.parse can judge, and errors. */
  #takeSlowly(bytes: Uint8Array, start: number, end: number, last: boolean, scanned: boolean): void {
    const text = textOf(bytes, start, end);
    if (BLANK.test(text)) return;
    let object: unknown;
    try {
      object = JSON.parse(text);
    } catch {
      // Of a file whose writing a crash cut short, blocks that were not written are zeros.
      if (last && (bytes[start] === 0x7b || bytes[start] === 0)) {
        this.#trace.skip('torn');
        this.#trace.partial = true;
        this.#trace.warnings.push(`line ${this.#lines.line}, the last one, is torn; the trace is used up to there`);
        return;
      }
      throw this.#error(hasNul(bytes, start, end) ?? `not JSON: ${quoteLine(bytes, start, end)}`);
    }
    if (typeof object !== 'object' || object === null || Array.isArray(object))
      throw this.#error(`not a JSON object: ${quoteLine(bytes, start, end)}`);
    const fields = object as Record<string, unknown>;
    if (!Object.hasOwn(fields, 'op')) throw this.#error('no "op"');
    const { op } = fields;
    const line = this.#line;
    let spelt = bytes;
    if (!scanned || text.includes('\\')) {
      // Keys and words may be spelt with escapes: scan them spelt plainly. Numbers keep their digits, which JSON.parse may lose.
      const plain = Buffer.from(text.replace(ESCAPED, (string) => JSON.stringify(JSON.parse(string))));
      line.scan(plain, 0, plain.length);
      spelt = plain;
    }
    switch (op) {
      case 'trace':
        this.#header(fields, text);
        break;
      case 'maps':
        this.#maps(fields, text);
        break;
      case 'stack':
        this.#stack(fields, text);
        break;
      case 'thread':
        this.#thread(fields, text);
        break;
      default:
        if (line.op < 0)
          throw this.#error(typeof op === 'string' ? `unknown op ${JSON.stringify(op.slice(0, 60))}` : '"op" is not a string');
        this.#event(spelt, spelt === bytes ? start : 0, spelt === bytes ? end : spelt.length);
    }
  }

  #header(fields: Record<string, unknown>, text: string): void {
    const { header } = this.#trace;
    const line = this.#line;
    const ends = this.#opened && fields['end'] === true;
    this.#opened = true;
    // What comes late does not change how the events before it are seen.
    if (ends) this.#builder.flush();
    else if (this.#builder.count > 0)
      throw this.#error('the trace line comes after events', 'of two traces in one file, split it before this line');
    const { version } = fields;
    if (version === undefined) throw this.#error('trace without "version"');
    if (typeof version !== 'number') throw this.#error('"version" is not a number; this program reads version 1');
    if (version !== 1) throw this.#error(`version ${version} of the trace format is not known; this program reads version 1`);
    const take = new Map<string, (key: string) => void>([
      ['op', () => {}],
      ['version', () => {}],
      [
        'clock',
        (key) => {
          if (fields[key] !== 'ns') throw this.#error(`"clock" is not "ns"`);
        },
      ],
      ['command', (key) => (header.command = this.#string(fields, key))],
      ['source', (key) => (header.source = this.#string(fields, key))],
      ['pid', (key) => (header.pid = this.#natural(fields, key))],
      ['ncpus', (key) => (header.ncpus = this.#natural(fields, key))],
      ['page_size', (key) => (header.pageSize = this.#natural(fields, key))],
      [
        'start_ts',
        () => {
          if (ends) return;
          if ((line.bad & Key.start_ts) !== 0) throw this.#error(`"start_ts" is not an integer of nanoseconds`);
          this.#startTime();
        },
      ],
      ['mmap_top', (key) => (header.mmapTop = this.#hex(fields, key))],
      ['program_break', (key) => (header.programBreak = this.#hex(fields, key))],
      ['prng_seed', (key) => (header.prngSeed = this.#hex(fields, key))],
    ]);
    const other = new Map<string, string>();
    const members = membersOf(text);
    for (const key of Object.keys(fields)) {
      const known = take.get(key);
      if (known === undefined) {
        if (!ends || !this.#endField(fields, key)) other.set(key, members.get(key) as string);
      } else if (has(fields, key)) known(key);
    }
    if (other.size > 0) header.other = new Map([...(ends ? (header.other ?? []) : []), ...other]);
  }

  /** The time that events count from. */
  #startTime(): void {
    const { header } = this.#trace;
    const { startSeconds, startNanos } = this.#line;
    const start = new TimeOrigin();
    start.set(startSeconds, startNanos);
    header.startTime = start.toBigInt();
    this.#origin.set(startSeconds, startNanos);
    header.startTimeGiven = true;
  }

  /** Takes a key that only the `trace` line at the end has; false for any other. */
  #endField(fields: Record<string, unknown>, key: string): boolean {
    const trace = this.#trace;
    const value = fields[key];
    switch (key) {
      case 'end':
        return true;
      case 'clock_start':
        if (typeof value !== 'string' || !/^\d{1,19}$/.test(value) || BigInt(value) >= BigInt(TIMES_END))
          throw this.#error('"clock_start" is not a string of digits, up to 2^63 - 1');
        trace.header.startTime = BigInt(value);
        return true;
      case 'timed':
        if (typeof value !== 'boolean') throw this.#error('"timed" is neither true nor false');
        trace.header.timed = value;
        return true;
      case 'partial':
        if (typeof value !== 'boolean') throw this.#error('"partial" is neither true nor false');
        trace.partial ||= value;
        return true;
      case 'notes':
        if (!Array.isArray(value) || value.some((note) => typeof note !== 'string')) throw this.#error('"notes" is not a list of strings');
        for (const note of value as string[]) trace.warnings.push(note);
        return true;
      case 'skipped': {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#error('"skipped" is not an object of counts');
        const counts = value as Record<string, unknown>;
        for (const reason of Object.keys(counts)) trace.skip(reason as SkipReason, this.#natural(counts, reason));
        return true;
      }
      default:
        return false;
    }
  }

  /** The members of an object that are not `known`, if they are to be kept. */
  #others(text: string, known: ReadonlySet<string>): string | undefined {
    return this.#keepFields ? otherMembers(text, known) : undefined;
  }

  #maps(fields: Record<string, unknown>, text: string): void {
    const { header } = this.#trace;
    header.maps = this.#string(fields, 'text');
    const others = this.#others(text, MAPS_KEYS);
    if (others !== undefined) header.mapsFields = others;
  }

  #thread(fields: Record<string, unknown>, text: string): void {
    const tid = this.#natural(fields, 'tid');
    const facts: ThreadFacts = {};
    if (has(fields, 'name')) facts.name = this.#string(fields, 'name');
    if (has(fields, 'prng_seed')) facts.prngSeed = this.#hex(fields, 'prng_seed');
    const others = this.#others(text, THREAD_KEYS);
    if (others !== undefined) facts.fields = others;
    const { threads } = this.#trace;
    const running = this.#row(fields, tid) ?? this.#threads.get(tid);
    // What comes late does not change how the events before it are seen.
    if (running !== undefined) this.#builder.flush();
    if (running === undefined) this.#facts.set(tid, { ...this.#facts.get(tid), ...facts });
    else {
      threads.names[running] = facts.name ?? threads.names[running];
      threads.prngSeeds[running] = facts.prngSeed ?? threads.prngSeeds[running];
      threads.fields[running] = facts.fields ?? threads.fields[running];
    }
  }

  /** The row that `nth` says, where it can be this thread's; the next one is a new thread. */
  #row(fields: Record<string, unknown>, tid: number): ThreadIndex | undefined {
    const nth = fields['nth'];
    const { threads } = this.#trace;
    if (typeof nth !== 'number') return undefined;
    if (nth === threads.length) {
      this.#forget(tid);
      return threads.intern(tid);
    }
    return threads.tids[nth] === tid ? (nth as ThreadIndex) : undefined;
  }

  #stack(fields: Record<string, unknown>, text: string): void {
    const id = this.#natural(fields, 'id');
    const { frames } = fields;
    if (!Array.isArray(frames)) throw this.#error('stack without a list of "frames"');
    const { stacks, stackFields } = this.#trace;
    const texts = this.#keepFields ? partsOf(spellingOf(membersOf(text).get('frames') ?? '')) : [];
    const rows = frames.map((frame, at) => stacks.frames.intern(this.#frame(frame, texts[at])));
    const others = this.#others(text, STACK_KEYS);
    const row = others === undefined ? this.#stackOf(rows, rows.length) : stacks.append(rows);
    if (others !== undefined) stackFields.set(row, others);
    this.#setStack(id, row);
    this.#lastId = -1;
  }

  /** The row of a stack without other fields. */
  #stackOf(frames: ArrayLike<number>, count: number): StackIndex {
    const { stacks, stackFields } = this.#trace;
    const row = stacks.intern(frames, count);
    return stackFields.has(row) ? stacks.append(frames, count) : row;
  }

  /** Small ids, as writers number stacks, are the lane's; others are in a map. */
  #setStack(id: number, stack: StackIndex): void {
    if (!this.#lane.setStack(id, stack)) this.#stacks.set(id, stack);
  }

  /** A frame: an address, a name, or an object of both and more. `text`: as it is spelt, where its other fields may be wanted. */
  #frame(frame: unknown, text?: string): Frame {
    if (typeof frame === 'string') {
      return /^0x[0-9a-f]{1,16}$/i.test(frame) ? { pc: BigInt(frame) } : { fn: frame };
    }
    if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) throw this.#error('a frame is neither a string nor an object');
    const fields = frame as Record<string, unknown>;
    const result: { -readonly [K in keyof Frame]: Frame[K] } = {};
    if (has(fields, 'pc')) result.pc = this.#hex(fields, 'pc');
    if (has(fields, 'fn')) result.fn = this.#string(fields, 'fn');
    if (has(fields, 'file')) result.file = this.#string(fields, 'file');
    if (has(fields, 'line')) result.line = this.#natural(fields, 'line');
    if (has(fields, 'module')) result.module = this.#string(fields, 'module');
    if (has(fields, 'offset')) result.offset = this.#natural(fields, 'offset');
    const { inlined } = fields;
    if (Array.isArray(inlined)) {
      result.inlined = inlined.map((inner: unknown): InlinedFrame => {
        if (typeof inner === 'object' && inner !== null && Array.isArray((inner as Record<string, unknown>)['inlined']))
          throw this.#error('"inlined" within "inlined": the functions stand in one list, the innermost first');
        const { fn = '', file, line } = this.#frame(inner);
        if (this.#keepFields && typeof inner === 'object') this.#countLost(inner as object);
        return { fn, ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
      });
    }
    const others =
      text === undefined ? undefined : this.#others(text, Array.isArray(inlined) || inlined === null ? FRAME_KEYS : PLAIN_FRAME_KEYS);
    if (others !== undefined) result.fields = others;
    return result;
  }

  /** Counts fields of an inlined function that have no place in the tables. */
  #countLost(inlined: object): void {
    for (const key of Object.keys(inlined)) if (!INLINED_KEYS.has(key)) this.#lost.set(key, (this.#lost.get(key) ?? 0) + 1);
  }

  #string(fields: Record<string, unknown>, key: string): string {
    const value = fields[key];
    if (typeof value !== 'string')
      throw this.#error(value === undefined ? `${String(fields['op'])} without "${key}"` : `"${key}" is not a string`);
    return value;
  }

  #natural(fields: Record<string, unknown>, key: string): number {
    const value = fields[key];
    if (value === undefined) throw this.#error(`${String(fields['op'])} without "${key}"`);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw this.#error(`"${key}" is not an integer from 0 to 2^53 - 1`);
    return value;
  }

  #hex(fields: Record<string, unknown>, key: string): bigint {
    const value = fields[key];
    if (typeof value !== 'string' || !/^0x[0-9a-f]{1,16}$/i.test(value))
      throw this.#error(`"${key}" is not a 64-bit number such as "0x7f001000"`);
    return BigInt(value);
  }
}

/** Whether an object has a value under that key: null is none. */
function has(fields: Record<string, unknown>, key: string): boolean {
  return Object.hasOwn(fields, key) && fields[key] !== null;
}

/** The fields of a line that are not known, as members of an object. */
function otherFields({ others }: EventLine, bytes: Uint8Array): string {
  const members: string[] = [];
  for (let at = 0; at < others.length; at += 2) members.push(textOf(bytes, others[at], others[at + 1]));
  return members.join(',');
}

/** Whether an event line has fields that are known, but not of this operation: a size that was freed, say. */
function hasMore({ op, present }: EventLine): boolean {
  return op >= 0 && (present & ~(Key.op | ALWAYS | NEEDS[op])) !== 0;
}

/** The keys of an operation's columns. */
function keysOf(op: number): ReadonlySet<string> {
  const bits = Key.op | ALWAYS | NEEDS[op];
  return new Set(Object.keys(Key).filter((key) => (bits & Key[key as keyof typeof Key]) !== 0));
}

/** What to say of a line that holds NUL bytes. */
function hasNul(bytes: Uint8Array, start: number, end: number): string | undefined {
  return bytes.subarray(start, end).includes(0) ? 'NUL bytes: the file was overwritten or cut short by a crash' : undefined;
}
