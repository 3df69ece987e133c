/**
 * The tree of live addresses and their numbers (../replay/numbers.ts): chunks are hashed, the page in the chunk finds a leaf, and the grain in the page an
 * entry of it.
 * Invariant: of a grain where nothing lives the entry is 0; else it is the block's number times 2^NUMBER, plus which of 2^PLACES places in the grain it
 * begins at. If several blocks begin there, or one between two places, the entry is 2^NUMBER times the first of a chain of nodes, plus CROWDED.
 * Invariant: no chunk lies more than `farthest` slots behind the one that its hash names, so that no search is longer. Chunks which do not fit that, be they
 * chosen so, are hashed anew with another factor; the bound is then twice as large, until there are more slots, so that this happens less than 32 times.
 */
import { Column, EventWindow } from './tables';

/** Values of the column of operations, as trace/events.ts has them. */
const REALLOC: u32 = 2;
const REALLOCARRAY: u32 = 3;
const FREE: u32 = 9;

/**
 * A chunk is 2^LG_LEAF pages, a page 2^LG_LEAF grains, and a grain so many bytes that hardly two blocks begin in one. What a chunk and a page have is a
 * cache line, so that blocks which lie far apart cost no more.
 */
const LG_LEAF: u32 = 4;
const LINE: u32 = 64;
/** log2 of the bytes of a grain at first: where blocks are small, more of them crowd in one, and grains are halved. */
const COARSE: u32 = 8;
/** log2 of the places of a grain, and which of them an entry's block begins at; of a grain with fewer bytes than places, they lie parts of a byte apart. */
const LG_PLACES: u32 = 5;
const PLACE: u32 = 31;
/** The block is the only one; else the entry is that of a crowd. */
const ALONE: u32 = 32;
const NUMBER: u32 = 6;
const MOST_NUMBERS: u32 = 1 << (32 - NUMBER);
/** Numbers that there are at first. */
const FIRST_NUMBERS: u32 = 4096;
/** So many blocks may crowd, however few there were; and of all one in so many. */
const FEW: u64 = 64;
const ONE_IN: u64 = 64;
/** 2^64 divided by the golden ratio, to 53 bits: the upper bits of its multiples lie far apart, those of chunks that follow each other the farthest. */
const GOLDEN: u64 = 0x9e3779b97f4a7800;
/** A chunk lies so many slots behind its own at most, as long as the factor is the first one. */
const NEAR: u32 = 64;
/** No chunk. */
const EMPTY: u64 = -1;
/** Added to a whole number below it, it leaves that in the lower bits of the double, and its own in the upper 12. */
const LG_WHOLE: u64 = 52;
const WHOLE: f64 = 4503599627370496;
const WHOLE_BITS: u64 = 0x4330000000000000;

/** Room for so many bytes, all 0, and what gives it back (ColumnMemory). */
declare function take(bytes: u32): usize;
declare function give(start: usize, bytes: u32): void;
/** Brings what only reallocs need into the window. */
declare function loadMoves(): void;
/** Throws: all numbers are live. */
declare function exhausted(most: u32): void;
/** Takes what `visit` comes to: a live block's address and number, or a number that no block has with address 0; and that a chunk is not where it is looked for. */
declare function seen(address: f64, number: u32): void;
declare function lost(): void;

/** The window in progress. */
let events = changetype<EventWindow>(0);
/** Whether it has what reallocs need. */
let moves = false;

@unmanaged
class Slot {
  /** Address divided by the bytes of 2^LG_LEAF pages. */
  chunk: u64;
  /** Page of the chunk -> its leaf, null for none. */
  leaves: Column<Column<u32>>;
}
const SLOT_BYTES: u32 = 16;

/** A block among others of its grain. */
@unmanaged
class Node {
  number: u32;
  /** Bytes from the grain's beginning. */
  byte: u32;
  /** 0: the last one; of a node that is not used, the next such. */
  next: u32;
}

