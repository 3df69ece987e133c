/**
 * The `trace` lines of an NDJSON trace: the header, and one at the end for what its writer knew only then.
 * Invariant: every key is taken, or kept as it is spelt in `header.other`; a header comes before the events.
 */
import type { SkipReason, Trace } from '../../core/trace/trace.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { TIMES_END } from '../shared/cursor.ts';
import { membersOf } from '../shared/json_parts.ts';
import type { TimeOrigin } from '../shared/time_origin.ts';
import type { EventLine } from './event_line.ts';
import { Key } from './line_keys.ts';
import { asObject, type JsonObject } from './json_object.ts';

/** Takes the keys of a `trace` line; `line` is the same line as the scanner reads it, with numbers that JSON.parse loses digits of. */
type TakeKey = (object: JsonObject, key: string, line: EventLine) => void;

/** Takes what `trace` lines say of a trace. */
export class TraceLines {
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #origin: TimeOrigin;
  /** True after the first one. */
  #opened = false;
  /** Key of any of these lines -> what it says; null says nothing. */
  readonly #taken: ReadonlyMap<string, TakeKey>;
  /** Key -> what it says at the end alone. */
  readonly #takenAtEnd: ReadonlyMap<string, TakeKey>;

  /** @param origin what the events' times are counted from; `start_ts` sets it */
  constructor(trace: Trace, builder: BatchBuilder, origin: TimeOrigin) {
    this.#trace = trace;
    this.#builder = builder;
    this.#origin = origin;
    const { header } = trace;
    this.#taken = new Map<string, TakeKey>([
      ['op', () => {}],
      ['version', () => {}],
      [
        'clock',
        (object, key) => {
          if (object.get(key) !== 'ns') throw object.error(`"clock" is not "ns"`);
        },
      ],
      ['command', (object, key) => (header.command = object.string(key))],
      ['source', (object, key) => (header.source = object.string(key))],
      ['pid', (object, key) => (header.pid = object.natural(key))],
      ['ncpus', (object, key) => (header.ncpus = object.natural(key))],
      ['page_size', (object, key) => (header.pageSize = object.natural(key))],
      ['start_ts', (object, _key, line) => this.#takeStart(object, line)],
      ['mmap_top', (object, key) => (header.mmapTop = object.hex(key))],
      ['program_break', (object, key) => (header.programBreak = object.hex(key))],
      ['prng_seed', (object, key) => (header.prngSeed = object.hex(key))],
    ]);
    this.#takenAtEnd = new Map<string, TakeKey>([
      ['end', () => {}],
      // What events were counted from cannot change any more.
      ['start_ts', () => {}],
      ['clock_start', (object, key) => (header.startTime = clockTime(object, key))],
      ['timed', (object, key) => (header.timed = object.boolean(key))],
      ['partial', (object, key) => (trace.partial = object.boolean(key) || trace.partial)],
      [
        'notes',
        (object, key) => {
          for (const note of stringsOf(object, key)) trace.warnings.push(note);
        },
      ],
      [
        'skipped',
        (object, key) => {
          const counts = asObject(object.get(key), object.error);
          if (counts === undefined) throw object.error('"skipped" is not an object of counts');
          for (const reason of counts.keys) trace.skip(reason as SkipReason, counts.natural(reason));
        },
      ],
    ]);
  }

  /**
   * Takes a line.
   * @param text how it is spelt
   * @throws InputError if it stands where none may, is of another version, or has a value that its key cannot have
   */
  take(object: JsonObject, text: string, line: EventLine): void {
    const { header } = this.#trace;
    const ends = this.#opened && object.get('end') === true;
    this.#opened = true;
    // What comes late does not change how the events before it are seen.
    if (ends) this.#builder.flush();
    else if (this.#builder.count > 0)
      throw object.error('the trace line comes after events', 'of two traces in one file, split it before this line');
    const version = object.get('version');
    if (version === undefined) throw object.error('trace without "version"');
    if (typeof version !== 'number') throw object.error('"version" is not a number; this program reads version 1');
    if (version !== 1) throw object.error(`version ${version} of the trace format is not known; this program reads version 1`);
    const other = new Map<string, string>();
    for (const [key, spelling] of membersOf(text)) {
      const takeAtEnd = ends ? this.#takenAtEnd.get(key) : undefined;
      const take = this.#taken.get(key);
      if (takeAtEnd !== undefined) takeAtEnd(object, key, line);
      else if (take === undefined) other.set(key, spelling);
      else if (object.has(key)) take(object, key, line);
    }
    if (other.size > 0) header.other = new Map([...(header.other ?? []), ...other]);
  }

  /** The time that events count from. */
  #takeStart(object: JsonObject, line: EventLine): void {
    if ((line.bad & Key.start_ts) !== 0) throw object.error(`"start_ts" is not an integer of nanoseconds`);
    const { header } = this.#trace;
    const { startSeconds, startNanos } = line;
    this.#origin.set(startSeconds, startNanos);
    header.startTime = this.#origin.toBigInt();
    header.startTimeGiven = true;
  }
}

/** A time of the recorder's clock, ns. @throws InputError if it is none */
function clockTime(object: JsonObject, key: string): bigint {
  const value = object.get(key);
  if (typeof value !== 'string' || !/^\d{1,19}$/.test(value) || BigInt(value) >= BigInt(TIMES_END))
    throw object.error(`"${key}" is not a string of digits, up to 2^63 - 1`);
  return BigInt(value);
}

/** @throws InputError if there is no list of strings under that key */
function stringsOf(object: JsonObject, key: string): readonly string[] {
  const value = object.get(key);
  if (!Array.isArray(value) || !value.every((part) => typeof part === 'string')) throw object.error(`"${key}" is not a list of strings`);
  return value;
}
