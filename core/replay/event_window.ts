/**
 * A window on a batch of events: where the code that is compiled (../assembly/) finds the columns. Those of a batch that lies in its memory are read in
 * place; of other batches the rows are copied there, which is a tenth of what the replay then takes.
 * Invariant: row 0 of the window is row `from` of the batch, in every column that has been shown since.
 */
import { WINDOW_BYTES } from '../assembly/places.ts';
import type { ColumnMemory } from '../memory.ts';
import { EVENT_BYTES, EventBatch, Op } from '../trace/events.ts';
import type { NumberedBatch } from './numbers.ts';

/** Rows that a window shows at once, at most. */
export const WINDOW = 4096;

/** Below so many rows, copying them one by one is faster than making views of columns. */
const FEW = 64;

/** Words of the struct EventWindow of assembly/tables.ts: the columns in the order of their names there. */
const OBJECT = 8;
const OLD_OBJECT = 9;

/** The window of one replay. */
export class EventWindow {
  readonly memory: ColumnMemory;
  /** Where the struct is. */
  readonly place: number;
  readonly #words: Uint32Array;
  /** What the window shows: rows `from` to `to` - 1. */
  #batch = new EventBatch(0);
  #from = 0;
  #to = 0;
  /** Where rows are copied to, and their blocks' numbers; made when first needed. */
  #copy: EventBatch | undefined;
  #object: Int32Array | undefined;
  #oldObject: Int32Array | undefined;

  constructor(memory: ColumnMemory) {
    this.memory = memory;
    this.place = memory.take(WINDOW_BYTES);
    this.#words = new Uint32Array(memory.buffer, this.place, WINDOW_BYTES / 4);
  }

  /** Points at rows of a batch. Gives where they are to be copied to, undefined if they can be read where they are. */
  #show(batch: EventBatch, from: number, to: number): EventBatch | undefined {
    this.#batch = batch;
    this.#from = from;
    this.#to = to;
    if (this.memory.owns(batch.op)) {
      this.#point(batch, from);
      return undefined;
    }
    this.#copy ??= this.#newCopy();
    this.#point(this.#copy, 0);
    return this.#copy;
  }

  #newCopy(): EventBatch {
    const start = this.memory.take(WINDOW * EVENT_BYTES);
    return new EventBatch(WINDOW, this.memory.buffer, start);
  }

  #point({ op, thread, time, ptr, old, size, extra, stack }: EventBatch, from: number): void {
    const words = this.#words;
    words[0] = op.byteOffset + from;
    words[1] = thread.byteOffset + from * 4;
    words[2] = time.byteOffset + from * 8;
    words[3] = ptr.byteOffset + from * 8;
    words[4] = old.byteOffset + from * 8;
    words[5] = size.byteOffset + from * 8;
    words[6] = extra.byteOffset + from * 8;
    words[7] = stack.byteOffset + from * 4;
  }

  /** Shows what numbering needs of rows `from` to `to` - 1 of a batch, WINDOW at most. The numbers go to columns that lie in the memory. */
  showAddresses(batch: EventBatch, object: Int32Array, oldObject: Int32Array, from: number, to: number): void {
    const copy = this.#show(batch, from, to);
    this.#words[OBJECT] = object.byteOffset + from * 4;
    this.#words[OLD_OBJECT] = oldObject.byteOffset + from * 4;
    if (copy === undefined) return;
    copy.op.set(batch.op.subarray(from, to));
    copy.ptr.set(batch.ptr.subarray(from, to));
  }

  /** Shows what reallocs need besides. */
  showMoves(): void {
    const batch = this.#batch;
    const from = this.#from;
    const to = this.#to;
    const copy = this.#copy;
    if (copy === undefined || this.memory.owns(batch.op)) return;
    copy.old.set(batch.old.subarray(from, to));
    copy.size.set(batch.size.subarray(from, to));
    copy.extra.set(batch.extra.subarray(from, to));
  }

  /** Shows what the lane needs of rows `from` to `to` - 1 of a batch, WINDOW at most. */
  showCalls({ batch, object, old }: NumberedBatch, from: number, to: number, contexts: boolean): void {
    const copy = this.#show(batch, from, to);
    this.#showNumbers(object, old);
    if (copy === undefined) return;
    if (to - from < FEW) {
      for (let row = from; row < to; row++) copyRow(copy, row - from, batch, row);
      return;
    }
    const op = batch.op.subarray(from, to);
    copy.op.set(op);
    copy.thread.set(batch.thread.subarray(from, to));
    copy.time.set(batch.time.subarray(from, to));
    copy.size.set(batch.size.subarray(from, to));
    if (op.includes(Op.calloc)) copy.extra.set(batch.extra.subarray(from, to));
    if (op.includes(Op.realloc)) copy.old.set(batch.old.subarray(from, to));
    if (contexts) copy.stack.set(batch.stack.subarray(from, to));
  }

  #showNumbers(object: Int32Array, old: Int32Array): void {
    const words = this.#words;
    const from = this.#from;
    const to = this.#to;
    if (this.memory.owns(object)) {
      words[OBJECT] = object.byteOffset + from * 4;
      words[OLD_OBJECT] = old.byteOffset + from * 4;
      return;
    }
    this.#object ??= this.memory.int32(WINDOW);
    this.#oldObject ??= this.memory.int32(WINDOW);
    words[OBJECT] = this.#object.byteOffset;
    words[OLD_OBJECT] = this.#oldObject.byteOffset;
    if (to - from < FEW) {
      for (let row = from; row < to; row++) {
        this.#object[row - from] = object[row];
        this.#oldObject[row - from] = old[row];
      }
      return;
    }
    this.#object.set(object.subarray(from, to));
    if (this.#batch.op.subarray(from, to).includes(Op.realloc)) this.#oldObject.set(old.subarray(from, to));
  }

  /** Time of a row of the window. */
  timeOf(row: number): number {
    return this.#batch.time[this.#from + row];
  }
}

/** Copies what the lane needs of one row. */
function copyRow(copy: EventBatch, at: number, batch: EventBatch, row: number): void {
  copy.op[at] = batch.op[row];
  copy.thread[at] = batch.thread[row];
  copy.time[at] = batch.time[row];
  copy.old[at] = batch.old[row];
  copy.size[at] = batch.size[row];
  copy.extra[at] = batch.extra[row];
  copy.stack[at] = batch.stack[row];
}
