/**
 * Writes a trace as NDJSON, version 1.
 * Invariant: what a line refers to (header, thread, stack) stands before it; reading the lines back gives the same events and tables.
 * What the recording says of itself only after its first events follows them: `thread` lines, `maps`, and a `trace` line with `end`.
 * Lines of tables go through the `ndjson` package; event lines, millions of them, are spelt byte by byte.
 */
import { stringify } from 'ndjson';
import { Op, OP_NAMES, type EventBatch } from '../../core/trace/events.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import type { ThreadFacts, Trace, TraceHeader } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { ascii, isTime, TIMES_END } from '../shared/cursor.ts';
import { type BytesOut, LineBytes } from './line_bytes.ts';

const OPENINGS = OP_NAMES.map((name) => ascii(`{"op":"${name}"`));
const TIMED_OPENINGS = OP_NAMES.map((name) => ascii(`{"op":"${name}","ts":`));
const CPU = ascii(',"cpu":');
const OLD = ascii(',"old":"0x');
const COUNT = ascii(',"count":');
const ALIGNMENT = ascii(',"alignment":');
const SIZE = ascii(',"size":');
const PTR = ascii(',"ptr":"0x');
const STACK = ascii(',"stack":');
const END = ascii('}\n');

/** Writer of one trace. */
export class NdjsonWriter {
  readonly #trace: Trace;
  readonly #out: LineBytes;
  /** The package's stream of lines: each object written gives one line at once. */
  readonly #lines = stringify();
  #started = false;
  /** The header's fields as the first line has them, and what it says by its absence. */
  #headerWritten: Record<string, unknown> = {};
  #otherWritten: ReadonlyMap<string, string> = new Map();
  #mapsWritten: string | undefined;
  #timed = true;
  #start = 0n;
  #events = 0;
  #stacksWritten = 0;
  /** Rows of threads that were written, or need not be, with what was said of them. */
  readonly #threadsWritten: ThreadFacts[] = [];
  /** Ids of threads that were written and have not ended. */
  readonly #idsInUse = new Set<number>();
  #startSeconds = 0;
  #startNanos = 0;
  /** Whole seconds of the event written last, and their digits. */
  #lastSeconds = -1;
  #lastSecondsWord = ascii('');
  /** Thread -> its key and id. */
  readonly #tids: Uint8Array[] = [];

  constructor(trace: Trace, out: BytesOut) {
    this.#trace = trace;
    this.#out = new LineBytes(out);
  }

