import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OP_NAMES } from '../../core/trace/events.ts';
import { withOtherBytes } from '../../fixtures/properties.ts';
import { fixtureBytes, tally, type Tally } from '../../fixtures/tally.ts';
import { ltrace } from './ltrace.ts';

const read = (text: string, options = {}, chunkSizes = [65536]) => tally(ltrace, Buffer.from(text, 'latin1'), options, chunkSizes);

/** Second lines of allocator calls: each call is one event or counted once, but may take two lines. */
const SECOND_LINE =
  /<\.\.\. (?:_*(?:malloc|calloc|realloc|reallocarray|posix_memalign|aligned_alloc|memalign|valloc|pvalloc|free|strdup|v?asprintf|SYS_clone)|_Zn[wa]\w*|_Zd[la]\w*|operator (?:new|delete)[^>]*?) resumed>/;

/** Lines that are neither an event, nor counted, nor the second line of a call. */
function unaccounted(bytes: Uint8Array, { trace, events }: Tally): number {
  const lines = Buffer.from(bytes).toString('latin1').split('\n');
  if (lines.at(-1) === '') lines.pop();
  // What is printed before a call is no line of its own.
  const { program_output: _, ...skipped } = trace.skipped;
  const counted = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  return lines.length - events - counted - lines.filter((line) => SECOND_LINE.test(line)).length;
}

interface Truth {
  liveBytes: number;
  liveObjects?: number;
  peak?: number;
  threads?: number;
  unknown?: number;
  skipped?: Record<string, number>;
}

/*
 * Bytes live at the end and at the peak. What the programs say of themselves (`leaky`: leaks, cache, interned strings, ring and tables;
 * `leakycpp`: ceil(N/20) cycles of two 232-byte nodes and ceil(N/15) arrays of 700 bytes for each thread), or an independent replay
 * of the same recording that merges all ids and drops calls from within libc. Where that differs, the reason stands beside it.
 */
const TRUTHS: readonly (readonly [string, Truth])[] = [
  [
    'leaky_1000_e_ttt.ltrace.zst',
    { liveBytes: 31200 + 40960 + 507727 + 8265 + 32768 + 96244 + 65536, threads: 1, unknown: 0, skipped: { note: 1 } },
  ],
  ['leaky_attach_e_ttt.ltrace.zst', { liveBytes: 717040, peak: 738487, threads: 1, skipped: {} }],
  ['cpp_mangled_ttt.ltrace.zst', { liveBytes: 3 * 2 * 232 + 4 * 700, liveObjects: 3 * 2 + 4, threads: 1, unknown: 0 }],
  ['dl_x_ttt.ltrace.zst', { liveBytes: 6633, peak: 6832, unknown: 0 }],
  ['py_x_ttt.ltrace.zst', { liveBytes: 416858, peak: 1116600, unknown: 0 }],
  ['sqlite_x_ttt.ltrace.zst', { liveBytes: 8937, peak: 355104, unknown: 0 }],
  ['ls_x_ttt.ltrace.zst', { liveBytes: 40626, peak: 73001, unknown: 0 }],
  // 3648 bytes are two blocks that libc itself reallocates: those lines read `libc.so.6->calloc`, and are realloc's.
  ['ls_e_ttt.ltrace.zst', { liveBytes: 360760 + 3648, peak: 360760 + 3648, unknown: 0, skipped: { mislabelled: 60, nested: 7, note: 1 } }],
  ['perl_e_tt.ltrace.zst', { liveBytes: 261184 + 3648, unknown: 0 }],
  // A forked child leaks 99 bytes (both) and 31 are given in it; it is not the process replayed.
  [
    'edge_e_ttt.ltrace',
    { liveBytes: 1147 - 99, peak: 314572800, threads: 2, skipped: { no_address: 1, nested: 1, mislabelled: 1, note: 6, other_process: 4 } },
  ],
  ['edge_e_i_a80.ltrace', { liveBytes: 1147 - 99, peak: 314572800, threads: 2 }],
  ['edge_e_stderr.ltrace', { liveBytes: 1147 - 99, peak: 314572800, threads: 2 }],
  ...['edge_x_ttt.ltrace', 'edge_x_tt.ltrace', 'edge_x_t.ltrace', 'edge_x_r.ltrace', 'edge_x_i.ltrace', 'edge_x_T.ltrace'].map(
    (name) =>
      [
        name,
        {
          liveBytes: 5515 - 99,
          peak: 314576896,
          threads: 2,
          skipped: { nested: 3, no_address: 1, phantom_free: 1, note: 6, other_process: 4 },
        },
      ] as const,
  ),
  ['edge_x_S_n2.ltrace.zst', { liveBytes: 5515 - 99, peak: 314576896, threads: 2 }],
  ['edge_x_notime_nof.ltrace', { liveBytes: 5482, peak: 314576896, threads: 1 }],
  // `mt` frees all it allocates. Each free of an unknown address is one of posix_memalign's, which ltrace does not show.
  ['mt2_300_e_ttt.ltrace.zst', { liveBytes: 0, threads: 3, unknown: 24, skipped: { no_address: 24, nested: 18, note: 1 } }],
  // As counted within the program (LD_PRELOAD), but for three blocks of libc's that were there before ltrace attached; 57 blocks given before were freed.
  ['handover_attached_threads.ltrace.zst', { liveBytes: 5384, liveObjects: 64, threads: 4, unknown: 57, skipped: { note: 1 } }],
  // Of 60 blocks of posix_memalign by three threads each fourth leaks, of 100 to 116 bytes; so do 33 bytes, and libc's of three threads.
  ['aligned_prototypes_ex.ltrace.zst', { liveBytes: 3 * 540 + 33 + 3 * 272, liveObjects: 15 + 1 + 3, threads: 4 }],
  // Prints without newlines to a standard error that is shared; six blocks of 10 to 20 bytes leak.
  [
    'prints_stderr_ttt.ltrace',
    { liveBytes: 90, liveObjects: 6, threads: 1, unknown: 0, skipped: { unparsed: 16, program_output: 12, note: 1 } },
  ],
  ['perl_fork_e_ttt.ltrace.zst', { liveBytes: 251191, threads: 1, unknown: 0 }],
];

