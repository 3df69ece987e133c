/**
 * The address space: where the kernel puts mappings, and how jemalloc asks for aligned ones (jemalloc 5.3.0, src/pages.c;
 * Linux mm/mmap.c, top-down layout).
 * Invariant: gaps are disjoint, page-aligned and sorted from the highest down; everything outside them is taken.
 * Differs: no memory is behind the addresses. Only mappings made here are known: what the process had mapped above `top` counts as taken.
 */
import { HUGEPAGE, PAGE } from '../sizes/sc.ts';

/**
 * Which lengths of anonymous mapping the kernel aligns to 2 MiB (__get_unmapped_area, thp_get_unmapped_area): multiples of 2 MiB (Linux 6.13 and later), all
 * from 2 MiB on (6.7 to 6.12), none.
 */
export type ThpAlignment = 'multiples' | 'all' | 'none';

/** How the address space looks before the allocator starts. */
export interface AddressSpaceOptions {
  /** Address just above the highest free page. */
  readonly top: number;
  /** Lowest address that a mapping may have (vm.mmap_min_addr). */
  readonly bottom: number;
  readonly thpAlignment: ThpAlignment;
  /** Program break, bytes; the dss grows from here. */
  readonly programBreak: number;
  /** Bytes that may be mapped in all before the system is out of memory. */
  readonly limit: number;
}

/** A process without address randomness: what lies above `top` are its libraries and its stack, below the program break its binary. */
export const DEFAULT_ADDRESS_SPACE: AddressSpaceOptions = {
  top: 0x7ffff7c00000,
  bottom: 0x10000,
  thpAlignment: 'multiples',
  programBreak: 0x555555800000,
  limit: Infinity,
};

/** Free address ranges of the process, and its program break. */
export class AddressSpace {
  readonly options: AddressSpaceOptions;
  /** Starts and ends of the gaps, highest gap first. */
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Bytes in no gap. */
  #mapped = 0;
  /** Where the dss ends now; sbrk moves it. */
  programBreak: number;

  constructor(options: AddressSpaceOptions) {
    this.options = options;
    this.#starts.push(options.bottom);
    this.#ends.push(options.top);
    this.programBreak = options.programBreak;
  }

