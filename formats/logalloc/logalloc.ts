/**
 * Firefox's logalloc (MALLOC_LOG; memory/replace/logalloc of mozilla-central), as written, or preprocessed by its logalloc_munge.py.
 *
 *     18545 18545 malloc(32)=0x7f90495120e0                pid, tid (older versions: no tid), call
 *     18545 18545 realloc(0x7f90495120e0,64)=0x7f9049536680
 *     18545 18545 posix_memalign(256,240)=0x7f9049583300
 *     18545 18545 free(0x7f9049536680)
 *     1 1 malloc(32)=#1                                    preprocessed: numbers for blocks
 *
 * Libraries that people write for LD_PRELOAD, and wrappers of their own, print much the same, mostly without ids:
 *
 *     malloc(32) = 0x7f90495120e0
 *     realloc(0x7f90495120e0, 64) = 0x7f9049536680
 *     free(0x7f9049536680)
 *
 * and many with words of their own around the calls (call_amid.ts).
 *
 * Invariant: every line is an event or counted.
 * What the format cannot say: times and stacks. A tid is the thread's handle, which the system gives out again after its end.
 * ltrace tells itself from this by the result of free.
 */
import { Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { ByteCursor, ascii, textOf, isTaskId } from '../shared/cursor.ts';
import { JudgedLines, shareOf } from '../shared/judged_lines.ts';
import { SPACE, HASH, CLOSE, COMMA, SEMICOLON, EQUALS } from '../shared/letters.ts';
import { OneProcess } from '../shared/one_process.ts';
import { BPFTRACE } from '../not_traces.ts';
import { callAmid } from './call_amid.ts';

const NIL = ascii('(nil)');
const STATISTICS = ascii('jemalloc_stats(');
/** Distance of the addresses that numbered blocks get, bytes. */
const BLOCK_STEP = 16;

/** What an argument is: a column of the event. */
type Argument = 'size' | 'extra' | 'old' | 'ptr';

/** Functions with their opening bracket, their operation, and their arguments in order. */
const FUNCTIONS: readonly (readonly [Uint8Array, Op, readonly Argument[]])[] = [
  [ascii('free('), Op.free, ['ptr']],
  [ascii('malloc('), Op.malloc, ['size']],
  [ascii('calloc('), Op.calloc, ['extra', 'size']],
  [ascii('realloc('), Op.realloc, ['old', 'size']],
  [ascii('posix_memalign('), Op.posix_memalign, ['extra', 'size']],
  [ascii('aligned_alloc('), Op.aligned_alloc, ['extra', 'size']],
  [ascii('memalign('), Op.memalign, ['extra', 'size']],
  [ascii('reallocarray('), Op.reallocarray, ['old', 'extra', 'size']],
  [ascii('valloc('), Op.valloc, ['size']],
  [ascii('pvalloc('), Op.pvalloc, ['size']],
];

class LogallocReader implements TraceReader {
  /** Lines that fit. */
  taken = 0;
  /** Lines that fit and that ltrace may print as well, and frees, which it prints with a result. */
  spaced = 0;
  frees = 0;
  /** Lines of those taken that have something of their own around the call. */
  amid = 0;
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lines: JudgedLines;
  readonly #cursor = new ByteCursor();
  readonly #event = { size: 0, extra: 0, old: 0, ptr: 0 };
  readonly #process: OneProcess;
  /** Whether it is said what is passed over around the calls. */
  #isNoted = false;
  /** Whether a call has been read that says its process. */
  #isNamed = false;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#process = new OneProcess(trace, options);
    trace.header.source = 'logalloc';
    trace.header.timed = false;
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    this.#lines = new JudgedLines(trace, options, 'logalloc’s', this.#onLine.bind(this));
  }

  /** Lines that do not. */
  get unparsed(): number {
    return this.#lines.unparsed;
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    this.#lines.end(ending);
    this.#process.end(this.#builder.count);
    this.#builder.flush();
  }

  #onLine(bytes: Uint8Array, start: number, end: number): boolean | undefined {
    if (start === end) return undefined;
    this.#cursor.reset(bytes, start, end);
    if (!this.#onCall(this.#cursor) && !this.#onCallAmid(textOf(bytes, start, end))) return false;
    this.taken++;
    return true;
  }

  /** A call with something of its own around it; where the lines begin with the ids of a process, each does. */
  #onCallAmid(line: string): boolean {
    if (this.#isNamed || line.length > LONGEST_AMID) return false;
    const call = callAmid(line);
    if (call === undefined) return false;
    const [, op, names] = FUNCTIONS.find(([word]) => textOf(word, 0, word.length - 1) === call.name)!;
    // Hooks give calloc's product in place of its factors.
    const isProduct = op === Op.calloc && call.args.length === 1;
    if (call.args.length !== names.length && !isProduct) return false;
    const event = { size: 0, extra: isProduct ? 1 : 0, old: 0, ptr: call.result };
    for (const [index, name] of (isProduct ? (['size'] as const) : names).entries()) event[name] = call.args[index];
    this.amid++;
    if (!this.#isNoted && (call.before + call.behind).trim() !== '') {
      this.#isNoted = true;
      this.#trace.warnings.push(passedOverNote(line, call.before, call.behind));
    }
    const { stacks } = this.#trace;
    this.#append(op, 0, event, call.caller === 0 ? NO_STACK : stacks.intern([stacks.frames.intern({ pc: BigInt(call.caller) })]));
    return true;
  }

  #append(op: Op, tid: number, { ptr, old, size, extra }: Record<Argument, number>, stack = NO_STACK): void {
    if (op === Op.free) this.frees++;
    this.#builder.append(op, this.#trace.threads.intern(tid), this.#builder.count, ptr, old, size, extra, stack);
  }

  #onCall(cursor: ByteCursor): boolean {
    const pid = cursor.decimal();
    const isNamed = !Number.isNaN(pid);
    if (isNamed && (!isTaskId(pid) || !cursor.eat(SPACE))) return false;
    let tid = isNamed ? cursor.decimal() : 0;
    if (Number.isNaN(tid)) tid = pid;
    else if (isNamed && !cursor.eat(SPACE)) return false;
    if (cursor.eatWord(STATISTICS)) {
      if (!cursor.eat(CLOSE) || cursor.pos < cursor.end) return false;
      this.#trace.skip('note');
      return true;
    }
    const found = FUNCTIONS.find(([name]) => cursor.eatWord(name));
    if (found === undefined) return false;
    const [, op, names] = found;
    const event = this.#event;
    event.size = event.extra = event.old = event.ptr = 0;
    for (const [index, name] of names.entries()) {
      if (index > 0 && !cursor.eat(COMMA)) return false;
      cursor.skipSpaces();
      event[name] = name === 'ptr' || name === 'old' ? blockOf(cursor) : cursor.decimal();
      if (Number.isNaN(event[name])) return false;
    }
    if (!cursor.eat(CLOSE)) return false;
    if (op !== Op.free) {
      if (cursor.peek() === SPACE) this.spaced++;
      cursor.skipSpaces();
      // The preprocessed form leaves out lines whose result is NULL, and none has its `=` alone.
      if (!cursor.eat(EQUALS)) return false;
      cursor.skipSpaces();
      event.ptr = blockOf(cursor);
      if (Number.isNaN(event.ptr)) return false;
    }
    cursor.eat(SEMICOLON);
    cursor.skipSpaces();
    if (cursor.pos < cursor.end) return false;
    this.#isNamed ||= isNamed;
    if (isNamed && !this.#process.takes(pid)) return true;
    this.#append(op, tid, event);
    return true;
  }
}

