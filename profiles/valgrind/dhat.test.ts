import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { StackIndex } from '../../core/units.ts';
import { writeCollapsed } from '../collapsed/collapsed.ts';
import { leaksFromProfile } from '../leaks/leaks.ts';
import { type Profile, SAMPLE_TYPES } from '../profile.ts';
import { isProfile, readProfile } from '../read_profile.ts';
import { isDhat, readDhat } from './dhat.ts';

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/profiles/${name}`, import.meta.url));
const utf8 = new TextEncoder();

/** A file of one program point. */
const dhat = (point: Record<string, unknown>, frames: readonly unknown[], more: Record<string, unknown> = {}) =>
  utf8.encode(
    JSON.stringify({
      dhatFileVersion: 2,
      mode: 'heap',
      bklt: true,
      pps: [{ tb: 8, tbk: 1, gb: 8, gbk: 1, eb: 0, ebk: 0, fs: frames.map((_, i) => i + 1), ...point }],
      ftbl: ['[root]', ...frames],
      ...more,
    }),
  );
const framesOf = ({ stacks, samples }: Profile, row = 0) =>
  Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (frame) => stacks.frames.frames[frame]);

describe('what DHAT printed is what is read', () => {
  // Total, t-gmax and t-end of DHAT's own log.
  test.each([
    ['leaky.dhat.json', [16991, 14588382, 1898, 1001850], { objects: 1896, bytes: 1034227 }],
    ['leakycpp.dhat.json', [25499, 2160431, 269, 112728], { objects: 3319, bytes: 754999 }],
  ] as const)('%s', (name, totals, peak) => {
    const bytes = fixture(name);
    expect(isProfile(bytes.subarray(0, 65536))).toBe(true);
    const { profile, peak: found } = readDhat(bytes, name);
    expect(SAMPLE_TYPES.map((type) => profile.samples.total(type))).toEqual(totals);
    expect(found).toEqual(peak);
    expect(profile).toMatchObject({ source: 'DHAT', accumulated: true, requested: true, symbolized: true });
    expect(readProfile(bytes, name)?.profile.samples).toEqual(profile.samples);
  });

  test('leaks of leaky, which it told itself', () => {
    const { profile } = readDhat(fixture('leaky.dhat.json'), 'a');
    const { contexts } = leaksFromProfile(profile);
    const leak = (fn: string) => contexts.find(({ stack }) => stack[0]?.name === fn);
    expect(leak('leak_session')).toMatchObject({ objects: 300, bytes: 93600, allocatedObjects: 300 });
    expect(leak('leak_log_line')).toMatchObject({ objects: 120, bytes: 122880, allocatedObjects: 360 });
    expect(framesOf(profile)).toEqual([
      { pc: 0x48417b4n, fn: 'malloc', module: '/usr/libexec/valgrind/vgpreload_dhat-amd64-linux.so' },
      { pc: 0x1096a5n, fn: 'main', file: 'leaky.c', line: 31 },
    ]);
  });

  test('inlined functions are part of the frame that they are in', () => {
    const { profile } = readDhat(fixture('leakycpp.dhat.json'), 'a');
    const frame = profile.stacks.frames.frames.find(({ fn }) => fn === 'leak_cycle()');
    expect(frame).toMatchObject({ pc: 0x10c3e6n, file: 'leakycpp.cpp', line: 25 });
    expect(frame?.inlined?.map(({ fn }) => fn)).toEqual([
      'allocate',
      'allocate',
      '__allocate_guarded<std::allocator<std::_Sp_counted_ptr_inplace<Node, std::allocator<void>, (__gnu_cxx::_Lock_policy)2> > >',
      '__shared_count<Node, std::allocator<void> >',
      '__shared_ptr<std::allocator<void> >',
      'shared_ptr<std::allocator<void> >',
      'make_shared<Node>',
    ]);
    // Folded or not, the leaf is what DHAT lists first.
    expect(writeCollapsed(profile, 'alloc_space')).toContain('worker(int, long, long);leak_cycle();make_shared<Node>;');
  });
});

// The shape of Valgrind 3.15 and 3.16, as the examples of their dhat/dh_test.js have it.
test('version 1', () => {
  const point = { tb: 24, tbk: 3, tli: 6924, mb: 16, mbk: 2, gb: 16, gbk: 2, fb: 8, fbk: 1, rb: 0, wb: 12, acc: [-4, 3, -12, 0], fs: [1] };
  const file = {
    dhatFileVersion: 1,
    cmd: './single',
    pid: 1,
    mi: 5,
    ei: 9,
    aps: [point],
    ftbl: ['[root]', '0x10865B: main (single.cpp:4)'],
  };
  const bytes = utf8.encode(JSON.stringify(file));
  expect(isProfile(bytes)).toBe(true);
  const { profile, peak } = readDhat(bytes, 'a');
  expect(SAMPLE_TYPES.map((type) => profile.samples.total(type))).toEqual([3, 24, 1, 8]);
  expect(peak).toEqual({ objects: 2, bytes: 16 });
  expect(framesOf(profile)).toEqual([{ pc: 0x10865bn, fn: 'main', file: 'single.cpp', line: 4 }]);
});

describe('frames', () => {
  test.each([
    ['0x10: f (a.c:3)', { pc: 16n, fn: 'f', file: 'a.c', line: 3 }],
    [
      '0x10: std::function<void (int)>::operator()(int) const (std function.h:59)',
      { fn: 'std::function<void (int)>::operator()(int) const', file: 'std function.h', line: 59 },
    ],
    ['0x10: f (in /opt/My App (x86)/lib.so)', { pc: 16n, fn: 'f', module: '/opt/My App (x86)/lib.so' }],
    ['0x10: ??? (in /lib/a.so)', { pc: 16n, module: '/lib/a.so' }],
    ['0x10: ???', { pc: 16n }],
    ['0x10: (below main) (libc-start.c:308)', { pc: 16n, fn: '(below main)', file: 'libc-start.c', line: 308 }],
    ['0x10: <alloc::alloc::Global as core::alloc::Allocator>::allocate (src/alloc.rs:226:9)', { file: 'src/alloc.rs', line: 226 }],
    ['0x10: f() (a:b.c:7)', { pc: 16n, fn: 'f()', file: 'a:b.c', line: 7 }],
    ['operator()', { fn: 'operator()' }],
    ['__proto__', { fn: '__proto__' }],
    ['0xzz: f', { fn: '0xzz: f' }],
  ])('%j', (text, frame) => {
    expect(framesOf(readDhat(dhat({}, [text]), 'a').profile)).toEqual([expect.objectContaining(frame)]);
  });

  test('a recursive call is not an inlined one', () => {
    const { profile } = readDhat(dhat({}, ['0x10: malloc (in /v.so)', '0x20: f (a.c:3)', '0x20: f (a.c:3)', '0x30: main (a.c:9)']), 'a');
    expect(framesOf(profile).map(({ fn, inlined }) => [fn, inlined])).toEqual([
      ['malloc', undefined],
      ['f', undefined],
      ['f', undefined],
      ['main', undefined],
    ]);
    const inlining = ['0x20: g (a.c:1)', '0x20: f (a.c:3)'];
    const both = framesOf(readDhat(dhat({}, ['0x10: malloc (in /v.so)', ...inlining, ...inlining]), 'a').profile);
    expect(both.map(({ fn }) => fn)).toEqual(['malloc', 'f', 'f']);
    expect(both[1]).toEqual({ pc: 0x21n, fn: 'f', file: 'a.c', line: 3, inlined: [{ fn: 'g', file: 'a.c', line: 1 }] });
  });

  test('a text of many brackets takes no longer than another', () => {
    const text = `0x10: ${' (in ('.repeat(200_000)}`;
    const started = performance.now();
    readDhat(dhat({}, [text, `${text})`, `0x10: ${':1'.repeat(200_000)} (${':1'.repeat(200_000)})`]), 'a');
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

test.each([
  ['{"dhatFileVersion":2', 'a: the JSON of DHAT’s output breaks off or is damaged'],
  ['{"dhatFileVersion":1}', 'a: no list "aps"'],
  ['{"dhatFileVersion":3}', 'a: is DHAT’s output of version 3'],
  [`{"dhatFileVersion":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'a: is DHAT’s output of version a list'],
  [
    `{"dhatFileVersion":2,"mode":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`,
    'a: is DHAT’s output of mode an object, which does not say what is in use',
  ],
  [`{"dhatFileVersion":"${'x'.repeat(100)}"}`, `a: is DHAT’s output of version "${'x'.repeat(80)}…"`],
  [dhat({}, ['f'], { mode: 'ad-hoc', bklt: false }), 'a: is DHAT’s output of mode "ad-hoc", which does not say what is in use'],
  [dhat({}, [], { pps: undefined }), 'a: no list "pps"'],
  [dhat({}, ['f'], { pps: [3] }), 'a: "pps"[0] is no object'],
  [dhat({ fs: undefined }, ['f']), 'a: no list "pps"[0]."fs"'],
  [dhat({ fs: [2] }, ['f']), 'a: "pps"[0].fs names no frame of "ftbl"'],
  [dhat({ fs: ['__proto__'] }, ['f']), 'a: "pps"[0].fs names no frame of "ftbl"'],
  [dhat({ fs: [1] }, [{}]), 'a: "pps"[0].fs names no frame of "ftbl"'],
  [dhat({ eb: -1 }, ['f']), 'a: "pps"[0].eb is no number'],
  [utf8.encode(new TextDecoder().decode(dhat({}, ['f'])).replace('"tb":8', '"tb":1e999')), 'a: "pps"[0].tb is no number'],
  [dhat({ tbk: '3' }, ['f']), 'a: "pps"[0].tbk is no number'],
])('%#: a damaged file is refused by place', (file, message) => {
  const bytes = typeof file === 'string' ? utf8.encode(file) : file;
  expect(isDhat(bytes)).toBe(true);
  expect(() => readDhat(bytes, 'a')).toThrow(expect.objectContaining({ name: 'InputError', message }));
});
