/**
 * Metadata memory of an arena (jemalloc 5.3.0, src/base.c): blocks that are mapped and carved, and never given back.
 * Invariant: in each block memory is carved from the low end, so that resident = the sum over blocks of used bytes in whole pages,
 * and allocated = the sum of usable sizes and block headers.
 * Differs: a block has one leftover at most, so the heaps of leftovers by size class are one column of class numbers.
 */
import type { AddressSpace } from './pages.ts';
import { pagesMap } from './pages.ts';
import { CACHELINE, HUGEPAGE, indexToSize, NPSIZES, NSIZES, PAGE, pagesToPind, pindToPages, QUANTUM, sizeToIndex } from '../sizes/sc.ts';
import type { MutexTable } from '../mutex.ts';
import { lock } from '../mutex.ts';
import type { MetadataThp } from '../conf/options.ts';
import { InputError } from '../trace/input_error.ts';
import type { Bytes } from '../units.ts';

/** sizeof(base_block_t) and sizeof(base_t) (base.h), bytes; a base_t is carved from the first block. */
const BLOCK_HEADER = 144;
const BASE_T = 3968;
/** Blocks from which on metadata_thp:auto asks for huge pages: of arena 0 and of others (BASE_AUTO_THP_THRESHOLD_A0, BASE_AUTO_THP_THRESHOLD). */
const AUTO_THP_THRESHOLD_A0 = 5;
const AUTO_THP_THRESHOLD = 2;

/** What base memory needs of the heap, the same for all arenas. */
export interface BaseSurroundings {
  readonly space: AddressSpace;
  readonly mutexes: MutexTable;
  readonly metadataThp: MetadataThp;
  /** True if transparent huge pages are left to madvise by the system; only then metadata_thp acts. */
  readonly thpOnMadvise: boolean;
}

/** The base of one arena. */
export class Base {
  readonly surroundings: BaseSurroundings;
  /** Row of its mutex. */
  readonly mutex: number;
  readonly isArena0: boolean;
  /** Block -> address, bytes, and bytes used from its start, header included. The row is the block's serial number. */
  readonly addresses: number[] = [];
  readonly sizes: number[] = [];
  readonly used: number[] = [];
  /** Block -> size class its leftover is filed under, -1 for none. */
  readonly leftover: number[] = [];
  #pindLast = 0;
  #autoThpSwitched = false;
  /** Bytes carved, headers included; bytes of pages that hold any of it; bytes of the blocks. */
  allocated = 0;
  resident = 0;
  mapped = 0;
  /** Huge pages touched (n_thp), once it asks for such. */
  thpPages = 0;

