import { describe, expect, test } from 'vitest';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, tally } from '../../fixtures/tally.ts';
import { heaptrack } from '../heaptrack/heaptrack.ts';
import { sniffFormat } from '../index.ts';
import { ltrace } from '../ltrace/ltrace.ts';
import { logalloc } from './logalloc.ts';

const utf8 = new TextEncoder();
const read = (text: string, options = {}) => tally(logalloc, utf8.encode(text), options);
const columns = (line: string) => {
  const [op, thread, , ptr, old, size, extra] = line.split(' ');
  return [op, thread, ptr, old, size, extra].join(' ');
};
/** The log of the documentation. */
const EXAMPLE = `18545 18545 malloc(32)=0x7f90495120e0
18545 18545 calloc(1,148)=0x7f9049537480
18545 18545 realloc(0x7f90495120e0,64)=0x7f9049536680
18545 18545 posix_memalign(256,240)=0x7f9049583300
18545 18545 jemalloc_stats()
18545 18545 free(0x7f9049536680)
`;
/** The same, preprocessed. */
const MUNGED = `1 1 malloc(32)=#1
1 1 calloc(1,148)=#2
1 1 realloc(#1,64)=#1
1 1 posix_memalign(256,240)=#3
1 1 jemalloc_stats()
1 1 free(#1)
`;

test('the documented example, as written and preprocessed', () => {
  const result = read(EXAMPLE);
  expect(result.text.map(columns)).toEqual([
    `malloc 0 ${0x7f90495120e0} 0 32 0`,
    `calloc 0 ${0x7f9049537480} 0 148 1`,
    `realloc 0 ${0x7f9049536680} ${0x7f90495120e0} 64 0`,
    `posix_memalign 0 ${0x7f9049583300} 0 240 256`,
    `free 0 ${0x7f9049536680} 0 0 0`,
  ]);
  expect({ ...result.trace.skipped }).toEqual({ note: 1 });
  expect(result.trace.header).toMatchObject({ source: 'logalloc', pid: 18545, timed: false });
  const munged = read(MUNGED);
  expect(munged.ledger.totalLiveBytes).toBe(result.ledger.totalLiveBytes);
  expect(munged.text.map(columns)[2]).toBe('realloc 0 16 16 64 0');
});

test.each([
  ['7 aligned_alloc(64,128)=0x40', 'aligned_alloc 0 64 0 128 64'],
  ['7 9 memalign(64,128)=0x40', 'memalign 0 64 0 128 64'],
  ['7 9 valloc(128)=0x1000', 'valloc 0 4096 0 128 0'],
  ['7 9 malloc(99)=(nil)', 'malloc 0 0 0 99 0'],
  ['7 140514020472640 realloc(0x0,99)=0x10', 'realloc 0 16 0 99 0'],
])('%s', (line, expected) => {
  expect(read(`${line}\r\n`).text.map(columns)).toEqual([expected]);
});

test('libraries of one’s own print no ids, blanks and semicolons; a process is asked for that they do not name', () => {
  const text =
    'malloc(32) = 0x10\nrealloc(0x10, 64) = 0x20;\nreallocarray(0x20, 2, 64)=0x30\ncalloc(2, 8) = (nil)\nfree(0x30)\nfree((nil))\n';
  expect(sniffFormat(utf8.encode(text))).toBe(logalloc);
  const result = read(text, { pid: 7 });
  expect(result.text.map(columns)).toEqual([
    'malloc 0 16 0 32 0',
    'realloc 0 32 16 64 0',
    'reallocarray 0 48 32 64 2',
    'calloc 0 0 0 8 2',
    'free 0 48 0 0 0',
    'free 0 0 0 0 0',
  ]);
  expect(result.trace.warnings).toEqual([expect.stringContaining('does not say of which')]);
});

