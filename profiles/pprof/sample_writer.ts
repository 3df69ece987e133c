/**
 * The samples of a pprof message as bytes, one after the other: they are nearly all of it, and as objects they would take several times its room.
 * Source: the wire format of protocol buffers (protobuf.dev, "Encoding"); numbers of fields as in schema.ts.
 * Invariant: ids and values are packed, as protobufjs writes them.
 */
import { grown } from '../../core/columns.ts';

/** Tags of fields that have a length. */
const SAMPLE = (2 << 3) | 2;
const LOCATION_ID = (1 << 3) | 2;
const VALUE = (2 << 3) | 2;

const TWO_32 = 4294967296;
/** Bytes of a varint at most. */
const MOST_VARINT = 10;

/** Samples as they are added. */
export class SampleWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;
  /** The sample that is being written, before its length is known. */
  #sample = new Uint8Array(256);
  #end = 0;

  /** The samples so far: a view, valid until the next one. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Adds a sample of these locations, leaf first, and whole values below 2^63. */
  add(locations: ArrayLike<number>, values: ArrayLike<number>): void {
    this.#end = 0;
    this.#addPacked(LOCATION_ID, locations);
    this.#addPacked(VALUE, values);
    const most = this.#length + 2 * MOST_VARINT + this.#end;
    if (most > this.#bytes.length) this.#bytes = grown(this.#bytes, most);
    let at = writeVarint(this.#bytes, this.#length, SAMPLE);
    at = writeVarint(this.#bytes, at, this.#end);
    this.#bytes.set(this.#sample.subarray(0, this.#end), at);
    this.#length = at + this.#end;
  }

  #addPacked(tag: number, numbers: ArrayLike<number>): void {
    const most = this.#end + (2 + numbers.length) * MOST_VARINT;
    if (most > this.#sample.length) this.#sample = grown(this.#sample, most);
    const sample = this.#sample;
    let length = 0;
    for (let i = 0; i < numbers.length; i++) length += varintLength(numbers[i]);
    let at = writeVarint(sample, this.#end, tag);
    at = writeVarint(sample, at, length);
    for (let i = 0; i < numbers.length; i++) at = writeVarint(sample, at, numbers[i]);
    this.#end = at;
  }
}

function varintLength(value: number): number {
  if (value < 0) return MOST_VARINT;
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** Writes a whole number, a negative one as its 64-bit pattern. @returns the place after it */
function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let low = value >>> 0;
  let high = Math.floor(value / TWO_32) >>> 0;
  while (high > 0 || low > 0x7f) {
    bytes[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[at++] = low;
  return at;
}
