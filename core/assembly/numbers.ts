/**
 * Numbers of live addresses (../replay/numbers.ts): a tree finds the entry of an address (address_chunks.ts), and that has the number (address_entries.ts).
 * Invariant: each number is one live block's, or spare.
 */
import {
  beginChunks,
  cellOf,
  EMPTY,
  GOLDEN,
  reach,
  refine,
  Slot,
  SLOT_BYTES,
  slotAt,
  slotCount,
  slotOf,
  slots,
  slotShift,
} from './address_chunks';
import {
  ALONE,
  beginEntries,
  byteOf,
  chunkOf,
  crowdings,
  enter,
  find,
  grainBits,
  LG_LEAF,
  LG_PLACES,
  nodeAt,
  NUMBER,
  pageInChunk,
  PLACE,
  withoutNode,
} from './address_entries';
import { exhausted, loadMoves, lost, seen } from './number_calls';
import { moved } from './room';
import { Column, EventWindow } from './tables';

/** Values of the column of operations, as trace/events.ts has them. */
const REALLOC: u32 = 2;
const REALLOCARRAY: u32 = 3;
const FREE: u32 = 9;

/** So many numbers there are at most, and at first. */
const MOST_NUMBERS: u32 = 1 << (32 - NUMBER);
const FIRST_NUMBERS: u32 = 4096;
/** So many blocks may crowd, however few there were; and of all one in so many. */
const FEW: u64 = 64;
const ONE_IN: u64 = 64;
/** Added to a whole number below it, it leaves that in the lower bits of the double, and its own in the upper 12. */
const LG_WHOLE: u64 = 52;
const WHOLE: f64 = 4503599627370496;
const WHOLE_BITS: u64 = 0x4330000000000000;

/** The window in progress. */
let events = changetype<EventWindow>(0);
/** Whether it has what reallocs need. */
let moves = false;

/** All rows that were numbered. */
let rowCount: u64 = 0;
/** Live blocks, and the stack of all other numbers, the next one first: spares[live .. room - 1], and what comes after those as `grow` has it. */
let live: u32 = 0;
let spares = changetype<Column<u32>>(0);
let room: u32 = 0;

/** Numbers the rows of a window. */
export function numberRows(window: EventWindow, rows: u32): void {
  events = window;
  if (slots === 0) {
    beginChunks();
    beginEntries();
  }
  rowCount += rows;
  moves = false;
  // no free comes before what it frees, so there is a number for each row
  while (room - live < rows && room < MOST_NUMBERS - 1) grow();
  for (let row: u32 = 0; row < rows; row++) {
    row = lane(row, min(rows, row + room - live));
    if (row < rows) numberRow(row);
  }
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

/** Makes more numbers. */
function grow(): void {
  if (room === MOST_NUMBERS - 1) exhausted(MOST_NUMBERS);
  const more = room === 0 ? FIRST_NUMBERS : min(room << 1, MOST_NUMBERS - 1);
  spares = changetype<Column<u32>>(moved(changetype<usize>(spares), room << 2, more << 2));
  for (let at = room; at < more; at++) spares[at] = at + 1;
  room = more;
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
