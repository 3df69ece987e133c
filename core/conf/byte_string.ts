/**
 * Byte strings: one character a byte, 0..255. Option strings and what is printed about them are bytes, and limits such as 4095 are in bytes.
 * Source: none in jemalloc, to which strings are bytes; UTF-8 is RFC 3629.
 * Invariant: a byte string has no character above 255.
 * Differs from TextEncoder and TextDecoder: UTF-8 by hand, because the core knows only the language, not the encoders of its surroundings.
 */

/** The UTF-8 bytes of `text`, one character a byte, up to the first NUL as C sees it. Lone surrogates become U+FFFD. */
export function toByteString(text: string): string {
  let out = '';
  for (const character of text) {
    let point = character.codePointAt(0)!;
    if (point === 0) break;
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) out += character;
    else if (point < 0x800) out += String.fromCharCode(0xc0 | (point >> 6), continuation(point));
    else if (point < 0x10000) out += String.fromCharCode(0xe0 | (point >> 12), continuation(point >> 6), continuation(point));
    else out += String.fromCharCode(0xf0 | (point >> 18), continuation(point >> 12), continuation(point >> 6), continuation(point));
  }
  return out;
}

function continuation(bits: number): number {
  return 0x80 | (bits & 0x3f);
}

/** `bytes` up to the first NUL, one character a byte. */
export function bytesToByteString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const used = end < 0 ? bytes : bytes.subarray(0, end);
  let out = '';
  for (let at = 0; at < used.length; at += 4096) out += decode(used.subarray(at, at + 4096));
  return out;
}

/** Without a spread, which goes byte by byte through an iterator. */
function decode(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}

/** The bytes that `byteString` stands for. */
export function fromByteString(byteString: string): Uint8Array {
  const bytes = new Uint8Array(byteString.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = byteString.charCodeAt(i);
  return bytes;
}

/** The text that `byteString` holds as UTF-8; each byte that belongs to no character becomes U+FFFD. */
export function textOfByteString(byteString: string): string {
  let out = '';
  for (let at = 0; at < byteString.length; ) {
    const lead = byteString.charCodeAt(at);
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    const point = length === 1 ? lead : multibyte(byteString, at, length);
    out += point < 0 ? '\ufffd' : String.fromCodePoint(point);
    at += point < 0 ? 1 : length;
  }
  return out;
}

/** The code point of the `length` bytes at `at`, or -1 if they are none. */
function multibyte(byteString: string, at: number, length: number): number {
  if (length === 0) return -1;
  let point = byteString.charCodeAt(at) & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const code = byteString.charCodeAt(at + i);
    if ((code & 0xc0) !== 0x80 || Number.isNaN(code)) return -1;
    point = (point << 6) | (code & 0x3f);
  }
  const least = length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
  return point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? -1 : point;
}