let grainBits = COARSE;
/** Hash table of chunks: 2^(64 - slotShift) slots. */
let slots: usize = 0;
let slotCount: u32 = 0;
let slotShift: u64 = 64;
/** The hash of a chunk is its product with this, which is GOLDEN at first. */
let factor: u64 = GOLDEN;
let farthest: u32 = NEAR;
let chunkCount: u32 = 0;
/** Room for lines; and lines that belong to nothing, chained by their first words, which are 0 otherwise. */
let lineNext: usize = 0;
let lineEnd: usize = 0;
let spareLine: usize = 0;
/** Node 0 is none. */
let nodes: usize = 0;
let nodeRoom: u32 = 0;
let nodeCount: u32 = 1;
let spareNode: u32 = 0;
/** Blocks that have crowded since the grains are what they are, and all rows that were numbered. */
let crowdings: u64 = 0;
let rowCount: u64 = 0;
/** Live blocks, and the stack of all other numbers, the next one first: spares[live .. room - 1], and what comes after those as `grow` has it. */
let live: u32 = 0;
let spares = changetype<Column<u32>>(0);
let room: u32 = 0;

/** Numbers the rows of a window. */
export function numberRows(window: EventWindow, rows: u32): void {
  events = window;
  if (slots === 0) begin();
  rowCount += rows;
  moves = false;
  // no free comes before what it frees, so there is a number for each row
  while (room - live < rows && room < MOST_NUMBERS - 1) grow();
  for (let row: u32 = 0; row < rows; row++) {
    row = lane(row, min(rows, row + room - live));
    if (row < rows) numberRow(row);
  }
}

function begin(): void {
  makeSlots(1024);
  nodeRoom = 128;
  nodes = take(nodeRoom * offsetof<Node>());
}

/**
 * Numbers rows from `from` on, to `to` - 1 at most, for whose blocks there are numbers: while they are no reallocs, and what they do concerns one entry of
 * a page with a leaf. Whether a row allocates or frees is no branch, since nothing foretells it.
 * @returns The first row that was not numbered.
 */
function lane(from: u32, to: u32): u32 {
  const op = events.op;
  const ptr = events.ptr;
  const object = events.object;
  const stack = spares;
  const firstSlot = slots;
  const shift = slotShift;
  const turn = <u64>grainBits - LG_PLACES;
  let count = live;
  let row = from;
  for (; row < to; row++) {
    const kind = <u32>op[row];
    // both reallocs, and what neither gives nor takes a block
    if ((kind & 6) === REALLOC) break;
    const address = reinterpret<u64>(ptr[row] + WHOLE) ^ WHOLE_BITS;
    if ((address - 1) >>> LG_WHOLE !== 0) break;
    // bits between two places come out on top, and make a chunk that there is not
    const place = rotr(address, turn);
    const chunk = place >>> (LG_PLACES + 2 * LG_LEAF);
    // with another factor this is a guess; a constant is faster
    let slot = changetype<Slot>(firstSlot + <u32>((chunk * GOLDEN) >>> shift) * SLOT_BYTES);
    if (slot.chunk !== chunk) {
      slot = slotOf(chunk);
      if (slot.chunk !== chunk) break;
    }
    const leaf = slot.leaves[<u32>(place >>> (LG_PLACES + LG_LEAF)) & ((1 << LG_LEAF) - 1)];
    if (changetype<usize>(leaf) === 0) break;
    const grain = <u32>(place >>> LG_PLACES) & ((1 << LG_LEAF) - 1);
    const entry = leaf[grain];
    const begins = (<u32>place & PLACE) | ALONE;
    const frees = kind === FREE;
    // an allocation's grain is to be empty, and where a free's block begins has to be the same
    if (select<u32>((entry ^ begins) << (32 - NUMBER), entry, frees) !== 0) break;
    count -= <u32>frees;
    const spare = stack[count];
    leaf[grain] = select<u32>(0, (spare << NUMBER) | begins, frees);
    const number = select<u32>(entry >>> NUMBER, spare, frees);
    // an allocation's number stays where it was
    stack[count] = number;
    count += <u32>!frees;
    object[row] = number;
  }
  live = count;
  return row;
}

