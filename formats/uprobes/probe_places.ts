/**
 * Where probes lie: names of functions with the addresses that the recorder hit.
 * perf's symbol lookup takes slots of the procedure linkage table for functions: libc's `calloc` also becomes a probe on what is
 * really the slot of realloc, `realloc` one on that of strnlen. Their calls must not be taken by their names.
 * Invariant: a place is mislabelled if and only if it lies far from the process's malloc or free and yet in the same library.
 */
import { Op } from '../../core/trace/events.ts';

/** Functions of one allocator lie closer together; its library's linkage table does not. Bytes. */
const NEAR = 64 * 1024;
/** Two places this far apart are in different libraries. Bytes. */
const SAME_LIBRARY = 4 * 1024 * 1024;
/** Two places this far apart are in different program images. Bytes. */
const SAME_IMAGE = SAME_LIBRARY / 2;

/** Addresses, of which it is asked whether one lies near. */
class Neighbours {
  /** Closer than this is near, bytes. */
  readonly #reach: number;
  /** Number of a stretch of so many bytes -> the lowest and the highest address in it. */
  readonly #stretches = new Map<number, { lowest: number; highest: number }>();

  constructor(reach: number) {
    this.#reach = reach;
  }

  add(address: number): void {
    const number = Math.floor(address / this.#reach);
    const stretch = this.#stretches.get(number);
    if (stretch === undefined) this.#stretches.set(number, { lowest: address, highest: address });
    else {
      stretch.lowest = Math.min(stretch.lowest, address);
      stretch.highest = Math.max(stretch.highest, address);
    }
  }

  hasNear(address: number): boolean {
    const number = Math.floor(address / this.#reach);
    const { highest = -Infinity } = this.#stretches.get(number - 1) ?? {};
    const { lowest = Infinity } = this.#stretches.get(number + 1) ?? {};
    return this.#stretches.has(number) || address - highest < this.#reach || lowest - address < this.#reach;
  }
}

/** Distinct places of probes. */
export class ProbePlaces {
  readonly #byName: Map<number, number>[] = [];
  /** Op -> the place it was last hit at. */
  readonly #last: number[] = [];
  readonly #ops: number[] = [];
  readonly #addresses: number[] = [];
  #mislabelled: (boolean | undefined)[] = [];
  /** Addresses of malloc and free: those near which their allocator's other functions lie, and those that their library's do. */
  readonly #allocators = new Neighbours(NEAR);
  readonly #libraries = new Neighbours(SAME_LIBRARY);
  /** An address in each image. */
  readonly #images: number[] = [];
  /** Number of a stretch of SAME_IMAGE bytes -> the image whose address is in it: no two are so close. */
  readonly #imageIn = new Map<number, number>();
  #image = 0;
  #imageLow = Infinity;

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
      if (op === Op.malloc || op === Op.free) {
        this.#allocators.add(address);
        this.#libraries.add(address);
      }
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
    const stretch = Math.floor(address / SAME_IMAGE);
    const near = [stretch - 1, stretch, stretch + 1].flatMap((number) => this.#imageIn.get(number) ?? []);
    let image = Math.min(...near.filter((known) => Math.abs(address - this.#images[known]) < SAME_IMAGE));
    if (image === Infinity) {
      image = this.#images.push(address) - 1;
      this.#imageIn.set(stretch, image);
    }
    this.#image = image;
    this.#imageLow = this.#images[image] - SAME_IMAGE;
    return image;
  }

  /** Program images seen by `imageOf`. */
  get images(): number {
    return this.#images.length;
  }

  #judge(place: number): boolean {
    const op = this.#ops[place];
    if (op === Op.malloc || op === Op.free) return false;
    const address = this.#addresses[place];
    return !this.#allocators.hasNear(address) && this.#libraries.hasNear(address);
  }
}
