/**
 * Extents: runs of pages, each in one state (jemalloc 5.3.0, include/jemalloc/internal/edata.h).
 * Invariant: row 0 stands for "none". `below` and `above` link the extents that touch in memory; what they link never overlaps.
 * Differs: rows of a table for structs, whose memory is counted apart (edata_cache.ts); links between neighbours, which emap.ts keeps, for the
 * elements of the radix tree.
 */
import { EXTENTS } from '../assembly/places.ts';
import { type UnitColumn, grown } from '../columns.ts';
import type { ModelMemory } from '../model_memory.ts';
import { ListLinks } from './ql.ts';
import { InputError } from '../trace/input_error.ts';
import { MOST_EXTENTS, SLAB_WORDS } from './region.ts';
import type { Extent } from './types.ts';
import type { SizeClass } from '../units.ts';

export const NO_EXTENT = 0 as Extent;

/**
 * extent_state_t: in use, or in which of an arena's caches. What is freed is dirty: left as it was, for it may soon be used again. Once it decays it is muzzy (the
 * kernel may take the memory when it wants it) unless muzzy_decay_ms is 0, and then retained: address space alone.
 */
export const State = { active: 0, dirty: 1, muzzy: 2, retained: 3 } as const;

/** Bits of the `flags` column. */
export const Flag = {
  /** The extent begins its mapping: it never merges with what lies below. */
  head: 1,
  slab: 2,
  /** Lies in the dss (grown by sbrk). */
  dss: 4,
  /** Guard pages lie around it. */
  guarded: 8,
  /** A region that guarded slabs are cut from, or what a failed mapping left of one: active, and in nobody's hands. */
  bump: 16,
  /** Cut from a page slab of the huge page allocator (EXTENT_PAI_HPA). */
  hpa: 32,
  /** In the small extent cache before it: active, and in nobody's hands. */
  cached: 64,
} as const;

const FIRST_CAPACITY = 512;

/** No size class of slabs (slabClass). */
export const NOT_A_SLAB = 255;

/** All extents of a heap as columns. Those that the small path works on lie in the memory of the model (assembly/tables.ts, Extents). */
export class EdataTable {
  readonly memory: ModelMemory;
  /** Where the places of the columns are that the small path works on. */
  readonly place: number = EXTENTS;
  /** Rows in use or on the free list, row 0 included. */
  length = 1;
  capacity: number = FIRST_CAPACITY;
  /** Address of the first page. (base, pages, sn: whole numbers, as doubles because addresses and huge mappings pass 2^32.) */
  base: Float64Array;
  pages: Float64Array;
  /** Serial number: the age of the mapping in its arena. */
  sn: Float64Array;
  /** Arena index */
  arena: Uint16Array;
  /** State */
  state = new Uint8Array(FIRST_CAPACITY);
  /** Bits of Flag */
  flags = new Uint8Array(FIRST_CAPACITY);
  /** SizeClass of the object or of the slab's regions; meaningless unless active. */
  szind = new Uint8Array(FIRST_CAPACITY) as UnitColumn<Uint8Array, SizeClass>;
  /** SizeClass of the regions of an active slab; NOT_A_SLAB for any other extent. */
  slabClass: Uint8Array;
  /** Bytes from `base` to the object of an active large extent: the cache-oblivious offset. */
  offset = new Uint16Array(FIRST_CAPACITY);
  /** Slab -> shard of its bin. */
  shard: Uint8Array;
  /** Slab -> free regions, 0..512. */
  freeCount: Uint16Array;
  /** Slab -> SLAB_WORDS words; a set bit is a free region. Words beyond the slab's last region hold what they held. */
  freeBits: Uint32Array;
  /** Active large extent -> row of the profiler's records + 1, 0 if it was not sampled. */
  sample = new Int32Array(FIRST_CAPACITY);
  /** Extents that touch this one in memory, NO_EXTENT for none. */
  below = new Int32Array(FIRST_CAPACITY);
  above = new Int32Array(FIRST_CAPACITY);
  /** Links of the heap that holds this extent (ph.ts). */
  prev: Int32Array;
  next: Int32Array;
  child: Int32Array;
  /** Links of the list that an extent is in: by age, of full slabs or large objects of a manual arena, or in the small extent cache. */
  readonly links: ListLinks;
  /** Page slab that an extent with Flag.hpa is cut from (e_ps). */
  pageSlab = new Int32Array(FIRST_CAPACITY);
  /** First row of the free list, chained through `next`. */
  #free = 0;

