/**
 * Allocator functions by the names that probes give them: plain, or as a C library or an allocator that is linked in calls its own.
 */
import { Op } from '../../core/trace/events.ts';
import { ascii, hasWord } from '../shared/cursor.ts';

const NAMES: readonly (readonly [Uint8Array, Op])[] = [
  ...(
    [
      'free',
      'malloc',
      'realloc',
      'calloc',
      'posix_memalign',
      'memalign',
      'aligned_alloc',
      'reallocarray',
      'valloc',
      'pvalloc',
      'malloc_usable_size',
    ] as const
  ).map((name) => [ascii(name), Op[name]] as const),
  [ascii('cfree'), Op.free],
  [ascii('thread_exit'), Op.thread_exit],
];

const NAME_BYTES = NAMES.map(([name]) => name);
const NAME_OPS = NAMES.map(([, op]) => op);
const LONGEST = Math.max(...NAME_BYTES.map(({ length }) => length));

/** Hash of a name's length and first letter -> its place in NAMES, -1 for none: no two names share one. */
const BY_SHAPE = new Int8Array(512).fill(-1);
NAMES.forEach(([name], i) => {
  const shape = shapeOf(name[0], name.length);
  if (BY_SHAPE[shape] >= 0) throw new Error('two allocator functions of one shape');
  BY_SHAPE[shape] = i;
});

function shapeOf(firstLetter: number, length: number): number {
  return (firstLetter & 0x1f) * 16 + (length & 15);
}

/** What stands before the plain name: glibc's, jemalloc's (as redis has it), mimalloc's, tcmalloc's. */
const PREFIXES = ['__GI___libc_', '__libc_', '__GI_', 'je_', 'mi_', 'tc_'].map(ascii);

/** The allocator function named start..end, or -1. */
export function opNamed(bytes: Uint8Array, start: number, end: number): Op | -1 {
  const op = opPlainlyNamed(bytes, start, end);
  if (op >= 0) return op;
  for (const prefix of PREFIXES) if (hasWord(bytes, start, end, prefix)) return opPlainlyNamed(bytes, start + prefix.length, end);
  return -1;
}

function opPlainlyNamed(bytes: Uint8Array, start: number, end: number): Op | -1 {
  const length = end - start;
  if (length <= 0 || length > LONGEST) return -1;
  const i = BY_SHAPE[shapeOf(bytes[start], length)];
  if (i < 0) return -1;
  const name = NAME_BYTES[i];
  return name.length === length && hasWord(bytes, start, end, name) ? NAME_OPS[i] : -1;
}
