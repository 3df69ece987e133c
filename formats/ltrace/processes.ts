/**
 * Which of the thread ids of an ltrace -f recording belong to the process that is replayed.
 *
 * ltrace numbers threads and never says which process they are of. The process replayed is that of the first id (or of `pid`).
 * Another id is a thread of it, or of a process that it forked. Evidence of a process:
 *   exec(); the result of fork, or of clone without CLONE_THREAD (seen with -S); a SIGCHLD after the id's exit;
 *   it is given an address that is live here, or this process one that is live there; both free the same block;
 *   its small blocks lie in the main heap, where glibc gives a new thread an arena of its own (up to 8 for each CPU, or as it is told).
 * Evidence of a thread: the result of clone3, or of clone with CLONE_THREAD; blocks from a heap in the mmap area while the main heap is
 *   not there; one side frees what the other has allocated since; this process is given an address that only the other side has freed.
 * Weaker evidence of one: a pthread_create before its first line; its end, without a SIGCHLD before the process goes on.
 *
 * Invariant: events of an id are held back, and all later ones with them, until it is decided; they leave in the order they came.
 * Where nothing decides within HELD events, the weaker signs do; without any, or with as many for a thread, it is a thread.
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { ReadOptions } from '../format.ts';
import { AddressTable } from '../shared/address_table.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { noSuchProcess, unnamedProcess } from '../shared/one_process.ts';

/** Most events held back. */
const HELD = 1 << 16;
/** Events of the process after which an exit without SIGCHLD is a thread's, unless other signs speak against it. */
const PATIENCE = 256;
/** Blocks up to this size come from a heap rather than from a mapping of their own, bytes. */
const SMALL = 65536;
/** Distance within which addresses belong to the same heap, bytes. */
const HEAP_REACH = 64 * 1024 * 1024;
/** Most notes kept before they are settled: 32 MiB. */
const MOST_NOTES = 1 << 22;
/** Lowest address of the area where Linux maps libraries and further heaps (x86-64). */
const MMAP_AREA = 0x7e0000000000;

/** An id that may be a thread or a process. */
interface Candidate {
  readonly tid: number;
  /** Number of its first line. */
  readonly since: number;
  /** Blocks that it allocated, and blocks of the process that it freed. */
  readonly live: Set<number>;
  readonly freed: Set<number>;
  /** Signs of a process that do not decide alone, less one for a pthread_create. */
  signs: number;
  inMainHeap: boolean;
  exited: boolean;
  killed: boolean;
  /** Events of the process since its exit. */
  waited: number;
}

/** Decides, holds back, and appends the events of one process. */
export class Processes {
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #timed: () => boolean;
  /** Id whose process is replayed; -1 before the first line. */
  #root = -1;
  readonly #wanted: number | undefined;
  readonly #name: string;
  /** True once the process wanted has come out of its parent: its thread is row 0, which was the parent's. */
  #forked = false;
  readonly #others = new Set<number>();
  readonly #own = new Set<number>();
  readonly #foreign = new Set<number>();
  /** Ids of other processes that have ended while events were held back. */
  readonly #retired: number[] = [];
  readonly #candidates = new Map<number, Candidate>();
  /** Threads created whose ids are not known. */
  #created = 0;
  /** True if another process has ended since the last SIGCHLD. */
  #childGone = false;
  #rootKilled = false;
  #doubtful = 0;
  /** Blocks of the process: address -> line since which it is live, or minus the line that freed it. */
  readonly #blocks = new AddressTable();
  /**
   * While there is one thread alone, blocks are only noted (positive: given out, negative: taken back) and `#blocks` is made from the
   * notes when it is needed, which for most recordings is never.
   */
  #alone = true;
  #notes = new Float64Array(1024);
  #noted = 0;
  #lowest = Infinity;
  #highest = -1;
  #lastOwn = -1;
  #lastThread = 0;
  /** Ids that have a row in the thread table. */
  readonly #appeared = new Set<number>();
  /** Events held back: eight numbers each (op, tid, time, ptr, old, size, extra, stack). */
  #held: number[] = [];
  #heldFrom = 0;

  constructor(trace: Trace, builder: BatchBuilder, timed: () => boolean, { pid, name }: Pick<ReadOptions, 'pid' | 'name'>) {
    this.#trace = trace;
    this.#builder = builder;
    this.#timed = timed;
    this.#wanted = pid;
    this.#name = name;
  }

