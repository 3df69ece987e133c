/**
 * Writes the tables of a compact trace (tables.ts).
 * Invariant: what has been written is not written again, unless it has changed.
 */
import type { Frame } from '../../core/trace/stacks.ts';
import type { ThreadFacts, Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { type FrameJson, MOST_SHARED, PLAIN_FIELDS, type TablesJson, type ThreadJson, WIDE_FIELDS } from './tables.ts';

/** What of the tables of a trace has been written, and what is new. */
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

function threadJson(tid: number, { name, prngSeed, fields }: ThreadFacts): ThreadJson {
  return cut([tid, name ?? null, prngSeed === undefined ? null : hex(prngSeed), fields ?? null]);
}

/** Without what is null at the end. */
function cut(json: unknown[]): unknown[] {
  while (json.length > 0 && json.at(-1) === null) json.pop();
  return json;
}

const hex = (value: bigint) => `0x${value.toString(16)}`;
