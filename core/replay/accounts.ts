/**
 * A trace's accounts: what it asked for and gave back, without a model of the allocator.
 * Invariant: an object of the live table is live in the trace.
 * Differs from a replay (replay.ts), of which it is the part that needs nothing of the allocator: objects lie in no region. Commands which ask for no more
 * need not load the rest.
 */
import { HEAP_COLUMNS } from '../columns.ts';
import { ColumnMemory } from '../memory.ts';
import { BATCH_EVENTS, EVENT_BYTES, EventBatch, Op } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import type { Skipped, Trace } from '../trace/trace.ts';
import { NO_STACK, type StackIndex } from '../units.ts';
import { bookLane } from './account_lane.ts';
import { Ledger } from './ledger.ts';
import { LiveObjects } from './live.ts';
import { NO_MEMORY } from './live_row.ts';
import { AddressNumbers, type NumberedBatch } from './numbers.ts';
import { EventWindow } from './event_window.ts';
import type { Region } from '../extent/types.ts';

/** Settings of accounts. */
export interface AccountOptions {
  /** Stop before the event with this number, or after the last event at or before this time (ns since start_ts). */
  readonly until?: { readonly event: number } | { readonly time: number };
  /** What a free of an unknown address does: it is counted (default), or an InputError. */
  readonly unmatched?: 'count' | 'error';
  /** Whether the ledger has an account for each context (default), or, at a fraction of the time, only the totals. */
  readonly contexts?: boolean;
  /** Name of the trace in error messages. */
  readonly name?: string;
}

/** Accounts being kept. Feed them batches with `take`, then call `finish`. */
export class AccountReplay {
  readonly trace: Trace;
  readonly ledger: Ledger;
  /** Events taken so far. */
  eventCount = 0;
  readonly #options: AccountOptions;
  protected readonly live: LiveObjects;
  /** How compiled code sees batches; none without a memory for it, until it is needed. */
  #window: EventWindow | undefined;
  /** Numbers of addresses, for formats that number no blocks. */
  #addresses: AddressNumbers | undefined;
  /** Time of the latest event, ns since start_ts. */
  protected now = 0;
  /** Counted here and not on the trace, so that a trace can be replayed twice. */
  protected readonly skipped: Skipped = Object.create(null) as Skipped;
  protected partial = false;
  #stopped = false;
  /** The ledger has calls that were not taken here. */
  #isBooked = false;
  /** Rows of the threads that the events taken are of, where `until` is given. */
  readonly #threads = new Set<number>();

  /** @param memory where the tables are to lie; default: JavaScript's own heap */
  constructor(trace: Trace, options: AccountOptions = {}, memory?: ColumnMemory) {
    this.trace = trace;
    this.#options = options;
    const columns = memory ?? HEAP_COLUMNS;
    this.live = new LiveObjects(columns);
    this.ledger = new Ledger(options.contexts ?? true, columns);
    if (memory !== undefined) this.#window = new EventWindow(memory);
  }

  /**
   * An empty batch for this replay: where there is a model, its columns lie where the replay reads them, and nothing of them need be copied.
   * @param numbered whether it is to have columns for numbers of blocks
   */
  newBatch(capacity: number = BATCH_EVENTS, numbered = false): EventBatch {
    const memory = this.#window?.memory;
    const start = memory?.take(capacity * EVENT_BYTES);
    const batch = new EventBatch(capacity, memory?.buffer, start);
    batch.stack.fill(NO_STACK);
    if (numbered) {
      batch.object = memory?.int32(capacity) ?? new Int32Array(capacity);
      batch.oldObject = memory?.int32(capacity) ?? new Int32Array(capacity);
    }
    return batch;
  }

