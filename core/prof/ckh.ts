/**
 * Cuckoo hash table with buckets of four cells (jemalloc 5.3.0, src/ckh.c).
 * Invariant: a key lies in one of the four cells of bucket h0 or of bucket h1, at most once; count = cells in use.
 * Differs: a key is a row of a table that already knows its two hashes, so equality is equality of rows, and nothing is hashed twice.
 * Where each key lies is jemalloc's to the cell, because that decides when the table grows, and growth is memory that can be seen:
 * the table leaves 128 cells at key 48 to 129, depending on the keys.
 */
import type { RowColumn } from '../columns.ts';
import { CACHELINE } from '../sizes/sc.ts';
import { prngLgRange } from '../u64.ts';
import { astray, type ProfMemory } from './host.ts';

/** Low words of the two hashes of each key. A table of more than 2^28 buckets, 16 GiB, is not provided for. */
export interface KeyHashes {
  /** Key row -> low word of the first hash. */
  readonly hash0: Uint32Array;
  /** Key row -> low word of the second hash. */
  readonly hash1: Uint32Array;
}

/** LG_CKH_BUCKET_CELLS (ckh.h): cells of a bucket fill a cache line. */
const LG_BUCKET_CELLS = 2;
const BUCKET_CELLS = 1 << LG_BUCKET_CELLS;
/** lg of the buckets that hold PROF_CKH_MINITEMS = 64 items (prof_types.h) at three quarters: a table never shrinks below. */
const LG_MIN_BUCKETS = 5;
/** sizeof(ckhc_t): two pointers. */
const CELL_BYTES = 16;
/** First state of the generator of every table (ckh_new). */
const SEED = 42;

/** A table of keys, each with a number that it stands for (ckh_t). */
export class Ckh<Key extends number, Value extends number> {
  readonly #memory: ProfMemory;
  readonly #hashes: KeyHashes;
  /** The table's own generator; it is never seeded again. */
  readonly prng: Uint32Array = Uint32Array.of(SEED, 0);
  /** Items in the table. */
  count = 0;
  /** Base-2 logarithm of the number of buckets. */
  lgBuckets = LG_MIN_BUCKETS;
  /** Cell -> key row + 1, 0 if the cell is empty. */
  keys: Int32Array;
  /** Cell -> what the key stands for. */
  data: RowColumn<Value>;
  /** The table's memory; -1 if there was none for it. */
  handle: number;
  /** The item that a failed insertion has left without a cell. */
  #homelessKey = 0;
  #homelessData = 0 as Value;

  /** A table of 128 cells, from the internal arena of `thread` (ckh_new). */
  constructor(memory: ProfMemory, thread: number, hashes: KeyHashes) {
    this.#memory = memory;
    this.#hashes = hashes;
    this.keys = new Int32Array(BUCKET_CELLS << LG_MIN_BUCKETS);
    this.data = new Int32Array(BUCKET_CELLS << LG_MIN_BUCKETS) as RowColumn<Value>;
    this.handle = this.#allocate(thread, LG_MIN_BUCKETS);
  }

  /** Frees the table's memory (ckh_delete). */
  delete(thread: number): void {
    this.#memory.idalloctm(thread, this.handle);
  }

  /** What `key` stands for, or -1 (ckh_search). */
  search(key: Key): Value {
    const cell = this.#find(key);
    return cell < 0 ? (-1 as Value) : this.data[cell];
  }

