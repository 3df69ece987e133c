/**
 * The files that a process had mapped, as they are here: by the paths of its mappings, and where jeprof's flags say.
 * Invariant: a file is taken for the mapped one only if its executable part has the mapping's offset and length, or, where mappings are not known, if calls in
 * it return to all the places that were recorded.
 */
import { findMapping, isCode, mainProgram, type Mapping, parseMaps } from '../heap/maps.ts';
import { followsCall } from './call_sites.ts';
import { type Binary, nameOf, openBinary } from './debug_files.ts';
import type { SymbolHost } from './host.ts';
import type { Reason } from './unnamed.ts';

/** Where to look for files, as jeprof's flags say it. */
export interface SymbolizerOptions {
  /** The program: stands for the mapped file of the same name, and for the process's program where that is not here. */
  readonly program?: string | undefined;
  /** `--lib_prefix`: folders that mapped paths, or the ends of them, are looked for in first. */
  readonly prefixes?: readonly string[] | undefined;
  /** `--add_lib`: a file whose addresses are not relocated. */
  readonly extraLibrary?: string | undefined;
  /** `--debug-dir`: folders of debug files, besides /usr/lib/debug. */
  readonly debugFolders?: readonly string[] | undefined;
}

/** A mapped file: which one it is here, or why it cannot be used. */
interface MappedFile {
  readonly path: string;
  readonly binary: Binary | undefined;
  readonly reason: Reason;
}

/** A mapped file and a place in it. */
export type Place = MappedFile & { readonly at: number };

/** Mappings of a process, and the files of those that have been asked for. */
export interface Process {
  readonly mappings: readonly Mapping[];
  readonly files: Map<Mapping, MappedFile>;
}

/** What ends the path of a file that is no longer there. */
export const DELETED: RegExp = / \(deleted\)$/;

/** Sizes of pages that Linux maps files in. */
const PAGES = [0x1000n, 0x4000n, 0x10000n];

/** Processes by the texts of their /proc/PID/maps, equal ones once. */
export function processesOf(maps: readonly string[]): Process[] {
  return [...new Set(maps)].map((text) => ({ mappings: parseMaps(text), files: new Map<Mapping, MappedFile>() }));
}

/** Finds the files, and keeps those that were opened. */
export class MappedFiles {
  readonly #host: SymbolHost;
  readonly #options: SymbolizerOptions;
  /** By the path here. */
  readonly #binaries = new Map<string, Binary | undefined>();

  constructor(host: SymbolHost, options: SymbolizerOptions) {
    this.#host = host;
    this.#options = options;
  }

  /** For each address its file and the place in that; undefined for one in no file. */
  places(processes: readonly Process[], addresses: readonly bigint[]): (Place | undefined)[] {
    return addresses.map((address) => this.#place(processes, address));
  }

  /**
   * The file here that was recorded at a path, if calls in it return to all these places; else why there is none.
   * @param path perhaps relative to a folder that is not known
   * @param places return addresses less the address that the file was mapped at, or, of a program that is not relocated, as they were
   * @returns with the file, `base`: what its addresses are more than the places
   */
  returnedTo(path: string, places: readonly number[]): { readonly binary: Binary; readonly base: number } | Reason {
    let reason: Reason = 'missing';
    for (const candidate of this.candidates(path)) {
      const binary = this.#open(candidate, path);
      if (binary === undefined) continue;
      const { image } = binary;
      const lowest = Math.min(...image.segments.map(({ address }) => address));
      const start = lowest - (lowest % Number(PAGES[0]));
      const base = (image.fixedAddresses ? [start, 0] : [start]).find((from) => places.every((place) => followsCall(image, from + place)));
      if (base !== undefined) return { binary, base };
      reason = 'different';
    }
    return reason;
  }

  /**
   * Where a mapped file may be now; what is at the path of a deleted one is another file.
   * @param isProgram whether it is the process's program
   */
  *candidates(path: string, isDeleted = false, isProgram = false): Generator<string> {
    const { program, prefixes = [] } = this.#options;
    if (program !== undefined && nameOf(program) === nameOf(path)) yield program;
    for (let suffix = path.startsWith('/') ? path : `/${path.replace(/^(?:\.\/+)+/, '')}`; suffix.startsWith('/'); ) {
      for (const prefix of prefixes) yield prefix.replace(/\/+$/, '') + suffix;
      const next = suffix.indexOf('/', 1);
      if (next < 0) break;
      suffix = suffix.slice(next);
    }
    if (!isDeleted) yield path;
    // Under another name now; last, since several dumps may be of several programs.
    if (program !== undefined && isProgram) yield program;
  }

  /** The file of an address and the place in it: the address before relocation, or the offset in a file that cannot be used. */
  #place(processes: readonly Process[], address: bigint): Place | undefined {
    for (const { mappings, files } of processes) {
      const index = findMapping(mappings, address);
      if (index < 0) continue;
      const mapping = mappings[index];
      // Stacks followed by frame pointers lead into data where code keeps none; and there may be data where code was unloaded.
      if (!mapping.path.startsWith('/') || !isCode(mapping)) continue;
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
    for (const candidate of this.candidates(original, isDeleted, path === mainProgram(mappings))) {
      const binary = this.#open(candidate, original);
      if (binary === undefined) continue;
      if (fits(binary, mappings, index)) return { path, binary, reason };
      if (!isDeleted) reason = 'different';
    }
    return { path, binary: undefined, reason };
  }

  #open(path: string, mappedPath: string): Binary | undefined {
    const known = this.#binaries.get(path);
    if (known !== undefined || this.#binaries.has(path)) return known;
    const binary = openBinary(this.#host, path, mappedPath, this.#options.debugFolders ?? []);
    this.#binaries.set(path, binary);
    return binary;
  }
}

/** True if an executable part of a file lies in memory as the mapping, which is executable, does: same offset, same length, in whole pages. */
function fits({ image }: Binary, mappings: readonly Mapping[], index: number): boolean {
  const { path } = mappings[index];
  // A part may be mapped in several pieces, where some of its pages have other permissions.
  const follows = (a: Mapping, b: Mapping) => b.path === path && a.end === b.start && a.offset + (a.end - a.start) === b.offset;
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
export function nowhere(processes: readonly Process[], address: bigint): string {
  let name = 'no mapped file';
  for (const { mappings } of processes) {
    const index = findMapping(mappings, address);
    if (index >= 0) name = mappings[index].path || 'memory of no file';
  }
  return name;
}
