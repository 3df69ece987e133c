/**
 * Numbers for the addresses of live blocks, where a format gives none. A tree of two levels, as the page map of jemalloc is one of more (src/emap.c): the
 * page of an address finds a leaf, and the place in the page an entry of it. Pages, which are few, are hashed.
 * Invariant: an address has an entry, or one among the crowded, if and only if a block lives there, and no two share a number.
 * Differs from a table hashed by address: blocks that lie together share cache lines, a removal moves nothing, and no loop over what is found has an end
 * that the processor cannot foresee.
 */
import { grown } from '../columns.ts';
import { COARSE, CROWDED, EMPTY, GOLDEN, IN_GRAIN, LEAF, MOST_NUMBERS, NUMBER, PLACES } from './number_entry.ts';
import { Op, type EventBatch } from '../trace/events.ts';
import { InputError } from '../trace/input_error.ts';

/** So many blocks may crowd, however few there were; and of all one in so many. */
const FEW = 64;
const ONE_IN = 64;

/** Numbers for live addresses, the one freed last taken first. */
export class AddressNumbers {
  /** log2 of the bytes of a grain, and pages of so many bytes' grains in one byte. */
  #grainBits = COARSE;
  /** log2 of the bytes between a grain's places. */
  #placeBits = COARSE - PLACES;
  #pagesPerByte = 1 / (LEAF << COARSE);
  /** Slot -> page, which is an address divided by a page's bytes; and its leaf. */
  #pages = new Float64Array(0);
  #leaves = new Int32Array(0);
  /** 32 - log2 of the slots. */
  #slotShift = 0;
  #pageCount = 0;
  /** Leaf * LEAF + grain of the page -> entry, 0 for none. */
  #entries = new Uint32Array(LEAF);
  #leafCount = 0;
  /** Leaves that belong to no page; their entries are 0. */
  #spareLeaves: number[] = [];
  /** Numbers of addresses whose grain had an entry already. */
  #crowded = new Map<number, number>();
  /** Blocks that have crowded since the grains are what they are, and all rows that were numbered. */
  #crowdings = 0;
  #rows = 0;
  /** Numbers given so far, NULL's included, and those of them that are free: a stack. */
  #given = 1;
  #free = new Int32Array(512);
  #freeCount = 0;

  constructor() {
    // compiled code takes fields that were never replaced for constants, and is thrown away when they are: so it happens once before
    this.#setSlots(512);
    this.#setSlots(1024);
    this.#entries = grown(this.#entries, LEAF * 64);
    this.#free = grown(this.#free, 1024);
  }

  /**
   * Numbers the addresses of a batch's rows, in their order, as EventBatch's `object` and `oldObject` would have them; what frees an
   * address where nothing lives gets 0.
   * @throws InputError for more than 67 million live blocks.
   */
  number(batch: EventBatch, object: Int32Array, oldObject: Int32Array): void {
    this.#rows += batch.length;
    for (let row = this.#lane(batch, object, 0); row < batch.length; row = this.#lane(batch, object, row + 1)) {
      this.#numberOne(batch, object, oldObject, row);
    }
  }

