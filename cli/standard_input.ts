/**
 * What can be read only once, as chunks: standard input, for what is read as `-`, and pipes that have a name.
 */
import { constants, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
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

/** Opened without waiting for who writes, and read as what may be silent: a call of the system that waits could not be ended. */
async function* pipe(path: string): AsyncGenerator<Uint8Array> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  yield* untilClosed(new Socket({ fd, readable: true, writable: false }));
}

/** Standard input, which ends where it is closed. */
function standardInput(): AsyncGenerator<Uint8Array> {
  return untilClosed(process.stdin);
}

/** What is being read, and what of it was closed. */
const open = new Set<Readable>();
const closed = new WeakSet<Readable>();

async function* untilClosed(stream: Readable): AsyncGenerator<Uint8Array> {
  open.add(stream);
  try {
    yield* stream;
  } catch (error) {
    if (!closed.has(stream)) throw error;
  } finally {
    open.delete(stream);
  }
}

/** All of standard input, as UTF-8 text. */
export async function standardInputText(): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of standardInput()) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

/** Ends the reading of standard input and pipes, where they are read: they may stay silent for long. */
export function closeReadOnce(): void {
  for (const stream of open) {
    closed.add(stream);
    stream.destroy();
  }
}
