/**
 * Numbers for what events repeat: calls (operation, thread, size, count or alignment, stack) and addresses.
 * Invariant: an address keeps its number from an allocation there to its free. Numbers of addresses where nothing lives are given
 * away when they have become many, so that the table stays in proportion to the live blocks.
 * Invariant: no address lies more than `farthest` slots behind its own (core/trace/hash_factor.ts). Of calls there are no more than MOST_CALLS, so that
 * sizes which were chosen to share a slot take that many steps each at most.
 */
import { HashFactor } from '../../core/trace/hash_factor.ts';
import { MOST_CALLS } from './block_layout.ts';
import type { VarintWriter } from './varint.ts';

const TWO_32 = 2 ** 32;

/** Calls, each distinct one once. */
export class CallNumbers {
  readonly #op = new Uint8Array(MOST_CALLS);
  readonly #thread = new Int32Array(MOST_CALLS);
  readonly #size = new Float64Array(MOST_CALLS);
  readonly #extra = new Float64Array(MOST_CALLS);
  readonly #stack = new Int32Array(MOST_CALLS);
  /** Open addressing: slot -> number + 1, 0 for free. */
  readonly #slots = new Int32Array(MOST_CALLS * 2);
  length = 0;

  /** The call's number; a new one is also written to `news`. At most MOST_CALLS may be held. */
  numberOf(op: number, thread: number, size: number, extra: number, stack: number, news: VarintWriter): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hash = Math.imul(op ^ (thread << 4) ^ (stack << 12), 0x9e3779b1) ^ Math.imul(size | 0, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ extra, 0xc2b2ae35);
    let slot = (hash ^ (hash >>> 16)) & mask;
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = slots[slot] - 1;
      if (
        this.#size[number] === size &&
        this.#op[number] === op &&
        this.#stack[number] === stack &&
        this.#thread[number] === thread &&
        this.#extra[number] === extra
      ) {
        return number;
      }
    }
    const number = this.length++;
    slots[slot] = number + 1;
    this.#op[number] = op;
    this.#thread[number] = thread;
    this.#size[number] = size;
    this.#extra[number] = extra;
    this.#stack[number] = stack;
    news.unsigned((thread * 16 + op) * 4 + (size !== 0 ? 1 : 0) + (extra !== 0 ? 2 : 0));
    if (size !== 0) news.unsigned(size);
    if (extra !== 0) news.unsigned(extra);
    news.unsigned(stack + 1);
    return number;
  }

  clear(): void {
    this.length = 0;
    this.#slots.fill(0);
  }
}

/** Numbers of addresses where nothing lives that are kept besides a quarter of the live ones. */
const SPARE = 65536;

/** Addresses and their numbers. 0 is NULL. */
export class AddressNumbers {
  readonly #spare: number;
  /** Number -> address; -1 if it has been given away and not been taken again. */
  #address = new Float64Array(1024).fill(-1);
  /** Number -> 1 if a block lives there. */
  #live = new Uint8Array(1024);
  /** Open addressing: slot -> number + 1, 0 for free. */
  #slots = new Int32Array(4096);
  /** Numbers ever given, and those that have an address now, NULL not counted. */
  #count = 1;
  #bound = 0;
  #alive = 0;
  /** Numbers given away, taken from `#vacantAt` on. */
  #vacant: readonly number[] = [];
  #vacantAt = 0;
  #previous = 0;
  readonly #factor = new HashFactor();

  constructor(spare = SPARE) {
    this.#spare = spare;
    this.#address[0] = 0;
  }

  /** The address's number; a new one is also written to `news`. */
  numberOf(address: number, news: VarintWriter): number {
    if (address === 0) return 0;
    let slot = this.#slotOf(address);
    if (slot >= 0 && this.#slots[slot] !== 0) return this.#slots[slot] - 1;
    if ((this.#bound + 1) * 2 > this.#slots.length) {
      this.#factor.tighten();
      this.#spread(this.#slots.length * 2);
      slot = this.#slotOf(address);
    }
    while (slot < 0) {
      this.#factor.change();
      this.#spread(this.#slots.length);
      slot = this.#slotOf(address);
    }
    const number = this.#vacantAt < this.#vacant.length ? this.#vacant[this.#vacantAt++] : this.#count++;
    if (number >= this.#address.length) this.#grow();
    this.#address[number] = address;
    this.#slots[slot] = number + 1;
    this.#bound++;
    news.signed(address - this.#previous);
    this.#previous = address;
    return number;
  }

  /** Says whether a block lives at the address of this number from now on. */
  mark(number: number, live: 0 | 1): void {
    if (number === 0) return;
    this.#alive += live - this.#live[number];
    this.#live[number] = live;
  }

  /** Gives away the numbers of addresses where nothing lives, if they are many. To be called between blocks. */
  release(): readonly number[] {
    if (this.#bound - this.#alive <= this.#alive / 4 + this.#spare) return [];
    const released: number[] = [];
    for (let number = 1; number < this.#count; number++) {
      if (this.#live[number] === 1 || this.#address[number] < 0) continue;
      this.#address[number] = -1;
      released.push(number);
    }
    this.#vacant = [...this.#vacant.slice(this.#vacantAt), ...released];
    this.#vacantAt = 0;
    this.#bound = this.#alive;
    this.#spread(this.#slots.length);
    return released;
  }

  /** The slot where the address is, or the free one where it belongs; -1 if all have to be hashed anew for that. */
  #slotOf(address: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const { value: factor, farthest } = this.#factor;
    const high = (address * (1 / TWO_32)) | 0;
    let hash = Math.imul((address >>> 3) ^ (address << 9) ^ Math.imul(high, factor), factor);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    let left = farthest;
    while (slots[slot] !== 0 && this.#address[slots[slot] - 1] !== address) {
      if (left-- === 0) return -1;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Enters all addresses in a new table of so many slots, with other factors if they do not fit. */
  #spread(capacity: number): void {
    this.#slots = new Int32Array(capacity);
    for (let number = 1; number < this.#count; number++) {
      if (this.#address[number] < 0) continue;
      const slot = this.#slotOf(this.#address[number]);
      if (slot >= 0) {
        this.#slots[slot] = number + 1;
      } else {
        this.#factor.change();
        this.#slots.fill(0);
        number = 0;
      }
    }
  }

  #grow(): void {
    const capacity = this.#address.length * 2;
    const address = new Float64Array(capacity).fill(-1);
    address.set(this.#address);
    this.#address = address;
    const live = new Uint8Array(capacity);
    live.set(this.#live);
    this.#live = live;
  }
}
