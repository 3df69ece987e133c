/** The value of a hex digit; 16 for any other byte. */
export function hexDigit(byte: u32): u32 {
  const digit = byte - 0x30;
  if (digit < 10) return digit;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : 16;
}

const HIGH: u64 = 0x8080808080808080;

/** Of eight characters the high bits of those that are decimal digits; none may be above 0x7f. */
function digitsAmong(text: u64): u64 {
  return (text + 0x5050505050505050) & ~(text + 0x4646464646464646) & HIGH;
}

/** Whether eight characters are decimal digits. */
export function areDigits(text: u64): bool {
  return (text & HIGH) === 0 && digitsAmong(text) === HIGH;
}

/** The number that eight decimal digits are, the first of them in the lowest byte. */
export function numberOf(text: u64): u64 {
  text = (((text & 0x0f0f0f0f0f0f0f0f) * 2561) >> 8) & 0x00ff00ff00ff00ff;
  text = ((text * 6553601) >> 16) & 0x0000ffff0000ffff;
  return (text * 42949672960001) >> 32;
}

/** Whether eight characters are hex digits. */
export function areHexDigits(text: u64): bool {
  const lower = text | 0x2020202020202020;
  const letters = (lower + 0x1f1f1f1f1f1f1f1f) & ~(lower + 0x1919191919191919) & HIGH;
  return (text & HIGH) === 0 && (digitsAmong(text) | letters) === HIGH;
}

/** The number that eight hex digits are, the first of them in the lowest byte. */
export function hexNumberOf(text: u64): u64 {
  const nibbles = (text & 0x0f0f0f0f0f0f0f0f) + ((text >> 6) & 0x0101010101010101) * 9;
  const bytes = ((nibbles << 4) | (nibbles >> 8)) & 0x00ff00ff00ff00ff;
  const halves = ((bytes << 8) | (bytes >> 16)) & 0x0000ffff0000ffff;
  return ((halves << 16) | (halves >> 32)) & 0xffffffff;
}
