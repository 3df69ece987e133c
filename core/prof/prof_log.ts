/**
 * The log of freed samples (jemalloc 5.3.0, src/prof_log.c; prof_log, prof.log_start, prof.log_stop).
 * Invariant: backtraces and threads are numbered by first appearance since the log started.
 * Differs: text is made at the end in one piece; what the library frees while it prints is freed in the same order.
 */
import { grown } from '../columns.ts';
import { Ckh } from './ckh.ts';
import { Hash128, LOG_THREAD_SEED } from './hash.ts';
import { jsonString } from './json.ts';
import { astray, type ProfOptions } from './host.ts';
import { MESSAGE_MAX_BYTES } from '../conf/malloc_conf.ts';
import { AbortError } from '../hang_error.ts';
import { POINTER_BYTES } from './prof_bt.ts';
import type { ProfData } from './prof_data.ts';
import { type BacktraceRow, FIRST_ROWS, type InfoRow } from './rows.ts';
import type { InfoTable } from './prof_info.ts';
import { integerText, traceText } from './prof_recent.ts';
import type { StackIndex } from '../units.ts';

/** sizeof(prof_alloc_node_t), in this build. */
const ALLOC_NODE_BYTES = 64;
/** offsetof(prof_bt_node_t, vec): a backtrace node without frames. */
const BT_NODE_BYTES = 32;
/** offsetof(prof_thr_node_t, name): a thread node without its name and the zero that ends it. */
const THR_NODE_BYTES = 24;
/** PROF_LOG_STOP_BUFSIZE. As much text goes to the file at a time. */
const PRINT_BUFFER_BYTES = 65536;

/** prof_thr_node_t */
interface LogThread {
  readonly thrUid: number;
  readonly name: string;
  readonly handle: number;
}

/** prof_bt_node_t: a row of the table of backtraces. */
interface LogBacktrace {
  readonly bt: BacktraceRow;
  readonly handle: number;
}

/** prof_alloc_node_t: a sampled object that was freed. Threads and traces are rows of the log; times are ns since start, `usize` usable bytes. */
interface LogAllocation {
  readonly handle: number;
  readonly allocThread: number;
  readonly freeThread: number;
  readonly allocTrace: number;
  readonly freeTrace: number;
  readonly allocTime: number;
  readonly freeTime: number;
  readonly usize: number;
}

/** The log of one process. It can be started and stopped any number of times. */
export class ProfLog {
  readonly #data: ProfData;
  readonly #infos: InfoTable;
  readonly #resolution: string;
  readonly #abort: boolean;
  #started = false;
  #filename = '';
  #startTime = 0;
  #everStarted = false;
  /** It was to end, and its file could not be opened: the state that the library then stays in (prof_logging_state_dumping). */
  #dumping = false;
  /** Backtraces that the log has, and threads, by their numbers in it. */
  #backtraceTable: Ckh<BacktraceRow, number> | null = null;
  #threadTable: Ckh<number, number> | null = null;
  /** Row of #threads -> low words of the hashes of its id. */
  #threadHashes: { hash0: Uint32Array; hash1: Uint32Array } = { hash0: new Uint32Array(0), hash1: new Uint32Array(0) };
  #threads: LogThread[] = [];
  #backtraces: LogBacktrace[] = [];
  #allocations: LogAllocation[] = [];
  readonly #threadRows = new Map<number, number>();

  readonly #hash: Hash128;

  constructor(data: ProfData, infos: InfoTable, { prof_time_resolution, abort }: Pick<ProfOptions, 'prof_time_resolution' | 'abort'>) {
    this.#data = data;
    this.#infos = infos;
    this.#resolution = prof_time_resolution;
    this.#abort = abort;
    this.#hash = new Hash128(data.host.memory, 1);
  }

  /** Whether a log is open (prof_logging_state). */
  get logging(): boolean {
    return this.#started;
  }

