/**
 * Calls that a library of one's own prints amid other things:
 *
 *     [HOOK] malloc(4096) = 0x5581c0b7a2a0 (call #1)
 *     12:01:02 DEBUG: calloc(1, 32) -> 0x55d3c3c3b2a0 at main.c:12
 *     malloc_count ### free(0x2b5c8010) -> 1048576   (current 2048)          malloc_count
 *     malloc_count ### realloc(0x2b5c8010 -> 0x2b6c9020, 16 -> 64)   (current 2112)
 *     [AFL] malloc(472) = 0x7ffff7ff3e28 [472 total]                         AFL's libdislocator
 *     calloc(1, 36) @0x8001737 returned 0x20001cf0                           RIOT's malloc_tracing
 *     ... #1: malloc(0x64)    =  0x5555555596b0                               heaptrace, which numbers blocks by their calls
 *     ... #2: free(#1)          (#1=0x5555555596b0)
 *
 * Invariant: a call has all its arguments and, but for free, the address that it gave; of a line the first call counts.
 * What such lines cannot say: what else they hold. Times and threads are told in as many ways as there are libraries.
 */
import { addressOfText, sizeOfText } from '../shared/cursor.ts';

/** What a line says of a call. */
export interface CallAmid {
  readonly name: string;
  /** Numbers and addresses. */
  readonly args: readonly number[];
  /** What it gave; 0 for free. */
  readonly result: number;
  /** The address returned to, if it is there; else 0. */
  readonly caller: number;
  /** What stands before and behind the call. */
  readonly before: string;
  readonly behind: string;
}

/** The name stands alone: what is in a library or an object is ltrace's or a program's. Dots at a line's beginning are a program's progress. */
const CALL =
  /(?:^\.*|[^\w.:>@-])(free|malloc|calloc|realloc|posix_memalign|aligned_alloc|memalign|reallocarray|valloc|pvalloc)\(((?:[^()]|\(nil\)){1,80})\)/i;
const CALLER = /^ @(0x[\da-f]{1,16})\b/i;
const GIVES = /^\s*(?:={1,2}>?|-{1,2}>|:|returned|returns)\s*(0x[\da-f]{1,16}|\(nil\)|nil|null)(?!\w)/i;
const ARGUMENT = /^(?:\d{1,20}|0x[\da-f]{1,16}|\(nil\)|nil|null)$/i;
/** What realloc was given and gave, in one. */
const MOVED = /(?:^|[^\w.:>@-])(realloc)\((0x[\da-f]{1,16}) -> (0x[\da-f]{1,16}), \d{1,20} -> (\d{1,20})\)/;
/** Functions whose first argument is a block. */
const TAKES_BLOCK = /^(?:free|realloc|reallocarray)$/;
const NUMBERED = /^#\d{1,15}$/;

/** Reads the call of a line; undefined if it has none. */
export function callAmid(line: string): CallAmid | undefined {
  const call = CALL.exec(line);
  if (call === null) return undefined;
  const end = call.index + call[0].length;
  const caller = CALLER.exec(line.slice(end));
  const rest = line.slice(end + (caller?.[0].length ?? 0));
  const name = call[1].toLowerCase();
  const args = call[2].split(',').map((text, index) => {
    const argument = addressOfBlock(text.trim(), rest);
    if (!ARGUMENT.test(argument)) return NaN;
    return index === 0 && TAKES_BLOCK.test(name) ? addressOf(argument) : sizeOf(argument);
  });
  const gives = name === 'free' ? null : GIVES.exec(rest);
  if (args.some(Number.isNaN)) return movedBlock(line);
  if (name !== 'free' && gives === null) return undefined;
  const start = end - call[2].length - 2 - name.length;
  return {
    name,
    args,
    result: gives === null ? 0 : addressOf(gives[1]),
    caller: caller === null ? 0 : Number(caller[1]),
    before: line.slice(0, start),
    behind: rest.slice(gives?.[0].length ?? 0),
  };
}

function movedBlock(line: string): CallAmid | undefined {
  const moved = MOVED.exec(line);
  if (moved === null) return undefined;
  const [whole, name, old, result, size] = moved;
  const end = moved.index + whole.length;
  const bytes = sizeOfText(size);
  if (Number.isNaN(bytes)) return undefined;
  return {
    name,
    args: [addressOfText(old), bytes],
    result: addressOfText(result),
    caller: 0,
    before: line.slice(0, line.lastIndexOf(name, end)),
    behind: line.slice(end),
  };
}

/** What stands for a block: its number has its address behind the call. */
function addressOfBlock(text: string, behind: string): string {
  if (!NUMBERED.test(text)) return text;
  return new RegExp(`${text}=(0x[\\da-f]{1,16})`).exec(behind)?.[1] ?? text;
}

const NULL = /^\(?n/i;
const addressOf = (text: string): number => (NULL.test(text) ? 0 : addressOfText(text));
const sizeOf = (text: string): number => (NULL.test(text) ? 0 : sizeOfText(text));
