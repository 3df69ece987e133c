/**
 * Names of a process's addresses, from the files it had mapped.
 * Invariant: a name is given only where a symbol's own bytes or debug information hold the address, in a file that can be the mapped one:
 * its executable part has the mapping's offset and length. What has no name is counted, with the reason.
 * Differs from jeprof (ExtractSymbols, MapToSymbols): jeprof takes the nearest symbol below whatever lies between, and reads any file
 * that has the path. The format of the names is jeprof's.
 */
import { isAllocationFunction } from '../leaks/allocation_functions.ts';
import { printable } from '../printable.ts';
import type { SymbolSource } from '../report/symbols.ts';
import { type Binary, nameOf } from './debug_files.ts';
import { beginDemangleBy, demangleBy } from './demangle.ts';
import type { SourceFrame } from './frames.ts';
import type { SymbolHost, SymbolTool } from './host.ts';
import { KeptAnswers, type KnownSymbol } from './kept_answers.ts';
import { MappedFiles, nowhere, type Place, processesOf, type SymbolizerOptions } from './mapped_files.ts';
import { type NamedFunction, nameForms, namesAt, readableName } from './named_functions.ts';
import { beginSourceLines, type SourceLines, sourceLines } from './source_lines.ts';
import type { FoundSymbol } from './symbol_table.ts';
import { Unnamed } from './unnamed.ts';

/** What is known at an address. */
export interface AddressNames {
  /** Outermost function first. */
  readonly names: readonly NamedFunction[];
  /** Path of the mapped file. */
  readonly module: string;
  /** False if no function is known: the only name is then the file and the place in it, `[libfoo.so.1+0x1234]`. */
  readonly resolved: boolean;
  /** False if the file could not be used: the place is then an offset in the file, not an address. */
  readonly read: boolean;
}

/** A symbol that holds an address. */
export interface PlacedSymbol {
  /** The readable name. */
  readonly fn: string;
  /** Bytes from its start to the address. */
  readonly offset: number;
  /** Path of the mapped file. */
  readonly module: string;
}

/** A function of a mapped file. */
export interface Routine {
  readonly fn: string;
  readonly short: string;
  /** All that it may be called: in full as nm has it, and as tables do, by each of its symbols. */
  readonly names: ReadonlySet<string>;
  /** The file that has its code, and the one that has its lines. */
  readonly path: string;
  readonly debug: Binary['debug'];
  /** What its addresses in memory are more than those in the file, in each process that has addresses in it. */
  readonly loads: readonly bigint[];
  /** Addresses before relocation: of the first byte, and behind the last. */
  readonly start: number;
  readonly end: number;
}

/** A machine instruction. */
export interface Instruction {
  /** Address before relocation. */
  readonly at: number;
  readonly text: string;
}

/** Addresses of one binary that are yet to be named. */
interface Work {
  readonly binary: Binary;
  readonly known: Map<number, readonly NamedFunction[] | undefined>;
  readonly asked: Set<number>;
  /** Answers of earlier runs. */
  readonly kept: KeptAnswers | undefined;
}

/** Addresses of one binary that are being named, ascending. */
interface Question {
  readonly work: Work;
  readonly addresses: readonly number[];
}

/** Names addresses, and keeps what it has learnt of each binary. */
export class Symbolizer {
  readonly #host: SymbolHost;
  readonly #files: MappedFiles;
  /** By build id, else by path. */
  readonly #work = new Map<string, Work>();
  readonly #unnamed = new Unnamed();
  #withoutTool = false;

  constructor(host: SymbolHost, options: SymbolizerOptions = {}) {
    this.#host = host;
    this.#files = new MappedFiles(host, options);
  }

  /**
   * Names for reports. Addresses of a file that cannot be used are left unnamed, as jeprof leaves them.
   * @param maps texts of /proc/PID/maps, one a profile
   */
  source(maps: readonly string[]): SymbolSource {
    return {
      lookup: (addresses) => this.names(maps, addresses).map((found) => (found?.read === true ? found.names : undefined)),
    };
  }

