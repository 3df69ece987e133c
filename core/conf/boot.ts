/**
 * What jemalloc makes of its options when it starts (jemalloc 5.3.0, src/jemalloc.c malloc_init_hard: prof_boot1, tcache_boot,
 * malloc_init_narenas, arena_init_huge, background_thread_boot1, stats_boot).
 * Invariant: a BootConf never changes; the numbers in it fit a double, and the 64-bit options among them saturate upwards.
 * Differs: what cannot be replayed is refused by name before anything else happens. The CPUs of the affinity mask are all that the machine has,
 * so that percpu_arena is never turned off for an uncertain number of them.
 */
import { indexToSize, LARGE_MAXCLASS, LARGE_MINCLASS, NBINS, PAGE, sizeToIndex } from '../sizes/sc.ts';
import { AbortError } from '../hang_error.ts';
import { toByteString, fromByteString } from './byte_string.ts';
import { type Fxp, FXP_ONE, mulFxp, roundFxp } from './fxp.ts';
import type { ConfMessage } from './malloc_conf.ts';
import type { Options } from './options.ts';
import { profBoot1 } from './prof_boot.ts';
import type { Bytes } from '../units.ts';

/** Arena indices that an application can name (MALLOCX_ARENA_LIMIT). */
export const ARENA_LIMIT = 4095;
/** Shards of an arena's small extent cache that are modelled, at most. */
const SEC_SHARDS_MAX = 65536n;
/** STATS_INTERVAL_ACCUM_LG_BATCH_SIZE and STATS_INTERVAL_ACCUM_BATCH_MAX (stats.h): a thread adds to the account after so little of the interval, and so many bytes at most. */
const STATS_INTERVAL_BATCHES = 2 ** 6;
const STATS_INTERVAL_BATCH_MAX = 4 << 20;
/** DEFAULT_NUM_BACKGROUND_THREAD (background_thread_structs.h). */
const DEFAULT_BACKGROUND_THREADS = 4;
/** OVERSIZE_THRESHOLD_DEFAULT (arena_types.h), bytes. */
const OVERSIZE_THRESHOLD_DEFAULT = 8 << 20;
/** Fewest slots of a cached small class: a fill takes half of them. */
const SLOTS_MIN = 2;

/** An option that jemalloc accepts and that a replay cannot follow. */
export class UnsupportedOption extends Error {
  /** The option's name. */
  readonly option: string;
  /** Why it is refused, a sentence. */
  readonly reason: string;

  constructor(option: string, value: string, reason: string) {
    super(`${option}:${value} is not supported: ${reason}`);
    this.name = 'UnsupportedOption';
    this.option = option;
    this.reason = reason;
  }
}

/** What the boot takes from its surroundings. */
export interface BootSurroundings {
  /** CPUs in the affinity mask (malloc_ncpus), at least 1. */
  ncpus: number;
  /** What the kernel's transparent huge page switch says; `unknown` if it cannot be read. Default: madvise. */
  systemThp?: 'always' | 'madvise' | 'never' | 'unknown';
}

/** The options as they are once jemalloc runs, and what follows from them. */
export interface BootConf {
  /** Final values, as `opt.*` tells them. */
  options: Readonly<Options>;
  ncpus: number;
  systemThp: 'always' | 'madvise' | 'never' | 'unknown';
  /** Arenas that threads are spread over, 1..4094. */
  narenasAuto: number;
  /** Arenas 0..percpuArenas-1 belong to CPUs (percpu_arena_ind_limit); 0 with percpu_arena disabled. */
  percpuArenas: number;
  /** Index of the arena for huge requests, -1 if there is none. */
  hugeArenaIndex: number;
  /** narenasAuto, and one more with a huge arena. */
  narenasTotal: number;
  /** Bytes from which a request goes to the huge arena; LARGE_MAXCLASS + PAGE without one. */
  oversizeThreshold: number;
  /** The same for arena 0's own purging: it is made before the option is looked at. */
  arena0OversizeThreshold: number;
  /** Small class -> pages of a slab. */
  slabPages: Int32Array;
  /** Small class -> regions of a slab. */
  slabRegions: Uint16Array;
  /** Small class -> shards. */
  binShards: Uint8Array;
  /** Bytes of the greatest cached class, its index + 1. */
  tcacheMaxclass: number;
  nhbins: number;
  /** Cached class -> slots; small classes from nhbins on have none. */
  ncachedMax: Uint16Array;
  /** Allocated bytes between two statistics prints, 0 for none; bytes after which a thread adds to the account. */
  statsInterval: number;
  statsIntervalBatch: number;
  /** Allocated bytes between two heap dumps, 0 for none. */
  profInterval: number;
  tcacheGcIncrBytes: number;
  tcacheGcDelayBytes: number;
  /** Every how-maniest slab and large extent of a thread has guard pages; 0 for none. */
  sanGuardSmall: number;
  sanGuardLarge: number;
}

/** `value` as a double that is not smaller. */
function saturate(value: bigint): number {
  const number = Number(value);
  return BigInt(number) < value ? number * (1 + Number.EPSILON) : number;
}

/** Automatic arenas for a number of CPUs when `narenas` does not say (malloc_narenas_default). */
function defaultArenas(ncpus: number, ratio: Fxp): number {
  if (ncpus <= 1) return 1;
  const goal = roundFxp(mulFxp((ncpus * FXP_ONE) % 2 ** 32, ratio));
  return goal === 0 ? 1 : goal;
}

