/**
 * Stacks of return addresses alone, those that came last in their places of a small table that is looked up without a call.
 * Invariant: an address that has its place has its stack there; 0 is none.
 */
import { CALLER_SHIFT, CALLER_SLOTS, HASH_FACTOR } from './lane_plan.ts';

/** Columns by place, which is a hash of the address's lower half. */
export class CallerStacks {
  readonly keys = new Float64Array(CALLER_SLOTS);
  /** StackIndex */
  readonly stacks = new Int32Array(CALLER_SLOTS);

  put(caller: number, stack: number): void {
    const place = Math.imul(caller | 0, HASH_FACTOR) >>> CALLER_SHIFT;
    this.keys[place] = caller;
    this.stacks[place] = stack;
  }
}
