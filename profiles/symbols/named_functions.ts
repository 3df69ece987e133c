/**
 * The functions at an address of a file, and what they are called (jeprof, MapSymbolsWithNM and MapToSymbols).
 * Invariant: the short and the full name are jeprof's, with what it adds to them; `fn` is the readable name, with nothing added.
 */
import { printable } from '../printable.ts';
import { shortName } from '../report/names.ts';
import type { SymbolName } from '../report/symbols.ts';
import { demangle, filteredName, isRust } from './demangle.ts';
import type { Answer, KnownSymbol } from './kept_answers.ts';
import type { FoundSymbol } from './symbol_table.ts';

/** A function at an address: in jeprof's words, and in its own. */
export interface NamedFunction extends SymbolName {
  /** The readable name, with nothing added. */
  readonly fn: string;
  readonly file?: string;
  readonly line?: number;
}

/** Functions at an address of a file: debug information and symbol table together (jeprof, MapSymbolsWithNM and MapToSymbols). */
export function namesAt({ symbol, lines }: Answer): readonly NamedFunction[] | undefined {
  const table = symbol === undefined ? undefined : tableForms(symbol);
  if (lines === undefined) return symbol && table && [nameOfSymbol(symbol, table)];
  if ((lines[0].name ?? table?.mangled ?? '??') === '??') return undefined;
  return lines.map(({ name, location }, i) => {
    const clean = printable(location);
    const match = /^(.+):(\d+)(?: |$)/s.exec(clean);
    const place = { location: clean, ...(match === null || match[2] === '0' ? {} : { file: match[1], line: Number(match[2]) }) };
    const mangled = name ?? '??';
    const debug = nameForms(mangled);
    // The symbol table's name, which has the address, if it is the same function or the only name. The outermost function is the symbol.
    const isOfTable = name === undefined || (symbol?.listed === true && table?.full.startsWith(debug.short) === true);
    if (i > 0 || table === undefined || !isOfTable) return namedFunction(mangled, debug, place);
    return namedFunction(name === undefined ? table.mangled : mangled, table, place);
  });
}

/** What a symbol is called where there is no debug information: as jeprof has it, which takes addr2line's name if that is another than nm's. */
function nameOfSymbol({ firstName }: FoundSymbol, table: ReturnType<typeof tableForms>): NamedFunction {
  const first = nameForms(firstName);
  const isOfTable = table.full.startsWith(first.short);
  return namedFunction(isOfTable ? table.mangled : firstName, isOfTable ? table : first, { location: '??:?' });
}

/** jeprof's two forms of a name. */
interface NameForms {
  readonly short: string;
  readonly full: string;
}

/** A symbol's forms, with what jeprof adds to them. */
function tableForms({ name, version, start, shared, listed }: KnownSymbol): NameForms & { readonly mangled: string } {
  const { short, full } = nameForms(name);
  // jeprof adds version and address only to a name that has no types before its end: the others it does not know for the same.
  if (!full.startsWith(short)) return { mangled: name, short, full };
  // The address tells functions of equal names apart; jeprof forgets it where several names share an address, and does not know it of all.
  const tag = shared || !listed ? '' : `<${start.toString(16).padStart(16, '0')}>`;
  return { mangled: name, short: short + version, full: full + version + tag };
}

/** Full C++ names -> short ones: most names are those of many addresses. */
const shortNames = new Map<string, string>();

/** The forms of a name as the compiler has it. */
export function nameForms(mangled: string): NameForms {
  const full = printable(filteredName(mangled));
  // What jeprof cuts from C++ names are the types of Rust ones: `<Vec<u8> as Clone>::clone`.
  if (isRust(mangled)) return { short: readableName(mangled), full };
  let short = shortNames.get(full);
  if (short === undefined) shortNames.set(full, (short = shortName(full)));
  return { short, full };
}

/** The readable name is worked out when it is asked for: jeprof's reports have no use for it, and the demangler takes its time to load. */
function namedFunction(
  mangled: string,
  { short, full }: NameForms,
  place: { readonly location: string; readonly file?: string; readonly line?: number },
): NamedFunction {
  return {
    get fn() {
      return readableName(mangled);
    },
    short,
    full,
    ...place,
  };
}

/** A name as its programmer wrote it, to be shown. */
export const readableName = (mangled: string) => printable(demangle(mangled));
