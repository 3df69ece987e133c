/**
 * Decay ticks (jemalloc 5.3.0, arena_decay_ticks in include/jemalloc/internal/arena_inlines_b.h): every operation that reaches an
 * arena counts, and a thread's ticker decides which of them pays for decay.
 * Invariant: after a call the ticker is not negative.
 * Differs: calls without a thread, which do not tick, do not occur.
 */
import type { Arena } from '../arena/arena_state.ts';
import { arenaDecay } from '../extent/pac.ts';
import type { Heap } from '../heap.ts';
import { nextTicks } from './ticker.ts';
import type { Tsd } from './tsd.ts';

/** Counts `ticks` operations of a thread on an arena; when the ticker runs out, the arena decays. */
export function decayTick(heap: Heap, tsd: Tsd, arena: Arena, ticks: number): void {
  tsd.tick -= ticks;
  if (tsd.tick < 0) {
    tsd.tick = nextTicks(tsd);
    arenaDecay(heap, arena, false);
  }
}
