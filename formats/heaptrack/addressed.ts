/**
 * Calls of heaptrack files that have addresses: raw ones, and interpreted ones of version 0. `+ 138 7 55980b860310` allocates size, trace, block; `- 55980b860310` frees.
 * Invariant: `freed` is the block that the batch's last event has freed, if nothing has been recorded since, and else NaN.
 */
import { Op } from '../../core/trace/events.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { HEX } from './hex.ts';
import type { HeaptrackStacks } from './stacks.ts';
import type { Bytes, Nanoseconds, StackIndex } from '../../core/units.ts';
import { NEWLINE, SPACE, PLUS, MINUS } from '../shared/letters.ts';

/** Digits read in two halves without rounding, six and seven. */
const MOST_DIGITS = 13;

/** State between calls. */
export class AddressedCalls {
  /** A realloc whose block stays where it is shows as its free and an allocation of the same address. */
  freed = NaN;
  /** Lines that `takeAddressedCalls` has taken. */
  lines = 0;
}

/**
 * Takes the calls that stand in line from `start` on, and gives the position of the first line that is none, names no trace, or has a number of more than 52 bits.
 * bytes[end - 1] is a newline. `time` in ns.
 */
export function takeAddressedCalls(
  calls: AddressedCalls,
  stacks: HeaptrackStacks,
  builder: BatchBuilder,
  time: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let line = start;
  while (line < end) {
    const sign = bytes[line];
    if ((sign !== PLUS && sign !== MINUS) || bytes[line + 1] !== SPACE) break;
    let size = 0;
    let stack: number | undefined = -1;
    let at = line + 2;
    if (sign === PLUS) {
      let next = hexEnd(bytes, at);
      if (next < 0 || bytes[next] !== SPACE) break;
      size = hexValue(bytes, at, next);
      at = next + 1;
      next = hexEnd(bytes, at);
      if (next < 0 || bytes[next] !== SPACE) break;
      stack = stacks.stackOf(hexValue(bytes, at, next));
      if (stack === undefined) break;
      at = next + 1;
    }
    const last = hexEnd(bytes, at);
    if (last < 0 || bytes[last] !== NEWLINE) break;
    const ptr = hexValue(bytes, at, last);
    if (sign === PLUS) addAllocation(calls, builder, time, ptr, size, stack);
    else addFree(calls, builder, time, ptr);
    line = last + 1;
    calls.lines++;
  }
  return line;
}

/** Appends an allocation, or makes it and the free of the same address just before it a realloc. */
export function addAllocation(calls: AddressedCalls, builder: BatchBuilder, time: number, ptr: number, size: number, stack: number): void {
  const { batch } = builder;
  if (ptr === calls.freed && ptr !== 0) {
    // The batch still ends with the free: it is handed over only when a further event needs its place.
    const row = batch.length - 1;
    batch.op[row] = Op.realloc;
    batch.old[row] = ptr;
    batch.size[row] = size as Bytes;
    batch.stack[row] = stack as StackIndex;
  } else append(builder, Op.malloc, time, ptr, size, stack);
  calls.freed = NaN;
}

/** Appends a free. */
export function addFree(calls: AddressedCalls, builder: BatchBuilder, time: number, ptr: number): void {
  append(builder, Op.free, time, ptr, 0, -1);
  calls.freed = ptr;
}

function append(builder: BatchBuilder, op: Op, time: number, ptr: number, size: number, stack: number): void {
  const { batch } = builder;
  if (batch.length === batch.capacity) builder.flush();
  const row = batch.length++;
  batch.op[row] = op;
  batch.time[row] = time as Nanoseconds;
  batch.ptr[row] = ptr;
  batch.old[row] = 0;
  batch.size[row] = size as Bytes;
  batch.stack[row] = stack as StackIndex;
}

/** The end of the hex number at `start`; -1 if there is none, or it has too many digits. */
function hexEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (HEX[bytes[at]] !== 255) at++;
  return at === start || at - start > MOST_DIGITS ? -1 : at;
}

function hexValue(bytes: Uint8Array, start: number, end: number): number {
  const split = Math.min(end, start + 6);
  let high = 0;
  for (let at = start; at < split; at++) high = (high << 4) | HEX[bytes[at]];
  if (end === split) return high;
  let low = 0;
  for (let at = split; at < end; at++) low = (low << 4) | HEX[bytes[at]];
  return high * (1 << ((end - split) * 4)) + low;
}
