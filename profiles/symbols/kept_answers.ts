/**
 * What symbol tables and tools said of a binary's addresses in earlier runs, kept by build id.
 * Invariant: an answer is used only for the files and tools that gave it, by their sizes and times; what is damaged, or of others, is as if it were not there.
 * The host keeps the texts; one without a place for them keeps nothing.
 */
import { crc32 } from 'node:zlib';
import type { Binary } from './debug_files.ts';
import { filteredForms, restoreFiltered } from './demangle.ts';
import type { SourceFrame } from './frames.ts';
import type { SymbolHost } from './host.ts';
import type { FoundSymbol } from './symbol_table.ts';

/** A symbol, and whether jeprof would know it. */
export type KnownSymbol = FoundSymbol & { readonly listed: boolean };

/** What is known at an address. */
export interface Answer {
  readonly symbol?: KnownSymbol | undefined;
  /** Functions of debug information, outermost first. */
  readonly lines?: readonly SourceFrame[] | undefined;
}

/** Changes with what a text holds, and with what is read here instead of by tools. */
const FORMAT = 5;
/** Longest text of a binary; one that would be longer begins anew. */
const MOST_CHARACTERS = 8 << 20;

/** Answers of one binary. */
export class KeptAnswers {
  readonly #place: NonNullable<SymbolHost['kept']>;
  readonly #name: string;
  /** The files and tools that answer. */
  readonly #identity: string;
  /** By address before relocation. */
  readonly #answers: Map<number, Answer>;

  private constructor(place: NonNullable<SymbolHost['kept']>, name: string, identity: string) {
    this.#place = place;
    this.#name = name;
    this.#identity = identity;
    this.#answers = new Map(parse(place.read(name), identity));
  }

  /** Reads what is kept; undefined for a binary without a build id, or where nothing can be kept. */
  static of({ kept }: SymbolHost, { image: { buildId }, sources }: Binary): KeptAnswers | undefined {
    if (kept === undefined || buildId === undefined || sources.some(({ modified }) => modified === undefined)) return undefined;
    const identity = JSON.stringify([FORMAT, buildId, sources, kept.tools]);
    return new KeptAnswers(kept, `${buildId}.${crc32(identity).toString(16)}`, identity);
  }

  get(at: number): Answer | undefined {
    return this.#answers.get(at);
  }

  /** Keeps more answers, for this run and later ones. */
  add(answers: readonly (readonly [at: number, Answer])[]): void {
    for (const [at, answer] of answers) this.#answers.set(at, answer);
    for (const kept of [[...this.#answers], answers]) {
      const text = this.#text(kept);
      if (text.length > MOST_CHARACTERS) continue;
      this.#place.write(this.#name, text);
      break;
    }
  }

  /** Three lines: a checksum of the others, whose answers these are, and the answers, with the names in them as c++filt has them. */
  #text(answers: readonly (readonly [at: number, Answer])[]): string {
    const text = `${this.#identity}\n${JSON.stringify(packed(answers))}\n`;
    return `${crc32(text)}\n${text}`;
  }
}

/** The answers of a text; none if it is damaged or of other files and tools. */
function parse(text: string | undefined, identity: string): (readonly [at: number, Answer])[] {
  if (text === undefined) return [];
  const start = text.indexOf('\n') + 1;
  const content = text.slice(start);
  if (text.slice(0, start) !== `${crc32(content)}\n` || !content.startsWith(`${identity}\n`)) return [];
  return unpacked(JSON.parse(content.slice(identity.length)) as Packed);
}

/** Answers with each string once: most names and files are those of many addresses. */
interface Packed {
  readonly strings: readonly string[];
  readonly forms: readonly (readonly [mangled: string, form: string])[];
  /** Rows of `strings` for names and locations, -1 for a name that is not known. */
  readonly answers: readonly (readonly [at: number, symbol: PackedSymbol | null, lines: readonly number[] | null])[];
}

type PackedSymbol = readonly [
  name: number,
  firstName: number,
  version: string,
  start: number,
  end: number,
  shared: boolean,
  listed: boolean,
];

function packed(answers: readonly (readonly [at: number, Answer])[]): Packed {
  const rows = new Map<string, number>();
  const rowOf = (text: string) => {
    const row = rows.get(text) ?? rows.size;
    rows.set(text, row);
    return row;
  };
  const symbolOf = ({ name, firstName, version, start, end, shared, listed }: KnownSymbol): PackedSymbol => {
    return [rowOf(name), rowOf(firstName), version, start, end, shared, listed];
  };
  const lineOf = ({ name, location }: SourceFrame) => [name === undefined ? -1 : rowOf(name), rowOf(location)];
  const list = answers.map(([at, { symbol, lines }]) => [at, symbol ? symbolOf(symbol) : null, lines?.flatMap(lineOf) ?? null] as const);
  return { strings: [...rows.keys()], forms: filteredForms(rows.keys()), answers: list };
}

function unpacked({ strings, forms, answers }: Packed): (readonly [at: number, Answer])[] {
  restoreFiltered(forms);
  const symbolOf = ([name, firstName, version, start, end, shared, listed]: PackedSymbol): KnownSymbol => {
    return { name: strings[name], firstName: strings[firstName], version, start, end, shared, listed };
  };
  const linesOf = (rows: readonly number[]) =>
    Array.from({ length: rows.length / 2 }, (_, i): SourceFrame => ({ name: strings[rows[2 * i]], location: strings[rows[2 * i + 1]] }));
  return answers.map(([at, symbol, lines]) => [
    at,
    { symbol: symbol === null ? undefined : symbolOf(symbol), lines: lines === null ? undefined : linesOf(lines) },
  ]);
}
