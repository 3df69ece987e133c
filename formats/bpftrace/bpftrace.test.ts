import { formatCount } from '../../core/trace/counted.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, framesOf, liveOfSize, liveUnder, tally } from '../../fixtures/tally.ts';
import { bpftrace } from './bpftrace.ts';

const utf8 = new TextEncoder();
const read = (text: string, options = {}) => tally(bpftrace, utf8.encode(text), options);

/** Lines of recordings: calls (entries, returns and whole ones), by what they start with. */
function callLines(bytes: Uint8Array): string[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter((line) => /^(\d|A |F |\{"type": "printf", "data": "\d)/.test(line));
}

describe('complete recordings', () => {
  test('leaky 4000: every leak, and nothing that was freed', async () => {
    const result = tally(bpftrace, await fixtureBytes('leaky_clean_perf.txt.zst'));
    expect(result.events).toBe(42654);
    expect(result.ledger.totalLiveBytes).toBe(1060119);
    expect(result.ledger.totalLiveObjects).toBe(2338);
    expect(result.ledger.totalPeakBytes).toBe(1070481);
    expect(liveOfSize(result, 312)).toEqual({ objects: 400, bytes: 124800 });
    expect(liveUnder(result, 'realloc')).toEqual({ objects: 160, bytes: 163840 });
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect({ ...result.trace.skipped }).toEqual({ note: 1 });
    expect(result.trace.header.pid).toBe(18355);
    expect(result.trace.header.startTime).toBe(772218247019n);
    expect(result.trace.partial).toBe(false);
  });

  test('leaky 500 by jereplay.bt: direct callers are named', async () => {
    const result = tally(bpftrace, await fixtureBytes('leaky_500_jereplay.txt.zst'));
    expect(liveUnder(result, 'leak_session')).toEqual({ objects: 50, bytes: 15600 });
    expect(liveUnder(result, 'leak_log_line')).toEqual({ objects: 20, bytes: 20480 });
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect(result.trace.threads.names).toEqual(['leaky']);
    const leak = [...result.live.values()].find(({ size }) => size === 312)!;
    expect(framesOf(result, leak.stack).map(({ fn }) => fn)).toEqual([
      '__GI___libc_malloc',
      'leak_session',
      'handle',
      'main',
      '__libc_start_call_main',
    ]);
  });

  test('lines that name addresses name them in stacks and as callers, of the file that they say', () => {
    const names = `Attaching 49 probes...
# jereplay bpftrace 1 pid=7 library=/lib/libc.so.6
# jereplay symbol 7f0000000930 malloc+0 (/lib/libc.so.6)
# jereplay symbol 550000001212 leak(int, char (*)())+41 (/usr/bin/app (old))
`;
    const result = read(`${names}10 7 7 malloc(8) = 0x55d000001000 ra=0x550000001212 0x550000001212
\t7f0000000930 0x7f0000000930 ([unknown])
\t550000001300 0x550000001300 ([unknown])

`);
    const [block] = [...result.live.values()];
    expect(framesOf(result, block.stack)).toEqual([
      { pc: 0x7f0000000930n, fn: 'malloc', offset: 0, module: '/lib/libc.so.6' },
      { pc: 0x550000001212n, fn: 'leak(int, char (*)())', offset: 41, module: '/usr/bin/app (old)' },
      { pc: 0x550000001300n },
    ]);
    expect({ ...result.trace.skipped }).toEqual({ note: 4 });
    // There may be more of them than what a format is recognised by.
    expect(bpftrace.sniff(utf8.encode(names))).toBeGreaterThan(0.7);
    expect(bpftrace.sniff(utf8.encode(names.split('\n').slice(1).join('\n')))).toBeGreaterThan(0.7);
  });

  test('an address is what it was at the time of the call, where other code came into its place', () => {
    const result = read(`Attaching 49 probes...
# jereplay symbol 7f0000001212 draw+41 (/lib/a.so)
# jereplay symbol_since 20 7f0000001212 0x7f0000001212 ([unseen])
# jereplay symbol_since 30 7f0000001212 sum(int)+41 (/lib/b.so)
# jereplay symbol_since 40 7f0000001212 0x7f0000001212 (/lib/stripped.so)
${[10, 20, 39, 40, 15]
  .map(
    (time) => `${time} 7 7 malloc(${time}) = 0x55d00000${time}00 ra=0x7f0000001212 0x7f0000001212
\t7f0000000930 0x7f0000000930 ([unknown])
\t7f0000001212 0x7f0000001212 ([unknown])

`,
  )
  .join('')}`);
    const pc = 0x7f0000001212n;
    const draw = { pc, fn: 'draw', offset: 41, module: '/lib/a.so' };
    const calls = [...result.live.values()].map(({ size, stack }) => [size, framesOf(result, stack).slice(1)]);
    expect(Object.fromEntries(calls)).toEqual({
      10: [draw],
      15: [draw],
      20: [{ pc, module: '[unseen]' }],
      39: [{ pc, fn: 'sum(int)', offset: 41, module: '/lib/b.so' }],
      40: [{ pc, module: '/lib/stripped.so' }],
    });
  });

  test('names go on behind a line separator', async () => {
    const text = new TextDecoder().decode(await fixtureBytes('leaky_500_jereplay.txt.zst')).replaceAll('leak_session', 'leak\u2028session');
    expect(liveUnder(read(text), 'leak\u2028session')).toEqual({ objects: 50, bytes: 15600 });
  });

  test('mt 4 3000, entries and returns: all is freed but what the C library keeps', async () => {
    const result = tally(bpftrace, await fixtureBytes('mt4_split_clean.txt.zst'));
    expect(result.ledger.totalLiveBytes).toBe(5184);
    // The thread library's four vectors and stdout's buffer.
    expect([...result.live.values()].map(({ size }) => size).sort()).toEqual([272, 272, 272, 272, 4096]);
    expect(result.reused).toBe(0);
    expect(result.trace.skipped).toMatchObject({ nested: 818, phantom_free: 1069 });
    expect(result.trace.threads.tids).toHaveLength(5);
    // What is left is freed without having been seen: valloc has no probe in this recording, and its blocks begin a page.
    for (const line of result.text) if (line.startsWith('free')) expect(Number(line.split(' ')[3])).not.toBeNaN();
    expect(result.unknown).toBe(9);
  });

  test('mt 3 300 by jereplay.bt as JSON: nothing is unknown, and each thread exits', async () => {
    const result = tally(bpftrace, await fixtureBytes('mt3_300_jereplay.json.zst'));
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect(result.ops['thread_exit']).toBe(3);
    expect(result.ledger.totalLiveBytes).toBe(4096 + 3 * 272);
    expect(result.trace.skipped.phantom_free).toBe(333);
    expect(result.trace.skipped.nested).toBeUndefined();
  });

  test('mt 4 600 without stacks: nested calls and the caches of exiting threads are told apart', async () => {
    const bytes = await fixtureBytes('mt4_600_nostack.txt.zst');
    const result = tally(bpftrace, bytes);
    expect(result.ledger.totalLiveBytes).toBe(5184);
    expect({ ...result.trace.skipped }).toEqual({ note: 1, nested: 182, phantom_free: 733 });
    expect(result.events + 182 + 733).toBe(callLines(bytes).length);
  });

  test('sqlite: an outer call takes the stack that the inner one overwrote', async () => {
    const result = tally(bpftrace, await fixtureBytes('sqlite_paired_perf.txt.zst'));
    expect(result.trace.skipped).toMatchObject({ nested: 3 });
    expect(result.ledger.totalLiveBytes).toBe(8937);
    expect(result.unknown).toBe(0);
    const first = result.text[0].split(' ');
    expect(first[0]).toBe('realloc');
    expect(framesOf(result, Number(first[7])).map(({ fn }) => fn)).toEqual(['__GI___libc_malloc']);
  });
});

describe('recordings that lost events', () => {
  test.each([
    ['leaky_paired_perf.txt.zst', 19748],
    ['leaky_ra.txt.zst', 3302],
    ['mt4_json_lost.txt.zst', 18983],
  ])('%s: each line is an event or counted', async (name, lost) => {
    const bytes = await fixtureBytes(name);
    const result = tally(bpftrace, bytes);
    const { skipped } = result.trace;
    expect(skipped.lost).toBe(lost);
    expect(result.events + (skipped.nested ?? 0) + (skipped.phantom_free ?? 0)).toBe(callLines(bytes).length);
    expect(result.trace.warnings.some((warning) => warning.includes(formatCount(lost)))).toBe(true);
  });

  test.each([
    ['mt4_split_perf.txt.zst', 24047],
    ['leakycpp_split_nosym.txt.zst', 24492],
  ])('%s: entries and returns add up', async (name, lost) => {
    const bytes = await fixtureBytes(name);
    const lines = callLines(bytes);
    const { skipped } = tally(bpftrace, bytes).trace;
    const { ops } = tally(bpftrace, bytes);
    const frees = lines.filter((line) => line.includes(' free ptr=')).length;
    const joined = Object.entries(ops).reduce((sum, [op, count]) => (op === 'free' ? sum : sum + count), 0);
    expect(skipped.lost).toBe(lost);
    expect(2 * (joined + (skipped.nested ?? 0)) + frees + (skipped.no_return ?? 0) + (skipped.no_entry ?? 0)).toBe(lines.length);
    expect((ops['free'] ?? 0) + (skipped.phantom_free ?? 0)).toBe(frees);
  });

  test('a frame keeps the name it had while the process lived', async () => {
    const result = tally(bpftrace, await fixtureBytes('leaky_paired_perf.txt.zst'));
    for (const frame of result.trace.stacks.frames.frames)
      if (frame.pc === 0x55cb8851756cn && frame.fn !== undefined) expect(frame).toMatchObject({ fn: 'handle', offset: 18 });
    for (let stack = 0; stack < result.trace.stacks.length; stack++)
      expect(framesOf(result, stack).every(({ fn }) => fn !== undefined)).toBe(true);
  });

  test('direct callers from ra=', async () => {
    const result = tally(bpftrace, await fixtureBytes('leaky_ra.txt.zst'));
    // 27 of these lines are in the recording, all before the process was gone; the rest have the address of a named one.
    expect(liveUnder(result, 'leak_session').objects).toBe(52);
  });
});

describe('processes', () => {
  test('the one with the most calls is taken, and the other named', async () => {
    const bytes = await fixtureBytes('redis_jem_stack.txt.zst');
    const result = tally(bpftrace, bytes);
    expect(result.trace.header.pid).toBe(18596);
    expect(result.trace.skipped.other_process).toBe(1222);
    expect(result.events + 1222).toBe(callLines(bytes).length);
    expect(result.trace.warnings.join()).toContain('process 18691');
    // Leftover maps and their stack are no calls.
    expect(result.trace.skipped.note).toBe(3);
  });

  test('--pid takes the other one', async () => {
    const bytes = await fixtureBytes('redis_jem_stack.txt.zst');
    const result = tally(bpftrace, bytes, { pid: 18691 });
    expect(result.events).toBe(1222);
    expect(result.trace.header.pid).toBe(18691);
    expect(() => tally(bpftrace, bytes, { pid: 1 })).toThrow(/no events of process 1\b/);
  });

  test('default-style stacks: names and offsets without addresses', async () => {
    const result = tally(bpftrace, await fixtureBytes('edge_split_bpftracefmt.txt'));
    expect(framesOf(result, 0)).toEqual([{ fn: '__GI___libc_malloc', offset: 0 }, { pc: 0x7ff2d422b24an }]);
    expect(result.ops).toMatchObject({ realloc: 7, posix_memalign: 2, aligned_alloc: 2 });
    expect(result.trace.skipped.nested).toBe(3);
  });
});

describe('order', () => {
  test('lines of two buffers are put in order; what comes later than the window is counted', () => {
    const lines = ['1000 7 7 malloc(8) = 0x1000', '4000 7 8 free(0x2000)', '2000 7 7 malloc(16) = 0x2000', '3000 7 7 free(0x1000)'];
    const result = read(`${lines.join('\n')}\n`);
    expect(result.text.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      'malloc 0 0',
      'malloc 0 1000',
      'free 0 2000',
      'free 1 3000',
    ]);
    const late = read(`${[4, 5, 6, 7, 8, 2].map((time) => `${time}000 7 7 malloc(8) = 0x${time}0`).join('\n')}\n`, { reorderWindow: 2 });
    expect({ ...late.trace.skipped }).toEqual({ late: 1 });
    expect(late.events).toBe(5);
    expect(late.trace.warnings.join()).toContain('too late');
  });

  test('a block that a realloc moved from is free before the realloc returns', () => {
    const result = read(
      '10 7 7 malloc(8) = 0x1000\n20 7 8 malloc(8) = 0x1000\n30 7 7 realloc(0x1000, 64) = 0x2000\n40 7 8 free(0x1000)\n50 7 7 free(0x2000)\n',
    );
    expect(result.text.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'malloc 0',
      'realloc 0',
      'malloc 1',
      'free 1',
      'free 0',
    ]);
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect(result.live.size).toBe(0);
  });

  test('a realloc within its block is not the parent of the malloc before it', () => {
    const result = read('10 7 7 malloc(8) = 0x1000\n20 7 7 realloc(0x1000, 8) = 0x1000\n');
    expect(Object.keys(result.ops)).toEqual(['malloc', 'realloc']);
  });

  test.each([
    ['10 7 7 malloc(8) = 0x1000\n11 7 7 realloc(0x0, 8) = 0x1000\n', { realloc: 1 }],
    ['10 7 7 malloc(8) = 0x1000\n11 7 7 realloc(0x500, 8) = 0x1000\n', { realloc: 1 }],
    ['10 7 7 malloc(8) = 0x1000\n11 7 7 posix_memalign(0, 8) = 0 0x1000\n', { posix_memalign: 1 }],
    ['10 7 7 malloc(6) = 0x1000\n11 7 7 realloc(0x0, 6) = 0x1000\n12 7 7 reallocarray(0x0, 2, 3) = 0x1000\n', { reallocarray: 1 }],
    ['10 7 7 free(0x1000)\n11 7 7 realloc(0x1000, 0) = 0x0\n', { realloc: 1 }],
    ['10 7 7 malloc(8) = 0x1000\n11 7 8 realloc(0x0, 8) = 0x2000\n', { malloc: 1, realloc: 1 }],
    ['10 7 7 malloc(8) = 0x1000\n11 7 7 realloc(0x0, 9) = 0x1000\n', { malloc: 1, realloc: 1 }],
  ])('nested calls: %j', (text, ops) => {
    const result = read(text);
    expect(result.ops).toEqual(ops);
    expect(result.events + (result.trace.skipped.nested ?? 0)).toBe(text.split('\n').length - 1);
  });

  test('a return that is lost does not swallow the calls after it', () => {
    const result = read(
      '10 7/7 a realloc ptr=0x0 size=8\n20 7/7 a malloc size=5\n21 7/7 a malloc ret=0x1000\n30 7/7 a free ptr=0x1000\n40 7/7 a calloc ret=0x2000\n',
    );
    expect(result.ops).toEqual({ malloc: 1, free: 1 });
    expect({ ...result.trace.skipped }).toEqual({ no_return: 1, no_entry: 1 });
  });

  test('a double free by the main thread, or by one that goes on, is not called a phantom', () => {
    const lines = '10 7 7 malloc(8) = 0x1000\n20 7 7 free(0x1000)\n30 7 8 free(0x1000)\n';
    expect(read(`${lines}40 7 8 malloc(8) = 0x3000\n`).trace.skipped.phantom_free).toBeUndefined();
    expect(read(`${lines}40 7 8 free(0x1000)\n`).trace.skipped.phantom_free).toBe(2);
    expect(read('10 7 7 malloc(8) = 0x1000\n20 7 7 free(0x1000)\n30 7 7 free(0x1000)\n').trace.skipped.phantom_free).toBeUndefined();
  });
});

describe('lines', () => {
  test('a command with spaces, a name that is a trap', () => {
    const result = read('10 7/9 Web Content malloc size=8\n11 7/9 Web Content malloc ret=0x1000\n12 7/10 __proto__ free ptr=0x1000\n');
    expect(result.trace.threads.names).toEqual(['Web Content', '__proto__']);
    expect(result.ops).toEqual({ malloc: 1, free: 1 });
  });

  test.each([
    ['A 10 7 8 0x1000 ra=0x555555555555 main\n', ['malloc', 8, '0x555555555555'], 'main'],
    ['A 10 6 7 8 0x1000 ra=0x555555555555 0x555555555555\n', ['malloc', 8, '0x555555555555'], undefined],
    ['R 10 7 0x1000 8 0x2000 ra=0x555555555555 grow\n', ['realloc', 8, '0x555555555555'], 'grow'],
  ])('%j', (text, [op, size, pc], fn) => {
    const result = read(text);
    expect(result.text[0].split(' ')[0]).toBe(op);
    expect(Number(result.text[0].split(' ')[5])).toBe(size);
    expect(framesOf(result, 0)).toEqual([{ pc: BigInt(pc), ...(fn === undefined ? {} : { fn }) }]);
  });

  test('a last line without its newline may be cut in its number', () => {
    const torn = read('10 7 7 malloc(8) = 0x1000\n11 7 7 malloc(8) = 0x20');
    expect(torn.events).toBe(1);
    expect(torn.trace.skipped.torn).toBe(1);
    expect(torn.trace.partial).toBe(true);
    const whole = read('10 7 7 malloc(8) = 0x1000\n11 7 7 free(0x1000)');
    expect(whole.events).toBe(2);
    expect(whole.trace.partial).toBe(false);
  });

  test('a stack that walks into data ends there', () => {
    const result = read(
      '10 7 7 malloc(8) = 0x1000\n\t7f8c798ae930 malloc+0 (/lib/libc.so.6)\n\t6f632e6863746977 0x6f632e6863746977 ([unknown])\n\t7f8c7983d24a f+1 (/lib/libc.so.6)\n\n',
    );
    expect(framesOf(result, 0)).toEqual([{ pc: 0x7f8c798ae930n, fn: 'malloc', offset: 0, module: '/lib/libc.so.6' }]);
  });

  test('what is not a call is counted by what it is', () => {
    const result = read(
      'Attached 2 probes\nAttached until here\nLost 5 events\n@x[1]: 5\n\thello\nERROR: oh\nprogram output\n10 7 7 mmap(5) = 0x7000\n10 7 7 malloc(8) = 0x1000\n',
    );
    expect({ ...result.trace.skipped }).toEqual({ note: 4, lost: 5, unparsed: 1, other_call: 1 });
    expect(result.events).toBe(1);
  });

  test.each([
    ['10 7 7 malloc(-1294967296) = 0x1000', 'malloc 4096 3000000000'],
    ['10 7/7 ls malloc size=-1294967296\n11 7/7 ls malloc ret=0x1000', 'malloc 4096 3000000000'],
    ['A 10 7 -1294967296 0x1000', 'malloc 4096 3000000000'],
    ['10 7 7 malloc(-1) = (nil)', 'malloc 0 4294967295'],
    ['10 7/7 ls malloc size=-1\n11 7/7 ls malloc ret=(nil)', 'malloc 0 4294967295'],
    ['10 7 7 realloc((nil), 8) = 0x1000', 'realloc 4096 8'],
    ['10 7 7 free((nil))', 'free 0 0'],
    ['10 7/7 ls free ptr=(nil)', 'free 0 0'],
    ['F 10 7 (nil)', 'free 0 0'],
  ])('%s: sizes of three gigabytes and more by %%d, null pointers by %%p', (line, expected) => {
    const { text, trace } = read(`${line}\n`);
    const events = text.map((event) => event.split(' ')).map(([op, , , ptr, , size]) => `${op} ${ptr} ${size}`);
    expect([events, { ...trace.skipped }]).toEqual([[expected], {}]);
  });

  test('maps that are printed: histograms, and keys with stacks, which are none of a call', () => {
    const key = '@s[\n    malloc+0\n    main+4\n';
    const maps = `@h: \n[0]        1 |@@@   |\n[1, 2)     0 |      |\n(..., 0)   1 |@@@   |\n\n${key}]: 12\n${key}, ls]: 5\n`;
    const { trace, events } = read(`Attaching 2 probes...\n10 7 7 malloc(8) = 0x1000\n${maps}11 7 7 free(0x1000)\n`);
    expect([{ ...trace.skipped }, events]).toEqual([{ note: 13 }, 2]);
    const torn = read(`@s[\n    malloc+0\n10 7 7 malloc(8) = 0x1000\n        main+4\n\n`);
    expect(framesOf(torn, 0)).toEqual([{ fn: 'main', offset: 4 }]);
  });

  test('calls without times, in the order of the file', () => {
    const calls = 'malloc(24) = 0x1000\nrealloc(0x1000, 32) -> 0x2000\n        f+12\n        main+30\n\nmalloc(8) called by ls\n';
    const result = read(`Attaching 3 probes...\n${calls}Lost 3 events\n100 7 7 free(0x2000)\n7 free(0x2000)\n@x: 5\n`);
    expect(result.text.map((line) => line.split(' ')[0])).toEqual(['malloc', 'realloc']);
    expect(framesOf(result, [...result.live.values()][0]!.stack).map(({ fn }) => fn)).toEqual(['f', 'main']);
    expect({ ...result.trace.skipped }).toEqual({ lost: 3, note: 2, unparsed: 3 });
    expect(result.trace.header.timed).toBe(false);
    expect(result.trace.warnings).toContainEqual(expect.stringContaining('have no times'));
    expect(result.trace.warnings).toContainEqual(expect.stringContaining('have no ids of threads'));
    // Behind a call with its time they are what the program prints.
    expect(read('Attaching 3 probes...\n100 7 7 malloc(8) = 0x1000\nfree(0x1000)\n').ops).toEqual({ malloc: 1 });
    expect(bpftrace.sniff(utf8.encode(calls))).toBe(0);
  });

  test.each([
    ['58739038670616 8 ', -1, 8, ''],
    ['58739038670616,7,8,', 7, 8, ''],
    ['58739038670616\t7\t8\t', 7, 8, ''],
    ['58739038670616 bio io 7 8 ', 7, 8, 'bio io'],
    ['58739038670616: ', -1, 0, ''],
    ['18:24:34.510575 leaky[8] ', -1, 8, 'leaky'],
    ['18:24:34 pid=7 tid=8 comm=leaky ', 7, 8, 'leaky'],
    ['leaky            8 ', -1, 8, 'leaky'],
    ['7:8 ', 7, 8, ''],
    ['PID 7, TID 8: ', 7, 8, ''],
    ['kworker/0:1 7/8: ', 7, 8, 'kworker/0:1'],
  ])('a call behind "%s"', (prefix, pid, tid, name) => {
    const result = read(`Attaching 3 probes...\n${prefix}malloc(24) = 0x1000\n${prefix}free(0x1000)\n`);
    expect(result.ops).toEqual({ malloc: 1, free: 1 });
    expect(result.trace.header.pid).toBe(pid < 0 ? undefined : pid);
    expect(result.trace.threads.tids).toEqual([tid]);
    expect(result.trace.threads.names).toEqual([name === '' ? undefined : name]);
    expect(result.trace.header.timed).toBe(/^\d{9}|^\d\d:/.test(prefix));
  });

  test.each(['cpu 1 tid 8 ', 'a=5 ', 'x 1 2 3 ', '8 58739038670616 ', 'what a program prints '])(
    'what is no call behind "%s"',
    (prefix) => {
      expect({ ...read(`Attaching 3 probes...\n${prefix}malloc(24) = 0x1000\n`).trace.skipped }).toEqual({ note: 1, unparsed: 1 });
    },
  );

  test('a blank line may stand between a call and its stack, but no two', () => {
    const stack = '        f+12\n        main+30\n\n';
    const result = read(`100 7 7 malloc(8) = 0x1000\n\n${stack}101 7 7 malloc(9) = 0x2000\n\n\n${stack}`);
    const framesAt = (address: number) => framesOf(result, result.live.get(address)!.stack).map(({ fn }) => fn);
    expect(framesAt(0x1000)).toEqual(['f', 'main']);
    expect(framesAt(0x2000)).toEqual([]);
  });

  test('a key may have more before its stack, or two of them', () => {
    const map = '@calls[16756, \n    f+12\n]: 1\n@[\n    f+12\n, \n    main+30\n, ls]: 5\n';
    const result = read(`100 7 7 malloc(8) = 0x1000\n${map}`);
    expect(framesOf(result, result.live.get(0x1000)!.stack)).toEqual([]);
    expect({ ...result.trace.skipped }).toEqual({ note: 8 });
  });

  test('maps alone are no trace', () => {
    const map = '@[\n    f+12\n    main+30\n]: 5\n';
    expect(() => read(`Attaching 1 probe...\n\n${map}`)).toThrow(/^trace: bpftrace printed maps, which are sums, and no calls$/);
    expect(() => read('{"type": "attached_probes", "data": {"probes": 1}}\n{"type": "map", "data": {"@": 5}}\n')).toThrow(/maps/);
    expect({ ...read(`Attaching 1 probe...\nLost 4 events\n${map}`).trace.skipped }).toEqual({ lost: 4, note: 5 });
    expect({ ...read('Attaching 1 probe...\n').trace.skipped }).toEqual({ note: 1 });
  });

  test('what bpftrace says on stderr, in the middle of a stack', () => {
    const result = read(
      "ERROR: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace\nAttaching 11 probes...\n10 7 7 malloc(8) = 0x1000\n\t7f8c798ae930 __GI___libc_malloc+0 (/lib/libc.so.6)\nERROR: failed to look up stack id 0 (pid 0): -2\nLost 18 events\n\n12 7 7 malloc(9) = 0x2000\n",
    );
    expect(result.ops).toEqual({ malloc: 2 });
    expect({ ...result.trace.skipped }).toEqual({ note: 3, lost: 18 });
  });

  test('a thread exits after its destructors have freed what they free', () => {
    const result = read(
      '10 7 7 malloc(8) = 0x1000\n11 7 8 malloc(8) = 0x2000\n12 7 8 thread(worker)\n12 7 8 thread_exit()\n13 7 8 free(0x2000)\n14 7 8 free(0x2000)\n15 7 8 free(0x9990)\n16 7 7 thread_exit()\n17 7 7 free(0x1000)\n',
    );
    expect(result.text.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'malloc 0',
      'malloc 1',
      'free 1',
      'thread_exit 1',
      'free 0',
    ]);
    expect({ ...result.trace.skipped }).toEqual({ note: 2, phantom_free: 2 });
    expect(result.trace.threads.names).toEqual([undefined, 'worker']);
  });
});

