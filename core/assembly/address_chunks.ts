/**
 * Which pages live addresses lie in (numbers.ts): chunks of pages are hashed, and the page in the chunk finds a leaf, which has an entry for each grain.
 * Invariant: no chunk lies more than `farthest` slots behind the one that its hash names, so that no search is longer. Chunks which do not fit that, be they
 * chosen so, are hashed anew with another factor; the bound is then twice as large, until there are more slots, so that this happens less than 32 times.
 */
import { ALONE, byteOf, chunkOf, dropNode, enter, grainBits, halveGrains, LG_LEAF, nodeAt, NUMBER, pageInChunk } from './address_entries';
import { give, take } from './number_calls';
import { Column } from './tables';

/** What a chunk and a page have is a cache line, so that blocks which lie far apart cost no more. */
const LINE: u32 = 64;
/** 2^64 divided by the golden ratio, to 53 bits: the upper bits of its multiples lie far apart, those of chunks that follow each other the farthest. */
export const GOLDEN: u64 = 0x9e3779b97f4a7800;
/** A chunk lies so many slots behind its own at most, as long as the factor is the first one. */
const NEAR: u32 = 64;
/** No chunk. */
export const EMPTY: u64 = -1;
const FIRST_SLOTS: u32 = 1024;

@unmanaged
export class Slot {
  /** Address divided by the bytes of 2^LG_LEAF pages. */
  chunk: u64;
  /** Page of the chunk -> its leaf, null for none. */
  leaves: Column<Column<u32>>;
}
export const SLOT_BYTES: u32 = 16;

/** Hash table of chunks: 2^(64 - slotShift) slots. */
export let slots: usize = 0;
export let slotCount: u32 = 0;
export let slotShift: u64 = 64;
/** The hash of a chunk is its product with this, which is GOLDEN at first. */
let factor: u64 = GOLDEN;
let farthest: u32 = NEAR;
let chunkCount: u32 = 0;
/** Room for lines; and lines that belong to nothing, chained by their first words, which are 0 otherwise. */
let lineNext: usize = 0;
let lineEnd: usize = 0;
let spareLine: usize = 0;

/** Before the first address. */
export function beginChunks(): void {
  makeSlots(FIRST_SLOTS);
}

export function slotAt(first: usize, index: u32): Slot {
  return changetype<Slot>(first + index * SLOT_BYTES);
}

/** Where a chunk is among the slots, or would be: another's slot if it has to be hashed anew for that. */
export function slotOf(chunk: u64): Slot {
  let index = <u32>((chunk * factor) >>> slotShift);
  let slot = slotAt(slots, index);
  let left = farthest;
  while (slot.chunk !== chunk) {
    if (slot.chunk === EMPTY || left === 0) break;
    left--;
    index = (index + 1) & (slotCount - 1);
    slot = slotAt(slots, index);
  }
  return slot;
}

/** The place of an address's entry in the leaf of its page. */
export function cellOf(leaf: Column<u32>, address: u64): usize {
  const grain = <u32>(address >>> grainBits) & ((1 << LG_LEAF) - 1);
  return changetype<usize>(leaf) + (grain << alignof<u32>());
}

/** The place of an address's entry; its page gets a leaf if it has none. */
export function reach(address: u64): usize {
  const chunk = chunkOf(address);
  let slot = slotOf(chunk);
  if (slot.chunk !== chunk) {
    if (chunkCount * 2 >= slotCount) {
      sweep();
      slot = slotOf(chunk);
    }
    while (slot.chunk !== EMPTY) {
      scatter();
      slot = slotOf(chunk);
    }
    chunkCount++;
    slot.chunk = chunk;
    slot.leaves = changetype<Column<Column<u32>>>(newLine());
  }
  const page = pageInChunk(address);
  if (changetype<usize>(slot.leaves[page]) === 0) slot.leaves[page] = changetype<Column<u32>>(newLine());
  return cellOf(slot.leaves[page], address);
}

function newLine(): usize {
  let line = spareLine;
  if (line !== 0) {
    spareLine = load<usize>(line);
    store<usize>(line, 0);
  } else {
    if (lineNext === lineEnd) {
      // as many bytes as the slots had when they were half as many: so lines come to lie where those were
      const bytes = (slotCount * SLOT_BYTES) >>> 1;
      lineNext = take(bytes);
      lineEnd = lineNext + bytes;
    }
    line = lineNext;
    lineNext += LINE;
  }
  return line;
}

/** Takes back a line that is 0 throughout. */
function dropLine(line: usize): void {
  store<usize>(line, spareLine);
  spareLine = line;
}

