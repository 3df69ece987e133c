/**
 * Numbers as jemalloc reads them (jemalloc 5.3.0, src/malloc_io.c, malloc_strtoumax).
 * Invariant: a value is an unsigned 64-bit bigint.
 */

const MASK = (1n << 64n) - 1n;

function digitOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 90) return code - 55;
  if (code >= 97 && code <= 122) return code - 87;
  return 99;
}

/** Whether `code` is one of the blanks that are skipped before a number. */
function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
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
    if (next >= 48 && next <= 55) {
      if (radix === 0) radix = 8;
      if (radix === 8) at++;
    } else if (next === 88 || next === 120) {
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
    const next = (value * factor + BigInt(digit)) & MASK;
    if (next < value) return null;
    value = next;
  }
  if (at === first) return null;
  return { value: negative ? -value & MASK : value, end: at };
}
