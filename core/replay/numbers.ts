/**
 * Numbers for the addresses of live blocks, where a format gives none. A tree, as the page map of jemalloc is one (src/emap.c): the chunk of an address
 * finds its pages, the page a leaf, and the place in the page an entry of it. Chunks, which are few, are hashed. The tree is compiled (../assembly/numbers.ts).
 * Invariant: an address has a number if and only if a block lives there, and no two share one.
 * Differs from a table hashed by address: blocks that lie together share cache lines, a removal moves nothing, and no loop over what is found has an end
 * that the processor cannot foresee.
 */
import { NUMBERS } from '../assembly/numbers_module.ts';
import { ColumnMemory, SharedCode } from '../memory.ts';
import type { EventBatch } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import { EXTRA, OBJECT, OLD, OLD_OBJECT, OP, PTR, ROWS, SIZE, WINDOW_END } from './number_window.ts';

/** What the compiled part does. */
interface NumbersCode {
  /** Numbers the rows of the window. */
  numberRows(rows: number): void;
}

const code = new SharedCode(NUMBERS);

/** Numbers for live addresses, the one freed last taken first. */
export class AddressNumbers {
  readonly #code: NumbersCode;
  readonly #op: Uint8Array;
  readonly #ptr: Float64Array;
  readonly #old: Float64Array;
  readonly #size: Float64Array;
  readonly #extra: Float64Array;
  readonly #object: Int32Array;
  readonly #oldObject: Int32Array;
  /** The batch in progress, and its row that is the window's first. */
  #batch: EventBatch | undefined;
  #from = 0;
  /** Whether the window has what reallocs need. */
  #moves = false;

  /**
   * @param memory where the tables are to lie; its first WINDOW_END bytes are no column's
   * @throws InputError as ColumnMemory does
   */
  constructor(memory = new ColumnMemory(WINDOW_END)) {
    const { buffer } = memory;
    const numbers = {
      take: (bytes: number) => memory.take(bytes),
      give: (start: number, bytes: number) => memory.give(start, bytes),
      loadMoves: () => this.#loadMoves(),
      exhausted: (most: number) => {
        throw new InputError('replay', `more than ${most} live blocks at once`, 'cut the trace with --until');
      },
    };
    this.#code = code.on(memory.memory, { numbers }) as NumbersCode;
    this.#op = new Uint8Array(buffer, OP, ROWS);
    this.#ptr = new Float64Array(buffer, PTR, ROWS);
    this.#old = new Float64Array(buffer, OLD, ROWS);
    this.#size = new Float64Array(buffer, SIZE, ROWS);
    this.#extra = new Float64Array(buffer, EXTRA, ROWS);
    this.#object = new Int32Array(buffer, OBJECT, ROWS);
    this.#oldObject = new Int32Array(buffer, OLD_OBJECT, ROWS);
  }

  /**
   * Numbers the addresses of a batch's rows, in their order, as EventBatch's `object` and, of reallocs alone, `oldObject` would have them; what frees an
   * address where nothing lives gets 0.
   * @throws InputError for more than 67 million live blocks.
   */
  number(batch: EventBatch, object: Int32Array, oldObject: Int32Array): void {
    this.#batch = batch;
    for (let from = 0; from < batch.length; from += ROWS) {
      const to = Math.min(batch.length, from + ROWS);
      this.#from = from;
      this.#op.set(batch.op.subarray(from, to));
      this.#ptr.set(batch.ptr.subarray(from, to));
      this.#moves = false;
      this.#code.numberRows(to - from);
      object.set(this.#object.subarray(0, to - from), from);
      if (this.#moves) oldObject.set(this.#oldObject.subarray(0, to - from), from);
    }
    this.#batch = undefined;
  }

  /** What of a batch reallocs alone need. */
  #loadMoves(): void {
    const { length, old, size, extra } = this.#batch as EventBatch;
    const from = this.#from;
    const to = Math.min(length, from + ROWS);
    this.#old.set(old.subarray(from, to));
    this.#size.set(size.subarray(from, to));
    this.#extra.set(extra.subarray(from, to));
    this.#oldObject.fill(0);
    this.#moves = true;
  }
}
