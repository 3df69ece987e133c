/**
 * What functions are called (DWARF 5, sections 2.15 "Identifier Names", 3.3.8.2 "Concrete Instances", 3.3.2 for specifications, 3.3.1 for linkage names).
 * Invariant: an entry that has no name has that of the one it is an instance of, or completes.
 */
import {
  DW_AT_ABSTRACT_ORIGIN,
  DW_AT_LINKAGE_NAME,
  DW_AT_MIPS_LINKAGE_NAME,
  DW_AT_NAME,
  DW_AT_SPECIFICATION,
  DW_LANG_PLAIN,
} from './constants.ts';
import type { Entry, EntryPlace, Unit } from './unit.ts';

/** A function's name. */
export interface FunctionName {
  readonly name: string;
  /** It is the one in the symbol table, too. */
  readonly isLinkage: boolean;
}

/** Longest way from an entry to its name: an instance of a definition of a declaration, in three files. A damaged file may lead in a circle. */
const MOST_STEPS = 16;

/** Names of functions. Those that many are instances of are looked up once. */
export class FunctionNames {
  readonly #known = new Map<Unit, Map<number, FunctionName | undefined>>();

  /** The name of a function by its entry: that of the symbol table if there is one, else that of the source; undefined if it has none. @throws Damaged, Unsupported */
  of(unit: Unit, entry: Entry, steps = MOST_STEPS): FunctionName | undefined {
    const linkage = unit.textOf(entry.get(DW_AT_LINKAGE_NAME) ?? entry.get(DW_AT_MIPS_LINKAGE_NAME));
    if (linkage !== undefined) return { name: linkage, isLinkage: true };
    const name = unit.textOf(entry.get(DW_AT_NAME));
    const own = name === undefined || name === '' ? undefined : { name, isLinkage: DW_LANG_PLAIN.has(unit.language) };
    const next = entry.get(DW_AT_ABSTRACT_ORIGIN) ?? entry.get(DW_AT_SPECIFICATION);
    if (next === undefined || steps === 0) return own;
    const origin = this.#at(unit.refersTo(next), steps - 1);
    return origin?.isLinkage === true ? origin : (own ?? origin);
  }

  #at({ unit, offset }: EntryPlace, steps: number): FunctionName | undefined {
    let names = this.#known.get(unit);
    if (names === undefined) this.#known.set(unit, (names = new Map()));
    if (names.has(offset)) return names.get(offset);
    const name = this.of(unit, unit.entry(offset), steps);
    names.set(offset, name);
    return name;
  }
}
