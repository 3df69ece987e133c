import { describe, expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import { fixtureBytes, tally, type Tally } from '../../fixtures/tally.ts';
import { ltrace } from './ltrace.ts';

const read = (text: string, options = {}, chunkSizes = [65536]) => tally(ltrace, Buffer.from(text, 'latin1'), options, chunkSizes);

/** The stack of each live block, leaf first: `function+offset address module file:line`, without what is not known. */
function stacks({ trace, live }: Tally): string[][] {
  const { frames } = trace.stacks.frames;
  return [...live.values()].map(({ stack }) =>
    Array.from(trace.stacks.framesOf(stack as StackIndex), (row) => {
      const { fn, offset, pc, module, file, line } = frames[row];
      const name = fn !== undefined && offset !== undefined ? `${fn}+${offset}` : fn;
      return [name, pc?.toString(16), module, file && `${file}:${line}`].filter((part) => part !== undefined).join(' ');
    }),
  );
}

// By ltrace 0.7.91 with libunwind: operator new returns to main+0x52.
const OPERATOR = `cpp->_Znwm(4, 0, 0, 0x7ffe89c3caac <unfinished ...>
libstdc++.so.6->malloc(4)                        = 0x55f130834eb0
 > /lib/x86_64-linux-gnu/libstdc++.so.6(_Znwm+0x1d) [0x7f023f4a958d]
 > /srv/sample/cpp(main+0x52) [0x55f116924584]
 > /lib64/ld-linux-x86-64.so.2(???) [0x7ffe89c3b640]

<... _Znwm resumed> )                            = 0x55f130834eb0
 > /srv/sample/cpp(main+0x53) [0x55f116924585]

+++ exited (status 0) +++
`;

// The same version with elfutils, of a program with debug information for the C library alone.
const ELFUTILS = `10426 1795348945.487814 all->malloc(100)         = 0x561b6de5d2a0
 > (null)((null)+0x0) [561b4454a376]
 > libc.so.6(__libc_start_call_main+0x79) [7f798d491249]
\t../sysdeps/nptl/libc_start_call_main.h:58:16
 > libc.so.6(__libc_start_main@@GLIBC_2.34+0x84) [7f798d491304]
\t../csu/libc-start.c:360:3
 > [...]

10426 1795348945.737376 all->free(0x561b6de5d2e0) = <void>

10426 1795348945.737858 all->strdup('h')         = 'h'
 > Error: unspecified (general) error

10426 1795348945.737859 all->strdup(')')         = '\\0'

10426 1795348945.737860 +++ exited (status 0) +++
`;

describe('backtraces (-w)', () => {
  test('leaky: each leak has its whole stack, and sums are those of a count within the program', async () => {
    const bytes = await fixtureBytes('leaky_60_w.ltrace.zst');
    expect(ltrace.sniff(bytes.subarray(0, 65536))).toBeGreaterThan(0.5);
    const result = tally(ltrace, bytes);
    const { ledger, trace, ops } = result;
    expect([ledger.totalLiveBytes, ledger.totalLiveObjects, ledger.totalPeakBytes]).toEqual([314930, 199, 314930]);
    expect([ops['free'], { ...trace.skipped }, trace.partial]).toEqual([300, { note: 1 }, false]);
    const leaks = stacks(result).filter(([leaf]) => leaf.startsWith('leak_session+'));
    expect(leaks.map((stack) => stack.map((frame) => frame.replace(/[+].*/, '')))).toEqual(
      Array<string[]>(6).fill(['leak_session', 'handle', 'main', '__libc_init_first', '__libc_start_main', '_start']),
    );
    for (const sizes of [[1], [7, 61, 2], [1000, 1]]) expect(tally(ltrace, bytes, {}, sizes).text).toEqual(result.text);
  });

  test('addresses are those returned to', () => {
    const operator = read(OPERATOR);
    expect(stacks(operator)).toEqual([
      [
        '_Znwm+28 7f023f4a958c /lib/x86_64-linux-gnu/libstdc++.so.6',
        'main+82 55f116924584 /srv/sample/cpp',
        '7ffe89c3b640 /lib64/ld-linux-x86-64.so.2',
      ],
    ]);
    expect({ ...operator.trace.skipped }).toEqual({ nested: 1, note: 1 });
    const elfutils = read(ELFUTILS);
    expect(stacks(elfutils)).toEqual([
      [
        '561b4454a375',
        '__libc_start_call_main+122 7f798d49124a libc.so.6 ../sysdeps/nptl/libc_start_call_main.h:58',
        '__libc_start_main+133 7f798d491305 libc.so.6 ../csu/libc-start.c:360',
      ],
    ]);
    expect({ ...elfutils.trace.skipped }).toEqual({ no_address: 2, note: 1 });
    expect(elfutils.trace.warnings).toEqual([
      '2 blocks of posix_memalign, asprintf or strdup are missing: ltrace does not show their addresses',
    ]);
  });

  test.each([OPERATOR, ELFUTILS])('a recording is known by its calls, however long its backtraces are', (text) => {
    expect(ltrace.sniff(Buffer.from(text))).toBeGreaterThan(0.9);
  });

  test('the program prints between: what looks like no frame is its own', () => {
    const text = `[pid 7] p->malloc(4) = 0x1000\n > /srv/p(main+0x3) [0x55f116924585]\n\n\n > hello\n\tfoo\n[pid 7] p->malloc(5) = 0x2000\n`;
    const result = read(text);
    expect(stacks(result)).toEqual([['main+2 55f116924584 /srv/p'], ['p p']]);
    expect({ ...result.trace.skipped }).toEqual({ unparsed: 3 });
  });

  test.each([
    ['main+0x9223372036854775808) [0x55f116924585]', 'main 55f116924584 /srv/p'],
    ['main+0x0) [0x55f116924585]', 'main 55f116924584 /srv/p'],
    ['main+0x3) [0x0]', 'p p'],
  ])('what no form can hold is left out: %s', (frame, leaf) => {
    expect(stacks(read(`[pid 7] p->malloc(4) = 0x1000\n > /srv/p(${frame}\n\n`))).toEqual([[leaf]]);
  });

  test('cut anywhere: calls keep their order, and what is torn is counted', () => {
    const whole = read(ELFUTILS);
    for (let length = 1; length < ELFUTILS.length; length++) {
      const cut = read(ELFUTILS.slice(0, length));
      expect(whole.events).toBeGreaterThanOrEqual(cut.events);
      if (!/(?:\n| [+]{3}|<void>)$/.test(ELFUTILS.slice(0, length))) expect([cut.trace.partial, cut.trace.skipped.torn]).toEqual([true, 1]);
    }
  });
});
