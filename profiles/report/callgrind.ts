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

/** The whole file, in pieces. Frames without a file are in file `??`. */
export function* callgrind(profile: AddressProfile, addresses: AddressTable): Generator<string> {
  const { locations, locationOf } = locationsOf(addresses);
  // Calls are sorted as numbers, of which there may be millions: the caller's place among callers, then the callee's, which is 0 for what heads a backtrace.
  const callers = ordered(
    locations,
    (a, b) => compareNames(a.file, b.file) || Number(a.line) - Number(b.line) || compareNames(a.text, b.text),
  );
  const callees = ordered(locations, (a, b) => compareNames(a.text, b.text));
  const width = locations.length + 1;
  const values = new Map<number, number>();
  const add = (caller: number, place: number, value: number) => {
    const call = callers.places[caller] * width + place;
    values.set(call, (values.get(call) ?? 0) + value);
  };
  for (let row = 0; row < profile.length; row++) {
    if (profile.present[row] === 0) continue;
    const path = profile.path(row);
    const value = profile.values[row];
    let callee = path.length === 0 ? 0 : locationOf[path[0]];
    add(callee, 0, value);
    for (let i = 1; i < path.length; i++) {
      const caller = locationOf[path[i]];
      add(caller, 1 + callees.places[callee], value);
      callee = caller;
    }
  }
  const files = new Map<string, number>();
  const functions = new Map<string, number>();
  yield 'events: Hits\n\n';
  for (const call of Float64Array.from(values.keys()).sort()) {
    const count = integer(values.get(call) as number);
    const place = call % width;
    const caller = locations[callers.order[(call - place) / width]];
    let text = numbered('fl', caller.file, files) + numbered('fn', caller.fn, functions);
    if (place > 0) {
      const callee = locations[callees.order[place - 1]];
      text += `${numbered('cfl', callee.file, files)}${numbered('cfn', callee.fn, functions)}calls=${count} ${callee.line}\n`;
    }
    yield `${text}${caller.line} ${count}\n\n`;
  }
}

/** The locations, and which one each row of addresses has. Location 0 is that of an empty backtrace, and of an address without any. */
function locationsOf(addresses: AddressTable): { locations: readonly Location[]; locationOf: Uint32Array } {
  const locations = [locationAt('?', 'unknown')];
  const numbers = new Map<string, number>([[locations[0].text, 0]]);
  const locationOf = Uint32Array.from(addresses.symbols, (symbols) => {
    if (symbols === undefined) return 0;
    const location = locationAt(symbols[0].location, symbols[0].short);
    let number = numbers.get(location.text);
    if (number === undefined) numbers.set(location.text, (number = locations.push(location) - 1));
    return number;
  });
  return { locations, locationOf };
}

/** The numbers of locations in an order, and the place of each there. */
function ordered(
  locations: readonly Location[],
  compare: (a: Location, b: Location) => number,
): { order: Uint32Array; places: Uint32Array } {
  const order = Uint32Array.from(locations, (_, number) => number).sort((a, b) => compare(locations[a], locations[b]));
  const places = new Uint32Array(order.length);
  for (const [place, number] of order.entries()) places[number] = place;
  return { order, places };
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
