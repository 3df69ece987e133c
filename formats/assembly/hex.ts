/** The value of a hex digit; 16 for any other byte. */
export function hexDigit(byte: u32): u32 {
  const digit = byte - 0x30;
  if (digit < 10) return digit;
  const letter = (byte | 0x20) - 0x61;
  return letter < 6 ? letter + 10 : 16;
}
