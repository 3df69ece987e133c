/**
 * mallctl: reads, writes and actions by name (jemalloc 5.3.0, src/ctl.c ctl_byname, ctl_nametomib, ctl_bymib and root_node), with what each does to the counters
 * it may be asked about. The subtrees have a file each in mallctl/.
 * Invariant: names, their order, who may write them and which mutex they take are jemalloc's.
 * Differs: a name is read unless it cannot be. Indices one past the end, which jemalloc reads from behind its arrays, are ENOENT. What needs pointers or
 * threads of the library's own is refused as UnsupportedName. A call has the empty backtrace.
 */
import { GlobalMutex, lock } from '../mutex.ts';
import type { Tsd } from '../thread/tsd.ts';
import { VERSION } from '../version.ts';
import type { Ctl } from './ctl.ts';
import { CtlFailure, type CtlValue, fail, leaf, lookupMib, lookupName, MallctlError, named, UnsupportedName } from './ctl_tree.ts';
import { arenaNode } from './mallctl/arena.ts';
import { arenasNode } from './mallctl/arenas.ts';
import { experimentalNode } from './mallctl/experimental.ts';
import { boolOf, type Call, get, type Leaf, leafNames, type Node, sizeOf } from './mallctl/leaf.ts';
import { configNode, optNode } from './mallctl/opt.ts';
import { profNode } from './mallctl/prof.ts';
import { statsNode } from './mallctl/stats.ts';
import { tcacheNode } from './mallctl/tcache.ts';
import { threadNode } from './mallctl/thread.ts';

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
  return leafNames(ROOT);
}

function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof CtlFailure) throw new MallctlError(error.code, what);
    throw error;
  }
}

const OWN_THREADS = 'background threads are there from the start (background_thread:true) or not at all';

/** epoch_ctl: a write, of whatever number, refreshes all records; the answer is how often that was done. */
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

/** background_thread_ctl */
const backgroundThread: Leaf = (call, _, value) => {
  lockForThreads(call);
  const old = call.heap.background !== null;
  if (value !== undefined && boolOf(value) !== old) throw new UnsupportedName('background_thread', OWN_THREADS);
  return old;
};

/** max_background_threads_ctl */
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

const ROOT: Node = named({
  version: get(() => VERSION),
  epoch: leaf(epoch),
  background_thread: leaf(backgroundThread),
  max_background_threads: leaf(maxBackgroundThreads),
  thread: threadNode,
  config: configNode,
  opt: optNode,
  tcache: tcacheNode,
  arena: arenaNode,
  arenas: arenasNode,
  prof: profNode,
  stats: statsNode,
  experimental: experimentalNode,
});
