/**
 * Writes a trace in the compact form (columns.ts).
 * Invariant: reading the bytes back gives the same events and tables, address for address.
 */
import { Op, type EventBatch } from '../../core/trace/events.ts';
import type { Trace } from '../../core/trace/trace.ts';
import { encodeBlock, encodeSchema, END_OF_STREAM } from './arrow.ts';
import { MOST_CALLS, WIDE } from './block_layout.ts';
import { BLOCK_EVENTS, COLUMNS, columnsOfOnly, type Block, type Column } from './columns.ts';
import { AddressNumbers, CallNumbers } from './numbers.ts';
import { TablesWriter } from './tables_writer.ts';
import { VarintWriter } from './varint.ts';

/** Settings that tests make small. */
export interface CompactOptions {
  /** False: blocks have no sums, so that damage reaches what reads them. */
  readonly sums?: boolean;
  /** Events of a block. */
  readonly blockEvents?: number;
  /** Numbers of addresses where nothing lives that are kept. */
  readonly spareNumbers?: number;
}

/** Writer of one trace. Bytes handed to `out` are its own. */
export class CompactWriter {
  readonly #out: (bytes: Uint8Array) => void;
  readonly #tables: TablesWriter;
  readonly #calls = new CallNumbers();
  readonly #addresses: AddressNumbers;
  readonly #newCalls = new VarintWriter();
  readonly #newAddresses = new VarintWriter();
  readonly #old = new VarintWriter();
  readonly #blockEvents: number;
  readonly #hasSums: boolean;
  /** Columns of the block under way. */
  readonly #call: Uint16Array;
  readonly #times: Float64Array;
  readonly #objects: Uint32Array;
  /** CPU + 1 of the block's events; undefined while no batch has told one. */
  #cpus: Uint16Array | undefined;
  #length = 0;
  #first = 0;
  #base = 0;
  #released: readonly number[] = [];
  /** Those of the file; undefined before its first block. */
  #columns: readonly Column[] | undefined;

  constructor(
    trace: Trace,
    out: (bytes: Uint8Array) => void,
    { blockEvents = BLOCK_EVENTS, spareNumbers, sums = true }: CompactOptions = {},
  ) {
    this.#out = out;
    this.#tables = new TablesWriter(trace);
    this.#addresses = new AddressNumbers(spareNumbers);
    this.#blockEvents = blockEvents;
    this.#hasSums = sums;
    this.#call = new Uint16Array(blockEvents);
    this.#times = new Float64Array(blockEvents);
    this.#objects = new Uint32Array(blockEvents);
  }

