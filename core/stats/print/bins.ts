/**
 * Small size classes of an arena in a print (jemalloc 5.3.0, src/stats.c stats_arena_bins_print).
 * Invariant: in text a class that never had a slab is left out, and so are its reads; in JSON every class stands.
 */
import { indexToSize, NBINS } from '../../sizes/sc.ts';
import { type ArenaStats, MUTEX_COUNTERS } from '../ctl_stats.ts';
import { MUTEX_COLUMNS, MUTEX_TITLES, mutexCells, mutexJson } from './mutexes.ts';
import { CtlCost, type Print, type ProfStatsRead } from './print.ts';
import { PROF_COLUMNS, profStatsJson } from './prof_columns.ts';
import { GAP_LINE, makeTable, ratePerSecond, type Table } from './table.ts';
import type { SizeClass } from '../../units.ts';

/** Counters of a class that are read if it is printed; nslabs, which tells whether it is, has been read before. */
const READ_OF_BIN = 9;

function binsTable(profStats: boolean, mutex: boolean): Table {
  return makeTable(
    'bins:',
    ['size', 20],
    ['ind', 4],
    ['allocated', 13],
    ['nmalloc', 13],
    ['(#/sec)', 8],
    ['ndalloc', 13],
    ['(#/sec)', 8],
    ['nrequests', 13],
    ['(#/sec)', 10],
    ...(profStats ? PROF_COLUMNS : []),
    ['nshards', 9],
    ['curregs', 13],
    ['curslabs', 13],
    ['nonfull_slabs', 15],
    ['regs', 5],
    ['pgs', 4],
    [' ', 1],
    ['util', 6],
    ['nfills', 13],
    ['(#/sec)', 8],
    ['nflushes', 13],
    ['(#/sec)', 8],
    ['nslabs', 13],
    ['nreslabs', 13],
    ['(#/sec)', 8],
    ...(mutex ? MUTEX_TITLES.map((title, i) => [title, MUTEX_COLUMNS[i].width] as const) : []),
  );
}

/** Prints them; `prof` gives the sums over samples, null where they are not printed. */
export function printBins(print: Print, arena: ArenaStats, prof: ProfStatsRead | null): void {
  const { emitter, cost } = print;
  const { conf } = print.live;
  const { mutex } = print.parts;
  const { bins, uptime } = arena;
  const table = binsTable(prof !== null, mutex);
  emitter.table('bins:');
  emitter.row(table.header, table.titles);
  emitter.jsonArrayBegin('bins');
  cost.ctl += CtlCost.CTL_LEAF_PREPARE + NBINS * CtlCost.CTL_LEAF;
  let inGap = false;
  for (let j = 0 as SizeClass; j < NBINS; j++) {
    const profCells = prof?.(j) ?? [];
    const wasInGap = inGap;
    inGap = bins.nslabs[j] === 0 && (prof === null || Number(profCells[3]) === 0);
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    if (inGap && !emitter.json) continue;
    cost.ctl += READ_OF_BIN * CtlCost.CTL_LEAF;
    if (mutex) cost.ctl += CtlCost.CTL_LEAF_PREPARE + MUTEX_COUNTERS.length * CtlCost.CTL_LEAF;

    const cells = mutex ? mutexCells(bins.mutex, j, uptime) : [];
    emitter.jsonObjectBegin();
    emitter.jsonKv('nmalloc', bins.nmalloc[j]);
    emitter.jsonKv('ndalloc', bins.ndalloc[j]);
    emitter.jsonKv('curregs', bins.curregs[j]);
    emitter.jsonKv('nrequests', bins.nrequests[j]);
    profStatsJson(emitter, profCells);
    emitter.jsonKv('nfills', bins.nfills[j]);
    emitter.jsonKv('nflushes', bins.nflushes[j]);
    emitter.jsonKv('nreslabs', bins.nreslabs[j]);
    emitter.jsonKv('curslabs', bins.curslabs[j]);
    emitter.jsonKv('nonfull_slabs', bins.nonfull_slabs[j]);
    if (mutex) {
      emitter.jsonObjectBegin('mutex');
      mutexJson(emitter, cells);
      emitter.jsonObjectEnd();
    }
    emitter.jsonObjectEnd();

    if (emitter.json) continue;
    const rate = (counter: Float64Array) => ratePerSecond(counter[j], uptime);
    const regions = conf.slabRegions[j];
    emitter.row(table.columns, [
      indexToSize[j],
      j,
      bins.curregs[j] * indexToSize[j],
      bins.nmalloc[j],
      rate(bins.nmalloc),
      bins.ndalloc[j],
      rate(bins.ndalloc),
      bins.nrequests[j],
      rate(bins.nrequests),
      ...profCells,
      conf.binShards[j],
      bins.curregs[j],
      bins.curslabs[j],
      bins.nonfull_slabs[j],
      regions,
      conf.slabPages[j],
      ' ',
      utilization(bins.curregs[j], regions * bins.curslabs[j]),
      bins.nfills[j],
      rate(bins.nfills),
      bins.nflushes[j],
      rate(bins.nflushes),
      bins.nslabs[j],
      bins.nreslabs[j],
      rate(bins.nreslabs),
      ...cells,
    ]);
  }
  emitter.jsonArrayEnd();
  if (inGap) emitter.table(GAP_LINE);
}

/** Used regions per region as `0.` and three digits, cut (get_rate_str); `1` if there is none. */
function utilization(used: number, regions: number): string {
  if (regions === 0) return '1';
  if (used > regions) return ' race';
  const thousandths = Math.floor((used * 1000) / regions);
  return thousandths === 1000 ? '1' : `0.${String(thousandths).padStart(3, '0')}`;
}
