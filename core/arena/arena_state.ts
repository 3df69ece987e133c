/**
 * An arena's state (jemalloc 5.3.0, struct arena_s, pa_shard_s, pac_s, bin_s): what the functions of the extent, arena and tcache
 * layers work on, in one place.
 * Invariant: bins of a class are consecutive, one per shard; activePages = pages of all active extents.
 * Differs: no struct for each bin, but columns. The sums that `stats.allocated` needs are kept as they change.
 */
import { ARENA_BYTES } from '../assembly/places.ts';
import { ListTable } from '../extent/ql.ts';
import type { Extent } from '../extent/types.ts';
import type { Heap } from '../heap.ts';
import type { DssPrecedence } from '../conf/options.ts';
import type { Base } from '../base/base.ts';
import type { ModelMemory } from '../model_memory.ts';
import { ARENA_MUTEXES, ArenaMutex } from '../mutex.ts';
import { Decay } from '../extent/decay.ts';
import { Eset } from '../extent/eset.ts';
import { HeapTable } from '../extent/ph.ts';
import type { HpaShard } from '../hpa/hpa.ts';
import type { Sec } from '../hpa/sec.ts';
import { State } from '../extent/edata.ts';
import { HUGEPAGE, NBINS, NPSIZES, NSIZES, PAGE, pagesToPind } from '../sizes/sc.ts';
import type { Tcache } from '../thread/tcache.ts';

/** Bytes from an arena's start to its decay_t of dirty and of muzzy pages (pa_shard.pac.decay_dirty, pa_shard.pac.decay_muzzy), in this build. */
const DECAY_DIRTY_OFFSET = 69320;
const DECAY_MUZZY_OFFSET = 71104;

/** A page cache: unused extents of one state (ecache_t). */
export class Ecache {
  /** State */
  readonly state: number;
  /** True for dirty: small extents are not merged when they are freed. */
  readonly delayCoalesce: boolean;
  readonly mutex: number;
  readonly eset: Eset;
  /** Extents with guard pages; they are never split or merged. */
  readonly guarded: Eset;

  constructor(memory: ModelMemory, state: number, delayCoalesce: boolean, mutex: number) {
    this.eset = new Eset(memory);
    this.guarded = new Eset(memory);
    this.state = state;
    this.delayCoalesce = delayCoalesce;
    this.mutex = mutex;
  }

  /** ecache_npages_get */
  get pages(): number {
    return this.eset.pages + this.guarded.pages;
  }
}

/** Columns over the bins of an arena: bin -> value. All but the list of full slabs lie in the memory of the model. */
export class BinTable {
  readonly length: number;
  /** Slab that regions are taken from now, 0 for none. */
  readonly slabcur: Int32Array;
  /** Slabs with free regions other than slabcur. */
  readonly nonfull: HeapTable;
  /** Full slabs, in manual arenas only, which may have to be emptied. */
  readonly full: ListTable;
  readonly nmalloc: Float64Array;
  readonly ndalloc: Float64Array;
  readonly nrequests: Float64Array;
  readonly curregs: Float64Array;
  readonly nfills: Float64Array;
  readonly nflushes: Float64Array;
  readonly nslabs: Float64Array;
  readonly reslabs: Float64Array;
  readonly curslabs: Float64Array;
  readonly nonfullSlabs: Float64Array;

  constructor(memory: ModelMemory, bins: number) {
    this.length = bins;
    this.slabcur = memory.int32(bins);
    this.nonfull = new HeapTable(memory, bins);
    this.full = new ListTable(bins);
    this.nmalloc = memory.float64(bins);
    this.ndalloc = memory.float64(bins);
    this.nrequests = memory.float64(bins);
    this.curregs = memory.float64(bins);
    this.nfills = memory.float64(bins);
    this.nflushes = memory.float64(bins);
    this.nslabs = memory.float64(bins);
    this.reslabs = memory.float64(bins);
    this.curslabs = memory.float64(bins);
    this.nonfullSlabs = memory.float64(bins);
  }

  /** Where the columns are, in the order of assembly/tables.ts. */
  get places(): number[] {
    const { slabcur, nmalloc, ndalloc, nrequests, curregs, nfills, nflushes, nslabs, reslabs, curslabs, nonfullSlabs, nonfull } = this;
    const columns = [slabcur, nmalloc, ndalloc, nrequests, curregs, nfills, nflushes, nslabs, reslabs, curslabs, nonfullSlabs];
    return [...columns.map((column) => column.byteOffset), nonfull.place];
  }
}

/** Columns over the large size classes, SizeClass - NBINS -> value (arena_stats_large_t). */
export class LargeTable {
  readonly nmalloc: Float64Array = new Float64Array(NSIZES - NBINS);
  readonly ndalloc: Float64Array = new Float64Array(NSIZES - NBINS);
  /** Requests that thread caches served and have reported. */
  readonly nrequests: Float64Array = new Float64Array(NSIZES - NBINS);
  readonly nflushes: Float64Array = new Float64Array(NSIZES - NBINS);
}

