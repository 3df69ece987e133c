/**
 * What Debian's jemalloc 5.3.0 was built with (config.* of mallctl, the part `config` of malloc_stats_print; jemalloc_internal_defs.h after its configure).
 * Invariant: in the order of config_node in src/ctl.c, which is that of the print.
 */

/** Build-time settings, in print order. */
export const CONFIG: ReadonlyMap<string, boolean | string> = new Map<string, boolean | string>([
  ['cache_oblivious', true],
  ['debug', false],
  ['fill', true],
  ['lazy_lock', false],
  ['malloc_conf', ''],
  ['opt_safety_checks', false],
  ['prof', true],
  ['prof_libgcc', true],
  ['prof_libunwind', false],
  ['stats', true],
  ['utrace', false],
  ['xmalloc', false],
]);
