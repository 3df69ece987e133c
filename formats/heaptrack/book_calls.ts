/**
 * Calls of interpreted files booked as they are read, where nothing but accounts is wanted of them.
 * Invariant: the accounts are those of the events that AppendedInfos appends (append_calls.ts), booked one by one (core/replay/account_lane.ts).
 * Differs: no blocks. A call names its info, and with it size and stack, so that how many blocks live under an info is all that must be known; and
 * since a free takes the latest one, it ends a temporary allocation if the call before was an allocation under the same info.
 *
 * Of a recording with hundreds of thousands of infos each call waits for memory. An info whose stack no other one has is a context of its own: its calls are
 * counted in its row alone, and booked in the ledger at the end. Peaks are exact so: what lives is a multiple of one size.
 */
import { grown, type RowColumn } from '../../core/columns.ts';
import {
  ALLOC_BYTES,
  ALLOC_OBJECTS,
  FIELDS,
  FIRST_TIME,
  LAST_TIME,
  LIVE_BYTES,
  LIVE_OBJECTS,
  PEAK_BYTES,
  PEAK_TIME,
} from '../../core/replay/ledger_row.ts';
import type { StackTable } from '../../core/trace/stacks.ts';
import type { Accounts } from '../format.ts';
import { FIRST, LAST, LIVE, OBJECTS, PEAK, PEAK_AT, SIZES, WORDS } from './account_row.ts';
import { AllocationInfos } from './infos.ts';
import type { StackIndex } from '../../core/units.ts';

/** Words of as many rows as a processor keeps near: where there are more, they are fetched ahead. */
const CACHED_WORDS = 1 << 17;
/** The largest block, bytes, and the most calls whose products are exact. */
const MOST_BYTES = 1 << 22;
const MOST_CALLS = 2 ** 30;
/** Values of `#owners` besides infos. */
const NONE = 0;
const SEVERAL = -1;

/** Allocation infos, and the accounts of those that are contexts of their own. */
export class BookedInfos extends AllocationInfos {
  readonly #accounts: Accounts;
  readonly #table: StackTable;
  /** As account_row.ts lays them out. */
  #sizes: Float64Array<ArrayBuffer> = new Float64Array(1024 * SIZES);
  #words: Int32Array<ArrayBuffer> = new Int32Array(this.#sizes.buffer);
  /** Info -> StackIndex, and how many of its blocks the very next call freed. */
  #stacks = new Int32Array(1024) as RowColumn<StackIndex>;
  #temporary = new Int32Array(1024);
  /** StackIndex + 1 -> the info + 1 that alone has it, NONE or SEVERAL. */
  #owners = new Int32Array(1024);
  /** Times of calls, ns, each once. */
  #times = new Float64Array(64);
  #lastTime = -1;
  /** Rows of the ledger that are booked in as calls are read. */
  #booked = 0;
  /** The info of the last call, if that was an allocation, else -1. */
  #latest = -1;
  /** Calls that may still be counted in infos' rows. */
  #countable = MOST_CALLS;
  /** See `touch`. */
  touched = 0;

  constructor(accounts: Accounts, table: StackTable) {
    super();
    this.#accounts = accounts;
    this.#table = table;
  }

