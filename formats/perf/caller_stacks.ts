/**
 * Stacks of return addresses alone, those that came last in their places of a small table that is looked up without a call.
 * Invariant: an address that has its place has its stack there; 0 is none.
 */
import type { LaneMemory } from '../shared/lane_memory.ts';
import { CALLER_SHIFT, CALLER_SLOTS, HASH_FACTOR } from './lane_plan.ts';

/** Columns by place, which is a hash of the address's lower half. */
export class CallerStacks {
  readonly keys: Float64Array;
  /** StackIndex */
  readonly stacks: Int32Array;

  constructor(memory: LaneMemory) {
    this.keys = memory.float64(CALLER_SLOTS);
    this.stacks = memory.int32(CALLER_SLOTS);
  }

  put(caller: number, stack: number): void {
    const place = Math.imul(caller | 0, HASH_FACTOR) >>> CALLER_SHIFT;
    this.keys[place] = caller;
    this.stacks[place] = stack;
  }
}
