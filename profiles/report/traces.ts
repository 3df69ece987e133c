/**
 * Backtraces with their values: `--traces`, a paragraph a backtrace, leaf first.
 * Invariant: backtraces that read the same are one, and the values add up to what the filters left.
 * Differs from jeprof, which has none (Go's pprof has, in this form; gperftools' pprof calls it --stacks).
 */
import { AddressProfile } from './address_profile.ts';
import type { Granularity } from './entries.ts';
import { EntryTable } from './entries.ts';
import { compareNames } from './names.ts';
import { percent } from './numbers.ts';
import type { ReportPart } from './report.ts';

const RULE = '-'.repeat(72);

/**
 * The largest backtraces first; of equal ones, that whose functions sort first.
 * @param top most backtraces; all if it is left out. How many more there are is said at the end.
 */
export function traces({ profile, addresses, title, total, unit }: ReportPart, granularity: Granularity, top = Infinity): string {
  const entries = new EntryTable(addresses, granularity);
  // Entries in place of addresses.
  const merged = new AddressProfile();
  const path: number[] = [];
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    merged.add(path, entries.translate(profile.path(row), path), profile.values[row]);
  }
  const rows: { readonly value: number; readonly names: readonly string[] }[] = [];
  for (let row = 0; row < merged.length; row++) {
    if (merged.present[row] === 0 || merged.values[row] === 0) continue;
    rows.push({ value: merged.values[row], names: Array.from(merged.path(row), (entry) => entries.names[entry]) });
  }
  rows.sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || compareNames(a.names.join('\n'), b.names.join('\n')));
  let text = `Total${title}: ${unit.print(total)} ${unit.name}\n`;
  for (const { value, names } of rows.slice(0, top)) {
    const [leaf = '[no backtrace]', ...callers] = names;
    text += `${RULE}\n${unit.print(value).padStart(8)} ${percent(value, total).padStart(6)}   ${leaf}\n`;
    for (const caller of callers) text += `${' '.repeat(18)}${caller}\n`;
  }
  return rows.length > top ? `${text}${RULE}\n… ${rows.length - top} smaller\n` : text;
}
