/**
 * What a trace says besides its events, as the JSON that goes with a block: only what is new since the block before.
 * Invariant: rows are appended in order, so that row numbers of the file are those of the tables it was written from.
 * What stacks and frames repeat is said once: a text in a frame that an earlier frame has said stands as its number, counted from 0 in
 * order of appearance; the outermost frames that a stack has in common with the stack before stand as minus their count, at its end.
 * Header and threads are written as they were before the first event that they have to do with; what changes after that stands at the end,
 * so that whoever reads learns it when it was learnt.
 */
import type { Frame, InlinedFrame } from '../../core/trace/stacks.ts';
import type { SkipReason, ThreadFacts, Trace } from '../../core/trace/trace.ts';
import type { StackIndex, ThreadIndex } from '../../core/units.ts';
import { TIMES_END } from '../shared/cursor.ts';
import { membersOf } from '../shared/json_parts.ts';

/** Header fields that pass 2^53, in hex. */
const WIDE_FIELDS = ['startTime', 'mmapTop', 'programBreak', 'prngSeed'] as const;
const PLAIN_FIELDS = ['source', 'command', 'pid', 'ncpus', 'pageSize', 'startTimeGiven', 'timed', 'maps', 'mapsFields'] as const;
const NUMBERS: ReadonlySet<string> = new Set(['pid', 'ncpus', 'pageSize']);
const FLAGS: ReadonlySet<string> = new Set(['startTimeGiven', 'timed']);

/** A thread's id, name, PRNG state and other fields, cut after the last one that is there; of one with events its row before them. */
type ThreadJson = unknown[];
/** pc, fn, file, line, module, offset, inlined, other fields; cut after the last one that is there. */
type FrameJson = unknown[];

/** Outermost frames that a stack may take from the one before, at most: so that a few bytes never become many frames. */
const MOST_SHARED = 127;

interface TablesJson {
  header?: Record<string, unknown>;
  threads?: ThreadJson[];
  frames?: FrameJson[];
  stacks?: number[][];
  /** What stacks have besides their frames, by their rows (Trace.stackFields). */
  stackFields?: [number, string][];
  /** What events have besides their columns, by their places in the block (Trace.eventFields). */
  fields?: [number, string][];
  /** Stands at the end of a whole trace, and holds from there on. */
  end?: {
    header?: Record<string, unknown>;
    threads?: ThreadJson[];
    /** Threads without events (Trace.idleThreads), without rows. */
    idle?: ThreadJson[];
    skipped?: [string, number][];
    warnings?: string[];
    partial?: true;
  };
}

