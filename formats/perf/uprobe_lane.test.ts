import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readingOf } from '../../fixtures/reading.ts';
import { ftrace } from './ftrace.ts';
import { LONGEST_FIT } from './lane_plan.ts';
import { perfScript } from './perf_script.ts';

const hex = (value: number) => `0x${value.toString(16)}`;
const address = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0x7f0000000000, max: 0x7f00000000ff }) },
  { weight: 9, arbitrary: fc.integer({ min: 0x550000000000, max: 0x7fffffffffff }) },
  fc.maxSafeNat(),
);
const odd = fc.constantFrom('0', '-1', '0x0', '0xffffffffffffffff', '9999999999', 'x', '');
const pointer = fc.oneof({ weight: 15, arbitrary: address.map(hex) }, { weight: 2, arbitrary: address.map(String) }, odd);
const number = fc.oneof({ weight: 15, arbitrary: fc.nat({ max: 99999 }).map(String) }, odd);
/** Events as perf prints them, or as the kernel does. */
const argument = fc.constantFrom(' who="t1"', ' who="a=5 b=6"', ' frames={0x1,0x2}', ' at=main+0x10', ' n=7', ' n=0x7', ' who=', ' who="t');
const others = fc.oneof({ weight: 7, arbitrary: fc.constant('') }, { weight: 1, arbitrary: argument });
const eventOf = (kernel: boolean) =>
  fc
    .record({
      pointer,
      old: pointer,
      number,
      caller: address,
      kind: fc.nat({ max: 11 }),
      image: fc.nat({ max: 30 }),
      before: others,
      after: others,
    })
    .map((it) => {
      const base = it.image === 0 ? 0x7f3f50000000 : 0x7f3f44f00000;
      const probe = (name: string, offset: number, rest: string) =>
        kernel ? `${name}: (${hex(base + offset)}${rest}` : `${`probe_libc:${name}:`.padStart(35)} (${(base + offset).toString(16)}${rest}`;
      const returned = (name: string, offset: number) =>
        kernel
          ? `${name}__return: (${hex(it.caller)} <- ${hex(base + offset)})${it.before} ret=${it.pointer}${it.after}`
          : probe(`${name}__return`, offset, ` <- ${it.caller.toString(16)})${it.before} ret=${it.pointer}${it.after}`);
      if (it.kind < 3) return probe('malloc', 0x930, `)${it.before} size=${it.number}${it.after}`);
      if (it.kind < 6) return returned('malloc', 0x930);
      if (it.kind < 9) return probe('free', 0xef0, `)${it.before} ptr=${it.pointer}${it.after}`);
      if (it.kind === 9) return probe('calloc', 0x9b0, `)${it.before} count=${it.number} size=${it.number}${it.after}`);
      if (it.kind === 10) return returned('calloc', 0x9b0);
      return probe('realloc', 0xa90, `)${it.before} ptr=${it.old} size=${it.number}${it.after}`);
    });
const extra = fc.constantFrom(
  '\t   16a5 main+0x90 (/opt/sample/bin/leaky)\n',
  '',
  '# a note\n',
  '   main.c:12\n',
  'printed: it is 1.5: so\n',
  '\n',
);

/** Recordings with and without process ids, CPUs and nanoseconds; threads and times vary from line to line. */
const recording = fc.record({ pids: fc.boolean(), cpus: fc.boolean(), long: fc.boolean() }).chain(({ pids, cpus, long }) =>
  fc.array(
    fc
      .record({
        tid: fc.nat({ max: 2 }),
        cpu: fc.nat({ max: 12 }),
        at: fc.nat({ max: 3_000_000 }),
        event: eventOf(false),
        extra,
        which: fc.nat({ max: 60 }),
      })
      .map((it) => {
        const cpu = cpus ? ` [${String(it.cpu).padStart(3, '0')}]` : '';
        const time = `${901 + Math.floor(it.at / 1e6)}.${String(it.at % 1e6).padStart(6, '0')}${long ? '123' : ''}`;
        const line = `${'server'.padStart(16)} ${pids ? `${it.which === 1 ? 7 : 19498}/` : ''}${19498 + it.tid}${cpu} ${time.padStart(15)}: ${it.event}\n`;
        return it.which === 0 ? line + it.extra : line;
      }),
    { minLength: 20, maxLength: 80 },
  ),
);
/** The kernel's trace file, with and without thread groups and flags. */
const kernelTrace = fc.record({ groups: fc.boolean(), flags: fc.constantFrom('.....', 'DBZff', '', '1.2.') }).chain(({ groups, flags }) =>
  fc.array(
    fc
      .record({
        tid: fc.nat({ max: 2 }),
        cpu: fc.nat({ max: 12 }),
        at: fc.nat({ max: 3_000_000 }),
        event: eventOf(true),
        extra,
        which: fc.nat({ max: 60 }),
      })
      .map((it) => {
        const group = groups ? ` (${it.which % 8 === 1 ? '  -----' : '  19498'})` : '';
        const word = it.which === 2 ? 'd..2.' : it.which === 3 ? '.:...' : flags;
        const time = `${901 + Math.floor(it.at / 1e6)}.${String(it.at % 1e6).padStart(6, '0')}`;
        const line = `${'server'.padStart(16)}-${19498 + it.tid}${group}   [${String(it.cpu).padStart(3, '0')}] ${word} ${time.padStart(12)}: ${it.event}\n`;
        return it.which === 0 ? line + it.extra : line;
      }),
    { minLength: 20, maxLength: 80 },
  ),
);
const damage = fc.array(
  fc.tuple(fc.nat(), fc.constantFrom(0, 9, 10, 13, 0x20, 0x28, 0x2e, 0x30, 0x39, 0x3a, 0x3d, 0x5b, 0x5d, 0x61, 0x80)),
  {
    maxLength: 2,
  },
);

test.each([
  [perfScript, recording],
  [ftrace, kernelTrace],
] as const)('lines in the fast lane give what the general path gives, damaged ones too: $name', (format, recorded) => {
  fc.assert(
    fc.property(recorded, damage, (lines, blows) => {
      const bytes = Buffer.from(lines.join(''));
      for (const [place, byte] of blows) bytes[place % bytes.length] = byte;
      // The lane needs so many bytes before it, so that shorter chunks take every line in the general way.
      expect(readingOf(format, bytes, bytes.length)).toEqual(readingOf(format, bytes, LONGEST_FIT - 1));
    }),
    { numRuns: 300 },
  );
});

test('of two processes with as many calls where the window is full, the same one is chosen', () => {
  let time = 0;
  const line = (group: string, event: string) =>
    `          server-19498 (${group})   [000] .....   901.${String(time++).padStart(6, '0')}: ${event}\n`;
  const anonymous = Array.from({ length: 8 }, () => line('  -----', 'free: (0x7f3f44f00ef0) ptr=0x7f0000000000'));
  const entries = Array.from({ length: 16 }, () => line('  -----', 'malloc: (0x7f3f44f00930) size=10000'));
  const named = Array.from({ length: 9 }, () => line('  19498', 'free: (0x7f3f44f00ef0) ptr=0x550000000000'));
  const bytes = Buffer.from([...anonymous, ...entries, ...named, ...entries].join(''));
  const slow = readingOf(ftrace, bytes, LONGEST_FIT - 1);
  expect(readingOf(ftrace, bytes, bytes.length)).toEqual(slow);
});
