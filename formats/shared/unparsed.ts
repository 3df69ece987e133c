/**
 * Lines that fit no rule of a format: isolated ones are counted, a long run of them ends the reading.
 * Invariant: a run is over at the first line that fits; its lines are counted as `unparsed` whether it ends or not.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { textOf } from './cursor.ts';

/** Lines in a row that make a change of format: more than programs usually print between two calls. */
export const LONGEST_RUN = 32;

/** The first bytes of a line as JSON text, control characters escaped, for messages. */
export function quoteLine(bytes: Uint8Array, start: number, end: number): string {
  const shown = Math.min(end, start + 60);
  return JSON.stringify(textOf(bytes, start, shown) + (shown < end ? '…' : ''));
}

/** Counter of lines that fit no rule. */
export class Unparsed {
  readonly #trace: Trace;
  readonly #name: string;
  readonly #format: string;
  #firstLine = 0;
  #firstText = '';
  #run = 0;

  constructor(trace: Trace, name: string, format: string) {
    this.#trace = trace;
    this.#name = name;
    this.#format = format;
  }

  /** Says that a line fits. */
  fits(): void {
    this.#run = 0;
  }

  /**
   * Counts the line start..end of number `line`, which fits no rule.
   * @throws InputError at the end of a long run, naming its first line.
   */
  add(line: number, bytes: Uint8Array, start: number, end: number): void {
    this.#trace.skip('unparsed');
    if (this.#run++ === 0) {
      this.#firstLine = line;
      this.#firstText = quoteLine(bytes, start, end);
    }
    if (this.#run < LONGEST_RUN) return;
    throw new InputError(
      `${this.#name}:${this.#firstLine}`,
      `from here on ${LONGEST_RUN} lines in a row are not ${this.#format}: ${this.#firstText}`,
      'the file changes its format here, or holds the output of a program; split it, or record to a file of its own',
    );
  }
}
