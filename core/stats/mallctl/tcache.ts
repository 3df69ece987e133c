/**
 * tcache.*: caches that the program makes for itself (jemalloc 5.3.0, src/ctl.c, tcache_node).
 * Invariant: an index that tcache.create gave stays the cache's until tcache.destroy takes it.
 */
import type { Heap } from '../../heap.ts';
import { tcachesCreate, tcachesDestroy, tcachesFlush } from '../../thread/tcaches.ts';
import type { Tsd } from '../../thread/tsd.ts';
import { fail, leaf, named } from '../ctl_tree.ts';
import { get, integerOf, type Node } from './leaf.ts';

/** An action on a cache that tcache.create made, named by the value written. */
function explicitTcache(run: (heap: Heap, tsd: Tsd, index: number) => boolean): Node {
  return leaf(({ heap, tsd }, _, value) => {
    if (value === undefined) return fail('EINVAL');
    if (!run(heap, tsd, integerOf(value))) fail('EFAULT');
    return undefined;
  });
}

export const tcacheNode: Node = named({
  create: get(({ heap, tsd }) => {
    const index = tcachesCreate(heap, tsd);
    return index < 0 ? fail('EFAULT') : index;
  }),
  flush: explicitTcache(tcachesFlush),
  destroy: explicitTcache(tcachesDestroy),
});
