/**
 * Profiling counters (jemalloc 5.3.0, include/jemalloc/internal/prof_structs.h, prof_cnt_t).
 * Invariant: a counter is a uint64 modulo 2^64, as two words, low first; eight counters make a row, in the order of `Cnt`.
 * Differs: words for uint64_t, because sums of unbiased bytes pass 2^53 at large sampling rates and the real ones wrap.
 */
import { grown } from '../columns.ts';

/** Which counter of a row. The "Shifted" ones are 8 times the estimated objects. */
export const Cnt = {
  curObjs: 0,
  curObjsShiftedUnbiased: 1,
  curBytes: 2,
  curBytesUnbiased: 3,
  accumObjs: 4,
  accumObjsShiftedUnbiased: 5,
  accumBytes: 6,
  accumBytesUnbiased: 7,
} as const;
export type Cnt = (typeof Cnt)[keyof typeof Cnt];

/** Words of a row: two for each counter. */
const ROW_WORDS = 16;
/** A word holds so many values. */
const WORD = 2 ** 32;

/** Rows of eight counters. */
export class CntTable {
  words: Uint32Array;

  /** @param rows room for so many, all 0 */
  constructor(rows: number) {
    this.words = new Uint32Array(rows * ROW_WORDS);
  }

  /** Makes room for row `row`. */
  reach(row: number): void {
    if ((row + 1) * ROW_WORDS > this.words.length) this.words = grown(this.words, (row + 1) * ROW_WORDS);
  }

  /** Sets all eight counters of a row to 0. */
  clear(row: number): void {
    this.words.fill(0, row * ROW_WORDS, (row + 1) * ROW_WORDS);
  }

  /** Adds the 64-bit value whose words are (low, high), modulo 2^64. */
  add(row: number, counter: Cnt, low: number, high: number): void {
    const at = row * ROW_WORDS + counter * 2;
    const sum = this.words[at] + low;
    this.words[at] = sum;
    this.words[at + 1] += high + (sum >= WORD ? 1 : 0);
  }

  /** Subtracts such a value, modulo 2^64. */
  subtract(row: number, counter: Cnt, low: number, high: number): void {
    const at = row * ROW_WORDS + counter * 2;
    const difference = this.words[at] - low;
    this.words[at] = difference;
    this.words[at + 1] -= high + (difference < 0 ? 1 : 0);
  }

  /** Adds all eight counters of a row of another table. */
  addRow(row: number, from: CntTable, fromRow: number): void {
    const { words } = this;
    const source = from.words;
    let at = row * ROW_WORDS;
    let sourceAt = fromRow * ROW_WORDS;
    for (let i = 0; i < ROW_WORDS; i += 2, at += 2, sourceAt += 2) {
      const sum = words[at] + source[sourceAt];
      words[at] = sum;
      words[at + 1] += source[sourceAt + 1] + (sum >= WORD ? 1 : 0);
    }
  }

  /** Whether a counter is 0. */
  isZero(row: number, counter: Cnt): boolean {
    const at = row * ROW_WORDS + counter * 2;
    return this.words[at] === 0 && this.words[at + 1] === 0;
  }

  /** The counter as a double, rounded to the nearest as C's conversion does. */
  number(row: number, counter: Cnt): number {
    const at = row * ROW_WORDS + counter * 2;
    return this.words[at + 1] * WORD + this.words[at];
  }

  /** The counter's exact decimal text. */
  text(row: number, counter: Cnt): string {
    const value = this.number(row, counter);
    if (value <= Number.MAX_SAFE_INTEGER) return String(value);
    const at = row * ROW_WORDS + counter * 2;
    return ((BigInt(this.words[at + 1]) << 32n) | BigInt(this.words[at])).toString();
  }
}
