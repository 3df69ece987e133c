/**
 * Reads MALLOC_CONF strings as jemalloc 5.3.0 does (src/jemalloc.c: malloc_conf_next, malloc_conf_multi_sizes_next, malloc_conf_init_helper).
 * Invariant: every message is byte for byte what jemalloc writes to stderr, cut at 4095 bytes and in its order; the first pass only looks for
 * confirm_conf, so that tokenizer errors are told twice and value errors once.
 * Differs: one table of handlers in parse order for a chain of macros.
 */
import { bytesToByteString, fromByteString, textOfByteString, toByteString } from './byte_string.ts';
import { FXP_ONE, parseFxp } from './fxp.ts';
import { defaultOptions, NO_DIRTY_LIMIT, type Options, PROF_DUMP_FILENAME_LEN } from './options.ts';
import { DECAY_MS_MAX } from '../extent/decay.ts';
import { HUGEPAGE, LARGE_MAXCLASS, PAGE } from '../sizes/sc.ts';
import { UINT64_MAX } from '../u64.ts';
import { defaultSlabPages, updateBinShards, updateSlabPages } from './slab_sizes.ts';
import { strtoumax } from './strtoumax.ts';

/**
 * The five places option strings come from, in the order they are applied: build string, the program's `malloc_conf`, the target of the
 * symbolic link /etc/malloc.conf, the environment variable, the program's `malloc_conf_2_conf_harder`. null: there is none.
 */
export type ConfSources = readonly (string | Uint8Array | null)[];

/** Takes a message: its text, and its exact bytes, which end in a newline unless the message was cut. */
export type ConfMessage = (text: string, bytes: Uint8Array) => void;

/** What the parser leaves behind. */
export interface ParsedConf {
  options: Options;
  /** Whether jemalloc would have called abort() at this point; `options` then hold what was read so far. */
  aborted: boolean;
  /** Whether anything in the strings was wrong; jemalloc has warned of it and goes on. */
  hadError: boolean;
}

/** The sources of a program that sets nothing itself, started with MALLOC_CONF=`environment` (null: not set). */
export function environmentSources(environment: string | Uint8Array | null): ConfSources {
  return ['', null, '', environment, null];
}

const EXPLAIN = [
  'string specified via --with-malloc-conf',
  'string pointed to by the global variable malloc_conf',
  '"name" of the file referenced by the symbolic link named /etc/malloc.conf',
  'value of the environment variable MALLOC_CONF',
  'string pointed to by the global variable malloc_conf_2_conf_harder',
];

/** Bytes of one message that reach stderr (MALLOC_PRINTF_BUFSIZE less the NUL). */
export const MESSAGE_MAX_BYTES = 4095;
const INT64_MAX = (1n << 63n) - 1n;
/** TCACHE_LG_MAXCLASS_LIMIT and TCACHE_MAXCLASS_LIMIT (tcache_types.h): the largest size that a thread cache can be told to hold, bytes. */
const LG_TCACHE_MAX_LIMIT = 23n;
const TCACHE_MAX_LIMIT = 8 << 20;
/** Slots of a cached class, at most, and lg of the factor between a slab's regions and them: limits that the parser alone knows. */
const TCACHE_SLOTS_MAX = 2048;
const LG_TCACHE_SLOTS_MUL_MAX = 16;
const LG_FLUSH_DIV_MAX = 16;
/** Fewest bytes between two collections of a thread cache. */
const TCACHE_GC_INCR_MIN = 1024n;
/** lg of the longest intervals of sampling and of dumps: those of 64 bits (sizeof(uint64_t) << 3, less one). */
const LG_INTERVAL_MAX = 63;
/** lg_extent_max_active_fit, at most (sizeof(size_t) << 3). */
const LG_ACTIVE_FIT_MAX = 64;
const INVALID = 'Invalid conf value';
const OUT_OF_RANGE = 'Out-of-range conf value';

/** Takes the value of one pair. Gives the reason why it was refused, or null. An option may be changed all the same. */
type Take = (options: Options, value: string) => string | null;

/** Options whose key may be any prefix of the name; the rest are matched whole. */
interface Handler {
  name: string;
  prefixKey: boolean;
  take: Take;
}

type KeysOf<T> = { [K in keyof Options]: Options[K] extends T ? (T extends Options[K] ? K : never) : never }[keyof Options];

function option(name: string, take: Take, prefixKey = false): Handler {
  return { name, prefixKey, take };
}

function bool(name: KeysOf<boolean>): Handler {
  return option(name, (options, value) => {
    if (value !== 'true' && value !== 'false') return INVALID;
    options[name] = value === 'true';
    return null;
  });
}

/** A number that makes up the whole value, or null. */
function wholeNumber(value: string): bigint | null {
  const number = strtoumax(value);
  return number === null || number.end !== value.length ? null : number.value;
}

