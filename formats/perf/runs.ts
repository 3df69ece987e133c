/** Runs of digits and of blanks: where they begin and end. */
import { isDigit } from '../shared/cursor.ts';
import { TAB, SPACE } from '../shared/letters.ts';

/** Start of the digits that end at `end`. */
export function digitsStart(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && isDigit(bytes[at - 1])) at--;
  return at;
}

/** End of the digits that begin at `start`. */
export function digitsEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isDigit(bytes[at])) at++;
  return at;
}

/** Start of the spaces and tabs that end at `end`. */
export function blanksStart(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--;
  return at;
}
