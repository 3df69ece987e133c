/**
 * What follows a call's name: `arguments) = result[ <seconds>]`, or `arguments <unfinished ...>`, or `arguments <no return ...>`.
 * Without a prototype ltrace prints what the registers held: those after the ones that the function has mean nothing.
 * With one that says that an argument is given back (`int posix_memalign(+addr*, ulong, ulong);` in a file for -F), it prints that behind
 * the call: `posix_memalign(0x55626475e2d0, 8, 44) = 0`, or in two halves, of which the second has all arguments.
 * Invariant: a method gives the position after what it took, or -1 if that does not fit; its fields then hold nothing.
 */
import { ascii, ByteCursor, decimalSize, HEX, hasWord, twelveHex } from '../shared/cursor.ts';
import {
  SPACE,
  QUOTE,
  APOSTROPHE,
  CLOSE,
  COMMA,
  MINUS,
  DOT,
  ZERO,
  NINE,
  LESS,
  EQUALS,
  GREATER,
  BACKSLASH,
  LOWER_X,
} from '../shared/letters.ts';
import { givesThroughPointer, isDuplicate, Kind, LOWEST_ADDRESS, needsThree, needsTwo, takesAddress } from './functions.ts';

export const VOID_RESULT = ascii('= <void>');
export const UNFINISHED = ascii(' <unfinished ...>');
export const NO_RETURN = ascii(' <no return ...>');
const NIL = ascii('nil');
/** As ltrace up to 0.6 has it. */
const OLD_NIL = ascii('NULL');
const VOID = ascii('<void>');

/** Result of a call that has returned a string, of which ltrace 0.7.91 prints no more than the first letter where it knows the C type. */
export const UNSHOWN = -1;

/** Where the first stack is on x86-64, and where libraries and heaps and then the stack are if addresses are not randomized. */
const STACK = 0x7ff800000000;
const UNRANDOMIZED = 0x7ffff0000000;
const UNRANDOMIZED_STACK = 0x7ffff8000000;

/**
 * What follows a call's arguments. `<no return ...>` stands where another line interrupts a call whose thread or sibling execs or ends;
 * the call may still be resumed after it, so it is an open call like one that is `<unfinished ...>`.
 */
export const Ending = { none: 0, returned: 1, open: 2 } as const;

/** Reads arguments and results, one call's after the other's. */
export class CallText {
  /** The first three arguments, as far as the call needs them. */
  a = NaN;
  b = NaN;
  /** Of strdup and its like the bytes of the string; minus them minus one where ltrace cut it, NaN where an address is in its place. */
  c = NaN;
  /** Of posix_memalign and its like the block that the call has given, where a prototype has it shown; else 0. */
  given = 0;
  /** 0 for `<void>`; UNSHOWN. */
  result = NaN;
  readonly #cursor = new ByteCursor();
  /** Position after the number read last. */
  #after = 0;