  /** Ids of other processes that had events. */
  get others(): readonly number[] {
    return [...this.#others];
  }

  /** Ids that were taken for processes by nothing but the heap that they use. */
  get doubtful(): number {
    return this.#doubtful;
  }

  /** Id of the first thread of the process that is replayed; -1 before the first line. */
  get root(): number {
    return this.#root;
  }

  /** A line of `tid`, whatever it says. `line` is its number. */
  see(tid: number, line: number): void {
    if (tid === this.#lastOwn) return;
    if (this.#root < 0) {
      this.#root = tid;
      this.#own.add(tid);
      return;
    }
    if (this.#alone && tid !== this.#root) this.#join();
    if (tid === this.#wanted && tid !== this.#root) this.#follow(tid);
    else if (!this.#own.has(tid) && !this.#foreign.has(tid) && !this.#candidates.has(tid)) {
      const created = this.#created > 0;
      if (created) this.#created--;
      this.#candidates.set(tid, {
        tid,
        since: line,
        live: new Set(),
        freed: new Set(),
        signs: created ? -1 : 0,
        inMainHeap: false,
        exited: false,
        killed: false,
        waited: 0,
      });
    }
  }

  /** `tid` calls pthread_create: the next id that appears is a thread, unless other signs speak against it. */
  creates(tid: number): void {
    if (this.#own.has(tid)) this.#created++;
  }

  /** The process wanted appears: what its parent did so far is its own past, for it inherited the heap; what the parent does now is not. */
  #follow(tid: number): void {
    for (const candidate of [...this.#candidates.values()]) this.#decide(candidate, candidate.tid === tid || isThread(candidate, false));
    for (const own of this.#own) this.#setForeign(own);
    this.#own.clear();
    this.#foreign.delete(tid);
    this.#own.add(tid);
    this.#root = tid;
    this.#lastOwn = -1;
    const { threads } = this.#trace;
    if (threads.length > 0) {
      threads.forget(threads.tids[0]);
      threads.tids[0] = tid;
      this.#forked = true;
    }
  }

  /**
   * A finished allocator call of `tid`. `entered` says that calls within the C library are seen too, and with them the frees that it
   * does to its own caches when a thread ends.
   */
  event(
    op: Op,
    tid: number,
    time: number,
    ptr: number,
    old: number,
    size: number,
    extra: number,
    stack: number,
    line: number,
    entered: boolean,
  ): void {
    if (this.#foreign.has(tid)) {
      this.#trace.skip('other_process');
      this.#others.add(tid);
      return;
    }
    const candidate = this.#candidates.size === 0 ? undefined : this.#candidates.get(tid);
    if (candidate !== undefined) {
      this.#hold(op, tid, time, ptr, old, size, extra, stack);
      this.#weigh(candidate, op, ptr, old, size);
      return;
    }
    if (this.#alone) {
      if (ptr !== 0) this.#note(op, ptr, old, size);
      this.#append(op, tid, time, ptr, old, size, extra, stack);
      return;
    }
    if (this.#candidates.size > 0) this.#compare(op, ptr, old);
    const blocks = this.#blocks;
    if (op === Op.free) {
      if (ptr !== 0) {
        const since = blocks.end(ptr, -line);
        if (since < 0 && entered) {
          this.#trace.skip('phantom_free');
          return;
        }
      }
    } else if (ptr !== 0 && op < Op.free) {
      if (old !== 0) blocks.end(old, -line);
      blocks.set(ptr, line);
      if (tid === this.#root && size < SMALL) {
        if (ptr < this.#lowest) this.#lowest = ptr;
        if (ptr > this.#highest) this.#highest = ptr;
      }
    }
    if (this.#heldFrom < this.#held.length) this.#hold(op, tid, time, ptr, old, size, extra, stack);
    else this.#append(op, tid, time, ptr, old, size, extra, stack);
  }

  /** The row of thread `tid` while it is alone and has had events, else -1. */
  loneThread(tid: number): number {
    return this.#alone && tid === this.#lastOwn ? this.#lastThread : -1;
  }

  /** Tells of mallocs and frees of the lone thread that others have appended to the batch, from row `from` on. */
  appended({ length, op, ptr, size }: EventBatch, from: number): void {
    for (let row = from; row < length; row++) this.#note(op[row] as Op, ptr[row], 0, size[row]);
  }

  /** Notes what a lone thread's event does to the blocks, to be settled when that matters. */
  #note(op: Op, ptr: number, old: number, size: number): void {
    if (op > Op.free) return;
    if (this.#noted + 2 > this.#notes.length) {
      if (this.#notes.length < MOST_NOTES) {
        const grown = new Float64Array(2 * this.#notes.length);
        grown.set(this.#notes);
        this.#notes = grown;
      } else this.#settle();
    }
    const notes = this.#notes;
    if (op === Op.free) {
      notes[this.#noted++] = -ptr;
      return;
    }
    if (old !== 0) notes[this.#noted++] = -old;
    notes[this.#noted++] = ptr;
    if (size < SMALL) {
      if (ptr < this.#lowest) this.#lowest = ptr;
      if (ptr > this.#highest) this.#highest = ptr;
    }
  }

  /** Brings `#blocks` up to date. All that was noted is older than whatever it will be compared with. */
  #settle(): void {
    const notes = this.#notes;
    const blocks = this.#blocks;
    for (let i = 0; i < this.#noted; i++) {
      if (notes[i] > 0) blocks.set(notes[i], 1);
      else blocks.end(-notes[i], -1);
    }
    this.#noted = 0;
  }

  /** A second id: from now on blocks are followed as they come and go. */
  #join(): void {
    this.#alone = false;
    this.#settle();
    this.#notes = new Float64Array(0);
  }

  /** `parent` has started `child`. */
  started(parent: number, child: number, thread: boolean, line: number): void {
    if (child <= 0 || child === this.#root || child === this.#wanted || this.#own.has(child)) return;
    this.see(child, line);
    const candidate = this.#candidates.get(child);
    if (candidate === undefined) return;
    if (!thread || this.#foreign.has(parent)) this.#decide(candidate, false);
    else if (this.#own.has(parent)) this.#decide(candidate, true);
  }

  /** `tid` has ended; `killed` by a signal, with its whole process. True if that is an event of its own. */
  exited(tid: number, time: number, killed: boolean): boolean {
    const candidate = this.#candidates.get(tid);
    if (candidate !== undefined) {
      candidate.exited = true;
      candidate.killed = killed;
      if (!killed) this.#hold(Op.thread_exit, tid, time, 0, 0, 0, 0, -1);
      return !killed;
    }
    this.#lastOwn = -1;
    if (this.#foreign.has(tid)) {
      this.#childGone = true;
      this.#retire(tid);
      return false;
    }
    if (tid === this.#root) {
      this.#rootKilled = killed;
      for (const other of this.#candidates.values()) if (other.exited) other.waited++;
    }
    // The first thread is the main one, which takes its process along, or a worker seen before it, which is as good.
    if (tid === this.#root || !this.#own.delete(tid) || killed || (this.#heldFrom === this.#held.length && !this.#appeared.has(tid)))
      return false;
    if (this.#heldFrom < this.#held.length) this.#hold(Op.thread_exit, tid, time, 0, 0, 0, 0, -1);
    else this.#append(Op.thread_exit, tid, time, 0, 0, 0, 0, -1);
    return true;
  }

  /** A SIGCHLD: those that have ended undecided were processes, but for those that ended earlier than one that was known to be. */
  childEnded(): void {
    const known = this.#childGone;
    this.#childGone = false;
    for (const candidate of [...this.#candidates.values()])
      if (candidate.exited && !(known && candidate.waited > 0)) this.#decide(candidate, false);
  }

  /** `tid` called exec: another process, or a new program in this one, which starts with an empty heap. */
  exec(tid: number, time: number): void {
    const candidate = this.#candidates.get(tid);
    if (candidate !== undefined) this.#decide(candidate, false);
    else if (tid === this.#root) {
      this.#decideAll();
      this.#settle();
      const left = [...this.#blocks.live()].sort((a, b) => a - b);
      for (const ptr of left) this.#append(Op.free, tid, time, ptr, 0, 0, 0, -1);
      this.#blocks.clear();
      this.#lowest = Infinity;
      this.#highest = -1;
      if (this.#builder.count > 0)
        this.#trace.warnings.push(`the process called exec(): ${left.length} blocks of its former program are freed there`);
    } else if (this.#own.delete(tid)) this.#setForeign(tid);
  }

  /** The recording is over. */
  end(): void {
    this.#decideAll();
    const wanted = this.#wanted;
    if (wanted === undefined || this.#root < 0 || this.#root === wanted) return;
    // Without -f, ltrace prints no ids.
    if (this.#root > 0) throw noSuchProcess(this.#name, wanted, [this.#root, ...this.#others]);
    this.#trace.warnings.push(unnamedProcess(wanted));
  }

  #setForeign(tid: number): void {
    this.#foreign.add(tid);
    if (tid === this.#lastOwn) this.#lastOwn = -1;
  }

  /** What an event of a candidate tells. */
  #weigh(candidate: Candidate, op: Op, ptr: number, old: number, size: number): void {
    const blocks = this.#blocks;
    const { live, freed, since } = candidate;
    const gone = op === Op.free ? ptr : old;
    if (gone !== 0 && !live.delete(gone)) {
      const known = blocks.get(gone);
      if (known > since) return this.#decide(candidate, true);
      if (known > 0) freed.add(gone);
      else if (known < -since && !freed.has(gone)) this.#sign(candidate);
    }
    if (!this.#candidates.has(candidate.tid) || op >= Op.free || ptr === 0) return;
    if (blocks.get(ptr) > 0 && !freed.has(ptr)) return this.#decide(candidate, false);
    live.add(ptr);
    if (size >= SMALL || this.#highest < 0 || this.#highest >= MMAP_AREA) return;
    if (ptr >= this.#lowest - HEAP_REACH && ptr <= this.#highest + HEAP_REACH) {
      if (!candidate.inMainHeap) {
        candidate.inMainHeap = true;
        this.#sign(candidate);
      }
    } else this.#decide(candidate, ptr >= MMAP_AREA);
  }

  /** What an event of the process tells of the candidates. */
  #compare(op: Op, ptr: number, old: number): void {
    const blocks = this.#blocks;
    for (const candidate of [...this.#candidates.values()]) {
      const { live, freed } = candidate;
      const gone = op === Op.free ? ptr : old;
      if (gone !== 0) {
        if (freed.has(gone)) {
          this.#sign(candidate);
          freed.delete(gone);
        } else if (live.has(gone) && blocks.get(gone) <= 0) this.#decide(candidate, true);
      }
      if (op < Op.free && ptr !== 0 && this.#candidates.has(candidate.tid)) {
        if (live.has(ptr)) this.#decide(candidate, false);
        else if (freed.has(ptr) && blocks.get(ptr) > 0) this.#decide(candidate, true);
      }
      if (candidate.exited && ++candidate.waited > PATIENCE) this.#judge(candidate);
    }
  }

  #sign(candidate: Candidate): void {
    candidate.signs++;
    if (candidate.signs >= 2) this.#decide(candidate, false);
  }

  /** Decides by what there is. */
  #judge(candidate: Candidate): void {
    const own = isThread(candidate, this.#rootKilled);
    if (!own && candidate.inMainHeap && !candidate.exited) this.#doubtful++;
    this.#decide(candidate, own);
  }

  #decide(candidate: Candidate, own: boolean): void {
    const { tid, live, freed, since } = candidate;
    if (!this.#candidates.delete(tid)) return;
    if (own) {
      this.#own.add(tid);
      for (const ptr of freed) this.#blocks.set(ptr, -since);
      for (const ptr of live) this.#blocks.set(ptr, since);
    } else this.#setForeign(tid);
    this.#release();
    if (candidate.exited) this.#retire(tid);
  }

  /** The system may give the id to another thread; but what is held of this one must still be known for what it is. */
  #retire(tid: number): void {
    this.#own.delete(tid);
    if (this.#heldFrom < this.#held.length) this.#retired.push(tid);
    else this.#foreign.delete(tid);
  }

  #decideAll(): void {
    for (const candidate of [...this.#candidates.values()]) this.#judge(candidate);
  }

  #hold(op: Op, tid: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number): void {
    this.#held.push(op, tid, time, ptr, old, size, extra, stack);
    if (this.#held.length - this.#heldFrom >= 8 * HELD) this.#decideAll();
  }

  /** Appends what is held, up to the first event of an id that is still undecided. */
  #release(): void {
    const held = this.#held;
    let at = this.#heldFrom;
    for (; at < held.length; at += 8) {
      const tid = held[at + 1];
      if (this.#candidates.has(tid)) break;
      if (this.#foreign.has(tid)) {
        if (held[at] === Op.thread_exit) this.#trace.skip('note');
        else {
          this.#trace.skip('other_process');
          this.#others.add(tid);
        }
        continue;
      }
      this.#append(held[at] as Op, tid, held[at + 2], held[at + 3], held[at + 4], held[at + 5], held[at + 6], held[at + 7]);
    }
    this.#heldFrom = at;
    if (at === held.length) for (const tid of this.#retired.splice(0)) this.#foreign.delete(tid);
    if (at === held.length || at > 8 * 4096) {
      this.#held = held.slice(at);
      this.#heldFrom = 0;
    }
  }

  #append(op: Op, tid: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number): void {
    const { threads } = this.#trace;
    if (tid !== this.#lastOwn) {
      if (op === Op.thread_exit && !this.#appeared.has(tid)) {
        this.#trace.skip('note');
        return;
      }
      this.#lastThread = this.#forked && tid === this.#root ? 0 : threads.intern(tid);
      this.#appeared.add(tid);
      this.#lastOwn = this.#own.has(tid) ? tid : -1;
    }
    this.#builder.append(op, this.#lastThread, this.#timed() ? time : this.#builder.count, ptr, old, size, extra, stack);
    if (op === Op.thread_exit) {
      threads.forget(tid);
      this.#appeared.delete(tid);
      this.#lastOwn = -1;
    }
  }
}

/** What the weaker signs make of an id: a child's end is told to its parent at once, and a signal that kills a process ends all its threads. */
function isThread({ signs, exited, waited, killed }: Candidate, rootKilled: boolean): boolean {
  const quietEnd = exited && (waited > 0 || (killed && rootKilled));
  return signs <= (quietEnd ? 1 : 0);
}
