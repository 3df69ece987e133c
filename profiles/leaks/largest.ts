/**
 * The largest of many values.
 */

/** Those of `rows` whose value is at least the `count`-th largest one, in their order: `count` of them, 1 or more, or more where values are the same. */
export function largest(rows: Int32Array, values: Float64Array, count: number): Int32Array {
  // A heap of the largest so far, the least of them at its root: most of many values are compared with that alone.
  const heap = new Float64Array(count).fill(-Infinity);
  for (let i = 0; i < rows.length; i++) if (values[rows[i]] > heap[0]) replaceRoot(heap, values[rows[i]]);
  return rows.filter((row) => values[row] >= heap[0]);
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
