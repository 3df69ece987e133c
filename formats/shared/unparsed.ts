/**
 * Lines that fit no rule of a format: isolated ones are counted, and so is what a program prints between its calls. Lines of another
 * format end the reading, and where programs do not print into the recording, any long run does.
 * Invariant: a run is over at the first line that fits; its lines are counted as `unparsed` whether it ends or not.
 */
import { InputError } from '../../core/trace/input_error.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { ReadOptions } from '../format.ts';
import { textOf } from './cursor.ts';

/** Lines in a row that make a change of format: more than programs usually print between two calls. */
export const LONGEST_RUN = 32;
/** Lines in a row that are compared with the other formats, at least: two may look like anything. */
const SHORTEST_STRETCH = 3;
/** Bytes of a run that are kept for that. */
const STRETCH_BYTES = 16384;
/** Runs that are compared, whatever their length; later ones only if they are longer than all before, so that the cost has a bound. */
const COMPARED_RUNS = 64;

/** The first bytes of a line as JSON text, control characters escaped, for messages. */
export function quoteLine(bytes: Uint8Array, start: number, end: number): string {
  const shown = Math.min(end, start + 60);
  return JSON.stringify(textOf(bytes, start, shown) + (shown < end ? '…' : ''));
}

/** Counter of lines that fit no rule. */
export class Unparsed {
  /** So many lines in a row end the reading, whatever they are. */
  longest: number;
  readonly #trace: Trace;
  readonly #options: ReadOptions;
  readonly #format: string;
  #firstLine = 0;
  #firstText = '';
  #run = 0;
  /** The run's lines, as many as fit, and the number of those. */
  #stretch = new Uint8Array(0);
  #stretchLength = 0;
  #compared = 0;
  #longestCompared = 0;

  constructor(trace: Trace, options: ReadOptions, format: string, longest = LONGEST_RUN) {
    this.#trace = trace;
    this.#options = options;
    this.#format = format;
    this.longest = longest;
  }

  /** True while the lines before fit no rule: one that does must be told of. */
  get running(): boolean {
    return this.#run > 0;
  }

  /** Says that a line fits, that of number `line` if it is known. @throws InputError if the lines before it are of another format. */
  fits(line = 0): void {
    if (this.#run > 0) this.end(line);
  }

  /**
   * Counts the line start..end of number `line`, which fits no rule.
   * @throws InputError at the end of a long run, naming its first line.
   */
  add(line: number, bytes: Uint8Array, start: number, end: number): void {
    this.#trace.skip('unparsed');
    this.keep(line, bytes, start, end);
    // What a program prints for long is looked at again and again, ever more seldom.
    if (this.#run > LONGEST_RUN && (this.#run & (this.#run - 1)) === 0) this.#compare();
    if (this.#run < this.longest) return;
    this.#compare();
    throw this.#error(
      `${this.longest} lines in a row are not ${this.#format}`,
      'the file changes its format here, or holds the output of a program; split it, or record to a file of its own',
    );
  }

  /** Keeps a line that is not counted here, but says something of the run that it is in. */
  keep(line: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#run++ === 0) {
      this.#firstLine = line;
      this.#firstText = quoteLine(bytes, start, end);
      this.#stretchLength = 0;
    }
    const length = end - start + 1;
    if (this.#options.formatOf === undefined || this.#stretchLength + length > STRETCH_BYTES) return;
    if (this.#stretch.length === 0) this.#stretch = new Uint8Array(STRETCH_BYTES);
    this.#stretch.set(bytes.subarray(start, end), this.#stretchLength);
    this.#stretchLength += length;
    this.#stretch[this.#stretchLength - 1] = 0x0a;
  }

  /** The run is over, by the line of number `line` if there is one, or the input. @throws InputError if its lines are of another format. */
  end(line = 0): void {
    if (this.#run >= SHORTEST_STRETCH && (this.#compared < COMPARED_RUNS || this.#run > this.#longestCompared)) this.#compare(line);
    this.#run = 0;
  }

  /** Compares the run with the other formats, and begins to keep its lines anew. */
  #compare(line = 0): void {
    this.#compared++;
    this.#longestCompared = Math.max(this.#longestCompared, this.#run);
    const found = this.#options.formatOf?.(this.#stretch.subarray(0, this.#stretchLength));
    this.#stretchLength = 0;
    if (found === undefined) return;
    const { name } = this.#options;
    // The file begins with the other format.
    if (this.#firstLine === 1 && line > 0) {
      throw new InputError(
        `${name}:${line}`,
        `from here on the lines are ${this.#format}, those before it look like ${found}`,
        'the file holds recordings of two formats; split it here',
      );
    }
    throw this.#error(`the lines look like ${found}, not ${this.#format}`, 'the file holds recordings of two formats; split it here');
  }

  #error(fact: string, hint: string): InputError {
    return new InputError(`${this.#options.name}:${this.#firstLine}`, `from here on ${fact}: ${this.#firstText}`, hint);
  }
}
