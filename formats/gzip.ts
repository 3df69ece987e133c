/**
 * gzip decompression, fed chunk by chunk (RFC 1952; what is within a member is inflated by Node's zlib).
 * Invariant: members follow each other; where the sums of one are wrong, the others are read all the same, and what follows the last one and is no member is
 * passed over.
 * Differs from zlib's own reading of members: that gives nothing of what it was decompressing when it objects to a checksum, or to what follows a member.
 */
import { crc32, createInflateRaw } from 'node:zlib';
import type { CompressionFault, LayerEnd } from './input.ts';

/** Compressed bytes inflated at once: they may become a thousand times as many. */
const PIECE_BYTES = 1 << 14;
/** Bytes of a member's header without names and the like, the flags that say what follows there, and bytes of the sums at its end. */
const HEADER_BYTES = 10;
const HAS_CRC = 2;
const HAS_EXTRA = 4;
const HAS_NAME = 8;
const HAS_COMMENT = 16;
const TRAILER_BYTES = 8;

/** Whether bytes begin as gzip does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/** Decompresses `chunks`. Sets `state.fault`. */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>, state: LayerEnd): AsyncGenerator<Uint8Array> {
  const input = new Unread(chunks);
  try {
    for (let members = 0; await input.has(1); members++) {
      const header = await takeHeader(input);
      if (header !== 'whole') {
        // zeros are padding
        if (header === 'cut') state.fault = header;
        else if (members === 0) state.fault = 'damaged';
        else if (!(await input.isZero())) state.fault = 'trailed';
        return;
      }
      const end = yield* inflateMember(input);
      if (end !== undefined) state.fault = end;
      if (end === 'cut' || end === 'damaged') return;
    }
  } finally {
    await input.close();
  }
}

/** Takes a member's header: 'none' where there is none, 'cut' if the input ends within what may be one. */
async function takeHeader(input: Unread): Promise<'whole' | 'cut' | 'none'> {
  if (!(await input.has(HEADER_BYTES))) return isGzip(input.bytes) ? 'cut' : 'none';
  const { bytes } = input;
  const flags = bytes[3];
  if (!isGzip(bytes) || bytes[2] !== 8 || flags > 0x1f) return 'none';
  input.skip(HEADER_BYTES);
  if ((flags & HAS_EXTRA) !== 0) {
    if (!(await input.has(2))) return 'cut';
    const length = 2 + input.bytes[0] + input.bytes[1] * 256;
    if (!(await input.has(length))) return 'cut';
    input.skip(length);
  }
  for (const text of [HAS_NAME, HAS_COMMENT]) if ((flags & text) !== 0 && !(await input.skipText())) return 'cut';
  if ((flags & HAS_CRC) !== 0) {
    if (!(await input.has(2))) return 'cut';
    input.skip(2);
  }
  return 'whole';
}

/** What a member holds, without its header; and what is wrong with it. */
async function* inflateMember(input: Unread): AsyncGenerator<Uint8Array, CompressionFault | undefined> {
  const inflate = createInflateRaw({ chunkSize: 1 << 18 });
  let ready: Uint8Array[] = [];
  let failure: NodeJS.ErrnoException | undefined;
  let crc = 0;
  let length = 0;
  // Listeners rather than iteration: on an error an iterator drops what was decompressed before it.
  inflate.on('data', (bytes: Buffer) => ready.push(bytes));
  const closed = new Promise<void>((resolve) => {
    inflate.once('end', resolve);
    inflate.once('error', (error) => {
      failure = error;
      resolve();
    });
  });
  const take = () => {
    const taken = ready;
    ready = [];
    for (const bytes of taken) {
      crc = crc32(bytes, crc);
      length += bytes.length;
    }
    return taken;
  };
  try {
    let given = 0;
    while (inflate.bytesWritten === given && failure === undefined && (await input.has(1))) {
      const piece = input.bytes.subarray(0, PIECE_BYTES);
      const written = new Promise<void>((resolve) => inflate.write(piece, () => resolve()));
      await Promise.race([written, closed]);
      input.skip(failure === undefined ? inflate.bytesWritten - given : piece.length);
      given += piece.length;
      yield* take();
    }
    // what it did not want is not the member's any more
    if (inflate.bytesWritten === given && failure === undefined) inflate.end();
    await closed;
    yield* take();
  } finally {
    inflate.destroy();
  }
  const error = failure as NodeJS.ErrnoException | undefined;
  if (error !== undefined) return error.code === 'Z_BUF_ERROR' ? 'cut' : 'damaged';
  if (!(await input.has(TRAILER_BYTES))) return 'cut';
  const sums = new DataView(input.bytes.buffer, input.bytes.byteOffset, TRAILER_BYTES);
  input.skip(TRAILER_BYTES);
  return sums.getUint32(0, true) === crc && sums.getUint32(4, true) === length % 2 ** 32 ? undefined : 'unsound';
}

/** Bytes of `chunks` that have not been used yet. */
class Unread {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Those that are there, after a call of `has`. */
  bytes: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Waits until so many are there. False if the input ends before. */
  async has(count: number): Promise<boolean> {
    while (this.bytes.length < count) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.bytes = this.bytes.length === 0 ? next.value : Buffer.concat([this.bytes, next.value]);
    }
    return true;
  }

  skip(count: number): void {
    this.bytes = this.bytes.subarray(count);
  }

  /** Skips what ends with a zero. False if the input ends before. */
  async skipText(): Promise<boolean> {
    while (await this.has(1)) {
      const end = this.bytes.indexOf(0);
      this.skip(end < 0 ? this.bytes.length : end + 1);
      if (end >= 0) return true;
    }
    return false;
  }

  /** Whether all that follows is 0. */
  async isZero(): Promise<boolean> {
    for (; await this.has(1); this.skip(this.bytes.length)) if (this.bytes.some((byte) => byte !== 0)) return false;
    return true;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
