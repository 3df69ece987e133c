/**
 * Which addresses are live and which were freed, as a recording tells it.
 * Invariant: an address never seen is UNSEEN; none lies more than `farthest` slots behind its own (core/trace/hash_factor.ts).
 */
import { HashFactor } from '../../core/trace/hash_factor.ts';
import type { LaneMemory } from '../shared/lane_memory.ts';
import { LIVE, UNSEEN } from './address_state.ts';

const TWO_32 = 2 ** 32;
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
  readonly factor = new HashFactor();
  readonly #memory: LaneMemory;

  constructor(memory: LaneMemory) {
    this.#memory = memory;
    this.keys = memory.float64(FIRST_SLOTS);
    this.states = memory.uint8(FIRST_SLOTS);
  }

  get(address: number): number {
    const slot = this.#slotOf(address);
    return slot < 0 ? UNSEEN : this.states[slot];
  }

  set(address: number, state: number): void {
    this.changes++;
    let slot = this.#slotOf(address);
    if (slot >= 0 && this.keys[slot] !== 0) {
      this.states[slot] = state;
      return;
    }
    if (state === UNSEEN) return;
    while (slot < 0) {
      this.factor.change();
      this.#spread(this.keys.length);
      slot = this.#slotOf(address);
    }
    this.keys[slot] = address;
    this.states[slot] = state;
    if (++this.used * 2 > this.keys.length) {
      this.factor.tighten();
      this.#spread(this.keys.length * 2);
    }
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

  /** The slot where the address is, or the free one where it belongs; -1 if all have to be hashed anew for that. */
  #slotOf(address: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    const { value: factor, farthest } = this.factor;
    // Allocators give multiples of 16, so the low bits say nothing.
    const hash = Math.imul((address / 16) ^ Math.imul(address / TWO_32, factor), factor);
    let slot = (hash ^ (hash >>> 15)) & mask;
    let left = farthest;
    for (let key = keys[slot]; key !== 0 && key !== address; key = keys[slot]) {
      if (left-- === 0) return -1;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Enters all addresses in a new table of so many slots, with other factors if they do not fit. */
  #spread(slots: number): void {
    const { keys, states } = this;
    this.keys = this.#memory.float64(slots);
    this.states = this.#memory.uint8(slots);
    for (let from = 0; from < keys.length; from++) {
      if (keys[from] === 0) continue;
      const slot = this.#slotOf(keys[from]);
      if (slot >= 0) {
        this.keys[slot] = keys[from];
        this.states[slot] = states[from];
      } else {
        this.factor.change();
        this.keys.fill(0);
        this.states.fill(UNSEEN);
        from = -1;
      }
    }
    this.#memory.give(keys.byteOffset, keys.byteLength);
    this.#memory.give(states.byteOffset, states.byteLength);
  }
}
