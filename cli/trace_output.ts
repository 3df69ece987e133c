/**
 * Traces that are written: in which format, compressed or not, and where.
 * Invariant: bytes go out as they come, so that a trace of any length takes the same memory. Compressed files are members of a megabyte
 * each, one after the other, which every gzip and zstd reads as one file.
 */
import { extname } from 'node:path';
import * as zlib from 'node:zlib';
import type { EventBatch } from '../core/trace/events.ts';
import { InputError } from '../core/trace/input_error.ts';
import type { Trace } from '../core/trace/trace.ts';
import { CompactWriter } from '../formats/compact/writer.ts';
import { NdjsonWriter } from '../formats/ndjson/writer.ts';
import { isStandardOutput, Output } from './output.ts';

/** A writer under way: batches in, bytes out. */
interface TraceWriter {
  batch(batch: EventBatch): void;
  end(): void;
}

type BytesOut = (bytes: Uint8Array) => void;

/** The formats that can be written, by name, with the endings of file names that ask for them. The first is that of standard output. */
const WRITERS: readonly { name: string; endings: readonly string[]; open(trace: Trace, out: BytesOut): TraceWriter }[] = [
  { name: 'ndjson', endings: ['.ndjson', '.jsonl', '.json'], open: (trace, out) => new NdjsonWriter(trace, out) },
  { name: 'compact', endings: ['.jrt', '.arrows', '.compact', '.bin'], open: (trace, out) => new CompactWriter(trace, out) },
];

/** Bytes that are compressed at once. */
const MEMBER_BYTES = 1 << 20;

type Compress = (bytes: Uint8Array) => Uint8Array;

/** What an output will be. */
export interface TraceOutput {
  open(trace: Trace): TraceWriter;
}

/**
 * Settles format and compression, by `to` or by the output's endings (`.gz` and `.zst` compress), before any work.
 * @throws InputError for an ending or a name that says no format, and for Zstandard where Node has none.
 */
export function traceOutput(path: string, to: string | undefined): TraceOutput {
  const last = isStandardOutput(path) ? '' : extname(path).toLowerCase();
  const compress = compressionOf(path, last);
  const format = writerFor(compress === undefined ? path : path.slice(0, -last.length), path, to);
  return {
    open(trace) {
      const output = new Output(path);
      const members = compress === undefined ? undefined : new Members(compress, (bytes) => output.write(bytes));
      const writer = format.open(trace, (bytes) => (members ?? output).write(bytes));
      return {
        batch: (batch) => writer.batch(batch),
        end() {
          writer.end();
          members?.end();
          output.close();
        },
      };
    },
  };
}

function writerFor(name: string, path: string, to: string | undefined): (typeof WRITERS)[number] {
  const known = WRITERS.map((writer) => `${writer.name} (${writer.endings.join(', ')})`).join('; ');
  if (to !== undefined) {
    const named = WRITERS.find(({ name, endings }) => name === to || endings.includes(`.${to}`));
    if (named === undefined) throw new InputError('--to', `unknown format ${JSON.stringify(to)}`, `known: ${known}`);
    return named;
  }
  if (isStandardOutput(path)) return WRITERS[0];
  const ending = extname(name).toLowerCase();
  const found = WRITERS.find(({ endings }) => endings.includes(ending));
  if (found !== undefined) return found;
  throw new InputError(
    path,
    `its ending "${ending}" names no format that can be written`,
    `pass --to, or use an ending: ${known}; and .gz or .zst after it`,
  );
}

function compressionOf(path: string, ending: string): Compress | undefined {
  if (ending === '.gz') return (bytes) => zlib.gzipSync(bytes);
  if (ending !== '.zst') return undefined;
  const { zstdCompressSync } = zlib as { zstdCompressSync?: Compress };
  if (zstdCompressSync !== undefined) return zstdCompressSync;
  throw new InputError(path, 'Zstandard is not in this version of Node', 'write .gz, or run Node 22.15 or later');
}

/** Gathers bytes and writes them as compressed members. */
class Members {
  readonly #compress: Compress;
  readonly #out: BytesOut;
  #pending: Uint8Array[] = [];
  #bytes = 0;

  constructor(compress: Compress, out: BytesOut) {
    this.#compress = compress;
    this.#out = out;
  }

  write(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= MEMBER_BYTES) this.end();
  }

  end(): void {
    if (this.#bytes === 0) return;
    this.#out(this.#compress(Buffer.concat(this.#pending)));
    this.#pending = [];
    this.#bytes = 0;
  }
}
