/**
 * Mutexes in a print: as a table of their own, or as the last columns of the bins' (jemalloc 5.3.0, src/stats.c mutex_stats_init_cols, mutex_stats_read_*, mutex_stats_emit).
 * Invariant: in text each of the first five counters is followed by its rate per second of uptime.
 * Differs: jemalloc's JSON takes the columns from the left without passing over the rates, and so does this (mutexJson).
 */
import type { MutexStats } from '../ctl_stats.ts';
import type { Column, Emitter } from '../emitter.ts';
import { NAME_COLUMN, ratePerSecond } from './table.ts';

/** Counters and rates, in turn, then the two maxima: widths and titles. */
export const MUTEX_COLUMNS: readonly Column[] = [16, 8, 16, 8, 16, 8, 16, 8, 16, 10, 16, 12].map((width) => ({ width }));
export const MUTEX_TITLES: readonly string[] = [
  'n_lock_ops',
  '(#/sec)',
  'n_waiting',
  '(#/sec)',
  'n_spin_acq',
  '(#/sec)',
  'n_owner_switch',
  '(#/sec)',
  'total_wait_ns',
  '(#/sec)',
  'max_wait_ns',
  'max_n_thds',
];
const NAMED_MUTEX_COLUMNS: readonly Column[] = [NAME_COLUMN, ...MUTEX_COLUMNS];

/** The mutex table (mutex_stats_read_global, _arena). */
export function printMutexes(emitter: Emitter, names: readonly string[], mutexes: MutexStats, uptime: number): void {
  emitter.row(NAMED_MUTEX_COLUMNS, ['', ...MUTEX_TITLES]);
  emitter.jsonObjectBegin('mutexes');
  for (const [m, name] of names.entries()) {
    const cells = mutexCells(mutexes, m, uptime);
    emitter.jsonObjectBegin(name);
    mutexJson(emitter, cells);
    emitter.jsonObjectEnd();
    emitter.row(NAMED_MUTEX_COLUMNS, [name, ...cells]);
  }
  emitter.jsonObjectEnd();
}

/** The twelve columns of a mutex: each of the first five counters is followed by its rate. */
export function mutexCells(mutexes: MutexStats, m: number, uptime: number): number[] {
  const cells: number[] = [];
  for (const name of ['num_ops', 'num_wait', 'num_spin_acq', 'num_owner_switch', 'total_wait_time'] as const) {
    cells.push(mutexes[name][m], ratePerSecond(mutexes[name][m], uptime));
  }
  cells.push(mutexes.max_wait_time[m], mutexes.max_num_thds[m]);
  return cells;
}

/**
 * The JSON keys of a mutex (mutex_stats_emit). jemalloc takes the columns from the left without passing over the rates, so that
 * `num_wait` holds lock operations per second, `num_spin_acq` waits, and so on; owner switches and wait times appear nowhere.
 */
export function mutexJson(emitter: Emitter, cells: readonly number[]): void {
  emitter.jsonKv('num_ops', cells[0]);
  emitter.jsonKv('num_wait', cells[1]);
  emitter.jsonKv('num_spin_acq', cells[2]);
  emitter.jsonKv('num_owner_switch', cells[3]);
  emitter.jsonKv('total_wait_time', cells[4]);
  emitter.jsonKv('max_wait_time', cells[5]);
  emitter.jsonKv('max_num_thds', cells[11]);
}
