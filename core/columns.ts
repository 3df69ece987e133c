/** Columns: typed arrays with a row for each thing of a kind, which grow as rows are added. */

type Column = Float64Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

/** A copy with room for at least `length` elements, and at least twice the old room. */
export function grown<T extends Column>(column: T, length: number): T {
  const copy = new (column.constructor as new (length: number) => T)(Math.max(length, column.length * 2));
  copy.set(column);
  return copy;
}
