/**
 * Names of calls as ltrace prints them, and what they do to the heap.
 * `caller->name` is a call through the caller's PLT (-e), `name@library` a function entered (-x), a plain `name` a call from the program,
 * `SYS_name` (0.7.3) or `name@SYS` (0.7.91) a system call (-S).
 */

import { isDigit, isNameByte } from '../shared/cursor.ts';

/** What a call does. */
export const Kind = {
  other: 0,
  malloc: 1,
  calloc: 2,
  realloc: 3,
  reallocarray: 4,
  posix_memalign: 5,
  aligned_alloc: 6,
  memalign: 7,
  valloc: 8,
  pvalloc: 9,
  free: 10,
  malloc_usable_size: 11,
  /** strdup and its like: give a block as large as a string. */
  strdup: 12,
  strndup: 13,
  /** Give a block through a pointer that ltrace does not show. */
  asprintf: 14,
  new: 15,
  new_aligned: 16,
  delete: 17,
  /** Calls that start a process, or (clone) a process or thread. */
  fork: 18,
  clone: 19,
  /** libc's own PLT slot named calloc is that of realloc (slots of two kinds are mixed, and ltrace counts them as one). */
  libc_calloc: 20,
  /** The one named realloc is that of strnlen, or truly realloc's. */
  libc_realloc: 21,
  /** The system call of pthread_create and of posix_spawn, whose child calls exec before anything else. */
  clone3: 22,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

const BY_NAME = new Map<string, Kind>([
  ['malloc', Kind.malloc],
  ['calloc', Kind.calloc],
  ['realloc', Kind.realloc],
  ['reallocarray', Kind.reallocarray],
  ['posix_memalign', Kind.posix_memalign],
  ['aligned_alloc', Kind.aligned_alloc],
  ['memalign', Kind.memalign],
  ['valloc', Kind.valloc],
  ['pvalloc', Kind.pvalloc],
  ['free', Kind.free],
  ['cfree', Kind.free],
  ['malloc_usable_size', Kind.malloc_usable_size],
  ['strdup', Kind.strdup],
  ['strndup', Kind.strndup],
  ['asprintf', Kind.asprintf],
  ['vasprintf', Kind.asprintf],
  ['asprintf_chk', Kind.asprintf],
  ['vasprintf_chk', Kind.asprintf],
  ['fork', Kind.fork],
  ['vfork', Kind.fork],
  ['SYS_fork', Kind.fork],
  ['SYS_vfork', Kind.fork],
  ['SYS_clone', Kind.clone],
  ['SYS_clone3', Kind.clone3],
  // ltrace 0.7.3 has no name for it.
  ['SYS_435', Kind.clone3],
]);

/**
 * The forms of operator new and delete that allocate and free, [replacement.functions] of the C++ standard, mangled and demangled.
 * The others (placement new, those of a pool) are the program's own; `_Zne`, `_Zng` and `_Znt` are `!=`, `-` and `!`.
 */
const NEW =
  /^(?:_Zn[wa][mj](?:St11align_val_t)?(?:RKSt9nothrow_t)?@?|operator new(?:\[\])?(?:\(unsigned (?:long|int)(?:, std::align_val_t)?(?:, std::nothrow_t const&)?\))?)$/;
const DELETE =
  /^(?:_Zd[la]Pv[mj]?(?:St11align_val_t)?(?:RKSt9nothrow_t)?@?|operator delete(?:\[\])?(?:\(void\*(?:, unsigned (?:long|int))?(?:, std::align_val_t)?(?:, std::nothrow_t const&)?\))?)$/;

/** The library that ltrace 0.7.91 prints system calls of, where 0.7.3 has `SYS_` before their names. */
const SYSTEM_CALLS = 'SYS';

/** Results below this are no addresses. */
export const LOWEST_ADDRESS = 65536;

/** A name taken apart. */
export interface Call {
  readonly kind: Kind;
  /** The function's own name, as a `<... name resumed>` line spells it. */
  readonly fn: string;
  /** The calling program or library. */
  readonly caller: string | undefined;
  /** True for a function's entry (-x), where calls within the library are seen too. */
  readonly entered: boolean;
  /** True for pthread_create, whose thread is told from a forked child by it. */
  readonly createsThread: boolean;
  /** True where the text begins with what the program printed without a newline. */
  readonly printed: boolean;
}

/** Takes apart a name as it stands before its arguments. */
export function callNamed(text: string): Call {
  const first = text.indexOf('->');
  const last = text.lastIndexOf('->');
  // A program may have any name; but `operator->` is no call from one.
  const usual =
    first > 0 && !/[\s(]|operator$/.test(text.slice(0, first)) ? called(text.slice(first + 2), text.slice(0, first)) : undefined;
  if (last <= 0 || (usual !== undefined && (first === last || usual.kind !== Kind.other))) return usual ?? calledBare(text);
  // Before a function that is known here, a name with spaces, parentheses or arrows is a program's, too.
  const call = called(text.slice(last + 2), text.slice(0, last));
  return call.kind !== Kind.other || call.createsThread ? call : (usual ?? calledBare(text));
}

/** A call whose caller is not named; of one that is known here, what no name can have before it is the program's output. */
function calledBare(text: string): Call {
  const call = called(text, undefined);
  if (call.kind !== Kind.other) return call;
  const at = text.lastIndexOf('@');
  let start = at > 0 ? at : text.length;
  while (start > 0 && isNameByte(text.charCodeAt(start - 1))) start--;
  // `ns::free` and `x.free` are functions of their own.
  if (/[:~$]$|\w\.$/.test(text.slice(Math.max(0, start - 2), start))) return call;
  while (isDigit(text.charCodeAt(start))) start++;
  if (start === 0) return call;
  const behind = called(text.slice(start), undefined);
  return behind.kind === Kind.other ? call : { ...behind, printed: true };
}

function called(text: string, caller: string | undefined): Call {
  const at = text.lastIndexOf('@');
  const entered = at > 0;
  const fn = entered ? text.slice(0, at) : text;
  const isSystemCall = entered && text.slice(at + 1) === SYSTEM_CALLS;
  return {
    kind: isSystemCall ? systemCallNamed(fn) : kindOf(fn, caller),
    fn,
    caller,
    entered,
    createsThread: fn === 'pthread_create' && !isSystemCall,
    printed: false,
  };
}

/** ltrace 0.7.91 knows no name for the newest. */
function systemCallNamed(fn: string): Kind {
  return BY_NAME.get(fn.startsWith('SYS_') ? fn : `SYS_${fn}`) ?? Kind.other;
}

function kindOf(fn: string, caller: string | undefined): Kind {
  if (NEW.test(fn)) return fn.includes('align_val_t') ? Kind.new_aligned : Kind.new;
  if (DELETE.test(fn)) return Kind.delete;
  const kind = BY_NAME.get(fn) ?? BY_NAME.get(fn.replace(/^_+(?:libc_|GI_|GI___libc_)?/, '')) ?? Kind.other;
  if (caller !== undefined && /^libc(?:\.so|-2)/.test(caller)) {
    if (kind === Kind.calloc) return Kind.libc_calloc;
    if (kind === Kind.realloc) return Kind.libc_realloc;
  }
  return kind;
}

/** True for calls that allocate or free, one way or the other. */
export function isAllocator(kind: Kind): boolean {
  return kind !== Kind.other && !startsTask(kind);
}

/** True for calls that give a copy of a string. */
export function isDuplicate(kind: Kind): boolean {
  return kind === Kind.strdup || kind === Kind.strndup;
}

/** True for calls that put the address of their block where an argument points. */
export function givesThroughPointer(kind: Kind): boolean {
  return kind === Kind.posix_memalign || kind === Kind.asprintf;
}

/** True for calls that start a process or a thread and give its id. */
export function startsTask(kind: Kind): boolean {
  return kind === Kind.fork || kind === Kind.clone || kind === Kind.clone3;
}

/** True for calls that allocate or free by calling the allocator: where the inner call is seen, it is the one that counts. */
export function isWrapper(kind: Kind): boolean {
  return (
    kind === Kind.new ||
    kind === Kind.new_aligned ||
    kind === Kind.delete ||
    kind === Kind.strdup ||
    kind === Kind.strndup ||
    kind === Kind.asprintf
  );
}

/** Bytes that a call with these arguments asks for. */
export function requested(kind: Kind, a: number, b: number, c: number): number {
  switch (kind) {
    case Kind.calloc:
      return a * b;
    case Kind.realloc:
    case Kind.libc_calloc:
    case Kind.libc_realloc:
    case Kind.aligned_alloc:
    case Kind.memalign:
      return b;
    case Kind.reallocarray:
      return b * c;
    case Kind.posix_memalign:
      return c;
    default:
      return a;
  }
}

/** True if the first argument is the address of a block. */
export function takesAddress(kind: Kind): boolean {
  return (
    kind === Kind.free ||
    kind === Kind.delete ||
    kind === Kind.realloc ||
    kind === Kind.reallocarray ||
    kind === Kind.malloc_usable_size ||
    kind >= Kind.libc_calloc
  );
}

/** The calls whose third argument is a size or a count. */
export function needsThree(kind: Kind): boolean {
  return kind === Kind.posix_memalign || kind === Kind.reallocarray;
}

/** The calls whose second argument is one. */
export function needsTwo(kind: Kind): boolean {
  return (
    kind === Kind.calloc ||
    kind === Kind.new_aligned ||
    (kind >= Kind.realloc && kind <= Kind.memalign) ||
    kind === Kind.libc_calloc ||
    kind === Kind.libc_realloc
  );
}
