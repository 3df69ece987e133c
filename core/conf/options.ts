/**
 * Every option of jemalloc 5.3.0 as a typed record (src/jemalloc.c and the opt_ variables of its modules), as Debian builds it: profiling,
 * statistics, fill and C++ in; debug, utrace, xmalloc, log and use-after-free detection out.
 * Invariant: names are jemalloc's without `opt_`; a value is what the parser leaves behind, before the adjustments of the boot (boot.ts).
 * Differs: an option whose whole range is exact as a double is a number; one that can hold any 64-bit value is a bigint.
 */
import { HUGEPAGE, NBINS } from '../sizes/sc.ts';
import { defaultSlabPages } from './slab_sizes.ts';
import { type Fxp, FXP_ONE } from './fxp.ts';

export type MetadataThp = 'disabled' | 'auto' | 'always';
export type DssPrecedence = 'disabled' | 'primary' | 'secondary';
export type PercpuArena = 'percpu' | 'phycpu' | 'disabled';
/** `not supported` only ever comes from the boot. */
export type ThpMode = 'default' | 'always' | 'never' | 'not supported';
export type Junk = 'true' | 'false' | 'alloc' | 'free';
export type ZeroRealloc = 'alloc' | 'free' | 'abort';
export type ProfTimeResolution = 'default' | 'high';

/** (fxp_t)-1 as hpa_dirty_mult: page slabs may be dirty without limit, and are never purged. */
export const NO_DIRTY_LIMIT: Fxp = 2 ** 32 - 1;

/** Bytes of a dump's file name and of prof_prefix, the closing zero included (prof_types.h). */
export const PROF_DUMP_FILENAME_LEN = 4097;

/** The options. Sizes are bytes, names ending in _ms milliseconds. */
export interface Options {
  confirm_conf: boolean;
  abort: boolean;
  abort_conf: boolean;
  /** Not settable by a string in this version; true in this build. */
  cache_oblivious: boolean;
  trust_madvise: boolean;
  metadata_thp: MetadataThp;
  retain: boolean;
  dss: DssPrecedence;
  /** Automatic arenas, unsigned 32-bit; 0 asks for narenas_ratio per CPU. */
  narenas: number;
  narenas_ratio: Fxp;
  /** Small class -> shards, 1..64. */
  bin_shards: Uint8Array;
  /** Any int64 from -1. */
  mutex_max_spin: bigint;
  /** -1..18446744072000. */
  dirty_decay_ms: number;
  muzzy_decay_ms: number;
  stats_print: boolean;
  stats_print_opts: string;
  /** Any int64 from -1. */
  stats_interval: bigint;
  stats_interval_opts: string;
  junk: Junk;
  zero: boolean;
  experimental_infallible_new: boolean;
  tcache: boolean;
  /** 0..8388608. */
  tcache_max: number;
  lg_tcache_nslots_mul: number;
  tcache_nslots_small_min: number;
  tcache_nslots_small_max: number;
  tcache_nslots_large: number;
  /** 1024..2^64-1. */
  tcache_gc_incr_bytes: bigint;
  /** Any uint64. */
  tcache_gc_delay_bytes: bigint;
  lg_tcache_flush_small_div: number;
  lg_tcache_flush_large_div: number;
  /** 0..LARGE_MAXCLASS. */
  oversize_threshold: bigint;
  /** 0..64. */
  lg_extent_max_active_fit: number;
  percpu_arena: PercpuArena;
  background_thread: boolean;
  /** 1..4096; 4096 stands for the default of 4. */
  max_background_threads: number;
  hpa: boolean;
  hpa_slab_max_alloc: number;
  hpa_hugification_threshold: number;
  hpa_hugify_delay_ms: bigint;
  hpa_min_purge_interval_ms: bigint;
  /** NO_DIRTY_LIMIT for -1. */
  hpa_dirty_mult: Fxp;
  hpa_sec_nshards: bigint;
  hpa_sec_max_alloc: bigint;
  hpa_sec_max_bytes: bigint;
  hpa_sec_bytes_after_flush: bigint;
  hpa_sec_batch_fill_extra: number;
  /** Small class -> pages of its slabs. */
  slab_pages: Int32Array;
  prof: boolean;
  /** A byte string: one character a byte, at most 4096. */
  prof_prefix: string;
  prof_active: boolean;
  prof_thread_active_init: boolean;
  /** 0..63. */
  lg_prof_sample: number;
  prof_accum: boolean;
  /** -1..63. */
  lg_prof_interval: number;
  prof_gdump: boolean;
  prof_final: boolean;
  prof_leak: boolean;
  prof_leak_error: boolean;
  prof_log: boolean;
  /** Any int64 from -1, which is no limit. */
  prof_recent_alloc_max: bigint;
  prof_stats: boolean;
  prof_sys_thread_name: boolean;
  prof_time_resolution: ProfTimeResolution;
  prof_unbias: boolean;
  thp: ThpMode;
  zero_realloc: ZeroRealloc;
  /** Any uint64. */
  san_guard_small: bigint;
  san_guard_large: bigint;
}