  /**
   * Numbers rows from `from` on while they are mallocs at grains without an entry and frees of what has one, both of known pages: nearly all are. A loop
   * without calls, because an address that is handed to a function that is not compiled into its caller is boxed.
   * @returns The first row that was not numbered.
   */
  #lane(batch: EventBatch, object: Int32Array, from: number): number {
    const { length, op, ptr } = batch;
    const { malloc, free } = Op;
    const pages = this.#pages;
    const leaves = this.#leaves;
    const entries = this.#entries;
    const freeNumbers = this.#free;
    const slotShift = this.#slotShift;
    const grainBits = this.#grainBits;
    const pagesPerByte = this.#pagesPerByte;
    const placeBits = this.#placeBits;
    const byteMask = (1 << grainBits) - 1;
    const betweenMask = (1 << placeBits) - 1;
    const slotMask = pages.length - 1;
    let freeCount = this.#freeCount;
    let given = this.#given;
    let row = from;
    for (; row < length; row++) {
      const address = ptr[row];
      const page = Math.floor(address * pagesPerByte);
      let slot = Math.imul(page | 0, GOLDEN) >>> slotShift;
      while (pages[slot] !== page && pages[slot] !== EMPTY) slot = (slot + 1) & slotMask;
      if (pages[slot] === EMPTY) break;
      const low = address >>> 0;
      const place = leaves[slot] * LEAF + ((low >>> grainBits) & (LEAF - 1));
      const entry = entries[place];
      const kind = op[row];
      if (kind === free) {
        if (entry === 0 || (entry & (CROWDED | IN_GRAIN)) << placeBits !== (low & byteMask) || freeCount >= freeNumbers.length) break;
        entries[place] = 0;
        const number = entry >>> NUMBER;
        freeNumbers[freeCount++] = number;
        object[row] = number;
      } else {
        if (kind !== malloc || entry !== 0 || address === 0 || (low & betweenMask) !== 0 || given === MOST_NUMBERS) break;
        const number = freeCount > 0 ? freeNumbers[--freeCount] : given++;
        entries[place] = (number << NUMBER) | ((low & byteMask) >>> placeBits);
        object[row] = number;
      }
    }
    this.#freeCount = freeCount;
    this.#given = given;
    return row;
  }

  #numberOne(batch: EventBatch, object: Int32Array, oldObject: Int32Array, row: number): void {
    const { op, ptr, old, size, extra } = batch;
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

  /** The number of a new block's address. Where one lives already, it is that one's. */
  #claim(address: number): number {
    const place = this.#reach(address);
    const entry = this.#entries[place];
    if (entry >>> NUMBER !== 0 && (entry & IN_GRAIN) << this.#placeBits === this.#byteInGrain(address)) return entry >>> NUMBER;
    const found = (entry & CROWDED) !== 0 ? this.#crowded.get(address) : undefined;
    if (found !== undefined) return found;
    const number = this.#take();
    this.#enter(place, address, number);
    if (this.#crowdings > FEW && this.#crowdings * ONE_IN > this.#rows) this.#refine();
    return number;
  }

  /** Forgets an address and gives its number back: 0 if nothing lives there. */
  #release(address: number): number {
    const slot = this.#slotOf(this.#pageOf(address));
    if (this.#pages[slot] === EMPTY) return 0;
    const place = this.#placeOf(slot, address);
    const entry = this.#entries[place];
    if (entry >>> NUMBER !== 0 && (entry & IN_GRAIN) << this.#placeBits === this.#byteInGrain(address)) {
      this.#entries[place] = entry & CROWDED;
      return this.#giveBack(entry >>> NUMBER);
    }
    const number = (entry & CROWDED) !== 0 ? this.#crowded.get(address) : undefined;
    if (number === undefined) return 0;
    this.#crowded.delete(address);
    return this.#giveBack(number);
  }

  /** Gives an address the entry at its place, or puts it among the crowded. */
  #enter(place: number, address: number, number: number): void {
    const entry = this.#entries[place];
    const byte = this.#byteInGrain(address);
    const placeBits = this.#placeBits;
    if (entry >>> NUMBER === 0 && (byte & ((1 << placeBits) - 1)) === 0) {
      this.#entries[place] = (number << NUMBER) | (entry & CROWDED) | (byte >>> placeBits);
    } else {
      this.#entries[place] = entry | CROWDED;
      this.#crowded.set(address, number);
      this.#crowdings++;
    }
  }

  #pageOf(address: number): number {
    return Math.floor(address * this.#pagesPerByte);
  }

  #byteInGrain(address: number): number {
    return (address >>> 0) & ((1 << this.#grainBits) - 1);
  }

  #placeOf(slot: number, address: number): number {
    return this.#leaves[slot] * LEAF + (((address >>> 0) >>> this.#grainBits) & (LEAF - 1));
  }

  /** Where a page is among the slots, or would be. */
  #slotOf(page: number): number {
    const pages = this.#pages;
    let slot = Math.imul(page | 0, GOLDEN) >>> this.#slotShift;
    while (pages[slot] !== page && pages[slot] !== EMPTY) slot = (slot + 1) & (pages.length - 1);
    return slot;
  }

  /** The place of an address's entry; its page gets a leaf if it has none. */
  #reach(address: number): number {
    const page = this.#pageOf(address);
    let slot = this.#slotOf(page);
    if (this.#pages[slot] === EMPTY) {
      if (this.#pageCount * 2 >= this.#pages.length) {
        this.#sweep();
        slot = this.#slotOf(page);
      }
      this.#pageCount++;
      this.#pages[slot] = page;
      this.#leaves[slot] = this.#spareLeaves.pop() ?? this.#leafCount++;
      if (this.#leafCount * LEAF > this.#entries.length) this.#entries = grown(this.#entries, this.#entries.length * 2);
    }
    return this.#placeOf(slot, address);
  }

  /** Drops the pages where nothing lives; if many stay, makes room for more. */
  #sweep(): void {
    const pages = this.#pages;
    const leaves = this.#leaves;
    let kept = 0;
    for (let slot = 0; slot < pages.length; slot++) {
      if (pages[slot] === EMPTY) continue;
      const first = leaves[slot] * LEAF;
      if (this.#entries.subarray(first, first + LEAF).some((entry) => entry !== 0)) {
        kept++;
      } else {
        this.#spareLeaves.push(leaves[slot]);
        pages[slot] = EMPTY;
      }
    }
    this.#setSlots(kept * 4 > pages.length ? pages.length * 2 : pages.length);
    for (let from = 0; from < pages.length; from++) {
      if (pages[from] === EMPTY) continue;
      const slot = this.#slotOf(pages[from]);
      this.#pages[slot] = pages[from];
      this.#leaves[slot] = leaves[from];
    }
    this.#pageCount = kept;
  }

  /** Makes all slots anew: a power of two. */
  #setSlots(slots: number): void {
    this.#slotShift = Math.clz32(slots - 1);
    this.#pages = new Float64Array(slots).fill(EMPTY);
    this.#leaves = new Int32Array(slots);
    this.#pageCount = 0;
  }

  /** Halves the grains: blocks lie closer than was thought. */
  #refine(): void {
    const pages = this.#pages;
    const leaves = this.#leaves;
    const entries = this.#entries;
    const crowded = this.#crowded;
    const grain = 2 ** this.#grainBits;
    const between = 2 ** this.#placeBits;
    this.#grainBits--;
    this.#placeBits = Math.max(0, this.#grainBits - PLACES);
    this.#pagesPerByte *= 2;
    this.#setSlots(pages.length);
    this.#entries = new Uint32Array(entries.length);
    this.#leafCount = 0;
    this.#spareLeaves = [];
    this.#crowded = new Map();
    this.#crowdings = 0;
    for (let slot = 0; slot < pages.length; slot++) {
      if (pages[slot] === EMPTY) continue;
      for (let at = 0; at < LEAF; at++) {
        const entry = entries[leaves[slot] * LEAF + at];
        const address = (pages[slot] * LEAF + at) * grain + (entry & IN_GRAIN) * between;
        if (entry >>> NUMBER !== 0) this.#enter(this.#reach(address), address, entry >>> NUMBER);
      }
    }
    for (const [address, number] of crowded) this.#enter(this.#reach(address), address, number);
  }

  #take(): number {
    if (this.#freeCount > 0) return this.#free[--this.#freeCount];
    if (this.#given === MOST_NUMBERS)
      throw new InputError('replay', `more than ${MOST_NUMBERS} live blocks at once`, 'cut the trace with --until');
    return this.#given++;
  }

  #giveBack(number: number): number {
    if (this.#freeCount === this.#free.length) this.#free = grown(this.#free, this.#free.length * 2);
    this.#free[this.#freeCount++] = number;
    return number;
  }
}
