/**
 * Names and arguments of the functions that Valgrind replaces (coregrind/m_replacemalloc/vg_replace_malloc.c, 3.19 to 3.26).
 * Invariant: a name that is not here is no allocation function.
 */
import { Op } from '../../core/trace/events.ts';

/** What the arguments of a function are, in order: the columns of an event, or `skip`. */
export type Argument = 'size' | 'extra' | 'old' | 'ptr' | 'skip';

/** A function: its operation, and its arguments. Labelled arguments (`al 64, size 100`) say themselves what they are. */
export interface Signature {
  readonly op: Op;
  readonly arguments: readonly Argument[];
  /** False for those that give nothing (free, delete). */
  readonly gives: boolean;
}

const FUNCTIONS = new Map<string, Signature>([
  ['malloc', gives(Op.malloc, 'size')],
  ['calloc', gives(Op.calloc, 'extra', 'size')],
  ['realloc', gives(Op.realloc, 'old', 'size')],
  ['reallocf', gives(Op.realloc, 'old', 'size')],
  ['reallocarray', gives(Op.reallocarray, 'old', 'extra', 'size')],
  ['memalign', gives(Op.memalign, 'extra', 'size')],
  ['posix_memalign', gives(Op.posix_memalign, 'skip', 'extra', 'size')],
  ['aligned_alloc', gives(Op.aligned_alloc, 'extra', 'size')],
  ['valloc', gives(Op.valloc, 'size')],
  ['malloc_usable_size', gives(Op.malloc_usable_size, 'ptr')],
  ['malloc_size', gives(Op.malloc_usable_size, 'ptr')],
  ['malloc_zone_malloc', gives(Op.malloc, 'skip', 'size')],
  ['zone_calloc', gives(Op.calloc, 'skip', 'extra', 'size')],
  ['zone_realloc', gives(Op.realloc, 'skip', 'old', 'size')],
  ['zone_memalign', gives(Op.memalign, 'skip', 'extra', 'size')],
  ['__builtin_new', gives(Op.malloc, 'size')],
  ['__builtin_vec_new', gives(Op.malloc, 'size')],
  ['free', takes('ptr')],
  ['cfree', takes('ptr')],
  ['free_sized', takes('ptr', 'skip')],
  ['free_aligned_sized', takes('ptr', 'skip', 'skip')],
  ['malloc_zone_free', takes('skip', 'ptr')],
  ['__builtin_delete', takes('ptr')],
  ['__builtin_vec_delete', takes('ptr')],
]);

function gives(op: Op, ...of: Argument[]): Signature {
  return { op, arguments: of, gives: true };
}

function takes(...of: Argument[]): Signature {
  return { op: Op.free, arguments: of, gives: false };
}

/** C++ operators by their mangled names: `_Znwm`, `_ZnamSt11align_val_t` …; those that take no alignment may still have `std::nothrow`. */
const NEW = /^_Zn[aw][mjy](St11align_val_t)?/;
const DELETE = /^_Zd[al]Pv/;

/** The signature of the function of this name; undefined for one that is none of the allocator's. */
export function signatureOf(name: string): Signature | undefined {
  const known = FUNCTIONS.get(name);
  if (known !== undefined) return known;
  const operator = NEW.exec(name);
  if (operator !== null) return operator[1] === undefined ? gives(Op.malloc, 'size') : gives(Op.aligned_alloc, 'size', 'extra');
  return DELETE.test(name) ? takes('ptr', 'skip', 'skip') : undefined;
}
