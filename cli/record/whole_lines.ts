/**
 * Lines of a recording that may still grow, read in parts.
 */
import { fstatSync, readSync } from 'node:fs';
import { NEWLINE } from '../../formats/shared/letters.ts';

/** Bytes that are looked at in one go. */
export const PART: number = 1 << 20;

/**
 * Calls `take` with each whole line from a place in a file on: where in `part` it starts and ends, and its place in the file. It is over where that gives false, and at
 * a line longer than a part.
 * @param part PART bytes, in which the lines are
 * @returns the end of the lines taken
 */
export function forWholeLines(
  fd: number,
  from: number,
  part: Buffer,
  take: (start: number, end: number, place: number) => boolean,
): number {
  for (const { size } = fstatSync(fd); from < size; ) {
    const length = readSync(fd, part, 0, PART, from);
    const whole = part.lastIndexOf(NEWLINE, length - 1) + 1;
    if (whole === 0) return from;
    for (let at = 0; at < whole; ) {
      const end = part.indexOf(NEWLINE, at);
      if (!take(at, end, from + at)) return from + at;
      at = end + 1;
    }
    from += whole;
  }
  return from;
}
