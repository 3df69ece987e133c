/**
 * Lines of stacks as writers spell them: `{"op":"stack","id":7,"frames":[{"pc":"0x55d00000bb11","fn":"main"},…]}`.
 * Invariant: a line that is taken here gives what JSON.parse and the reader's general path make of it; any other is left to them.
 * Differs: a frame whose text was seen before is looked up by its bytes, without making a string or an object.
 */
import type { Frame, FrameTable } from '../../core/trace/stacks.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { ascii, hasWord, textOf } from '../shared/cursor.ts';

const HEAD = ascii('{"op":"stack","id":');
const FRAMES = ascii(',"frames":[');
const TAIL = ascii(']}');
const MOST_DIGITS = 9;

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** A frame of the line whose text was not seen before, and its place among the line's frames. */
interface NewFrame {
  readonly frame: Frame;
  readonly place: number;
  readonly start: number;
  readonly end: number;
}

/** Reads lines of stacks. */
export class StackLine {
  /** The line read last: its id, and its frames' indices, leaf first. */
  id = 0;
  readonly frames: number[] = [];
  readonly #table: FrameTable;
  readonly #frameOf: (text: string) => Frame;
  readonly #texts = new ByteTable();
  /** Row of `#texts` -> frame index. */
  readonly #indices: number[] = [];
  readonly #new: NewFrame[] = [];

  /** `frameOf` gives the frame that a text in JSON is, or throws. */
  constructor(table: FrameTable, frameOf: (text: string) => Frame) {
    this.#table = table;
    this.#frameOf = frameOf;
  }

  /** Reads the line start..end; false, and nothing kept of it, if it is another or anything is wrong with it. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (!hasWord(bytes, start, end, HEAD) || !hasWord(bytes, end - TAIL.length, end, TAIL)) return false;
    const first = start + HEAD.length;
    let at = first;
    let id = 0;
    for (let digit = bytes[at] - ZERO; digit >= 0 && digit <= 9; digit = bytes[++at] - ZERO) id = id * 10 + digit;
    if (at === first || at > first + MOST_DIGITS || (at > first + 1 && bytes[first] === ZERO)) return false;
    if (!hasWord(bytes, at, end, FRAMES)) return false;
    this.id = id;
    this.frames.length = 0;
    this.#new.length = 0;
    try {
      if (!this.#readFrames(bytes, at + FRAMES.length, end - TAIL.length)) return false;
    } catch {
      // The general path says what is wrong, and where.
      return false;
    }
    for (const found of this.#new) this.#keep(bytes, found);
    return true;
  }

  /** Reads frames that stand between commas, one at least. @throws SyntaxError or InputError */
  #readFrames(bytes: Uint8Array, first: number, end: number): boolean {
    for (let start = first; ; ) {
      const after = endOfFrame(bytes, start, end);
      if (after < 0) return false;
      const row = this.#texts.find(bytes, start, after);
      const place = this.frames.push(row < 0 ? -1 : this.#indices[row]) - 1;
      if (row < 0) this.#new.push({ frame: this.#frameOf(textOf(bytes, start, after)), place, start, end: after });
      if (after === end) return true;
      if (bytes[after] !== COMMA) return false;
      start = after + 1;
    }
  }

  #keep(bytes: Uint8Array, { frame, place, start, end }: NewFrame): void {
    const index = this.#table.intern(frame);
    this.frames[place] = index;
    this.#indices[this.#texts.intern(bytes, start, end)] = index;
  }
}

/** Where the string or object that begins at `start` ends; -1 if that takes more than quotes and braces to tell. */
function endOfFrame(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === QUOTE) return endOfString(bytes, start + 1, end);
  if (bytes[start] !== BRACE) return -1;
  for (let at = start + 1; at >= 0 && at < end; ) {
    const byte = bytes[at];
    if (byte === CLOSE_BRACE) return at + 1;
    if (byte === BRACE || byte === BRACKET) return -1;
    at = byte === QUOTE ? endOfString(bytes, at + 1, end) : at + 1;
  }
  return -1;
}

/** Place behind the quote that ends a string without escapes; -1 if there is none. */
function endOfString(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] === QUOTE) return at + 1;
    if (bytes[at] === BACKSLASH) return -1;
  }
  return -1;
}
