/**
 * The fast lane of a replay: mallocs, callocs, reallocs and frees of small objects, after which nothing but their own cache, bin and slab has changed (jemalloc 5.3.0:
 * imalloc_fastpath, free_fastpath; and, where a cache is empty or full, tcache_alloc_small_hard and tcache_bin_flush_bottom). Of a program's calls these
 * are nearly all.
 * Invariant: what a row does here is what `malloc`, `calloc`, `realloc` and `free` of jemalloc.ts would do; a row that needs anything more ends the stretch untouched.
 * Differs: one loop over many calls, with the counters in locals, written back where it ends; a thread's when another one's turn comes.
 */
import { REGION_BITS } from '../extent/region';
import { FREE as NOTHING, NO_MEMORY } from '../replay/live_row';
import * as calls from './calls';
import { decayTick } from './bin';
import { Account, Arena, CacheBin, Column, EventWindow, extents, LiveRow, model, mutexes, NBINS, Tcache, Tsd } from './tables';
import { tcacheFlush, tcacheRefill } from './tcache';
import { threadAllocEvent, threadDallocEvent, triggerAlloc, triggerDealloc } from './thread_event';

/** Values of the column of operations, as trace/events.ts has them; malloc is 0. */
const CALLOC: u8 = 1;
const REALLOC: u8 = 2;
const FREE: u8 = 9;
/** Largest size of a small class (SC_SMALL_MAXCLASS). */
const SMALL_MAXCLASS: f64 = 14336;

