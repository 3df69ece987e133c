/**
 * malloc_stats_print's two forms (jemalloc 5.3.0, src/stats.c): what each part prints and in which order.
 * Invariant: byte for byte jemalloc's output, its mistakes included: options that are printed twice, a count that appears under another's
 * name, and mutex objects in JSON whose keys stand one column off (see mutexJson).
 * Differs: it reads a snapshot, so it has no effect of its own; what the same print would have cost jemalloc is given back.
 */
import type { BootConf } from '../conf/boot.ts';
import { formatFxp } from '../conf/fxp.ts';
import { HPA_OPTION_NAMES, type Options, TCACHE_OPTION_NAMES } from '../conf/options.ts';
import { HPA_EMPTY, HPA_FULL, HPA_SLAB_COUNTERS, type HpaSlabStats, PSSET_NPSIZES } from '../hpa/psset.ts';
import { ArenaMutex, GlobalMutex } from '../mutex.ts';
import { HUGEPAGE, indexToSize, NBINS, NPSIZES, PAGE, pindToPages } from '../sizes/sc.ts';
import { VERSION } from '../version.ts';
import { ARENAS_ALL, type ArenaStats, type CtlStats, type MutexStats, NLEXTENTS } from './ctl_stats.ts';
import { type Column, decimal, Emitter, type EmitValue, type StatsWrite } from './emitter.ts';

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

/**
 * The sums over sampled objects of a size class, bins first and then large classes (prof.stats.*): requested bytes and count of those alive,
 * the same of all there ever were. Each call takes the lock of these sums twice.
 */
export type ProfStatsRead = (index: number) => ProfStatsCells;
export type ProfStatsCells = readonly [liveRequested: EmitValue, liveCount: EmitValue, accumRequested: EmitValue, accumCount: EmitValue];

/** What a print reads live, not from the last refresh. */
export interface LiveSettings {
  conf: BootConf;
  background_thread: boolean;
  /** Defaults for new arenas, milliseconds. */
  dirty_decay_ms: number;
  muzzy_decay_ms: number;
  prof_thread_active_init: boolean;
  prof_active: boolean;
  prof_gdump: boolean;
  /** The sampling in force; 0 with prof off. */
  prof_lg_sample: number;
  zero_reallocs: number;
  /** null unless prof and prof_stats are on. */
  prof_stats: ProfStatsRead | null;
}

/** Lock operations that a print makes after its epoch call; those on prof_stats are the reader's. */
export interface PrintCost {
  ctl: number;
  background_thread: number;
}

/** The letters of malloc_stats_print as switches. */
interface Parts {
  json: boolean;
  general: boolean;
  merged: boolean;
  destroyed: boolean;
  unmerged: boolean;
  bins: boolean;
  large: boolean;
  mutex: boolean;
  extents: boolean;
  hpa: boolean;
}

/** What the parts of one print share. */
interface Print {
  emitter: Emitter;
  parts: Parts;
  live: LiveSettings;
  cost: PrintCost;
}

const BILLION = 1e9;
const GAP_LINE = '                     ---\n';
const NAME_COLUMN: Column = { width: 21, left: true };

/**
 * Prints `stats` as malloc_stats_print does.
 * @param letters which parts are left out, and J for JSON; unknown letters do nothing.
 * @param write takes the document in chunks of 65535 bytes and a last one.
 * @returns the lock operations that the print would have made.
 */
export function statsPrint(stats: CtlStats, live: LiveSettings, letters: string, write: StatsWrite): PrintCost {
  const parts: Parts = {
    json: letters.includes('J'),
    general: !letters.includes('g'),
    merged: !letters.includes('m'),
    destroyed: !letters.includes('d'),
    unmerged: !letters.includes('a'),
    bins: !letters.includes('b'),
    large: !letters.includes('l'),
    mutex: !letters.includes('x'),
    extents: !letters.includes('e'),
    hpa: !letters.includes('h'),
  };
  const emitter = new Emitter(parts.json, write);
  const print: Print = { emitter, parts, live, cost: { ctl: 0, background_thread: 0 } };
  emitter.table('___ Begin jemalloc statistics ___\n');
  emitter.jsonObjectBegin('jemalloc');
  if (parts.general) printGeneral(print, stats.arenas.length);
  printGlobal(print, stats);
  if (parts.merged || parts.destroyed || parts.unmerged) printArenas(print, stats);
  emitter.jsonObjectEnd();
  emitter.table('--- End jemalloc statistics ---\n');
  emitter.end();
  return print.cost;
}

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
function printGeneral(print: Print, narenas: number): void {
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
  emitter.kv('quantum', 'Quantum size', 16);
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

  // background_thread is read once, arenas.narenas too.
  print.cost.ctl += 2;
  print.cost.background_thread += 1;
}