  /** How compiled code sees batches. @throws InputError as ColumnMemory does */
  protected get window(): EventWindow {
    return (this.#window ??= new EventWindow(new ColumnMemory()));
  }

  /** Time of the latest event taken, ns since start_ts. */
  get endTime(): number {
    return this.now;
  }

  /** Threads of the trace; up to where `until` stopped it, beyond which the reader has got. */
  get threadCount(): number {
    return this.#stopped ? this.#threads.size : this.trace.threads.length;
  }

  /** Says that who reads the trace has booked `events` events in the ledger itself, the last one at `time`: of a replay without a model. */
  booked(events: number, time: number): void {
    this.#isBooked = true;
    this.eventCount += events;
    if (events > 0 && time > this.now) this.now = time;
  }

  /** Runs a batch of events. False once `until` is reached: the replay takes no more. @throws InputError for an unknown address, if asked to. */
  take(batch: EventBatch): boolean {
    if (this.#stopped) return false;
    const { until } = this.#options;
    let rows = batch.length;
    if (until !== undefined) {
      if ('event' in until) rows = Math.min(rows, until.event - this.eventCount);
      else for (rows = 0; rows < batch.length && batch.time[rows] <= until.time; ) rows++;
      this.#stopped = rows < batch.length;
      for (let row = 0; row < rows; row++) this.#threads.add(batch.thread[row]);
    }
    this.runRows(this.#number(batch), rows);
    return !this.#stopped && !(until !== undefined && 'event' in until && this.eventCount === until.event);
  }

  /** The batch with its blocks numbered. */
  #number(batch: EventBatch): NumberedBatch {
    if (batch.object !== undefined && batch.oldObject !== undefined) return { batch, object: batch.object, old: batch.oldObject };
    this.#addresses ??= new AddressNumbers(this.window);
    return this.#addresses.number(batch);
  }

  /** Checks the numbers of addresses, if it was this that gave them. @throws Error naming what does not hold. */
  protected checkNumbers(): void {
    this.#addresses?.check();
  }

  /** Runs the first `rows` events of a batch: books them. */
  protected runRows(numbers: NumberedBatch, rows: number): void {
    const { batch, object, old } = numbers;
    const { time } = batch;
    for (let row = 0; row < rows; ) {
      const stop = bookLane(this.live, this.ledger, batch, object, old, row, rows, this.eventCount, this.now);
      if (stop > row && time[stop - 1] > this.now) this.now = time[stop - 1];
      this.eventCount += stop - row;
      row = stop;
      if (row === rows) break;
      if (time[row] > this.now) this.now = time[row];
      this.#accountOne(numbers, row);
      this.eventCount++;
      row++;
    }
  }

  /** Books one row of any kind. */
  #accountOne({ batch, object, old }: NumberedBatch, row: number): void {
    const { op, size, extra, stack } = batch;
    const number = object[row];
    const kind = op[row];
    if (kind === Op.free) {
      if (number === 0 && batch.ptr[row] === 0) this.skip('free_null');
      else if (this.#drop(number, batch.ptr[row])) this.ledger.frees++;
    } else if (kind < Op.free) {
      const many = kind === Op.calloc || kind === Op.reallocarray;
      const requested = many ? extra[row] * size[row] : size[row];
      const moves = kind === Op.realloc || kind === Op.reallocarray;
      const former = moves ? batch.old[row] : 0;
      if (number === 0 && (requested !== 0 || former === 0)) {
        this.skip('failed');
      } else {
        const freed = former !== 0 && this.#drop(old[row], former);
        if (number !== 0) this.#book(number, requested, stack[row] as StackIndex);
        else if (freed) this.ledger.frees++;
      }
    }
  }

  /** Takes an object out of the accounts; false, counted, if there is none. */
  #drop(number: number, address: number): boolean {
    if (!this.live.has(number)) {
      this.unknown(address);
      return false;
    }
    this.forget(number);
    return true;
  }

  /** Books a new object. What was live at its address has lost its free: that object ends here. */
  #book(number: number, requested: number, stack: StackIndex): void {
    const live = this.live;
    if (live.has(number)) {
      this.skip('reused');
      this.forget(number);
    }
    live.put(number, NO_MEMORY, requested, stack);
    live.latest = number;
    this.ledger.allocate(stack, requested, this.now, this.eventCount);
  }

  /** Takes an object from the live ones and out of the ledger, and gives its region. */
  protected forget(number: number): Region | typeof NO_MEMORY {
    const live = this.live;
    const stack = live.stack(number);
    if (number === live.latest) this.ledger.freeTemporary(stack);
    live.latest = 0;
    this.ledger.free(stack, live.size(number));
    const region = live.region(number);
    live.remove(number);
    return region;
  }

  /** Counts a free of an address where nothing lives. @throws InputError if that is asked for. */
  protected unknown(ptr: number): void {
    this.skip('free_unknown');
    if (this.#options.unmatched !== 'error') return;
    throw new InputError(
      this.eventPlace,
      `free of 0x${ptr.toString(16)}, which is not live`,
      'the trace starts mid-run, or has lost events; pass --unmatched count',
    );
  }

  /** The event in progress, as a place of errors. */
  protected get eventPlace(): string {
    return `${this.#options.name ?? 'trace'}: event ${this.eventCount}`;
  }

  /** Counts an event that was not taken. */
  protected skip(reason: keyof Skipped): void {
    this.skipped[reason] = (this.skipped[reason] ?? 0) + 1;
  }

  /** Ends the replay. `partial` says that the trace was not read to its end. */
  finish(partial: boolean): void {
    this.partial = partial || this.#stopped;
    if (this.ledger.totalPeakBytes > Number.MAX_SAFE_INTEGER && !this.#isBooked) this.ledger.recount(this.live);
  }
}
