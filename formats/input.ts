/**
 * A file, standard input or a stream as decompressed bytes.
 * Invariant: compression is recognised by content, whatever the name says, and taken off layer by layer.
 * A compressed file that breaks off or is damaged gives what came through, one that does not agree with the sums at its end all of it; `fault` says so.
 */
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { InputError } from '../core/trace/input_error.ts';
import { gunzip, isGzip } from './gzip.ts';
import { SYSTEM_FACTS } from './system_errors.ts';

/** Where bytes come from: a path, "-" for standard input, bytes as they are, or an input that is open already. */
export type Source = string | Uint8Array | AsyncIterable<Uint8Array> | Input;

/** Bytes of the beginning of an input, decompressed where that is possible, that tell what it is. */
export const HEAD_BYTES = 65536;
/** Bytes read from the system at once. */
const READ_BYTES = 1 << 20;
/** Bytes of a block of `fileBlocks`. */
const BLOCK_BYTES = 1 << 18;
/** Layers of compression taken off. */
const MOST_LAYERS = 4;

/**
 * What can be wrong with compressed data: they break off, they are such as nobody compressed and end there, all was decompressed and is not what the checksum
 * or length behind it says, or something follows them that is not compressed.
 */
export type CompressionFault = 'cut' | 'damaged' | 'unsound' | 'trailed';

/** An open input. */
export interface Input {
  /** Name for messages: the path, or "-". */
  readonly name: string;
  /** Bytes of the file before decompression, where that is known. */
  readonly totalBytes: number | undefined;
  /** Bytes read so far, before decompression. */
  bytesRead: number;
  /** What was found to be wrong with a compressed layer. */
  fault: CompressionFault | undefined;
  /** True if `chunks` are the bytes of the file of that name as they are. */
  readonly isPlainFile?: boolean;
  /** Decompressed bytes, in chunks; to be iterated once. */
  chunks: AsyncIterable<Uint8Array>;
}

/**
 * Opens a source and takes off its compression (gzip, Zstandard, one within the other) and a byte order mark before text.
 * @throws InputError for a path that cannot be read, for an input that is empty or of which nothing can be decompressed, and, from `chunks`, for a Zstandard
 * window that is too large or a dictionary that is not here.
 */
export async function openInput(source: Source, name = typeof source === 'string' ? source : 'input'): Promise<Input> {
  if (isOpen(source)) return source;
  let totalBytes: number | undefined;
  if (source instanceof Uint8Array) totalBytes = source.length;
  else if (typeof source === 'string' && source !== '-') totalBytes = sizeOf(source);

  // Whoever reads the chunks notes here how far that has come.
  const input = { name, totalBytes, bytesRead: 0, fault: undefined, isPlainFile: false };
  let chunks: AsyncIterable<Uint8Array> = counted(rawChunks(source, name, totalBytes), input);
  for (let layer = 0; layer < MOST_LAYERS; layer++) {
    const [head, whole] = await peek(chunks, 4);
    chunks = whole;
    if (head.length === 0) throw noneOf(name, layer, input.fault);
    if (isGzip(head)) chunks = gunzip(chunks, input);
    else if (isZstd(head)) chunks = (await import('./zstd.ts')).unzstd(chunks, name, input);
    else {
      if (startsWithMark(head)) chunks = withoutMark(chunks);
      else input.isPlainFile = layer === 0 && source === name && totalBytes !== undefined;
      break;
    }
  }
  return Object.assign(input, { chunks });
}

/**
 * The bytes of a file as they are, a block at a time in the same place: each is valid until the next is asked for, and leaves nothing to be collected.
 * @throws InputError if it cannot be read
 */
