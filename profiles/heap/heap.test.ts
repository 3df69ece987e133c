import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import type { FrameIndex, StackIndex } from '../../core/units.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { renderReport, renderText } from '../report/report.ts';
import { findMapping, parseMaps } from './maps.ts';
import { isHeap, readHeap } from './read.ts';
import { unsampled } from './unsample.ts';
import { heapFileParts, writeHeapFile } from './write.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const fixture = (name: string) => readFileSync(new URL(`../../fixtures/profiles/${name}`, import.meta.url));

/** A trace with these stacks (leaf first), and its dump: object i of stack i is live and has 1000 + i bytes. */
function dumpOfStacks(stacks: readonly (readonly Frame[])[]): { trace: Trace; heapText: string } {
  const trace = new Trace();
  let heapText = 'heap_v2/1\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0]\n';
  const seen = new Set<number>();
  stacks.forEach((frames, i) => {
    const indices = frames.map((frame) => trace.stacks.frames.intern(frame));
    const stack = trace.stacks.intern(indices);
    if (seen.has(stack)) return;
    seen.add(stack);
    const row = `1: ${1000 + i} [1: ${1000 + i}]`;
    heapText += `@${indices.map((index) => ` 0x${trace.stacks.frames.addressOf(index).toString(16)}`).join('')}\n  t*: ${row}\n  t0: ${row}\n`;
  });
  return { trace, heapText };
}

describe('writing', () => {
  test('names without addresses come in a symbol section, at the address of each call', () => {
    const source = dumpOfStacks([[{ fn: 'leaf' }, { fn: 'caller' }, { fn: 'main' }]]);
    expect(writeHeapFile(source)).toBe(
      '--- symbol\n0x100000000 leaf\n0x10000000f caller\n0x10000001f main\n---\n--- heap\n' +
        'heap_v2/1\n  t*: 0: 0 [0: 0]\n  t0: 0: 0 [0: 0]\n@ 0x100000000 0x100000010 0x100000020\n  t*: 1: 1000 [1: 1000]\n  t0: 1: 1000 [1: 1000]\n',
    );
  });

  test('a frame both at the head of a backtrace and further on has two entries', () => {
    const f = { fn: 'f' };
    expect(writeHeapFile(dumpOfStacks([[f], [{ fn: 'g' }, f]]))).toContain('\n0x100000000 f\n0xffffffff f\n');
  });

  test('addresses without names need no symbols; the mappings follow as jemalloc writes them', () => {
    const source = dumpOfStacks([[{ pc: 0x55d0c0001234n }, { pc: 0x55d0c0002000n }]]);
    source.trace.header.maps = '55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/redis-server\n';
    expect(writeHeapFile(source)).toBe(`${source.heapText}\nMAPPED_LIBRARIES:\n${source.trace.header.maps}`);
  });

  test('addresses with names have symbols and mappings', () => {
    const source = dumpOfStacks([[{ pc: 0x1000n, fn: 'outer', inlined: [{ fn: 'innermost' }, { fn: 'inner' }] }, { pc: 0x2000n }]]);
    source.trace.header.maps = '1000-3000 r-xp 00000000 fe:00 123 /bin/a';
    source.trace.header.command = 'a\n--b';
    const text = writeHeapFile(source);
    expect(text).toContain('--- symbol\nbinary=a\\n- -b\n0x1000 outer--inner--innermost\n---\n--- heap\nheap_v2/1\n');
    expect(text.endsWith('\nMAPPED_LIBRARIES:\n1000-3000 r-xp 00000000 fe:00 123 /bin/a\n')).toBe(true);
  });

  test('only addresses of the dump have entries', () => {
    const { trace, heapText } = dumpOfStacks([[{ fn: 'kept' }]]);
    trace.stacks.intern([trace.stacks.frames.intern({ fn: 'not in the dump' })]);
    expect(writeHeapFile({ trace, heapText })).not.toContain('not in the dump');
  });

  test('the dump’s text is not copied', () => {
    const source = dumpOfStacks([[{ fn: 'f' }]]);
    expect([...heapFileParts(source)]).toContain(source.heapText);
  });

  test('a dump without contexts', () => {
    const source = dumpOfStacks([]);
    expect(writeHeapFile(source)).toBe(source.heapText);
  });
});

