/**
 * The words of NDJSON lines that are known: keys, which operation needs which, and what `op` may say.
 * Invariant: a word is compared where it lies, by its first letter and then whole; no string is made of it.
 */
import { Op, OP_NAMES } from '../../core/trace/events.ts';
import { ascii } from '../shared/cursor.ts';

/** A bit for each known key. */
export const Key = {
  op: 1,
  ts: 2,
  tid: 4,
  size: 8,
  ptr: 16,
  old: 32,
  count: 64,
  alignment: 128,
  stack: 256,
  start_ts: 512,
  cpu: 1024,
} as const;

/** Keys that an operation needs, by op number. */
export const NEEDS = new Uint16Array(OP_NAMES.length);
NEEDS[Op.malloc] = Key.size | Key.ptr;
NEEDS[Op.calloc] = Key.count | Key.size | Key.ptr;
NEEDS[Op.realloc] = Key.old | Key.size | Key.ptr;
NEEDS[Op.reallocarray] = Key.old | Key.count | Key.size | Key.ptr;
NEEDS[Op.posix_memalign] = Key.alignment | Key.size | Key.ptr;
NEEDS[Op.aligned_alloc] = Key.alignment | Key.size | Key.ptr;
NEEDS[Op.memalign] = Key.alignment | Key.size | Key.ptr;
NEEDS[Op.valloc] = Key.size | Key.ptr;
NEEDS[Op.pvalloc] = Key.size | Key.ptr;
NEEDS[Op.free] = Key.ptr;
NEEDS[Op.malloc_usable_size] = Key.ptr;

/** What a line's `op` says besides the operations of core: negative, so that the two do not meet. */
export const Line = { unknown: -1, trace: -2, maps: -3, stack: -4, thread: -5 } as const;

/** Words that `op` may be, by length and first letter: slot -> words with their op. */
const OPS_BY_SHAPE: (readonly (readonly [Uint8Array, number])[] | undefined)[] = new Array(1024).fill(undefined);
for (const [word, op] of [
  ...Object.entries(Op).map(([name, number]) => [ascii(name), number] as const),
  [ascii('trace'), Line.trace] as const,
  [ascii('maps'), Line.maps] as const,
  [ascii('stack'), Line.stack] as const,
  [ascii('thread'), Line.thread] as const,
]) {
  const shape = (word.length << 5) | (word[0] & 31);
  OPS_BY_SHAPE[shape] = [...(OPS_BY_SHAPE[shape] ?? []), [word, op]];
}

/** The keys after their first letter, each with its closing quote. */
const P = ascii('p"');
const LD = ascii('ld"');
const S = ascii('s"');
const ID = ascii('id"');
const TR = ascii('tr"');
const IZE = ascii('ize"');
const TACK = ascii('tack"');
const TART_TS = ascii('tart_ts"');
const OUNT = ascii('ount"');
const PU = ascii('pu"');
const LIGNMENT = ascii('lignment"');

/** Lengths of the keys by the number of their bit, with the closing quote. */
export const KEY_LENGTHS = Uint8Array.from(Object.keys(Key), (name) => name.length + 1);

/** The bit of the known key whose first letter is at `pos`, 0 if it is another. */
export function keyAt(bytes: Uint8Array, pos: number): number {
  switch (bytes[pos]) {
    case 0x6f: // o
      if (isAt(bytes, pos + 1, P)) return Key.op;
      return isAt(bytes, pos + 1, LD) ? Key.old : 0;
    case 0x74: // t
      if (isAt(bytes, pos + 1, S)) return Key.ts;
      return isAt(bytes, pos + 1, ID) ? Key.tid : 0;
    case 0x70: // p
      return isAt(bytes, pos + 1, TR) ? Key.ptr : 0;
    case 0x73: // s
      if (isAt(bytes, pos + 1, IZE)) return Key.size;
      if (isAt(bytes, pos + 1, TACK)) return Key.stack;
      return isAt(bytes, pos + 1, TART_TS) ? Key.start_ts : 0;
    case 0x63: // c
      if (isAt(bytes, pos + 1, OUNT)) return Key.count;
      return isAt(bytes, pos + 1, PU) ? Key.cpu : 0;
    case 0x61: // a
      return isAt(bytes, pos + 1, LIGNMENT) ? Key.alignment : 0;
    default:
      return 0;
  }
}

function isAt(bytes: Uint8Array, pos: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[pos + i] !== word[i]) return false;
  return true;
}

/** What the string start..end says as a line's `op`: Op, or one of Line. */
export function opOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const candidates = length < 32 ? OPS_BY_SHAPE[(length << 5) | (bytes[start] & 31)] : undefined;
  if (candidates !== undefined) {
    for (let i = 0; i < candidates.length; i++) if (isAt(bytes, start, candidates[i][0])) return candidates[i][1];
  }
  return Line.unknown;
}
