/**
 * Columns: typed arrays with a row for each thing of a kind, which grow as rows are added.
 * Invariant: growing keeps all elements, and adds elements of 0. It makes another array: no column is held over a call that may add rows, be it on the left
 * of an assignment, where it is looked up before the right is called.
 */

/** What a column can be. */
export type ColumnKind = Float64Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Uint8Array;

/** A column whose elements have a unit, or are indices of a kind. */
export type UnitColumn<Kind extends ColumnKind, Unit extends number> = Kind & { [index: number]: Unit };
/** A column of rows of another table: what is read from it is such a row. */
export type RowColumn<Row extends number> = UnitColumn<Int32Array, Row>;

/** Where columns come from. All their elements are 0. */
export interface Columns {
  float64(length: number): Float64Array;
  int32(length: number): Int32Array;
  uint32(length: number): Uint32Array;
  /** A copy with room for at least `length` elements, and at least twice the old room; the column itself is used no more. */
  grown<T extends ColumnKind>(column: T, length: number): T;
}

/** A copy with room for at least `length` elements, and at least twice the old room. */
export function grown<T extends ColumnKind>(column: T, length: number): T {
  const copy = new (column.constructor as new (length: number) => T)(Math.max(length, column.length * 2));
  copy.set(column);
  return copy;
}

/** Columns on JavaScript's own heap. */
export const HEAP_COLUMNS: Columns = {
  float64: (length) => new Float64Array(length),
  int32: (length) => new Int32Array(length),
  uint32: (length) => new Uint32Array(length),
  grown,
};
