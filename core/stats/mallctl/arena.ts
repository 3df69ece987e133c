/**
 * arena.<i>.*: settings of one arena, and its purging, emptying and destruction (jemalloc 5.3.0, src/ctl.c, arena_i_node and the arena_i_*_ctl functions).
 * Invariant: MALLCTL_ARENAS_ALL means all arenas where that makes sense (decay, purge, dss, initialized), and elsewhere is an arena that is not there: EFAULT.
 * Differs: arena.<i>.extent_hooks is refused, for a replay has no hooks.
 */
import type { Arena } from '../../arena/arena_state.ts';
import { createBackgroundThread } from '../../arena/choose.ts';
import { decayMsValid } from '../../extent/decay.ts';
import type { DssPrecedence } from '../../conf/options.ts';
import { State } from '../../extent/edata.ts';
import { arenaDecay, decayMsSet } from '../../extent/pac.ts';
import type { Heap } from '../../heap.ts';
import { GlobalMutex, lock } from '../../mutex.ts';
import { NPSIZES, PAGE, pagesToPind, pindToPages } from '../../sizes/sc.ts';
import { arenaDestroy, arenaReset } from '../arena_reset.ts';
import { arenaStatsMerge } from '../ctl_refresh.ts';
import { ARENAS_ALL, ARENAS_DESTROYED, ArenaStats, mergeArenaStats } from '../ctl_stats.ts';
import { type CtlValue, fail, leaf, named } from '../ctl_tree.ts';
import { meansAll, recordAt } from './record.ts';
import { action, type Call, index, integerOf, type Leaf, type Node, POINTER, readOnly, sizeOf, stringOf, unsupported } from './leaf.ts';

/** The arena with index `i`. @throws CtlFailure EFAULT if there is none. */
function arenaAt(heap: Heap, i: number): Arena {
  return heap.arenas[i] ?? fail('EFAULT');
}

/** Decays or purges one arena or all (arena_i_decay). */
function decayNode(all: boolean): Node {
  return action((call, mib) => {
    const { heap, ctl } = call;
    ctl.lock();
    const chosen = meansAll(call, mib[1]) ? heap.arenas.slice(0, ctl.stats.arenas.length) : [heap.arenas[mib[1]]];
    for (const arena of chosen) if (arena !== undefined) arenaDecay(heap, arena, all);
  });
}

/** The arena with index `i`, which arenas.create made (arena_i_reset_destroy_helper). @throws CtlFailure EFAULT if there is none, or it is automatic. */
function manualArena(heap: Heap, i: number): Arena {
  const arena = arenaAt(heap, i);
  return arena.automatic ? fail('EFAULT') : arena;
}

/** arena_reset_prepare_background_thread; BackgroundThreads.pause with false is arena_reset_finish_background_thread. */
function pauseBackgroundThread(heap: Heap, arena: Arena): void {
  lock(heap.mutexes, GlobalMutex.background_thread);
  heap.background?.pause(arena, true);
}

/** arena_i_reset_ctl */
function resetArena(call: Call, mib: readonly number[]): void {
  const arena = manualArena(call.heap, mib[1]);
  pauseBackgroundThread(call.heap, arena);
  arenaReset(call.heap, call.tsd, arena);
  call.heap.background?.pause(arena, false);
}

/** arena_i_destroy_ctl: what the arena has done so far is added to the record of destroyed arenas. */
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

/** dss_prec_names */
const DSS: readonly DssPrecedence[] = ['disabled', 'primary', 'secondary'];

/** A decay time, milliseconds. @throws CtlFailure EFAULT if it is out of range, EINVAL if it is no whole number. */
export function decayMsOf(value: CtlValue): number {
  const ms = integerOf(value);
  return decayMsValid(ms) ? ms : fail('EFAULT');
}

/** arena_i_decay_ms_ctl_impl */
function arenaDecayMs(which: 'dirty' | 'muzzy'): Node {
  return leaf((call, mib, value) => {
    const { heap } = call;
    const arena = arenaAt(heap, mib[1]);
    const old = which === 'dirty' ? arena.decayDirty.ms : arena.decayMuzzy.ms;
    if (value === undefined) return old;
    // the huge arena gives pages back at once; if that changes, a background thread might be wanted.
    if (arena.index === heap.conf.hugeArenaIndex && integerOf(value) > 0) createBackgroundThread(heap, arena.index);
    decayMsSet(heap, arena, which === 'dirty' ? State.dirty : State.muzzy, decayMsOf(value));
    return old;
  });
}

/** arena_i_retain_grow_limit_ctl, pac_retain_grow_limit_get_set: the largest mapping of the growth series, bytes. */
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

/** arena_i_index */
function hasArenaNode(call: Call, i: number): boolean {
  call.ctl.lock();
  return i <= call.ctl.stats.arenas.length || i === ARENAS_ALL || i === ARENAS_DESTROYED;
}

export const arenaNode: Node = index(
  hasArenaNode,
  named({
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
  }),
);
