/**
 * One arena's section of a print, or that of all or of the destroyed ones (jemalloc 5.3.0, src/stats.c stats_arena_print).
 * Invariant: sections differ only in what they sum up; only that of all arenas has the profiler's sums.
 */
import { ArenaMutex } from '../../mutex.ts';
import { PAGE } from '../../sizes/sc.ts';
import { ARENAS_ALL, type ArenaStats, KIND_COUNTERS, MUTEX_COUNTERS } from '../ctl_stats.ts';
import type { Column, Emitter } from '../emitter.ts';
import { printBins } from './bins.ts';
import { printExtents } from './extents.ts';
import { printHpaShard } from './hpa_shard.ts';
import { printLextents } from './lextents.ts';
import { printMutexes } from './mutexes.ts';
import { CtlCost, type Print } from './print.ts';
import { NAME_COLUMN, ratePerSecond } from './table.ts';

/** Names read one by one: threads, uptime and dss; decay; counts of small and large objects; memory. */
const READ_OF_ARENA = 3 + 11 + 2 * 6 + 10;
const ARENA_MUTEX_NAMES: readonly string[] = Object.keys(ArenaMutex);

/** Prints a section under a JSON key; `index` is the arena's, or ARENAS_ALL or ARENAS_DESTROYED. */
export function printArena(print: Print, key: string, arena: ArenaStats, index: number): void {
  const { emitter, parts, cost } = print;
  emitter.jsonObjectBegin(key);
  emitter.kv('nthreads', 'assigned threads', arena.nthreads);
  emitter.kv('uptime_ns', 'uptime', arena.uptime);
  emitter.kv('dss', 'dss allocation precedence', arena.dss);
  printDecay(emitter, arena);
  printCounts(emitter, arena);
  printMemory(emitter, arena);
  cost.ctl += READ_OF_ARENA * CtlCost.CTL_M2_GET;
  if (parts.mutex) {
    printMutexes(emitter, ARENA_MUTEX_NAMES, arena.mutexes, arena.uptime);
    const each = CtlCost.CTL_LEAF_PREPARE + MUTEX_COUNTERS.length * CtlCost.CTL_LEAF;
    cost.ctl += CtlCost.CTL_LEAF_PREPARE + ARENA_MUTEX_NAMES.length * each;
  }
  const profStats = index === ARENAS_ALL ? print.live.prof_stats : null;
  if (parts.bins) printBins(print, arena, profStats);
  if (parts.large) printLextents(print, arena, profStats);
  if (parts.extents) printExtents(print, arena);
  if (parts.hpa) printHpaShard(print, arena);
  emitter.jsonObjectEnd();
}

const DECAY_COLUMNS: readonly Column[] = [9, 6, 13, 13, 13, 13].map((width) => ({ width }));

function printDecay(emitter: Emitter, arena: ArenaStats): void {
  for (const name of [
    'dirty_decay_ms',
    'muzzy_decay_ms',
    'pactive',
    'pdirty',
    'pmuzzy',
    'dirty_npurge',
    'dirty_nmadvise',
    'dirty_purged',
    'muzzy_npurge',
    'muzzy_nmadvise',
    'muzzy_purged',
  ] as const) {
    emitter.jsonKv(name, arena[name]);
  }
  emitter.row(DECAY_COLUMNS, ['decaying:', 'time', 'npages', 'sweeps', 'madvises', 'purged']);
  emitter.row(DECAY_COLUMNS, [
    'dirty:',
    arena.dirty_decay_ms >= 0 ? arena.dirty_decay_ms : 'N/A',
    arena.pdirty,
    arena.dirty_npurge,
    arena.dirty_nmadvise,
    arena.dirty_purged,
  ]);
  emitter.row(DECAY_COLUMNS, [
    'muzzy:',
    arena.muzzy_decay_ms >= 0 ? arena.muzzy_decay_ms : 'N/A',
    arena.pmuzzy,
    arena.muzzy_npurge,
    arena.muzzy_nmadvise,
    arena.muzzy_purged,
  ]);
}

const COUNT_COLUMNS: readonly Column[] = [NAME_COLUMN, ...[16, 16, 10, 16, 10, 16, 10, 16, 10, 16, 10].map((width) => ({ width }))];

function printCounts(emitter: Emitter, arena: ArenaStats): void {
  const { small, large, uptime } = arena;
  emitter.row(COUNT_COLUMNS, [
    '',
    'allocated',
    'nmalloc',
    '(#/sec)',
    'ndalloc',
    '(#/sec)',
    'nrequests',
    '(#/sec)',
    'nfill',
    '(#/sec)',
    'nflush',
    '(#/sec)',
  ]);
  for (const [title, kind] of [
    ['small', small],
    ['large', large],
  ] as const) {
    emitter.jsonObjectBegin(title);
    emitter.jsonKv('allocated', kind.allocated);
    for (const name of KIND_COUNTERS) emitter.jsonKv(name, kind[name]);
    emitter.jsonObjectEnd();
    emitter.row(COUNT_COLUMNS, [
      `${title}:`,
      kind.allocated,
      ...KIND_COUNTERS.flatMap((name) => [kind[name], ratePerSecond(kind[name], uptime)]),
    ]);
  }
  const totals = KIND_COUNTERS.map((name) => small[name] + large[name]);
  emitter.row(COUNT_COLUMNS, [
    'total:',
    small.allocated + large.allocated,
    ...totals.flatMap((total) => [total, ratePerSecond(total, uptime)]),
  ]);
}

const MEMORY_COLUMNS: readonly Column[] = [NAME_COLUMN, { width: 16 }];
const MEMORY = [
  'mapped',
  'retained',
  'base',
  'internal',
  'metadata_thp',
  'tcache_bytes',
  'tcache_stashed_bytes',
  'resident',
  'abandoned_vm',
  'extent_avail',
] as const;

function printMemory(emitter: Emitter, arena: ArenaStats): void {
  emitter.row(MEMORY_COLUMNS, ['', '']);
  emitter.row(MEMORY_COLUMNS, ['active:', arena.pactive * PAGE]);
  for (const name of MEMORY) {
    emitter.jsonKv(name, arena[name]);
    emitter.row(MEMORY_COLUMNS, [`${name}:`, arena[name]]);
  }
}
