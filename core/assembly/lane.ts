/**
 * The fast lane of a replay: mallocs and frees of small objects, after which nothing but their own cache, bin and slab has changed (jemalloc 5.3.0:
 * imalloc_fastpath, free_fastpath; and, where a cache is empty or full, tcache_alloc_small_hard and tcache_bin_flush_bottom). Of a program's calls these
 * are nearly all.
 * Invariant: what a row does here is what `malloc` and `free` of jemalloc.ts would do; a row that needs anything more ends the stretch untouched.
 * Differs: one loop over many calls, with the counters in locals, written back at the end of the stretch; a thread's when another one's turn comes.
 */
import { REGION_BITS } from '../extent/region';
import { FREE as NOTHING, NO_MEMORY } from '../replay/live_row';
import * as calls from './calls';
import { Account, Arena, Column, extents, LiveRow, model, mutexes, NBINS, Tcache, Tsd } from './tables';
import { tcacheFill, tcacheFlush } from './tcache';
import { triggerAlloc, triggerDealloc } from './thread_event';

/** Values of the column of operations, as trace/events.ts has them. */
const MALLOC: u8 = 0;
const FREE: u8 = 9;
/** Largest size that has its class in a table. */
const LOOKUP_MAXCLASS: f64 = 4096;

/** A window of a batch and what its rows are booked in (replay/lane.ts). */
@unmanaged
class Lane {
  /** Requested bytes live before and after the stretch, the most that were live at once, and bytes that its mallocs asked for. */
  liveBytes: f64;
  peakBytes: f64;
  bytes: f64;
  /** Mallocs of the stretch, and the row that set the peak, -1 for none. */
  mallocs: u32;
  peakRow: i32;
  /** The row in progress, while TypeScript is called; and whether the row that ended the stretch is a malloc that got no memory. */
  row: u32;
  failed: u32;
  /** Columns of the window. */
  op: Column<u8>;
  thread: Column<u32>;
  size: Column<f64>;
  stack: Column<i32>;
  object: Column<u32>;
  time: Column<f64>;
  /** Rows of the live objects, the stacks that allocated them, and how many there is room for. */
  live: usize;
  liveStacks: Column<i32>;
  capacity: u32;
  /** Accounts of contexts, and how many there is room for; none if contexts have no account. */
  accounts: usize;
  accountCount: u32;
  /** Number -> thread. */
  threads: Column<Tsd>;
  threadCount: u32;
  /** Whether caches are filled and flushed here. */
  refills: u32;
  /** Whether the peak before this stretch has still to be taken note of. */
  newPeak: u32;

  @inline
  liveRow(object: u32): LiveRow {
    return changetype<LiveRow>(this.live + <usize>object * offsetof<LiveRow>());
  }

  /** The account of a stack, -1 for the empty one. */
  @inline
  account(stack: i32): Account {
    return changetype<Account>(this.accounts + <usize>(stack + 1) * offsetof<Account>());
  }
}

/** What a thread's call does before it reaches an arena (tsd_fetch of a thread that has a cache). */
function enter(tsd: Tsd, lane: Lane, row: u32): void {
  lane.row = row;
  mutexes.running = tsd.owner;
  if (model.thread !== tsd.index) calls.enter(tsd.index);
  const time = lane.time[row];
  if (time > model.now) model.now = time;
}

/**
 * Runs the rows of the window from `from` on, to `to` - 1 at most, while they are such calls. The thread of row `from` must be there.
 * @returns The first row that was not run.
 */
