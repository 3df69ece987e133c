/**
 * Allocation records of Android's malloc debug (record_allocs; libc/malloc_debug of bionic), as memory_replay takes them.
 *
 *     186: malloc 0xb6038060 20
 *     186: calloc 0xb609f080 32 4 1000 1020            since Android 13 with the times of the call's start and end, ns
 *     186: realloc 0xb609f080 0xb603e9a0 12            the block it gave, the block it took, size
 *     186: memalign 0x85423660 16 104                  also for aligned_alloc, posix_memalign, valloc and pvalloc
 *     186: free 0xb609f080
 *     187: thread_done 0x0
 *
 * Invariant: every line is an event or counted. Where there are times, events are in their order: a block lives from the end of the call
 * that gave it to the start of the one that frees it, and records are written only after the call.
 * What the format cannot say: the process, stacks, and what came after the record was full or before it was last dumped.
 */
import { formatCounted } from '../../core/trace/counted.ts';
import type { EventBatch } from '../../core/trace/events.ts';
import { Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { ByteCursor, TIMES_END, ascii, isTaskId } from '../shared/cursor.ts';
import { JudgedLines, shareOf } from '../shared/judged_lines.ts';
import { SPACE, COLON } from '../shared/letters.ts';
import { Reorder } from '../shared/reorder.ts';

/** Names with the space behind them, their operation, and what follows the block. */
const RECORDS: readonly (readonly [Uint8Array, Op, readonly ('size' | 'extra' | 'old')[]])[] = [
  [ascii('malloc '), Op.malloc, ['size']],
  [ascii('free '), Op.free, []],
  [ascii('calloc '), Op.calloc, ['extra', 'size']],
  [ascii('realloc '), Op.realloc, ['old', 'size']],
  [ascii('memalign '), Op.memalign, ['extra', 'size']],
  [ascii('thread_done '), Op.thread_exit, []],
];

class MallocDebugReader implements TraceReader {
  /** Lines that fit. */
  taken = 0;
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lines: JudgedLines;
  readonly #cursor = new ByteCursor();
  readonly #reorder: Reorder;
  readonly #event = { size: 0, extra: 0, old: 0 };
  /** True if the first line has times; undefined before it. */
  #timed: boolean | undefined;
  #origin = NaN;
  #lastTime = 0;
  /** Threads that have called the allocator since they started. */
  readonly #running = new Set<number>();

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    trace.header.source = 'malloc_debug';
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    this.#lines = new JudgedLines(trace, options, 'malloc debug’s', this.#onLine.bind(this));
    this.#reorder = new Reorder((rows, count) => {
      for (let row = 0; row < count; row++) this.#onRecord(rows, row);
    }, options.reorderWindow);
  }

  /** Lines that do not. */
  get unparsed(): number {
    return this.#lines.unparsed;
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const { header } = this.#trace;
    this.#lines.end(ending);
    this.#reorder.flush();
    if (this.#reorder.late > 0)
      this.#trace.warnings.push(`${formatCounted(this.#reorder.late, 'record')} out of order by more than what is sorted`);
    header.timed = this.#timed === true;
    if (header.timed && !Number.isNaN(this.#origin)) header.startTime = BigInt(this.#origin);
    this.#builder.flush();
  }

  #onLine(bytes: Uint8Array, start: number, end: number): boolean | undefined {
    if (start === end) return undefined;
    this.#cursor.reset(bytes, start, end);
    if (!this.#onCall(this.#cursor)) return false;
    this.taken++;
    return true;
  }

  #onCall(cursor: ByteCursor): boolean {
    const tid = cursor.decimal();
    if (!isTaskId(tid) || !cursor.eat(COLON) || !cursor.eat(SPACE)) return false;
    const found = RECORDS.find(([name]) => cursor.eatWord(name));
    if (found === undefined) return false;
    const [, op, names] = found;
    const ptr = cursor.address();
    if (Number.isNaN(ptr)) return false;
    const event = this.#event;
    event.size = event.extra = event.old = 0;
    for (const name of names) {
      if (!cursor.eat(SPACE)) return false;
      event[name] = name === 'old' ? cursor.address() : cursor.decimal();
      if (Number.isNaN(event[name])) return false;
    }
    const time = this.#timeOf(cursor, op);
    if (time === undefined) return false;
    if (this.#timed === undefined) {
      this.#timed = time >= 0;
      this.#trace.header.timed = this.#timed;
    }
    // A line without times in a record that has them is taken to be where it stands.
    const placed = this.#timed && time >= 0 ? time : this.#lastTime;
    this.#lastTime = placed;
    this.#reorder.push(op, tid, placed, ptr, event.old, event.size, event.extra, NO_STACK);
    return true;
  }

  /** When the call took effect, ns; -1 if the line does not say it, undefined if what follows is none. */
  #timeOf(cursor: ByteCursor, op: Op): number | undefined {
    if (cursor.pos === cursor.end) return -1;
    if (!cursor.eat(SPACE)) return undefined;
    const first = cursor.decimal();
    if (!(first < TIMES_END)) return undefined;
    if (op === Op.thread_exit) return cursor.pos === cursor.end ? first : undefined;
    const last = cursor.eat(SPACE) ? cursor.decimal() : NaN;
    if (!(last < TIMES_END) || cursor.pos < cursor.end) return undefined;
    return op === Op.free ? first : last;
  }

  #onRecord(rows: EventBatch, row: number): void {
    const { threads } = this.#trace;
    const op = rows.op[row] as Op;
    const tid = rows.thread[row];
    if (op === Op.thread_exit && !this.#running.delete(tid)) {
      this.#trace.skip('note');
      return;
    }
    if (op !== Op.thread_exit) this.#running.add(tid);
    const timed = this.#timed === true;
    if (timed && Number.isNaN(this.#origin)) this.#origin = rows.time[row];
    const time = timed ? rows.time[row] - this.#origin : this.#builder.count;
    const ptr = op === Op.thread_exit ? 0 : rows.ptr[row];
    this.#builder.append(op, threads.intern(tid), time, ptr, rows.old[row], rows.size[row], rows.extra[row], NO_STACK);
    if (op === Op.thread_exit) threads.forget(tid);
  }
}

/** Android's malloc debug records. */
export const mallocDebug: TraceFormat = {
  name: 'malloc_debug',
  ofOneProcess: true,
  title: "allocation records of Android's malloc debug (record_allocs)",
  sniff: (head) => 0.97 * shareOf(new MallocDebugReader(new Trace(), () => {}, SNIFFING), head),
  open: (trace, sink, options) => new MallocDebugReader(trace, sink, options),
};