  override add(size: number, stack: number, reallocates: boolean): void {
    const info = this.length++;
    if (info === this.#stacks.length) {
      this.#stacks = grown(this.#stacks, info + 1);
      this.#temporary = grown(this.#temporary, info + 1);
      this.#sizes = grown(this.#sizes, this.#stacks.length * SIZES);
      this.#words = new Int32Array(this.#sizes.buffer);
    }
    const words = this.#words;
    const place = info * WORDS;
    this.#sizes[info * SIZES] = size;
    this.#stacks[info] = stack as StackIndex;
    words[place + LIVE] = reallocates ? 1 : 0;
    words[place + PEAK] = words[place + LIVE];
    if (stack + 1 >= this.#owners.length) this.#owners = grown(this.#owners, stack + 2);
    const owner = this.#owners[stack + 1];
    const alone = owner === NONE && size <= MOST_BYTES && this.#countable > 0 && this.#accounts.ledger.contexts;
    this.#owners[stack + 1] = alone ? info + 1 : SEVERAL;
    if (alone) return;
    words[place + OBJECTS] = ~(stack + 1);
    this.#booked = Math.max(this.#booked, stack + 1);
    if (owner > NONE) this.#settle(owner - 1);
  }

  /** Books the calls. */
  override take(calls: Int32Array, count: number, time: number): number {
    const accounts = this.#accounts;
    const { ledger } = accounts;
    const { contexts } = ledger;
    if (this.#countable > 0) {
      if (this.#countable < count) this.#settleAll();
      else this.#countable -= count;
    }
    const fields = ledger.reach(this.#booked);
    const sizes = this.#sizes;
    const words = this.#words;
    const temporary = this.#temporary;
    const now = this.#timeRow(time);
    let latest = this.#latest;
    let { freed } = this;
    let bytes = 0;
    let frees = 0;
    let moves = 0;
    let liveBytes = ledger.totalLiveBytes;
    let peakBytes = ledger.totalPeakBytes;
    /** Of these calls' events, the one of the highest peak; that of -1 is the free before, which the first call has made part of a realloc. */
    let peakEvent = -2;
    if (words.length > CACHED_WORDS) this.touched = touch(words, calls, count);
    let i = 0;
    for (; i < count; i++) {
      const call = calls[i];
      const info = call >> 1;
      const place = info * WORDS;
      const requested = sizes[info * SIZES];
      const objects = words[place + OBJECTS];
      let live = words[place + LIVE];
      if ((call & 1) !== 0) {
        if (live < 2) break;
        words[place + LIVE] = live - 2;
        liveBytes -= requested;
        frees++;
        if (info === latest) temporary[info]++;
        latest = -1;
        freed = true;
        if (objects < 0 && contexts) {
          const at = ~objects * FIELDS;
          fields[at + LIVE_OBJECTS]--;
          fields[at + LIVE_BYTES] -= requested;
        }
        continue;
      }
      live += 2;
      words[place + LIVE] = live;
      // the free was part of this call
      if (freed && (live & 1) !== 0) moves++;
      freed = false;
      latest = info;
      bytes += requested;
      liveBytes += requested;
      if (liveBytes > peakBytes) {
        peakBytes = liveBytes;
        peakEvent = i - moves;
      }
      if (objects >= 0) {
        if (objects === 0) words[place + FIRST] = now;
        words[place + OBJECTS] = objects + 1;
        words[place + LAST] = now;
        if (live > words[place + PEAK]) {
          words[place + PEAK] = live;
          words[place + PEAK_AT] = now;
        }
      } else if (contexts) {
        const at = ~objects * FIELDS;
        if (fields[at + ALLOC_OBJECTS]++ === 0) fields[at + FIRST_TIME] = time;
        fields[at + LAST_TIME] = time;
        fields[at + ALLOC_BYTES] += requested;
        fields[at + LIVE_OBJECTS]++;
        const held = fields[at + LIVE_BYTES] + requested;
        fields[at + LIVE_BYTES] = held;
        if (held > fields[at + PEAK_BYTES]) {
          fields[at + PEAK_BYTES] = held;
          fields[at + PEAK_TIME] = time;
        }
      }
    }
    if (i === 0) return 0;
    this.#latest = latest;
    this.freed = freed;
    ledger.addTotals(i - frees, bytes, frees - moves, moves, liveBytes);
    if (peakEvent > -2) ledger.setPeak(peakBytes, time, accounts.eventCount + peakEvent);
    accounts.booked(i - moves, time);
    return i;
  }

  override end(): void {
    const { ledger } = this.#accounts;
    this.#settleAll();
    const temporary = this.#temporary;
    for (let info = 0; info < this.length; info++) if (temporary[info] > 0) ledger.freeTemporary(this.#stacks[info], temporary[info]);
  }

  /** The row of a time, ns, in `#times`. */
  #timeRow(time: number): number {
    if (this.#lastTime >= 0 && this.#times[this.#lastTime] === time) return this.#lastTime;
    const row = ++this.#lastTime;
    if (row === this.#times.length) this.#times = grown(this.#times, row + 1);
    this.#times[row] = time;
    return row;
  }

  /** Books what is counted in rows, and counts there no more. */
  #settleAll(): void {
    this.#countable = 0;
    this.#booked = this.#table.length;
    const fields = this.#accounts.ledger.reach(this.#booked);
    for (let info = 0; info < this.length; info++) if (this.#words[info * WORDS + OBJECTS] >= 0) this.#settle(info, fields);
  }

  /** Books what is counted in the row of an info, whose calls are booked in the ledger from now on. */
  #settle(info: number, fields = this.#accounts.ledger.reach(this.#booked)): void {
    const words = this.#words;
    const times = this.#times;
    const place = info * WORDS;
    const objects = words[place + OBJECTS];
    const row = this.#stacks[info] + 1;
    words[place + OBJECTS] = ~row;
    if (objects === 0) return;
    const size = this.#sizes[info * SIZES];
    const at = row * FIELDS;
    fields[at + ALLOC_OBJECTS] = objects;
    fields[at + ALLOC_BYTES] = objects * size;
    fields[at + LIVE_OBJECTS] = words[place + LIVE] >> 1;
    fields[at + LIVE_BYTES] = (words[place + LIVE] >> 1) * size;
    fields[at + FIRST_TIME] = times[words[place + FIRST]];
    fields[at + LAST_TIME] = times[words[place + LAST]];
    const peak = (words[place + PEAK] >> 1) * size;
    fields[at + PEAK_BYTES] = peak;
    fields[at + PEAK_TIME] = peak > 0 ? times[words[place + PEAK_AT]] : 0;
  }
}

/**
 * Reads the rows that calls will need, one after the other without anything to decide between them, so that the processor waits for many at once. The sum is
 * of no use but that the reading must be done.
 */
function touch(words: Int32Array, calls: Int32Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum ^= words[(calls[i] >> 1) * WORDS];
  return sum;
}