function optionValue(options: Readonly<Options>, key: keyof Options): EmitValue {
  if (key === 'hpa_dirty_mult') return options.hpa_dirty_mult === 2 ** 32 - 1 ? '-1' : formatFxp(options.hpa_dirty_mult);
  return options[key] as EmitValue;
}

/** Sums over the process and its mutexes (the first half of stats_print_helper). */
function printGlobal(print: Print, stats: CtlStats): void {
  const { emitter, live, cost } = print;
  const { global } = stats;
  const { background_thread: threads } = global;
  emitter.jsonObjectBegin('stats');
  emitter.jsonKv('allocated', global.allocated);
  emitter.jsonKv('active', global.active);
  emitter.jsonKv('metadata', global.metadata);
  emitter.jsonKv('metadata_thp', global.metadata_thp);
  emitter.jsonKv('resident', global.resident);
  emitter.jsonKv('mapped', global.mapped);
  emitter.jsonKv('retained', global.retained);
  emitter.jsonKv('zero_reallocs', live.zero_reallocs);
  emitter.table(
    `Allocated: ${decimal(global.allocated)}, active: ${decimal(global.active)}, ` +
      `metadata: ${decimal(global.metadata)} (n_thp ${decimal(global.metadata_thp)}), resident: ${decimal(global.resident)}, ` +
      `mapped: ${decimal(global.mapped)}, retained: ${decimal(global.retained)}\n`,
  );
  emitter.table(`Count of realloc(non-null-ptr, 0) calls: ${decimal(live.zero_reallocs)}\n`);
  emitter.jsonObjectBegin('background_thread');
  emitter.jsonKv('num_threads', threads.num_threads);
  emitter.jsonKv('num_runs', threads.num_runs);
  emitter.jsonKv('run_interval', threads.run_interval);
  emitter.jsonObjectEnd();
  emitter.table(
    `Background threads: ${decimal(threads.num_threads)}, num_runs: ${decimal(threads.num_runs)}, ` +
      `run_interval: ${decimal(threads.run_interval)} ns\n`,
  );
  cost.ctl += 11;
  if (print.parts.mutex) {
    printMutexes(emitter, Object.keys(GlobalMutex), global.mutexes, stats.arenas[0]?.uptime ?? 0);
    cost.ctl += 3 + 63;
  }
  emitter.jsonObjectEnd();
}

/** Merged, destroyed and single arenas (the second half of stats_print_helper). */
function printArenas(print: Print, stats: CtlStats): void {
  const { emitter, parts } = print;
  emitter.jsonObjectBegin('stats.arenas');
  print.cost.ctl += 4 + 2 * stats.arenas.length;
  const initialized = stats.arenas.filter((arena) => arena?.initialized).length;
  if (parts.merged && (initialized > 1 || !parts.unmerged)) {
    emitter.table('Merged arenas stats:\n');
    printArena(print, 'merged', stats.merged, ARENAS_ALL);
  }
  if (parts.destroyed && stats.destroyed.initialized) {
    emitter.table('Destroyed arenas stats:\n');
    printArena(print, 'destroyed', stats.destroyed, -1);
  }
  if (parts.unmerged) {
    for (const [index, arena] of stats.arenas.entries()) {
      if (!arena?.initialized) continue;
      emitter.table(`arenas[${index}]:\n`);
      printArena(print, String(index), arena, index);
    }
  }
  emitter.jsonObjectEnd();
}

