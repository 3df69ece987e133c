/**
 * Making arenas, and choosing one for a thread (jemalloc 5.3.0, src/jemalloc.c arena_choose_hard, arena_bind, arena_migrate; src/arena.c
 * arena_new, arena_choose_huge; arena_choose_impl and percpu_arena_update in jemalloc_internal_inlines_b.h).
 * Invariant: an arena's applicationThreads = threads whose `arena` it is, likewise internalThreads.
 * Differs: the CPU that a thread runs on is the trace's (`tsd.cpu`), and its arena is an automatic one: whoever sets it sees to that.
 */
import { Base } from '../base/base.ts';
import { arenaOfCpu } from '../conf/boot.ts';
import { State } from '../extent/edata.ts';
import { arenaDecay, decayMsSet, paShardEnableHpa } from '../extent/pac.ts';
import type { Heap } from '../heap.ts';
import { ARENA_MUTEXES, ArenaMutex, GlobalMutex, lock } from '../mutex.ts';
import { CACHELINE } from '../sizes/sc.ts';
import { tcacheAssociate, tcacheDissociate } from '../thread/tcache.ts';
import type { Tsd } from '../thread/tsd.ts';
import { Arena } from './arena_state.ts';

/** sizeof(arena_t), its `bins` left out (arena_structs.h), and sizeof(bin_t) (bin.h), in this build. */
const ARENA_BYTES = 78952;
const BIN_BYTES = 224;

/** The base of an arena to be made (base_new), with the mutexes of that arena. @throws OutOfMemory if there is no memory for its first block. */
export function newBase(heap: Heap, isArena0: boolean): Base {
  const mutexes = heap.mutexes.add(ARENA_MUTEXES + heap.binInfo.bins);
  return new Base(heap.baseSurroundings, mutexes + ArenaMutex.base, isArena0);
}

/**
 * arena_new: makes the arena with this index, in the memory of its own base.
 * @param base For arena 0: the base that the boot has made (b0). Null: a new one.
 * @param automatic False for arenas that arenas.create makes.
 * @throws OutOfMemory if there is no memory for a base.
 */
export function arenaNew(heap: Heap, index: number, base: Base | null, automatic: boolean): Arena {
  const { binInfo, conf } = heap;
  const own = base ?? newBase(heap, false);
  const address = own.alloc(ARENA_BYTES + BIN_BYTES * binInfo.bins, CACHELINE);
  const arena = new Arena({
    memory: heap.memory,
    index,
    base: own,
    address,
    mutexes: own.mutex - ArenaMutex.base,
    bins: binInfo.bins,
    now: heap.now,
    dirtyDecayMs: heap.dirtyDecayMsDefault,
    muzzyDecayMs: heap.muzzyDecayMsDefault,
    oversizeThreshold: index === 0 ? conf.arena0OversizeThreshold : conf.oversizeThreshold,
    dss: heap.dssDefault,
    automatic,
  });
  heap.arenas[index] = arena;
  heap.memory.placeArena(index, arena.place);
  // arena 0 is made before that can be
  if (index !== 0 && heap.options.hpa) paShardEnableHpa(heap, arena);
  if (index >= heap.arenasTotal) heap.arenasTotal = index + 1;
  return arena;
}

/**
 * arena_init: makes the arena with this index if it is not there; from the indices of the boot on it is a manual one (arena_is_auto).
 * It gets a background thread, but not the huge arena.
 */
export function arenaInit(heap: Heap, index: number): Arena {
  const existing = heap.arenas[index];
  const arena = existing ?? arenaNew(heap, index, null, index < heap.conf.narenasTotal);
  if (index !== 0 && index !== heap.conf.hugeArenaIndex) createBackgroundThread(heap, index);
  return arena;
}

/** background_thread_create: a background thread for the arena, if there are any. Else it only takes their lock. */
export function createBackgroundThread(heap: Heap, index: number): void {
  if (heap.background === null) lock(heap.mutexes, GlobalMutex.background_thread);
  else heap.background.create(index);
}

/** arena_get: the arena with this index, made if it is not there. */
function arenaGet(heap: Heap, index: number): Arena {
  return heap.arenas[index] ?? arenaInit(heap, index);
}

/** arena_bind: counts the thread with the arena, for its own allocations or for those of the library, and draws its shards of the bins. */
function arenaBind(heap: Heap, tsd: Tsd, arena: Arena, internal: boolean): void {
  if (internal) {
    arena.internalThreads++;
    tsd.internalArena = arena;
    return;
  }
  arena.applicationThreads++;
  tsd.arena = arena;
  const shard = arena.nextShard++;
  tsd.shards = heap.binInfo.shards.map((shards) => shard % shards);
}