export function* fileBlocks(path: string): Generator<Uint8Array> {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const block = new Uint8Array(BLOCK_BYTES);
    for (let length = readSync(file, block); length > 0; length = readSync(file, block)) yield block.subarray(0, length);
  } catch (error) {
    throw asInputError(error, path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The last `wanted` bytes of a file as they are (fewer of a shorter one); none of what is no file. @throws InputError if it cannot be read */
export function tailOf(path: string, wanted: number): Uint8Array {
  const size = sizeOf(path) ?? 0;
  const tail = new Uint8Array(Math.min(size, wanted));
  if (tail.length === 0) return tail;
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return tail.subarray(0, readSync(file, tail, 0, tail.length, size - tail.length));
  } catch (error) {
    throw asInputError(error, path);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function isOpen(source: Source): source is Input {
  return typeof source === 'object' && 'chunks' in source;
}

/** What is wrong with an input that was used all the same, once its chunks are over; undefined if nothing is. */
export function faultOf({ fault }: Input): string | undefined {
  return fault === undefined ? undefined : FAULTS[fault];
}

/** Whether there should have been more: the compressed data broke off, or were damaged on the way. */
export function endsEarly({ fault }: Input): boolean {
  return fault === 'cut' || fault === 'damaged';
}

const FAULTS: Readonly<Record<CompressionFault, string>> = {
  cut: 'the compressed file breaks off; what came through is used',
  damaged: 'the compressed file is damaged; what could be decompressed before that is used',
  unsound: 'the compressed file is damaged: what it gives is not what its checksum says; it is used all the same',
  trailed: 'something follows the compressed data that is none; it is passed over',
};

/** Remedy for an input that is there and says nothing. */
export const NOTHING_WRITTEN = 'see what the recorder said: it has written nothing';

/** What to say of an input that gives no bytes once `layers` of compression are taken off. */
function noneOf(name: string, layers: number, fault: CompressionFault | undefined): InputError {
  if (fault === 'cut')
    return new InputError(
      name,
      'the compressed file breaks off before any of it can be decompressed',
      'copy it again, or let the recorder end before it is read',
    );
  if (fault !== undefined)
    return new InputError(
      name,
      'the compressed file is damaged, and nothing could be decompressed',
      'see what gzip -dc or zstd -dc still gives',
    );
  return new InputError(name, layers === 0 ? 'is empty' : 'is empty once decompressed', NOTHING_WRITTEN);
}

const MARK_BYTES = 3;

/** The byte order mark that editors put before UTF-8 text: it is no part of the first line. */
function startsWithMark(head: Uint8Array): boolean {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf;
}

async function* withoutMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = MARK_BYTES;
  for await (const chunk of chunks) {
    const skipped = Math.min(left, chunk.length);
    left -= skipped;
    if (chunk.length > skipped) yield chunk.subarray(skipped);
  }
}

/** Whether a file that begins so is compressed. */
export function isCompressed(head: Uint8Array): boolean {
  return isGzip(head) || isZstd(head);
}

/** A Zstandard frame, or a skippable one before it. */
export function isZstd(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return true;
  return (head[0] & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
}

function sizeOf(path: string): number | undefined {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) throw new InputError(path, 'is a directory', 'name a file in it');
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    throw asInputError(error, path);
  }
}

async function* rawChunks(source: Exclude<Source, Input>, name: string, totalBytes: number | undefined): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    for (let start = 0; start < source.length; start += READ_BYTES) yield source.subarray(start, start + READ_BYTES);
    return;
  }
  try {
    if (typeof source !== 'string') yield* source;
    else if (source === '-') yield* process.stdin;
    // Node takes longer to make a stream ready than to read what comes in one piece. Of what the system makes up the size is 0.
    else if (totalBytes !== undefined && totalBytes > 0 && totalBytes <= READ_BYTES) yield readFileSync(source);
    else yield* createReadStream(source, { highWaterMark: READ_BYTES });
  } catch (error) {
    throw asInputError(error, name);
  }
}

function asInputError(error: unknown, name: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  // Node itself refuses names that hold NUL.
  const fact = code === 'ERR_INVALID_ARG_VALUE' ? 'is not a file name' : SYSTEM_FACTS.get(code ?? '');
  return fact === undefined ? error : new InputError(name, fact, INPUT_HINTS.get(code ?? ''));
}

/** What helps where the system does not give an input. */
const INPUT_HINTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'name a file that is there, or - for standard input'],
  ['ENOTDIR', 'name a file that is there, or - for standard input'],
  ['EISDIR', 'name a file in it'],
  ['EACCES', 'ls -l shows who may read it'],
]);

async function* counted(chunks: AsyncIterable<Uint8Array>, input: { bytesRead: number }): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    input.bytesRead += chunk.length;
    if (chunk.length > 0) yield chunk;
  }
}

/** The first `wanted` bytes (fewer at the end of the input), and all chunks including those bytes. */
export async function peek(chunks: AsyncIterable<Uint8Array>, wanted: number): Promise<[Uint8Array, AsyncIterable<Uint8Array>]> {
  const iterator = chunks[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let length = 0;
  while (length < wanted) {
    const next = await iterator.next();
    if (next.done) break;
    seen.push(next.value);
    length += next.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      while (seen.length > 0) yield seen.shift() as Uint8Array;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return [Buffer.concat(seen, length), whole()];
}

/** How the end of a compressed layer was found. */
export type LayerEnd = Pick<Input, 'fault'>;