/** The writing side. */
export class TablesWriter {
  readonly #trace: Trace;
  readonly #header: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  readonly #threads: ThreadFacts[] = [];
  /** Seen, and not yet taken. */
  #newHeader: Record<string, unknown> | undefined;
  #newThreads: ThreadJson[] = [];
  #started = false;
  #frames = 0;
  #stacks = 0;
  /** Texts of frames -> their numbers. */
  readonly #texts = new Map<string, number>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** Before the first event: keeps what the header says now. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#newHeader = this.#headerNews();
  }

  /** Threads that were seen. */
  get threads(): number {
    return this.#threads.length;
  }

  /** Before the first event of the thread in row `until - 1`: keeps what is known of the threads up to it. */
  seeThreads(until: number): void {
    for (const thread of this.#threadNews(this.#threads.length, until)) this.#newThreads.push(thread);
  }

  /** What is new since the last call, of a block with events `first` to `until - 1`; empty if nothing is. `end`: and the trace ends here. */
  take(end: boolean, first: number, until: number): Uint8Array {
    const trace = this.#trace;
    const { stacks } = trace;
    const json: TablesJson = {};
    this.start();
    if (this.#newHeader !== undefined) json.header = this.#newHeader;
    this.#newHeader = undefined;
    if (this.#newThreads.length > 0) json.threads = this.#newThreads;
    this.#newThreads = [];
    if (this.#frames < stacks.frames.length) json.frames = stacks.frames.frames.slice(this.#frames).map((frame) => this.#frameJson(frame));
    this.#frames = stacks.frames.length;
    if (this.#stacks < stacks.length) {
      json.stacks = [];
      const kept: [number, string][] = [];
      for (; this.#stacks < stacks.length; this.#stacks++) {
        json.stacks.push(this.#stackJson(this.#stacks));
        const fields = trace.stackFields.get(this.#stacks as StackIndex);
        if (fields !== undefined) kept.push([this.#stacks, fields]);
      }
      if (kept.length > 0) json.stackFields = kept;
    }
    const fields = this.#fields(first, until);
    if (fields.length > 0) json.fields = fields;
    if (end) json.end = this.#end();
    return Object.keys(json).length === 0 ? new Uint8Array(0) : Buffer.from(JSON.stringify(json));
  }

  #fields(first: number, until: number): [number, string][] {
    const { eventFields } = this.#trace;
    const fields: [number, string][] = [];
    for (const [event, members] of eventFields) {
      if (event >= until) break;
      fields.push([event - first, members]);
      eventFields.delete(event);
    }
    return fields;
  }

  #frameJson({ pc, fn, file, line, module, offset, inlined, fields }: Frame): FrameJson {
    const json: FrameJson = [
      pc === undefined ? null : hex(pc),
      this.#text(fn),
      this.#text(file),
      line ?? null,
      this.#text(module),
      offset ?? null,
    ];
    json.push(inlined?.map((inner) => [this.#text(inner.fn), this.#text(inner.file), inner.line ?? null]) ?? null, fields ?? null);
    return cut(json);
  }

  /** The text, or its number if it has been written before. */
  #text(text: string | undefined): string | number | null {
    if (text === undefined) return null;
    const number = this.#texts.get(text);
    if (number !== undefined) return number;
    this.#texts.set(text, this.#texts.size);
    return text;
  }

  #stackJson(row: number): number[] {
    const { stacks } = this.#trace;
    const frames = Array.from(stacks.framesOf(row as StackIndex));
    const before = row === 0 ? [] : stacks.framesOf((row - 1) as StackIndex);
    const most = Math.min(frames.length, before.length, MOST_SHARED);
    let shared = 0;
    while (shared < most && frames[frames.length - 1 - shared] === before[before.length - 1 - shared]) shared++;
    if (shared > 0) frames.splice(-shared, shared, -shared);
    return frames;
  }

  #end(): NonNullable<TablesJson['end']> {
    const { threads, idleThreads, skipped, warnings, partial } = this.#trace;
    const header = this.#headerNews();
    const late = this.#threadNews(0, threads.length);
    const idle = [...idleThreads].map(([tid, facts]) => threadJson(tid, facts));
    return {
      ...(header === undefined ? {} : { header }),
      ...(late.length === 0 ? {} : { threads: late }),
      ...(idle.length === 0 ? {} : { idle }),
      ...(Object.keys(skipped).length === 0 ? {} : { skipped: Object.entries(skipped) }),
      ...(warnings.length === 0 ? {} : { warnings }),
      ...(partial ? { partial } : {}),
    };
  }

  #headerNews(): Record<string, unknown> | undefined {
    const { header } = this.#trace;
    let news: Record<string, unknown> | undefined;
    for (const field of [...PLAIN_FIELDS, ...WIDE_FIELDS, 'other'] as const) {
      const value = header[field];
      if (value === undefined || this.#header[field] === value) continue;
      this.#header[field] = value;
      news ??= {};
      news[field] = typeof value === 'bigint' ? hex(value) : value instanceof Map ? [...value.values()].join(',') : value;
    }
    return news;
  }

  /** Rows from..until that are new or whose facts have changed. */
  #threadNews(from: number, until: number): ThreadJson[] {
    const { tids, names, prngSeeds, fields } = this.#trace.threads;
    const news: ThreadJson[] = [];
    for (let row = from; row < until; row++) {
      const known = this.#threads[row];
      const facts = { name: names[row], prngSeed: prngSeeds[row], fields: fields[row] };
      if (known !== undefined && known.name === facts.name && known.prngSeed === facts.prngSeed && known.fields === facts.fields) continue;
      this.#threads[row] = facts;
      news.push([row, ...threadJson(tids[row], facts)]);
    }
    return news;
  }
}

/** The reading side. */
export class TablesReader {
  readonly #trace: Trace;
  /** Rows of the file -> rows of the trace. */
  readonly #frames: number[] = [];
  readonly stacks: StackIndex[] = [];
  readonly threads: ThreadIndex[] = [];
  /** Texts of frames by their numbers, and the stack that was read last, as rows of the trace. */
  readonly #texts: string[] = [];
  #stackBefore: readonly number[] = [];
  #end: Record<string, unknown> | undefined;

  readonly #keepFields: boolean;

  constructor(trace: Trace, keepFields: boolean) {
    this.#trace = trace;
    this.#keepFields = keepFields;
  }

  /** True once the block with the trace's end was read. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** Takes the JSON of a block whose first event is `first`. @throws Error if it is not what `take` writes. */
  add(bytes: Uint8Array, first: number): void {
    if (bytes.length === 0) return;
    const json = record(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')), 'the tables');
    this.#headerAndThreads(json);
    const { stacks, stackFields } = this.#trace;
    const kept = this.#stackFields(json['stackFields']);
    for (const frame of list(json['frames'] ?? [], 'frames')) this.#frames.push(stacks.frames.intern(this.#frame(list(frame, 'a frame'))));
    for (const stack of list(json['stacks'] ?? [], 'stacks')) {
      const rows = list(stack, 'a stack').flatMap((row, at, all) => this.#framesAt(row, at === all.length - 1));
      const fields = kept.get(this.stacks.length);
      let row = fields === undefined ? stacks.intern(rows) : stacks.append(rows);
      if (fields === undefined && stackFields.has(row)) row = stacks.append(rows);
      if (fields !== undefined) stackFields.set(row, fields);
      this.stacks.push(row);
      this.#stackBefore = rows;
    }
    if (this.#keepFields) for (const entry of list(json['fields'] ?? [], 'fields')) this.#field(list(entry, 'a field'), first);
    if (json['end'] !== undefined) this.#end = record(json['end'], 'the end');
  }

  /** After the events of a block: takes what the trace's end says, if this block is the end. @throws Error as `add` does. */
  finish(): void {
    const json = this.#end;
    if (json === undefined) return;
    const trace = this.#trace;
    this.#headerAndThreads(json);
    for (const thread of list(json['idle'] ?? [], 'idle threads')) this.#idleThread(list(thread, 'a thread'));
    for (const entry of list(json['skipped'] ?? [], 'skip counts')) {
      const [reason, count] = list(entry, 'a skip count');
      trace.skip(text(reason) as SkipReason, natural(count));
    }
    for (const warning of list(json['warnings'] ?? [], 'warnings')) trace.warnings.push(text(warning));
    if (flag(json['partial'] ?? false)) trace.partial = true;
  }

  #field([at, members]: readonly unknown[], first: number): void {
    this.#trace.eventFields.set(first + natural(at), membersText(members));
  }

  /** Other fields of stacks by their rows in the file, if they are to be kept. */
  #stackFields(json: unknown): ReadonlyMap<number, string> {
    const fields = new Map<number, string>();
    if (!this.#keepFields) return fields;
    for (const entry of list(json ?? [], 'fields')) {
      const [row, members] = list(entry, 'a field');
      fields.set(natural(row), membersText(members));
    }
    return fields;
  }

  /** What an entry of a stack stands for: a frame, or the outermost frames of the stack before. */
  #framesAt(entry: unknown, last: boolean): number | readonly number[] {
    if (last && typeof entry === 'number' && entry < 0) {
      const count = natural(-entry);
      if (count > Math.min(this.#stackBefore.length, MOST_SHARED)) throw new Error('a stack of frames that are not there');
      return this.#stackBefore.slice(-count);
    }
    const frame = this.#frames[natural(entry)];
    if (frame === undefined) throw new Error('a stack of a frame that is not there');
    return frame;
  }

  #frame([pc, fn, file, line, module, offset, inlined, fields]: readonly unknown[]): Frame {
    return {
      ...(given(pc) ? { pc: wide(pc) } : {}),
      ...(given(fn) ? { fn: this.#text(fn) } : {}),
      ...(given(file) ? { file: this.#text(file) } : {}),
      ...(given(line) ? { line: natural(line) } : {}),
      ...(given(module) ? { module: this.#text(module) } : {}),
      ...(given(offset) ? { offset: natural(offset) } : {}),
      ...(given(inlined) ? { inlined: list(inlined, 'inlined frames').map((inner) => this.#inlined(inner)) } : {}),
      ...(this.#keepFields && given(fields) ? { fields: membersText(fields) } : {}),
    };
  }

  #inlined(json: unknown): InlinedFrame {
    const [fn, file, line] = list(json, 'an inlined frame');
    return { fn: this.#text(fn), ...(given(file) ? { file: this.#text(file) } : {}), ...(given(line) ? { line: natural(line) } : {}) };
  }

  /** A frame's text: written out, and then the next number's, or by its number. */
  #text(value: unknown): string {
    if (typeof value === 'number') {
      const known = this.#texts[natural(value)];
      if (known === undefined) throw new Error('a text that is not there');
      return known;
    }
    this.#texts.push(text(value));
    return this.#texts.at(-1) as string;
  }

  #headerAndThreads(json: Record<string, unknown>): void {
    if (json['header'] !== undefined) this.#header(record(json['header'], 'the header'));
    for (const thread of list(json['threads'] ?? [], 'threads')) this.#thread(list(thread, 'a thread'));
  }

  #header(json: Record<string, unknown>): void {
    const header = this.#trace.header as Record<string, unknown>;
    for (const field of PLAIN_FIELDS) {
      if (!Object.hasOwn(json, field)) continue;
      const value = json[field];
      if (field === 'mapsFields' && !this.#keepFields) continue;
      header[field] =
        field === 'mapsFields' ? membersText(value) : NUMBERS.has(field) ? natural(value) : FLAGS.has(field) ? flag(value) : text(value);
    }
    for (const field of WIDE_FIELDS) if (Object.hasOwn(json, field)) header[field] = wide(json[field]);
    if (((header['startTime'] as bigint | undefined) ?? 0n) >= BigInt(TIMES_END)) throw new Error('a start that no clock has');
    if (Object.hasOwn(json, 'other')) header['other'] = membersOf(`{${membersText(json['other'])}}`);
  }

  #thread([row, tid, ...more]: readonly unknown[]): void {
    const { threads } = this.#trace;
    const at = natural(row);
    if (at > this.threads.length) throw new Error('threads out of order');
    if (at === this.threads.length) {
      // Several threads may have had one id after the other.
      threads.forget(natural(tid));
      this.threads.push(threads.intern(natural(tid)));
    }
    const thread = this.threads[at];
    const { name, prngSeed, fields } = this.#threadFacts(more);
    threads.names[thread] = name;
    threads.prngSeeds[thread] = prngSeed;
    threads.fields[thread] = fields;
  }

  #idleThread([tid, ...more]: readonly unknown[]): void {
    const facts = this.#threadFacts(more);
    if (this.#keepFields) this.#trace.idleThreads.set(natural(tid), facts);
  }

  #threadFacts([name, seed, fields]: readonly unknown[]): ThreadFacts {
    return {
      name: given(name) ? text(name) : undefined,
      prngSeed: given(seed) ? wide(seed) : undefined,
      fields: this.#keepFields && given(fields) ? membersText(fields) : undefined,
    };
  }
}

function threadJson(tid: number, { name, prngSeed, fields }: ThreadFacts): ThreadJson {
  return cut([tid, name ?? null, prngSeed === undefined ? null : hex(prngSeed), fields ?? null]);
}

/** Without what is null at the end. */
function cut(json: unknown[]): unknown[] {
  while (json.length > 0 && json.at(-1) === null) json.pop();
  return json;
}

const hex = (value: bigint) => `0x${value.toString(16)}`;

const given = (value: unknown) => value !== undefined && value !== null;

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not an object`);
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what}: not a list`);
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new Error('not a text');
  return value;
}

/** Members of a JSON object, which become a part of a line. */
function membersText(value: unknown): string {
  const members = text(value);
  if (members.includes('\n')) throw new Error('fields of several lines');
  record(JSON.parse(`{${members}}`), 'fields');
  return members;
}

function flag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new Error('not true or false');
  return value;
}

function natural(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Error('not a whole number');
  return value;
}

function wide(value: unknown): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-f]{1,16}$/.test(value)) throw new Error('not a 64-bit number in hex');
  return BigInt(value);
}