  /** mmap(NULL, bytes), a whole number of pages: the address, or 0 if there is no room. */
  mmap(bytes: number): number {
    if (this.#mapped + bytes > this.options.limit) return 0;
    const { thpAlignment } = this.options;
    const aligns = thpAlignment === 'multiples' ? bytes % HUGEPAGE === 0 : thpAlignment === 'all' && bytes >= HUGEPAGE;
    if (aligns) {
      const gap = this.#highestGap(bytes + HUGEPAGE);
      if (gap >= 0) {
        const result = this.#ends[gap] - (bytes + HUGEPAGE);
        const address = result % HUGEPAGE === 0 ? result + HUGEPAGE : Math.ceil(result / HUGEPAGE) * HUGEPAGE;
        this.#take(gap, address, bytes);
        return address;
      }
    }
    const gap = this.#highestGap(bytes);
    if (gap < 0) return 0;
    const address = this.#ends[gap] - bytes;
    this.#take(gap, address, bytes);
    return address;
  }

  /** mmap(address, bytes) without MAP_FIXED, given up if the kernel would choose another place. True if it was mapped there. */
  mmapAt(address: number, bytes: number): boolean {
    return this.#mapped + bytes <= this.options.limit && this.#takeAt(address, bytes);
  }

  /** munmap of what is mapped, whole pages: the range is a gap again, one with those that it touches. */
  munmap(address: number, bytes: number): void {
    const starts = this.#starts;
    const ends = this.#ends;
    this.#mapped -= bytes;
    const end = address + bytes;
    let at = 0;
    while (at < starts.length && starts[at] >= end) at++;
    // gap at-1 lies above, gap at below
    const joinsAbove = at > 0 && starts[at - 1] === end;
    const joinsBelow = at < starts.length && ends[at] === address;
    if (joinsAbove && joinsBelow) {
      starts[at - 1] = starts[at];
      starts.splice(at, 1);
      ends.splice(at, 1);
    } else if (joinsAbove) {
      starts[at - 1] = address;
    } else if (joinsBelow) {
      ends[at] = end;
    } else {
      starts.splice(at, 0, address);
      ends.splice(at, 0, end);
    }
  }

  /** sbrk(bytes), which need not be whole pages: moves the break up; false if what lies above it is taken. */
  sbrk(bytes: number): boolean {
    const from = Math.ceil(this.programBreak / PAGE) * PAGE;
    const to = Math.ceil((this.programBreak + bytes) / PAGE) * PAGE;
    if (this.#mapped + (to - from) > this.options.limit || (to > from && !this.#takeAt(from, to - from))) return false;
    this.programBreak += bytes;
    return true;
  }

  /** Checks the gaps: sorted, apart from each other, and of the bytes that are not mapped. @throws Error naming what does not hold. */
  check(): void {
    const starts = this.#starts;
    const ends = this.#ends;
    let free = 0;
    for (let gap = 0; gap < starts.length; gap++) {
      if (starts[gap] % PAGE !== 0 || ends[gap] % PAGE !== 0) throw new Error('address space: a gap does not lie on whole pages');
      if (starts[gap] >= ends[gap]) throw new Error('address space: a gap is empty');
      if (gap > 0 && ends[gap] >= starts[gap - 1]) throw new Error('address space: two gaps are one, or are not sorted');
      free += ends[gap] - starts[gap];
    }
    if (free + this.#mapped !== this.options.top - this.options.bottom) throw new Error('address space: mapped differs from the gaps');
  }

  /** Takes just this range; false if some of it is taken. */
  #takeAt(address: number, bytes: number): boolean {
    for (let gap = 0; gap < this.#starts.length; gap++) {
      if (this.#starts[gap] <= address && address + bytes <= this.#ends[gap]) {
        this.#take(gap, address, bytes);
        return true;
      }
    }
    return false;
  }

  /** The highest gap of at least so many bytes; -1 if there is none (vm_unmapped_area, top-down). */
  #highestGap(bytes: number): number {
    for (let gap = 0; gap < this.#starts.length; gap++) if (this.#ends[gap] - this.#starts[gap] >= bytes) return gap;
    return -1;
  }

  /** Takes a range out of a gap that holds it. */
  #take(gap: number, address: number, bytes: number): void {
    const start = this.#starts[gap];
    const end = this.#ends[gap];
    this.#mapped += bytes;
    const above = end > address + bytes;
    const below = start < address;
    if (above && below) {
      this.#starts[gap] = address + bytes;
      this.#starts.splice(gap + 1, 0, start);
      this.#ends.splice(gap + 1, 0, address);
    } else if (above) {
      this.#starts[gap] = address + bytes;
    } else if (below) {
      this.#ends[gap] = address;
    } else {
      this.#starts.splice(gap, 1);
      this.#ends.splice(gap, 1);
    }
  }
}

/**
 * A new mapping of `bytes`, whole pages, at a multiple of `alignment` bytes (pages_map): maps, and if it came out askew maps again with slack and trims
 * (pages_map_slow). Gives the address, 0 if out of memory.
 */
export function pagesMap(space: AddressSpace, bytes: number, alignment: number): number {
  const address = space.mmap(bytes);
  if (address === 0 || address % alignment === 0) return address;
  space.munmap(address, bytes);
  const slack = bytes + alignment - PAGE;
  const start = space.mmap(slack);
  if (start === 0) return 0;
  const aligned = Math.ceil(start / alignment) * alignment;
  if (aligned > start) space.munmap(start, aligned - start);
  const end = start + slack;
  if (end > aligned + bytes) space.munmap(aligned + bytes, end - (aligned + bytes));
  return aligned;
}