describe('a process runs another program', () => {
  const call = (time: number, ptr: string, size = 8) => `${time} 7 7 malloc(${size}) = ${ptr}\n`;

  test('the blocks of the former one are freed there, and its addresses are unknown again', () => {
    const result = read(
      `10 7 7 exec()\n11 7 7 thread(sh)\n${call(11, '0x2000')}${call(12, '0x1000')}${call(13, '0x3000')}14 7 7 free(0x3000)\n15 7 7 exec()\n16 7 7 thread(app)\n${call(16, '0x2000', 9)}17 7 7 free(0x3000)\n`,
    );
    expect(result.text.slice(4, 6).map((line) => line.split(' ').slice(0, 4).join(' '))).toEqual(['free 0 4 4096', 'free 0 4 8192']);
    expect([result.ledger.totalLiveBytes, result.ledger.totalLiveObjects, result.unknown, result.reused]).toEqual([9, 1, 1, 0]);
    expect({ ...result.trace.skipped }).toEqual({ note: 4 });
    expect(result.trace.warnings).toEqual(['the process called exec(), which freed 2 blocks of its former program']);
    expect([result.trace.threads.names, result.trace.header.startTime]).toEqual([['app'], 11n]);
  });

  test('again and again: the first is noted where it is, the others at the end', () => {
    const programs = ['0x1000', '0x2000', '0x3000'].map((ptr, i) => `${call(10 + 2 * i, ptr)}${11 + 2 * i} 7 7 exec()\n`);
    expect(read(programs.join('')).trace.warnings).toEqual([
      'the process called exec(), which freed 1 block of its former program',
      'it called exec() 2 more times, which freed 2 blocks',
    ]);
  });

  test('a thread of it that made no call may do that', () => {
    const result = read(`${call(10, '0x1000')}11 7 8 exec()\n${call(12, '0x2000')}`);
    expect([result.ledger.totalLiveObjects, result.unknown, result.trace.threads.tids]).toEqual([1, 0, [7, 8]]);
  });

  test('another process is none of its business, and the order is that of times', () => {
    const result = read(`13 7 7 exec()\n${call(10, '0x1000')}${call(11, '0x2000')}12 9 9 exec()\n${call(14, '0x4000')}`);
    expect([result.ledger.totalLiveObjects, result.ledger.totalObjects]).toEqual([1, 3]);
    expect({ ...result.trace.skipped }).toEqual({ note: 1, other_process: 1 });
  });
});

