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
 * Weaker evidence of a thread: a pthread_create before its first line; its end, without a SIGCHLD before the process goes on.
 *
 * Invariant: events of an id are held back, and all later ones with them, until it is decided; they leave in the order they came.
 * Where nothing decides within HELD events, the weaker signs do; without any, or with as many for a thread, it is a thread.
 *
 * Where ltrace has attached (-p), ids with halves of addresses are threads that were there (half_addresses.ts).
 *
 * A thread may be of any process that ran when it began and when it ended. Evidence of one: its pthread_create or clone; it frees what
 * the thread has allocated; it alone has threads that use the same heap. Where none decides until the thread ends, it is given to the process of
 * the line before its first.
 */
import { type EventBatch, Op } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { ReadOptions } from '../format.ts';
import type { BatchBuilder } from '../shared/batch_builder.ts';
import { FormerPrograms } from '../shared/former_programs.ts';
import { noSuchProcess, unnamedProcess } from '../shared/one_process.ts';
import { type Candidate, HEAP_REACH, Holders, isThread, MMAP_AREA, Owner, ownersOf, SMALL } from './candidates.ts';
import { HalfAddresses, isHalf } from './half_addresses.ts';
import { HeldEvents } from './held_events.ts';
import { ProcessBlocks } from './process_blocks.ts';

