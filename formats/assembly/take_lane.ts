/**
 * The fast lane of probe records on their way to events: mallocs at addresses that are not live, frees of live ones, by threads that have begun.
 * Invariant: a record that is taken here gives the event that `#take` of ProbeCalls gives; any other one ends the stretch untouched.
 */
import { FREED, LIVE, UNSEEN } from '../uprobes/address_state';
import { CONSUMED } from '../uprobes/record_kinds';
import { extrasOf, FREE, MALLOC, MOST_ADDRESS, oldsOf, opsOf, ptrsOf, sizesOf, stacksOf, threadsOf } from './columns';

/** See `Lanes`. */
export function runTakeLane(
  rows: usize,
  rowCpus: usize,
  rowCapacity: u32,
  from: u32,
  to: u32,
  threadRows: usize,
  keys: usize,
  states: usize,
  slots: u32,
  factor: u32,
  farthest: u32,
  columns: usize,
  cpus: usize,
  capacity: u32,
  firstRow: u32,
  startTime: f64,
  results: usize,
): u32 {
  if (rowCpus !== 0 && cpus === 0) return from;
  const ptrs = ptrsOf(rows, rowCapacity);
  const olds = oldsOf(rows, rowCapacity);
  const sizes = sizesOf(rows, rowCapacity);
  const extras = extrasOf(rows, rowCapacity);
  const threads = threadsOf(rows, rowCapacity);
  const stacks = stacksOf(rows, rowCapacity);
  const ops = opsOf(rows, rowCapacity);
  const newPtrs = ptrsOf(columns, capacity);
  const newOlds = oldsOf(columns, capacity);
  const newSizes = sizesOf(columns, capacity);
  const newExtras = extrasOf(columns, capacity);
  const newThreads = threadsOf(columns, capacity);
  const newStacks = stacksOf(columns, capacity);
  const newOps = opsOf(columns, capacity);
  const mask = slots - 1;
  let last = load<f64>(results);
  let room = (slots >> 1) - load<u32>(results, 8);
  let into = firstRow;
  let row = from;
  for (; row < to && into < capacity; row++) {
    const kind: u32 = load<u8>(ops + row);
    if (kind === CONSUMED) continue;
    const thread = load<i32>(threadRows + (load<u32>(threads + (row << 2)) << 2));
    const pointer = load<f64>(ptrs + (row << 3));
    const now = load<f64>(rows + (row << 3));
    if (thread < 0 || pointer <= 0 || pointer > MOST_ADDRESS || now < last) break;
    if ((kind !== MALLOC && kind !== FREE) || load<f64>(olds + (row << 3)) !== 0) break;
    const cpu = rowCpus === 0 ? 0 : load<i16>(rowCpus + (row << 1));
    if (cpu < 0) break;
    // as AddressStates finds it
    const address = <u64>pointer;
    const hash = (<u32>(address >> 4) ^ (<u32>(address >> 32) * factor)) * factor;
    let slot = (hash ^ (hash >> 15)) & mask;
    let key = load<f64>(keys + (slot << 3));
    let left = farthest;
    while (key !== 0 && key !== pointer && left !== 0) {
      slot = (slot + 1) & mask;
      key = load<f64>(keys + (slot << 3));
      left--;
    }
    if (key !== 0 && key !== pointer) break;
    const state: i32 = load<u8>(states + slot);
    if ((state === LIVE) !== (kind === FREE)) break;
    if (state === UNSEEN) {
      if (room === 0) break;
      room--;
      store<f64>(keys + (slot << 3), pointer);
    }
    store<u8>(states + slot, kind === FREE ? FREED : LIVE);
    if (cpus !== 0 && rowCpus !== 0) store<i16>(cpus + (into << 1), <i16>cpu);
    store<u8>(newOps + into, <u8>kind);
    store<i32>(newThreads + (into << 2), thread);
    store<f64>(columns + (into << 3), now - startTime);
    store<f64>(newPtrs + (into << 3), pointer);
    store<f64>(newOlds + (into << 3), 0);
    store<f64>(newSizes + (into << 3), load<f64>(sizes + (row << 3)));
    store<f64>(newExtras + (into << 3), load<f64>(extras + (row << 3)));
    store<i32>(newStacks + (into << 2), load<i32>(stacks + (row << 2)));
    last = now;
    into++;
  }
  store<f64>(results, last);
  store<u32>(results, (slots >> 1) - room, 8);
  store<u32>(results, into - firstRow, 12);
  return row;
}
