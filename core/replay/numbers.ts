/**
 * Numbers for the addresses of live blocks, where a format gives none. A tree, as the page map of jemalloc is one (src/emap.c): the chunk of an address
 * finds its pages, the page a leaf, and the place in the page an entry of it. Chunks, which are few, are hashed. The tree is compiled (../assembly/numbers.ts).
 * Invariant: an address has a number if and only if a block lives there, and no two share one.
 * Differs from a table hashed by address: blocks that lie together share cache lines, a removal moves nothing, and no loop over what is found has an end
 * that the processor cannot foresee.
 */
import { NUMBERS } from '../assembly/numbers_module.ts';
import { type ColumnMemory, SharedCode } from '../memory.ts';
import type { EventBatch } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';
import { type EventWindow, WINDOW } from './event_window.ts';

/** What the compiled part does. */
interface NumbersCode {
  /** Numbers the rows of the window at a place. */
  numberRows(window: number, rows: number): void;
  /** Shows all live blocks and spare numbers. @returns How many numbers there are. */
  visit(): number;
}

/** A batch and the numbers of its blocks: `object` and `oldObject` of EventBatch. */
export interface NumberedBatch {
  readonly batch: EventBatch;
  readonly object: Int32Array;
  readonly old: Int32Array;
}

const code = new SharedCode(NUMBERS);

/** Numbers for live addresses, the one freed last taken first. */
export class AddressNumbers {
  readonly #code: NumbersCode;
  readonly #memory: ColumnMemory;
  readonly #window: EventWindow;
  /** The numbers of the batch in progress, and the window's rows. */
  #object: Int32Array;
  #old: Int32Array;
  #from = 0;
  #to = 0;
  /** Takes what a visit shows. */
  #seen: (address: number, number: number) => void = () => {};

  /** @param window what shows the batches; the tables lie in its memory */
  constructor(window: EventWindow) {
    const { memory } = window;
    this.#window = window;
    this.#memory = memory;
    this.#object = memory.int32(WINDOW);
    this.#old = memory.int32(WINDOW);
    const calls = {
      take: (bytes: number) => memory.take(bytes),
      give: (start: number, bytes: number) => memory.give(start, bytes),
      loadMoves: () => {
        window.showMoves();
        this.#old.fill(0, this.#from, this.#to);
      },
      exhausted: (most: number) => {
        throw new InputError('replay', `more than ${most} live blocks at once`, 'cut the trace with --until');
      },
      seen: (address: number, number: number) => this.#seen(address, number),
      lost: () => {
        throw new Error('numbers: a chunk lies elsewhere than it is looked for');
      },
    };
    this.#code = code.on(memory.memory, { number_calls: calls }) as NumbersCode;
  }

  /**
   * Numbers the addresses of a batch's rows, in their order, as EventBatch's `object` and, of reallocs alone, `oldObject` would have them; what frees an
   * address where nothing lives gets 0. They hold until the next batch.
   * @throws InputError for more than 67 million live blocks.
   */
  number(batch: EventBatch): NumberedBatch {
    if (this.#object.length < batch.length) {
      this.#object = this.#memory.grown(this.#object, batch.capacity);
      this.#old = this.#memory.grown(this.#old, batch.capacity);
    }
    for (let from = 0; from < batch.length; from += WINDOW) {
      const to = Math.min(batch.length, from + WINDOW);
      this.#from = from;
      this.#to = to;
      this.#window.showAddresses(batch, this.#object, this.#old, from, to);
      this.#code.numberRows(this.#window.place, to - from);
    }
    return { batch, object: this.#object, old: this.#old };
  }

  /** Checks the tree: no address lives twice, and each number is one block's or spare. @throws Error naming what does not hold. */
  check(): void {
    const addresses = new Set<number>();
    const numbers = new Set<number>();
    this.#seen = (address, number) => {
      if (address !== 0 && addresses.has(address)) throw new Error('numbers: an address lives twice');
      if (numbers.has(number)) throw new Error('numbers: a number belongs to two blocks, or is spare as well');
      if (address !== 0) addresses.add(address);
      numbers.add(number);
    };
    if (this.#code.visit() !== numbers.size) throw new Error('numbers: one is neither live nor spare');
  }
}
