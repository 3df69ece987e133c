/**
 * Allocation infos of interpreted heaptrack files, and which block each of their frees meant.
 * An info is a size and a stack. Calls name nothing else: `+ 3a` allocates under info 0x3a, `- 3a` frees a block of it.
 * Invariant: the blocks live under an info are linked from its row, the latest first; the others are linked from `spare`.
 *
 * A free takes the latest block of its info. That gives the right number of objects, bytes and peak under every stack at any time,
 * and the right sum of lifetimes wherever all blocks of an info are freed; single lifetimes may be exchanged between blocks of one size and stack.
 * The latest rather than the earliest: most blocks die young, a block that is freed by the very next call is found for certain,
 * and what was allocated at the start and stays is told from what comes and goes (in raw recordings of six programs, which have the addresses,
 * the latest was the block meant by 78 % of the frees on average, the earliest by 75 %).
 */
import { grown } from '../../core/columns.ts';
import { Op } from '../../core/trace/events.ts';
import { NO_STACK } from '../../core/units.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { CallLines } from './call_lines.ts';
import { LIVE, SIZES, STACK, WORDS } from './info_row.ts';
import { ADDRESS_STEP, BEFORE_FIRST_ADDRESS, NEWLINE } from './letters.ts';

/** Table of allocation infos and of the blocks that live under them. */
export class AllocationInfos {
  length = 0;
  /** Rows of 16 bytes, because a call touches all of one: bytes requested at info * SIZES, a double. */
  sizes: Float64Array<ArrayBuffer> = new Float64Array(1024 * SIZES);
  /** The same memory: info * WORDS + STACK or LIVE. */
  words: Int32Array<ArrayBuffer> = new Int32Array(this.sizes.buffer);
  /** Block, from 1 -> the next one of its list; 0 ends the list of an info. Blocks that were never needed are all in the list of spare ones, in order. */
  next = new Int32Array(0);
  spare = 1;
  /** True if the last call was a free, and nothing has been recorded since: `realloc` writes its free and its allocation so. */
  freed = false;
  /** Where calls are booked (book_calls.ts): the info of the last call, if that was an allocation, else -1. */
  latest = -1;
  /** See `touch` there. */
  touched = 0.5;
  /** Lines that `takeCalls` has taken. */
  lines = 0;
  readonly calls = new CallLines();

  constructor() {
    this.growBlocks();
  }

  /** `reallocates`: the stack's leaf is a function that reallocates, so that a free just before is part of the call. */
  add(size: number, stack: number, reallocates: boolean): void {
    const info = this.length++;
    if (info * SIZES === this.sizes.length) {
      this.sizes = grown(this.sizes, this.sizes.length * 2);
      this.words = new Int32Array(this.sizes.buffer);
    }
    this.sizes[info * SIZES] = size;
    this.words[info * WORDS + STACK] = stack;
    this.words[info * WORDS + LIVE] = reallocates ? 1 : 0;
  }

  /** Makes room for as many blocks again. */
  growBlocks(): void {
    const blocks = this.next.length;
    this.next = grown(this.next, Math.max(4096, blocks * 2));
    for (let block = blocks; block < this.next.length; block++) this.next[block] = block + 1;
  }
}

/** Takes the first `count` calls (see CallLines), up to the first that frees where nothing lives, and gives how many. */
export type TakeCalls = (calls: Int32Array, count: number) => number;

/**
 * Takes the calls that stand in line from `start` on, and gives the position of the first line that is none, names no info, or frees where nothing lives.
 * bytes[end - 1] is a newline.
 */
export function takeCalls(infos: AllocationInfos, take: TakeCalls, bytes: Uint8Array, start: number, end: number): number {
  const lines = infos.calls;
  let line = start;
  while (line < end) {
    const stop = lines.read(bytes, line, end, infos.length);
    const taken = take(lines.calls, lines.count);
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

/** Appends calls at `time`, ns, as TakeCalls says. Blocks are numbered from 1, for `object` of EventBatch. */
export function appendCalls(infos: AllocationInfos, builder: BatchBuilder, time: number, calls: Int32Array, count: number): number {
  const { batch } = builder;
  const { op, ptr, old, size, stack, time: times, capacity } = batch;
  const { object, oldObject } = builder.numbered();
  const { sizes, words } = infos;
  const { malloc, realloc, free } = Op;
  let { next, spare, freed } = infos;
  let row = batch.length;
  let i = 0;
  for (; i < count; i++) {
    const call = calls[i];
    const info = call >> 1;
    const place = info * WORDS;
    const live = words[place + LIVE];
    const frees = (call & 1) !== 0;
    const block = frees ? live >> 1 : spare;
    if (block === 0) break;
    if (frees) {
      words[place + LIVE] = (next[block] << 1) | (live & 1);
      next[block] = spare;
      spare = block;
    } else {
      if (block >= next.length) {
        infos.growBlocks();
        next = infos.next;
      }
      spare = next[block];
      next[block] = live >> 1;
      words[place + LIVE] = (block << 1) | (live & 1);
      if (freed && (live & 1) !== 0) {
        // The batch still ends with the free: it is handed over only when a further event needs its place.
        const last = row - 1;
        op[last] = realloc;
        old[last] = ptr[last];
        oldObject[last] = object[last];
        ptr[last] = BEFORE_FIRST_ADDRESS + block * ADDRESS_STEP;
        object[last] = block;
        size[last] = sizes[info * SIZES];
        stack[last] = words[place + STACK];
        freed = false;
        continue;
      }
    }
    freed = frees;
    if (row === capacity) {
      batch.length = row;
      builder.flush();
      row = 0;
    }
    times[row] = time;
    ptr[row] = BEFORE_FIRST_ADDRESS + block * ADDRESS_STEP;
    object[row] = block;
    old[row] = 0;
    oldObject[row] = 0;
    if (frees) {
      op[row] = free;
      size[row] = 0;
      stack[row] = NO_STACK;
    } else {
      op[row] = malloc;
      size[row] = sizes[info * SIZES];
      stack[row] = words[place + STACK];
    }
    row++;
  }
  batch.length = row;
  infos.spare = spare;
  infos.freed = freed;
  return i;
}
