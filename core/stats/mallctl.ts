/**
 * mallctl: reads, writes and actions by name (jemalloc 5.3.0, src/ctl.c), with what each does to the counters it may be asked about.
 * Invariant: names, their order, who may write them and which mutex they take are jemalloc's.
 * Differs: values are JavaScript's; a write of the wrong type is EINVAL, as a wrong length is there. A name is read unless it cannot be.
 * Indices one past the end, which jemalloc reads from behind its arrays, are ENOENT. What needs pointers or threads of the library's own
 * is refused as UnsupportedName. A call has the empty backtrace.
 */
import type { Arena } from '../arena/arena_state.ts';
import { arenaChoose, arenaInit, arenaMigrate, createBackgroundThread } from '../arena/choose.ts';
import { ARENA_LIMIT } from '../conf/boot.ts';
import { type DssPrecedence, HPA_OPTION_NAMES, type Options, TCACHE_OPTION_NAMES } from '../conf/options.ts';
import { HPA_EMPTY, HPA_FULL, HPA_SLAB_COUNTERS, PSSET_NPSIZES } from '../hpa/psset.ts';
import { Flag, State } from '../extent/edata.ts';
import { arenaDecay, decayMsSet } from '../extent/pac.ts';
import type { Heap } from '../heap.ts';
import { ARENA_MUTEXES, ArenaMutex, GlobalMutex, lock } from '../mutex.ts';
import { indexToSize, NBINS, NPSIZES, PAGE, pagesToPind, pindToPages } from '../sizes/sc.ts';
import { setTcacheEnabled } from '../thread/lifecycle.ts';
import { tcacheFlushAll } from '../thread/tcache.ts';
import { tcachesCreate, tcachesDestroy, tcachesFlush } from '../thread/tcaches.ts';
import { peakEventUpdate, peakEventZero } from '../thread/thread_event.ts';
import type { Tsd } from '../thread/tsd.ts';
import { arenaDestroy, arenaReset } from './arena_reset.ts';
import type { Ctl } from './ctl.ts';
import { arenaStatsMerge } from './ctl_refresh.ts';
import { ARENAS_ALL, ARENAS_DESTROYED, ArenaStats, mergeArenaStats, MUTEX_COUNTERS, type MutexStats, NLEXTENTS } from './ctl_stats.ts';
import {
  CtlFailure,
  type CtlLeaf,
  type CtlNode,
  type CtlValue,
  fail,
  indexed,
  leaf,
  lookupMib,
  lookupName,
  MallctlError,
  named,
  UnsupportedName,
} from './ctl_tree.ts';
import { VERSION } from '../version.ts';
import { CONFIG } from './stats_print.ts';

/** Most milliseconds of a decay time. */
const DECAY_MS_MAX = 18446744072000;

/** One call under way. */
interface Call {
  ctl: Ctl;
  heap: Heap;
  tsd: Tsd;
  /** Background threads that may be asked for; read and written, and without effect while they are off. */
  limits: { maxBackgroundThreads: number };
}

type Node = CtlNode<Call>;
type Leaf = CtlLeaf<Call>;

/** The control interface by name. */
export class Mallctl {
  readonly #ctl: Ctl;
  readonly #limits: { maxBackgroundThreads: number };

  constructor(ctl: Ctl) {
    this.#ctl = ctl;
    this.#limits = { maxBackgroundThreads: ctl.heap.options.max_background_threads };
  }

  /**
   * mallctl by a thread: reads `name`, and writes `value` if one is given. Where jemalloc gives the old value with a write, so does this.
   * @throws MallctlError with jemalloc's error, UnsupportedName for what a replay has not.
   */
  byName(tsd: Tsd, name: string, value?: CtlValue): CtlValue | undefined {
    const call = this.#enter(tsd);
    return attempt(name, () => {
      const { node, mib } = lookupName(ROOT, call, name);
      return node.kind === 'leaf' ? node.leaf(call, mib, value) : fail('ENOENT');
    });
  }

  /** mallctlnametomib: the numbers of a name, which may be an inner one. @throws MallctlError ENOENT. */
  nameToMib(tsd: Tsd, name: string): number[] {
    const call = this.#enter(tsd);
    return attempt(name, () => lookupName(ROOT, call, name).mib);
  }

