/**
 * Numbers for the addresses of live blocks, where a format gives none.
 * Invariant: an address is in the slots if and only if a block lives there, and no two share a number.
 * Differs from a Map: open addressing over 16-byte entries, because every event of such a trace comes through here, and what it costs is the cache lines
 * it touches. Removal shifts the following entries back, so that there are no tombstones.
 */
import { Op, type EventBatch } from '../trace/events.ts';

/** Fields of an entry: the address is a double of its own, the number a word after it. */
const ENTRY_DOUBLES = 2;
const ENTRY_WORDS = 4;
const NUMBER = 2;

/** Numbers for live addresses, the one freed last taken first. */
export class AddressNumbers {
  count = 0;
  #slots = 2048;
  /** Slot * ENTRY_DOUBLES -> address, 0 for empty. */
  #addresses = new Float64Array(this.#slots * ENTRY_DOUBLES);
  /** The same memory: slot * ENTRY_WORDS + NUMBER. */
  #words = new Int32Array(this.#addresses.buffer);
  /** Numbers given so far, NULL's included, and those of them that are free: a stack. */
  #given = 1;
  #free = new Int32Array(1024);
  #freeCount = 0;

  /**
   * Numbers the addresses of a batch's rows, in their order, as EventBatch's `object` and `oldObject` would have them; what frees an
   * address where nothing lives gets 0.
   */
  number(batch: EventBatch, object: Int32Array, oldObject: Int32Array): void {
    const { length, op, ptr, old, size, extra } = batch;
    for (let row = 0; row < length; row++) {
      const address = ptr[row];
      const kind = op[row];
      if (kind === Op.free) {
        object[row] = address === 0 ? 0 : this.#release(address);
      } else if (kind > Op.free) {
        object[row] = 0;
      } else {
        if (kind === Op.realloc || kind === Op.reallocarray) {
          const former = old[row];
          // a realloc that fails leaves its block; one to no bytes that gives NULL has freed it
          const keeps = address === 0 && size[row] !== 0 && (kind === Op.realloc || extra[row] !== 0);
          oldObject[row] = former === 0 || keeps ? 0 : this.#release(former);
        }
        object[row] = address === 0 ? 0 : this.#claim(address);
      }
    }
  }

  /** The number of a new block's address. Where one lives already, it is that one's. */
  #claim(address: number): number {
    const mask = this.#slots - 1;
    let slot = hash(address) & mask;
    for (let at = this.#addresses[slot * ENTRY_DOUBLES]; at !== 0; at = this.#addresses[slot * ENTRY_DOUBLES]) {
      if (at === address) return this.#words[slot * ENTRY_WORDS + NUMBER];
      slot = (slot + 1) & mask;
    }
    const number = this.#freeCount > 0 ? this.#free[--this.#freeCount] : this.#given++;
    this.#addresses[slot * ENTRY_DOUBLES] = address;
    this.#words[slot * ENTRY_WORDS + NUMBER] = number;
    if (++this.count * 5 > this.#slots * 3) this.#grow();
    return number;
  }

  /** Forgets an address and gives its number back: 0 if nothing lives there. */
  #release(address: number): number {
    const addresses = this.#addresses;
    const words = this.#words;
    const mask = this.#slots - 1;
    let hole = hash(address) & mask;
    for (let at = addresses[hole * ENTRY_DOUBLES]; at !== address; at = addresses[hole * ENTRY_DOUBLES]) {
      if (at === 0) return 0;
      hole = (hole + 1) & mask;
    }
    const number = words[hole * ENTRY_WORDS + NUMBER];
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const next = addresses[slot * ENTRY_DOUBLES];
      if (next === 0) break;
      // the entry may move back unless its home lies cyclically in (hole, slot]
      if (((slot - hash(next)) & mask) < ((slot - hole) & mask)) continue;
      addresses[hole * ENTRY_DOUBLES] = next;
      words[hole * ENTRY_WORDS + NUMBER] = words[slot * ENTRY_WORDS + NUMBER];
      hole = slot;
    }
    addresses[hole * ENTRY_DOUBLES] = 0;
    this.count--;
    if (this.#freeCount === this.#free.length) {
      const larger = new Int32Array(this.#free.length * 2);
      larger.set(this.#free);
      this.#free = larger;
    }
    this.#free[this.#freeCount++] = number;
    return number;
  }

  #grow(): void {
    const addresses = this.#addresses;
    const words = this.#words;
    const slots = this.#slots;
    this.#slots = slots * 2;
    this.#addresses = new Float64Array(this.#slots * ENTRY_DOUBLES);
    this.#words = new Int32Array(this.#addresses.buffer);
    const mask = this.#slots - 1;
    for (let from = 0; from < slots; from++) {
      const address = addresses[from * ENTRY_DOUBLES];
      if (address === 0) continue;
      let slot = hash(address) & mask;
      while (this.#addresses[slot * ENTRY_DOUBLES] !== 0) slot = (slot + 1) & mask;
      this.#addresses[slot * ENTRY_DOUBLES] = address;
      this.#words[slot * ENTRY_WORDS + NUMBER] = words[from * ENTRY_WORDS + NUMBER];
    }
  }
}

function hash(address: number): number {
  const high = (address * (1 / 0x100000000)) | 0;
  const low = address >>> 0;
  const mixed = Math.imul((low >>> 3) ^ (low << 7) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
