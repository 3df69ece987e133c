/**
 * What reading takes as inputs grow: twice as many threads, addresses, stacks or frames of one stack take about twice the time, whatever the format.
 * Invariant: a case is large enough that a search through all of its kind would outweigh the rest.
 */
import { expect, test } from 'vitest';
import { Trace } from '../core/trace/trace.ts';
import { growthOf, MOST_GROWTH } from '../fixtures/growth.ts';
import { memleak } from './bcc/memleak.ts';
import { bpftrace } from './bpftrace/bpftrace.ts';
import type { TraceFormat } from './format.ts';
import { heaptrack } from './heaptrack/heaptrack.ts';
import { ltrace } from './ltrace/ltrace.ts';
import { mtrace } from './mtrace/mtrace.ts';
import { ndjson } from './ndjson/reader.ts';
import { ftrace } from './perf/ftrace.ts';
import { perfScript } from './perf/perf_script.ts';
import { utrace } from './utrace/utrace.ts';
import { valgrind } from './valgrind/valgrind.ts';

/** Reads all, in chunks as they come from files. */
function read(format: TraceFormat, bytes: Uint8Array): void {
  let events = 0;
  const reader = format.open(
    new Trace(),
    (batch) => {
      events += batch.length;
    },
    { name: 'trace' },
  );
  for (let at = 0; at < bytes.length; at += 65536) reader.write(bytes.subarray(at, at + 65536));
  reader.end();
  expect(events).toBeGreaterThan(0);
}

/** One line or more for each of so many. */
const each = (count: number, line: (index: number) => string): string[] => Array.from({ length: count }, (_, index) => line(index));
const hex = (value: number): string => `0x${value.toString(16)}`;
const block = (index: number): string => hex(0x5600_0000_0010 + index * 272);
const code = (index: number): string => hex(0x5500_0000_1000 + index * 16);
/** Times with six digits behind the point, and without. */
const seconds = (index: number): string => (870 + index / 1e6).toFixed(6);
const clock = (index: number): string => `12:${String(10 + Math.floor(index / 60e6))}:${(index / 1e6 + 10).toFixed(6)}`;

const ndjsonEvent = (index: number, thread: number, stack = -1): string =>
  `{"op":"malloc","ts":${index},"tid":${thread},"size":16,"ptr":"${block(index)}"${stack < 0 ? '' : `,"stack":${stack}`}}`;
const perfCall = (thread: number, index: number): string =>
  `  app ${thread} [000] ${seconds(2 * index)}: probe_libc:malloc: (7f3f44f3f930) size=16\n  app ${thread} [000] ${seconds(2 * index + 1)}: probe_libc:malloc__return: (7f3f44f3f930 <- 56402906e32d) ret=${block(index)}`;
/** Calls of functions of a library that is mapped at `base`. */
const perfCallAt = (process: number, base: number, index: number): string => {
  const at = (place: number): string => (base + place).toString(16);
  const line = (tick: number, event: string): string =>
    `  app ${process}/${process} [000] ${seconds(4 * index + tick)}: probe_libc:${event}`;
  return [
    line(0, `malloc: (${at(0x98930)}) size=16`),
    line(1, `malloc__return: (${at(0x98930)} <- 56402906e32d) ret=${block(index)}`),
    line(2, `realloc: (${at(0x99930)}) ptr=0x0 size=32`),
    line(3, `free: (${at(0x99000)}) ptr=${block(index)}`),
  ].join('\n');
};
const ftraceCall = (thread: number, index: number): string =>
  `  app-${thread} [000] DBZff ${seconds(2 * index)}: malloc: (0x7efec47e5930) size=16\n  app-${thread} [000] DBZff ${seconds(2 * index + 1)}: malloc__return: (0x55c1cb1f2c8e <- 0x7efec47e5930) ret=${block(index)}`;
const bpftraceCall = (process: number, thread: number, index: number): string =>
  `${1000 + index} ${process} ${thread} malloc(16) = ${block(index)}`;
const memleakLine = (index: number, message: string): string => `(b'app', 7, 1, b'...11', ${seconds(index)}, b'alloc ${message}')`;
/** What begins a recording by heaptrack. */
const HEAPTRACK = ['v 10400 2', 'X app', 's 3 app', 'I 1000 1', 's 1 f', 's 1 g'];

const RAW_HEAPTRACK = ['v 10400 3', 'x 4 /app', 'X app', 'I 1000 1'];
const mapped = (index: number): string => (0x10_0000 + index * 0x1000).toString(16);

