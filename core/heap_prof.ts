/**
 * Joins profiling to a heap (jemalloc 5.3.0: the calls between src/prof*.c and the rest of the library).
 * Invariant: profiling's locks are rows of the heap's mutex table.
 * Differs: profiling names threads and arenas by their numbers, and memory by the region that it lies in.
 */
import { arenaIchoose } from './arena/choose.ts';
import type { Arena } from './arena/arena_state.ts';
import { internalAlloc, internalFree } from './arena/internal.ts';
import { textOfByteString } from './conf/byte_string.ts';
import type { Heap } from './heap.ts';
import type { MutexTable } from './mutex.ts';
import { GlobalMutex, lock } from './mutex.ts';
import type { ProfFile, ProfHost, ProfLocks, ProfStacks } from './prof/host.ts';
import { Prof } from './prof/prof.ts';
import { TsdState } from './thread/tsd.ts';
import { VERSION } from './version.ts';
import type { Bytes } from './units.ts';
import type { Region } from './extent/types.ts';
import { NO_ALIGNMENT } from './sizes/sc.ts';

/** Bytes of a thread's name that Linux keeps (TASK_COMM_LEN less the closing zero): what pthread_getname_np gives. */
const SYSTEM_NAME_BYTES = 15;
/** What profiling passes as an alignment where it asks for none (iallocztm). */
const ANY_ALIGNMENT = 1;

/** What profiling takes from the process around the allocator; see ProfHost. */
export interface ProfProcess {
  readonly stacks: ProfStacks;
  readonly pid: number;
  /** Absolute time of the heap's time 0, ns. */
  readonly clockBase: bigint;
  /** The thread's name; of a longer one than a system has, the profiler sees what a system would keep. */
  systemThreadName(thread: number): string;
  maps(): string | undefined;
  /** As ProfHost's; `name` is text, where options are bytes. */
  openFile(name: string): ProfFile | number;
  message(text: string): void;
}

/** A process without backtraces, names and files. */
export const DETACHED: ProfProcess = {
  stacks: { framesOf: () => [], frames: { addressOf: () => 0n } },
  pid: 0,
  clockBase: 0n,
  systemThreadName: () => '',
  maps: () => undefined,
  openFile: () => ({ write: () => {}, close: () => {} }),
  message: () => {},
};

/** Profiling's lock counters as a view of the mutex table: to count one up is to take it. */
class Locks implements ProfLocks {
  readonly #mutexes: MutexTable;

  constructor(mutexes: MutexTable) {
    this.#mutexes = mutexes;
  }

  /** Takes a lock until it was taken `count` times. */
  #set(mutex: number, count: number): void {
    while (this.#mutexes.ops[mutex] < count) lock(this.#mutexes, mutex);
  }

  get prof(): number {
    return this.#mutexes.ops[GlobalMutex.prof];
  }
  set prof(count: number) {
    this.#set(GlobalMutex.prof, count);
  }
  get prof_thds_data(): number {
    return this.#mutexes.ops[GlobalMutex.prof_thds_data];
  }
  set prof_thds_data(count: number) {
    this.#set(GlobalMutex.prof_thds_data, count);
  }
  get prof_dump(): number {
    return this.#mutexes.ops[GlobalMutex.prof_dump];
  }
  set prof_dump(count: number) {
    this.#set(GlobalMutex.prof_dump, count);
  }
  get prof_recent_alloc(): number {
    return this.#mutexes.ops[GlobalMutex.prof_recent_alloc];
  }
  set prof_recent_alloc(count: number) {
    this.#set(GlobalMutex.prof_recent_alloc, count);
  }
  get prof_recent_dump(): number {
    return this.#mutexes.ops[GlobalMutex.prof_recent_dump];
  }
  set prof_recent_dump(count: number) {
    this.#set(GlobalMutex.prof_recent_dump, count);
  }
  get prof_stats(): number {
    return this.#mutexes.ops[GlobalMutex.prof_stats];
  }
  set prof_stats(count: number) {
    this.#set(GlobalMutex.prof_stats, count);
  }
}

/** Profiling over a heap's arenas and threads. */
export function makeProf(heap: Heap, surroundings: ProfProcess): Prof {
  const host: ProfHost = {
    locks: new Locks(heap.mutexes),
    memory: heap.memory,
    iallocztm: (thread, size, alignment, arena) =>
      // of the tables only those that are aligned, the hash tables, are cleared (src/ckh.c)
      internalAlloc(
        heap,
        heap.tsds[thread],
        size as Bytes,
        alignment === ANY_ALIGNMENT ? NO_ALIGNMENT : (alignment as Bytes),
        heap.arenas[arena] as Arena,
        alignment !== ANY_ALIGNMENT,
      ),
    idalloctm: (thread, handle) => internalFree(heap, heap.tsds[thread], handle as Region),
    arenaIchoose: (thread) => arenaIchoose(heap, heap.tsds[thread]).index,
    isNominal: (thread) => heap.tsds[thread].state === TsdState.nominal,
    reentrancyLevel: (thread) => heap.tsds[thread].reentrancy,
    now: () => heap.now,
    clockBase: surroundings.clockBase,
    // in characters: a name that is not ASCII is refused anyhow
    systemThreadName: (thread) => surroundings.systemThreadName(thread).slice(0, SYSTEM_NAME_BYTES),
    pid: surroundings.pid,
    version: VERSION,
    maps: () => surroundings.maps(),
    openFile: (name) => surroundings.openFile(textOfByteString(name)),
    message: (text) => surroundings.message(text),
  };
  return new Prof(host, heap.options, surroundings.stacks, heap.conf.profInterval);
}