/** One section (stats_arena_print). */
function printArena(print: Print, key: string, arena: ArenaStats, index: number): void {
  const { emitter, parts, cost } = print;
  emitter.jsonObjectBegin(key);
  emitter.kv('nthreads', 'assigned threads', arena.nthreads);
  emitter.kv('uptime_ns', 'uptime', arena.uptime);
  emitter.kv('dss', 'dss allocation precedence', arena.dss);
  printDecay(emitter, arena);
  printCounts(emitter, arena);
  printMemory(emitter, arena);
  cost.ctl += 108;
  if (parts.mutex) {
    printMutexes(emitter, Object.keys(ArenaMutex), arena.mutexes, arena.uptime);
    cost.ctl += 181;
  }
  const profStats = index === ARENAS_ALL ? print.live.prof_stats : null;
  if (parts.bins) printBins(print, arena, profStats);
  if (parts.large) {
    printLextents(emitter, arena, profStats);
    cost.ctl += 1569;
  }
  if (parts.extents) {
    printExtents(emitter, arena);
    cost.ctl += 2389;
  }
  if (parts.hpa) {
    printHpaShard(emitter, arena);
    cost.ctl += 820;
  }
  emitter.jsonObjectEnd();
}

const DECAY_COLUMNS: readonly Column[] = [9, 6, 13, 13, 13, 13].map((width) => ({ width }));

function printDecay(emitter: Emitter, arena: ArenaStats): void {
  for (const name of [
    'dirty_decay_ms',
    'muzzy_decay_ms',
    'pactive',
    'pdirty',
    'pmuzzy',
    'dirty_npurge',
    'dirty_nmadvise',
    'dirty_purged',
    'muzzy_npurge',
    'muzzy_nmadvise',
    'muzzy_purged',
  ] as const) {
    emitter.jsonKv(name, arena[name]);
  }
  emitter.row(DECAY_COLUMNS, ['decaying:', 'time', 'npages', 'sweeps', 'madvises', 'purged']);
  emitter.row(DECAY_COLUMNS, [
    'dirty:',
    arena.dirty_decay_ms >= 0 ? arena.dirty_decay_ms : 'N/A',
    arena.pdirty,
    arena.dirty_npurge,
    arena.dirty_nmadvise,
    arena.dirty_purged,
  ]);
  emitter.row(DECAY_COLUMNS, [
    'muzzy:',
    arena.muzzy_decay_ms >= 0 ? arena.muzzy_decay_ms : 'N/A',
    arena.pmuzzy,
    arena.muzzy_npurge,
    arena.muzzy_nmadvise,
    arena.muzzy_purged,
  ]);
}

const COUNT_COLUMNS: readonly Column[] = [NAME_COLUMN, ...[16, 16, 10, 16, 10, 16, 10, 16, 10, 16, 10].map((width) => ({ width }))];
const COUNTS = ['nmalloc', 'ndalloc', 'nrequests', 'nfills', 'nflushes'] as const;

function printCounts(emitter: Emitter, arena: ArenaStats): void {
  const { small, large, uptime } = arena;
  emitter.row(COUNT_COLUMNS, [
    '',
    'allocated',
    'nmalloc',
    '(#/sec)',
    'ndalloc',
    '(#/sec)',
    'nrequests',
    '(#/sec)',
    'nfill',
    '(#/sec)',
    'nflush',
    '(#/sec)',
  ]);
  for (const [title, kind] of [
    ['small', small],
    ['large', large],
  ] as const) {
    emitter.jsonObjectBegin(title);
    emitter.jsonKv('allocated', kind.allocated);
    for (const name of COUNTS) emitter.jsonKv(name, kind[name]);
    emitter.jsonObjectEnd();
    emitter.row(COUNT_COLUMNS, [`${title}:`, kind.allocated, ...COUNTS.flatMap((name) => [kind[name], ratePerSecond(kind[name], uptime)])]);
  }
  const totals = COUNTS.map((name) => small[name] + large[name]);
  emitter.row(COUNT_COLUMNS, [
    'total:',
    small.allocated + large.allocated,
    ...totals.flatMap((total) => [total, ratePerSecond(total, uptime)]),
  ]);
}

const MEMORY_COLUMNS: readonly Column[] = [NAME_COLUMN, { width: 16 }];
const MEMORY = [
  'mapped',
  'retained',
  'base',
  'internal',
  'metadata_thp',
  'tcache_bytes',
  'tcache_stashed_bytes',
  'resident',
  'abandoned_vm',
  'extent_avail',
] as const;

function printMemory(emitter: Emitter, arena: ArenaStats): void {
  emitter.row(MEMORY_COLUMNS, ['', '']);
  emitter.row(MEMORY_COLUMNS, ['active:', arena.pactive * PAGE]);
  for (const name of MEMORY) {
    emitter.jsonKv(name, arena[name]);
    emitter.row(MEMORY_COLUMNS, [`${name}:`, arena[name]]);
  }
}

