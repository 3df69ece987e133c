/**
 * Allocation infos of interpreted heaptrack files, and the lines of calls under them.
 * An info is a size and a stack. Calls name nothing else: `+ 3a` allocates under info 0x3a, `- 3a` frees a block of it.
 * What becomes of a call is up to who keeps the infos: it is appended to a batch (append_calls.ts), or booked (book_calls.ts).
 */
import { NEWLINE } from '../shared/letters.ts';
import { CallLines } from './call_lines.ts';

/** Allocation infos. */
export abstract class AllocationInfos {
  length = 0;
  /** True if the last call was a free, and nothing has been recorded since: `realloc` writes its free and its allocation so. */
  freed = false;
  /** Lines that `takeCalls` has taken. */
  lines = 0;
  readonly calls = new CallLines();

  /** Adds the next info. `reallocates`: the stack's leaf is a function that reallocates, so that a free just before is part of the call. */
  abstract add(size: number, stack: number, reallocates: boolean): void;

  /** Takes the first `count` calls (see CallLines) at `time`, ns, up to the first that frees where nothing lives, and gives how many. */
  abstract take(calls: Int32Array, count: number, time: number): number;

  /** There are no more calls. */
  end(): void {}
}

/**
 * Takes the calls at `time`, ns, that stand in line from `start` on, and gives the position of the first line that is none, names no info, or frees where
 * nothing lives. bytes[end - 1] is a newline.
 */
export function takeCalls(infos: AllocationInfos, time: number, bytes: Uint8Array, start: number, end: number): number {
  const lines = infos.calls;
  let line = start;
  while (line < end) {
    const stop = lines.read(bytes, line, end, infos.length);
    const taken = infos.take(lines.calls, lines.count, time);
    infos.lines += taken;
    if (taken < lines.count) return lineAfter(bytes, line, taken);
    line = stop;
    if (taken < lines.calls.length) break;
  }
  return line;
}

/** Position of the line that is `lines` behind the one at `start`. */
function lineAfter(bytes: Uint8Array, start: number, lines: number): number {
  let at = start;
  for (let i = 0; i < lines; i++) at = bytes.indexOf(NEWLINE, at) + 1;
  return at;
}
