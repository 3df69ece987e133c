/**
 * Results on their way: to a named file, or to standard output for `-`.
 * Invariant: a result that cannot be written is one line for the user.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { InputError } from '../core/trace/input_error.ts';
import { ofFile } from './failure.ts';

/** Name that stands for standard input or output. */
export const STANDARD = '-';

/** Its descriptor. */
export const STANDARD_OUTPUT = 1;

const FILE_HINT = 'name a file in a folder that can be written to';
/** The remedy for a place that no result can go to. */
export const HINT = `${FILE_HINT}, or - for standard output`;

/** Names of standard output in the file system. Opened by them, a file that it goes to would be cut to nothing, and written over from its start. */
const STANDARD_NAMES: ReadonlySet<string> = new Set([STANDARD, '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']);

/** Whether a result goes to standard output. */
export function isStandardOutput(path: string): boolean {
  return STANDARD_NAMES.has(path);
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
      if (this.#fd === undefined && isStandardOutput(this.path)) checkTerminal(this.path, all);
      this.#fd ??= isStandardOutput(this.path) ? STANDARD_OUTPUT : openSync(this.path, 'w');
      writeAll(this.#fd, all);
    } catch (error) {
      throw withHint(ofFile(error, this.path));
    }
  }
}

/** @throws InputError for the beginning of a result that is no text, which a terminal would take for commands. */
function checkTerminal(path: string, beginning: Uint8Array): void {
  if (process.stdout.isTTY !== true || !beginning.subarray(0, 1024).includes(0)) return;
  throw new InputError(path, 'the result is binary, and standard output is a terminal', 'name a file for it, or pass it on to a program');
}

/** What a whole result may be: text, bytes, or pieces of them. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array>;

/** Whether a result is known to be empty: pieces, which are made as they are asked for, are not. */
export function isEmpty(content: Content): boolean {
  return (typeof content === 'string' || content instanceof Uint8Array) && content.length === 0;
}

/** A whole result as text. */
export function wholeText(content: Content): string {
  if (typeof content === 'string') return content;
  const pieces = content instanceof Uint8Array ? [content] : [...content];
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))).toString();
}

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

/** The error of an output, with the remedy if it has none. */
export function withHint(error: unknown): unknown {
  if (!(error instanceof InputError) || error.hint !== undefined) return error;
  return new InputError(error.place, error.fact, error.place === STANDARD ? FILE_HINT : HINT);
}
