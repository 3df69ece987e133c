/**
 * The first part of a print: version, settings, size classes (jemalloc 5.3.0, src/stats.c stats_general_print).
 * Invariant: options in jemalloc's order, stats_print and stats_print_opts twice, as there.
 */
import { formatFxp } from '../../conf/fxp.ts';
import { HPA_OPTION_NAMES, NO_DIRTY_LIMIT, type Options, TCACHE_OPTION_NAMES } from '../../conf/options.ts';
import { indexToSize, NBINS, PAGE, QUANTUM } from '../../sizes/sc.ts';
import { VERSION } from '../../version.ts';
import { CONFIG } from '../config.ts';
import { NLEXTENTS } from '../ctl_stats.ts';
import type { EmitValue } from '../emitter.ts';
import { CtlCost, type Print } from './print.ts';

/** The options in print order; stats_print and stats_print_opts are printed twice. */
const OPT_KEYS: readonly (keyof Options)[] = [
  'abort',
  'abort_conf',
  'cache_oblivious',
  'confirm_conf',
  'retain',
  'dss',
  'narenas',
  'percpu_arena',
  'oversize_threshold',
  ...HPA_OPTION_NAMES,
  'metadata_thp',
  'mutex_max_spin',
  'background_thread',
  'dirty_decay_ms',
  'muzzy_decay_ms',
  'lg_extent_max_active_fit',
  'junk',
  'zero',
  'experimental_infallible_new',
  ...TCACHE_OPTION_NAMES,
  'thp',
  'prof',
  'prof_prefix',
  'prof_active',
  'prof_thread_active_init',
  'lg_prof_sample',
  'prof_accum',
  'lg_prof_interval',
  'prof_gdump',
  'prof_final',
  'prof_leak',
  'prof_leak_error',
  'stats_print',
  'stats_print_opts',
  'stats_print',
  'stats_print_opts',
  'stats_interval',
  'stats_interval_opts',
  'zero_realloc',
];

/** Version, settings and size classes (stats_general_print). */
export function printGeneral(print: Print, narenas: number): void {
  const { emitter, live } = print;
  const { conf } = live;
  const { options } = conf;
  emitter.kv('version', 'Version', VERSION);

  emitter.dictBegin('config', 'Build-time option settings');
  for (const [name, value] of CONFIG) emitter.kv(name, `config.${name}`, value);
  emitter.dictEnd();

  emitter.dictBegin('opt', 'Run-time option settings');
  const notes = new Map<keyof Options, [string, EmitValue]>([
    ['background_thread', ['background_thread', live.background_thread]],
    ['dirty_decay_ms', ['arenas.dirty_decay_ms', live.dirty_decay_ms]],
    ['muzzy_decay_ms', ['arenas.muzzy_decay_ms', live.muzzy_decay_ms]],
    ['prof_active', ['prof.active', live.prof_active]],
    ['prof_thread_active_init', ['prof.thread_active_init', live.prof_thread_active_init]],
    ['lg_prof_sample', ['prof.lg_sample', live.prof_lg_sample]],
  ]);
  for (const key of OPT_KEYS) {
    const [noteKey, note] = notes.get(key) ?? [];
    emitter.kv(key, `opt.${key}`, optionValue(options, key), noteKey, note);
  }
  emitter.dictEnd();

  emitter.dictBegin('prof', 'Profiling settings');
  emitter.kv('thread_active_init', 'prof.thread_active_init', live.prof_thread_active_init);
  emitter.kv('active', 'prof.active', live.prof_active);
  emitter.kv('gdump', 'prof.gdump', live.prof_gdump);
  emitter.kv('interval', 'prof.interval', conf.profInterval);
  emitter.kv('lg_sample', 'prof.lg_sample', live.prof_lg_sample);
  emitter.dictEnd();

  emitter.jsonObjectBegin('arenas');
  emitter.kv('narenas', 'Arenas', narenas);
  emitter.jsonKv('dirty_decay_ms', live.dirty_decay_ms);
  emitter.jsonKv('muzzy_decay_ms', live.muzzy_decay_ms);
  emitter.kv('quantum', 'Quantum size', QUANTUM);
  emitter.kv('page', 'Page size', PAGE);
  emitter.kv('tcache_max', 'Maximum thread-cached size class', conf.tcacheMaxclass);
  emitter.kv('nbins', 'Number of bin size classes', NBINS);
  emitter.kv('nhbins', 'Number of thread-cache bin size classes', conf.nhbins);
  emitter.jsonArrayBegin('bin');
  for (let bin = 0; bin < NBINS; bin++) {
    emitter.jsonObjectBegin();
    emitter.jsonKv('size', indexToSize[bin]);
    emitter.jsonKv('nregs', conf.slabRegions[bin]);
    emitter.jsonKv('slab_size', conf.slabPages[bin] * PAGE);
    emitter.jsonKv('nshards', conf.binShards[bin]);
    emitter.jsonObjectEnd();
  }
  emitter.jsonArrayEnd();
  emitter.kv('nlextents', 'Number of large size classes', NLEXTENTS);
  emitter.jsonArrayBegin('lextent');
  for (let j = 0; j < NLEXTENTS; j++) {
    emitter.jsonObjectBegin();
    emitter.jsonKv('size', indexToSize[NBINS + j]);
    emitter.jsonObjectEnd();
  }
  emitter.jsonArrayEnd();
  emitter.jsonObjectEnd();

  // background_thread and arenas.narenas; what else is read here takes no mutex
  print.cost.ctl += 2 * CtlCost.CTL_GET;
  print.cost.background_thread += 1;
}

function optionValue(options: Readonly<Options>, key: keyof Options): EmitValue {
  if (key === 'hpa_dirty_mult') return options.hpa_dirty_mult === NO_DIRTY_LIMIT ? '-1' : formatFxp(options.hpa_dirty_mult);
  return options[key] as EmitValue;
}
