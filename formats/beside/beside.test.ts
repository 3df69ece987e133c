/**
 * Reading beside shows what reading in one thread shows, batch by batch: every recording of `traces/`, and one of each format in other chunks, torn and
 * damaged. It runs from the bundle, because a thread cannot be started with TypeScript.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../fixtures/test_folder.ts';
import type * as Core from '../../core/index.ts';
import type { EventBatch } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { fixtureBytes } from '../../fixtures/tally.ts';
import { zstdRaw } from '../../fixtures/zstd_raw.ts';
import type * as Formats from '../index.ts';
import { readTrace, sniffFormat } from '../index.ts';

const bundled = (file: string) => import(new URL(`../../dist/${file}`, import.meta.url).href) as Promise<unknown>;
const { Trace: BundledTrace } = (await bundled('core/index.js')) as typeof Core;
const { readTrace: readBundled, readTraceBeside } = (await bundled('formats/index.js')) as typeof Formats;

const TRACES = fileURLToPath(new URL('../../fixtures/traces', import.meta.url));
const folder = testFolder();

/** Reads into a trace. */
type Reading = (trace: Trace, sink: (batch: EventBatch) => boolean) => Promise<unknown>;

/** What is seen at each batch and at the end: its rows, and what is new or may have changed in the tables. Ends after so many batches. */
async function seen(trace: Trace, read: Reading, most: number): Promise<string[]> {
  const looks: string[] = [];
  let frames = 0;
  let stacks = 0;
  const look = (what: string) => {
    const { header, threads, skipped, warnings, partial, truncated } = trace;
    const table = trace.stacks.frames;
    const news = table.frames.slice(frames).map((frame) => [Object.keys(frame), frame]);
    const rows = [];
    for (; stacks < trace.stacks.length; stacks++) rows.push([...trace.stacks.framesOf(stacks as StackIndex)]);
    frames = table.frames.length;
    const { tids, names, prngSeeds } = threads;
    const state = { header, tids, names, prngSeeds, news, rows, used: table.used.length, skipped, warnings, partial, truncated };
    looks.push(`${what} ${JSON.stringify(state, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))}`);
  };
  try {
    await read(trace, (batch) => {
      look(digest(batch));
      return --most > 0;
    });
    look('the end');
  } catch (error) {
    look(String(error instanceof Error ? JSON.stringify({ ...error, name: error.name, message: error.message }) : error));
  }
  looks.push(trace.stacks.frames.used.join(' '));
  return looks;
}

function digest(batch: EventBatch): string {
  const hash = createHash('sha1');
  for (const name of ['op', 'thread', 'time', 'ptr', 'old', 'size', 'extra', 'stack', 'object', 'oldObject', 'cpu'] as const) {
    const column = batch[name];
    hash.update(name);
    if (column !== undefined) hash.update(new Uint8Array(column.slice(0, batch.length).buffer));
  }
  return `${batch.length} ${batch.capacity} ${hash.digest('hex')}`;
}

async function expectSame(path: string, options: Formats.ReadBesideOptions = {}, most = Infinity): Promise<string[]> {
  const expected = await seen(new Trace(), (trace, sink) => readTrace(path, trace, sink, options), most);
  const found = await seen(new BundledTrace(), (trace, sink) => readTraceBeside(path, trace, sink, options), most);
  expect(found).toEqual(expected);
  return expected;
}

/** Pieces of so many bytes as frames, each of which is decompressed to a chunk of its own. */
function inChunks(bytes: Uint8Array, size: number): Buffer {
  const frames = [];
  for (let start = 0; start < bytes.length; start += size) frames.push(zstdRaw(bytes.subarray(start, start + size)));
  return Buffer.concat(frames);
}

