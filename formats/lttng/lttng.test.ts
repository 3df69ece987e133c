import { describe, expect, test } from 'vitest';
import { growthOf, MOST_GROWTH } from '../../fixtures/growth.ts';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { tally } from '../../fixtures/tally.ts';
import { sniffFormat } from '../index.ts';
import { lttng } from './lttng.ts';

const utf8 = new TextEncoder();
const read = (text: string, options = {}) => tally(lttng, utf8.encode(text), options);
const line = (event: string, fields: string, at = '20:38:11.907388453', context = '') =>
  `[${at}] (+0.000002902) desktop lttng_ust_libc:${event}: { cpu_id = 1 }, ${context}{ ${fields} }\n`;
const own = (vpid: number, vtid: number) => `{ vpid = ${vpid}, vtid = ${vtid}, procname = "a \\"b" }, `;

// As babeltrace prints it, from a public page.
const RECORDING = `[20:38:11.907388453] (+3.229928201) desktop lttng_ust_libc:malloc: { cpu_id = 1 }, { size = 4, ptr = 0x151BD40 }
[20:38:11.907391355] (+0.000002902) desktop lttng_ust_libc:free: { cpu_id = 1 }, { ptr = 0x151BD40 }
[20:38:11.907395975] (+0.000004620) desktop lttng_ust_cyg_profile:func_entry: { cpu_id = 1 }, { addr = 0x4006B6, call_site = 0x40076D }
`;

test('a recording without contexts', () => {
  expect(sniffFormat(utf8.encode(RECORDING))).toBe(lttng);
  const { text, trace } = read(RECORDING, { pid: 7 });
  expect(text).toEqual([`malloc 0 0 ${0x151bd40} 0 4 0 -1 on 1`, `free 0 2902 ${0x151bd40} 0 0 0 -1 on 1`]);
  expect({ ...trace.skipped }).toEqual({ other_call: 1 });
  expect(trace.header).toMatchObject({
    source: 'lttng',
    timed: true,
    startTime: (20n * 3600n + 38n * 60n + 11n) * 1_000_000_000n + 907_388_453n,
  });
  expect(trace.warnings).toEqual([
    expect.stringContaining('add-context -u -t vpid -t vtid'),
    expect.stringContaining('does not say of which'),
  ]);
});

test('every event, with its fields; a call that failed; sizes that are none', () => {
  const { text, trace } = read(
    [
      line('calloc', 'nmemb = 2, size = 8, ptr = 0x10'),
      line('realloc', 'in_ptr = 0x10, size = 64, ptr = 0x20'),
      line('memalign', 'alignment = 64, size = 100, ptr = 0x40'),
      line('posix_memalign', 'out_ptr = 0x80, alignment = 16, size = 24, result = 0'),
      line('posix_memalign', 'out_ptr = 0x80, alignment = 3, size = 24, result = 22'),
      line('malloc', 'size = -1, ptr = 0x90'),
      line('malloc', 'size = 8'),
    ].join(''),
  );
  expect(text.map((event) => event.replace(/ 0 0 /, ' '))).toEqual([
    'calloc 16 0 8 2 -1 on 1',
    'realloc 32 16 64 0 -1 on 1',
    'memalign 64 0 100 64 -1 on 1',
    'posix_memalign 128 0 24 16 -1 on 1',
    'posix_memalign 0 0 24 3 -1 on 1',
  ]);
  expect({ ...trace.skipped }).toEqual({ unparsed: 2 });
});

test('addresses with tags stay apart, and the largest size is one', () => {
  const { text, trace } = read(
    line('malloc', 'size = 18446744073709551615, ptr = 0x0') +
      line('malloc', 'size = 8, ptr = 0xB400007123456780', undefined, '{ ip = 0xFFFFFFFF81000123 }, ') +
      line('malloc', 'size = 8, ptr = 0xB400007123456790') +
      line('malloc', 'size = 18446744073709551616, ptr = 0x0'),
  );
  expect(text.map((event) => event.split(' ').slice(3, 6).join(' '))).toEqual([
    `0 0 ${2 ** 64}`,
    `${0x7123456780} 0 8`,
    `${0x7123456790} 0 8`,
  ]);
  expect(trace.stacks.frames.frames.map(({ pc }) => pc)).toEqual([0xffffffff81000123n]);
  expect({ ...trace.skipped }).toEqual({ unparsed: 1 });
});