  /** Whether any log was ever started: the library stops an open one at exit then (prof_log_stop_final). */
  get everStarted(): boolean {
    return this.#everStarted;
  }

  /** Starts a log to a file (prof_log_start). False if one is open already. */
  start(filename: string): boolean {
    this.#everStarted = true;
    if (this.#started || this.#dumping) return false;
    this.#started = true;
    this.#filename = filename;
    this.#startTime = this.#data.host.now();
    return true;
  }

  /**
   * Logs the free of a sampled object from `stack`, while the record of its context is locked (prof_try_log).
   * @throws OutOfMemory if there is no memory for it: the library does not look (astray).
   */
  free(thread: number, info: InfoRow, stack: StackIndex): void {
    const data = this.#data;
    if (!this.#started || data.tdataOf(thread) < 0) return;
    const { host, tctxs, tdatas, gctxs } = data;
    const infos = this.#infos;
    const tctx = infos.tctx[info];
    if (this.#backtraceTable === null) {
      this.#backtraceTable = new Ckh(host, thread, data.backtraces);
      this.#threadHashes = { hash0: new Uint32Array(FIRST_ROWS), hash1: new Uint32Array(FIRST_ROWS) };
      this.#threadTable = new Ckh(host, thread, this.#threadHashes);
      if (this.#backtraceTable.handle < 0 || this.#threadTable.handle < 0) throw astray();
    }
    const freeTime = host.now();
    const handle = this.#nodeOf(thread, ALLOC_NODE_BYTES);
    const allocName = tdatas.name[tctxs.tdata[tctx]] ?? '';
    const freeTdata = data.tdataGet(thread);
    const allocThread = this.#threadIndex(thread, tctxs.thrUid[tctx], allocName);
    const freeThread = this.#threadIndex(thread, tdatas.thrUid[freeTdata], tdatas.name[freeTdata] ?? '');
    const allocTrace = this.#traceIndex(thread, gctxs.bt[tctxs.gctx[tctx]]);
    const freeTrace = this.#traceIndex(thread, data.backtraces.rowOf(stack));
    this.#allocations.push({
      handle,
      allocThread,
      freeThread,
      allocTrace,
      freeTrace,
      allocTime: infos.time[info],
      freeTime,
      usize: infos.usize[info],
    });
  }

  /** Memory for a node of the log, which the library does not look at before it uses it. */
  #nodeOf(thread: number, bytes: number): number {
    const handle = this.#data.host.iallocztm(thread, bytes, 1, 0);
    if (handle < 0) throw astray();
    return handle;
  }

  /** The number of a thread in the log, added if it is new there (prof_log_thr_index). */
  #threadIndex(thread: number, thrUid: number, name: string): number {
    const known = this.#threadRows.get(thrUid);
    if (known !== undefined) return known;
    const index = this.#threads.length;
    const handle = this.#nodeOf(thread, THR_NODE_BYTES + name.length + 1);
    this.#threads.push({ thrUid, name, handle });
    this.#threadRows.set(thrUid, index);
    const hashes = this.#threadHashes;
    if (index >= hashes.hash0.length) {
      hashes.hash0 = grown(hashes.hash0, index + 1);
      hashes.hash1 = grown(hashes.hash1, index + 1);
    }
    const { words, result } = this.#hash;
    words[0] = thrUid;
    words[1] = Math.floor(thrUid / 0x100000000);
    this.#hash.compute(1, LOG_THREAD_SEED);
    hashes.hash0[index] = result[0];
    hashes.hash1[index] = result[2];
    if (!this.#threadTable!.insert(thread, index, index)) throw astray();
    return index;
  }

  /** The number of a backtrace in the log, added if it is new there (prof_log_bt_index). */
  #traceIndex(thread: number, bt: BacktraceRow): number {
    const known = this.#backtraceTable!.search(bt);
    if (known >= 0) return known;
    const index = this.#backtraces.length;
    const handle = this.#nodeOf(thread, BT_NODE_BYTES + POINTER_BYTES * this.#data.backtraces.depth(bt));
    this.#backtraces.push({ bt, handle });
    if (!this.#backtraceTable!.insert(thread, bt, index)) throw astray();
    return index;
  }