const HOSTILE = [
  'line\nend',
  'carriage\rreturn\r',
  '\0',
  '--- heap',
  '---',
  'a--b',
  'operator--',
  '-',
  '--',
  '- -',
  '  blanks  ',
  '@ 0x1',
  't*: 1: 2 [3: 4]',
  'MAPPED_LIBRARIES:',
  '%warn x',
  '<script>alert(1)</script>',
  '__proto__',
  'binary=x',
  '\u2028',
  '\ud800',
  'x'.repeat(20000),
  '(((((',
  'f(int)--',
  'Foo::operator--(int) const',
  '名前',
  '%s%n',
];

test('a name goes on behind a line separator', () => {
  const text =
    '--- symbol\nbinary=/x\u2028y\n0x401000 q\u2028r\n0x402000 main\n---\n--- heap\nheap_v2/1\n@ 0x401000 0x402001\n  t*: 1: 100 [1: 100]\n' +
    '\nMAPPED_LIBRARIES:\n00400000-00500000 r-xp 00000000 fe:00 12 /x\u2028y\n';
  const { profile } = readHeap(new TextEncoder().encode(text), 'a');
  expect(profile.stacks.frames.frames.map(({ fn }) => fn)).toContain('q\u2028r');
  expect(profile.binary).toBe('/x\u2028y');
  expect(parseMaps(profile.maps ?? '').map(({ path }) => path)).toEqual(['/x\u2028y']);
});