const MUTEX_COLUMNS: readonly Column[] = [16, 8, 16, 8, 16, 8, 16, 8, 16, 10, 16, 12].map((width) => ({ width }));
const MUTEX_TITLES: readonly string[] = [
  'n_lock_ops',
  '(#/sec)',
  'n_waiting',
  '(#/sec)',
  'n_spin_acq',
  '(#/sec)',
  'n_owner_switch',
  '(#/sec)',
  'total_wait_ns',
  '(#/sec)',
  'max_wait_ns',
  'max_n_thds',
];
const NAMED_MUTEX_COLUMNS: readonly Column[] = [NAME_COLUMN, ...MUTEX_COLUMNS];

/** The mutex table (mutex_stats_read_global, _arena). */
function printMutexes(emitter: Emitter, names: readonly string[], mutexes: MutexStats, uptime: number): void {
  emitter.row(NAMED_MUTEX_COLUMNS, ['', ...MUTEX_TITLES]);
  emitter.jsonObjectBegin('mutexes');
  for (const [m, name] of names.entries()) {
    const cells = mutexCells(mutexes, m, uptime);
    emitter.jsonObjectBegin(name);
    mutexJson(emitter, cells);
    emitter.jsonObjectEnd();
    emitter.row(NAMED_MUTEX_COLUMNS, [name, ...cells]);
  }
  emitter.jsonObjectEnd();
}

/** The twelve columns of a mutex: each of the first five counters is followed by its rate. */
function mutexCells(mutexes: MutexStats, m: number, uptime: number): number[] {
  const cells: number[] = [];
  for (const name of ['num_ops', 'num_wait', 'num_spin_acq', 'num_owner_switch', 'total_wait_time'] as const) {
    cells.push(mutexes[name][m], ratePerSecond(mutexes[name][m], uptime));
  }
  cells.push(mutexes.max_wait_time[m], mutexes.max_num_thds[m]);
  return cells;
}

/**
 * The JSON keys of a mutex (mutex_stats_emit). jemalloc takes the columns from the left without passing over the rates, so that
 * `num_wait` holds lock operations per second, `num_spin_acq` waits, and so on; owner switches and wait times appear nowhere.
 */
function mutexJson(emitter: Emitter, cells: readonly number[]): void {
  emitter.jsonKv('num_ops', cells[0]);
  emitter.jsonKv('num_wait', cells[1]);
  emitter.jsonKv('num_spin_acq', cells[2]);
  emitter.jsonKv('num_owner_switch', cells[3]);
  emitter.jsonKv('total_wait_time', cells[4]);
  emitter.jsonKv('max_wait_time', cells[5]);
  emitter.jsonKv('max_num_thds', cells[11]);
}

/** A table whose first title carries the section's label; `label` and the rest of that column's width make up 20 characters. */
interface Table {
  columns: readonly Column[];
  /** The header line without the label. */
  header: readonly Column[];
  titles: readonly string[];
}

function makeTable(label: string, ...columns: readonly (readonly [title: string, width: number])[]): Table {
  const rows = columns.map(([, width]) => ({ width }));
  return {
    columns: rows,
    header: [{ width: rows[0].width - label.length }, ...rows.slice(1)],
    titles: columns.map(([title]) => title),
  };
}

const PROF_COLUMNS = [
  ['prof_live_requested', 21],
  ['prof_live_count', 17],
  ['prof_accum_requested', 21],
  ['prof_accum_count', 17],
] as const;

function binsTable(profStats: boolean, mutex: boolean): Table {
  return makeTable(
    'bins:',
    ['size', 20],
    ['ind', 4],
    ['allocated', 13],
    ['nmalloc', 13],
    ['(#/sec)', 8],
    ['ndalloc', 13],
    ['(#/sec)', 8],
    ['nrequests', 13],
    ['(#/sec)', 10],
    ...(profStats ? PROF_COLUMNS : []),
    ['nshards', 9],
    ['curregs', 13],
    ['curslabs', 13],
    ['nonfull_slabs', 15],
    ['regs', 5],
    ['pgs', 4],
    [' ', 1],
    ['util', 6],
    ['nfills', 13],
    ['(#/sec)', 8],
    ['nflushes', 13],
    ['(#/sec)', 8],
    ['nslabs', 13],
    ['nreslabs', 13],
    ['(#/sec)', 8],
    ...(mutex ? MUTEX_TITLES.map((title, i) => [title, MUTEX_COLUMNS[i].width] as const) : []),
  );
}

