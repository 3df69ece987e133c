/**
 * Valgrind's log with `--trace-malloc=yes`, of any of its tools.
 *
 *     --25703-- malloc(10) = 0x4A41040
 *     --25703-- realloc(0x4A41040,20) = 0x4A41090
 *     --25703-- memalign(al 64, size 100) = 0x4A71F40
 *     --25703-- realloc(0x0,15)malloc(15) = 0x4A722E0          the inner call is all that Valgrind makes of it
 *     --25703-- malloc(18446744073709551611)Argument 'size' …  a message in between …
 *     --25703--  = 0x0                                         … and the result on a line of its own
 *     --00:00:00:01.546 25851-- _ZdlPvm(0x4D6EC80)             with --time-stamp=yes
 *
 * Invariant: every line is an event, part of one, or counted; the program's own output between them is counted as `unparsed`, however long.
 * What the format cannot say: threads, stacks, and, without --time-stamp, times. At the exit Valgrind makes the C library free
 * its own blocks, and logs that: what is live at the end is less by these than what the program left.
 */
import { Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { ByteTable } from '../shared/byte_table.ts';
import { ByteCursor, ascii, findWord, isNameByte, isTaskId } from '../shared/cursor.ts';
import { JudgedLines } from '../shared/judged_lines.ts';
import { SPACE, OPEN, CLOSE, STAR, COMMA, MINUS, DOT, COLON, EQUALS } from '../shared/letters.ts';
import { OneProcess } from '../shared/one_process.ts';
import { type Signature, signatureOf } from './calls.ts';

const DASHES = ascii('--');
const RESULT = ascii(' = ');
const ALIGNMENT_LABEL = ascii('al ');
const SIZE_LABEL = ascii('size ');
/** Calls without a result that are held: no program nests more. */
const MOST_PENDING = 64;

/** A call whose result is to come. */
interface Call {
  readonly signature: Signature;
  readonly size: number;
  readonly extra: number;
  readonly old: number;
  readonly ptr: number;
}

class ValgrindReader implements TraceReader {
  /** Lines with calls of the allocator. */
  calls = 0;
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lines: JudgedLines;
  readonly #cursor = new ByteCursor();
  readonly #names = new ByteTable();
  readonly #signatures: (Signature | undefined)[] = [];
  readonly #pending: Call[] = [];
  readonly #process: OneProcess;
  #timed = false;
  /** Nanoseconds since the start of Valgrind. */
  #time = 0;
  #firstTime = -1;
  /** What the prefix of the line says; the time is -1 without --time-stamp. */
  #linePid = 0;
  #lineTime = -1;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#process = new OneProcess(trace, options);
    trace.header.source = 'valgrind';
    trace.threads.intern(0);
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    // Programs print into such recordings as much as they like.
    this.#lines = new JudgedLines(trace, options, 'Valgrind’s', this.#onLine.bind(this), Infinity);
  }

  /** Lines that are not Valgrind's. */
  get unparsed(): number {
    return this.#lines.unparsed;
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const { header, warnings } = this.#trace;
    this.#lines.end(ending);
    this.#settleOverflow();
    if (this.#pending.length > 0) this.#trace.skip('no_return', this.#pending.length);
    header.timed = this.#timed;
    if (this.#timed) header.startTime = BigInt(this.#firstTime);
    this.#process.end(this.#builder.count);
    if (this.#builder.count > 0) warnings.push('Valgrind’s log names no threads and no stacks');
    this.#builder.flush();
  }

  #onLine(bytes: Uint8Array, start: number, end: number): boolean {
    const mark = bytes[start];
    if (end - start >= 4 && (mark === EQUALS || mark === STAR) && bytes[start + 1] === mark && this.#onPrefix(bytes, start, end, mark)) {
      this.#trace.skip('note');
      return true;
    }
    // What the program prints may stand before the prefix, where it ended no line.
    for (let at = findWord(bytes, start, end, DASHES); at >= 0; at = findWord(bytes, at + 1, end, DASHES)) {
      if (!this.#onPrefix(bytes, at, end, MINUS)) continue;
      this.#onMessage();
      return true;
    }
    return false;
  }

  /** `--PID-- ` or `--days:hours:minutes:seconds.milliseconds PID-- `, with `mark` for the dashes. Leaves the cursor behind it. */
  #onPrefix(bytes: Uint8Array, start: number, end: number, mark: number): boolean {
    const cursor = this.#cursor;
    cursor.reset(bytes, start + 2, end);
    let pid = cursor.decimal();
    this.#lineTime = -1;
    if (cursor.peek() === COLON) {
      let seconds: number = pid;
      for (const unit of [24, 60, 60]) {
        if (!cursor.eat(COLON)) return false;
        seconds = seconds * unit + cursor.decimal();
      }
      if (!cursor.eat(DOT)) return false;
      this.#lineTime = seconds * 1e9 + cursor.decimal() * 1e6;
      if (!Number.isSafeInteger(this.#lineTime) || !cursor.eat(SPACE)) return false;
      pid = cursor.decimal();
    }
    this.#linePid = pid;
    return isTaskId(pid) && cursor.eat(mark) && cursor.eat(mark) && (cursor.eat(SPACE) || cursor.pos === end);
  }

  /** What follows the prefix: calls and results, or something else that Valgrind has to say. */
  #onMessage(): void {
    const cursor = this.#cursor;
    let taken = 0;
    let others = 0;
    const other = this.#process.isOther(this.#linePid);
    while (cursor.pos < cursor.end) {
      if (cursor.eatWord(RESULT)) {
        const value = cursor.address();
        if (Number.isNaN(value)) break;
        taken++;
        if (!other) this.#settle(value);
      } else {
        const call = this.#readCall();
        if (call === undefined) break;
        taken++;
        if (call === null) {
          others++;
          if (cursor.eatWord(RESULT)) cursor.number();
          this.#trace.skip('other_call');
        } else if (this.#process.takes(this.#linePid)) this.#onCall(call);
      }
    }
    // What --verbose says of debug information may look like a call, too.
    if (taken > others) this.calls++;
    else if (taken === 0) this.#trace.skip('note');
  }

  #onCall(call: Call): void {
    if (this.#lineTime >= 0) {
      if (this.#firstTime < 0) {
        this.#firstTime = this.#lineTime;
        this.#timed = this.#builder.count === 0;
      }
      this.#time = this.#lineTime - this.#firstTime;
    }
    const pending = this.#pending;
    this.#settleOverflow();
    const outer = pending[pending.length - 1] as Call | undefined;
    const { op, gives } = call.signature;
    if (outer?.signature.op === Op.realloc) {
      // realloc(NULL, n) goes on as malloc(n), which gives its result; realloc(p, 0) calls free(p).
      const isInner =
        op === Op.malloc ? outer.old === 0 && outer.size === call.size : op === Op.free && outer.old === call.ptr && outer.size === 0;
      if (isInner) {
        this.#trace.skip('nested');
        return;
      }
    }
    if (!gives) {
      this.#append(call, call.ptr);
      return;
    }
    if (pending.length === MOST_PENDING) {
      pending.shift();
      this.#trace.skip('no_return');
    }
    pending.push(call);
  }

  /** A calloc of more than 64 bits returns before it would say so (umulHW in vg_replace_malloc.c), and calls nothing. */
  #settleOverflow(): void {
    const last = this.#pending[this.#pending.length - 1] as Call | undefined;
    if (last === undefined || !(last.signature.op === Op.calloc || last.signature.op === Op.reallocarray)) return;
    if (last.extra * last.size >= 2 ** 64) this.#settle(0);
  }

  /** A result: that of the latest call without one. */
  #settle(value: number): void {
    const call = this.#pending.pop();
    if (call === undefined) this.#trace.skip('no_entry');
    else this.#append(call, call.signature.op === Op.malloc_usable_size ? call.ptr : value);
  }

  #append({ signature, size, extra, old }: Call, ptr: number): void {
    this.#builder.append(signature.op, 0, this.#timed ? this.#time : this.#builder.count, ptr, old, size, extra, NO_STACK);
  }

  /** `name(arguments)`; null for a function that is none of the allocator's, undefined if it is no call. */
  #readCall(): Call | null | undefined {
    const cursor = this.#cursor;
    const { bytes, end, pos: start } = cursor;
    let at = start;
    while (at < end && isNameByte(bytes[at])) at++;
    if (at === start || at === end || bytes[at] !== OPEN) return undefined;
    const row = this.#names.intern(bytes, start, at);
    if (row === this.#signatures.length) this.#signatures.push(signatureOf(this.#names.text(row)));
    const signature = this.#signatures[row];
    cursor.pos = at + 1;
    if (signature === undefined) {
      if (!cursor.skipTo(CLOSE)) {
        cursor.pos = start;
        return undefined;
      }
      cursor.pos++;
      return null;
    }
    const call = { signature, size: 0, extra: 0, old: 0, ptr: 0 };
    for (let i = 0; !cursor.eat(CLOSE); i++) {
      if (i > 0) {
        if (!cursor.eat(COMMA)) return undefined;
        cursor.skipSpaces();
      }
      const what = cursor.eatWord(ALIGNMENT_LABEL) ? 'extra' : cursor.eatWord(SIZE_LABEL) ? 'size' : (signature.arguments[i] ?? 'skip');
      const value = what === 'old' || what === 'ptr' ? cursor.address() : cursor.number();
      if (Number.isNaN(value)) return undefined;
      if (what !== 'skip') call[what] = value;
    }
    return call;
  }
}

/** Valgrind's log of allocator calls. */
export const valgrind: TraceFormat = {
  name: 'valgrind',
  title: "Valgrind's log with --trace-malloc=yes",
  sniff(head) {
    const reader = new ValgrindReader(new Trace(), () => {}, SNIFFING);
    reader.write(head);
    const { calls, unparsed } = reader;
    // A program may print more than it allocates.
    return calls === 0 ? 0 : Math.max(calls / (calls + unparsed), Math.min(0.6, calls / 10)) * 0.96;
  },
  open: (trace, sink, options) => new ValgrindReader(trace, sink, options),
};
