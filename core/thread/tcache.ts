/**
 * Thread caches (jemalloc 5.3.0, src/tcache.c, include/jemalloc/internal/cache_bin.h). Filling and flushing small classes and collecting is compiled (assembly/tcache.ts).
 * Invariant: of each class, stack[stackBase .. stackBase + cached - 1] are free objects, the oldest first; lowWater <= cached <= slots.
 * Differs: objects are region numbers. The fields of a class lie side by side, because an allocation touches all of them and nothing else.
 * What is stashed for use-after-free detection is absent: this build has none.
 */
import type { Arena } from '../arena/arena_state.ts';
import { TCACHE_BYTES } from '../assembly/places.ts';
import { binChoose } from '../arena/bin.ts';
import { largeDallocPrep } from '../arena/large.ts';
import { paDalloc } from '../extent/pac.ts';
import { extentOf } from '../extent/emap.ts';
import { REGIONS, SLAB_WORDS } from '../extent/region.ts';
import type { Region } from '../extent/types.ts';
import type { Heap } from '../heap.ts';
import type { ModelMemory } from '../model_memory.ts';
import { ArenaMutex, lock } from '../mutex.ts';
import { indexToSize, NBINS } from '../sizes/sc.ts';
import { CACHE_BIN, CACHED, LOW_WATER, REQUESTS, SLOTS, STACK_BASE } from './cache_bin.ts';
import { decayTick } from './decay_tick.ts';
import type { Tsd } from './tsd.ts';
import type { Bytes, SizeClass } from '../units.ts';
import type { UnitColumn } from '../columns.ts';

/** sizeof(void *): a slot of a cache. */
const SLOT_BYTES = 8;
/** Slots beside those of the classes: one that may be read before the first, and one for the top to go past the last (cache_bin_info_compute_alloc). */
const SPARE_SLOTS = 2;
/** The largest value of bin_flush_delay_items, a uint8_t (tcache_structs.h). */
const DELAY_ITEMS_MAX = 255;

/** Shape of every thread cache: SizeClass -> value, for the cached classes (tcache_bin_info). */
export class TcacheInfo {
  /** Cached classes (nhbins): 0..nhbins-1. */
  readonly classes: number;
  /** Objects that a class may hold; 0 for small classes that are not cached. */
  readonly slots: Int32Array;
  /** Where a class's stack begins. */
  readonly stackBase: Int32Array;
  /** Objects of all classes together. */
  readonly capacity: number;
  /** Bytes of a cache's memory (tcache_bin_alloc_size), which is aligned to a page. */
  readonly bytes: Bytes;
  /** Items that a collection may pass by at first (tcache_gc_item_delay_compute). */
  readonly delayItems: Uint8Array = new Uint8Array(NBINS);

  /**
   * @param classes Cached classes (nhbins).
   * @param ncachedMax SizeClass -> objects that the class may hold, for the cached ones and all small ones.
   * @param gcDelayBytes tcache_gc_delay_bytes.
   */
  constructor(classes: number, ncachedMax: ArrayLike<number>, gcDelayBytes: number) {
    this.classes = classes;
    this.slots = Int32Array.from(ncachedMax);
    this.stackBase = new Int32Array(this.slots.length);
    let capacity = 0;
    for (let szind = 0; szind < classes; szind++) {
      this.stackBase[szind] = capacity;
      capacity += this.slots[szind];
    }
    this.capacity = capacity;
    this.bytes = (SLOT_BYTES * (SPARE_SLOTS + capacity)) as Bytes;
    for (let szind = 0; szind < NBINS; szind++) {
      this.delayItems[szind] = Math.min(DELAY_ITEMS_MAX, Math.floor(gcDelayBytes / indexToSize[szind]));
    }
  }
}

/** Word of the struct Tcache of assembly/tables.ts that names the arena. */
const ARENA = 6;

/** tcache_t with its tcache_slow_t, in the memory of the model (assembly/tables.ts, Tcache): the struct, and behind it its columns. */
export class Tcache {
  /** Where it is, and its bytes there. */
  readonly place: number;
  readonly #room: number;
  readonly #words: Uint32Array;
  #arena: Arena | null = null;
  /** The region that stands for the cache's memory, an internal allocation of arena 0. */
  readonly region: Region;
  /** SizeClass * CACHE_BIN + field (cache_bin.ts) -> value. */
  readonly bins: Int32Array;
  /** Regions that are free here, class after class: see STACK_BASE. */
  readonly stack: UnitColumn<Uint32Array, Region>;
  /** Small SizeClass -> a fill takes slots >> lgFillDiv objects (lg_fill_div). */
  readonly lgFillDiv: Uint8Array;
  /** Small SizeClass -> 1 if the class was filled since a collection last looked at it (bin_refilled). */
  readonly refilled: Uint8Array;
  /** Small SizeClass -> objects that collections may still pass by (bin_flush_delay_items). */
  readonly delayItems: Uint8Array;

