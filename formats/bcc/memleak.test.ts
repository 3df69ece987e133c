import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, tally } from '../../fixtures/tally.ts';
import { sniffFormat } from '../index.ts';
import { isMemleakTable, memleak } from './memleak.ts';
import { MemleakSummaryReader, type OutstandingContext } from './memleak_summary.ts';

const utf8 = new TextEncoder();
const read = (text: string) => tally(memleak, utf8.encode(text));
const summary = (bytes: Uint8Array, chunk = 65536): OutstandingContext[] => {
  const reader = new MemleakSummaryReader('table');
  for (let start = 0; start < bytes.length; start += chunk) reader.write(bytes.slice(start, start + chunk));
  return reader.end();
};

describe('memleak -t', () => {
  test('leaky: each line is an event, part of one, or counted', async () => {
    const bytes = await fixtureBytes('leaky_trace_t.txt.zst');
    const lines = new TextDecoder()
      .decode(bytes)
      .split('\n')
      .filter((line) => line.startsWith('('));
    const result = tally(memleak, bytes);
    expect(result.ops['malloc']! * 2 + result.ops['free']!).toBe(lines.length);
    expect(result.ops).toEqual({ malloc: 6239, free: 5412 });
    expect({ ...result.trace.skipped }).toEqual({ note: 1 });
    expect(result.unknown).toBe(0);
    expect(result.trace.threads.tids).toEqual([21075]);
    expect(result.trace.threads.names).toEqual(['leaky']);
    expect(result.trace.header.startTime).toBe(1095302449000n);
  });

  test('a call inside another, a call without return, a name with a quote, lost lines, a cut line', () => {
    const line = (message: string, name = "b'a'") => `(${name}, 7, 1, b'...11', 1.5, b'${message}')\n`;
    const result = read(
      line('alloc entered, size = 9') +
        line('alloc entered, size = 8') +
        line('alloc entered, size = 8') +
        line('alloc exited, size = 8, result = 1000') +
        line('free entered, address = 1000, size = 8', `b"it's"`) +
        line('alloc entered, size = 3') +
        'CPU:1 [LOST 4 EVENTS]\n' +
        "(b'a', 7, 1, b'...11', 1.6, b'free entered, address = 10",
    );
    expect(result.ops).toEqual({ malloc: 1, free: 1 });
    expect({ ...result.trace.skipped }).toEqual({ nested: 1, no_return: 2, lost: 4, torn: 1 });
    expect(result.trace.partial).toBe(true);
  });

  test('messages in the kernel’s trace', () => {
    const line = (message: string, cpu = '[001]') => `           leaky-21075   ${cpu} ...11  1095.302449: bpf_trace_printk: ${message}\n\n`;
    const text =
      '# tracer: nop\n#\n' +
      line('alloc entered, size = 365') +
      line('alloc exited, size = 365, result = 55dc2cdb6210') +
      line('free entered, address = 55dc2cdb6210, size = 365') +
      line('something else') +
      line('alloc exited, size = x');
    expect(sniffFormat(utf8.encode(text))).toBe(memleak);
    const result = read(text);
    expect(result.ops).toEqual({ malloc: 1, free: 1 });
    expect({ tids: result.trace.threads.tids, names: result.trace.threads.names }).toEqual({ tids: [21075], names: ['leaky'] });
    expect({ ...result.trace.skipped }).toEqual({ note: 2, unparsed: 2 });
    expect(result.trace.header.startTime).toBe(1095302449000n);
  });

  test('a table is refused as what it is', async () => {
    const bytes = await fixtureBytes('leaky_interval.txt');
    expect(() => tally(memleak, bytes)).toThrow(InputError);
    expect(() => tally(memleak, bytes)).toThrow(/^trace:3: .* is a summary, not a trace: /);
    expect(memleak.sniff(bytes)).toBeGreaterThan(0.5);
  });

  test('recognised from its head', async () => {
    const head = (await fixtureBytes('leaky_trace_t.txt.zst')).subarray(0, 65536);
    expect(memleak.sniff(head)).toBeGreaterThan(0.9);
    await recognisesNoOther(memleak);
  });

  test('reads the same however it is cut', async () => {
    const bytes = (await fixtureBytes('leaky_trace_t.txt.zst')).subarray(0, 60000);
    readsTheSameHoweverCut(memleak, bytes);
  });

  test('rubbish is counted, never taken', async () => {
    const good = (await fixtureBytes('leaky_trace_t.txt.zst')).subarray(0, 4000);
    neverTakesRubbish(memleak, good);
  });
});