describe('recordings of real programs', () => {
  test.each(TRUTHS)('%s', async (name, truth) => {
    const bytes = await fixtureBytes(name);
    expect(ltrace.sniff(bytes.subarray(0, 65536))).toBeGreaterThan(0.5);
    const result = tally(ltrace, bytes);
    const { ledger, trace } = result;
    expect(ledger.totalLiveBytes).toBe(truth.liveBytes);
    if (truth.liveObjects !== undefined) expect(ledger.totalLiveObjects).toBe(truth.liveObjects);
    if (truth.peak !== undefined) expect(ledger.totalPeakBytes).toBe(truth.peak);
    if (truth.threads !== undefined) expect(trace.threads.length).toBe(truth.threads);
    if (truth.unknown !== undefined) expect(result.unknown).toBe(truth.unknown);
    if (truth.skipped !== undefined) expect({ ...trace.skipped }).toEqual(truth.skipped);
    expect(result.reused).toBe(0);
    expect(unaccounted(bytes, result)).toBe(0);
  });

  test('the leaks of leaky are those that it names', async () => {
    const { live } = tally(ltrace, await fixtureBytes('leaky_1000_e_ttt.ltrace.zst'));
    const sizes = [...live.values()].map((block) => block.size);
    expect(sizes.filter((size) => size === 312).length).toBeGreaterThanOrEqual(100);
    expect(sizes.filter((size) => size === 1024).length).toBeGreaterThanOrEqual(40);
    expect([sizes.includes(65536), sizes.includes(32768)]).toEqual([true, true]);
  });

  test.each([
    // Recordings that end in a crash of the program (ltrace and threads), or of ltrace.
    ['mt4_e_ttt.ltrace.zst', 4, 0],
    ['mt4_x_ttt.ltrace.zst', 5, 0],
    ['mt2_x_ttt.ltrace.zst', 3, 0],
    ['cpp_C_ttt.ltrace.zst', 2, 0],
    ['gccdriver_e_r_aborted.ltrace.zst', 1, 0],
    // Two children begin with the end of the clone that their parent began: second lines, counted as other calls.
    ['sh_fork_S.ltrace.zst', 1, 2],
  ])('%s: every line is accounted for', async (name, threads, orphans) => {
    const bytes = await fixtureBytes(name);
    const result = tally(ltrace, bytes);
    // A second line without a first is counted as torn.
    expect(unaccounted(bytes, result)).toBe(0 - orphans - (result.trace.skipped.torn ?? 0));
    expect(result.trace.threads.length).toBe(threads);
    expect(result.trace.skipped.unparsed ?? 0).toBe(0);
  });

  test('bash forks, and at last is ls itself', async () => {
    const bytes = await fixtureBytes('sh_fork_e_ttt.ltrace.zst');
    const result = tally(ltrace, bytes);
    const { trace } = result;
    const warning = trace.warnings.find((text) => text.includes('exec()')) ?? '';
    const freed = Number(/freed (\d+) blocks/.exec(warning)?.[1]);
    expect(freed).toBe(588);
    expect(unaccounted(bytes, result)).toBe(-freed);
    expect([trace.threads.length, result.unknown, result.reused]).toEqual([1, 0, 0]);
    expect(trace.warnings.find((text) => text.startsWith('9 further processes'))).toMatch(
      /: process 15555 alone is replayed \(--pid N for another: \d+(, \d+){7} …\)$/,
    );
    expect(() => tally(ltrace, bytes, { pid: 424242 })).toThrow('no events of process 424242');
  });

  test.each(['fork', 'vfork'])('%s() has no arguments, and its child is another process', (name) => {
    const { trace, ops } = read(`7 malloc(1) = 0x1000\n7 ${name}() = 8\n8 malloc(2) = 0x2000\n7 free(0x1000) = <void>\n`);
    expect([trace.skipped.unparsed ?? 0, trace.skipped.other_call, trace.skipped.other_process, ops]).toEqual([
      0,
      1,
      1,
      { malloc: 1, free: 1 },
    ]);
  });

  test('gcc starts cc1: the driver alone is replayed', async () => {
    const bytes = await fixtureBytes('gccdriver_e_r_aborted.ltrace.zst');
    const { trace, ops } = tally(ltrace, bytes);
    expect(trace.threads.tids).toEqual([14717]);
    expect(trace.skipped.other_process).toBeGreaterThan(21000);
    expect(ops['free'] ?? 0).toBe(0);
    const other = tally(ltrace, bytes, { pid: 14718 });
    expect(other.trace.threads.tids).toEqual([14718]);
    expect(other.ops['free']).toBeGreaterThan(10000);
    expect(other.ledger.totalLiveBytes).toBeLessThan(1807304);
  });

  test('the four kinds of time give the same durations', async () => {
    const durations: number[] = [];
    for (const name of ['edge_x_ttt.ltrace', 'edge_x_tt.ltrace', 'edge_x_r.ltrace', 'edge_x_i.ltrace', 'edge_x_T.ltrace']) {
      const { text, trace } = tally(ltrace, await fixtureBytes(name));
      expect(trace.header.timed).toBe(true);
      durations.push(Number(text.at(-1)?.split(' ')[2]) / 1e6);
    }
    for (const milliseconds of durations) {
      expect(milliseconds).toBeGreaterThan(10);
      expect(milliseconds).toBeLessThan(200);
    }
    const { trace, text } = tally(ltrace, await fixtureBytes('edge_x_notime_nof.ltrace'));
    expect(trace.header.timed).toBe(false);
    expect(text.map((line) => Number(line.split(' ')[2]))).toEqual(text.map((_, i) => i));
  });

  test('the cuts between chunks do not matter', async () => {
    for (const name of ['edge_x_ttt.ltrace', 'edge_e_i_a80.ltrace', 'edge_x_r.ltrace', 'cpp_C_ttt.ltrace.zst', 'mt2_x_ttt.ltrace.zst']) {
      const bytes = await fixtureBytes(name);
      const whole = tally(ltrace, bytes);
      for (const sizes of [[1], [2, 3, 5, 7], [61, 62, 63], [1000, 1]]) {
        const parts = tally(ltrace, bytes, {}, sizes);
        expect(parts.text).toEqual(whole.text);
        expect(parts.trace.skipped).toEqual(whole.trace.skipped);
      }
    }
    const bytes = (await fixtureBytes('edge_e_ttt.ltrace')).subarray(0, 1200);
    const whole = tally(ltrace, bytes);
    for (let cut = 1; cut < bytes.length; cut++) expect(tally(ltrace, bytes, { batchEvents: 64 }, [cut, 1200]).text).toEqual(whole.text);
  });

  test('a recording cut anywhere is read up to there', async () => {
    const bytes = await fixtureBytes('edge_x_ttt.ltrace');
    const whole = tally(ltrace, bytes);
    for (let length = 200; length < bytes.length; length += 7) {
      const { events, trace } = tally(ltrace, bytes.subarray(0, length));
      expect(events).toBeLessThanOrEqual(whole.events);
      const text = Buffer.from(bytes.subarray(0, length)).toString('latin1');
      if (!/(?:\n|= <void>| <unfinished \.\.\.>| [+-]{3})$/.test(text)) expect([trace.partial, trace.skipped.torn]).toEqual([true, 1]);
    }
  });
});

/** Events as `op ptr old size extra`, hex addresses. */
function calls({ text }: Tally): string[] {
  return text.map((line) => {
    const [op, , , ptr, old, size, extra] = line.split(' ');
    const name = OP_NAMES[Number(op)] ?? op;
    return `${name} 0x${Number(ptr).toString(16)} 0x${Number(old).toString(16)} ${size} ${extra}`;
  });
}

