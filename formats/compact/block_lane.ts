/**
 * The lanes of a compact trace (../assembly/block_lane.ts) with what they need: the tables that events name calls and addresses by.
 * Invariant: before a run the tables have room for all that the block may add; the lanes themselves write only where there is room.
 */
import type { EventBatch } from '../../core/trace/events.ts';
import { emptyBatch } from '../shared/lane_batch.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import {
  ADDRESSES,
  BAD_ADDRESS,
  CALL,
  CALL_BYTES,
  CALL_TABLE,
  CALLS,
  MOST_CALLS,
  NEW_ADDRESSES,
  NEW_ADDRESSES_END,
  NO_ADDRESS,
  NO_CALL,
  NOW,
  NUMBERS,
  OBJECT,
  OBJECT_WIDE,
  OBJECT_WIDE_END,
  OLD,
  OLD_END,
  STATE,
  TIME,
  TIME_WIDE,
  TIME_WIDE_END,
  UNIT,
  VACANT,
  VACANT_END,
} from './block_layout.ts';
import type { Block } from './columns.ts';
import { VarintReader } from './varint.ts';

/** What a run says of events that cannot be. */
const FAULTS: ReadonlyMap<number, string> = new Map([
  [NO_CALL, 'a call that is not there'],
  [NO_ADDRESS, 'an address that is not there'],
  [BAD_ADDRESS, 'an address that cannot be'],
]);

/** Where the elements of a column that came last end. */
const endOf = ({ byteOffset, byteLength }: Uint8Array | Uint32Array) => byteOffset + byteLength;

/** A column of rows that are only ever appended elsewhere, as lanes read it. */
class CopiedRows {
  readonly #memory: LaneMemory;
  #rows: Int32Array;
  #length = 0;

  constructor(memory: LaneMemory) {
    this.#memory = memory;
    this.#rows = memory.int32(64);
  }

