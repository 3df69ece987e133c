/**
 * The fast lane of probe records on their way to events: mallocs at addresses that are not live, frees of live ones, by threads that have begun.
 * Invariant: a record that is taken here gives the event that `#take` of ProbeCalls gives; any other one ends the stretch untouched.
 * Differs: one loop over many records, with tables and columns in locals.
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { FREED, LIVE, UNSEEN, type AddressStates } from './address_states.ts';
import { CONSUMED } from './record_kinds.ts';

/** Time of the last record that became an event or could have, ns. */
export interface Clock {
  lastTime: number;
}

/**
 * Takes rows from `from` on, to `count` - 1 at most, and gives the first one that is not taken.
 * `threadRow` is, by the records' thread, its row in the trace's threads, or -1 if its records are not for this lane.
 * `startTime` is that of the first event, ns.
 */
export function takeLane(
  rows: EventBatch,
  from: number,
  count: number,
  threadRow: Int32Array,
  states: AddressStates,
  builder: BatchBuilder,
  clock: Clock,
  startTime: number,
): number {
  const { batch } = builder;
  const { cpu: cpus } = rows;
  const batchCpus = batch.cpu;
  if (cpus !== undefined && batchCpus === undefined) return from;
  const { op, thread, time, ptr, old, size, extra, stack } = rows;
  const { keys, states: stateOf } = states;
  const mask = keys.length - 1;
  let room = (keys.length >> 1) - states.used;
  const { malloc, free } = Op;
  const { capacity, op: ops, thread: threads, time: times, ptr: ptrs, old: olds, size: sizes, extra: extras, stack: stacks } = batch;
  const begin = batch.length;
  let into = begin;
  let last = clock.lastTime;
  let row = from;
  for (; row < count && into < capacity; row++) {
    const kind = op[row];
    if (kind === CONSUMED) continue;
    const index = threadRow[thread[row]];
    const address = ptr[row];
    const now = time[row];
    if (index < 0 || address <= 0 || now < last) break;
    if (cpus !== undefined && cpus[row] < 0) break;
    // as AddressStates finds it
    let slot = Math.imul((address / 16) | 0, 0x9e3779b1) >>> 8;
    slot = (slot ^ (address / 4294967296)) & mask;
    for (let key = keys[slot]; key !== 0 && key !== address; key = keys[slot]) slot = (slot + 1) & mask;
    // Written so that mallocs alone, with which a program begins, run every part of it: what was never run is not compiled with the rest.
    const state = stateOf[slot];
    if ((kind !== free && kind !== malloc) || (state === LIVE) !== (kind === free) || old[row] !== 0) break;
    if (state === UNSEEN) {
      if (room === 0) break;
      room--;
      keys[slot] = address;
    }
    if (cpus !== undefined && batchCpus !== undefined) batchCpus[into] = cpus[row];
    stateOf[slot] = kind === free ? FREED : LIVE;
    ops[into] = kind;
    threads[into] = index;
    times[into] = now - startTime;
    ptrs[into] = address;
    olds[into] = old[row];
    sizes[into] = size[row];
    extras[into] = extra[row];
    stacks[into] = stack[row];
    last = now;
    into++;
  }
  clock.lastTime = last;
  states.used = (keys.length >> 1) - room;
  if (into > begin) builder.appended(into - begin);
  return row;
}