describe('one call a line', () => {
  test.each([
    ['p->malloc(24) = 0x1000', 'malloc 0x1000 0x0 24 0'],
    ['malloc(24)                                       = 0x1000', 'malloc 0x1000 0x0 24 0'],
    ['malloc@libc.so.6(24) = 0x1000 <0.000294>', 'malloc 0x1000 0x0 24 0'],
    ['77 1795218296.566403 [0x55825fb7f32d] p->malloc(24) = 0x1000', 'malloc 0x1000 0x0 24 0'],
    ['[pid 77] 23:44:56 p->malloc(24) = 0x1000\r', 'malloc 0x1000 0x0 24 0'],
    ['p->malloc(0x7fffffffffffffff) = 0', 'malloc 0x0 0x0 9223372036854776000 0'],
    ['p->malloc(-1) = 0', 'malloc 0x0 0x0 18446744073709552000 0'],
    ['p->calloc(3, 7) = 0x1000', 'calloc 0x1000 0x0 7 3'],
    ['p->realloc(0x1000, 50) = 0x2000', 'realloc 0x2000 0x1000 50 0'],
    ['p->realloc(nil, 50) = 0x2000', 'realloc 0x2000 0x0 50 0'],
    ['p->realloc(0x1000, 0) = 0', 'free 0x1000 0x0 0 0'],
    ['p->reallocarray(0x1000, 10, 20, 8177) = 0x2000', 'reallocarray 0x2000 0x1000 20 10'],
    ['p->aligned_alloc(32, 64, 0x55e12ae5995e, 5) = 0x1000', 'aligned_alloc 0x1000 0x0 64 32'],
    ['p->memalign(128, 100, 0x55e12ae59e1d, 3) = 0x1000', 'memalign 0x1000 0x0 100 128'],
    ['p->posix_memalign(0x7ffda8004b48, 3, 100, 5) = 22', 'posix_memalign 0x0 0x0 100 3'],
    ['p->valloc(10, 3, 0x55e12ae5aa2d, 5) = 0x1000', 'valloc 0x1000 0x0 10 0'],
    ['p->free(0) = <void>', 'free 0x0 0x0 0 0'],
    ['p->free(nil) = <void>', 'free 0x0 0x0 0 0'],
    // ltrace up to 0.6 (display_args.c).
    ['realloc(NULL, 144)                               = 0x02548130', 'realloc 0x2548130 0x0 144 0'],
    ['realloc(0x02548130, 99) = NULL', 'realloc 0x0 0x2548130 99 0'],
    ['free(NULL) = <void>', 'free 0x0 0x0 0 0'],
    ['p->free(0xb400007001234560) = <void>', 'free 0x7001234560 0x0 0 0'],
    ['p->_Znwm(72, 0x7ff, 0x55c, 0x7ff) = 0x1000', 'malloc 0x1000 0x0 72 0'],
    ['p->_ZnwmSt11align_val_t(72, 64, 0x55c, 0x7ff) = 0x1000', 'aligned_alloc 0x1000 0x0 72 64'],
    ['p->operator new[](unsigned long)(72, 0x7ff) = 0x1000', 'malloc 0x1000 0x0 72 0'],
    ['p->operator new(unsigned long, std::align_val_t)(72, 64) = 0x1000', 'aligned_alloc 0x1000 0x0 72 64'],
    ['p->operator delete(void*, unsigned long)(0x1000, 72, 0, 0) = 0', 'free 0x1000 0x0 0 0'],
    ['p->_ZdaPv(0x1000, 72, 0, 0) = 0', 'free 0x1000 0x0 0 0'],
    ['p->strdup("hello") = 0x1000', 'malloc 0x1000 0x0 6 0'],
    ['p->strdup("a\\n\\"\\\\\\001)\\377") = 0x1000', 'malloc 0x1000 0x0 8 0'],
    ['p->strdup("") = 0x1000', 'malloc 0x1000 0x0 1 0'],
    // ltrace escapes no quotes.
    ['p->strdup("{"a":1,"b":[2,3],"c":"d"}") = 0x5598502182a0', 'malloc 0x5598502182a0 0x0 26 0'],
    ['p->strdup("say "hi"")         = 0x1000', 'malloc 0x1000 0x0 9 0'],
    ['p->strdup("a\\\\b"c")           = 0x1000 <0.000294>', 'malloc 0x1000 0x0 6 0'],
    ['p->strdup("""") = 0x1000', 'malloc 0x1000 0x0 3 0'],
    ['p->strdup("a") = 0x1, "b") = 0x1000', 'malloc 0x1000 0x0 14 0'],
    ['p->strndup("a", 5)", 9) = 0x1000', 'malloc 0x1000 0x0 7 0'],
    ['p->strndup("a"b"c", 3) = 0x1000', 'malloc 0x1000 0x0 4 0'],
    ['p->strndup("hello", 3) = 0x1000', 'malloc 0x1000 0x0 4 0'],
    ['p->__strdup("hello") = 0x1000', 'malloc 0x1000 0x0 6 0'],
    ['libc.so.6->calloc(0, 200) = 0x10000', 'realloc 0x10000 0x0 200 0'],
    ['libc.so.6->calloc(94100734256384, 2048) = 0x559588d6bf90', 'realloc 0x559588d6bf90 0x559588d6a500 2048 0'],
    ['libc.so.6->realloc(0x55e43f621021, 3000) = 0x559588d6bf90', 'realloc 0x559588d6bf90 0x55e43f621021 3000 0'],
  ])('%s', (line, expected) => {
    const result = read(`${line}\n`);
    expect(calls(result)).toEqual([expected]);
    expect({ ...result.trace.skipped }).toEqual({});
  });

  test.each([
    ['_Znwj(8, 1)', 'malloc'],
    ['_ZnamRKSt9nothrow_t(8, 1)', 'malloc'],
    ['_ZnwmSt11align_val_tRKSt9nothrow_t(8, 64)', 'aligned_alloc'],
    ['operator new(8, 1)', 'malloc'],
    ['operator new(unsigned int)(8, 1)', 'malloc'],
    ['operator new[](unsigned long, std::nothrow_t const&)(8, 1)', 'malloc'],
    ['operator new(unsigned long, std::align_val_t, std::nothrow_t const&)(8, 64)', 'aligned_alloc'],
    ['_ZdaPvm(0x1000, 8)', 'free'],
    ['_ZdlPvSt11align_val_t(0x1000, 8)', 'free'],
    ['_ZdlPvmSt11align_val_t(0x1000, 8, 64)', 'free'],
    ['_ZdlPvSt11align_val_tRKSt9nothrow_t(0x1000, 64, 0)', 'free'],
    ['operator delete[](void*, std::nothrow_t const&)(0x1000, 1)', 'free'],
    ['operator delete(void*, unsigned long, std::align_val_t)(0x1000, 8)', 'free'],
    ['_ZnwmPv(8, 0x1000)', 'other_call'],
    ['_ZnamPv(8, 0x1000)', 'other_call'],
    ['_Znwm4Pool(8, 0x1000)', 'other_call'],
    ['_ZneRK1FS1_(0x1000, 0x2000)', 'other_call'],
    ['_ZngRK1F(0x1000, 0x2000)', 'other_call'],
    ['_ZntRK1F(0x1000, 0x2000)', 'other_call'],
    ['_ZdlPvS_(0x1000, 0x1000)', 'other_call'],
    ['operator new(unsigned long, void*)(8, 0x1000)', 'other_call'],
    ['operator delete(void*, void*)(0x1000, 0x1000)', 'other_call'],
    ['operator new[](unsigned long, Pool&)@libpool.so(8, 0x1000)', 'other_call'],
  ])('%s counts as %s, for it is one of the operators that can be replaced or is not', (call, reason) => {
    const { ops, trace } = read(`p->${call} = 0x1000\n${call} = 0x1000\n`);
    expect({ ...ops, ...trace.skipped }).toEqual({ [reason]: 2 });
  });

  test('a system call of 0.7.91 has the name that 0.7.3 prints behind SYS_', () => {
    const text = [
      '7 p->malloc(1 <unfinished ...>',
      '7 SYS_318@SYS(0x7fc5392ae478, 8, 1, 0x7fc5390e6dd0) = 8',
      '7 brk@SYS(nil) = 0x55af398b4000',
      '7 <... malloc resumed> ) = 0x1000',
      '7 clone@SYS(0x1200011, 0, 0, 0x7fc5390d1a10 <unfinished ...>',
      '8 p->malloc(999) = 0x2000',
      '7 <... clone resumed> ) = 8',
      '7 clone@SYS(0x3d0f00, 0, 0, 0x7fc5390d1a10) = 9',
      '9 p->malloc(5) = 0x3000',
      '7 SYS_435@SYS(0x7fc5390d1a10, 88) = 10',
      '10 p->malloc(6) = 0x4000',
      '7 vfork@SYS(0) = 11',
      '11 p->malloc(7) = 0x5000\n',
    ].join('\n');
    expect(ltrace.sniff(Buffer.from(text))).toBeGreaterThan(0.9);
    const { ledger, trace } = read(text);
    expect([ledger.totalLiveBytes, trace.threads.tids, { ...trace.skipped }]).toEqual([
      12,
      [7, 9, 10],
      { other_call: 6, other_process: 2 },
    ]);
  });

  test('strndup copies as much as the call within it counts, which is named realloc', () => {
    const text = [
      'p->strndup(0x55a75ff16015, 30, -3, 0 <unfinished ...>',
      'libc.so.6->realloc(0x55a75ff16015, 30) = 0x8',
      '<... strndup resumed> ) = 0x10000',
      'p->strndup(0x55a75ff16015, 30, -3, 0) = 0x20000\n',
    ].join('\n');
    const { live, trace } = read(text);
    expect([...live.values()].map(({ size }) => size)).toEqual([9, 31]);
    expect(trace.warnings).toEqual(['1 string of strndup was not recorded: its size is an upper bound, from the limit that the call has']);
  });

  test('the block of posix_memalign is what malloc gave within, also where calls and functions entered are both recorded', () => {
    const text = [
      'p->posix_memalign(0x7ffd26cbb158, 8, 51, 8 <unfinished ...>',
      'posix_memalign@libc.so.6(0x7ffd26cbb158, 8, 51, 8 <unfinished ...>',
      'malloc@libc.so.6(51) = 0x55a7846e0d40',
      '<... posix_memalign resumed> ) = 0',
      '<... posix_memalign resumed> ) = 0',
      'p->free(0x55a7846e0d40) = <void>\n',
    ].join('\n');
    const result = read(text);
    expect(calls(result)).toEqual(['posix_memalign 0x55a7846e0d40 0x0 51 8', 'free 0x55a7846e0d40 0x0 0 0']);
    expect({ ...result.trace.skipped }).toEqual({ nested: 2 });
  });

  test.each([
    ['libc.so.6->realloc(0x55e43f621021, 3) = 0x3', 'mislabelled'],
    ['p->posix_memalign(0x7ffda8004b48, 4096, 100, 0) = 0', 'no_address'],
    ['p->asprintf(0x7ffda8004b48, "%s)", 0x55) = 12', 'no_address'],
    ['p->asprintf(0x7ffda8004b48, "<a id="%s">)", "b") = 12', 'no_address'],
    ['p->strdup("a) = 0x1000', 'unparsed'],
    ['SYS_brk(0) = 0x55f04af7e000', 'other_call'],
    ['p->strrchr("a = b", \'/\') = nil', 'other_call'],
    ['p->std::vector<int, std::allocator<int> >::push_back(int const&)(0x1, 0x2) = 0', 'other_call'],
    ['exit(0 <no return ...>', 'other_call'],
    ['--- SIGCHLD (Child exited) ---', 'note'],
    ['+++ exited (status 0) +++', 'note'],
    ['+++ killed by SIGSEGV +++', 'note'],
    ['unexpected breakpoint at 0x56014b60a51d', 'note'],
    ['<... malloc resumed> ) = 0x1000', 'torn'],
    ['p->malloc(24 <unfinished ...>', 'no_return'],
    ['hello from the program', 'unparsed'],
    ['p->malloc() = 0x1000', 'unparsed'],
    ['p->malloc(24) = ', 'unparsed'],
    ['p->malloc(24) = 0x1000 and more', 'unparsed'],
    ['', 'unparsed'],
  ])('%s counts as %s', (line, reason) => {
    const result = read(`p->free(0) = <void>\n${line}\np->free(0) = <void>\n`);
    expect(result.events).toBe(2);
    expect({ ...result.trace.skipped }).toEqual({ [reason]: 1 });
  });

  test.each(['my app', 'my-app(1)', 'my app (1)', 'app (old) copy', 'a->b c', '(x)', 'no operator'])(
    'a program may be called %s',
    (program) => {
      const text = [
        `7 1795338481.757829 ${program}->malloc(50)       = 0x55574a1372a0`,
        `7 1795338481.757830 ${program}->malloc(60)       = 0x55574a1372e0`,
        `7 1795338481.757831 ${program}->puts("x->malloc(8) = 0x1000") = 9`,
        `7 1795338481.757832 ${program}->operator new(unsigned long)(70, 1) = 0x55574a137310`,
        `7 1795338481.757833 ${program}->strdup("a(b)" <unfinished ...>`,
        '7 1795338481.757834 <... strdup resumed> ) = 0x55574a137350',
        `7 1795338481.757835 ${program}->free(0x55574a1372a0) = <void>`,
        '7 1795338481.757836 +++ exited (status 0) +++\n',
      ].join('\n');
      expect(ltrace.sniff(Buffer.from(text))).toBeGreaterThan(0.8);
      const { ops, ledger, trace } = read(text);
      expect([ops, ledger.totalLiveBytes, { ...trace.skipped }]).toEqual([{ malloc: 4, free: 1 }, 60 + 70 + 5, { other_call: 1, note: 1 }]);
      expect([...new Set(trace.stacks.frames.frames.map(({ fn }) => fn))]).toEqual([program]);
    },
  );

  test.each([
    'p->std::unique_ptr<int>::operator->() const(0x1000, 2) = 0x1000',
    'std::function<void (int)>::operator->(int)(0x1000, 2) = 0x1000',
    'auto (anonymous namespace)::f(int)::operator->(0x1000, 2) = 0x1000',
  ])('an operator is no caller: %s', (line) => expect({ ...read(`${line}\n`).trace.skipped }).toEqual({ other_call: 1 }));

  test('strings that ltrace cut are a lower bound, and said to be', () => {
    const { trace, ledger } = read('p->strdup("12345678901234567890123456789012"...) = 0x1000\np->strndup("1234"..., 4) = 0x2000\n');
    expect(ledger.totalLiveBytes).toBe(33 + 5);
    expect(trace.warnings).toEqual([expect.stringContaining('1 string of strdup was cut')]);
  });

  test('strings that ltrace printed as addresses are as long as their limit, if that is one', () => {
    const { trace, ledger } = read(
      'p->strndup(0x55e12ae5995e, 5, 0, 7) = 0x1000\np->strndup(0x55e12ae5995e, -1, 0, 7) = 0x2000\np->__strdup(0x55e12ae5995e, 9, 0, 7) = 0x3000\n',
    );
    expect(ledger.totalLiveBytes).toBe(6 + 1 + 1);
    expect(trace.warnings).toEqual([
      '1 string of strndup was not recorded: its size is an upper bound, from the limit that the call has',
      '2 strings of strdup or strndup were not recorded: their sizes are lower bounds of 1 byte',
    ]);
  });

  test('frames: the caller, or the return address in it', () => {
    const { trace, text } = read(
      'p->malloc(1) = 0x1000\n[0x55825fb7f32d] p->malloc(1) = 0x2000\n[0x55825fb7f32d] malloc@libc.so.6(1) = 0x3000\nmalloc@libc.so.6(1) = 0x4000\n',
    );
    const { frames } = trace.stacks;
    const stacks = text.map((line) => Number(line.split(' ')[7]));
    expect(stacks.map((stack) => Array.from(trace.stacks.framesOf(stack as never), (index) => frames.frames[index]))).toEqual([
      [{ fn: 'p', module: 'p' }],
      [{ pc: 0x55825fb7f32dn, module: 'p' }],
      [{ pc: 0x55825fb7f32dn }],
      [],
    ]);
  });
});