interface Range {
  min: bigint;
  max: bigint;
  signed: boolean;
  /** Out of range: replaced by the limit, or refused. */
  clip: boolean;
}

function inRange(value: string, range: Range): bigint | string {
  const unsigned = wholeNumber(value);
  if (unsigned === null) return INVALID;
  const number = range.signed ? BigInt.asIntN(64, unsigned) : unsigned;
  if (number < range.min) return range.clip ? range.min : OUT_OF_RANGE;
  if (number > range.max) return range.clip ? range.max : OUT_OF_RANGE;
  return number;
}

function numeric(name: KeysOf<number>, min: number | bigint, max: number | bigint, how: { clip: boolean; signed?: boolean }): Handler {
  const range = { min: BigInt(min), max: BigInt(max), signed: how.signed ?? false, clip: how.clip };
  return option(name, (options, value) => {
    const number = inRange(value, range);
    if (typeof number === 'string') return number;
    options[name] = Number(number);
    return null;
  });
}

function wide(name: KeysOf<bigint>, min: bigint, max: bigint, how: { clip: boolean; signed?: boolean }): Handler {
  const range = { min, max, signed: how.signed ?? false, clip: how.clip };
  return option(name, (options, value) => {
    const number = inRange(value, range);
    if (typeof number === 'string') return number;
    options[name] = number;
    return null;
  });
}

/** One of `names`; with `prefix` any prefix of one, the first that fits. */
function oneOf<K extends keyof Options>(name: K, names: readonly Options[K][], how: { prefixKey: boolean; prefixValue: boolean }): Handler {
  return option(
    name,
    (options, value) => {
      for (const candidate of names) {
        if (how.prefixValue ? String(candidate).startsWith(value) : candidate === value) {
          options[name] = candidate;
          return null;
        }
      }
      return INVALID;
    },
    how.prefixKey,
  );
}

/** Letters of malloc_stats_print; others and repeats are dropped, the rest appended (init_opt_stats_opts). */
function letters(name: 'stats_print_opts' | 'stats_interval_opts'): Handler {
  return option(name, (options, value) => {
    for (const letter of value) if ('Jgmdablxeh'.includes(letter) && !options[name].includes(letter)) options[name] += letter;
    return null;
  });
}

/** Calls `segment` for each `A-B:N` of the value until it fails; those before stay applied. Gives whether one failed. */
function eachSizes(value: string, segment: (begin: bigint, end: bigint, count: bigint) => boolean): boolean {
  let at = 0;
  do {
    const begin = strtoumax(value, at);
    if (begin === null || value[begin.end] !== '-') return true;
    const end = strtoumax(value, begin.end + 1);
    if (end === null || value[end.end] !== ':') return true;
    const count = strtoumax(value, end.end + 1);
    if (count === null) return true;
    at = count.end;
    if (value[at] === '|') at++;
    if (segment(begin.value, end.value, count.value)) return true;
  } while (at < value.length);
  return false;
}

const EXACT = { prefixKey: false, prefixValue: false };
const PREFIXES = { prefixKey: true, prefixValue: true };
const CLIP = { clip: true };
const CHECK = { clip: false };
const CHECK_SIGNED = { clip: false, signed: true };

