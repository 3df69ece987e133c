import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventBatch, Op } from '../../core/trace/events.ts';
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import { type Bytes, type Nanoseconds, NO_STACK, type StackIndex, type ThreadIndex } from '../../core/units.ts';
import { fixtureBytes } from '../../fixtures/tally.ts';
import { readTrace, sniffFormat } from '../index.ts';
import { ndjson } from '../ndjson/reader.ts';
import { NdjsonWriter } from '../ndjson/writer.ts';
import { AddressNumbers } from './numbers.ts';
import { compact } from './reader.ts';
import { VarintReader, VarintWriter } from './varint.ts';
import { CompactWriter, type CompactOptions } from './writer.ts';

/** op, thread, time, ptr, old, size, extra, stack, cpu */
type Row = readonly number[];

/** A trace in memory: what a reader hands over. */
interface Recording {
  readonly trace: Trace;
  readonly rows: Row[];
}

function batchesOf(rows: readonly Row[], capacity = 4096): EventBatch[] {
  const batches: EventBatch[] = [];
  for (let start = 0; start < rows.length; start += capacity) {
    const part = rows.slice(start, start + capacity);
    const batch = new EventBatch(part.length);
    part.forEach(([op, thread, time, ptr, old, size, extra, stack, cpu], at) => {
      batch.op[at] = op;
      batch.thread[at] = thread as ThreadIndex;
      batch.time[at] = time as Nanoseconds;
      batch.ptr[at] = ptr;
      batch.old[at] = old;
      batch.size[at] = size as Bytes;
      batch.extra[at] = extra;
      batch.stack[at] = stack as StackIndex;
      if (cpu >= 0) (batch.cpu ??= new Int16Array(batch.capacity).fill(-1))[at] = cpu;
    });
    batch.length = part.length;
    batches.push(batch);
  }
  return batches;
}

const rowAt = ({ op, thread, time, ptr, old, size, extra, stack, cpu }: EventBatch, at: number): Row => [
  op[at],
  thread[at],
  time[at],
  ptr[at],
  old[at],
  size[at],
  extra[at],
  stack[at],
  cpu?.[at] ?? -1,
];

const rowsOf = (batch: EventBatch): Row[] => Array.from({ length: batch.length }, (_, at) => rowAt(batch, at));

function encode({ trace, rows }: Recording, options: CompactOptions = {}, capacity?: number): Buffer {
  const pieces: Uint8Array[] = [];
  const writer = new CompactWriter(trace, (bytes) => pieces.push(bytes), options);
  for (const batch of batchesOf(rows, capacity)) writer.batch(batch);
  writer.end();
  return Buffer.concat(pieces);
}

/** Reads bytes, cut at the given places, and holds the numbers of addresses to what EventBatch promises. */
function decode(bytes: Uint8Array, cuts: readonly number[] = []): Recording {
  const trace = new Trace();
  const rows: Row[] = [];
  const addressOf = new Map<number, number>();
  const live = new Set<number>();
  const reader = compact.open(
    trace,
    (batch) => {
      const objects = batch.object as Int32Array;
      const oldObjects = batch.oldObject as Int32Array;
      for (let at = 0; at < batch.length; at++) {
        rows.push(rowAt(batch, at));
        for (const [number, address] of [
          [oldObjects[at], batch.old[at]],
          [objects[at], batch.ptr[at]],
        ]) {
          // Plain comparisons: expect() costs more than the reader.
          if ((number === 0) !== (address === 0)) throw new Error(`number ${number} for address ${address}`);
          if (live.has(number) && addressOf.get(number) !== address) throw new Error(`a live block's number ${number} was given away`);
          addressOf.set(number, address);
        }
        const op = batch.op[at];
        const bytesAsked = op === Op.reallocarray ? batch.size[at] * batch.extra[at] : batch.size[at];
        if (op === Op.free) live.delete(objects[at]);
        if (op < Op.free && oldObjects[at] !== 0 && (objects[at] !== 0 || bytesAsked === 0)) live.delete(oldObjects[at]);
        if (op < Op.free && objects[at] !== 0) live.add(objects[at]);
      }
    },
    { name: 't' },
  );
  let start = 0;
  for (const cut of [...cuts, bytes.length]) {
    const chunk = Uint8Array.from(bytes.subarray(start, cut));
    reader.write(chunk);
    chunk.fill(0xff);
    start = cut;
  }
  reader.end();
  return { trace, rows };
}

