import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventBatch, Op, OP_NAMES } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { NDJSON_EXAMPLE } from '../../fixtures/ndjson_example.ts';
import { withOtherBytes } from '../../fixtures/properties.ts';
import { EventLine } from './event_line.ts';
import { ndjson } from './reader.ts';
import { NdjsonWriter } from './writer.ts';
import type { Bytes, Nanoseconds, ThreadIndex } from '../../core/units.ts';

interface Row {
  op: string;
  thread: number;
  time: number;
  ptr: number;
  old: number;
  size: number;
  extra: number;
  stack: number;
  cpu: number;
}

function rowsOf(batch: EventBatch): Row[] {
  return Array.from({ length: batch.length }, (_, row) => ({
    op: OP_NAMES[batch.op[row]],
    thread: batch.thread[row],
    time: batch.time[row],
    ptr: batch.ptr[row],
    old: batch.old[row],
    size: batch.size[row],
    extra: batch.extra[row],
    stack: batch.stack[row],
    cpu: batch.cpu?.[row] ?? -1,
  }));
}

/** Reads text cut at the given places. */
function read(text: string | Uint8Array, cuts: readonly number[] = [], keepFields = false): { trace: Trace; rows: Row[] } {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const trace = new Trace();
  const rows: Row[] = [];
  const reader = ndjson.open(trace, (batch) => void rows.push(...rowsOf(batch)), { name: 't', batchEvents: 64, keepFields });
  let start = 0;
  for (const cut of [...cuts, bytes.length]) {
    // A copy that is overwritten afterwards: chunks may be reused by whoever wrote them.
    const chunk = Uint8Array.from(bytes.subarray(start, cut));
    reader.write(chunk);
    chunk.fill(0);
    start = cut;
  }
  reader.end();
  return { trace, rows };
}

function write(trace: Trace, batches: readonly EventBatch[]): string {
  const pieces: Uint8Array[] = [];
  const writer = new NdjsonWriter(trace, (bytes) => pieces.push(bytes));
  for (const batch of batches) writer.batch(batch);
  writer.end();
  return Buffer.concat(pieces).toString('utf8');
}