describe('recordings of many take no time that grows faster than they do', { timeout: 8000 }, () => {
  const MANY = 40_000;
  const lines = (line: (i: number) => string) => Array.from({ length: MANY }, (_, i) => `${1000 + i} ${line(i)}\n`).join('');
  const at = (i: number) => `0x${(0x550000000000 + i * 64).toString(16)}`;

  test('processes: those that call most are named, the others counted', () => {
    const { trace } = read(
      `${lines((i) => `${i + 1} ${i + 1} malloc(64) = ${at(i)}`)}99998 7 7 free(0x0)\n99999 9 9 free(0x0)\n99999 9 9 free(0x0)\n`,
    );
    expect(trace.skipped).toEqual({ other_process: MANY });
    expect(trace.warnings).toEqual([
      `only process 9 is replayed; the recording also has process 7 with 2 calls, ${[1, 2, 3, 4, 5, 6, 8].map((pid) => `process ${pid} with 1 call`).join(', ')}, and ${MANY - 9} more with ${MANY - 9} calls (--pid N for one of them)`,
    ]);
  });

  test('threads', () => {
    const { trace, events } = read(lines((i) => `7 ${7 + i} malloc(64) = ${at(i)}`));
    expect([trace.threads.length, events]).toEqual([MANY, MANY]);
  });

  test.each([
    ['a live block at the end', '0x2000', MANY],
    ['none but unknown ones', at(MANY), MANY + 1],
  ])('frees of unknown blocks in a thread that allocates no more: %s', (_, last, unknown) => {
    const result = read(
      `10 7 7 malloc(8) = 0x1000\n11 7 8 malloc(8) = 0x2000\n${lines((i) => `7 8 free(${at(i)})`)}99999 7 8 free(${last})\n`,
    );
    expect([result.unknown, result.trace.skipped.phantom_free]).toEqual([unknown, undefined]);
  });

  test('what another thread does meanwhile tells a cache that is handed back from frees of unknown blocks', () => {
    const head = '10 7 7 malloc(8) = 0x1000\n11 7 8 malloc(8) = 0x2000\n12 7 8 free(0x2000)\n13 7 8 free(0x9000)\n';
    const tail = '16 7 8 free(0x9010)\n17 7 8 free(0x9020)\n';
    const phantoms = (meanwhile: string, last: string) => read(`${head}${meanwhile}${tail}${last}`).trace.skipped.phantom_free;
    expect(phantoms('14 7 7 free(0x1000)\n', '18 7 8 free(0x1000)\n')).toBe(3);
    expect(phantoms('', '18 7 8 free(0x1000)\n')).toBeUndefined();
    expect(phantoms('14 7 7 malloc(8) = 0x3000\n15 7 7 free(0x3000)\n', '18 7 8 free(0x3000)\n')).toBe(3);
    expect(phantoms('', '18 7 8 free(0x3000)\n')).toBeUndefined();
  });

  test('blocks given out again and again while a realloc moves away from one of them', () => {
    const again = lines(() => '7 7 malloc(8) = 0x1000');
    const result = read(`${again}50000 7 8 malloc(8) = 0x5000\n50001 7 7 malloc(8) = 0x1000\n50002 7 8 realloc(0x1000, 9) = 0x2000\n`);
    expect(result.text.slice(-2).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['realloc 1', 'malloc 0']);
  });
});