  constructor(memory: ModelMemory, info: TcacheInfo, region: Region) {
    this.region = region;
    const words = Math.max(NBINS, info.classes) * CACHE_BIN;
    const bins = TCACHE_BYTES;
    const stack = bins + words * 4;
    const lgFillDiv = stack + info.capacity * 4;
    const refilled = lgFillDiv + NBINS;
    const delayItems = refilled + NBINS;
    this.#room = delayItems + NBINS;
    this.place = memory.take(this.#room);
    this.#words = new Uint32Array(memory.buffer, this.place, TCACHE_BYTES / 4);
    this.#words.set([bins, stack, lgFillDiv, refilled, delayItems].map((offset) => this.place + offset));
    this.bins = new Int32Array(memory.buffer, this.place + bins, words);
    this.stack = new Uint32Array(memory.buffer, this.place + stack, info.capacity) as UnitColumn<Uint32Array, Region>;
    this.lgFillDiv = new Uint8Array(memory.buffer, this.place + lgFillDiv, NBINS).fill(1);
    this.refilled = new Uint8Array(memory.buffer, this.place + refilled, NBINS);
    for (let szind = 0; szind < info.classes; szind++) {
      this.bins[szind * CACHE_BIN + STACK_BASE] = info.stackBase[szind];
      this.bins[szind * CACHE_BIN + SLOTS] = info.slots[szind];
    }
    this.delayItems = new Uint8Array(memory.buffer, this.place + delayItems, NBINS);
    this.delayItems.set(info.delayItems);
  }

  /** Arena that it is linked to. */
  get arena(): Arena | null {
    return this.#arena;
  }

  set arena(arena: Arena | null) {
    this.#arena = arena;
    this.#words[ARENA] = arena === null ? 0 : arena.place;
  }

  /** Gives its place to the next cache. */
  end(memory: ModelMemory): void {
    memory.give(this.place, this.#room);
  }
}

/** tcache_arena_associate: links a cache to an arena, which it is filled from. */
export function tcacheAssociate(heap: Heap, tcache: Tcache, arena: Arena): void {
  tcache.arena = arena;
  lock(heap.mutexes, arena.mutexes + ArenaMutex.tcache_list);
  arena.tcaches.add(tcache);
}

/** tcache_arena_dissociate: reports what the cache served, too. */
export function tcacheDissociate(heap: Heap, tsd: Tsd, tcache: Tcache): void {
  const arena = tcache.arena as Arena;
  lock(heap.mutexes, arena.mutexes + ArenaMutex.tcache_list);
  arena.tcaches.delete(tcache);
  tcacheStatsMerge(heap, tsd, tcache, arena);
  tcache.arena = null;
}

/** tcache_stats_merge: books the requests of every class in an arena. A large class counts a flush each time. */
export function tcacheStatsMerge(heap: Heap, tsd: Tsd, tcache: Tcache, arena: Arena): void {
  const { bins } = tcache;
  for (let szind = 0 as SizeClass; szind < heap.tcacheInfo.classes; szind++) {
    const requests = bins[szind * CACHE_BIN + REQUESTS];
    if (szind < NBINS) {
      const bin = binChoose(heap, tsd, szind);
      lock(heap.mutexes, arena.binMutexes + bin);
      arena.bins.nrequests[bin] += requests;
    } else {
      arena.large.nrequests[szind - NBINS] += requests;
      arena.large.nflushes[szind - NBINS]++;
    }
    bins[szind * CACHE_BIN + REQUESTS] = 0;
  }
}

/** tcache_alloc_small_hard: fills an empty class from `arena` and takes the top object; -1 if out of memory. */
export function tcacheFill(heap: Heap, tsd: Tsd, tcache: Tcache, arena: Arena, szind: SizeClass): Region {
  return heap.memory.code.tcacheFill(tsd.place, tcache.place, arena.place, szind);
}

/** tcache_bin_flush_bottom: gives the oldest objects of a class back to their arenas, until `remaining` are left. */
export function tcacheFlush(heap: Heap, tsd: Tsd, tcache: Tcache, szind: SizeClass, remaining: number): void {
  if (szind < NBINS) heap.memory.code.tcacheFlush(tsd.place, tcache.place, szind, remaining);
  else flushLarge(heap, tsd, tcache, szind, remaining);
}

/** tcache_bin_flush_large: the same for a large class. */
export function flushLarge(heap: Heap, tsd: Tsd, tcache: Tcache, szind: SizeClass, remaining: number): void {
  const { bins, stack } = tcache;
  const at = szind * CACHE_BIN;
  const cached = bins[at + CACHED];
  const base = bins[at + STACK_BASE];
  flushExtents(heap, tsd, tcache, szind, base, cached - remaining);
  stack.copyWithin(base, base + cached - remaining, base + cached);
  bins[at + CACHED] = remaining;
  if (bins[at + LOW_WATER] > remaining) bins[at + LOW_WATER] = remaining;
}

/** Books a flush of a large class, and with it what the class has served since the last one. */
function mergeRequests({ bins }: Tcache, { large }: Arena, szind: SizeClass): void {
  const pending = szind * CACHE_BIN + REQUESTS;
  large.nflushes[szind - NBINS]++;
  large.nrequests[szind - NBINS] += bins[pending];
  bins[pending] = 0;
}

/** tcache_bin_flush_impl over stack[at .. at + count - 1], large objects, the youngest of them first; those entries are overwritten. */
function flushExtents(heap: Heap, tsd: Tsd, tcache: Tcache, szind: SizeClass, at: number, count: number): void {
  const { edata, mutexes } = heap;
  const { stack } = tcache;
  const own = tcache.arena as Arena;
  const extentAt = (i: number) => extentOf(stack[i] as Region);
  let merged = false;
  let left = count;
  // the youngest object left lies at stack[at + left - 1]; a pass keeps what it passes by at the top of that range
  while (left > 0) {
    const top = at + left - 1;
    const arenaIndex = edata.arena[extentAt(top)];
    const arena = heap.arenas[arenaIndex] as Arena;
    if (!arena.automatic) lock(mutexes, arena.mutexes + ArenaMutex.large);
    if (arena === own && !merged) {
      merged = true;
      mergeRequests(tcache, arena, szind);
    }
    for (let i = top; i >= at; i--) {
      const extent = extentAt(i);
      if (edata.arena[extent] === arenaIndex) largeDallocPrep(heap, arena, extent);
    }
    let keep = top;
    for (let i = top; i >= at; i--) {
      const extent = extentAt(i);
      if (edata.arena[extent] !== arenaIndex) stack[keep--] = stack[i];
      else paDalloc(heap, arena, extent);
    }
    const deferred = top - keep;
    decayTick(heap, tsd, arena, left - deferred);
    // what was kept moves down, in order, so that it is again stack[at .. at + deferred - 1]
    if (deferred > 0) stack.copyWithin(at, keep + 1, top + 1);
    left = deferred;
  }
  if (!merged) mergeRequests(tcache, own, szind);
}

/** tcache_flush_cache: empties every class. */
export function tcacheFlushAll(heap: Heap, tsd: Tsd, tcache: Tcache): void {
  for (let szind = 0 as SizeClass; szind < heap.tcacheInfo.classes; szind++) tcacheFlush(heap, tsd, tcache, szind, 0);
}

/** Checks a thread cache: every object is a region of its class that its slab counts as taken. @throws Error naming what does not hold. */
export function checkTcache(heap: Heap, tcache: Tcache): void {
  const { edata, tcacheInfo } = heap;
  const { bins, stack, lgFillDiv } = tcache;
  for (let szind = 0; szind < tcacheInfo.classes; szind++) {
    const at = szind * CACHE_BIN;
    const cached = bins[at + CACHED];
    const slots = bins[at + SLOTS];
    if (cached > slots) throw new Error('tcache: a class holds more than its slots');
    if (bins[at + LOW_WATER] > cached) throw new Error('tcache: the low water mark is above the level');
    if (szind < NBINS && (lgFillDiv[szind] < 1 || slots >> lgFillDiv[szind] < 1))
      throw new Error('tcache: a fill would take nothing, or too much');
    for (let i = 0; i < cached; i++) {
      const object = stack[bins[at + STACK_BASE] + i] as Region;
      const extent = extentOf(object);
      if (edata.szind[extent] !== szind) throw new Error('tcache: an object of another class is cached');
      if (szind >= NBINS) continue;
      const region = object - extent * REGIONS;
      if ((edata.freeBits[extent * SLAB_WORDS + (region >>> 5)] & (1 << (region & 31))) !== 0) {
        throw new Error('tcache: a cached object is free in its slab');
      }
    }
  }
}
