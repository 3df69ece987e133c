/**
 * Making and unmaking of profiling records (jemalloc 5.3.0, src/prof_data.c; prof_tdata_get of include/jemalloc/internal/prof_inlines.h).
 * Invariant: bt2gctx holds each gctx under its backtrace; a thread's current record is attached and in the list of records.
 * Differs: threads take turns, so no race is lost, and counts of limbo and locks are kept only where they can be seen: how often a lock
 * that statistics show was taken, and which lock is held when a dump would want it.
 */
import { OutOfMemory } from '../base/base.ts';
import { Ckh } from './ckh.ts';
import type { ProfHost, ProfLocks } from './host.ts';
import { ProfDeadlockError } from './host.ts';
import { grown } from '../columns.ts';
import { type BacktraceTable, POINTER_BYTES } from './prof_bt.ts';
import { Cnt } from './prof_cnt.ts';
import { GctxTable, TctxTable } from './prof_tctx.ts';
import { TdataTable } from './prof_tdata.ts';
import { type BacktraceRow, FIRST_ROWS, type GctxRow, NO_GCTX, NO_TCTX, NO_TDATA, type TctxRow, type TdataRow } from './rows.ts';
import { UnbiasMap } from './unbias.ts';
import type { StackIndex } from '../units.ts';

/** sizeof(prof_tdata_t), sizeof(prof_tctx_t) (prof_structs.h), in this build. */
const TDATA_BYTES = 1208;
const TCTX_BYTES = 200;
/** offsetof(prof_gctx_t, vec): a gctx without frames. */
const GCTX_BYTES = 120;
/** PROF_NTDATA_LOCKS and PROF_NCTX_LOCKS (prof_types.h): so many locks are shared by all. */
export const TDATA_LOCKS = 256;
export const GCTX_LOCKS = 1024;
/** Character codes that the C locale takes for graphic or blank, besides the tab: what a thread's name may hold (isgraph, isblank). */
const BLANK = 0x20;
const TAB = 0x09;
const LAST_GRAPHIC = 0x7e;

/** For a context: there is no memory to make it. */
export const NO_MEMORY = -2 as TctxRow;

/** What profiling data is made with. */
export interface ProfDataMaking {
  readonly host: ProfHost;
  readonly backtraces: BacktraceTable;
  readonly locks: ProfLocks;
  /** prof_accum */
  readonly accum: boolean;
  /** prof_thread_active_init */
  readonly threadActiveInit: boolean;
  /** lg_prof_sample, 0..63. */
  readonly lgSample: number;
  /** prof_gdump, by the row of the thread whose call is in progress. */
  readonly gdump: (thread: number) => void;
}

/** The records of threads and contexts, and the tables in which they are found. */
export class ProfData {
  readonly host: ProfHost;
  readonly backtraces: BacktraceTable;
  readonly locks: ProfLocks;
  /** prof_accum: contexts are kept for good. */
  readonly accum: boolean;
  /** The current sampling rate and its tables. */
  map: UnbiasMap;
  /** Whether new records are active (prof.thread_active_init). */
  threadActiveInit: boolean;
  readonly tdatas = new TdataTable();
  readonly gctxs = new GctxTable();
  readonly tctxs = new TctxTable();
  /** Contexts by backtrace. There from the boot on. */
  bt2gctx!: Ckh<BacktraceRow, GctxRow>;
  /** Thread row -> row of its record + 1, 0 if it has none. */
  #tdataOf = new Int32Array(FIRST_ROWS);
  #nextThrUid = 0;
  /** How many gctx were ever made, which decides their locks (cum_gctxs). */
  #cumGctxs = 0;
  /** The shared lock of a record, or of a context, that the running thread holds where it might be wanted again; -1 if none. */
  #heldTdataLock = -1;
  #heldGctxLock = -1;
  /** prof_gdump, for the one that was put off while bt2gctx was locked. */
  readonly #gdump: (thread: number) => void;

  constructor({ host, backtraces, locks, accum, threadActiveInit, lgSample, gdump }: ProfDataMaking) {
    this.host = host;
    this.backtraces = backtraces;
    this.locks = locks;
    this.accum = accum;
    this.threadActiveInit = threadActiveInit;
    this.map = new UnbiasMap(lgSample);
    this.#gdump = gdump;
  }

  /** Allocates the table of contexts (prof_data_init). @throws OutOfMemory if there is none for it: jemalloc does not start. */
  boot(thread: number): void {
    this.bt2gctx = new Ckh<BacktraceRow, GctxRow>(this.host, thread, this.backtraces);
    if (this.bt2gctx.handle < 0) throw new OutOfMemory();
  }