/** Everything of a trace but its events, in a form that compares. */
function tablesOf({ threads, stacks, header, skipped, warnings, partial }: Trace) {
  return {
    header,
    tids: threads.tids,
    names: threads.names,
    seeds: threads.prngSeeds,
    frames: stacks.frames.frames,
    stacks: Array.from({ length: stacks.length }, (_, row) => Array.from(stacks.framesOf(row as never))),
    skipped: { ...skipped },
    warnings,
    partial,
  };
}

/** Compares row by row: toEqual takes a second for ten thousand of them. */
function same(found: Recording, expected: Recording): void {
  expect(found.rows.length).toBe(expected.rows.length);
  const at = expected.rows.findIndex((row, number) => row.some((value, column) => !Object.is(value, found.rows[number][column])));
  expect(found.rows[at], `row ${at}`).toEqual(expected.rows[at]);
  expect(tablesOf(found.trace)).toEqual(tablesOf(expected.trace));
}

const text = fc.oneof(
  fc.constantFrom('', '__proto__', 'constructor', '<script>', '\u0000\n\u001b[31m', '"\\', '\ud800', '0x10', 'ü🙂'),
  fc.string({ unit: 'binary' }),
);
const absent = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const wide = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
const inlined = fc
  .record({ fn: text, file: absent(text), line: absent(fc.nat()) })
  .map((frame) => present(frame) as NonNullable<Frame['inlined']>[number]);
const frame = fc
  .record({
    pc: absent(wide),
    fn: absent(text),
    file: absent(text),
    line: absent(fc.nat()),
    module: absent(text),
    offset: absent(fc.maxSafeNat()),
    inlined: absent(fc.array(inlined, { maxLength: 2 })),
  })
  .map((value) => present(value) as Frame);

/** Few addresses, so that they meet again; among them the largest ones. */
const address = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }).map((n) => n * 16) },
  fc.constantFrom(1, 2 ** 32 - 16, 2 ** 32, 0x7ffff7c00010, 2 ** 52 - 1),
  fc.nat({ max: 2 ** 30 }),
);
const size = fc.oneof(
  fc.nat({ max: 4 }),
  fc.nat({ max: 100_000 }),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 63 - 1024, 2 ** 63, 2 ** 64),
);
const cpu = fc.constantFrom(-1, -1, 0, 0, 0, 1, 200, 32767);
const step = fc.oneof(
  fc.constantFrom(0, 1, 1000, 65534, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 40),
  fc.nat({ max: 3000 }).map((n) => n * 1000),
);