// Forms of public libraries and hooks.
describe.each([
  ['a mark', '[HOOK] malloc(24) = 0x10 (call #1)\n[HOOK] calloc(2, 8) -> 0x20\n[HOOK] free(0x10)\n', 'around', []],
  ['a place', 'malloc(24) = 0x10 at main.c:12\ncalloc(2, 8) = 0x20 at main.c:13\nfree(0x10) at main.c:25\n', 'behind', []],
  [
    'malloc_count',
    'malloc_count ### malloc(24) = 0x30   (current 24)\nmalloc_count ### realloc(0x30 -> 0x10, 24 -> 8)   (current 8)\nmalloc_count ### calloc(2,8) = 0x20\nmalloc_count ### free(0x10) -> 8   (current 16)\n',
    'around',
    ['malloc 0 48 0 24 0', 'realloc 0 16 48 8 0'],
  ],
  ['words', '7: DEBUG malloc(24) returned 0x10\n7: DEBUG CALLOC(2, 8) => 0x20\n7: DEBUG free(0x10) called\n', 'before', []],
  ['heaptrace', '... #1: malloc(0x18)\t\t=  0x10\n... #2: calloc(0x02, 0x08)\t=  0x20\n... #3: free(#1)\t\t  (#1=0x10)\n', 'before', []],
] as const)('calls amid %s', (_, text, where, before) => {
  test('are read, and what is passed over is said', () => {
    expect(sniffFormat(utf8.encode(text))).toBe(logalloc);
    const { text: events, trace } = read(text);
    const rest = before.length > 0 ? before : ['malloc 0 16 0 24 0'];
    expect(events.map(columns)).toEqual([...rest, 'calloc 0 32 0 8 2', 'free 0 16 0 0 0']);
    expect(trace.warnings).toEqual([
      expect.stringContaining(`what stands ${where} the calls, as in "${JSON.parse(JSON.stringify(text)).slice(0, 9)}`),
    ]);
  });
});

test('the caller that RIOT’s malloc_tracing prints is the stack; dots of a program’s progress may stand before a call', () => {
  const text = 'malloc(24) @0x8001737 returned 0x10\n.calloc(2, 8) @0x8001739 returned 0x20\nfree(0x10) @0x80017fd)\n';
  expect(sniffFormat(utf8.encode(text))).toBe(logalloc);
  const { text: events, trace } = read(text);
  expect(events.map((event) => event.split(' ').at(-1))).toEqual(['0', '1', '2']);
  expect(trace.stacks.frames.frames.map(({ pc }) => pc)).toEqual([0x8001737n, 0x8001739n, 0x80017fdn]);
});

test('amid other things, too, addresses with tags stay apart, and there is no size beyond 64 bits', () => {
  const text =
    '[x] malloc(24) = 0xb400007123456780\n[x] malloc(24) = 0xb400007123456790\n[x] realloc(0xb400007123456790 -> 0xb4000071234567a0, 24 -> 18446744073709551615)\n[x] free(0xb400007123456780)\n[x] malloc(18446744073709551616) = nil\n';
  const { text: events, trace } = read(text);
  expect(events.map(columns)).toEqual([
    `malloc 0 ${0x7123456780} 0 24 0`,
    `malloc 0 ${0x7123456790} 0 24 0`,
    `realloc 0 ${0x71234567a0} ${0x7123456790} ${2 ** 64} 0`,
    `free 0 ${0x7123456780} 0 0 0`,
  ]);
  expect({ ...trace.skipped }).toEqual({ unparsed: 1 });
});

test('calls amid other things must be half of the lines, and are not taken where the lines have ids or are ltrace’s', () => {
  const line = '[x] malloc(24) = 0x10\n';
  expect(sniffFormat(utf8.encode(`${line}  main+0x10\n  caller+0x20\n`))).toBe(undefined);
  expect(sniffFormat(utf8.encode(`     1\tmalloc(24)     = 0x10\n     2\tfree(0x10)     = <void>\n`))).toBe(undefined);
  expect({ ...read(`7 7 malloc(8)=0x10\n${line}`).trace.skipped }).toEqual({ unparsed: 1 });
});