test.each([
  ['many events', (count: number) => `[20:38:11.907388453] ${'a:b: { '.repeat(count)}\n`],
  ['a long word', (count: number) => line('malloc', 'size = 8, ptr = 0x10', undefined, `{ ${'word'.repeat(count)} }, `)],
])('a line of %s takes time that grows with its length', (_, ofLength) => {
  const [once, fourfold] = [ofLength(6_000), ofLength(24_000)];
  const growth = growthOf(
    () => read(once),
    () => read(fourfold),
  );
  expect(growth).toBeLessThan(MOST_GROWTH);
});

test('contexts: one process of several, threads and their names, the caller or the call stack', () => {
  const { text, trace } = read(
    line('malloc', 'size = 8, ptr = 0x10', undefined, own(7, 9)) +
      line('malloc', 'size = 8, ptr = 0x10', undefined, own(8, 8)) +
      line('malloc', 'size = 8, ptr = 0x20', undefined, '{ vpid = 7, vtid = 10, ip = 0x7F00 }, ') +
      line(
        'free',
        'ptr = 0x20',
        undefined,
        '{ vpid = 7, vtid = 9, _callstack_user_length = 2, callstack_user = [ [0] = 0x7F10, [1] = 0x7F20 ] }, ',
      ),
  );
  expect(text).toEqual(['malloc 0 0 16 0 8 0 -1 on 1', 'malloc 1 0 32 0 8 0 0 on 1', 'free 0 0 32 0 0 0 1 on 1']);
  expect(trace.threads).toMatchObject({ tids: [9, 10], names: ['a "b', undefined] });
  expect(trace.stacks.frames.frames.map(({ pc }) => pc)).toEqual([0x7f00n, 0x7f10n, 0x7f20n]);
  expect([trace.header.pid, { ...trace.skipped }]).toEqual([7, { other_process: 1 }]);
});

test.each([
  ['23:59:59.999999999', '00:00:00.000000002', 3],
  ['1582029491.907388453', '1582029491.907388455', 2],
  ['2020-02-29 23:59:59.000000000', '2020-03-01 00:00:00.000000001', 1_000_000_001],
])('times %s and %s', (first, second, distance) => {
  const { text } = read(line('malloc', 'size = 8, ptr = 0x10', first) + line('free', 'ptr = 0x10', second).replace(' (+0.000002902)', ''));
  expect(Number(text[1].split(' ')[2])).toBe(distance);
});

test('lost events', () => {
  const { trace } = read(
    `${RECORDING}[warning] Tracer discarded 12 events at the end of the stream between [20:38:11.907388453] and [20:38:12.000000000]\n`,
  );
  expect(trace.skipped.lost).toBe(12);
});

describe('any input', () => {
  test('reads the same however it is cut, and is recognised as nothing else', async () => {
    const bytes = utf8.encode(RECORDING.repeat(9));
    readsTheSameHoweverCut(lttng, bytes);
    recognisedAsNoOther(lttng, bytes);
    await recognisesNoOther(lttng);
  });

  test('rubbish is counted, never taken', () => {
    neverTakesRubbish(lttng, utf8.encode(RECORDING.repeat(9)), {
      check: (damaged, { events, trace }) => {
        const count = new TextDecoder('latin1')
          .decode(damaged)
          .split('\n')
          .filter((text) => text !== '').length;
        const { lost = 0, ...others } = trace.skipped;
        expect(events + Object.values(others).reduce((sum, n) => sum + n, 0) + lost).toBeGreaterThanOrEqual(count);
      },
    });
  });
});