  /** mallctlbymib: as byName, by numbers. */
  byMib(tsd: Tsd, mib: readonly number[], value?: CtlValue): CtlValue | undefined {
    const call = this.#enter(tsd);
    return attempt(mib.join('.'), () => {
      const node = lookupMib(ROOT, call, mib);
      return node.kind === 'leaf' ? node.leaf(call, mib, value) : fail('ENOENT');
    });
  }

  #enter(tsd: Tsd): Call {
    this.#ctl.enter(tsd);
    return { ctl: this.#ctl, heap: this.#ctl.heap, tsd, limits: this.#limits };
  }
}

/** The names of all leaves, with `<i>`, `<j>` for indices; in jemalloc's order. */
export function mallctlNames(): string[] {
  const names: string[] = [];
  const walk = (node: Node, prefix: string, depth: number) => {
    if (node.kind === 'leaf') {
      names.push(prefix);
    } else if (node.kind === 'named') {
      for (const [name, child] of node.children) walk(child, prefix === '' ? name : `${prefix}.${name}`, depth);
    } else {
      const child = SHAPES.get(node);
      if (child !== undefined) walk(child, `${prefix}.<${'ij'[depth]}>`, depth + 1);
    }
  };
  walk(ROOT, '', 0);
  return names;
}

function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof CtlFailure) throw new MallctlError(error.code, what);
    throw error;
  }
}

// What leaves are made of

function readOnly(value: CtlValue | undefined): void {
  if (value !== undefined) fail('EPERM');
}

function boolOf(value: CtlValue): boolean {
  return typeof value === 'boolean' ? value : fail('EINVAL');
}

function stringOf(value: CtlValue): string {
  return typeof value === 'string' ? value : fail('EINVAL');
}

/** A whole number, of any integer type. */
function integerOf(value: CtlValue): number {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' && Number.isInteger(value) ? value : fail('EINVAL');
}

