/**
 * The fast lane of accounts without a model: calls that allocate, move or free what lives, which are nearly all.
 * Invariant: what a row does here is what `#accountOne` of accounts.ts does; a row that is to be counted as anything else ends the stretch untouched.
 * Differs: one loop over many calls, with the totals in locals, written back at the end of the stretch.
 */
import type { EventBatch } from '../trace/events.ts';
import { Op } from '../trace/events.ts';
import type { Ledger } from './ledger.ts';
import type { LiveObjects } from './live.ts';
import { FREE, MANY, NO_MEMORY, REGION, REQUESTED, WORDS } from './live_row.ts';

/**
 * Books rows from `from` on, to `to` - 1 at most, as long as they are such calls.
 * `object` and `oldObject` number the rows' blocks. `event` is the event number of row `from`, `start` the time before it, ns.
 * @returns The first row that was not booked.
 */
export function bookLane(
  live: LiveObjects,
  ledger: Ledger,
  batch: EventBatch,
  object: Int32Array,
  oldObject: Int32Array,
  from: number,
  to: number,
  event: number,
  start: number,
): number {
  const { malloc, realloc, free } = Op;
  const { words, stacks, capacity } = live;
  const { op, time, size, old, stack } = batch;
  const { contexts } = ledger;
  let bytes = 0;
  let mallocs = 0;
  let frees = 0;
  let moves = 0;
  let liveBytes = ledger.totalLiveBytes;
  let peakBytes = ledger.totalPeakBytes;
  let peakTime = start;
  let peakRow = -1;
  let latest = live.latest;
  let now = start;
  let row = from;
  for (; row < to; row++) {
    const kind = op[row];
    const number = object[row];
    if (number >= capacity) break;
    const word = number * WORDS;
    if (kind === free) {
      const requested = words[word + REQUESTED];
      if (words[word + REGION] === FREE || requested === MANY) break;
      words[word + REGION] = FREE;
      liveBytes -= requested;
      frees++;
      if (number === latest) ledger.freeTemporary(stacks[number]);
      latest = 0;
      if (contexts) ledger.freeContext(stacks[number], requested);
      continue;
    }
    if ((kind !== malloc && kind !== realloc) || number === 0 || size[row] >= MANY) break;
    if (kind === realloc && old[row] !== 0) {
      const former = oldObject[row];
      if (former >= capacity || words[former * WORDS + REGION] === FREE) break;
      if (former !== number && words[word + REGION] !== FREE) break;
      const requested = words[former * WORDS + REQUESTED];
      if (requested === MANY) break;
      words[former * WORDS + REGION] = FREE;
      liveBytes -= requested;
      moves++;
      if (former === latest) ledger.freeTemporary(stacks[former]);
      if (contexts) ledger.freeContext(stacks[former], requested);
    } else if (words[word + REGION] !== FREE) break;
    const requested = size[row];
    const context = stack[row];
    if (time[row] > now) now = time[row];
    words[word + REGION] = NO_MEMORY;
    words[word + REQUESTED] = requested;
    stacks[number] = context;
    latest = number;
    mallocs++;
    bytes += requested;
    liveBytes += requested;
    if (liveBytes > peakBytes) {
      peakBytes = liveBytes;
      peakTime = now;
      peakRow = row;
    }
    if (contexts) ledger.allocateContext(context, requested, now);
  }
  if (row > from) {
    live.latest = latest;
    ledger.addTotals(mallocs, bytes, frees, moves, liveBytes);
    if (peakRow >= 0) ledger.setPeak(peakBytes, peakTime, event + peakRow - from);
  }
  return row;
}
