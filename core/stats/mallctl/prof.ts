/**
 * prof.*: the profiler's switches, dumps, logs and sums (jemalloc 5.3.0, src/ctl.c, prof_node and the prof_*_ctl functions).
 * Invariant: with prof off, switches are read as false and everything else is ENOENT, but for the settings in force (interval, lg_sample).
 */
import { PROF_DUMP_FILENAME_LEN } from '../../conf/options.ts';
import { NBINS, QUANTUM } from '../../sizes/sc.ts';
import { NLEXTENTS } from '../ctl_stats.ts';
import { fail, leaf, named } from '../ctl_tree.ts';
import { boolOf, get, index, type Leaf, type Node, sizeOf, stringOf } from './leaf.ts';
import type { SizeClass } from '../../units.ts';

/** A switch of profiling: reads give false with prof off, writes ENOENT. */
function profSwitch(name: 'threadActiveInit' | 'gdump'): Node {
  return leaf(({ heap: { prof } }, _, value) => {
    if (prof === null) return value === undefined ? false : fail('ENOENT');
    const old = prof[name];
    if (value !== undefined) prof[name] = boolOf(value);
    return old;
  });
}

/** prof_active_ctl: unlike the other switches, it may be turned off with prof off. */
const profActive: Leaf = ({ heap: { prof } }, _, value) => {
  const wanted = value === undefined ? undefined : boolOf(value);
  if (prof === null) return wanted === true ? fail('ENOENT') : false;
  const old = prof.active;
  if (wanted !== undefined) prof.active = wanted;
  return old;
};

/** prof.stats.bins.<i> and prof.stats.lextents.<i>: sums over samples, with prof_stats:true. */
function profClassStats(kind: 'bins' | 'lextents'): Node {
  const first = kind === 'bins' ? 0 : NBINS;
  const count = kind === 'bins' ? NBINS : NLEXTENTS;
  const sums = (which: 'live' | 'accum') =>
    get(({ heap }, mib) => {
      const stats = heap.prof?.stats;
      if (stats === undefined || stats === null) fail('ENOENT');
      const { requested, count: objects } = stats[which]((first + mib[3]) as SizeClass);
      return { requested, count: objects };
    });
  return index(
    ({ heap }, i) => heap.prof !== null && heap.prof.stats !== null && i < count,
    named({ live: sums('live'), accum: sums('accum') }),
  );
}

export const profNode: Node = named({
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
    // the first time, a buffer for it is taken
    if (heap.prof.setPrefix(stringOf(value))) heap.base0.alloc(PROF_DUMP_FILENAME_LEN, QUANTUM);
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
