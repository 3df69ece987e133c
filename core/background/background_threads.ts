/**
 * Background threads, which purge in the program's stead (jemalloc 5.3.0, src/background_thread.c, include/jemalloc/internal/background_thread_*.h).
 * Invariant: thread i looks after the arenas i, i + n, i + 2n …, n being their number; thread 0 starts the others.
 * Differs: when a thread of the system runs is chance, here it is a rule. It runs between two calls of the program: as soon as the call is over that
 * woke it, or exactly when its time has come, which may be past already. Of several, the one with the lowest number runs first, and until it sleeps again.
 */
import type { Arena } from '../arena/arena_state.ts';
import type { Decay } from '../extent/decay.ts';
import { arenaDecay } from '../extent/pac.ts';
import { HangError } from '../hang_error.ts';
import type { Heap } from '../heap.ts';
import { hpaDoDeferredWork, hpaTimeUntilDeferredWork } from '../hpa/hpa.ts';
import { calloc } from '../jemalloc.ts';
import type { ModelMemory } from '../model_memory.ts';
import { ArenaMutex, GlobalMutex, lock } from '../mutex.ts';
import { tsdFetchMin } from '../thread/lifecycle.ts';
import { Tsd, TsdState } from '../thread/tsd.ts';
import { UINT64_MAX } from '../u64.ts';
import { type Bytes, NO_STACK, type ThreadIndex } from '../units.ts';

/** The shortest sleep, ns (BACKGROUND_THREAD_MIN_INTERVAL_NS). */
const MIN_INTERVAL = 100_000_000n;
/** Fewer pages are not worth waking up for (ARENA_DEFERRED_PURGE_NPAGES_THRESHOLD, arena_externs.h). */
const PAGES_THRESHOLD = 1024;
/** Times that a thread may be woken while no time goes by: each time it works, and what it works on has an end. */
const MOST_AT_ONCE = 100_000;
/** Elements and bytes of each that the C library callocs for a thread: its table of thread-local storage (glibc, elf/dl-tls.c allocate_dtv). */
const DTV = [17, 16 as Bytes] as const;

/** background_thread_info_t, and what the system knows of the thread. */
class BackgroundThread {
  readonly index: number;
  /** Row of its mutex. */
  readonly mutex: number;
  /** Its thread data: numbers below 0 tell it from threads of the program. */
  readonly tsd: Tsd;
  /** Asked for (background_thread_started). */
  started = false;
  /** Not to be woken, because an arena of its is being emptied (background_thread_paused). */
  paused = false;
  /** Thread 0 has made a thread of the system for it (created_threads). */
  created = false;
  /** It is to run as soon as the call in progress is over. */
  ready = false;
  /** When the clock wakes it, ns since start_ts. */
  alarm = Infinity;
  /** When it means to wake up (next_wakeup), by the clock; UINT64_MAX if it does not. */
  nextWakeup = 0n;
  /** That it does not. */
  indefiniteSleep = false;
  /** It sleeps, and since when. One that does not is new: none is ever seen at work. */
  asleep = false;
  asleepSince = 0;
  /** Pages that will have to be purged by the time it wakes up, those that came since it fell asleep (npages_to_purge_new). */
  pagesToPurge = 0;
  /** When it was last woken by a time that had passed already, ns since start_ts, and how often just then. */
  wokenAt = -1;
  wokenAtOnce = 0;
  /** tot_n_runs, and tot_sleep_time in ns. */
  runs = 0;
  sleepTime = 0;

  constructor(memory: ModelMemory, index: number, mutex: number) {
    this.index = index;
    this.mutex = mutex;
    this.tsd = new Tsd(memory, (-1 - index) as ThreadIndex, 0n, -1 - index);
  }

  /** background_thread_wakeup_time_set: `time` by the clock, ns; UINT64_MAX for never. */
  setWakeup(time: bigint): void {
    this.nextWakeup = time;
    this.indefiniteSleep = time === UINT64_MAX;
  }
}

