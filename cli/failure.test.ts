import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { InputError } from '../core/trace/input_error.ts';
import { EXIT_BAD_INPUT, EXIT_BUG, explain, ofFile, oneLine } from './failure.ts';

test('bad input is a line with place and fact, and one with the remedy', () => {
  expect(explain(new InputError('app.mtrace:4182', 'free of 0x55d0a0, which is not live', 'pass --unmatched count'))).toEqual({
    text: 'app.mtrace:4182: free of 0x55d0a0, which is not live\nhint: pass --unmatched count\n',
    code: EXIT_BAD_INPUT,
  });
});

test('the command line adds the remedy where the library has none', () => {
  const hintOf = (place: string) => explain(new InputError(place, 'is wrong'), 'replay').text.split('\n')[1];
  expect(hintOf('a.ndjson:3')).toBe('hint: mend that line, or leave it out');
  expect(hintOf('--ncpus')).toBe('hint: jereplay replay --help says what it takes');
  expect(hintOf('a.ndjson')).toBe('');
});

test("a file's error is bad input", () => {
  const read = (path: string) => {
    try {
      return readFileSync(path);
    } catch (error) {
      return explain(error);
    }
  };
  expect(read('no/such/file')).toEqual({ text: 'no/such/file: no such file or directory\n', code: EXIT_BAD_INPUT });
  expect(ofFile(new RangeError('x'), 'a')).toBeInstanceOf(RangeError);
});

test('memory that the system refuses to any WebAssembly is bad input', () => {
  const { text, code } = explain(new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance'));
  expect(code).toBe(EXIT_BAD_INPUT);
  expect(text).toMatch(/^memory: the system refuses .*\nhint: raise the limit \(ulimit -v\), or set NODE_OPTIONS=/);
  expect(explain(new RangeError('Invalid array length')).code).toBe(EXIT_BUG);
});

test('anything else shows its stack', () => {
  const { text, code } = explain(new TypeError('x is not a function'));
  expect(code).toBe(EXIT_BUG);
  expect(text).toMatch(/bug in jereplay\nTypeError: x is not a function\n\s+at /);
});

test("untrusted text cannot draw on the user's terminal", () => {
  expect(oneLine('a\u001b[31mb\nc\u202ed')).toBe('a\\x1b[31mb\\x0ac\\x202ed');
  expect(oneLine('x'.repeat(10_000_000)).length).toBeLessThan(600);
});
