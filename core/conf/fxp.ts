/**
 * 16.16 fixed point, as the ratio options use it (jemalloc 5.3.0, src/fxp.c, include/jemalloc/internal/fxp.h).
 * Invariant: a value is an unsigned 32-bit number; FXP_ONE is one.
 * Differs: products are exact by BigInt, since a double does not hold them.
 */

import { NINE, ZERO } from './strtoumax.ts';

/** A 16.16 fixed-point number. */
export type Fxp = number;

/** FXP_INIT_INT(1): one, as a value. */
export const FXP_ONE: Fxp = 65536;
/** Bits after the point. */
const FRACTION_BITS = 16n;
/** FXP_FRACTIONAL_PART_DIGITS: digits after the point that count; any further ones are read and dropped. */
const FRACTION_DIGITS = 14;

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/**
 * Reads a ratio from the start of `text` (fxp_parse): digits with an optional fraction, no sign, no blank.
 * @returns the value and the index after it, or null if there is none or its integer part reaches 2^16.
 */
export function parseFxp(text: string): { value: Fxp; end: number } | null {
  let at = 0;
  if (text[0] !== '.' && !isDigit(text.charCodeAt(0))) return null;
  let integer = 0;
  for (; isDigit(text.charCodeAt(at)); at++) {
    integer = integer * 10 + text.charCodeAt(at) - ZERO;
    if (integer >= FXP_ONE) return null;
  }
  if (text[at] !== '.') return { value: integer * FXP_ONE, end: at };
  at++;
  if (!isDigit(text.charCodeAt(at))) return null;
  let fraction = 0n;
  for (let digit = 0; digit < FRACTION_DIGITS; digit++) {
    fraction *= 10n;
    if (isDigit(text.charCodeAt(at))) fraction += BigInt(text.charCodeAt(at++) - ZERO);
  }
  while (isDigit(text.charCodeAt(at))) at++;
  return { value: integer * FXP_ONE + Number((fraction << FRACTION_BITS) / 10n ** BigInt(FRACTION_DIGITS)), end: at };
}

/** The decimal text of `value` (fxp_print): the fraction cut at 14 digits, without trailing zeros, at least one digit. */
export function formatFxp(value: Fxp): string {
  const one = BigInt(FXP_ONE);
  const fraction = BigInt(value % FXP_ONE);
  let zeros = 0;
  let digits = fraction;
  for (let i = 0; i < FRACTION_DIGITS; i++) {
    if (digits < one && digits * 10n >= one) zeros = i;
    digits *= 10n;
  }
  digits >>= FRACTION_BITS;
  while (digits > 0n && digits % 10n === 0n) digits /= 10n;
  return `${Math.floor(value / FXP_ONE)}.${'0'.repeat(zeros)}${digits}`;
}

/** The product of two values, cut to 32 bits (fxp_mul). */
export function mulFxp(a: Fxp, b: Fxp): Fxp {
  return Number(BigInt.asUintN(32, (BigInt(a) * BigInt(b)) >> FRACTION_BITS));
}

/** The nearest whole number, halves up (fxp_round_nearest). */
export function roundFxp(value: Fxp): number {
  return Math.floor(value / FXP_ONE) + (value % FXP_ONE >= FXP_ONE / 2 ? 1 : 0);
}
