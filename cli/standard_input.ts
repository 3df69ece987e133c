/**
 * What can be read only once, as chunks: standard input, for what is read as `-`, and pipes that have a name.
 */
import { createReadStream, statSync } from 'node:fs';
import { STANDARD } from './output.ts';

/** The bytes of what a path names, if they can be read only once; undefined for files. A shell's `<(command)` is a pipe with a name. */
export function onlyOnce(path: string): AsyncGenerator<Uint8Array> | undefined {
  if (path === STANDARD) return standardInput();
  return isPipe(path) ? pipe(path) : undefined;
}

function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    // Whoever opens it says what is wrong with it.
    return false;
  }
}

async function* pipe(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path);
}

let isRead = false;
let closed = false;

/** Standard input, which ends where it is closed. */
export async function* standardInput(): AsyncGenerator<Uint8Array> {
  isRead = true;
  try {
    yield* process.stdin;
  } catch (error) {
    if (!closed) throw error;
  }
}

/** All of standard input, as UTF-8 text. */
export async function standardInputText(): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of standardInput()) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

/** Ends the reading of standard input, if it is read: a pipe may stay silent for long. */
export function closeStandardInput(): void {
  if (!isRead) return;
  closed = true;
  process.stdin.destroy();
}
