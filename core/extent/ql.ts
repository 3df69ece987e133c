/**
 * Doubly linked lists of extents and of page slabs (jemalloc 5.3.0, include/jemalloc/internal/ql.h).
 * Invariant: a row is in one list of its links at most; the first one's `prev` and the last one's `next` are 0.
 * Differs: links are columns, and lists are rows of a table.
 */
import { type Columns, HEAP_COLUMNS } from '../columns.ts';

/** Row -> its neighbours in the list that it is in, 0 for none. */
export class ListLinks {
  prev: Int32Array;
  next: Int32Array;
  readonly #columns: Columns;

  constructor(rows: number, columns: Columns = HEAP_COLUMNS) {
    this.#columns = columns;
    this.prev = columns.int32(rows);
    this.next = columns.int32(rows);
  }

  grow(rows: number): void {
    this.prev = this.#columns.grown(this.prev, rows);
    this.next = this.#columns.grown(this.next, rows);
  }
}

/** Lists as two columns: list -> its ends, 0 for an empty one. */
export class ListTable {
  readonly first: Int32Array;
  readonly last: Int32Array;

  constructor(lists: number, first: Int32Array = new Int32Array(lists), last: Int32Array = new Int32Array(lists)) {
    this.first = first;
    this.last = last;
  }

  /** ql_tail_insert */
  append(links: ListLinks, list: number, row: number): void {
    const last = this.last[list];
    links.prev[row] = last;
    links.next[row] = 0;
    if (last === 0) this.first[list] = row;
    else links.next[last] = row;
    this.last[list] = row;
  }

  /** ql_head_insert */
  prepend(links: ListLinks, list: number, row: number): void {
    const first = this.first[list];
    links.prev[row] = 0;
    links.next[row] = first;
    if (first === 0) this.last[list] = row;
    else links.prev[first] = row;
    this.first[list] = row;
  }

  /** ql_remove */
  remove(links: ListLinks, list: number, row: number): void {
    const prev = links.prev[row];
    const next = links.next[row];
    if (prev === 0) this.first[list] = next;
    else links.next[prev] = next;
    if (next === 0) this.last[list] = prev;
    else links.prev[next] = prev;
  }

  /** Forgets the rows of a list, whose links stay as they are (ql_new). */
  clear(list: number): void {
    this.first[list] = 0;
    this.last[list] = 0;
  }

  /** Calls `look` with the rows of a list, first to last. @throws Error naming `what` if the links or the ends do not hold. */
  check(links: ListLinks, list: number, what: string, look: (row: number) => void): void {
    let before = 0;
    for (let row = this.first[list]; row !== 0; row = links.next[row]) {
      if (links.prev[row] !== before) throw new Error(`${what} does not point back`);
      look(row);
      before = row;
    }
    if (before !== this.last[list]) throw new Error(`${what} ends elsewhere`);
  }
}
