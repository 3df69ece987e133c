/**
 * Free extents of an arena by page size class in a print (jemalloc 5.3.0, src/stats.c stats_arena_extents_print).
 * Invariant: in text a class without free extents is left out; its reads are not.
 */
import { NPSIZES, PAGE, pindToPages } from '../../sizes/sc.ts';
import { type ArenaStats, EXTENT_COUNTERS } from '../ctl_stats.ts';
import { CtlCost, type Print } from './print.ts';
import { GAP_LINE, makeTable } from './table.ts';

const EXTENTS_TABLE = makeTable(
  'extents:',
  ['size', 20],
  ['ind', 4],
  ['ndirty', 13],
  ['dirty', 13],
  ['nmuzzy', 13],
  ['muzzy', 13],
  ['nretained', 13],
  ['retained', 13],
  ['ntotal', 13],
  ['total', 13],
);

/** Prints them. */
export function printExtents({ emitter, cost }: Print, arena: ArenaStats): void {
  cost.ctl += CtlCost.CTL_LEAF_PREPARE + NPSIZES * EXTENT_COUNTERS.length * CtlCost.CTL_LEAF;
  const { ndirty, nmuzzy, nretained, dirty_bytes, muzzy_bytes, retained_bytes } = arena.extents;
  emitter.table('extents:');
  emitter.row(EXTENTS_TABLE.header, EXTENTS_TABLE.titles);
  emitter.jsonArrayBegin('extents');
  let inGap = false;
  for (let j = 0; j < NPSIZES; j++) {
    const total = ndirty[j] + nmuzzy[j] + nretained[j];
    const wasInGap = inGap;
    inGap = total === 0;
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    emitter.jsonObjectBegin();
    for (const name of EXTENT_COUNTERS) emitter.jsonKv(name, arena.extents[name][j]);
    emitter.jsonObjectEnd();
    if (inGap) continue;
    emitter.row(EXTENTS_TABLE.columns, [
      pindToPages[j] * PAGE,
      j,
      ndirty[j],
      dirty_bytes[j],
      nmuzzy[j],
      muzzy_bytes[j],
      nretained[j],
      retained_bytes[j],
      total,
      dirty_bytes[j] + muzzy_bytes[j] + retained_bytes[j],
    ]);
  }
  emitter.jsonArrayEnd();
  if (inGap) emitter.table(GAP_LINE);
}