const file = (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

test.each(readdirSync(TRACES))('%s', async (name) => {
  await expectSame(join(TRACES, name));
});

/** The first recording of each format. */
async function oneOfEach(): Promise<[format: string, name: string][]> {
  const firsts = new Map<string, string>();
  for (const name of readdirSync(TRACES)) {
    const format = sniffFormat(await fixtureBytes(name))?.name;
    if (format !== undefined && !firsts.has(format)) firsts.set(format, name);
  }
  return [...firsts];
}

describe.each(await oneOfEach())('%s', (_, name) => {
  test('other chunks, batches and windows', async () => {
    const bytes = await fixtureBytes(name);
    for (const [chunk, batchEvents, reorderWindow] of [
      [61, 7, 16],
      [4099, 1000, 1000],
    ] as const) {
      await expectSame(file(name, inChunks(bytes, chunk)), { batchEvents, reorderWindow });
    }
  });

  test('torn, damaged, and left by who has had enough', async () => {
    const bytes = await fixtureBytes(name);
    const zipped = gzipSync(bytes);
    await expectSame(file(name, zipped.subarray(0, zipped.length * 0.7)), { batchEvents: 100 });
    const damaged = Uint8Array.from(bytes);
    const middle = Math.floor(bytes.length * 0.6);
    damaged.fill(0, middle, middle + 40);
    await expectSame(file(name, damaged), { batchEvents: 100 });
    await expectSame(file(name, bytes), { batchEvents: 10 }, 3);
  });
});

test('counts of any names', async () => {
  const end = '{"op":"trace","version":1,"end":true,"skipped":{"constructor":3,"__proto__":5}}\n';
  const looks = await expectSame(file('counts', Buffer.from(`{"op":"trace","version":1}\n{"op":"free","ptr":"0x10"}\n${end}`)));
  expect(looks.join()).toContain('"skipped":{"constructor":3,"__proto__":5}');
});

test('what cannot be read is refused alike', async () => {
  expect((await expectSame(join(folder, 'missing')))[0]).toContain('no such file');
  expect((await expectSame(file('words', Buffer.from('It was a dark night.\n'))))[0]).toContain('fits no trace format');
  expect((await expectSame(join(TRACES, readdirSync(TRACES)[0] as string), { from: 'nothing' }))[0]).toContain('unknown format');
});

describe('a file that is opened beside its reading', () => {
  const bytes = readFileSync(join(TRACES, 'leaky_500.heaptrack.zst'));
  const text = Buffer.concat(
    Array.from({ length: 2000 }, (_, ts) => Buffer.from(`{"op":"malloc","ts":${ts},"size":24,"ptr":"0x${(ts + 1).toString(16)}0"}\n`)),
  );
  const wrong = gzipSync(text);
  wrong[wrong.length - 5] ^= 1;
  const strange = Buffer.from(bytes);
  strange.fill(0xff, bytes.length / 2, bytes.length / 2 + 20);

  test.each([
    ['whole', bytes],
    ['torn', bytes.subarray(0, bytes.length * 0.7)],
    ['with a wrong checksum', wrong],
    ['damaged', strange],
    ['of many chunks', inChunks(text, 500)],
    ['not compressed', text],
    ['of no format', inChunks(Buffer.alloc(1 << 20, 'It was a dark night.\n'), 1 << 13)],
    ['empty', Buffer.alloc(0)],
    ['missing', undefined],
  ])('%s', async (name, given) => {
    const path = given === undefined ? join(folder, 'none') : file('opened', given);
    const looks = async (unpackBeside: boolean) => {
      const progress: (number | undefined)[][] = [];
      const onProgress = (...at: (number | undefined)[]) => void progress.push(at);
      return [
        await seen(new BundledTrace(), (trace, sink) => readBundled(path, trace, sink, { unpackBeside, onProgress }), Infinity),
        progress,
      ];
    };
    expect(await looks(true), name).toEqual(await looks(false));
  });

  test('a signal is seen before the file is read to its end, however far the thread is ahead', async () => {
    const path = file('long', zstdRaw(Buffer.alloc(16 << 20, '# a comment\n')));
    let chunks = 0;
    let seenAt: number | undefined;
    const onProgress = () => {
      if (chunks++ === 0) setImmediate(() => (seenAt = chunks));
      // who reads is the slower one
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    };
    await readBundled(path, new BundledTrace(), () => {}, { unpackBeside: true, onProgress, from: 'heaptrack' });
    expect(seenAt).toBeLessThan(chunks);
  });
});
