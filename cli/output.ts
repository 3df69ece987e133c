/**
 * Where results go: a named file, or standard output for `-`.
 * Invariant: a result that cannot be written is known before the work starts where that is possible, and is one line for the user in any case.
 */
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, rmdirSync, statSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { InputError } from '../core/trace/input_error.ts';
import { ofFile } from './failure.ts';

/** Name that stands for standard input or output. */
export const STANDARD = '-';

const FILE_HINT = 'name a file in a folder that can be written to';
const HINT = `${FILE_HINT}, or - for standard output`;

/**
 * Makes sure, before any work, that results can be written to these paths, and that none of them is one of the files that are read.
 * @throws InputError for a directory, a missing folder, missing permission, an input, or standard output asked for twice.
 */
export function checkOutputs(paths: readonly string[], inputs: readonly (string | undefined)[] = []): void {
  const seen = new Set<string>();
  for (const path of paths) {
    const place = path === STANDARD ? path : resolve(path);
    if (seen.has(place)) {
      const where = path === STANDARD ? 'standard output' : path;
      throw new InputError(where, 'two results cannot go to the same place', 'give each result its own file');
    }
    seen.add(place);
    if (path === STANDARD) continue;
    if (path === '') throw new InputError("''", 'an empty file name', HINT);
    if (inputs.some((input) => input !== undefined && isSameFile(input, path)))
      throw new InputError(path, 'is an input and an output at once', 'name another file for the result');
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

/** Whether both names are of one file, however they spell it. Terminals and the like may be read and written. */
function isSameFile(input: string, output: string): boolean {
  if (input === STANDARD) return false;
  try {
    const [one, other] = [input, output].map((path) => statSync(path));
    return one.isFile() && one.dev === other.dev && one.ino === other.ino;
  } catch {
    // One of them is not there, or whoever opens it says what is wrong with it.
    return false;
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
    if (this.#fd !== undefined && this.#fd !== 1) closeSync(this.#fd);
  }

  #flush(): void {
    const all = this.#pending.length === 1 ? (this.#pending[0] as Uint8Array) : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    try {
      this.#fd ??= this.path === STANDARD ? 1 : openSync(this.path, 'w');
      writeAll(this.#fd, all);
    } catch (error) {
      throw withHint(ofFile(error, this.path));
    }
  }
}

/** What a whole result may be: text, bytes, or text in pieces. */
export type Content = string | Uint8Array | Iterable<string>;

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