/** Small classes (stats_arena_bins_print). In text a class that never had a slab is left out, and so are its reads. */
function printBins(print: Print, arena: ArenaStats, prof: ProfStatsRead | null): void {
  const { emitter, cost } = print;
  const { conf } = print.live;
  const { mutex } = print.parts;
  const { bins, uptime } = arena;
  const table = binsTable(prof !== null, mutex);
  emitter.table('bins:');
  emitter.row(table.header, table.titles);
  emitter.jsonArrayBegin('bins');
  cost.ctl += emitter.json ? 1 : 1 + 2 * NBINS;
  let inGap = false;
  for (let j = 0; j < NBINS; j++) {
    const profCells = prof?.(j) ?? [];
    const wasInGap = inGap;
    inGap = bins.nslabs[j] === 0 && (prof === null || Number(profCells[3]) === 0);
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    if (inGap && !emitter.json) continue;
    cost.ctl += emitter.json ? 20 + (mutex ? 15 : 0) : 18 + (mutex ? 15 : 0);

    const cells = mutex ? mutexCells(bins.mutex, j, uptime) : [];
    emitter.jsonObjectBegin();
    emitter.jsonKv('nmalloc', bins.nmalloc[j]);
    emitter.jsonKv('ndalloc', bins.ndalloc[j]);
    emitter.jsonKv('curregs', bins.curregs[j]);
    emitter.jsonKv('nrequests', bins.nrequests[j]);
    profStatsJson(emitter, profCells);
    emitter.jsonKv('nfills', bins.nfills[j]);
    emitter.jsonKv('nflushes', bins.nflushes[j]);
    emitter.jsonKv('nreslabs', bins.nreslabs[j]);
    emitter.jsonKv('curslabs', bins.curslabs[j]);
    emitter.jsonKv('nonfull_slabs', bins.nonfull_slabs[j]);
    if (mutex) {
      emitter.jsonObjectBegin('mutex');
      mutexJson(emitter, cells);
      emitter.jsonObjectEnd();
    }
    emitter.jsonObjectEnd();

    if (emitter.json) continue;
    const rate = (counter: Float64Array) => ratePerSecond(counter[j], uptime);
    const regions = conf.slabRegions[j];
    emitter.row(table.columns, [
      indexToSize[j],
      j,
      bins.curregs[j] * indexToSize[j],
      bins.nmalloc[j],
      rate(bins.nmalloc),
      bins.ndalloc[j],
      rate(bins.ndalloc),
      bins.nrequests[j],
      rate(bins.nrequests),
      ...profCells,
      conf.binShards[j],
      bins.curregs[j],
      bins.curslabs[j],
      bins.nonfull_slabs[j],
      regions,
      conf.slabPages[j],
      ' ',
      utilization(bins.curregs[j], regions * bins.curslabs[j]),
      bins.nfills[j],
      rate(bins.nfills),
      bins.nflushes[j],
      rate(bins.nflushes),
      bins.nslabs[j],
      bins.nreslabs[j],
      rate(bins.nreslabs),
      ...cells,
    ]);
  }
  emitter.jsonArrayEnd();
  if (inGap) emitter.table(GAP_LINE);
}

/** Used regions per region as `0.` and three digits, cut (get_rate_str); `1` if there is none. */
function utilization(used: number, regions: number): string {
  if (regions === 0) return '1';
  if (used > regions) return ' race';
  const thousandths = Math.floor((used * 1000) / regions);
  return thousandths === 1000 ? '1' : `0.${String(thousandths).padStart(3, '0')}`;
}

function profStatsJson(emitter: Emitter, cells: readonly EmitValue[]): void {
  for (let i = 0; i < cells.length; i++) emitter.jsonKv(PROF_COLUMNS[i][0], cells[i]);
}