  /** Takes the events of a batch. A BatchSink. */
  batch(batch: EventBatch): void {
    const { length, op, thread, time, ptr, size, extra, stack, cpu } = batch;
    if (cpu !== undefined) this.#cpus ??= new Uint16Array(this.#blockEvents);
    this.#tables.start();
    for (let row = 0; row < length; row++) {
      if (thread[row] >= this.#tables.threads) this.#tables.seeThreads(thread[row] + 1);
      const at = this.#length++;
      this.#call[at] = this.#calls.numberOf(op[row], thread[row], size[row], extra[row], stack[row], this.#newCalls);
      this.#times[at] = time[row];
      if (cpu !== undefined) (this.#cpus as Uint16Array)[at] = cpu[row] + 1;
      if (op[row] === Op.realloc || op[row] === Op.reallocarray) this.#realloc(batch, row, at);
      else {
        const number = this.#addresses.numberOf(ptr[row], this.#newAddresses);
        this.#objects[at] = number;
        if (op[row] < Op.free) this.#addresses.mark(number, 1);
        else if (op[row] === Op.free) this.#addresses.mark(number, 0);
      }
      if (this.#length === this.#blockEvents) this.#flush(false);
    }
  }

  #realloc(batch: EventBatch, row: number, at: number): void {
    const { op, ptr, old, size, extra } = batch;
    const former = this.#addresses.numberOf(old[row], this.#newAddresses);
    this.#old.unsigned(former);
    const number = this.#addresses.numberOf(ptr[row], this.#newAddresses);
    this.#objects[at] = number;
    const bytes = op[row] === Op.reallocarray ? size[row] * extra[row] : size[row];
    // A realloc that failed has left the block as it was; one to no bytes has freed it.
    if (number !== 0 || bytes === 0) this.#addresses.mark(former, 0);
    this.#addresses.mark(number, 1);
  }

  /** Writes what is left, and the end. */
  end(): void {
    this.#flush(true);
    this.#out(END_OF_STREAM);
  }

  #flush(end: boolean): void {
    const events = this.#length;
    const { start, unit, time, timeWide } = splitTimes(this.#times.subarray(0, events));
    const objects = this.#objects.subarray(0, events);
    const object = new Uint16Array(events);
    const objectWide: number[] = [];
    for (let i = 0; i < events; i++) {
      if (objects[i] < WIDE) object[i] = objects[i];
      else {
        object[i] = WIDE;
        objectWide.push(objects[i]);
      }
    }
    const block: Block = {
      tables: this.#tables.take(end, this.#first, this.#first + events),
      first: Float64Array.of(this.#first),
      events: Uint32Array.of(events),
      start: Float64Array.of(start),
      unit: Float64Array.of(unit),
      base: Uint32Array.of(this.#base),
      calls: this.#newCalls.take(),
      addresses: this.#newAddresses.take(),
      released: differences(this.#released),
      call: this.#call.subarray(0, events),
      time,
      timeWide,
      object,
      objectWide: Uint32Array.from(objectWide),
      old: this.#old.take(),
      cpus: this.#cpus === undefined ? new Uint8Array(0) : cpuRuns(this.#cpus.subarray(0, events)),
      sum: new Uint32Array(1),
    };
    if (this.#columns === undefined) {
      const columns = end ? columnsOfOnly(block) : COLUMNS;
      this.#columns = this.#hasSums ? columns : columns.filter(({ name }) => name !== 'sum');
      this.#out(encodeSchema(this.#columns));
    }
    this.#out(encodeBlock(block, this.#columns));
    this.#cpus?.fill(0);
    this.#first += events;
    this.#length = 0;
    if (this.#calls.length + this.#blockEvents > MOST_CALLS) this.#calls.clear();
    this.#base = this.#calls.length;
    this.#released = this.#addresses.release();
  }
}

/** Runs of equal CPUs; none if no event has one. */
function cpuRuns(cpus: Uint16Array): Uint8Array {
  const runs = new VarintWriter();
  if (cpus.every((cpu) => cpu === 0)) return runs.take();
  for (let start = 0; start < cpus.length; ) {
    let end = start + 1;
    while (end < cpus.length && cpus[end] === cpus[start]) end++;
    runs.unsigned(end - start);
    runs.unsigned(cpus[start]);
    start = end;
  }
  return runs.take();
}

interface SplitTimes {
  readonly start: number;
  readonly unit: number;
  readonly time: Uint16Array;
  readonly timeWide: Uint8Array;
}

/** Ascending numbers, each as the difference to the one before. */
function differences(numbers: readonly number[]): Uint8Array {
  const bytes = new VarintWriter();
  let previous = 0;
  for (const number of numbers) {
    bytes.unsigned(number - previous);
    previous = number;
  }
  return bytes.take();
}

/** Times that never decrease, as steps in the largest unit that measures all of them. */
function splitTimes(times: Float64Array): SplitTimes {
  const events = times.length;
  const start = events === 0 ? 0 : times[0];
  let unit = events < 2 ? 0 : times[1] - start;
  let steady = true;
  for (let i = 2; i < events; i++) {
    const step = times[i] - times[i - 1];
    if (steady && step === unit) continue;
    steady = false;
    if (unit === 1) break;
    unit = commonDivisor(unit, step);
  }
  const none = { start, unit, time: new Uint16Array(0), timeWide: new Uint8Array(0) };
  if (steady) return none;
  const time = new Uint16Array(events);
  const wide = new VarintWriter();
  for (let i = 1; i < events; i++) {
    const step = (times[i] - times[i - 1]) / unit;
    time[i] = Math.min(step, WIDE);
    if (step >= WIDE) wide.unsigned(step);
  }
  return { start, unit, time, timeWide: wide.take() };
}

function commonDivisor(a: number, b: number): number {
  let larger = a;
  let smaller = b;
  while (smaller !== 0) {
    const rest = larger % smaller;
    larger = smaller;
    smaller = rest;
  }
  return larger;
}
