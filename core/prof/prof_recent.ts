/**
 * The most recent sampled allocations (jemalloc 5.3.0, src/prof_recent.c; prof_recent_alloc_max).
 * Invariant: the list holds at most `max` nodes, oldest first; each one's contexts are referenced once by it; a node and the live object that
 * it describes name each other.
 * Differs: the list stays in place during its own dump, since nobody can look meanwhile.
 */
import { jsonString } from './json.ts';
import { grown, type RowColumn } from '../columns.ts';
import type { ProfData } from './prof_data.ts';
import type { InfoTable } from './prof_info.ts';
import { FIRST_ROWS, type InfoRow, NO_INFO, NO_RECENT, NO_TCTX, type RecentRow, type TctxRow } from './rows.ts';
import type { StackIndex } from '../units.ts';

/** sizeof(prof_recent_t) (prof_structs.h), in this build. */
const NODE_BYTES = 72;
/** PROF_RECENT_PRINT_BUFSIZE */
const PRINT_BUFFER_BYTES = 65536;

/** The list (prof_recent_alloc_list): rows of nodes, linked from the oldest to the newest. */
export class RecentList {
  readonly #data: ProfData;
  readonly #infos: InfoTable;
  /** Most nodes; -1 without limit, 0 off. */
  #max: bigint;
  /** The same for comparing. */
  #limit: number;
  /** Nodes in the list. */
  count = 0;
  #first = NO_RECENT;
  #last = NO_RECENT;
  #rows = 0;
  #free = NO_RECENT;
  /** The node after this one, NO_RECENT at the end; of a free row, the next free one. */
  #next = new Int32Array(FIRST_ROWS) as RowColumn<RecentRow>;
  #handle = new Float64Array(FIRST_ROWS);
  #size = new Float64Array(FIRST_ROWS);
  #usize = new Float64Array(FIRST_ROWS);
  #allocTime = new Float64Array(FIRST_ROWS);
  #dallocTime = new Float64Array(FIRST_ROWS);
  #allocTctx = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  /** NO_TCTX while the object is live, or if its free could not be attributed. */
  #dallocTctx = new Int32Array(FIRST_ROWS) as RowColumn<TctxRow>;
  /** The live object, NO_INFO once it is released. */
  #info = new Int32Array(FIRST_ROWS) as RowColumn<InfoRow>;

  /** @param max prof_recent_alloc_max: most nodes, -1 without limit, 0 for none at all */
  constructor(data: ProfData, infos: InfoTable, max: bigint) {
    this.#data = data;
    this.#infos = infos;
    this.#max = max;
    this.#limit = max < 0n ? Infinity : Number(max);
  }

  /** experimental.prof_recent.alloc_max: most nodes; -1 without limit, 0 off. */
  get max(): bigint {
    return this.#max;
  }

