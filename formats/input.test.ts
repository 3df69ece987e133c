import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../fixtures/test_folder.ts';
import { zstdRaw } from '../fixtures/zstd_raw.ts';
import { type CompressionFault, endsEarly, faultOf, openInput, type Source } from './input.ts';

const directory = testFolder();

/** All of an input, and what is known of it afterwards. */
interface Whole {
  readonly text: string;
  readonly fault: CompressionFault | undefined;
  readonly bytesRead: number;
  readonly totalBytes: number | undefined;
}

async function readAll(source: Source): Promise<Whole> {
  const input = await openInput(source);
  const chunks: Uint8Array[] = [];
  for await (const chunk of input.chunks) chunks.push(chunk);
  const { fault, bytesRead, totalBytes } = input;
  return { text: Buffer.concat(chunks).toString('latin1'), fault, bytesRead, totalBytes };
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** "hello, hello, hello!\n" by zstd 1.5.4, with its checksum. */
const ZSTD_HELLO = Buffer.from('28b52ffd04587d00004868656c6c6f2c20210a0100e28a110ddf49f6', 'hex');
/** A skippable frame of four bytes. */
const SKIPPABLE = Buffer.from('502a4d180400000061626364', 'hex');

describe('compression', () => {
  const text = 'a line of a trace\n'.repeat(50_000);
  const plain = Buffer.from(text);

  test.each([
    ['none', plain],
    ['gzip', gzipSync(plain)],
    ['two gzip members', Buffer.concat([gzipSync(plain.subarray(0, 1000)), gzipSync(plain.subarray(1000))])],
    ['zstd', zstdRaw(plain)],
    [
      'zstd frames and skippable ones',
      Buffer.concat([SKIPPABLE, zstdRaw(plain.subarray(0, 5)), SKIPPABLE, zstdRaw(plain.subarray(5)), SKIPPABLE]),
    ],
    ['gzip in zstd', zstdRaw(gzipSync(plain))],
    ['zstd in gzip', gzipSync(zstdRaw(plain))],
    ['gzip in gzip', gzipSync(gzipSync(plain))],
  ])('%s', async (_, bytes) => {
    for (const source of [bytes, pieces(bytes, 1 << 16)]) {
      const got = await readAll(source);
      expect(got.text === text).toBe(true);
      expect(got.fault).toBeUndefined();
      expect(got.bytesRead).toBe(bytes.length);
    }
  });

  test("zstd's own output", async () => {
    const { text } = await readAll(Buffer.concat([ZSTD_HELLO, ZSTD_HELLO]));
    expect(text).toBe('hello, hello, hello!\n'.repeat(2));
  });

  test('one byte at a time', async () => {
    for (const bytes of [gzipSync('abcdef'), ZSTD_HELLO, Buffer.from('plain')]) {
      const got = await readAll(pieces(bytes, 1));
      expect(['abcdef', 'hello, hello, hello!\n', 'plain']).toContain(got.text);
      expect(got.fault).toBeUndefined();
    }
  });

  test('a file that breaks off gives what came through', async () => {
    const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 24) & 127));
    for (const whole of [gzipSync(noise), zstdRaw(noise)]) {
      const got = await readAll(whole.subarray(0, Math.floor(whole.length * 0.7)));
      expect(got.fault).toBe('cut');
      expect(got.text.length).toBeGreaterThan(150_000);
      expect(noise.toString('latin1').startsWith(got.text)).toBe(true);
    }
  });

  test.each([
    ['a wrong checksum of gzip', gzipSync(plain), 6, text],
    ['a wrong length of gzip', gzipSync(plain), 2, text],
    ['a wrong checksum of Zstandard', Buffer.concat([ZSTD_HELLO, ZSTD_HELLO]), 2, 'hello, hello, hello!\n'.repeat(2)],
  ])('%s at the end: all of the data, and the fault said', async (_, whole, fromEnd, expected) => {
    const bytes = Buffer.from(whole);
    bytes[bytes.length - fromEnd] ^= 1;
    for (const size of [bytes.length, 7, 1]) {
      const input = await openInput(pieces(bytes, size));
      const parts: Uint8Array[] = [];
      for await (const chunk of input.chunks) parts.push(chunk);
      expect(Buffer.concat(parts).toString() === expected).toBe(true);
      expect([endsEarly(input), faultOf(input)]).toEqual([false, expect.stringContaining('checksum')]);
    }
  });

  test.each([
    ['gzip', gzipSync, 1000],
    ['Zstandard', zstdRaw, 0],
  ])('%s that is damaged on the way: what could be decompressed before, and the fault said', async (_, compress, at) => {
    const noise = Buffer.from(Array.from({ length: 900_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 24) & 127));
    const members = [noise.subarray(0, 300_000), noise.subarray(300_000, 600_000), noise.subarray(600_000)].map((part) => compress(part));
    const bytes = Buffer.concat(members);
    const start = members[0].length + members[1].length + at;
    bytes.fill(0xee, start, start + 20);
    for (const size of [bytes.length, 1 << 16, 1000]) {
      const input = await openInput(pieces(bytes, size));
      const parts: Uint8Array[] = [];
      for await (const chunk of input.chunks) parts.push(chunk);
      const got = Buffer.concat(parts);
      expect(got.length).toBeGreaterThan(500_000);
      expect(noise.subarray(0, 500_000).equals(got.subarray(0, 500_000))).toBe(true);
      expect([endsEarly(input), faultOf(input)]).toEqual([true, expect.stringContaining('damaged; what could be decompressed before')]);
    }
  });

  test('a wrong checksum on the way: in gzip nothing is lost, in Zstandard what follows', async () => {
    const member = gzipSync(plain);
    member[member.length - 6] ^= 1;
    const got = await readAll(Buffer.concat([member, gzipSync('more')]));
    expect([got.fault, got.text === `${text}more`]).toEqual(['unsound', true]);
    const frame = Buffer.from(ZSTD_HELLO);
    frame[frame.length - 1] ^= 1;
    const { fault, text: before } = await readAll(Buffer.concat([ZSTD_HELLO, frame, ZSTD_HELLO]));
    expect([fault, before]).toEqual(['damaged', 'hello, hello, hello!\n']);
  });

  test('what follows the last gzip member: zeros are padding, anything else is said', async () => {
    const member = gzipSync(plain);
    for (const [tail, fault] of [
      [Buffer.alloc(700), undefined],
      [Buffer.from('\nDone.\n'), 'trailed'],
      [Buffer.from([0, 0, 7]), 'trailed'],
      [Buffer.from('1f8b', 'hex'), 'cut'],
    ] as const) {
      for (const size of [1 << 20, 13, 1]) {
        const got = await readAll(pieces(Buffer.concat([member, tail]), size));
        expect([got.fault, got.text === text]).toEqual([fault, true]);
      }
    }
  });

  test('a gzip member with extra field, name, comment and checksum of the header', async () => {
    const [head, body] = [gzipSync('abc').subarray(0, 10), gzipSync('abc').subarray(10)];
    const extra = Buffer.from([3, 0, 9, 9, 9]);
    for (let flags = 0; flags < 32; flags += 2) {
      const header = Buffer.from(head);
      header[3] = flags;
      const fields = [flags & 4 ? extra : '', flags & 8 ? 'name\0' : '', flags & 16 ? 'a comment\0' : '', flags & 2 ? '\x01\x02' : ''];
      const member = Buffer.concat([header, ...fields.map((field) => Buffer.from(field)), body]);
      for (const size of [1 << 20, 1]) {
        const got = await readAll(pieces(Buffer.concat([member, member]), size));
        expect([got.text, got.fault]).toEqual(['abcabc', undefined]);
      }
      for (let cut = 1; cut < member.length; cut++) {
        const got = await readAll(Buffer.concat([member, member.subarray(0, cut)]));
        expect([got.text.startsWith('abc'), got.fault]).toEqual([true, cut === 1 ? 'trailed' : 'cut']);
      }
    }
  });

  test('nothing but damage', async () => {
    await expect(readAll(Buffer.concat([ZSTD_HELLO.subarray(0, 8), Buffer.alloc(40, 0xee)]))).rejects.toThrow(
      'input: the compressed file is damaged, and nothing could be decompressed',
    );
    await expect(readAll(Buffer.concat([Buffer.from('1f8b08', 'hex'), Buffer.alloc(40, 0xee)]))).rejects.toThrow(
      'input: the compressed file is damaged, and nothing could be decompressed',
    );
    await expect(readAll(Buffer.from('28b52ffd00ff000000', 'hex'))).rejects.toThrow('window is larger');
  });

  test('a frame that needs a dictionary', async () => {
    // zstd 1.5.4 -D, of "hello, hello\n"
    const frame = Buffer.from('28b52ffd0758d608824a69000068656c6c6f2c2068656c6c6f0a0053b3b7', 'hex');
    await expect(readAll(frame)).rejects.toMatchObject({
      fact: 'was compressed by zstd with a dictionary',
      hint: 'decompress it first: zstd -d -D DICTIONARY',
    });
  });

  test('any bytes after a magic end, one way or the other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('1f8b', '1f8b08', '28b52ffd', '502a4d18', '28b52ffd0050'),
        fc.uint8Array({ maxLength: 200 }),
        async (magic, rest) => {
          const bytes = Buffer.concat([Buffer.from(magic, 'hex'), rest]);
          await readAll(bytes).catch((error) => expect(error.name).toBe('InputError'));
        },
      ),
    );
  });
});

