/**
 * What a replay holds of memory over time, and what it has given back: from looks at it now and then.
 */
import type { Heap } from '../heap.ts';
import { PAGE } from '../sizes/sc.ts';

/** Mean over time and most of what was resident at each look, bytes. */
export class ResidentBytes {
  most = 0;
  #sum = 0;
  #time = -1;
  #first = 0;
  #last = 0;

  /** Takes what is resident at a time, ns: it counts until the next look. */
  at(time: number, bytes: number): void {
    if (this.#time < 0) this.#first = time;
    else this.#sum += this.#last * (time - this.#time);
    this.#time = time;
    this.#last = bytes;
    this.most = Math.max(this.most, bytes);
  }

  /** Mean over time; where no time passes, what was resident last. */
  get mean(): number {
    const passed = this.#time - this.#first;
    return passed > 0 ? Math.round(this.#sum / passed) : this.#last;
  }
}

/** What decay has given back so far, dirty pages and muzzy ones of all arenas, in bytes, and the calls of madvise and munmap for it (stats.arenas.<i>.*_purged, *_nmadvise). */
export function purgedByDecay({ arenas }: Heap): { bytes: number; calls: number } {
  let bytes = 0;
  let calls = 0;
  for (const arena of arenas) {
    for (const decay of arena === undefined ? [] : [arena.decayDirty, arena.decayMuzzy]) {
      bytes += decay.purged * PAGE;
      calls += decay.nmadvise;
    }
  }
  return { bytes, calls };
}
