/**
 * 16.16 fixed point, as the ratio options use it (jemalloc 5.3.0, src/fxp.c, include/jemalloc/internal/fxp.h).
 * Invariant: a value is an unsigned 32-bit number; 65536 is one.
 */

/** A 16.16 fixed-point number. */
export type Fxp = number;

/** Digits after the point that count; any further ones are read and dropped. */
const FRACTION_DIGITS = 14;

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/**
 * Reads a ratio from the start of `text` (fxp_parse): digits with an optional fraction, no sign, no blank.
 * @returns the value and the index after it, or null if there is none or its integer part reaches 65536.
 */
export function parseFxp(text: string): { value: Fxp; end: number } | null {
  let at = 0;
  if (text[0] !== '.' && !isDigit(text.charCodeAt(0))) return null;
  let integer = 0;
  for (; isDigit(text.charCodeAt(at)); at++) {
    integer = integer * 10 + text.charCodeAt(at) - 48;
    if (integer >= 65536) return null;
  }
  if (text[at] !== '.') return { value: integer * 65536, end: at };
  at++;
  if (!isDigit(text.charCodeAt(at))) return null;
  let fraction = 0n;
  for (let digit = 0; digit < FRACTION_DIGITS; digit++) {
    fraction *= 10n;
    if (isDigit(text.charCodeAt(at))) fraction += BigInt(text.charCodeAt(at++) - 48);
  }
  while (isDigit(text.charCodeAt(at))) at++;
  return { value: integer * 65536 + Number((fraction << 16n) / 10n ** BigInt(FRACTION_DIGITS)), end: at };
}

/** The decimal text of `value` (fxp_print): the fraction cut at 14 digits, without trailing zeros, at least one digit. */
export function formatFxp(value: Fxp): string {
  const fraction = BigInt(value % 65536);
  let zeros = 0;
  let digits = fraction;
  for (let i = 0; i < FRACTION_DIGITS; i++) {
    if (digits < 65536n && digits * 10n >= 65536n) zeros = i;
    digits *= 10n;
  }
  digits >>= 16n;
  while (digits > 0n && digits % 10n === 0n) digits /= 10n;
  return `${Math.floor(value / 65536)}.${'0'.repeat(zeros)}${digits}`;
}

/** The product of two values, cut to 32 bits (fxp_mul). */
export function mulFxp(a: Fxp, b: Fxp): Fxp {
  return Number(BigInt.asUintN(32, (BigInt(a) * BigInt(b)) >> 16n));
}

/** The nearest whole number, halves up (fxp_round_nearest). */
export function roundFxp(value: Fxp): number {
  return Math.floor(value / 65536) + (value % 65536 >= 32768 ? 1 : 0);
}
