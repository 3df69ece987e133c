/**
 * What a trace's tables have got since the last look, for a copy of the trace in another thread.
 * Invariant: a trace that was empty and was given all news in order has the rows of the other one in its order, with the same keys in the same order.
 * Rows of frames and stacks never change; names and seeds of threads, header and counts may, and are compared at each look.
 */
import type { Frame } from '../../core/trace/stacks.ts';
import type { StackIndex } from '../../core/units.ts';
import type { Skipped, SkipReason, ThreadFacts, Trace, TraceHeader } from '../../core/trace/trace.ts';

/** A thread that is new or of which something else is known. */
interface ThreadNews {
  readonly row: number;
  readonly tid: number;
  readonly name: string | undefined;
  readonly prngSeed: bigint | undefined;
  readonly fields: string | undefined;
}

/** What is new; parts in which nothing is are missing. A message between threads takes it as it is. */
export interface TraceNews {
  /** Fields with their new values. */
  header?: TraceHeader;
  threads?: ThreadNews[];
  frames?: Frame[];
  /** Frame indices of the new stacks, one after the other, and how many each has. */
  stacks?: { readonly lengths: Uint32Array; readonly entries: Int32Array };
  /** Counts that have changed, as they are now. */
  skipped?: Skipped;
  warnings?: string[];
  eventFields?: [number, string][];
  stackFields?: [StackIndex, string][];
  idleThreads?: [number, ThreadFacts][];
  partial?: boolean;
  truncated?: boolean;
}

/** The fields of TraceHeader by name, in the order in which they were set. */
type Fields = Record<string, unknown>;

/** Looks at a trace that is being read. */
export class TraceWatch {
  readonly #trace: Trace;
  readonly #header = new Map<string, unknown>();
  readonly #names: (string | undefined)[] = [];
  readonly #seeds: (bigint | undefined)[] = [];
  readonly #threadFields: (string | undefined)[] = [];
  #stackFields = 0;
  #idleThreads = 0;
  readonly #skipped = new Map<string, number>();
  #frames = 0;
  #stacks = 0;
  #warnings = 0;
  #partial = false;
  #truncated = false;

  /** `trace` has nothing in it yet. */
  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** What is new since the last call; undefined if nothing is. Takes time in proportion to the threads and to what is new. */
  news(): TraceNews | undefined {
    const { header, skipped, stacks, warnings, eventFields, stackFields, idleThreads, partial, truncated } = this.#trace;
    const news: TraceNews = {};
    const fields = changed(header as Fields, this.#header);
    if (fields !== undefined) news.header = fields;
    const counts = changed(skipped as Fields, this.#skipped as Map<string, unknown>);
    if (counts !== undefined) news.skipped = counts;
    const threads = this.#threads();
    if (threads.length > 0) news.threads = threads;
    const { frames } = stacks.frames;
    if (frames.length > this.#frames) news.frames = frames.slice(this.#frames);
    this.#frames = frames.length;
    if (stacks.length > this.#stacks) {
      const starts = stacks.starts.subarray(this.#stacks, stacks.length + 1);
      const lengths = new Uint32Array(starts.length - 1);
      for (let i = 0; i < lengths.length; i++) lengths[i] = starts[i + 1] - starts[i];
      news.stacks = { lengths, entries: stacks.entries.slice(starts[0], starts[starts.length - 1]) };
    }
    this.#stacks = stacks.length;
    if (warnings.length > this.#warnings) news.warnings = warnings.slice(this.#warnings);
    this.#warnings = warnings.length;
    if (eventFields.size > 0) news.eventFields = [...eventFields];
    eventFields.clear();
    if (stackFields.size > this.#stackFields) news.stackFields = [...stackFields].slice(this.#stackFields);
    this.#stackFields = stackFields.size;
    if (idleThreads.size > this.#idleThreads) news.idleThreads = [...idleThreads].slice(this.#idleThreads);
    this.#idleThreads = idleThreads.size;
    if (partial !== this.#partial) news.partial = this.#partial = partial;
    if (truncated !== this.#truncated) news.truncated = this.#truncated = truncated;
    for (const _ in news) return news;
    return undefined;
  }

  #threads(): ThreadNews[] {
    const { tids, names, prngSeeds, fields } = this.#trace.threads;
    const news: ThreadNews[] = [];
    for (let row = 0; row < tids.length; row++) {
      const name = names[row];
      const prngSeed = prngSeeds[row];
      const known = row < this.#names.length && this.#names[row] === name && this.#seeds[row] === prngSeed;
      if (known && this.#threadFields[row] === fields[row]) continue;
      this.#names[row] = name;
      this.#seeds[row] = prngSeed;
      this.#threadFields[row] = fields[row];
      news.push({ row, tid: tids[row], name, prngSeed, fields: fields[row] });
    }
    return news;
  }
}

/** The fields that differ from those known, which learns them; undefined if there are none. Without a prototype: a recording may name its counts as it likes. */
function changed(fields: Fields, known: Map<string, unknown>): Fields | undefined {
  let news: Fields | undefined;
  for (const key in fields) {
    const value = fields[key];
    if (value === known.get(key) && known.has(key)) continue;
    known.set(key, value);
    (news ??= Object.create(null) as Fields)[key] = value;
  }
  return news;
}

/** Brings a trace up to date. */
export function addNews(trace: Trace, news: TraceNews): void {
  const { header, threads = [], frames = [], stacks, skipped = {}, warnings = [], partial, truncated } = news;
  const { eventFields = [], stackFields = [], idleThreads = [] } = news;
  Object.assign(trace.header, header);
  for (const thread of threads) addThread(trace, thread);
  for (const frame of frames) trace.stacks.frames.append(frame);
  if (stacks !== undefined) {
    let start = 0;
    for (const length of stacks.lengths) {
      trace.stacks.append(stacks.entries.subarray(start, start + length));
      start += length;
    }
  }
  for (const [reason, count] of Object.entries(skipped)) trace.skipped[reason as SkipReason] = count;
  for (const warning of warnings) trace.warnings.push(warning);
  for (const [event, fields] of eventFields) trace.eventFields.set(event, fields);
  for (const [stack, fields] of stackFields) trace.stackFields.set(stack, fields);
  for (const [tid, facts] of idleThreads) trace.idleThreads.set(tid, facts);
  trace.partial = partial ?? trace.partial;
  trace.truncated = truncated ?? trace.truncated;
}

function addThread({ threads }: Trace, { row, tid, name, prngSeed, fields }: ThreadNews): void {
  if (row === threads.length) {
    // Several threads may have had one id after the other.
    threads.forget(tid);
    threads.intern(tid);
  }
  threads.names[row] = name;
  threads.prngSeeds[row] = prngSeed;
  threads.fields[row] = fields;
}
