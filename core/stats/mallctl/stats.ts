/**
 * stats.*: the counters of the last refresh (jemalloc 5.3.0, src/ctl.c, stats_node and the stats_*_ctl functions).
 * Invariant: each read takes the ctl mutex, and reads below stats.arenas.<i> a second time, for the check of the index.
 * Differs: one column a counter. An index one past the last bin or large class, which jemalloc lets through and reads from behind its tables, is ENOENT.
 */
import { HPA_EMPTY, HPA_FULL, HPA_SLAB_COUNTERS, PSSET_NPSIZES } from '../../hpa/psset.ts';
import { ARENA_MUTEXES, ArenaMutex, GlobalMutex } from '../../mutex.ts';
import { NBINS, NPSIZES } from '../../sizes/sc.ts';
import {
  type ArenaStats,
  EXTENT_COUNTERS,
  HPA_SHARD_COUNTERS,
  KIND_COUNTERS,
  MUTEX_COUNTERS,
  type MutexStats,
  NLEXTENTS,
} from '../ctl_stats.ts';
import { type CtlValue, fail, leaf, named } from '../ctl_tree.ts';
import { hasStats, recordAt } from './record.ts';
import { type Call, getLocked, index, type Leaf, type Node } from './leaf.ts';

/** The record that stats.arenas.<i>.* reads. */
function stat(read: (record: ArenaStats, mib: readonly number[]) => CtlValue): Node {
  return getLocked((call, mib) => read(recordAt(call, mib[2]) ?? fail('ENOENT'), mib));
}

function mutexNode(select: (call: Call, mib: readonly number[]) => MutexStats, row: (mib: readonly number[]) => number): Node {
  return named(
    Object.fromEntries(MUTEX_COUNTERS.map((counter) => [counter, getLocked((call, mib) => select(call, mib)[counter][row(mib)])])),
  );
}

/** Counters of one class: a column each, `mib[4]` is the class. */
function columns<K extends string>(names: readonly K[], select: (record: ArenaStats) => Record<K, Float64Array>): Record<string, Node> {
  return Object.fromEntries(names.map((name) => [name, stat((record, mib) => select(record)[name][mib[4]])]));
}

function kind(name: 'small' | 'large'): Node {
  const names = ['allocated', ...KIND_COUNTERS] as const;
  return named(Object.fromEntries(names.map((counter) => [counter, stat((record) => record[name][counter])])));
}

function hpaSlabs(row: (mib: readonly number[]) => number): Node {
  return named(Object.fromEntries(HPA_SLAB_COUNTERS.map((name) => [name, stat((record, mib) => record.hpa_shard.slabs[name][row(mib)])])));
}

const ARENA_STATS = [
  'nthreads',
  'uptime',
  'dss',
  'dirty_decay_ms',
  'muzzy_decay_ms',
  'pactive',
  'pdirty',
  'pmuzzy',
  'mapped',
  'retained',
  'extent_avail',
  'dirty_npurge',
  'dirty_nmadvise',
  'dirty_purged',
  'muzzy_npurge',
  'muzzy_nmadvise',
  'muzzy_purged',
  'base',
  'internal',
  'metadata_thp',
  'tcache_bytes',
  'tcache_stashed_bytes',
  'resident',
  'abandoned_vm',
  'hpa_sec_bytes',
] as const;
const BIN_COUNTERS = [
  'nmalloc',
  'ndalloc',
  'nrequests',
  'curregs',
  'nfills',
  'nflushes',
  'nslabs',
  'nreslabs',
  'curslabs',
  'nonfull_slabs',
] as const;

const arenaStats: Node = named({
  ...Object.fromEntries(ARENA_STATS.map((name) => [name, stat((record) => record[name])])),
  small: kind('small'),
  large: kind('large'),
  bins: index(
    (_, j) => j < NBINS,
    named({
      ...columns(BIN_COUNTERS, (record) => record.bins),
      mutex: mutexNode(
        (call, mib) => (recordAt(call, mib[2]) ?? fail('ENOENT')).bins.mutex,
        (mib) => mib[4],
      ),
    }),
  ),
  lextents: index((_, j) => j < NLEXTENTS, named(columns(['nmalloc', 'ndalloc', 'nrequests', 'curlextents'], (record) => record.lextents))),
  extents: index((_, j) => j < NPSIZES, named(columns(EXTENT_COUNTERS, (record) => record.extents))),
  mutexes: named(
    Object.fromEntries(
      Object.entries(ArenaMutex).map(([name, row]) => [
        name,
        mutexNode(
          (call, mib) => (recordAt(call, mib[2]) ?? fail('ENOENT')).mutexes,
          () => row,
        ),
      ]),
    ),
  ),
  hpa_shard: named({
    full_slabs: hpaSlabs(() => HPA_FULL),
    empty_slabs: hpaSlabs(() => HPA_EMPTY),
    nonfull_slabs: index(
      (_, j) => j < PSSET_NPSIZES,
      hpaSlabs((mib) => mib[5]),
    ),
    ...Object.fromEntries(HPA_SHARD_COUNTERS.map((name) => [name, stat((record) => record.hpa_shard[name])])),
  }),
});

/** stats.mutexes.reset: takes each mutex, and forgets how often that was done and by whom. */
const resetMutexes: Leaf = ({ heap }) => {
  const rows: number[] = [GlobalMutex.ctl, GlobalMutex.background_thread];
  if (heap.prof !== null) for (let m: number = GlobalMutex.prof; m <= GlobalMutex.prof_stats; m++) rows.push(m);
  for (const arena of heap.arenas) {
    if (arena === undefined) continue;
    for (let m: number = ArenaMutex.large; m <= ArenaMutex.tcache_list; m++) rows.push(arena.mutexes + m);
    for (let bin = 0; bin < heap.binInfo.bins; bin++) rows.push(arena.mutexes + ARENA_MUTEXES + bin);
  }
  for (const m of rows) {
    heap.mutexes.ops[m] = 0;
    heap.mutexes.ownerSwitches[m] = 0;
    heap.mutexes.owner[m] = 0;
  }
  return undefined;
};

export const statsNode: Node = named({
  ...Object.fromEntries(
    (['allocated', 'active', 'metadata', 'metadata_thp', 'resident', 'mapped', 'retained'] as const).map((name) => [
      name,
      getLocked(({ ctl }) => ctl.stats.global[name]),
    ]),
  ),
  background_thread: named(
    Object.fromEntries(
      (['num_threads', 'num_runs', 'run_interval'] as const).map((name) => [
        name,
        getLocked(({ ctl }) => ctl.stats.global.background_thread[name]),
      ]),
    ),
  ),
  mutexes: named({
    ...Object.fromEntries(
      Object.entries(GlobalMutex).map(([name, row]) => [
        name,
        mutexNode(
          ({ ctl }) => ctl.stats.global.mutexes,
          () => row,
        ),
      ]),
    ),
    reset: leaf(resetMutexes),
  }),
  arenas: index(hasStats, arenaStats),
  zero_reallocs: getLocked(({ heap }) => heap.zeroReallocs),
});
