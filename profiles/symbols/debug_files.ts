/**
 * A mapped file and the files that tell more about it (GDB manual, "Debugging Information in Separate Files"; jeprof, DebuggingLibrary).
 * Invariant: a debug file is taken only if it belongs to the mapped one: equal build ids, or the checksum that the mapped file gives.
 * Differs: nothing is fetched (no debuginfod), and the symbols that Fedora keeps in `.gnu_debugdata` are used where `xz` is there to unpack them.
 */
import { crc32 } from 'node:zlib';
import type { ElfImage } from './elf.ts';
import { readElf } from './elf.ts';
import type { SymbolFile, SymbolHost } from './host.ts';
import type { FunctionTable } from './symbol_table.ts';
import { functionsOf } from './symbol_table.ts';
import { SHT_SYMTAB } from './elf.ts';

/** Where debug files are, after those that the user names. */
const DEBUG_FOLDERS = ['/usr/lib/debug'];
/** Bytes read at a time for a checksum. */
const CHUNK = 1 << 20;

/** A file with debug information. */
export interface DebugBinary {
  readonly path: string;
  readonly image: ElfImage;
}

/** A binary and what is known of its functions. */
export interface Binary {
  /** The file that was read. */
  readonly path: string;
  readonly image: ElfImage;
  /** Functions that hold some addresses (ascending). Undefined: the file and its debug file list none. */
  functions(addresses: readonly number[]): FunctionTable | undefined;
  /** Those of them that are not `listed`: of another table. */
  unlisted(addresses: readonly number[]): FunctionTable | undefined;
  /** Those that jeprof knows (by `nm`): of the file itself, or of a debug file at its path below /usr/lib/debug, but of none that only its build id leads to. */
  listed(addresses: readonly number[]): FunctionTable | undefined;
  /** The file with lines and inlined functions. */
  readonly debug: DebugBinary | undefined;
  /** The files that all this comes from. */
  readonly sources: readonly { readonly path: string; readonly size: number; readonly modified: number | undefined }[];
}

/**
 * Opens a binary and its debug file; undefined if it is not there or is no ELF file.
 * @param path where it is
 * @param mappedPath where it was when the program ran
 * @param folders of debug files, besides the usual ones
 */
export function openBinary(host: SymbolHost, path: string, mappedPath: string, folders: readonly string[]): Binary | undefined {
  const image = imageAt(host, path);
  if (image === undefined) return undefined;
  const hasTable = (of: ElfImage) => of.sections.some(({ type, size }) => type === SHT_SYMTAB && size > 0);
  let debug = image.hasDebugInfo ? { path, image } : undefined;
  let symbols = hasTable(image) ? { path, image } : undefined;
  let isListed = symbols !== undefined;
  if (debug === undefined || symbols === undefined) {
    for (const candidate of candidates(image, path, mappedPath, [...folders, ...DEBUG_FOLDERS])) {
      const other = candidate === path ? undefined : imageAt(host, candidate);
      if (other === undefined || !belongs(other, image)) continue;
      if (other.hasDebugInfo) debug ??= { path: candidate, image: other };
      if (symbols === undefined && hasTable(other)) {
        symbols = { path: candidate, image: other };
        isListed = DEBUG_FOLDERS.some((folder) => candidate === folder + path || candidate === `${folder}${path}.debug`);
      }
      if (debug !== undefined && symbols !== undefined) break;
    }
  }
  // Tables are read when they are asked: what tells lines is at work by then.
  const full = once(() => symbols?.image ?? packedSymbols(host, image));
  const all = (addresses: readonly number[]) => functionsOf(full(), addresses);
  const listed = (addresses: readonly number[]) => (isListed ? all(addresses) : undefined) ?? functionsOf(image, addresses);
  return {
    path,
    image,
    functions: (addresses) => all(addresses) ?? listed(addresses),
    unlisted: (addresses) => (isListed ? undefined : all(addresses)),
    listed,
    debug,
    sources: [{ path, image }, debug, symbols].flatMap((source) => {
      if (source === undefined) return [];
      const { size, modified } = source.image.file;
      return [{ path: source.path, size, modified }];
    }),
  };
}

/** What `make` gives, made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function imageAt(host: SymbolHost, path: string): ElfImage | undefined {
  const file = host.open(path);
  return file === undefined ? undefined : readElf(file);
}

/** Paths where a debug file may be, likeliest first. */
function* candidates({ buildId, debugLink }: ElfImage, path: string, mappedPath: string, folders: readonly string[]): Generator<string> {
  const places = [...new Set([mappedPath, path])].filter((place) => place.startsWith('/'));
  for (const folder of folders) {
    if (buildId !== undefined && buildId.length > 2) yield `${folder}/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`;
  }
  const base = folderOf(path);
  if (debugLink !== undefined) {
    yield `${base}/${debugLink.name}`;
    yield `${base}/.debug/${debugLink.name}`;
  }
  for (const folder of folders) {
    if (debugLink !== undefined) {
      for (const place of places) yield `${folder}${folderOf(place)}/${debugLink.name}`;
      yield `${folder}/${debugLink.name}`;
    }
    for (const place of places) {
      yield `${folder}${place}.debug`;
      yield `${folder}${place}`;
    }
    yield `${folder}/${nameOf(mappedPath)}.debug`;
    yield `${folder}/${nameOf(mappedPath)}`;
  }
  yield `${path}.debug`;
}

function belongs(other: ElfImage, { buildId, debugLink }: ElfImage): boolean {
  if (buildId !== undefined && other.buildId !== undefined) return buildId === other.buildId;
  return debugLink !== undefined && checksum(other.file) === debugLink.crc;
}

function checksum(file: SymbolFile): number {
  let sum = 0;
  for (let at = 0; at < file.size; at += CHUNK) sum = crc32(file.read(at, Math.min(CHUNK, file.size - at)), sum);
  return sum;
}

/** The symbols that a stripped file carries compressed. */
function packedSymbols(host: SymbolHost, image: ElfImage): ElfImage | undefined {
  const section = image.section('.gnu_debugdata');
  const packed = image.content(section);
  const bytes = packed === undefined ? undefined : host.run('xz', ['--decompress', '--stdout'], packed);
  if (bytes === undefined) return undefined;
  return readElf({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) });
}

/** A path without its last part; empty for what lies in the root. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
