/**
 * Cuts chunks of bytes into lines.
 * Invariant: the lines handed over, joined by their newlines, are the input, whatever the cuts between chunks were.
 * A line that lies in one chunk is handed over where it lies; only one that straddles chunks is copied.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { InputEnd } from '../format.ts';
import { NEWLINE } from './letters.ts';

/** Longest line taken, bytes: far above any that a recorder writes, and a bound on what is held in memory. */
export const LONGEST_LINE = 16 * 1024 * 1024;

/** Takes the bytes start..end of one line, without its newline; `bytes[end]` is a newline. They are valid only during the call. */
export type OnLine = (bytes: Uint8Array, start: number, end: number) => void;

/**
 * Takes lines from `start` on as long as it can tell their ends as it goes, and gives the start of the first that it leaves to be found
 * and handed over in the usual way. It adds those it has taken to the scanner's `line`. There is a newline at `limit`, the chunk's last.
 */
export type TakeAhead = (bytes: Uint8Array, start: number, limit: number) => number;

/** Line scanner over chunks. */
export class LineScanner {
  /** Number of the line being handed over or taken ahead, or of the last that was, from 1. */
  line = 0;
  readonly #name: string;
  readonly #onLine: OnLine;
  readonly #longest: number;
  readonly #takeAhead: TakeAhead | undefined;
  #carry = new Uint8Array(4096);
  #carried = 0;

  /** `name` is the input's, for errors; `longest` the longest line taken, bytes. */
  constructor(name: string, onLine: OnLine, longest = LONGEST_LINE, takeAhead?: TakeAhead) {
    this.#takeAhead = takeAhead;
    this.#name = name;
    this.#onLine = onLine;
    this.#longest = longest;
  }

  /** Place of the current line, for errors. */
  get place(): string {
    return `${this.#name}:${this.line}`;
  }

  /** @throws InputError for a line longer than the longest taken. */
  write(chunk: Uint8Array): void {
    const onLine = this.#onLine;
    const takeAhead = this.#takeAhead;
    const { buffer, byteOffset, length } = chunk;
    // Two views of the same bytes: Buffer finds a byte twice as fast, and lines are always seen through one class, which keeps their readers fast.
    const searched = Buffer.from(buffer, byteOffset, length);
    const bytes = new Uint8Array(buffer, byteOffset, length);
    let start = 0;
    if (this.#carried > 0) {
      const end = searched.indexOf(NEWLINE);
      if (end < 0) {
        this.#keep(chunk, 0, length);
        return;
      }
      this.#keep(chunk, 0, end);
      const carried = this.#carried;
      this.#carried = 0;
      if (takeAhead === undefined || takeAhead(this.#carry.subarray(0, carried + 1), 0, carried) === 0) {
        this.line++;
        onLine(this.#carry, 0, carried);
      }
      start = end + 1;
    }
    const limit = takeAhead === undefined ? 0 : searched.lastIndexOf(NEWLINE);
    while (start < length) {
      if (takeAhead !== undefined && start < limit) start = takeAhead(bytes, start, limit);
      const end = searched.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.line++;
      onLine(bytes, start, end);
      start = end + 1;
    }
    if (start < length) this.#keep(chunk, start, length);
  }

  /** The input is over: hands a last line without newline to `onLast`, unless reading was stopped in it; true if there was one. */
  end(ending: InputEnd = 'whole', onLast: OnLine = this.#onLine): boolean {
    const carried = this.#carried;
    this.#carried = 0;
    if (carried === 0 || ending === 'stopped') return false;
    this.line++;
    onLast(this.#carry, 0, carried);
    return true;
  }

  /** The input is over, of a format whose writer ends every line: one without its newline is cut, in a number perhaps, and is counted as torn. */
  endWhole(trace: Trace, ending: InputEnd): void {
    if (!this.end(ending, () => {})) return;
    trace.skip('torn');
    trace.partial = true;
  }

  #keep(chunk: Uint8Array, start: number, end: number): void {
    const length = this.#carried + end - start;
    if (length > this.#longest) {
      this.line++;
      throw new InputError(this.place, `a line of more than ${this.#longest} bytes`);
    }
    if (length >= this.#carry.length) {
      const grown = new Uint8Array(Math.max(length + 1, this.#carry.length * 2));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(chunk.subarray(start, end), this.#carried);
    this.#carry[length] = NEWLINE;
    this.#carried = length;
  }
}