describe('tables', () => {
  test('the last one, largest context first', async () => {
    const bytes = await fixtureBytes('leaky_interval.txt');
    const contexts = summary(bytes);
    expect(contexts[0]).toMatchObject({ bytes: 564812, objects: 256 });
    expect(contexts[0].stack.map(({ fn }) => fn)).toEqual(['lru_put', 'handle', 'main', '__libc_start_call_main']);
    const leak = contexts.find(({ stack }) => stack[0].fn === 'leak_log_line')!;
    expect(leak).toMatchObject({ bytes: 111616, objects: 109 });
    expect(leak.stack[0]).toEqual({ pc: 0x55b8520432bbn, fn: 'leak_log_line', offset: 0x4d, module: 'leaky' });
    for (const chunk of [1, 7, 100]) expect(summary(bytes, chunk)).toEqual(contexts);
  });

  test('C++ names keep their spaces and brackets; frames without a name their address', async () => {
    const contexts = summary(await fixtureBytes('leakycpp_s5.txt'));
    expect(contexts[0]).toMatchObject({ bytes: 62754, objects: 149 });
    const names = contexts.flatMap(({ stack }) => stack);
    expect(names.some(({ fn }) => fn === 'operator new(unsigned long)')).toBe(true);
    expect(names.some(({ fn }) => fn?.endsWith('std::tuple<void (*)(int, long, long), int, long, long> > >::_M_run()'))).toBe(true);
    expect(names.find(({ pc }) => pc === 0x7f2de18d44a3n)).toEqual({ pc: 0x7f2de18d44a3n, module: 'libstdc++.so.6.0.30' });
  });

  test('libbpf-tools print less indented tables, with numbered frames', () => {
    const text = [
      'Attaching to pid 7, Ctrl+C to quit.',
      '[13:5:9] Top 2 stacks with outstanding allocations:',
      '312 bytes in 1 allocations from stack',
      '\taddr = 0x55b85204a2a0 size = 312',
      '\t0 [<000055b85204324c>] leak_session+0xe [leaky]',
      '\t1 [<000055b85204360c>] std::vector<int, std::allocator<int> >::f(int)+0xb2 /src/my app/leaky.cc:29',
      '\t2 [<000055b852043714>] main+0x0 /opt/leaky:0',
      '\t3 [<00007f155652324a>] [libc.so.6]',
      '\t4 [<00007f1556523305>] <null sym>',
      '4096 bytes in 2 allocations from stack',
      '\t0 [<000055b852043210>] init+0x10\n',
    ].join('\n');
    expect(memleak.sniff(utf8.encode(text))).toBeGreaterThan(0.5);
    expect(summary(utf8.encode(text))).toEqual([
      { bytes: 4096, objects: 2, stack: [{ pc: 0x55b852043210n, fn: 'init', offset: 0x10 }] },
      {
        bytes: 312,
        objects: 1,
        stack: [
          { pc: 0x55b85204324cn, fn: 'leak_session', offset: 0xe, module: 'leaky' },
          {
            pc: 0x55b85204360cn,
            fn: 'std::vector<int, std::allocator<int> >::f(int)',
            offset: 0xb2,
            file: '/src/my app/leaky.cc',
            line: 29,
          },
          { pc: 0x55b852043714n, fn: 'main', offset: 0, module: '/opt/leaky' },
          { pc: 0x7f155652324an, module: 'libc.so.6' },
          { pc: 0x7f1556523305n },
        ],
      },
    ]);
  });

  test('what was copied from a terminal has blanks for tabs, and shows Ctrl-C', () => {
    const text = [
      '^C[11:16:34] Top 2 stacks with outstanding allocations:   ',
      '        addr = 948d50 size = 16',
      '        80 bytes in 5 allocations from stack   ',
      '                 main+0x6d [allocs] (400862)',
      '                 [unknown]',
      '        16 bytes in 1 allocations from stack',
      '                stack information lost',
      'what a program printed',
      'done\n',
    ].join('\n');
    const reader = new MemleakSummaryReader('table');
    reader.write(utf8.encode(text));
    expect(reader.end()).toEqual([
      { bytes: 80, objects: 5, stack: [{ fn: 'main', offset: 0x6d, module: 'allocs' }, { fn: '[unknown]' }] },
      { bytes: 16, objects: 1, stack: [] },
    ]);
    expect(reader.strangers).toBe(1);
  });

  test('a table that was copied without its heading', () => {
    const text = [
      "WARNING: Couldn't find .text section in /app",
      '    addr = 7f8f704732b0 size = 8192',
      '    32768 bytes in 4 allocations from stack ',
      '        [unknown] [app]',
      '        start_thread+0xdb [libpthread-2.27.so]\n',
    ].join('\n');
    const bytes = utf8.encode(text);
    expect(isMemleakTable(bytes)).toBe(true);
    expect(() => tally(memleak, bytes)).toThrow('trace:3: memleak’s table');
    const reader = new MemleakSummaryReader('table');
    reader.write(bytes);
    expect(reader.end()).toMatchObject([{ bytes: 32768, objects: 4, stack: [{ fn: '[unknown]', module: 'app' }, { fn: 'start_thread' }] }]);
    expect(reader.headless).toBe(true);
  });

  test('frames with numbers that lost their blanks, behind a line of another', () => {
    const text = [
      '^C[1:43:4] Top 1 stacks with outstanding allocations:',
      '4 bytes in 1 allocations from stack',
      'get_entries, err: 0',
      '0 [<00007f348d6e1dad>] _Znwm+0x1d [/usr/lib/libstdc++.so.6]',
      '1 [<000055863a200798>] _Z3foov+0xe [/app/a.out]',
      'done\n',
    ].join('\n');
    const reader = new MemleakSummaryReader('table');
    reader.write(utf8.encode(text));
    expect(reader.end()).toMatchObject([{ bytes: 4, objects: 1, stack: [{ fn: '_Znwm' }, { fn: '_Z3foov' }] }]);
    expect(reader.strangers).toBe(1);
  });

  test('frames of libbpf-tools whose numbers are padded', () => {
    const text =
      '[1:2:3] Top 2 stacks with outstanding allocations:\n8 bytes in 1 allocations from stack\n' +
      '\t  0 [<ffffffffad44ab78>] kmalloc+0x1e8\n\t 10 [<0000000000000007>] <unknown>\n';
    expect(summary(utf8.encode(text))[0].stack).toEqual([{ pc: 0xffffffffad44ab78n, fn: 'kmalloc', offset: 0x1e8 }, { pc: 7n }]);
  });

  test('a table that is cut is not the last', () => {
    const whole = '[1] Top 2 stacks with outstanding allocations:\n\t8 bytes in 1 allocations from stack\n\t\tf+0x1 [a]\n';
    expect(summary(utf8.encode(`${whole}[2] Top 2 stacks with outstanding allocations:\n\t9 bytes in 1 alloca`))[0].bytes).toBe(8);
    expect(() => summary(utf8.encode('nothing\n'))).toThrow(InputError);
  });
});