/** What an arena is made with. */
export interface ArenaMaking {
  readonly memory: ModelMemory;
  readonly index: number;
  readonly base: Base;
  /** Address of the arena_t in base memory. */
  readonly address: number;
  /** First of the arena's mutexes; those of the bins follow. */
  readonly mutexes: number;
  readonly bins: number;
  readonly now: number;
  readonly dirtyDecayMs: number;
  readonly muzzyDecayMs: number;
  readonly oversizeThreshold: number;
  readonly dss: DssPrecedence;
  /** False for arenas that arenas.create made. */
  readonly automatic: boolean;
}

/** arena_t. What the small path works on of it lies in the memory of the model (assembly/tables.ts, Arena). */
export class Arena {
  /** Where that is, and the counter that it begins with. */
  readonly place: number;
  readonly #allocated: Float64Array;
  readonly index: number;
  readonly automatic: boolean;
  readonly base: Base;
  readonly address: number;
  readonly mutexes: number;
  readonly binMutexes: number;
  /** Time of creation, ns since start_ts. */
  readonly createTime: number;
  dss: DssPrecedence;
  /** Threads bound to it for the application, and for allocations of the library's own. */
  applicationThreads = 0;
  internalThreads = 0;
  /** Owner number of the thread that was last given this arena by its CPU, 0 for none (last_thd). */
  lastOwner = 0;
  /** Shard number for the next thread that binds. */
  nextShard = 0;
  /** Thread caches linked to it, in the order of linking. */
  readonly tcaches: Set<Tcache> = new Set();
  /** Bytes of the library's own allocations (internal). */
  internal = 0;

  readonly dirty: Ecache;
  readonly muzzy: Ecache;
  readonly retained: Ecache;
  readonly decayDirty: Decay;
  readonly decayMuzzy: Decay;
  /** Its part of the huge page allocator, and the small extent cache before it; null without hpa. */
  hpaShard: HpaShard | null = null;
  hpaSec: Sec | null = null;
  /** Free edata structs (extent_avail). */
  edataAvailable = 0;
  /** Extent that guarded slabs are cut from, 0 for none (san_bump_alloc_t). */
  bumpRegion = 0;
  /** Serial number of the next mapping. */
  nextSn = 0;
  /** Page size class of the next mapping, and the one that it may grow to: 2 MiB and the largest (exp_grow_init; arena.<i>.retain_grow_limit). */
  growNext: number = pagesToPind(HUGEPAGE / PAGE);
  growLimit: number = NPSIZES - 1;
  /** Freed extents of at least so many bytes are purged at once. */
  oversizeThreshold: number;
  /** Bytes of active, dirty and muzzy extents (pac_mapped). */
  pacMapped = 0;
  activePages = 0;
  abandonedBytes = 0;

  readonly bins: BinTable;
  readonly large: LargeTable = new LargeTable();
  /** One list: the large objects of a manual arena. */
  readonly largeList: ListTable = new ListTable(1);

  constructor(making: ArenaMaking) {
    const { memory } = making;
    this.place = memory.take(ARENA_BYTES);
    this.#allocated = new Float64Array(memory.buffer, this.place, 1);
    this.index = making.index;
    this.automatic = making.automatic;
    this.base = making.base;
    this.address = making.address;
    this.mutexes = making.mutexes;
    this.binMutexes = making.mutexes + ARENA_MUTEXES;
    this.createTime = making.now;
    this.dss = making.dss;
    this.oversizeThreshold = making.oversizeThreshold;
    this.dirty = new Ecache(memory, State.dirty, true, making.mutexes + ArenaMutex.extents_dirty);
    this.muzzy = new Ecache(memory, State.muzzy, false, making.mutexes + ArenaMutex.extents_muzzy);
    this.retained = new Ecache(memory, State.retained, false, making.mutexes + ArenaMutex.extents_retained);
    this.decayDirty = new Decay(making.address + DECAY_DIRTY_OFFSET, making.now, making.dirtyDecayMs);
    this.decayMuzzy = new Decay(making.address + DECAY_MUZZY_OFFSET, making.now, making.muzzyDecayMs);
    this.bins = new BinTable(memory, making.bins);
    memory.write(this.place, 2, [this.index, this.automatic ? 1 : 0, this.binMutexes, ...this.bins.places]);
  }

  /** Usable bytes of live objects, those in thread caches included (allocated_small, allocated_large). */
  get allocated(): number {
    return this.#allocated[0];
  }

  set allocated(bytes: number) {
    this.#allocated[0] = bytes;
  }
}

/** arena_get_from_edata: the arena of an extent that is in use. */
export function arenaOfExtent({ arenas, edata }: Heap, extent: Extent): Arena {
  return arenas[edata.arena[extent]] as Arena;
}
