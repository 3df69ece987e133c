/**
 * Numbers as jemalloc reads them (jemalloc 5.3.0, src/malloc_io.c, malloc_strtoumax).
 * Invariant: a value is an unsigned 64-bit bigint.
 * Differs: not at all. The bases are those that its callers ask for.
 */
import { UINT64_MAX } from '../u64.ts';

/** Codes of the characters that numbers are made of. */
export const ZERO = 48;
export const NINE = 57;
const UPPER_A = 65;
const UPPER_X = 88;
const UPPER_Z = 90;
const LOWER_A = 97;
const LOWER_X = 120;
const LOWER_Z = 122;
const SEVEN = 55;
const TAB = 9;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
/** What is no digit in any base. */
const NO_DIGIT = 36;

function digitOf(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO;
  if (code >= UPPER_A && code <= UPPER_Z) return code - UPPER_A + 10;
  if (code >= LOWER_A && code <= LOWER_Z) return code - LOWER_A + 10;
  return NO_DIGIT;
}

/** Whether `code` is one of the blanks that are skipped before a number. */
function isBlank(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= CARRIAGE_RETURN);
}

/**
 * Reads a number from `text` at `start`: blanks, one sign, then hexadecimal after 0x, octal after 0, else decimal. With `base` 10 only decimal.
 * A minus negates modulo 2^64. Overflow is noticed only if a step makes the value smaller, so 30000000000000000000 passes as 11553255926290448384.
 * @returns the value and the index after it, or null if there is no digit or an overflow was noticed.
 */
export function strtoumax(text: string, start = 0, base: 0 | 10 = 0): { value: bigint; end: number } | null {
  let at = start;
  while (isBlank(text.charCodeAt(at))) at++;
  const negative = text[at] === '-';
  if (negative || text[at] === '+') at++;
  const first = at;
  let radix: number = base;
  if (text[at] === '0') {
    const next = text.charCodeAt(at + 1);
    if (next >= ZERO && next <= SEVEN) {
      if (radix === 0) radix = 8;
      if (radix === 8) at++;
    } else if (next === UPPER_X || next === LOWER_X) {
      if (digitOf(text.charCodeAt(at + 2)) < 16 && radix === 0) {
        radix = 16;
        at += 2;
      }
    } else {
      return { value: 0n, end: at + 1 };
    }
  }
  if (radix === 0) radix = 10;
  const factor = BigInt(radix);
  let value = 0n;
  for (; ; at++) {
    const digit = digitOf(text.charCodeAt(at));
    if (digit >= radix) break;
    const next = (value * factor + BigInt(digit)) & UINT64_MAX;
    if (next < value) return null;
    value = next;
  }
  if (at === first) return null;
  return { value: negative ? -value & UINT64_MAX : value, end: at };
}