  /** Writes the events of a batch, and before them what they refer to and was not written yet. A BatchSink. */
  batch(batch: EventBatch): void {
    if (!this.#started) this.#header(batch.length > 0 && batch.time[0] === 0);
    const { length, stack, thread, time } = batch;
    for (let row = 0; row < length; row++) {
      // Just before their first use, so that the same events give the same file however they are cut into batches.
      if (thread[row] >= this.#threadsWritten.length) this.#threads(thread[row]);
      if (stack[row] >= this.#stacksWritten) this.#stacks(stack[row] + 1);
      this.#event(batch, row, this.#timed || time[row] !== this.#events);
      this.#events++;
    }
  }

  /** Writes what is left. */
  end(): void {
    if (!this.#started) this.#header(true);
    this.#maps();
    const { names, prngSeeds, fields } = this.#trace.threads;
    this.#threadsWritten.forEach((written, row) => {
      if (names[row] !== written.name || prngSeeds[row] !== written.prngSeed || fields[row] !== written.fields) this.#thread(row, true);
    });
    this.#threadsWithoutEvents(names.length);
    for (const [tid, facts] of this.#trace.idleThreads) this.#describe(tid, undefined, facts);
    this.#stacks(this.#trace.stacks.length);
    this.#end();
    this.#out.flush();
  }

  /** The thread whose first event comes next, and before it threads that stand before it in the table. */
  #threads(next: number): void {
    this.#threadsWithoutEvents(next);
    // An id that comes again without an exit in between is another thread's only if that is said.
    this.#thread(next, this.#idsInUse.has(this.#trace.threads.tids[next]));
  }

  #threadsWithoutEvents(until: number): void {
    for (let row = this.#threadsWritten.length; row < until; row++) this.#thread(row, true);
  }

  #stacks(until: number): void {
    while (this.#stacksWritten < until) this.#stack(this.#stacksWritten++ as StackIndex);
  }

  #event(batch: EventBatch, row: number, timed: boolean): void {
    this.#out.makeRoom();
    const op = batch.op[row];
    this.#out.put((timed ? TIMED_OPENINGS : OPENINGS)[op]);
    if (timed) this.#time(batch.time[row]);
    this.#out.put(this.#tids[batch.thread[row]]);
    if (batch.cpu !== undefined && batch.cpu[row] >= 0) this.#out.field(CPU, batch.cpu[row]);
    const extra = batch.extra[row];
    switch (op) {
      case Op.calloc:
        this.#out.field(COUNT, extra);
        break;
      case Op.realloc:
        this.#out.address(OLD, batch.old[row]);
        break;
      case Op.reallocarray:
        this.#out.address(OLD, batch.old[row]);
        this.#out.field(COUNT, extra);
        break;
      case Op.posix_memalign:
      case Op.aligned_alloc:
      case Op.memalign:
        this.#out.field(ALIGNMENT, extra);
    }
    if (op < Op.free) this.#out.field(SIZE, batch.size[row]);
    if (op !== Op.thread_exit) this.#out.address(PTR, batch.ptr[row]);
    else this.#idsInUse.delete(this.#trace.threads.tids[batch.thread[row]]);
    if (batch.stack[row] >= 0) this.#out.field(STACK, batch.stack[row]);
    if (this.#trace.eventFields.size > 0) this.#otherFields();
    this.#out.put(END);
  }

  /** The fields of the event that have no column. */
  #otherFields(): void {
    const { eventFields } = this.#trace;
    const fields = eventFields.get(this.#events);
    if (fields === undefined) return;
    eventFields.delete(this.#events);
    this.#out.text(`,${fields}`);
  }

  #time(time: number): void {
    // The quotient may be rounded up to the next second; the difference then says so.
    const whole = Math.floor(time / 1e9);
    const nanos = this.#startNanos + (time - whole * 1e9);
    const carry = nanos >= 1e9 ? 1 : nanos < 0 ? -1 : 0;
    const seconds = this.#startSeconds + whole + carry;
    if (seconds === 0) {
      this.#out.decimal(nanos - carry * 1e9);
      return;
    }
    if (!isTime(seconds, nanos - carry * 1e9)) {
      // The time was rounded up; the latest one that can be written stands for it.
      this.#out.decimal(TIMES_END);
      return;
    }
    if (seconds !== this.#lastSeconds) {
      this.#lastSeconds = seconds;
      this.#lastSecondsWord = ascii(String(seconds));
    }
    this.#out.put(this.#lastSecondsWord);
    this.#out.digits(nanos - carry * 1e9, 9);
  }

  /** Writes an object as a line, and `members` at its end, spelt as they are; digits of `big` replace its value under that key. */
  #object(object: Record<string, unknown>, big?: { key: string; digits: string }, members?: string): void {
    this.#lines.write(object);
    let line = withMembers(String(this.#lines.read()), members);
    if (big !== undefined) line = line.replace(`"${big.key}":0`, `"${big.key}":${big.digits}`);
    this.#out.text(line);
  }

  /** `fromStart`: the first event is at time 0, which is where a reader begins to count without a start_ts. */
  #header(fromStart: boolean): void {
    this.#started = true;
    const { header } = this.#trace;
    this.#timed = header.timed !== false;
    this.#start = header.startTime ?? 0n;
    const said = header.startTimeGiven === true || (this.#timed && !fromStart);
    this.#headerWritten = headerFields(header);
    this.#otherWritten = header.other ?? new Map();
    const line = { ...TRACE_LINE, ...(said ? { start_ts: 0 } : {}), ...this.#headerWritten };
    this.#object(line, said ? { key: 'start_ts', digits: String(this.#start) } : undefined, membersBeside(line, this.#otherWritten));
    this.#startSeconds = Number(this.#start / 1_000_000_000n);
    this.#startNanos = Number(this.#start % 1_000_000_000n);
    this.#maps();
  }

  #maps(): void {
    const { maps, mapsFields } = this.#trace.header;
    if (maps === undefined || this.#mapsWritten === maps) return;
    this.#mapsWritten = maps;
    this.#object({ op: 'maps', text: maps }, undefined, mapsFields);
  }

  /** What the header has got since its line was written, and what only the end of a recording tells; no line if that is nothing. */
  #end(): void {
    const { header, skipped, warnings, partial } = this.#trace;
    const news: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(headerFields(header))) {
      if (JSON.stringify(value) !== JSON.stringify(this.#headerWritten[key])) news[key] = value;
    }
    const others = [...(header.other ?? [])].filter(([key, member]) => this.#otherWritten.get(key) !== member);
    const timed = header.timed !== false;
    if (this.#timed && !timed) news['timed'] = false;
    const start = timed && this.#timed && (header.startTime ?? 0n) !== this.#start ? header.startTime : undefined;
    if (start !== undefined) news['clock_start'] = String(start);
    if (Object.keys(skipped).length > 0) news['skipped'] = skipped;
    if (warnings.length > 0) news['notes'] = warnings;
    if (partial) news['partial'] = true;
    if (Object.keys(news).length === 0 && others.length === 0) return;
    const line = { ...TRACE_LINE, end: true, ...news };
    this.#object(line, undefined, membersBeside(line, others));
  }

  /** `nth`: the line says which row it is, because no event shows it, or because events have already shown it. */
  #thread(row: number, nth: boolean): void {
    const { tids, names, prngSeeds, fields } = this.#trace.threads;
    this.#tids[row] = ascii(`,"tid":${tids[row]}`);
    const facts = { name: names[row], prngSeed: prngSeeds[row], fields: fields[row] };
    this.#threadsWritten[row] = facts;
    this.#idsInUse.add(tids[row]);
    if (nth || Object.values(facts).some((fact) => fact !== undefined)) this.#describe(tids[row], nth ? row : undefined, facts);
  }

  #describe(tid: number, nth: number | undefined, { name, prngSeed, fields }: ThreadFacts): void {
    // JSON leaves out what is undefined.
    this.#object({ op: 'thread', tid, nth, name, prng_seed: hex(prngSeed) }, undefined, fields);
  }

  #stack(stack: StackIndex): void {
    const { stacks, stackFields } = this.#trace;
    const frames = Array.from(stacks.framesOf(stack), (index) => stacks.frames.frames[index]);
    const line = { op: 'stack', id: stack };
    const members = stackFields.get(stack);
    if (frames.every((frame) => frame.fields === undefined)) {
      this.#object({ ...line, frames: frames.map(frameValue) }, undefined, members);
      return;
    }
    const spelt = frames.map((frame) => withMembers(JSON.stringify(frameValue(frame)), frame.fields));
    this.#object(line, undefined, `"frames":[${spelt.join(',')}]${members === undefined ? '' : `,${members}`}`);
  }
}

/** What every `trace` line has. */
const TRACE_LINE = { op: 'trace', version: 1, clock: 'ns' } as const;

/** The JSON of an object, with or without a line end, with more members, spelt as they are. */
function withMembers(json: string, members: string | undefined): string {
  if (members === undefined) return json;
  const end = json.lastIndexOf('}');
  return `${json.slice(0, end)}${json[end - 1] === '{' ? '' : ','}${members}${json.slice(end)}`;
}

/** The header's facts under the keys of the `trace` line, but for times, which the writer spells. */
function headerFields(header: TraceHeader): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const known = {
    command: header.command,
    pid: header.pid,
    ncpus: header.ncpus,
    page_size: header.pageSize,
    mmap_top: hex(header.mmapTop),
    program_break: hex(header.programBreak),
    prng_seed: hex(header.prngSeed),
    source: header.source,
  };
  for (const [key, value] of Object.entries(known)) if (value !== undefined) fields[key] = value;
  return fields;
}

/** Those of some members, spelt as they are, whose keys a line has not; undefined if there are none. */
function membersBeside(line: Record<string, unknown>, members: Iterable<readonly [key: string, member: string]>): string | undefined {
  const more: string[] = [];
  for (const [key, member] of members) if (!Object.hasOwn(line, key)) more.push(member);
  return more.length === 0 ? undefined : more.join(',');
}

function hex(value: bigint | undefined): string | undefined {
  return value === undefined ? undefined : `0x${value.toString(16)}`;
}

/** A frame in its shortest spelling that reads back as the same frame. */
function frameValue(frame: Frame): unknown {
  const keys = Object.keys(frame);
  if (keys.length === 1 && frame.pc !== undefined) return hex(frame.pc);
  if (keys.length === 1 && frame.fn !== undefined && !/^0x[0-9a-f]{1,16}$/i.test(frame.fn)) return frame.fn;
  const { fn, file, line, module, offset, inlined } = frame;
  // One order of keys, whatever the reader's; JSON leaves out what is undefined.
  return { pc: hex(frame.pc), fn, file, line, module, offset, inlined };
}
