/**
 * thread.*: the calling thread's arena, cache, byte counts and profile (jemalloc 5.3.0, src/ctl.c, thread_node and the thread_*_ctl functions).
 * Invariant: nothing here takes the ctl mutex.
 */
import { arenaChoose, arenaInit, arenaMigrate } from '../../arena/choose.ts';
import { arenaDecay } from '../../extent/pac.ts';
import { setTcacheEnabled } from '../../thread/lifecycle.ts';
import { tcacheFlushAll } from '../../thread/tcache.ts';
import { peakEventUpdate, peakEventZero } from '../../thread/thread_event.ts';
import { fail, leaf, named } from '../ctl_tree.ts';
import {
  action,
  asNumber,
  boolOf,
  type Call,
  get,
  integerOf,
  type Leaf,
  type Node,
  POINTER,
  readOnly,
  stringOf,
  unsupported,
} from './leaf.ts';

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

/** thread.idle: empties the cache, and purges the arena where arenas are so many that no other thread is likely to use it. */
function threadIdle({ heap, tsd }: Call): void {
  if (tsd.tcache !== null) tcacheFlushAll(heap, tsd, tsd.tcache);
  if (heap.options.narenas > heap.conf.ncpus * 2) arenaDecay(heap, arenaChoose(heap, tsd), true);
}

export const threadNode: Node = named({
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
