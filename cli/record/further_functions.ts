/**
 * Functions besides the C library's by which a program allocates and frees: C++'s operators, the interfaces of jemalloc and mimalloc, tcmalloc's sized frees.
 * An allocator's fast path for them calls no malloc and no free. Each is recorded like the function of the C library that takes and gives the same.
 * Absent: functions on heaps of their own (mi_heap_malloc), and xallocx, after which a block has the size that was asked for first.
 */

/** One of these functions. */
export interface Further {
  readonly name: string;
  /** The function of jereplay.bt that it is recorded like. */
  readonly like: 'malloc' | 'calloc' | 'realloc' | 'aligned_alloc' | 'free';
  /** What takes the places of that one's arguments, in bpftrace's language. */
  readonly args: readonly string[];
  /** Its number in the script's @op; that of a function which may call malloc is above those of malloc and of all that may call it. */
  readonly op: number;
  /** Whether it may be, or become, another function that frees. */
  readonly nests: boolean;
}

const OP_CALLOC = 2;
const OP_REALLOC = 3;
const OP_NEW = 10;
const OP_NEW_ALIGNED = 11;

const all = (like: Further['like'], op: number, args: readonly string[], names: readonly string[]): Further[] =>
  names.map((name) => ({ name, like, op, args, nests: true }));

/** new of nothing asks malloc for one byte. */
const SIZE_OF_NEW = '(arg0 == 0 ? 1 : arg0)';

/** Forms of operator new: a size comes first; an alignment, if any, second. */
export const NEW_FORMS: readonly Further[] = [
  ...all('malloc', OP_NEW, [SIZE_OF_NEW], ['_Znwm', '_Znam', '_ZnwmRKSt9nothrow_t', '_ZnamRKSt9nothrow_t']),
  // aligned_alloc takes the alignment first.
  ...all(
    'aligned_alloc',
    OP_NEW_ALIGNED,
    ['arg1', 'arg0'],
    ['_ZnwmSt11align_val_t', '_ZnamSt11align_val_t', '_ZnwmSt11align_val_tRKSt9nothrow_t', '_ZnamSt11align_val_tRKSt9nothrow_t'],
  ),
];

const DELETE_FORMS = all(
  'free',
  0,
  [],
  ['_ZdlPv', '_ZdaPv'].flatMap((name) =>
    ['', 'RKSt9nothrow_t', 'm', 'St11align_val_t', 'mSt11align_val_t', 'St11align_val_tRKSt9nothrow_t'].map((ending) => name + ending),
  ),
);

/** jemalloc's interface of its own, by which Rust's programs free; the lowest six bits of its flags are the alignment's power of two. */
const jemallocForms = (prefix: string): readonly Further[] => [
  ...all('aligned_alloc', OP_NEW_ALIGNED, ['(uint64)1 << (arg1 & 63)', 'arg0'], [`${prefix}mallocx`]),
  ...all('realloc', OP_REALLOC, [], [`${prefix}rallocx`]),
  ...['dallocx', 'sdallocx', 'free_sized', 'free_aligned_sized'].map(
    (name): Further => ({ name: prefix + name, like: 'free', op: 0, args: [], nests: false }),
  ),
];

/** mimalloc's: sizes before alignments. */
const MIMALLOC_FORMS: readonly Further[] = [
  ...all('malloc', OP_NEW, [], ['mi_zalloc', 'mi_malloc_small', 'mi_zalloc_small', 'mi_new', 'mi_new_nothrow']),
  ...all('calloc', OP_CALLOC, [], ['mi_mallocn', 'mi_new_n', 'mi_calloc_aligned']),
  ...all(
    'aligned_alloc',
    OP_NEW_ALIGNED,
    ['arg1', 'arg0'],
    ['mi_malloc_aligned', 'mi_zalloc_aligned', 'mi_new_aligned', 'mi_new_aligned_nothrow'],
  ),
  ...all('realloc', OP_REALLOC, [], ['mi_realloc_aligned', 'mi_rezalloc', 'mi_rezalloc_aligned', 'mi_reallocf', 'mi_new_realloc']),
  ...all('free', 0, [], ['mi_free_size', 'mi_free_size_aligned', 'mi_free_aligned', 'mi_cfree']),
];

/** All that an allocator may have, whose functions have names with this prefix. */
export const furtherOf = (prefix: string): readonly Further[] => [
  ...NEW_FORMS,
  ...DELETE_FORMS,
  ...jemallocForms(prefix),
  ...MIMALLOC_FORMS,
];
