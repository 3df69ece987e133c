/**
 * The call graph of `--callgrind` (jeprof: ExtractCalls, PrintCallgrind; format: Valgrind manual, "Callgrind Format Specification").
 * Invariant: names of more than three bytes are written once and numbered from then on.
 * Differs: calls of equal file and line come in the order of their text; jeprof's order is that of a hash table. Names with blanks and files with
 * colons are whole, and so are lines with a discriminator or a `?`; jeprof takes its own text apart at them, so that `operator new` is called as such
 * and costs as `operator`.
 */
import type { AddressProfile, AddressTable } from './address_profile.ts';
import { printable } from '../printable.ts';
import { compareNames } from './names.ts';
import { integer } from './numbers.ts';

/** A function at a line of a file. */
interface Location {
  readonly file: string;
  readonly line: string;
  readonly fn: string;
  /** All of it, to sort by. */
  readonly text: string;
}

/** What heads backtraces, or calls what does not. */
interface Call {
  readonly caller: Location;
  readonly callee: Location | undefined;
  readonly value: number;
}

/** The whole file. Frames without a file are in file `??`. */
export function callgrind(profile: AddressProfile, addresses: AddressTable): string {
  const rows = extractCalls(profile, addresses).sort(
    (a, b) =>
      compareNames(a.caller.file, b.caller.file) ||
      Number(a.caller.line) - Number(b.caller.line) ||
      compareNames(a.caller.text, b.caller.text) ||
      compareNames(a.callee?.text ?? '', b.callee?.text ?? ''),
  );
  const files = new Map<string, number>();
  const functions = new Map<string, number>();
  let text = 'events: Hits\n\n';
  for (const { value, caller, callee } of rows) {
    const count = integer(value);
    text += numbered('fl', caller.file, files) + numbered('fn', caller.fn, functions);
    if (callee !== undefined)
      text += `${numbered('cfl', callee.file, files)}${numbered('cfn', callee.fn, functions)}calls=${count} ${callee.line}\n`;
    text += `${caller.line} ${count}\n\n`;
  }
  return text;
}

/** Value of every location that heads a backtrace, and of every call in one. */
function extractCalls(profile: AddressProfile, addresses: AddressTable): Call[] {
  // Location number 0 is that of an empty backtrace.
  const locations = [locationAt('?', 'unknown')];
  const numbers = new Map<string, number>([[locations[0].text, 0]]);
  // Address row -> location number.
  const locationOf = Uint32Array.from(addresses.symbols, (symbols) => {
    if (symbols === undefined) return 0;
    const location = locationAt(symbols[0].location, symbols[0].short);
    let number = numbers.get(location.text);
    if (number === undefined) numbers.set(location.text, (number = locations.push(location) - 1));
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
  const result: Call[] = Array.from(heads, ([head, value]) => ({ caller: locations[head], callee: undefined, value }));
  for (const [key, value] of calls) {
    const caller = Math.floor(key / locations.length);
    result.push({ caller: locations[caller], callee: locations[key - caller * locations.length], value });
  }
  return result;
}

/** `place` is `file:line` as addr2line says it, or `?`; a line that is not known is 0. */
function locationAt(place: string, name: string): Location {
  const fn = printable(name);
  const [, file, line] = /^(.+):(\d+|\?)(?: \(discriminator \d+\))?$/s.exec(place) ?? [];
  const known = { file: printable(file ?? '??'), line: line === undefined || line === '?' ? '0' : line };
  return { ...known, fn, text: `${place === '?' ? '??:0' : place}:${fn}` };
}

function numbered(key: string, name: string, numbers: Map<string, number>): string {
  if (name.length <= 3) return `${key}=${name}\n`;
  const known = numbers.get(name);
  if (known !== undefined) return `${key}=(${known})\n`;
  numbers.set(name, numbers.size + 1);
  return `${key}=(${numbers.size}) ${name}\n`;
}