/** A uint64_t: a bigint only where a number would round it. */
function asNumber(value: bigint): CtlValue {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** A size_t: what is below 0 is as much below 2^64. */
function sizeOf(value: CtlValue): number {
  const size = integerOf(value);
  return size < 0 ? size + 2 ** 64 : size;
}

/** Read-only, without the ctl mutex (CTL_RO_NL_GEN). */
function get(read: (call: Call, mib: readonly number[]) => CtlValue): Node {
  return leaf((call, mib, value) => {
    readOnly(value);
    return read(call, mib);
  });
}

/** Read-only, under the ctl mutex (CTL_RO_GEN). */
function getLocked(read: (call: Call, mib: readonly number[]) => CtlValue): Node {
  return leaf((call, mib, value) => {
    call.ctl.lock();
    readOnly(value);
    return read(call, mib);
  });
}

/** Neither read nor written: an action (NEITHER_READ_NOR_WRITE). */
function action(run: (call: Call, mib: readonly number[]) => void): Node {
  return leaf((call, mib, value) => {
    readOnly(value);
    run(call, mib);
    return undefined;
  });
}

function unsupported(what: string, reason: string): Node {
  return leaf(() => {
    throw new UnsupportedName(what, reason);
  });
}

const missing: Node = leaf(() => fail('ENOENT'));

/** The node below each indexed one, for listing names. */
const SHAPES = new Map<Node, Node>();

/** An index whose check is `valid`; `below` is what stands at every valid one. */
function index(valid: (call: Call, index: number) => boolean, below: Node): Node {
  const node: Node = indexed((call, i) => (Number.isInteger(i) && i >= 0 && valid(call, i) ? below : null));
  SHAPES.set(node, below);
  return node;
}

// Arenas

/** The arena of arena.<i>, or EFAULT. */
function arenaAt(heap: Heap, i: number): Arena {
  return heap.arenas[i] ?? fail('EFAULT');
}

/** Whether `i` means all arenas; the number of arenas does so too, from older versions. */
function meansAll(call: Call, i: number): boolean {
  return i === ARENAS_ALL || i === call.ctl.stats.arenas.length;
}

/** The record of an index (arenas_i). */
function recordAt(call: Call, i: number): ArenaStats | undefined {
  const { stats } = call.ctl;
  return meansAll(call, i) ? stats.merged : i === ARENAS_DESTROYED ? stats.destroyed : stats.arenas[i];
}

/** Decays or purges one arena or all (arena_i_decay). */
function decayNode(all: boolean): Node {
  return action((call, mib) => {
    const { heap, ctl } = call;
    ctl.lock();
    if (meansAll(call, mib[1])) {
      for (let i = 0; i < ctl.stats.arenas.length; i++) if (heap.arenas[i] !== undefined) arenaDecay(heap, heap.arenas[i]!, all);
    } else if (heap.arenas[mib[1]] !== undefined) {
      arenaDecay(heap, heap.arenas[mib[1]]!, all);
    }
  });
}

/** A manual arena, or EFAULT. */
function manualArena(heap: Heap, i: number): Arena {
  const arena = arenaAt(heap, i);
  return arena.automatic ? fail('EFAULT') : arena;
}

/** arena_reset_prepare_background_thread. */
function pauseBackgroundThread(heap: Heap, arena: Arena): void {
  lock(heap.mutexes, GlobalMutex.background_thread);
  heap.background?.pause(arena, true);
}

function resetArena(call: Call, mib: readonly number[]): void {
  const arena = manualArena(call.heap, mib[1]);
  pauseBackgroundThread(call.heap, arena);
  arenaReset(call.heap, call.tsd, arena);
  call.heap.background?.pause(arena, false);
}

function destroyArena(call: Call, mib: readonly number[]): void {
  const { heap, ctl, tsd } = call;
  const { stats } = ctl;
  const arena = manualArena(heap, mib[1]);
  if (arena.applicationThreads !== 0 || arena.internalThreads !== 0) fail('EFAULT');
  pauseBackgroundThread(heap, arena);
  arenaReset(heap, tsd, arena);
  arenaDecay(heap, arena, true);
  stats.destroyed.initialized = true;
  const record = new ArenaStats();
  arenaStatsMerge(heap, arena, record);
  mergeArenaStats(stats.destroyed, record, arena.index, true);
  arenaDestroy(heap, arena);
  stats.arenas[arena.index] = undefined;
  ctl.destroyedIndices.push(arena.index);
  heap.background?.pause(arena, false);
}

const DSS: readonly DssPrecedence[] = ['disabled', 'primary', 'secondary'];

/** A decay time in milliseconds, EFAULT if it is out of range. */
function decayMsOf(value: CtlValue): number {
  const ms = integerOf(value);
  return ms >= -1 && ms <= DECAY_MS_MAX ? ms : fail('EFAULT');
}

function arenaDecayMs(which: 'dirty' | 'muzzy'): Node {
  return leaf((call, mib, value) => {
    const { heap } = call;
    const arena = arenaAt(heap, mib[1]);
    const old = which === 'dirty' ? arena.decayDirty.ms : arena.decayMuzzy.ms;
    if (value === undefined) return old;
    // The huge arena gives pages back at once; if that changes, a background thread might be wanted.
    if (arena.index === heap.conf.hugeArenaIndex && integerOf(value) > 0) createBackgroundThread(heap, arena.index);
    decayMsSet(heap, arena, which === 'dirty' ? State.dirty : State.muzzy, decayMsOf(value));
    return old;
  });
}

function defaultDecayMs(name: 'dirtyDecayMsDefault' | 'muzzyDecayMsDefault'): Node {
  return leaf(({ heap }, _, value) => {
    const old = heap[name];
    if (value !== undefined) heap[name] = decayMsOf(value);
    return old;
  });
}

const retainGrowLimit: Leaf = (call, mib, value) => {
  const { heap } = call;
  if (!heap.options.retain) fail('ENOENT');
  call.ctl.lock();
  const arena = arenaAt(heap, mib[1]);
  const old = pindToPages[arena.growLimit] * PAGE;
  if (value !== undefined) {
    const limit = pagesToPind(Math.floor(sizeOf(value) / PAGE) + 1) - 1;
    if (limit < 0 || limit >= NPSIZES) fail('EFAULT');
    arena.growLimit = limit;
  }
  return old;
};

/** ctl_arena_init: the index of the arena destroyed last, or a new one. */
const createArena: Leaf = (call, _, value) => {
  const { ctl } = call;
  ctl.lock();
  if (value !== undefined) throw new UnsupportedName('arenas.create with extent hooks', 'a replay has no hooks');
  let i = ctl.destroyedIndices.pop();
  if (i === undefined) {
    i = ctl.stats.arenas.length;
    if (i >= ARENA_LIMIT) {
      // arena_init still looks whether the arena that there is not wants a background thread
      createBackgroundThread(call.heap, i);
      fail('EAGAIN');
    }
    ctl.addRecord();
  }
  arenaInit(call.heap, i);
  return i;
};

/**
 * arenas.lookup: the arena of the object at an address of the model. What is no address of an object is EINVAL; the library reads
 * through it there.
 */
const lookupArena: Leaf = ({ ctl, heap: { edata } }, _, value) => {
  ctl.lock();
  const address = value === undefined ? 0 : integerOf(value);
  for (let extent = 1; extent < edata.length; extent++) {
    const base = edata.base[extent];
    const inside = address >= base && address < base + edata.pages[extent] * PAGE;
    if (inside && edata.state[extent] === State.active && (edata.flags[extent] & Flag.bump) === 0) return edata.arena[extent];
  }
  return fail('EINVAL');
};

// Threads

/** thread.arena: binds the thread to another arena, its cache with it (arena_migrate, tcache_arena_reassociate). */
const threadArena: Leaf = (call, _, value) => {
  const { heap, tsd } = call;
  const old = arenaChoose(heap, tsd);
  const wanted = value === undefined ? old.index : integerOf(value);
  if (wanted === old.index) return old.index;
  if (wanted < 0 || wanted >= heap.arenasTotal) fail('EFAULT');
  // the arenas of CPUs are no one's to choose
  if (wanted < heap.conf.percpuArenas) fail('EPERM');
  arenaMigrate(heap, tsd, old, heap.arenas[wanted] ?? arenaInit(heap, wanted));
  return old.index;
};

function threadIdle({ heap, tsd }: Call): void {
  if (tsd.tcache !== null) tcacheFlushAll(heap, tsd, tsd.tcache);
  if (heap.options.narenas > heap.conf.ncpus * 2) arenaDecay(heap, arenaChoose(heap, tsd), true);
}

/** An action on a cache that tcache.create made, named by the value written. */
function explicitTcache(run: (heap: Heap, tsd: Tsd, index: number) => boolean): Node {
  return leaf(({ heap, tsd }, _, value) => {
    if (value === undefined) return fail('EINVAL');
    if (!run(heap, tsd, integerOf(value))) fail('EFAULT');
    return undefined;
  });
}

const POINTER = 'a replay has no pointers to hand out';
const OWN_THREADS = 'background threads are there from the start (background_thread:true) or not at all';
const EXPERIMENTAL = 'it is experimental';

const thread: Node = named({
  arena: leaf(threadArena),
  allocated: get(({ tsd }) => asNumber(tsd.allocatedInAll)),
  allocatedp: unsupported('thread.allocatedp', POINTER),
  deallocated: get(({ tsd }) => asNumber(tsd.deallocatedInAll)),
  deallocatedp: unsupported('thread.deallocatedp', POINTER),
  tcache: named({
    enabled: leaf(({ heap, tsd }, _, value) => {
      const old = tsd.tcacheEnabled;
      if (value !== undefined) setTcacheEnabled(heap, tsd, boolOf(value));
      return old;
    }),
    flush: leaf(({ heap, tsd }, _, value) => {
      if (tsd.tcache === null) fail('EFAULT');
      readOnly(value);
      tcacheFlushAll(heap, tsd, tsd.tcache);
      return undefined;
    }),
  }),
  peak: named({
    read: get(({ heap, tsd }) => {
      peakEventUpdate(heap, tsd);
      return tsd.peakMax;
    }),
    reset: action(({ heap, tsd }) => peakEventZero(heap, tsd)),
  }),
  prof: named({
    name: leaf(({ heap, tsd }, _, value) => {
      if (heap.prof === null) fail('ENOENT');
      if (value === undefined) return heap.prof.threadName(tsd.index);
      const answer = heap.prof.setThreadName(tsd.index, stringOf(value));
      if (answer !== 0) fail(answer);
      return undefined;
    }),
    active: leaf(({ heap, tsd }, _, value) => {
      if (heap.prof === null) return value === undefined ? false : fail('ENOENT');
      const old = heap.prof.threadActive(tsd.index);
      if (value !== undefined && !heap.prof.setThreadActive(tsd.index, boolOf(value))) fail('EAGAIN');
      return old;
    }),
  }),
  idle: action(threadIdle),
});

// Settings

/** opt.*, in the order of the tree. */
const OPT_NAMES: readonly (keyof Options)[] = [
  'abort',
  'abort_conf',
  'cache_oblivious',
  'trust_madvise',
  'confirm_conf',
  ...HPA_OPTION_NAMES,
  'metadata_thp',
  'retain',
  'dss',
  'narenas',
  'percpu_arena',
  'oversize_threshold',
  'mutex_max_spin',
  'background_thread',
  'max_background_threads',
  'dirty_decay_ms',
  'muzzy_decay_ms',
  'stats_print',
  'stats_print_opts',
  'stats_interval',
  'stats_interval_opts',
  'junk',
  'zero',
  // utrace and xmalloc stand here
  'experimental_infallible_new',
  ...TCACHE_OPTION_NAMES,
  'thp',
  'lg_extent_max_active_fit',
  'prof',
  'prof_prefix',
  'prof_active',
  'prof_thread_active_init',
  'lg_prof_sample',
  'lg_prof_interval',
  'prof_gdump',
  'prof_final',
  'prof_leak',
  'prof_leak_error',
  'prof_accum',
  'prof_recent_alloc_max',
  'prof_stats',
  'prof_sys_thread_name',
  'prof_time_resolution',
  // lg_san_uaf_align stands here
  'zero_realloc',
];

function optNode(): Node {
  const children: Record<string, Node> = {};
  for (const name of OPT_NAMES) {
    if (name === 'experimental_infallible_new') {
      children['utrace'] = missing;
      children['xmalloc'] = missing;
    }
    if (name === 'zero_realloc') children['lg_san_uaf_align'] = missing;
    children[name] = get(({ heap }) => heap.options[name] as CtlValue);
  }
  return named(children);
}

const config: Node = named(Object.fromEntries([...CONFIG].map(([name, value]) => [name, get(() => value)])));

const epoch: Leaf = (call, _, value) => {
  const { ctl } = call;
  if (value === undefined) {
    ctl.lock();
    return ctl.stats.epoch;
  }
  // A value of the wrong type is refused under the lock, before anything is refreshed.
  if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) {
    ctl.lock();
    fail('EINVAL');
  }
  return ctl.refresh(call.tsd);
};