function numberRow(row: u32): void {
  const kind = <u32>events.op[row];
  const address = <u64>(<i64>events.ptr[row]);
  if (kind === FREE) {
    events.object[row] = address === 0 ? 0 : release(address);
  } else if (kind > FREE) {
    events.object[row] = 0;
  } else {
    if (kind === REALLOC || kind === REALLOCARRAY) events.oldObject[row] = releaseFormer(row);
    events.object[row] = address === 0 ? 0 : claim(address);
  }
}

/** What a realloc does to the block that it took. */
function releaseFormer(row: u32): u32 {
  if (!moves) {
    loadMoves();
    moves = true;
  }
  const former = <u64>(<i64>events.old[row]);
  // a realloc that fails leaves its block; one to no bytes that gives NULL has freed it
  const keeps = events.ptr[row] === 0 && events.size[row] !== 0 && (<u32>events.op[row] === REALLOC || events.extra[row] !== 0);
  return former === 0 || keeps ? 0 : release(former);
}

/** The number of a new block's address. Where one lives already, it is that one's. */
function claim(address: u64): u32 {
  const cell = reach(address);
  const found = find(load<u32>(cell), address);
  if (found !== 0) return found;
  if (live === room) grow();
  const number = spares[live++];
  enter(cell, address, number);
  if (crowdings > FEW && crowdings * ONE_IN > rowCount && grainBits > 0) refine();
  return number;
}

/** Forgets an address and gives its number back: 0 if nothing lives there. */
function release(address: u64): u32 {
  const chunk = chunkOf(address);
  const slot = slotOf(chunk);
  if (slot.chunk !== chunk) return 0;
  const leaf = slot.leaves[pageInChunk(address)];
  if (changetype<usize>(leaf) === 0) return 0;
  const cell = cellOf(leaf, address);
  const entry = load<u32>(cell);
  const number = find(entry, address);
  if (number === 0) return 0;
  store<u32>(cell, (entry & ALONE) !== 0 ? 0 : withoutNode(entry, number));
  spares[--live] = number;
  return number;
}

/** The number of an address whose entry this would be, 0 if nothing lives there. */
function find(entry: u32, address: u64): u32 {
  if ((entry & ALONE) !== 0) return (entry & (ALONE | PLACE)) === beginsOf(address) ? entry >>> NUMBER : 0;
  const byte = byteInGrain(address);
  for (let index = entry >>> NUMBER; index !== 0; index = nodeAt(index).next) {
    if (nodeAt(index).byte === byte) return nodeAt(index).number;
  }
  return 0;
}

/** Gives an address its entry, or puts it among the crowd there. */
function enter(cell: usize, address: u64, number: u32): void {
  const entry = load<u32>(cell);
  const begins = beginsOf(address);
  if (entry === 0 && begins !== 0) {
    store<u32>(cell, (number << NUMBER) | begins);
    return;
  }
  const first = entry >>> NUMBER;
  const others = (entry & ALONE) !== 0 ? newNode(first, byteOf(entry, grainBits), 0) : first;
  store<u32>(cell, newNode(number, byteInGrain(address), others) << NUMBER);
  crowdings++;
}

function nodeAt(index: u32): Node {
  return changetype<Node>(nodes + index * offsetof<Node>());
}

function newNode(number: u32, byte: u32, next: u32): u32 {
  let index = spareNode;
  if (index !== 0) {
    spareNode = nodeAt(index).next;
  } else {
    if (nodeCount === nodeRoom) {
      nodes = moved(nodes, nodeRoom * offsetof<Node>(), nodeRoom * 2 * offsetof<Node>());
      nodeRoom *= 2;
    }
    index = nodeCount++;
  }
  const node = nodeAt(index);
  node.number = number;
  node.byte = byte;
  node.next = next;
  return index;
}

function dropNode(index: u32): void {
  nodeAt(index).next = spareNode;
  spareNode = index;
}