/** arena_choose_hard: binds a thread to the arena with the fewest threads, or to a new one while all that exist are in use. */
function chooseHard(heap: Heap, tsd: Tsd, internal: boolean): Arena {
  if (heap.conf.percpuArenas > 0) {
    const arena = arenaGet(heap, arenaOfCpu(heap.conf, tsd.cpu));
    arenaBind(heap, tsd, arena, false);
    arenaBind(heap, tsd, arena, true);
    return arena;
  }
  const automatic = heap.conf.narenasAuto;
  const { arena0 } = heap;
  if (automatic === 1) {
    arenaBind(heap, tsd, arena0, false);
    arenaBind(heap, tsd, arena0, true);
    return arena0;
  }
  let application = arena0;
  let own = arena0;
  let missing = automatic;
  for (let index = 1; index < automatic; index++) {
    const arena = heap.arenas[index];
    if (arena !== undefined) {
      if (arena.applicationThreads < application.applicationThreads) application = arena;
      if (arena.internalThreads < own.internalThreads) own = arena;
    } else if (missing === automatic) {
      missing = index;
    }
  }
  let created = 0;
  if (application.applicationThreads !== 0 && missing !== automatic) {
    application = heap.arenas[missing] ?? arenaNew(heap, missing, null, true);
    created++;
  }
  arenaBind(heap, tsd, application, false);
  if (own.internalThreads !== 0 && missing !== automatic) {
    own = heap.arenas[missing] ?? arenaNew(heap, missing, null, true);
    created++;
  }
  arenaBind(heap, tsd, own, true);
  // arena_new_create_background_thread, for each of the two that asked for a new arena
  for (; created > 0; created--) createBackgroundThread(heap, missing);
  return internal ? own : application;
}

/** Checks that the threads of each arena are those that are bound to it. @throws Error if they are not. */
export function checkThreads({ arenas, tsds }: Heap): void {
  const application = new Map<Arena, number>();
  const internal = new Map<Arena, number>();
  for (const { arena, internalArena } of tsds) {
    if (arena !== null) application.set(arena, (application.get(arena) ?? 0) + 1);
    if (internalArena !== null) internal.set(internalArena, (internal.get(internalArena) ?? 0) + 1);
  }
  for (const arena of arenas) {
    if (arena === undefined) continue;
    if (arena.applicationThreads !== (application.get(arena) ?? 0))
      throw new Error('arena: applicationThreads are not the threads bound to it');
    if (arena.internalThreads !== (internal.get(arena) ?? 0)) throw new Error('arena: internalThreads are not the threads bound to it');
  }
}

/** arena_choose: the thread's arena, bound now if it has none; with percpu_arena that of its CPU. */
export function arenaChoose(heap: Heap, tsd: Tsd): Arena {
  if (tsd.reentrancy > 0) return heap.arena0;
  const arena = tsd.arena ?? bindAndLink(heap, tsd, false);
  return arena.index < heap.conf.percpuArenas ? followCpu(heap, tsd, arena) : arena;
}

/** The end of arena_choose_impl: a thread asks for its CPU only if another one has used the arena since. Manual arenas are kept. */
function followCpu(heap: Heap, tsd: Tsd, arena: Arena): Arena {
  if (arena.lastOwner === tsd.owner) return arena;
  const chosen = arenaGet(heap, arenaOfCpu(heap.conf, tsd.cpu));
  if (chosen !== arena) arenaMigrate(heap, tsd, arena, chosen);
  chosen.lastOwner = tsd.owner;
  return chosen;
}

/**
 * arena_migrate and tcache_arena_reassociate: binds a thread to another arena, its cache with it. Shards and internal arena stay.
 * An arena that has lost its last thread is purged.
 */
export function arenaMigrate(heap: Heap, tsd: Tsd, from: Arena, to: Arena): void {
  const { tcache } = tsd;
  from.applicationThreads--;
  to.applicationThreads++;
  tsd.arena = to;
  if (from.applicationThreads === 0) arenaDecay(heap, from, true);
  // a cache that is being made is linked when it is done
  if (tcache === null || tcache.arena === null) return;
  tcacheDissociate(heap, tsd, tcache);
  tcacheAssociate(heap, tcache, to);
}

/** arena_ichoose: the same for allocations of the library's own. */
export function arenaIchoose(heap: Heap, tsd: Tsd): Arena {
  if (tsd.reentrancy > 0) return heap.arena0;
  return tsd.internalArena ?? bindAndLink(heap, tsd, true);
}

/** The rest of arena_choose_impl: binds the thread, and links its cache to the arena. */
function bindAndLink(heap: Heap, tsd: Tsd, internal: boolean): Arena {
  const arena = chooseHard(heap, tsd, internal);
  const { tcache } = tsd;
  if (tcache !== null) {
    if (tcache.arena === null) {
      tcacheAssociate(heap, tcache, arena);
    } else if (tcache.arena !== arena) {
      tcacheDissociate(heap, tsd, tcache);
      tcacheAssociate(heap, tcache, arena);
    }
  }
  return arena;
}

/** arena_choose_maybe_huge: `given`, or the huge arena for sizes from the oversize threshold on, or the thread's arena. */
export function chooseMaybeHuge(heap: Heap, tsd: Tsd, given: Arena | null, size: number): Arena {
  if (given !== null) return given;
  if (size >= heap.conf.oversizeThreshold && (tsd.arena === null || tsd.arena.automatic)) return chooseHuge(heap);
  return arenaChoose(heap, tsd);
}

/** arena_choose_huge: made on first use, and then with dirty and muzzy pages purged at once. */
function chooseHuge(heap: Heap): Arena {
  const index = heap.conf.hugeArenaIndex;
  const existing = heap.arenas[index];
  if (existing !== undefined) return existing;
  const arena = arenaInit(heap, index);
  if (heap.dirtyDecayMsDefault > 0) decayMsSet(heap, arena, State.dirty, 0);
  if (heap.muzzyDecayMsDefault > 0) decayMsSet(heap, arena, State.muzzy, 0);
  return arena;
}