describe('what cannot be read', () => {
  test.each([
    [join(directory, 'missing'), 'no such file'],
    [directory, 'is a directory'],
    [join(directory, 'missing', 'deeper'), 'no such file'],
    [`${directory}/${'x'.repeat(300)}`, 'file name too long'],
    ['a\0b', 'is not a file name'],
  ])('%s', async (path, fact) => {
    await expect(readAll(path)).rejects.toThrow(`${path}: ${fact}`);
  });

  test.each([1, 2, 3, 4, 65536])('a byte order mark is taken off, in chunks of %i', async (size) => {
    const bytes = Buffer.from('\ufeff= Start\n\ufeff');
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    expect((await readAll(chunks())).text).toBe(Buffer.from('= Start\n\ufeff').toString('latin1'));
    expect((await readAll(gzipSync(bytes))).text).toBe(Buffer.from('= Start\n\ufeff').toString('latin1'));
  });

  test('compressed, and cut before the first byte comes out', async () => {
    const whole = gzipSync('free(0x1000)\n'.repeat(40));
    await expect(readAll(whole.subarray(0, 10))).rejects.toThrow(
      'input: the compressed file breaks off before any of it can be decompressed',
    );
  });

  test('empty, plainly or once decompressed', async () => {
    const path = join(directory, 'empty');
    writeFileSync(path, '');
    await expect(readAll(path)).rejects.toThrow(`${path}: is empty`);
    await expect(readAll(gzipSync(''))).rejects.toThrow('input: is empty once decompressed');
  });

  test('a file is read whole, and its size known', async () => {
    const path = join(directory, 'whole');
    writeFileSync(path, 'x'.repeat(3_000_000));
    const got = await readAll(path);
    expect([got.text.length, got.bytesRead, got.totalBytes]).toEqual([3_000_000, 3_000_000, 3_000_000]);
  });
});
