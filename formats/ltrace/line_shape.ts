/**
 * How all lines of a recording begin, and where one of them begins behind what the program printed without a newline: ltrace without -o
 * writes to standard error, and so does the program.
 * Invariant: every search takes time that grows with the line.
 */
import { ascii, findWord, hasWord, isDigit } from '../shared/cursor.ts';
import { SPACE, OPEN, DOT, COLON } from '../shared/letters.ts';

export const PID = ascii('[pid ');
const PID_END = ascii('] ');
const ADDRESS = ascii('[0x');

/** Forms of times: none, -ttt, -t, -tt, -r. */
export const Clock = { none: 0, seconds: 1, day: 2, dayWithMicros: 3, relative: 4 } as const;
export type Clock = (typeof Clock)[keyof typeof Clock];

/** What each line of a recording has where no line has an id. */
export interface LineShape {
  readonly clock: Clock;
  /** Digits of whole seconds since 1970 (-ttt): 10 from 2001 to 2286. */
  readonly digits: number;
  /** True for return addresses (-i). */
  readonly ip: boolean;
}

/** Digits of the seconds between two lines (-r), at most: 115 days. */
const RELATIVE_DIGITS = 7;
const MICROS_DIGITS = 6;

/** Where ltrace's part of a line begins: `start`, behind it where the program has printed, or -1 if all is the program's. */
export function ownPart(shape: LineShape, bytes: Uint8Array, start: number, end: number): number {
  if (shape.clock === Clock.none && !shape.ip) return start;
  let pos = start;
  while (bytes[pos] === SPACE) pos++;
  if (beginsAt(shape, bytes, pos, end)) return start;
  // The last one before a call's arguments: the program may print times, too.
  let found = -1;
  for (; pos < end && (found < 0 || bytes[pos] !== OPEN); pos++) if (beginsAt(shape, bytes, pos, end)) found = pos;
  return found;
}

function beginsAt({ clock, digits }: LineShape, bytes: Uint8Array, pos: number, end: number): boolean {
  if (clock === Clock.none) return hasWord(bytes, pos, end, ADDRESS);
  if (!isDigit(bytes[pos])) return false;
  let at = pos;
  if (clock === Clock.day || clock === Clock.dayWithMicros) {
    for (let digit = 0; digit < 6; digit++) {
      if (!isDigit(bytes[at++])) return false;
      if ((digit === 1 || digit === 3) && bytes[at++] !== COLON) return false;
    }
    if (clock === Clock.day) return at < end && bytes[at] === SPACE;
  } else {
    if (clock === Clock.relative && isDigit(bytes[pos - 1])) return false;
    const most = clock === Clock.relative ? RELATIVE_DIGITS : digits;
    while (at - pos < most && isDigit(bytes[at])) at++;
    if (clock === Clock.seconds && at - pos < digits) return false;
  }
  if (bytes[at++] !== DOT) return false;
  for (let digit = 0; digit < MICROS_DIGITS; digit++) if (!isDigit(bytes[at++])) return false;
  return at < end && bytes[at] === SPACE;
}

/** Where ltrace's part of a line begins if all lines have `[pid N]`; -1 if this one has none. */
export function ownNamedPart(bytes: Uint8Array, start: number, end: number): number {
  let pos = start;
  while (bytes[pos] === SPACE) pos++;
  if (hasWord(bytes, pos, end, PID)) return start;
  for (let at = findWord(bytes, pos, end, PID); at >= 0; at = findWord(bytes, at + 1, end, PID)) {
    const from = at + PID.length;
    pos = from;
    while (pos < end && isDigit(bytes[pos])) pos++;
    if (pos > from && hasWord(bytes, pos, end, PID_END)) return at;
  }
  return -1;
}