  /** Refers to the context of an object that is about to be recorded; false if the list is off (prof_recent_alloc_prepare). */
  prepare(tctx: TctxRow): boolean {
    if (this.#limit === 0) return false;
    this.#data.tctxs.recentCount[tctx]++;
    return true;
  }

  /** Records a prepared object (prof_recent_alloc). */
  record(thread: number, info: InfoRow): void {
    const data = this.#data;
    const infos = this.#infos;
    data.locks.prof_recent_alloc++;
    let oldAllocTctx = NO_TCTX;
    let oldDallocTctx = NO_TCTX;
    let node: RecentRow;
    if (this.count < this.#limit) {
      const handle = data.host.iallocztm(thread, NODE_BYTES, 1, 0);
      data.locks.prof_recent_alloc++;
      if (handle < 0) {
        this.#release(thread, infos.tctx[info]);
        return;
      }
      node = this.#take();
      this.#handle[node] = handle;
      this.count++;
    } else {
      node = this.#first;
      oldAllocTctx = this.#allocTctx[node];
      oldDallocTctx = this.#dallocTctx[node];
      this.#evict(node);
      this.#first = this.#next[node];
      if (this.#first < 0) this.#last = NO_RECENT;
    }
    this.#next[node] = NO_RECENT;
    if (this.#last < 0) this.#first = node;
    else this.#next[this.#last] = node;
    this.#last = node;
    this.#size[node] = infos.size[info];
    this.#usize[node] = infos.usize[info];
    this.#allocTime[node] = infos.time[info];
    this.#allocTctx[node] = infos.tctx[info];
    this.#dallocTctx[node] = NO_TCTX;
    this.#info[node] = info;
    infos.recent[info] = node;
    if (oldAllocTctx >= 0) this.#release(thread, oldAllocTctx);
    if (oldDallocTctx >= 0) this.#release(thread, oldDallocTctx);
  }

  /** Notes that an object is about to be freed, or moved by a realloc, from `stack` (prof_recent_alloc_reset). */
  close(thread: number, info: InfoRow, stack: StackIndex): void {
    const data = this.#data;
    const infos = this.#infos;
    if (infos.recent[info] < 0) return;
    const tctx = data.tctxCreate(thread, stack);
    if (tctx >= 0) {
      data.tctxs.recentCount[tctx]++;
      data.tctxs.prepared[tctx] = 0;
    }
    data.locks.prof_recent_alloc++;
    const node = infos.recent[info];
    if (tctx >= 0) {
      this.#dallocTime[node] = data.host.now();
      this.#dallocTctx[node] = tctx;
    }
    this.#evict(node);
  }

  /** Changes the limit, dropping the oldest nodes (prof_recent_alloc_max_ctl_write). @returns the old limit. */
  setMax(thread: number, max: bigint): bigint {
    const data = this.#data;
    data.locks.prof_recent_alloc++;
    const old = this.#max;
    this.#max = max;
    this.#limit = max < 0n ? Infinity : Number(max);
    const dropped: RecentRow[] = [];
    while (this.count > this.#limit) {
      const node = this.#first;
      this.#evict(node);
      this.#first = this.#next[node];
      if (this.#first < 0) this.#last = NO_RECENT;
      this.count--;
      dropped.push(node);
    }
    for (const node of dropped) {
      this.#release(thread, this.#allocTctx[node]);
      if (this.#dallocTctx[node] >= 0) this.#release(thread, this.#dallocTctx[node]);
      data.host.idalloctm(thread, this.#handle[node]);
      this.#next[node] = this.#free;
      this.#free = node;
    }
    return old;
  }

  /** The list as the library's compact JSON, without a newline (prof_recent_alloc_dump). */
  dump(thread: number): string {
    const data = this.#data;
    const { host, locks } = data;
    locks.prof_recent_dump++;
    const buffer = host.iallocztm(thread, PRINT_BUFFER_BYTES, 1, 0);
    locks.prof_recent_alloc += 2;
    const nodes: string[] = [];
    for (let node = this.#first; node >= 0; node = this.#next[node]) nodes.push(this.#nodeText(node));
    if (buffer >= 0) host.idalloctm(thread, buffer);
    return `{"sample_interval":${1n << BigInt(data.map.lgSample)},"recent_alloc_max":${this.#max},"recent_alloc":[${nodes.join(',')}]}`;
  }

  /** prof_recent_alloc_dump_node */
  #nodeText(node: RecentRow): string {
    const released = this.#info[node] < 0;
    let text =
      `{"size":${integerText(this.#size[node])},"usize":${integerText(this.#usize[node])},"released":${released}` +
      this.#sideText('alloc', this.#allocTctx[node], this.#allocTime[node]);
    if (released && this.#dallocTctx[node] >= 0) text += this.#sideText('dalloc', this.#dallocTctx[node], this.#dallocTime[node]);
    return text + '}';
  }

  /** What a node says of its allocation ("alloc") or of its free ("dalloc"). */
  #sideText(side: string, tctx: TctxRow, time: number): string {
    const { tctxs, tdatas, gctxs, backtraces, host } = this.#data;
    const name = tdatas.name[tctxs.tdata[tctx]];
    const trace = backtraces.text(gctxs.bt[tctxs.gctx[tctx]]);
    return (
      `,"${side}_thread_uid":${tctxs.thrUid[tctx]}` +
      (name === null ? '' : `,"${side}_thread_name":${jsonString(name)}`) +
      `,"${side}_time":${host.clockBase + BigInt(time)},"${side}_trace":${traceText(trace)}`
    );
  }

  /** Parts a node from its object (prof_recent_alloc_evict_edata). */
  #evict(node: RecentRow): void {
    const info = this.#info[node];
    if (info < 0) return;
    this.#infos.recent[info] = NO_RECENT;
    this.#info[node] = NO_INFO;
  }

  /** Drops a reference to a context, which goes if it was the last need of it (decrement_recent_count). */
  #release(thread: number, tctx: TctxRow): void {
    this.#data.tctxs.recentCount[tctx]--;
    this.#data.tctxTryDestroy(thread, tctx);
  }

  /** A row for a node. */
  #take(): RecentRow {
    if (this.#free >= 0) {
      const node = this.#free;
      this.#free = this.#next[node];
      return node;
    }
    const node = this.#rows++ as RecentRow;
    if (node >= this.#next.length) {
      this.#next = grown(this.#next, node + 1);
      this.#handle = grown(this.#handle, node + 1);
      this.#size = grown(this.#size, node + 1);
      this.#usize = grown(this.#usize, node + 1);
      this.#allocTime = grown(this.#allocTime, node + 1);
      this.#dallocTime = grown(this.#dallocTime, node + 1);
      this.#allocTctx = grown(this.#allocTctx, node + 1);
      this.#dallocTctx = grown(this.#dallocTctx, node + 1);
      this.#info = grown(this.#info, node + 1);
    }
    return node;
  }

  /** Adds to `references` how often the list refers to each tctx. @throws Error unless nodes and objects name each other, and the list is as long as it says. */
  check(references: Map<TctxRow, number>): void {
    let count = 0;
    for (let node = this.#first; node >= 0; node = this.#next[node]) {
      count++;
      if (count > this.#rows) throw new Error('the list of recent allocations does not end');
      if (this.#info[node] >= 0 && this.#infos.recent[this.#info[node]] !== node)
        throw new Error('a recent allocation names an object that does not name it');
      for (const tctx of [this.#allocTctx[node], this.#dallocTctx[node]])
        if (tctx >= 0) references.set(tctx, (references.get(tctx) ?? 0) + 1);
    }
    if (count !== this.count || count > this.#limit) throw new Error('the list of recent allocations has a wrong length');
  }
}

/** " 0x1 0x2" as `["0x1","0x2"]`. */
export function traceText(text: string): string {
  return text === '' ? '[]' : `["${text.slice(1).replaceAll(' ', '","')}"]`;
}

/** An integer from 0 as exact decimal text. */
export function integerText(value: number): string {
  return value <= Number.MAX_SAFE_INTEGER ? String(value) : BigInt(value).toString();
}
