import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Trace } from '../../core/trace/trace.ts';
import { ndjson } from './reader.ts';

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