test('hooks that print calloc’s product, and lines that fit nothing, are no ltrace’s', () => {
  const text = 'malloc(24) = 0x10\ncalloc(48) = 0x20\nmalloc(24) = INJECT\nfree(0x10)\n[KO]: 1 mallocs not freed\n';
  expect(sniffFormat(utf8.encode(text))).toBe(logalloc);
  const { text: events, trace, ledger } = read(text);
  expect(events.map(columns)).toEqual(['malloc 0 16 0 24 0', 'calloc 0 32 0 48 1', 'free 0 16 0 0 0']);
  expect([{ ...trace.skipped }, trace.warnings, ledger.totalLiveBytes]).toEqual([{ unparsed: 2 }, [], 48]);
});

test('what bpftrace or ltrace may have printed is theirs', () => {
  const call = 'malloc(32)  = 0x10\n';
  expect(logalloc.sniff(utf8.encode(`Attaching 2 probes...\n${call}free(0x10)\n`))).toBe(0);
  expect(sniffFormat(utf8.encode(call.repeat(9)))).toBe(ltrace);
});

test('threads, processes, lines that fit no rule, a cut line', () => {
  const text =
    '5 5 malloc(1)=0x10\n6 6 malloc(2)=0x10\n5 8 free(0x10)\n6 6 free(0x10)\n5 5 malloc(1)\n5 5 malloc(1,2)=0x10\n5 5 free(0x10)=0x10\n5 5 mallocx(1)=0x10\nhello\n5 5 mal';
  const result = read(text);
  expect(result.ops).toEqual({ malloc: 1, free: 1 });
  expect(result.trace.threads.tids).toEqual([5, 8]);
  expect({ ...result.trace.skipped }).toEqual({ other_process: 2, unparsed: 5, torn: 1 });
  expect(read(text, { pid: 6 }).ops).toEqual({ malloc: 1, free: 1 });
  expect(() => read(`${EXAMPLE}${'hello\n'.repeat(40)}`)).toThrow(/^trace:7: from here on 32 lines in a row are not logalloc’s: "hello"/);
});

describe('a real program', () => {
  /** leaky's calls as logalloc would have written them, all from one thread. */
  const written = async () => {
    const recorded = tally(heaptrack, await fixtureBytes('leaky_500.heaptrack.raw.zst'));
    const lines = recorded.text.map((event) => {
      const [op, , , ptr, old, size] = event.split(' ');
      const hex = (text: string) => `0x${Number(text).toString(16)}`;
      if (op === 'free') return `77 77 free(${hex(ptr)})\n`;
      return op === 'realloc' ? `77 77 realloc(${hex(old)},${size})=${hex(ptr)}\n` : `77 77 malloc(${size})=${hex(ptr)}\n`;
    });
    return { recorded, bytes: utf8.encode(lines.join('')) };
  };

  test('every call comes back', async () => {
    const { recorded, bytes } = await written();
    const result = tally(logalloc, bytes);
    expect(result.text.map(columns)).toEqual(recorded.text.map(columns));
    expect({ ...result.trace.skipped }).toEqual({});
    expect(result.ledger.totalPeakBytes).toBe(recorded.ledger.totalPeakBytes);
  });

  test('however it is cut', async () => {
    const bytes = (await written()).bytes.subarray(0, 20000);
    readsTheSameHoweverCut(logalloc, bytes);
  });

  test('it is recognised, and only as what it is', async () => {
    for (const head of [(await written()).bytes.subarray(0, 65536), utf8.encode(EXAMPLE), utf8.encode(MUNGED)]) {
      recognisedAsNoOther(logalloc, head);
    }
    await recognisesNoOther(logalloc);
  });
});

test('rubbish is counted, never taken', () => {
  const good = utf8.encode(EXAMPLE);
  neverTakesRubbish(logalloc, good, { refuses: true });
});
