/**
 * Which backtraces and frames a report keeps (jeprof: RemoveUninterestingFrames, FilterFrames, FocusProfile, IgnoreProfile).
 * Invariant: values are moved or left out as a whole, never split.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { AddressTable } from './address_profile.ts';
import { AddressProfile } from './address_profile.ts';
import { PatternError, perlRegExp } from './perl_regexp.ts';

const ALLOCATORS = [
  'calloc',
  'cfree',
  'malloc',
  'newImpl',
  'void* newImpl',
  'free',
  'memalign',
  'posix_memalign',
  'aligned_alloc',
  'pvalloc',
  'valloc',
  'realloc',
  'mallocx',
  'rallocx',
  'xallocx',
  'dallocx',
  'sdallocx',
  'sdallocx_noflags',
  'tc_calloc',
  'tc_cfree',
  'tc_malloc',
  'tc_free',
  'tc_memalign',
  'tc_posix_memalign',
  'tc_pvalloc',
  'tc_valloc',
  'tc_realloc',
  'tc_new',
  'tc_delete',
  'tc_newarray',
  'tc_deletearray',
  'tc_new_nothrow',
  'tc_newarray_nothrow',
  'do_malloc',
  '::do_malloc',
  '::do_malloc_or_cpp_alloc',
  'DoSampledAllocation',
  'simple_alloc::allocate',
  '__malloc_alloc_template::allocate',
  '__builtin_delete',
  '__builtin_new',
  '__builtin_vec_delete',
  '__builtin_vec_new',
  'operator new',
  'operator new[]',
  'malloc_zone_malloc',
  'malloc_zone_calloc',
  'malloc_zone_valloc',
  'malloc_zone_realloc',
  'malloc_zone_memalign',
  'malloc_zone_free',
  '__start_google_malloc',
  '__stop_google_malloc',
  '__start_malloc_hook',
  '__stop_malloc_hook',
];
/** Short names that end the allocator's own part of a backtrace, with and without the underscore that macOS puts before them. */
const ALLOCATOR_NAMES: ReadonlySet<string> = new Set(ALLOCATORS.flatMap((name) => [name, `_${name}`]));
/** Also what has no name in an allocator's library: `[libjemalloc.so.2+0x1df06]`. */
const ALLOCATOR_PATTERN = /TCMalloc|^tcmalloc::|^\[[^\]]*malloc[^\]]*\+0x/;

/** What glibc's symbols put before those names (`__GI___libc_malloc`, `__libc_calloc`): tracers may give any name that a probed function has. */
const GLIBC_PREFIX = /^(?:__GI_)?(?:__(?:libc_)?)?/;

/** True if a function is the allocator's own, by its short name. @param isDump of a heap dump, of which glibc's names are left as jeprof leaves them */
function isAllocator(shortName: string, isDump: boolean): boolean {
  if (ALLOCATOR_NAMES.has(shortName) || ALLOCATOR_PATTERN.test(shortName)) return true;
  return !isDump && ALLOCATOR_NAMES.has(shortName.replace(GLIBC_PREFIX, ''));
}

/**
 * Cuts every backtrace behind its last allocator function: what called the allocator becomes its head.
 * @param isDump whether all is of heap dumps: in these a backtrace of which nothing is left is in no row, as in jeprof; of others the last function stays
 */
export function cutAllocator(profile: AddressProfile, addresses: AddressTable, isDump: boolean): AddressProfile {
  const isCut = new Uint8Array(addresses.length);
  for (let i = 0; i < isCut.length; i++) {
    const names = addresses.symbols[i];
    if (names !== undefined && isAllocator(names[0].short, isDump)) isCut[i] = 1;
  }
  if (!isCut.includes(1)) return profile;
  return rewrite(profile, (path, out) => {
    let length = 0;
    for (const address of path) {
      if (isCut[address] === 1) length = 0;
      else out[length++] = address;
    }
    if (length === 0 && path.length > 0 && !isDump) out[length++] = path[path.length - 1];
    return length;
  });
}

/** Leaves out frames whose short name does not match `retain` or does match `exclude`, and backtraces that have no frame then. */
export function filterFrames(
  profile: AddressProfile,
  addresses: AddressTable,
  retain: RegExp | undefined,
  exclude: RegExp | undefined,
): AddressProfile {
  if (retain === undefined && exclude === undefined) return profile;
  const isKept = new Uint8Array(addresses.length);
  for (let i = 0; i < isKept.length; i++) {
    const name = addresses.symbols[i]?.[0].short ?? addresses.hex[i];
    if ((retain?.test(name) ?? true) && !(exclude?.test(name) ?? false)) isKept[i] = 1;
  }
  return rewrite(profile, (path, out) => {
    let length = 0;
    for (const address of path) if (isKept[address] === 1) out[length++] = address;
    return length === 0 ? -1 : length;
  });
}

/** Keeps the backtraces in which an address, a short name or a location matches (`keep` true), or those in which none does. */
export function selectBacktraces(profile: AddressProfile, addresses: AddressTable, pattern: RegExp, keep: boolean): AddressProfile {
  const matches = new Uint8Array(addresses.length);
  for (let i = 0; i < matches.length; i++) {
    const names = addresses.symbols[i];
    if (pattern.test(addresses.hex[i]) || names?.some(({ short, location }) => pattern.test(short) || pattern.test(location)))
      matches[i] = 1;
  }
  return rewrite(profile, (path, out) => {
    if (path.some((address) => matches[address] === 1) !== keep) return -1;
    out.set(path);
    return path.length;
  });
}

/** Passes every backtrace through `change`, which fills `out` and gives the new length, or -1 to leave the backtrace out. */
function rewrite(profile: AddressProfile, change: (path: Int32Array, out: Int32Array) => number): AddressProfile {
  const result = new AddressProfile();
  let out = new Int32Array(256);
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const path = profile.path(row);
    if (path.length > out.length) out = new Int32Array(path.length * 2);
    const length = change(path, out);
    if (length >= 0) result.add(out, length, profile.values[row]);
  }
  return result;
}

/**
 * A pattern from the command line, in Perl's words.
 * @throws InputError that names `flag` if it is no regular expression, or one that has no equal here
 */
export function pattern(text: string, flag: string): RegExp {
  try {
    return perlRegExp(text);
  } catch (error) {
    if (error instanceof PatternError) throw new InputError(flag, `no regular expression: ${error.message}`, error.remedy);
    throw error;
  }
}
