/**
 * The fast lane of lines of stacks (../assembly/stack_lane.ts) with what it needs: a frame whose text was seen before is known by its bytes, without making a string
 * or an object.
 */
import type { Frame, FrameTable } from '../../core/trace/stacks.ts';
import { ascii, textOf } from '../shared/cursor.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import * as Plan from './stack_plan.ts';

const HEAD = ascii('{"op":"stack","id":');
const MIDDLE = ascii(',"frames":[');

/** Bytes of texts that one line may add: each begins at a multiple of eight. */
const ROOM_FOR_TEXT = Plan.MOST_TEXT + 8 * Plan.MOST_FRAMES;

/** Reads lines of stacks. */
export class StackLane {
  readonly #memory: LaneMemory;
  readonly #table: FrameTable;
  readonly #frameOf: (text: string) => Frame;
  /** stack_plan.ts says what these are. */
  readonly #state: Uint32Array;
  readonly #frames: Int32Array;
  #rows: Int32Array;
  #slots: Int32Array;
  /** Where texts go now; those of earlier rows stay where they are. */
  #texts: Uint8Array;
  /** Rows of which it is known what they are texts of. */
  #known = 0;

  /** `frameOf` gives the frame that a text in JSON is, or throws. */
  constructor(memory: LaneMemory, table: FrameTable, frameOf: (text: string) => Frame) {
    this.#memory = memory;
    this.#table = table;
    this.#frameOf = frameOf;
    this.#state = memory.uint32(Plan.STATE);
    this.#frames = memory.int32(Plan.MOST_FRAMES);
    this.#rows = memory.int32(2 * Plan.MOST_FRAMES * Plan.ROW);
    this.#slots = memory.int32(4 * Plan.MOST_FRAMES);
    this.#texts = memory.uint8(2 * ROOM_FOR_TEXT);
    this.#state[Plan.HEAD] = this.#place(HEAD);
    this.#state[Plan.HEAD_LENGTH] = HEAD.length;
    this.#state[Plan.MIDDLE] = this.#place(MIDDLE);
    this.#state[Plan.MIDDLE_LENGTH] = MIDDLE.length;
    this.#state[Plan.FRAMES] = this.#frames.byteOffset;
    this.#state[Plan.TEXTS_END] = this.#texts.byteOffset;
    this.#tell();
  }

  /** The line read last: its id. */
  get id(): number {
    return this.#state[Plan.ID];
  }

  /** How many frames it has. */
  get count(): number {
    return this.#state[Plan.COUNT];
  }

  /** Their indices, leaf first, and others behind them. */
  get frames(): Int32Array {
    return this.#frames;
  }

  /** Reads the line at `start`, a place in the memory; gives where the next one starts, or 0 if it is another line or anything is wrong with it. */
  read(start: number): number {
    const { lanes } = this.#memory;
    this.#makeRoom();
    const next = lanes.runStackLane(this.#state.byteOffset, start);
    if (next !== Plan.NEW_FRAMES) return next;
    return this.#learn() ? lanes.runStackLane(this.#state.byteOffset, start) : 0;
  }

  /** Finds out of which frames the new rows are texts; false, and nothing learnt, if one is of none. */
  #learn(): boolean {
    let frames: Frame[];
    try {
      frames = this.#newTexts().map(this.#frameOf);
    } catch {
      // The general path says what is wrong, and where.
      return false;
    }
    for (const frame of frames) this.#rows[this.#known++ * Plan.ROW + Plan.FRAME] = this.#table.intern(frame);
    return true;
  }

  #newTexts(): string[] {
    const bytes = new Uint8Array(this.#memory.buffer);
    const texts: string[] = [];
    for (let row = this.#known; row < this.#state[Plan.ROW_COUNT]; row++) {
      const start = this.#rows[row * Plan.ROW + Plan.TEXT] >>> 0;
      texts.push(textOf(bytes, start, start + this.#rows[row * Plan.ROW + Plan.LENGTH]));
    }
    return texts;
  }

  /** Makes room for all that one line may add. */
  #makeRoom(): void {
    const rows = this.#state[Plan.ROW_COUNT] + Plan.MOST_FRAMES;
    if (rows * Plan.ROW > this.#rows.length) {
      this.#rows = this.#memory.grown(this.#rows, rows * Plan.ROW);
      this.#spread();
      this.#tell();
    }
    const { byteOffset, length } = this.#texts;
    if (byteOffset + length - this.#state[Plan.TEXTS_END] < ROOM_FOR_TEXT) {
      this.#texts = this.#memory.uint8(2 * length);
      this.#state[Plan.TEXTS_END] = this.#texts.byteOffset;
    }
  }

  /** Enters all rows in a table with room for as many as there is room for. */
  #spread(): void {
    const count = this.#state[Plan.ROW_COUNT];
    this.#memory.give(this.#slots.byteOffset, this.#slots.byteLength);
    let length = this.#slots.length;
    while (length * Plan.ROW < this.#rows.length * 2) length *= 2;
    const slots = (this.#slots = this.#memory.int32(length));
    for (let row = 0; row < count; row++) {
      let slot = this.#rows[row * Plan.ROW + Plan.HASH] & (length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (length - 1);
      slots[slot] = row + 1;
    }
  }

  /** Says where the tables are. */
  #tell(): void {
    this.#state[Plan.ROWS] = this.#rows.byteOffset;
    this.#state[Plan.SLOTS] = this.#slots.byteOffset;
    this.#state[Plan.SLOT_MASK] = this.#slots.length - 1;
  }

  #place(text: Uint8Array): number {
    const bytes = this.#memory.uint8(text.length);
    bytes.set(text);
    return bytes.byteOffset;
  }
}
