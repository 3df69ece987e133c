import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { fixtureBytes, tally } from '../../fixtures/tally.ts';
import { FORMATS, sniffFormat } from '../index.ts';
import { profLog } from './prof_log.ts';
import { type SampledAllocations, SampledAllocationsReader } from './samples.ts';

const utf8 = new TextEncoder();
const contextsOf = (bytes: Uint8Array, chunk = 65536): SampledAllocations => {
  const reader = new SampledAllocationsReader('log');
  for (let start = 0; start < bytes.length; start += chunk) reader.write(bytes.subarray(start, start + chunk));
  return reader.end();
};
const SAMPLES = ['leaky_500.prof_log.json', 'recent.prof_recent.json'];

describe('contexts', () => {
  test('prof_log of leaky: what was freed, by stack, with lifetimes', async () => {
    const bytes = await fixtureBytes('leaky_500.prof_log.json');
    const { kind, sampleIntervalBytes, pid, duration, contexts } = contextsOf(bytes);
    expect({ kind, sampleIntervalBytes, pid, duration }).toEqual({
      kind: 'prof_log',
      sampleIntervalBytes: 4096,
      pid: 5803,
      duration: 8000000,
    });
    const log = JSON.parse(new TextDecoder().decode(bytes)) as {
      allocations: { usize: number; alloc_timestamp: number; free_timestamp: number }[];
    };
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    expect(sum(contexts.map(({ objects }) => objects))).toBe(log.allocations.length);
    expect(sum(contexts.map((context) => context.bytes))).toBe(sum(log.allocations.map(({ usize }) => usize)));
    expect(sum(contexts.map(({ lifetime }) => lifetime.total))).toBe(
      sum(log.allocations.map((one) => one.free_timestamp - one.alloc_timestamp)),
    );
    expect(contexts.every(({ liveObjects, lifetime }) => liveObjects === 0 && lifetime.shortest <= lifetime.longest)).toBe(true);
    expect(contexts.map((context) => context.bytes)).toEqual(contexts.map((context) => context.bytes).sort((a, b) => b - a));
    expect(contexts.every(({ stack }) => stack.length > 3 && stack.every(({ pc }) => pc! > 0x500000000000n))).toBe(true);
  });

  test('prof_recent: 40 blocks kept, 40 freed, in requested bytes', async () => {
    const { kind, sampleIntervalBytes, contexts } = contextsOf(await fixtureBytes('recent.prof_recent.json'));
    expect({ kind, sampleIntervalBytes }).toEqual({ kind: 'prof_recent', sampleIntervalBytes: 1 });
    const series = (first: number) => 40 * first + (39 * 40) / 2;
    expect(contexts.map(({ objects, bytes, liveObjects, liveBytes }) => ({ objects, bytes, liveObjects, liveBytes }))).toEqual([
      { objects: 40, bytes: series(3000), liveObjects: 0, liveBytes: 0 },
      { objects: 1, bytes: 72704, liveObjects: 1, liveBytes: 72704 },
      { objects: 40, bytes: series(100), liveObjects: 40, liveBytes: series(100) },
    ]);
    expect(contexts[2].lifetime).toEqual({ total: NaN, shortest: NaN, longest: NaN });
  });

  test('estimates: each sample stands for the blocks of its size that were not sampled', async () => {
    const bytes = await fixtureBytes('leaky_500.prof_log.json');
    const { contexts, sampleIntervalBytes } = contextsOf(bytes);
    const { allocations } = JSON.parse(new TextDecoder().decode(bytes)) as { allocations: { usize: number }[] };
    const scales = allocations.map(({ usize }) => 1 / (1 - Math.exp(-usize / sampleIntervalBytes)));
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    expect(sum(contexts.map(({ estimate }) => estimate.objects))).toBeCloseTo(sum(scales), 6);
    expect(sum(contexts.map(({ estimate }) => estimate.bytes))).toBeCloseTo(sum(allocations.map(({ usize }, i) => usize * scales[i])), 4);

    // The size that decides on a sample is the usable one, whatever was asked for.
    const entry = '"size":100,"usize":112,"released":false,"alloc_time":5,"alloc_trace":["0x1f"]';
    const recent = contextsOf(utf8.encode(`{"sample_interval":128,"recent_alloc_max":2,"recent_alloc":[{${entry}}]}`));
    const scale = 1 / (1 - Math.exp(-112 / 128));
    expect(recent.mostAllocations).toBe(2);
    expect(recent.contexts[0].estimate.liveObjects).toBeCloseTo(scale, 12);
    expect(recent.contexts[0].estimate.liveBytes).toBeCloseTo(100 * scale, 10);
  });

  test.each(SAMPLES)('%s reads the same however it is cut', async (name) => {
    const bytes = await fixtureBytes(name);
    const whole = contextsOf(bytes);
    for (const chunk of [97, 4096]) expect(contextsOf(bytes, chunk)).toEqual(whole);
  });

  test('a free without a time; bad logs are refused by place', () => {
    const entry = '"size":8,"released":true,"alloc_time":5,"alloc_trace":["0x1f"]';
    const { contexts } = contextsOf(
      utf8.encode(`{"sample_interval":1,"recent_alloc_max":1,"recent_alloc":[{${entry}},{${entry},"dalloc_time":9}]}`),
    );
    expect(contexts).toEqual([
      {
        stack: [{ pc: 0x1fn }],
        objects: 2,
        bytes: 16,
        liveObjects: 0,
        liveBytes: 0,
        estimate: { objects: 2, bytes: 16, liveObjects: 0, liveBytes: 0 },
        lifetime: { total: 4, shortest: 4, longest: 4 },
      },
    ]);
    expect(() => contextsOf(utf8.encode('{"info":{'))).toThrow('log: the JSON of the log breaks off or is damaged');
    expect(() => contextsOf(utf8.encode('{"a":1}'))).toThrow('log: JSON, but no log of jemalloc’s sampled allocations');
    expect(() =>
      contextsOf(
        utf8.encode(
          '{"info":{"lg_sample_rate":0},"stack_traces":[],"allocations":[{"alloc_trace":3,"alloc_timestamp":1,"free_timestamp":2,"usize":1}]}',
        ),
      ),
    ).toThrow('log: "allocations"[0].alloc_trace names no stack');
    expect(() => contextsOf(utf8.encode('{"sample_interval":1,"recent_alloc":[{"size":-1,"alloc_trace":[]}]}'))).toThrow(
      'log: "recent_alloc"[0].size is no number',
    );
  });
});