/** A window of events and what they are booked in (replay/lane.ts). */
@unmanaged
class Lane {
  /** Requested bytes live before and after the stretch, the most that were live at once, and bytes that its allocations asked for. */
  liveBytes: f64;
  peakBytes: f64;
  bytes: f64;
  /** Allocations of the stretch, reallocs included, blocks that reallocs took, and the row that set the peak, -1 for none. */
  mallocs: u32;
  moves: u32;
  peakRow: i32;
  /** The row in progress, while TypeScript is called; and whether the row that ended the stretch is an allocation that got no memory. */
  row: u32;
  failed: u32;
  events: EventWindow;
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
  /** Whether caches are filled, flushed and collected here. */
  refills: u32;
  /** Whether a peak has still to be taken note of, the model being what it was then. */
  newPeak: u32;
  /** Whether the row that `runCached` ran last has events of its thread due. */
  due: u32;

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

/** SizeClass of requested bytes up to SMALL_MAXCLASS. */
function classOf(requested: u32): u32 {
  return model.classOf[(requested + 7) >> 3];
}

/**
 * Runs the rows of the window from `from` on, to `to` - 1 at most, while they are such calls. The thread of row `from` must be there.
 * @returns The first row that was not run.
 */
export function runLane(lane: Lane, from: u32, to: u32): u32 {
  lane.mallocs = 0;
  lane.moves = 0;
  lane.bytes = 0;
  lane.peakRow = -1;
  let row = from;
  for (let goesOn = true; goesOn; ) {
    row = runCached(lane, row, to);
    if (lane.due !== 0) {
      fire(lane, row - 1);
    } else if (row === to || lane.refills === 0) {
      goesOn = false;
    } else if (lane.events.op[row] === REALLOC) {
      goesOn = reallocate(lane, row);
      if (goesOn) row++;
    } else {
      goesOn = makeReady(lane, row);
    }
  }
  return row;
}

/**
 * Rows that caches serve as they are; if events are due after one, that is the last. A loop without calls: around one, the compiler would keep in memory
 * what it has in registers here.
 */
export function runCached(lane: Lane, from: u32, to: u32): u32 {
  // in locals: what is stored might be a field of the struct for all that the compiler knows
  const events = lane.events;
  const threads = events.thread;
  const objects = events.object;
  const ops = events.op;
  const capacity = lane.capacity;
  const rows = lane.live;
  const slabClass = extents.slabClass;
  const usableSize = model.usableSize;
  const contexts = lane.accountCount !== 0;
  const refills = lane.refills !== 0;
  let mallocs: u32 = 0;
  let bytes: f64 = 0;
  let liveBytes = lane.liveBytes;
  let peakBytes = lane.peakBytes;
  let peakRow = -1;
  let due = false;
  let served = true;
  let row = from;
  while (served && row < to) {
    const index = threads[row];
    if (index >= lane.threadCount) break;
    const tsd = lane.threads[index];
    if (tsd.tcache === null) break;
    const tcache = <Tcache>tsd.tcache;
    const stack = tcache.stack;
    const allocEvent = tsd.allocEvent;
    const deallocEvent = tsd.deallocEvent;
    let allocated = tsd.allocated;
    let deallocated = tsd.deallocated;
    for (; row < to && threads[row] === index; row++) {
      const object = objects[row];
      if (object >= capacity) break;
      const live = changetype<LiveRow>(rows + <usize>object * offsetof<LiveRow>());
      const kind = ops[row];
      if (kind === FREE) {
        const region = live.region;
        if (region <= <u32>NO_MEMORY) break;
        const szind = <u32>slabClass[region >>> REGION_BITS];
        if (szind >= NBINS) break;
        const bin = tcache.bin(szind);
        const cached = bin.cached;
        const clock = deallocated + usableSize[szind];
        // a class that is not cached has no slots
        if (cached >= bin.slots) break;
        if (clock >= deallocEvent) {
          // what the model is at a peak has to be noted before it changes
          if (!refills || lane.newPeak !== 0 || peakRow >= 0) break;
          due = true;
        }
        stack[bin.stackBase + cached] = region;
        bin.cached = cached + 1;
        deallocated = clock;
        live.region = NOTHING;
        const requested = <f64>live.requested;
        liveBytes -= requested;
        if (contexts) lane.account(lane.liveStacks[object]).free(requested);
      } else if (kind <= CALLOC) {
        const requested = events.requested(row, kind === CALLOC);
        if (!(requested <= SMALL_MAXCLASS) || object === 0 || live.region !== NOTHING) break;
        if (contexts && <u32>(events.stack[row] + 1) >= lane.accountCount) break;
        const szind = classOf(<u32>requested);
        const bin = tcache.bin(szind);
        const left = bin.cached - 1;
        const clock = allocated + usableSize[szind];
        if (left < 0) break;
        if (clock >= allocEvent) {
          // samples and statistics are for TypeScript; the rest as above
          if (!refills || clock >= tsd.sampleEvent || clock >= tsd.statsEvent) break;
          if ((liveBytes < peakBytes || requested === 0) && (lane.newPeak !== 0 || peakRow >= 0)) break;
          due = true;
        }
        bin.cached = left;
        if (left < bin.lowWater) bin.lowWater = left;
        bin.requests++;
        allocated = clock;
        live.region = stack[bin.stackBase + left];
        live.requested = <u32>requested;
        mallocs++;
        bytes += requested;
        liveBytes += requested;
        if (liveBytes > peakBytes) {
          peakBytes = liveBytes;
          peakRow = row;
        }
        if (contexts) {
          lane.liveStacks[object] = events.stack[row];
          lane.account(events.stack[row]).allocate(requested, events.time[row]);
        }
      } else break;
      if (due) {
        row++;
        break;
      }
    }
    // the next thread's turn, if that is why the loop ended
    served = !due && row < to && threads[row] !== index;
    tsd.allocated = allocated;
    tsd.deallocated = deallocated;
  }
  lane.liveBytes = liveBytes;
  lane.mallocs += mallocs;
  lane.bytes += bytes;
  if (peakRow >= 0) {
    lane.peakBytes = peakBytes;
    lane.peakRow = peakRow;
    lane.newPeak = 1;
  }
  lane.due = due ? 1 : 0;
  return row;
}

/** What a thread's call does before it reaches an arena (tsd_fetch of a thread that has a cache). */
function enter(lane: Lane, tsd: Tsd, row: u32): void {
  lane.row = row;
  mutexes.running = tsd.owner;
  if (model.thread !== tsd.index) calls.enter(tsd.index);
  const time = lane.events.time[row];
  if (time > model.now) model.now = time;
}

/** Has the model's figures noted if they are those of a peak: what comes changes them. */
function notePeak(lane: Lane): void {
  if (lane.newPeak === 0) return;
  lane.newPeak = 0;
  calls.notePeak();
}

/** Fires the events that are due after a row. */
function fire(lane: Lane, row: u32): void {
  const tsd = lane.threads[lane.events.thread[row]];
  enter(lane, tsd, row);
  if (lane.events.op[row] === FREE) triggerDealloc(tsd);
  else triggerAlloc(tsd);
}

/**
 * Makes ready what a row needs and does not find: a cache that is filled or flushed, or a peak that is noted before events fire. False if that is not what
 * it needs, or if there is no memory for it.
 */
function makeReady(lane: Lane, row: u32): bool {
  const events = lane.events;
  const thread = events.thread[row];
  const object = events.object[row];
  if (thread >= lane.threadCount || object >= lane.capacity) return false;
  const tsd = lane.threads[thread];
  if (tsd.tcache === null) return false;
  const tcache = <Tcache>tsd.tcache;
  const live = lane.liveRow(object);
  const kind = events.op[row];
  if (kind === FREE) {
    if (live.region <= <u32>NO_MEMORY) return false;
    const szind = <u32>extents.slabClass[live.region >>> REGION_BITS];
    if (szind >= NBINS) return false;
    const bin = tcache.bin(szind);
    if (bin.slots === 0) return false;
    const isFull = bin.cached === bin.slots;
    if (!isFull && lane.newPeak === 0) return false;
    enter(lane, tsd, row);
    notePeak(lane);
    if (isFull) tcacheFlush(tsd, tcache, szind, bin.slots >> model.flushDiv);
    return true;
  }
  if (kind > CALLOC || object === 0 || live.region !== NOTHING) return false;
  const requested = events.requested(row, kind === CALLOC);
  if (!isSmall(lane, tsd, row, requested)) return false;
  const szind = classOf(<u32>requested);
  const pending = lane.newPeak !== 0 && (lane.liveBytes < lane.peakBytes || requested === 0);
  if (tcache.bin(szind).cached !== 0 && !pending) return false;
  enter(lane, tsd, row);
  if (pending) notePeak(lane);
  return hasCached(lane, tsd, tcache, szind);
}

/** Whether a row asks for a small object, and neither a sample nor statistics are due after it: those are for TypeScript. */
function isSmall(lane: Lane, tsd: Tsd, row: u32, requested: f64): bool {
  if (!(requested <= SMALL_MAXCLASS)) return false;
  if (lane.accountCount !== 0 && <u32>(lane.events.stack[row] + 1) >= lane.accountCount) return false;
  const clock = tsd.allocated + model.usableSize[classOf(<u32>requested)];
  return clock < tsd.sampleEvent && clock < tsd.statsEvent;
}

/** Fills a class of the cache if it is empty. False if the class is not cached, or if there is no memory. */
function hasCached(lane: Lane, tsd: Tsd, tcache: Tcache, szind: u32): bool {
  const bin = tcache.bin(szind);
  if (bin.cached !== 0) return true;
  if (bin.slots === 0 || tsd.arena === null) return false;
  if (tcacheRefill(tsd, tcache, <Arena>tsd.arena, szind) !== 0) return true;
  lane.failed = 1;
  return false;
}

/**
 * realloc of a small object to another small size, or of NULL (do_rallocx, arena_ralloc). False, with nothing done, if the row needs more; and if there is no
 * memory, where the object has left the live ones and the ledger as it does in TypeScript.
 */
function reallocate(lane: Lane, row: u32): bool {
  const events = lane.events;
  const thread = events.thread[row];
  const object = events.object[row];
  const requested = events.size[row];
  if (thread >= lane.threadCount || object === 0 || object >= lane.capacity || requested === 0) return false;
  const tsd = lane.threads[thread];
  if (tsd.tcache === null || !isSmall(lane, tsd, row, requested)) return false;
  const tcache = <Tcache>tsd.tcache;
  const ofNull = events.old[row] === 0;
  const former: u32 = ofNull ? 0 : events.oldObject[row];
  if (former >= lane.capacity) return false;
  const live = lane.liveRow(object);
  const old = lane.liveRow(former);
  const region = old.region;
  if (!ofNull && region <= <u32>NO_MEMORY) return false;
  // an object that lives there already has lost its free
  if (object !== former && live.region !== NOTHING) return false;
  const szind = classOf(<u32>requested);
  const oldSzind = ofNull ? NBINS : <u32>extents.slabClass[region >>> REGION_BITS];
  const bin = tcache.bin(szind);
  if (szind !== oldSzind) {
    if (bin.slots === 0 || (bin.cached === 0 && tsd.arena === null)) return false;
    if (!ofNull && (oldSzind >= NBINS || tcache.bin(oldSzind).slots === 0)) return false;
  }

  enter(lane, tsd, row);
  notePeak(lane);
  const contexts = lane.accountCount !== 0;
  if (!ofNull) {
    const bytes = <f64>old.requested;
    old.region = NOTHING;
    lane.liveBytes -= bytes;
    lane.moves++;
    if (contexts) lane.account(lane.liveStacks[former]).free(bytes);
  }
  let result = region;
  if (szind === oldSzind) {
    decayTick(tsd, model.arenas[extents.arena[region >>> REGION_BITS]], 1);
  } else {
    if (!hasCached(lane, tsd, tcache, szind)) return false;
    result = pop(tcache, bin);
    if (!ofNull) push(tsd, tcache, oldSzind, region);
  }
  threadAllocEvent(tsd, model.usableSize[szind]);
  if (!ofNull) threadDallocEvent(tsd, model.usableSize[oldSzind]);

  live.region = result;
  live.requested = <u32>requested;
  lane.mallocs++;
  lane.bytes += requested;
  lane.liveBytes += requested;
  if (lane.liveBytes > lane.peakBytes) {
    lane.peakBytes = lane.liveBytes;
    lane.peakRow = row;
    lane.newPeak = 1;
  }
  if (contexts) {
    lane.liveStacks[object] = events.stack[row];
    lane.account(events.stack[row]).allocate(requested, events.time[row]);
  }
  return true;
}

/** Takes the top object of a class that has one (cache_bin_alloc). */
function pop(tcache: Tcache, bin: CacheBin): u32 {
  bin.cached--;
  if (bin.cached < bin.lowWater) bin.lowWater = bin.cached;
  bin.requests++;
  return tcache.stack[bin.stackBase + bin.cached];
}

/** tcache_dalloc_small */
function push(tsd: Tsd, tcache: Tcache, szind: u32, region: u32): void {
  const bin = tcache.bin(szind);
  if (bin.cached === bin.slots) tcacheFlush(tsd, tcache, szind, bin.slots >> model.flushDiv);
  tcache.stack[bin.stackBase + bin.cached] = region;
  bin.cached++;
}
