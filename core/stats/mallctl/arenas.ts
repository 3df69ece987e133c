/**
 * arenas.*: how many arenas there are, what all of them share, and making one (jemalloc 5.3.0, src/ctl.c, arenas_node and the arenas_*_ctl functions).
 * Invariant: an arena that arenas.create makes takes the index that was destroyed last, and a new one only if there is none.
 * Differs: indices one past the last bin or large class, which jemalloc lets through and reads from behind its tables, are ENOENT.
 */
import { arenaInit, createBackgroundThread } from '../../arena/choose.ts';
import { ARENA_LIMIT } from '../../conf/boot.ts';
import { Flag, State } from '../../extent/edata.ts';
import { indexToSize, NBINS, PAGE, QUANTUM } from '../../sizes/sc.ts';
import { NLEXTENTS } from '../ctl_stats.ts';
import { fail, leaf, named, UnsupportedName } from '../ctl_tree.ts';
import { decayMsOf } from './arena.ts';
import { get, getLocked, index, integerOf, type Leaf, type Node } from './leaf.ts';

/** The decay time of arenas to come, milliseconds (arenas_decay_ms_ctl_impl). */
function defaultDecayMs(name: 'dirtyDecayMsDefault' | 'muzzyDecayMsDefault'): Node {
  return leaf(({ heap }, _, value) => {
    const old = heap[name];
    if (value !== undefined) heap[name] = decayMsOf(value);
    return old;
  });
}

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

export const arenasNode: Node = named({
  narenas: getLocked(({ ctl }) => ctl.stats.arenas.length),
  dirty_decay_ms: defaultDecayMs('dirtyDecayMsDefault'),
  muzzy_decay_ms: defaultDecayMs('muzzyDecayMsDefault'),
  quantum: get(() => QUANTUM),
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
