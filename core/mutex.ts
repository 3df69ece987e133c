/**
 * Lock counters (jemalloc 5.3.0, src/mutex.c, mutex_owner_stats_update). A replay takes turns, so no lock is ever contended:
 * what is left of a mutex is how often it was taken and by whom.
 * Differs: waits, spins and their times are absent, because they are always 0.
 * Invariant: owner[m] is the owner id of the last thread that took m, 0 if none did; the id stands for the address of a tsd.
 */
import { MUTEXES } from './assembly/places.ts';
import type { ModelMemory } from './model_memory.ts';

/** The mutexes of an arena, in the order in which statistics print them. Bin mutexes follow. */
export const ArenaMutex = {
  large: 0,
  extent_avail: 1,
  extents_dirty: 2,
  extents_muzzy: 3,
  extents_retained: 4,
  decay_dirty: 5,
  decay_muzzy: 6,
  base: 7,
  tcache_list: 8,
  hpa_shard: 9,
  hpa_shard_grow: 10,
  hpa_sec: 11,
} as const;
/** How many those are; bins come after them. */
export const ARENA_MUTEXES = 12;

/** The process-wide mutexes, in the order in which statistics print them; they are the first rows of the table. */
export const GlobalMutex = {
  background_thread: 0,
  max_per_bg_thd: 1,
  ctl: 2,
  prof: 3,
  prof_thds_data: 4,
  prof_dump: 5,
  prof_recent_alloc: 6,
  prof_recent_dump: 7,
  prof_stats: 8,
} as const;
/** How many those are. */
export const GLOBAL_MUTEXES = 9;

/** All mutexes of a heap as columns, in the memory of the model (assembly/tables.ts, Mutexes). */
export class MutexTable {
  readonly #memory: ModelMemory;
  readonly #running: Int32Array;
  length = 0;
  /** Mutex -> times taken (n_lock_ops). */
  ops: Float64Array;
  /** Mutex -> times taken by another thread than the time before (n_owner_switches). */
  ownerSwitches: Float64Array;
  /** Mutex -> owner id of the last thread, 0 for none. */
  owner: Int32Array;

  constructor(memory: ModelMemory) {
    this.#memory = memory;
    this.ops = memory.float64(256);
    this.ownerSwitches = memory.float64(256);
    this.owner = memory.int32(256);
    this.#running = new Int32Array(memory.buffer, MUTEXES + 12, 1);
    this.#place();
  }

  #place(): void {
    this.#memory.writePlaces(MUTEXES, 0, [this.ops, this.ownerSwitches, this.owner]);
  }

  /** Owner id of the running thread; 0 before there is one (a NULL tsdn). */
  get running(): number {
    return this.#running[0];
  }

  set running(owner: number) {
    this.#running[0] = owner;
  }

  /** Makes `count` mutexes and gives the first one's number. */
  add(count: number): number {
    const first = this.length;
    this.length += count;
    if (this.length > this.ops.length) {
      this.ops = this.#memory.grown(this.ops, this.length);
      this.ownerSwitches = this.#memory.grown(this.ownerSwitches, this.length);
      this.owner = this.#memory.grown(this.owner, this.length);
      this.#place();
    }
    return first;
  }
}

/** @throws Error unless what was taken has an owner that took it, and none changed hands more often than it was taken. */
export function checkMutexes({ length, ops, ownerSwitches, owner }: MutexTable): void {
  for (let mutex = 0; mutex < length; mutex++) {
    if (ownerSwitches[mutex] > ops[mutex]) throw new Error('mutex: it changed hands more often than it was taken');
    if (owner[mutex] !== 0 && ownerSwitches[mutex] === 0) throw new Error('mutex: it has an owner, and nobody took it');
  }
}

/** Takes mutex `m` (and gives it back: nobody else can want it). */
export function lock(mutexes: MutexTable, m: number): void {
  mutexes.ops[m]++;
  if (mutexes.owner[m] !== mutexes.running) {
    mutexes.owner[m] = mutexes.running;
    mutexes.ownerSwitches[m]++;
  }
}
