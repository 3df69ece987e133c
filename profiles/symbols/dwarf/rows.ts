/**
 * Lines of some addresses, gathered while the program of a line table runs (DWARF 5, section 6.2.2 "State Machine Registers").
 * Invariant: a row holds up to the next one's address, and of rows at one address the last counts; sequences that are searched do not overlap, and ascend.
 */
import { firstFrom } from '../../../core/trace/search.ts';

/** Where an instruction comes from. */
export interface Line {
  /** Number in the table of files. */
  readonly file: number;
  /** 0 if it comes from no line. */
  readonly line: number;
  /** Tells apart blocks of one line; 0 for most. */
  readonly discriminator: number;
}

/** Rows with ascending addresses. */
interface Sequence {
  low: number;
  /** Address behind the last instruction. */
  readonly high: number;
  /** Lines of the addresses that are asked for. */
  readonly found: ReadonlyMap<number, Line>;
}

/** Finds the rows of some addresses. */
export class Rows {
  /** Ascending. */
  readonly #wanted: readonly number[];
  readonly #sequences: Sequence[] = [];
  /** Of the present sequence: its first address, the next of the addresses wanted, and what was found. */
  #low = 0;
  #next = 0;
  #found = new Map<number, Line>();

  constructor(wanted: readonly number[]) {
    this.#wanted = wanted;
  }

  /** Begins a sequence. @returns the first of the addresses wanted that may lie in it */
  begin(low: number): number {
    this.#low = low;
    this.#next = firstFrom(this.#wanted, low);
    return this.#wanted[this.#next] ?? Number.POSITIVE_INFINITY;
  }

  /** A row holds the addresses up to another one. @returns the first of the addresses wanted that may lie behind */
  hold(end: number, file: number, line: number, discriminator: number): number {
    const wanted = this.#wanted;
    while (wanted[this.#next] < end) this.#found.set(wanted[this.#next++], { file, line: line >>> 0, discriminator });
    return wanted[this.#next] ?? Number.POSITIVE_INFINITY;
  }

  /** Ends a sequence. @param high address behind its last instruction */
  end(high: number): void {
    this.#sequences.push({ low: this.#low, high, found: this.#found });
    if (this.#found.size > 0) this.#found = new Map();
  }

  /** Ends the table: sequences that others cover are dropped. */
  finish(): void {
    const sequences = this.#sequences.sort((a, b) => a.low - b.low || b.high - a.high);
    let reach = Number.NEGATIVE_INFINITY;
    let count = 0;
    for (const sequence of sequences) {
      if (sequence.high <= reach) continue;
      sequence.low = Math.max(sequence.low, reach);
      reach = sequence.high;
      sequences[count++] = sequence;
    }
    sequences.length = count;
  }

  /** The row that holds an address, which is one of those wanted. */
  at(address: number): Line | undefined {
    const sequences = this.#sequences;
    let low = 0;
    let high = sequences.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sequences[middle].low <= address) low = middle + 1;
      else high = middle;
    }
    return sequences[low - 1]?.found.get(address);
  }
}
