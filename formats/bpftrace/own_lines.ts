/**
 * Lines that bpftrace prints of itself among those of the script: what it attaches, and at its end the maps that are left.
 *
 *     Attaching 11 probes...
 *     @sizes[16756, ls]: 5
 *     @by_stack[
 *         malloc+0
 *     ]: 5
 *     [4, 8)                12 |@@@@@@@@                                            |
 */
import { ascii, hasWord } from '../shared/cursor.ts';
import { AT, BAR, CLOSE_BRACKET, COMMA, NINE, OPEN, OPEN_BRACKET, SPACE, ZERO } from '../shared/letters.ts';

const ATTACHING = ['Attaching ', 'Attached '].map(ascii);

/** `Attaching 11 probes...`, newer `Attached 11 probes`. */
export function isAttaching(bytes: Uint8Array, start: number, end: number): boolean {
  for (const word of ATTACHING) {
    const digit = bytes[start + word.length];
    if (hasWord(bytes, start, end, word) && digit >= ZERO && digit <= NINE) return true;
  }
  return false;
}

/** A map that is printed: `@name: value`, `@[key]: value`. mtrace's lines have a blank after the sign. */
export function isMap(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === AT && bytes[start + 1] !== SPACE;
}

/** Whether a key goes on with a stack behind what it has before it (`@[16756, `). */
function isBeforeStack(bytes: Uint8Array, end: number): boolean {
  return bytes[end - 1] === COMMA || (bytes[end - 1] === SPACE && bytes[end - 2] === COMMA);
}

/** Maps as they are printed. */
export class PrintedMaps {
  /** Rows of theirs so far. */
  count = 0;
  /** A key is a stack, whose lines may still follow. */
  inKey = false;

  /** Takes a line of a map, the end of one that stacks are keys of (`]: 5`, `, ls]: 5`), or a row of a histogram; false for another line, which ends a key. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    if (isMap(bytes, start)) {
      this.count++;
      this.inKey = bytes[end - 1] === OPEN_BRACKET || isBeforeStack(bytes, end);
      return true;
    }
    const inKey = this.inKey;
    this.inKey = inKey && isBeforeStack(bytes, end);
    if (inKey && (bytes[start] === CLOSE_BRACKET || bytes[start] === COMMA)) return true;
    return (bytes[start] === OPEN_BRACKET || bytes[start] === OPEN) && bytes[end - 1] === BAR;
  }
}
