/**
 * The call graph of `--callgrind` (jeprof: ExtractCalls, PrintCallgrind; format: Valgrind manual, "Callgrind Format Specification").
 * Invariant: names of more than three bytes are written once and numbered from then on.
 * Differs: calls of equal file and line come in the order of their text; jeprof's order is that of a hash table.
 */
import type { AddressProfile, AddressTable } from './address_profile.ts';
import { compareBytes } from './names.ts';
import { integer } from './numbers.ts';

const CALL = /([^:]+):(\d+):([^ ]+)( -> ([^:]+):(\d+):(.+))?/;

/** The whole file. Frames without a file are in file `??`. */
export function callgrind(profile: AddressProfile, addresses: AddressTable): string {
  const calls = extractCalls(profile, addresses);
  const rows = [...calls].map(([text, value]) => ({ text, value, match: CALL.exec(text) }));
  rows.sort(
    (a, b) => compareBytes(a.match?.[1] ?? '', b.match?.[1] ?? '') || Number(a.match?.[2] ?? 0) - Number(b.match?.[2] ?? 0) || compareBytes(a.text, b.text),
  );
  const files = new Map<string, number>();
  const functions = new Map<string, number>();
  let text = 'events: Hits\n\n';
  for (const { value, match } of rows) {
    const count = integer(value);
    text += numbered('fl', match?.[1] ?? '', files) + numbered('fn', match?.[3] ?? '', functions);
    if (match?.[6] !== undefined) {
      text += `${numbered('cfl', match[5], files)}${numbered('cfn', match[7], functions)}calls=${count} ${match[6]}\n`;
    }
    text += `${match?.[2] ?? ''} ${count}\n\n`;
  }
  return text;
}

/** Value by `location` of a head, and by `caller -> callee` of every call in a backtrace. */
function extractCalls(profile: AddressProfile, addresses: AddressTable): Map<string, number> {
  const locations: string[] = [];
  for (let i = 0; i < addresses.length; i++) {
    const symbols = addresses.symbols[i];
    locations.push(symbols === undefined ? '??:0:unknown' : `${symbols[0].location === '?' ? '??:0' : symbols[0].location}:${symbols[0].short}`);
  }
  const calls = new Map<string, number>();
  const add = (key: string, value: number) => calls.set(key, (calls.get(key) ?? 0) + value);
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const path = profile.path(row);
    const value = profile.values[row];
    let callee = path.length === 0 ? '??:0:unknown' : locations[path[0]];
    add(callee, value);
    for (let i = 1; i < path.length; i++) {
      const caller = locations[path[i]];
      add(`${caller} -> ${callee}`, value);
      callee = caller;
    }
  }
  return calls;
}

function numbered(key: string, name: string, numbers: Map<string, number>): string {
  if (name.length <= 3) return `${key}=${name}\n`;
  const known = numbers.get(name);
  if (known !== undefined) return `${key}=(${known})\n`;
  numbers.set(name, numbers.size + 1);
  return `${key}=(${numbers.size}) ${name}\n`;
}
