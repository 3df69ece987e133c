/**
 * jemalloc's utrace records (`utrace:true` in MALLOC_CONF, recorded by ktrace -t u on FreeBSD), as `kdump` prints them.
 *
 *      1234 app      USER  0x801006000 = malloc(32)
 *      1234 100071 app      12.000345 USER  0x801008000 = realloc(0x801006000, 64)    kdump -H: thread; -T or -E: time
 *      1234 app      USER  free(0x801008000)
 *      1234 app      USER  malloc_init()
 *
 * Invariant: every line is an event or counted; lines of system calls, which ktrace may record too, are `other_call`.
 * What the format cannot say: which function allocated, stacks, and calls of size 0: `malloc(0)` is written as a free of NULL, and its block
 * is unknown; `realloc(p, 0)` is written as a free. kdump -R prints differences of times that nothing tells from times: use -T or -E.
 */
import { formatCounted } from '../../core/trace/counted.ts';
import { Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { ByteCursor, ascii, findWord, isTime, textOf } from '../shared/cursor.ts';
import { JudgedLines, shareOf } from '../shared/judged_lines.ts';
import { CLOSE } from '../shared/letters.ts';
import { OneProcess } from '../shared/one_process.ts';
import { TimeOrigin } from '../shared/time_origin.ts';

const USER = ascii(' USER  ');
const GIVES = ascii(' = ');
const MALLOC = ascii('malloc(');
const REALLOC = ascii('realloc(');
const FREE = ascii('free(');
const INIT = ascii('malloc_init()');
const SEPARATOR = ascii(', ');
/** Kinds of kdump's records, but for USER; two spaces follow. */
const OTHER_RECORD = /^ *\d+ .*? (?:CALL|RET |NAMI|GIO |PSIG|CSW |STRU|SCTL|CAP |PFLT|PRET|ARGS|ENV |EXTERR|UNKNOWN\(\d+\))  /;
/** The ends of `pid [tid] command [time]`: the command may have spaces, and numbers in it. */
const IDS = /^ *(\d+)(?: +([1-9]\d{5,9}))? /;
const TIME = / (-?)(\d+)\.(\d{6}|\d{9})$/;

/** What stands before a record. */
interface Columns {
  readonly pid: number;
  readonly tid: number;
  /** Seconds, and nanoseconds of the same sign; both NaN without times. */
  readonly seconds: number;
  readonly nanos: number;
}

class UtraceReader implements TraceReader {
  /** Records of the allocator. */
  taken = 0;
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lines: JudgedLines;
  readonly #cursor = new ByteCursor();
  readonly #process: OneProcess;
  #timed: boolean | undefined;
  /** Time of the first record. */
  readonly #origin = new TimeOrigin();
  /** Frees of NULL. */
  #nulls = 0;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#process = new OneProcess(trace, options);
    trace.header.source = 'utrace';
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    // Programs print into such recordings as much as they like.
    this.#lines = new JudgedLines(trace, options, 'utrace', this.#onLine.bind(this), Infinity);
  }

  /** Lines that are none of kdump's. */
  get unparsed(): number {
    return this.#lines.unparsed;
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const { header, warnings } = this.#trace;
    this.#lines.end(ending);
    header.timed = this.#timed === true;
    if (header.timed && this.#builder.raised * 4 > this.#builder.count)
      warnings.push('times go back at many records: those of kdump -R are differences, use kdump -T');
    const start = this.#origin.toBigInt();
    // A record from before those that kdump -E counts from.
    if (header.timed && start >= 0n) header.startTime = start;
    this.#process.end(this.#builder.count);
    if (this.#nulls > 0)
      warnings.push(`${formatCounted(this.#nulls, 'line')}: a free of NULL or an allocation of no bytes, which utrace writes alike`);
    this.#builder.flush();
  }

  #onLine(bytes: Uint8Array, start: number, end: number): boolean | undefined {
    if (start === end) return undefined;
    const cursor = this.#cursor;
    const user = findWord(bytes, start, end, USER);
    if (user >= 0) {
      const columns = parseColumns(textOf(bytes, start, user));
      if (columns !== undefined) {
        cursor.reset(bytes, user + USER.length, end);
        this.taken++;
        if (!this.#onUser(cursor, columns)) this.#trace.skip('note');
        return true;
      }
    }
    if (!OTHER_RECORD.test(textOf(bytes, start, Math.min(end, start + 200)))) return false;
    this.#trace.skip('other_call');
    return true;
  }

  /** A record of the allocator; false for one of the program, or of the run-time linker. */
  #onUser(cursor: ByteCursor, columns: Columns): boolean {
    let op: Op = Op.malloc;
    let ptr = 0;
    let old = 0;
    let size = 0;
    if (cursor.eatWord(INIT)) return false;
    if (cursor.eatWord(FREE)) {
      op = Op.free;
      ptr = cursor.address();
    } else {
      ptr = cursor.address();
      if (Number.isNaN(ptr) || !cursor.eatWord(GIVES)) return false;
      if (cursor.eatWord(REALLOC)) {
        op = Op.realloc;
        old = cursor.address();
        if (Number.isNaN(old) || !cursor.eatWord(SEPARATOR)) return false;
      } else if (!cursor.eatWord(MALLOC)) return false;
      size = cursor.decimal();
    }
    if (Number.isNaN(ptr) || Number.isNaN(size) || !cursor.eat(CLOSE) || cursor.pos < cursor.end) return false;
    this.#append(op, columns, ptr, old, size);
    return true;
  }

  #append(op: Op, { pid, tid, seconds, nanos }: Columns, ptr: number, old: number, size: number): void {
    const builder = this.#builder;
    const origin = this.#origin;
    if (!this.#process.takes(pid)) return;
    if (op === Op.free && ptr === 0) this.#nulls++;
    const hasTime = !Number.isNaN(seconds);
    this.#timed ??= hasTime;
    if (this.#timed && !origin.known) origin.set(seconds, nanos);
    const since = hasTime ? Math.max(0, origin.since(seconds, nanos)) : 0;
    builder.append(op, this.#trace.threads.intern(tid), this.#timed ? since : builder.count, ptr, old, size, 0, NO_STACK);
  }
}

function parseColumns(text: string): Columns | undefined {
  const known = text.trimEnd();
  const ids = IDS.exec(known);
  if (ids === null) return undefined;
  const [, pid, tid = pid] = ids as (string | undefined)[];
  const time = TIME.exec(known);
  if (time === null || time.index < ids[0].length) return { pid: Number(pid), tid: Number(tid), seconds: NaN, nanos: NaN };
  const [, sign, whole, fraction] = time;
  const [seconds, nanos] = [Number(whole), Number(fraction.padEnd(9, '0'))];
  if (!isTime(seconds, nanos)) return undefined;
  const way = sign === '-' ? -1 : 1;
  return { pid: Number(pid), tid: Number(tid), seconds: way * seconds, nanos: way * nanos };
}

/** jemalloc's utrace, printed by kdump. */
export const utrace: TraceFormat = {
  name: 'utrace',
  title: "jemalloc's utrace records as kdump prints them (FreeBSD)",
  sniff: (head) => 0.95 * shareOf(new UtraceReader(new Trace(), () => {}, SNIFFING), head),
  open: (trace, sink, options) => new UtraceReader(trace, sink, options),
};
