/**
 * Batches in memory that two threads share: the reading one fills them, the other one uses them where they lie.
 * Invariant: a batch is the reading thread's while its OWNER word is FREE, from `take` to its message; from there on it is the other one's, until
 * `giveBack`. Both change that word only to give the batch away, so that neither sees it while the other one writes it.
 * The lowest free batch is taken: while the other thread keeps up, the same few stay in the caches, and memory of the rest is never touched.
 */
import { EVENT_BYTES, EventBatch } from '../../core/trace/events.ts';

/**
 * Batches that the reading thread may be ahead: one more than the rows that a sorting window lets go at once (REORDER_WINDOW of shared/reorder.ts, in
 * batches of 4096), so that it reads on while they are worked off. 15 MiB, if all are used.
 */
const BATCHES = 65;

/** Words that both threads look at: whether reading is to end, how often batches were given back, and from BATCH on a few for each batch. */
const STOP = 0;
const RETURNS = 1;
const BATCH = 2;
/** Words of a batch: whose it is, its length, and which of the columns it has that not every batch has. */
const OWNER = 0;
const LENGTH = 1;
const COLUMNS = 2;
const BATCH_WORDS = 3;

/** Values of OWNER. */
const FREE = 0;
const HANDED_OVER = 1;
/** Bits of COLUMNS. */
const NUMBERED = 1;
const CPU = 2;

/** Doubles that show how far the reading is: bytes read, and the input's size, NaN if it is not known. */
const BYTES_READ = 0;
const TOTAL_BYTES = 1;

/** Bytes of a row of the columns that not every batch has: object, oldObject, cpu. */
const OPTIONAL_BYTES = 4 + 4 + 2;

/** The memory, as it is handed to the other thread. */
export interface SharedMemory {
  /** Events of a batch, at most. */
  readonly capacity: number;
  readonly words: SharedArrayBuffer;
  readonly progress: SharedArrayBuffer;
  readonly rows: SharedArrayBuffer;
}

/** Memory for batches of at most `capacity` events, all of them free. */
export function sharedMemory(capacity = 4096): SharedMemory {
  return {
    capacity,
    words: new SharedArrayBuffer(4 * (BATCH + BATCHES * BATCH_WORDS)),
    progress: new SharedArrayBuffer(16),
    rows: new SharedArrayBuffer(BATCHES * bytesOf(capacity)),
  };
}

/** Bytes of a batch, a multiple of 8. */
function bytesOf(capacity: number): number {
  return optionalStart(capacity) + 8 * Math.ceil((capacity * OPTIONAL_BYTES) / 8);
}

function optionalStart(capacity: number): number {
  return 8 * Math.ceil((capacity * EVENT_BYTES) / 8);
}

/** A batch of the shared memory, and its columns that not every batch has. */
interface SharedBatch {
  readonly batch: EventBatch;
  readonly object: Int32Array;
  readonly oldObject: Int32Array;
  readonly cpu: Int16Array;
}

/** One thread's view of the batches. */
export class SharedBatches {
  readonly #memory: SharedMemory;
  readonly #words: Int32Array;
  readonly #progress: Float64Array;
  /** Made when they are used first. */
  readonly #batches: (SharedBatch | undefined)[] = [];

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.#words = new Int32Array(memory.words);
    this.#progress = new Float64Array(memory.progress);
  }

  /** The reading thread's: a free batch's number, for which it waits where all are handed over. */
  take(): number {
    const words = this.#words;
    for (;;) {
      const returns = Atomics.load(words, RETURNS);
      for (let number = 0; number < BATCHES; number++) if (Atomics.load(words, wordOf(number, OWNER)) === FREE) return number;
      Atomics.wait(words, RETURNS, returns);
    }
  }

  /** The reading thread's: makes a free batch a copy of `batch` and hands it over. */
  handOver(at: number, batch: EventBatch): void {
    const shared = this.#at(at);
    const { length } = batch;
    for (const column of ['op', 'thread', 'time', 'ptr', 'old', 'size', 'extra', 'stack'] as const) {
      shared.batch[column].set(upTo(batch[column], length));
    }
    let columns = 0;
    if (batch.object !== undefined && batch.oldObject !== undefined) {
      columns |= NUMBERED;
      shared.object.set(upTo(batch.object, length));
      shared.oldObject.set(upTo(batch.oldObject, length));
    }
    if (batch.cpu !== undefined) {
      columns |= CPU;
      shared.cpu.set(upTo(batch.cpu, length));
    }
    this.#words[wordOf(at, LENGTH)] = length;
    this.#words[wordOf(at, COLUMNS)] = columns;
    Atomics.store(this.#words, wordOf(at, OWNER), HANDED_OVER);
  }

  /** The other thread's: a batch that was handed over, until it is given back. */
  batch(at: number): EventBatch {
    const { batch, object, oldObject, cpu } = this.#at(at);
    const columns = this.#words[wordOf(at, COLUMNS)];
    batch.length = this.#words[wordOf(at, LENGTH)];
    batch.object = (columns & NUMBERED) !== 0 ? object : undefined;
    batch.oldObject = (columns & NUMBERED) !== 0 ? oldObject : undefined;
    batch.cpu = (columns & CPU) !== 0 ? cpu : undefined;
    return batch;
  }

  /** The other thread's: it is done with a batch. */
  giveBack(at: number): void {
    Atomics.store(this.#words, wordOf(at, OWNER), FREE);
    Atomics.add(this.#words, RETURNS, 1);
    Atomics.notify(this.#words, RETURNS);
  }

  /** Asks the reading thread to end as where Ctrl-C ends the reading. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  /** Bytes read so far and the input's size, where it is known: what the reading thread said last. */
  get progress(): [bytesRead: number, totalBytes: number | undefined] {
    const total = this.#progress[TOTAL_BYTES];
    return [this.#progress[BYTES_READ], Number.isNaN(total) ? undefined : total];
  }

  setProgress(bytesRead: number, totalBytes = NaN): void {
    this.#progress[BYTES_READ] = bytesRead;
    this.#progress[TOTAL_BYTES] = totalBytes;
  }

  #at(number: number): SharedBatch {
    return (this.#batches[number] ??= sharedBatch(this.#memory, number));
  }
}

function wordOf(batch: number, word: number): number {
  return BATCH + batch * BATCH_WORDS + word;
}

function sharedBatch({ rows, capacity }: SharedMemory, number: number): SharedBatch {
  const start = number * bytesOf(capacity);
  const optional = start + optionalStart(capacity);
  return {
    batch: new EventBatch(capacity, rows, start),
    object: new Int32Array(rows, optional, capacity),
    oldObject: new Int32Array(rows, optional + 4 * capacity, capacity),
    cpu: new Int16Array(rows, optional + 8 * capacity, capacity),
  };
}

/** The first rows of a column; of all of them, the column itself. */
function upTo<T extends Uint8Array | Int16Array | Int32Array | Float64Array>(column: T, length: number): T {
  return (length === column.length ? column : column.subarray(0, length)) as T;
}
