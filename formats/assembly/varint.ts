/** Variable-length numbers, as VarintReader of ../compact/varint.ts reads them. */
import { LONGEST } from '../compact/block_layout';

/** Bits of a number's first bytes that a sum in integers keeps as the sum in doubles does: their sum is exact in both. */
const EXACT_BITS: u32 = 49;

/** Where the next number is; behind the last one once it has been read. */
export let position: usize = 0;

export function moveTo(start: usize): void {
  position = start;
}

/** The number at `position`; NaN if the bytes, which end at `end`, end within it. */
export function unsigned(end: usize): f64 {
  let at = position;
  const limit = min(end, at + LONGEST);
  let bits: u64 = 0;
  let shift: u32 = 0;
  for (; at < limit && shift < EXACT_BITS; shift += 7) {
    const byte: u32 = load<u8>(at++);
    bits |= (<u64>(byte & 127)) << shift;
    if (byte < 128) {
      position = at;
      return <f64>bits;
    }
  }
  let value = <f64>bits;
  for (let power = <f64>((<u64>1) << EXACT_BITS); at < limit; power *= 128) {
    const byte: u32 = load<u8>(at++);
    value += <f64>(byte & 127) * power;
    if (byte < 128) {
      position = at;
      return value;
    }
  }
  position = at;
  return NaN;
}

/** The signed number at `position`; NaN if the bytes end within it. */
export function signed(end: usize): f64 {
  if (position >= end) return NaN;
  const first: u32 = load<u8>(position++);
  const low = <f64>(first & 63);
  const size = first < 128 ? low : low + unsigned(end) * 64;
  return (first & 64) === 0 ? size : -size;
}