/** The mutexes that both names of the background threads take. */
function lockForThreads({ ctl, heap }: Call): void {
  ctl.lock();
  lock(heap.mutexes, GlobalMutex.background_thread);
}

const backgroundThread: Leaf = (call, _, value) => {
  lockForThreads(call);
  const old = call.heap.background !== null;
  if (value !== undefined && boolOf(value) !== old) throw new UnsupportedName('background_thread', OWN_THREADS);
  return old;
};

const maxBackgroundThreads: Leaf = (call, _, value) => {
  lockForThreads(call);
  const old = call.limits.maxBackgroundThreads;
  if (value !== undefined && sizeOf(value) !== old) {
    if (sizeOf(value) > call.heap.options.max_background_threads) fail('EINVAL');
    if (call.heap.background !== null) throw new UnsupportedName('max_background_threads', OWN_THREADS);
    call.limits.maxBackgroundThreads = sizeOf(value);
  }
  return old;
};

// Profiling

/** A switch of profiling: reads give false with prof off, writes ENOENT. */
function profSwitch(name: 'threadActiveInit' | 'gdump'): Node {
  return leaf(({ heap: { prof } }, _, value) => {
    if (prof === null) return value === undefined ? false : fail('ENOENT');
    const old = prof[name];
    if (value !== undefined) prof[name] = boolOf(value);
    return old;
  });
}

