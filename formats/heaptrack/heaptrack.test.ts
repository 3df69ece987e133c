import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import type { StackIndex } from '../../core/units.ts';
import { neverTakesRubbish, readsTheSameHoweverCut, recognisedAsNoOther, recognisesNoOther } from '../../fixtures/properties.ts';
import { fixtureBytes, framesOf, liveOfSize, liveUnder, tally } from '../../fixtures/tally.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { LineBlocks } from './blocks.ts';
import { heaptrack } from './heaptrack.ts';

const utf8 = new TextEncoder();
const read = (text: string) => tally(heaptrack, utf8.encode(text));
const SAMPLES = [
  'leaky_500.heaptrack.zst',
  'leaky_500.heaptrack.raw.zst',
  'grow.heaptrack.zst',
  'grow.heaptrack.raw.zst',
  'edge.heaptrack.zst',
  'jq.heaptrack.zst',
];

describe('recordings', () => {
  test('leaky 500, interpreted: what heaptrack_print says, and both leaks to the byte', async () => {
    const result = tally(heaptrack, await fixtureBytes('leaky_500.heaptrack.zst'));
    const { ledger, trace } = result;
    expect(ledger.totalObjects).toBe(2835);
    expect(ledger.totalPeakBytes / 1000).toBeCloseTo(807.24, 2);
    expect(ledger.totalLiveBytes / 1000).toBeCloseTo(729.48, 2);
    expect(liveUnder(result, 'leak_session')).toEqual({ objects: 50, bytes: 15600 });
    expect(liveUnder(result, 'leak_log_line')).toEqual({ objects: 20, bytes: 20480 });
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect({ ...trace.skipped }).toEqual({ note: 4 });
    expect(trace.header).toMatchObject({
      source: 'heaptrack',
      command: '/opt/sample/bin/leaky 500',
      pageSize: 4096,
      timed: true,
      startTime: 0n,
    });
    expect(trace.threads.tids).toEqual([0]);
    expect(trace.warnings.join()).toContain('placement is approximate');
    const leak = [...result.live.values()].find(({ size }) => size === 312)!;
    const frames = framesOf(result, leak.stack);
    expect(frames.map(({ fn }) => fn)).toEqual([
      'leak_session',
      'handle',
      'main',
      '__libc_start_call_main',
      '__libc_start_main_impl',
      '_start',
    ]);
    expect(frames[0]).toMatchObject({ file: '/opt/sample/src/leaky.c', module: '/opt/sample/bin/leaky' });
  });

  test('the same recording raw: the same figures, with addresses, modules and blocks that stay where they are', async () => {
    const raw = tally(heaptrack, await fixtureBytes('leaky_500.heaptrack.raw.zst'));
    const interpreted = tally(heaptrack, await fixtureBytes('leaky_500.heaptrack.zst'));
    for (const key of ['totalObjects', 'totalBytes', 'totalPeakBytes', 'totalLiveBytes', 'totalLiveObjects'] as const) {
      expect(raw.ledger[key], key).toBe(interpreted.ledger[key]);
    }
    expect(liveOfSize(raw, 312)).toEqual({ objects: 50, bytes: 15600 });
    expect(raw.ops).toEqual({ malloc: 2759, realloc: 76, free: 2029 });
    expect(raw.trace.warnings.join()).not.toContain('placement');
    const leak = [...raw.live.values()].find(({ size }) => size === 312)!;
    const other = [...interpreted.live.values()].find(({ size }) => size === 312)!;
    // The frames of both are the same code, one by one; a head without a name is in the call.
    expect(framesOf(raw, leak.stack).map(({ pc = 0n, module }, i) => ({ pc: i === 0 ? pc + 1n : pc, module }))).toEqual(
      framesOf(interpreted, other.stack).map(({ pc, module }) => ({ pc, module })),
    );
    const { maps } = raw.trace.header;
    const text = maps!.split('\n').find((line) => line.includes(' r-xp ') && line.endsWith('/leaky'))!;
    const [, start, end, offset] = /^([0-9a-f]+)-([0-9a-f]+) r-xp ([0-9a-f]+) 00:00 0 \/opt\/sample\/bin\/leaky$/.exec(text)!;
    const { pc } = framesOf(raw, leak.stack)[0];
    expect(pc).toBeGreaterThan(BigInt(`0x${start}`));
    expect(pc).toBeLessThan(BigInt(`0x${end}`));
    expect(offset).toBe('00001000');
  });

  test('grow: functions inlined into main, and reallocs told by the name of their function or by their address', async () => {
    const interpreted = tally(heaptrack, await fixtureBytes('grow.heaptrack.zst'));
    expect(interpreted.ops).toEqual({ malloc: 3, realloc: 50, free: 2 });
    expect(interpreted.ledger.totalLiveBytes).toBe(5000);
    const [last] = interpreted.live.values();
    const [leaf] = framesOf(interpreted, last.stack);
    expect(leaf).toMatchObject({ fn: 'main', module: '/opt/sample/bin/grow' });
    expect(leaf.inlined).toEqual([{ fn: 'xrealloc', file: '/opt/sample/src/grow.c', line: 3 }]);
    const raw = tally(heaptrack, await fixtureBytes('grow.heaptrack.raw.zst'));
    expect(raw.ops).toEqual({ malloc: 6, realloc: 47, free: 5 });
    expect([raw.ledger.totalLiveBytes, raw.ledger.totalObjects]).toEqual([5000, 53]);
    expect(raw.ledger.totalPeakBytes).toBe(interpreted.ledger.totalPeakBytes);
  });

  test.skipIf(!needsTool('heaptrack_print')).each(SAMPLES.filter((name) => !name.includes('.raw.')))(
    '%s: the totals of heaptrack_print',
    async (name) => {
      const path = fileURLToPath(new URL(`../../fixtures/traces/${name}`, import.meta.url));
      const print = execFileSync('heaptrack_print', ['--disable-builtin-suppressions', '-p', '0', '-a', '0', '-T', '0', '-l', '0', path], {
        encoding: 'utf8',
      });
      const said = (label: string) => new RegExp(`^${label}: ([0-9.]+[KMB]?)`, 'm').exec(print)![1];
      const { ledger } = tally(heaptrack, await fixtureBytes(name));
      expect(said('calls to allocation functions')).toBe(String(ledger.totalObjects));
      expect(said('peak heap memory consumption')).toBe(shortBytes(ledger.totalPeakBytes));
      expect(said('total memory leaked')).toBe(shortBytes(ledger.totalLiveBytes));
    },
  );
});

