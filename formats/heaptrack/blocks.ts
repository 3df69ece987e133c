/**
 * Cuts chunks of bytes into blocks of whole lines, for formats whose lines are so short that a call for each would cost more than reading it.
 * Invariant: the blocks handed over, one after the other, are the input up to its last newline, whatever the cuts between chunks were.
 * Only the line that straddles two chunks is copied; it is a block of its own.
 * Differs: where the first line ends as on Windows, carriage returns are left out.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { CARRIAGE_RETURN, NEWLINE } from '../shared/letters.ts';
import { LONGEST_LINE } from '../shared/lines.ts';

/** Takes the lines start..end; `bytes[end - 1]` is a newline. They are valid only during the call. */
export type OnBlock = (bytes: Uint8Array, start: number, end: number) => void;

/** Block cutter. */
export class LineBlocks {
  readonly #name: string;
  readonly #onBlock: OnBlock;
  #carry = new Uint8Array(4096);
  #carried = 0;
  /** Whether lines end as on Windows; undefined before the end of the first one. */
  #returns: boolean | undefined;
  #lastByte = 0;

  /** `name` is the input's, for errors. */
  constructor(name: string, onBlock: OnBlock) {
    this.#name = name;
    this.#onBlock = onBlock;
  }

  /** @throws InputError for a line longer than the longest taken. */
  write(chunk: Uint8Array): void {
    const bytes = this.#withoutReturns(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    let start = 0;
    if (this.#carried > 0) {
      start = bytes.indexOf(NEWLINE) + 1;
      if (start === 0) {
        this.#keep(bytes, 0, bytes.length);
        return;
      }
      this.#keep(bytes, 0, start);
      const carried = this.#carried;
      this.#carried = 0;
      this.#onBlock(this.#carry, 0, carried);
    }
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > start) this.#onBlock(bytes, start, end);
    else if (end < start) return this.#keep(bytes, start, bytes.length);
    if (end < bytes.length) this.#keep(bytes, end, bytes.length);
  }

  /** The input is over: true if it ended within a line. */
  end(): boolean {
    return this.#carried > 0;
  }

  #withoutReturns(bytes: Uint8Array): Uint8Array {
    if (this.#returns === undefined) {
      const newline = bytes.indexOf(NEWLINE);
      if (newline >= 0) this.#returns = (newline > 0 ? bytes[newline - 1] : this.#lastByte) === CARRIAGE_RETURN;
      else if (bytes.length > 0) this.#lastByte = bytes[bytes.length - 1];
    }
    return this.#returns === false ? bytes : bytes.filter((byte) => byte !== CARRIAGE_RETURN);
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#carried + end - start;
    if (length > LONGEST_LINE)
      throw new InputError(this.#name, `a line of more than ${LONGEST_LINE} bytes`, 'heaptrack writes none so long: leave it out');
    if (length > this.#carry.length) {
      const grown = new Uint8Array(Math.max(length, this.#carry.length * 2));
      grown.set(this.#carry.subarray(0, this.#carried));
      this.#carry = grown;
    }
    this.#carry.set(bytes.subarray(start, end), this.#carried);
    this.#carried = length;
  }
}
