/**
 * What the compiled part of the model asks of the rest, in the middle of a thread's call: pages, decay, samples (assembly/calls.ts).
 * Invariant: `heap.running` is the thread of the call, so that a background thread, which has no number, is known by it.
 * Differs: in jemalloc these are calls within the library; here they pass from one language to the other, so that objects are named by numbers.
 */
import type { Arena } from './arena/arena_state.ts';
import { arenaDecay, handleDeferredWork, paAlloc, paDalloc } from './extent/pac.ts';
import { slabExtentDecideGuard } from './extent/san.ts';
import type { Extent } from './extent/types.ts';
import type { Heap } from './heap.ts';
import type { ModelCalls } from './model_memory.ts';
import { DRAW_BITS } from './prof/unbias.ts';
import { PAGE } from './sizes/sc.ts';
import { flushLarge, type Tcache } from './thread/tcache.ts';
import { nextTicks } from './thread/ticker.ts';
import type { Tsd } from './thread/tsd.ts';

/** What is asked of a heap. */
export function heapCalls(heap: Heap): ModelCalls {
  /** A thread by its number. Background threads have negative ones, and call nothing but while they run. */
  const tsdOf = (thread: number): Tsd => (thread >= 0 ? heap.tsds[thread] : (heap.running as Tsd));
  const arenaOf = (index: number): Arena => heap.arenas[index] as Arena;
  return {
    /** tsd_fetch of a thread that has a cache */
    enter: (thread) => {
      heap.running = heap.tsds[thread];
    },

    /** The part of arena_slab_alloc that takes pages. */
    slabAlloc: (thread, index, szind) => {
      const arena = arenaOf(index);
      const guarded = slabExtentDecideGuard(heap, tsdOf(thread));
      const slab = paAlloc(heap, arena, heap.binInfo.slabPages[szind], PAGE, true, szind, guarded, false);
      if (heap.deferredWork) handleDeferredWork(heap, arena);
      return slab;
    },

    /** arena_slab_dalloc */
    slabDalloc: (index, slab) => paDalloc(heap, arenaOf(index), slab as Extent),

    /** arena_decay_ticks, when they have run out */
    decay: (thread, index) => {
      const tsd = tsdOf(thread);
      tsd.tick = nextTicks(tsd);
      arenaDecay(heap, arenaOf(index), false);
    },

    /** tcache_bin_flush_large */
    flushLarge: (thread, szind, remaining) => {
      const tsd = tsdOf(thread);
      flushLarge(heap, tsd, tsd.tcache as Tcache, szind, remaining);
    },

    /** prof_sample_new_event_wait: bytes until the thread's next sample, drawn; or 1 without a draw if all is sampled (TE_MIN_START_WAIT) */
    sampleWait: (thread) => {
      const { prof } = heap;
      if (prof === null || !prof.drawsWait) return 1;
      return prof.sampleWait(tsdOf(thread).draw(DRAW_BITS));
    },

    /** prof_sample_event_handler */
    sampleEvent: (thread, elapsed) => heap.prof?.sampleEvent(thread, elapsed),

    /** stats_interval_event_handler */
    statsEvent: (thread, elapsed) => heap.statsIntervalEvent(tsdOf(thread), elapsed),

    /** arena_bin_slabs_full_insert */
    fullInsert: (index, bin, slab) => arenaOf(index).bins.full.append(heap.edata.links, bin, slab),

    /** arena_bin_slabs_full_remove */
    fullRemove: (index, bin, slab) => arenaOf(index).bins.full.remove(heap.edata.links, bin, slab),

    notePeak: () => heap.notePeak(),
  };
}
