/**
 * Calls of interpreted files booked as they are read, where nothing but accounts is wanted of them.
 * Invariant: the accounts are those of the events that `takeCalls` appends (infos.ts), booked one by one (core/replay/account_lane.ts).
 * Differs: no blocks. A call names its info, and with it size and stack, so that how many blocks live under an info is all that must be known; and
 * since a free takes the latest one, it ends a temporary allocation if the call before was an allocation under the same info.
 */
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
import type { Accounts } from '../format.ts';
import { LIVE, SIZES, STACK, WORDS } from './info_row.ts';
import type { AllocationInfos } from './infos.ts';

/** Numbers in the accounts of so many contexts as a processor keeps near: where there are more, they are fetched ahead. */
const CACHED_FIELDS = 1 << 17;

/**
 * Reads the rows that calls will need, one after the other without anything to decide between them, so that the processor waits for many at once. The sum is
 * of no use but that the reading must be done.
 */
function touch(fields: Float64Array, words: Int32Array, calls: Int32Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += fields[(words[(calls[i] >> 1) * WORDS + STACK] + 1) * FIELDS];
  return sum;
}

/**
 * Books calls at `time`, ns, as TakeCalls says (infos.ts). `stacks`: how many the trace has.
 */
export function bookCalls(
  infos: AllocationInfos,
  accounts: Accounts,
  time: number,
  stacks: number,
  calls: Int32Array,
  count: number,
): number {
  const { ledger } = accounts;
  const { contexts } = ledger;
  const fields = ledger.reach(stacks);
  const { sizes, words } = infos;
  let { latest, freed } = infos;
  let bytes = 0;
  let frees = 0;
  let moves = 0;
  let liveBytes = ledger.totalLiveBytes;
  let peakBytes = ledger.totalPeakBytes;
  /** Of these calls' events, the one of the highest peak; that of -1 is the free before, which the first call has made part of a realloc. */
  let peakEvent = -2;
  if (contexts && fields.length > CACHED_FIELDS) infos.touched = touch(fields, words, calls, count);
  let i = 0;
  for (; i < count; i++) {
    const call = calls[i];
    const info = call >> 1;
    const place = info * WORDS;
    const requested = sizes[info * SIZES];
    const context = words[place + STACK];
    const at = (context + 1) * FIELDS;
    const live = words[place + LIVE];
    if ((call & 1) !== 0) {
      if (live < 2) break;
      words[place + LIVE] = live - 2;
      liveBytes -= requested;
      frees++;
      if (info === latest) ledger.freeTemporary(context);
      latest = -1;
      freed = true;
      if (contexts) {
        fields[at + LIVE_OBJECTS]--;
        fields[at + LIVE_BYTES] -= requested;
      }
      continue;
    }
    words[place + LIVE] = live + 2;
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
    if (contexts) {
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
  infos.latest = latest;
  infos.freed = freed;
  ledger.addTotals(i - frees, bytes, frees - moves, moves, liveBytes);
  if (peakEvent > -2) ledger.setPeak(peakBytes, time, accounts.eventCount + peakEvent);
  accounts.booked(i - moves, time);
  return i;
}
