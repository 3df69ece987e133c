/**
 * What the rows of a sweep leave out, so that nobody sets an option by a difference that the recording cannot show.
 */
import { formatCounted, formatNanoseconds } from '../profiles/format_units.ts';
import type { SweepRun } from './sweep_table.ts';

/** dirty_decay_ms by default (arena_types.h, DIRTY_DECAY_MS_DEFAULT), ns: what a program that sets nothing waits until all is given back. */
const DEFAULT_DECAY = 10e9;

/** Notes on the rows of one recording. @param timed whether the recording has times */
export function sweepLimits(runs: readonly SweepRun[], timed: boolean): string[] {
  const asks = (option: RegExp) => runs.some(({ conf }) => option.test(conf));
  const duration = Math.max(0, ...runs.map(({ result }) => result?.duration_ns ?? 0));
  const notes: string[] = [];
  if (asks(/\b(?:dirty_decay_ms|background_thread):/) && (!timed || duration < DEFAULT_DECAY))
    notes.push(
      `${timed ? `the recording lasts ${formatNanoseconds(duration)}` : 'the recording has no times'}: ` +
        'what decay gives back later, by default within 10 s of its last use, is resident to the end',
    );
  if (asks(/\bmuzzy_decay_ms:(?!0\b)/))
    notes.push('resident leaves out muzzy pages (muzzy_decay_ms), which RSS counts until the system is short of memory');
  if (asks(/\bhpa:true\b/)) notes.push('with hpa:true, resident and purged leave out what page slabs hold unused and give back');
  for (const { conf, result } of runs) {
    const failed = result?.model.out_of_memory ?? 0;
    if (failed > 0) notes.push(`${conf}: ${formatCounted(failed, 'allocation')} that the model had no memory for`);
  }
  return notes;
}