  /**
   * Adds a key that is not in the table; may grow it (ckh_insert). False if it cannot grow for want of memory.
   * @throws OutOfMemory if the key has found a cell by then, and another one is without: jemalloc takes it for the one that was to be added.
   */
  insert(thread: number, key: Key, data: Value): boolean {
    this.#homelessKey = key + 1;
    this.#homelessData = data;
    while (!this.#tryInsert()) {
      if (this.#grow(thread)) continue;
      if (this.#homelessKey !== key + 1) throw astray();
      return false;
    }
    return true;
  }

  /** Takes out a key that is in the table; halves the table if less than a quarter of its cells is left in use (ckh_remove). */
  remove(thread: number, key: Key): void {
    const cell = this.#find(key);
    if (cell < 0) throw new Error('a key to be removed is not in its table');
    this.keys[cell] = 0;
    this.count--;
    if (this.count < 1 << this.lgBuckets && this.lgBuckets > LG_MIN_BUCKETS) this.#shrink(thread);
  }

  /** Memory for 2^lgBuckets buckets, cleared; -1 if there is none. */
  #allocate(thread: number, lgBuckets: number): number {
    const memory = this.#memory;
    return memory.iallocztm(thread, CELL_BYTES * BUCKET_CELLS * 2 ** lgBuckets, CACHELINE, memory.arenaIchoose(thread));
  }

  /** The cell of a key, -1 if it is in neither of its buckets (ckh_isearch). */
  #find(key: Key): number {
    const { keys } = this;
    const mask = (1 << this.lgBuckets) - 1;
    const sought = key + 1;
    const primary = (this.#hashes.hash0[key] & mask) << LG_BUCKET_CELLS;
    for (let cell = primary; cell < primary + BUCKET_CELLS; cell++) if (keys[cell] === sought) return cell;
    const secondary = (this.#hashes.hash1[key] & mask) << LG_BUCKET_CELLS;
    for (let cell = secondary; cell < secondary + BUCKET_CELLS; cell++) if (keys[cell] === sought) return cell;
    return -1;
  }

  /** Puts an item into the first empty cell of a bucket, from a random one on (ckh_try_bucket_insert). Draws even if the bucket is full. */
  #tryBucket(bucket: number, key: number, data: Value): boolean {
    const { keys } = this;
    const offset = prngLgRange(this.prng, 0, LG_BUCKET_CELLS);
    const start = bucket << LG_BUCKET_CELLS;
    for (let i = 0; i < BUCKET_CELLS; i++) {
      const cell = start + ((i + offset) & (BUCKET_CELLS - 1));
      if (keys[cell] === 0) {
        keys[cell] = key;
        this.data[cell] = data;
        this.count++;
        return true;
      }
    }
    return false;
  }

  /** Finds a cell for the homeless item, moving others if it must (ckh_try_insert, ckh_evict_reloc_insert). If it fails, another item may be homeless. */
  #tryInsert(): boolean {
    const { hash0, hash1 } = this.#hashes;
    const { keys, data } = this;
    const mask = (1 << this.lgBuckets) - 1;
    let key = this.#homelessKey;
    let value = this.#homelessData;
    if (this.#tryBucket(hash0[key - 1] & mask, key, value)) return true;
    const start = hash1[key - 1] & mask;
    if (this.#tryBucket(start, key, value)) return true;
    let bucket = start;
    for (;;) {
      const cell = (bucket << LG_BUCKET_CELLS) + prngLgRange(this.prng, 0, LG_BUCKET_CELLS);
      const evictedKey = keys[cell];
      const evictedValue = data[cell];
      keys[cell] = key;
      data[cell] = value;
      key = evictedKey;
      value = evictedValue;
      let alternate = hash1[key - 1] & mask;
      if (alternate === bucket) alternate = hash0[key - 1] & mask;
      if (alternate === start) {
        this.#homelessKey = key;
        this.#homelessData = value;
        return false;
      }
      bucket = alternate;
      if (this.#tryBucket(bucket, key, value)) return true;
    }
  }

  /** Moves all items of old cells, in cell order, into this table's fresh ones (ckh_rebuild). The homeless item of an insertion under way is kept. */
  #rebuild(oldKeys: Int32Array, oldData: RowColumn<Value>): boolean {
    const { count } = this;
    const homelessKey = this.#homelessKey;
    const homelessData = this.#homelessData;
    let complete = true;
    this.count = 0;
    for (let cell = 0, moved = 0; moved < count; cell++) {
      if (oldKeys[cell] === 0) continue;
      this.#homelessKey = oldKeys[cell];
      this.#homelessData = oldData[cell];
      if (!this.#tryInsert()) {
        this.count = count;
        complete = false;
        break;
      }
      moved++;
    }
    this.#homelessKey = homelessKey;
    this.#homelessData = homelessData;
    return complete;
  }

  /** Rebuilds with 2^lgBuckets buckets; gives false, and the table as it was, if an item finds no cell, or undefined, if there is no memory. */
  #resize(thread: number, lgBuckets: number): boolean | undefined {
    const { keys, data, handle } = this;
    const before = this.lgBuckets;
    const resized = this.#allocate(thread, lgBuckets);
    if (resized < 0) return undefined;
    this.keys = new Int32Array(BUCKET_CELLS * 2 ** lgBuckets);
    this.data = new Int32Array(BUCKET_CELLS * 2 ** lgBuckets) as RowColumn<Value>;
    this.handle = resized;
    this.lgBuckets = lgBuckets;
    if (this.#rebuild(keys, data)) {
      this.#memory.idalloctm(thread, handle);
      return true;
    }
    this.#memory.idalloctm(thread, resized);
    this.keys = keys;
    this.data = data;
    this.handle = handle;
    this.lgBuckets = before;
    return false;
  }

  /** Doubles the table, more than once if it must (ckh_grow). False if out of memory. */
  #grow(thread: number): boolean {
    for (let lgBuckets = this.lgBuckets + 1; ; lgBuckets++) {
      const fits = this.#resize(thread, lgBuckets);
      if (fits !== false) return fits === true;
    }
  }

  /** Halves the table once, if the items fit and there is memory for it (ckh_shrink). */
  #shrink(thread: number): void {
    this.#resize(thread, this.lgBuckets - 1);
  }

  /** @throws Error unless every key lies in one of its buckets, once, and the count is theirs. */
  check(): void {
    const { hash0, hash1 } = this.#hashes;
    const { keys } = this;
    const buckets = 2 ** this.lgBuckets;
    if (this.lgBuckets < LG_MIN_BUCKETS || keys.length !== BUCKET_CELLS * buckets) throw new Error('a hash table has a wrong size');
    const seen = new Set<number>();
    for (let cell = 0; cell < keys.length; cell++) {
      const key = keys[cell] - 1;
      if (key < 0) continue;
      const bucket = cell >> LG_BUCKET_CELLS;
      const mask = buckets - 1;
      if ((hash0[key] & mask) >>> 0 !== bucket && (hash1[key] & mask) >>> 0 !== bucket)
        throw new Error('a key lies outside both of its buckets');
      if (seen.has(key)) throw new Error('a key is twice in a hash table');
      seen.add(key);
    }
    if (seen.size !== this.count) throw new Error("a hash table's count is not the number of its keys");
  }
}
