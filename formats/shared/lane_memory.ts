/**
 * Memory that TypeScript shares with the lanes, the loops over text and columns that are compiled to WebAssembly (../assembly): it starts fast, where V8 needs a quarter
 * of a second to find out how to compile such a loop, and knows no classes or lengths of arrays to check.
 * Invariant: what was taken stays where it is, and no two columns overlap. So a column's byteOffset is a pointer for the lanes.
 * Differs from memory of WebAssembly that is not shared: growing leaves the columns valid which are there.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { LANES } from '../assembly/module.ts';

/** The lanes' functions. Places in the memory are bytes from its start. */
export interface Lanes {
  /**
   * Takes NDJSON lines from `start` on until the batch is full, a line does not fit, or `limit`, where there is a newline, is near.
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
   * Takes joined records, rows `from` to `to` - 1 at most of a sorting window, whose columns begin at `rows`, to a batch whose columns begin at `columns`, from row
   * `firstRow` on. `threadRows` has, by the records' thread, its row in the trace's threads, or -1 if its records are not for this lane; `keys` and `states` are those of
   * AddressStates; `startTime` is that of the first event, ns. `results`: the time of the record before, a double; then, as words, the slots in use, and the events.
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

type Shared<T> = T & { readonly buffer: SharedArrayBuffer };

/** WebAssembly counts memory in pages of so many bytes, and has 2^32 bytes at most. */
const PAGE = 65536;
const MOST_PAGES = 65536;
const FIRST_PAGES = 16;
/** Columns begin at multiples of a cache line. Address 0 is no column's. */
const LINE = 64;

function newMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MOST_PAGES, shared: true });
  } catch {
    throw new InputError(
      'memory',
      'the system refuses the 10 GB of address space that V8 sets aside, and does not use, for WebAssembly',
      'raise the limit (ulimit -v), or set NODE_OPTIONS=--disable-wasm-trap-handler',
    );
  }
}

function grow(memory: WebAssembly.Memory, pages: number): void {
  try {
    memory.grow(pages);
  } catch {
    throw new InputError('memory', 'the tables for reading pass 4 GiB, or what the system gives', 'cut the recording in parts');
  }
}

/** Compiled once, when it is first needed. */
let module: WebAssembly.Module | undefined;

/** A memory and the lanes that work on it. */
export class LaneMemory {
  readonly lanes: Lanes;
  readonly #memory: WebAssembly.Memory;
  #pages = FIRST_PAGES;
  #end = LINE;

  /** @throws InputError where the process may not have so much address space as V8 keeps free around such a memory. */
  constructor() {
    this.#memory = newMemory();
    module ??= new WebAssembly.Module(LANES);
    this.lanes = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports as unknown as Lanes;
  }

  /** The memory as it is now: later it may be longer. */
  get buffer(): SharedArrayBuffer {
    return this.#memory.buffer;
  }

  /** Room for so many bytes, all 0: where it begins. @throws InputError if there is no more. */
  take(bytes: number): number {
    const start = this.#end;
    this.#end += Math.ceil(bytes / LINE) * LINE;
    const lacking = Math.ceil(this.#end / PAGE) - this.#pages;
    if (lacking > 0) {
      grow(this.#memory, lacking);
      this.#pages += lacking;
    }
    return start;
  }

  float64(length: number): Shared<Float64Array> {
    const start = this.take(length * 8);
    return new Float64Array(this.buffer, start, length);
  }

  int32(length: number): Shared<Int32Array> {
    const start = this.take(length * 4);
    return new Int32Array(this.buffer, start, length);
  }

  /** A copy of a column with room for `length` elements; the new ones are `rest`. */
  longer(column: Int32Array, length: number, rest: number): Shared<Int32Array> {
    const copy = this.int32(length);
    copy.set(column);
    return copy.fill(rest, column.length);
  }

  int16(length: number): Shared<Int16Array> {
    const start = this.take(length * 2);
    return new Int16Array(this.buffer, start, length);
  }

  uint8(length: number): Shared<Uint8Array> {
    const start = this.take(length);
    return new Uint8Array(this.buffer, start, length);
  }
}
