/**
 * The file that parts shared by several files have been moved to (dwz: .gnu_debugaltlink; DWARF 5, section 7.3.6 "DWARF Supplementary Object Files": .debug_sup).
 * Invariant: it is taken only if it is the one that is meant: by its build id, or by the checksum that both give.
 */
import { folderOf } from '../debug_files.ts';
import { type ElfImage, readElf, stringAt } from '../elf.ts';
import type { SymbolHost } from '../host.ts';
import { Cursor, Damaged } from './cursor.ts';

/** Which file it is. */
interface Link {
  readonly name: string;
  /** Hex digits. */
  readonly id: string;
}

/** Opens the file with shared parts; undefined if there is none, or it is not here. @param path of the file that refers to it */
export function openAlternate(host: SymbolHost, image: ElfImage, path: string): ElfImage | undefined {
  const link = gnuLink(image) ?? supplementary(image);
  if (link === undefined) return undefined;
  const { name, id } = link;
  for (const candidate of [
    name.startsWith('/') ? name : `${folderOf(path)}/${name}`,
    `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`,
  ]) {
    const file = host.open(candidate);
    const other = file === undefined ? undefined : readElf(file);
    if (other !== undefined && (other.buildId === id || supplementary(other)?.id === id)) return other;
  }
  return undefined;
}

/** A file's name, and behind its zero byte the build id. */
function gnuLink(image: ElfImage): Link | undefined {
  const bytes = image.content(image.section('.gnu_debugaltlink'));
  const end = bytes?.indexOf(0) ?? -1;
  if (bytes === undefined || end <= 0 || end + 1 === bytes.length) return undefined;
  return { name: stringAt(bytes, 0), id: Buffer.from(bytes.subarray(end + 1)).toString('hex') };
}

/** Of both files: a version, which of them it is, the other's name in the one that refers to it, and a checksum. */
function supplementary(image: ElfImage): Link | undefined {
  const bytes = image.content(image.section('.debug_sup'));
  if (bytes === undefined) return undefined;
  try {
    const cursor = new Cursor(bytes, image.little);
    cursor.take(3);
    const name = cursor.text();
    const from = cursor.take(cursor.uleb());
    return { name, id: Buffer.from(bytes.subarray(from, cursor.at)).toString('hex') };
  } catch (error) {
    if (error instanceof Damaged) return undefined;
    throw error;
  }
}