describe('calls within calls', () => {
  const nested = (...lines: string[]) => read(lines.map((line) => `${line}\n`).join(''));

  test.each([
    [
      'realloc of NULL calls malloc',
      ['realloc@libc.so.6(0, 10 <unfinished ...>', 'malloc@libc.so.6(10) = 0x1000', '<... realloc resumed> ) = 0x1000'],
      ['realloc 0x1000 0x0 10 0'],
      1,
    ],
    [
      'realloc to nothing calls free',
      ['realloc@libc.so.6(0x1000, 0 <unfinished ...>', 'free@libc.so.6(0x1000) = <void>', '<... realloc resumed> ) = 0'],
      ['free 0x1000 0x0 0 0'],
      1,
    ],
    [
      'reallocarray calls realloc calls malloc',
      [
        'reallocarray@libc.so.6(0, 10, 20, 5 <unfinished ...>',
        'realloc@libc.so.6(0, 200 <unfinished ...>',
        'malloc@libc.so.6(200) = 0x1000',
        '<... realloc resumed> ) = 0x1000',
        '<... reallocarray resumed> ) = 0x1000',
      ],
      ['reallocarray 0x1000 0x0 20 10'],
      2,
    ],
    [
      'posix_memalign gets its address from the malloc within',
      [
        'posix_memalign@libc.so.6(0x7ffc1, 16, 100, 5 <unfinished ...>',
        'malloc@libc.so.6(100) = 0x1000',
        '<... posix_memalign resumed> ) = 0',
      ],
      ['posix_memalign 0x1000 0x0 100 16'],
      1,
    ],
    [
      'a PLT call and the function entered',
      ['malloc(33 <unfinished ...>', 'malloc@libc.so.6(33) = 0x1000', '<... malloc resumed> ) = 0x1000'],
      ['malloc 0x1000 0x0 33 0'],
      1,
    ],
    [
      'the same for free',
      ['free(0x1000 <unfinished ...>', 'free@libc.so.6(0x1000) = <void>', '<... free resumed> ) = <void>'],
      ['free 0x1000 0x0 0 0'],
      1,
    ],
    [
      'operator new calls malloc',
      ['p->_Znwm(0, 1, 2, 3 <unfinished ...>', 'libstdc++.so.6->malloc(1) = 0x1000', '<... _Znwm resumed> ) = 0x1000'],
      ['malloc 0x1000 0x0 1 0'],
      1,
    ],
    [
      'operator new[] calls operator new calls malloc',
      [
        'p->_Znam(7, 1, 2, 3 <unfinished ...>',
        'l->_Znwm(7, 1, 2, 3 <unfinished ...>',
        'l->malloc(7) = 0x1000',
        '<... _Znwm resumed> ) = 0x1000',
        '<... _Znam resumed> ) = 0x1000',
      ],
      ['malloc 0x1000 0x0 7 0'],
      2,
    ],
    [
      'sized delete calls delete calls free',
      [
        'p->operator delete(void*, unsigned long)(0x1000, 72, 0, 0 <unfinished ...>',
        'l->operator delete(void*)(0x1000, 72, 0, 0 <unfinished ...>',
        'l->free(0x1000) = <void>',
        '<... operator delete(void*) resumed> ) = 0',
        '<... operator delete(void*, unsigned long) resumed> ) = 0',
      ],
      ['free 0x1000 0x0 0 0'],
      2,
    ],
    [
      'strdup of quotes in two lines',
      ['p->strdup("a "b" <unfinished ...>" <unfinished ...>', '<... strdup resumed> ) = 0x1000'],
      ['malloc 0x1000 0x0 23 0'],
      0,
    ],
    [
      'strdup calls malloc',
      [
        'p->strdup("12345678901234567890123456789012"... <unfinished ...>',
        'libc.so.6->malloc(100) = 0x1000',
        '<... strdup resumed> ) = 0x1000',
      ],
      ['malloc 0x1000 0x0 100 0'],
      1,
    ],
    [
      'a call with others around it',
      ['main@p(1, 2, 3, 4 <unfinished ...>', 'malloc@libc.so.6(5) = 0x1000', '<... main resumed> ) = 0'],
      ['malloc 0x1000 0x0 5 0'],
      0,
    ],
  ])('%s', (_, lines, expected, folded) => {
    const result = nested(...lines);
    expect(calls(result)).toEqual(expected);
    expect(result.trace.skipped.nested ?? 0).toBe(folded);
  });

  test('a call that never returned does not swallow those after it', () => {
    const result = nested(
      '7 malloc@libc.so.6(10 <unfinished ...>',
      '7 malloc@libc.so.6(500000) = 0x1000',
      '7 free@libc.so.6(0x1000) = <void>',
      '7 calloc@libc.so.6(2, 5000) = 0x2000',
    );
    expect(calls(result)).toEqual(['malloc 0x1000 0x0 500000 0', 'free 0x1000 0x0 0 0', 'calloc 0x2000 0x0 5000 2']);
    expect({ ...result.trace.skipped }).toEqual({ no_return: 1 });
  });

  test('a call is resumed after "no return" of another process\'s making', () => {
    const result = nested('7 p->malloc(2 <no return ...>', '7 <... malloc resumed> )   = 0x1000', '7 p->free(0x1000) = <void>');
    expect(calls(result)).toEqual(['malloc 0x1000 0x0 2 0', 'free 0x1000 0x0 0 0']);
    expect({ ...result.trace.skipped }).toEqual({});
  });

  test('a free counts where it begins: its block may be given out again before it ends', () => {
    const result = nested(
      '7 p->malloc(8) = 0x7f0000001000',
      '7 p->free(0x7f0000001000 <unfinished ...>',
      '8 p->malloc(9) = 0x7f0000001000',
      '7 <... free resumed> ) = <void>',
    );
    expect([result.reused, result.unknown, result.ledger.totalLiveBytes]).toEqual([0, 0, 9]);
  });

  test('enclosing calls give a stack', () => {
    const { trace, text } = nested(
      'main@p(1 <unfinished ...>',
      'work@p(1 <unfinished ...>',
      '_Znwm@libstdc++.so.6(8, 0 <unfinished ...>',
      'malloc@libc.so.6(8) = 0x1000',
    );
    const stack = Number(text[0].split(' ')[7]);
    expect(Array.from(trace.stacks.framesOf(stack as never), (index) => trace.stacks.frames.frames[index].fn)).toEqual([
      '_Znwm',
      'work',
      'main',
    ]);
  });
});

