/**
 * What profiling needs from the rest of the allocator and from the process (jemalloc 5.3.0: the calls that src/prof*.c make to
 * iallocztm, ipallocztm, idalloctm, arena_ichoose, tsd_nominal, nstime_prof_update, creat and malloc_write).
 * Invariant: nothing in core/prof reads a clock, a file or a thread but through this interface.
 * Differs: one host object for a handful of global functions, so that profiling runs alone in tests, with a host that only records calls.
 */

import { OutOfMemory } from '../base/base.ts';
import type { Options } from '../conf/options.ts';
import { HangError } from '../hang_error.ts';
import type { ModelMemory } from '../model_memory.ts';
import type { StackIndex } from '../units.ts';

/** Memory that an internal table lives in. `thread` is always the calling thread's row. */
export interface ProfMemory {
  /**
   * An internal allocation (iallocztm, or ipallocztm where `alignment` is 64: no tcache, is_internal): arena_malloc_small or large_palloc,
   * one decay tick of the calling thread, counted in `internal`.
   * @param size Requested bytes.
   * @param alignment 1 or 64.
   * @param arena Arena index: 0, or what `arenaIchoose` gave.
   * @returns A handle for `idalloctm`, any double from 0; -1 if out of memory.
   */
  iallocztm(thread: number, size: number, alignment: number, arena: number): number;
  /** Frees what iallocztm gave (idalloctm with is_internal). */
  idalloctm(thread: number, handle: number): void;
  /** The thread's internal arena, bound if it has none yet; arena 0 at reentrancy above 0 (arena_ichoose). */
  arenaIchoose(thread: number): number;
}

/** A dump or log file that is being written. */
export interface ProfFile {
  /** Adds text; called with pieces of some tens of kilobytes. */
  write(text: string): void;
  close(): void;
}

/** The allocator and the process as profiling sees them. */
export interface ProfHost extends ProfMemory {
  /** Where columns lie that compiled code works on. */
  readonly memory: ModelMemory;
  /** Counters of profiling's locks, where the process keeps those of all locks. */
  readonly locks?: ProfLocks;
  /** True if the thread's tsd is in state nominal, that is, neither minimal nor in or past its clean-up (tsd_nominal). */
  isNominal(thread: number): boolean;
  /** The thread's reentrancy level (tsd_reentrancy_level_get). */
  reentrancyLevel(thread: number): number;
  /** Virtual time, whole ns since start. */
  now(): number;
  /** Absolute time of `now() === 0` in the clock that prof_time_resolution names (monotonic or real time), ns. */
  readonly clockBase: bigint;
  /** The thread's name as the system has it, cut at 15 bytes by the system (pthread_getname_np). Read for prof_sys_thread_name only. */
  systemThreadName(thread: number): string;
  /** For file names and the log. */
  readonly pid: number;
  /** jemalloc's version as it prints it: "5.3.0-0-g54eaed1…". For the log. */
  readonly version: string;
  /** Text of /proc/PID/maps, or undefined if it cannot be read: then dumps end with the last context. */
  maps(): string | undefined;
  /** Creates a file with this name, or empties it (creat). @returns the number of the system's error (errno) if it cannot */
  openFile(name: string): ProfFile | number;
  /** Writes to standard error (malloc_write). */
  message(text: string): void;
}

/** The options that profiling reads, after the parser and after `profBoot1`. */
export type ProfOptions = Pick<
  Options,
  | 'abort'
  | 'prof_prefix'
  | 'prof_active'
  | 'prof_thread_active_init'
  | 'lg_prof_sample'
  | 'prof_accum'
  | 'lg_prof_interval'
  | 'prof_gdump'
  | 'prof_final'
  | 'prof_leak'
  | 'prof_leak_error'
  | 'prof_log'
  | 'prof_recent_alloc_max'
  | 'prof_stats'
  | 'prof_sys_thread_name'
  | 'prof_time_resolution'
  | 'prof_unbias'
>;

/** Where backtraces come from: structurally a StackTable. A stack of -1 is the empty backtrace. */
export interface ProfStacks {
  /** Frame indices, leaf first. */
  framesOf(stack: StackIndex): ArrayLike<number>;
  readonly frames: { addressOf(frame: number): bigint };
}

/** How often each lock that statistics show was taken (mutex_prof's n_lock_ops). */
export interface ProfLocks {
  /** bt2gctx_mtx, shown as `prof`. */
  prof: number;
  /** tdatas_mtx */
  prof_thds_data: number;
  prof_dump: number;
  prof_recent_alloc: number;
  prof_recent_dump: number;
  prof_stats: number;
}

/**
 * The point where the real library waits for itself for ever: a thread that holds a lock of the profiling tables would have to take it again.
 * Known cause: prof_gdump, when a thread's own table grows into newly mapped pages (src/prof_data.c, prof_lookup under tdata->lock).
 */
export class ProfDeadlockError extends HangError {
  override name = 'ProfDeadlockError';
}

/** What to say where the real library, out of memory, goes on with tables that contradict each other, or follows a null pointer. */
export function astray(): OutOfMemory {
  return new OutOfMemory('out of memory for tables of the profiler, where jemalloc goes astray');
}
