import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { Ledger } from '../../core/replay/ledger.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import { profileFromLedger } from '../profile.ts';
import { collapsedStacks } from '../report/collapsed.ts';
import { prepareReport } from '../report/report.ts';
import { collapsedLines, collapsedText, isCollapsed, readCollapsed, writeCollapsed } from './collapsed.ts';

function profileOf(stacks: readonly (readonly Frame[])[]) {
  const trace = new Trace();
  const ledger = new Ledger();
  stacks.forEach((frames, i) =>
    ledger.allocate(trace.stacks.intern(frames.map((frame) => trace.stacks.frames.intern(frame))), i + 1, 0, 0),
  );
  return profileFromLedger(trace, ledger);
}

test('root first, equal names on one line', () => {
  const profile = profileOf([
    [{ fn: 'leak' }, { fn: 'main' }],
    [{ fn: 'leak', line: 2 }, { fn: 'main' }],
    [],
    [{ fn: 'f', inlined: [{ fn: 'innermost' }, { fn: 'inner' }] }, { pc: 0x401000n }],
    [{ fn: 'a;b\nc 12' }, { fn: '' }],
  ]);
  expect(writeCollapsed(profile)).toBe('[no backtrace] 3\nmain;leak 3\n0x401000;f;inner;innermost 4\n??;a:b\\nc 12 5\n');
  expect(writeCollapsed(profile, 'alloc_objects')).toBe('[no backtrace] 1\nmain;leak 2\n0x401000;f;inner;innermost 1\n??;a:b\\nc 12 1\n');
});

test('lines that are longer together than a string can be', () => {
  const main = { fn: 'm'.repeat(2 ** 20) };
  const profile = profileOf(Array.from({ length: 520 }, (_, i) => [{ fn: `f${i}` }, main]));
  let bytes = 0;
  for (const line of collapsedLines(profile)) bytes += line.length;
  expect(bytes).toBeGreaterThan(2 ** 29);
  const [{ profile: values, addresses }] = prepareReport([profile]);
  bytes = 0;
  for (const line of collapsedStacks(values, addresses)) bytes += line.length;
  expect(bytes).toBeGreaterThan(2 ** 29);
});

test('only a line feed ends a line: other separators are of the name', () => {
  const text = 'main;q\u2028r 60\nmain;\u2029 2\nmain;z\u0085 3\n';
  const { samples, stacks, warnings } = readCollapsed(text, 'a');
  expect(isCollapsed(new TextEncoder().encode(text))).toBe(true);
  expect([samples.total('inuse_space'), warnings]).toEqual([65, []]);
  expect(stacks.frames.frames.map(({ fn }) => fn)).toContain('q\u2028r');
});

test('what is written reads back the same', () => {
  const frames = fc.array(
    fc.record({ fn: fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('__proto__', '[no backtrace]', '#')) }),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 8 }), (stacks) => {
      // A name that opens a comment or stands for no backtrace at all is the one thing that the format cannot say.
      fc.pre(stacks.every((path) => path.length === 0 || !/^\s*#|^\[no backtrace\]$/.test(path[path.length - 1].fn)));
      const text = writeCollapsed(profileOf(stacks));
      expect(writeCollapsed(readCollapsed(text, 'a'))).toBe(text);
    }),
  );
});

test.each([
  ['main;leak 12\nmain 3\n', true],
  ['main;leak 1.5\nmain;cut of', true],
  ['main 3\n', true],
  ['[no backtrace] 478\n', true],
  ['foo(int, char const*) 5\n0x401000 12\n[unknown] 1.5\nmain 3', true],
  // Every line must fit where none has a `;`, and be a name with one number.
  ['main 3\nno stack\n', false],
  [' 12\n', false],
  ['12 3\n13 4\n', false],
  ['malloc 1 100\nfree 1\n', false],
  ['malloc 0x7f00 100\n', false],
  ['Vector::operator= 24\nVector::operator[] 8\noperator% 3\n', true],
  // Results of calls, values of variables, entries of other programs' files.
  ['hello(0x56173a5c37b4, 0x7ffce9b98718) = 12\n', false],
  ['malloc called, size = 72704\nmalloc called, size = 1024\n', false],
  ['allocated: 12\n', false],
  ['\\BOOKMARK [1][-]{section.1}{Introduction}{}% 1\n', false],
  ['heap_v2/1\n  t*: 1: 2 [3: 4]\n', false],
  ['', false],
])('%j is folded: %s', (text, expected) => expect(isCollapsed(new TextEncoder().encode(text))).toBe(expected));

