/** Where the columns of a batch or window are, one after the other from `columns`, that of times, on, as EventBatch lays them out; and what they hold. */

export const NO_STACK = -1;
export const MOST_CPU = 32767;
/** Addresses up to this one are exact as doubles. */
export const MOST_ADDRESS: f64 = 9007199254740991;
/** Values of the column of operations, as core/trace/events.ts has them. */
export const MALLOC: u32 = 0;
export const REALLOC: u32 = 2;
export const REALLOCARRAY: u32 = 3;
export const FREE: u32 = 9;
export const LAST_OP: u32 = 11;

export function ptrsOf(columns: usize, capacity: u32): usize {
  return columns + (capacity << 3);
}

export function oldsOf(columns: usize, capacity: u32): usize {
  return columns + (capacity << 4);
}

export function sizesOf(columns: usize, capacity: u32): usize {
  return columns + capacity * 24;
}

export function extrasOf(columns: usize, capacity: u32): usize {
  return columns + (capacity << 5);
}

export function threadsOf(columns: usize, capacity: u32): usize {
  return columns + capacity * 40;
}

export function stacksOf(columns: usize, capacity: u32): usize {
  return columns + capacity * 44;
}

export function opsOf(columns: usize, capacity: u32): usize {
  return columns + capacity * 48;
}
