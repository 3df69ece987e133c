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
  const bare = bareNames(addresses);
  const plusMinus = (value: number | undefined) => (errors === undefined ? '' : ` ${`±${unit.print(value ?? 0)}`.padEnd(8)}`);
  let text = '';
  let sum = 0;
  for (const i of order) {
    sum += flat[i];
    if (flat[i] === 0 && cumulative[i] === 0) continue;
    const error = errors?.rows.get(entries.names[i]);
    text +=
      `${unit.print(flat[i]).padStart(8)}${plusMinus(error?.flat)} ${percent(flat[i], total).padStart(6)} ${percent(sum, total).padStart(6)} ` +
      `${unit.print(cumulative[i]).padStart(8)}${plusMinus(error?.cumulative)} ${percent(cumulative[i], total).padStart(6)} ${bare.get(entries.names[i]) ?? entries.names[i]}\n`;
  }
  return text;
}

/** Addresses that are an entry of their own though something is known of them: shown as that. */
function bareNames(addresses: AddressTable): Map<string, string> {
  const names = new Map<string, string>();
  for (let i = 0; i < addresses.length; i++) {
    const symbols = addresses.symbols[i];
    if (symbols !== undefined) names.set(addresses.hex[i], `${symbols[0].short} ${symbols[0].location}`);
  }
  return names;
}
