/**
 * The lanes of a compact trace: a block's new calls to the table of calls, and its events to a batch.
 * Invariant: whatever the bytes say, nothing is read but the block's columns and tables, and nothing is written outside the tables and the batch.
 */
import {
  ADDRESSES,
  BAD_ADDRESS,
  CALL,
  CALL_BYTES,
  CALL_EXTRA,
  CALL_OP,
  CALL_SIZE,
  CALL_STACK,
  CALL_TABLE,
  CALL_THREAD,
  CALLS,
  LAST_ADDRESS,
  MOST_CALLS,
  NEW_ADDRESSES,
  NEW_ADDRESSES_END,
  NO_ADDRESS,
  NO_CALL,
  NOW,
  NUMBERS,
  OBJECT,
  OBJECT_WIDE,
  OBJECT_WIDE_END,
  OLD,
  OLD_END,
  SOUND,
  TIME,
  TIME_WIDE,
  TIME_WIDE_END,
  UNIT,
  VACANT,
  VACANT_END,
  WIDE,
} from '../compact/block_layout';
import {
  extrasOf,
  LAST_OP,
  MOST_ADDRESS,
  NO_STACK,
  REALLOC,
  REALLOCARRAY,
  oldsOf,
  opsOf,
  ptrsOf,
  sizesOf,
  stacksOf,
  threadsOf,
} from './columns';
import { moveTo, position, signed, unsigned } from './varint';

/** 2^64. */
const LARGEST_SIZE: f64 = 1.8446744073709552e19;

/** See `Lanes`. */
export function runCallLane(
  start: usize,
  end: usize,
  threads: usize,
  threadCount: u32,
  stacks: usize,
  stackCount: u32,
  table: usize,
  firstCall: u32,
): i32 {
  moveTo(start);
  let call = firstCall;
  while (position < end) {
    // (thread * 16 + op) * 4 and what follows: see `calls` of Block
    const first = unsigned(end);
    if (!(first < <f64>threadCount * 64)) return -1;
    const bits = <u32>first;
    const size = (bits & 1) !== 0 ? unsigned(end) : 0;
    const extra = (bits & 2) !== 0 ? unsigned(end) : 0;
    const stack = unsigned(end);
    const op = (bits >> 2) & 15;
    const sound = op <= LAST_OP && size <= LARGEST_SIZE && extra <= LARGEST_SIZE && stack <= <f64>stackCount;
    if (!sound || call === MOST_CALLS) return -1;
    const row = table + call * CALL_BYTES;
    store<f64>(row, size, CALL_SIZE);
    store<f64>(row, extra, CALL_EXTRA);
    store<i32>(row, load<i32>(threads + ((bits >> 6) << 2)), CALL_THREAD);
    store<i32>(row, stack === 0 ? NO_STACK : load<i32>(stacks + ((<u32>stack - 1) << 2)), CALL_STACK);
    store<u32>(row, op, CALL_OP);
    call++;
  }
  return call;
}

/** Numbers of addresses: how many were ever given, those that are free again, and the next one. */
let numbers: u32 = 0;
let vacant: usize = 0;
let vacantEnd: usize = 0;
let next: u32 = 0;
/** The new addresses that come next, and the one that came last. */
let news: usize = 0;
let newsEnd: usize = 0;
let lastAddress: f64 = 0;

function findNext(): void {
  next = vacant < vacantEnd ? load<u32>(vacant) : numbers;
}

/** Gives the next number to the next new address. False for an address that cannot be. */
function define(addresses: usize): bool {
  moveTo(news);
  const address = lastAddress + signed(newsEnd);
  news = position;
  if (!(address > 0 && address <= MOST_ADDRESS)) return false;
  lastAddress = address;
  store<f64>(addresses + (next << 3), address);
  if (vacant < vacantEnd) vacant += 4;
  else numbers++;
  findNext();
  return true;
}