describe('threads and processes', () => {
  /** A main heap at 0x55…, in which id 1 has two blocks. */
  const begin = '1 p->malloc(100) = 0x550000001000\n1 p->malloc(100) = 0x550000002000\n';
  const run = (rest: string, options = {}) => read(begin + rest.replaceAll('; ', '\n') + '\n', options);

  test.each([
    ['a block from an arena of its own', '2 p->malloc(10) = 0x7f0000000b70; 2 p->free(0x550000001000) = <void>'],
    [
      'frees what the first has allocated since',
      '2 p->free(0) = <void>; 1 p->malloc(10) = 0x550000003000; 2 p->free(0x550000003000) = <void>',
    ],
    ['the first frees its block', '2 p->malloc(100) = 0x550000003000; 1 p->free(0x550000003000) = <void>'],
    ['the first is given what it freed', '2 p->free(0x550000001000) = <void>; 1 p->malloc(10) = 0x550000001000'],
    ['clone with CLONE_THREAD', '1 SYS_clone(0x3d0f00, 0, 0, 0) = 0x2; 2 p->malloc(10) = 0x550000003000'],
    ['no sign at all', '2 p->free(0x550000001000) = <void>'],
    ['clone3, for which ltrace has no name', '1 SYS_435(0x7ffc00000000, 88, 0, 0) = 0x2; 2 p->malloc(10) = 0x550000003000'],
    [
      'clone3 in two lines',
      '1 SYS_435(0x7ffc00000000, 88 <unfinished ...>; 2 p->malloc(10) = 0x550000003000; 1 <... SYS_435 resumed> ) = 0x2',
    ],
    ['the main heap, but after pthread_create', '1 p->pthread_create(0x7ffc0, 0, 0x55, 0) = 0; 2 p->malloc(10) = 0x550000003000'],
    [
      'the main heap, and a pthread_create that has not returned',
      '1 p->pthread_create(0x7ffc0, 0, 0x55, 0 <unfinished ...>; 1 pthread_create@libc.so.6(0x7ffc0, 0, 0x55, 0 <unfinished ...>; 2 p->malloc(10) = 0x550000003000',
    ],
    [
      'the main heap, but its end sends no SIGCHLD',
      '2 p->malloc(10) = 0x550000003000; 2 +++ exited (status 0) +++; 1 p->free(0x550000001000) = <void>; 1 +++ exited (status 0) +++',
    ],
    [
      'the main heap, but its end sends no SIGCHLD; that of a child does',
      '2 p->malloc(10) = 0x550000003000; 2 +++ exited (status 0) +++; 1 p->malloc(8) = 0x550000004000; 3 --- Called exec() ---; 3 +++ exited (status 0) +++; 1 --- SIGCHLD (Child exited) ---',
    ],
    [
      'the main heap, but one signal kills both',
      '2 p->malloc(10) = 0x550000003000; 1 +++ killed by SIGSEGV +++; 2 +++ killed by SIGSEGV +++',
    ],
  ])('a thread: %s', (_, rest) => {
    const { trace, unknown } = run(rest);
    expect([trace.threads.tids, unknown, trace.skipped.other_process]).toEqual([[1, 2], 0, undefined]);
  });

  test.each([
    [
      'exec',
      '2 p->free(0x550000001000) = <void>; 2 --- Called exec() ---; 2 q->malloc(9) = 0x560000000010; 1 p->free(0x550000001000) = <void>',
      2,
    ],
    [
      'SIGCHLD',
      '2 p->free(0x550000001000) = <void>; 2 +++ exited (status 0) +++; 1 --- SIGCHLD (Child exited) ---; 1 p->free(0x550000001000) = <void>',
      1,
    ],
    [
      'fork, as ltrace -S sees it',
      '1 SYS_clone(0x1200011, 0, 0, 0) = 0x2; 2 p->free(0x550000001000) = <void>; 1 p->free(0x550000001000) = <void>',
      1,
    ],
    ['fork, called', '1 p->fork() = 2; 2 p->free(0x550000001000) = <void>; 1 p->free(0x550000001000) = <void>', 1],
    ['is given what is live in the first', '2 p->malloc(9) = 0x550000001000; 1 p->free(0x550000001000) = <void>', 1],
    [
      'the first is given what is live in it',
      '2 p->malloc(9) = 0x550000003000; 1 p->malloc(9) = 0x550000003000; 1 p->free(0x550000001000) = <void>',
      1,
    ],
    [
      'both free the same, and it allocates in the main heap',
      '2 p->malloc(9) = 0x550000003000; 2 p->free(0x550000001000) = <void>; 1 p->free(0x550000001000) = <void>',
      2,
    ],
    ['a heap elsewhere', '2 p->malloc(9) = 0x210000003000; 1 p->free(0x550000001000) = <void>', 1],
    [
      'the first thread has its pthread_create, and a forked child none',
      '1 p->pthread_create(0x7ffc0, 0, 0x55, 0) = 0; 2 p->malloc(10) = 0x7f0000000b70; 3 p->malloc(9) = 0x550000003000; 1 p->free(0x550000001000) = <void>',
      1,
    ],
    [
      'the first is given what it left',
      '2 p->malloc(9) = 0x550000003000; 2 +++ exited (status 0) +++; 1 p->malloc(9) = 0x550000003000; 1 p->free(0x550000001000) = <void>',
      1,
    ],
  ])('a process: %s', (_, rest, others) => {
    const { trace, unknown, live } = run(rest);
    const tids = rest.includes('pthread_create') ? [1, 2] : [1];
    expect([trace.threads.tids, unknown, trace.skipped.other_process, live.has(0x550000002000)]).toEqual([tids, 0, others, true]);
    expect(live.has(0x550000001000)).toBe(false);
  });

  test('an id of which nothing tells but its use of the main heap is said to be doubtful', () => {
    const { trace } = run('2 p->malloc(10) = 0x550000003000');
    expect(trace.skipped.other_process).toBe(1);
    expect(trace.warnings.at(-1)).toContain('1 of them may be threads');
  });

  describe('threads of other processes', () => {
    /** Three times in turn: a child that runs another program, and a thread of that; ends as a test of vfork and exec has it. */
    const family = [
      '1 p->malloc(1000) = 0x55a85b0382a0',
      ...[0, 1, 2].flatMap((i) => {
        const [child, thread] = [10 + i, 20 + i];
        return [
          `${child} --- Called exec() ---`,
          `${child} p->malloc(50) = 0x558e7fcde2${i}0`,
          `${thread} p->malloc(1000) = 0x7f4d4${i}000b70`,
          `${thread} p->malloc(2000) = 0x7f4d4${i}000f60`,
          `${thread} p->free(0x7f4d4${i}000b70) = <void>`,
          `${thread} +++ exited (status 0) +++`,
          `${child} p->free(0x558e7fcde2${i}0) = <void>`,
          `${child} +++ exited (status 0) +++`,
          '1 --- SIGCHLD (Child exited) ---',
          `1 p->malloc(1${i}) = 0x55a85b038690`,
          '1 p->free(0x55a85b038690) = <void>',
        ];
      }),
      '1 p->malloc(2000) = 0x55a85b0386b0',
      '1 +++ exited (status 0) +++',
    ];

    test('stay theirs, and are said to be guessed', () => {
      const { trace, ops, ledger } = read(`${family.join('\n')}\n`);
      expect([trace.threads.tids, ops, ledger.totalLiveBytes]).toEqual([[1], { malloc: 5, free: 3 }, 3000]);
      expect(trace.skipped).toEqual({ other_process: 15, note: 13 });
      expect(trace.warnings).toEqual([
        '3 further processes in the recording: process 1 alone is replayed (--pid N for another: 10, 11, 12)',
        '3 threads may be of this process or of another: each is taken for one of the process whose line is before its first',
      ]);
    });

    test('are replayed with their process, and those that begin after its end are not', () => {
      const { trace, ops, ledger } = read(`${family.join('\n')}\n`, { pid: 10 });
      expect([trace.threads.tids, ops['malloc'], ledger.totalLiveBytes]).toEqual([[10, 20], 4, 2000]);
    });

    const child = '3 --- Called exec() ---; 3 q->malloc(50) = 0x560000000010; ';

    test.each([
      ['of the process that frees its block', '4 q->malloc(8) = 0x7f0000000b70; 1 p->free(0x7f0000000b70) = <void>', [1, 4]],
      [
        'of the other that frees its block',
        '1 p->free(0) = <void>; 4 q->malloc(8) = 0x7f0000000b70; 3 q->free(0x7f0000000b70) = <void>',
        [1],
      ],
      [
        'of the process whose heap it shares',
        '3 q->pthread_create(0, 0, 0, 0) = 0; 4 q->malloc(8) = 0x7f0000000b70; 4 +++ exited (status 0) +++; 1 p->free(0) = <void>; 5 q->malloc(8) = 0x7f0000000b90',
        [1],
      ],
      [
        'of the process that calls pthread_create',
        '1 p->pthread_create(0, 0, 0, 0) = 0; 3 q->free(0) = <void>; 4 q->malloc(8) = 0x7f0000000b70',
        [1, 4],
      ],
      ['of the process that clones', '3 SYS_clone(0x3d0f00, 0, 0, 0) = 0x4; 1 p->free(0) = <void>; 4 p->malloc(8) = 0x7f0000000b70', [1]],
      ['of the only process that is left', '3 +++ exited (status 0) +++; 4 p->malloc(8) = 0x7f0000000b70', [1, 4]],
      ['of the other, for the first has ended', '1 +++ exited (status 0) +++; 4 p->malloc(8) = 0x7f0000000b70', [1]],
    ])('are %s', (_, rest, tids) => {
      const { trace } = run(child + rest);
      expect(trace.threads.tids).toEqual(tids);
      expect(trace.warnings.filter((text) => text.includes('may be of this process'))).toEqual([]);
    });
  });

  test('events are held back, not reordered', () => {
    const { text } = run(
      '2 p->free(0) = <void>; 1 p->malloc(7) = 0x550000003000; 2 p->malloc(8) = 0x7f0000000b70; 1 p->malloc(9) = 0x550000004000',
    );
    expect(
      text.map((line) =>
        line
          .split(' ')
          .filter((_, i) => i === 1 || i === 5)
          .join(':'),
      ),
    ).toEqual(['0:100', '0:100', '1:0', '0:7', '1:8', '0:9']);
  });

  test('a thread that ends, and its id again', () => {
    const { trace, ops } = run(
      '2 p->malloc(8) = 0x7f0000000b70; 2 +++ exited (status 0) +++; 1 p->free(0) = <void>; 2 p->malloc(8) = 0x7f0000000c70',
    );
    expect(trace.threads.tids).toEqual([1, 2, 2]);
    expect(ops['thread_exit']).toBe(1);
  });

  test('exec in the process itself clears its heap', () => {
    const { live, ledger, trace } = run('1 --- Called exec() ---; 1 q->malloc(9) = 0x560000000010');
    expect([...live.keys()]).toEqual([0x560000000010]);
    expect(ledger.totalLiveBytes).toBe(9);
    expect(trace.warnings[0]).toContain('2 blocks of its former program');
  });

  test('another process on request: what it inherited is live in it', () => {
    const { trace, ledger, unknown } = run(
      '2 p->malloc(9) = 0x550000003000; 2 p->free(0x550000001000) = <void>; 1 p->free(0x550000001000) = <void>; 1 p->free(0x550000002000) = <void>',
      { pid: 2 },
    );
    expect([trace.threads.tids, unknown, ledger.totalLiveBytes, trace.skipped.other_process]).toEqual([[2], 0, 109, 2]);
  });

  test('held events are bounded', () => {
    const lines = ['2 p->free(0) = <void>'];
    for (let i = 0; i < 70000; i++) lines.push(`1 p->malloc(16) = 0x${(0x550000010000 + 32 * i).toString(16)}`);
    const { events } = read(begin + lines.join('\n') + '\n');
    expect(events).toBe(70003);
  });

  test('undecided ids cost no more than their own events', () => {
    const lines: string[] = [];
    for (let i = 0; i < 4000; i++) lines.push(`${100 + i} p->malloc(8) = 0x${(0x550000010000 + 16 * i).toString(16)}`);
    for (let i = 0; i < 20000; i++) lines.push('1 p->malloc(8) = 0x550000003000', '1 p->free(0x550000003000) = <void>');
    const started = process.cpuUsage();
    const { trace, events } = read(`${begin}${lines.join('\n')}\n`);
    expect([events, trace.skipped.other_process]).toEqual([40002, 4000]);
    expect(process.cpuUsage(started).user / 1e6).toBeLessThan(1);
  });

  test('frees of the C library to its own caches, when a thread ends', () => {
    const text = (name: string) =>
      `1 free${name}(0) = <void>\n2 malloc${name}(8) = 0x550000001000\n1 free${name}(0x550000001000) = <void>\n1 free${name}(0x550000001000) = <void>\n`;
    expect({ ...read(text('@libc.so.6')).trace.skipped }).toEqual({ phantom_free: 1 });
    // Through the PLT no such free is seen: this one is of a block whose allocation was not.
    expect(read(text('')).unknown).toBe(1);
  });
});

