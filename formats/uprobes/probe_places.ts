/**
 * Where probes lie: names of functions with the addresses that the recorder hit.
 * perf's symbol lookup takes slots of the procedure linkage table for functions: libc's `calloc` also becomes a probe on what is
 * really the slot of realloc, `realloc` one on that of strnlen. Their calls must not be taken by their names.
 * Invariant: a place is mislabelled if and only if it lies far from the process's malloc or free and yet in the same library.
 */
import { Op } from '../../core/trace/events.ts';

/** Functions of one allocator lie this close together; its library's linkage table lies farther away. Bytes. */
const NEAR = 64 * 1024;
/** Two places this far apart are in different libraries. Bytes. */
const SAME_LIBRARY = 4 * 1024 * 1024;

/** Distinct places of probes. */
export class ProbePlaces {
  readonly #byName: Map<number, number>[] = [];
  /** Op -> the place it was last hit at. */
  readonly #last: number[] = [];
  readonly #ops: number[] = [];
  readonly #addresses: number[] = [];
  #mislabelled: (boolean | undefined)[] = [];
  /** Addresses of malloc and free. */
  readonly #anchors: number[] = [];

  /** Number of the place of `op` at `address`. */
  intern(op: number, address: number): number {
    const last = this.#last[op];
    if (last !== undefined && this.#addresses[last] === address) return last;
    const places = (this.#byName[op] ??= new Map());
    let place = places.get(address);
    if (place === undefined) {
      place = this.#ops.length;
      places.set(address, place);
      this.#ops.push(op);
      this.#addresses.push(address);
      if (op === Op.malloc || op === Op.free) this.#anchors.push(address);
      this.#mislabelled = [];
    }
    this.#last[op] = place;
    return place;
  }

  isMislabelled(place: number): boolean {
    return (this.#mislabelled[place] ??= this.#judge(place));
  }

  /** Number of the program image that an address lies in, for recordings that do not name processes: an exec maps libraries elsewhere. */
  imageOf(address: number): number {
    if (address - this.#imageLow < SAME_LIBRARY && address >= this.#imageLow) return this.#image;
    let image = this.#images.findIndex((base) => Math.abs(address - base) < SAME_LIBRARY / 2);
    if (image < 0) image = this.#images.push(address) - 1;
    this.#image = image;
    this.#imageLow = this.#images[image] - SAME_LIBRARY / 2;
    return image;
  }

  /** Program images seen by `imageOf`. */
  get images(): number {
    return this.#images.length;
  }

  /** An address in each image. */
  readonly #images: number[] = [];
  #image = 0;
  #imageLow = Infinity;

  #judge(place: number): boolean {
    const op = this.#ops[place];
    if (op === Op.malloc || op === Op.free) return false;
    const address = this.#addresses[place];
    let nearest = Infinity;
    for (const anchor of this.#anchors) nearest = Math.min(nearest, Math.abs(anchor - address));
    return nearest > NEAR && nearest < SAME_LIBRARY;
  }
}
