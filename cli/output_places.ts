/**
 * The places of results: files, folders, standard output.
 * Invariant: what would keep a result from being written, or have it replace another one or an input, is known before the work starts where that is possible.
 */
import { accessSync, constants, existsSync, fstatSync, mkdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../core/trace/input_error.ts';
import { ofFile } from './failure.ts';
import { HINT, isStandardOutput, STANDARD, STANDARD_OUTPUT, withHint } from './output.ts';

/**
 * Makes sure, before any work, that results can be written to these paths, and that none of them is one of the files that are read.
 * @throws InputError for a directory, a missing folder, missing permission, an input, or two results in one place.
 */
export function checkOutputs(paths: readonly string[], inputs: readonly (string | undefined)[] = []): void {
  const read = new Set(inputs.map((input) => (input === undefined ? undefined : fileAt(input, STANDARD_INPUT))));
  const seen = new Set<string | undefined>();
  for (const path of paths) {
    if (path === '') throw new InputError("''", 'an empty file name', HINT);
    const isStandard = isStandardOutput(path);
    const name = isStandard ? 'standard output' : path;
    const file = fileAt(path, STANDARD_OUTPUT);
    if (file !== undefined && read.has(file))
      throw new InputError(name, 'is an input and an output at once', 'name another file for the result');
    const place = file ?? (isStandard ? STANDARD : placeOf(path));
    if (place !== undefined && seen.has(place))
      throw new InputError(name, 'two results cannot go to the same place', 'give each result its own file');
    seen.add(place);
    if (!isStandard) checkWritable(path);
  }
}

function checkWritable(path: string): void {
  try {
    if (existsSync(path)) {
      if (statSync(path).isDirectory()) throw new InputError(path, 'is a directory', HINT);
      accessSync(path, constants.W_OK);
    } else accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw withHint(ofFile(error, path));
  }
}

const STANDARD_INPUT = 0;

/** The file or pipe that a path names, however it is spelt; of `-` what is at that descriptor. Undefined if there is none: terminals and the like may be read and written. */
function fileAt(path: string, standard: number): string | undefined {
  try {
    const found = path === STANDARD ? fstatSync(standard) : statSync(path);
    return found.isFile() || found.isFIFO() ? `${found.dev}:${found.ino}` : undefined;
  } catch {
    // Whoever opens it says what is wrong with it.
    return undefined;
  }
}

/** Where a result that is no file yet will be; undefined for what takes any number of them, such as /dev/null. */
function placeOf(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

/**
 * Makes a folder for results, and those above it, one by one: where there can be none, in /proc say, Node tries for ever to make several.
 * @returns those that it made, the outermost first
 */
export function makeFolder(path: string): string[] {
  const made: string[] = [];
  try {
    const missing: string[] = [];
    for (let at = resolve(path); statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.unshift(at);
    for (const folder of missing) {
      mkdirSync(folder);
      made.push(folder);
    }
    if (!statSync(path).isDirectory()) throw new InputError(path, 'is not a directory', 'name a new or existing folder');
    accessSync(path, constants.W_OK);
    return made;
  } catch (error) {
    removeFolders(made);
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw exists ? new InputError(path, 'is not a directory', 'name a new or existing folder') : ofFile(error, path);
  }
}

/** Removes folders that were made, the innermost first, as long as they are empty. */
export function removeFolders(made: readonly string[]): void {
  try {
    for (const folder of made.toReversed()) rmdirSync(folder);
  } catch {
    // It holds something, and so do those above.
  }
}