const CASES: readonly (readonly [what: string, format: TraceFormat, count: number, lines: (count: number) => string[]])[] = [
  ['threads of NDJSON', ndjson, 10_000, (count) => each(count, (i) => ndjsonEvent(i, 1000 + i))],
  ['addresses of NDJSON', ndjson, 20_000, (count) => each(count, (i) => ndjsonEvent(i, 1))],
  [
    'stacks of NDJSON',
    ndjson,
    8_000,
    (count) => each(count, (i) => `{"op":"stack","id":${i},"frames":["${code(i)}"]}\n${ndjsonEvent(i, 1, i)}`),
  ],
  [
    'frames of a stack of NDJSON',
    ndjson,
    20_000,
    (count) => [`{"op":"stack","id":0,"frames":[${each(count, (i) => `"${code(i)}"`).join(',')}]}`, ndjsonEvent(0, 1, 0)],
  ],
  ['threads of perf', perfScript, 15_000, (count) => each(count, (i) => perfCall(1000 + i, i))],
  ['threads of ftrace', ftrace, 15_000, (count) => each(count, (i) => ftraceCall(1000 + i, i))],
  ['threads of bpftrace', bpftrace, 10_000, (count) => each(count, (i) => bpftraceCall(100, 1000 + i, i))],
  ['processes of bpftrace', bpftrace, 10_000, (count) => each(count, (i) => bpftraceCall(1000 + i, 1000 + i, i))],
  ['threads of ltrace', ltrace, 15_000, (count) => each(count, (i) => `${1000 + i} ${clock(i)} malloc(16) = ${block(i)}`)],
  [
    'processes of perf, each with a library of its own',
    perfScript,
    8_000,
    (count) => each(count, (i) => perfCallAt(1000 + i, 0x7f00_0000_0000 + i * 0x100_0000, i)),
  ],
  ['addresses of perf', perfScript, 15_000, (count) => each(count, (i) => perfCall(1000, i))],
  ['addresses of ftrace', ftrace, 15_000, (count) => each(count, (i) => ftraceCall(1000, i))],
  ['addresses of bpftrace', bpftrace, 20_000, (count) => each(count, (i) => bpftraceCall(100, 100, i))],
  ['addresses of ltrace', ltrace, 20_000, (count) => each(count, (i) => `100 ${clock(i)} malloc(16) = ${block(i)}`)],
  ['addresses of mtrace', mtrace, 20_000, (count) => ['= Start', ...each(count, (i) => `@ app:[${code(i & 7)}] + ${block(i)} 0x10`)]],
  ['callers of mtrace', mtrace, 6_000, (count) => ['= Start', ...each(count, (i) => `@ app:[${code(i)}] + ${block(i)} 0x10`)]],
  [
    'addresses of valgrind',
    valgrind,
    30_000,
    (count) => each(count, (i) => `--2952-- malloc(16) = ${block(i).toUpperCase().replace('X', 'x')}`),
  ],
  [
    'allocations of memleak that do not return',
    memleak,
    15_000,
    (count) => [
      ...each(count, (i) => memleakLine(i, 'entered, size = 8')),
      ...each(count, (i) => memleakLine(i, `exited, size = 9, result = ${1000 + i}`)),
    ],
  ],
  ['processes of utrace', utrace, 20_000, (count) => each(count, (i) => ` ${1000 + i} app      USER  ${block(i)} = malloc(16)`)],
  [
    'frames of heaptrack, one below the other',
    heaptrack,
    10_000,
    (count) => [
      ...HEAPTRACK,
      ...each(count, (i) => `i ${(0x1000 + i).toString(16)} 1\nt ${(i + 1).toString(16)} ${i.toString(16)}`),
      `a 10 ${count.toString(16)}`,
      '+ 0',
    ],
  ],
  [
    'stacks of heaptrack, side by side',
    heaptrack,
    10_000,
    (count) => [
      ...HEAPTRACK,
      ...each(
        count,
        (i) => `i ${(0x1000 + i).toString(16)} 1\nt ${(i + 1).toString(16)} 0\na 10 ${(i + 1).toString(16)}\n+ ${i.toString(16)}`,
      ),
    ],
  ],
  [
    'modules of heaptrack, each with a call behind it',
    heaptrack,
    6_000,
    (count) => [...RAW_HEAPTRACK, ...each(count, (i) => `m 2 /a ${mapped(i)} 0 100\nt ${mapped(i)} 0\n+ 10 ${(i + 1).toString(16)} 5000`)],
  ],
  [
    'listings of heaptrack, each of a module elsewhere',
    heaptrack,
    6_000,
    (count) => [
      ...RAW_HEAPTRACK,
      ...each(count, (i) => `m 1 -\nm 2 /a ${mapped(i)} 0 100\nt ${mapped(i)} 0\n+ 10 ${(i + 1).toString(16)} 5000`),
    ],
  ],
];

/** Lines that names make long, with an event behind them: the line itself may be none. */
const LONG_LINES: typeof CASES = [
  [
    'colons before brackets in a place of mtrace',
    mtrace,
    60_000,
    (count) => [`@ app${':('.repeat(count)}[0x1] + 0x10 0x10`, '@ app:[0x1] + 0x10 0x10'],
  ],
  ['addresses in a place of mtrace', mtrace, 60_000, (count) => [`@ app${'[0'.repeat(count)}[0x1] + 0x10 0x10`, '@ app:[0x1] + 0x10 0x10']],
  ['blanks in a command of utrace', utrace, 60_000, (count) => [` 7 a${' '.repeat(count)}b USER  0x10 = malloc(1)`]],
];

test.each([...CASES, ...LONG_LINES])('four times as many %s take less than ten times as long', (_, format, count, lines) => {
  const [once, fourfold] = [count / 2, 2 * count].map((size) => Buffer.from(`${lines(size).join('\n')}\n`));
  const growth = growthOf(
    () => read(format, once),
    () => read(format, fourfold),
  );
  expect(growth).toBeLessThan(MOST_GROWTH);
});