describe('any input', () => {
  const samples = ['edge_split_bpftracefmt.txt', 'leaky_ra.txt.zst', 'mt3_300_jereplay.json.zst', 'mt4_600_nostack.txt.zst'];

  test.each(samples)('%s reads the same however it is cut', async (name) => {
    const bytes = (await fixtureBytes(name)).subarray(0, 60000);
    readsTheSameHoweverCut(bpftrace, bytes);
  });

  test('lines are the same taken many at once as one by one, whole or damaged', async () => {
    const recorded = new TextDecoder().decode((await fixtureBytes('mt4_600_nostack.txt.zst')).subarray(0, 20000)).split('\n');
    const line = fc.oneof(
      { weight: 6, arbitrary: fc.nat(recorded.length - 2).map((at) => recorded[at]) },
      fc.constantFrom(
        '772218247019 18355 18355 malloc(24) = 0x5577804dc2a0 ra=0x557a8042a6a5 main',
        '772218247019 18355 18355 malloc(24) = 0',
        '772218247019 18355 18355 malloc(24) = 0x',
        '772218247019 18355 18355 malloc(99999999999) = 0x10',
        '772218247019 18355 1835500000 free(0x10)',
        '772218247019 18355 18355 free(0x1234567890123)',
        '1772218247019000 18355 18355 free(0x10)',
        '77221824 18355 18355 free(0x10)',
        '772218247 18355 18356 free(0xABCdef)',
        '72218247019 1 1 malloc(1) = 0x10',
        '772218247019 1 2 malloc(1234567) = 0x557a804dc2a0',
        '772218247020 1 2 malloc(12345678) = 0x557a804dc2b0',
        '772218247020 18355 18355 malloc() = 0x557a804dc2b0',
        '772218247020 2147483648 18355 malloc(8) = 0x557a804dc2b0',
        '772218247019 18355 18355 free(10)',
        '\t5577804dc2a0 f+16 (/bin/a)',
        'Lost 3 events',
      ),
    );
    const places = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'09af x)(=-\r\t/,')), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 60 }), places, (lines, hurts) => {
        const text = [...`${lines.join('\n')}\n`];
        for (const [place, letter] of hurts) text[place % text.length] = letter;
        const bytes = utf8.encode(text.join(''));
        const each = text
          .join('')
          .split(/(?<=\n)/)
          .map(({ length }) => length);
        const together = tally(bpftrace, bytes, {}, [bytes.length]);
        const single = tally(bpftrace, bytes, {}, each);
        expect(together.text).toEqual(single.text);
        expect({ ...together.trace.skipped }).toEqual({ ...single.trace.skipped });
        expect(together.trace.warnings).toEqual(single.trace.warnings);
        expect(together.trace.header).toEqual(single.trace.header);
      }),
      { numRuns: 300 },
    );
  });

  test.each(samples)('%s is recognised from its head alone', async (name) => {
    const bytes = await fixtureBytes(name);
    expect(bpftrace.sniff(bytes.subarray(0, 65536))).toBeGreaterThan(0.9);
    expect(bpftrace.sniff(bytes.subarray(0, 3000))).toBeGreaterThan(0.9);
  });

  test('other formats are not', async () => {
    await recognisesNoOther(bpftrace);
    expect(bpftrace.sniff(utf8.encode('{"op":"trace","version":1}\n{"op":"free","ptr":"0x1000"}\n'))).toBe(0);
    expect(bpftrace.sniff(new Uint8Array(0))).toBe(0);
  });

  test('rubbish is counted or refused, never taken', async () => {
    const good = (await fixtureBytes('leaky_ra.txt.zst')).subarray(0, 4000);
    neverTakesRubbish(bpftrace, good);
  });
});