const profActive: Leaf = ({ heap: { prof } }, _, value) => {
  const wanted = value === undefined ? undefined : boolOf(value);
  if (prof === null) return wanted === true ? fail('ENOENT') : false;
  const old = prof.active;
  if (wanted !== undefined) prof.active = wanted;
  return old;
};

function profClassStats(kind: 'bins' | 'lextents'): Node {
  const first = kind === 'bins' ? 0 : NBINS;
  const count = kind === 'bins' ? NBINS : NLEXTENTS;
  const sums = (which: 'live' | 'accum') =>
    get(({ heap }, mib) => {
      const stats = heap.prof?.stats;
      if (stats === undefined || stats === null) fail('ENOENT');
      const { requested, count: objects } = stats[which](first + mib[3]);
      return { requested, count: objects };
    });
  return index(
    ({ heap }, i) => heap.prof !== null && heap.prof.stats !== null && i < count,
    named({ live: sums('live'), accum: sums('accum') }),
  );
}

const prof: Node = named({
  thread_active_init: profSwitch('threadActiveInit'),
  active: leaf(profActive),
  dump: leaf(({ heap, tsd }, _, value) => {
    if (heap.prof === null) fail('ENOENT');
    if (!heap.prof.mdump(tsd.index, value === undefined ? null : stringOf(value))) fail('EFAULT');
    return undefined;
  }),
  gdump: profSwitch('gdump'),
  prefix: leaf((call, _, value) => {
    const { heap } = call;
    if (heap.prof === null) fail('ENOENT');
    call.ctl.lock();
    if (value === undefined) fail('EINVAL');
    // The first time, a buffer for it is taken.
    if (heap.prof.setPrefix(stringOf(value))) heap.base0.alloc(4097, 16);
    return undefined;
  }),
  reset: leaf(({ heap, tsd }, _, value) => {
    if (heap.prof === null) fail('ENOENT');
    if (value === undefined) heap.prof.reset(tsd.index);
    else heap.prof.reset(tsd.index, sizeOf(value));
    return undefined;
  }),
  interval: get(({ heap }) => heap.conf.profInterval),
  lg_sample: get(({ heap }) => heap.prof?.lgSample ?? 0),
  log_start: leaf(({ heap }, _, value) => {
    if (heap.prof === null) fail('ENOENT');
    if (!heap.prof.logStart(value === undefined ? null : stringOf(value))) fail('EFAULT');
    return undefined;
  }),
  log_stop: leaf(({ heap, tsd }) => {
    if (heap.prof === null) fail('ENOENT');
    if (!heap.prof.logStop(tsd.index)) fail('EFAULT');
    return undefined;
  }),
  stats: named({ bins: profClassStats('bins'), lextents: profClassStats('lextents') }),
});

