/**
 * What of a file is left out of its profile: where the first of that is, what should stand there, and in how many more places.
 * Invariant: the message is one line, whatever the file holds.
 */
import { printable } from './printable.ts';

/** Characters of a line that the message shows. */
const MOST_SHOWN = 80;
/** Bytes of a line that are more than the message shows, in any encoding. */
export const TELLING_LINE_BYTES = 4 * MOST_SHOWN + 4;

/** Lines that a reader passes over, as a whole or in part, and references to what is not there. */
export class PassedOver {
  #first = '';
  #count = 0;

  /**
   * Counts a line.
   * @param line its number, from 1
   * @param fact what it is not: "no address"
   * @param text what stands there instead (untrusted)
   */
  addLine(line: number, fact: string, text: string): void {
    if (this.#count++ > 0) return;
    const shown = text.trim();
    this.#first = `:${line}: ${fact}: "${printable(shown.slice(0, MOST_SHOWN))}${shown.length > MOST_SHOWN ? '…' : ''}"`;
  }

  /** Counts a reference: `from`, of that number or id, names the `kind` with `id`, which the file does not have. */
  addReference(from: string, of: number | bigint, kind: string, id: number | bigint): void {
    if (this.#count++ === 0) this.#first = `: ${from} ${of} is of ${kind} ${id}, which is not in the file`;
  }

  /** True if there is anything. */
  get any(): boolean {
    return this.#count > 0;
  }

  /** What the user is told, in one sentence or none. `name` is what errors call the file. */
  warnings(name: string): string[] {
    const further = this.#count - 1;
    if (further < 0) return [];
    const more = further === 0 ? '' : `, and so is what is wrong in ${further} further place${further === 1 ? '' : 's'}`;
    return [`${name}${this.#first}; it is passed over${more}`];
  }
}
