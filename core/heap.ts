/**
 * A heap: all state of one jemalloc, and its boot (jemalloc 5.3.0, malloc_init_hard in src/jemalloc.c).
 * Invariant: what the real library takes from its surroundings (time, seeds, CPU count, address layout) comes in as options; two heaps
 * given the same calls are the same.
 * Differs: one object for the library's globals, so that several heaps can live side by side.
 */
import type { Arena } from './arena/arena_state.ts';
import { BinInfo } from './arena/bin.ts';
import { arenaNew, newBase } from './arena/choose.ts';
import type { Base, BaseSurroundings } from './base/base.ts';
import { AddressSpace, DEFAULT_ADDRESS_SPACE } from './base/pages.ts';
import type { AddressSpaceOptions } from './base/pages.ts';
import type { BootConf } from './conf/boot.ts';
import type { DssPrecedence, Options } from './conf/options.ts';
import { EdataTable } from './extent/edata.ts';
import { SplitInterior } from './extent/extent.ts';
import { Boundaries } from './extent/boundaries.ts';
import { Mappings } from './extent/mappings.ts';
import { paShardEnableHpa } from './extent/pac.ts';
import { HpaCentral } from './hpa/hpa.ts';
import { ModelMemory } from './model_memory.ts';
import { GLOBAL_MUTEXES, MutexTable } from './mutex.ts';
import { BackgroundThreads } from './background/background_threads.ts';
import type { Prof } from './prof/prof.ts';
import { GCTX_LOCKS, TDATA_LOCKS } from './prof/prof_data.ts';
import { heapCalls } from './heap_calls.ts';
import { DETACHED, makeProf } from './heap_prof.ts';
import type { ProfProcess } from './heap_prof.ts';
import { CACHELINE, NBINS } from './sizes/sc.ts';
import { tsdFetch } from './thread/lifecycle.ts';
import { TcacheInfo } from './thread/tcache.ts';
import { Tcaches } from './thread/tcaches.ts';
import { Tsd } from './thread/tsd.ts';
import { MAIN_THREAD, type ThreadIndex } from './units.ts';

/** sizeof(cache_bin_info_t) (cache_bin.h) and sizeof(background_thread_info_t) (background_thread_structs.h), in this build. */
const CACHE_BIN_INFO_BYTES = 2;
const BACKGROUND_THREAD_INFO_BYTES = 208;
/** sizeof(malloc_mutex_t) (mutex.h), in this build. */
const MUTEX_BYTES = 112;

/** What a heap takes from its surroundings. */
export interface HeapOptions {
  readonly conf: BootConf;
  /** PRNG state of the main thread: the address of its tsd. */
  readonly mainSeed: bigint;
  readonly addressSpace?: Partial<AddressSpaceOptions>;
  /** What the system's clock shows at time 0, ns; background threads sleep by it. Default 0. */
  readonly clockBase?: bigint;
  /** Memory for the tables; by default one of its own. */
  readonly memory?: ModelMemory;
  /** What profiling takes from the process; used if the options turn profiling on. */
  readonly profiling?: ProfProcess;
}

/** All state of one allocator. */
export class Heap {
  readonly conf: BootConf;
  readonly options: Readonly<Options>;
  /** What the tables share with the part of the model that is compiled. */
  readonly memory: ModelMemory;
  readonly mutexes: MutexTable;
  readonly space: AddressSpace;
  readonly edata: EdataTable;
  readonly mappings: Mappings = new Mappings();
  /** Extents by their ends, where mappings of different times may merge (retain:false). */
  readonly boundaries: Boundaries | null;
  /** GiB numbers of the address space that have a leaf in the page map. */
  readonly leaves: Set<number> = new Set();
  readonly binInfo: BinInfo;
  readonly tcacheInfo: TcacheInfo;
  /** Thread caches that the program made for itself. */
  readonly tcaches: Tcaches = new Tcaches();
  readonly baseSurroundings: BaseSurroundings;
  readonly base0: Base;
  /** Arenas by index; automatic ones appear when they are first needed. */
  readonly arenas: (Arena | undefined)[] = [];
  /** The first one, which serves whoever may not choose (a0). */
  readonly arena0: Arena;
  /** Indices in use or reserved (narenas_total). */
  arenasTotal: number;
  /** ThreadIndex -> the thread's data. */
  readonly tsds: Tsd[] = [];
  /** Seed -> what stands for the tsd in mutex ownership. */
  readonly #owners = new Map<bigint, number>();
  /** Where the arenas have huge pages from; null without hpa. */
  readonly hpaCentral: HpaCentral | null;
  /** Null without prof:true. */
  readonly prof: Prof | null;
  /** Null without background_thread:true. */
  readonly background: BackgroundThreads | null;
  #running: Tsd | null = null;
  /** True once the boot is over. */
  initialized = false;
  /** The program break can be moved no more (dss_exhausted). */
  dssExhausted = false;
  /** Decay times, ms, and dss precedence of arenas to come. */
  dirtyDecayMsDefault: number;
  muzzyDecayMsDefault: number;
  dssDefault: DssPrecedence;
  /** realloc(p, 0) calls (zero_realloc_count). */
  zeroReallocs = 0;

  // second results and a scratch list of the extent layer, kept here so that a steady replay allocates nothing

