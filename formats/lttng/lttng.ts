/**
 * Recordings by LTTng's library for malloc (liblttng-ust-libc-wrapper.so of LTTng-UST 2.0 to 2.14, ust_libc.h), as babeltrace and babeltrace2 print them:
 *
 *     [20:38:11.907388453] (+3.229928201) desktop lttng_ust_libc:malloc: { cpu_id = 1 }, { size = 4, ptr = 0x151BD40 }
 *     [20:38:11.907391355] (+0.000002902) desktop lttng_ust_libc:free: { cpu_id = 1 }, { vpid = 7, vtid = 9, procname = "app" }, { ptr = 0x151BD40 }
 *
 * The second group has what `lttng add-context -u` asked for. Times are of the day, or with --clock-seconds and --clock-date of all.
 *
 * Invariant: every line is an event or counted; events of other providers are other calls. A block is given when its event stands: the library reports
 * allocations after the call, and free before it.
 * What the format cannot say: stacks (without the contexts ip or callstack_user), and without vpid and vtid which process and thread a call is of.
 */
import { MOST_CPU, Op } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NO_STACK, type StackIndex } from '../../core/units.ts';
import { type BatchSink, type InputEnd, type ReadOptions, SNIFFING, type TraceFormat, type TraceReader } from '../format.ts';
import { BatchBuilder, raisedNote } from '../shared/batch_builder.ts';
import { addressOfText, isTaskId, sizeOfText, textOf } from '../shared/cursor.ts';
import { JudgedLines, shareOf } from '../shared/judged_lines.ts';
import { OneProcess } from '../shared/one_process.ts';
import { TimeOrigin } from '../shared/time_origin.ts';

/** What a line begins with: its time. */
const CLOCK = /^\[([\d:. -]{10,40})\] /;
/** Provider and event, whose fields follow. What babeltrace says besides stands before. */
const EVENT = / ([\w.]+):([\w.]+): (?=\{)/;
const TIME = /^(?:(\d{4})-(\d\d)-(\d\d) )?(?:(\d\d):(\d\d):(\d\d)|(\d{1,12}))\.(\d{9})$/;
const PROVIDER = /^(?:lttng_)?ust_libc$/;
const FIELD = /\b(\w+) = (0x[\dA-Fa-f]{1,16}|-?\d{1,20})(?=[ ,}])/g;
const NAME = /\bprocname = "((?:[^"\\]|\\.){0,16})"/;
const CALL_STACK = /\bcallstack_user = \[((?: \[\d+\] = 0x[\dA-Fa-f]{1,16},?)*) \]/;
/** The address returned to, where no call stack was asked for. */
const CALLER = /\bip = (0x[\dA-Fa-f]{1,16})(?=[ ,}])/;
/** What is lost is said on lines of its own, or on standard error. */
const LOST = /\b(?:Tracer )?discarded (\d{1,15}) events?\b/;
const DAY_SECONDS = 86_400;

/** What the payload of an event must have, by its name. */
const EVENTS = new Map<string, readonly [Op, readonly string[]]>([
  ['malloc', [Op.malloc, ['size', 'ptr']]],
  ['free', [Op.free, ['ptr']]],
  ['calloc', [Op.calloc, ['nmemb', 'size', 'ptr']]],
  ['realloc', [Op.realloc, ['in_ptr', 'size', 'ptr']]],
  ['memalign', [Op.memalign, ['alignment', 'size', 'ptr']]],
  ['posix_memalign', [Op.posix_memalign, ['out_ptr', 'alignment', 'size', 'result']]],
]);

/** Fields that are addresses. */
const ADDRESSES = ['ptr', 'in_ptr', 'out_ptr'];

