/**
 * Where results go: a named file, or standard output for `-`.
 * Invariant: a result that cannot be written is known before the work starts where that is possible, and is one line for the user in any case.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../core/trace/input_error.ts';
import { ofFile } from './failure.ts';

/** Name that stands for standard input or output. */
export const STANDARD = '-';

const FILE_HINT = 'name a file in a folder that can be written to';
const HINT = `${FILE_HINT}, or - for standard output`;

/** Names of standard output in the file system. Opened by them, a file that it goes to would be cut to nothing, and written over from its start. */
const STANDARD_NAMES: ReadonlySet<string> = new Set([STANDARD, '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']);

/** Whether a result goes to standard output. */
export function isStandardOutput(path: string): boolean {
  return STANDARD_NAMES.has(path);
}

/**
 * Makes sure, before any work, that results can be written to these paths, and that none of them is one of the files that are read.
 * @throws InputError for a directory, a missing folder, missing permission, an input, or two results in one place.
 */
export function checkOutputs(paths: readonly string[], inputs: readonly (string | undefined)[] = []): void {
  const read = new Set(inputs.map((input) => (input === undefined ? undefined : fileAt(input, STANDARD_INPUT))));
  const seen = new Set<string>();
  for (const path of paths) {
    if (path === '') throw new InputError("''", 'an empty file name', HINT);
    const file = fileAt(path, STANDARD_OUTPUT);
    const name = isStandardOutput(path) ? 'standard output' : path;
    if (file !== undefined && read.has(file))
      throw new InputError(name, 'is an input and an output at once', 'name another file for the result');
    const place = isStandardOutput(path) ? (file ?? STANDARD) : (file ?? placeOf(path));
    if (place === undefined) continue;
    if (seen.has(place)) throw new InputError(name, 'two results cannot go to the same place', 'give each result its own file');
    seen.add(place);
    if (isStandardOutput(path)) continue;
    try {
      if (existsSync(path)) {
        if (statSync(path).isDirectory()) throw new InputError(path, 'is a directory', HINT);
        accessSync(path, constants.W_OK);
      } else accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      throw withHint(ofFile(error, path));
    }
  }
}

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;

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

/** The reader of our standard output has gone: there is no one to write for, and nothing to complain about. */
export class ReaderGone extends Error {}

/** A result that is written piece by piece, in large pieces to the system. A file that was there stays as it was until the first of them, or the end. */
export class Output {
  readonly path: string;
  /** Undefined before the file is opened. */
  #fd: number | undefined;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Takes the next bytes; they are the output's from now on. @throws InputError if the file cannot be opened or written. */
  write(content: string | Uint8Array): void {
    const piece = typeof content === 'string' ? Buffer.from(content) : content;
    this.#pending.push(piece);
    this.#pendingBytes += piece.length;
    if (this.#pendingBytes >= 1 << 18) this.#flush();
  }

  /** Writes what is left and closes the file. @throws InputError as `write` does. */
  close(): void {
    this.#flush();
    if (this.#fd !== undefined && this.#fd !== STANDARD_OUTPUT) closeSync(this.#fd);
  }

  #flush(): void {
    const all = this.#pending.length === 1 ? (this.#pending[0] as Uint8Array) : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    try {
      this.#fd ??= isStandardOutput(this.path) ? STANDARD_OUTPUT : openSync(this.path, 'w');
      writeAll(this.#fd, all);
    } catch (error) {
      throw withHint(ofFile(error, this.path));
    }
  }
}

/** What a whole result may be: text, bytes, or pieces of them. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array>;

/** Writes a whole result. */
export function writeResult(path: string, content: Content): void {
  const output = new Output(path);
  if (typeof content === 'string' || content instanceof Uint8Array) output.write(content);
  else for (const piece of content) output.write(piece);
  output.close();
}

/** Writes to a descriptor that may be a pipe in non-blocking mode: waits where the other side is slow. */
function writeAll(fd: number, content: Uint8Array): void {
  let pause = SHORTEST_PAUSE_MS;
  for (let at = 0; at < content.length; ) {
    try {
      at += writeSync(fd, content, at);
      pause = SHORTEST_PAUSE_MS;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE') throw new ReaderGone();
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(PAUSE, 0, 0, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }
}

/** A pipe holds 64 KiB: a reader of hundreds of megabytes a second has emptied it in less than a millisecond. */
const SHORTEST_PAUSE_MS = 0.05;
const LONGEST_PAUSE_MS = 5;
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

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

function withHint(error: unknown): unknown {
  if (!(error instanceof InputError) || error.hint !== undefined) return error;
  return new InputError(error.place, error.fact, error.place === STANDARD ? FILE_HINT : HINT);
}
