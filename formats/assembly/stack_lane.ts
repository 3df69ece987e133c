/**
 * The fast lane of lines of stacks in an NDJSON trace, as writers spell them: `{"op":"stack","id":7,"frames":[{"pc":"0x55d00000bb11","fn":"main"},…]}`.
 * Invariant: a line that is taken has frames of which each was seen before, byte for byte; any other is left to the general path.
 * Texts that were chosen to share a slot are left, too, but for the first ones: no search is longer.
 * A frame ends where its text does: nothing in it is looked at but quotes, braces and brackets. Every loop ends at the line's newline, if not before.
 */
import {
  COUNT,
  FARTHEST,
  FRAME,
  FRAMES,
  HASH,
  HEAD,
  HEAD_LENGTH,
  ID,
  LENGTH,
  MIDDLE,
  MIDDLE_LENGTH,
  MOST_DIGITS,
  MOST_FRAMES,
  MOST_TEXT,
  NEW_FRAMES,
  OTHER,
  ROW,
  ROW_COUNT,
  ROWS,
  SLOT_MASK,
  SLOTS,
  TEXT,
  TEXTS_END,
  UNKNOWN,
} from '../ndjson/stack_plan';

const NEWLINE: u32 = 0x0a;
const SPACE: u32 = 0x20;
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const DIGIT_0: u32 = 0x30;
const OPEN_BRACKET: u32 = 0x5b;
const BACKSLASH: u32 = 0x5c;
const CLOSE_BRACKET: u32 = 0x5d;
const OPEN_BRACE: u32 = 0x7b;
const CLOSE_BRACE: u32 = 0x7d;

function hasText(at: usize, text: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) if (load<u8>(at + i) !== load<u8>(text + i)) return false;
  return true;
}

/** Place behind the quote that ends a string without escapes; 0 if there is none. */
function endOfString(at: usize): usize {
  while (true) {
    const byte: u32 = load<u8>(at++);
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH || byte < SPACE) return 0;
  }
}

/** Where the string or object that begins at `at` ends; 0 if that takes more than quotes and braces to tell. */
function endOfFrame(at: usize): usize {
  const first: u32 = load<u8>(at);
  if (first === QUOTE) return endOfString(at + 1);
  if (first !== OPEN_BRACE) return 0;
  at++;
  while (true) {
    const byte: u32 = load<u8>(at);
    if (byte === CLOSE_BRACE) return at + 1;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET || byte < SPACE) return 0;
    at++;
    if (byte === QUOTE) {
      at = endOfString(at);
      if (at === 0) return 0;
    }
  }
}

/** The last bytes of a text, fewer than eight or as many, and zeros behind them. */
function lastBytes(at: usize, count: u32): u64 {
  return load<u64>(at) & (<u64>-1 >> ((8 - count) << 3));
}

function hashOf(text: usize, length: u32): u32 {
  let hash: u64 = length;
  for (; length > 8; length -= 8) {
    hash = rotl<u64>((hash ^ load<u64>(text)) * 0x9e3779b97f4a7c15, 29);
    text += 8;
  }
  hash = (hash ^ lastBytes(text, length)) * 0x9e3779b97f4a7c15;
  return <u32>(hash >> 32);
}

function isTextOf(row: usize, text: usize, length: u32): bool {
  if (load<u32>(row, LENGTH << 2) !== length) return false;
  let own: usize = load<u32>(row, TEXT << 2);
  for (; length > 8; length -= 8) {
    if (load<u64>(own) !== load<u64>(text)) return false;
    own += 8;
    text += 8;
  }
  return load<u64>(own) === lastBytes(text, length);
}

/** The row of a text, which is added if it is new; 0 if it would be too far behind its slot. */
function rowOf(state: usize, text: usize, length: u32): usize {
  const rows: usize = load<u32>(state, ROWS << 2);
  const slots: usize = load<u32>(state, SLOTS << 2);
  const mask = load<u32>(state, SLOT_MASK << 2);
  const hash = hashOf(text, length);
  let slot = hash & mask;
  let left = FARTHEST;
  while (true) {
    const found = load<u32>(slots + (slot << 2));
    if (found === 0) break;
    const row = rows + (((found - 1) * ROW) << 2);
    if (load<u32>(row, HASH << 2) === hash && isTextOf(row, text, length)) return row;
    if (left-- === 0) return 0;
    slot = (slot + 1) & mask;
  }
  const count = load<u32>(state, ROW_COUNT << 2);
  let own: usize = load<u32>(state, TEXTS_END << 2);
  const row = rows + ((count * ROW) << 2);
  store<u32>(row, <u32>own, TEXT << 2);
  store<u32>(row, length, LENGTH << 2);
  store<u32>(row, hash, HASH << 2);
  store<i32>(row, UNKNOWN, FRAME << 2);
  for (; length > 8; length -= 8) {
    store<u64>(own, load<u64>(text));
    own += 8;
    text += 8;
  }
  store<u64>(own, lastBytes(text, length));
  store<u32>(state, <u32>own + 8, TEXTS_END << 2);
  store<u32>(slots + (slot << 2), count + 1);
  store<u32>(state, count + 1, ROW_COUNT << 2);
  return row;
}

/** See `Lanes`. */
export function runStackLane(state: usize, start: usize): usize {
  const headLength = load<u32>(state, HEAD_LENGTH << 2);
  if (!hasText(start, load<u32>(state, HEAD << 2), headLength)) return OTHER;
  const first = start + headLength;
  let at = first;
  let id: u32 = 0;
  for (let digit: u32 = load<u8>(at) - DIGIT_0; digit < 10; digit = load<u8>(++at) - DIGIT_0) id = id * 10 + digit;
  if (at === first || at > first + MOST_DIGITS || (at > first + 1 && load<u8>(first) === DIGIT_0)) return OTHER;
  const middleLength = load<u32>(state, MIDDLE_LENGTH << 2);
  if (!hasText(at, load<u32>(state, MIDDLE << 2), middleLength)) return OTHER;
  at += middleLength;
  const frames: usize = load<u32>(state, FRAMES << 2);
  let count: u32 = 0;
  let isKnown = true;
  const furthest = at + MOST_TEXT;
  while (true) {
    const end = endOfFrame(at);
    if (end === 0 || end > furthest || count === MOST_FRAMES) return OTHER;
    const row = rowOf(state, at, <u32>(end - at));
    if (row === 0) return OTHER;
    const frame = load<i32>(row, FRAME << 2);
    if (frame === UNKNOWN) isKnown = false;
    store<i32>(frames + (count++ << 2), frame);
    at = end + 1;
    const after: u32 = load<u8>(end);
    if (after === CLOSE_BRACKET) break;
    if (after !== COMMA) return OTHER;
  }
  if (load<u8>(at) !== CLOSE_BRACE || load<u8>(at, 1) !== NEWLINE) return OTHER;
  if (!isKnown) return NEW_FRAMES;
  store<u32>(state, id, ID << 2);
  store<u32>(state, count, COUNT << 2);
  return at + 2;
}
