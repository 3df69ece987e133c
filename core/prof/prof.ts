/**
 * Heap profiling as the allocator calls it (jemalloc 5.3.0, src/prof.c, src/prof_sys.c; include/jemalloc/internal/prof_inlines.h).
 * Invariant: an object is sampled if and only if its extent keeps a row of `infos`; per context, those rows add up to its live counters.
 * Differs: a backtrace is a stack of the trace; files go to the host. What the library does to the block itself (placement, promotion, the
 * order of freeing) is the caller's: each method says when in the library's sequence it belongs.
 *
 * The caller's sequences, for a `thread` and the event's `stack` (-1: empty), where `sample` is the event look-ahead:
 *   malloc   tctx = sample ? allocPrep(thread, stack) : -1; place the block; if (tctx >= 0) info = mallocSampleObject(…); then the alloc event.
 *   free     if (info >= 0) { free(thread, info, stack); clear the extent's info }; then release the block; then the dalloc event.
 *   realloc  if (old >= 0) recentReset(thread, old, stack); tctx as for malloc; move the block, the old one released;
 *            info of the new block = realloc(thread, tctx, size, usize, szind, old), which may be -1; then both events.
 *   event    the new wait (drawsWait, sampleWait), then sampleEvent(thread, elapsed).
 */
import type { ProfFile, ProfHost, ProfLocks, ProfOptions, ProfStacks } from './host.ts';
import { PROF_DUMP_FILENAME_LEN } from '../conf/options.ts';
import { AbortError } from '../hang_error.ts';
import { BacktraceTable } from './prof_bt.ts';
import { Cnt, CntTable } from './prof_cnt.ts';
import { ProfData } from './prof_data.ts';
import { DumpBuffer, leakText, writeDump } from './prof_dump.ts';
import type { DumpTotals } from './prof_dump.ts';
import { InfoTable } from './prof_info.ts';
import { ProfLog } from './prof_log.ts';
import { RecentList } from './prof_recent.ts';
import { ProfStats } from './prof_stats.ts';
import { checkTctx } from './prof_tctx.ts';
import { checkTdata } from './prof_tdata.ts';
import { type GctxRow, type InfoRow, NO_INFO, NO_TCTX, type TctxRow } from './rows.ts';
import type { SizeClass, StackIndex } from '../units.ts';

/** Longest file name and prefix, bytes. */
const PATH_MAX: number = PROF_DUMP_FILENAME_LEN - 1;
/** Bytes of what is said of a dump that reach stderr (PROF_PRINTF_BUFSIZE of prof_types.h less the NUL). */
const MESSAGE_MAX = 127;
/** What a dump goes to whose file cannot be opened. */
const NO_FILE: ProfFile = { write: () => {}, close: () => {} };
/** Greatest base-2 logarithm of a sampling rate (prof_reset_ctl: the rate is a uint64_t). */
const LG_SAMPLE_MAX = 63;
/** A word of a counter holds so many values: see prof_cnt.ts. */
const WORD = 2 ** 32;

/** Profiling of one process with prof:true. */
export class Prof {
  /** prof.active. A caller that sees false may skip `allocPrep`. */
  active: boolean;
  /** prof.gdump */
  gdump: boolean;
  /** Bytes between interval dumps, 0 for none (prof.interval). */
  readonly interval: number;
  /** How often the statistics' locks were taken; a refresh of statistics adds to all (`refreshLocks`). */
  readonly locks: ProfLocks;
  readonly data: ProfData;
  readonly infos = new InfoTable();
  readonly recent: RecentList;
  readonly log: ProfLog;
  /** prof_stats, null if the option is off. */
  readonly stats: ProfStats | null;
  readonly #host: ProfHost;
  readonly #options: ProfOptions;
  #booted = false;
  #finalDump = false;
  /** prof.prefix, null until it is set. */
  #prefix: string | null = null;
  /** Bytes since the last interval dump, of all threads. */
  #sinceDump = 0;
  #dumpSeq = 0;
  #dumpISeq = 0;
  #dumpMSeq = 0;
  #dumpUSeq = 0;
  #logSeq = 0;
  #curPages = 0;
  #highPages = 0;

