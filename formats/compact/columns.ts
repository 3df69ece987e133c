/**
 * The compact trace: what a block of events holds, as columns of an Arrow table with one row a block.
 *
 * An Arrow IPC stream (https://arrow.apache.org/docs/format/Columnar.html): pandas, polars and DuckDB open it as a table. A column of a
 * table has one width for the whole file, which either wastes bytes or cannot hold what comes later; a block as a row of lists has
 * narrow lists for what is usual and wide ones for the exceptions, and tables only for what is new.
 * Measured on the recordings of fixtures/traces, uncompressed: those of more than 1500 events take 3.5 to 11 bytes an event where NDJSON takes
 * 57 to 98, 7.5 to 16 times fewer, and those of 400 to 1500 events are 6.2 to 12 times smaller; the columns of a row an event would come to
 * 25. It is read at some 20 million events a second on a core that reads 1.2 million of NDJSON. A file of one block takes 1.4 kB besides its
 * columns, so that traces of 200 to 350 events are 5 to 6 times smaller and those of a hundred events half as large; each further block 1.2 kB.
 *
 * What is said once: stacks, frames, threads and header (`tables`, JSON); calls, that is combinations of operation, thread, size,
 * count or alignment, and stack (`calls`); addresses (`addresses`). Events name them by number.
 * Invariant: a block refers to nothing after it, so that a file that breaks off is whole up to its last whole block. A byte of a block that is not as it was
 * written is found by the block's sum, before anything of it is taken.
 */

/** Name of the schema's metadata that says what the stream is; its value is the version. */
export const MARK = 'jereplay.trace';
export const VERSION = '1';

/** Events of a block, at most. */
export const BLOCK_EVENTS = 16384;

/** One block. Lists of one element are plain columns of the table. */
export interface Block {
  /** JSON of what the trace's tables have got since the block before, see tables.ts; empty if nothing. */
  readonly tables: Uint8Array;
  /** Number of the block's first event, and the number of its events. */
  readonly first: Float64Array;
  readonly events: Uint32Array;
  /** Time of the first event, ns since the trace's start. */
  readonly start: Float64Array;
  /** What `time` counts in, ns. */
  readonly unit: Float64Array;
  /** Calls that the table keeps: all, or 0 where it begins anew. */
  readonly base: Uint32Array;
  /**
   * New calls, as variable-length numbers. The first one of a call is (thread * 16 + op) * 4, plus 1 if its size follows, plus 2 if its count or alignment
   * does; what does not follow is 0. After those `stack + 1`.
   */
  readonly calls: Uint8Array;
  /** Addresses in order of first appearance, each as the signed variable-length difference to the one before. */
  readonly addresses: Uint8Array;
  /**
   * Numbers of addresses that are free again, in ascending order, each as the variable-length difference to the one before: the next new
   * addresses get them, in this order, and only then numbers never used.
   */
  readonly released: Uint8Array;
  /** Call of each event. */
  readonly call: Uint16Array;
  /** Units since the event before (0 for the first); empty if each comes one unit after the one before. */
  readonly time: Uint16Array;
  readonly timeWide: Uint8Array;
  /** Number of the address in `ptr` of each event. A number that was not in use is that of the next new address. */
  readonly object: Uint16Array;
  readonly objectWide: Uint32Array;
  /** Number of the address in `old`, for each realloc and reallocarray, of variable length. Of an event's two addresses, `old` appears first. */
  readonly old: Uint8Array;
  /**
   * CPUs of the events, as variable-length numbers, two a run: its events, and their CPU + 1, 0 where the recording does not say. Empty if it
   * says so of none.
   */
  readonly cpus: Uint8Array;
  /** CRC-32 of the elements of the columns before this one, one after the other as they lie in the file. What writes a block reckons it (arrow.ts). */
  readonly sum: Uint32Array;
}

type Elements = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** What a column is made of. */
export interface ElementType {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, start: number, length: number): Elements;
  from(elements: ArrayLike<number>): Elements;
}

/** A column of the table: its name, its shape, and the elements of the list or value. */
export interface Column {
  readonly name: keyof Block;
  readonly shape: 'text' | 'bytes' | 'value' | 'list';
  readonly elements: ElementType;
}

/** All columns, in the order of the file. */
export const COLUMNS: readonly Column[] = [
  { name: 'tables', shape: 'text', elements: Uint8Array },
  { name: 'first', shape: 'value', elements: Float64Array },
  { name: 'events', shape: 'value', elements: Uint32Array },
  { name: 'start', shape: 'value', elements: Float64Array },
  { name: 'unit', shape: 'value', elements: Float64Array },
  { name: 'base', shape: 'value', elements: Uint32Array },
  { name: 'calls', shape: 'bytes', elements: Uint8Array },
  { name: 'addresses', shape: 'bytes', elements: Uint8Array },
  { name: 'released', shape: 'bytes', elements: Uint8Array },
  { name: 'call', shape: 'list', elements: Uint16Array },
  { name: 'time', shape: 'list', elements: Uint16Array },
  { name: 'timeWide', shape: 'bytes', elements: Uint8Array },
  { name: 'object', shape: 'list', elements: Uint16Array },
  { name: 'objectWide', shape: 'list', elements: Uint32Array },
  { name: 'old', shape: 'bytes', elements: Uint8Array },
  { name: 'cpus', shape: 'bytes', elements: Uint8Array },
  { name: 'sum', shape: 'value', elements: Uint32Array },
];

/**
 * The columns of a file of one block: without empty lists and values of 0, and of lists with a byte an element where that is enough.
 * A reader takes a column that is not there for an empty one. Files of more blocks have all columns, as any block may need any, and each has sums.
 */
export function columnsOfOnly(block: Block): readonly Column[] {
  const columns: Column[] = [];
  for (const column of COLUMNS) {
    const elements = block[column.name];
    if (column.name !== 'sum' && (column.shape === 'value' ? elements[0] === 0 : elements.length === 0)) continue;
    const narrow = column.shape === 'list' && elements.every((element) => element < 256);
    columns.push(narrow ? { ...column, elements: Uint8Array } : column);
  }
  return columns;
}
