/**
 * What each allocation context asked for and gave back, in requested bytes: the program's view, before size classes.
 * Invariant: a row's liveObjects = objects allocated under it and not freed; sums over all rows equal the totals.
 * Differs from the tables of the allocator: a row's fields lie side by side, one cache line a row, because an event touches all of them.
 */
import { type Columns, grown, HEAP_COLUMNS, type RowColumn } from '../columns.ts';
import type { StackIndex } from '../units.ts';
import type { LiveObjects } from './live.ts';
import {
  ALLOC_OBJECTS,
  ALLOC_BYTES,
  LIVE_OBJECTS,
  LIVE_BYTES,
  FIRST_TIME,
  LAST_TIME,
  PEAK_BYTES,
  PEAK_TIME,
  FIELDS,
} from './ledger_row.ts';

/** The account of one allocation context. */
export interface LedgerRow {
  readonly stack: StackIndex;
  readonly allocObjects: number;
  /** Requested bytes ever allocated. */
  readonly allocBytes: number;
  readonly liveObjects: number;
  /** Requested bytes live now. */
  readonly liveBytes: number;
  /** Time of the first and last allocation, ns since start_ts. */
  readonly firstTime: number;
  readonly lastTime: number;
  /** Most bytes that were live at once, and when that was first reached, ns. */
  readonly peakBytes: number;
  readonly peakTime: number;
  /** Objects that the very next call freed: heaptrack's temporary allocations. 0 where a model was replayed. */
  readonly temporaryObjects: number;
}

/** Columns with a row for each context that ever allocated, in the order of their stacks. */
export interface LiveContexts {
  readonly stacks: RowColumn<StackIndex>;
  /** Row -> requested bytes and objects live now; longer than `stacks`. */
  readonly bytes: Float64Array;
  readonly objects: Float64Array;
  /** Time of the first allocation of any context, ns; Infinity if there was none. */
  readonly firstTime: number;
}

/** Accounts by stack. */
export class Ledger {
  /** Whether contexts are booked, or only the totals. */
  readonly contexts: boolean;
  /** Row s + 1 is stack s, row 0 the empty backtrace; FIELDS numbers each. */
  #fields: Float64Array;
  /** Row -> temporary objects: apart from the rest, which few frees need. */
  #temporary = new Float64Array(64);

  readonly #columns: Columns;

  constructor(contexts = true, columns: Columns = HEAP_COLUMNS) {
    this.contexts = contexts;
    this.#columns = columns;
    this.#fields = columns.float64(64 * FIELDS);
  }

  // -0: a field that is a double from its start never changes its representation, however much is booked
  /** Requested bytes live now, over all contexts. */
  totalLiveBytes = -0;
  totalLiveObjects = -0;
  totalBytes = -0;
  totalObjects = -0;
  /** Most requested bytes live at once, and the time and event number when that was first reached. */
  totalPeakBytes = -0;
  totalPeakTime = -0;
  totalPeakEvent = -1;

  totalTemporaryObjects = 0;
  /** Frees of live objects; objects that a realloc replaced are not counted. */
  frees = 0;
  /** True from a new peak on; whoever takes note of it sets it back. */
  newPeak = false;

  /** Books an allocation of `bytes` under `stack` at `time`, event number `event`. */
  allocate(stack: StackIndex, bytes: number, time: number, event: number): void {
    this.totalObjects++;
    this.totalLiveObjects++;
    this.totalBytes += bytes;
    this.totalLiveBytes += bytes;
    if (this.totalLiveBytes > this.totalPeakBytes) this.setPeak(this.totalLiveBytes, time, event);
    if (this.contexts) this.allocateContext(stack, bytes, time);
  }

  /**
   * Books the totals of a stretch of calls at once: its allocations and their bytes, the objects that frees and reallocs ended, and the bytes live after
   * it. Its peak and its contexts are booked apart.
   */
  addTotals(allocations: number, bytes: number, frees: number, moves: number, liveBytes: number): void {
    this.totalObjects += allocations;
    this.totalBytes += bytes;
    this.totalLiveObjects += allocations - frees - moves;
    this.totalLiveBytes = liveBytes;
    this.frees += frees;
  }