test('a first line that is longer than what is looked at is judged by its beginning', () => {
  const deep = Array.from({ length: 10_000 }, (_, i) => `f${i}`).join(';');
  expect(isCollapsed(Buffer.from(`${deep} 5\nmain 3\n`))).toBe(true);
  expect(isCollapsed(Buffer.from(`# folded\n${deep} 5\n`))).toBe(true);
  expect(isCollapsed(Buffer.from(`\ufeff${deep} 5\n`, 'utf16le'))).toBe(true);
  const { stacks } = readCollapsed(`${deep} 5\n`, 'a');
  expect(stacks.entryCount).toBe(10_000);
  for (const other of ['main '.repeat(2000), `{"a":"${deep}"}`, `<style>${deep}`, `\0${deep}`, `;${deep}`]) {
    expect(isCollapsed(Buffer.from(other))).toBe(false);
  }
  expect(isCollapsed(Buffer.from('main;leak'))).toBe(false);
});

test('a line without a value is passed over, and named; a file of such lines is an input error', () => {
  const warningsOf = (text: string) => readCollapsed(text, 'a.txt').warnings;
  const first = 'a.txt:2: no folded stack, which a blank and a number end: "main;\\x1bleak"; it is passed over';
  expect(warningsOf('main 1\nmain;\u001bleak\n')).toEqual([first]);
  expect(warningsOf('main 1\nmain;\u001bleak\nlost\n\n# lost\nlost\n')).toEqual([`${first}, and so is what is wrong in 2 further places`]);
  expect(() => readCollapsed('main\nmain;leak\n', 'a.txt')).toThrow(InputError);
  expect(() => readCollapsed('main\nmain;leak\n', 'a.txt')).toThrow('a.txt:1');
});

test('a stack without functions, as stackcollapse-bpftrace.pl writes it, is an empty backtrace', () => {
  const text = 'main+2;f+1 3\n 12\n';
  expect(isCollapsed(Buffer.from(text))).toBe(true);
  const profile = readCollapsed(text, 'a');
  expect(profile.warnings).toEqual([]);
  expect(writeCollapsed(profile)).toBe('main+2;f+1 3\n[no backtrace] 12\n');
  expect(readCollapsed('main;f 1\n12\n', 'a').warnings).toHaveLength(1);
});

test('two values a stack, as difffolded.pl writes them: the second is what flamegraph.pl draws', () => {
  const profile = readCollapsed('a;b;c 6 4\na;b;d 0 12\na;e 3 7\n', 'a.txt');
  expect(writeCollapsed(profile)).toBe('a;b;c 4\na;b;d 12\na;e 7\n');
  expect(profile.warnings).toEqual(['a.txt: two values a stack, as difffolded.pl writes them: the first, of the base, is left out']);
  expect(writeCollapsed(readCollapsed('a;pool 1 5\na;b 3\n', 'a.txt'))).toBe('a;pool 1 5\na;b 3\n');
});

test('a frame of blanks, and a value that ends with a point, as flamegraph.pl takes them', () => {
  expect(writeCollapsed(readCollapsed('a;b;  3\na;;c 20.\n', 'a.txt'))).toBe('a;b;(no name) 3\na;(no name);c 20\n');
});

test('a message between stacks is no damage: scripts that fold leave them, and flamegraph.pl passes them over as well', () => {
  expect(readCollapsed('main;f 1\nWarning: lost\nmain;g 2\n', 'a.txt').damaged).toBeUndefined();
});

/** What speedscope's importer takes (its own samples are of these kinds). */
test.each([
  ['line ends of Windows', 'a;b;c 1\r\na;b;d 4\r\n'],
  ['no line end', 'a;b;c 1\na;b;d 4'],
  ['comments and messages', '# of the recorder\n// of its script\na;b;c 1\na;b;d 3\na;b;d 1\nWarning: lost\n'],
])('%s', (_name, text) => {
  for (const bytes of [Buffer.from(text), Buffer.from(`\ufeff${text}`, 'utf16le'), Buffer.from(`\ufeff${text}`, 'utf16le').swap16()]) {
    expect(isCollapsed(bytes)).toBe(true);
    expect(writeCollapsed(readCollapsed(collapsedText(bytes), 'a'))).toBe('a;b;c 1\na;b;d 4\n');
  }
});

test('one line without an end', () => expect(isCollapsed(Buffer.from('a;b;c 1'))).toBe(true));