/** Bytes as heaptrack_print writes them. */
function shortBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes}B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(2)}K` : `${(bytes / 1e6).toFixed(2)}M`;
}

describe('grammar', () => {
  test('version 0: addresses, strings to the end of the line', () => {
    const result = read(
      'v 10000 0\nX app with spaces\ns main function\ns a.c\ni 400010 0 1 2 c\nt 1 0\n+ 20 1 7f0000001000\n+ 10 1 7f0000002000\n- 7f0000001000\n- 7f0000009000\n',
    );
    expect(result.text).toEqual([
      'malloc 0 0 139637976731648 0 32 0 0',
      'malloc 0 0 139637976735744 0 16 0 0',
      'free 0 0 139637976731648 0 0 0 -1',
      'free 0 0 139637976764416 0 0 0 -1',
    ]);
    // Before heaptrack 1.3 a code address was that of the return.
    expect(framesOf(result, 0)).toEqual([{ pc: 0x400010n, fn: 'main function', file: 'a.c', line: 12 }]);
    expect(result.trace.header.command).toBe('app with spaces');
  });

  test.each(['v 10200', 'v 10100 1', 'v 10290 2'])('%s: infos', (version) => {
    const result = read(`${version}\nX app\ns f\ni 400010 0 1\nt 1 0\na 20 1\na 30 1\n+ 0\n+ 1\n+ 0\n- 0\nc a\n- 0\n`);
    expect(result.ops).toEqual({ malloc: 3, free: 2 });
    expect([...result.live.values()].map(({ size }) => size)).toEqual([0x30]);
    expect(result.text[4].split(' ')[2]).toBe('10000000');
  });

  test('raw, before strings had lengths', () => {
    const result = read(
      'v 10200 2\nx /bin/app\nX app\nm -\nm x 400000 0 1000 1000 2000\nm /lib/l.so 7f0000000000 0 1000\nt 401234 0\nt 7f0000000010 1\n+ 20 2 5000\n- 5000\n+ 40 2 5000\n- 5000\n+ 40 1 6000\n',
    );
    expect(result.ops).toEqual({ malloc: 2, realloc: 1, free: 1 });
    expect(framesOf(result, 0)).toEqual([
      { pc: 0x7f000000000fn, module: '/lib/l.so' },
      { pc: 0x401234n, module: '/bin/app' },
    ]);
    expect(result.trace.header.maps).toBe(
      '00400000-00401000 r--p 00000000 00:00 0 /bin/app\n00401000-00403000 r-xp 00001000 00:00 0 /bin/app\n7f0000000000-7f0000001000 r-xp 00000000 00:00 0 /lib/l.so\n',
    );
  });

  test('raw, addresses of 64 bits, and lines whose numbers are counted over all', () => {
    const start = 'v 10400 3\nm 1 -\nt b400007000001000 0\n';
    const result = read(`${start}+ 20 1 b400007000001000\n- b400007000001000\n+ 8 1 5000\n+ 8 2 6000\n+ 8 1\n- 5000 1\n`);
    expect(result.ops).toEqual({ malloc: 2, free: 1 });
    expect(result.unknown).toBe(0);
    expect(framesOf(result, 0)).toEqual([{ pc: 0xb400007000001000n }]);
    expect({ ...result.trace.skipped }).toEqual({ unparsed: 3 });
    expect(() => read(`${start}${'+ 8 1 5000\n- 5000\n'.repeat(5)}${'hello\n'.repeat(40)}`)).toThrow(/^trace:14: /);
  });

  test('a library that has gone keeps its place in the maps, unless another has taken it', () => {
    const one = 'm 1 -\nm 5 /a.so 10000 0 1000\nt 10010 0\n+ 8 1 5000\n';
    const listed = (second: string) =>
      read(`v 10400 3\n${one}m 1 -\n${second}`)
        .trace.header.maps!.trim()
        .split('\n')
        .map((line) => line.split(' ').at(-1));
    expect(listed('m 5 /b.so 20000 0 1000\n')).toEqual(['/a.so', '/b.so']);
    expect(listed('m 5 /b.so 10000 0 1000\n')).toEqual(['/b.so']);
  });

  test('a realloc is not joined over a time, nor over the end of a batch', () => {
    const start = 'v 10400 3\ns 7 realloc\ni 400010 0 1\nt 1 0\na 20 1\n+ 0\n';
    expect(read(`${start}- 0\n+ 0\n`).ops).toEqual({ malloc: 1, realloc: 1 });
    expect(read(`${start}- 0\nc 1\n+ 0\n`).ops).toEqual({ malloc: 2, free: 1 });
    expect(read(start + '- 0\n+ 0\n'.repeat(10000)).ops).toEqual({ malloc: 1, realloc: 10000 });
    expect(read(`v 10400 3\nm 1 -\nt 10 0\n+ 8 1 5000\n${'- 5000\n+ 9 1 5000\n'.repeat(10000)}`).ops).toEqual({
      malloc: 1,
      realloc: 10000,
    });
  });

  test('blocks of one info: the latest is freed first, and no two that live share an address', () => {
    const { text } = read('v 10400 3\na 8 0\na 10 0\n+ 0\n+ 1\n+ 0\n- 0\n+ 1\n- 0\n- 1\n- 1\n');
    const address = text.map((line) => Number(line.split(' ')[3]));
    expect(address[3]).toBe(address[2]);
    expect(address[5]).toBe(address[0]);
    expect(address[6]).toBe(address[4]);
    expect(address[7]).toBe(address[1]);
    expect(new Set(address.slice(0, 3)).size).toBe(3);
  });

  test('what cannot be taken is counted, and later indices still count it', () => {
    const result = read(
      'v 10400 3\ns zz\ns 4 main\ns 9 short\ni zz\ni 400010 0 2\nt 9 0\nt 2 7\nt 2 0\na 8\na 8 9\na 8 3\n+ 3\n+ 2\n- 1\n- 2\n+ 2 1\nq\nc 5\nc 4\n+ 0000000000\nR 1\n\nS leak:x\nA\n# end\n- 2',
    );
    expect(result.ops).toEqual({ malloc: 1, free: 1 });
    expect(framesOf(result, 0)).toEqual([{ pc: 0x400011n, fn: 'main' }]);
    expect({ ...result.trace.skipped }).toEqual({ unparsed: 12, free_unknown: 1, note: 5, torn: 1 });
    expect(result.trace.partial).toBe(true);
    expect(result.trace.warnings.join()).toContain('attached to a running program');
  });

  test('blocks are numbered where calls name no address, and a file never has both kinds of calls', () => {
    const interpreted = read('v 10400 3\na 8 0\n+ 8 0 5000\n+ 0\n- 5000\nm 1 -\nx 2 /a\n+ 0\n- 0\n');
    expect(interpreted.ops).toEqual({ malloc: 2, free: 1 });
    expect(interpreted.numbers.size).toBe(1);
    expect({ ...interpreted.trace.skipped }).toEqual({ unparsed: 4 });
    const early = read('v 10400 3\n+ 8 0 5000\n- 5000\na 8 0\n+ 0\n');
    expect(early.ops).toEqual({ malloc: 1 });
    expect({ ...early.trace.skipped }).toEqual({ unparsed: 2 });
    const raw = read('v 10400 3\nm 1 -\na 8 0\n+ 8 0 5000\n+ 0\n- 5000\n');
    expect(raw.ops).toEqual({ malloc: 1, free: 1 });
    const oldest = read('v 10000\n+ 8 0 5000\na 8 0\n- 5000\n');
    expect(oldest.ops).toEqual({ malloc: 1, free: 1 });
    expect({ ...oldest.trace.skipped }).toEqual({ unparsed: 1 });
    const headless = read('- 5000\na 8 0\n');
    expect(headless.ops).toEqual({ free: 1 });
    expect({ ...headless.trace.skipped }).toEqual({ unparsed: 1 });
  });

  test('a command with newlines', () => {
    const result = read('v 10400 3\nx 9 /bin/perl\nX perl -e my $a = 1;\na = 5\nm 2\n\nI 1000 5e2990\nm 1 -\nt 10 0\n+ 8 1 5000\n');
    expect(result.trace.header.command).toBe('perl -e my $a = 1;\na = 5\nm 2\n');
    expect(result.events).toBe(1);
    expect({ ...result.trace.skipped }).toEqual({});
  });

  test('raw: a module that is listed again, after another one was loaded, keeps what is known of its code', () => {
    const app = 'm 4 /app 400000 0 1000 1000 2000\n';
    const listed = `v 10400 3\nx 4 /app\nm 1 -\n${app}t 401010 0\n+ 8 1 1000\nm 1 -\n${app}`;
    const code = '00400000-00401000 r--p 00000000 00:00 0 /app\n00401000-00403000 r-xp 00001000 00:00 0 /app\n';
    expect(read(listed).trace.header.maps).toBe(code);
    // Another file at that place is another one.
    const other = 'm 4 /two 400000 0 1000 1000 2000\n';
    expect(read(`${listed}m 1 -\n${other}`).trace.header.maps).toBe(code.replaceAll('/app', '/two').replace('r-xp', 'r--p'));
  });

  test('raw: an address that calls return to is that at the end of a stack, and the one before at its head', () => {
    const { trace } = read('v 10400 3\nx 4 /app\nt 400010 0\nt 400020 1\n+ 8 2 1000\n+ 8 1 2000\n+ 8 2 3000\n');
    const stacks = Array.from({ length: trace.stacks.length }, (_, stack) => [...trace.stacks.framesOf(stack as StackIndex)]);
    expect(stacks.map((rows) => rows.map((row) => trace.stacks.frames.frames[row].pc))).toEqual([[0x400020n, 0x400011n], [0x400010n]]);
  });

  test('a version that is not known, a text that is none of its own', () => {
    expect(() => read('v 10900 4\n')).toThrow(InputError);
    expect(() => read('v 10900 4\n')).toThrow('trace:1: heaptrack’s format version 4: versions up to 3 are known');
    expect(() => read(`v 10400 3\n${'hello\n'.repeat(40)}`)).toThrow(
      /^trace:2: from here on 32 lines in a row are not heaptrack’s: "hello"/,
    );
  });

  test('lines that name rows which lost lines have made are said to', () => {
    const rows = Array.from({ length: 40 }, (_, i) => `t ${(0x400010 + i).toString(16)} ${(i + 1).toString(16)}`);
    expect(() => read(`v 10400 3\nx 4 /app\nt 400000 0\n${rows.slice(1).join('\n')}\n`)).toThrow(
      'trace:4: from here on lines name rows of tables that are not there: lines before are missing',
    );
  });

  test.each(['edge.heaptrack.zst', 'grow.heaptrack.raw.zst'])(
    'line ends of Windows change nothing, however it is cut: %s',
    async (name) => {
      const bytes = Buffer.from(await fixtureBytes(name));
      const ended = Buffer.from(bytes.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
      expect(heaptrack.sniff(ended.subarray(0, 65536))).toBeGreaterThan(0.9);
      readsTheSameHoweverCut(heaptrack, ended);
      const [one, other] = [bytes, ended].map((each) => tally(heaptrack, each));
      expect(other.text).toEqual(one.text);
      expect(other.trace.skipped).toEqual(one.trace.skipped);
    },
  );

  test.each(['leaky_500.heaptrack.zst', 'leaky_500.heaptrack.raw.zst'])(
    'another recording behind it is refused where it begins: %s',
    async (name) => {
      const bytes = await fixtureBytes(name);
      const lines = Buffer.from(bytes).toString('latin1').split('\n').length;
      const place = new RegExp(`^trace:${lines}: another recording by heaptrack begins here`);
      expect(() => tally(heaptrack, Buffer.concat([bytes, bytes]))).toThrow(place);
      expect(heaptrack.sniff(Buffer.concat([bytes, bytes]))).toBeGreaterThan(0.9);
    },
  );

  test('a version behind it and comments are what heaptrack 1.4 leaves of a program that the recorded one executed', () => {
    const first = 'v 10400 3\ns 4 bash\ni 400010 1\nt 1 0\na 8 1\n+ 0\n';
    const { ledger, trace } = read(`${first}v 10400 3\n\n# strings: 81\n# ips: 13d\n`);
    expect(ledger.totalObjects).toBe(1);
    expect({ ...trace.skipped }).toEqual({ note: 3 });
    expect(trace).toMatchObject({ partial: false });
    expect(trace.warnings).toContain('the recorded program executed another one, of which heaptrack recorded nothing');
    expect(() => read(`${first}v 10400 3\nX b\n`)).toThrow('trace:7: another recording by heaptrack begins here');
  });

  test('names are data', () => {
    const result = read(
      'v 10400 3\ns 9 __proto__\ns a <script>\0\x1b\ns 0 \ni 400010 1 1 2 1\ni 400020 3 3 3 1\nt 1 0\nt 2 1\na 8 2\n+ 0\n',
    );
    expect(framesOf(result, 0)).toEqual([
      { pc: 0x400021n },
      { pc: 0x400011n, fn: '__proto__', module: '__proto__', file: '<script>\0\x1b', line: 1 },
    ]);
    expect({ ...result.trace.skipped }).toEqual({});
  });
});