/** Slots of a cached class (tcache_ncached_max_compute). */
function slotsOf(options: Options, index: number, regions: number): number {
  if (index >= NBINS) return options.tcache_nslots_large;
  const most = Math.max(SLOTS_MIN, options.tcache_nslots_small_max & ~1);
  const least = Math.min(most, Math.max(SLOTS_MIN, (options.tcache_nslots_small_min + 1) & ~1));
  const lg = options.lg_tcache_nslots_mul;
  const candidate = lg < 0 ? regions >>> -lg : regions * 2 ** lg;
  const even = candidate + (candidate % 2);
  return even <= least ? least : Math.min(even, most);
}

/** @throws UnsupportedOption for what a replay cannot follow. */
function refuseUnsupported(options: Options): void {
  if (options.hpa && options.hpa_sec_nshards > SEC_SHARDS_MAX) {
    throw new UnsupportedOption(
      'hpa_sec_nshards',
      `${options.hpa_sec_nshards}`,
      `more than ${SEC_SHARDS_MAX} caches for each arena are not modelled`,
    );
  }
}

/**
 * Arenas that belong to CPUs, 0 with percpu_arena disabled; an odd number of CPUs is no reason to turn phycpu off (malloc_init_narenas).
 * @throws AbortError where that ends the process (abort).
 */
function arenasOfCpus({ percpu_arena: mode, abort }: Options, ncpus: number, say: (text: string) => void): number {
  if (mode === 'disabled') return 0;
  if (ncpus >= ARENA_LIMIT) throw new UnsupportedOption('percpu_arena', mode, `with ${ARENA_LIMIT} CPUs or more jemalloc does not start`);
  if (mode === 'percpu') return ncpus;
  if (ncpus % 2 !== 0) {
    say(`<jemalloc>: invalid configuration -- per physical CPU arena with odd number (${ncpus}) of CPUs (no hyper threading?).\n`);
    if (abort) throw new AbortError(`abort:true, and percpu_arena:${mode} with an odd number of CPUs`);
  }
  return Math.ceil(ncpus / 2);
}

/** Index of the arena of a CPU (percpu_arena_choose): with phycpu the CPUs of the upper half share those of the lower. */
export function arenaOfCpu({ options, ncpus }: BootConf, cpu: number): number {
  const half = Math.floor(ncpus / 2);
  return options.percpu_arena === 'percpu' || cpu < half ? cpu : cpu - half;
}

/**
 * Starts jemalloc up to its first allocation: final options and what follows from them.
 * @param message takes jemalloc's own warnings, as parseMallocConf does.
 * @throws UnsupportedOption for what a replay cannot follow, AbortError where jemalloc ends the process.
 */
export function bootConf(parsed: Options, surroundings: BootSurroundings, message: ConfMessage): BootConf {
  refuseUnsupported(parsed);
  const { ncpus, systemThp = 'madvise' } = surroundings;
  const options: Options = { ...parsed };

  const slabPages = Int32Array.from(options.slab_pages);
  const slabRegions = new Uint16Array(NBINS);
  for (let bin = 0; bin < NBINS; bin++) slabRegions[bin] = Math.floor((slabPages[bin] * PAGE) / indexToSize[bin]);
  const binShards = Uint8Array.from(options.bin_shards);

  const statsInterval = options.stats_interval < 0n ? 0 : Math.max(1, saturate(options.stats_interval));
  const statsIntervalBatch =
    statsInterval === 0 ? 0 : Math.min(STATS_INTERVAL_BATCH_MAX, Math.max(1, Math.floor(statsInterval / STATS_INTERVAL_BATCHES)));

  if (systemThp === 'unknown') options.thp = 'not supported';

  const profInterval = profBoot1(options);

  const maxIndex = sizeToIndex(options.tcache_max as Bytes);
  const nhbins = maxIndex + 1;
  const ncachedMax = new Uint16Array(Math.max(nhbins, NBINS));
  for (let index = 0; index < nhbins; index++) ncachedMax[index] = slotsOf(options, index, slabRegions[index]);

  const say = (text: string) => message(text, fromByteString(toByteString(text)));
  const percpuArenas = arenasOfCpus(options, ncpus, say);
  if (options.narenas < percpuArenas) options.narenas = percpuArenas;
  if (options.narenas === 0) options.narenas = defaultArenas(ncpus, options.narenas_ratio);
  let narenasAuto = options.narenas;
  if (narenasAuto >= ARENA_LIMIT) {
    narenasAuto = ARENA_LIMIT - 1;
    say(`<jemalloc>: Reducing narenas to limit (${narenasAuto})\n`);
  }
  const huge = options.oversize_threshold >= BigInt(LARGE_MINCLASS) && options.oversize_threshold <= BigInt(LARGE_MAXCLASS);
  if (!huge) options.oversize_threshold = 0n;
  if (options.max_background_threads > ARENA_LIMIT) options.max_background_threads = DEFAULT_BACKGROUND_THREADS;

  return {
    options,
    ncpus,
    systemThp,
    narenasAuto,
    percpuArenas,
    hugeArenaIndex: huge ? narenasAuto : -1,
    narenasTotal: narenasAuto + (huge ? 1 : 0),
    oversizeThreshold: huge ? saturate(options.oversize_threshold) : LARGE_MAXCLASS + PAGE,
    arena0OversizeThreshold: OVERSIZE_THRESHOLD_DEFAULT,
    slabPages,
    slabRegions,
    binShards,
    tcacheMaxclass: indexToSize[maxIndex],
    nhbins,
    ncachedMax,
    statsInterval,
    statsIntervalBatch,
    profInterval,
    tcacheGcIncrBytes: saturate(options.tcache_gc_incr_bytes),
    tcacheGcDelayBytes: saturate(options.tcache_gc_delay_bytes),
    sanGuardSmall: saturate(options.san_guard_small),
    sanGuardLarge: saturate(options.san_guard_large),
  };
}