  /**
   * @param host The allocator and the process; its `locks` are counted in, or counters of the object's own.
   * @param options After `profBoot1`.
   * @param stacks Where the backtraces are that calls name.
   * @param interval What `profBoot1` gave, bytes.
   */
  constructor(host: ProfHost, options: ProfOptions, stacks: ProfStacks, interval: number) {
    this.#host = host;
    this.#options = options;
    this.locks = host.locks ?? { prof: 0, prof_thds_data: 0, prof_dump: 0, prof_recent_alloc: 0, prof_recent_dump: 0, prof_stats: 0 };
    this.interval = interval;
    this.active = options.prof_active;
    this.gdump = options.prof_gdump;
    this.data = new ProfData({
      host,
      backtraces: new BacktraceTable(stacks, host.memory),
      locks: this.locks,
      accum: options.prof_accum,
      threadActiveInit: options.prof_thread_active_init,
      lgSample: options.lg_prof_sample,
      gdump: (thread) => this.#gdump(thread),
    });
    this.recent = new RecentList(this.data, this.infos, options.prof_recent_alloc_max);
    this.log = new ProfLog(this.data, this.infos, options);
    this.stats = options.prof_stats ? new ProfStats(this.locks) : null;
  }

  /**
   * prof_boot2, by the main thread's row: takes the table of contexts (2048 bytes, internal). The caller then takes memory for GCTX_LOCKS and for
   * TDATA_LOCKS mutexes from arena 0's base, both aligned to a cache line. Pages may be counted before (`pagesAdd`), by the main thread's own start.
   * @throws OutOfMemory if there is none for the table.
   */
  boot(thread: number): void {
    this.data.boot(thread);
    this.#finalDump = this.#options.prof_final && this.#options.prof_prefix !== '';
    if (this.#options.prof_log) this.logStart(null);
    this.#booted = true;
  }

  // Sampling events

  /** prof.lg_sample: base-2 logarithm of the mean bytes between samples. */
  get lgSample(): number {
    return this.data.map.lgSample;
  }

  /** True if a new wait takes a draw of 53 bits; else it is 1. Until the boot is over, the library's rate is still 0: the main thread's first wait is 1. */
  get drawsWait(): boolean {
    return this.#booted && this.data.map.lgSample !== 0;
  }

  /** Bytes until the next sample, from a uniform draw of 53 bits (prof_sample_new_event_wait; the postponed wait is the same). */
  sampleWait(r53: number): number {
    return this.data.map.wait(r53);
  }

  /** The handler of a sample event, after the new wait is drawn: counts towards the interval dump (prof_sample_event_handler). `elapsed` is bytes since the thread's last one. */
  sampleEvent(thread: number, elapsed: number): void {
    if (this.interval === 0 || !this.active) return;
    const bytes = this.#sinceDump + elapsed;
    this.#sinceDump = bytes >= this.interval ? bytes % this.interval : bytes;
    if (bytes >= this.interval) this.#idump(thread);
  }

  // Objects

  /**
   * For an allocation that the look-ahead samples: the thread's context, NO_TCTX if it is not to be sampled after all, NO_MEMORY if there is none for the context, and so
   * none for the program (prof_alloc_prep). Before the block is placed.
   */
  allocPrep(thread: number, stack: StackIndex): TctxRow {
    if (!this.active) return NO_TCTX;
    const tdata = this.data.tdataGet(thread);
    if (tdata < 0 || this.data.tdatas.active[tdata] === 0) return NO_TCTX;
    return this.data.tctxCreate(thread, stack);
  }

  /** Gives back a context that allocPrep prepared, when the allocation failed (prof_alloc_rollback). */
  allocRollback(thread: number, tctx: TctxRow): void {
    if (tctx < 0 || this.#host.reentrancyLevel(thread) > 0) return;
    this.data.tctxs.prepared[tctx] = 0;
    this.data.tctxTryDestroy(thread, tctx);
  }

  /**
   * Records a sampled object once its block is placed (prof_malloc_sample_object).
   * @param size Requested bytes; `usize` usable bytes, of size class `szind`.
   * @returns The row that the block's extent keeps.
   */
  mallocSampleObject(thread: number, tctx: TctxRow, size: number, usize: number, szind: SizeClass): InfoRow {
    const { data } = this;
    if (this.#options.prof_sys_thread_name) data.threadNameSet(thread, this.#host.systemThreadName(thread));
    const info = this.infos.take(tctx, this.#host.now(), size, usize, szind);
    const { cnts } = data.tctxs;
    const { shiftedCount, bytes } = data.map;
    const usizeHigh = Math.floor(usize / WORD);
    const usizeLow = usize - usizeHigh * WORD;
    const at = 2 * szind;
    cnts.add(tctx, Cnt.curObjs, 1, 0);
    cnts.add(tctx, Cnt.curObjsShiftedUnbiased, shiftedCount[at], shiftedCount[at + 1]);
    cnts.add(tctx, Cnt.curBytes, usizeLow, usizeHigh);
    cnts.add(tctx, Cnt.curBytesUnbiased, bytes[at], bytes[at + 1]);
    if (data.accum) {
      cnts.add(tctx, Cnt.accumObjs, 1, 0);
      cnts.add(tctx, Cnt.accumObjsShiftedUnbiased, shiftedCount[at], shiftedCount[at + 1]);
      cnts.add(tctx, Cnt.accumBytes, usizeLow, usizeHigh);
      cnts.add(tctx, Cnt.accumBytesUnbiased, bytes[at], bytes[at + 1]);
    }
    const recent = this.recent.prepare(tctx);
    data.tctxs.prepared[tctx] = 0;
    if (recent) this.recent.record(thread, info);
    if (this.stats !== null) this.stats.add(szind, size);
    return info;
  }

  /** Closes the record of a recent allocation whose object is about to be freed or moved; the first thing a free or realloc does (prof_info_get_and_reset_recent). */
  recentReset(thread: number, info: InfoRow, stack: StackIndex): void {
    this.recent.close(thread, info, stack);
  }

  /** Forgets a sampled object and gives back its row (prof_free_sampled_object). The log takes the backtrace of `stack`. */
  freeSampledObject(thread: number, info: InfoRow, stack: StackIndex): void {
    const { data, infos } = this;
    const { cnts } = data.tctxs;
    const { shiftedCount, bytes } = data.map;
    const tctx = infos.tctx[info];
    const usize = infos.usize[info];
    const at = 2 * infos.szind[info];
    const usizeHigh = Math.floor(usize / WORD);
    cnts.subtract(tctx, Cnt.curObjs, 1, 0);
    cnts.subtract(tctx, Cnt.curObjsShiftedUnbiased, shiftedCount[at], shiftedCount[at + 1]);
    cnts.subtract(tctx, Cnt.curBytes, usize - usizeHigh * WORD, usizeHigh);
    cnts.subtract(tctx, Cnt.curBytesUnbiased, bytes[at], bytes[at + 1]);
    if (this.log.logging) {
      data.holdTdataLock(data.tctxs.tdata[tctx]);
      this.log.free(thread, info, stack);
      data.dropTdataLock();
    }
    data.tctxTryDestroy(thread, tctx);
    if (this.stats !== null) this.stats.remove(infos.szind[info], infos.size[info]);
    infos.give(info);
  }

  /** A free of a sampled object, before its block is released (prof_free). The row is gone afterwards. */
  free(thread: number, info: InfoRow, stack: StackIndex): void {
    this.recent.close(thread, info, stack);
    this.freeSampledObject(thread, info, stack);
  }

  /**
   * The end of a realloc, once the block is where it goes to (prof_realloc): records the new sample first, then forgets the old one, so that a
   * context that both share stays. `recentReset` of the old row has been called before anything else.
   * @param tctx What allocPrep gave, -1 if the new size is not sampled.
   * @param old The old block's row, -1 if it was not sampled; gone afterwards.
   * @param stack The realloc's own stack.
   * @returns The row of the resulting block, -1 if it is not sampled.
   */
  realloc(thread: number, tctx: TctxRow, size: number, usize: number, szind: SizeClass, old: InfoRow, stack: StackIndex): InfoRow {
    const info = tctx >= 0 ? this.mallocSampleObject(thread, tctx, size, usize, szind) : NO_INFO;
    if (old >= 0) this.freeSampledObject(thread, old, stack);
    return info;
  }

  // Pages

  /**
   * Counts pages that an extent took from the retained ones or from a new mapping, and dumps if they are more than ever before (extent_gdump_add).
   * A background thread, whose number is below 0, is within the library and does not dump.
   */
  pagesAdd(thread: number, pages: number): void {
    this.#curPages += pages;
    if (this.#curPages <= this.#highPages) return;
    this.#highPages = this.#curPages;
    if (this.gdump && thread >= 0) this.#gdump(thread);
  }

  /** Counts pages that went back to the retained ones, or were unmapped (extent_gdump_sub). */
  pagesSub(pages: number): void {
    this.#curPages -= pages;
  }

  /** Pages counted now, and the most so far (curpages, highpages). */
  get pages(): { readonly current: number; readonly high: number } {
    return { current: this.#curPages, high: this.#highPages };
  }

  // Threads

  /** At thread exit, before anything else of the thread is cleaned up (prof_tdata_cleanup). The thread's row may then stand for a new thread. */
  threadExit(thread: number): void {
    const tdata = this.data.tdataOf(thread);
    if (tdata >= 0) this.data.tdataDetach(thread, tdata);
  }

  /** thread.prof.name, reading: makes the thread's record if it has none (prof_thread_name_get). */
  threadName(thread: number): string {
    const tdata = this.data.tdataGet(thread);
    return tdata < 0 ? '' : (this.data.tdatas.name[tdata] ?? '');
  }

  /** thread.prof.name, writing (prof_thread_name_set). @returns 0, or the error by name. */
  setThreadName(thread: number, name: string): 0 | 'EAGAIN' | 'EFAULT' | 'ENOENT' {
    return this.#options.prof_sys_thread_name ? 'ENOENT' : this.data.threadNameSet(thread, name);
  }

  /** thread.prof.active, reading (prof_thread_active_get). */
  threadActive(thread: number): boolean {
    const tdata = this.data.tdataGet(thread);
    return tdata >= 0 && this.data.tdatas.active[tdata] !== 0;
  }

  /** thread.prof.active, writing (prof_thread_active_set). False if the thread cannot have a record. */
  setThreadActive(thread: number, active: boolean): boolean {
    const tdata = this.data.tdataGet(thread);
    if (tdata < 0) return false;
    this.data.tdatas.active[tdata] = active ? 1 : 0;
    return true;
  }

  /** prof.thread_active_init: whether records made from now on are active. */
  get threadActiveInit(): boolean {
    return this.data.threadActiveInit;
  }

  set threadActiveInit(active: boolean) {
    this.data.threadActiveInit = active;
  }

  /** prof.reset: all data expire; from now on one sample in 2^lgSample bytes, 2^63 at most. Waits already drawn stay. */
  reset(thread: number, lgSample: number = this.data.map.lgSample): void {
    this.data.reset(thread, Math.min(lgSample, LG_SAMPLE_MAX));
  }

  // Dumps

  /**
   * Writes a heap profile by a thread (prof_dump, as prof.dump with a name does). The record of the thread is made if it has none.
   * @returns False if the thread cannot have a record; then nothing is written.
   * @throws ProfDeadlockError if the thread holds a lock that the dump wants. So do all that dump.
   */
  dump(thread: number, file: ProfFile): boolean {
    return this.#dump(thread, () => file, false) !== null;
  }

  /** A heap profile as one string (see `dump`), or null. */
  dumpText(thread: number): string | null {
    let text = '';
    return this.dump(thread, { write: (piece) => void (text += piece), close: () => {} }) ? text : null;
  }

  /** prof.dump: to the given file, or to the next automatic name `<prefix>.<pid>.<seq>.m<mseq>.heap` (prof_mdump). False if there is no name, no record or no such file to be had. */
  mdump(thread: number, filename: string | null): boolean {
    if (filename === null) {
      if (this.prefix === '') return false;
      filename = this.#filename('m', this.#dumpMSeq++);
    }
    let failed = false;
    const open = () => {
      const file = this.#host.openFile(filename);
      failed = typeof file === 'number';
      return failed ? NO_FILE : (file as ProfFile);
    };
    return this.#dump(thread, open, false) !== null && !failed;
  }

  /**
   * What runs at exit, before statistics are printed: an open log is stopped, the final dump and the leak report are written.
   * @returns False if the process ends here (prof_leak_error): then no later exit handler runs, statistics are not printed, and the exit code is 1.
   */
  atExit(thread: number): boolean {
    if (this.log.everStarted) this.log.stop(thread);
    if (!this.#finalDump) return true;
    const filename = this.#filename('f', -1);
    const ended = this.#dump(thread, () => this.#openOrSay(filename), this.#options.prof_leak);
    return ended !== 'exit';
  }

  /** A dump because `interval` bytes were sampled since the last one (prof_idump). */
  #idump(thread: number): void {
    if (!this.#booted || !this.active || this.#host.reentrancyLevel(thread) > 0) return;
    const tdata = this.data.tdataGet(thread);
    if (tdata < 0 || this.prefix === '') return;
    const filename = this.#filename('i', this.#dumpISeq++);
    this.#dump(thread, () => this.#openOrSay(filename), false);
  }

  /** A dump because more pages are in use than ever before (prof_gdump); it waits while the thread works on the table of contexts. */
  #gdump(thread: number): void {
    if (!this.#booted || !this.active || this.#host.reentrancyLevel(thread) > 0) return;
    const { data } = this;
    const tdata = data.tdataOf(thread);
    if (tdata < 0) return;
    if (data.tdatas.enq[tdata] !== 0) {
      data.tdatas.enqGdump[tdata] = 1;
      return;
    }
    if (this.prefix === '') return;
    const filename = this.#filename('u', this.#dumpUSeq++);
    this.#dump(thread, () => this.#openOrSay(filename), false);
  }

  /** The file of a dump by itself; one that cannot be opened is said, and the dump made all the same (prof_dump_open). @throws AbortError with abort:true */
  #openOrSay(filename: string): ProfFile {
    const file = this.#host.openFile(filename);
    if (typeof file !== 'number') return file;
    this.#host.message(`<jemalloc>: failed to open "${filename}"\n`.slice(0, MESSAGE_MAX));
    if (this.#options.abort) throw new AbortError(`abort:true, and ${filename} cannot be opened`);
    return NO_FILE;
  }

  /** prof_dump. @returns null if the thread cannot have a record, 'exit' if the leak report ends the process. */
  #dump(thread: number, open: () => ProfFile, leakcheck: boolean): DumpTotals | 'exit' | null {
    const { data } = this;
    const host = this.#host;
    const tdata = data.tdataGet(thread);
    if (tdata < 0) return null;
    this.locks.prof_dump++;
    const file = open();
    const buffer = new DumpBuffer(file);
    const totals = writeDump(data, thread, tdata, this.#options.prof_unbias, buffer);
    if (leakcheck && totals.curBytes !== 0) {
      host.message(leakText(totals, data.map.rate));
      if (this.#options.prof_leak_error) {
        host.message('<jemalloc>: Exiting with error code because memory leaks were detected\n');
        file.close();
        return 'exit';
      }
    }
    const maps = host.maps();
    if (maps !== undefined) {
      buffer.write('\nMAPPED_LIBRARIES:\n');
      buffer.write(maps);
    }
    buffer.terminate();
    file.close();
    return totals;
  }

  /** `<prefix>.<pid>.<seq>.<kind><seq of the kind>.heap` (prof_dump_filename); `seq`, that of the kind, is -1 for none. */
  #filename(kind: string, seq: number): string {
    return `${this.prefix}.${this.#host.pid}.${this.#dumpSeq++}.${kind}${seq < 0 ? '' : seq}.heap`.slice(0, PATH_MAX);
  }

  /** What automatic file names begin with; empty: no automatic dumps. */
  get prefix(): string {
    return this.#prefix ?? this.#options.prof_prefix;
  }

  /** prof.prefix (prof_prefix_set). @returns True the first time: then the caller takes 4097 bytes, aligned to 16, from arena 0's base. */
  setPrefix(prefix: string): boolean {
    const first = this.#prefix === null;
    this.#prefix = prefix.slice(0, PATH_MAX);
    return first;
  }

  // Recent allocations, log, statistics

  /** experimental.prof_recent.alloc_dump: JSON, without a newline. */
  recentDump(thread: number): string {
    return this.recent.dump(thread);
  }

  /** prof.log_start: to the given file, or to `<prefix>.<pid>.<logseq>.json`. False if a log is open. */
  logStart(filename: string | null): boolean {
    if (filename !== null) return filename.length <= PATH_MAX && this.log.start(filename);
    if (!this.log.start(`${this.prefix}.${this.#host.pid}.${this.#logSeq}.json`.slice(0, PATH_MAX))) return false;
    this.#logSeq++;
    return true;
  }

  /** prof.log_stop. False if no log is open. */
  logStop(thread: number): boolean {
    return this.log.stop(thread);
  }

  /** A refresh of statistics takes each of the six locks once (ctl_refresh); the counts it shows include that. */
  refreshLocks(): void {
    const { locks } = this;
    locks.prof++;
    locks.prof_thds_data++;
    locks.prof_dump++;
    locks.prof_recent_alloc++;
    locks.prof_recent_dump++;
    locks.prof_stats++;
  }
}

/** Checks profiling's tables, each by itself and against the others; between events. @throws Error naming what does not hold. */
export function checkProf(prof: Prof): void {
  const { data, infos } = prof;
  const { tctxs, gctxs, tdatas } = data;
  data.backtraces.check();
  data.bt2gctx.check();
  checkTdata(tdatas);
  checkTctx(tctxs, gctxs, tdatas);
  if (data.bt2gctx.count !== gctxs.count) throw new Error('the table of contexts holds other contexts than there are');
  infos.check();
  prof.stats?.check(infos);
  prof.log.check();
  checkContexts(prof);
}

/** Checks contexts against the objects and the recent allocations that name them. */
function checkContexts({ data, infos, recent }: Prof): void {
  const { tctxs, gctxs } = data;
  const live = new CntTable(tctxs.length);
  for (let info = 0; info < infos.length; info++) {
    const tctx = infos.tctx[info];
    if (tctx < 0) continue;
    if (tctxs.gctx[tctx] < 0) throw new Error('a sampled object names a context that is gone');
    const high = Math.floor(infos.usize[info] / WORD);
    live.add(tctx, Cnt.curObjs, 1, 0);
    live.add(tctx, Cnt.curBytes, infos.usize[info] - high * WORD, high);
  }
  const references = new Map<TctxRow, number>();
  recent.check(references);
  for (let gctx = 0 as GctxRow; gctx < gctxs.length; gctx++) {
    if (gctxs.bt[gctx] < 0) continue;
    if (data.bt2gctx.search(gctxs.bt[gctx]) !== gctx) throw new Error('a context is not in the table of contexts');
    for (let tctx = gctxs.first[gctx]; tctx >= 0; tctx = tctxs.next[tctx]) {
      for (const counter of [Cnt.curObjs, Cnt.curBytes] as const) {
        if (live.text(tctx, counter) !== tctxs.cnts.text(tctx, counter))
          throw new Error("a context's counters are not the sum of its objects");
      }
      if (tctxs.recentCount[tctx] !== (references.get(tctx) ?? 0))
        throw new Error('a context counts other references from recent allocations than there are');
      if (!data.accum && tctxs.cnts.isZero(tctx, Cnt.curObjs) && tctxs.recentCount[tctx] === 0)
        throw new Error('a context is kept though nothing needs it');
    }
  }
}