describe('any input', () => {
  test.each(SAMPLES)('%s reads the same however it is cut', async (name) => {
    const bytes = (await fixtureBytes(name)).subarray(0, 40000);
    readsTheSameHoweverCut(heaptrack, bytes);
  });

  test.each(SAMPLES)('%s is recognised from its head, and only as what it is', async (name) => {
    const bytes = await fixtureBytes(name);
    for (const length of [65536, 700, 40]) {
      const head = bytes.subarray(0, length);
      expect(heaptrack.sniff(head)).toBeGreaterThan(0.9);
      recognisedAsNoOther(heaptrack, head);
    }
  });

  test('empty lines may stand before the version', () => {
    const text = '\n\nv 10400 2\nX app\ns f\ni 400010 0 1\nt 1 0\na 20 1\n+ 0\n';
    expect(heaptrack.sniff(utf8.encode(text))).toBe(1);
    expect(heaptrack.books?.(utf8.encode(text))).toBe(true);
    expect(read(text).ops).toEqual({ malloc: 1 });
  });

  test('other formats are not recognised', async () => {
    await recognisesNoOther(heaptrack);
    expect(heaptrack.sniff(utf8.encode('v 1.0 2.0 3.0\nv 1 2 3\n'))).toBe(0);
    expect(heaptrack.sniff(utf8.encode('v 10900 4\n'))).toBeGreaterThan(0.9);
  });

  test('rubbish is counted, never taken', async () => {
    const good = (await fixtureBytes('edge.heaptrack.zst')).slice();
    neverTakesRubbish(heaptrack, good, { refuses: true });
  });

  test('every line of a damaged recording is an event, a definition or counted', async () => {
    const lines = new TextDecoder()
      .decode(await fixtureBytes('leaky_500.heaptrack.zst'))
      .trimEnd()
      .split('\n');
    const calls = lines.filter((line) => /^[+-]/.test(line)).length;
    fc.assert(
      fc.property(fc.array(fc.nat({ max: lines.length - 1 }), { minLength: 1, maxLength: 20 }), (hurt) => {
        const broken = lines.slice();
        const places = [...new Set(hurt)].filter((place) => /^[+-]/.test(lines[place]));
        for (const place of places) broken[place] = '+ zz';
        const result = read(`${broken.join('\n')}\n`);
        const { unparsed = 0, free_unknown = 0 } = result.trace.skipped;
        expect(unparsed).toBe(places.length);
        expect(result.events + (result.ops['realloc'] ?? 0) + unparsed + free_unknown).toBe(calls);
      }),
      { numRuns: 20 },
    );
  });

  test('blocks are whole lines, in order, without their rest', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('', 'a', 'bcd', '\n', '\n\n', 'e'.repeat(5000)), { maxLength: 12 }), (parts) => {
        const blocks: string[] = [];
        const cutter = new LineBlocks('x', (bytes, start, end) => {
          expect(bytes[end - 1]).toBe(10);
          blocks.push(new TextDecoder().decode(bytes.subarray(start, end)));
        });
        for (const part of parts) cutter.write(utf8.encode(part));
        const whole = parts.join('');
        expect(blocks.join('')).toBe(whole.slice(0, whole.lastIndexOf('\n') + 1));
        expect(cutter.end()).toBe(!whole.endsWith('\n') && whole !== '');
      }),
    );
  });
});

test('a page size and a time that no form of a trace holds are damage', () => {
  const { trace } = read('v 10400 3\nI ffffffffffffffff 1\nI 1000 1\nI 20000000000000 1\nc 5\nc 8637bd05af6\nc ffffffffffff\n');
  expect({ ...trace.skipped }).toEqual({ unparsed: 3 });
  expect(trace.header.pageSize).toBe(4096);
});