describe('replay', () => {
  test.each([
    [
      SAMPLES[0],
      'trace: jemalloc’s prof_log cannot be replayed: it logs about one allocation in every 4096 bytes, only what was freed, without requested sizes and addresses',
    ],
    [SAMPLES[1], 'trace: jemalloc’s prof_recent cannot be replayed: it logs allocations, only the latest, without addresses'],
  ])('%s is recognised and refused with the reason', async (name, message) => {
    const bytes = await fixtureBytes(name);
    expect(sniffFormat(bytes.subarray(0, 65536))).toBe(profLog);
    expect(sniffFormat(bytes.subarray(0, 120))).toBe(profLog);
    for (const format of FORMATS) if (format !== profLog) expect(format.sniff(bytes.subarray(0, 65536)), format.name).toBeLessThan(0.5);
    for (const sizes of [[65536], [1], [50, 1000]]) {
      expect(() => tally(profLog, bytes, {}, sizes)).toThrow(message);
      expect(() => tally(profLog, bytes, {}, sizes)).toThrow(InputError);
    }
  });

  test('nothing else is recognised', async () => {
    for (const name of ['leaky_json.txt.zst', 'mtr.mtrace', 'edge.heaptrack.zst'])
      expect(profLog.sniff((await fixtureBytes(name)).subarray(0, 65536)), name).toBe(0);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(profLog.sniff(noise)).toBe(0);
        expect(() => tally(profLog, noise)).toThrow(InputError);
        expect(() => contextsOf(noise)).toThrow(InputError);
      }),
    );
  });
});
