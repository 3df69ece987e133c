/**
 * Allocation infos of interpreted heaptrack files, and which block each of their frees meant.
 * An info is a size and a stack. Calls name nothing else: `+ 3a` allocates under info 0x3a, `- 3a` frees a block of it.
 * Invariant: the blocks live under an info are linked from `head`, the latest first; the others are linked from `#spare`.
 *
 * A free takes the latest block of its info. That gives the right number of objects, bytes and peak under every stack at any time,
 * and the right sum of lifetimes wherever all blocks of an info are freed; single lifetimes may be exchanged between blocks of one size and stack.
 * The latest rather than the earliest: most blocks die young, a block that is freed by the very next call is found for certain,
 * and what was allocated at the start and stays is told from what comes and goes (in raw recordings of six programs, which have the addresses,
 * the latest was the block meant by 78 % of the frees on average, the earliest by 75 %).
 */
import { Op } from '../../core/trace/events.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { HEX } from './hex.ts';

const NEWLINE = 0x0a;
const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const NONE = -1;
/** Made-up addresses: that of the first block, and the distance of the following ones. */
const FIRST_ADDRESS = 0x10000;
const ADDRESS_STEP = 16;
/** Digits of the largest index taken. */
const MOST_DIGITS = 7;

/** Table of allocation infos and of the blocks that live under them. */
export class AllocationInfos {
  length = 0;
  /** Info -> bytes. */
  size = new Float64Array(1024);
  /** Info -> StackIndex. */
  stack = new Int32Array(1024);
  /** Info -> 1 if its stack's leaf is a function that reallocates: a free just before is part of the call. */
  reallocates = new Uint8Array(1024);
  /** Info -> the latest block that lives under it, -1 for none. */
  head = new Int32Array(1024);
  /** Block -> the next one of its list, -1 for the last. */
  next = new Int32Array(4096);
  /** Blocks ever needed at once. */
  blocks = 0;
  spare = NONE;
  /** True if the last call was a free, and nothing has been recorded since: `realloc` writes its free and its allocation so. */
  freed = false;
  /** Lines that `takeCalls` has taken. */
  lines = 0;

  add(size: number, stack: number, reallocates: boolean): void {
    const info = this.length++;
    if (info === this.size.length) {
      const capacity = info * 2;
      this.size = grow(this.size, new Float64Array(capacity));
      this.stack = grow(this.stack, new Int32Array(capacity));
      this.reallocates = grow(this.reallocates, new Uint8Array(capacity));
      this.head = grow(this.head, new Int32Array(capacity));
    }
    this.size[info] = size;
    this.stack[info] = stack;
    this.reallocates[info] = reallocates ? 1 : 0;
    this.head[info] = NONE;
  }

  /** Makes room for as many blocks again. */
  growBlocks(): void {
    this.next = grow(this.next, new Int32Array(this.next.length * 2));
  }
}

/**
 * Takes the calls that stand in line from `start` on, and gives the position of the first line that is none, names no info, or frees where nothing lives.
 * bytes[end - 1] is a newline. `time` in ns.
 */
export function takeCalls(
  infos: AllocationInfos,
  builder: BatchBuilder,
  time: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  const { batch } = builder;
  const { op, ptr, old, size, stack, time: times, capacity } = batch;
  const { length, head, size: sizes, stack: stacks, reallocates } = infos;
  let { next, spare, freed, lines } = infos;
  let line = start;
  while (line < end) {
    const sign = bytes[line];
    if ((sign !== PLUS && sign !== MINUS) || bytes[line + 1] !== SPACE) break;
    let at = line + 2;
    let info = 0;
    for (let digit = HEX[bytes[at]]; digit !== 255; digit = HEX[bytes[++at]]) info = (info << 4) | digit;
    if (bytes[at] !== NEWLINE || at === line + 2 || at > line + 2 + MOST_DIGITS || info >= length) break;
    let block: number;
    if (sign === PLUS) {
      block = spare;
      if (block === NONE) {
        block = infos.blocks++;
        if (block === next.length) {
          infos.growBlocks();
          next = infos.next;
        }
      } else spare = next[block];
      next[block] = head[info];
      head[info] = block;
    } else {
      block = head[info];
      if (block === NONE) break;
      head[info] = next[block];
      next[block] = spare;
      spare = block;
    }
    const address = FIRST_ADDRESS + block * ADDRESS_STEP;
    if (freed && sign === PLUS && reallocates[info] === 1) {
      // The batch still ends with the free: it is handed over only when a further event needs its place.
      const row = batch.length - 1;
      op[row] = Op.realloc;
      old[row] = ptr[row];
      ptr[row] = address;
      size[row] = sizes[info];
      stack[row] = stacks[info];
    } else {
      if (batch.length === capacity) builder.flush();
      const row = batch.length++;
      times[row] = time;
      ptr[row] = address;
      old[row] = 0;
      if (sign === PLUS) {
        op[row] = Op.malloc;
        size[row] = sizes[info];
        stack[row] = stacks[info];
      } else {
        op[row] = Op.free;
        size[row] = 0;
        stack[row] = NONE;
      }
    }
    freed = sign === MINUS;
    line = at + 1;
    lines++;
  }
  infos.lines = lines;
  infos.spare = spare;
  infos.freed = freed;
  return line;
}

function grow<T extends Uint8Array | Int32Array | Float64Array>(column: T, grown: T): T {
  grown.set(column);
  return grown;
}
