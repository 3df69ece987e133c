/**
 * Ids of threads and what speaks for them being of one process or another: where their small blocks lie, and how they began and ended.
 * Source of the heaps' shape: glibc's malloc/arena.c.
 */

/** Blocks up to this size come from a heap rather than from a mapping of their own, bytes. */
export const SMALL = 65536;
/** Distance within which addresses belong to the same heap, and the size and alignment of heaps in the mmap area (glibc), bytes. */
export const HEAP_REACH = 64 * 1024 * 1024;
/** Lowest address of the area where Linux maps libraries and further heaps (x86-64). */
export const MMAP_AREA = 0x7e0000000000;

/** A process, as far as its threads can be told by it. */
export class Owner {
  /** Id of its first thread. */
  readonly id: number;
  /** Heaps in the mmap area that its small blocks lie in, by number. */
  readonly heaps = new Set<number>();
  #lastHeap = -1;
  /** Threads created whose ids are not known. */
  created = 0;
  /** Larger than that of the processes whose lines are further back. */
  turn = 0;
  /** Number of the line of its end. */
  ended = Infinity;

  constructor(id: number) {
    this.id = id;
  }

  /** It has a block there. */
  has(ptr: number, size: number): void {
    if (ptr < MMAP_AREA || size >= SMALL) return;
    const heap = Math.floor(ptr / HEAP_REACH);
    if (heap === this.#lastHeap) return;
    this.#lastHeap = heap;
    this.heaps.add(heap);
  }

  /** It runs another program. */
  renew(): void {
    this.heaps.clear();
    this.#lastHeap = -1;
  }
}

/** An id that may be a thread or a process. */
export interface Candidate {
  readonly tid: number;
  /** Numbers of its first and last line. */
  readonly since: number;
  last: number;
  /** Processes that it may be a thread of, that of the line before its first in front. */
  readonly among: readonly Owner[];
  /** The one that has called pthread_create. */
  readonly creator: Owner | undefined;
  /** Its heap in the mmap area; -1 for none. */
  heap: number;
  /** Blocks that it allocated, and blocks of the process that it freed. */
  readonly live: Set<number>;
  readonly freed: Set<number>;
  /** Signs of a process that do not decide alone, less one for a pthread_create. */
  signs: number;
  inMainHeap: boolean;
  /** Events that the process had had at its exit; -1 before. */
  exitedAt: number;
  killed: boolean;
}

const NOBODY: readonly Candidate[] = [];

/** Address -> candidates that it is live in, or that have freed it. */
export class Holders {
  readonly #byAddress = new Map<number, Candidate[]>();

  /** Those of an address, as they are now. */
  of(address: number): readonly Candidate[] {
    return this.#byAddress.get(address)?.slice() ?? NOBODY;
  }

  /** The address is live in the candidate, or freed. */
  keep(address: number, candidate: Candidate): void {
    const holders = this.#byAddress.get(address);
    if (holders === undefined) this.#byAddress.set(address, [candidate]);
    else if (!holders.includes(candidate)) holders.push(candidate);
  }

  /** The address is not live in the candidate any more, or not freed; it may still be the other. */
  drop(address: number, candidate: Candidate): void {
    if (candidate.live.has(address) || candidate.freed.has(address)) return;
    const holders = this.#byAddress.get(address);
    const at = holders?.indexOf(candidate) ?? -1;
    if (holders === undefined || at < 0) return;
    if (holders.length === 1) this.#byAddress.delete(address);
    else holders.splice(at, 1);
  }
}

/** What the weaker signs make of an id: a child's end is told to its parent at once, and a signal that kills a process ends all its threads. */
export function isThread({ signs, exitedAt, killed }: Candidate, passed: number, rootKilled: boolean): boolean {
  const quietEnd = exitedAt >= 0 && (passed > exitedAt || (killed && rootKilled));
  return signs <= (quietEnd ? 1 : 0);
}

/**
 * Processes that a thread may be of, the likeliest first: alone if there is evidence. If all have ended before it, the process that
 * it came after, for that was then known by a thread that is not its main one.
 */
export function ownersOf({ among, creator, heap, last }: Candidate): readonly Owner[] {
  if (creator !== undefined) return [creator];
  const running = among.filter(({ ended }) => ended > last);
  const sharing = running.filter(({ heaps }) => heaps.has(heap));
  if (sharing.length === 1) return sharing;
  return running.length > 0 ? running : among.slice(0, 1);
}
