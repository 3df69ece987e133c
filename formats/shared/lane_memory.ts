/**
 * Memory that TypeScript shares with the lanes, the loops over text and columns that are compiled to WebAssembly (../assembly): it starts fast, where V8 needs a quarter
 * of a second to find out how to compile such a loop, and knows no classes or lengths of arrays to check.
 */
import { ColumnMemory, SharedCode } from '../../core/memory.ts';
import { LANES } from '../assembly/module.ts';

/** The lanes' functions. Places in the memory are bytes from its start. */
export interface Lanes {
  /**
   * Takes NDJSON lines from `start` on until the batch is full, a line does not fit, or the last one has been taken, whose newline is at `limit`.
   * `plan`, `words`, `likely` and `values` are those of LineShapes; `tids` and `rows` have so many `threadSlots`, a power of two; `stacks` has StackIndex by
   * the file's ids. `columns` is where those of a batch of that capacity begin, `cpus` its CPUs or 0. The first line taken is row `firstRow`, event number
   * `firstNumber`. `results`: the time of the event before, a double; then, as words, how many times were raised, and the rows.
   * @returns The start of the first line that was not taken.
   */
  runEventLane(
    plan: number,
    words: number,
    likely: number,
    values: number,
    tids: number,
    rows: number,
    threadSlots: number,
    stacks: number,
    stackCount: number,
    originSeconds: number,
    originNanos: number,
    columns: number,
    cpus: number,
    capacity: number,
    firstRow: number,
    firstNumber: number,
    results: number,
    start: number,
    limit: number,
  ): number;

  /**
   * Reads the line of a stack that begins at `start`, in a text that ends with a newline. `state` is that of stack_plan.ts; the table of texts has room for what a line may add.
   * @returns The start of the next line, OTHER or NEW_FRAMES.
   */
  runStackLane(state: number, start: number): number;

  /**
   * Takes joined records, rows `from` to `to` - 1 at most of a sorting window, whose columns begin at `rows`, to a batch whose columns begin at `columns`, from row
   * `firstRow` on. `threadRows` has, by the records' thread, its row in the trace's threads, or -1 if its records are not for this lane; `keys`, `states`, `factor` and
   * `farthest` are those of AddressStates; `startTime` is that of the first event, ns. `results`: the time of the record before, a double; then, as words, the slots in use, and the events.
   * @returns The first row that was not taken.
   */
  runTakeLane(
    rows: number,
    rowCpus: number,
    rowCapacity: number,
    from: number,
    to: number,
    threadRows: number,
    keys: number,
    states: number,
    slots: number,
    factor: number,
    farthest: number,
    columns: number,
    cpus: number,
    capacity: number,
    firstRow: number,
    startTime: number,
    results: number,
  ): number;

  /**
   * Takes perf's lines from `start` on that begin at `furthest` at most, until one does not fit or the window is full. LONGEST_FIT bytes behind `furthest` can be
   * read, and there is a newline further on. The columns of heads are those of LineHeads, those of shapes of EventShapes, of callers of CallerStacks.
   * `columns` and `cpus` are the window's, as of `runEventLane`; `records` counts by thread. `results`, as words: head and shape of the line taken last; then how
   * many were taken, and whether in order.
   * @returns The start of the first line that was not taken: the last one that fits, if any does.
   */
  runUprobeLane(
    headCount: number,
    headLengths: number,
    headTexts: number,
    headLasts: number,
    headHasCpu: number,
    headThreads: number,
    shapeCount: number,
    plan: number,
    shapeTexts: number,
    words: number,
    after: number,
    values: number,
    callerKeys: number,
    callerStacks: number,
    flagged: boolean,
    records: number,
    originSeconds: number,
    originNanos: number,
    columns: number,
    cpus: number,
    capacity: number,
    firstRow: number,
    results: number,
    start: number,
    furthest: number,
  ): number;

  /**
   * Takes the new calls of a compact trace's block, from `start` to `end`, to the table of calls (block_layout.ts) from row `firstCall` on. `threads` and `stacks` have, by
   * those of the file, their rows in the trace.
   * @returns How many calls the table has then; -1 if one of them cannot be.
   */
  runCallLane(
    start: number,
    end: number,
    threads: number,
    threadCount: number,
    stacks: number,
    stackCount: number,
    table: number,
    firstCall: number,
  ): number;

  /**
   * Takes rows `from` to `to` - 1 of a compact trace's block to the first rows of a batch, whose columns begin at `columns`. `objects` and `oldObjects` are its
   * numbers of addresses. `state` is that of block_layout.ts; it is brought up to date where all rows are sound.
   * @returns SOUND, or what a row names that cannot be.
   */
  runBlockLane(state: number, from: number, to: number, columns: number, objects: number, oldObjects: number, capacity: number): number;
}

const code = new SharedCode(LANES);

/** A memory and the lanes that work on it. */
export class LaneMemory extends ColumnMemory {
  readonly lanes: Lanes = code.on(this.memory, {}) as Lanes;

  /** A copy of a column with room for `length` elements; the new ones are `rest`. */
  longer(column: Int32Array, length: number, rest: number): Int32Array & { readonly buffer: SharedArrayBuffer } {
    const copy = this.int32(length);
    copy.set(column);
    return copy.fill(rest, column.length);
  }
}
