/**
 * Texts that lines had at some place, to compare other lines with, eight bytes at once. What a text stands for is up to columns beside it.
 * Invariant: a text is of printable ASCII, eight bytes at least.
 */
import { isPlain, putDoubles } from './doubles.ts';
import type { LaneMemory } from './lane_memory.ts';
import { LONGEST_TEXT, TEXT_DOUBLES } from './text_rows.ts';

/** Texts by number. */
export class LineTexts {
  count = 0;
  /** Bytes. */
  readonly lengths: Int32Array;
  /** Text t from TEXT_DOUBLES t to lasts[t], as doubles; the last one may overlap the one before. */
  readonly texts: Float64Array;
  readonly lasts: Int32Array;
  readonly #most: number;
  #next = 0;

  /** `most` texts are kept, where lanes reach them if there is a memory for those. */
  constructor(most: number, memory?: LaneMemory) {
    this.#most = most;
    this.lengths = memory?.int32(most) ?? new Int32Array(most);
    this.texts = memory?.float64(most * TEXT_DOUBLES) ?? new Float64Array(most * TEXT_DOUBLES);
    this.lasts = memory?.int32(most) ?? new Int32Array(most);
  }

  clear(): void {
    this.count = 0;
    this.#next = 0;
  }

  /** The text that stands at `start`, -1 if none does. LONGEST_TEXT bytes can be read from there on. */
  find(view: DataView, start: number): number {
    for (let text = 0; text < this.count; text++) {
      const last = this.lasts[text];
      if (view.getFloat64(start + this.lengths[text] - 8, true) !== this.texts[last]) continue;
      let place = text * TEXT_DOUBLES;
      for (let at = start; place < last && view.getFloat64(at, true) === this.texts[place]; at += 8) place++;
      if (place === last) return text;
    }
    return -1;
  }

  /** Keeps the text start..end, in place of the one kept longest if there is no room, and gives its number; -1 if it is not for this table. */
  keep(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const length = end - start;
    if (length > LONGEST_TEXT || !isPlain(bytes, start, end)) return -1;
    const text = this.#next;
    this.#next = (text + 1) % this.#most;
    this.count = Math.max(this.count, text + 1);
    this.lasts[text] = putDoubles(view, start, end, this.texts, text * TEXT_DOUBLES);
    this.lengths[text] = length;
    return text;
  }
}
