/**
 * Reads the compact trace (columns.ts).
 * Invariant: whatever the bytes say, no table is read or written outside its rows; what does not fit is an error that names the byte.
 * A file that breaks off gives its whole blocks, and a trace that is partial.
 */
import { MOST_CPU } from '../../core/trace/events.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { Trace } from '../../core/trace/trace.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceFormat, TraceReader } from '../format.ts';
import { ascii, findWord, TIMES_END } from '../shared/cursor.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { CONTINUATION, decodeBlock, decodeMessage, PREFIX_BYTES, type Message } from './arrow.ts';
import { BlockLane } from './block_lane.ts';
import { MARK, VERSION, type Block, type Column } from './columns.ts';
import { TablesReader } from './tables_reader.ts';
import { VarintReader } from './varint.ts';

/** A message's metadata and body are not longer than this. */
const LONGEST_METADATA = 1 << 24;
const LONGEST_BODY = 2 ** 30;

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
  readonly #memory = new LaneMemory();
  readonly #lane: BlockLane;
  /** Bytes of a message that has not come as a whole, `#held` of them from the start of `#bytes`: where the lanes reach them. */
  #bytes: Uint8Array = this.#memory.uint8(1 << 14);
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

  constructor(trace: Trace, sink: BatchSink, options: ReadOptions) {
    this.#trace = trace;
    this.#sink = sink;
    this.#name = options.name;
    this.#tables = new TablesReader(trace, options.keepFields === true);
    this.#lane = new BlockLane(this.#memory, options.batchEvents);
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

  end(ending: InputEnd = 'whole'): void {
    if (this.#over) return;
    const trace = this.#trace;
    trace.partial = true;
    // Whoever cut the bytes short knows of it, and says so.
    if (ending !== 'whole') return;
    trace.truncated = true;
    trace.warnings.push(`the trace breaks off after event ${this.#events}: what came before is used`);
  }

  #hold(bytes: Uint8Array): void {
    if (this.#held + bytes.length > this.#bytes.length) {
      // In proportion to what has come, whatever length the file claims.
      const larger = this.#memory.uint8(Math.max(this.#bytes.length * 2, this.#held + bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#held);
    this.#held += bytes.length;
  }

  /** Takes the part that has come as a whole: a prefix, the metadata after it, or the body after that. */
  #advance(): void {
    if (this.#metadataBytes === 0) {
      const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
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
      const metadata = Uint8Array.from(this.#bytes.subarray(PREFIX_BYTES, this.#wanted));
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
      this.#lane.takeCalls(decoded, this.#tables.threads, this.#tables.stacks);
      this.#lane.takeReleased(decoded);
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
      // What accessors say where bytes point nowhere is of no use to anyone.
      const isOurs = error instanceof Error && !(error instanceof TypeError) && !(error instanceof RangeError);
      throw this.#error(isOurs ? `is damaged here: ${error.message}` : 'is damaged here');
    }
  }

  #takeEvents(block: Block): void {
    const { call, time, object } = block;
    const events = block.events[0];
    const start = block.start[0];
    const steady = time.length === 0;
    if (call.length !== events || object.length !== events || (!steady && time.length !== events) || block.first[0] !== this.#events) {
      throw this.#error('is damaged here: events are missing');
    }
    if (events === 0) return;
    if (!(start >= this.#lastTime && block.unit[0] >= 0)) throw this.#error('is damaged here: time runs backwards');

    const cpus = block.cpus.length === 0 ? undefined : this.#sound(() => cpusOf(block.cpus, events));
    const lane = this.#lane;
    const { batch } = lane;
    lane.open(block);
    for (let row = 0; row < events; row += batch.length) {
      batch.length = Math.min(events - row, batch.capacity);
      const fault = lane.run(row, row + batch.length);
      if (fault !== undefined) throw this.#error(`is damaged here: ${fault}`);
      this.#setCpus(cpus, row, row + batch.length);
      const { now } = lane;
      // A step that was not there has made this NaN, for good.
      if (!(now >= this.#lastTime && now <= TIMES_END)) throw this.#error('is damaged here: time runs backwards');
      this.#lastTime = now;
      this.#events += batch.length;
      this.#sink(batch);
    }
    if (!lane.atEnd) throw this.#error('is damaged here: columns of different lengths');
  }

  /** Fills the batch's CPUs from those of the block's rows start..end; a trace that has none goes without the column. */
  #setCpus(cpus: Int16Array | undefined, start: number, end: number): void {
    const { batch } = this.#lane;
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
