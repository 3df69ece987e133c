/**
 * Large size classes of an arena in a print (jemalloc 5.3.0, src/stats.c stats_arena_lextents_print).
 * Invariant: in text a class without requests is left out; its reads are not.
 */
import { indexToSize, NBINS } from '../../sizes/sc.ts';
import { type ArenaStats, NLEXTENTS } from '../ctl_stats.ts';
import { CtlCost, type Print, type ProfStatsRead } from './print.ts';
import { PROF_COLUMNS, profStatsJson } from './prof_columns.ts';
import { GAP_LINE, makeTable, ratePerSecond } from './table.ts';
import type { SizeClass } from '../../units.ts';

/** Counters of a class. */
const READ_OF_LEXTENT = 4;

/** Prints them; `prof` gives the sums over samples, null where they are not printed. */
export function printLextents({ emitter, cost }: Print, arena: ArenaStats, prof: ProfStatsRead | null): void {
  cost.ctl += CtlCost.CTL_LEAF_PREPARE + NLEXTENTS * READ_OF_LEXTENT * CtlCost.CTL_LEAF;
  const { lextents, uptime } = arena;
  const table = makeTable(
    'large:',
    ['size', 20],
    ['ind', 4],
    ['allocated', 13],
    ['nmalloc', 13],
    ['(#/sec)', 8],
    ['ndalloc', 13],
    ['(#/sec)', 8],
    ['nrequests', 13],
    ['(#/sec)', 8],
    ...(prof === null ? [] : PROF_COLUMNS),
    ['curlextents', 13],
  );
  emitter.table('large:');
  emitter.row(table.header, table.titles);
  emitter.jsonArrayBegin('lextents');
  let inGap = false;
  for (let j = 0; j < NLEXTENTS; j++) {
    const wasInGap = inGap;
    inGap = lextents.nrequests[j] === 0;
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    const profCells = prof?.((NBINS + j) as SizeClass) ?? [];
    emitter.jsonObjectBegin();
    profStatsJson(emitter, profCells);
    emitter.jsonKv('curlextents', lextents.curlextents[j]);
    emitter.jsonObjectEnd();
    if (inGap || emitter.json) continue;
    const bytes = indexToSize[NBINS + j];
    emitter.row(table.columns, [
      bytes,
      NBINS + j,
      lextents.curlextents[j] * bytes,
      lextents.nmalloc[j],
      ratePerSecond(lextents.nmalloc[j], uptime),
      lextents.ndalloc[j],
      ratePerSecond(lextents.ndalloc[j], uptime),
      lextents.nrequests[j],
      ratePerSecond(lextents.nrequests[j], uptime),
      ...profCells,
      lextents.curlextents[j],
    ]);
  }
  emitter.jsonArrayEnd();
  if (inGap) emitter.table(GAP_LINE);
}
