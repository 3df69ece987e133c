/**
 * Sets of characters: ranges of code points and classes of the engine, as Perl names them (perlrecharclass) and as this engine's patterns with the flag u spell them.
 * Invariant: what is spelled is read by the engine as that set alone: letters, digits and _ stand for themselves, all others are written by number.
 * Differs: the classes are those of ASCII, as they are of bytes, save \h and \v.
 */

/** Code points, both ends included. */
export type Range = readonly [first: number, last: number];

/** Characters by ranges, and by classes of the engine. */
export interface CharacterSet {
  readonly ranges: readonly Range[];
  readonly properties: readonly string[];
}

/** The last code point. */
export const LAST = 0x10ffff;

/** Inclusive ranges by their ends: `09AZ`. */
function rangesOf(ends: string): Range[] {
  const points = Array.from(ends, (character) => character.codePointAt(0) ?? 0);
  return Array.from({ length: points.length / 2 }, (_, i): Range => [points[2 * i], points[2 * i + 1]]);
}

/** Classes by the names that `[:name:]` has. */
export const POSIX: ReadonlyMap<string, readonly Range[]> = new Map(
  Object.entries({
    alnum: '09AZaz',
    alpha: 'AZaz',
    ascii: '\0\x7f',
    blank: '\t\t  ',
    cntrl: '\0\x1f\x7f\x7f',
    digit: '09',
    graph: '!~',
    lower: 'az',
    print: ' ~',
    punct: '!/:@[`{~',
    space: '\t\r  ',
    upper: 'AZ',
    word: '09AZ__az',
    xdigit: '09AFaf',
  }).map(([name, ends]) => [name, rangesOf(ends)]),
);
/** Escapes that stand for one of several characters; the capital letter for any other. */
export const SETS: ReadonlyMap<string, readonly Range[]> = new Map<string, readonly Range[]>([
  ['d', POSIX.get('digit') ?? []],
  ['s', POSIX.get('space') ?? []],
  ['w', POSIX.get('word') ?? []],
  ['h', rangesOf('\t\t  \u00a0\u00a0\u1680\u1680\u2000\u200a\u202f\u202f\u205f\u205f\u3000\u3000')],
  ['v', rangesOf('\n\r\x85\x85\u2028\u2029')],
]);
/** General categories of Unicode that both engines know by these names. */
export const CATEGORIES = /^(?:C[cfno]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/;
/** Those of letters with case, any of which is meant where case does not count. */
export const CASED = /^L[ltu]$/;

/** The same with the other case of each letter. */
export function withBothCases({ ranges, properties }: CharacterSet): CharacterSet {
  const other = (from: number, to: number, change: number) =>
    ranges.flatMap(([first, last]): Range[] => {
      const least = Math.max(first, from);
      const most = Math.min(last, to);
      return least > most ? [] : [[least + change, most + change]];
    });
  return { ranges: [...ranges, ...other(0x41, 0x5a, 32), ...other(0x61, 0x7a, -32)], properties };
}

/** All other characters. */
export function complement(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  let next = 0;
  for (const [first, last] of [...ranges].sort(([a], [b]) => a - b)) {
    if (first > next) result.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= LAST) result.push([next, LAST]);
  return result;
}

const pointText = (point: number) => {
  const character = String.fromCodePoint(point);
  return /^[0-9A-Za-z_]$/.test(character) ? character : `\\u{${point.toString(16)}}`;
};
/** A set as it stands in brackets. */
export const setText = ({ ranges, properties }: CharacterSet) =>
  ranges.map(([first, last]) => (first === last ? pointText(first) : `${pointText(first)}-${pointText(last)}`)).join('') +
  properties.join('');

/** A set as a pattern: of one character without brackets. */
export function setSource(set: CharacterSet): string {
  const [[first, last] = [0, 1]] = set.ranges;
  return set.ranges.length === 1 && set.properties.length === 0 && first === last ? pointText(first) : `[${setText(set)}]`;
}
