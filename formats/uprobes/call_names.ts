/**
 * Allocator functions by the names that probes give them.
 */
import { Op } from '../../core/trace/events.ts';
import { ascii, hasWord } from '../shared/cursor.ts';

const NAMES: readonly (readonly [Uint8Array, Op])[] = [
  ...(['free', 'malloc', 'realloc', 'calloc', 'posix_memalign', 'memalign', 'aligned_alloc', 'reallocarray', 'valloc', 'pvalloc', 'malloc_usable_size'] as const).map(
    (name) => [ascii(name), Op[name]] as const,
  ),
  [ascii('cfree'), Op.free],
  [ascii('thread_exit'), Op.thread_exit],
];

/** Name length -> the names of that length. */
const BY_LENGTH = Array.from({ length: 32 }, (_, length) => NAMES.filter(([name]) => name.length === length));

/** The allocator function named start..end, or -1. */
export function opNamed(bytes: Uint8Array, start: number, end: number): Op | -1 {
  const length = end - start;
  if (length >= BY_LENGTH.length) return -1;
  for (const [name, op] of BY_LENGTH[length]) if (hasWord(bytes, start, end, name)) return op;
  return -1;
}
