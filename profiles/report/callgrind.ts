/**
 * The call graph of `--callgrind` (jeprof: ExtractCalls, PrintCallgrind; format: Valgrind manual, "Callgrind Format Specification").
 * Invariant: names of more than three bytes are written once and numbered from then on.
 * Differs: calls of equal file and line come in the order of their text; jeprof's order is that of a hash table.
 */
import type { AddressProfile, AddressTable } from './address_profile.ts';
import { compareNames } from './names.ts';
import { integer } from './numbers.ts';

const CALL = /([^:]+):(\d+):([^ ]+)( -> ([^:]+):(\d+):(.+))?/;

/** The whole file. Frames without a file are in file `??`. */
export function callgrind(profile: AddressProfile, addresses: AddressTable): string {
  const rows = extractCalls(profile, addresses).map(({ text, value }) => {
    const match = CALL.exec(text);
    return { text, value, match, file: match?.[1] ?? '', line: Number(match?.[2] ?? 0) };
  });
  rows.sort((a, b) => compareNames(a.file, b.file) || a.line - b.line || compareNames(a.text, b.text));
  const files = new Map<string, number>();
  const functions = new Map<string, number>();
  let text = 'events: Hits\n\n';
  for (const { value, match, file } of rows) {
    const count = integer(value);
    text += numbered('fl', file, files) + numbered('fn', match?.[3] ?? '', functions);
    if (match?.[6] !== undefined) {
      text += `${numbered('cfl', match[5], files)}${numbered('cfn', match[7], functions)}calls=${count} ${match[6]}\n`;
    }
    text += `${match?.[2] ?? ''} ${count}\n\n`;
  }
  return text;
}

/** Value of every `location` that heads a backtrace, and of every `caller -> callee` in one. */
function extractCalls(profile: AddressProfile, addresses: AddressTable): { text: string; value: number }[] {
  // Location number 0 is that of an empty backtrace.
  const locations = ['??:0:unknown'];
  const numbers = new Map<string, number>([[locations[0], 0]]);
  // Address row -> location number.
  const locationOf = Uint32Array.from(addresses.symbols, (symbols) => {
    if (symbols === undefined) return 0;
    const text = `${symbols[0].location === '?' ? '??:0' : symbols[0].location}:${symbols[0].short}`;
    let number = numbers.get(text);
    if (number === undefined) numbers.set(text, (number = locations.push(text) - 1));
    return number;
  });
  const heads = new Map<number, number>();
  // caller * locations + callee -> value
  const calls = new Map<number, number>();
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const path = profile.path(row);
    const value = profile.values[row];
    let callee = path.length === 0 ? 0 : locationOf[path[0]];
    heads.set(callee, (heads.get(callee) ?? 0) + value);
    for (let i = 1; i < path.length; i++) {
      const caller = locationOf[path[i]];
      const key = caller * locations.length + callee;
      calls.set(key, (calls.get(key) ?? 0) + value);
      callee = caller;
    }
  }
  const result = Array.from(heads, ([head, value]) => ({ text: locations[head], value }));
  for (const [key, value] of calls) {
    const caller = Math.floor(key / locations.length);
    result.push({ text: `${locations[caller]} -> ${locations[key - caller * locations.length]}`, value });
  }
  return result;
}

function numbered(key: string, name: string, numbers: Map<string, number>): string {
  if (name.length <= 3) return `${key}=${name}\n`;
  const known = numbers.get(name);
  if (known !== undefined) return `${key}=(${known})\n`;
  numbers.set(name, numbers.size + 1);
  return `${key}=(${numbers.size}) ${name}\n`;
}
