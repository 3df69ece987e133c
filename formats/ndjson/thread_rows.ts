/**
 * Threads of an NDJSON trace: rows for the ids that its lines have.
 * Invariant: an id is of one thread at a time; the first event with it behind a thread's exit is another thread's.
 * `thread` lines describe threads, and one may describe a thread before any event of it.
 */
import type { ThreadFacts, Trace } from '../../core/trace/trace.ts';
import type { ThreadIndex } from '../../core/units.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import type { EventLane } from './event_lane.ts';

/** Thread id -> row. */
export class ThreadRows {
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lane: EventLane;
  /** What `thread` lines said of threads that have had no event since. */
  readonly #facts = new Map<number, ThreadFacts>();
  readonly #rows = new Map<number, ThreadIndex>();
  #lastTid = -1;
  #lastRow = 0;

  constructor(trace: Trace, builder: BatchBuilder, lane: EventLane) {
    this.#trace = trace;
    this.#builder = builder;
    this.#lane = lane;
  }

  /** The row of an event's thread. */
  of(tid: number): number {
    if (tid === this.#lastTid) return this.#lastRow;
    const known = this.#lane.threadOf(tid);
    return known < 0 ? this.#add(tid) : known;
  }

  /** The thread has ended, and the system may give its id to another one. */
  forget(tid: number): void {
    this.#trace.threads.forget(tid);
    this.#rows.delete(tid);
    this.#lastTid = -1;
    this.#lane.forgetThread(tid);
  }

  /** Takes what a `thread` line says; `nth` is the row that it names. */
  take(tid: number, nth: unknown, facts: ThreadFacts): void {
    const running = this.#named(nth, tid) ?? this.#rows.get(tid);
    if (running === undefined) {
      this.#facts.set(tid, { ...this.#facts.get(tid), ...facts });
      return;
    }
    // What comes late does not change how the events before it are seen.
    this.#builder.flush();
    this.#describe(running, facts);
  }

  /** What was said of ids whose threads had all ended, and after which no other came, is the last one's. With `keepIdle` that of ids without events is kept. */
  end(keepIdle: boolean): void {
    if (this.#facts.size === 0) return;
    const { threads, idleThreads } = this.#trace;
    const last = new Map(threads.tids.map((tid, thread) => [tid, thread as ThreadIndex]));
    for (const [tid, facts] of this.#facts) {
      const thread = last.get(tid);
      if (thread !== undefined) this.#describe(thread, facts);
      else if (keepIdle) idleThreads.set(tid, facts);
    }
  }

  #add(tid: number): number {
    let row = this.#rows.get(tid);
    if (row === undefined) {
      row = this.#trace.threads.intern(tid);
      this.#rows.set(tid, row);
      this.#describe(row, this.#facts.get(tid) ?? {});
      this.#facts.delete(tid);
    }
    this.#lastTid = tid;
    this.#lastRow = row;
    this.#lane.setThread(tid, row);
    return row;
  }

  /** The row that `nth` says, where it can be this thread's; the next one is a new thread. */
  #named(nth: unknown, tid: number): ThreadIndex | undefined {
    const { threads } = this.#trace;
    if (typeof nth !== 'number') return undefined;
    if (nth === threads.length) {
      this.forget(tid);
      return threads.intern(tid);
    }
    return threads.tids[nth] === tid ? (nth as ThreadIndex) : undefined;
  }

  #describe(row: ThreadIndex, { name, prngSeed, fields }: ThreadFacts): void {
    const { threads } = this.#trace;
    threads.names[row] = name ?? threads.names[row];
    threads.prngSeeds[row] = prngSeed ?? threads.prngSeeds[row];
    threads.fields[row] = fields ?? threads.fields[row];
  }
}
