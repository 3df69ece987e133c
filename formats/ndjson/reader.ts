/**
 * The NDJSON trace, version 1 (README.md, "NDJSON, version 1").
 * Invariant: every line is an event, a line of tables, or an error that names it; only a last line without newline may be torn.
 * The main thread is that of the first event.
 */
import { MOST_CPU, Op, OP_NAMES } from '../../core/trace/events.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { ThreadFacts, Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { BatchBuilder, raisedNote } from '../shared/batch_builder.ts';
import { textOf } from '../shared/cursor.ts';
import { LOWER_S } from '../shared/letters.ts';
import { LineScanner } from '../shared/lines.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { quoteLine } from '../shared/unparsed.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { LaneText } from '../shared/lane_text.ts';
import { EventLane } from './event_lane.ts';
import { EventLine } from './event_line.ts';
import { FrameReader } from './frames.ts';
import { asObject, type ErrorOfLine, type JsonObject } from './json_object.ts';
import { Key, Line, NEEDS } from './line_keys.ts';
import { membersOf, otherMembers, partsOf, spellingOf, withStrings } from '../shared/json_parts.ts';
import { StackLane } from './stack_lane.ts';
import { StackRows } from './stack_rows.ts';
import { ThreadRows } from './thread_rows.ts';
import { TraceLines } from './trace_line.ts';

/** Longest line taken, bytes: a process may have a hundred thousands of mappings, and its `maps` line has all of them. */
const LONGEST_LINE = 64 * 1024 * 1024;

/** Where the name of a line's operation begins, and a letter that those of stacks have there. */
const LETTER_AT = 7;

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

/** A line of what JSON takes for white space: Unicode has more. */
const BLANK = /^[ \t\r]*$/;

/** Keys that lines of tables may have, besides others that are kept. */
const MAPS_KEYS: ReadonlySet<string> = new Set(['op', 'text']);
const THREAD_KEYS: ReadonlySet<string> = new Set(['op', 'tid', 'nth', 'name', 'prng_seed']);
const STACK_KEYS: ReadonlySet<string> = new Set(['op', 'id', 'frames']);