describe('prototypes with arguments that are given back (ltrace -F)', () => {
  const live = ({ ledger, unknown }: ReturnType<typeof read>) => [ledger.totalLiveBytes, ledger.totalLiveObjects, unknown];

  test('show the blocks of posix_memalign and asprintf', () => {
    const result = read(
      [
        '7 pm->posix_memalign(0x55626475e2a0, 16, 33) = 0',
        '7 pm->posix_memalign(0x55626475e2d0, 8, 44) = 0',
        '7 pm->free(0x55626475e2d0, 44, 0x55626475e2d0, 0x55626475e2d0) = 0',
        '7 pm->posix_memalign(0, 3, 44) = 22',
        '7 pm->posix_memalign(0, 64, 1152921504606846976) = 12',
        '7 pm->asprintf(0x55626475e380, "hello (%d", 5) = 8',
        '7 pm->posix_memalign( <unfinished ...>',
        '7 <... posix_memalign resumed> 0x55626475e900, 64, 100) = 0',
        '7 pm->asprintf("hello", "hel%s", "lo") = 5\n',
      ].join('\n'),
    );
    expect(live(result)).toEqual([33 + 9 + 100, 3, 0]);
    expect([result.events, { ...result.trace.skipped }]).toEqual([7, { no_address: 1 }]);
  });

  test('are not mistaken for those that show where the address is put', () => {
    const result = read(
      [
        '7 pm->posix_memalign(0x7fff92d2cef8, 64, 1000, 0) = 0',
        '7 pm->posix_memalign(0x7fff92d2cec0, 64, 1000) = 0',
        '7 pm->posix_memalign(0x55626475e2b0, 64, 1000) = 0',
        '7 pm->asprintf(0x7fff92d2cef0, 0x561703d41012, 5, 0) = 1\n',
      ].join('\n'),
    );
    expect([result.events, result.trace.skipped.no_address]).toEqual([0, 4]);
  });

  test('with entries and calls recorded, count once', () => {
    const result = read(
      [
        '7 pm->posix_memalign( <unfinished ...>',
        '7 posix_memalign@libc.so.6( <unfinished ...>',
        '7 malloc@libc.so.6(33, 33, 0, 0x7f3c37dc09e0) = 0x55a42cd0d2a0',
        '7 <... posix_memalign resumed> 0x55a42cd0d2a0, 16, 33) = 0',
        '7 <... posix_memalign resumed> 0x55a42cd0d2a0, 16, 33) = 0',
        '7 pm->posix_memalign( <unfinished ...>',
        '7 posix_memalign@libc.so.6( <unfinished ...>',
        '7 <... posix_memalign resumed> 0x55a42cd0d300, 64, 100) = 0',
        '7 <... posix_memalign resumed> 0x55a42cd0d300, 64, 100) = 0',
        '7 pm->asprintf( <unfinished ...>',
        '7 malloc@libc.so.6(100, 0x55a4019d4004, 0x7fffc97df560, 0) = 0x55a42cd0d310',
        '7 malloc@libc.so.6(8, 0x55a4019d400c, 0x55a42cd0d310, 1) = 0x55a42cd0d380',
        '7 free@libc.so.6(0x55a42cd0d310, 0x35206f6c, 3, 0x6c6c6568) = 0',
        '7 <... asprintf resumed> 0x55a42cd0d380, "hello %d", 5) = 7\n',
      ].join('\n'),
    );
    expect(live(result)).toEqual([33 + 100 + 8, 3, 0]);
    expect(calls(result)[0]).toBe('posix_memalign 0x55a42cd0d2a0 0x0 33 16');
  });
});