/** Every option, in the order in which jemalloc tries them. */
const HANDLERS: readonly Handler[] = [
  bool('confirm_conf'),
  bool('abort'),
  bool('abort_conf'),
  bool('trust_madvise'),
  oneOf('metadata_thp', ['disabled', 'auto', 'always'], PREFIXES),
  bool('retain'),
  oneOf('dss', ['disabled', 'primary', 'secondary'], PREFIXES),
  option('narenas', (options, value) => {
    if (value === 'default') {
      options.narenas = 0;
      return null;
    }
    const number = inRange(value, { min: 1n, max: UINT64_MAX, signed: false, clip: false });
    if (typeof number === 'string') return number;
    options.narenas = Number(BigInt.asUintN(32, number));
    return null;
  }),
  option('narenas_ratio', (options, value) => {
    const ratio = parseFxp(value);
    if (ratio !== null) options.narenas_ratio = ratio.value;
    return ratio === null || ratio.end !== value.length ? INVALID : null;
  }),
  option('bin_shards', (options, value) =>
    eachSizes(value, (begin, end, count) => updateBinShards(options.bin_shards, begin, end, count))
      ? 'Invalid settings for bin_shards'
      : null,
  ),
  wide('mutex_max_spin', -1n, INT64_MAX, CHECK_SIGNED),
  numeric('dirty_decay_ms', -1, DECAY_MS_MAX, CHECK_SIGNED),
  numeric('muzzy_decay_ms', -1, DECAY_MS_MAX, CHECK_SIGNED),
  bool('stats_print'),
  letters('stats_print_opts'),
  wide('stats_interval', -1n, INT64_MAX, CHECK_SIGNED),
  letters('stats_interval_opts'),
  oneOf('junk', ['true', 'false', 'alloc', 'free'], EXACT),
  bool('zero'),
  bool('experimental_infallible_new'),
  bool('tcache'),
  numeric('tcache_max', 0, TCACHE_MAX_LIMIT, CLIP),
  option('lg_tcache_max', (options, value) => {
    const lg = wholeNumber(value);
    if (lg === null) return INVALID;
    options.tcache_max = 2 ** Number(lg > LG_TCACHE_MAX_LIMIT ? LG_TCACHE_MAX_LIMIT : lg);
    return null;
  }),
  numeric('lg_tcache_nslots_mul', -LG_TCACHE_SLOTS_MUL_MAX, LG_TCACHE_SLOTS_MUL_MAX, CHECK_SIGNED),
  numeric('tcache_nslots_small_min', 1, TCACHE_SLOTS_MAX, CLIP),
  numeric('tcache_nslots_small_max', 1, TCACHE_SLOTS_MAX, CLIP),
  numeric('tcache_nslots_large', 1, TCACHE_SLOTS_MAX, CLIP),
  wide('tcache_gc_incr_bytes', TCACHE_GC_INCR_MIN, UINT64_MAX, CLIP),
  wide('tcache_gc_delay_bytes', 0n, UINT64_MAX, CHECK),
  numeric('lg_tcache_flush_small_div', 1, LG_FLUSH_DIV_MAX, CLIP),
  numeric('lg_tcache_flush_large_div', 1, LG_FLUSH_DIV_MAX, CLIP),
  wide('oversize_threshold', 0n, BigInt(LARGE_MAXCLASS), CHECK),
  numeric('lg_extent_max_active_fit', 0, LG_ACTIVE_FIT_MAX, CHECK),
  oneOf('percpu_arena', ['percpu', 'phycpu', 'disabled'], PREFIXES),
  bool('background_thread'),
  option('max_background_threads', (options, value) => {
    const range = { min: 1n, max: BigInt(options.max_background_threads), signed: false, clip: true };
    const number = inRange(value, range);
    if (typeof number === 'string') return number;
    options.max_background_threads = Number(number);
    return null;
  }),
  bool('hpa'),
  numeric('hpa_slab_max_alloc', PAGE, HUGEPAGE, CLIP),
  numeric('hpa_hugification_threshold', PAGE, HUGEPAGE, CLIP),
  option('hpa_hugification_threshold_ratio', (options, value) => {
    const ratio = parseFxp(value);
    if (ratio === null || ratio.end !== value.length || ratio.value > FXP_ONE) return INVALID;
    options.hpa_hugification_threshold = (HUGEPAGE / FXP_ONE) * ratio.value;
    return null;
  }),
  wide('hpa_hugify_delay_ms', 0n, UINT64_MAX, CHECK),
  wide('hpa_min_purge_interval_ms', 0n, UINT64_MAX, CHECK),
  option('hpa_dirty_mult', (options, value) => {
    if (value === '-1') {
      options.hpa_dirty_mult = NO_DIRTY_LIMIT;
      return null;
    }
    const ratio = parseFxp(value);
    if (ratio === null || ratio.end !== value.length) return INVALID;
    options.hpa_dirty_mult = ratio.value;
    return null;
  }),
  wide('hpa_sec_nshards', 0n, UINT64_MAX, CLIP),
  wide('hpa_sec_max_alloc', BigInt(PAGE), UINT64_MAX, CLIP),
  wide('hpa_sec_max_bytes', BigInt(PAGE), UINT64_MAX, CLIP),
  wide('hpa_sec_bytes_after_flush', BigInt(PAGE), UINT64_MAX, CLIP),
  numeric('hpa_sec_batch_fill_extra', 0, HUGEPAGE / PAGE, CLIP),
  option('slab_sizes', (options, value) => {
    if (value === 'default') {
      options.slab_pages = defaultSlabPages();
      return null;
    }
    const failed = eachSizes(value, (begin, end, pages) => {
      // The number goes through an int on its way, so a negative one comes back as a huge one.
      updateSlabPages(options.slab_pages, begin, end, BigInt.asUintN(64, BigInt.asIntN(32, pages)));
      return false;
    });
    return failed ? 'Invalid settings for slab_sizes' : null;
  }),
  bool('prof'),
  option('prof_prefix', (options, value) => {
    options.prof_prefix = value.slice(0, PROF_DUMP_FILENAME_LEN - 1);
    return null;
  }),
  bool('prof_active'),
  bool('prof_thread_active_init'),
  numeric('lg_prof_sample', 0, LG_INTERVAL_MAX, CLIP),
  bool('prof_accum'),
  numeric('lg_prof_interval', -1, LG_INTERVAL_MAX, CHECK_SIGNED),
  bool('prof_gdump'),
  bool('prof_final'),
  bool('prof_leak'),
  bool('prof_leak_error'),
  bool('prof_log'),
  wide('prof_recent_alloc_max', -1n, INT64_MAX, CHECK_SIGNED),
  bool('prof_stats'),
  bool('prof_sys_thread_name'),
  oneOf('prof_time_resolution', ['default', 'high'], EXACT),
  bool('prof_unbias'),
  oneOf('thp', ['default', 'always', 'never'], { prefixKey: false, prefixValue: true }),
  oneOf('zero_realloc', ['alloc', 'free', 'abort'], EXACT),
  wide('san_guard_small', 0n, UINT64_MAX, CHECK),
  wide('san_guard_large', 0n, UINT64_MAX, CHECK),
];

