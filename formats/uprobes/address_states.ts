/**
 * Which addresses are live and which were freed, as a recording tells it.
 * Invariant: an address keeps its slot once it has one; an address never seen is `unseen`.
 */

import type { LaneMemory } from '../shared/lane_memory.ts';
import { LIVE, UNSEEN } from './address_state.ts';

/** Slots at first; always a power of two. */
const FIRST_SLOTS = 256;

/** Open addressing from address to state. */
export class AddressStates {
  /** Slot -> address, 0 for free. */
  keys: Float64Array;
  /** Slot -> state. */
  states: Uint8Array;
  /** Slots in use: a half of them at most. */
  used = 0;
  /** How often a state was set. */
  changes = 0;
  readonly #memory: LaneMemory;

  constructor(memory: LaneMemory) {
    this.#memory = memory;
    this.keys = memory.float64(FIRST_SLOTS);
    this.states = memory.uint8(FIRST_SLOTS);
  }

  get(address: number): number {
    return this.states[this.#slotOf(address)];
  }

  set(address: number, state: number): void {
    this.changes++;
    const slot = this.#slotOf(address);
    if (this.keys[slot] === 0) {
      if (state === UNSEEN) return;
      this.keys[slot] = address;
      this.states[slot] = state;
      if (++this.used * 2 > this.keys.length) this.#rehash();
      return;
    }
    this.states[slot] = state;
  }

  /** Makes all addresses unseen. @returns those that were live, in ascending order. */
  clear(): Float64Array {
    const live = this.keys.filter((_, slot) => this.states[slot] === LIVE).sort();
    this.keys.fill(0);
    this.states.fill(UNSEEN);
    this.used = 0;
    this.changes++;
    return live;
  }

  #slotOf(address: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    // Allocators give multiples of 16, so the low bits say nothing; those above 2^32 repeat within a heap.
    let slot = Math.imul((address / 16) | 0, 0x9e3779b1) >>> 8;
    slot = (slot ^ (address / 4294967296)) & mask;
    for (let key = keys[slot]; key !== 0 && key !== address; key = keys[slot]) slot = (slot + 1) & mask;
    return slot;
  }

  #rehash(): void {
    const { keys } = this;
    const { states } = this;
    this.keys = this.#memory.float64(keys.length * 2);
    this.states = this.#memory.uint8(keys.length * 2);
    for (let old = 0; old < keys.length; old++) {
      if (keys[old] === 0) continue;
      const slot = this.#slotOf(keys[old]);
      this.keys[slot] = keys[old];
      this.states[slot] = states[old];
    }
  }
}