describe('reading', () => {
  test('the example of the format', () => {
    const { trace, rows } = read(NDJSON_EXAMPLE);
    const row = { thread: 0, old: 0, extra: 0, stack: -1, cpu: -1 };
    expect(rows).toEqual([
      { ...row, op: 'malloc', time: 10, size: 24, ptr: 0x7f001000, stack: 0 },
      { ...row, op: 'calloc', time: 11, size: 8, extra: 3, ptr: 0x7f002000, stack: 0 },
      { ...row, op: 'realloc', time: 12, size: 64, old: 0x7f001000, ptr: 0x7f003000, stack: 0 },
      { ...row, op: 'posix_memalign', thread: 1, time: 13, size: 100, extra: 64, ptr: 0x7f004000 },
      { ...row, op: 'free', thread: 1, time: 14, size: 0, ptr: 0x7f002000 },
      { ...row, op: 'thread_exit', thread: 1, time: 15, size: 0, ptr: 0 },
    ]);
    expect(trace.header).toEqual({
      source: 'bpftrace',
      command: 'redis-server --port 7000',
      pid: 4242,
      ncpus: 2,
      pageSize: 4096,
      startTime: 0n,
      startTimeGiven: true,
      timed: true,
      mmapTop: 0x7ffff7c00000n,
      prngSeed: 0x7ffff7cd3b78n,
      maps: '55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/redis-server\n',
    });
    // The thread line of 7 stands first, but the first event is of thread 0.
    expect(trace.threads.tids).toEqual([0, 7]);
    expect(trace.threads.names).toEqual([undefined, 'bio_close_file']);
    expect(trace.threads.prngSeeds).toEqual([undefined, 0x7ffff261ec78n]);
    expect(trace.stacks.frames.frames).toEqual([
      { pc: 0x55d0c0001234n },
      { pc: 0x55d0c0002000n, fn: 'main', file: 'server.c', line: 12, module: '/usr/bin/redis-server' },
      { fn: 'plain_name' },
    ]);
    expect(trace.partial).toBe(false);
  });

  test('defaults: no stack, its own number for a time, thread 0', () => {
    const { trace, rows } = read('{"op":"malloc","size":1,"ptr":"0x10"}\n{"op":"free","ptr":"0x10"}\n');
    expect(rows.map(({ time, thread, stack }) => [time, thread, stack])).toEqual([
      [0, 0, -1],
      [1, 0, -1],
    ]);
    expect(trace.threads.tids).toEqual([0]);
    expect([trace.header.timed, trace.header.startTime, trace.header.startTimeGiven]).toEqual([false, 0n, false]);
  });

  test('CPUs, in any place of the line and on some events only', () => {
    const lines = [
      '{"op":"malloc","tid":0,"cpu":3,"size":1,"ptr":"0x10"}',
      '{"op":"malloc","tid":0,"size":1,"ptr":"0x20"}',
      '{"cpu":0,"op":"free","ptr":"0x10"}',
      '{"op":"malloc","tid":0,"cpu":32767,"size":1,"ptr":"0x10"}',
      '{"op":"free","ptr":"0x20","c\\u0070u":7}',
    ];
    expect(read(lines.join('\n')).rows.map(({ cpu }) => cpu)).toEqual([3, -1, 0, 32767, 7]);
    for (const cpu of ['32768', '-1', '1.5', '"1"']) {
      expect(() => read(`{"op":"free","cpu":${cpu},"ptr":"0x10"}`)).toThrow('t:1: "cpu" is not an integer from 0 to');
    }
  });

  test('wall-clock nanoseconds give exact times', () => {
    const { trace, rows } = read(
      '{"op":"free","ts":1795218296566403001,"ptr":"0x1"}\n{"ts":1795218296566403004,"op":"free","ptr":"0x1"}\n',
    );
    expect(rows.map((row) => row.time)).toEqual([0, 3]);
    expect(trace.header.startTime).toBe(1795218296566403001n);
    const given = read('{"op":"trace","version":1,"start_ts":1795218296566403001}\n{"op":"free","ts":1795218296566403004,"ptr":"0x1"}\n');
    expect(given.rows[0].time).toBe(3);
  });

  test('the latest time, 2^63 - 1 ns, in the fast lane as well', () => {
    const line = (ts: string) => `{"op":"free","ts":${ts},"ptr":"0x1"}\n`;
    const latest = '9223372036854775807';
    expect(read(line('9223372036854775800') + line(latest) + line(latest)).rows.map(({ time }) => time)).toEqual([0, 7, 7]);
    for (const ts of ['9223372036854775808', '18446744073709551615', '18446744073709551620', '9'.repeat(24)]) {
      expect(() => read(line('1') + line('2') + line(ts) + line(ts))).toThrow('t:3: "ts" is not an integer from 0 to 2^63 - 1');
    }
  });

  test('times before the start, which is start_ts or that of the first event', () => {
    const events = [50, 10, 60].map((ts) => `{"op":"free","ts":${ts},"ptr":"0x1"}\n`).join('');
    const noteOf = (header: string) => read(header + events).trace.warnings;
    expect(noteOf('')).toEqual(['1 event is earlier than the first event; it was given that time']);
    expect(noteOf('{"op":"trace","version":1}\n')).toEqual(noteOf(''));
    expect(noteOf('{"op":"trace","version":1,"start_ts":55}\n')).toEqual(['2 events are earlier than start_ts; they were given that time']);
  });

  test('times on both sides of 10^15 ns', () => {
    const at = (start: bigint, ...steps: bigint[]) =>
      read([start, ...steps.map((step) => start + step)].map((ts) => `{"op":"free","ts":${ts},"ptr":"0x1"}\n`).join('')).rows.map(
        (row) => row.time,
      );
    expect(at(999_999_999_999_998n, 1n, 2n, 3n, 4_000_000_000n)).toEqual([0, 1, 2, 3, 4e9]);
    expect(at(1n, 10n ** 15n, 10n ** 15n + 7n)).toEqual([0, 1e15, 1e15 + 7]);
  });

  test('any order of keys, white space, unknown keys of any kind', () => {
    const line =
      ' {\t"ptr" : "0x7F001000" , "note":{"op":"free","a":[1,"]}",{}]},"ok":true,"n":-1.5e3,"s":"a\\"b","size": 24 ,"tid":3,"op":"malloc"} \r\n';
    expect(read(line).rows).toEqual([
      { op: 'malloc', thread: 0, time: 0, ptr: 0x7f001000, old: 0, size: 24, extra: 0, stack: -1, cpu: -1 },
    ]);
  });

  test('escapes in keys and words', () => {
    const plain = read('{"op":"malloc","ts":1795218296566403001,"size":24,"ptr":"0x10"}\n');
    const escaped = read('{"\\u006fp":"mall\\u006fc","ts":1795218296566403001,"si\\u007ae":24,"ptr":"0\\u007810"}\n');
    expect(escaped.rows).toEqual(plain.rows);
    expect(escaped.trace.header).toEqual(plain.trace.header);
  });

  test('a byte order mark, empty lines, CRLF', () => {
    expect(read('\ufeff{"op":"free","ptr":"0x10"}\r\n\r\n  \n{"op":"free","ptr":"0x10"}\r\n').rows.length).toBe(2);
  });

  test('tag bits above 2^52 are dropped, failed allocations have address 0', () => {
    const { rows } = read('{"op":"malloc","size":1,"ptr":"0xb40000700123456f"}\n{"op":"malloc","size":1,"ptr":"0x0"}\n');
    expect(rows.map((row) => row.ptr)).toEqual([0x0000700123456f, 0]);
  });

  test('a thread id may come again after its exit', () => {
    const { trace, rows } = read('{"op":"free","tid":1,"ptr":"0x0"}\n{"op":"thread_exit","tid":1}\n{"op":"free","tid":1,"ptr":"0x0"}\n');
    expect(rows.map((row) => row.thread)).toEqual([0, 0, 1]);
    expect(trace.threads.tids).toEqual([1, 1]);
  });

  test('a late thread line says of an id whose thread has ended, and that no other got, what that one was', () => {
    const { threads } = read(`{"op":"thread","tid":5,"name":"first"}
{"op":"malloc","tid":5,"size":1,"ptr":"0x10"}
{"op":"thread_exit","tid":5}
{"op":"malloc","tid":6,"size":1,"ptr":"0x20"}
{"op":"thread_exit","tid":6}
{"op":"thread","tid":5,"name":"second"}
{"op":"thread","tid":6,"name":"late"}
{"op":"free","tid":5,"ptr":"0x10"}
{"op":"thread","tid":7,"name":"idle"}
`).trace;
    expect(threads.tids).toEqual([5, 6, 5]);
    expect(threads.names).toEqual(['first', 'late', 'second']);
  });

  test('without times an event has its own number, also where a start is given', () => {
    const untimed = '{"op":"malloc","size":1,"ptr":"0x10"}\n{"op":"free","ptr":"0x10"}\n'.repeat(3);
    const { rows, trace } = read(`{"op":"trace","version":1,"start_ts":1700000000000000000}\n${untimed}`);
    expect(rows.map(({ time }) => time)).toEqual([0, 1, 2, 3, 4, 5]);
    expect({ timed: trace.header.timed, warnings: trace.warnings }).toEqual({ timed: false, warnings: [] });
  });

  test('what is not known of the header comes back as it was spelt', () => {
    const line = '{"op":"trace","version":1,"clock":"ns","start_ts":7,"build":12345678901234567890,"at":{"a":9007199254740993},"x":1.50}\n';
    const { trace } = read(line);
    expect(write(trace, [])).toBe(line);
  });

  test('hostile names are data', () => {
    const { trace } = read(
      '{"op":"trace","version":1,"__proto__":{"x":1},"constructor":2}\n{"op":"thread","tid":0,"name":"__proto__"}\n{"op":"stack","id":1,"frames":["__proto__","<script>",{"fn":"toString"}]}\n{"op":"free","ptr":"0x0","stack":1}\n',
    );
    expect([...(trace.header.other ?? [])]).toEqual([
      ['__proto__', '"__proto__":{"x":1}'],
      ['constructor', '"constructor":2'],
    ]);
    expect(trace.stacks.frames.frames.map((frame) => frame.fn)).toEqual(['__proto__', '<script>', 'toString']);
    expect(({} as Record<string, unknown>)['x']).toBe(undefined);
  });
});

