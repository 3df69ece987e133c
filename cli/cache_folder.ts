/**
 * Folders in the user's cache folder (XDG Base Directory Specification: $XDG_CACHE_HOME, else ~/.cache), and room in them.
 */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * A folder for what later runs may use; undefined if nothing is to be kept.
 * @param name of ours among those of the cache
 * @param own what the user says: another folder, or `off`
 */
export function cacheFolder(name: string, own: string | undefined, environment: NodeJS.ProcessEnv): string | undefined {
  if (own !== undefined && own !== '') return own === 'off' ? undefined : own;
  const cache = environment['XDG_CACHE_HOME'] ?? '';
  try {
    // A relative path is to be ignored, says the specification.
    const [place, ...below] = isAbsolute(cache) ? [cache] : [homedir(), '.cache'];
    return isOfUser(place) ? join(place, ...below, 'jereplay', name) : undefined;
  } catch {
    // A user without a home.
    return undefined;
  }
}

/** False for another user's folder, as a home is under sudo: what is left there the other could not replace, and what is found there is the other's. */
function isOfUser(folder: string): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat === undefined || process.getuid === undefined || stat.uid === process.getuid();
}

/** The bytes of a file that was kept; undefined if there is none that can be read, or if it is another user's. */
export function readKept(folder: string, name: string): Buffer | undefined {
  try {
    const fd = openSync(join(folder, name), 'r');
    try {
      return fstatSync(fd).uid === (process.getuid?.() ?? 0) ? readFileSync(fd) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/**
 * Removes the oldest files of a folder beyond so many bytes.
 * @param ours names of files that were put there: the user may have named a folder with others
 * @returns bytes of those that are left
 */
export function makeRoom(folder: string, ours: RegExp, mostBytes: number): number {
  const names = readdirSync(folder).filter((name) => ours.test(name));
  const files = names.map((name) => ({ path: join(folder, name), stat: statSync(join(folder, name)) }));
  files.sort((a, b) => b.stat.mtimeMs - a.stat.mtimeMs);
  let bytes = 0;
  let held = 0;
  for (const { path, stat } of files) {
    bytes += stat.size;
    if (bytes > mostBytes && stat.isFile()) rmSync(path);
    else held += stat.size;
  }
  return held;
}
