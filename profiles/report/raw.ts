/**
 * A dump together with the names of its addresses, which jeprof then opens without the program (jeprof, PrintSymbolizedProfile).
 * Invariant: an address appears in the symbol section only if something is known of it.
 * Differs: jeprof ends after `--- heap` for a local file; here the profile follows. Symbols are in the order of their addresses.
 */
import { symbolLine, symbolName } from '../heap/symbols.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import type { Profile } from '../profile.ts';
import type { AddressTable } from './address_profile.ts';
import { compareNames } from './names.ts';
import { integer } from './numbers.ts';

/** The symbol section and the mark that the profile follows. */
export function symbolSection(program: string, addresses: AddressTable, kind: Profile['kind']): string {
  const order = addresses.hex.map((_, row) => row).sort((a, b) => compareNames(addresses.hex[a], addresses.hex[b]));
  let text = `--- symbol\nbinary=${symbolName(program)}\n`;
  for (const row of order) {
    const symbols = addresses.symbols[row];
    if (symbols !== undefined)
      text += symbolLine(
        addresses.hex[row],
        symbols.map(({ full }) => full),
      );
  }
  return `${text}---\n--- ${kind}\n`;
}

/** A profile that has no dump of its own, as gperftools' text, a line each: estimates, rounded, that no reader scales again. */
export function* profileText(profile: Profile): Generator<string> {
  const { samples, stacks } = profile;
  const counts = (inuseObjects: number, inuseBytes: number, allocObjects: number, allocBytes: number) =>
    `${integer(Math.round(inuseObjects))}: ${integer(Math.round(inuseBytes))} [${integer(Math.round(allocObjects))}: ${integer(Math.round(allocBytes))}]`;
  const totals = counts(
    samples.total('inuse_objects'),
    samples.total('inuse_space'),
    samples.total('alloc_objects'),
    samples.total('alloc_space'),
  );
  yield `heap profile: ${totals} @ ${profile.kind === 'growth' ? 'growth' : 'heapprofile'}\n`;
  for (let row = 0; row < samples.length; row++) {
    let text = counts(samples.inuseObjects[row], samples.inuseBytes[row], samples.allocObjects[row], samples.allocBytes[row]);
    text += ' @';
    for (const frame of stacks.framesOf(samples.stack[row] as StackIndex))
      text += ` 0x${stacks.frames.addressOf(frame as FrameIndex).toString(16)}`;
    yield `${text}\n`;
  }
  if (profile.maps !== undefined) yield `\nMAPPED_LIBRARIES:\n${profile.maps}`;
}