  /** Notes the most bytes that have been live at once. */
  setPeak(bytes: number, time: number, event: number): void {
    this.totalPeakBytes = bytes;
    this.totalPeakTime = time;
    this.totalPeakEvent = event;
    this.newPeak = true;
  }

  /** The context's part of an allocation. */
  allocateContext(stack: StackIndex, bytes: number, time: number): void {
    const at = (stack + 1) * FIELDS;
    if (at >= this.#fields.length) this.#grow(at + FIELDS);
    const fields = this.#fields;
    if (fields[at + ALLOC_OBJECTS]++ === 0) fields[at + FIRST_TIME] = time;
    fields[at + LAST_TIME] = time;
    fields[at + ALLOC_BYTES] += bytes;
    fields[at + LIVE_OBJECTS]++;
    const live = fields[at + LIVE_BYTES] + bytes;
    fields[at + LIVE_BYTES] = live;
    if (live > fields[at + PEAK_BYTES]) {
      fields[at + PEAK_BYTES] = live;
      fields[at + PEAK_TIME] = time;
    }
  }

  /**
   * The accounts of all contexts, as ledger_row.ts lays them out, with room for stacks up to `stacks` - 1: for who books many calls at once. They are
   * where they are until the next call. Totals are booked apart.
   */
  reach(stacks: number): Float64Array {
    const length = (stacks + 1) * FIELDS;
    if (this.contexts && length > this.#fields.length) this.#grow(length);
    return this.#fields;
  }

  /** The accounts of all contexts, where they are now. */
  get accounts(): Float64Array {
    return this.#fields;
  }

  /** Books that the object of `stack` that is being freed was a temporary one; or so many that were. */
  freeTemporary(stack: StackIndex, objects = 1): void {
    if (this.contexts) this.#temporary[stack + 1] += objects;
    this.totalTemporaryObjects += objects;
  }

  /** Books that an object of `bytes`, allocated under `stack`, is gone. */
  free(stack: StackIndex, bytes: number): void {
    this.totalLiveObjects--;
    this.totalLiveBytes -= bytes;
    if (this.contexts) this.freeContext(stack, bytes);
  }

  /** The context's part of a free. */
  freeContext(stack: StackIndex, bytes: number): void {
    const at = (stack + 1) * FIELDS;
    const fields = this.#fields;
    fields[at + LIVE_OBJECTS]--;
    fields[at + LIVE_BYTES] -= bytes;
  }

  /**
   * Sums up the bytes of the objects that are live: where more than 2^53 were, sums of them have been rounded, and stay so when such an object is gone.
   * Sums above that are left as they are: rounding follows the order of the calls, whatever numbers objects have.
   */
  recount(live: LiveObjects): void {
    const fields = this.#fields;
    const sums = new Float64Array(fields.length / FIELDS);
    let total = 0;
    for (let number = 1; number < live.capacity; number++) {
      if (!live.has(number)) continue;
      total += live.size(number);
      if (this.contexts) sums[live.stack(number) + 1] += live.size(number);
    }
    if (total <= Number.MAX_SAFE_INTEGER) this.totalLiveBytes = total;
    if (!this.contexts) return;
    for (let row = 0; row < sums.length; row++) if (sums[row] <= Number.MAX_SAFE_INTEGER) fields[row * FIELDS + LIVE_BYTES] = sums[row];
  }

  /** The stacks of all contexts that ever allocated, in order. */
  stacks(): RowColumn<StackIndex> {
    const fields = this.#fields;
    const found = new Int32Array(fields.length / FIELDS);
    let length = 0;
    for (let at = 0; at < fields.length; at += FIELDS) if (fields[at + ALLOC_OBJECTS] !== 0) found[length++] = at / FIELDS - 1;
    return found.subarray(0, length) as RowColumn<StackIndex>;
  }

  /** What is live under the contexts that ever allocated. */
  live(): LiveContexts {
    const fields = this.#fields;
    const rows = fields.length / FIELDS;
    const stacks = new Int32Array(rows);
    const bytes = new Float64Array(rows);
    const objects = new Float64Array(rows);
    let length = 0;
    let firstTime = Number.POSITIVE_INFINITY;
    for (let at = 0; at < fields.length; at += FIELDS) {
      if (fields[at + ALLOC_OBJECTS] === 0) continue;
      stacks[length] = at / FIELDS - 1;
      bytes[length] = fields[at + LIVE_BYTES];
      objects[length++] = fields[at + LIVE_OBJECTS];
      if (fields[at + FIRST_TIME] < firstTime) firstTime = fields[at + FIRST_TIME];
    }
    return { stacks: stacks.subarray(0, length) as RowColumn<StackIndex>, bytes, objects, firstTime };
  }

  // A context's account, field by field (see LedgerRow): of half a million contexts an object for each takes longer than all that is done with them.

  allocObjects(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + ALLOC_OBJECTS];
  }

  allocBytes(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + ALLOC_BYTES];
  }