describe('errors name the line', () => {
  const good = '{"op":"free","ptr":"0x10"}\n';
  test.each([
    ['not json', 't:2: not JSON: "not json"'],
    ['{"op":"free","ptr":"0x10"}}', 't:2: not JSON'],
    ['{"op":"free","ptr":"0x10",}', 't:2: not JSON'],
    ['{"op":"free","tid":01,"ptr":"0x10"}', 't:2: not JSON'],
    ['{"op":"free","x":tru,"ptr":"0x10"}', 't:2: not JSON'],
    ['[1]', 't:2: not a JSON object'],
    ['7', 't:2: not a JSON object'],
    ['{}', 't:2: no "op"'],
    ['{"op":3}', 't:2: "op" is not a string'],
    ['{"op":"mallok","size":1}', 't:2: unknown op "mallok"'],
    ['{"op":"toString","size":1}', 't:2: unknown op "toString"'],
    ['{"op":"malloc","ptr":"0x10"}', 't:2: malloc without "size"'],
    ['{"op":"malloc","size":1}', 't:2: malloc without "ptr"'],
    ['{"op":"calloc","size":1,"ptr":"0x10"}', 't:2: calloc without "count"'],
    ['{"op":"realloc","size":1,"ptr":"0x10"}', 't:2: realloc without "old"'],
    ['{"op":"memalign","size":1,"ptr":"0x10"}', 't:2: memalign without "alignment"'],
    ['{"op":"malloc","size":-1,"ptr":"0x10"}', 't:2: "size" is not an integer from 0 to 2^63 - 1'],
    ['{"op":"malloc","size":1.5,"ptr":"0x10"}', 't:2: "size" is not an integer'],
    ['{"op":"malloc","size":1e-3,"ptr":"0x10"}', 't:2: "size" is not an integer'],
    ['{"op":"malloc","size":1e99,"ptr":"0x10"}', 't:2: "size" is not an integer'],
    ['{"op":"malloc","size":1e999999999,"ptr":"0x10"}', 't:2: "size" is not an integer'],
    ['{"op":"malloc","size":4.,"ptr":"0x10"}', 't:2: not JSON'],
    ['{"op":"malloc","size":"1","ptr":"0x10"}', 't:2: "size" is not an integer'],
    ['{"op":"malloc","size":null,"ptr":"0x10"}', 't:2: malloc without "size"'],
    ['{"op":"free","ptr":null}', 't:2: free without "ptr"'],
    ['{"op":"malloc","size":9223372036854775808,"ptr":"0x10"}', 't:2: "size" is not an integer from 0 to 2^63 - 1'],
    ['{"op":"malloc","size":123456789012345678901234567890,"ptr":"0x10"}', 't:2: "size" is not an integer'],
    ['{"op":"malloc","size":1,"ptr":16}', 't:2: "ptr" is not an address'],
    ['{"op":"malloc","size":1,"ptr":"16"}', 't:2: "ptr" is not an address'],
    ['{"op":"malloc","size":1,"ptr":"0x"}', 't:2: "ptr" is not an address'],
    ['{"op":"malloc","size":1,"ptr":"0x10g"}', 't:2: "ptr" is not an address'],
    ['{"op":"malloc","size":1,"ptr":"0x11112222333344445"}', 't:2: "ptr" is not an address'],
    ['{"op":"free","ptr":"0x10","ts":-4}', 't:2: "ts" is not an integer'],
    ['{"op":"free","ptr":"0x10","ts":9223372036854775808}', 't:2: "ts" is not an integer from 0 to 2^63 - 1'],
    ['{"op":"free","ptr":"0x10","ts":18446744073709551615}', 't:2: "ts" is not an integer from 0 to 2^63 - 1'],
    ['{"op":"free","ptr":"0x10","ts":18446744073709551620}', 't:2: "ts" is not an integer from 0 to 2^63 - 1'],
    ['{"op":"free","ptr":"0x10","tid":1.5}', 't:2: "tid" is not an integer'],
    ['{"op":"free","ptr":"0x10","stack":4}', 't:2: stack 4 was not defined before'],
    ['{"op":"trace","version":1}', 't:2: the trace line comes after events'],
    ['{"op":"stack","id":1}', 't:2: stack without a list of "frames"'],
    ['{"op":"stack","frames":[]}', 't:2: stack without "id"'],
    ['{"op":"stack","id":1,"frames":[1]}', 't:2: a frame is neither'],
    ['{"op":"stack","id":1,"frames":[{"pc":12}]}', 't:2: "pc" is not a 64-bit number'],
    ['{"op":"stack","id":1,"frames":[{"fn":"f","inlined":[{"fn":"g","inlined":[{"fn":"h"}]}]}]}', 't:2: "inlined" within "inlined"'],
    ['{"op":"thread"}', 't:2: thread without "tid"'],
    ['{"op":"trace","version":1,"end":true}', 't:2: the trace line comes after events'],
    ['{"op":"maps"}', 't:2: maps without "text"'],
    ['{"op":"free","ptr":"0x\0\0"}', 't:2: NUL bytes'],
  ])('%s', (line, message) => {
    expect(() => read(`${good}${line}\n${good}`)).toThrow(message);
  });

  test.each([
    ['{"op":"trace"}', 't:1: trace without "version"'],
    ['{"op":"trace","version":2}', 't:1: version 2 of the trace format is not known'],
    ['{"op":"trace","version":"1"}', 't:1: "version" is not a number'],
    ['{"op":"trace","version":1,"clock":"us"}', 't:1: "clock" is not "ns"'],
    ['{"op":"trace","version":1,"start_ts":1.5}', 't:1: "start_ts" is not an integer'],
    ['{"op":"trace","version":1,"start_ts":9223372036854775808}', 't:1: "start_ts" is not an integer'],
    ['{"op":"trace","version":1,"pid":"4"}', 't:1: "pid" is not an integer'],
    ['\u2028\t', 't:1: not JSON'],
  ])('%s', (line, message) => expect(() => read(`${line}\n`)).toThrow(message));

  test.each([
    ['"notes":["a",1]', '"notes" is not a list of strings'],
    ['"skipped":[1]', '"skipped" is not an object of counts'],
    ['"skipped":{"lost":-1}', '"lost" is not an integer'],
    ['"partial":1', '"partial" is neither true nor false'],
    ['"timed":null', '"timed" is neither true nor false'],
    ['"clock_start":7', '"clock_start" is not a string of digits'],
    ['"clock_start":"9223372036854775808"', '"clock_start" is not a string of digits, up to 2^63 - 1'],
  ])('an end with %s', (field, message) => {
    expect(() => read(`{"op":"trace","version":1}\n${good}{"op":"trace","version":1,"end":true,${field}}\n`)).toThrow(`t:3: ${message}`);
  });

  test('a line of 70 MB; one of 10 MB, as the mappings of a large process take, is read', () => {
    const line = (bytes: number) => Buffer.from(`${good}{"op":"maps","text":"${'x'.repeat(bytes)}"}\n`);
    expect(read(line(10_000_000), [5_000_000]).trace.header.maps).toHaveLength(10_000_000);
    const mapping = '55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/redis-server\n';
    const maps = mapping.repeat(150_000);
    const mapped = `${good}{"op":"maps","text":${JSON.stringify(maps)},"more":"\\\\"}\n`;
    for (const keepFields of [false, true]) {
      const { header } = read(mapped, [], keepFields).trace;
      expect(header.maps === maps).toBe(true);
      expect(header.mapsFields).toBe(keepFields ? '"more":"\\\\"' : undefined);
    }
    expect(() => read(line(70_000_000), [35_000_000])).toThrow('t:2: a line of more than 67108864 bytes');
  });

  test('a stack that was not defined: the hint says what a part of a trace lacks', () => {
    expect(() => read('{"op":"free","ptr":"0x10","stack":4}\n')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('stack lines stand before the events') }),
    );
  });

  const nested = (open: string, close: string) => `${open.repeat(200_000)}1${close.repeat(200_000)}`;
  test.each([
    ['versions', `{"op":"trace","version":${nested('[', ']')}}`, 't:1: "version" is not a number'],
    ['frames', `{"op":"stack","id":0,"frames":[${nested('{"inlined":[', ']}')}]}`, 't:1: "inlined" within "inlined"'],
  ])('%s within each other, deeper than a call stack', (_, line, message) => {
    for (const keepFields of [false, true]) expect(() => read(`${line}\n`, [], keepFields)).toThrow(message);
  });

  test('more notes than a call has arguments', () => {
    const notes = Array.from({ length: 400_000 }, () => '"n"').join(',');
    expect(read(`{"op":"trace","version":1}\n{"op":"trace","version":1,"end":true,"notes":[${notes}]}\n`).trace.warnings).toHaveLength(
      400_000,
    );
  });

  test('the largest size is taken', () => {
    expect(read('{"op":"malloc","size":9223372036854775807,"ptr":"0x0"}\n').rows[0].size).toBe(2 ** 63);
  });

  test.each([
    '{"op":"malloc","ts":9007199254740993,"size":9223372036854775807,"ptr":"0x0","note":"\\u20ac"}',
    '{"\\u006fp":"malloc","ts":9007199254740993,"s\\u0069ze":9223372036854775807,"ptr":"0x0"}',
    '{"op":"m\\u0061lloc" , "note":["\\"size\\":1"],"ts":9007199254740993, "size" :\t9223372036854775807,"ptr":"\\u0030x\\u0030"}',
  ])('letters may be spelt with escapes, and numbers keep their digits: %s', (line) => {
    const plain = '{"op":"malloc","ts":9007199254740993,"size":9223372036854775807,"ptr":"0x0"}';
    expect(read(`${line}\n`).rows).toEqual(read(`${plain}\n`).rows);
    expect(read(`${line}\n`).trace.header.startTime).toBe(9007199254740993n);
  });
});