/** See `Lanes`. */
export function runBlockLane(state: usize, from: u32, to: u32, columns: usize, objects: usize, oldObjects: usize, capacity: u32): i32 {
  const ptrs = ptrsOf(columns, capacity);
  const olds = oldsOf(columns, capacity);
  const sizes = sizesOf(columns, capacity);
  const extras = extrasOf(columns, capacity);
  const threads = threadsOf(columns, capacity);
  const stacks = stacksOf(columns, capacity);
  const ops = opsOf(columns, capacity);
  const addresses = <usize>load<f64>(state, ADDRESSES << 3);
  const table = <usize>load<f64>(state, CALL_TABLE << 3);
  const calls = <u32>load<f64>(state, CALLS << 3);
  const unit = load<f64>(state, UNIT << 3);
  const callOf = <usize>load<f64>(state, CALL << 3);
  const timeOf = <usize>load<f64>(state, TIME << 3);
  const objectOf = <usize>load<f64>(state, OBJECT << 3);
  const timeWideEnd = <usize>load<f64>(state, TIME_WIDE_END << 3);
  const objectWideEnd = <usize>load<f64>(state, OBJECT_WIDE_END << 3);
  const oldEnd = <usize>load<f64>(state, OLD_END << 3);
  let timeWide = <usize>load<f64>(state, TIME_WIDE << 3);
  let objectWide = <usize>load<f64>(state, OBJECT_WIDE << 3);
  let oldAt = <usize>load<f64>(state, OLD << 3);
  let now = load<f64>(state, NOW << 3);
  numbers = <u32>load<f64>(state, NUMBERS << 3);
  vacant = <usize>load<f64>(state, VACANT << 3);
  vacantEnd = <usize>load<f64>(state, VACANT_END << 3);
  news = <usize>load<f64>(state, NEW_ADDRESSES << 3);
  newsEnd = <usize>load<f64>(state, NEW_ADDRESSES_END << 3);
  lastAddress = load<f64>(state, LAST_ADDRESS << 3);
  findNext();

  for (let row = from, at: u32 = 0; row < to; row++, at++) {
    const number: u32 = load<u16>(callOf + (row << 1));
    if (number >= calls) return NO_CALL;
    const call = table + number * CALL_BYTES;
    const op = load<u32>(call, CALL_OP);
    if (row > 0) {
      if (timeOf === 0) now += unit;
      else {
        let step = <f64>load<u16>(timeOf + (row << 1));
        if (step === WIDE) {
          moveTo(timeWide);
          step = unsigned(timeWideEnd);
          timeWide = position;
        }
        now += step * unit;
      }
    }
    let former: u32 = 0;
    if (op === REALLOC || op === REALLOCARRAY) {
      moveTo(oldAt);
      const old = unsigned(oldEnd);
      oldAt = position;
      if (old === <f64>next && !define(addresses)) return BAD_ADDRESS;
      if (!(old < <f64>numbers)) return NO_ADDRESS;
      former = <u32>old;
    }
    let current: u32 = load<u16>(objectOf + (row << 1));
    if (current === WIDE) {
      if (objectWide === objectWideEnd) return NO_ADDRESS;
      current = load<u32>(objectWide);
      objectWide += 4;
    }
    if (current === next && !define(addresses)) return BAD_ADDRESS;
    if (current >= numbers) return NO_ADDRESS;
    store<u8>(ops + at, <u8>op);
    store<i32>(threads + (at << 2), load<i32>(call, CALL_THREAD));
    store<f64>(columns + (at << 3), now);
    store<f64>(ptrs + (at << 3), load<f64>(addresses + (current << 3)));
    store<f64>(olds + (at << 3), load<f64>(addresses + (former << 3)));
    store<f64>(sizes + (at << 3), load<f64>(call, CALL_SIZE));
    store<f64>(extras + (at << 3), load<f64>(call, CALL_EXTRA));
    store<i32>(stacks + (at << 2), load<i32>(call, CALL_STACK));
    store<u32>(objects + (at << 2), current);
    store<u32>(oldObjects + (at << 2), former);
  }

  store<f64>(state, now, NOW << 3);
  store<f64>(state, <f64>timeWide, TIME_WIDE << 3);
  store<f64>(state, <f64>objectWide, OBJECT_WIDE << 3);
  store<f64>(state, <f64>oldAt, OLD << 3);
  store<f64>(state, <f64>numbers, NUMBERS << 3);
  store<f64>(state, <f64>vacant, VACANT << 3);
  store<f64>(state, <f64>news, NEW_ADDRESSES << 3);
  store<f64>(state, lastAddress, LAST_ADDRESS << 3);
  return SOUND;
}
