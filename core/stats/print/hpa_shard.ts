/**
 * An arena's part of the huge page allocator in a print (jemalloc 5.3.0, src/stats.c stats_arena_hpa_shard_print).
 * Invariant: printed with hpa:false, too, all 0.
 * Differs: as jemalloc's, the JSON of full and of empty slabs says nactive_huge twice and the dirty pages never.
 */
import { HPA_EMPTY, HPA_FULL, HPA_SLAB_COUNTERS, type HpaSlabStats, PSSET_NPSIZES } from '../../hpa/psset.ts';
import { HUGEPAGE, PAGE, pindToPages } from '../../sizes/sc.ts';
import { type ArenaStats, HPA_SHARD_COUNTERS } from '../ctl_stats.ts';
import { decimal, type Emitter } from '../emitter.ts';
import { CtlCost, type Print } from './print.ts';
import { GAP_LINE, makeTable, ratePerSecond } from './table.ts';

/** Names read one by one: the shard's counters, the bytes of the small extent cache, and the counters of full and of empty slabs. */
const READ_OF_SHARD: number = HPA_SHARD_COUNTERS.length + 1 + 2 * HPA_SLAB_COUNTERS.length;

const HPA_TABLE = makeTable(
  '',
  ['size', 20],
  ['ind', 4],
  ['npageslabs_huge', 16],
  ['nactive_huge', 16],
  ['ndirty_huge', 16],
  ['npageslabs_nonhuge', 20],
  ['nactive_nonhuge', 20],
  ['ndirty_nonhuge', 20],
  ['nretained_nonhuge', 20],
);

/** Prints it. */
export function printHpaShard({ emitter, cost }: Print, arena: ArenaStats): void {
  cost.ctl += READ_OF_SHARD * CtlCost.CTL_M2_GET + CtlCost.CTL_LEAF_PREPARE;
  cost.ctl += PSSET_NPSIZES * HPA_SLAB_COUNTERS.length * CtlCost.CTL_LEAF;
  const { hpa_shard: shard, uptime } = arena;
  const { slabs } = shard;
  emitter.kv('sec_bytes', 'Bytes in small extent cache', arena.hpa_sec_bytes);
  emitter.table('HPA shard stats:\n');
  for (const [title, count] of [
    ['Purge passes', shard.npurge_passes],
    ['Purges', shard.npurges],
    ['Hugeifies', shard.nhugifies],
    ['Dehugifies', shard.ndehugifies],
  ] as const) {
    emitter.table(`  ${title}: ${decimal(count)} (${decimal(ratePerSecond(count, uptime))} / sec)\n`);
  }
  emitter.table('\n');
  emitter.jsonObjectBegin('hpa_shard');
  for (const name of HPA_SHARD_COUNTERS) emitter.jsonKv(name, shard[name]);
  printHpaSlabs(emitter, 'full', slabs, HPA_FULL);
  printHpaSlabs(emitter, 'empty', slabs, HPA_EMPTY);
  emitter.table('\n');
  emitter.row(HPA_TABLE.header, HPA_TABLE.titles);
  emitter.jsonArrayBegin('nonfull_slabs');
  let inGap = false;
  for (let j = 0; j < PSSET_NPSIZES; j++) {
    const wasInGap = inGap;
    inGap = slabs.npageslabs_huge[j] === 0 && slabs.npageslabs_nonhuge[j] === 0;
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    const cells = [
      slabs.npageslabs_huge[j],
      slabs.nactive_huge[j],
      slabs.ndirty_huge[j],
      slabs.npageslabs_nonhuge[j],
      slabs.nactive_nonhuge[j],
      slabs.ndirty_nonhuge[j],
    ];
    if (!inGap) emitter.row(HPA_TABLE.columns, [pindToPages[j] * PAGE, j, ...cells, retainedNonhuge(slabs, j)]);
    emitter.jsonObjectBegin();
    for (const [i, cell] of cells.entries()) emitter.jsonKv(HPA_JSON_KEYS[i], cell);
    emitter.jsonObjectEnd();
  }
  emitter.jsonArrayEnd();
  emitter.jsonObjectEnd();
  if (inGap) emitter.table(GAP_LINE);
}

const HPA_JSON_KEYS = [
  ...HPA_SLAB_COUNTERS.filter((name) => name.endsWith('_huge')),
  ...HPA_SLAB_COUNTERS.filter((name) => name.endsWith('_nonhuge')),
];

/** Pages of nonhuge slabs that are neither active nor dirty. */
function retainedNonhuge(slabs: HpaSlabStats, row: number): number {
  return slabs.npageslabs_nonhuge[row] * (HUGEPAGE / PAGE) - slabs.nactive_nonhuge[row] - slabs.ndirty_nonhuge[row];
}

function printHpaSlabs(emitter: Emitter, kind: 'full' | 'empty', slabs: HpaSlabStats, row: number): void {
  emitter.table(`  In ${kind} slabs:\n`);
  emitter.table(`      npageslabs: ${decimal(slabs.npageslabs_huge[row])} huge, ${decimal(slabs.npageslabs_nonhuge[row])} nonhuge\n`);
  emitter.table(`      nactive: ${decimal(slabs.nactive_huge[row])} huge, ${decimal(slabs.nactive_nonhuge[row])} nonhuge \n`);
  emitter.table(`      ndirty: ${decimal(slabs.ndirty_huge[row])} huge, ${decimal(slabs.ndirty_nonhuge[row])} nonhuge \n`);
  emitter.table(`      nretained: 0 huge, ${decimal(retainedNonhuge(slabs, row))} nonhuge \n`);
  emitter.jsonObjectBegin(`${kind}_slabs`);
  emitter.jsonKv('npageslabs_huge', slabs.npageslabs_huge[row]);
  emitter.jsonKv('nactive_huge', slabs.nactive_huge[row]);
  // jemalloc says the active pages twice and never the dirty ones.
  emitter.jsonKv('nactive_huge', slabs.nactive_huge[row]);
  emitter.jsonKv('npageslabs_nonhuge', slabs.npageslabs_nonhuge[row]);
  emitter.jsonKv('nactive_nonhuge', slabs.nactive_nonhuge[row]);
  emitter.jsonKv('ndirty_nonhuge', slabs.ndirty_nonhuge[row]);
  emitter.jsonObjectEnd();
}