describe('a process that ltrace has attached to', () => {
  // As ltrace 0.7.3 -p PID -f prints it: whole addresses of the thread with the process id, lower halves of those of the others.
  const ATTACHED = [
    '17638 exe->malloc(21 <unfinished ...>',
    '17639 exe->malloc(22) = 0x6c000e30',
    '17638 <... malloc resumed> ) = 0x68003390',
    '17635 exe->malloc(99) = 0x5595cd859410',
    '17638 exe->free(0xcd859410) = <void>',
    '17635 exe->free(0x7f3d68003390) = <void>',
    '17635 exe->malloc(50) = 0x5595cd859480',
    '17639 exe->realloc(0x6c000e30, 600) = 0x6c000e60',
    '17635 exe->realloc(0x7f3d6c000e60, 700) = 0x5595cd859a00',
    '17639 exe->malloc_usable_size(0xcd859a00) = 712',
    '17635 exe->free(0x5595cd859a00) = <void>\n',
  ].join('\n');

  test.each([undefined, 17635, 17639])('halves of addresses are blocks of its threads, whichever id is asked for (%s)', (pid) => {
    const result = read(ATTACHED, pid === undefined ? {} : { pid });
    expect({ ...result.trace.skipped }).toEqual({});
    expect([result.events, result.trace.threads.length, result.unknown]).toEqual([10, 3, 0]);
    expect([result.ledger.totalLiveBytes, result.ledger.totalLiveObjects]).toEqual([50, 1]);
  });

  test('that forks: its child is a process still', () => {
    const child = [
      '17640 exe->malloc(8) = 0x5595cd859410',
      '17640 exe->free(0x5595cd859480) = <void>',
      '17635 --- SIGCHLD (Child exited) ---\n',
    ];
    const { trace, events } = read(
      ['17635 exe->malloc(50) = 0x5595cd859480', '17635 exe->malloc(99) = 0x5595cd859410', ...child].join('\n'),
    );
    expect([events, trace.skipped.other_process]).toEqual([2, 2]);
  });

  test('whole addresses are blocks of their own, though their lower halves are alike', () => {
    const { unknown, events } = read(
      '1 exe->malloc(8) = 0x5595cd859480\n1 exe->malloc(8) = 0x7f55cd859480\n1 exe->free(0x5595cd859480) = <void>\n1 exe->free(0x7f55cd859480) = <void>\n',
    );
    expect([unknown, events]).toEqual([0, 4]);
  });
});