// Statistics

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
  const names = ['allocated', 'nmalloc', 'ndalloc', 'nrequests', 'nfills', 'nflushes'] as const;
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
  extents: index(
    (_, j) => j < NPSIZES,
    named(columns(['ndirty', 'nmuzzy', 'nretained', 'dirty_bytes', 'muzzy_bytes', 'retained_bytes'], (record) => record.extents)),
  ),
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
    ...Object.fromEntries(
      (['npurge_passes', 'npurges', 'nhugifies', 'ndehugifies'] as const).map((name) => [name, stat((record) => record.hpa_shard[name])]),
    ),
  }),
});

/** stats_arenas_i_index: takes the mutex; only records that a refresh has filled. */
function hasStats(call: Call, i: number): boolean {
  call.ctl.lock();
  return recordAt(call, i)?.initialized ?? false;
}

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

const stats: Node = named({
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

/** arena_i_index */
function hasArenaNode(call: Call, i: number): boolean {
  call.ctl.lock();
  return i >= 0 && (i <= call.ctl.stats.arenas.length || i === ARENAS_ALL || i === ARENAS_DESTROYED);
}

const arena: Node = named({
  initialized: leaf((call, mib, value) => {
    readOnly(value);
    call.ctl.lock();
    return recordAt(call, mib[1])?.initialized ?? false;
  }),
  decay: decayNode(false),
  purge: decayNode(true),
  reset: action(resetArena),
  destroy: leaf((call, mib, value) => {
    call.ctl.lock();
    readOnly(value);
    destroyArena(call, mib);
    return undefined;
  }),
  dss: leaf((call, mib, value) => {
    const { heap } = call;
    call.ctl.lock();
    const wanted = value === undefined ? undefined : DSS.find((name) => name === stringOf(value));
    if (value !== undefined && wanted === undefined) fail('EINVAL');
    if (meansAll(call, mib[1])) {
      if (wanted !== undefined) heap.dssDefault = wanted;
      return heap.dssDefault;
    }
    const target = arenaAt(heap, mib[1]);
    if (wanted !== undefined) target.dss = wanted;
    return target.dss;
  }),
  oversize_threshold: leaf(({ heap }, mib, value) => {
    const target = arenaAt(heap, mib[1]);
    const old = target.oversizeThreshold;
    if (value !== undefined) target.oversizeThreshold = sizeOf(value);
    return old;
  }),
  dirty_decay_ms: arenaDecayMs('dirty'),
  muzzy_decay_ms: arenaDecayMs('muzzy'),
  extent_hooks: unsupported('arena.<i>.extent_hooks', POINTER),
  retain_grow_limit: leaf(retainGrowLimit),
});

const arenas: Node = named({
  narenas: getLocked(({ ctl }) => ctl.stats.arenas.length),
  dirty_decay_ms: defaultDecayMs('dirtyDecayMsDefault'),
  muzzy_decay_ms: defaultDecayMs('muzzyDecayMsDefault'),
  quantum: get(() => 16),
  page: get(() => PAGE),
  tcache_max: get(({ heap }) => heap.conf.tcacheMaxclass),
  nbins: get(() => NBINS),
  nhbins: get(({ heap }) => heap.conf.nhbins),
  bin: index(
    (_, i) => i < NBINS,
    named({
      size: get((_, mib) => indexToSize[mib[2]]),
      nregs: get(({ heap }, mib) => heap.conf.slabRegions[mib[2]]),
      slab_size: get(({ heap }, mib) => heap.conf.slabPages[mib[2]] * PAGE),
      nshards: get(({ heap }, mib) => heap.conf.binShards[mib[2]]),
    }),
  ),
  nlextents: get(() => NLEXTENTS),
  lextent: index((_, i) => i < NLEXTENTS, named({ size: get((_, mib) => indexToSize[NBINS + mib[2]]) })),
  create: leaf(createArena),
  lookup: leaf(lookupArena),
});

const ROOT: Node = named({
  version: get(() => VERSION),
  epoch: leaf(epoch),
  background_thread: leaf(backgroundThread),
  max_background_threads: leaf(maxBackgroundThreads),
  thread,
  config,
  opt: optNode(),
  tcache: named({
    create: get(({ heap, tsd }) => {
      const index = tcachesCreate(heap, tsd);
      return index < 0 ? fail('EFAULT') : index;
    }),
    flush: explicitTcache(tcachesFlush),
    destroy: explicitTcache(tcachesDestroy),
  }),
  arena: index(hasArenaNode, arena),
  arenas,
  prof,
  stats,
  experimental: named({
    hooks: named({
      install: unsupported('experimental.hooks.install', EXPERIMENTAL),
      remove: unsupported('experimental.hooks.remove', EXPERIMENTAL),
      prof_backtrace: unsupported('experimental.hooks.prof_backtrace', EXPERIMENTAL),
      prof_dump: unsupported('experimental.hooks.prof_dump', EXPERIMENTAL),
      safety_check_abort: unsupported('experimental.hooks.safety_check_abort', EXPERIMENTAL),
    }),
    utilization: named({
      query: unsupported('experimental.utilization.query', EXPERIMENTAL),
      batch_query: unsupported('experimental.utilization.batch_query', EXPERIMENTAL),
    }),
    arenas: index(hasStats, named({ pactivep: unsupported('experimental.arenas.<i>.pactivep', POINTER) })),
    arenas_create_ext: unsupported('experimental.arenas_create_ext', EXPERIMENTAL),
    prof_recent: named({
      alloc_max: unsupported('experimental.prof_recent.alloc_max', EXPERIMENTAL),
      alloc_dump: unsupported('experimental.prof_recent.alloc_dump', EXPERIMENTAL),
    }),
    batch_alloc: unsupported('experimental.batch_alloc', EXPERIMENTAL),
    thread: named({ activity_callback: unsupported('experimental.thread.activity_callback', EXPERIMENTAL) }),
  }),
});
