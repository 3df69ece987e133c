/**
 * The control interface's state and what its calls do to the heap they look at (jemalloc 5.3.0, src/ctl.c ctl_init, epoch_ctl;
 * src/jemalloc.c malloc_stats_print, stats_print_atexit; src/stats.c stats_interval_event_handler; src/buf_writer.c).
 * Invariant: before the first call nothing of it exists in base memory; `stats` changes only by a refresh and by an arena's making or destruction.
 * Differs: a process that has no memory for the records ends with OutOfMemory; jemalloc's calls say EAGAIN, or a line on stderr.
 */
import { internalAlloc, internalFree } from '../arena/internal.ts';
import { OutOfMemory } from '../base/base.ts';
import type { Heap } from '../heap.ts';
import { ArenaMutex, GlobalMutex, lock } from '../mutex.ts';
import { NO_ALIGNMENT, QUANTUM } from '../sizes/sc.ts';
import { tcacheStatsMerge } from '../thread/tcache.ts';
import { tsdFetch } from '../thread/lifecycle.ts';
import type { Tsd } from '../thread/tsd.ts';
import { ctlRefresh } from './ctl_refresh.ts';
import { CtlStats } from './ctl_stats.ts';
import { BUFFER_BYTES, type StatsWrite } from './emitter.ts';
import type { LiveSettings } from './print/print.ts';
import { statsPrint } from './stats_print.ts';

/** sizeof(ctl_arenas_t), sizeof(ctl_stats_t), and of an arena's record with its counters (ctl.h; struct container_s of arenas_i_impl), bytes. */
const CTL_ARENAS_BYTES = 32800;
const CTL_STATS_BYTES = 720;
const RECORD_BYTES = 37856;

/** The control interface of one heap. */
export class Ctl {
  readonly heap: Heap;
  readonly stats: CtlStats = new CtlStats();
  /** True once a call has been made (ctl_initialized). */
  initialized = false;
  /** Indices of destroyed arenas, to be used again from the end. */
  readonly destroyedIndices: number[] = [];
  /** Allocated bytes that count towards the next print by stats_interval. */
  #intervalBytes = 0;

  constructor(heap: Heap) {
    this.heap = heap;
  }

  /**
   * Starts a call by a thread (tsd_fetch and ctl_init): the first one ever takes memory for the records of all arenas and refreshes them.
   * @throws OutOfMemory if there is none.
   */
  enter(tsd: Tsd): void {
    tsdFetch(this.heap, tsd);
    if (this.initialized) return;
    const { heap, stats } = this;
    this.lock();
    this.#baseAlloc(CTL_ARENAS_BYTES);
    this.#baseAlloc(CTL_STATS_BYTES);
    this.#baseAlloc(RECORD_BYTES);
    this.#baseAlloc(RECORD_BYTES);
    for (let index = 0; index < heap.arenasTotal; index++) this.addRecord();
    ctlRefresh(heap, stats);
    this.initialized = true;
  }

  /** Takes the ctl mutex `times` times. */
  lock(times = 1): void {
    const { mutexes } = this.heap;
    for (; times > 0; times--) lock(mutexes, GlobalMutex.ctl);
  }

  /** Makes the record of one more arena index (arenas_i_impl with init). @throws OutOfMemory */
  addRecord(): void {
    this.#baseAlloc(RECORD_BYTES);
    this.stats.arenas.push(undefined);
  }

  #baseAlloc(bytes: number): void {
    if (this.heap.base0.alloc(bytes, QUANTUM) === 0) throw new OutOfMemory();
  }

  /** A write to `epoch` by a thread: refreshes all records. @returns the number of refreshes so far. @throws OutOfMemory */
  refresh(tsd: Tsd): number {
    this.enter(tsd);
    this.lock();
    ctlRefresh(this.heap, this.stats);
    return this.stats.epoch;
  }

  /** What prints read live. */
  liveSettings(): LiveSettings {
    const { heap } = this;
    const { conf, prof } = heap;
    const sums = prof?.stats ?? null;
    return {
      conf,
      background_thread: heap.background !== null,
      dirty_decay_ms: heap.dirtyDecayMsDefault,
      muzzy_decay_ms: heap.muzzyDecayMsDefault,
      prof_thread_active_init: prof?.threadActiveInit ?? false,
      prof_active: prof?.active ?? false,
      prof_gdump: prof?.gdump ?? false,
      prof_lg_sample: prof?.lgSample ?? 0,
      zero_reallocs: heap.zeroReallocs,
      prof_stats:
        sums === null
          ? null
          : (szind) => {
              const live = sums.live(szind);
              const accum = sums.accum(szind);
              return [live.requested, live.count, accum.requested, accum.count];
            },
    };
  }

  /**
   * malloc_stats_print by a thread, with its effects: a buffer of 65536 bytes from arena 0 that shows in its own output, refreshed records,
   * and the ctl mutex taken for every number, which shows in the next print.
   * @param letters parts to leave out, J for JSON.
   * @param write takes chunks of 65535 bytes and a last one.
   * @throws OutOfMemory if it is the first call, and there is no memory for the records.
   */
  statsPrint(tsd: Tsd, letters: string, write: StatsWrite): void {
    const { heap } = this;
    tsdFetch(heap, tsd);
    const buffer = internalAlloc(heap, tsd, BUFFER_BYTES, NO_ALIGNMENT, heap.arena0, false);
    this.refresh(tsd);
    const cost = statsPrint(this.stats, this.liveSettings(), letters, write);
    this.lock(cost.ctl);
    for (let i = 0; i < cost.background_thread; i++) lock(heap.mutexes, GlobalMutex.background_thread);
    if (buffer >= 0) internalFree(heap, tsd, buffer);
  }

  /** The print at exit that stats_print:true asks for (stats_print_atexit): first the requests that thread caches have not reported are booked. */
  statsPrintAtExit(tsd: Tsd, write: StatsWrite): void {
    const { heap } = this;
    tsdFetch(heap, tsd);
    for (let index = 0; index < heap.arenasTotal; index++) {
      const arena = heap.arenas[index];
      if (arena === undefined) continue;
      lock(heap.mutexes, arena.mutexes + ArenaMutex.tcache_list);
      for (const tcache of arena.tcaches) tcacheStatsMerge(heap, tsd, tcache, arena);
    }
    this.statsPrint(tsd, heap.options.stats_print_opts, write);
  }

  /** Makes stats_interval print to `write` whenever so many bytes have been allocated (counter_accum, stats_interval_event_handler). */
  printAtIntervals(write: StatsWrite): void {
    const { heap } = this;
    const interval = heap.conf.statsInterval;
    heap.statsIntervalEvent = (tsd, elapsed) => {
      const bytes = this.#intervalBytes + elapsed;
      this.#intervalBytes = bytes >= interval ? bytes % interval : bytes;
      if (bytes >= interval) this.statsPrint(tsd, heap.options.stats_interval_opts, write);
    };
  }
}

/** Collects a print as one array of bytes. */
export function collectPrint(print: (write: StatsWrite) => void): Uint8Array {
  const chunks: Uint8Array[] = [];
  print((chunk) => chunks.push(chunk));
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
