/**
 * Names of bare addresses from the mapped files: their symbol tables and, through addr2line, their debug information
 * (jeprof: ExtractSymbols, MapToSymbols, MapSymbolsWithNM).
 * Invariant: an address has a name only if it lies in a mapping of a file that could be read, or in that of no library and the program could be.
 * Differs: the symbol tables are read here, not by nm; addr2line and c++filt are run by the caller, or not at all.
 * Addresses in `_fini`, which jeprof takes for its mark between answers, do not shift the names of those after them.
 */
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import { findMapping, isCode, parseMaps } from '../heap/maps.ts';
import type { Profile } from '../profile.ts';
import { filteredBy } from '../symbols/demangle.ts';
import type { ElfImage } from '../symbols/elf.ts';
import { readElf } from '../symbols/elf.ts';
import type { SymbolHost } from '../symbols/host.ts';
import { shortFunctionName } from './names.ts';
import type { NearestSymbols } from './nearest.ts';
import { findSymbol, nearestSymbols } from './nearest.ts';
import type { SymbolName, SymbolSource } from './symbols.ts';

/** What the source takes from its surroundings. */
export interface Surroundings {
  readonly open: SymbolHost['open'];
  /**
   * Runs `addr2line` or `c++filt` with these arguments and standard input and gives its standard output; undefined if that fails.
   * Without it names stay mangled, and there are no lines and no inlined functions.
   */
  readonly run?: (tool: 'addr2line' | 'c++filt', args: readonly string[], input: string) => string | undefined;
  /** Folders that mapped paths, or the ends of them, are looked for in first (FindLibrary). */
  readonly prefixes?: readonly string[];
  /** A file whose code is not relocated: it has the addresses of its section .text. */
  readonly extraLibrary?: string | undefined;
}

/** Addresses of one file. */
interface Image {
  /** The file that has the symbols: the mapped one, or its debug file. */
  readonly path: string;
  readonly file: ElfImage;
  readonly symbols: NearestSymbols;
  /** Index in the looked-up addresses, and the address in the file before relocation. */
  readonly rows: number[];
  readonly addresses: number[];
}

/** What jeprof takes for a library by its path. What lies in other files that are not there is the program's. */
const LIBRARY = /^\S+\.(?:so|dll|dylib|bundle)(?:(?:\.\d+)+\w*(?:\.\d+){0,3})?$/i;
const LAST_ADDRESS = 0xffffffffffffffffn;
const NOWHERE = { path: '', start: 0n, offset: 0n };

/** Between addresses: addr2line gives any number of lines for an address, and this function's name for this one. */
const SEPARATOR = '_fini';

/**
 * Names from the files that a profile's maps name, and from their debug files in /usr/lib/debug, by path and by build id.
 * @param maps text of /proc/PID/maps
 * @param program what lies in no mapping is looked up in this file, as if it were not relocated
 * @param last the greatest address that may be the program's
 */
export function elfSymbolSource(maps: string, surroundings: Surroundings, program?: string, last = LAST_ADDRESS): SymbolSource {
  const { open, run, prefixes = [], extraLibrary } = surroundings;
  const mappings = parseMaps(maps).filter(isCode);
  const images = new Map<string, Image | undefined>();
  /** By path; the program that is not relocated has none. */
  const imageOf = (path: string | undefined): Image | undefined => {
    const key = path ?? '';
    const file = path === undefined ? program : findLibrary(path, prefixes, open);
    if (!images.has(key)) images.set(key, file === undefined ? undefined : openImage(file, open));
    return images.get(key);
  };
  const extra = extraLibrary === undefined ? undefined : openImage(extraLibrary, open);
  const text = extra?.file.sections.find(({ name }) => name === '.text');
  return {
    lookup(addresses) {
      const result: (readonly SymbolName[] | undefined)[] = addresses.map(() => undefined);
      // Ascending, as jeprof asks: what addr2line says of an address may depend on those before.
      const order = [...addresses.keys()].sort((a, b) => (addresses[a] < addresses[b] ? -1 : addresses[a] > addresses[b] ? 1 : 0));
      for (const row of order) {
        const address = addresses[row];
        const index = findMapping(mappings, address);
        const { path, start, offset } = mappings[index] ?? NOWHERE;
        // Of what holds an address that which starts last counts.
        if (
          extra !== undefined &&
          text !== undefined &&
          address >= text.address &&
          address <= text.address + text.size &&
          start < text.address
        ) {
          extra.rows.push(row);
          extra.addresses.push(Number(address));
          continue;
        }
        const image = path.startsWith('/') ? imageOf(path) : undefined;
        if (image === undefined && !LIBRARY.test(path)) {
          const fixed = address > last ? undefined : imageOf(undefined);
          fixed?.rows.push(row);
          fixed?.addresses.push(Number(address));
          continue;
        }
        const inFile = Number(address - start + offset);
        const segment = image?.file.segments.find((part) => inFile >= part.offset && inFile < part.offset + part.size);
        if (image === undefined || segment === undefined) continue;
        image.rows.push(row);
        image.addresses.push(inFile - segment.offset + segment.address);
      }
      for (const image of [extra, ...images.values()]) {
        if (image === undefined) continue;
        const names = tableNames(image, addresses, run);
        const lines = run === undefined ? undefined : debugNames(image, names, run);
        image.rows.forEach((row, i) => {
          const name = names[i];
          result[row] = lines?.[i] ?? (name && [name]);
        });
        image.rows.length = image.addresses.length = 0;
      }
      return result;
    },
  };
}

