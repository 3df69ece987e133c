/**
 * Sums over samples in the tables of bins and large classes: with prof_stats:true, in the section of all arenas (jemalloc 5.3.0, src/stats.c).
 */
import type { Emitter, EmitValue } from '../emitter.ts';

/** Titles, which are the JSON keys too, and widths. */
export const PROF_COLUMNS = [
  ['prof_live_requested', 21],
  ['prof_live_count', 17],
  ['prof_accum_requested', 21],
  ['prof_accum_count', 17],
] as const;

/** The sums of a class as JSON; nothing for no cells. */
export function profStatsJson(emitter: Emitter, cells: readonly EmitValue[]): void {
  for (let i = 0; i < cells.length; i++) emitter.jsonKv(PROF_COLUMNS[i][0], cells[i]);
}