/** A block: its address, or for `#12` one made up for its number. */
function blockOf(cursor: ByteCursor): number {
  if (cursor.eat(HASH)) {
    const address = cursor.decimal() * BLOCK_STEP;
    return address < 2 ** 64 ? address : NaN;
  }
  return cursor.eatWord(NIL) ? 0 : cursor.address();
}

/** What is sure of lines that ltrace may have printed: it is surer of its own. */
const LESS_SURE = 0.9;
/** … and of lines with something of their own around the calls, which must be this share of all: others have those, too. */
const SURE_AMID = 0.4;
const SHARE_AMID = 0.5;
/** What ltrace says of free, and what Valgrind's calls those of jereplay’s own script and bpftrace’s JSON begin with: they are not these, whatever stands before their lines. */
const OTHERS = /\bfree\(\S+\) += <void>|^--(?:[\d:.]+ )?\d+-- \w+\(|^\d+ \d+ \d+ \w+\(|^\{"/m;
/** Longest line that is searched for a call, bytes. */
const LONGEST_AMID = 4096;
/** So much of a line is quoted. */
const QUOTED = 60;

/** What is lost around the calls, of which `line` is the first. */
function passedOverNote(line: string, before: string, behind: string): string {
  const where = before.trim() === '' ? 'behind' : behind.trim() === '' ? 'before' : 'around';
  const quoted = JSON.stringify(line.length > QUOTED ? `${line.slice(0, QUOTED)}…` : line);
  return `what stands ${where} the calls, as in ${quoted}, is passed over: times and threads, too, if it tells any`;
}

function sniff(head: Uint8Array): number {
  // Its scripts may print calls so, and say between them what was lost.
  if (BPFTRACE.test(textOf(head, 0, Math.min(head.length, 64)))) return 0;
  const reader = new LogallocReader(new Trace(), () => {}, SNIFFING);
  const share = shareOf(reader, head);
  if (reader.amid > 0) return share < SHARE_AMID || OTHERS.test(textOf(head, 0, head.length)) ? 0 : SURE_AMID * share;
  if (reader.spaced === 0 || reader.frees > 0) return 0.97 * share;
  return share < 1 ? 0 : LESS_SURE;
}

/** Firefox's logalloc, and what is like it. */
export const logalloc: TraceFormat = {
  name: 'logalloc',
  title: "Firefox's allocation log (MALLOC_LOG), or the like of a library of one's own: malloc(32) = 0x1000, free(0x1000)",
  sniff,
  open: (trace, sink, options) => new LogallocReader(trace, sink, options),
};