/** The greatest address of a profile's calls: jeprof takes the program to end there. */
export function lastAddress({ stacks }: Profile): bigint {
  let last = 0n;
  for (let stack = 0; stack < stacks.length; stack++) {
    stacks.framesOf(stack as StackIndex).forEach((frame, i) => {
      const address = stacks.frames.addressOf(frame as FrameIndex) - (i === 0 ? 0n : 1n);
      if (address > last) last = address;
    });
  }
  return last;
}

/** Where a library is: behind the first prefix that has it, all of its path before the ends of that, else where it was mapped. */
function findLibrary(path: string, prefixes: readonly string[], open: Surroundings['open']): string {
  for (let suffix = path; suffix !== ''; suffix = suffix.slice(Math.max(0, suffix.indexOf('/', 1)))) {
    const found = prefixes.map((prefix) => prefix + suffix).find((candidate) => open(candidate) !== undefined);
    if (found !== undefined) return found;
    if (!suffix.includes('/', 1)) break;
  }
  return path;
}

function openImage(path: string, open: Surroundings['open']): Image | undefined {
  const imageOf = (candidate: string): ElfImage | undefined => {
    const file = open(candidate);
    return file === undefined ? undefined : readElf(file);
  };
  const file = imageOf(path);
  if (file === undefined) return undefined;
  const symbolsOf = (candidate: string): NearestSymbols | undefined => {
    const image = imageOf(candidate);
    return image === undefined ? undefined : nearestSymbols(image);
  };
  const { buildId = '' } = file;
  const debugPaths = [`/usr/lib/debug${path}`, `/usr/lib/debug${path}.debug`];
  for (const debugPath of debugPaths) {
    const symbols = symbolsOf(debugPath);
    if (symbols !== undefined && symbols.starts.length > 0) return { path: debugPath, file, symbols, rows: [], addresses: [] };
  }
  // addr2line finds the debug file of a build id by itself, and jeprof asks nm about the mapped file only.
  const own = nearestSymbols(file);
  const symbols = own.starts.length > 0 ? own : symbolsOf(`/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`);
  return { path, file, symbols: symbols ?? own, rows: [], addresses: [] };
}

/** Names from the symbol table, by row of the image; an address that it has no symbol for is its own name, and none has one if it is empty. */
function tableNames({ symbols, addresses, rows }: Image, asked: readonly bigint[], run: Surroundings['run']): (SymbolName | undefined)[] {
  if (symbols.starts.length === 0) return addresses.map(() => undefined);
  const found = addresses.map((address) => findSymbol(symbols, address));
  const mangled = [...new Set(found.filter((index) => index >= 0).map((index) => symbols.names[index]))];
  const demangled = filteredBy((args, input) => run?.('c++filt', args, input), mangled);
  const readable = new Map(mangled.map((name, i) => [name, demangled[i]]));
  return found.map((index, i) => {
    if (index < 0) {
      const hex = `0x${asked[rows[i]].toString(16).padStart(16, '0')}`;
      return { short: hex, location: '?', full: hex };
    }
    const name = readable.get(symbols.names[index]) + symbols.versions[index];
    // The address tells functions of equal names apart; jeprof forgets it where several names share an address.
    const full = symbols.shared[index] ? name : `${name}<${symbols.starts[index].toString(16).padStart(16, '0')}>`;
    return { short: shortFunctionName(name), location: '?', full };
  });
}

/** Names, files and lines from debug information, outermost function first; undefined if addr2line does not run. */
function debugNames(
  image: Image,
  names: readonly (SymbolName | undefined)[],
  run: NonNullable<Surroundings['run']>,
): (SymbolName[] | undefined)[] | undefined {
  const separator = image.symbols.names.indexOf(SEPARATOR);
  const hex = (address: number) => address.toString(16).padStart(16, '0');
  const after = separator < 0 ? '' : `${hex(image.symbols.starts[separator])}\n`;
  const result: SymbolName[][] = image.addresses.map(() => []);
  // The separator's own addresses cannot be asked for.
  const asked = image.addresses.map((_, i) => i).filter((i) => separator < 0 || names[i]?.short !== SEPARATOR);
  const input = asked.map((i) => `${hex(image.addresses[i])}\n${after}`).join('');
  // Without the separator nothing tells where the functions of an address end: then without inlined ones.
  const output = run('addr2line', ['-f', '-C', '-e', image.path, ...(separator < 0 ? [] : ['-i'])], input);
  if (output === undefined) return undefined;
  const lines = output.split('\n');
  let at = 0;
  for (let i = 0; i + 1 < lines.length && at < asked.length; i += 2) {
    const full = lines[i];
    if (separator >= 0 && full === SEPARATOR) {
      at++;
      continue;
    }
    result[asked[at]].unshift(
      preferTable({ short: shortFunctionName(full), location: lines[i + 1].replaceAll('\\', '/'), full }, names[asked[at]]),
    );
    if (separator < 0) at++;
  }
  return result.map((symbols) => (symbols.length === 0 ? undefined : symbols));
}

/** The name with its address from the symbol table, if it is the same function or the only name. */
function preferTable(debug: SymbolName, table: SymbolName | undefined): SymbolName {
  if (table === undefined) return debug;
  if (debug.full !== '??' && !table.full.startsWith(debug.short)) return debug;
  return { short: table.short, location: debug.location, full: table.full };
}
