/**
 * Numbers as C's printf writes them, which is how jeprof prints.
 * Invariant: a value that lies exactly between two roundings goes to the even digit (262144 bytes are 0.2 MB).
 */
import type { SampleType } from '../profile.ts';

/** `%.Nf`. JavaScript's toFixed differs in exact ties, which powers of two divided by 1048576 often are, and in -0. */
export function fixed(value: number, digits: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const size = Math.abs(value);
  const rounded = size.toFixed(digits);
  // A double is half-way between two N-digit decimals if and only if it is an odd multiple of 2^-(N+1).
  const halves = size * 2 ** (digits + 1);
  if (halves % 2 !== 1) return sign + rounded;
  const cut = size.toFixed(digits + 1).slice(0, digits === 0 ? -2 : -1);
  return sign + ((cut.charCodeAt(cut.length - 1) & 1) === 0 ? cut : rounded);
}

/** `%d`: cut off towards zero. */
export function integer(value: number): string {
  const cut = Math.trunc(value);
  if (Math.abs(cut) <= Number.MAX_SAFE_INTEGER) return String(cut === 0 ? 0 : cut);
  if (!Number.isFinite(cut)) return Number.isNaN(cut) ? 'NaN' : cut > 0 ? 'Inf' : '-Inf';
  return BigInt(cut).toString();
}

/** A part of a whole as `12.3%` (jeprof, Percent). */
export function percent(part: number, whole: number): string {
  if (whole !== 0) return `${fixed((part * 100) / whole, 1)}%`;
  return part === 0 ? 'nan' : part > 0 ? '+inf' : '-inf';
}

/** How values of one sample type are printed (jeprof, Unparse and Units). */
export interface Unit {
  /** `MB` (of 1048576 bytes), `B` or `objects`. */
  readonly name: string;
  readonly print: (value: number) => string;
}

/** The unit of a sample type; `showBytes` prints bytes instead of megabytes. */
export function unitOf(type: SampleType, showBytes: boolean): Unit {
  if (type.endsWith('objects')) return { name: 'objects', print: integer };
  if (showBytes) return { name: 'B', print: integer };
  return { name: 'MB', print: (value) => fixed(value / 1048576, 1) };
}