function isEmpty(line: usize): bool {
  let bits: u64 = 0;
  for (let at: u32 = 0; at < LINE; at += 8) bits |= load<u64>(line + at);
  return bits === 0;
}

/** Drops the pages where nothing lives, and chunks without others; if many chunks stay, makes room for more. */
function sweep(): void {
  const first = slots;
  const count = slotCount;
  let kept: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const slot = slotAt(first, index);
    if (slot.chunk === EMPTY) continue;
    const leaves = slot.leaves;
    for (let page: u32 = 0; page < 1 << LG_LEAF; page++) {
      const leaf = changetype<usize>(leaves[page]);
      if (leaf === 0 || !isEmpty(leaf)) continue;
      dropLine(leaf);
      leaves[page] = changetype<Column<u32>>(0);
    }
    if (isEmpty(changetype<usize>(leaves))) {
      dropLine(changetype<usize>(leaves));
      slot.chunk = EMPTY;
    } else {
      kept++;
    }
  }
  if (kept * 4 > count) farthest = NEAR;
  chunkCount = kept;
  respread(kept * 4 > count ? count * 2 : count);
}

/** Hashes all chunks with another factor. */
function scatter(): void {
  changeFactor();
  respread(slotCount);
}

/** The next factor, an odd one, and a bound that chunks fit sooner (xorshift64: Marsaglia, Xorshift RNGs, 2003). */
function changeFactor(): void {
  factor ^= factor << 13;
  factor ^= factor >>> 7;
  factor = (factor ^ (factor << 17)) | 1;
  farthest <<= 1;
}

/** Brings all chunks into so many slots, with other factors if they do not fit. */
function respread(count: u32): void {
  const first = slots;
  const former = slotCount;
  const chunks = chunkCount;
  makeSlots(count);
  while (!enterChunks(first, former)) {
    changeFactor();
    give(slots, count * SLOT_BYTES);
    makeSlots(count);
  }
  chunkCount = chunks;
  give(first, former * SLOT_BYTES);
}

/** Enters the chunks of other slots. @returns Whether all fitted. */
function enterChunks(first: usize, count: u32): bool {
  for (let index: u32 = 0; index < count; index++) {
    const from = slotAt(first, index);
    if (from.chunk === EMPTY) continue;
    const slot = slotOf(from.chunk);
    if (slot.chunk !== EMPTY) return false;
    slot.chunk = from.chunk;
    slot.leaves = from.leaves;
  }
  return true;
}

/** Makes all slots anew, without chunks: a power of two. */
function makeSlots(count: u32): void {
  slots = take(count * SLOT_BYTES);
  memory.fill(slots, 0xff, count * SLOT_BYTES);
  slotCount = count;
  slotShift = 33 + clz(count);
  chunkCount = 0;
}

/** Halves the grains: blocks lie closer than was thought. */
export function refine(): void {
  const first = slots;
  const count = slotCount;
  const lgGrain = grainBits;
  const entries = take(LINE);
  halveGrains();
  makeSlots(count);
  for (let index: u32 = 0; index < count; index++) {
    const slot = slotAt(first, index);
    if (slot.chunk === EMPTY) continue;
    const leaves = changetype<usize>(slot.leaves);
    for (let page: u32 = 0; page < 1 << LG_LEAF; page++) {
      const leaf = changetype<usize>(slot.leaves[page]);
      if (leaf === 0) continue;
      memory.copy(entries, leaf, LINE);
      memory.fill(leaf, 0, LINE);
      dropLine(leaf);
      const grains = ((slot.chunk << LG_LEAF) + page) << LG_LEAF;
      for (let grain: u32 = 0; grain < 1 << LG_LEAF; grain++) {
        enterAll(load<u32>(entries + (grain << alignof<u32>())), (grains + grain) << lgGrain, lgGrain);
      }
    }
    memory.fill(leaves, 0, LINE);
    dropLine(leaves);
  }
  give(entries, LINE);
  give(first, count * SLOT_BYTES);
}

/** Enters the blocks of a grain anew: of 2^lgGrain bytes, from an address on. */
function enterAll(entry: u32, grain: u64, lgGrain: u32): void {
  if ((entry & ALONE) !== 0) {
    const address = grain + byteOf(entry, lgGrain);
    enter(reach(address), address, entry >>> NUMBER);
    return;
  }
  for (let index = entry >>> NUMBER; index !== 0; ) {
    const node = nodeAt(index);
    const address = grain + node.byte;
    const number = node.number;
    const next = node.next;
    dropNode(index);
    enter(reach(address), address, number);
    index = next;
  }
}