/** Most events held back. */
const HELD = 1 << 16;
/** Events of the process after which an exit without SIGCHLD is a thread's, unless other signs speak against it. */
const PATIENCE = 256;
/** Most processes that a new thread may be of. */
const MOST_OWNERS = 64;

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
  readonly #foreign = new Map<number, Owner>();
  /** The process that is replayed, and others that run, up to MOST_OWNERS. */
  #ours = new Owner(-1);
  readonly #alive = new Set<Owner>();
  /** The process of the line before, and how often it changed. */
  #active = this.#ours;
  #turns = 0;
  /** Ids of other processes that have ended while events were held back. */
  readonly #retired: number[] = [];
  readonly #candidates = new Map<number, Candidate>();
  readonly #holders = new Holders();
  /** Candidates that have ended, the first in front; some may be decided. */
  #ended: Candidate[] = [];
  /** Events of the process, counted while there are candidates. */
  #passed = 0;
  /** True if another process has ended since the last SIGCHLD. */
  #childGone = false;
  #rootKilled = false;
  #doubtful = 0;
  #guessed = 0;
  readonly #blocks = new ProcessBlocks();
  readonly #formerPrograms: FormerPrograms;
  /** Of a recording that ltrace made by attaching to the process. */
  #halves: HalfAddresses | undefined;
  /** True once the process has had half an address. */
  #hasHalves = false;
  /** True until a second id appears: then blocks are followed as they come and go. */
  #alone = true;
  #lastOwn = -1;
  #lastThread = 0;
  /** Ids that have a row in the thread table. */
  readonly #appeared = new Set<number>();
  readonly #held = new HeldEvents();

  constructor(trace: Trace, builder: BatchBuilder, timed: () => boolean, { pid, name }: Pick<ReadOptions, 'pid' | 'name'>) {
    this.#trace = trace;
    this.#formerPrograms = new FormerPrograms(trace);
    this.#builder = builder;
    this.#timed = timed;
    this.#wanted = pid;
    this.#name = name;
  }

  /** Threads that may be of the process replayed or of another, and nothing told of which. */
  get guessed(): number {
    return this.#guessed;
  }

  /** Ids of the first threads of other processes that had events. */
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

  /** ltrace has attached to the process: all of its threads may be there before their first line. */
  attached(): void {
    this.#halves ??= new HalfAddresses();
  }

  /** A line of `tid`, whatever it says. `line` is its number. */
  see(tid: number, line: number): void {
    if (tid === this.#lastOwn) {
      if (this.#active !== this.#ours) this.#turnTo(this.#ours);
      return;
    }
    if (this.#root < 0) {
      this.#root = tid;
      this.#own.add(tid);
      this.#ours = this.#active = new Owner(tid);
      return;
    }
    if (this.#alone && tid !== this.#root) {
      this.#alone = false;
      this.#blocks.join();
    }
    if (tid === this.#wanted && tid !== this.#root && !this.#own.has(tid)) {
      if (this.#halves === undefined) this.#follow(tid);
      else {
        this.#own.add(tid);
        this.#root = tid;
      }
    }
    const owner = this.#own.has(tid) ? this.#ours : this.#foreign.get(tid);
    if (owner !== undefined) {
      if (this.#active !== owner) this.#turnTo(owner);
      return;
    }
    const candidate = this.#candidates.get(tid);
    if (candidate !== undefined) {
      candidate.last = line;
      return;
    }
    const among = [this.#ours, ...this.#alive].filter(({ ended }) => ended === Infinity).sort((one, other) => other.turn - one.turn);
    const creator = among.find(({ created }) => created > 0);
    if (creator !== undefined) creator.created--;
    this.#candidates.set(tid, {
      tid,
      since: line,
      last: line,
      among,
      creator,
      heap: -1,
      live: new Set(),
      freed: new Set(),
      signs: creator === undefined ? 0 : -1,
      inMainHeap: false,
      exitedAt: -1,
      killed: false,
    });
  }

  #turnTo(owner: Owner): void {
    owner.turn = ++this.#turns;
    this.#active = owner;
  }

  /** `tid` calls pthread_create: the next id that appears is a thread, unless other signs speak against it. */
  creates(tid: number): void {
    const owner = this.#own.has(tid) ? this.#ours : this.#foreign.get(tid);
    if (owner !== undefined) owner.created++;
  }

  /** The process wanted appears: what its parent did so far is its own past, for it inherited the heap; what the parent does now is not. */
  #follow(tid: number): void {
    for (const candidate of [...this.#candidates.values()])
      this.#decide(candidate, isThread(candidate, this.#passed, false) ? this.#ours : undefined);
    for (const own of this.#own) this.#setForeign(own, this.#ours);
    this.#ran(this.#ours);
    this.#ours = new Owner(tid);
    this.#turnTo(this.#ours);
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
    const other = this.#foreign.get(tid);
    if (other !== undefined) {
      this.#trace.skip('other_process');
      this.#others.add(other.id);
      if (op < Op.free && ptr !== 0) other.has(ptr, size);
      if (this.#candidates.size > 0) this.#freedBy(other, op === Op.free ? ptr : old);
      return;
    }
    if (this.#halves !== undefined) {
      if (op < Op.free) {
        old = this.#halves.taken(op, old);
        this.#halves.given(ptr);
      } else ptr = this.#halves.taken(op, ptr);
    }
    const candidate = this.#candidates.size === 0 ? undefined : this.#candidates.get(tid);
    if (candidate !== undefined) {
      this.#hold(op, tid, time, ptr, old, size, extra, stack);
      this.#weigh(candidate, op, ptr, old, size);
      return;
    }
    this.#hasHalves ||= isHalf(ptr);
    if (this.#alone) {
      if (ptr !== 0) this.#blocks.note(op, ptr, old, size, this.#ours);
      this.#append(op, tid, time, ptr, old, size, extra, stack);
      return;
    }
    if (this.#candidates.size > 0) this.#compare(op, ptr, old);
    const blocks = this.#blocks.table;
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
      this.#ours.has(ptr, size);
      if (tid === this.#root) this.#blocks.atFirstThread(ptr, size);
    }
    if (this.#held.length > 0) this.#hold(op, tid, time, ptr, old, size, extra, stack);
    else this.#append(op, tid, time, ptr, old, size, extra, stack);
  }

  /** The row of thread `tid` while it is alone and has had events, else -1. */
  loneThread(tid: number): number {
    return this.#alone && this.#halves === undefined && tid === this.#lastOwn ? this.#lastThread : -1;
  }

  /** Tells of mallocs and frees of the lone thread that others have appended to the batch, from row `from` on. */
  appended({ length, op, ptr, size }: EventBatch, from: number): void {
    const blocks = this.#blocks;
    const ours = this.#ours;
    for (let row = from; row < length; row++) blocks.note(op[row] as Op, ptr[row], 0, size[row], ours);
  }

  /** `parent` has started `child`. */
  started(parent: number, child: number, thread: boolean, line: number): void {
    if (child <= 0 || child === this.#root || child === this.#wanted || this.#own.has(child)) return;
    this.see(child, line);
    const candidate = this.#candidates.get(child);
    if (candidate === undefined) return;
    if (!thread) this.#decide(candidate, undefined);
    else if (this.#own.has(parent)) this.#decide(candidate, this.#ours);
    else if (this.#foreign.has(parent)) this.#decide(candidate, this.#foreign.get(parent));
  }

  /** `tid` has ended on that line; `killed` by a signal, with its whole process. True if that is an event of its own. */
  exited(tid: number, time: number, killed: boolean, line: number): boolean {
    const candidate = this.#candidates.get(tid);
    if (candidate !== undefined) {
      candidate.exitedAt = this.#passed;
      candidate.killed = killed;
      if (!killed) this.#hold(Op.thread_exit, tid, time, 0, 0, 0, 0, -1);
      // No SIGCHLD will say more of a thread.
      if (candidate.heap >= 0) this.#judge(candidate);
      if (this.#isOpen(candidate)) this.#ended.push(candidate);
      return !killed;
    }
    this.#lastOwn = -1;
    const other = this.#foreign.get(tid);
    if (other !== undefined) {
      if (other.id === tid) {
        this.#childGone = true;
        this.#end(other, line);
      }
      this.#retire(tid);
      return false;
    }
    if (tid === this.#root) {
      this.#rootKilled = killed;
      // A main thread ends last; that it is one shows by its heap.
      if (this.#own.size === 1 && this.#blocks.inMainHeap) this.#end(this.#ours, line);
      this.#passed++;
    }
    // The first thread is the main one, which takes its process along, or a worker seen before it, which is as good.
    if (tid === this.#root || !this.#own.delete(tid) || killed || (this.#held.length === 0 && !this.#appeared.has(tid))) return false;
    if (this.#held.length > 0) this.#hold(Op.thread_exit, tid, time, 0, 0, 0, 0, -1);
    else this.#append(Op.thread_exit, tid, time, 0, 0, 0, 0, -1);
    return true;
  }

  /** A SIGCHLD: those that have ended undecided were processes, but for those that ended earlier than one that was known to be. */
  childEnded(): void {
    const known = this.#childGone;
    this.#childGone = false;
    for (const candidate of this.#ended.splice(0)) {
      if (known && this.#passed > candidate.exitedAt) this.#ended.push(candidate);
      else this.#decide(candidate, undefined);
    }
  }

  /** `tid` called exec: another process, or a new program in this one, which starts with an empty heap. */
  exec(tid: number, time: number): void {
    const candidate = this.#candidates.get(tid);
    if (candidate !== undefined) this.#decide(candidate, undefined);
    else if (tid === this.#root) {
      this.#ours.renew();
      this.#decideAll();
      this.#blocks.settle();
      const left = [...this.#blocks.table.live()].sort((a, b) => a - b);
      for (const ptr of left) this.#append(Op.free, tid, time, ptr, 0, 0, 0, -1);
      this.#blocks.clear();
      if (this.#builder.count > 0) this.#formerPrograms.left(left.length);
    } else if (this.#own.delete(tid)) this.#startProcess(tid);
    else if (this.#foreign.get(tid)?.id === tid) this.#foreign.get(tid)?.renew();
    else this.#startProcess(tid);
  }

  /** The recording is over. */
  end(): void {
    this.#decideAll();
    this.#formerPrograms.end();
    const wanted = this.#wanted;
    if (wanted === undefined || this.#root < 0 || this.#root === wanted) return;
    // Without -f, ltrace prints no ids.
    if (this.#root > 0) throw noSuchProcess(this.#name, wanted, [this.#root, ...this.#others]);
    this.#trace.warnings.push(unnamedProcess(wanted));
  }

  #setForeign(tid: number, owner: Owner): void {
    this.#foreign.set(tid, owner);
    if (tid === this.#lastOwn) this.#lastOwn = -1;
  }

  /** `tid` is the first thread of another process. */
  #startProcess(tid: number): Owner {
    const owner = new Owner(tid);
    this.#setForeign(tid, owner);
    this.#ran(owner);
    return owner;
  }

  /** Another process runs; of too many, the one known longest is not asked for threads any more. */
  #ran(owner: Owner): void {
    this.#alive.add(owner);
    if (this.#alive.size < MOST_OWNERS) return;
    const [longest] = this.#alive;
    this.#alive.delete(longest);
  }

  /** A process has ended: what appears now is no thread of it. */
  #end(owner: Owner, line: number): void {
    owner.ended = line;
    this.#alive.delete(owner);
  }

  /** Another process has freed `gone`: whoever allocated that in a heap where it has no blocks itself is a thread of it. */
  #freedBy(other: Owner, gone: number): void {
    if (gone < MMAP_AREA) return;
    const heap = Math.floor(gone / HEAP_REACH);
    if (other.heaps.has(heap)) return;
    for (const candidate of this.#holders.of(gone))
      if (candidate.heap === heap && candidate.live.has(gone) && candidate.among.includes(other)) this.#decide(candidate, other);
  }

  /** What an event of a candidate tells. */
  #weigh(candidate: Candidate, op: Op, ptr: number, old: number, size: number): void {
    const blocks = this.#blocks.table;
    const { live, freed, since } = candidate;
    const gone = op === Op.free ? ptr : old;
    if (this.#halves !== undefined && (this.#hasHalves || isHalf(ptr) || isHalf(gone))) return this.#decide(candidate, this.#ours);
    if (gone !== 0) {
      if (live.delete(gone)) this.#holders.drop(gone, candidate);
      else {
        const known = blocks.get(gone);
        if (known > since) return this.#decide(candidate, this.#ours);
        if (known > 0) {
          freed.add(gone);
          this.#keep(gone, candidate);
        } else if (known < -since && !freed.has(gone)) this.#sign(candidate);
      }
    }
    if (!this.#isOpen(candidate) || op >= Op.free || ptr === 0) return;
    if (blocks.get(ptr) > 0 && !freed.has(ptr)) return this.#decide(candidate, undefined);
    live.add(ptr);
    this.#keep(ptr, candidate);
    if (size >= SMALL || !this.#blocks.knowsMainHeap) return;
    if (this.#blocks.isNear(ptr)) {
      if (!candidate.inMainHeap) {
        candidate.inMainHeap = true;
        this.#sign(candidate);
      }
    } else if (ptr < MMAP_AREA) this.#decide(candidate, undefined);
    else {
      candidate.heap = Math.floor(ptr / HEAP_REACH);
      const owners = ownersOf(candidate);
      if (owners.length === 1) this.#decide(candidate, owners[0]);
    }
  }

  /** What an event of the process tells of the candidates. */
  #compare(op: Op, ptr: number, old: number): void {
    const blocks = this.#blocks.table;
    const gone = op === Op.free ? ptr : old;
    if (gone !== 0) {
      for (const candidate of this.#holders.of(gone)) {
        const { live, freed } = candidate;
        if (freed.delete(gone)) {
          this.#holders.drop(gone, candidate);
          this.#sign(candidate);
        } else if (live.has(gone) && blocks.get(gone) <= 0) this.#decide(candidate, this.#ours);
      }
    }
    if (op < Op.free && ptr !== 0) {
      for (const candidate of this.#holders.of(ptr)) {
        if (candidate.live.has(ptr)) this.#decide(candidate, undefined);
        else if (blocks.get(ptr) > 0) this.#decide(candidate, this.#ours);
      }
    }
    this.#passed++;
    while (this.#ended.length > 0 && this.#passed - this.#ended[0].exitedAt > PATIENCE) this.#judge(this.#ended.shift() as Candidate);
  }

  #isOpen(candidate: Candidate): boolean {
    return this.#candidates.get(candidate.tid) === candidate;
  }

  #keep(address: number, candidate: Candidate): void {
    if (this.#isOpen(candidate)) this.#holders.keep(address, candidate);
  }

  #sign(candidate: Candidate): void {
    candidate.signs++;
    if (candidate.signs >= 2) this.#decide(candidate, undefined);
  }

  /** Decides by what there is. */
  #judge(candidate: Candidate): void {
    if (!this.#isOpen(candidate)) return;
    const thread = isThread(candidate, this.#passed, this.#rootKilled);
    if (!thread && candidate.inMainHeap && candidate.exitedAt < 0) this.#doubtful++;
    const owners = thread ? ownersOf(candidate) : [];
    if (owners.length > 1 && owners.includes(this.#ours)) this.#guessed++;
    this.#decide(candidate, owners[0]);
  }

  /** `owner` is the process that the candidate is a thread of, undefined if it is one of its own. */
  #decide(candidate: Candidate, owner: Owner | undefined): void {
    if (!this.#isOpen(candidate)) return;
    const { tid, since, exitedAt } = candidate;
    const [live, freed] = [[...candidate.live], [...candidate.freed]];
    this.#candidates.delete(tid);
    candidate.live.clear();
    candidate.freed.clear();
    for (const ptr of freed) this.#holders.drop(ptr, candidate);
    for (const ptr of live) this.#holders.drop(ptr, candidate);
    if (owner === this.#ours) {
      this.#own.add(tid);
      for (const ptr of freed) this.#blocks.table.set(ptr, -since);
      for (const ptr of live) this.#blocks.table.set(ptr, since);
      if (candidate.heap >= 0) owner.heaps.add(candidate.heap);
    } else if (owner === undefined) {
      const process = this.#startProcess(tid);
      if (exitedAt >= 0) this.#end(process, candidate.last);
    } else {
      this.#setForeign(tid, owner);
      if (candidate.heap >= 0) owner.heaps.add(candidate.heap);
    }
    this.#release();
    if (exitedAt >= 0) this.#retire(tid);
  }

  /** The system may give the id to another thread; but what is held of this one must still be known for what it is. */
  #retire(tid: number): void {
    this.#own.delete(tid);
    if (this.#held.length > 0) this.#retired.push(tid);
    else this.#foreign.delete(tid);
  }

  #decideAll(): void {
    this.#ended = [];
    for (const candidate of [...this.#candidates.values()]) this.#judge(candidate);
  }

  #hold(op: Op, tid: number, time: number, ptr: number, old: number, size: number, extra: number, stack: number): void {
    this.#held.push(op, tid, time, ptr, old, size, extra, stack);
    if (this.#held.length >= HELD) this.#decideAll();
  }

  /** Appends what is held, up to the first event of an id that is still undecided. */
  #release(): void {
    this.#held.release((op, tid, time, ptr, old, size, extra, stack) => {
      if (this.#candidates.has(tid)) return false;
      const other = this.#foreign.get(tid);
      if (other === undefined) this.#append(op, tid, time, ptr, old, size, extra, stack);
      else if (op === Op.thread_exit) this.#trace.skip('note');
      else {
        this.#trace.skip('other_process');
        this.#others.add(other.id);
      }
      return true;
    });
    if (this.#held.length === 0) for (const tid of this.#retired.splice(0)) this.#foreign.delete(tid);
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
