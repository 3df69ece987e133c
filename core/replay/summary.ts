/**
 * What a replay comes to.
 * Invariant: what was requested is the program's account, and `model` jemalloc's.
 */
import type { Heap } from '../heap.ts';
import { PAGE } from '../sizes/sc.ts';
import type { ProgramTotals } from '../trace/totals.ts';
import type { Skipped } from '../trace/trace.ts';

/** jemalloc's own view of the heap, bytes; the names are those of its statistics. */
export interface ModelBytes {
  readonly allocated: number;
  readonly active: number;
  readonly metadata: number;
  readonly resident: number;
  readonly mapped: number;
  readonly retained: number;
}

/** What a replay comes to: the object that `--json` prints. */
export interface ReplaySummary extends ProgramTotals {
  /** Time and event number of the peak of requested bytes. */
  readonly peak_time_ns: number;
  readonly peak_event: number;
  readonly skipped: Skipped;
  readonly model: {
    readonly end: ModelBytes;
    readonly peak: ModelBytes;
    /** Allocations that the model had no memory for. */
    readonly out_of_memory: number;
  };
  readonly partial: boolean;
}

/** Sums over the arenas (ctl_refresh): what stats.allocated and its siblings would say now, without the effects of asking. */
export function modelBytes(heap: Heap): ModelBytes {
  let allocated = 0;
  let active = 0;
  let metadata = 0;
  let resident = 0;
  let mapped = 0;
  let retained = 0;
  for (const arena of heap.arenas) {
    if (arena === undefined) continue;
    allocated += arena.allocated;
    active += arena.activePages * PAGE;
    metadata += arena.base.allocated + arena.internal;
    resident += arena.base.resident + (arena.activePages + arena.dirty.pages) * PAGE;
    mapped += arena.base.mapped + arena.pacMapped;
    retained += arena.retained.pages * PAGE;
  }
  // unsigned: what jemalloc unmaps of guarded slabs it had not all counted as mapped
  return { allocated, active, metadata, resident, mapped: (2 ** 64 + mapped) % 2 ** 64, retained };
}