class NdjsonReader implements TraceReader {
  readonly #trace: Trace;
  readonly #lines: LineScanner;
  readonly #builder: BatchBuilder;
  readonly #line = new EventLine();
  readonly #origin = new TimeOrigin();
  readonly #text: LaneText;
  readonly #lane: EventLane;
  readonly #threads: ThreadRows;
  readonly #stacks: StackRows;
  readonly #stackLane: StackLane;
  readonly #keepFields: boolean;
  /** Events before the time that events count from. */
  #early = 0;
  #timed = false;
  readonly #error: ErrorOfLine;
  readonly #traceLines: TraceLines;
  readonly #frames: FrameReader;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#keepFields = options.keepFields === true;
    const memory = new LaneMemory();
    this.#text = new LaneText(memory);
    this.#lane = new EventLane(memory, this.#text);
    this.#builder = new BatchBuilder(sink, options.batchEvents, memory);
    this.#threads = new ThreadRows(trace, this.#builder, this.#lane);
    this.#stacks = new StackRows(trace, this.#lane);
    this.#error = (fact, hint) => new InputError(this.#lines.place, fact, hint);
    this.#traceLines = new TraceLines(trace, this.#builder, this.#origin);
    this.#frames = new FrameReader(this.#error, this.#keepFields);
    this.#stackLane = new StackLane(memory, trace.stacks.frames, (text) => this.#frames.read(JSON.parse(text), text));
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
    this.#threads.end(this.#keepFields);
    const { warnings } = this.#trace;
    if (this.#builder.raised > 0) warnings.push(raisedNote(this.#builder.raised, 'the event before'));
    const { lossNote } = this.#frames;
    if (lossNote !== undefined) warnings.push(lossNote);
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
      this.#stacks.define(lane.id, lane.frames, lane.count);
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
    // What a shape does not need, its lane passes over; and it counts from the start where an event without times does not.
    const counts = (line.present & Key.ts) !== 0 || this.#timed || this.#origin.toBigInt() === 0n;
    if (counts && (!this.#keepFields || !hasMore(line))) this.#lane.shapes.learn(bytes, start, end, line);
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
    if (number === 0) this.#begin((present & Key.ts) !== 0);
    else if (!this.#timed && (present & Key.ts) !== 0) this.#trace.header.timed = this.#timed = true;
    let time = this.#timeOf(number);
    if (time < 0) {
      time = 0;
      this.#early++;
    }

    const tid = (present & Key.tid) !== 0 ? line.tid : 0;
    const thread = this.#threads.of(tid);

    const stack = (present & Key.stack) !== 0 ? this.#stacks.of(line.stack) : NO_STACK;
    if (stack === undefined)
      throw this.#error(
        `stack ${line.stack} was not defined before`,
        'stack lines stand before the events that name them: a part of a trace needs them, too',
      );

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
    if (op === Op.thread_exit) this.#threads.forget(tid);
    if (this.#keepFields && (line.others.length > 0 || hasMore(line))) {
      const fields = hasMore(line) ? otherMembers(textOf(bytes, start, end), keysOf(op)) : otherFields(line, bytes);
      if (fields !== undefined) this.#trace.eventFields.set(number, fields);
    }
    builder.append(op as Op, thread, time, ptr, old, size, extra, stack);
  }

  /** Time of the line's event, ns since the trace's start: below 0 if it claims an earlier one. Without times it is the event's number. */
  #timeOf(number: number): number {
    const { present, seconds, nanos } = this.#line;
    if ((present & Key.ts) !== 0) return this.#origin.since(seconds, nanos);
    return this.#timed ? this.#origin.since(Math.floor(number / 1e9), number % 1e9) : number;
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

  /** Lines of tables, lines that only JSON.parse can judge, and errors. */
  #takeSlowly(bytes: Uint8Array, start: number, end: number, last: boolean, scanned: boolean): void {
    const text = textOf(bytes, start, end);
    if (BLANK.test(text)) return;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
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
    const object = asObject(parsed, this.#error);
    if (object === undefined) throw this.#error(`not a JSON object: ${quoteLine(bytes, start, end)}`);
    const op = object.get('op');
    if (op === undefined) throw this.#error('no "op"');
    const line = this.#line;
    let spelt = bytes;
    if (!scanned || text.includes('\\')) {
      // Keys and words may be spelt with escapes: scan them spelt plainly. Numbers keep their digits, which JSON.parse may lose.
      const plain = Buffer.from(withStrings(text, (string) => JSON.stringify(JSON.parse(string))));
      line.scan(plain, 0, plain.length);
      spelt = plain;
    }
    switch (op) {
      case 'trace':
        this.#traceLines.take(object, text, line);
        break;
      case 'maps':
        this.#maps(object, text);
        break;
      case 'stack':
        this.#stack(object, text);
        break;
      case 'thread':
        this.#thread(object, text);
        break;
      default:
        if (line.op < 0)
          throw this.#error(typeof op === 'string' ? `unknown op ${JSON.stringify(op.slice(0, 60))}` : '"op" is not a string');
        this.#event(spelt, spelt === bytes ? start : 0, spelt === bytes ? end : spelt.length);
    }
  }

  /** The members of an object that are not `known`, if they are to be kept. */
  #others(text: string, known: ReadonlySet<string>): string | undefined {
    return this.#keepFields ? otherMembers(text, known) : undefined;
  }

  #maps(object: JsonObject, text: string): void {
    const { header } = this.#trace;
    // What comes late does not change how the events before it are seen.
    this.#builder.flush();
    header.maps = object.string('text');
    const others = this.#others(text, MAPS_KEYS);
    if (others !== undefined) header.mapsFields = others;
  }

  #thread(object: JsonObject, text: string): void {
    const tid = object.natural('tid');
    const others = this.#others(text, THREAD_KEYS);
    const facts: ThreadFacts = {
      ...(object.has('name') ? { name: object.string('name') } : {}),
      ...(object.has('prng_seed') ? { prngSeed: object.hex('prng_seed') } : {}),
      ...(others === undefined ? {} : { fields: others }),
    };
    this.#threads.take(tid, object.get('nth'), facts);
  }

  #stack(object: JsonObject, text: string): void {
    const id = object.natural('id');
    const frames = object.get('frames');
    if (!Array.isArray(frames)) throw this.#error('stack without a list of "frames"');
    const { stacks } = this.#trace;
    const texts = this.#keepFields ? partsOf(spellingOf(membersOf(text).get('frames') ?? '')) : [];
    const rows = frames.map((frame, at) => stacks.frames.intern(this.#frames.read(frame, texts[at])));
    this.#stacks.define(id, rows, rows.length, this.#others(text, STACK_KEYS));
  }
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