class LttngReader implements TraceReader {
  /** Events of the library's. */
  taken = 0;
  readonly #trace: Trace;
  readonly #builder: BatchBuilder;
  readonly #lines: JudgedLines;
  readonly #process: OneProcess;
  readonly #origin = new TimeOrigin();
  /** Seconds of the last time of day, and of the days before it. */
  #seconds = 0;
  #days = 0;
  #isNamed = true;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#process = new OneProcess(trace, options);
    trace.header.source = 'lttng';
    trace.header.timed = true;
    this.#builder = new BatchBuilder(sink, options.batchEvents);
    this.#lines = new JudgedLines(trace, options, 'babeltrace’s', this.#onLine.bind(this));
  }

  /** Lines that do not fit. */
  get unparsed(): number {
    return this.#lines.unparsed;
  }

  write(chunk: Uint8Array): void {
    this.#lines.write(chunk);
  }

  end(ending: InputEnd = 'whole'): void {
    const { header, warnings } = this.#trace;
    this.#lines.end(ending);
    if (this.#origin.known) header.startTime = this.#origin.toBigInt();
    if (this.#builder.raised > 0) warnings.push(raisedNote(this.#builder.raised, 'the event before'));
    if (!this.#isNamed)
      warnings.push(
        'the recording does not say of which processes and threads its calls are: all are taken for those of one thread (lttng add-context -u -t vpid -t vtid has them recorded)',
      );
    this.#process.end(this.#builder.count);
    this.#builder.flush();
  }

  #onLine(bytes: Uint8Array, start: number, end: number): boolean | undefined {
    if (start === end) return undefined;
    const text = textOf(bytes, start, end);
    const clock = CLOCK.exec(text)?.[1];
    const event = clock === undefined ? null : EVENT.exec(text);
    const fields = event === null ? '' : text.slice(event.index + event[0].length).trimEnd();
    if (clock === undefined || event === null || !fields.endsWith('}')) {
      const lost = LOST.exec(text);
      if (lost !== null) this.#trace.skip('lost', Number(lost[1]));
      return lost !== null;
    }
    const [, provider, name] = event;
    const call = PROVIDER.test(provider) ? EVENTS.get(name) : undefined;
    if (call === undefined) {
      this.#trace.skip('other_call');
      return true;
    }
    const time = this.#timeOf(clock);
    const payloadAt = fields.lastIndexOf('{');
    const payload = numbersOf(fields.slice(payloadAt));
    const [op, keys] = call;
    if (time === undefined || keys.some((key) => Number.isNaN(payload.get(key) ?? NaN))) return false;
    this.taken++;
    this.#onEvent(op, time, payload, fields.slice(0, payloadAt));
    return true;
  }

  #onEvent(op: Op, time: number, payload: ReadonlyMap<string, number>, context: string): void {
    const { threads } = this.#trace;
    const about = numbersOf(context);
    const pid = about.get('vpid') ?? about.get('pid');
    const tid = about.get('vtid') ?? about.get('tid') ?? pid ?? 0;
    this.#isNamed &&= pid !== undefined && isTaskId(tid);
    if (pid !== undefined && isTaskId(pid) && !this.#process.takes(pid)) return;
    const thread = threads.intern(isTaskId(tid) ? tid : 0);
    threads.names[thread] ??= NAME.exec(context)?.[1].replace(/\\(.)/g, '$1');
    const failed = (payload.get('result') ?? 0) !== 0;
    const ptr = failed ? 0 : (payload.get('ptr') ?? payload.get('out_ptr') ?? 0);
    const extra = payload.get('nmemb') ?? payload.get('alignment') ?? 0;
    const cpu = about.get('cpu_id') ?? -1;
    if (cpu >= 0 && cpu <= MOST_CPU) this.#builder.ranOn(cpu);
    this.#builder.append(op, thread, time, ptr, payload.get('in_ptr') ?? 0, payload.get('size') ?? 0, extra, this.#stackOf(context));
  }

  #stackOf(context: string): StackIndex {
    const { stacks } = this.#trace;
    const list = CALL_STACK.exec(context)?.[1];
    const addresses = list === undefined ? [] : [...list.matchAll(/= (0x[\dA-Fa-f]+)/g)].map(([, address]) => BigInt(address));
    const caller = CALLER.exec(context)?.[1];
    if (addresses.length === 0 && caller !== undefined) addresses.push(BigInt(caller));
    if (addresses.length === 0) return NO_STACK;
    return stacks.intern(addresses.map((pc) => stacks.frames.intern({ pc })));
  }

  /** Nanoseconds since the first event; undefined if this is no time. */
  #timeOf(text: string): number | undefined {
    const match = TIME.exec(text);
    if (match === null) return undefined;
    const [, year, month, day, hours, minutes, seconds, whole, fraction] = match;
    let at = whole === undefined ? Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) : Number(whole);
    if (year !== undefined) at += Date.UTC(Number(year), Number(month) - 1, Number(day)) / 1000;
    else if (whole === undefined) {
      // The time of day begins anew at midnight.
      if (at < this.#seconds - DAY_SECONDS / 2) this.#days++;
      this.#seconds = at;
      at += this.#days * DAY_SECONDS;
    }
    if (!this.#origin.known) this.#origin.set(at, Number(fraction));
    return Math.max(0, this.#origin.since(at, Number(fraction)));
  }
}

/** The fields of groups that are numbers, NaN for those that are not of their type: addresses, sizes and ids have no sign. */
function numbersOf(text: string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const [, key, value] of text.matchAll(FIELD)) {
    if (ADDRESSES.includes(key)) numbers.set(key, addressOfText(value));
    else numbers.set(key, key === 'result' ? Number(value) : sizeOfText(value));
  }
  return numbers;
}

function sniff(head: Uint8Array): number {
  const share = shareOf(new LttngReader(new Trace(), () => {}, SNIFFING), head);
  return share === 0 ? 0 : Math.max(0.5, 0.97 * share);
}

/** What babeltrace prints of LTTng's recordings. */
export const lttng: TraceFormat = {
  name: 'lttng',
  title: "LTTng's recording of malloc (liblttng-ust-libc-wrapper), as babeltrace prints it",
  sniff,
  open: (trace, sink, options) => new LttngReader(trace, sink, options),
};