  /** Takes the arguments that a call of this kind needs; gives the position of the closing parenthesis or of ` <unfinished`, -1 if they do not fit. */
  arguments(kind: Kind, bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    cursor.reset(bytes, start, end);
    this.a = this.b = this.c = this.given = 0;
    if (givesThroughPointer(kind) && bytes[start] === SPACE && bytes[start + 1] === LESS) {
      this.a = this.b = this.c = NaN;
      return start;
    }
    if (isDuplicate(kind)) {
      this.#string();
      if (kind === Kind.strndup && cursor.eat(COMMA)) {
        cursor.eat(SPACE);
        this.b = this.#number(bytes, cursor.pos, end, false);
        cursor.pos = this.#after;
      }
    } else if (kind === Kind.asprintf) {
      // With its format as text, the prototype is one that shows the string's address or, which says nothing of that, the string.
      const first = this.#number(bytes, start, end, false);
      cursor.pos = this.#after;
      if (bytes[this.#after] === COMMA && bytes[this.#after + 2] === QUOTE) this.given = blockAt(first, 8);
    } else if (kind !== Kind.fork) {
      this.a = this.#number(bytes, start, end, takesAddress(kind));
      if (Number.isNaN(this.a)) return -1;
      if (bytes[this.#after] === COMMA) {
        this.b = this.#number(bytes, this.#after + 2, end, false);
        if (bytes[this.#after] === COMMA) this.c = this.#number(bytes, this.#after + 2, end, false);
        if ((Number.isNaN(this.b) && needsTwo(kind)) || (Number.isNaN(this.c) && needsThree(kind))) return -1;
      }
      // Without a prototype there is a fourth one.
      if (kind === Kind.posix_memalign && bytes[this.#after] === CLOSE) this.given = blockAt(this.a, this.b);
      cursor.pos = this.#after;
      // Else the line was cut within the number, and another one follows.
      if (!isArgumentEnd(bytes, this.#after)) return -1;
    }
    let { pos } = cursor;
    // Further arguments are whatever the registers held; strings among them may hold parentheses.
    while (pos < end && bytes[pos] !== CLOSE && !(bytes[pos] === SPACE && bytes[pos + 1] === LESS)) {
      if (bytes[pos] === QUOTE) pos = lastQuote(bytes, pos, end);
      pos++;
    }
    return pos < end ? pos : -1;
  }

  /** Takes ` = result` after a closing parenthesis into `result`; gives the position after it, -1 if there is none. */
  returned(bytes: Uint8Array, start: number, end: number): number {
    let pos = start;
    while (pos < end && bytes[pos] === SPACE) pos++;
    if (pos >= end || bytes[pos] !== EQUALS) return -1;
    pos += 2;
    let after = pos + VOID.length;
    if (bytes[pos] === LESS) {
      if (!hasWord(bytes, pos, end, VOID)) return -1;
      this.result = 0;
    } else if (bytes[pos] === APOSTROPHE) {
      this.result = UNSHOWN;
      after = pos + 2;
      while (after < end && bytes[after] !== APOSTROPHE) after++;
      after++;
    } else {
      this.result = this.#number(bytes, pos, end, true);
      if (Number.isNaN(this.result)) return -1;
      after = this.#after;
    }
    if (after === end) return after;
    // Only the time within the call (-T) may follow.
    return bytes[after] === SPACE && bytes[after + 1] === LESS ? after : -1;
  }

  /**
   * A number: decimal, hex after 0x, `nil` or `NULL`. A negative one is the size that its bits are. Of an address, tag bits above 2^52 are dropped;
   * in decimal it has none.
   * Sets `#after` to the position after it. NaN if there is none.
   */
  #number(bytes: Uint8Array, start: number, end: number, address: boolean): number {
    let pos = start;
    this.#after = start;
    const first = bytes[pos];
    if (first === ZERO && bytes[pos + 1] === LOWER_X) {
      pos += 2;
      const usual = pos + 12 < end + 1 ? twelveHex(bytes, pos) : -1;
      if (usual >= 0 && HEX[bytes[pos + 12]] > 15) {
        this.#after = pos + 12;
        return usual;
      }
      let high = 0;
      let low = 0;
      let digit = HEX[bytes[pos]];
      for (; digit <= 15; digit = HEX[bytes[++pos]]) {
        high = (high << 4) | (low >>> 28);
        low = (low << 4) | digit;
      }
      if (pos - start > 18 || pos - start < 3) return NaN;
      this.#after = pos;
      return (address ? high & 0xfffff : high >>> 0) * 4294967296 + (low >>> 0);
    }
    let digit = first - ZERO;
    if (digit >= 0 && digit <= 9) {
      let value = 0;
      for (; digit >= 0 && digit <= 9; digit = bytes[++pos] - ZERO) value = value * 10 + digit;
      this.#after = pos;
      if (pos - start <= 15) return value;
      if (address) return NaN;
      return decimalSize(bytes, start, pos);
    }
    if (!address && first === MINUS && bytes[pos + 1] > ZERO && bytes[pos + 1] <= NINE)
      return 2 ** 64 - this.#number(bytes, pos + 1, end, false);
    const nil = hasWord(bytes, pos, end, OLD_NIL) ? OLD_NIL : NIL;
    if (!hasWord(bytes, pos, end, nil)) return NaN;
    this.#after = pos + nil.length;
    return 0;
  }

  /** Takes a string: `c` is its length in bytes, or, where ltrace cut it, minus that minus one; NaN where an address is in its place. */
  #string(): void {
    const cursor = this.#cursor;
    const { bytes, end } = cursor;
    if (!cursor.eat(QUOTE)) {
      this.c = NaN;
      // A letter alone may be one that ends arguments.
      if (bytes[cursor.pos] === APOSTROPHE) cursor.pos += 2;
      while (cursor.pos < end && bytes[cursor.pos] !== COMMA && bytes[cursor.pos] !== CLOSE && bytes[cursor.pos] !== SPACE) cursor.pos++;
      return;
    }
    let length = 0;
    let { pos } = cursor;
    const last = lastQuote(bytes, pos - 1, end);
    for (; pos < last; pos++, length++) {
      if (bytes[pos] !== BACKSLASH) continue;
      pos++;
      // Three octal digits, or one letter.
      if (isOctal(bytes[pos])) for (let more = 0; more < 2 && isOctal(bytes[pos + 1]); more++) pos++;
    }
    cursor.pos = last + 1;
    let cut = false;
    while (cursor.eat(DOT)) cut = true;
    this.c = cut ? -length - 1 : length;
  }
}

/** The address if a block of that alignment may lie there, else 0: what points at the stack is where the block's address was put. */
function blockAt(address: number, alignment: number): number {
  const onStack = address >= STACK && (address < UNRANDOMIZED || address >= UNRANDOMIZED_STACK);
  return address >= LOWEST_ADDRESS && address % alignment === 0 && !onStack ? address : 0;
}

function isArgumentEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === COMMA || bytes[at] === CLOSE || (bytes[at] === SPACE && bytes[at + 1] === LESS);
}

function isOctal(byte: number): boolean {
  return byte >= ZERO && byte <= 0x37;
}

/**
 * Position of the quote that ends the last string of a line, where one begins at `start`; `end` if none ends. ltrace escapes no quotes,
 * so that those within a string look like its ends; behind the last one are numbers alone.
 */
function lastQuote(bytes: Uint8Array, start: number, end: number): number {
  let pos = end - 1;
  while (pos > start && bytes[pos] !== QUOTE) pos--;
  return pos > start ? pos : end;
}

/** How the line of a call that is no allocator's ends. */
export function endingOfLine(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[end - 1] === GREATER) {
    if (hasWord(bytes, end - UNFINISHED.length, end, UNFINISHED) || hasWord(bytes, end - NO_RETURN.length, end, NO_RETURN))
      return Ending.open;
  }
  for (let pos = end - 2; pos > start; pos--) {
    if (bytes[pos] !== EQUALS || bytes[pos - 1] !== SPACE || bytes[pos + 1] !== SPACE) continue;
    let at = pos - 1;
    while (at > start && bytes[at] === SPACE) at--;
    if (bytes[at] === CLOSE) return Ending.returned;
  }
  return Ending.none;
}
