/**
 * The tables of the model as AssemblyScript sees them: structs of columns and of counters, at the places where TypeScript has laid them.
 * Invariant: fields stand in the order in which TypeScript writes them; the file that does is named with each struct.
 */
import { CACHE_BIN } from '../thread/cache_bin';
import { EXTENTS, MODEL, MUTEXES } from './places';

/** A column: what TypeScript has as a typed array. */
@unmanaged
export class Column<T> {
  @inline
  @operator('[]')
  get(row: u32): T {
    return load<T>(changetype<usize>(this) + ((<usize>row) << alignof<T>()));
  }

  @inline
  @operator('[]=')
  set(row: u32, value: T): void {
    store<T>(changetype<usize>(this) + ((<usize>row) << alignof<T>()), value);
  }
}

/** Columns of a batch (EventBatch), from the first row of a window on (replay/event_window.ts). */
@unmanaged
export class EventWindow {
  op: Column<u8>;
  thread: Column<u32>;
  time: Column<f64>;
  ptr: Column<f64>;
  old: Column<f64>;
  size: Column<f64>;
  extra: Column<f64>;
  stack: Column<i32>;
  object: Column<u32>;
  oldObject: Column<u32>;

  /** Bytes that an allocation asks for: by calloc those of all its elements together. */
  @inline
  requested(row: u32, isCalloc: bool): f64 {
    return isCalloc ? this.extra[row] * this.size[row] : this.size[row];
  }
}

/** What pairing heaps are made of (extent/ph.ts). */
@unmanaged
export class HeapNodes {
  base: Column<f64>;
  sn: Column<f64>;
  prev: Column<u32>;
  next: Column<u32>;
  child: Column<u32>;
}

/** A pairing heap (extent/ph.ts). */
@unmanaged
export class PairingHeap {
  /** 0: empty. */
  root: u32;
  /** Inserts since the last merge of the auxiliary list. */
  auxCount: u32;
}

/** EdataTable (extent/edata.ts). */
@unmanaged
export class Extents extends HeapNodes {
  arena: Column<u16>;
  shard: Column<u8>;
  slabClass: Column<u8>;
  freeCount: Column<u16>;
  freeBits: Column<u32>;
  pages: Column<f64>;
  listPrev: Column<u32>;
  listNext: Column<u32>;
}

/** Page size classes. */
export const NPSIZES: u32 = 199;

/** An Eset (extent/eset.ts); after it its rows, one for each page size class and one for what is larger. */
@unmanaged
export class Eset {
  /** Pages held in all. */
  pages: f64;
  /** One list: first what has been unused longest. */
  first: u32;
  last: u32;
  /** Row -> one bit: its heap holds something. Seven words. */
  nonempty: u32;
}

@unmanaged
export class EsetRow {
  /** Serial number and address of the least extent, as jemalloc remembers it. */
  minSn: f64;
  minBase: f64;
  /** Extents held, and their pages. */
  count: f64;
  pages: f64;
  root: u32;
  auxCount: u32;

  @inline
  get heap(): PairingHeap {
    return changetype<PairingHeap>(changetype<usize>(this) + offsetof<EsetRow>('root'));
  }
}

/** MutexTable (mutex.ts). */
@unmanaged
export class Mutexes {
  ops: Column<f64>;
  ownerSwitches: Column<f64>;
  owner: Column<i32>;
  running: i32;
}

/** What belongs to no arena and no thread (model_memory.ts). */
@unmanaged
export class Model {
  /** Time of the event in progress, ns since start_ts. */
  now: f64;
  /** Bytes between two collections of a thread cache, and between two statistics events of a thread, infinite for none. */
  gcIncrement: f64;
  statsBatch: f64;
  /** The thread whose call is in progress. */
  thread: i32;
  /** (Requested bytes + 7) / 8 -> SizeClass, up to SMALL_MAXCLASS. */
  classOf: Column<u8>;
  /** SizeClass -> usable bytes. */
  usableSize: Column<f64>;
  /** SizeClass -> regions of a slab, and the number of the class's first bin in an arena. */
  regions: Column<u16>;
  firstBin: Column<u32>;
  /** Index -> arena, null for none. */
  arenas: Column<Arena>;
  /** lg_tcache_flush_small_div */
  flushDiv: u32;
  /** Whether threads have samples to wait for. */
  samples: u32;
  /** Cached classes (nhbins), and SizeClass -> items that a collection may pass by at first. */
  cachedClasses: u32;
  delayItems: Column<u8>;
}

