/**
 * The ticker that fires decay: once in a thousand ticks on average, drawn from a geometric table (jemalloc 5.3.0,
 * include/jemalloc/internal/ticker.h, src/ticker.c). A thread has one for all arenas: since each tick has the same chance, an arena decays as often as it is used.
 * Invariant: what is left over when the ticker fires is lost; each wait is drawn afresh.
 * Differs: the ticker itself is a field of the thread.
 */
import type { Tsd } from './tsd.ts';

/** Ticks of the first wait, and the mean of the later ones (ARENA_DECAY_NTICKS_PER_UPDATE). */
export const DECAY_TICKS = 1000;

/** Bits of a draw, and what quantiles are multiplied by (TICKER_GEOM_NBITS, TICKER_GEOM_MUL of ticker.h). */
const DRAW_BITS = 6;
const QUANTILE_FACTOR = 61;

/** Draw -> quantile of the geometric distribution, times QUANTILE_FACTOR (ticker_geom_table). */
const TABLE = [
  254, 211, 187, 169, 156, 144, 135, 127, 120, 113, 107, 102, 97, 93, 89, 85, 81, 77, 74, 71, 68, 65, 62, 60, 57, 55, 53, 50, 48, 46, 44,
  42, 40, 39, 37, 35, 33, 32, 30, 29, 27, 26, 24, 23, 21, 20, 19, 18, 16, 15, 14, 13, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,
];

/** Draws the ticks of a thread's next wait (ticker_geom_fixup). */
export function nextTicks(tsd: Tsd): number {
  return Math.floor((DECAY_TICKS * TABLE[tsd.draw(DRAW_BITS)]) / QUANTILE_FACTOR);
}
