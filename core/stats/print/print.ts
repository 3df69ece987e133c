/**
 * What the parts of one malloc_stats_print share (jemalloc 5.3.0, src/stats.c).
 * Invariant: a part that reads numbers by mallctl there adds to the cost here what those reads would take of locks.
 */
import type { BootConf } from '../../conf/boot.ts';
import type { Emitter, EmitValue } from '../emitter.ts';
import type { SizeClass } from '../../units.ts';

/**
 * The sums over sampled objects of a size class, bins first and then large classes (prof.stats.*): requested bytes and count of those alive,
 * the same of all there ever were. Each call takes the lock of these sums twice.
 */
export type ProfStatsRead = (szind: SizeClass) => ProfStatsCells;
export type ProfStatsCells = readonly [liveRequested: EmitValue, liveCount: EmitValue, accumRequested: EmitValue, accumCount: EmitValue];

/** What a print reads live, not from the last refresh. */
export interface LiveSettings {
  conf: BootConf;
  background_thread: boolean;
  /** Defaults for new arenas, milliseconds. */
  dirty_decay_ms: number;
  muzzy_decay_ms: number;
  prof_thread_active_init: boolean;
  prof_active: boolean;
  prof_gdump: boolean;
  /** The sampling in force; 0 with prof off. */
  prof_lg_sample: number;
  zero_reallocs: number;
  /** null unless prof and prof_stats are on. */
  prof_stats: ProfStatsRead | null;
}

/** Lock operations that a print makes after its epoch call; those on prof_stats are the reader's. */
export interface PrintCost {
  ctl: number;
  background_thread: number;
}

/** Times that one read takes the ctl mutex, by the macro that makes it: an index below stats.arenas is checked under it at each look-up. */
export const CtlCost = {
  /** A name that is read under the mutex and has no index. */
  CTL_GET: 1,
  /** stats.arenas.<i>.…: the look-up of the name, that of the numbers, and the leaf. */
  CTL_M2_GET: 3,
  /** A path that begins with stats.arenas.<i>. */
  CTL_LEAF_PREPARE: 1,
  /** A leaf below such a path: the path, and the leaf. */
  CTL_LEAF: 2,
} as const;

/** The letters of malloc_stats_print as switches. */
export interface Parts {
  json: boolean;
  general: boolean;
  merged: boolean;
  destroyed: boolean;
  unmerged: boolean;
  bins: boolean;
  large: boolean;
  mutex: boolean;
  extents: boolean;
  hpa: boolean;
}

/** What the parts of one print share. */
export interface Print {
  emitter: Emitter;
  parts: Parts;
  live: LiveSettings;
  cost: PrintCost;
}
