/**
 * Which functions are the allocator's own, so that a stack is told from its first caller on (jemalloc 5.3.0, bin/jeprof.in, RemoveUninterestingFrames).
 * Invariant: the answer depends on the name alone.
 * Differs: names as tracers print them are known too (`malloc+0`, `calloc@plt`, `__GI___libc_malloc`, `_Znwm`), and so are
 * duplicating functions, glib, Rust and the standard containers' allocators. Program wrappers such as `xmalloc` are not: they are who called.
 */

/** C names, without leading underscores and without PREFIXES. */
const ALLOCATION_FUNCTIONS: ReadonlySet<string> = new Set(
  [
    // The C library; malloc_usable_size is where operator new of a stripped libjemalloc seems to be: itself it allocates nothing.
    'malloc calloc realloc reallocarray recallocarray memalign posix_memalign aligned_alloc valloc pvalloc free cfree malloc_usable_size',
    'strdup strndup wcsdup int_malloc int_realloc int_memalign mid_memalign sysmalloc tcache_init malloc_hook_ini malloc_check',
    // jemalloc.
    'mallocx rallocx xallocx dallocx sdallocx sdallocx_noflags malloc_default imalloc imalloc_body fallback_impl newImpl fallbackNewImpl',
    'prof_alloc_prep prof_backtrace prof_backtrace_impl prof_tctx_create',
    // tcmalloc, the STL of its time, mimalloc.
    'tc_calloc tc_cfree tc_malloc tc_free tc_memalign tc_posix_memalign tc_pvalloc tc_valloc tc_realloc',
    'tc_new tc_delete tc_newarray tc_deletearray tc_new_nothrow tc_newarray_nothrow',
    'do_malloc ::do_malloc ::do_malloc_or_cpp_alloc DoSampledAllocation simple_alloc::allocate malloc_alloc_template::allocate',
    'builtin_new builtin_delete builtin_vec_new builtin_vec_delete',
    'start_google_malloc stop_google_malloc start_malloc_hook stop_malloc_hook',
    'mi_malloc mi_calloc mi_realloc mi_zalloc mi_strdup',
    // macOS.
    'malloc_zone_malloc malloc_zone_calloc malloc_zone_valloc malloc_zone_realloc malloc_zone_memalign malloc_zone_free',
    // glib.
    'g_malloc g_malloc0 g_malloc_n g_malloc0_n g_realloc g_realloc_n g_aligned_alloc g_aligned_alloc0 g_slice_alloc g_slice_alloc0',
    'g_try_malloc g_try_malloc0 g_try_malloc_n g_try_malloc0_n g_try_realloc g_try_realloc_n g_strdup g_strndup g_memdup g_memdup2',
    // Rust.
    'rust_alloc rust_alloc_zeroed rust_realloc rdl_alloc rdl_alloc_zeroed rdl_realloc rg_alloc rg_alloc_zeroed rg_realloc',
    'alloc::alloc::alloc alloc::alloc::alloc_zeroed alloc::alloc::realloc alloc::alloc::exchange_malloc',
  ].flatMap((line) => line.split(' ')),
);

/** What libraries put before those names: glibc's internal ones, jemalloc's public prefixes, macOS' underscore. */
const PREFIXES = /^(?:_+|GI_|libc_|je_|rjem_)+/;

/** What tracers put behind: `malloc+0x1c`, `malloc@plt`, `malloc@@GLIBC_2.2.5`, `malloc<0000000000001615>`, `malloc (inlined)`. */
const SUFFIX = /[@+<[( ]/;

/** operator new as a demangler prints it (of no class), as the C++ ABI mangles it, and what stands between it and a caller. */
const OPERATOR_NEW =
  /^(?:operator new(?:\[\])?(?:$|[@+<( ])|_+Zn[aw][jmy]|void\* (?:fallbackNewImpl|newImpl)\b|TCMalloc|tcmalloc::|std::__allocate_guarded<)/;

/** How the standard containers' allocators begin; their `allocate` counts. */
const STANDARD_ALLOCATORS = [
  'std::allocator<',
  'std::allocator_traits<',
  'std::__new_allocator<',
  'std::__1::allocator<',
  'std::__1::allocator_traits<',
  '__gnu_cxx::new_allocator<',
  '__gnu_cxx::__alloc_traits<',
];

/** What has no name in an allocator's library: `[libjemalloc.so.2+0x1df06]`. */
const ALLOCATOR_LIBRARY = /^\[[^\]]*malloc[^\]]*\+0x/;

/** True if a function of this name, as any tracer prints it, belongs to an allocator. */
export function isAllocationFunction(name: string): boolean {
  if (OPERATOR_NEW.test(name) || ALLOCATOR_LIBRARY.test(name)) return true;
  if (STANDARD_ALLOCATORS.some((start) => name.startsWith(start))) return />::(?:_S_)?allocate\b/.test(name);
  const bare = name.replace(PREFIXES, '');
  const end = bare.search(SUFFIX);
  return ALLOCATION_FUNCTIONS.has(end > 0 ? bare.slice(0, end) : bare);
}