/** Large classes (stats_arena_lextents_print). */
function printLextents(emitter: Emitter, arena: ArenaStats, prof: ProfStatsRead | null): void {
  const { lextents, uptime } = arena;
  const table = makeTable(
    'large:',
    ['size', 20],
    ['ind', 4],
    ['allocated', 13],
    ['nmalloc', 13],
    ['(#/sec)', 8],
    ['ndalloc', 13],
    ['(#/sec)', 8],
    ['nrequests', 13],
    ['(#/sec)', 8],
    ...(prof === null ? [] : PROF_COLUMNS),
    ['curlextents', 13],
  );
  emitter.table('large:');
  emitter.row(table.header, table.titles);
  emitter.jsonArrayBegin('lextents');
  let inGap = false;
  for (let j = 0; j < NLEXTENTS; j++) {
    const wasInGap = inGap;
    inGap = lextents.nrequests[j] === 0;
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    const profCells = prof?.(NBINS + j) ?? [];
    emitter.jsonObjectBegin();
    profStatsJson(emitter, profCells);
    emitter.jsonKv('curlextents', lextents.curlextents[j]);
    emitter.jsonObjectEnd();
    if (inGap || emitter.json) continue;
    const bytes = indexToSize[NBINS + j];
    emitter.row(table.columns, [
      bytes,
      NBINS + j,
      lextents.curlextents[j] * bytes,
      lextents.nmalloc[j],
      ratePerSecond(lextents.nmalloc[j], uptime),
      lextents.ndalloc[j],
      ratePerSecond(lextents.ndalloc[j], uptime),
      lextents.nrequests[j],
      ratePerSecond(lextents.nrequests[j], uptime),
      ...profCells,
      lextents.curlextents[j],
    ]);
  }
  emitter.jsonArrayEnd();
  if (inGap) emitter.table(GAP_LINE);
}

const EXTENTS_TABLE = makeTable(
  'extents:',
  ['size', 20],
  ['ind', 4],
  ['ndirty', 13],
  ['dirty', 13],
  ['nmuzzy', 13],
  ['muzzy', 13],
  ['nretained', 13],
  ['retained', 13],
  ['ntotal', 13],
  ['total', 13],
);

/** Free extents by page size class (stats_arena_extents_print). */
function printExtents(emitter: Emitter, arena: ArenaStats): void {
  const { ndirty, nmuzzy, nretained, dirty_bytes, muzzy_bytes, retained_bytes } = arena.extents;
  emitter.table('extents:');
  emitter.row(EXTENTS_TABLE.header, EXTENTS_TABLE.titles);
  emitter.jsonArrayBegin('extents');
  let inGap = false;
  for (let j = 0; j < NPSIZES; j++) {
    const total = ndirty[j] + nmuzzy[j] + nretained[j];
    const wasInGap = inGap;
    inGap = total === 0;
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    emitter.jsonObjectBegin();
    emitter.jsonKv('ndirty', ndirty[j]);
    emitter.jsonKv('nmuzzy', nmuzzy[j]);
    emitter.jsonKv('nretained', nretained[j]);
    emitter.jsonKv('dirty_bytes', dirty_bytes[j]);
    emitter.jsonKv('muzzy_bytes', muzzy_bytes[j]);
    emitter.jsonKv('retained_bytes', retained_bytes[j]);
    emitter.jsonObjectEnd();
    if (inGap) continue;
    emitter.row(EXTENTS_TABLE.columns, [
      pindToPages[j] * PAGE,
      j,
      ndirty[j],
      dirty_bytes[j],
      nmuzzy[j],
      muzzy_bytes[j],
      nretained[j],
      retained_bytes[j],
      total,
      dirty_bytes[j] + muzzy_bytes[j] + retained_bytes[j],
    ]);
  }
  emitter.jsonArrayEnd();
  if (inGap) emitter.table(GAP_LINE);
}

const HPA_TABLE = makeTable(
  '',
  ['size', 20],
  ['ind', 4],
  ['npageslabs_huge', 16],
  ['nactive_huge', 16],
  ['ndirty_huge', 16],
  ['npageslabs_nonhuge', 20],
  ['nactive_nonhuge', 20],
  ['ndirty_nonhuge', 20],
  ['nretained_nonhuge', 20],
);

