/** What plans of lines have in common: texts as words of four bytes, and slots of numbers for columns. */

/** Whether so many words of text stand at `at`, and after them the bytes of the next word that `mask` names. */
export function isPiece(at: usize, word: usize, words: u32, mask: u32): bool {
  const last = word + (words << 2);
  for (; word < last; word += 4) {
    if (load<u32>(at) !== load<u32>(word)) return false;
    at += 4;
  }
  return ((load<u32>(at) ^ load<u32>(word)) & mask) === 0;
}

/** The number of the line that goes to a column. */
export function numberFor(column: i32, shape: usize, values: usize): f64 {
  return load<f64>(values + (load<u32>(shape + (column << 2)) << 3));
}