  liveObjects(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + LIVE_OBJECTS];
  }

  liveBytes(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + LIVE_BYTES];
  }

  firstTimeOf(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + FIRST_TIME];
  }

  lastTimeOf(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + LAST_TIME];
  }

  peakBytes(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + PEAK_BYTES];
  }

  peakTime(stack: StackIndex): number {
    return this.#fields[(stack + 1) * FIELDS + PEAK_TIME];
  }

  temporaryObjects(stack: StackIndex): number {
    return this.#temporary[stack + 1];
  }

  /** The accounts of all contexts that ever allocated, in order of stack index. */
  *rows(): Generator<LedgerRow> {
    for (const stack of this.stacks() as Iterable<StackIndex>) {
      yield {
        stack,
        allocObjects: this.allocObjects(stack),
        allocBytes: this.allocBytes(stack),
        liveObjects: this.liveObjects(stack),
        liveBytes: this.liveBytes(stack),
        firstTime: this.firstTimeOf(stack),
        lastTime: this.lastTimeOf(stack),
        peakBytes: this.peakBytes(stack),
        peakTime: this.peakTime(stack),
        temporaryObjects: this.temporaryObjects(stack),
      };
    }
  }

  /** Checks the accounts against the totals. @throws Error naming what differs. */
  check(): void {
    if (!this.contexts) return;
    const fields = this.#fields;
    let allocated = 0;
    let objects = 0;
    let bytes = 0;
    let temporary = 0;
    for (let at = 0; at < fields.length; at += FIELDS) {
      if (fields[at + LIVE_OBJECTS] < 0 || fields[at + LIVE_OBJECTS] > fields[at + ALLOC_OBJECTS])
        throw new Error('ledger: a context has other live objects than it allocated');
      if (fields[at + LIVE_BYTES] > fields[at + PEAK_BYTES]) throw new Error('ledger: a context has more live bytes than at its peak');
      allocated += fields[at + ALLOC_OBJECTS];
      objects += fields[at + LIVE_OBJECTS];
      bytes += fields[at + LIVE_BYTES];
      temporary += this.#temporary[at / FIELDS];
    }
    if (allocated !== this.totalObjects || objects !== this.totalLiveObjects || temporary !== this.totalTemporaryObjects)
      throw new Error('ledger: the contexts do not add up to the objects');
    // beyond that the sums are rounded, each in its own order
    if (this.totalPeakBytes <= Number.MAX_SAFE_INTEGER && bytes !== this.totalLiveBytes)
      throw new Error('ledger: the contexts do not add up to the live bytes');
  }

  #grow(length: number): void {
    this.#fields = this.#columns.grown(this.#fields, length);
    this.#temporary = grown(this.#temporary, this.#fields.length / FIELDS);
  }
}