  /** The thread's record as it is, -1 if it has none (prof_tdata_get without create). */
  tdataOf(thread: number): TdataRow {
    return thread < this.#tdataOf.length ? ((this.#tdataOf[thread] - 1) as TdataRow) : NO_TDATA;
  }

  /** The thread's record, made if missing or expired; -1 if the thread cannot have one (prof_tdata_get with create). */
  tdataGet(thread: number): TdataRow {
    const tdata = this.tdataOf(thread);
    if (tdata >= 0) return this.tdatas.expired[tdata] === 0 ? tdata : this.#tdataReinit(thread, tdata);
    if (!this.host.isNominal(thread)) return NO_TDATA;
    return this.#tdataInit(thread, this.#nextThrUid++, 0, null, 0, this.threadActiveInit);
  }

  #setTdata(thread: number, tdata: TdataRow): void {
    if (thread >= this.#tdataOf.length) this.#tdataOf = grown(this.#tdataOf, thread + 1);
    this.#tdataOf[thread] = tdata + 1;
  }

  /** Makes a thread's record, which is its own from then on (prof_tdata_init_impl). @param nameHandle the memory of `name`. @returns -1 if out of memory. */
  #tdataInit(thread: number, thrUid: number, thrDiscrim: number, name: string | null, nameHandle: number, active: boolean): TdataRow {
    const { tdatas, host } = this;
    const handle = host.iallocztm(thread, TDATA_BYTES, 1, 0);
    if (handle < 0) return NO_TDATA;
    const table = new Ckh<BacktraceRow, TctxRow>(host, thread, this.backtraces);
    if (table.handle < 0) {
      host.idalloctm(thread, handle);
      return NO_TDATA;
    }
    const tdata = tdatas.take(thrUid, thrDiscrim);
    tdatas.handle[tdata] = handle;
    tdatas.bt2tctx[tdata] = table;
    tdatas.name[tdata] = name;
    tdatas.nameHandle[tdata] = nameHandle;
    tdatas.attached[tdata] = 1;
    tdatas.expired[tdata] = 0;
    tdatas.active[tdata] = active ? 1 : 0;
    tdatas.enq[tdata] = 0;
    tdatas.enqGdump[tdata] = 0;
    tdatas.tctxUidNext[tdata] = 0;
    this.locks.prof_thds_data++;
    tdatas.insert(tdata);
    this.#setTdata(thread, tdata);
    return tdata;
  }

  /** Gives a thread whose record has expired a new one, of the same name and activity (prof_tdata_reinit). @returns -1 if out of memory. */
  #tdataReinit(thread: number, old: TdataRow): TdataRow {
    const { tdatas } = this;
    const thrUid = tdatas.thrUid[old];
    const thrDiscrim = tdatas.thrDiscrim[old] + 1;
    const former = tdatas.name[old];
    const active = tdatas.active[old] !== 0;
    const nameHandle = former === null ? -1 : this.#nameAlloc(thread, former);
    const name = nameHandle < 0 ? null : former;
    if (this.tdataOf(thread) !== old)
      throw new ProfDeadlockError('a dump in the middle of renewing a thread record leaves the library with two of them');
    this.tdataDetach(thread, old);
    return this.#tdataInit(thread, thrUid, thrDiscrim, name, nameHandle, active);
  }

  /** Parts a thread from its record, which goes if it is empty (prof_tdata_detach; at thread exit, prof_tdata_cleanup). */
  tdataDetach(thread: number, tdata: TdataRow): void {
    const { tdatas } = this;
    if (this.#heldTdataLock === tdatas.thrUid[tdata] % TDATA_LOCKS) {
      throw new ProfDeadlockError('the thread waits for itself: it renews its record while the log holds the lock of that record');
    }
    if (tdatas.attached[tdata] === 0) return;
    this.#setTdata(thread, NO_TDATA);
    if (tdatas.bt2tctx[tdata].count === 0) {
      this.locks.prof_thds_data++;
      this.#tdataDestroyLocked(thread, tdata);
    } else {
      tdatas.attached[tdata] = 0;
    }
  }

  /** Gives back a record that no context names (prof_tdata_destroy_locked, its lock counted by the caller). */
  #tdataDestroyLocked(thread: number, tdata: TdataRow): void {
    const { tdatas, host } = this;
    if (tdatas.name[tdata] !== null) host.idalloctm(thread, tdatas.nameHandle[tdata]);
    tdatas.bt2tctx[tdata].delete(thread);
    host.idalloctm(thread, tdatas.handle[tdata]);
    tdatas.remove(tdata);
  }

  /** New sampling rate; all data so far expire (prof_reset). */
  reset(thread: number, lgSample: number): void {
    const { tdatas } = this;
    this.locks.prof_dump++;
    this.locks.prof_thds_data++;
    this.map = new UnbiasMap(lgSample);
    for (let tdata = tdatas.first, next = NO_TDATA; tdata >= 0; tdata = next) {
      next = tdatas.next[tdata];
      if (tdatas.expired[tdata] !== 0) continue;
      tdatas.expired[tdata] = 1;
      if (tdatas.attached[tdata] === 0 && tdatas.bt2tctx[tdata].count === 0) this.#tdataDestroyLocked(thread, tdata);
    }
  }

  /** prof_thread_name_alloc of a name that is not empty; -1 if out of memory. */
  #nameAlloc(thread: number, name: string): number {
    return this.host.iallocztm(thread, name.length + 1, 1, 0);
  }

  /**
   * Names a thread in dumps (prof_thread_name_set_impl).
   * @returns 0, or the library's error: EAGAIN if the thread cannot have a record, or no memory for the name, EFAULT if a character is neither graphic nor
   *   blank.
   */
  threadNameSet(thread: number, text: string): 0 | 'EAGAIN' | 'EFAULT' {
    const { tdatas, host } = this;
    const tdata = this.tdataGet(thread);
    if (tdata < 0) return 'EAGAIN';
    const end = text.indexOf('\0');
    const name = end < 0 ? text : text.slice(0, end);
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i);
      if ((code < BLANK && code !== TAB) || code > LAST_GRAPHIC) return 'EFAULT';
    }
    const handle = name === '' ? 0 : this.#nameAlloc(thread, name);
    if (handle < 0) return 'EAGAIN';
    if (tdatas.name[tdata] !== null) host.idalloctm(thread, tdatas.nameHandle[tdata]);
    tdatas.name[tdata] = name === '' ? null : name;
    tdatas.nameHandle[tdata] = handle;
    return 0;
  }

  /** Locks bt2gctx; a gdump of this thread waits until it is unlocked (prof_enter). */
  enter(tdata: TdataRow): void {
    if (tdata >= 0) this.tdatas.enq[tdata] = 1;
    this.locks.prof++;
  }

  /** Unlocks bt2gctx, and takes the gdump that has waited for it (prof_leave). */
  leave(thread: number, tdata: TdataRow): void {
    const { tdatas } = this;
    if (tdata < 0) return;
    tdatas.enq[tdata] = 0;
    if (tdatas.enqGdump[tdata] === 0) return;
    tdatas.enqGdump[tdata] = 0;
    this.#gdump(thread);
  }

  /** The context of a backtrace, made if new (prof_lookup_global); -1 if out of memory. */
  #lookupGlobal(thread: number, bt: BacktraceRow, tdata: TdataRow): GctxRow {
    const { bt2gctx, gctxs } = this;
    this.enter(tdata);
    let gctx = bt2gctx.search(bt);
    if (gctx < 0) {
      this.leave(thread, tdata);
      const handle = this.host.iallocztm(thread, GCTX_BYTES + POINTER_BYTES * this.backtraces.depth(bt), 1, 0);
      if (handle < 0) return NO_GCTX;
      gctx = gctxs.take(bt, handle, (this.#cumGctxs++ + GCTX_LOCKS - 1) % GCTX_LOCKS);
      this.enter(tdata);
      if (!bt2gctx.insert(thread, bt, gctx)) {
        gctxs.give(gctx);
        this.leave(thread, tdata);
        this.host.idalloctm(thread, handle);
        return NO_GCTX;
      }
    }
    this.leave(thread, tdata);
    return gctx;
  }

  /**
   * The thread's context of a backtrace, made if new, and prepared: it stays until it is recorded to or rolled back (prof_lookup). The thread has a record.
   * NO_MEMORY if there is none for it.
   */
  lookup(thread: number, bt: BacktraceRow): TctxRow {
    const { tdatas, tctxs, host } = this;
    const tdata = this.tdataOf(thread);
    const table = tdatas.bt2tctx[tdata];
    let tctx = table.search(bt);
    if (tctx < 0) {
      const gctx = this.#lookupGlobal(thread, bt, tdata);
      if (gctx < 0) return NO_MEMORY;
      const handle = host.iallocztm(thread, TCTX_BYTES, 1, host.arenaIchoose(thread));
      if (handle < 0) {
        this.#lookupFailed(thread, tdata, gctx);
        return NO_MEMORY;
      }
      tctx = tctxs.take(tdata, tdatas.thrUid[tdata], tdatas.thrDiscrim[tdata], tdatas.tctxUidNext[tdata]++, handle);
      this.holdTdataLock(tdata);
      const entered = table.insert(thread, bt, tctx);
      this.dropTdataLock();
      if (!entered) {
        this.#lookupFailed(thread, tdata, gctx);
        host.idalloctm(thread, handle);
        tctxs.give(tctx);
        return NO_MEMORY;
      }
      tctxs.link(tctx, gctx, this.gctxs);
    }
    tctxs.prepared[tctx] = 1;
    return tctx;
  }

  /** What a look-up without memory for the thread's context leaves: a new context goes, another one stays for good (its nlimbo never sinks to 0 again). */
  #lookupFailed(thread: number, tdata: TdataRow, gctx: GctxRow): void {
    if (this.gctxs.first[gctx] < 0 && this.gctxs.limbo[gctx] === 0) this.#gctxTryDestroy(thread, tdata, gctx);
    else this.gctxs.limbo[gctx] = 1;
  }

  /** Looks up the context of a stack for a thread that may have to get its record first; -1 if it cannot have one, or NO_MEMORY (prof_tctx_create). */
  tctxCreate(thread: number, stack: StackIndex): TctxRow {
    if (!this.host.isNominal(thread) || this.host.reentrancyLevel(thread) > 0) return NO_TCTX;
    if (this.tdataGet(thread) < 0) return NO_TCTX;
    return this.lookup(thread, this.backtraces.rowOf(stack));
  }

  /** Destroys a tctx that nothing needs any more (prof_tctx_try_destroy). */
  tctxTryDestroy(thread: number, tctx: TctxRow): void {
    const { tctxs } = this;
    if (this.accum || tctxs.prepared[tctx] !== 0 || tctxs.recentCount[tctx] !== 0 || !tctxs.cnts.isZero(tctx, Cnt.curObjs)) return;
    this.#tctxDestroy(thread, tctx);
  }

  /** Takes a tctx out of both of its tables, and with it a record or a gctx that it was the last of (prof_tctx_destroy). */
  #tctxDestroy(thread: number, tctx: TctxRow): void {
    const { tdatas, tctxs, gctxs, host } = this;
    const gctx = tctxs.gctx[tctx];
    const tdata = tctxs.tdata[tctx];
    this.holdTdataLock(tdata);
    tdatas.bt2tctx[tdata].remove(thread, gctxs.bt[gctx]);
    this.dropTdataLock();
    if (tdatas.attached[tdata] === 0 && tdatas.bt2tctx[tdata].count === 0) {
      this.locks.prof_thds_data++;
      this.#tdataDestroyLocked(thread, tdata);
    }
    tctxs.unlink(tctx, gctxs);
    if (gctxs.first[gctx] < 0 && gctxs.limbo[gctx] === 0) this.#gctxTryDestroy(thread, this.tdataOf(thread), gctx);
    host.idalloctm(thread, tctxs.handle[tctx]);
    tctxs.give(tctx);
  }

  /** prof_gctx_try_destroy of a gctx without tctx. */
  #gctxTryDestroy(thread: number, tdata: TdataRow, gctx: GctxRow): void {
    const { gctxs } = this;
    const handle = gctxs.handle[gctx];
    this.enter(tdata);
    this.#heldGctxLock = gctxs.lock[gctx];
    this.bt2gctx.remove(thread, gctxs.bt[gctx]);
    gctxs.give(gctx);
    this.leave(thread, tdata);
    this.#heldGctxLock = -1;
    this.host.idalloctm(thread, handle);
  }

  /** From here to dropTdataLock, a dump would wait for the running thread. */
  holdTdataLock(tdata: TdataRow): void {
    this.#heldTdataLock = this.tdatas.thrUid[tdata] % TDATA_LOCKS;
  }

  /** The lock that holdTdataLock took is free again. */
  dropTdataLock(): void {
    this.#heldTdataLock = -1;
  }

  /** @throws {ProfDeadlockError} if a dump would want a lock that its own thread holds. */
  assertDumpable(): void {
    const { tdatas, gctxs } = this;
    if (this.#heldTdataLock >= 0) {
      for (let tdata = tdatas.first; tdata >= 0; tdata = tdatas.next[tdata]) {
        if (tdatas.thrUid[tdata] % TDATA_LOCKS !== this.#heldTdataLock) continue;
        throw new ProfDeadlockError(
          'the thread waits for itself: newly mapped pages call for a dump (prof_gdump) while a thread record is locked, because its table changes size or the log takes memory',
        );
      }
    }
    if (this.#heldGctxLock >= 0) {
      for (let gctx = 0; gctx < gctxs.length; gctx++) {
        if (gctxs.bt[gctx] < 0 || gctxs.lock[gctx] !== this.#heldGctxLock) continue;
        throw new ProfDeadlockError(
          'the thread waits for itself: newly mapped pages call for a dump (prof_gdump) while the table of contexts shrinks and a context is locked',
        );
      }
    }
  }
}
