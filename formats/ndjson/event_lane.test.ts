import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Op } from '../../core/trace/events.ts';
import { readingOf } from '../../fixtures/reading.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { TimeOrigin } from '../shared/time_origin.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { LaneText } from '../shared/lane_text.ts';
import { EventLane } from './event_lane.ts';
import { EventLine } from './event_line.ts';
import { ndjson } from './reader.ts';

const digits = (most: number) =>
  fc.integer({ min: 1, max: most }).chain((length) => fc.bigInt({ min: 0n, max: 10n ** BigInt(length) - 1n }).map(String));
const address = fc
  .oneof(fc.integer({ min: 0x7f0000000000, max: 0x7fffffffffff }), fc.maxSafeNat())
  .map((value) => `"0x${value.toString(16)}"`);
/** Values near each other, as a trace has them, and any others. */
const time = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1000, max: 2000000 }).map(String) }, digits(18), digits(21));
const tid = fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 3 }).map(String) }, fc.constantFrom('1024', '1025', '4294967296'));
const small = fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 5000 }).map(String) }, digits(16));
const stack = fc.oneof({ weight: 30, arbitrary: fc.nat({ max: 2 }).map(String) }, fc.constant('3'));

const line = fc
  .record({ time, tid, ptr: address, old: address, size: small, count: small, stack, cpu: fc.nat({ max: 40 }), kind: fc.nat({ max: 11 }) })
  .map(
    ({ time: ts, tid: id, ptr, old, size, count, stack: context, cpu, kind }) =>
      [
        `{"op":"malloc","ts":${ts},"tid":${id},"size":${size},"ptr":${ptr},"stack":${context}}`,
        `{"op":"malloc","ts":${ts},"tid":${id},"size":${size},"ptr":${ptr}}`,
        `{"op":"free","ts":${ts},"tid":${id},"ptr":${ptr}}`,
        `{"op": "free", "ptr": ${ptr}, "tid": ${id}, "ts": ${ts}}\r`,
        `{"op":"free","ptr":${ptr}}`,
        `{"op":"realloc","ts":${ts},"tid":${id},"old":${old},"size":${size},"ptr":${ptr},"cpu":${cpu}}`,
        `{"op":"calloc","ts":${ts},"count":${count},"size":${size},"ptr":${ptr},"stack":${context}}`,
        `{"ts":${ts},"op":"posix_memalign","alignment":${count},"size":${size},"ptr":${ptr}}`,
        `{"op":"thread_exit","ts":${ts},"tid":${id}}`,
        `{"op":"free","ts":${ts},"tid":${id},"size":${size},"ptr":${ptr}}`,
        `{"op":"malloc","ts":${ts},"tid":${id},"size":${size},"count":null,"old":null,"ptr":${ptr},"stack":null}`,
        `{"op":"malloc","ts":${ts},"tid":${id},"size":${size}.0,"ptr":${ptr},"stack":${context}.0}`,
      ][kind],
  );

const HEAD = [0, 1, 2].map((id) => `{"op":"stack","id":${id},"frames":["f${id}"]}\n`).join('');

test('lines in the fast lane give what the general path gives, damaged ones too', () => {
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 20, maxLength: 80 }),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 9, 0x20, 0x22, 0x2c, 0x30, 0x39, 0x3a, 0x41, 0x61, 0x67, 0x7d, 0x80, 0xb0, 0xff)), {
        maxLength: 3,
      }),
      (lines, damage) => {
        const text = Buffer.from(`${HEAD}${lines.join('\n')}\n`);
        for (const [at, byte] of damage) text[HEAD.length + (at % (text.length - HEAD.length))] = byte;
        // of chunks that are shorter than a line, every line is taken in the general way
        const general = readingOf(ndjson, text, 8);
        for (const chunk of [text.length, 1000]) expect(readingOf(ndjson, text, chunk)).toEqual(general);
      },
    ),
    { numRuns: 300 },
  );
});

test('lines like one before are taken at once, up to the one that is not', () => {
  const lines = Array.from(
    { length: 50 },
    (_, i) => `{"op":"malloc","ts":${10 ** 9 + i * 999},"tid":0,"size":${i * 37},"ptr":"0x7f00000${10000 + i}"}\n`,
  );
  const other = '{"op":"malloc","ts":2000000000,"tid":0,"size":-1,"ptr":"0x7f0000010000"}\n';
  const bytes = new Uint8Array(Buffer.from(`${lines.join('')}${other}${lines.join('')}`));
  const memory = new LaneMemory();
  const lane = new EventLane(memory, new LaneText(memory));
  const scanned = new EventLine();
  expect(scanned.scan(bytes, 0, lines[0].length - 1)).toBe(true);
  lane.shapes.learn(bytes, 0, lines[0].length - 1, scanned);
  const builder = new BatchBuilder(() => {}, 100, memory);
  const origin = new TimeOrigin();
  origin.set(0, 1e9);
  lane.setThread(0, 5);
  const end = lane.run(builder, origin, bytes, 0, bytes.length - 1);
  const { batch } = builder;
  expect(end).toBe(lines.join('').length);
  expect(batch.length).toBe(50);
  expect([...batch.time.subarray(0, 3)]).toEqual([0, 999, 1998]);
  expect([...batch.size.subarray(47, 50)]).toEqual([1739, 1776, 1813]);
  expect(batch.ptr[49]).toBe(0x7f0000010049);
  expect([batch.op[49], batch.thread[49], batch.stack[49]]).toEqual([Op.malloc, 5, -1]);
});
