import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, framesOf, liveUnder, tally, type Tally } from '../../fixtures/tally.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { mtrace } from './mtrace.ts';

const utf8 = new TextEncoder();
const read = (text: string) => tally(mtrace, utf8.encode(text));
const SAMPLES = ['leaky_500.mtrace.zst', 'mtr.mtrace', 'sqlite.mtrace.zst', 'edge.mtrace'];

describe('recordings', () => {
  test('leaky 500: both leaks to the byte', async () => {
    const result = tally(mtrace, await fixtureBytes('leaky_500.mtrace.zst'));
    expect(liveUnder(result, 'leak_session')).toEqual({ objects: 50, bytes: 15600 });
    expect(liveUnder(result, 'leak_log_line')).toEqual({ objects: 20, bytes: 20480 });
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect({ ...result.trace.skipped }).toEqual({ note: 1 });
    expect(result.trace.header).toMatchObject({ source: 'mtrace', timed: false });
    expect(result.trace.warnings).toHaveLength(1);
  });

  test('mtr: 52 blocks of 10411 bytes are left', async () => {
    const result = tally(mtrace, await fixtureBytes('mtr.mtrace'));
    expect(result.ops).toEqual({ malloc: 406, free: 354, realloc: 2 });
    expect([result.ledger.totalLiveObjects, result.ledger.totalLiveBytes]).toEqual([52, 10411]);
    expect(framesOf(result, 0)).toEqual([{ fn: 'f2', module: '/opt/sample/bin/mtr', offset: 0x38 }]);
    expect({ ...result.trace.skipped }).toEqual({ note: 2 });
  });

  test('sqlite3: callers without a name, nothing left', async () => {
    const result = tally(mtrace, await fixtureBytes('sqlite.mtrace.zst'));
    expect(result.ops).toEqual({ malloc: 4218, free: 4218, realloc: 52 });
    expect(result.ledger.totalLiveBytes).toBe(0);
    expect(framesOf(result, 0)).toEqual([{ fn: 'sqlite3+0x911e', module: 'sqlite3' }]);
  });

  test('edge: overwritten by a program that it executes', async () => {
    const result = tally(mtrace, await fixtureBytes('edge.mtrace'));
    expect(result.ops).toEqual({ malloc: 4, free: 5 });
    expect({ ...result.trace.skipped }).toEqual({ note: 1, torn: 1 });
    expect(result.trace.partial).toBe(true);
    expect(result.trace.warnings.join()).toContain('3,064 bytes lost');
  });

  test.skipIf(!needsTool('mtrace')).each(['mtr.mtrace', 'leaky_500.mtrace.zst'])(
    '%s: the blocks that the mtrace script lists',
    async (name) => {
      const bytes = await fixtureBytes(name);
      const folder = mkdtempSync(join(tmpdir(), 'mtrace-'));
      try {
        writeFileSync(join(folder, 'log'), bytes);
        const result = tally(mtrace, bytes);
        expect(report(join(folder, 'log'))).toEqual(blocks(result));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

/** Address and size of what the script says is not freed. Its exit status says whether something is. */
function report(path: string): string[] {
  let text: string;
  try {
    text = execFileSync('mtrace', [path], { encoding: 'utf8' });
  } catch (error) {
    text = (error as { stdout: string }).stdout;
  }
  return Array.from(text.matchAll(/^0x0*([0-9a-f]+) +0x([0-9a-f]+) /gm), ([, address, size]) => `${address} ${size}`).sort();
}

function blocks({ live }: Tally): string[] {
  return Array.from(live, ([address, { size }]) => `${address.toString(16)} ${size.toString(16)}`).sort();
}

describe('lines', () => {
  test.each([
    ['@ /bin/a:(main+90)[0x16a5]', [{ fn: 'main', module: '/bin/a', offset: 0x90 }]],
    ['@ /bin/a:(main+0x90)[0x55e0c6a81a22]', [{ pc: 0x55e0c6a81a22n, fn: 'main', module: '/bin/a', offset: 0x90 }]],
    ['@ ./my app:1 [x](y):[0x10]', [{ fn: 'my app:1 [x](y)+0x10', module: './my app:1 [x](y)' }]],
    ['@ [0x401122]', [{ pc: 0x401122n }]],
    ['@ /bin/a:(_ZN1a1bEv-0x4)[0x7f0000000010]', [{ pc: 0x7f0000000010n, fn: '_ZN1a1bEv', module: '/bin/a' }]],
  ])('%s', (place, frames) => {
    const result = read(`${place} + 0x1000 0x20\n`);
    expect(framesOf(result, 0)).toEqual(frames);
    expect(result.ledger.totalLiveBytes).toBe(32);
  });

  test('size 0, no caller, failures, CRLF', () => {
    const result = read('= Start\r\n+ 0x1000 0\r\n+ (nil) 0x7fffffffffffffff\r\n@ a:[0x1] ! 0x1000 0x8000\r\n- 0x1000\r\n= End\r\n');
    expect(result.text).toEqual([
      'malloc 0 0 4096 0 0 0 -1',
      'malloc 0 1 0 0 9223372036854776000 0 -1',
      'realloc 0 2 0 4096 32768 0 0',
      'free 0 3 4096 0 0 0 -1',
    ]);
    expect({ ...result.trace.skipped }).toEqual({ note: 2 });
  });

  test('as the C library’s manual shows it, and indented', () => {
    const text = '= Start\n [0x8048209] - 0x8064cc8\n [0x80481eb] + 0x8064c48 0x14\n    @ a:[0x1] + 0x8064c60 0x14\n= End\n';
    expect(mtrace.sniff(Buffer.from(text))).toBeGreaterThan(0.9);
    const result = read(text);
    expect(result.text.map((line) => line.split(' ').slice(0, 5).join(' '))).toEqual([
      'free 0 0 134630600 0',
      'malloc 0 1 134630472 0',
      'malloc 0 2 134630496 0',
    ]);
    expect(framesOf(result, 1)).toEqual([{ pc: 0x80481ebn }]);
    expect({ ...result.trace.skipped }).toEqual({ note: 2 });
  });

  test('a line torn where a forked child writes between, which looks whole', () => {
    const lines = [
      '@ ./multi:[0x1482] + 0x560af 0x560afb049680',
      '@ ./multi:[0x1482] + 0x560afb049680 0x560afb0496a0',
      '@ ./multi:[0x1482] - 0x560a5',
      '@ ./multi:[0x1482] ! 0x560afb049680 0xfffffffffffff000',
      '@ ./multi:[0x1453] + 0x560afb04a440 0x2f\n',
    ];
    const { ledger, trace } = read(lines.join('\n'));
    expect([ledger.totalLiveBytes, { ...trace.skipped }]).toEqual([47, { unparsed: 3 }]);
  });

  test('two lines that a forked child has torn into one: the second one is whole, and the first is no name of its module', () => {
    const torn = '@ ./a:[0x2] - 0x10@ ./a:[0x3] + 0x2000 0x20\n@ ./a:[0@ ./a:[0x3] - 0x2000\n@ ./a:[0x2] + 0x20:[0x3] + 0x3000 0x8\n';
    const result = read(`@ ./a:[0x1] + 0x1000 0x10\n${torn}`);
    expect([result.ledger.totalLiveBytes, { ...result.trace.skipped }]).toEqual([24, { torn: 3 }]);
    expect(result.trace.stacks.frames.frames).toEqual([
      { fn: 'a+0x1', module: './a' },
      { fn: 'a+0x3', module: './a' },
    ]);
  });

  test('halves of a realloc', () => {
    const result = read('@ a:[0x1] + 0x10 8\n@ a:[0x1] < 0x10\n@ a:[0x1] - 0x20\n@ a:[0x1] > 0x30 9\n@ a:[0x1] < 0x30\n');
    expect(
      result.text.map((line) =>
        line
          .split(' ')
          .filter((_, i) => [0, 3, 4].includes(i))
          .join(' '),
      ),
    ).toEqual(['malloc 16 0', 'free 16 0', 'free 32 0', 'malloc 48 0', 'free 48 0']);
    expect({ ...result.trace.skipped }).toEqual({ torn: 2 });
  });

  test('strange lines, NUL bytes within a line, a cut line', () => {
    const result = read(
      '= Start\nhello\n@ a:[0x1] + 0x10\n@ a:[0x1 + 0x10 8\n@ a:[0x\0\0\0@ a:[0x1] + 0x10 0x8\n\0\0\0x1] + 0x18 0x8\n@ a:[0x1] - 0x10 0x8\n@ a:[0x1] - 0x1',
    );
    expect(result.ops).toEqual({ malloc: 1 });
    expect({ ...result.trace.skipped }).toEqual({ note: 1, unparsed: 4, torn: 3 });
    expect(() => read(`= Start\n${'hello\n'.repeat(40)}`)).toThrow(InputError);
  });
});

describe('any input', () => {
  test.each(SAMPLES)('%s reads the same however it is cut', async (name) => {
    const bytes = (await fixtureBytes(name)).subarray(0, 40000);
    readsTheSameHoweverCut(mtrace, bytes);
  });

  test.each(SAMPLES)('%s is recognised from its head, and only as what it is', async (name) => {
    const bytes = await fixtureBytes(name);
    for (const length of [65536, 3600]) {
      const head = bytes.subarray(0, length);
      expect(mtrace.sniff(head)).toBeGreaterThan(0.9);
      recognisedAsNoOther(mtrace, head);
    }
  });

  test.each([
    ['the rest of a torn line', '01dd0 0x77\n@ ./mt:[0x12a3] + 0x556b7810a2a0 0xa\n@ ./mt:[0x12a3] - 0x556b7810a2a0\n'],
    ['what the shell says', 'nohup: ignoring input\n= Start\n@ ./mt:[0x12a3] + 0x556b7810a2a0 0xa\n'],
  ])('is recognised behind %s', (_, text) => expect(mtrace.sniff(utf8.encode(text))).toBeGreaterThan(0.4));

  test('other formats are not recognised', async () => {
    await recognisesNoOther(mtrace);
  });

  test('rubbish is counted, never taken', async () => {
    const good = (await fixtureBytes('mtr.mtrace')).slice(0, 3000);
    neverTakesRubbish(mtrace, good, { refuses: true });
  });
});
