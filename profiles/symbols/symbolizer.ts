/**
 * Names of a process's addresses, from the files it had mapped.
 * Invariant: a name is given only where a symbol's own bytes or debug information hold the address, in a file that can be the mapped one:
 * its executable part has the mapping's offset and length. What has no name is counted, with the reason.
 * Differs from jeprof (ExtractSymbols, MapToSymbols): jeprof takes the nearest symbol below whatever lies between, and reads any file
 * that has the path. The format of the names is jeprof's.
 */
import type { Mapping } from '../heap/maps.ts';
import { findMapping, parseMaps } from '../heap/maps.ts';
import { printable } from '../printable.ts';
import { shortName } from '../report/names.ts';
import type { SymbolName, SymbolSource } from '../report/symbols.ts';
import type { Binary } from './debug_files.ts';
import { followsCall } from './call_sites.ts';
import { nameOf, openBinary } from './debug_files.ts';
import { beginDemangleBy, demangle, demangleBy, filteredName, isRust } from './demangle.ts';
import type { SymbolHost, SymbolTool } from './host.ts';
import { type Answer, KeptAnswers, type KnownSymbol } from './kept_answers.ts';
import type { SourceFrame } from './frames.ts';
import type { SourceLines } from './source_lines.ts';
import { beginSourceLines, sourceLines } from './source_lines.ts';
import type { FoundSymbol } from './symbol_table.ts';

/** Where to look for files, as jeprof's flags say it. */
export interface SymbolizerOptions {
  /** The program: stands for the mapped file of the same name. */
  readonly program?: string | undefined;
  /** `--lib_prefix`: folders that mapped paths, or the ends of them, are looked for in first. */
  readonly prefixes?: readonly string[] | undefined;
  /** `--add_lib`: a file whose addresses are not relocated. */
  readonly extraLibrary?: string | undefined;
  /** `--debug-dir`: folders of debug files, besides /usr/lib/debug. */
  readonly debugFolders?: readonly string[] | undefined;
}

/** Why addresses of a file have no name. */
type Reason = 'missing' | 'deleted' | 'different' | 'stripped' | 'nowhere';

/** A function at an address: in jeprof's words, and in its own. */
export interface NamedFunction extends SymbolName {
  /** The readable name, with nothing added. */
  readonly fn: string;
  readonly file?: string;
  readonly line?: number;
}

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

/** A function in a process. */
export interface Routine {
  readonly fn: string;
  readonly short: string;
  /** All that it may be called: in full as nm has it, and as tables do, by each of its symbols. */
  readonly names: ReadonlySet<string>;
  /** The file that has its code, and the one that has its lines. */
  readonly path: string;
  readonly debug: Binary['debug'];
  /** What its addresses in memory are more than those in the file. */
  readonly load: bigint;
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

/** A mapped file: which one it is here, or why it cannot be used. */
interface MappedFile {
  readonly path: string;
  readonly binary: Binary | undefined;
  readonly reason: Reason;
}

/** A mapped file and a place in it. */
type Place = MappedFile & { readonly at: number };

/** Mappings of a process, and the files of those that have been asked for. */
interface Process {
  readonly mappings: readonly Mapping[];
  readonly files: Map<Mapping, MappedFile>;
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

const DELETED = / \(deleted\)$/;

/** Names addresses, and keeps what it has learnt of each binary. */
export class Symbolizer {
  readonly #host: SymbolHost;
  readonly #options: SymbolizerOptions;
  /** By build id, else by path. */
  readonly #work = new Map<string, Work>();
  readonly #binaries = new Map<string, Binary | undefined>();
  /** File and reason -> addresses without a name. */
  readonly #unnamed = new Map<string, { readonly path: string; readonly reason: Reason; readonly addresses: Set<bigint> }>();
  #withoutTool = false;

  constructor(host: SymbolHost, options: SymbolizerOptions = {}) {
    this.#host = host;
    this.#options = options;
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
    const processes = this.#processes(maps);
    const places = this.#asked(processes, addresses);
    return places.map((place, i) => {
      if (place === undefined) {
        this.#count(nowhere(processes, addresses[i]), 'nowhere', addresses[i]);
        return undefined;
      }
      const { binary, path, at } = place;
      const names = binary === undefined ? undefined : this.#workOf(binary).known.get(at);
      if (names !== undefined) return { names, module: path, resolved: true, read: true };
      this.#count(path, binary === undefined ? place.reason : 'stripped', addresses[i]);
      const name = `[${printable(nameOf(path))}+0x${at.toString(16)}]`;
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
    return this.#asked(this.#processes(maps), addresses).map((place) => {
      const names = place?.binary === undefined ? undefined : this.#workOf(place.binary).known.get(place.at);
      return place && names && { names, module: place.path, resolved: true, read: true };
    });
  }

