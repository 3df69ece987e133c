/**
 * What of a file's lines is none of its format: where the first of them is, what should stand there, and how many more there are.
 * Invariant: the message is one line, whatever the file holds.
 */
import { printable } from './printable.ts';

/** Characters of a line that the message shows. */
const MOST_SHOWN = 80;
/** Bytes of a line that are more than the message shows, in any encoding. */
export const TELLING_LINE_BYTES = 4 * MOST_SHOWN + 4;

/** Lines that a reader passes over, as a whole or in part. */
export class PassedOver {
  #first = '';
  #lines = 0;

  /**
   * Counts a line.
   * @param line its number, from 1
   * @param fact what it is not: "no address"
   * @param text what stands there instead (untrusted)
   */
  add(line: number, fact: string, text: string): void {
    if (this.#lines++ > 0) return;
    const shown = text.trim();
    this.#first = `${line}: ${fact}: "${printable(shown.slice(0, MOST_SHOWN))}${shown.length > MOST_SHOWN ? '…' : ''}"`;
  }

  /** True if there is such a line. */
  get any(): boolean {
    return this.#lines > 0;
  }

  /** What the user is told, in one sentence or none. `name` is what errors call the file. */
  warnings(name: string): string[] {
    const further = this.#lines - 1;
    if (further < 0) return [];
    const more = further === 0 ? '' : `, and so is what is wrong in ${further} further line${further === 1 ? '' : 's'}`;
    return [`${name}:${this.#first}; it is passed over${more}`];
  }
}
