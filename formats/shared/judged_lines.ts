/**
 * The lines of a recording, each of which fits its format or does not: what readers of formats without stacks have around their rules.
 * Invariant: a line that does not fit is counted, and the lines in a row that do not are held against the other formats (unparsed.ts).
 */
import type { Trace } from '../../core/trace/trace.ts';
import type { InputEnd, ReadOptions } from '../format.ts';
import { seenEnd } from './cursor.ts';
import { LineScanner } from './lines.ts';
import { Unparsed } from './unparsed.ts';

/** Takes the line start..end, without what ends it; false if it does not fit, undefined if it says nothing either way. */
export type Judge = (bytes: Uint8Array, start: number, end: number) => boolean | undefined;

/** Lines under way. */
export class JudgedLines {
  /** Lines that did not fit. */
  unparsed = 0;
  readonly #trace: Trace;
  readonly #lines: LineScanner;
  readonly #strangers: Unparsed;

  /**
   * @param whose words for what does not fit: `32 lines in a row are not …`
   * @param longestRun so many lines in a row that do not fit end the reading; default: LONGEST_RUN
   */
  constructor(trace: Trace, options: ReadOptions, whose: string, judge: Judge, longestRun?: number) {
    this.#trace = trace;
    this.#strangers = new Unparsed(trace, options, whose, longestRun);
    this.#lines = new LineScanner(options.name, (bytes, start, end) => {
      end = seenEnd(bytes, start, end);
      const fits = judge(bytes, start, end);
      if (fits === true) this.#strangers.fits();
      if (fits === false) {
        this.unparsed++;
        this.#strangers.add(this.#lines.line, bytes, start, end);
      }
    });
  }

  /** @throws InputError where the lines turn out to be of another format. */
  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  /** The input is over. @throws InputError as `write` does. */
  end(ending: InputEnd): void {
    this.#lines.endWhole(this.#trace, ending);
    this.#strangers.end();
  }
}

/** The share of an input's head that fits, where lines that do not may end its reading early: those before count. */
export function shareOf(
  reader: { write(head: Uint8Array): void; readonly taken: number; readonly unparsed: number },
  head: Uint8Array,
): number {
  try {
    reader.write(head);
  } catch {
    // A long run of other lines.
  }
  const { taken, unparsed } = reader;
  return taken === 0 ? 0 : taken / (taken + unparsed);
}
