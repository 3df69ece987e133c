import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Op } from '../../core/trace/events.ts';
import { readingOf } from '../../fixtures/reading.ts';
import { BatchBuilder } from '../shared/batch_builder.ts';
import { LaneNames, READ_AHEAD, runCallLane } from './call_lane.ts';
import { LinePrefix } from './line_prefix.ts';
import { ltrace } from './ltrace.ts';

const address = fc
  .oneof({ weight: 9, arbitrary: fc.integer({ min: 0x550000000000, max: 0x7fffffffffff }) }, fc.maxSafeNat())
  .map((value) => `0x${value.toString(16)}`);
const odd = fc.constantFrom('0', 'nil', '-1', '0x0', '0xffffffffffffffff', '9999999999', '<void>', '24, 8');
const from = fc.constantFrom('app->', 'app->', 'libmore.so.1->', '');
const at = fc.constantFrom('', '', '@libc.so.6');
const pointer = fc.oneof({ weight: 12, arbitrary: address }, odd);
const size = fc.oneof({ weight: 12, arbitrary: fc.nat({ max: 99999 }).map(String) }, odd);
const call = fc.record({ from, at, pointer, size, old: address, pad: fc.nat({ max: 20 }), kind: fc.nat({ max: 11 }) }).map((it) => {
  const name = (fn: string) => `${it.from}${fn}${it.from === '' ? it.at : ''}`;
  const returning = (text: string, result: string) => `${text.padEnd(text.length + it.pad)} = ${result}`;
  if (it.kind < 5) return returning(`${name('malloc')}(${it.size})`, it.pointer);
  if (it.kind < 9) return returning(`${name('free')}(${it.pointer})`, '<void>');
  if (it.kind === 9) return returning(`${name('realloc')}(${it.old}, ${it.size})`, it.pointer);
  if (it.kind === 10) return returning(`${name('strlen')}("a(b) = 1")`, it.size);
  return `${name('malloc')}(${it.size} <unfinished ...>\n7 1700000000.500000 <... malloc resumed> ) = ${it.pointer}`;
});
const time = fc.nat({ max: 999999 }).map((micros) => String(micros).padStart(6, '0'));
const beginning = fc.tuple(fc.nat({ max: 400 }), time).map(([which, micros]) => {
  if (which === 0) return '8 1700000000.000001 ';
  if (which < 4) return `7 1700000001.${micros} `;
  // A line without a time has that of the line before.
  if (which < 20) return '7 ';
  return `7 1700000000.${micros} `;
});
const lines = fc.array(
  fc.tuple(beginning, call).map((parts) => parts.join('')),
  { minLength: 5, maxLength: 60 },
);
const damage = fc.array(
  fc.tuple(fc.nat(), fc.constantFrom(0, 9, 10, 13, 0x20, 0x28, 0x29, 0x2c, 0x30, 0x39, 0x3d, 0x61, 0x67, 0x80, 0xff)),
  {
    maxLength: 3,
  },
);

test('lines in the fast lane give what the general path gives, damaged ones too', () => {
  fc.assert(
    fc.property(lines, damage, (text, blows) => {
      const bytes = Buffer.from(`${text.join('\n')}\n`);
      for (const [place, byte] of blows) bytes[place % bytes.length] = byte;
      // The lane needs so many bytes before it, so that shorter chunks take every line in the general way.
      expect(readingOf(ltrace, bytes, bytes.length)).toEqual(readingOf(ltrace, bytes, READ_AHEAD - 1));
    }),
    { numRuns: 300 },
  );
});

test('calls of standard error are taken alike, with what the program prints before them', () => {
  const begun = fc.constantFrom('[pid 7] ', '[pid 7] ', '[pid 7] ', 'done: 5 % [pid 7] ', '[pid [pid 7] ', 'one line\n[pid 7] ');
  const mixed = fc.array(
    fc.tuple(begun, time, call).map(([text, micros, rest]) => `${text}1700000000.${micros} ${rest.replace('\n7 ', '\n[pid 7] ')}`),
    { minLength: 5, maxLength: 60 },
  );
  fc.assert(
    fc.property(mixed, (text) => {
      const bytes = Buffer.from(`${text.join('\n')}\n`);
      expect(readingOf(ltrace, bytes, bytes.length)).toEqual(readingOf(ltrace, bytes, READ_AHEAD - 1));
    }),
    { numRuns: 200 },
  );
});

test('lines of the same second are taken at once, up to the one that is another', () => {
  const line = (i: number) =>
    i % 3 === 2
      ? `7 1700000000.${100000 + i} app->free(0x${(0x7f0000000000 + i - 1).toString(16)})       = <void>\n`
      : `7 1700000000.${100000 + i} app->malloc(${i * 37})            = 0x${(0x7f0000000000 + i).toString(16)}\n`;
  const taken = Array.from({ length: 50 }, (_, i) => line(i)).join('');
  const bytes = new Uint8Array(Buffer.from(`${taken}7 1700000000.200000 app->calloc(1, 2) = 0x7f0000000000\n${taken}`));
  const view = new DataView(bytes.buffer);
  const prefix = new LinePrefix();
  prefix.keep(view, 0, '7 1700000000.'.length, 7);
  const names = new LaneNames();
  const words = (name: string) => {
    const text = Buffer.from(`${name}(`);
    const whole = Array.from({ length: name.length >> 2 }, (_, word) => text.readInt32BE(4 * word));
    return Int32Array.of(text.readInt32BE(name.length - 3), ...whole);
  };
  names.add(words('app->malloc'), 'app->malloc'.length, false, 3);
  names.add(words('app->free'), 'app->free'.length, true, 4);
  const builder = new BatchBuilder(() => {});
  const end = runCallLane(prefix, names, { begin: 0, originNanos: 1e8, nanos: NaN }, 5, builder, bytes, view, 0, bytes.length - 1);
  const { batch } = builder;
  expect(end).toBe(taken.length);
  expect(batch.length).toBe(50);
  expect([...batch.op.subarray(0, 4)]).toEqual([Op.malloc, Op.malloc, Op.free, Op.malloc]);
  expect([...batch.time.subarray(0, 3)]).toEqual([0, 1000, 2000]);
  expect([...batch.size.subarray(0, 3)]).toEqual([0, 37, 0]);
  expect([...batch.ptr.subarray(0, 3)]).toEqual([0x7f0000000000, 0x7f0000000001, 0x7f0000000001]);
  expect([batch.thread[49], batch.stack[48], batch.stack[47]]).toEqual([5, 3, 4]);
});