  /** The places of addresses, with all known that there is to know of them. */
  #asked(processes: readonly Process[], addresses: readonly bigint[]): (Place | undefined)[] {
    const places = addresses.map((address) => this.#place(processes, address));
    for (const place of places) if (place !== undefined) this.#ask(place);
    this.#answer();
    return places;
  }

  /**
   * What is known where calls in a file return to, for a recording that does not say where the file was mapped.
   * Undefined for all places if the file here cannot be the one recorded: each must lie behind a call.
   * @param path as recorded, perhaps relative to a folder that is not known
   * @param places return addresses less the address that the file was mapped at, or, of a program that is not relocated, as they were
   */
  returnsIn(path: string, places: readonly number[]): (AddressNames | undefined)[] {
    let reason: Reason = 'missing';
    for (const candidate of this.#candidates(path, false)) {
      const binary = this.#open(candidate, path);
      if (binary === undefined) continue;
      const { image } = binary;
      const lowest = Math.min(...image.segments.map(({ address }) => address));
      const start = lowest - (lowest % Number(PAGES[0]));
      const base = (image.fixedAddresses ? [start, 0] : [start]).find((from) => places.every((place) => followsCall(image, from + place)));
      if (base === undefined) {
        reason = 'different';
        continue;
      }
      const at = places.map((place) => base + place - 1);
      for (const address of at) this.#ask({ path, binary, reason, at: address });
      this.#answer();
      const { known } = this.#workOf(binary);
      return at.map((address) => {
        const names = known.get(address);
        if (names === undefined) this.#count(path, 'stripped', BigInt(address));
        return names && { names, module: path, resolved: true, read: true };
      });
    }
    for (const place of places) this.#count(path, reason, BigInt(place));
    return places.map(() => undefined);
  }

