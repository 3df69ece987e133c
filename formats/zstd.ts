/**
 * Zstandard decompression, fed chunk by chunk (RFC 8878; the decoder is Zstandard's own, as WebAssembly from `zstddec`).
 * Invariant: frames follow each other without end, skippable ones give nothing; what `push` gave is all that the input so far holds.
 * Differs from the package's own streaming: that one pulls its input, and repeats a failing call for ever; here the decoder is called directly.
 */
import { ZSTDDecoder } from 'zstddec/stream';
import { InputError } from '../core/trace/input_error.ts';
import type { LayerEnd } from './input.ts';

/** The decoder's exports used here (lib/zstd.h); pointers and sizes are 32 bits wide. */
interface Decoder {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(pointer: number): void;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): void;
  /** Returns 0 at the end of a frame, a hint otherwise, and -code for an error. */
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

const INPUT_BYTES = 1 << 18;
const OUTPUT_BYTES = 1 << 18;
/** Error codes are -1 to -120 (lib/zstd_errors.h). */
const WORST_ERROR = -120;
const WINDOW_TOO_LARGE = -16;
const CHECKSUM_WRONG = -22;
const DICTIONARY_WRONG = -32;
const CHECKSUM_BYTES = 4;

let decoder: Promise<Decoder> | undefined;

/** The instance is private to the package; its initialiser is handed it. */
class OpenDecoder extends ZSTDDecoder {
  override _init(result: Parameters<ZSTDDecoder['_init']>[0]): void {
    super._init(result);
    decoder = Promise.resolve((result as { instance: { exports: unknown } }).instance.exports as Decoder);
  }
}

async function load(): Promise<Decoder> {
  if (decoder === undefined) await new OpenDecoder().init();
  return decoder as Promise<Decoder>;
}

/**
 * Decompresses `chunks`. Sets `state.fault`: 'unsound' only if it is the last frame's checksum that is wrong.
 * @throws InputError for a window of more than 128 MiB, and for a frame that needs a dictionary.
 */
export async function* unzstd(chunks: AsyncIterable<Uint8Array>, name: string, state: LayerEnd): AsyncGenerator<Uint8Array> {
  const zstd = await load();
  const context = zstd.ZSTD_createDCtx();
  const input = zstd.malloc(INPUT_BYTES);
  const output = zstd.malloc(OUTPUT_BYTES);
  const buffers = zstd.malloc(24);
  try {
    let result = 0;
    let fault: LayerEnd['fault'];
    for await (const piece of inPieces(withEndApart(chunks, CHECKSUM_BYTES), INPUT_BYTES)) {
      if (fault !== undefined) {
        fault = 'damaged';
        break;
      }
      new Uint8Array(zstd.memory.buffer).set(piece, input);
      let taken = 0;
      let given = 0;
      do {
        // Memory may have grown, and its views with it: they are made anew for each call.
        new Uint32Array(zstd.memory.buffer, buffers, 6).set([input, piece.length, taken, output, OUTPUT_BYTES, 0]);
        result = zstd.ZSTD_decompressStream(context, buffers + 12, buffers);
        if (result === WINDOW_TOO_LARGE)
          throw new InputError(name, 'the Zstandard window is larger than 128 MiB', 'decompress it first: zstd -d --long=31');
        if (result === DICTIONARY_WRONG)
          throw new InputError(name, 'was compressed by zstd with a dictionary', 'decompress it first: zstd -d -D DICTIONARY');
        if (result < 0 && result >= WORST_ERROR) {
          fault = result === CHECKSUM_WRONG ? 'unsound' : 'damaged';
          break;
        }
        const view = new Uint32Array(zstd.memory.buffer, buffers, 6);
        taken = view[2];
        given = view[5];
        if (given > 0) yield new Uint8Array(zstd.memory.buffer).slice(output, output + given);
      } while (taken < piece.length || given === OUTPUT_BYTES);
    }
    if (result !== 0) fault ??= 'cut';
    state.fault = fault ?? state.fault;
  } finally {
    zstd.ZSTD_freeDCtx(context);
    for (const pointer of [input, output, buffers]) zstd.free(pointer);
  }
}

/**
 * The bytes of `chunks` with the last `count` of them in a chunk, or two, of their own: a decoder that objects to a checksum there gives
 * no bytes with its objection.
 */
async function* withEndApart(chunks: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    const whole = held.length + chunk.length <= count ? Buffer.concat([held, chunk]) : undefined;
    if (whole !== undefined) {
      held = whole;
      continue;
    }
    const given = held.length + chunk.length - count;
    const ofHeld = Math.min(given, held.length);
    if (ofHeld > 0) yield held.subarray(0, ofHeld);
    if (given > ofHeld) yield chunk.subarray(0, given - ofHeld);
    held = Buffer.concat([held.subarray(ofHeld), chunk.subarray(given - ofHeld)]);
  }
  if (held.length > 0) yield held;
}

/** The bytes of `chunks`, at most `most` at a time. */
async function* inPieces(chunks: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let start = 0; start < chunk.length; start += most) yield chunk.subarray(start, start + most);
  }
}
