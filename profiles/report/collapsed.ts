/**
 * The stacks of `report --collapsed`, root first (jeprof, PrintCollapsedStacks).
 * Invariant: one line per backtrace of addresses, also where names are equal, and also at value 0.
 * `replay --collapsed` follows no jeprof, and has one line for equal names and none at value 0 (../collapsed/collapsed.ts).
 * Differs: lines in the order of the profile, not in that of a hash table; a `;` in a name is written `:`.
 */
import type { AddressProfile, AddressTable } from './address_profile.ts';
import { integer } from './numbers.ts';

/** Lines `root;…;leaf value` with full names; functions that were inlined end with `[inline]`. */
export function* collapsedStacks(profile: AddressProfile, addresses: AddressTable): Generator<string> {
  // Address row -> its functions, outermost first.
  const names: string[] = [];
  for (let i = 0; i < addresses.length; i++) names.push(addressNames(addresses, i));
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const path = profile.path(row);
    let line = '';
    for (let i = path.length - 1; i >= 0; i--) line += i === path.length - 1 ? names[path[i]] : `;${names[path[i]]}`;
    yield `${line} ${integer(profile.values[row])}\n`;
  }
}

function addressNames(addresses: AddressTable, row: number): string {
  const symbols = addresses.symbols[row];
  if (symbols === undefined) return addresses.hex[row];
  return symbols
    .map(({ location, full }, i) => {
      const file = location === '?' || location === ':0' ? '??:0' : location;
      return (full === '??' ? file : full).replaceAll(';', ':') + (i === 0 ? '' : '[inline]');
    })
    .join(';');
}