/** Names that mallctl (opt.*) and malloc_stats_print have in the same order: those of the page allocator for huge pages, and of thread caches. */
export const HPA_OPTION_NAMES: readonly (keyof Options)[] = [
  'hpa',
  'hpa_slab_max_alloc',
  'hpa_hugification_threshold',
  'hpa_hugify_delay_ms',
  'hpa_min_purge_interval_ms',
  'hpa_dirty_mult',
  'hpa_sec_nshards',
  'hpa_sec_max_alloc',
  'hpa_sec_max_bytes',
  'hpa_sec_bytes_after_flush',
  'hpa_sec_batch_fill_extra',
];
export const TCACHE_OPTION_NAMES: readonly (keyof Options)[] = [
  'tcache',
  'tcache_max',
  'tcache_nslots_small_min',
  'tcache_nslots_small_max',
  'tcache_nslots_large',
  'lg_tcache_nslots_mul',
  'tcache_gc_incr_bytes',
  'tcache_gc_delay_bytes',
  'lg_tcache_flush_small_div',
  'lg_tcache_flush_large_div',
];

/** The options of an empty MALLOC_CONF. */
export function defaultOptions(): Options {
  return {
    confirm_conf: false,
    abort: false,
    abort_conf: false,
    cache_oblivious: true,
    trust_madvise: false,
    metadata_thp: 'disabled',
    retain: true,
    dss: 'secondary',
    narenas: 0,
    narenas_ratio: 4 * FXP_ONE,
    bin_shards: new Uint8Array(NBINS).fill(1),
    mutex_max_spin: 600n,
    dirty_decay_ms: 10000,
    muzzy_decay_ms: 0,
    stats_print: false,
    stats_print_opts: '',
    stats_interval: -1n,
    stats_interval_opts: '',
    junk: 'false',
    zero: false,
    experimental_infallible_new: false,
    tcache: true,
    tcache_max: 32768,
    lg_tcache_nslots_mul: 1,
    tcache_nslots_small_min: 20,
    tcache_nslots_small_max: 200,
    tcache_nslots_large: 20,
    tcache_gc_incr_bytes: 65536n,
    tcache_gc_delay_bytes: 0n,
    lg_tcache_flush_small_div: 1,
    lg_tcache_flush_large_div: 1,
    oversize_threshold: 8388608n,
    lg_extent_max_active_fit: 6,
    percpu_arena: 'disabled',
    background_thread: false,
    max_background_threads: 4096,
    hpa: false,
    hpa_slab_max_alloc: 65536,
    hpa_hugification_threshold: Math.floor((HUGEPAGE * 95) / 100),
    hpa_hugify_delay_ms: 10000n,
    hpa_min_purge_interval_ms: 5000n,
    hpa_dirty_mult: FXP_ONE / 4,
    hpa_sec_nshards: 4n,
    hpa_sec_max_alloc: 32768n,
    hpa_sec_max_bytes: 262144n,
    hpa_sec_bytes_after_flush: 131072n,
    hpa_sec_batch_fill_extra: 0,
    slab_pages: defaultSlabPages(),
    prof: false,
    prof_prefix: 'jeprof',
    prof_active: true,
    prof_thread_active_init: true,
    lg_prof_sample: 19,
    prof_accum: false,
    lg_prof_interval: -1,
    prof_gdump: false,
    prof_final: false,
    prof_leak: false,
    prof_leak_error: false,
    prof_log: false,
    prof_recent_alloc_max: 0n,
    prof_stats: false,
    prof_sys_thread_name: false,
    prof_time_resolution: 'default',
    prof_unbias: true,
    thp: 'default',
    zero_realloc: 'free',
    san_guard_small: 0n,
    san_guard_large: 0n,
  };
}
