/**
 * Texts to compare lines with, eight bytes at once, as doubles: the widest that a DataView gives without making an object.
 * Invariant: of printable ASCII no eight bytes are a zero or not a number, so that a double equals one of these if and only if all its bytes do.
 */

/** Whether the bytes start..end are printable ASCII, and eight at least. */
export function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] < 0x20 || bytes[at] > 0x7e) return false;
  return end - start >= 8;
}

/**
 * Puts the bytes start..end into `into` from `first` on. The last double is that of the last eight bytes, and may overlap the one before.
 * @returns the place of that one.
 */
export function putDoubles(view: DataView, start: number, end: number, into: Float64Array, first: number): number {
  let place = first;
  for (let at = start; at < end - 8; at += 8) into[place++] = view.getFloat64(at, true);
  into[place] = view.getFloat64(end - 8, true);
  return place;
}
