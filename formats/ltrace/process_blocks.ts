/**
 * Blocks of the process that is replayed, and where its main heap lies.
 * While there is one thread alone, blocks are only noted and the table is made from the notes when it is needed, which for most recordings is never.
 * Invariant: `table` is up to date after `settle`, and from `join` on.
 */
import { Op } from '../../core/trace/events.ts';
import { AddressTable } from '../shared/address_table.ts';
import { HEAP_REACH, MMAP_AREA, SMALL, type Owner } from './candidates.ts';

/** Most notes kept before they are settled: 32 MiB. */
const MOST_NOTES = 1 << 22;

/** The blocks of one process. */
export class ProcessBlocks {
  /** Address -> line since which the block is live, or minus the line that freed it. */
  readonly table = new AddressTable();
  /** Addresses given out (positive) and taken back (negative) that the table has not got yet. */
  #notes = new Float64Array(1024);
  #noted = 0;
  /** Addresses of small blocks of the first thread. */
  #lowest = Infinity;
  #highest = -1;

  /** True if small blocks lie in the heap that the first thread of a process has. */
  get inMainHeap(): boolean {
    return this.#lowest < MMAP_AREA;
  }

  /** True if it is known where the main heap is, and that alone. */
  get knowsMainHeap(): boolean {
    return this.#highest >= 0 && this.#highest < MMAP_AREA;
  }

  /** True if the address is in the main heap or near it. */
  isNear(ptr: number): boolean {
    return ptr >= this.#lowest - HEAP_REACH && ptr <= this.#highest + HEAP_REACH;
  }

  /** Notes what an event of a lone thread does to the blocks of `owner`, to be settled when that matters. */
  note(op: Op, ptr: number, old: number, size: number, owner: Owner): void {
    if (op > Op.free) return;
    if (this.#noted + 2 > this.#notes.length) {
      if (this.#notes.length < MOST_NOTES) {
        const grown = new Float64Array(2 * this.#notes.length);
        grown.set(this.#notes);
        this.#notes = grown;
      } else this.settle();
    }
    const notes = this.#notes;
    if (op === Op.free) {
      notes[this.#noted++] = -ptr;
      return;
    }
    if (old !== 0) notes[this.#noted++] = -old;
    notes[this.#noted++] = ptr;
    if (size < SMALL) {
      owner.has(ptr, size);
      this.#widen(ptr);
    }
  }

  /** Brings `table` up to date. All that was noted is older than whatever it will be compared with. */
  settle(): void {
    const notes = this.#notes;
    const { table } = this;
    for (let i = 0; i < this.#noted; i++) {
      if (notes[i] > 0) table.set(notes[i], 1);
      else table.end(-notes[i], -1);
    }
    this.#noted = 0;
  }

  /** A second id: from now on blocks are followed as they come and go. */
  join(): void {
    this.settle();
    this.#notes = new Float64Array(0);
  }

  /** The first thread has a block there. */
  atFirstThread(ptr: number, size: number): void {
    if (size < SMALL) this.#widen(ptr);
  }

  /** The process runs another program. */
  clear(): void {
    this.table.clear();
    this.#lowest = Infinity;
    this.#highest = -1;
  }

  #widen(ptr: number): void {
    if (ptr < this.#lowest) this.#lowest = ptr;
    if (ptr > this.#highest) this.#highest = ptr;
  }
}
