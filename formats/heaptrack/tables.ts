/**
 * Lines of interpreted heaptrack files that define traces and allocation infos: `t 5 2`, `a 138 7`. Recordings of large programs have as many of them as of calls.
 * Invariant: what a line does here is what it does in heaptrack.ts; one that names what is not there, or has a number of more than 28 bits, is left.
 */
import { NEWLINE, SPACE } from '../shared/letters.ts';
import { HEX } from './hex.ts';
import type { AllocationInfos } from './infos.ts';
import { INFO, MOST_DIGITS, TRACE } from './numbers.ts';
import type { HeaptrackStacks } from './stacks.ts';

/**
 * Takes such lines from `start` on, infos only if `infos` are given, and gives the position of the first line that is left.
 * bytes[end - 1] is a newline.
 */
export function takeTables(
  stacks: HeaptrackStacks,
  infos: AllocationInfos | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const digits = HEX;
  let line = start;
  while (line < end) {
    const letter = bytes[line];
    if ((letter !== TRACE && (letter !== INFO || infos === undefined)) || bytes[line + 1] !== SPACE) break;
    const first = line + 2;
    let at = first;
    let left = 0;
    for (let digit = digits[bytes[at]]; digit !== 255; digit = digits[bytes[++at]]) left = (left << 4) | digit;
    if (at === first || at > first + MOST_DIGITS || bytes[at] !== SPACE) break;
    const second = ++at;
    let right = 0;
    for (let digit = digits[bytes[at]]; digit !== 255; digit = digits[bytes[++at]]) right = (right << 4) | digit;
    if (at === second || at > second + MOST_DIGITS || bytes[at] !== NEWLINE) break;
    if (letter === TRACE) {
      if (left > stacks.pointers || right > stacks.traces) break;
      stacks.addTrace(left, right);
    } else {
      const stack = stacks.stackOf(right);
      if (stack === undefined) break;
      infos?.add(left, stack, stacks.reallocates(right));
    }
    line = at + 1;
  }
  return line;
}