describe('as other programs write JSON', () => {
  test.each([
    ['24.0', 24],
    ['1e3', 1000],
    ['1.5E+3', 1500],
    ['2400e-2', 24],
    ['-0', 0],
    ['0e999', 0],
    ['9007199254740992.0', 2 ** 53],
    ['1.7E18', 1.7e18],
  ])('a whole number may be spelt %s', (text, value) => {
    const { rows, trace } = read(
      `{"op":"trace","version":1,"start_ts":-0}\n{"op":"calloc","ts":${text},"tid":7.0,"cpu":3.0,"count":2e0,"size":${text},"ptr":"0x10"}\n`,
    );
    expect(rows).toEqual([{ op: 'calloc', thread: 0, time: value, ptr: 16, old: 0, size: value, extra: 2, stack: -1, cpu: 3 }]);
    expect(trace.threads.tids).toEqual([7]);
  });

  test('the first line is known by its op, spelt with escapes or not', () => {
    const sure = (text: string) => ndjson.sniff(Buffer.from(text));
    expect(sure('{"size":1,"\\u006fp":"malloc","ptr":"0x10"}\n')).toBeGreaterThan(0.5);
    expect(sure('{"size":1,"\\u006fq":"malloc","ptr":"0x10"}\n')).toBe(0);
  });

  test('null is no value', () => {
    const text = [
      '{"op":"trace","version":1,"pid":null,"ncpus":null,"command":null,"start_ts":null,"clock":null,"mmap_top":null}',
      '{"op":"stack","id":0,"frames":[{"pc":"0x10","fn":"f","file":null,"line":null,"module":null,"inlined":null}]}',
      '{"op":"thread","tid":0,"name":null,"prng_seed":null}',
      '{"op":"malloc","ts":null,"tid":null,"size":24,"ptr":"0x10","old":null,"count":null,"alignment":null,"stack":0,"cpu":null}',
      '{"op":"free","ts":null,"tid":null,"size":null,"ptr":"0x10","old":null,"count":null,"alignment":null,"stack":null,"cpu":null}',
    ];
    const plain = [
      '{"op":"stack","id":0,"frames":[{"pc":"0x10","fn":"f"}]}',
      '{"op":"malloc","size":24,"ptr":"0x10","stack":0}',
      '{"op":"free","ptr":"0x10"}',
    ];
    const { rows, trace } = read(text.join('\n'), [], true);
    const expected = read(plain.join('\n'), [], true);
    expect(rows).toEqual(expected.rows);
    expect(trace).toEqual(expected.trace);
  });
});

