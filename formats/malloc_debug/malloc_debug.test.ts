import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, tally } from '../../fixtures/tally.ts';
import { heaptrack } from '../heaptrack/heaptrack.ts';
import { mallocDebug } from './malloc_debug.ts';

const utf8 = new TextEncoder();
const read = (text: string, options = {}) => tally(mallocDebug, utf8.encode(text), options);
const withoutTime = (line: string) =>
  line
    .split(' ')
    .filter((_, i) => i !== 2)
    .join(' ');
/** The lines of the documentation, one of each kind. */
const EXAMPLE = `186: malloc 0xb6038060 20
186: free 0xb6038060
186: calloc 0xb609f080 32 4
186: realloc 0xb609f080 0xb603e9a0 12
186: memalign 0x85423660 16 104
187: thread_done 0x0
`;

test('the documented lines', () => {
  const result = read(EXAMPLE);
  expect(result.text).toEqual([
    `malloc 0 0 ${0xb6038060} 0 20 0 -1`,
    `free 0 1 ${0xb6038060} 0 0 0 -1`,
    `calloc 0 2 ${0xb609f080} 0 4 32 -1`,
    `realloc 0 3 ${0xb609f080} ${0xb603e9a0} 12 0 -1`,
    `memalign 0 4 ${0x85423660} 0 104 16 -1`,
  ]);
  // Thread 187 has done nothing before its end.
  expect({ ...result.trace.skipped }).toEqual({ note: 1 });
  expect(result.trace.header).toMatchObject({ source: 'malloc_debug', timed: false });
});

test('with times: a block lives from the end of one call to the start of the other', () => {
  const result = read(
    '5: malloc 0x10 8 1000 1100\n6: malloc 0x10 9 1200 1500\n5: free 0x10 1150 1600\n5: thread_done 0x0 2000\n5: calloc 0x20 3 4 2500 2600\n',
  );
  expect(result.text).toEqual([
    'malloc 0 0 16 0 8 0 -1',
    'free 0 50 16 0 0 0 -1',
    'malloc 1 400 16 0 9 0 -1',
    'thread_exit 0 900 0 0 0 0 -1',
    'calloc 2 1500 32 0 4 3 -1',
  ]);
  expect(result).toMatchObject({ unknown: 0, reused: 0 });
  expect(result.trace.header).toMatchObject({ timed: true, startTime: 1100n });
  // The id of a thread that has ended may be another thread's.
  expect(result.trace.threads.tids).toEqual([5, 6, 5]);
});

test('lines that fit no rule, lines without times among others, a cut line', () => {
  const result = read(
    '5: malloc 0x10 8 1000 1100\n5: free 0x10\n5: malloc 0x10\n5: malloc 0x10 8 9\n5: free 0x10 7\n5: frees 0x10\n5 free 0x10\n5: thread_done 0x0 1 2\n5: free 0x1',
  );
  expect(result.ops).toEqual({ malloc: 1, free: 1 });
  expect({ ...result.trace.skipped }).toEqual({ unparsed: 6, torn: 1 });
  expect(result.trace.partial).toBe(true);
  expect(() => read(`${EXAMPLE}${'hello\n'.repeat(40)}`)).toThrow(InputError);
});

test('records later than what is sorted are passed on, and said', () => {
  const lines = Array.from({ length: 12 }, (_, i) => `5: malloc 0x${(i + 1) * 16} 8 ${9000 + i} ${9001 + i}\n`).join('');
  const result = read(`${lines}5: malloc 0x5000 8 1 2\n`, { reorderWindow: 4 });
  expect(result.events).toBe(13);
  expect(result.trace.warnings.join()).toContain('out of order');
});

describe('a real program', () => {
  /** leaky's calls as malloc debug would have written them. */
  const written = async (timed: boolean) => {
    const recorded = tally(heaptrack, await fixtureBytes('leaky_500.heaptrack.raw.zst'));
    const lines = recorded.text.map((event, i) => {
      const [op, , , ptr, old, size] = event.split(' ');
      const hex = (text: string) => `0x${Number(text).toString(16)}`;
      const call = op === 'free' ? hex(ptr) : op === 'realloc' ? `${hex(ptr)} ${hex(old)} ${size}` : `${hex(ptr)} ${size}`;
      return `77: ${op} ${call}${timed ? ` ${5000 + 10 * i} ${5004 + 10 * i}` : ''}\n`;
    });
    return { recorded, bytes: utf8.encode(lines.join('')) };
  };

  test.each([false, true])('every call comes back; times: %s', async (timed) => {
    const { recorded, bytes } = await written(timed);
    const result = tally(mallocDebug, bytes);
    expect(result.text.map(withoutTime)).toEqual(recorded.text.map((line) => withoutTime(line).replace(/ -?\d+$/, ' -1')));
    expect({ ...result.trace.skipped }).toEqual({});
    expect(result.trace.header.timed).toBe(timed);
  });

  test('however it is cut', async () => {
    const bytes = (await written(true)).bytes.subarray(0, 20000);
    readsTheSameHoweverCut(mallocDebug, bytes);
  });

  test('it is recognised, and only as what it is', async () => {
    for (const head of [
      (await written(true)).bytes.subarray(0, 65536),
      (await written(false)).bytes.subarray(0, 700),
      utf8.encode(EXAMPLE),
    ]) {
      recognisedAsNoOther(mallocDebug, head);
    }
    await recognisesNoOther(mallocDebug);
  });
});

test('rubbish is counted, never taken', () => {
  const good = utf8.encode(EXAMPLE);
  neverTakesRubbish(mallocDebug, good, { refuses: true });
});