/** What statistics say of them (background_thread_stats_t). */
export interface BackgroundStats {
  readonly num_threads: number;
  readonly num_runs: number;
  /** Mean nanoseconds that one slept. */
  readonly run_interval: number;
  /** Most that the lock of one of them was taken, and by another thread than the time before. */
  readonly ops: number;
  readonly ownerSwitches: number;
}

/** The background threads of a heap with background_thread:true. */
export class BackgroundThreads {
  readonly #heap: Heap;
  readonly #threads: BackgroundThread[];
  /** What the clock shows at time 0, ns, and how much of a microsecond that is. */
  readonly #clockBase: bigint;
  readonly #clockPhase: number;
  /** n_background_threads, and how many of them thread 0 has made. */
  #count = 0;
  #created = 1;
  /** When the clock wakes the next one, ns since start_ts; Infinity if none waits for it. */
  nextAlarm = Infinity;
  /** Some are to run now. */
  #someReady = false;
  /** One of them is purging, as no other thread does unless it purges everything. */
  purging = false;

  /** background_thread_boot1. `clockBase` is what the clock shows at time 0, ns. */
  constructor(heap: Heap, clockBase: bigint) {
    this.#heap = heap;
    this.#clockBase = clockBase;
    this.#clockPhase = Number(clockBase % 1000n);
    const count = heap.options.max_background_threads;
    const mutex = heap.mutexes.add(count);
    this.#threads = Array.from({ length: count }, (_, index) => new BackgroundThread(heap.memory, index, mutex + index));
    for (const thread of this.#threads) lock(heap.mutexes, thread.mutex);
  }

  /** arena_background_thread_info_get */
  #of(arena: Arena): BackgroundThread {
    return this.#threads[arena.index % this.#threads.length];
  }

  /** background_thread_create: sees to it that the arena has one. Arena 0's is made at once, the others by thread 0 when it runs. */
  create(arenaIndex: number): void {
    const { mutexes } = this.#heap;
    lock(mutexes, GlobalMutex.background_thread);
    const thread = this.#threads[arenaIndex % this.#threads.length];
    lock(mutexes, thread.mutex);
    if (thread.started) return;
    thread.started = true;
    thread.setWakeup(0n);
    this.#count++;
    if (arenaIndex !== 0) {
      const first = this.#threads[0];
      lock(mutexes, first.mutex);
      this.#signal(first);
    } else {
      this.#start(this.#heap.tsds[0], thread);
    }
  }

  /** Has the system make a thread; the C library allocates for that, in the thread that asks for it. */
  #start(tsd: Tsd, thread: BackgroundThread): void {
    tsd.reentrancy++;
    calloc(this.#heap, tsd, ...DTV, NO_STACK);
    tsd.reentrancy--;
    thread.created = true;
    thread.ready = true;
    this.#someReady = true;
  }

  /** Lets time go to `now`, ns since start_ts: whoever is to wake up on the way does so. */
  advance(now: number): void {
    const heap = this.#heap;
    this.settle();
    while (this.nextAlarm <= now) {
      heap.now = Math.max(heap.now, this.nextAlarm);
      this.#run(this.#threads.find(({ alarm }) => alarm === this.nextAlarm) as BackgroundThread);
      this.settle();
    }
    heap.now = now;
  }

  /** Runs those that are to run now, until none is. */
  settle(): void {
    while (this.#someReady) {
      const thread = this.#threads.find(({ ready }) => ready);
      if (thread === undefined) this.#someReady = false;
      else this.#run(thread);
    }
  }

  /** Runs a thread from where it sleeps, or from its start, until it sleeps again. */
  #run(thread: BackgroundThread): void {
    const heap = this.#heap;
    const { running, mutexes } = heap;
    const { running: owner } = mutexes;
    thread.ready = false;
    thread.alarm = Infinity;
    tsdInternalFetch(heap, thread.tsd);
    if (thread.asleep) {
      thread.asleep = false;
      thread.sleepTime += this.#microseconds() - thread.asleepSince;
    } else {
      lock(mutexes, thread.mutex);
      thread.setWakeup(UINT64_MAX);
    }
    // background_thread0_work
    if (thread.index === 0) while (this.#startAnother(thread)) lock(mutexes, thread.mutex);
    this.#workAndSleep(thread);
    this.nextAlarm = this.#firstAlarm();
    heap.running = running;
    mutexes.running = owner;
  }

