/**
 * Names of addresses, as the reports use them (jeprof's symbol lists: short name, file:line, full name).
 * Invariant: a list is outermost function first, the ones inlined into it after it, and is never empty.
 */
import type { Frame } from '../../core/trace/stacks.ts';
import { printable } from '../printable.ts';
import { shortName } from './names.ts';

/** A function at an address. */
export interface SymbolName {
  /** Without argument and template types. */
  readonly short: string;
  /** `file:line`; `?` from a symbol table, `??:0` or `??:?` from debug information that does not know. */
  readonly location: string;
  readonly full: string;
}

/**
 * Where names of bare addresses come from: a program's own tables and debug information.
 * Asked once for all addresses of a report.
 */
export interface SymbolSource {
  /**
   * Names of addresses, which are those of calls (a return address less one) except at the head of a backtrace.
   * @returns one element per address: the functions there, outermost first; undefined if nothing is known of it
   */
  lookup(addresses: readonly bigint[]): readonly (readonly SymbolName[] | undefined)[];
}

/** The names that a frame carries itself. @param shorten makes the short ones: `shortFunctionName` where names are to be jeprof's */
export function frameSymbols(frame: Frame, hex: string, shorten: (name: string) => string): readonly SymbolName[] {
  const names = [symbolName(frame.fn ?? `0x${hex}`, frame.file, frame.line, shorten)];
  if (frame.inlined !== undefined) {
    for (let i = frame.inlined.length - 1; i >= 0; i--) {
      const { fn, file, line } = frame.inlined[i];
      names.push(symbolName(fn, file, line, shorten));
    }
  }
  return names;
}

/** A name whose short form and location are made from what is known. */
export function symbolName(full: string, file?: string, line?: number, shorten = shortName): SymbolName {
  const clean = printable(full);
  return { short: shorten(clean), location: file === undefined ? '?' : `${printable(file)}:${line ?? 0}`, full: clean };
}
