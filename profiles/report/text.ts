/**
 * The table of `--text` (jeprof, PrintText).
 * Invariant: rows are ordered by value, then by name.
 */
import type { AddressTable } from './address_profile.ts';
import type { EntryTable, Reduced } from './entries.ts';
import type { RowErrors } from './errors.ts';
import { compareNames } from './names.ts';
import type { Unit } from './numbers.ts';
import { percent } from './numbers.ts';

/**
 * Rows `flat flat% sum% cumulative cumulative% name`, sorted by flat value, or by cumulative value.
 * @param errors standard errors, which then follow the two values: `12.5 ±0.3`
 */
export function textTable(
  addresses: AddressTable,
  entries: EntryTable,
  reduced: Reduced,
  unit: Unit,
  byCumulative: boolean,
  errors?: RowErrors,
): string {
  const { flat, cumulative, present, total } = reduced;
  const key = byCumulative ? cumulative : flat;
  const order: number[] = [];
  for (let i = 0; i < entries.names.length; i++) if (present[i] === 1) order.push(i);
  order.sort((a, b) => key[b] - key[a] || compareNames(entries.names[a], entries.names[b]));
  const plusMinus = (value: number | undefined) => (errors === undefined ? '' : ` ${`±${unit.print(value ?? 0)}`.padEnd(8)}`);
  const rows: string[] = [];
  let sum = 0;
  for (const i of order) {
    sum += flat[i];
    if (flat[i] === 0 && cumulative[i] === 0) continue;
    const error = errors?.rows.get(entries.names[i]);
    // Joined, a row is one string; a template is kept as a tree of its parts, which is six times as large.
    rows.push(
      [
        `${unit.print(flat[i]).padStart(8)}${plusMinus(error?.flat)}`,
        percent(flat[i], total).padStart(6),
        percent(sum, total).padStart(6),
        `${unit.print(cumulative[i]).padStart(8)}${plusMinus(error?.cumulative)}`,
        percent(cumulative[i], total).padStart(6),
        shownName(addresses, entries.names[i]),
      ].join(' '),
    );
  }
  return rows.map((row) => `${row}\n`).join('');
}

/** An entry's name; that of a bare address is what is known of it besides. */
function shownName(addresses: AddressTable, name: string): string {
  const symbols = addresses.symbolsAt(name);
  return symbols === undefined ? name : `${symbols[0].short} ${symbols[0].location}`;
}