  constructor(memory: ModelMemory) {
    this.memory = memory;
    this.base = memory.float64(FIRST_CAPACITY);
    this.pages = memory.float64(FIRST_CAPACITY);
    this.links = new ListLinks(FIRST_CAPACITY, memory);
    this.sn = memory.float64(FIRST_CAPACITY);
    this.arena = memory.uint16(FIRST_CAPACITY);
    this.slabClass = memory.uint8(FIRST_CAPACITY);
    this.shard = memory.uint8(FIRST_CAPACITY);
    this.freeCount = memory.uint16(FIRST_CAPACITY);
    this.freeBits = memory.uint32(FIRST_CAPACITY * SLAB_WORDS);
    this.prev = memory.int32(FIRST_CAPACITY);
    this.next = memory.int32(FIRST_CAPACITY);
    this.child = memory.int32(FIRST_CAPACITY);
    // compiled code takes a column that was never replaced for a constant, and is thrown away when it is: so it happens once before
    this.#grow();
  }

  /**
   * edata_init: a new extent of `pages` pages from address `base` on, with links to no other; `state` one of State, `flags` bits of Flag. Columns of slabs and
   * large objects hold what they held.
   */
  add(arena: number, base: number, pages: number, sn: number, state: number, flags: number): Extent {
    const row = this.take();
    this.base[row] = base;
    this.pages[row] = pages;
    this.sn[row] = sn;
    this.arena[row] = arena;
    this.state[row] = state;
    this.flags[row] = flags;
    this.offset[row] = 0;
    this.sample[row] = 0;
    this.below[row] = NO_EXTENT;
    this.above[row] = NO_EXTENT;
    return row;
  }

  /** Takes a free row. Its columns hold what they held. */
  take(): Extent {
    const row = this.#free;
    if (row !== 0) {
      this.#free = this.next[row];
      return row as Extent;
    }
    if (this.length === this.capacity) this.#grow();
    return this.length++ as Extent;
  }

  /** Gives a row back. */
  release(row: Extent): void {
    this.pages[row] = 0;
    this.next[row] = this.#free;
    this.#free = row;
  }

  /** Checks the free list, which holds each row without pages once. @throws Error naming what does not hold. */
  check(): void {
    let free = 0;
    for (let row = this.#free; row !== 0; row = this.next[row]) {
      if (this.pages[row] !== 0) throw new Error('extents: a row of the free list has pages');
      if (++free === this.length) throw new Error('extents: the free list goes round');
    }
    for (let row = 1; row < this.length; row++) if (this.pages[row] === 0) free--;
    if (free !== 0) throw new Error('extents: a row without pages is not in the free list');
  }

  #grow(): void {
    if (this.capacity === MOST_EXTENTS)
      throw new InputError(
        'model',
        `more than ${MOST_EXTENTS} extents at once`,
        'sample less (lg_prof_sample), or cut the trace with --until',
      );
    const { memory } = this;
    const capacity = this.capacity * 2;
    this.base = memory.grown(this.base, capacity);
    this.pages = memory.grown(this.pages, capacity);
    this.sn = memory.grown(this.sn, capacity);
    this.arena = memory.grown(this.arena, capacity);
    this.state = grown(this.state, capacity);
    this.flags = grown(this.flags, capacity);
    this.szind = grown(this.szind, capacity);
    this.slabClass = memory.grown(this.slabClass, capacity);
    this.offset = grown(this.offset, capacity);
    this.shard = memory.grown(this.shard, capacity);
    this.freeCount = memory.grown(this.freeCount, capacity);
    this.freeBits = memory.grown(this.freeBits, capacity * SLAB_WORDS);
    this.sample = grown(this.sample, capacity);
    this.below = grown(this.below, capacity);
    this.above = grown(this.above, capacity);
    this.prev = memory.grown(this.prev, capacity);
    this.next = memory.grown(this.next, capacity);
    this.child = memory.grown(this.child, capacity);
    this.links.grow(capacity);
    this.pageSlab = grown(this.pageSlab, capacity);
    this.capacity = capacity;
    const { base, sn, prev, next, child, arena, shard, slabClass, freeCount, freeBits, pages, links } = this;
    const columns = [base, sn, prev, next, child, arena, shard, slabClass, freeCount, freeBits, pages, links.prev, links.next];
    memory.writePlaces(EXTENTS, 0, columns);
  }
}