/** The entry of a crowd that a block leaves. */
function withoutNode(entry: u32, number: u32): u32 {
  let first = entry >>> NUMBER;
  let before: u32 = 0;
  let index = first;
  while (nodeAt(index).number !== number) {
    before = index;
    index = nodeAt(index).next;
  }
  const next = nodeAt(index).next;
  if (before === 0) first = next;
  else nodeAt(before).next = next;
  dropNode(index);
  return first << NUMBER;
}

function chunkOf(address: u64): u64 {
  return address >>> <u64>(grainBits + 2 * LG_LEAF);
}

function pageInChunk(address: u64): u32 {
  return <u32>(address >>> <u64>(grainBits + LG_LEAF)) & ((1 << LG_LEAF) - 1);
}

function byteInGrain(address: u64): u32 {
  return <u32>address & ((1 << grainBits) - 1);
}

/** What the entry of a block that is alone has beside its number; 0 if the block begins between two places. */
function beginsOf(address: u64): u32 {
  const place = rotr(address, <u64>grainBits - LG_PLACES);
  return place >>> (LG_PLACES + 2 * LG_LEAF) === chunkOf(address) ? (<u32>place & PLACE) | ALONE : 0;
}

/** The byte in a grain of 2^lgGrain at which the block of such an entry begins. */
function byteOf(entry: u32, lgGrain: u32): u32 {
  return rotl(entry & PLACE, lgGrain - LG_PLACES);
}

/** The place of an address's entry in the leaf of its page. */
function cellOf(leaf: Column<u32>, address: u64): usize {
  const grain = <u32>(address >>> grainBits) & ((1 << LG_LEAF) - 1);
  return changetype<usize>(leaf) + (grain << alignof<u32>());
}

function slotAt(first: usize, index: u32): Slot {
  return changetype<Slot>(first + index * SLOT_BYTES);
}

/** Where a chunk is among the slots, or would be: another's slot if it has to be hashed anew for that. */
function slotOf(chunk: u64): Slot {
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

/** The place of an address's entry; its page gets a leaf if it has none. */
function reach(address: u64): usize {
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
function refine(): void {
  const first = slots;
  const count = slotCount;
  const lgGrain = grainBits;
  const entries = take(LINE);
  grainBits--;
  crowdings = 0;
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

/** Makes more numbers. */
function grow(): void {
  if (room === MOST_NUMBERS - 1) exhausted(MOST_NUMBERS);
  const more = room === 0 ? FIRST_NUMBERS : min(room << 1, MOST_NUMBERS - 1);
  spares = changetype<Column<u32>>(moved(changetype<usize>(spares), room << 2, more << 2));
  for (let at = room; at < more; at++) spares[at] = at + 1;
  room = more;
}

/** A copy with more room. */
function moved(start: usize, bytes: u32, more: u32): usize {
  const copy = take(more);
  memory.copy(copy, start, bytes);
  if (bytes !== 0) give(start, bytes);
  return copy;
}

/** Shows all live blocks and spare numbers, for a check. @returns How many numbers there are, live or spare. */
export function visit(): u32 {
  for (let index: u32 = 0; index < slotCount; index++) {
    const slot = slotAt(slots, index);
    if (slot.chunk === EMPTY) continue;
    if (slotOf(slot.chunk) !== slot) lost();
    for (let page: u32 = 0; page < 1 << LG_LEAF; page++) {
      const leaf = slot.leaves[page];
      if (changetype<usize>(leaf) === 0) continue;
      const grains = ((slot.chunk << LG_LEAF) + page) << LG_LEAF;
      for (let grain: u32 = 0; grain < 1 << LG_LEAF; grain++) visitEntry(leaf[grain], (grains + grain) << grainBits);
    }
  }
  for (let at = live; at < room; at++) seen(0, spares[at]);
  return room;
}

/** Shows the blocks that begin in a grain. */
function visitEntry(entry: u32, grain: u64): void {
  if ((entry & ALONE) !== 0) {
    seen(<f64>(grain + byteOf(entry, grainBits)), entry >>> NUMBER);
    return;
  }
  for (let index = entry >>> NUMBER; index !== 0; index = nodeAt(index).next) seen(<f64>(grain + nodeAt(index).byte), nodeAt(index).number);
}
