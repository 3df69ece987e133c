/**
 * Compact JSON as jemalloc prints it (jemalloc 5.3.0, include/jemalloc/internal/emitter.h, emitter_print_value).
 * Invariant: a string is BUF_SIZE - 1 bytes long at most, its quotes included.
 * Differs: not at all. As in the library, a string is not escaped.
 */

/** The library's buffer for a string and the zero that ends it. */
const BUF_SIZE = 256;

/** A byte string in quotes, cut where the library's buffer ends (emitter_type_string). */
export function jsonString(text: string): string {
  return `"${text}"`.slice(0, BUF_SIZE - 1);
}