describe('input that is not what it seems', () => {
  test('a change of format is noticed, single lines are counted', () => {
    const line = '7 p->malloc(8) = 0x1000\n';
    const other = 'neither here nor there\n';
    const mixed = read((line + other.repeat(31)).repeat(3) + line);
    expect([mixed.events, mixed.trace.skipped.unparsed]).toEqual([4, 93]);
    expect(() => read(line + other.repeat(40) + line)).toThrow(
      'trace:2: from here on 32 lines in a row are not ltrace: "neither here nor there"',
    );
  });

  test('without ids, the program may print between the lines as much as it likes', () => {
    const { trace, events } = read(`p->malloc(8) = 0x1000\n${'neither here nor there\n'.repeat(1000)}p->free(0x1000) = <void>\n`);
    expect([events, trace.skipped.unparsed]).toEqual([2, 1000]);
  });

  test.each([
    ['-ttt', '1795361016.000001 ', '1795361016.000002 ', 1000],
    ['-tt', '15:23:36.985917 ', '15:23:36.985918 ', 1000],
    ['-t', '15:23:36 ', '15:23:37 ', 1e9],
    ['-r', '  0.000000 ', '  0.000001 ', 2000],
    ['-i', '[0x55c89e6de1e8] ', '[0x55c89e6de1e8] ', 1],
    ['no option', '', '', 1],
  ])('%s: what the program prints before a call is no id, time or name', (_, before, after, nanos) => {
    for (const printed of ['7', '12 ', '50%', 'to (5%) ', '1795361016.838253 ', '12:00:01 ', 'malloc(5) = 0x1234 ', '...']) {
      // Where nothing begins ltrace's lines, parentheses are those of a call.
      if (before === '' && printed.includes('(')) continue;
      const result = read(
        [
          `${before}malloc@libc.so.6(10) = 0x55c5e32a82a0`,
          `${printed}${after}malloc@libc.so.6(20 <unfinished ...>`,
          `${after}<... malloc resumed> ) = 0x55c5e32a82c0`,
          `${printed}${after}free@libc.so.6(0x55c5e32a82a0) = <void>\n`,
        ].join('\n'),
      );
      expect(calls(result)).toEqual(['malloc 0x55c5e32a82a0 0x0 10 0', 'malloc 0x55c5e32a82c0 0x0 20 0', 'free 0x55c5e32a82a0 0x0 0 0']);
      expect({ ...result.trace.skipped }).toEqual({ program_output: 2 });
      expect(Number(result.text[1].split(' ')[2])).toBe(nanos);
    }
  });

  test('a number that a line of another call was torn into is no argument', () => {
    const result = read(
      '7 1.000001 calloc@libc.so.6(16, 47 1.000002 calloc@libc.so.6(16, 40) = 0x1000\n7 1.000003 free@libc.so.6(0x1000) = <void>\n',
    );
    expect(
      calls(result)
        .filter((call) => call.includes('calloc'))
        .every((call) => call.endsWith(' 40 16')),
    ).toBe(true);
    expect(Object.values(result.trace.skipped).some((count) => count > 0)).toBe(true);
  });

  test('times before 2001 have fewer digits', () => {
    const result = read('946684800.000001 p->malloc(10) = 0x55c5e32a82a0\n1 of 9946684801.000001 p->free(0x55c5e32a82a0) = <void>\n');
    expect([result.events, { ...result.trace.skipped }]).toEqual([2, { program_output: 1 }]);
  });

  test('a line without the time, or the return address, that all lines have is the program’s', () => {
    const result = read('15:23:36 p->malloc(10) = 0x55c5e32a82a0\nmalloc(5) = 0x55c5e32a82c0\n15:23:36 p->free(0x55c5e32a82a0) = <void>\n');
    expect([result.events, result.trace.skipped.unparsed]).toEqual([2, 1]);
  });

  test('a caller behind what it printed is itself, and the second half of a call is known behind it', () => {
    const result = read(
      [
        'p->malloc(10) = 0x55c5e32a82a0',
        '50% p->free(0x55c5e32a82a0) = <void>',
        '7p->free(0) = <void>',
        'p->realloc(0, 5 <unfinished ...>',
        '60%<... realloc resumed> ) = 0x55c5e32a82c0',
        '70% ns::malloc(3) = 0x5',
        'f.free(0x55c5e32a82c0) = 0\n',
      ].join('\n'),
    );
    expect(result.events).toBe(4);
    expect({ ...result.trace.skipped }).toEqual({ program_output: 3, other_call: 2 });
    expect(result.trace.stacks.frames.frames.map(({ fn }) => fn)).toEqual(['p']);
  });

  test('calls behind what the program printed without a newline are taken, and what it printed is counted', () => {
    const result = read(
      [
        '[pid 7] 1795338869.000001 p->malloc(10)     = 0x55c5e32a82a0',
        'no newline [pid 7] 1795338869.000002 p->malloc(20)     = 0x55c5e32a82c0',
        '1234 5678.000001 x->free(0x55c5e32a82c0) = <void>',
        '(5%)[pid 7] 1795338869.000003 p->free(0x55c5e32a82a0) = <void>',
        'malloc(5) = 0x123456',
        '+++ exited (status 0) +++',
        'unexpected breakpoint at 0x56014b60a51d',
        'to [pid nobody] [pid 7] 1795338869.000004 p->malloc(30 <unfinished ...>',
        '[pid 8] 1795338869.000005 p->strlen("[pid 9]") = 7',
        '50 %[pid 7] 1795338869.000006 <... malloc resumed> ) = 0x55c5e32a82e0',
        '[pid 7] 1795338869.000007 +++ exited (status 0) +++\n',
      ].join('\n'),
    );
    expect(calls(result)).toEqual([
      'malloc 0x55c5e32a82a0 0x0 10 0',
      'malloc 0x55c5e32a82c0 0x0 20 0',
      'free 0x55c5e32a82a0 0x0 0 0',
      'malloc 0x55c5e32a82e0 0x0 30 0',
    ]);
    expect(result.text.map((line) => Number(line.split(' ')[2]))).toEqual([0, 1000, 2000, 5000]);
    expect(result.trace.threads.tids).toEqual([7]);
    expect({ ...result.trace.skipped }).toEqual({ program_output: 4, unparsed: 3, note: 2, other_call: 1 });
  });

  test.each([
    ['the end of a thread', ['8 1795338086.000300 +++ exited (status 0) +++'], 200, 0],
    ['exec()', ['7 1795338086.000300 --- Called exec() ---'], 200, 0],
    ['an event', ['7 1795338086.000300 p->malloc(1) = 0x1000'], 300, 1],
    [
      'an event of another process',
      ['7 --- SIGALRM (Alarm clock) ---', '8 1795338086.000300 --- Called exec() ---', '8 1795338086.000300 q->malloc(1) = 0x1000'],
      300,
      1,
    ],
  ])('times do not go below 0 where the clock goes back behind %s', (_, before, start, raised) => {
    const lines = ['7 1795338086.000200 p->malloc(8) = 0x555500000010', '7 1795338086.000400 p->malloc(9) = 0x555500000030'];
    const { text, trace } = read(`${[...before, ...lines].join('\n')}\n`);
    const times = text.map((line) => Number(line.split(' ')[2]));
    expect([times[0], times.at(-1), trace.header.startTime]).toEqual([
      0,
      (400 - start) * 1000,
      1795338086000000000n + BigInt(start * 1000),
    ]);
    expect(trace.warnings.filter((warning) => warning.includes('earlier than the event before'))).toHaveLength(raised);
  });

  test('hostile names are data', () => {
    const { trace } = read('__proto__->malloc(1) = 0x1000\n<script>->malloc(1) = 0x2000\nconstructor->malloc(1) = 0x3000\n');
    expect(trace.stacks.frames.frames.map((frame) => frame.fn)).toEqual(['__proto__', '<script>', 'constructor']);
    expect(trace.skipped.other_call).toBe(undefined);
  });

  test.each([
    '% time     seconds  usecs/call     calls      function\n------ ----------- ----------- --------- --------------------\n 47.65    0.123039          82      1500 free\n',
    'hello\nworld\n',
    '{"op":"malloc","size":1,"ptr":"0x10"}\n',
    'execve("/bin/true", ["true"], 0x7ffd) = 0\nbrk(NULL) = 0x55d0c0000000\n',
    'malloc(3) is a function; free(p) too\n',
    // Of a library that prints calls in a like way.
    'malloc(24) = 0x5630a2a0 at main.c:12\nmalloc(48) = 0x5630a2c0 at main.c:19\nfree(0x5630a2a0) at main.c:25\n',
    `${'malloc(24) = 0x5630a2a0\nfree(0x5630a2a0)\n'.repeat(9)}[KO]: 1 mallocs not freed\n`,
    '',
    '\0\0\0\0',
  ])('is not ltrace: %j', (text) => expect(ltrace.sniff(Buffer.from(text))).toBe(0));

  // ltrace without -e lists every call of the program: thousands may come before its first allocation.
  test.each([
    '27750 1795271607.434254 getenv("COLS")           = nil\n27750 1795271607.434499 strrchr("sed", \'/\')      = nil\n',
    'setlocale(LC_ALL, "")                            = "C.UTF-8"\nstrlen("C.UTF-8")        = 7\n',
    '__libc_start_main(0x401136, 1, 0x7ffc, 0 <unfinished ...>\nputs("hello")            = 6\n+++ exited (status 0) +++\n',
    'memcpy(0x7fff49e82ae0, "C.UTF-8\\0", 8)         = 0x7fff49e82ae0 <0.000114>\n',
    '27750 qsort(0x5000, 3, 8, 0x4000)                = <void>\n',
    '27750 --- Called exec() ---\n27750 +++ exited (status 1) +++\n',
    'malloc(21)             = 0x1d566b0\nwhat\nthe\nprogram\nprints\n+++ exited (status 0) +++\n',
    `${'p->malloc(8) = 0x1000\n'.repeat(4)}${'what the program prints\n'.repeat(100)}`,
  ])('is ltrace, though no allocation is near its beginning: %j', (text) =>
    expect(ltrace.sniff(Buffer.from(text))).toBeGreaterThanOrEqual(0.5),
  );

  test('lines that are numbered are not those of so many processes; ids that rise once, and seconds, are no numbers of lines', () => {
    const lines = (before: (i: number) => string) => Array.from({ length: 9 }, (_, i) => `${before(i)} p->malloc(8) = 0x1000\n`).join('');
    const sure = (text: string) => ltrace.sniff(Buffer.from(text));
    expect([sure(lines((i) => `${i + 17} `)), sure(lines((i) => `${i + 1}:`)), sure(lines(() => '\x1b[32m'))]).toEqual([0, 0, 0]);
    for (const before of [(i: number) => `${100 + (i >> 1)}`, (i: number) => `${1795218314 + i}.541348`, (i: number) => `12:00:0${i}`])
      expect(sure(lines(before))).toBeGreaterThan(0.9);
  });

  test('blanks at the ends of lines, as copying leaves them, change nothing', () => {
    const text = '1.000001 p->malloc(8 <unfinished ...>\n1.000002 <... malloc resumed> ) = 0x1000\n1.000003 p->free(0x1000) = <void>\n';
    const copied = text.replaceAll('\n', ' \t  \r\n');
    expect(ltrace.sniff(Buffer.from(copied))).toBeGreaterThan(0.9);
    expect(read(copied).text).toEqual(read(text).text);
    expect(read(copied).events).toBe(2);
  });

  test('is ltrace with line ends of another system', () => {
    const text = '1 1.000001 p->malloc(8) = 0x1000\r\n1 1.000002 p->free(0x1000) = <void>\r\n';
    expect(ltrace.sniff(Buffer.from(text))).toBeGreaterThan(0.9);
    expect(read(text).events).toBe(2);
  });

  // Times of -r are padded; only with -f an id stands before them.
  test.each([
    '  0.000000 [0x7f2f6985f9b2] libc.so.6->calloc(0, 1600) = 0x55794cd024b0\n  0.000229 [0x7f2f6985f896] p->malloc(8) = 0x55794cd02b00\n',
    '  0.000000 p->malloc(16) = 0x55794cd024b0\n  0.000666 +++ exited (status 0) +++\n',
  ])('is ltrace -r of one thread: %j', (text) => expect(ltrace.sniff(Buffer.from(text))).toBeGreaterThan(0.9));

  test('damaged and random bytes give events, counts or InputError', async () => {
    const bytes = (await fixtureBytes('edge_e_i_a80.ltrace')).slice(0, 3000);
    const attempt = (input: Uint8Array, sizes: number[]) => {
      try {
        const result = tally(ltrace, input, {}, sizes);
        for (const count of Object.values(result.trace.skipped)) expect(count).toBeGreaterThan(0);
      } catch (error) {
        expect((error as Error).name).toBe('InputError');
      }
    };
    fc.assert(fc.property(withOtherBytes(bytes, 40), fc.integer({ min: 1, max: 500 }), (damaged, size) => attempt(damaged, [size])));
    const word = fc.constantFrom(
      'malloc',
      '(',
      ')',
      ' = ',
      '0x10',
      '<unfinished ...>',
      '<... ',
      ' resumed> ',
      '\n',
      '7 ',
      '1.000000 ',
      'p->',
      '@l',
      'operator new',
      '"',
      '\\',
      ', ',
      '[0x1] ',
      '+++ exited',
      '--- SIGCHLD',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (words, size) =>
        attempt(Buffer.from(words.join('')), [size]),
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => attempt(noise, [7])));
  });
});

test('a program whose frees ltrace does not see, as it calls free through the address that it also uses, is named', () => {
  const calls = (line: (at: string) => string) =>
    Array.from({ length: 70 }, (_, i) => `${line((0x10000 + 16 * i).toString(16))}\n`).join('');
  const notes = (text: string) => read(text).trace.warnings;
  const allocations = calls((at) => `git->malloc(8) = 0x${at}`);
  expect(notes(allocations)).toEqual([expect.stringContaining('no call of free by git is recorded')]);
  expect(notes(`${allocations}libz.so.1->free(0x10000) = <void>\n`)).toHaveLength(1);
  expect(notes(`${allocations}git->free(0x10000) = <void>\n`)).toEqual([]);
  expect(notes(`${allocations}free@libc.so.6(0x10000) = <void>\n`)).toEqual([]);
  // A library may leave that to its callers; of functions entered all calls are seen.
  expect(notes(calls((at) => `libz.so.1->malloc(8) = 0x${at}`))).toEqual([]);
  expect(notes(calls((at) => `malloc@libc.so.6(8) = 0x${at}`))).toEqual([]);
});

describe('lines that jereplay record appends', () => {
  const call = '7 1.000001 a->malloc(1) = 0x1000\n';
  const facts = `# jereplay ncpus 2\n${'# jereplay map 55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /a\n'.repeat(40)}# jereplay thread 7 worker\n`;

  test('tell of the process and name its threads', () => {
    const { trace, events } = read(`${call}# jereplay thread 8 nobody\n${facts}`);
    expect(events).toBe(1);
    expect(trace.header.ncpus).toBe(2);
    expect(trace.header.maps?.split('\n')).toHaveLength(41);
    expect(trace.threads.names).toEqual(['worker']);
    expect(trace.skipped).toEqual({ note: 43 });
  });

  test('say nothing of the format, however few calls there are', () => {
    expect(ltrace.sniff(Buffer.from(call + facts))).toBe(ltrace.sniff(Buffer.from(call)));
  });
});
