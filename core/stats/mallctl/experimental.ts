/**
 * experimental.*: hooks, utilisation of extents, recent allocations (jemalloc 5.3.0, src/ctl.c, experimental_node).
 * Differs: all of it hands out pointers, takes functions or is not for users: a replay refuses it by name.
 */
import { named } from '../ctl_tree.ts';
import { index, type Node, POINTER, unsupported } from './leaf.ts';
import { hasStats } from './record.ts';

const EXPERIMENTAL = 'it is experimental';

export const experimentalNode: Node = named({
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
});