/** Every key that a string can set, in parse order. */
export const CONF_KEYS: readonly string[] = HANDLERS.map((handler) => handler.name);

function handlerFor(key: string): Handler | undefined {
  return HANDLERS.find((handler) => (handler.prefixKey ? handler.name.startsWith(key) : handler.name === key));
}

function isKeyCode(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
}

/** The state of one parse: options so far, and whether anything was wrong. */
class ConfParser {
  readonly options = defaultOptions();
  hadError = false;
  readonly #message: ConfMessage;

  constructor(message: ConfMessage) {
    this.#message = message;
  }

  /** Hands over a line as malloc_printf writes it (malloc_conf_error and its siblings). */
  say(line: string): void {
    const cut = `<jemalloc>: ${line}\n`.slice(0, MESSAGE_MAX_BYTES);
    this.#message(textOfByteString(cut), fromByteString(cut));
  }

  /** Reads all pairs of one source; a malformed string ends it, with the pairs before still taken. */
  readSource(conf: string, firstPass: boolean): void {
    let at = 0;
    while (at < conf.length) {
      const keyStart = at;
      while (isKeyCode(conf.charCodeAt(at))) at++;
      if (conf[at] !== ':') {
        this.say(at === conf.length ? 'Conf string ends with key' : 'Malformed conf string');
        this.hadError = true;
        return;
      }
      const key = conf.slice(keyStart, at);
      const comma = conf.indexOf(',', at + 1);
      const value = conf.slice(at + 1, comma < 0 ? conf.length : comma);
      at = comma < 0 ? conf.length : comma + 1;
      if (comma >= 0 && at === conf.length) {
        this.say('Conf string ends with comma');
        this.hadError = true;
      }
      if (!firstPass) this.#takePair(key, value);
      else if (key === 'confirm_conf') handlerFor(key)!.take(this.options, value);
    }
  }

  /** Hands a pair to its option, and says what is wrong with it. */
  #takePair(key: string, value: string): void {
    const handler = handlerFor(key);
    const fault = handler === undefined ? 'Invalid conf pair' : handler.take(this.options, value);
    if (fault !== null) {
      this.say(`${fault}: ${key}:${value}`);
      if (!key.startsWith('experimental_')) this.hadError = true;
    } else if (this.options.confirm_conf) {
      this.say(`-- Set conf value: ${key}:${value}`);
    }
  }

  /** Says that jemalloc aborts here. */
  abort(): ParsedConf {
    this.say('Abort (abort_conf:true) on invalid conf value (see above).');
    return { options: this.options, aborted: true, hadError: true };
  }
}

/**
 * Reads option strings as malloc_conf_init does, and hands every message to `message`.
 * @param sources at most five strings; what is missing at the end counts as null. A NUL ends a string.
 */
export function parseMallocConf(sources: ConfSources, message: ConfMessage): ParsedConf {
  const parser = new ConfParser(message);
  const { options } = parser;
  const confs = EXPLAIN.map((_, i) => {
    const source = sources[i] ?? null;
    return source === null ? null : typeof source === 'string' ? toByteString(source) : bytesToByteString(source);
  });
  for (const conf of confs) if (conf !== null) parser.readSource(conf, true);
  for (const [i, conf] of confs.entries()) {
    if (options.confirm_conf) parser.say(`malloc_conf #${i + 1} (${EXPLAIN[i]}): "${conf ?? ''}"`);
    if (conf === null) continue;
    parser.readSource(conf, false);
    if (options.abort_conf && parser.hadError) return parser.abort();
  }
  if (options.prof_leak_error && !options.prof_final) {
    parser.say('prof_leak_error is set w/o prof_final.');
    if (options.abort_conf) return parser.abort();
  }
  return { options, aborted: false, hadError: parser.hadError };
}
