/**
 * Lines of calls that name allocation infos, `+ 3a` and `- 3a`, as numbers: twice the info, plus 1 for a free.
 * Invariant: a line is taken if and only if it is a sign, a space and up to MOST_DIGITS hex digits as heaptrack writes them, and names an info.
 * Which sign it is and how many digits follow is what no processor foresees: so neither decides what is run next. Four digits are read at once.
 */
import { MOST_DIGITS } from './numbers.ts';

/** `+ ` as 16 bits; `- ` is 2 more. */
const PLUS_SPACE = 0x202b;
const SIGNS = 2;
/** Bytes of the longest line that is taken, and of a word that begins within it. */
const READ_AHEAD = 16;

/** Where the reading of lines has come to. */
export class CallLines {
  /** What the lines said, up to `count`. */
  readonly calls = new Int32Array(1024);
  count = 0;
  /** The lines at a block's end, which have a copy with bytes behind them to read ahead in. */
  readonly #tail = new Uint8Array(4 * READ_AHEAD);
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);

  /**
   * Reads lines from `start` on, as many as there is room for, and gives the position of the first that is not taken. bytes[end - 1] is a newline.
   * `infos`: how many infos there are.
   */
  read(bytes: Uint8Array, start: number, end: number, infos: number): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.count = 0;
    const stop = this.#read(this.#view, start, Math.min(end, bytes.length - READ_AHEAD), infos);
    if (end + READ_AHEAD <= bytes.length || stop < bytes.length - READ_AHEAD || stop === end) return stop;
    // fewer than READ_AHEAD bytes are left
    const tail = this.#tail;
    tail.fill(0);
    tail.set(bytes.subarray(stop, end));
    return stop + this.#read(new DataView(tail.buffer), 0, end - stop, infos);
  }

  #read(view: DataView, start: number, end: number, infos: number): number {
    const { calls } = this;
    const room = calls.length;
    let { count } = this;
    let line = start;
    while (line < end && count < room) {
      const sign = view.getUint16(line, true) - PLUS_SPACE;
      if ((sign & ~SIGNS) !== 0) break;
      let word = view.getInt32(line + 2, true);
      let digits = digitsOf(word);
      let info = hexOf(word, digits);
      let at = line + 2 + digits;
      if (digits === 4) {
        word = view.getInt32(at, true);
        digits = digitsOf(word);
        if (digits > MOST_DIGITS - 4) break;
        if (digits > 0) {
          const rest = hexOf(word, digits);
          if (rest < 0 || info < 0) break;
          info = (info << (4 * digits)) | rest;
        }
        at += digits;
      } else if (digits === 0) break;
      // no number is below 0, or not below `infos`, as an unsigned one
      if (info >>> 0 >= infos) break;
      calls[count++] = (info << 1) | (sign >> 1);
      line = at + 1;
    }
    this.count = count;
    return line;
  }
}

/** How many of a word's bytes stand before the first newline; 4 if none is one. */
function digitsOf(word: number): number {
  const others = word ^ 0x0a0a0a0a;
  const newline = (others - 0x01010101) & ~others & 0x80808080;
  // 32 - 1 - clz32(0) is -1
  return newline === 0 ? 4 : (31 - Math.clz32(newline & -newline)) >> 3;
}

/** The hex number that the first `count` bytes of a word are, 1 to 4; -1 if one of them is no digit. */
function hexOf(word: number, count: number): number {
  // The last digit goes to the end of the word, as if there were zeros before the first.
  const text = (word << (32 - 8 * count)) | ((0x30303030 >>> (8 * (count - 1))) >>> 8);
  const digits = (text & 0x0f0f0f0f) + Math.imul((text >>> 6) & 0x01010101, 9);
  // Written out again they are the same, if they are digits.
  const letters = ((digits + 0x06060606) >>> 4) & 0x01010101;
  if ((digits & 0xf0f0f0f0) !== 0 || ((digits + 0x30303030 + Math.imul(letters, 0x27)) | 0) !== text) return -1;
  const pairs = ((digits << 4) | (digits >>> 8)) & 0x00ff00ff;
  return ((pairs & 0xff) << 8) | (pairs >>> 16);
}
