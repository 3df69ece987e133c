import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameTable } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import { growthOf, MOST_GROWTH } from '../../fixtures/growth.ts';
import { LaneMemory } from '../shared/lane_memory.ts';
import { LaneText } from '../shared/lane_text.ts';
import { ndjson } from './reader.ts';
import { StackLane } from './stack_lane.ts';

/** Frames and stacks that a reader makes of lines, or its error. @param gap white space that makes every line one for JSON.parse */
function stacksOf(lines: readonly Buffer[], gap: string): unknown {
  const trace = new Trace();
  const reader = ndjson.open(trace, () => {}, { name: 't' });
  let error = '';
  try {
    for (const line of lines) reader.write(Buffer.concat([line, Buffer.from(`${gap}\n`)]));
    reader.end();
  } catch (thrown) {
    // A message quotes the line, and with it the gap.
    error = String(thrown).replace(/: ".*/, '');
  }
  const { stacks } = trace;
  const rows = Array.from({ length: stacks.length }, (_, stack) => [...stacks.framesOf(stack as never)]);
  return { error, rows, frames: stacks.frames.frames };
}

const frame = fc.constantFrom(
  '{"pc":"0x55d00000bb11","fn":"main"}',
  '{"fn":"main","pc":"0x55d00000bb11"}',
  '{"pc":"0x55d0","fn":"f","file":"a.c","line":7,"module":"m","offset":3}',
  '{"fn":"a}b,[{"}',
  '{"fn":"q\\"}"}',
  '{"fn":"outer","inlined":[{"fn":"inner"}]}',
  '"plain"',
  '"0x55d0"',
  '"a\\u0062"',
  '{}',
  '{"fn":"é"}',
  '{"pc":"x"}',
  '{"line":-1}',
  '7',
  'null',
);
const id = fc.oneof(
  { weight: 9, arbitrary: fc.nat({ max: 9 }).map(String) },
  fc.constantFrom('01', '-1', '4194304', '1234567890', '1.5', ''),
);
const line = fc
  .tuple(id, fc.array(frame, { maxLength: 4 }))
  .map(([n, frames]) => `{"op":"stack","id":${n},"frames":[${frames.join(',')}]}`);
const blow = fc.tuple(
  fc.nat(),
  fc.nat({ max: 255 }).filter((byte) => byte !== 10),
);

test('stacks read by their bytes are those that JSON.parse gives, damaged ones too', () => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), fc.array(blow, { maxLength: 1 }), (texts, blows) => {
      const lines = texts.map((text) => Buffer.from(text));
      for (const [place, byte] of blows) lines[place % lines.length][(place >> 3) % lines[place % lines.length].length] = byte;
      expect(stacksOf(lines, '')).toEqual(stacksOf(lines, ' '));
    }),
    { numRuns: 2000 },
  );
});

test('thirty thousand frames of all lengths, and lines that are too long for the lane', () => {
  const named = (count: number) => Array.from({ length: count }, (_, i) => `"${'f'.repeat(i % 40)}${i}"`);
  const texts: string[] = [];
  const add = (frames: readonly string[]) => texts.push(`{"op":"stack","id":${texts.length},"frames":[${frames.join(',')}]}`);
  const frames = named(30_000);
  for (let i = 0; i < 3000; i++) add(frames.slice(i * 10, i * 10 + 12));
  add(named(5000));
  add([`"${'g'.repeat(70_000)}"`, '"h"']);
  add(named(4096));
  const input = (gap: string) => [Buffer.from(texts.join(`${gap}\n`))];
  expect(stacksOf(input(''), '')).toEqual(stacksOf(input(' '), ' '));
});

/** Frames of 24 bytes whose hashes are the same (hashOf of ../assembly/stack_lane.ts): the second word makes up for what the first one changes. */
function sameHashes(count: number): Buffer[] {
  const KEY = 0x9e3779b97f4a7c15n;
  const wordOf = (text: string) => Buffer.from(text, 'latin1').readBigUInt64LE();
  const stateOf = (first: bigint) => {
    const product = BigInt.asUintN(64, (24n ^ first) * KEY);
    return BigInt.asUintN(64, product << 29n) | (product >> 35n);
  };
  const same = stateOf(wordOf('"0000000')) ^ wordOf('AAAAAAAA');
  const texts: Buffer[] = [];
  for (let number = 0; texts.length < count; number++) {
    const first = `"${String(number).padStart(7, '0')}`;
    const second = Buffer.alloc(8);
    second.writeBigUInt64LE(stateOf(wordOf(first)) ^ same);
    if (second.every((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c))
      texts.push(Buffer.concat([Buffer.from(first), second, Buffer.from('1234567"')]));
  }
  return texts;
}

test('frames that hash to the same slots take no longer than others', () => {
  const linesOf = (frames: readonly Buffer[]) =>
    frames.map((text, id) => Buffer.concat([Buffer.from(`{"op":"stack","id":${id},"frames":[`), text, Buffer.from(']}')]));
  const chosen = linesOf(sameHashes(40_000));
  const ordinary = linesOf(Array.from({ length: 40_000 }, (_, number) => Buffer.from(`"${String(number).padStart(22, 'f')}"`)));
  expect(stacksOf(chosen.slice(0, 1000), '')).toEqual(stacksOf(chosen.slice(0, 1000), ' '));
  const read = (lines: readonly Buffer[]) => () => void stacksOf(lines, '');
  expect(growthOf(read(ordinary), read(chosen))).toBeLessThan(MOST_GROWTH);
});

test('a line as writers spell it is taken by its bytes, one with arrays in it is not', () => {
  const memory = new LaneMemory();
  const frames = new FrameTable();
  const asked: string[] = [];
  const lane = new StackLane(memory, frames, (text) => {
    asked.push(text);
    return { fn: text };
  });
  const usual = '{"op":"stack","id":70,"frames":["b",{"fn":"a"},"b"]}\n';
  const bytes = Buffer.from(`${usual}${usual}{"op":"stack","id":71,"frames":[{"fn":"a","inlined":[]}]}\n`);
  const text = new LaneText(memory).of(new Uint8Array(bytes));
  expect(lane.read(text)).toBe(text + usual.length);
  expect(lane.read(text + usual.length)).toBe(text + 2 * usual.length);
  expect([lane.id, ...lane.frames.subarray(0, lane.count)]).toEqual([70, 0, 1, 0]);
  expect(asked).toEqual(['"b"', '{"fn":"a"}']);
  expect(lane.read(text + 2 * usual.length)).toBe(0);
});
