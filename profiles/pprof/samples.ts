/**
 * The samples of a pprof message, one after the other from its bytes: they are nearly all of it, and as objects they would take most of the reading.
 * Source: the wire format of protocol buffers (protobuf.dev, "Encoding"); numbers of fields as in schema.ts.
 * Invariant: what is not a sample is left to the schema, byte for byte and in order.
 * Differs: labels are not read.
 */
const SAMPLE = 2;
const LOCATION_ID = 1;
const VALUE = 2;
/** Wire types. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const TWO_32 = 4294967296;

/** A 64-bit id: a number where a double holds it. */
export type Id = number | bigint;

/** Reads a message's fields. @throws Error for bytes that are no message */
class Wire {
  readonly #bytes: Uint8Array;
  at: number;
  /** The number read last is `high` * 2^32 + `low`, both without sign. */
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.at = 0;
  }

  /** Reads a varint of up to 64 bits. */
  varint(end: number): void {
    const bytes = this.#bytes;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= end) throw new Error(`it breaks off at byte ${this.at}`);
      const byte = bytes[this.at++];
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift > 28) high |= bits << (shift - 32);
      else if (shift === 28) high |= bits >>> 4;
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new Error(`a number of more than 64 bits at byte ${this.at}`);
  }

  get id(): Id {
    return this.high < 0x200000 ? this.high * TWO_32 + this.low : (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  /** The number as one with a sign, rounded beyond 2^53. */
  get signed(): number {
    return (this.high | 0) * TWO_32 + this.low;
  }

  /** End of a field that begins here and has a length. */
  lengthEnd(end: number): number {
    this.varint(end);
    const stop = this.at + this.high * TWO_32 + this.low;
    if (stop > end) throw new Error(`a field of ${stop - this.at} bytes where ${end - this.at} are left, at byte ${this.at}`);
    return stop;
  }

  /** Passes over the value of a field that is not wanted. */
  skip(wire: number, end: number): void {
    if (wire === VARINT) this.varint(end);
    else if (wire === BYTES) this.at = this.lengthEnd(end);
    else if (wire === FIXED64) this.at += 8;
    else if (wire === FIXED32) this.at += 4;
    else throw new Error(`wire type ${wire} at byte ${this.at}`);
    if (this.at > end) throw new Error(`it breaks off at byte ${end}`);
  }
}

/** A message's samples, and what else is in it. */
export class PprofSamples {
  /** Samples. */
  readonly count: number;
  /** Bytes of all samples: each id and each value takes one at least. */
  readonly bytes: number = 0;
  /** The message without them. */
  readonly rest: Uint8Array;
  readonly #wire: Wire;
  /** Start and end of each sample, in turn. */
  readonly #bounds: number[] = [];

  /** @throws Error if the bytes are no message */
  constructor(bytes: Uint8Array) {
    const wire = new Wire(bytes);
    this.#wire = wire;
    const others: Uint8Array[] = [];
    let from = 0;
    while (wire.at < bytes.length) {
      const start = wire.at;
      wire.varint(bytes.length);
      if (wire.low !== ((SAMPLE << 3) | BYTES) || wire.high !== 0) {
        wire.skip(wire.low & 7, bytes.length);
        continue;
      }
      if (start > from) others.push(bytes.subarray(from, start));
      from = wire.lengthEnd(bytes.length);
      this.#bounds.push(wire.at, from);
      this.bytes += from - wire.at;
      wire.at = from;
    }
    others.push(bytes.subarray(from));
    this.rest = others.length === 1 ? others[0] : Buffer.concat(others);
    this.count = this.#bounds.length / 2;
  }

  /** Hands each sample's location ids, leaf first, and its values to `take`, in arrays that are filled again for the next one. @throws Error */
  forEach(take: (locations: readonly Id[], values: readonly number[]) => void): void {
    const wire = this.#wire;
    const locations: Id[] = [];
    const values: number[] = [];
    for (let sample = 0; sample < this.#bounds.length; sample += 2) {
      wire.at = this.#bounds[sample];
      const end = this.#bounds[sample + 1];
      locations.length = 0;
      values.length = 0;
      while (wire.at < end) {
        wire.varint(end);
        const field = wire.low >>> 3;
        const type = wire.low & 7;
        if ((field !== LOCATION_ID && field !== VALUE) || (type !== BYTES && type !== VARINT)) {
          wire.skip(type, end);
          continue;
        }
        // Repeated numbers come packed, or each as a field of its own.
        const stop = type === BYTES ? wire.lengthEnd(end) : wire.at + 1;
        while (wire.at < stop) {
          wire.varint(end);
          if (field === LOCATION_ID) locations.push(wire.id);
          else values.push(wire.signed);
        }
      }
      take(locations, values);
    }
  }
}