  /**
   * What is known of each address: those of calls, that is return addresses less one, except at the head of a backtrace.
   * Undefined for an address in no mapped file.
   * @param maps texts of /proc/PID/maps; the first that has the address counts
   */
  names(maps: readonly string[], addresses: readonly bigint[]): (AddressNames | undefined)[] {
    const processes = processesOf(maps);
    const places = this.#files.places(processes, addresses);
    this.#learnAll(places);
    return places.map((place, i) => {
      if (place === undefined) {
        this.#unnamed.add(nowhere(processes, addresses[i]), 'nowhere', addresses[i]);
        return undefined;
      }
      const found = this.#knownAt(place);
      if (found !== undefined) return found;
      const { binary, path, at, reason } = place;
      const name = `[${printable(nameOf(path))}+0x${at.toString(16)}]`;
      // The allocator's own frames are left out of what is shown, with a name or without.
      if (binary === undefined || !isAllocationFunction(name))
        this.#unnamed.add(path, binary === undefined ? reason : 'stripped', addresses[i]);
      return {
        names: [{ short: name, location: '??:0', full: name, fn: name }],
        module: path,
        resolved: false,
        read: binary !== undefined,
      };
    });
  }

  /** As `names`, of addresses that need no name: undefined where no function is known, which counts nowhere. */
  known(maps: readonly string[], addresses: readonly bigint[]): (AddressNames | undefined)[] {
    const places = this.#files.places(processesOf(maps), addresses);
    this.#learnAll(places);
    return places.map((place) => place && this.#knownAt(place));
  }

  /**
   * What is known where calls in a file return to, for a recording that does not say where the file was mapped.
   * Undefined for all places if the file here cannot be the one recorded: each must lie behind a call.
   * @param path as recorded, perhaps relative to a folder that is not known
   * @param places return addresses less the address that the file was mapped at, or, of a program that is not relocated, as they were
   */
  returnsIn(path: string, places: readonly number[]): (AddressNames | undefined)[] {
    const file = this.#files.returnedTo(path, places);
    if (typeof file === 'string') {
      for (const place of places) this.#unnamed.add(path, file, BigInt(place));
      return places.map(() => undefined);
    }
    const { binary, base } = file;
    const calls = places.map((place): Place => ({ path, binary, reason: 'stripped', at: base + place - 1 }));
    this.#learnAll(calls);
    return calls.map((call) => {
      const found = this.#knownAt(call);
      if (found === undefined) this.#unnamed.add(path, 'stripped', BigInt(call.at));
      return found;
    });
  }

  /**
   * Learns what `names` will say of addresses, with the tools of all files at work beside each other and beside the reading of symbol tables.
   * Changes nothing but the time that `names` takes.
   */
  async prepare(maps: readonly string[], addresses: readonly bigint[]): Promise<void> {
    const begin = this.#host.begin?.bind(this.#host);
    if (begin === undefined) return;
    this.#ask(this.#files.places(processesOf(maps), addresses));
    const questions = this.#questions();
    if (questions.length === 0) return;
    const count = questions.reduce((sum, question) => sum + question.addresses.length, 0);
    const work = () => this.#prepare(begin, questions);
    await (this.#host.learning?.(count, work) ?? work());
  }

  /** Asks the tools, and reads what is read here meanwhile. */
  async #prepare(begin: NonNullable<SymbolHost['begin']>, questions: readonly Question[]): Promise<void> {
    const filter = async (args: readonly string[], names: string) => asText(await begin('c++filt', args, names));
    const symbols = questions.map(symbolsOf);
    const [first, ...others] = questions.map(({ work: { binary }, addresses: asked }, i) => () => {
      return beginSourceLines(this.#host, begin, binary.debug, asked, byAddress(asked, symbols[i]));
    });
    // Most names are those of the file with most addresses: c++filt is at work on them while other files are read.
    const begun = [first()];
    const filtered = beginDemangleBy(filter, [...symbols.flatMap(symbolNames), ...namesOf(begun[0].own.frames)]);
    begun.push(...others.map((read) => read()));
    await filtered;
    const all = begun.map(async (lines) => {
      const found = await lines.all;
      await beginDemangleBy(filter, namesOf(found.frames));
      return found;
    });
    this.#learn(questions, symbols, await Promise.all(all));
  }

  /**
   * The symbols that hold addresses, by symbol tables alone: undefined where none does.
   * @param maps texts of /proc/PID/maps; the first that has the address counts
   */
  symbols(maps: readonly string[], addresses: readonly bigint[]): (PlacedSymbol | undefined)[] {
    const places = this.#files.places(processesOf(maps), addresses);
    return symbolsAt(places).map((symbol, i) => {
      const place = places[i];
      return symbol && place && { fn: readableName(symbol.name), offset: place.at - symbol.start, module: place.path };
    });
  }

  /**
   * The functions that hold addresses, each once, by file in the order of the first process's mappings, then by short name.
   * Addresses that no symbol holds are in none.
   * @param maps texts of /proc/PID/maps
   */
  routines(maps: readonly string[], addresses: readonly bigint[]): Routine[] {
    const routines = new Map<string, Routine & { readonly loads: bigint[] }>();
    const places = this.#files.places(processesOf(maps), addresses);
    const symbols = symbolsAt(places);
    this.#demangle(symbols.flatMap((symbol) => symbol?.aliases ?? []));
    for (const [i, place] of places.entries()) {
      const symbol = symbols[i];
      if (place?.binary === undefined || symbol === undefined) continue;
      const load = addresses[i] - BigInt(place.at);
      const key = `${symbol.start} ${place.path}`;
      const known = routines.get(key);
      if (known !== undefined) {
        if (!known.loads.includes(load)) known.loads.push(load);
        continue;
      }
      const fn = readableName(symbol.name);
      const { short } = nameForms(symbol.name);
      const { start, end } = symbol;
      const names = new Set(
        [symbol.name, ...(symbol.aliases ?? [])].flatMap((name) => [readableName(name), ...Object.values(nameForms(name))]),
      );
      routines.set(key, { fn, short, names, path: place.binary.path, debug: place.binary.debug, loads: [load], start, end });
    }
    return [...routines.values()].sort(
      (a, b) => Number(a.loads[0] - b.loads[0]) || (a.short < b.short ? -1 : a.short > b.short ? 1 : a.start - b.start),
    );
  }

  /** Files, lines and functions at addresses of a routine's file, before relocation. See `sourceLines`. */
  lines({ debug }: Routine, addresses: readonly number[]): readonly (readonly SourceFrame[] | undefined)[] {
    return sourceLines(this.#host, debug, addresses, () => undefined).frames;
  }

  /** Instructions of a routine by objdump, which is asked once; undefined if it is not there. */
  disassemble({ path, start, end }: Routine): Instruction[] | undefined {
    const range = [`--start-address=0x${start.toString(16)}`, `--stop-address=0x${end.toString(16)}`];
    const output = this.#toolText('objdump', ['-C', '-d', '--no-show-raw-insn', ...range, path], '');
    if (output === undefined) return undefined;
    const instructions: Instruction[] = [];
    for (const [, at, text] of output.matchAll(/^ +([0-9a-f]+):\s*(.*)$/gm)) instructions.push({ at: Number(`0x${at}`), text });
    return instructions;
  }

  /** Lines of a source file, where it was compiled or where `--lib_prefix` says; undefined if it is in neither. */
  sourceText(path: string): readonly string[] | undefined {
    for (const candidate of this.#files.candidates(path)) {
      const file = this.#host.open(candidate);
      if (file === undefined) continue;
      const text = new TextDecoder().decode(file.read(0, file.size)).replaceAll('\r', '');
      return text.replace(/\n$/, '').split('\n');
    }
    return undefined;
  }

  /** What the user is told: of the addresses that have no name, and of tools that are missing. */
  notes(): string[] {
    const notes = this.#unnamed.notes();
    if (this.#withoutTool)
      notes.push(
        'lines and inlined functions are missing where debug information is of a kind that only tools read, and neither addr2line nor llvm-symbolizer runs; install one, or name it by --tools',
      );
    return notes;
  }

  #workOf(binary: Binary): Work {
    const key = binary.image.buildId ?? binary.path;
    let work = this.#work.get(key);
    if (work === undefined)
      this.#work.set(key, (work = { binary, known: new Map(), asked: new Set(), kept: KeptAnswers.of(this.#host, binary) }));
    return work;
  }

  /** What has been learnt of a place; undefined if no function is known there. */
  #knownAt({ binary, path, at }: Place): AddressNames | undefined {
    const names = binary && this.#workOf(binary).known.get(at);
    return names && { names, module: path, resolved: true, read: true };
  }

  /** Notes what is to be learnt of places, but for what an earlier run has kept. */
  #ask(places: readonly (Place | undefined)[]): void {
    for (const { binary, at } of places.filter((place) => place !== undefined)) {
      if (binary === undefined) continue;
      const work = this.#workOf(binary);
      if (work.known.has(at)) continue;
      const answer = work.kept?.get(at);
      if (answer === undefined) work.asked.add(at);
      else work.known.set(at, namesAt(answer));
    }
  }

  /** Learns all that there is to know of places: a process a binary, and one for the readable forms of the names. */
  #learnAll(places: readonly (Place | undefined)[]): void {
    this.#ask(places);
    const questions = this.#questions();
    const symbols = questions.map(symbolsOf);
    const lines = questions.map(({ work: { binary }, addresses }, i) =>
      sourceLines(this.#host, binary.debug, addresses, byAddress(addresses, symbols[i])),
    );
    this.#learn(questions, symbols, lines);
  }

  /** What has been asked, which is to be learnt now: of the file with most addresses first. */
  #questions(): Question[] {
    const asked = [...this.#work.values()].filter((work) => work.asked.size > 0);
    asked.sort((a, b) => b.asked.size - a.asked.size);
    return asked.map((work) => {
      const addresses = [...work.asked].sort((a, b) => a - b);
      work.asked.clear();
      return { work, addresses };
    });
  }

  /** Keeps what symbol tables and debug information say. */
  #learn(questions: readonly Question[], symbols: readonly (readonly (KnownSymbol | undefined)[])[], lines: readonly SourceLines[]): void {
    if (lines.some(({ complete }) => !complete)) this.#withoutTool = true;
    const names = [...symbols.flatMap(symbolNames), ...lines.flatMap(({ frames }) => namesOf(frames))];
    this.#demangle(names);
    questions.forEach(({ work, addresses }, i) => {
      const answers = addresses.map((at, k) => [at, { symbol: symbols[i][k], lines: lines[i].frames[k] }] as const);
      for (const [at, answer] of answers) work.known.set(at, namesAt(answer));
      // Where a tool is missing, another run may know more.
      if (lines[i].complete) work.kept?.add(answers);
    });
  }