  /** check_background_thread_creation: makes one thread that has been asked for. The lock of thread 0 is to be taken again if it has. */
  #startAnother(first: BackgroundThread): boolean {
    if (this.#created === this.#count) return false;
    const { mutexes } = this.#heap;
    for (const thread of this.#threads) {
      if (thread.created) continue;
      lock(mutexes, thread.mutex);
      if (!thread.started) continue;
      this.#start(first.tsd, thread);
      mutexes.running = first.tsd.owner;
      this.#created++;
      return true;
    }
    lock(mutexes, first.mutex);
    return false;
  }

  /** background_work_sleep_once */
  #workAndSleep(thread: BackgroundThread): void {
    const { arenas, arenasTotal } = this.#heap;
    const { indefiniteSleep } = thread;
    let interval = UINT64_MAX;
    for (let index = thread.index; index < arenasTotal; index += this.#threads.length) {
      const arena = arenas[index];
      if (arena === undefined) continue;
      // woken from such a sleep, it first looks when the work is due
      if (!indefiniteSleep) this.#work(arena);
      if (interval > MIN_INTERVAL) interval = least(interval, this.#timeUntilWork(arena));
    }
    this.#sleep(thread, interval < MIN_INTERVAL ? MIN_INTERVAL : interval);
  }

  /** arena_do_deferred_work */
  #work(arena: Arena): void {
    this.purging = true;
    arenaDecay(this.#heap, arena, false);
    this.purging = false;
    if (arena.hpaShard !== null) hpaDoDeferredWork(this.#heap, arena, arena.hpaShard);
  }

  /** pa_shard_time_until_deferred_work: nanoseconds, UINT64_MAX if there is nothing to do. */
  #timeUntilWork(arena: Arena): bigint {
    const { mutexes } = this.#heap;
    lock(mutexes, arena.mutexes + ArenaMutex.decay_dirty);
    const dirty = arena.decayDirty.timeUntilPurge(arena.dirty.pages, PAGES_THRESHOLD);
    lock(mutexes, arena.mutexes + ArenaMutex.decay_muzzy);
    const time = least(dirty, arena.decayMuzzy.timeUntilPurge(arena.muzzy.pages, PAGES_THRESHOLD));
    return arena.hpaShard === null ? time : least(time, hpaTimeUntilDeferredWork(this.#heap, arena, arena.hpaShard));
  }

  /** background_thread_sleep. Its alarm is set by a clock of microseconds. */
  #sleep(thread: BackgroundThread, interval: bigint): void {
    thread.runs++;
    thread.pagesToPurge = 0;
    thread.asleep = true;
    thread.asleepSince = this.#microseconds();
    if (interval === UINT64_MAX) {
      thread.setWakeup(UINT64_MAX);
      return;
    }
    thread.setWakeup(this.#later(this.#heap.now, interval));
    thread.alarm = Number(this.#later(thread.asleepSince, interval) - this.#clockBase);
    if (thread.alarm <= this.#heap.now) this.#wakeAtOnce(thread);
  }

  /** What the clock shows `interval` ns after `time`. It has 64 bits: centuries from now it begins anew, in the past. */
  #later(time: number, interval: bigint): bigint {
    return BigInt.asUintN(64, this.#clockBase + BigInt(time) + interval);
  }

  /** Its time has passed already. @throws HangError if it has been woken so over and over again, and time has not gone on. */
  #wakeAtOnce(thread: BackgroundThread): void {
    const { now } = this.#heap;
    thread.wokenAtOnce = thread.wokenAt === now ? thread.wokenAtOnce + 1 : 1;
    thread.wokenAt = now;
    if (thread.wokenAtOnce > MOST_AT_ONCE) {
      throw new HangError(`background thread ${thread.index} never sleeps: the time at which its work is due is past the clock's 64 bits`);
    }
    thread.alarm = Infinity;
    thread.ready = true;
    this.#someReady = true;
  }

  /** The time at which the microsecond began, ns since start_ts. */
  #microseconds(): number {
    const phase = this.#clockPhase;
    return Math.floor((this.#heap.now + phase) / 1000) * 1000 - phase;
  }

  /** arena_background_thread_inactivity_check: pages have become dirty, and the arena's thread may sleep until it is woken. */
  checkInactivity(arena: Arena): void {
    if (this.#of(arena).indefiniteSleep) this.maybeWake(arena, arena.decayDirty, ArenaMutex.decay_dirty, 0);
  }

  /**
   * arena_maybe_do_deferred_work: wakes the arena's thread if the `pages` that the latest epoch of a decay brought are many by the time it would wake up.
   * `mutex` is that of the decay (ArenaMutex).
   */
  maybeWake(arena: Arena, decay: Decay, mutex: number, pages: number): void {
    const thread = this.#of(arena);
    const { mutexes } = this.#heap;
    lock(mutexes, thread.mutex);
    if (!thread.started || thread.paused) return;
    if (thread.indefiniteSleep) {
      this.#signal(thread);
      return;
    }
    // arena_should_decay_early
    lock(mutexes, arena.mutexes + mutex);
    const remaining = thread.nextWakeup - this.#clockBase - BigInt(decay.epoch);
    if (decay.ms <= 0 || remaining <= 0n) return;
    thread.pagesToPurge += decay.pagesPurgedIn(remaining, pages);
    if (thread.pagesToPurge <= PAGES_THRESHOLD) return;
    thread.pagesToPurge = 0;
    if (remaining >= MIN_INTERVAL) this.#signal(thread);
  }

  /** pthread_cond_signal: nobody hears it who does not sleep. */
  #signal(thread: BackgroundThread): void {
    if (!thread.asleep) return;
    thread.ready = true;
    this.#someReady = true;
  }

  /** arena_reset_prepare_background_thread (`paused`) and arena_reset_finish_background_thread: a thread that is paused is not woken. */
  pause(arena: Arena, paused: boolean): void {
    const thread = this.#of(arena);
    lock(this.#heap.mutexes, thread.mutex);
    thread.paused = paused;
  }

  /** Checks counts and alarms, between two calls of the program. @throws Error naming what does not hold. */
  check(): void {
    const count = (holds: (thread: BackgroundThread) => boolean) => this.#threads.filter(holds).length;
    if (count(({ started }) => started) !== this.#count) throw new Error('background threads: their number differs from those started');
    if (count(({ created }) => created) !== this.#created) throw new Error('background threads: more or fewer were made than counted');
    if (count(({ ready }) => ready) > 0 && !this.#someReady) throw new Error('background threads: one is to run that nobody looks for');
    if (this.nextAlarm !== this.#firstAlarm()) throw new Error('background threads: the next alarm is not the first');
    if (this.purging) throw new Error('background threads: one has not stopped purging');
  }

  /** When the clock wakes the first of them, ns since start_ts; Infinity if none waits for it. */
  #firstAlarm(): number {
    return this.#threads.reduce((first, { alarm }) => Math.min(first, alarm), Infinity);
  }

  /** background_thread_stats_read; the lock of all has been counted. */
  stats(): BackgroundStats {
    const { mutexes } = this.#heap;
    let runs = 0;
    let sleepTime = 0;
    let ops = 0;
    let ownerSwitches = 0;
    for (const thread of this.#threads) {
      lock(mutexes, thread.mutex);
      if (!thread.started) continue;
      runs += thread.runs;
      sleepTime += thread.sleepTime;
      ops = Math.max(ops, mutexes.ops[thread.mutex]);
      ownerSwitches = Math.max(ownerSwitches, mutexes.ownerSwitches[thread.mutex]);
    }
    return { num_threads: this.#count, num_runs: runs, run_interval: runs === 0 ? 0 : Math.floor(sleepTime / runs), ops, ownerSwitches };
  }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** tsd_internal_fetch: a thread of the library's own never gets a cache or an arena. */
function tsdInternalFetch(heap: Heap, tsd: Tsd): void {
  tsdFetchMin(heap, tsd);
  tsd.state = TsdState.reincarnated;
}