/** The huge page shard (stats_arena_hpa_shard_print). */
function printHpaShard(emitter: Emitter, arena: ArenaStats): void {
  const { hpa_shard: shard, uptime } = arena;
  const { slabs } = shard;
  emitter.kv('sec_bytes', 'Bytes in small extent cache', arena.hpa_sec_bytes);
  emitter.table('HPA shard stats:\n');
  for (const [title, count] of [
    ['Purge passes', shard.npurge_passes],
    ['Purges', shard.npurges],
    ['Hugeifies', shard.nhugifies],
    ['Dehugifies', shard.ndehugifies],
  ] as const) {
    emitter.table(`  ${title}: ${decimal(count)} (${decimal(ratePerSecond(count, uptime))} / sec)\n`);
  }
  emitter.table('\n');
  emitter.jsonObjectBegin('hpa_shard');
  emitter.jsonKv('npurge_passes', shard.npurge_passes);
  emitter.jsonKv('npurges', shard.npurges);
  emitter.jsonKv('nhugifies', shard.nhugifies);
  emitter.jsonKv('ndehugifies', shard.ndehugifies);
  printHpaSlabs(emitter, 'full', slabs, HPA_FULL);
  printHpaSlabs(emitter, 'empty', slabs, HPA_EMPTY);
  emitter.table('\n');
  emitter.row(HPA_TABLE.header, HPA_TABLE.titles);
  emitter.jsonArrayBegin('nonfull_slabs');
  let inGap = false;
  for (let j = 0; j < PSSET_NPSIZES; j++) {
    const wasInGap = inGap;
    inGap = slabs.npageslabs_huge[j] === 0 && slabs.npageslabs_nonhuge[j] === 0;
    if (wasInGap && !inGap) emitter.table(GAP_LINE);
    const cells = [
      slabs.npageslabs_huge[j],
      slabs.nactive_huge[j],
      slabs.ndirty_huge[j],
      slabs.npageslabs_nonhuge[j],
      slabs.nactive_nonhuge[j],
      slabs.ndirty_nonhuge[j],
    ];
    if (!inGap) emitter.row(HPA_TABLE.columns, [pindToPages[j] * PAGE, j, ...cells, retainedNonhuge(slabs, j)]);
    emitter.jsonObjectBegin();
    for (const [i, cell] of cells.entries()) emitter.jsonKv(HPA_JSON_KEYS[i], cell);
    emitter.jsonObjectEnd();
  }
  emitter.jsonArrayEnd();
  emitter.jsonObjectEnd();
  if (inGap) emitter.table(GAP_LINE);
}

const HPA_JSON_KEYS = [
  ...HPA_SLAB_COUNTERS.filter((name) => name.endsWith('_huge')),
  ...HPA_SLAB_COUNTERS.filter((name) => name.endsWith('_nonhuge')),
];

/** Pages of nonhuge slabs that are neither active nor dirty. */
function retainedNonhuge(slabs: HpaSlabStats, row: number): number {
  return slabs.npageslabs_nonhuge[row] * (HUGEPAGE / PAGE) - slabs.nactive_nonhuge[row] - slabs.ndirty_nonhuge[row];
}

function printHpaSlabs(emitter: Emitter, kind: 'full' | 'empty', slabs: HpaSlabStats, row: number): void {
  emitter.table(`  In ${kind} slabs:\n`);
  emitter.table(`      npageslabs: ${decimal(slabs.npageslabs_huge[row])} huge, ${decimal(slabs.npageslabs_nonhuge[row])} nonhuge\n`);
  emitter.table(`      nactive: ${decimal(slabs.nactive_huge[row])} huge, ${decimal(slabs.nactive_nonhuge[row])} nonhuge \n`);
  emitter.table(`      ndirty: ${decimal(slabs.ndirty_huge[row])} huge, ${decimal(slabs.ndirty_nonhuge[row])} nonhuge \n`);
  emitter.table(`      nretained: 0 huge, ${decimal(retainedNonhuge(slabs, row))} nonhuge \n`);
  emitter.jsonObjectBegin(`${kind}_slabs`);
  emitter.jsonKv('npageslabs_huge', slabs.npageslabs_huge[row]);
  emitter.jsonKv('nactive_huge', slabs.nactive_huge[row]);
  // jemalloc says the active pages twice and never the dirty ones.
  emitter.jsonKv('nactive_huge', slabs.nactive_huge[row]);
  emitter.jsonKv('npageslabs_nonhuge', slabs.npageslabs_nonhuge[row]);
  emitter.jsonKv('nactive_nonhuge', slabs.nactive_nonhuge[row]);
  emitter.jsonKv('ndirty_nonhuge', slabs.ndirty_nonhuge[row]);
  emitter.jsonObjectEnd();
}

/** Events per second of uptime (rate_per_second): the count itself in the first second, then per whole second, cut. */
export function ratePerSecond(count: number, uptime: number): number {
  if (uptime === 0 || count === 0) return 0;
  return uptime < BILLION ? count : Math.floor(count / Math.floor(uptime / BILLION));
}
