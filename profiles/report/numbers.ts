/**
 * Numbers as C's printf writes them, which is how jeprof prints, and as Perl reads them.
 * Invariant: a value that lies exactly between two roundings goes to the even digit (262144 bytes are 0.2 MB).
 */

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

/** A number that is not below 0 as Perl reads it from a flag, with or without sign and exponent; NaN for any other text. */
export function perlNumber(text: string): number {
  return /^\+?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/**
 * A sum of estimates; 0 where no more is left of it than rounding leaves of values that cancel out, as with a base: shares of such a rest would be of no meaning.
 * @param size sum of the magnitudes of what was added
 */
export function settled(sum: number, size: number): number {
  return Math.abs(sum) <= size * 2 ** -40 ? 0 : sum;
}

/** A part of a whole as `12.3%` (jeprof, Percent). */
export function percent(part: number, whole: number): string {
  if (whole !== 0) return `${fixed((part * 100) / whole, 1)}%`;
  return part === 0 ? 'nan' : part > 0 ? '+inf' : '-inf';
}

/** How values of one sample type are printed (jeprof, Unparse and Units). */
export interface Unit {
  /** `MB` (of 1048576 bytes), `B`, `objects`, or what a profile calls its own. */
  readonly name: string;
  /** Of values that are not scaled: `bytes`, `objects`, or what a profile calls its own. */
  readonly base: string;
  readonly print: (value: number) => string;
}

/**
 * The unit of a sample type; `showBytes` prints bytes instead of megabytes.
 * @param own the profile's word for it, of a type that is none of memory's; things that are counted are called as the type is
 */
export function unitOf(type: string, showBytes: boolean, own?: string): Unit {
  const base = own === undefined ? (type.endsWith('objects') ? 'objects' : 'bytes') : own === 'count' ? type : own;
  if (base !== 'bytes') return { name: base, base, print: integer };
  if (showBytes) return { name: 'B', base, print: integer };
  return { name: 'MB', base, print: (value) => fixed(value / 1048576, 1) };
}
