/**
 * Reads the tables of a compact trace (tables.ts).
 * Invariant: nothing is believed: whatever is not what the writer writes is an error, and no few bytes become many frames.
 */
import type { Frame, InlinedFrame } from '../../core/trace/stacks.ts';
import type { SkipReason, ThreadFacts, Trace } from '../../core/trace/trace.ts';
import type { StackIndex, ThreadIndex } from '../../core/units.ts';
import { TIMES_END } from '../shared/cursor.ts';
import { membersOf } from '../shared/json_parts.ts';
import { MOST_SHARED, PLAIN_FIELDS, WIDE_FIELDS } from './tables.ts';

const NUMBERS: ReadonlySet<string> = new Set(['pid', 'ncpus', 'pageSize']);
const FLAGS: ReadonlySet<string> = new Set(['startTimeGiven', 'timed']);

/** The tables read so far, as rows of a trace. */
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
