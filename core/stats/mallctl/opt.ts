/**
 * config.* and opt.*: what the library was built with, and the options as it took them at the start (jemalloc 5.3.0, src/ctl.c, config_node and opt_node).
 * Invariant: all of them are read-only, and none takes the ctl mutex.
 * Differs: an option is read from the table of options by its own name.
 */
import { HPA_OPTION_NAMES, type Options, TCACHE_OPTION_NAMES } from '../../conf/options.ts';
import { CONFIG } from '../config.ts';
import { type CtlValue, named } from '../ctl_tree.ts';
import { get, missing, type Node } from './leaf.ts';

/** Names below opt. that this build answers with ENOENT (config_utrace, config_xmalloc and config_uaf_detection are off). */
type Absent = 'utrace' | 'xmalloc' | 'lg_san_uaf_align';

/** opt.*, in the order of the tree. */
const OPT_NAMES: readonly (keyof Options | Absent)[] = [
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
  'utrace',
  'xmalloc',
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
  'lg_san_uaf_align',
  'zero_realloc',
];

const ABSENT: ReadonlySet<string> = new Set<Absent>(['utrace', 'xmalloc', 'lg_san_uaf_align']);

function option(name: keyof Options | Absent): Node {
  return ABSENT.has(name) ? missing : get(({ heap }) => heap.options[name as keyof Options] as CtlValue);
}

export const optNode: Node = named(Object.fromEntries(OPT_NAMES.map((name) => [name, option(name)])));

export const configNode: Node = named(Object.fromEntries([...CONFIG].map(([name, value]) => [name, get(() => value)])));
