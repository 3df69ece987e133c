/**
 * The addresses that a recording by bpftrace has without names, in the form in which it prints them (BPFTRACE_NO_USER_SYMBOLS): what should be a name is the address again.
 *
 *     10 7 7 malloc(8) = 0x2000 ra=0x1000050 0x1000050
 *     	1000200 0x1000200 ([unknown])
 *
 * Differs from reading the trace (formats/bpftrace): of a gigabyte no more than these few bytes a line are looked at.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { LOWER_A, LOWER_X, NINE, SPACE, TAB, UPPER_A, ZERO } from '../../formats/shared/letters.ts';
import { type Placement, placementOf } from './placed_code.ts';
import { forWholeLines, PART } from './whole_lines.ts';

const CALLER = ' ra=0x';

/** Addresses, each once, and what tells whose they were. */
export interface BareAddresses {
  /** Return addresses: where callers go on. */
  readonly returns: ReadonlySet<number>;
  /** Leaves of stacks: where the probed functions begin. */
  readonly leaves: ReadonlySet<number>;
  /** Code that took its place meanwhile. */
  readonly placements: readonly Placement[];
}

/** Reads them from a recording that is whole. */
export function bareAddresses(file: string): BareAddresses {
  const returns = new Set<number>();
  const leaves = new Set<number>();
  const placements: Placement[] = [];
  // The line behind that of a call is of the leaf.
  let isBehindCall = false;
  const part = Buffer.alloc(PART);
  const take = (start: number, end: number) => {
    const first = part[start] as number;
    if (end === start) return true;
    if (first === TAB) {
      const pc = bareAddress(part, start + 1, end);
      if (!Number.isNaN(pc)) (isBehindCall ? leaves : returns).add(pc);
      isBehindCall = false;
    } else if (first === UPPER_A) {
      const placement = placementOf(part.toString('latin1', start, end));
      if (placement !== undefined) placements.push(placement);
    } else {
      isBehindCall = first <= NINE;
      const at = isBehindCall ? callerAt(part, start, end) : -1;
      const pc = at < 0 ? Number.NaN : bareAddress(part, at, end);
      if (!Number.isNaN(pc)) returns.add(pc);
    }
    return true;
  };
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    // A line longer than a part is none that bpftrace prints.
    for (let from = 0; from < size; from += PART) from = forWholeLines(fd, from, part, take);
  } finally {
    closeSync(fd);
  }
  return { returns, leaves, placements };
}

/** Where in a line the address is that its call returns to; -1 if it has none. */
function callerAt(part: Buffer, start: number, end: number): number {
  const at = part.subarray(start, end).lastIndexOf(CALLER, undefined, 'latin1');
  return at < 0 ? -1 : start + at + CALLER.length;
}

/** An address that stands once more where its name would; NaN for any other text. */
function bareAddress(part: Buffer, start: number, end: number): number {
  let value = 0;
  let at = start;
  for (; at < end; at++) {
    const byte = part[at] as number;
    const digit = byte <= NINE ? byte - ZERO : byte - LOWER_A + 10;
    if (digit < 0 || digit > 15) break;
    value = value * 16 + digit;
  }
  const isBare = at > start && part[at] === SPACE && part[at + 1] === ZERO && part[at + 2] === LOWER_X;
  return isBare && Number.isSafeInteger(value) ? value : Number.NaN;
}