export function runLane(lane: Lane, from: u32, to: u32): u32 {
  let index = lane.thread[from];
  let tsd = lane.threads[index];
  if (tsd.tcache === null) return from;
  let tcache = <Tcache>tsd.tcache;
  let allocated = tsd.allocated;
  let deallocated = tsd.deallocated;
  const contexts = lane.accountCount !== 0;
  const refills = lane.refills !== 0;
  const usableSize = model.usableSize;
  let mallocs: u32 = 0;
  let bytes: f64 = 0;
  let liveBytes = lane.liveBytes;
  let peakBytes = lane.peakBytes;
  let newPeak = lane.newPeak !== 0;
  let peakRow = -1;
  let row = from;
  for (; row < to; row++) {
    if (lane.thread[row] !== index) {
      if (lane.thread[row] >= lane.threadCount) break;
      const other = lane.threads[lane.thread[row]];
      if (other.tcache === null) break;
      tsd.allocated = allocated;
      tsd.deallocated = deallocated;
      tsd = other;
      index = lane.thread[row];
      tcache = <Tcache>other.tcache;
      allocated = other.allocated;
      deallocated = other.deallocated;
    }
    const object = lane.object[row];
    if (object >= lane.capacity) break;
    const live = lane.liveRow(object);
    const kind = lane.op[row];
    if (kind === FREE) {
      const region = live.region;
      if (region <= <u32>NO_MEMORY) break;
      const szind = <u32>extents.slabClass[region >>> REGION_BITS];
      if (szind >= NBINS) break;
      const bin = tcache.bin(szind);
      const clock = deallocated + usableSize[szind];
      const due = clock >= tsd.deallocEvent;
      const full = bin.cached >= bin.slots;
      if (due || full) {
        // a class that is not cached has no slots; and what the model is at a peak has to be noted before it changes
        if (!refills || bin.slots === 0 || newPeak) break;
        enter(tsd, lane, row);
        if (full) tcacheFlush(tsd, tcache, szind, bin.slots >> model.flushDiv);
      }
      tcache.stack[bin.stackBase + bin.cached] = region;
      bin.cached++;
      deallocated = clock;
      if (due) {
        tsd.allocated = allocated;
        tsd.deallocated = clock;
        triggerDealloc(tsd);
      }
      live.region = NOTHING;
      const requested = <f64>live.requested;
      liveBytes -= requested;
      if (contexts) lane.account(lane.liveStacks[object]).free(requested);
    } else if (kind === MALLOC) {
      const requested = lane.size[row];
      if (requested > LOOKUP_MAXCLASS || object === 0 || live.region !== NOTHING) break;
      if (contexts && <u32>(lane.stack[row] + 1) >= lane.accountCount) break;
      const size = <u32>requested;
      const szind = <u32>model.classOf[(size + 7) >> 3];
      const bin = tcache.bin(szind);
      const clock = allocated + usableSize[szind];
      const due = clock >= tsd.allocEvent;
      const left = bin.cached - 1;
      if (due || left < 0) {
        // samples and statistics are for TypeScript; the rest as above
        if (!refills || bin.slots === 0 || clock >= tsd.sampleEvent || clock >= tsd.statsEvent) break;
        if (tsd.arena === null || (newPeak && liveBytes < peakBytes)) break;
        enter(tsd, lane, row);
      }
      if (left >= 0) {
        bin.cached = left;
        if (left < bin.lowWater) bin.lowWater = left;
        bin.requests++;
        live.region = tcache.stack[bin.stackBase + left];
      } else {
        const region = tcacheFill(tsd, tcache, <Arena>tsd.arena, szind);
        if (region < 0) {
          lane.failed = 1;
          break;
        }
        live.region = <u32>region;
      }
      allocated = clock;
      if (due) {
        tsd.allocated = clock;
        tsd.deallocated = deallocated;
        triggerAlloc(tsd);
      }
      live.requested = size;
      mallocs++;
      bytes += requested;
      liveBytes += requested;
      if (liveBytes > peakBytes) {
        peakBytes = liveBytes;
        peakRow = row;
        newPeak = true;
      }
      if (contexts) {
        lane.liveStacks[object] = lane.stack[row];
        lane.account(lane.stack[row]).allocate(requested, lane.time[row]);
      }
    } else break;
  }
  tsd.allocated = allocated;
  tsd.deallocated = deallocated;
  lane.liveBytes = liveBytes;
  lane.peakBytes = peakBytes;
  lane.peakRow = peakRow;
  lane.mallocs = mallocs;
  lane.bytes = bytes;
  return row;
}
