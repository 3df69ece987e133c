/**
 * Reads the compact trace (columns.ts).
 * Invariant: whatever the bytes say, no table is read or written outside its rows; what does not fit is an error that names the byte.
 * A file that breaks off gives its whole blocks, and a trace that is partial.
 */
import { EventBatch, MOST_CPU, Op } from '../../core/trace/events.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { NO_STACK } from '../../core/units.ts';
import type { BatchSink, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { ascii, findWord } from '../shared/cursor.ts';
import { CONTINUATION, decodeBlock, decodeMessage, PREFIX_BYTES, type Message } from './arrow.ts';
import { CALL_KINDS, MARK, MOST_CALLS, VERSION, WIDE, type Block, type Column } from './columns.ts';
import { TablesReader } from './tables.ts';
import { VarintReader } from './varint.ts';

/** A message's metadata and body are not longer than this. */
const LONGEST_METADATA = 1 << 24;
const LONGEST_BODY = 2 ** 30;
const LARGEST_SIZE = 2 ** 64;

const MARK_BYTES = ascii(MARK);

export const compact: TraceFormat = {
  name: 'compact',
  ofOneProcess: true,
  title: "this project's binary trace, an Arrow stream",
  sniff,
  open: (trace, sink, options) => new CompactReader(trace, sink, options),
};

/** Sure if an Arrow stream's schema says so; unsure if the schema is not there as a whole. */
function sniff(head: Uint8Array): number {
  // So short, it can only be a file that breaks off.
  if (head.length < PREFIX_BYTES) return head.length > 0 && head.every((byte, at) => at >= 4 || byte === 0xff) ? 0.2 : 0;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const metadataBytes = view.getInt32(4, true);
  if (view.getUint32(0, true) !== CONTINUATION || metadataBytes <= 0 || metadataBytes > LONGEST_METADATA) return 0;
  const end = PREFIX_BYTES + metadataBytes;
  if (findWord(head, PREFIX_BYTES, Math.min(end, head.length), MARK_BYTES) >= 0) return 1;
  return end > head.length ? 0.2 : 0;
}

class CompactReader implements TraceReader {
  readonly #trace: Trace;
  readonly #sink: BatchSink;
  readonly #name: string;
  readonly #tables: TablesReader;
  readonly #batch: EventBatch;
  /** Bytes of a message that has not come as a whole, `#held` of them from the start of `#bytes`. */
  #bytes = new Uint8Array(1 << 14);
  #held = 0;
  /** Bytes that the next part of the file takes, from the start of `#bytes`. */
  #wanted = PREFIX_BYTES;
  #metadataBytes = 0;
  #message: Message | undefined;
  /** Position in the file of the message under way. */
  #at = 0;
  /** Those of the file; undefined before its schema. */
  #columns: readonly Column[] | undefined;
  #over = false;

  #events = 0;
  #lastTime = 0;
  #callOp = new Uint8Array(256);
  #callThread = new Int32Array(256);
  #callSize = new Float64Array(256);
  #callExtra = new Float64Array(256);
  #callStack = new Int32Array(256);
  #calls = 0;
  /** Number -> address. */
  #addresses = new Float64Array(4096);
  /** Numbers ever given; 0 is NULL. */
  #numbers = 1;
  #lastAddress = 0;
  #vacant: Uint32Array = new Uint32Array(0);
  #vacantAt = 0;

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#sink = sink;
    this.#name = options.name;
    this.#tables = new TablesReader(trace, options.keepFields === true);
    this.#batch = new EventBatch(options.batchEvents);
    this.#batch.object = new Int32Array(this.#batch.capacity);
    this.#batch.oldObject = new Int32Array(this.#batch.capacity);
  }

  write(chunk: Uint8Array): void {
    for (let start = 0; start < chunk.length; ) {
      if (this.#over)
        throw this.#error('data after the end of the trace', 'join the parts as they were recorded: jereplay convert PART1 PART2 -o OUT');
      const taken = Math.min(this.#wanted - this.#held, chunk.length - start);
      this.#hold(chunk.subarray(start, start + taken));
      start += taken;
      while (this.#held === this.#wanted && !this.#over) this.#advance();
    }
  }

  end(cut = false): void {
    if (this.#over) return;
    const trace = this.#trace;
    trace.partial = true;
    // Whoever cut the bytes short knows of it, and says so.
    if (cut) return;
    trace.truncated = true;
    trace.warnings.push(`the trace breaks off after event ${this.#events}: what came before is used`);
  }

  #hold(bytes: Uint8Array): void {
    if (this.#held + bytes.length > this.#bytes.length) {
      // In proportion to what has come, whatever length the file claims.
      this.#bytes = larger(this.#bytes, new Uint8Array(Math.max(this.#bytes.length * 2, this.#held + bytes.length)));
    }
    this.#bytes.set(bytes, this.#held);
    this.#held += bytes.length;
  }

  /** Takes the part that has come as a whole: a prefix, the metadata after it, or the body after that. */
  #advance(): void {
    if (this.#metadataBytes === 0) {
      const view = new DataView(this.#bytes.buffer);
      if (view.getUint32(0, true) !== CONTINUATION) throw this.#error('is damaged here: not a message');
      const metadataBytes = view.getInt32(4, true);
      if (metadataBytes === 0) {
        this.#finish();
        return;
      }
      if (metadataBytes < 0 || metadataBytes > LONGEST_METADATA || metadataBytes % 8 !== 0)
        throw this.#error('is damaged here: a message of impossible length');
      this.#metadataBytes = metadataBytes;
      this.#wanted = PREFIX_BYTES + metadataBytes;
      return;
    }
    if (this.#message === undefined) {
      const metadata = this.#bytes.slice(PREFIX_BYTES, this.#wanted);
      const message = this.#sound(() => decodeMessage(metadata, this.#columns ?? []));
      if (message.bodyBytes > LONGEST_BODY) throw this.#error('is damaged here: a message of impossible length');
      this.#message = message;
      this.#wanted += message.bodyBytes;
      if (message.bodyBytes > 0) return;
    }
    this.#take(this.#message);
    this.#at += this.#wanted;
    this.#held = 0;
    this.#wanted = PREFIX_BYTES;
    this.#metadataBytes = 0;
    this.#message = undefined;
  }

  #finish(): void {
    if (!this.#tables.ended) throw this.#error('is damaged here: it ends before its end');
    this.#over = true;
    this.#at += PREFIX_BYTES;
  }

  #take(message: Message): void {
    if (message.kind === 'schema') {
      if (this.#columns !== undefined)
        throw this.#error('a second trace begins here', 'join the parts as they were recorded: jereplay convert PART1 PART2 -o OUT');
      const { version, columns } = message;
      if (version === undefined) throw this.#error('an Arrow table, but not a trace');
      if (version !== VERSION)
        throw this.#error(
          `version ${JSON.stringify(version.slice(0, 20))} of the compact trace is not known; this program reads version ${VERSION}`,
        );
      this.#columns = columns;
      return;
    }
    const columns = this.#columns;
    if (columns === undefined) throw this.#error('is damaged: events before the schema');
    if (this.#tables.ended) throw this.#error('is damaged here: events after the end');
    const body = this.#bytes.subarray(PREFIX_BYTES + this.#metadataBytes, this.#wanted);
    const block = this.#sound(() => {
      const decoded = decodeBlock(body, message.buffers, columns);
      this.#tables.add(decoded.tables, this.#events);
      this.#takeCalls(decoded);
      this.#takeReleased(decoded);
      return decoded;
    });
    this.#takeEvents(block);
    this.#sound(() => this.#tables.finish());
  }

  /** Runs what may throw anything on damaged bytes. */
  #sound<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#error(`is damaged here: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #takeCalls({ base, calls }: Block): void {
    const { threads, stacks } = this.#tables;
    if (base[0] !== 0 && base[0] !== this.#calls) throw new Error('calls are missing');
    this.#calls = base[0];
    for (const news = new VarintReader(calls); !news.atEnd; this.#calls++) {
      const first = news.unsigned();
      const opThread = Math.floor(first / 4);
      const op = opThread % 16;
      const thread = threads[Math.floor(opThread / 16)];
      const kind = CALL_KINDS[first % 4];
      const size = kind?.size === true ? news.unsigned() : 0;
      const extra = kind?.extra === true ? news.unsigned() : 0;
      const stack = news.unsigned() - 1;
      const row = stack === NO_STACK ? NO_STACK : stacks[stack];
      const sound = op <= Op.thread_exit && thread !== undefined && size <= LARGEST_SIZE && extra <= LARGEST_SIZE && row !== undefined;
      if (!sound || this.#calls === MOST_CALLS) throw new Error('a call that cannot be');
      if (this.#calls === this.#callOp.length) this.#growCalls();
      this.#callOp[this.#calls] = op;
      this.#callThread[this.#calls] = thread;
      this.#callSize[this.#calls] = size;
      this.#callExtra[this.#calls] = extra;
      this.#callStack[this.#calls] = row;
    }
  }

  #growCalls(): void {
    const capacity = this.#callOp.length * 2;
    this.#callOp = larger(this.#callOp, new Uint8Array(capacity));
    this.#callThread = larger(this.#callThread, new Int32Array(capacity));
    this.#callSize = larger(this.#callSize, new Float64Array(capacity));
    this.#callExtra = larger(this.#callExtra, new Float64Array(capacity));
    this.#callStack = larger(this.#callStack, new Int32Array(capacity));
  }

  #takeReleased({ released }: Block): void {
    if (released.length === 0) return;
    const vacant = Array.from(this.#vacant.subarray(this.#vacantAt));
    let number = 0;
    for (const news = new VarintReader(released); !news.atEnd; vacant.push(number)) {
      const step = news.unsigned();
      number += step;
      if (!(step > 0 && number < this.#numbers)) throw new Error('a number that was never given');
    }
    this.#vacant = Uint32Array.from(vacant);
    this.#vacantAt = 0;
  }

  /** Gives the number that is next to the next new address. */
  #define(number: number, news: VarintReader): void {
    const address = this.#lastAddress + news.signed();
    if (!(address > 0 && address <= Number.MAX_SAFE_INTEGER)) throw this.#error('is damaged here: an address that cannot be');
    this.#lastAddress = address;
    if (this.#vacantAt < this.#vacant.length) this.#vacantAt++;
    else this.#numbers++;
    if (number === this.#addresses.length) this.#addresses = larger(this.#addresses, new Float64Array(number * 2));
    this.#addresses[number] = address;
  }

  #nextNumber(): number {
    return this.#vacantAt < this.#vacant.length ? this.#vacant[this.#vacantAt] : this.#numbers;
  }

  #takeEvents(block: Block): void {
    const { call, time, object, objectWide } = block;
    const timeWide = new VarintReader(block.timeWide);
    const old = new VarintReader(block.old);
    const events = block.events[0];
    const unit = block.unit[0];
    const start = block.start[0];
    const steady = time.length === 0;
    if (call.length !== events || object.length !== events || (!steady && time.length !== events) || block.first[0] !== this.#events) {
      throw this.#error('is damaged here: events are missing');
    }
    if (events === 0) return;
    if (!(start >= this.#lastTime && unit >= 0)) throw this.#error('is damaged here: time runs backwards');

    const cpus = block.cpus.length === 0 ? undefined : this.#sound(() => cpusOf(block.cpus, events));
    const batch = this.#batch;
    const objects = batch.object as Int32Array;
    const oldObjects = batch.oldObject as Int32Array;
    const callOp = this.#callOp;
    const callThread = this.#callThread;
    const callSize = this.#callSize;
    const callExtra = this.#callExtra;
    const callStack = this.#callStack;
    const calls = this.#calls;
    let addresses = this.#addresses;
    const news = new VarintReader(block.addresses);
    let next = this.#nextNumber();
    let now = start;
    let objectWideAt = 0;
    for (let row = 0; row < events; ) {
      const length = Math.min(events - row, batch.capacity);
      for (let at = 0; at < length; at++, row++) {
        const number = call[row];
        if (number >= calls) throw this.#error('is damaged here: a call that is not there');
        const op = callOp[number];
        if (row > 0) {
          if (steady) now += unit;
          else {
            let step: number = time[row];
            if (step === WIDE) step = timeWide.unsigned();
            now += step * unit;
          }
        }
        let former = 0;
        if (op === Op.realloc || op === Op.reallocarray) {
          former = old.unsigned();
          if (former === next) {
            this.#define(former, news);
            addresses = this.#addresses;
            next = this.#nextNumber();
          }
        }
        let current: number = object[row];
        if (current === WIDE) current = objectWide[objectWideAt++];
        if (current === next) {
          this.#define(current, news);
          addresses = this.#addresses;
          next = this.#nextNumber();
        }
        if (!(former < this.#numbers && current < this.#numbers)) throw this.#error('is damaged here: an address that is not there');
        batch.op[at] = op;
        batch.thread[at] = callThread[number];
        batch.time[at] = now;
        batch.ptr[at] = addresses[current];
        batch.old[at] = addresses[former];
        batch.size[at] = callSize[number];
        batch.extra[at] = callExtra[number];
        batch.stack[at] = callStack[number];
        objects[at] = current;
        oldObjects[at] = former;
      }
      this.#setCpus(cpus, row - length, row);
      // A step that was not there has made this NaN, for good.
      if (!(now >= this.#lastTime && now <= Number.MAX_SAFE_INTEGER)) throw this.#error('is damaged here: time runs backwards');
      this.#lastTime = now;
      this.#events += length;
      batch.length = length;
      this.#sink(batch);
    }
    if (!old.atEnd || objectWideAt !== objectWide.length || !timeWide.atEnd || !news.atEnd) {
      throw this.#error('is damaged here: columns of different lengths');
    }
  }

  /** Fills the batch's CPUs from those of the block's rows start..end; a trace that has none goes without the column. */
  #setCpus(cpus: Int16Array | undefined, start: number, end: number): void {
    const batch = this.#batch;
    if (cpus !== undefined) (batch.cpu ??= new Int16Array(batch.capacity)).set(cpus.subarray(start, end));
    else batch.cpu?.fill(-1);
  }

  #error(fact: string, hint?: string): InputError {
    return new InputError(`${this.#name}:byte ${this.#at}`, fact, hint);
  }
}

/** The CPUs of a block's events, -1 where there is none, from their runs. @throws Error for runs that are not as many. */
function cpusOf(runs: Uint8Array, events: number): Int16Array {
  const cpus = new Int16Array(events);
  const news = new VarintReader(runs);
  let at = 0;
  while (!news.atEnd) {
    const count = news.unsigned();
    const cpu = news.unsigned() - 1;
    if (!(count > 0 && count <= events - at && cpu <= MOST_CPU)) throw new Error('a CPU that cannot be');
    cpus.fill(cpu, at, at + count);
    at += count;
  }
  if (at !== events) throw new Error('CPUs are missing');
  return cpus;
}

/** A larger column with the same rows. */
function larger<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
