/**
 * Compact JSON as jemalloc prints it (jemalloc 5.3.0, include/jemalloc/internal/emitter.h, emitter_output_json_compact).
 * Invariant: none of its own; each value is text.
 * Differs: not at all. As in the library, a string is not escaped, and one that does not fit into 255 characters with its quotes is cut.
 */
export function jsonString(text: string): string {
  return `"${text}"`.slice(0, 255);
}