const recording: fc.Arbitrary<Recording> = fc
  .record({
    header: fc.record({
      source: absent(text),
      command: absent(text),
      pid: absent(fc.nat()),
      ncpus: absent(fc.nat()),
      pageSize: absent(fc.nat()),
      startTime: absent(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
      startTimeGiven: absent(fc.boolean()),
      timed: absent(fc.boolean()),
      mmapTop: absent(wide),
      programBreak: absent(wide),
      prngSeed: absent(wide),
      maps: absent(text),
      other: absent(
        fc.array(fc.tuple(fc.constantFrom('x', '__proto__', 'toString'), fc.jsonValue()), { minLength: 1 }).map((pairs) => {
          const other = new Map(pairs.map(([key, value]) => [key, `${JSON.stringify(key)}:${JSON.stringify(value)}`]));
          return other;
        }),
      ),
    }),
    // Ids repeat: a thread may get the id of one that has ended.
    threads: fc.array(fc.record({ tid: fc.nat({ max: 3 }), name: absent(text), seed: absent(wide) }), { minLength: 1, maxLength: 5 }),
    frames: fc.array(frame, { minLength: 1, maxLength: 5 }),
    stacks: fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
    skipped: fc.array(fc.tuple(fc.constantFrom('lost', 'torn', 'note'), fc.nat())),
    warnings: fc.array(text, { maxLength: 2 }),
    partial: fc.boolean(),
    steady: fc.boolean(),
    onCpus: fc.boolean(),
    events: fc.array(fc.tuple(fc.nat({ max: 11 }), fc.nat(), step, address, address, size, size, fc.integer({ min: -1, max: 3 }), cpu), {
      maxLength: 60,
    }),
  })
  .map(({ header, threads, frames, stacks, skipped, warnings, partial, steady, onCpus, events }) => {
    const trace = new Trace();
    Object.assign(trace.header, present(header));
    for (const { tid, name, seed } of threads) {
      trace.threads.forget(tid);
      const row = trace.threads.intern(tid);
      trace.threads.names[row] = name;
      trace.threads.prngSeeds[row] = seed;
    }
    const rows = frames.map((value) => trace.stacks.frames.intern(value));
    for (const stack of stacks) trace.stacks.intern(stack.map((pick) => rows[pick % rows.length]));
    for (const [reason, count] of skipped) trace.skip(reason as 'lost', count);
    trace.warnings.push(...warnings);
    trace.partial = partial;
    let now = 0;
    return {
      trace,
      rows: events.map(([op, thread, wait, ptr, old, bytes, extra, stack, ranOn], number) => {
        now += wait;
        const realloc = op === Op.realloc || op === Op.reallocarray;
        return [
          op,
          thread % threads.length,
          steady ? number : now,
          ptr,
          realloc ? old : 0,
          bytes,
          extra,
          stack < trace.stacks.length ? stack : NO_STACK,
          onCpus ? ranOn : -1,
        ];
      }),
    };
  });

describe('there and back', () => {
  test('any trace, in any blocks, batches and chunks', () => {
    fc.assert(
      fc.property(
        recording,
        fc.record({ blockEvents: fc.integer({ min: 1, max: 40 }), spareNumbers: fc.nat({ max: 6 }) }),
        fc.integer({ min: 1, max: 17 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (given, options, capacity, cuts) => {
          const bytes = encode(given, options, capacity);
          same(
            decode(
              bytes,
              cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b),
            ),
            given,
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  test('more threads between two events than a call has arguments', () => {
    const trace = new Trace();
    for (let tid = 0; tid < 300_000; tid++) trace.threads.intern(tid);
    const rows: Row[] = [0, trace.threads.length - 1].map((thread) => [Op.free, thread, 0, 16, 0, 0, 0, -1, -1]);
    expect(decode(encode({ trace, rows })).trace.threads.tids).toEqual(trace.threads.tids);
  });

  const files = readdirSync(fileURLToPath(new URL('../../fixtures/traces', import.meta.url)));
  test.each(files)('%s as NDJSON and back, byte for byte', async (file) => {
    const first: Uint8Array[] = [];
    const recorded = new Trace();
    const writer = new NdjsonWriter(recorded, (bytes) => first.push(bytes));
    try {
      await readTrace(await fixtureBytes(file), recorded, (batch) => writer.batch(batch), { name: file });
    } catch (error) {
      // Some fixtures are there to be refused.
      expect(error).toBeInstanceOf(InputError);
      return;
    }
    writer.end();
    const given = readNdjson(Buffer.concat(first));
    const bytes = encode(given);
    const back = decode(bytes);
    same(back, given);
    const text = spell(given);
    expect(spell(back) === text).toBe(true);
    // A file has 1.4 kB of what Arrow says of its columns: less than that is not to be had.
    if (given.rows.length >= 400) expect(bytes.length * 6).toBeLessThan(text.length);
  });
});

function readNdjson(bytes: Uint8Array): Recording {
  const trace = new Trace();
  const rows: Row[] = [];
  const reader = ndjson.open(trace, (batch) => void rows.push(...rowsOf(batch)), {
    name: 't',
  });
  reader.write(bytes);
  reader.end();
  return { trace, rows };
}

function spell({ trace, rows }: Recording): string {
  const pieces: Uint8Array[] = [];
  const writer = new NdjsonWriter(trace, (bytes) => pieces.push(bytes));
  for (const batch of batchesOf(rows)) writer.batch(batch);
  writer.end();
  return Buffer.concat(pieces).toString();
}

/** Forty events in blocks of ten: malloc and realloc of one block, free of another, over again. */
function small(): Recording {
  const trace = new Trace();
  trace.header.command = 'small';
  trace.threads.intern(7);
  const stack = trace.stacks.intern([trace.stacks.frames.intern({ fn: 'leak' })]);
  const rows: Row[] = [];
  for (let i = 0; i < 40; i++) {
    const ptr = 0x1000 + 64 * (i % 8);
    const cpu = (i >> 3) - 1;
    if (i % 4 === 3) rows.push([Op.free, 0, i * 70_000, ptr, 0, 0, 0, NO_STACK, cpu]);
    else if (i % 4 === 2) rows.push([Op.realloc, 0, i * 70_000, ptr + 64, ptr, 32, 0, stack, cpu]);
    else rows.push([Op.malloc, 0, i * 70_000, ptr, 0, 24 + i, 0, stack, cpu]);
  }
  return { trace, rows };
}

describe('what is not whole', () => {
  test('a file cut at any byte is recognised, gives its whole blocks and says so', () => {
    const given = small();
    const bytes = encode(given, { blockEvents: 15 });
    const schema = bytes.indexOf(Uint8Array.of(0xff, 0xff, 0xff, 0xff), 4);
    const lengths = new Set<number>();
    for (let cut = 1; cut < bytes.length; cut++) {
      const part = bytes.subarray(0, cut);
      // Behind the schema, nothing can be surer.
      expect(cut < schema ? sniffFormat(part) : compact.sniff(part), `cut at ${cut}`).toBe(cut < schema ? compact : 1);
      const trace = new Trace();
      const rows: Row[] = [];
      const reader = compact.open(trace, (batch) => void rows.push(...rowsOf(batch)), { name: 't', batchEvents: 16 });
      reader.write(part);
      reader.end();
      const said = [trace.partial, trace.truncated, ...trace.warnings].join();
      expect(said, `cut at ${cut}`).toBe(`true,true,the trace breaks off after event ${rows.length}: what came before is used`);
      if (!lengths.has(rows.length)) expect(rows).toEqual(given.rows.slice(0, rows.length));
      lengths.add(rows.length);
    }
    expect([...lengths]).toEqual([0, 15, 30, 40]);
    const { partial, truncated } = decode(bytes).trace;
    expect({ partial, truncated }).toEqual({ partial: false, truncated: false });
  });

  test('so is one that is read as a whole', async () => {
    const bytes = encode(small(), { blockEvents: 15 });
    for (const cut of [1, 7, 8, 100, 1000, bytes.length - 1]) {
      const trace = new Trace();
      expect(await readTrace(bytes.subarray(0, cut), trace, () => {})).toBe(compact);
      expect(trace.truncated).toBe(true);
    }
  });

  test('of a reading that was broken off only that is said', () => {
    const bytes = encode(small());
    const trace = new Trace();
    const reader = compact.open(trace, () => {}, { name: 't' });
    reader.write(bytes.subarray(0, bytes.length / 2));
    reader.end('cut');
    expect({ partial: trace.partial, truncated: trace.truncated, warnings: trace.warnings }).toEqual({
      partial: true,
      truncated: false,
      warnings: [],
    });
  });

  /** What is read of the file with each byte in turn damaged; an error must name the place. */
  function* readDamaged(bytes: Uint8Array): Generator<{ at: number; found: Recording } | undefined> {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] ^= [1, 0x80, 0xff, 0x10][at % 4];
      const found: Recording = { trace: new Trace(), rows: [] };
      const reader = compact.open(found.trace, (batch) => void found.rows.push(...rowsOf(batch)), { name: 't', batchEvents: 16 });
      try {
        reader.write(damaged);
        reader.end();
        yield { at, found };
      } catch (error) {
        if (!(error instanceof InputError && /^t:byte \d+$/.test(error.place))) throw error;
        yield undefined;
      }
    }
  }

  test.each([15, 1000])(
    'a damaged byte, in blocks of %i, is an error that names the place, a file that breaks off, or changes nothing',
    (blockEvents) => {
      const given = small();
      let refused = 0;
      for (const read of readDamaged(encode(given, { blockEvents }))) {
        if (read === undefined) refused++;
        else if (!read.found.trace.truncated) {
          expect(read.found.rows, `byte ${read.at}`).toEqual(given.rows);
          expect(tablesOf(read.found.trace), `byte ${read.at}`).toEqual(tablesOf(given.trace));
        }
      }
      expect(refused).toBeGreaterThan(500);
    },
  );

  test('without sums it may be other events; nothing else', () => {
    const results = [...readDamaged(encode(small(), { blockEvents: 15, sums: false }))];
    expect(results.filter((read) => read === undefined).length).toBeGreaterThan(results.length / 10);
  });

  test('a second trace after the first is refused with the remedy', () => {
    const bytes = encode(small());
    expect(() => decode(Buffer.concat([bytes, bytes]))).toThrow(/data after the end of the trace/);
  });

  test('a version that is not known', () => {
    const bytes = encode(small());
    const at = bytes.indexOf('jereplay.trace');
    const version = bytes.lastIndexOf('1', at) > at - 16 ? bytes.lastIndexOf('1', at) : bytes.indexOf('1', at);
    bytes[version] = 0x39;
    expect(() => decode(bytes)).toThrow(/version "9" of the compact trace is not known/);
  });
});

test('recognised by its content', () => {
  const bytes = encode(small());
  expect(sniffFormat(bytes)).toBe(compact);
  // A file that breaks off within its schema.
  expect(sniffFormat(bytes.subarray(0, 100))).toBe(compact);
  expect(sniffFormat(bytes.subarray(0, 3))).toBe(compact);
  expect(sniffFormat(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0))).toBeUndefined();
  expect(compact.sniff(Buffer.from('{"op":"trace"}'))).toBe(0);
});

test("Arrow's own reader opens it as a table, a row a block", () => {
  const table = tableFromIPC(encode(small(), { blockEvents: 16 }));
  expect(table.schema.metadata.get('jereplay.trace')).toBe('1');
  const rows = table.toArray() as Record<string, unknown>[];
  expect(rows.map((row) => [row['first'], row['events']])).toEqual([
    [0, 16],
    [16, 16],
    [32, 8],
  ]);
  expect(JSON.parse(String(rows[0]?.['tables']))).toMatchObject({ header: { command: 'small' }, frames: [[null, 'leak']], stacks: [[0]] });
  expect(Array.from(rows[1]?.['object'] as Iterable<number>)).toHaveLength(16);
});

test('a trace of one block has only the columns that it needs, as narrow as they can be', () => {
  const table = tableFromIPC(encode(small()));
  expect(table.schema.fields.map(({ name, type }) => `${name} ${type}`)).toEqual([
    'tables Utf8',
    'events Uint32',
    'unit Float64',
    'calls Binary',
    'addresses Binary',
    'call List<Uint8>',
    'object List<Uint8>',
    'old Binary',
    'cpus Binary',
    'sum Uint32',
  ]);
  const [row] = table.toArray() as Record<string, unknown>[];
  expect(row?.['events']).toBe(40);
  expect(Array.from(row?.['call'] as Iterable<number>)).toHaveLength(40);
});

describe('stacks', () => {
  test('deep ones, of which only the outermost frames are taken from the one before', () => {
    const trace = new Trace();
    trace.threads.intern(1);
    const frames = Array.from({ length: 600 }, (_, pc) => trace.stacks.frames.intern({ pc: BigInt(pc), fn: 'recurse', file: 'deep.c' }));
    for (const depth of [1, 126, 127, 128, 129, 500]) {
      trace.stacks.intern(frames.slice(0, depth));
      trace.stacks.intern(frames.slice(599 - depth));
      trace.stacks.intern(frames.slice(600 - depth));
    }
    const given = { trace, rows: [] };
    const bytes = encode(given);
    same(decode(bytes), given);
    const shared = new Set(bytes.toString('latin1').match(/-\d+(?=\])/g));
    expect([...shared]).toEqual(['-1', '-126', '-127']);
  });

  test('frames of a stack that has none, and a text that was never said, are damage', () => {
    const trace = new Trace();
    const fn = 'recurse';
    trace.stacks.intern([0, 1].map((pc) => trace.stacks.frames.intern({ pc: BigInt(pc), fn })));
    trace.stacks.intern([1]);
    const text = encode({ trace, rows: [] }, { sums: false }).toString('latin1');
    for (const [said, instead, fact] of [
      ['[[0,1],[-1]]', '[[0,1],[-3]]', /a stack of frames that are not there/],
      ['[[0,1],[-1]]', '[[0,-1],[1]]', /a stack of frames that are not there/],
      ['["0x1",0]', '["0x1",1]', /a text that is not there/],
    ] as const) {
      expect(text).toContain(said);
      expect(() => decode(Buffer.from(text.replace(said, instead), 'latin1'))).toThrow(fact);
    }
  });
});

test('numbers of dead addresses are given away, and stay in proportion to the live blocks', () => {
  const numbers = new AddressNumbers(10);
  const news = new VarintWriter();
  const kept = numbers.numberOf(16, news);
  numbers.mark(kept, 1);
  let largest = 0;
  for (let address = 32; address < 32 + 16 * 1000; address += 16) {
    const number = numbers.numberOf(address, news);
    largest = Math.max(largest, number);
    numbers.mark(number, 1);
    numbers.mark(number, 0);
    if (address % 128 === 0) numbers.release();
  }
  expect(largest).toBeLessThan(40);
  expect(numbers.numberOf(16, news)).toBe(kept);
});

test('numbers of any length', () => {
  const edges = [0, 1, 63, 64, 127, 128, 16383, 16384, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 63 - 1024, 2 ** 63, 2 ** 64];
  const writer = new VarintWriter();
  for (const edge of edges) writer.unsigned(edge);
  const signed = edges.filter((edge) => edge < 2 ** 53).flatMap((edge) => [edge, -edge]);
  for (const value of signed) writer.signed(value);
  const reader = new VarintReader(writer.take());
  expect(edges.map(() => reader.unsigned())).toEqual(edges);
  expect(signed.map(() => reader.signed() + 0)).toEqual(signed.map((value) => value + 0));
  expect(reader.atEnd).toBe(true);
  expect(new VarintReader(Uint8Array.of(0x80)).unsigned()).toBeNaN();
});

test('more of everything than a narrow column or a table holds', () => {
  const trace = new Trace();
  for (const tid of [1, 2, 3]) trace.threads.intern(tid);
  for (let pc = 0; pc < 200; pc++) trace.stacks.intern([trace.stacks.frames.intern({ pc: BigInt(pc) })]);
  const rows: Row[] = [];
  const add = (op: number, ptr: number, old: number, size: number) => {
    const number = rows.length;
    rows.push([op, number % 3, number * 70_000, ptr, old, size, 0, op === Op.free ? NO_STACK : number % 200, -1]);
  };
  const address = (block: number) => 0x7f0000000010 + 4096 * block;
  // More live addresses than 16 bits number, by more different calls than the table holds at once.
  for (let block = 0; block < 70_000; block++) add(Op.malloc, address(block), 0, block);
  for (let block = 60_000; block < 70_000; block++) add(Op.realloc, address(block + 10_000), address(block), 24);
  // Many that come and go, so that numbers are given away and taken again.
  for (let block = 100_000; block < 200_000; block++) {
    add(Op.malloc, address(block), 0, 24);
    add(Op.free, address(block), 0, 0);
  }
  same(decode(encode({ trace, rows }), [1000, 1_000_000]), { trace, rows });
});
