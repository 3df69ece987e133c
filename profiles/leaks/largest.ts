/**
 * The largest of many values.
 */

/** Those of `rows` whose value is at least the `count`-th largest one, in their order: `count` of them, 1 or more, or more where values are the same. */
export function largest(rows: Int32Array, values: Float64Array, count: number): Int32Array {
  const kept = new LargestValues(count);
  for (let i = 0; i < rows.length; i++) kept.add(values[rows[i]], 1);
  return rows.filter((row) => values[row] >= kept.least);
}

/** The largest of the values that are added: a heap with the least of them at its root, with which alone most of many values are compared. */
export class LargestValues {
  readonly #heap: Float64Array;

  /** @param count how many are kept, 1 or more */
  constructor(count: number) {
    this.#heap = new Float64Array(count).fill(-Infinity);
  }

  /** The `count`-th largest value; -Infinity if there are fewer. */
  get least(): number {
    return this.#heap[0];
  }

  /** Adds a value so many times. */
  add(value: number, times: number): void {
    for (let left = times; left > 0 && value > this.#heap[0]; left--) replaceRoot(this.#heap, value);
  }
}

/** Puts a value in the place of a heap's least one. */
function replaceRoot(heap: Float64Array, value: number): void {
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
}