  /**
   * Learns what `names` will say of addresses, with the tools of all files at work beside each other and beside the reading of symbol tables.
   * Changes nothing but the time that `names` takes.
   */
  async prepare(maps: readonly string[], addresses: readonly bigint[]): Promise<void> {
    const begin = this.#host.begin?.bind(this.#host);
    if (begin === undefined) return;
    const processes = this.#processes(maps);
    for (const address of addresses) {
      const place = this.#place(processes, address);
      if (place !== undefined) this.#ask(place);
    }
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
   * The functions that hold addresses, each once, by file in the order of the mappings, then by short name.
   * Addresses that no symbol holds are in none.
   * @param maps texts of /proc/PID/maps
   */
  routines(maps: readonly string[], addresses: readonly bigint[]): Routine[] {
    const processes = this.#processes(maps);
    const routines = new Map<string, Routine>();
    const places = addresses.map((address) => this.#place(processes, address));
    const asked = new Map<Binary, number[]>();
    for (const place of places) {
      if (place?.binary === undefined) continue;
      const list = asked.get(place.binary);
      if (list === undefined) asked.set(place.binary, [place.at]);
      else list.push(place.at);
    }
    const tables = new Map([...asked].map(([binary, list]) => [binary, binary.functions(list.sort((a, b) => a - b))]));
    const symbols = places.map((place) => (place?.binary === undefined ? undefined : tables.get(place.binary)?.find(place.at)));
    this.#demangle(symbols.flatMap((symbol) => symbol?.aliases ?? []));
    for (const [i, place] of places.entries()) {
      const symbol = symbols[i];
      if (place?.binary === undefined || symbol === undefined) continue;
      const load = addresses[i] - BigInt(place.at);
      const key = `${load} ${symbol.start} ${place.path}`;
      if (routines.has(key)) continue;
      const fn = readableName(symbol.name);
      const { short } = nameForms(symbol.name);
      const { start, end } = symbol;
      const names = new Set(
        [symbol.name, ...(symbol.aliases ?? [])].flatMap((name) => [readableName(name), ...Object.values(nameForms(name))]),
      );
      routines.set(key, { fn, short, names, path: place.binary.path, debug: place.binary.debug, load, start, end });
    }
    return [...routines.values()].sort(
      (a, b) => Number(a.load - b.load) || (a.short < b.short ? -1 : a.short > b.short ? 1 : a.start - b.start),
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
    for (const candidate of this.#candidates(path, false)) {
      const file = this.#host.open(candidate);
      if (file === undefined) continue;
      const text = new TextDecoder().decode(file.read(0, file.size)).replaceAll('\r', '');
      return text.replace(/\n$/, '').split('\n');
    }
    return undefined;
  }

  /** One line on the addresses that have no name and what helps; empty if there are none. */
  notes(): string[] {
    const notes: string[] = [];
    const groups = [...this.#unnamed.values()].sort((a, b) => b.addresses.size - a.addresses.size);
    const total = groups.reduce((sum, { addresses }) => sum + addresses.size, 0);
    if (total > 0) {
      const shown = groups.slice(0, 3).map(({ path, reason, addresses }) => `${addresses.size} in ${path} (${FACTS[reason]})`);
      if (groups.length > 3) shown.push(`${groups.length - 3} more files`);
      const remedies = [...new Set(groups.map(({ reason }) => REMEDIES[reason]))].filter((remedy) => remedy !== '');
      const remedy = remedies.length === 0 ? '' : `; ${remedies.join('; ')}`;
      notes.push(`${total} ${total === 1 ? 'address has' : 'addresses have'} no name: ${shown.join(', ')}${remedy}`);
    }
    if (this.#withoutTool)
      notes.push(
        'lines and inlined functions are missing where debug information is of a kind that only tools read, and neither addr2line nor llvm-symbolizer runs; install one, or name it by --tools',
      );
    return notes;
  }

  #processes(maps: readonly string[]): Process[] {
    return [...new Set(maps)].map((text) => ({ mappings: parseMaps(text), files: new Map<Mapping, MappedFile>() }));
  }

  /** The file of an address and the place in it: the address before relocation, or the offset in a file that cannot be used. */
  #place(processes: readonly Process[], address: bigint): Place | undefined {
    for (const { mappings, files } of processes) {
      const index = findMapping(mappings, address);
      if (index < 0) continue;
      const mapping = mappings[index];
      if (!mapping.path.startsWith('/')) continue;
      let file = files.get(mapping);
      if (file === undefined) files.set(mapping, (file = this.#fileOf(mappings, index)));
      const offset = Number(address - mapping.start + mapping.offset);
      const at = file.binary?.image.addressOf(offset);
      return at === undefined ? { ...file, binary: undefined, at: offset } : { ...file, at };
    }
    return this.#fixedPlace(address);
  }

  /** What lies in no mapping belongs to a program or library that is not relocated, if one was named. */
  #fixedPlace(address: bigint): Place | undefined {
    const { program, extraLibrary } = this.#options;
    for (const path of [extraLibrary, program]) {
      const binary = path === undefined ? undefined : this.#open(path, path);
      if (path === undefined || binary === undefined || (path === program && !binary.image.fixedAddresses)) continue;
      if (binary.image.isCode(Number(address))) return { path, binary, reason: 'stripped', at: Number(address) };
    }
    return undefined;
  }

  #fileOf(mappings: readonly Mapping[], index: number): MappedFile {
    const { path } = mappings[index];
    const original = path.replace(DELETED, '');
    const isDeleted = original !== path;
    let reason: Reason = isDeleted ? 'deleted' : 'missing';
    for (const candidate of this.#candidates(original, isDeleted)) {
      const binary = this.#open(candidate, original);
      if (binary === undefined) continue;
      if (fits(binary, mappings, index)) return { path, binary, reason };
      if (!isDeleted) reason = 'different';
    }
    return { path, binary: undefined, reason };
  }

  /** Where a mapped file may be now; what is at the path of a deleted one is another file. */
  *#candidates(path: string, isDeleted: boolean): Generator<string> {
    const { program, prefixes = [] } = this.#options;
    if (program !== undefined && nameOf(program) === nameOf(path)) yield program;
    for (let suffix = path.startsWith('/') ? path : `/${path.replace(/^(?:\.\/+)+/, '')}`; suffix.startsWith('/'); ) {
      for (const prefix of prefixes) yield prefix.replace(/\/+$/, '') + suffix;
      const next = suffix.indexOf('/', 1);
      if (next < 0) break;
      suffix = suffix.slice(next);
    }
    if (!isDeleted) yield path;
  }

  #open(path: string, mappedPath: string): Binary | undefined {
    const known = this.#binaries.get(path);
    if (known !== undefined || this.#binaries.has(path)) return known;
    const binary = openBinary(this.#host, path, mappedPath, this.#options.debugFolders ?? []);
    this.#binaries.set(path, binary);
    return binary;
  }

  #workOf(binary: Binary): Work {
    const key = binary.image.buildId ?? binary.path;
    let work = this.#work.get(key);
    if (work === undefined)
      this.#work.set(key, (work = { binary, known: new Map(), asked: new Set(), kept: KeptAnswers.of(this.#host, binary) }));
    return work;
  }

  #ask({ binary, at }: Place): void {
    if (binary === undefined) return;
    const work = this.#workOf(binary);
    if (work.known.has(at)) return;
    const answer = work.kept?.get(at);
    if (answer === undefined) work.asked.add(at);
    else work.known.set(at, namesAt(answer));
  }

  /** Names all that has been asked: a process a binary, and one for the readable forms of the names. */
  #answer(): void {
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

  #count(path: string, reason: Reason, address: bigint): void {
    const key = `${reason} ${path}`;
    let group = this.#unnamed.get(key);
    if (group === undefined) this.#unnamed.set(key, (group = { path, reason, addresses: new Set() }));
    group.addresses.add(address);
  }
}

const FACTS: Readonly<Record<Reason, string>> = {
  missing: 'not on this machine',
  deleted: 'deleted while it ran',
  different: 'not the file that was mapped',
  stripped: 'no symbol there',
  nowhere: 'no code of a file',
};
const REMEDIES: Readonly<Record<Reason, string>> = {
  missing: '--lib_prefix DIR says where the files are now',
  deleted: '--lib_prefix DIR says where the files are now',
  different: '--lib_prefix DIR says where the files are now',
  stripped: 'debug symbols, installed or in --debug-dir DIR, give names',
  nowhere: '',
};

/** Sizes of pages that Linux maps files in. */
const PAGES = [0x1000n, 0x4000n, 0x10000n];

/** True if an executable part of a file lies in memory as the mapping does: same offset, same length, in whole pages. */
function fits({ image }: Binary, mappings: readonly Mapping[], index: number): boolean {
  const { path, permissions } = mappings[index];
  // A part may be mapped in several pieces, where some of its pages have other permissions.
  const follows = (a: Mapping, b: Mapping) => b.path === path && a.end === b.start && a.offset + (a.end - a.start) === b.offset;
  const isCode = (mapping: Mapping) => mapping.permissions.includes('x');
  if (!permissions.includes('x')) return false;
  let first = index;
  while (first > 0 && follows(mappings[first - 1], mappings[first]) && isCode(mappings[first - 1])) first--;
  let last = index;
  while (last + 1 < mappings.length && follows(mappings[last], mappings[last + 1]) && isCode(mappings[last + 1])) last++;
  const start = mappings[first].offset;
  const end = mappings[last].offset + mappings[last].end - mappings[last].start;
  return image.segments.some((part) => {
    if (!part.executable) return false;
    const from = BigInt(part.offset);
    const to = from + BigInt(part.size);
    return PAGES.some((page) => from - (from % page) === start && roundUp(to, page) === end);
  });
}

const roundUp = (value: bigint, page: bigint) => ((value + page - 1n) / page) * page;

/** What an address of no file lies in: as the last mapping that holds it says. */
function nowhere(processes: readonly Process[], address: bigint): string {
  let name = 'no mapped file';
  for (const { mappings } of processes) {
    const index = findMapping(mappings, address);
    if (index >= 0 && !mappings[index].path.startsWith('/')) name = mappings[index].path || 'memory of no file';
  }
  return name;
}

const asText = (output: Uint8Array | undefined) => (output === undefined ? undefined : new TextDecoder().decode(output));

const symbolNames = (found: readonly (KnownSymbol | undefined)[]) =>
  found.flatMap((symbol) => (symbol === undefined ? [] : [symbol.name, symbol.firstName]));

/** The names in answers of `sourceLines`. */
function namesOf(found: readonly (readonly SourceFrame[] | undefined)[]): string[] {
  return found.flatMap((frames) => (frames ?? []).flatMap(({ name }) => name ?? []));
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

/** Functions at an address of a file: debug information and symbol table together (jeprof, MapSymbolsWithNM and MapToSymbols). */
function namesAt({ symbol, lines }: Answer): readonly NamedFunction[] | undefined {
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

function nameForms(mangled: string): NameForms {
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

const readableName = (mangled: string) => printable(demangle(mangled));