describe('the last line', () => {
  test('zeros, which a crash leaves of blocks that were not written, are a torn line', () => {
    const { trace, rows } = read('{"op":"free","ptr":"0x10"}\n\0\0\0\0');
    expect([rows.length, trace.partial, trace.skipped.torn]).toEqual([1, true, 1]);
  });

  test('whole but without newline', () => {
    const { trace, rows } = read('{"op":"free","ptr":"0x10"}');
    expect([rows.length, trace.partial, trace.skipped.torn]).toEqual([1, false, undefined]);
  });

  test('torn anywhere', () => {
    const lines = NDJSON_EXAMPLE.trimEnd().split('\n');
    for (let length = 1; length < lines[9].length; length++) {
      const { trace, rows } = read(`${lines.slice(0, 9).join('\n')}\n${lines[9].slice(0, length)}`);
      expect([rows.length, trace.partial, trace.skipped.torn]).toEqual([5, true, 1]);
    }
  });
});

describe('properties', () => {
  test('the cuts between chunks do not matter', () => {
    const whole = read(NDJSON_EXAMPLE);
    for (let cut = 0; cut <= NDJSON_EXAMPLE.length; cut++) {
      const parts = read(NDJSON_EXAMPLE, [cut]);
      expect(parts.rows).toEqual(whole.rows);
    }
    const bytewise = read(
      NDJSON_EXAMPLE,
      Array.from({ length: NDJSON_EXAMPLE.length }, (_, i) => i),
    );
    expect(bytewise.rows).toEqual(whole.rows);
    expect(bytewise.trace).toEqual(whole.trace);
  });

  test('scanning agrees with JSON.parse on what is an object', () => {
    const line = new EventLine();
    const key = fc.oneof(fc.constantFrom('op', 'ts', 'tid', 'size', 'ptr', 'old', 'count', 'alignment', 'stack'), fc.string());
    fc.assert(
      fc.property(fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.nat(), fc.constantFrom(...OP_NAMES))), fc.nat(3), (object, indent) => {
        const bytes = Buffer.from(JSON.stringify(object, null, indent).replaceAll('\n', ' '));
        expect(line.scan(bytes, 0, bytes.length)).toBe(true);
        for (const name of ['size', 'tid', 'stack', 'count', 'alignment'] as const) {
          const value = object[name];
          const bit = { size: 8, tid: 4, stack: 256, count: 64, alignment: 128 }[name];
          const isThere = Object.hasOwn(object, name) && value !== null;
          expect((line.present & bit) !== 0).toBe(isThere);
          const most = name === 'tid' ? 2 ** 53 : 2 ** 63;
          const taken = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < most;
          if (isThere) expect((line.bad & bit) === 0).toBe(taken);
          if (taken) expect(line[name]).toBe(value + 0);
        }
      }),
    );
  });

  test('random bytes and damaged lines give InputError or rows, nothing else', () => {
    const bytes = Buffer.from(NDJSON_EXAMPLE);
    fc.assert(
      fc.property(withOtherBytes(bytes, 8), fc.option(fc.nat(bytes.length - 1)), (damaged, cut) => {
        try {
          read(damaged, cut === null ? [] : [cut]);
        } catch (error) {
          expect((error as Error).name).toBe('InputError');
        }
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        try {
          read(noise);
        } catch (error) {
          expect((error as Error).name).toBe('InputError');
        }
      }),
    );
  });

  const frame = fc.oneof(
    fc.record({ pc: fc.bigInt(0n, 2n ** 64n - 1n) }),
    fc.record({ fn: fc.string() }),
    fc.record(
      {
        pc: fc.bigInt(0n, 2n ** 64n - 1n),
        fn: fc.string(),
        file: fc.string(),
        line: fc.nat(),
        module: fc.string(),
        offset: fc.nat(),
        inlined: fc.array(fc.record({ fn: fc.string() }), { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  );
  const address = fc.oneof(fc.constant(0), fc.bigInt(0n, 2n ** 52n - 1n).map(Number));
  const size = fc.oneof(fc.nat(), fc.bigInt(0n, 2n ** 62n).map(Number));
  const rows = fc.array(
    fc.record({
      op: fc.nat(Op.malloc_usable_size),
      tid: fc.nat(3),
      step: fc.nat(2e9),
      ptr: address,
      old: address,
      size,
      extra: size,
      stack: fc.integer({ min: -1, max: 3 }),
      cpu: fc.constantFrom(-1, 0, 1, 9, 32767),
    }),
    { minLength: 1, maxLength: 60 },
  );

  test('what is written reads back the same', () => {
    fc.assert(
      fc.property(
        rows,
        fc.array(fc.array(frame, { maxLength: 4 }), { maxLength: 4 }),
        fc.bigInt(0n, 2n ** 62n),
        fc.boolean(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (events, stacks, start, timed, other) => {
          const trace = new Trace();
          Object.assign(trace.header, {
            source: 'x',
            timed,
            startTime: timed ? start : 0n,
            startTimeGiven: true,
            mmapTop: 5n,
            maps: 'a\nb',
          });
          for (const key of [
            'op',
            'version',
            'clock',
            'command',
            'source',
            'pid',
            'ncpus',
            'page_size',
            'start_ts',
            'mmap_top',
            'prng_seed',
          ])
            delete other[key];
          const members = Object.entries(other).map(([key, value]) => [key, `${JSON.stringify(key)}:${JSON.stringify(value)}`] as const);
          if (members.length > 0) trace.header.other = new Map(members);
          const ids = stacks.map((frames) => trace.stacks.intern(frames.map((one) => trace.stacks.frames.intern(one))));
          const batch = new EventBatch();
          let time = 0;
          events.forEach((event, row) => {
            time = timed ? time + event.step : row;
            const { op } = event;
            batch.op[row] = op;
            batch.thread[row] = trace.threads.intern(event.tid);
            trace.threads.names[batch.thread[row]] = `thread ${event.tid} "é"`;
            batch.time[row] = time as Nanoseconds;
            batch.ptr[row] = event.ptr;
            batch.old[row] = op === Op.realloc || op === Op.reallocarray ? event.old : 0;
            batch.size[row] = (op < Op.free ? event.size : 0) as Bytes;
            batch.extra[row] = op === Op.calloc || (op >= Op.reallocarray && op <= Op.memalign) ? event.extra : 0;
            batch.stack[row] = ids[event.stack] ?? -1;
            if (event.cpu >= 0) (batch.cpu ??= new Int16Array(batch.capacity).fill(-1))[row] = event.cpu;
          });
          batch.length = events.length;
          const text = write(trace, [batch]);
          const back = read(text);
          expect(back.rows.map(({ stack, ...row }) => row)).toEqual(rowsOf(batch).map(({ stack, ...row }) => row));
          const framesOf = (from: Trace, stack: number) =>
            Array.from(from.stacks.framesOf(stack as never), (index) => from.stacks.frames.frames[index]);
          expect(back.rows.map((row) => framesOf(back.trace, row.stack))).toEqual(rowsOf(batch).map((row) => framesOf(trace, row.stack)));
          expect(back.trace.threads.tids).toEqual(trace.threads.tids);
          expect(back.trace.threads.names).toEqual(trace.threads.names);
          const { startTimeGiven, ...header } = back.trace.header;
          const { startTimeGiven: _, ...expected } = trace.header;
          expect(header).toEqual(expected);
          expect(write(back.trace, []).split('\n')[0]).toBe(text.split('\n')[0]);
        },
      ),
    );
  });
});

describe('what a recording says late', () => {
  function batchOf(rows: readonly [op: Op, thread: number, time: number, ptr: number][]): EventBatch {
    const batch = new EventBatch(rows.length);
    rows.forEach(([op, thread, time, ptr], row) => {
      batch.op[row] = op;
      batch.thread[row] = thread as ThreadIndex;
      batch.time[row] = time as Nanoseconds;
      batch.ptr[row] = ptr;
    });
    batch.length = rows.length;
    return batch;
  }

  /** Thread rows 0 and 3 have events, 1 shares its id with 3, 2 is named before and 4 after the events. */
  function lateText(): string {
    const trace = new Trace();
    const { threads } = trace;
    for (const tid of [10, 11, 12]) threads.intern(tid);
    threads.forget(11);
    threads.intern(11);
    threads.names[2] = 'idle';
    const pieces: Uint8Array[] = [];
    const writer = new NdjsonWriter(trace, (bytes) => pieces.push(bytes));
    writer.batch(batchOf([[Op.malloc, 0, 0, 0x10]]));
    writer.batch(batchOf([[Op.free, 3, 5, 0x10]]));
    threads.intern(13);
    threads.names[0] = 'main';
    threads.prngSeeds[3] = 2n ** 63n;
    Object.assign(trace.header, {
      pid: 10,
      startTime: 1_784_000_000_123_456_789n,
      timed: false,
      maps: 'm',
      other: new Map([['x', '"x":2']]),
    });
    trace.header.timed = true;
    trace.skip('lost', 3);
    trace.warnings.push('lost some');
    trace.partial = true;
    writer.end();
    return Buffer.concat(pieces).toString('utf8');
  }

  test('stands after the events', () => {
    expect(lateText()).toBe(`{"op":"trace","version":1,"clock":"ns"}
{"op":"malloc","ts":0,"tid":10,"size":0,"ptr":"0x10"}
{"op":"thread","tid":11,"nth":1}
{"op":"thread","tid":12,"nth":2,"name":"idle"}
{"op":"thread","tid":11,"nth":3}
{"op":"free","ts":5,"tid":11,"ptr":"0x10"}
{"op":"maps","text":"m"}
{"op":"thread","tid":10,"nth":0,"name":"main"}
{"op":"thread","tid":11,"nth":3,"prng_seed":"0x8000000000000000"}
{"op":"thread","tid":13,"nth":4}
{"op":"trace","version":1,"clock":"ns","end":true,"pid":10,"clock_start":"1784000000123456789","skipped":{"lost":3},"notes":["lost some"],"partial":true,"x":2}
`);
  });

  /** What is written of a trace that is read with all its fields. */
  function copied(text: string): string {
    const trace = new Trace();
    const pieces: Uint8Array[] = [];
    const writer = new NdjsonWriter(trace, (bytes) => pieces.push(bytes));
    const reader = ndjson.open(trace, (batch) => writer.batch(batch), { name: 't', keepFields: true });
    reader.write(Buffer.from(text));
    reader.end();
    writer.end();
    return Buffer.concat(pieces).toString('utf8');
  }

  test.each([
    [
      'maps behind events, and threads without any',
      `{"op":"trace","version":1,"clock":"ns","start_ts":5}
{"op":"malloc","ts":5,"tid":0,"size":1,"ptr":"0x10"}
{"op":"free","ts":9,"tid":0,"ptr":"0x10"}
{"op":"maps","text":"m"}
{"op":"thread","tid":7,"name":"idle","prng_seed":"0x5","more":[1.50]}
{"op":"thread","tid":9}
`,
    ],
    [
      'a start and no times',
      `{"op":"trace","version":1,"clock":"ns","start_ts":1700000000000000000}
{"op":"malloc","tid":0,"size":1,"ptr":"0x10"}
{"op":"free","tid":0,"ptr":"0x10"}
`,
    ],
  ])('%s: written as it was', (_, text) => expect(copied(text)).toBe(text));

  test('fields that are not known of each of two headers are kept', () => {
    const event = '{"op":"free","tid":0,"ptr":"0x0"}\n';
    const header = (fields: string) => `{"op":"trace","version":1,"clock":"ns",${fields}}\n`;
    expect(copied(header('"a":1,"b":2') + header('"b":3,"c":4') + event)).toBe(header('"a":1,"b":3,"c":4') + event);
  });

  test('is read as it was, and written as it was', () => {
    const text = lateText();
    const { trace, rows } = read(text);
    expect(rows.map(({ time }) => time)).toEqual([0, 5]);
    expect(trace.header).toMatchObject({ pid: 10, startTime: 1_784_000_000_123_456_789n, timed: true, maps: 'm' });
    expect(trace.header.other).toEqual(new Map([['x', '"x":2']]));
    expect(trace.threads.tids).toEqual([10, 11, 12, 11, 13]);
    expect(trace.threads.names).toEqual(['main', undefined, 'idle', undefined, undefined]);
    expect(trace.threads.prngSeeds[3]).toBe(2n ** 63n);
    expect({ ...trace.skipped, notes: trace.warnings, partial: trace.partial }).toEqual({ lost: 3, notes: ['lost some'], partial: true });

    expect(copied(text)).toBe(text);
  });
});