  /** The latest tryCoalesce in the dirty cache has merged one step: there may be more to merge. */
  coalesced = false;
  /** What the extent split last was split into besides what served. */
  readonly split: SplitInterior = new SplitInterior();
  /** What was mapped last comes from the program break. */
  mappedDss = false;
  /** What was allocated or freed leaves work to do (deferred_work_generated). */
  deferredWork = false;
  /** Extents on their way to be purged (decay_extents of pac_stash_decayed). */
  readonly stash: number[] = [];

  /** Takes note of the figures, which are those of a peak and about to change. A replay sets it. */
  notePeak: () => void = () => {};
  /** Called for a statistics event of a thread (stats_interval). */
  statsIntervalEvent: (tsd: Tsd, elapsed: number) => void = () => {};

  constructor({ conf, mainSeed, addressSpace, clockBase = 0n, profiling, memory = new ModelMemory() }: HeapOptions) {
    this.memory = memory;
    memory.join(heapCalls(this));
    this.mutexes = new MutexTable(memory);
    this.edata = new EdataTable(memory);
    this.conf = conf;
    const { options } = conf;
    this.options = options;
    this.dirtyDecayMsDefault = options.dirty_decay_ms;
    this.muzzyDecayMsDefault = options.muzzy_decay_ms;
    this.dssDefault = options.dss;
    this.arenasTotal = 1;
    this.space = new AddressSpace({ ...DEFAULT_ADDRESS_SPACE, ...addressSpace });
    this.boundaries = options.retain ? null : new Boundaries();
    this.binInfo = new BinInfo(conf);
    this.hpaCentral = options.hpa ? new HpaCentral(memory) : null;
    this.mutexes.add(GLOBAL_MUTEXES);
    this.baseSurroundings = {
      space: this.space,
      mutexes: this.mutexes,
      metadataThp: options.metadata_thp,
      thpOnMadvise: conf.systemThp === 'madvise',
    };
    this.prof = options.prof ? makeProf(this, profiling ?? DETACHED) : null;
    // base_boot
    this.base0 = newBase(this, true);
    // tcache_boot
    this.tcacheInfo = new TcacheInfo(conf.nhbins, conf.ncachedMax, conf.tcacheGcDelayBytes);
    memory.configure({
      regions: this.binInfo.regions,
      firstBin: this.binInfo.firstBin,
      flushDiv: options.lg_tcache_flush_small_div,
      cachedClasses: conf.nhbins,
      delayItems: this.tcacheInfo.delayItems,
      gcIncrement: conf.tcacheGcIncrBytes,
      statsBatch: conf.statsInterval > 0 ? conf.statsIntervalBatch : Infinity,
      samples: options.prof,
    });
    this.base0.alloc(CACHE_BIN_INFO_BYTES * Math.max(conf.nhbins, NBINS), CACHELINE);
    this.arena0 = arenaNew(this, 0, this.base0, true);
    if (options.hpa) paShardEnableHpa(this, this.arena0);
    // malloc_tsd_boot0
    const main = this.addThread(mainSeed);
    tsdFetch(this, main);
    main.reentrancy = 1;
    // malloc_init_narenas
    this.arenasTotal = conf.narenasTotal;
    // background_thread_boot1
    this.base0.alloc(options.max_background_threads * BACKGROUND_THREAD_INFO_BYTES, CACHELINE);
    this.background = options.background_thread ? new BackgroundThreads(this, clockBase) : null;
    // prof_boot2
    if (this.prof !== null) {
      this.prof.boot(main.index);
      this.base0.alloc(GCTX_LOCKS * MUTEX_BYTES, CACHELINE);
      this.base0.alloc(TDATA_LOCKS * MUTEX_BYTES, CACHELINE);
    }
    main.reentrancy = 0;
    this.initialized = true;
    this.background?.create(0);
  }

  /** Time of the event in progress, ns since start_ts. */
  get now(): number {
    return this.memory.now;
  }

  set now(time: number) {
    this.memory.now = time;
  }

  /** The thread whose call is in progress; null before there is one. */
  get running(): Tsd | null {
    return this.#running;
  }

  set running(tsd: Tsd | null) {
    this.#running = tsd;
    if (tsd !== null) this.memory.thread = tsd.index;
  }

  /** Makes the tsd of a new thread, which has not called the allocator yet. @param seed PRNG state of the thread: the address of its tsd. */
  addThread(seed: bigint): Tsd {
    let owner = this.#owners.get(seed);
    if (owner === undefined) {
      owner = this.#owners.size + 1;
      this.#owners.set(seed, owner);
    }
    const tsd = new Tsd(this.memory, this.tsds.length as ThreadIndex, seed, owner);
    this.tsds.push(tsd);
    this.memory.placeTsd(tsd.index, tsd.place);
    return tsd;
  }

  /** extent_gdump_add: pages that were taken from the system or from retained memory. A new high may dump the heap. */
  gdumpAdd(pages: number): void {
    if (this.prof !== null) this.prof.pagesAdd(this.running === null ? MAIN_THREAD : this.running.index, pages);
  }

  /** extent_gdump_sub */
  gdumpSub(pages: number): void {
    if (this.prof !== null) this.prof.pagesSub(pages);
  }
}
