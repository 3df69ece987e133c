/**
 * What a trace says besides its events: where it comes from, which threads it has, and what of it could not be taken.
 * Invariant: a reader fills these tables as it goes, and rows are only ever appended; they are complete when it ends.
 * Differs from the recording: what says the same twice is here once.
 */
import { StackTable } from './stacks.ts';
import type { StackIndex, ThreadIndex } from '../units.ts';

/** Facts about the recorded process, each present only if the recording has it (NDJSON: the `trace` line, same names). */
export interface TraceHeader {
  /** The format that was read: "ltrace", "bpftrace", "ndjson" … */
  source?: string;
  command?: string;
  pid?: number;
  ncpus?: number;
  pageSize?: number;
  /** Absolute time of `time` 0 in the trace's own clock, ns; a bigint because wall-clock nanoseconds pass 2^53. */
  startTime?: bigint;
  /** True if start_ts was in the trace (NDJSON header), false or absent if it is the first event's time. */
  startTimeGiven?: boolean;
  /** False if the trace has no times: then an event's number is its time. */
  timed?: boolean;
  /** Address below which the allocator's first mapping lies. */
  mmapTop?: bigint;
  /** Program break when the allocator starts (NDJSON: `program_break`, an extension). */
  programBreak?: bigint;
  /** PRNG state of the main thread. */
  prngSeed?: bigint;
  /** Text of /proc/PID/maps. */
  maps?: string;
  /** What an NDJSON `maps` line has besides its text: members of a JSON object, as they were spelt (ReadOptions.keepFields). */
  mapsFields?: string;
  /** Members of an NDJSON `trace` line that this version does not know, by key, as they were spelt; kept for the way back. */
  other?: ReadonlyMap<string, string>;
}

/** What a recording says of a thread besides its id. */
export interface ThreadFacts {
  readonly name?: string | undefined;
  readonly prngSeed?: bigint | undefined;
  /** As ThreadTable's `fields`. */
  readonly fields?: string | undefined;
}

/** Threads in order of first appearance; row 0 is the main thread. */
export class ThreadTable {
  readonly tids: number[] = [];
  readonly names: (string | undefined)[] = [];
  readonly prngSeeds: (bigint | undefined)[] = [];
  /** What else a recording says of the thread: members of a JSON object, as they were spelt (ReadOptions.keepFields). */
  readonly fields: (string | undefined)[] = [];
  readonly #byTid = new Map<number, ThreadIndex>();

  get length(): number {
    return this.tids.length;
  }

  /** Row of the thread with this id, added if it is new. */
  intern(tid: number): ThreadIndex {
    let index = this.#byTid.get(tid);
    if (index === undefined) {
      index = this.tids.length as ThreadIndex;
      this.tids.push(tid);
      this.names.push(undefined);
      this.prngSeeds.push(undefined);
      this.fields.push(undefined);
      this.#byTid.set(tid, index);
    }
    return index;
  }

  /** Makes the next `intern` of this id give a new row: the system has given the id to another thread. */
  forget(tid: number): void {
    this.#byTid.delete(tid);
  }
}

/** Why an input line or event was not taken. Every one that is dropped is counted under one of these. */
export type SkipReason =
  | 'free_unknown' // free of an address that is not live
  | 'free_null' // free(NULL)
  | 'failed' // the call gave no memory
  | 'nested' // a call made inside another one that is already counted
  | 'phantom_free' // a free that the C library did to its own caches
  | 'lost' // events that the recorder says it lost
  | 'torn' // a line cut off or overwritten
  | 'unparsed' // a line that fits no rule of its format
  | 'no_address' // an allocation whose address the recorder could not see
  | 'no_return' // a call that never returned in the trace
  | 'no_entry' // a return whose call is not in the trace
  | 'mislabelled' // a call that the recorder names wrongly
  | 'other_process' // an event of another process than the one replayed
  | 'other_call' // a call or system call that is not the allocator's
  | 'late' // out of order by more than the window that is sorted
  | 'reused' // an allocation at an address that was still live: its free was lost
  | 'program_output' // what the program printed before the rest of a line, which was taken
  | 'note'; // a line that says something of the recording and no event

/** Counts by reason. Plain numbers on a null-prototype object, so that reasons print as they are named. */
export type Skipped = Partial<Record<SkipReason, number>>;

/** Everything a reader hands over besides event batches. */
export class Trace {
  readonly header: TraceHeader = {};
  readonly threads = new ThreadTable();
  readonly stacks = new StackTable();
  readonly skipped: Skipped = Object.create(null) as Skipped;
  /** Messages for the user about the recording as a whole, one sentence each ("the recorder lost 19748 events …"). */
  readonly warnings: string[] = [];
  /**
   * What events have besides their columns, by their numbers: members of a JSON object, as they were spelt. Filled where a reader is asked
   * for it (ReadOptions.keepFields); whoever writes them takes them out.
   */
  readonly eventFields = new Map<number, string>();
  /** What stacks have besides their frames, in the same spelling. A stack with such fields is a row of its own, whatever rows have the same frames. */
  readonly stackFields = new Map<StackIndex, string>();
  /** Threads that the recording describes and that have no event, by their ids (ReadOptions.keepFields): no row of `threads`, for whoever writes the trace. */
  readonly idleThreads = new Map<number, ThreadFacts>();
  /** True if the input stopped before its end (cut file, torn last line). */
  partial = false;
  /** True if compressed input broke off or has a wrong checksum. That is bad input, though what came through is used. */
  truncated = false;

  skip(reason: SkipReason, count = 1): void {
    this.skipped[reason] = (this.skipped[reason] ?? 0) + count;
  }
}