  /** Where the rows are, once the new ones of `all` have been copied. */
  of(all: readonly number[]): number {
    if (all.length > this.#rows.length) this.#rows = this.#memory.longer(this.#rows, 2 * all.length, 0);
    for (; this.#length < all.length; this.#length++) this.#rows[this.#length] = all[this.#length];
    return this.#rows.byteOffset;
  }
}

/** What the lanes know, of blocks that lie in the same memory. */
export class BlockLane {
  /** Columns of events. */
  readonly batch: EventBatch;
  readonly #memory: LaneMemory;
  readonly #objects: Int32Array;
  readonly #oldObjects: Int32Array;
  /** See block_layout.ts. */
  readonly #state: Float64Array;
  readonly #threads: CopiedRows;
  readonly #stacks: CopiedRows;
  /** Rows of calls. */
  #calls: Uint8Array;
  /** Number -> address. */
  #addresses: Float64Array;
  #vacant: Int32Array;
  /** Columns of bytes, made as wide as the lane reads them: `call`, `time`, `object`. */
  readonly #wider: Uint16Array[] = [];

  constructor(memory: LaneMemory, capacity: number | undefined) {
    this.#memory = memory;
    this.batch = emptyBatch(capacity, memory);
    this.#objects = memory.int32(this.batch.capacity);
    this.#oldObjects = memory.int32(this.batch.capacity);
    this.batch.object = this.#objects;
    this.batch.oldObject = this.#oldObjects;
    this.#threads = new CopiedRows(memory);
    this.#stacks = new CopiedRows(memory);
    this.#calls = memory.uint8(256 * CALL_BYTES);
    this.#addresses = memory.float64(4096);
    this.#vacant = memory.int32(16);
    this.#state = memory.float64(STATE);
    this.#state[NUMBERS] = 1;
  }

  /** Time of the event taken last, or of the first one of a block that was opened, ns; NaN once a step was not there. */
  get now(): number {
    return this.#state[NOW];
  }

  /** Takes a block's new calls, by threads and stacks of these rows. @throws Error for what cannot be. */
  takeCalls({ base, calls }: Block, threads: readonly number[], stacks: readonly number[]): void {
    const state = this.#state;
    if (base[0] !== 0 && base[0] !== state[CALLS]) throw new Error('calls are missing');
    state[CALLS] = base[0];
    if (calls.length === 0) return;
    // A new call takes two bytes at least.
    const most = Math.min(state[CALLS] + calls.length / 2, MOST_CALLS);
    if (most * CALL_BYTES > this.#calls.length) this.#growCalls(most);
    state[CALL_TABLE] = this.#calls.byteOffset;
    const count = this.#memory.lanes.runCallLane(
      calls.byteOffset,
      endOf(calls),
      this.#threads.of(threads),
      threads.length,
      this.#stacks.of(stacks),
      stacks.length,
      state[CALL_TABLE],
      state[CALLS],
    );
    if (count < 0) throw new Error('a call that cannot be');
    state[CALLS] = count;
  }

  #growCalls(least: number): void {
    const calls = this.#memory.uint8(Math.min(2 * least, MOST_CALLS) * CALL_BYTES);
    calls.set(this.#calls);
    this.#calls = calls;
  }

  /** Takes the numbers that are free again. @throws Error for numbers that were never given. */
  takeReleased({ released }: Block): void {
    if (released.length === 0) return;
    const state = this.#state;
    const first = (state[VACANT] - this.#vacant.byteOffset) / 4;
    const left = state[VACANT] === 0 ? [] : this.#vacant.slice(first, first + (state[VACANT_END] - state[VACANT]) / 4);
    if (left.length + released.length > this.#vacant.length) this.#vacant = this.#memory.int32(2 * (left.length + released.length));
    this.#vacant.set(left);
    let count = left.length;
    let number = 0;
    for (const news = new VarintReader(released); !news.atEnd; this.#vacant[count++] = number) {
      const step = news.unsigned();
      number += step;
      if (!(step > 0 && number < state[NUMBERS])) throw new Error('a number that was never given');
    }
    state[VACANT] = this.#vacant.byteOffset;
    state[VACANT_END] = state[VACANT] + 4 * count;
  }

  /** Begins with a block's events. */
  open(block: Block): void {
    const { timeWide, objectWide, old, addresses } = block;
    const state = this.#state;
    // A new address takes a byte at least.
    if (state[NUMBERS] + addresses.length > this.#addresses.length) this.#growAddresses(state[NUMBERS] + addresses.length);
    state[ADDRESSES] = this.#addresses.byteOffset;
    state[NOW] = block.start[0];
    state[UNIT] = block.unit[0];
    state[CALL] = this.#wide(0, block.call);
    state[TIME] = block.time.length === 0 ? 0 : this.#wide(1, block.time);
    state[OBJECT] = this.#wide(2, block.object);
    state[TIME_WIDE] = timeWide.byteOffset;
    state[TIME_WIDE_END] = endOf(timeWide);
    state[OBJECT_WIDE] = objectWide.byteOffset;
    state[OBJECT_WIDE_END] = endOf(objectWide);
    state[OLD] = old.byteOffset;
    state[OLD_END] = endOf(old);
    state[NEW_ADDRESSES] = addresses.byteOffset;
    state[NEW_ADDRESSES_END] = endOf(addresses);
  }

  #growAddresses(least: number): void {
    const addresses = this.#memory.float64(2 * least);
    addresses.set(this.#addresses);
    this.#addresses = addresses;
  }

  /** Where a column is; a column of bytes has become one of twice the width. */
  #wide(place: number, column: Uint8Array | Uint16Array): number {
    if (column.BYTES_PER_ELEMENT === 2) return column.byteOffset;
    if (column.length > (this.#wider[place]?.length ?? 0)) {
      const start = this.#memory.take(4 * column.length);
      this.#wider[place] = new Uint16Array(this.#memory.buffer, start, 2 * column.length);
    }
    this.#wider[place].set(column);
    return this.#wider[place].byteOffset;
  }

  /** Takes the block's rows `from` to `to` - 1 to the batch's first rows. @returns What is damaged, if anything is. */
  run(from: number, to: number): string | undefined {
    const { batch } = this;
    const result = this.#memory.lanes.runBlockLane(
      this.#state.byteOffset,
      from,
      to,
      batch.time.byteOffset,
      this.#objects.byteOffset,
      this.#oldObjects.byteOffset,
      batch.capacity,
    );
    return FAULTS.get(result);
  }

  /** Whether the events have taken all that the block has for them. */
  get atEnd(): boolean {
    const state = this.#state;
    return (
      state[OLD] === state[OLD_END] &&
      state[OBJECT_WIDE] === state[OBJECT_WIDE_END] &&
      state[TIME_WIDE] === state[TIME_WIDE_END] &&
      state[NEW_ADDRESSES] === state[NEW_ADDRESSES_END]
    );
  }
}