/** Arena and its BinTable (arena/arena_state.ts). */
@unmanaged
export class Arena {
  allocated: f64;
  index: u32;
  automatic: u32;
  binMutexes: u32;
  slabcur: Column<u32>;
  nmalloc: Column<f64>;
  ndalloc: Column<f64>;
  nrequests: Column<f64>;
  curregs: Column<f64>;
  nfills: Column<f64>;
  nflushes: Column<f64>;
  nslabs: Column<f64>;
  reslabs: Column<f64>;
  curslabs: Column<f64>;
  nonfullSlabs: Column<f64>;
  /** Where the bins' heaps of slabs with free regions begin. */
  nonfull: usize;

  @inline
  nonfullOf(bin: u32): PairingHeap {
    return changetype<PairingHeap>(this.nonfull + <usize>bin * offsetof<PairingHeap>());
  }
}

/** TsdState.nominal */
export const NOMINAL: u32 = 1;

/** Tsd (thread/tsd.ts). */
@unmanaged
export class Tsd {
  allocated: f64;
  allocEvent: f64;
  deallocated: f64;
  deallocEvent: f64;
  gcEvent: f64;
  gcDeallocEvent: f64;
  sampleEvent: f64;
  statsEvent: f64;
  peakEvent: f64;
  peakDeallocEvent: f64;
  lastEvent: f64;
  lastSampleEvent: f64;
  lastStatsEvent: f64;
  peakMax: f64;
  peakZero: f64;
  /** What was taken off both clocks, their thresholds included (thread_event.ts). */
  allocatedBefore: f64;
  deallocatedBefore: f64;
  index: i32;
  owner: i32;
  tick: i32;
  state: u32;
  reentrancy: u32;
  /** Null for a thread that is bound to none. */
  arena: Arena | null;
  tcache: Tcache | null;
  /** SizeClass -> shard of the bins that it uses. */
  shards: Column<u8>;
}

/** Small size classes. */
export const NBINS: u32 = 36;

/** A row of the live objects (replay/live_row.ts). */
@unmanaged
export class LiveRow {
  region: u32;
  requested: u32;
}

/** The account of a context (replay/ledger_row.ts). What it counts is described in Ledger. */
@unmanaged
export class Account {
  allocObjects: f64;
  allocBytes: f64;
  liveObjects: f64;
  liveBytes: f64;
  firstTime: f64;
  lastTime: f64;
  peakBytes: f64;
  peakTime: f64;

  @inline
  allocate(bytes: f64, time: f64): void {
    if (this.allocObjects === 0) this.firstTime = time;
    this.allocObjects += 1;
    this.lastTime = time;
    this.allocBytes += bytes;
    this.liveObjects += 1;
    this.liveBytes += bytes;
    if (this.liveBytes > this.peakBytes) {
      this.peakBytes = this.liveBytes;
      this.peakTime = time;
    }
  }

  @inline
  free(bytes: f64): void {
    this.liveObjects -= 1;
    this.liveBytes -= bytes;
  }
}

/** A class of a thread cache, laid out as thread/cache_bin.ts says. */
@unmanaged
export class CacheBin {
  cached: i32;
  lowWater: i32;
  requests: i32;
  stackBase: u32;
  slots: i32;
}

/** Tcache (thread/tcache.ts). */
@unmanaged
export class Tcache {
  bins: usize;
  stack: Column<u32>;
  lgFillDiv: Column<u8>;
  refilled: Column<u8>;
  delayItems: Column<u8>;
  /** Class that the next collection looks at. */
  nextGcBin: u32;
  /** The arena that it is linked to. */
  arena: Arena;

  @inline
  bin(szind: u32): CacheBin {
    return changetype<CacheBin>(this.bins + <usize>szind * (CACHE_BIN * 4));
  }
}

export const extents = changetype<Extents>(EXTENTS);
export const mutexes = changetype<Mutexes>(MUTEXES);
export const model = changetype<Model>(MODEL);