  /** base_new. @throws OutOfMemory if the first block cannot be mapped. */
  constructor(surroundings: BaseSurroundings, mutex: number, isArena0: boolean) {
    this.surroundings = surroundings;
    this.mutex = mutex;
    this.isArena0 = isArena0;
    if (!this.#map(BASE_T, CACHELINE)) throw new OutOfMemory();
    this.#carve(0, BASE_T, CACHELINE);
  }

  /** Address of the first block, which the base_t itself lies in. */
  get firstBlock(): number {
    return this.addresses[0];
  }

  /**
   * base_alloc: `size` bytes at a multiple of `alignment` bytes, from the smallest leftover that surely holds them, the oldest block's first; else from a
   * new block. Gives the address, 0 if out of memory.
   */
  alloc(size: number, alignment: number): number {
    const align = Math.ceil(alignment / QUANTUM) * QUANTUM;
    const usize = Math.ceil(size / align) * align;
    const wanted = sizeToIndex((usize + align - QUANTUM) as Bytes);
    lock(this.surroundings.mutexes, this.mutex);
    let block = -1;
    let best: number = NSIZES;
    for (let b = 0; b < this.leftover.length; b++) {
      if (this.leftover[b] >= wanted && this.leftover[b] < best) {
        best = this.leftover[b];
        block = b;
      }
    }
    if (block < 0) {
      const mapped = this.#map(usize, align);
      lock(this.surroundings.mutexes, this.mutex);
      if (!mapped) return 0;
      block = this.addresses.length - 1;
    }
    return this.#carve(block, usize, align);
  }

  /** base_extent_bump_alloc */
  #carve(block: number, usize: number, align: number): number {
    const start = this.used[block];
    const address = Math.ceil((this.addresses[block] + start) / align) * align;
    const end = address - this.addresses[block] + usize;
    this.used[block] = end;
    const rest = (this.sizes[block] - end) as Bytes;
    this.leftover[block] = leftoverClass(rest);
    this.allocated += usize;
    this.resident += Math.ceil(end / PAGE) * PAGE - Math.ceil(start / PAGE) * PAGE;
    if (this.#thpActive()) this.thpPages += Math.ceil(end / HUGEPAGE) - Math.ceil(start / HUGEPAGE);
    return address;
  }

  /** Whether blocks are made of huge pages now (metadata_thp_madvise, and the switch of `auto`). */
  #thpActive(): boolean {
    const { metadataThp, thpOnMadvise } = this.surroundings;
    return thpOnMadvise && metadataThp !== 'disabled' && (metadataThp === 'always' || this.#autoThpSwitched);
  }

  /** base_block_alloc and the rest of base_extent_alloc: maps a block large enough for `usize` bytes at a multiple of `align`. False if out of memory. */
  #map(usize: number, align: number): boolean {
    const { space, mutexes } = this.surroundings;
    const gap = Math.ceil(BLOCK_HEADER / align) * align - BLOCK_HEADER;
    const needed = BLOCK_HEADER + gap + usize;
    const minimum = hugeCeil(pindToPages[pagesToPind(Math.ceil(needed / PAGE))] * PAGE);
    const nextPind = this.#pindLast + 1 < NPSIZES - 1 ? this.#pindLast + 1 : this.#pindLast;
    const next = hugeCeil(pindToPages[nextPind] * PAGE);
    const size = Math.max(minimum, next);
    const address = pagesMap(space, size, HUGEPAGE);
    if (address === 0) return false;
    this.#pindLast = pagesToPind(size / PAGE);
    const first = this.addresses.length === 0;
    this.addresses.push(address);
    this.sizes.push(size);
    this.used.push(BLOCK_HEADER);
    this.leftover.push(-1);
    if (!first && this.surroundings.thpOnMadvise && this.surroundings.metadataThp === 'auto') {
      lock(mutexes, this.mutex);
      if (this.#autoThpSwitched) {
        this.thpPages++;
      } else if (this.addresses.length === (this.isArena0 ? AUTO_THP_THRESHOLD_A0 : AUTO_THP_THRESHOLD)) {
        // base_auto_thp_switch: all blocks become huge, the new one (of which the header is used) included
        this.#autoThpSwitched = true;
        for (const used of this.used) this.thpPages += Math.ceil(used / HUGEPAGE);
      }
    } else if (this.#thpActive()) {
      this.thpPages++;
    }
    this.allocated += BLOCK_HEADER;
    this.resident += PAGE;
    this.mapped += size;
    return true;
  }
}

/** The system has no memory left for something of the allocator's own that jemalloc cannot do without: it does not start, or goes astray. */
export class OutOfMemory extends InputError {
  constructor(fact = 'out of memory for allocator metadata') {
    super('model', fact, 'raise mmap_top in the header of the trace, or leave it out');
    this.name = 'OutOfMemory';
  }
}

function hugeCeil(bytes: number): number {
  return Math.ceil(bytes / HUGEPAGE) * HUGEPAGE;
}

/** Size class that a leftover of `rest` bytes is filed under: the largest that it fills; -1 if there is none (base_extent_bump_alloc_post). */
function leftoverClass(rest: Bytes): number {
  if (rest === 0) return -1;
  const index = sizeToIndex(rest);
  return indexToSize[index] === rest ? index : index - 1;
}

/** Checks a base: usage lies inside the blocks, and the sums agree with the blocks. @throws Error naming what does not hold. */
export function checkBase(base: Base): void {
  let resident = 0;
  let mapped = 0;
  for (let b = 0; b < base.addresses.length; b++) {
    const rest = (base.sizes[b] - base.used[b]) as Bytes;
    if (rest < 0) throw new Error('base: a block is used beyond its end');
    if (base.leftover[b] !== leftoverClass(rest)) throw new Error('base: a leftover is filed under another class than its own');
    resident += Math.ceil(base.used[b] / PAGE) * PAGE;
    mapped += base.sizes[b];
  }
  if (resident !== base.resident) throw new Error('base: resident differs from the used pages of the blocks');
  if (mapped !== base.mapped) throw new Error('base: mapped differs from the sizes of the blocks');
}
