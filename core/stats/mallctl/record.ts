/**
 * Indices that mean more than one arena (jemalloc 5.3.0, src/ctl.c arenas_i2a_impl).
 * Invariant: the number of arenas, as an index, means all of them, as it did before there was MALLCTL_ARENAS_ALL.
 */
import { ARENAS_ALL, ARENAS_DESTROYED, type ArenaStats } from '../ctl_stats.ts';
import type { Call } from './leaf.ts';

/** Whether `i` means all arenas; the number of arenas does so too, from older versions. */
export function meansAll(call: Call, i: number): boolean {
  return i === ARENAS_ALL || i === call.ctl.stats.arenas.length;
}

/** The record of an index (arenas_i). */
export function recordAt(call: Call, i: number): ArenaStats | undefined {
  const { stats } = call.ctl;
  return meansAll(call, i) ? stats.merged : i === ARENAS_DESTROYED ? stats.destroyed : stats.arenas[i];
}

/** stats_arenas_i_index: takes the mutex; only records that a refresh has filled. */
export function hasStats(call: Call, i: number): boolean {
  call.ctl.lock();
  return recordAt(call, i)?.initialized ?? false;
}