  /**
   * Ends the log and writes its file (prof_log_stop). False if none is open, or if its file cannot be: that is said, what was logged stays, and no other log starts.
   * @throws AbortError with abort:true
   */
  stop(thread: number): boolean {
    if (!this.#started) return false;
    const { host, map, backtraces } = this.#data;
    this.#started = false;
    const file = host.openFile(this.#filename);
    if (typeof file === 'number') {
      host.message(`<jemalloc>: creat() for log file "${this.#filename}"  failed with ${file}\n`.slice(0, MESSAGE_MAX_BYTES));
      if (this.#abort) throw new AbortError(`abort:true, and ${this.#filename} cannot be opened`);
      this.#dumping = true;
      return false;
    }
    const buffer = host.iallocztm(thread, PRINT_BUFFER_BYTES, 1, 0);
    file.write(
      `{"info":{"duration":${integerText(host.now() - this.#startTime)},"version":${jsonString(host.version)},"lg_sample_rate":${map.lgSample},` +
        `"prof_time_resolution":"${this.#resolution}","pid":${host.pid}}`,
    );
    this.#writeArray(file, 'threads', this.#threads, (node) => {
      host.idalloctm(thread, node.handle);
      return `{"thr_uid":${node.thrUid},"thr_name":${jsonString(node.name)}}`;
    });
    this.#writeArray(file, 'stack_traces', this.#backtraces, (node) => {
      host.idalloctm(thread, node.handle);
      return traceText(backtraces.text(node.bt));
    });
    this.#writeArray(file, 'allocations', this.#allocations, (node) => {
      host.idalloctm(thread, node.handle);
      return (
        `{"alloc_thread":${node.allocThread},"free_thread":${node.freeThread},"alloc_trace":${node.allocTrace},"free_trace":${node.freeTrace},` +
        `"alloc_timestamp":${host.clockBase + BigInt(node.allocTime)},"free_timestamp":${host.clockBase + BigInt(node.freeTime)},"usize":${integerText(node.usize)}}`
      );
    });
    file.write('}');
    if (buffer >= 0) host.idalloctm(thread, buffer);
    file.close();
    this.#backtraceTable?.delete(thread);
    this.#threadTable?.delete(thread);
    this.#backtraceTable = null;
    this.#threadTable = null;
    this.#threads = [];
    this.#backtraces = [];
    this.#allocations = [];
    this.#threadRows.clear();
    return true;
  }

  /** @throws Error unless the tables of the log hold what is logged, and nothing is logged without one. */
  check(): void {
    this.#backtraceTable?.check();
    this.#threadTable?.check();
    const backtraces = this.#backtraceTable?.count ?? 0;
    const threads = this.#threadTable?.count ?? 0;
    if (backtraces !== this.#backtraces.length || threads !== this.#threads.length || threads !== this.#threadRows.size)
      throw new Error('the tables of the log hold other nodes than there are');
    for (const { allocThread, freeThread, allocTrace, freeTrace } of this.#allocations) {
      if (Math.max(allocThread, freeThread) >= threads || Math.max(allocTrace, freeTrace) >= backtraces)
        throw new Error('the log names a thread or a backtrace that it has not');
    }
  }

  /** Writes a member that is an array, a node at a time; `textOf` frees the node, as the library does while it prints. */
  #writeArray<T>(file: { write(text: string): void }, name: string, nodes: readonly T[], textOf: (node: T) => string): void {
    let text = `,"${name}":[`;
    for (let i = 0; i < nodes.length; i++) {
      if (i > 0) text += ',';
      text += textOf(nodes[i]);
      if (text.length > PRINT_BUFFER_BYTES) {
        file.write(text);
        text = '';
      }
    }
    file.write(text + ']');
  }
}
