import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../core/trace/input_error.ts';
import { Ledger } from '../../core/replay/ledger.ts';
import type { Frame } from '../../core/trace/stacks.ts';
import { Trace } from '../../core/trace/trace.ts';
import type { StackIndex } from '../../core/units.ts';
import { NO_STACK } from '../../core/units.ts';
import { needsTool } from '../../fixtures/tools.ts';
import { readHeap } from '../heap/read.ts';
import type { Profile } from '../profile.ts';
import { SAMPLE_TYPES, profileFromLedger } from '../profile.ts';
import { renderText } from '../report/report.ts';
import { isPprof, readPprof } from './read.ts';
import { PprofSamples } from './samples.ts';
import { decodeProfile, encodeProfile } from './schema.ts';
import { writePprof } from './write.ts';

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/profiles/${name}`, import.meta.url));
const recorded = (name: string) => readHeap(fixture(name), name).profile;

/** A profile of these stacks (leaf first): i + 2 objects of 100 bytes each were allocated, i + 1 of them live. */
function profileOf(stacks: readonly (readonly Frame[])[], header: Partial<Trace['header']> = {}): Profile {
  const trace = new Trace();
  const ledger = new Ledger();
  Object.assign(trace.header, header);
  stacks.forEach((frames, i) => {
    const stack = trace.stacks.intern(frames.map((frame) => trace.stacks.frames.intern(frame)));
    for (let object = 0; object < i + 2; object++) ledger.allocate(stack, 100, 0, 0);
    ledger.free(stack, 100);
  });
  return profileFromLedger(trace, ledger);
}

/** Rows of a profile as text, with everything that a frame says. */
function rowsOf({ stacks, samples }: Profile): string[] {
  const rows: string[] = [];
  for (let row = 0; row < samples.length; row++) {
    const frames = Array.from(stacks.framesOf(samples.stack[row] as StackIndex), (index) => {
      const { pc, fn, file, line, module, inlined } = stacks.frames.frames[index];
      return JSON.stringify([pc?.toString(16), fn, file, line, module, inlined]);
    });
    rows.push(`${SAMPLE_TYPES.map((type) => Math.round(samples.column(type)[row])).join(' ')} ${frames.join(' ')}`);
  }
  return rows;
}

describe('what is written reads back', () => {
  test('frames with everything they can have', () => {
    const profile = profileOf([
      [
        { fn: 'head', module: '/bin/a' },
        { pc: 0x401000n, fn: 'leaf', file: 'a.c', line: 7, module: '/bin/a' },
        { fn: 'main', module: '/bin/a' },
      ],
      [
        { fn: 'head', module: '/bin/a' },
        { pc: 0xffffffff81000000n, module: '/bin/a' },
        { fn: 'outer', module: '/lib/b.so', inlined: [{ fn: 'innermost', file: 'b.c', line: 1 }, { fn: 'inner' }] },
      ],
      [],
    ]);
    const read = readPprof(writePprof(profile), 'a');
    expect(rowsOf(read).sort()).toEqual(rowsOf(profile).sort());
    expect(read.samples.stack).toContain(NO_STACK);
    expect(read.warnings).toEqual([]);
  });

  test('any names', () => {
    const name = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('__proto__', 'constructor', '名前', 'x'.repeat(5000)));
    const frames = fc.array(fc.record({ fn: name.filter((text) => text !== '' && !/\p{Cc}/u.test(text)) }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.uniqueArray(frames, { maxLength: 10, selector: (path) => JSON.stringify(path) }), (stacks) => {
        const profile = profileOf(stacks);
        expect(rowsOf(readPprof(writePprof(profile), 'a'))).toEqual(rowsOf(profile));
      }),
    );
  });

  test('mappings, period and binary of a dump', () => {
    const dump = recorded('leakycpp_sysnames.heap');
    const read = readPprof(gunzipSync(writePprof(dump)), 'a');
    expect(read.sampling).toEqual(dump.sampling);
    expect(read.binary).toBe(dump.binary);
    expect(read.maps).toMatch(/^[0-9a-f]+-[0-9a-f]+ r-xp 00004000 00:00 0 \/opt\/sample\/bin\/leakycpp$/m);
    for (const type of SAMPLE_TYPES) {
      let sum = 0;
      for (let row = 0; row < dump.samples.length; row++) sum += Math.round(dump.samples.column(type)[row]);
      expect(read.samples.total(type)).toBe(sum);
    }
  });

  test('reports agree', () => {
    const dump = recorded('leaky_s0.symbolized.heap');
    expect(renderText(readPprof(writePprof(dump), 'a'), { sampleType: 'alloc_space' })).toBe(
      renderText(dump, { sampleType: 'alloc_space' }),
    );
  });
});

describe.skipIf(!needsTool('go'))('go tool pprof', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pprof-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const pprof = (flags: readonly string[], profile: Profile) => {
    const path = join(folder, 'a.pb.gz');
    writeFileSync(path, writePprof(profile));
    return execFileSync('go', ['tool', 'pprof', ...flags, path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PPROF_TMPDIR: folder, PPROF_BINARY_PATH: folder },
    });
  };

  test.each(['leaky_s0', 'leaky_s19', 'leakycpp_s0_mt4'])(
    '-top of %s has the rows and numbers of our report',
    (name) => {
      const profile = recorded(`${name}.symbolized.heap`);
      for (const sampleType of SAMPLE_TYPES) {
        const unit = sampleType.endsWith('space') ? 'B' : '';
        const theirs = pprof(['-top', '-unit=B', '-nodecount=100000', '-nodefraction=0', `-sample_index=${sampleType}`], profile);
        // Rows by name: flat, cumulative.
        const rows = new Map(
          [...theirs.matchAll(/^ *(\d+)\w* +[\d.]+% +[\d.]+% +(\d+)\w* +[\d.]+% +(.*)$/gm)].map(([, flat, cumulative, fn]) => [
            fn,
            `${flat} ${cumulative}`,
          ]),
        );
        const ours = [...renderText(profile, { sampleType, showBytes: true }).matchAll(/^ *(\d+) +\S+ +\S+ +(\d+) +\S+ (.*)$/gm)];
        expect(ours.length).toBeGreaterThan(8);
        let compared = 0;
        for (const [, flat, cumulative, fn] of ours) {
          // jeprof merges overloads and cuts `@plt` and versions in its own way.
          const row = rows.get(fn);
          if (row === undefined) continue;
          compared++;
          const [theirFlat, theirCumulative] = row.split(' ').map(Number);
          // Ours is cut off after the sum, theirs is the sum of rounded rows.
          expect(Math.abs(theirFlat - Number(flat)), fn).toBeLessThanOrEqual(profile.samples.length);
          expect(Math.abs(theirCumulative - Number(cumulative)), fn).toBeLessThanOrEqual(profile.samples.length);
        }
        expect(compared, unit).toBeGreaterThan(8);
      }
    },
    30000,
  );

  test('-raw shows sample types, period, values, inlined functions and lines', () => {
    const raw = pprof(
      ['-raw'],
      profileOf(
        [[{ pc: 0x401001n, fn: 'outer', file: 'a.c', line: 7, inlined: [{ fn: 'inner', file: 'b.h', line: 3 }] }, { fn: 'main' }]],
        { command: '/bin/prog' },
      ),
    );
    expect(raw).toContain('PeriodType: space bytes\nPeriod: 1\n');
    expect(raw).toContain('alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]\n');
    expect(raw).toMatch(/^ +2 +200 +1 +100: 1 2 *$/m);
    expect(raw).toMatch(/^ +1: 0x401000 M=1 inner b.h:3 s=0\n +outer a.c:7 s=0\n +2: 0x0 M=1 main :0 s=0/m);
    expect(raw).toMatch(/\/bin\/prog .*\[FN\]\[FL\]\[LN\]\[IN\]/);
  });

  test('the program comes first, also where only its frames name it', () => {
    expect(
      pprof(
        ['-top'],
        profileOf([
          [
            { fn: 'f', module: '/lib/libc.so.6' },
            { fn: 'main', module: '/bin/prog' },
          ],
        ]),
      ),
    ).toContain('File: prog\n');
  });

  test('an address in no code that was mapped is of no file', () => {
    const maps = '401000-402000 r-xp 00001000 00:00 0 /bin/prog\n501000-502000 r--p 00001000 00:00 0 /lib/other.so\n';
    const stack = [{ pc: 0x501234n }, { pc: 0x601234n }, { pc: 0x401234n, fn: 'main' }];
    const profile = { ...profileOf([stack], { command: '/bin/prog' }), binary: '/bin/prog', maps };
    expect(pprof(['-raw'], profile)).toMatch(/ 1: 0x501233 *\n +2: 0x601233 *\n +3: 0x401233 M=1 main /);
    expect(pprof(['-top'], profile)).toContain(' <unknown>\n');
  });

  test('names of other languages than C++ are whole', () => {
    const names = ['<module>', '<r::J as GlobalAlloc>::alloc', 'r::gen::<1234>', 'main.(*T[...]).Grow', 'a.B.<init>', '(anonymous)'];
    const traces = pprof(['-traces'], profileOf([names.map((fn) => ({ fn }))]));
    expect([...traces.matchAll(/^ +(?:\d+B +)?(\S.*)$/gm)].map(([, name]) => name)).toEqual(names);
    expect(pprof(['-traces'], profileOf([[{ fn: 'ns::f<int>(char)' }]]))).toMatch(/ ns::f$/m);
  });

  test('values beyond 64 bits are the greatest that there are, not less than nothing', () => {
    const dump = 'heap_v2/512\n@ 0x1\n  t*: 18446744073709551615: 18446744073709551615 [0: 0]\n';
    const { profile } = readHeap(new TextEncoder().encode(dump), 'a');
    expect(pprof(['-raw'], profile)).toMatch(/ 9223372036854774784: 1 *$/m);
  });

  test('-traces leaves out the allocator, as jeprof does', () => {
    const traces = pprof(
      ['-traces'],
      profileOf([[{ fn: 'malloc' }, { fn: 'operator new[](unsigned long)' }, { fn: 'work' }, { fn: 'main' }]]),
    );
    expect(traces).toMatch(/100B +work\n +main\n/);
    expect(traces).not.toMatch(/malloc|operator/);
  });

  test('-traces leaves out what has no name in the allocator’s library', () => {
    const stack = ['[libjemalloc.so.2+0xa2630]', '[libjemalloc.so.2+0x22044]', 'leak', '[libapp.so+0x10]', 'main'];
    const traces = pprof(['-traces'], profileOf([stack.map((fn) => ({ fn }))]));
    expect(traces).not.toContain('libjemalloc');
    expect(traces).toMatch(/leak\n\s+\[libapp\.so\+0x10\]\n\s+main\n/);
  });

  test('opens an empty profile', () => {
    expect(pprof(['-raw'], profileOf([]))).toContain('Samples:');
  });
});

describe('what is no profile', () => {
  test.each([
    ['no message', () => new TextEncoder().encode('not a profile at all'), 'no pprof profile'],
    ['cut off', () => gunzipSync(writePprof(profileOf([[{ fn: 'main' }]]))).subarray(0, 40), 'no pprof profile'],
    ['a broken archive', () => writePprof(profileOf([[{ fn: 'main' }]])).subarray(0, 40), 'cannot be decompressed'],
    ['empty', () => new Uint8Array(0), 'no pprof profile: it has no sample types'],
    ['gzip of nothing', () => gzipSync(''), 'it has no sample types'],
  ])('%s is an input error', (_, bytes, fact) => {
    expect(() => readPprof(bytes(), 'a.pb.gz')).toThrow(InputError);
    expect(() => readPprof(bytes(), 'a.pb.gz')).toThrow(fact);
  });

  test('sniffing', () => {
    const file = writePprof(profileOf([[{ fn: 'main' }]]));
    expect(isPprof(file)).toBe(true);
    expect(isPprof(gunzipSync(file))).toBe(true);
    expect(isPprof(new TextEncoder().encode('\n'))).toBe(false);
    expect(isPprof(new TextEncoder().encode('heap_v2/1'))).toBe(false);
  });
});

describe('profiles of other writers', () => {
  const message = (units: readonly string[], values: readonly number[][]): Parameters<typeof encodeProfile>[0] => ({
    sampleType: [
      { type: 1, unit: 2 },
      { type: 3, unit: 4 },
    ],
    sample: values.map((value) => ({ locationId: [1], value })),
    mapping: [],
    location: [{ id: 1, address: 0x400010, line: [{ functionId: 1, line: 3 }] }],
    function: [{ id: 1, name: 5, filename: 0 }],
    stringTable: ['', 'inuse_space', units[0], 'inuse_objects', units[1], 'work'],
  });

  test.each([
    ['bytes', 1],
    ['kilobytes', 1024],
    ['KB', 1024],
    ['mb', 1024 ** 2],
    ['gbyte', 1024 ** 3],
    ['b', 1],
    ['furlongs', 1],
  ])('space in %s: the units of pprof', (unit, bytes) => {
    const { samples } = readPprof(encodeProfile(message([unit, 'count'], [[500, 7]])), 'a');
    expect([samples.inuseBytes[0], samples.inuseObjects[0]]).toEqual([500 * bytes, 7]);
  });

  const named = (types: readonly (readonly [string, string])[], period?: readonly [string, number]) => {
    const strings = ['', 'work', ...types.flat(), period?.[0] ?? ''];
    return encodeProfile({
      ...message(['', ''], [types.map((_, i) => 10 * (i + 1))]),
      sampleType: types.map((_, i) => ({ type: 2 + 2 * i, unit: 3 + 2 * i })),
      function: [{ id: 1, name: 1, filename: 0 }],
      ...(period === undefined ? {} : { periodType: { type: 0, unit: strings.length - 1 }, period: period[1] }),
      stringTable: strings,
    });
  };
  const totals = ({ samples }: Profile) => SAMPLE_TYPES.map((type) => samples.total(type));

  test.each([
    // Perfetto, of Android's heapprofd.
    ['Total malloc count', 'Total malloc size', 'Unreleased malloc count', 'Unreleased malloc size'],
    ['Total count', 'Total size', 'Unreleased count', 'Unreleased size'],
    // Datadog's profilers.
    ['alloc-samples', 'alloc-space', 'heap-live-samples', 'heap-live-size'],
  ])('%s, %s, %s, %s are blocks and bytes of a heap', (...types) => {
    const profile = readPprof(named(types.map((type, i) => [type, i % 2 === 0 ? 'count' : 'bytes'])), 'a');
    expect([profile.kind, profile.measures, ...totals(profile)]).toEqual(['heap', undefined, 10, 20, 30, 40]);
  });

  test('allocations and space are what is in use, as JAX writes of devices', () => {
    const types = [['allocations', 'count'], ['space', 'bytes']] as const; // biome-ignore format: rows
    const profile = readPprof(named(types), 'a');
    expect([profile.kind, profile.measures, ...totals(profile)]).toEqual(['heap', undefined, 0, 0, 10, 20]);
  });

  test('without bytes in use, names of others are no heap’s; a name of pprof’s own goes before them', () => {
    expect(readPprof(named([['alloc-space', 'bytes']]), 'a')).toMatchObject({ kind: 'other', measures: [{ type: 'alloc-space' }] });
    const both = readPprof(named([['heap-space', 'kb'], ['inuse_space', 'bytes']]), 'a'); // biome-ignore format: rows
    expect([totals(both)[3], both.measures?.[0].type]).toEqual([20, 'heap-space']);
  });

  test('a period of time is no sampling of bytes', () => {
    const types = [['cpu-time', 'nanoseconds'], ['heap-space', 'bytes']] as const; // biome-ignore format: rows
    expect(readPprof(named(types, ['nanoseconds', 10_000_000]), 'a').sampling.method).toBe('none');
    expect(readPprof(named(types, ['bytes', 524_288]), 'a').sampling).toEqual({ method: 'poisson', rate: 524_288 });
  });

  // go tool pprof: "mismatch: sample has 1 values vs. 2 types"
  test.each([[[[5]]], [[[5, 6, 7]]]])('samples of another number of values than there are types: %j', (values) => {
    const sampled = `no pprof profile: a sample of ${values[0].length} values where there are 2 sample types`;
    expect(() => readPprof(encodeProfile(message(['bytes', 'count'], values)), 'a')).toThrow(sampled);
  });

  test('columns are made for values that the file has: many types and samples without any are refused at once', () => {
    const bytes = new Uint8Array(800_002);
    // Empty fields: 200,000 sample types, as many samples, and the empty text.
    for (let i = 0; i < 400_000; i++) bytes[i * 2] = i < 200_000 ? 0x0a : 0x12;
    bytes[800_000] = 0x32;
    const start = performance.now();
    expect(() => readPprof(bytes, 'a')).toThrow('no pprof profile: a sample of 0 values where there are 200000 sample types');
    expect(performance.now() - start).toBeLessThan(4000);
  });

  test('a text that is not in the file', () => {
    const broken = { ...message(['bytes', 'count'], [[1, 2]]), function: [{ id: 1, name: 99, filename: 0 }] };
    expect(() => readPprof(encodeProfile(broken), 'a')).toThrow('no pprof profile: it names text 99 of a table of 6');
  });

  // go tool pprof: "sample has nil location", "location id: 1 has a line with nil function"
  test('a location and a function that are not in the file', () => {
    const whole = message(['bytes', 'count'], [[1, 2], [3, 4]]); // biome-ignore format: rows
    expect(readPprof(encodeProfile(whole), 'a').damaged).toBeUndefined();
    const sample = [{ locationId: [1], value: [1, 2] }, { locationId: [7, 1, 8], value: [3, 4] }]; // biome-ignore format: rows
    const nowhere = readPprof(encodeProfile({ ...whole, sample }), 'a');
    expect(nowhere.damaged).toBe(true);
    expect(nowhere.warnings).toEqual([
      'a: sample 2 is of location 7, which is not in the file; it is passed over, and so is what is wrong in 1 further place',
    ]);
    expect(nowhere.samples.total('inuse_space')).toBe(4);
    const nameless = readPprof(encodeProfile({ ...whole, function: [] }), 'a');
    expect(nameless.damaged).toBe(true);
    expect(nameless.warnings).toEqual(['a: location 1 is of function 1, which is not in the file; it is passed over']);
  });

  test('names that are no UTF-8 are read, as by pprof', () => {
    const bytes = encodeProfile(message(['bytes', 'count'], [[1, 2]]));
    const place = Buffer.from(bytes).indexOf('count');
    bytes[place] = 0xff;
    expect(readPprof(bytes, 'a').samples.length).toBe(1);
  });

  test('a line without a function is no damage', () => {
    const whole = message(['bytes', 'count'], [[1, 2]]);
    const read = readPprof(encodeProfile({ ...whole, location: [{ id: 1, address: 0x400010, line: [{ functionId: 0, line: 3 }] }] }), 'a');
    expect([read.damaged, read.warnings]).toEqual([undefined, []]);
  });

  test('fields of a later version are stepped over', () => {
    // 99: bytes, 98: a number, 97: 8 bytes, 96: 4 bytes
    const later = [0x9a, 6, 2, 0x68, 0x69, 0x90, 6, 5, 0x89, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0x85, 6, 1, 2, 3, 4];
    const bytes = Buffer.concat([encodeProfile(message(['bytes', 'count'], [[500, 7]])), Uint8Array.from(later)]);
    expect(isPprof(bytes)).toBe(true);
    expect(readPprof(bytes, 'a').samples.inuseBytes[0]).toBe(500);
    expect(isPprof(Uint8Array.from(later))).toBe(false);
  });
});

describe('samples straight from the bytes', () => {
  const uint64Field = fc.oneof(
    fc.nat({ max: 300 }).map(BigInt),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.constantFrom(2n ** 28n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n),
  );
  const asField = (value: bigint) => ({
    low: Number(BigInt.asIntN(32, value)),
    high: Number(BigInt.asIntN(32, value >> 32n)),
    unsigned: true,
  });
  const idOf = (value: bigint) => (value <= Number.MAX_SAFE_INTEGER ? Number(value) : value);

  test('are what the schema makes of them, and the rest of the message is whole', () => {
    const sample = fc.record({ ids: fc.array(uint64Field, { maxLength: 6 }), values: fc.array(uint64Field, { maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 8 }), fc.array(fc.string(), { maxLength: 3 }), (samples, strings) => {
        const bytes = encodeProfile({
          sampleType: [{ type: 1, unit: 2 }],
          sample: samples.map(({ ids, values }) => ({ locationId: ids.map(asField), value: values.map(asField) })),
          mapping: [],
          location: [],
          function: [],
          stringTable: ['', ...strings],
          period: 7,
        });
        const found: { ids: unknown[]; values: number[] }[] = [];
        const read = new PprofSamples(bytes);
        read.forEach((ids, values) => found.push({ ids: [...ids], values: [...values] }));
        expect(read.count).toBe(samples.length);
        expect(found).toEqual(
          samples.map(({ ids, values }) => ({ ids: ids.map(idOf), values: values.map((value) => Number(BigInt.asIntN(64, value))) })),
        );
        expect(decodeProfile(read.rest)).toEqual({ ...decodeProfile(bytes), sample: [] });
      }),
    );
  });

  test('numbers that are fields of their own, labels, and fields that no schema has', () => {
    // location_id 5, value -1, a label, a fixed32 of field 9, location_id 6
    const body = [0x08, 5, 0x10, ...Array<number>(9).fill(0xff), 1, 0x1a, 2, 0x08, 1, 0x4d, 1, 2, 3, 4, 0x08, 6];
    const found: unknown[] = [];
    new PprofSamples(Uint8Array.from([0x12, body.length, ...body])).forEach((ids, values) => found.push([...ids], [...values]));
    expect(found).toEqual([[5, 6], [-1]]);
  });

  test.each([
    ['within a number', [0x12, 2, 0x08, 0x80]],
    ['within a length', [0x12, 0x80]],
    ['before its end', [0x12, 9, 0x08]],
    ['packed numbers beyond the sample', [0x12, 3, 0x0a, 9, 1]],
    ['a number of eleven bytes', [0x12, 13, 0x08, ...Array<number>(11).fill(0x80), 0]],
    ['no wire type', [0x12, 1, 0x0f]],
  ])('%s is an error', (_, bytes) => {
    expect(() => new PprofSamples(Uint8Array.from(bytes)).forEach(() => {})).toThrow(/at byte/);
  });
});