  /** Asks c++filt for names, once for each. */
  #demangle(names: Iterable<string>): void {
    demangleBy((args, input) => this.#toolText('c++filt', args, input), names);
  }

  #toolText(tool: SymbolTool, args: readonly string[], input: string): string | undefined {
    return asText(this.#host.run(tool, args, input));
  }
}

const asText = (output: Uint8Array | undefined) => (output === undefined ? undefined : new TextDecoder().decode(output));

const symbolNames = (found: readonly (KnownSymbol | undefined)[]) =>
  found.flatMap((symbol) => (symbol === undefined ? [] : [symbol.name, symbol.firstName]));

/** The names in answers of `sourceLines`. */
function namesOf(found: readonly (readonly SourceFrame[] | undefined)[]): string[] {
  return found.flatMap((frames) => (frames ?? []).flatMap(({ name }) => name ?? []));
}

/** The symbols of places, of the tables of their files. */
function symbolsAt(places: readonly (Place | undefined)[]): (FoundSymbol | undefined)[] {
  const asked = new Map<Binary, number[]>();
  for (const place of places) {
    if (place?.binary === undefined) continue;
    const list = asked.get(place.binary);
    if (list === undefined) asked.set(place.binary, [place.at]);
    else list.push(place.at);
  }
  const tables = new Map([...asked].map(([binary, list]) => [binary, binary.functions(list.sort((a, b) => a - b))]));
  return places.map((place) => (place?.binary === undefined ? undefined : tables.get(place.binary)?.find(place.at)));
}

function symbolsOf({ work: { binary }, addresses }: Question): (KnownSymbol | undefined)[] {
  const listed = binary.listed(addresses);
  const found = addresses.map((at) => knownSymbol(listed?.find(at), true));
  const left = addresses.filter((_, i) => found[i] === undefined);
  if (left.length === 0) return found;
  const others = binary.unlisted(left);
  return found.map((symbol, i) => symbol ?? knownSymbol(others?.find(addresses[i]), false));
}

/** The symbol of one of some addresses. */
function byAddress(
  addresses: readonly number[],
  symbols: readonly (KnownSymbol | undefined)[],
): (address: number) => KnownSymbol | undefined {
  const found = new Map(addresses.map((at, i) => [at, symbols[i]]));
  return (address) => found.get(address);
}

const knownSymbol = (symbol: FoundSymbol | undefined, listed: boolean) => symbol && { ...symbol, listed };
