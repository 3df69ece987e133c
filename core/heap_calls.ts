/**
 * What the compiled part of the model asks of the rest, in the middle of a thread's call: pages, decay, samples (assembly/calls.ts).
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
import { prngLgRange } from './u64.ts';

/** What is asked of a heap. */
export class HeapCalls implements ModelCalls {
  readonly #heap: Heap;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** A thread by its number. Background threads have negative ones, and call nothing but while they run. */
  #tsd(thread: number): Tsd {
    return thread >= 0 ? this.#heap.tsds[thread] : (this.#heap.running as Tsd);
  }

  #arena(index: number): Arena {
    return this.#heap.arenas[index] as Arena;
  }

  /** tsd_fetch of a thread that has a cache */
  enter(thread: number): void {
    this.#heap.running = this.#heap.tsds[thread];
  }

  /** The part of arena_slab_alloc that takes pages. */
  slabAlloc(thread: number, index: number, szind: number): number {
    const heap = this.#heap;
    const arena = this.#arena(index);
    const guarded = slabExtentDecideGuard(heap, this.#tsd(thread));
    const slab = paAlloc(heap, arena, heap.binInfo.slabPages[szind], PAGE, true, szind, guarded, false);
    if (heap.deferredWork) handleDeferredWork(heap, arena);
    return slab;
  }

  /** arena_slab_dalloc */
  slabDalloc(index: number, slab: number): void {
    paDalloc(this.#heap, this.#arena(index), slab as Extent);
  }

  /** arena_decay_ticks, when they have run out */
  decay(thread: number, index: number): void {
    const tsd = this.#tsd(thread);
    tsd.tick = nextTicks(tsd.prng);
    arenaDecay(this.#heap, this.#arena(index), false);
  }

  /** tcache_bin_flush_large */
  flushLarge(thread: number, szind: number, remaining: number): void {
    const tsd = this.#tsd(thread);
    flushLarge(this.#heap, tsd, tsd.tcache as Tcache, szind, remaining);
  }

  /** prof_sample_new_event_wait: bytes until the thread's next sample, drawn; or 1 without a draw if all is sampled (TE_MIN_START_WAIT) */
  sampleWait(thread: number): number {
    const { prof } = this.#heap;
    if (prof === null || !prof.drawsWait) return 1;
    return prof.sampleWait(prngLgRange(this.#tsd(thread).prng, 0, DRAW_BITS));
  }

  /** prof_sample_event_handler */
  sampleEvent(thread: number, elapsed: number): void {
    this.#heap.prof?.sampleEvent(thread, elapsed);
  }

  /** stats_interval_event_handler */
  statsEvent(thread: number, elapsed: number): void {
    this.#heap.statsIntervalEvent(this.#tsd(thread), elapsed);
  }

  /** arena_bin_slabs_full_insert */
  fullInsert(index: number, bin: number, slab: number): void {
    this.#arena(index).bins.full.append(this.#heap.edata.links, bin, slab);
  }

  /** arena_bin_slabs_full_remove */
  fullRemove(index: number, bin: number, slab: number): void {
    this.#arena(index).bins.full.remove(this.#heap.edata.links, bin, slab);
  }

  notePeak(): void {
    this.#heap.notePeak();
  }
}
