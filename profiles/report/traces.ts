/**
 * Backtraces with their values: `--traces`, a paragraph a backtrace, leaf first.
 * Invariant: backtraces that read the same are one, and the values add up to what the filters left.
 * Differs from jeprof, which has none (Go's pprof has, in this form; gperftools' pprof calls it --stacks).
 */
import type { Granularity } from './entries.ts';
import { EntryTable, translated } from './entries.ts';
import { compareNames } from './names.ts';
import { percent } from './numbers.ts';
import type { ReportPart } from './report.ts';

const RULE = '-'.repeat(72);
/** Between a function and its caller. */
const CALLER = `\n${' '.repeat(18)}`;

/**
 * The largest backtraces first, a paragraph each; of equal ones, that whose functions sort first.
 * @param top most backtraces; all if it is left out. How many more there are is said at the end.
 */
export function* traces(
  { profile, addresses, title, total, unit }: ReportPart,
  granularity: Granularity,
  top = Infinity,
): Generator<string> {
  const entries = new EntryTable(addresses, granularity);
  const merged = translated(profile, entries);
  const { values, present, length } = merged;
  const ranks = ranksOf(entries.names);
  const rows = Uint32Array.from({ length }, (_, row) => row)
    .filter((row) => present[row] !== 0 && values[row] !== 0)
    .sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]) || comparePaths(merged.path(a), merged.path(b), ranks));
  yield `Total${title}: ${unit.print(total)} ${unit.name}\n`;
  for (const row of rows.subarray(0, Math.min(top, rows.length))) {
    const value = values[row];
    const names = Array.from(merged.path(row), (entry) => entries.names[entry]).join(CALLER) || '[no backtrace]';
    yield `${RULE}\n${unit.print(value).padStart(8)} ${percent(value, total).padStart(6)}   ${names}\n`;
  }
  if (rows.length > top) yield `${RULE}\n… ${rows.length - top} smaller\n`;
}

/** Entry -> its place in the order of names. */
function ranksOf(names: readonly string[]): Uint32Array {
  const ranks = new Uint32Array(names.length);
  const order = names.map((_, entry) => entry).sort((a, b) => compareNames(names[a], names[b]));
  order.forEach((entry, rank) => (ranks[entry] = rank));
  return ranks;
}

/** Order of backtraces by their names, leaf first. */
function comparePaths(a: Int32Array, b: Int32Array, ranks: Uint32Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return ranks[a[i]] - ranks[b[i]];
  return a.length - b.length;
}