describe('names survive writing and reading', () => {
  const names = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('main', 'f', 'g'));
  const frame = fc.oneof(
    names.map((fn) => ({ fn })),
    fc.record({ pc: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), fn: names }),
    fc.record({
      fn: names,
      inlined: fc.array(
        names.map((fn) => ({ fn })),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  );

  test('whatever they are, the rows stay and each frame is named once', () => {
    fc.assert(
      fc.property(fc.array(fc.array(frame, { minLength: 1, maxLength: 6 }), { maxLength: 8 }), (stacks) => {
        const source = dumpOfStacks(stacks);
        const { profile } = readHeap(bytesOf(writeHeapFile(source)), 'a');
        expect(profile.warnings).toEqual([]);
        expect(profile.samples.length).toBe(source.trace.stacks.length);
        for (let row = 0; row < profile.samples.length; row++) {
          const ours = profile.stacks.framesOf(profile.samples.stack[row] as StackIndex);
          const theirs = source.trace.stacks.framesOf(row as StackIndex);
          expect(Array.from(ours, (index) => profile.stacks.frames.addressOf(index as FrameIndex))).toEqual(
            Array.from(theirs, (index) => source.trace.stacks.frames.addressOf(index as FrameIndex)),
          );
        }
      }),
    );
  });

  test('functions inlined into a frame come back innermost first', () => {
    const inlined = [{ fn: 'innermost-' }, { fn: 'operator--' }, { fn: '-[Foo bar]' }];
    const { profile } = readHeap(bytesOf(writeHeapFile(dumpOfStacks([[{ fn: 'outer-', inlined }]]))), 'a');
    expect(profile.stacks.frames.frames).toEqual([
      { pc: 0x100000000n, fn: 'outer- ', inlined: [{ fn: 'innermost-' }, { fn: 'operator- - ' }, { fn: '-[Foo bar]' }] },
    ]);
  });
});

describe.skipIf(!needsTool('jeprof'))('jeprof opens what is written', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'heap-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const jeprof = (flags: readonly string[], text: string) => {
    const path = join(folder, 'a.heap');
    writeFileSync(path, text);
    return execFileSync('jeprof', [...flags, path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  };

  test('and names every frame, with the numbers of our report', () => {
    const text = writeHeapFile(
      dumpOfStacks([
        [{ fn: 'malloc' }, { fn: 'strdup' }, { fn: 'main' }],
        [{ fn: 'ns::f(int)', inlined: [{ fn: 'inner' }] }, { fn: 'main' }],
        [{ fn: 'main' }],
        [{ pc: 0x55d0c0001234n, fn: 'with address' }, { fn: 'main' }],
      ]),
    );
    const report = jeprof(['--text', '--show_bytes'], text);
    expect(report).toBe(renderText(readHeap(bytesOf(text), 'a').profile, { showBytes: true }));
    for (const name of ['strdup', 'main', 'ns::f', 'inner (inline)', 'with address']) expect(report).toContain(` ${name}\n`);
    expect(report).not.toMatch(/0x|[0-9a-f]{16}/);
    expect(jeprof(['--dot'], text)).toContain('label="with\\naddress');
    expect(jeprof(['--collapsed'], text).split('\n').sort()).toEqual([
      '',
      'main 1002',
      'main;ns::f(int);inner[inline] 1001',
      'main;strdup 1000',
      'main;with address 1003',
    ]);
  });

  test('whatever the names hold', () => {
    const text = writeHeapFile(dumpOfStacks(HOSTILE.map((fn) => [{ fn }, { fn: 'main' }])));
    expect(jeprof(['--text', '--show_bytes', '--alloc_objects'], text)).toMatch(new RegExp(`^Total: ${HOSTILE.length} objects\n`));
    const { profile } = readHeap(bytesOf(text), 'a');
    expect(jeprof(['--collapsed'], text).split('\n').sort()).toEqual(renderReport('collapsed', profile).split('\n').sort());
  });
});

describe('reading', () => {
  test('threads with names, as jemalloc writes them', () => {
    const { profile, header } = readHeap(fixture('leakycpp_sysnames.heap'), 'a');
    expect(header).toEqual({ inuseObjects: 993, inuseBytes: 495921, allocObjects: 21443, allocBytes: 1904959 });
    expect(profile.threads.map(({ id, name }) => [id, name])).toEqual([
      [0n, 'leakycpp'],
      [1n, 'leakycpp'],
      [2n, 'leakycpp'],
      [3n, 'leakycpp'],
    ]);
    expect(profile.sampling).toEqual({ method: 'poisson', rate: 1024 });
    expect(profile.accumulated).toBe(true);
    expect(profile.warnings).toEqual([]);
    expect(profile.binary).toMatch(/leakycpp$/);
  });

  /** What stands where a row must, behind a good one, and what is said of it. */
  const V2 = 'heap_v2/1\n  t*: 1: 2 [3: 4]\n@ 0x1\n  t*: 1: 2 [3: 4]\n';
  const PLAIN = 'heap profile: 1: 2 [3: 4] @ heapprofile\n1: 2 [3: 4] @ 0x1\n';
  const NAMED = '--- symbol\nbinary=a\n';
  const ROWS = `---\n--- heap\n${V2}`;
  const NO_THREAD = 'no row of a thread, as in "t1: 2: 3 [4: 5]"';
  const NO_LINE = 'neither a backtrace, "@ 0x1 0x2", nor a row of a thread';
  const NO_ROW = 'no row of counts and a backtrace, as in "1: 2 [3: 4] @ 0x5"';
  const NO_NAME = 'neither the name of an address nor a variable';
  test.each([
    [V2, '  t*: 1: x [0: 0]\n', 5, `${NO_THREAD}: "t*: 1: x [0: 0]"`],
    [V2, '  t1: 1: 2\r\n', 5, `${NO_THREAD}: "t1: 1: 2"`],
    [V2, '@ 0x1 0xzz 0xyy\n  t*: 1: 2 [3: 4]\n', 5, 'no address: "0xzz"'],
    [V2, '@ 0x10000000000000000\n  t*: 1: 2 [3: 4]', 5, 'no address: "0x10000000000000000"'],
    [V2, ' rubbish \u001b[31m\u202e \n', 5, `${NO_LINE}: "rubbish \\x1b[31m\\u202e"`],
    [V2, `${'x'.repeat(1000)}\n`, 5, `${NO_LINE}: "${'x'.repeat(80)}…"`],
    [V2, '# a remark\n', 5, `${NO_LINE}: "# a remark"`],
    [PLAIN, '1: x [3: 4] @ 0x1\n', 3, `${NO_ROW}: "1: x [3: 4] @ 0x1"`],
    [PLAIN, '1: 2 [3: 4] @ 0x1 rubbish\n', 3, 'no address: "rubbish"'],
    [
      '',
      `heap profile: 1: 2 [3\n1: 2 [3: 4] @ 0x1\n`,
      1,
      'no header with counts, as in "heap profile: 1: 2 [3: 4] @ heap/5": "heap profile: 1: 2 [3"',
    ],
    [NAMED, `rubbish\n${ROWS}`, 3, `${NO_NAME}: "rubbish"`],
    [NAMED, `0x10000000000000001 main\n${ROWS}`, 3, `${NO_NAME}: "0x10000000000000001 main"`],
  ])('%j, then %j: line %i is named', (good, damaged, line, fact) => {
    const { profile } = readHeap(bytesOf(good + damaged), 'a.heap');
    expect(profile.warnings).toEqual([`a.heap:${line}: ${fact}; it is passed over`]);
    expect(profile.damaged).toBe(true);
    expect(profile.samples.column('inuse_space')[0]).toBeGreaterThan(0);
  });

  test('of several damaged lines the first is named', () => {
    const text = 'heap_v2/1\n  t*: 1: 2 [3: 4]\n@ 0x1 zz 0x2 yy\n  t*: 1: 2 [3: 4]\nrubbish\n';
    const warningsOf = (more: string) => readHeap(bytesOf(text + more), 'a.heap').profile.warnings;
    const first = 'a.heap:3: no address: "zz"; it is passed over, and so is what is wrong in';
    expect(warningsOf('')).toEqual([`${first} 1 further place`]);
    expect(warningsOf('  t1: 1: 2\n')).toEqual([`${first} 2 further places`]);
    expect(readHeap(bytesOf(text), 'a.heap').profile.samples.length).toBe(1);
  });

  // Go 1.19's debug=1; the values are those of `go tool pprof` of its debug=0 at the same time.
  describe('Go’s heap profile as text', () => {
    const GO = [
      'heap profile: 237: 87475264 [237: 87475264] @ heap/1048576',
      '1: 72007680 [1: 72007680] @ 0x4b3c0b 0x437452 0x461121',
      '#\t0x4b3c0a\tmain.main+0x2a\t\t/go/main.go:7',
      '#\t0x437451\truntime.main+0x211\t/src/runtime/proc.go:250',
      '',
      '51: 15458304 [51: 15458304] @ 0x4b3d45 0x4b3c40 0x437452 0x461121',
      '#\t0x4b3d44\tmain.make+0x10\t\t/go/main.go:2',
      '#\t0x4b3d44\tmain.big+0x164\t\t/go/main.go:5',
      '#\t0x4b3c3f\tmain.main+0x5f\t\t/go/main.go:8',
      '#\t0x437451\truntime.main+0x211\t/src/runtime/proc.go:250',
      '',
      '185: 8880 [185: 8880] @ 0x4b3c70 0x4b3c40 0x50',
      '#\t0x4b3c6f\tmain.small+0x8f\t\t/go/main.go:4',
      '#\t0x4b3c3f\tmain.main+0x5f\t\t/go/main.go:8',
      '#\t0x4f',
      '',
      '# runtime.MemStats',
      '# Alloc = 198371424',
      '',
    ].join('\n');

    test('is sampled as it samples, and names its addresses', () => {
      const { profile } = readHeap(bytesOf(GO), 'a');
      expect(profile).toMatchObject({ sampling: { method: 'poisson', rate: 524288 }, symbolized: true, warnings: [] });
      expect([...profile.samples.inuseBytes.subarray(0, 3)].map(Math.trunc)).toEqual([72007680, 35208460, 96997720]);
      const { frames } = profile.stacks.frames;
      const stacks = Array.from(profile.samples.stack.subarray(0, 3), (stack) => [...profile.stacks.framesOf(stack as StackIndex)]);
      expect(stacks.map((stack) => stack.map((frame) => frames[frame].fn))).toEqual([
        ['main.main', 'runtime.main', 'runtime.goexit'],
        ['main.big', 'main.main', 'runtime.main', 'runtime.goexit'],
        ['main.small', 'main.main', undefined],
      ]);
      expect(frames[stacks[1][0]]).toEqual({
        pc: 0x4b3d45n,
        fn: 'main.big',
        file: '/go/main.go',
        line: 5,
        inlined: [{ fn: 'main.make', file: '/go/main.go', line: 2 }],
      });
    });

    test('methods are told apart by their types, and a function is one row where it is inlined, too', () => {
      const text = `${GO.replaceAll('main.big', 'main.(*Tree).Put').replaceAll('main.small', 'main.(*Node).Put').replaceAll('main.make', 'main.(*Node).Put')}`;
      const names = [...renderText(readHeap(bytesOf(text), 'a').profile).matchAll(/% (\S+)$/gm)].map(([, name]) => name);
      expect(names.filter((name) => name.includes('Put')).sort()).toEqual(['main.(*Node).Put', 'main.(*Tree).Put']);
    });

    test('of Go 1.5, whose comments have the addresses of the row, and behind blank lines', () => {
      const text =
        '\n\nheap profile: 1: 64 [1: 64] @ heap/2\n1: 64 [1: 64] @ 0x28d9f 0x2a201 0x94ca3\n#\t0x2a201\tcnew+0xc1\truntime/malloc.goc:718\n#\t0x94ca3\tmain.f+0x63\tf.go:1\n';
      expect(isHeap(bytesOf(text))).toBe(true);
      const { frames } = readHeap(bytesOf(text), 'a').profile.stacks.frames;
      expect(frames.map(({ fn }) => fn)).toEqual([undefined, 'cnew', 'main.f']);
    });

    test('without its comments it is what jeprof takes it for', () => {
      const { profile } = readHeap(bytesOf(GO.replaceAll(/^#.*\n/gm, '')), 'a');
      expect(profile).toMatchObject({ sampling: { method: 'uniform', rate: 524288 }, symbolized: false });
      expect(Math.trunc(profile.samples.inuseBytes[1])).toBe(51 * 524288);
    });
  });

  test.each([
    ['blank lines and line ends of Windows', `${V2}\r\n \r\n@ 0x2\r\n  t*: 1: 2 [3: 4]\r\n  t1: 1: 2 [3: 4] name\r\n`],
    ['an empty backtrace', `${V2}@\n  t*: 1: 2 [3: 4]\n`],
    ['comments, which Go writes', `${PLAIN}#\t0x4b3c3a\tmain.f+0x5a\t\ta.go:4\n\n# runtime.MemStats\n# Alloc = 1675608\n`],
    ['whatever stands among mappings', `${V2}\nMAPPED_LIBRARIES:\nbuild=/a\nrubbish\n`],
    ['whatever stands among mappings of gperftools', `${PLAIN}\n--- Memory map: ---\nrubbish\n`],
    ['addresses without names', `--- symbol\n\nbinary=a\n0x1f\n0x20 main\n${ROWS}`],
  ])('no damage: %s', (_, text) => {
    const { profile } = readHeap(bytesOf(text), 'a.heap');
    expect(profile.warnings).toEqual([]);
    expect(profile.damaged).toBeUndefined();
  });

  test('what is not said of the sampling is no damage', () => {
    const { profile } = readHeap(bytesOf('heap profile: 1: 2 [1: 2]\n1: 2 [1: 2] @ 0x1\n'), 'a.heap');
    expect(profile.warnings).toHaveLength(1);
    expect(profile.damaged).toBeUndefined();
  });

  test('addresses of 64 bits', () => {
    const { profile } = readHeap(
      bytesOf('heap_v2/1\n@ 0xffffffff81000000 0xffffffffffffffff 0x0000000000000010 0\n  t*: 1: 64 [0: 0]\n'),
      'a',
    );
    expect(profile.stacks.frames.frames.map(({ pc }) => pc)).toEqual([0xffffffff81000000n, 0xffffffffffffffffn, 16n, 0n]);
  });

  test.each([
    ['', 'the dump is empty'],
    ['heap_v1/1\n', 'no heap dump'],
    ['heap_v2/x\n  t*: 1: 2 [0: 0]\n', 'a.heap:1: no heap dump: it does not begin with heap_v2/RATE'],
    ['heap_v2/99999999999999999999\n', 'no heap dump'],
    ['--- symbol\n0x1 f\n---\n', 'no heap dump'],
    ['\0\0\0\0', 'no heap dump'],
  ])('%j is an input error', (text, fact) => {
    expect(() => readHeap(bytesOf(text), 'a.heap')).toThrow(InputError);
    expect(() => readHeap(bytesOf(text), 'a.heap')).toThrow(fact);
  });

  test.each([
    ['heap_v2/524288\n  t*: 0: 0 [0: 0]\n', true],
    ['%warn old\nheap profile: 1: 2 [3: 4] @ heapprofile\n', true],
    ['--- symbol\nbinary=x\n', true],
    ['heap_v2/x\n', true],
    ['heap of things\n', false],
    ['{"op":"trace"}\n', false],
  ])('%j is a dump: %s', (text, expected) => expect(isHeap(bytesOf(text))).toBe(expected));
});

test.each([
  ['poisson', 524288, 26, 16349, 1 / (1 - Math.exp(-16349 / 26 / 524288))],
  ['poisson', 1, 10, 1000, 1],
  ['poisson', 524288, 0, 0, 1],
  ['poisson', 524288, 3, 0, 1],
  // 1 - exp(-2^-60) is 0 in doubles: jeprof ends with "Illegal division by zero"
  ['poisson', 2 ** 63, 1, 8, 2 ** 60],
  ['uniform', 1000, 2, 1000, 2],
  ['uniform', 1000, 2, 4000, 1],
  ['none', 1, 5, 5, 1],
] as const)('%s sampling at %d: %d objects of %d bytes stand for %d times as many', (method, rate, count, bytes, scale) => {
  expect(unsampled(1, { method, rate }, count, bytes)).toBeCloseTo(scale, 9);
});

test('mappings as gperftools wrote them', () => {
  const maps = parseMaps('  40000000-40015000: $build/lib/ld-2.3.2.so\nbuild=/src/app\n50000000-50001000: $build/libb.so.1\n');
  expect(maps).toMatchObject([
    { start: 0x40000000n, end: 0x40015000n, permissions: 'r-xp', offset: 0n, path: '/lib/ld-2.3.2.so' },
    { path: '/src/app/libb.so.1' },
  ]);
});

// The first line is that of jeprof's ParseLibraries.
test('mappings as FreeBSD’s procfs prints them', () => {
  const maps = parseMaps(
    '0x800600000 0x80061a000 26 0 0xfffff800035a0000 r-x 75 33 0x1004 COW NC vnode /libexec/ld-elf.so.1 NCH -1\n' +
      '0x400000 0x401000 1 0 0xfffff8000359e000 r-x 1 0 0x1000 NCOW NNC vnode /usr/local/bin/my app CH 1001\n' +
      '0x80081a000 0x80081c000 2 0 0xfffff80003 rw- 1 0 0x3000 NCOW NNC default - CH 1001\n',
  );
  expect(maps).toMatchObject([
    { start: 0x400000n, end: 0x401000n, permissions: 'r-xp', path: '/usr/local/bin/my app' },
    { start: 0x800600000n, end: 0x80061a000n, permissions: 'r-xp', offset: 0n, path: '/libexec/ld-elf.so.1' },
  ]);
});

test('mappings', () => {
  const maps = parseMaps(
    '2000-3000 r--p 00001000 fe:00 7 /lib/b.so (deleted)\nnot a mapping\n1000-2000 r-xp 00000000 00:00 0 \n4000-5000 rw-p 00000000 00:00 0 [stack]\n',
  );
  expect(maps.map(({ path }) => path)).toEqual(['', '/lib/b.so (deleted)', '[stack]']);
  expect([0xfffn, 0x1000n, 0x1fffn, 0x2000n, 0x3000n, 0x4fffn, 0x5000n].map((address) => findMapping(maps, address))).toEqual([
    -1, 0, 0, 1, -1, 2, -1,
  ]);
});
