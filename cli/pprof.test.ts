/**
 * `report --pprof` of the kept dumps and Go's own profiles, shown by `go tool pprof` and by our own reports side by side.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomNumbers } from '../fixtures/profiles/random_dump.ts';
import { projectRoot } from '../fixtures/root.ts';
import { needsTool, PPROF_PROFILES } from '../fixtures/tools.ts';
import { SAMPLE_TYPES } from '../profiles/profile.ts';
import { symbolName } from '../profiles/report/symbols.ts';
import { run } from './program.ts';
import { run as jereplay } from './testing.ts';

const PROFILES = join(projectRoot(), 'fixtures/profiles');
const DUMPS = readdirSync(PROFILES).filter((name) => /\.heap(\.zst)?$/.test(name));
const FORMS = ['top', 'tree', 'peek', 'traces'] as const;
/** A row of a table: value, cumulative value, name. */
const ROW = /^ *(-?\d+)B? +[-\d.e]+% +[-\d.e]+% +(-?\d+)B? +[-\d.e]+% +(?:\| +)?(.*?)(?: \((?:partial-)?inline\))?$/;

interface OurReport {
  readonly rows: readonly { readonly name: string; readonly [value: string]: number | string }[];
  readonly [total: string]: unknown;
}

describe.skipIf(!needsTool('go'))('go tool pprof', () => {
  let folder: string;
  beforeAll(() => {
    // Each run of the program listens to them.
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
    folder = mkdtempSync(join(tmpdir(), 'pprof-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function ours(name: string, ...args: string[]): Promise<string> {
    const path = join(folder, name);
    await run(['report', '--quiet', ...args, '-o', path], '0.0.0');
    return path;
  }

  /** Every form of every sample type, by one process. */
  function theirs(path: string): Map<string, string> {
    const commands = ['unit=B', 'nodecount=1000000', 'nodefraction=0', 'edgefraction=0'];
    const files = SAMPLE_TYPES.flatMap((type) => FORMS.map((form) => `${type}.${form}`));
    for (const type of SAMPLE_TYPES) {
      commands.push(`sample_index=${type}`);
      for (const form of FORMS) commands.push(`${form}${form === 'peek' ? ' .' : ''} > ${join(folder, `${type}.${form}`)}`);
    }
    execFileSync('go', ['tool', 'pprof', '-symbolize=none', path], {
      input: `${commands.join('\n')}\n`,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, PPROF_TMPDIR: folder, PPROF_BINARY_PATH: folder },
    });
    return new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  }

  test.each(DUMPS)(
    '-top, -tree, -peek and -traces of %s have the totals of our table',
    async (dump) => {
      const shown = theirs(await ours('dump.pb.gz', '--pprof', join(PROFILES, dump)));
      for (const type of SAMPLE_TYPES) {
        const unit = type.endsWith('space') ? 'bytes' : 'objects';
        const path = await ours('ours.json', '--json', `--${type}`, join(PROFILES, dump));
        const table = JSON.parse(readFileSync(path, 'utf8')) as OurReport;
        const total = Number(table[`total_${unit}`]);
        const traces = shown.get(`${type}.traces`) ?? '';
        const values = [...traces.matchAll(/^-+\+-+\n(?: +bytes:.*\n)? *(-?\d+)B? {3}/gm)].map(([, value]) => Number(value));
        // Each sample of a pprof file is rounded, in ours their sum is.
        const slack = 1 + values.length / 2;
        const isNear = (value: number, expected: number, what: string) =>
          expect(Math.abs(value - expected), `${type} ${what}`).toBeLessThanOrEqual(slack);

        for (const form of ['top', 'tree', 'peek']) {
          const text = shown.get(`${type}.${form}`) ?? '';
          if (total > 0) isNear(Number(/ of (\d+)B? total/.exec(text)?.[1]), total, form);
          const rows = text.split('\n').flatMap((line) => ROW.exec(line) ?? []);
          expect(rows.length > 0 || total === 0).toBe(true);
          // Each function's own value, under the name without arguments that our table has.
          const flat = new Map<string, number>();
          for (let i = 0; i < rows.length; i += 4) {
            const name = symbolName(rows[i + 3]).short;
            flat.set(name, (flat.get(name) ?? 0) + Number(rows[i + 1]));
          }
          isNear(
            [...flat.values()].reduce((sum, value) => sum + value, 0),
            total,
            form,
          );
          if (!dump.includes('symbolized')) continue;
          for (const { name, [`flat_${unit}`]: value } of table.rows) isNear(flat.get(name) ?? 0, Number(value), `${form} ${name}`);
        }
        isNear(
          values.reduce((sum, value) => sum + value, 0),
          total,
          'traces',
        );
      }
    },
    60000,
  );

  const KINDS: readonly (readonly [string, readonly string[]])[] = [
    ['cpu', ['samples/count', 'cpu/nanoseconds']],
    ['mutex', ['contentions/count', 'delay/nanoseconds']],
    ['block', ['contentions/count', 'delay/nanoseconds']],
    ['goroutine', ['goroutine/count']],
    ['threadcreate', ['threadcreate/count']],
    ['heap', ['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes']],
  ];

  test.each(KINDS)(
    "Go's %s profile opens, with pprof's rows in its own units",
    async (kind, types) => {
      const path = join(PROFILES, `go/${kind}.pb.gz`);
      // What a writer puts first is its own affair: here a time stands before the sample types.
      const reordered = join(folder, 'reordered.pb');
      writeFileSync(reordered, Buffer.concat([Buffer.from([0x48, 1]), gunzipSync(readFileSync(path))]));
      for (const [type, unit] of types.map((each) => each.split('/'))) {
        const flags = ['-symbolize=none', '-top', '-nodecount=100000', '-nodefraction=0', `-unit=${UNITS[unit]}`];
        const top = execFileSync('go', ['tool', 'pprof', ...flags, `-sample_index=${type}`, path], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        const name = unit === 'count' ? (kind === 'heap' ? 'objects' : type) : unit;
        for (const input of [path, reordered]) {
          const { rows, ...head } = JSON.parse(
            readFileSync(await ours('ours.json', '--json', '--sample_index', type, input), 'utf8'),
          ) as OurReport;
          expect(String(head[`total_${name}`])).toBe(/ of (\d+)\w* total/.exec(top)?.[1]);
          const theirs = [...top.matchAll(/^ *(\d+)\w* +\S+ +\S+ +(\d+)\w* +\S+ +(.*?)(?: \((?:partial-)?inline\))?$/gm)];
          // Ours shows names without their arguments: sync.(*Mutex).Lock as sync..Lock. pprof has no row for what has no backtrace.
          const numbers = (list: readonly (readonly [unknown, unknown])[]) => list.map((pair) => pair.join(' ')).sort();
          const named = rows.filter((row) => row.name !== '[no backtrace]');
          expect(numbers(named.map((row) => [row[`flat_${name}`], row[`cumulative_${name}`]]))).toEqual(
            numbers(
              theirs.filter(([, flat, cumulative]) => flat !== '0' || cumulative !== '0').map(([, flat, cumulative]) => [flat, cumulative]),
            ),
          );
        }
      }
    },
    60000,
  );
});

/** pprof's words for units that are not to be scaled. */
const UNITS: Readonly<Record<string, string>> = { bytes: 'B', nanoseconds: 'ns', count: 'count' };

describe('profiles of something else than memory', () => {
  const cpu = join(PROFILES, 'go/cpu.pb.gz');
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pprof-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('show what they count, each sample type by its name', async () => {
    expect((await jereplay(['report', cpu])).stdout).toBe(
      'Total: 30000000 nanoseconds\n30000000 100.0% 100.0% 30000000 100.0% main.spin\n       0   0.0% 100.0% 30000000 100.0% main.main\n       0   0.0% 100.0% 30000000 100.0% runtime.main\n',
    );
    expect((await jereplay(['report', '--sample_index', 'samples', '--top', '1', cpu])).stdout).toBe(
      'Total: 3 samples\n       3 100.0% 100.0%        3 100.0% main.spin\n',
    );
    expect((await jereplay(['report', '-i', cpu], 'sample_index=samples\ntop 1\n')).stdout).toContain('Total: 3 samples\n');
  });

  test('are written as what they are', async () => {
    const path = join(folder, 'again.pb.gz');
    expect(await jereplay(['report', '--pprof', '-o', path, cpu, cpu])).toMatchObject({ code: 0, stderr: '' });
    expect((await jereplay(['report', '--top', '1', path])).stdout).toBe(
      'Total: 60000000 nanoseconds\n60000000 100.0% 100.0% 60000000 100.0% main.spin\n',
    );
  });

  test.each([
    [
      ['report', '--inuse_space', cpu],
      '--sample_index inuse_space: a profile has no such sample type, but cpu, samples\nhint: name one of those\n',
    ],
    [
      ['report', '--sample_index', 'x', join(PROFILES, 'go/heap.pb.gz')],
      '--sample_index x: a profile has no such sample type, but alloc_objects, alloc_space, inuse_objects, inuse_space\nhint: name one of those\n',
    ],
    [['report', '--raw', cpu], '--raw: the profile is not of memory, and jeprof reads no other\nhint: --pprof writes it\n'],
    [['leaks', cpu], `${cpu}: is a profile that does not say what memory is in use\nhint: see it with jereplay report FILE\n`],
    [
      ['flamegraph', cpu],
      `${cpu}: is a profile that does not say what memory is in use\nhint: jereplay report --speedscope -o FILE.json shows it in speedscope\n`,
    ],
    [
      ['report', '--pprof', '--focus', 'main', cpu],
      '--pprof: writes the whole profile, of which --focus takes a part\nhint: go tool pprof -focus does it\n',
    ],
  ])('%s is refused', async (args, message) => {
    const { code, stderr } = await jereplay(args);
    expect(stderr).toBe(message);
    expect(code).toBe(2);
  });

  const words = (values: readonly number[], size: 4 | 8) => {
    const bytes = Buffer.alloc(values.length * size);
    values.forEach((value, i) => (size === 4 ? bytes.writeUInt32BE(value, i * 4) : bytes.writeBigUInt64LE(BigInt(value), i * 8)));
    return bytes;
  };
  test.each([
    ['a CPU profile', words([0, 3, 0, 10000, 0, 1, 1, 0x401000, 0, 1, 0], 8)],
    ['a CPU profile', words([0, 3, 1, 10000, 0, 1, 1, 0x401000, 0, 1, 0], 4)],
    ['a contention profile', Buffer.from('--- contentionz 1 ---\nformat = java\n 100 1 @ 0x1 0x2\n')],
    ['a contention profile', Buffer.from('--- mutex:\ncycles/second=2400000000\nsampling period=1\n100 1 @ 0x1 0x2\n')],
    ['a profile of threads', Buffer.from('--- threadz 1 ---\n\n--- Thread 7eff (name: main/1) stack: ---\n  PC: 0x1\n')],
    ['a profile of thread creation', Buffer.from('threadcreate profile: total 1\n1 @ 0x1 0x2\n')],
    ['a profile of goroutines', Buffer.from('goroutine profile: total 1\n1 @ 0x1 0x2\n')],
  ])('%s of an older format is refused by name', async (name, bytes) => {
    const path = join(folder, 'legacy');
    writeFileSync(path, bytes);
    const { code, stderr } = await jereplay(['report', path]);
    expect(stderr).toBe(
      `${path}: ${name} of a format older than pprof's own\nhint: go tool pprof -proto FILE > FILE.pb.gz makes one of it that opens here\n`,
    );
    expect(code).toBe(2);
  });
});

/** Rows of `go tool pprof -top` as our --json has them, by name: each function's own value and its cumulative one. */
function pprofTop(path: string, sampleType: string): { readonly total: number; readonly rows: ReadonlyMap<string, string> } {
  const flags = ['-symbolize=none', '-top', '-nodecount=100000', '-nodefraction=0', '-unit=B', `-sample_index=${sampleType}`];
  const top = execFileSync('go', ['tool', 'pprof', ...flags, path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const rows = top.split('\n').flatMap((line) => {
    const match = ROW.exec(line);
    return match === null ? [] : [[match[3], `${match[1]} ${match[2]}`] as const];
  });
  return { total: Number(/ of (\d+)B? total/.exec(top)?.[1]), rows: new Map(rows) };
}

/** The same of ours. */
async function ourTop(path: string, sampleType: 'inuse_objects' | 'inuse_space') {
  const { code, stdout, stderr } = await jereplay(['report', '--json', `--${sampleType}`, path]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { rows, ...head } = JSON.parse(stdout) as OurReport;
  const unit = sampleType === 'inuse_space' ? 'bytes' : 'objects';
  return {
    total: head[`total_${unit}`],
    rows: new Map(rows.map((row) => [row.name, `${row[`flat_${unit}`]} ${row[`cumulative_${unit}`]}`])),
  };
}

describe.skipIf(!needsTool('go'))('Java heap profiles', () => {
  let path: string;
  beforeAll(() => {
    path = join(mkdtempSync(join(tmpdir(), 'pprof-')), 'java.heap');
  });
  afterAll(() => rmSync(join(path, '..'), { recursive: true }));

  const PLACES = ['(Source.java:10)', '(Source.java:-1)', '(/usr/lib/jvm/libjvm.so)', '(generated stub/JIT)'];

  test('drawn at random have the rows of pprof', async () => {
    for (const seed of [1, 2, 3]) {
      const random = randomNumbers(seed * 0x9e3779b1);
      let text = '--- heapz 1 ---\nformat = java\nresolution = bytes\n';
      const locations = 2 + random(40);
      const id = (i: number) => `0x${(i + 1).toString(16).padStart(random(2) * 8, '0')}`;
      for (let i = random(30); i >= 0; i--) {
        const count = 1 + random(2 ** random(12));
        const stack = Array.from({ length: 1 + random(20) }, () => id(random(locations)));
        text += `  ${count * (1 + random(2 ** random(22)))}     ${count} @ ${stack.join(' ')}\n`;
      }
      text += '\n';
      for (let i = 0; i < locations; i++)
        text += ` ${id(i)} ${random(9) === 0 ? `state ${i}` : `com.example.Class${i}.run${i} ${PLACES[random(PLACES.length)]}`}\n`;
      writeFileSync(path, text);
      for (const type of ['inuse_space', 'inuse_objects'] as const)
        expect(await ourTop(path, type), `seed ${seed}`).toEqual(pprofTop(path, type));
    }
  });

  test.each([
    ['format = java', 'format = cpp', ":2: a heap profile of format cpp, which is not Java's\n"],
    ['resolution = bytes', 'resolution = kilobytes', ':3: a heap profile that counts kilobytes, not bytes\n'],
    [' 7048 1 @', ' 7048 0 @', ':4: 7048 bytes of no objects\n'],
  ])('%s as %s is refused', async (good, bad, message) => {
    const text = '--- heapz 1 ---\nformat = java\nresolution = bytes\n 7048 1 @ 0x3 0x4\n';
    writeFileSync(path, text.replace(good, bad));
    expect(await jereplay(['report', path])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `${path}${message}hint: mend that line, or leave it out\n`,
    });
  });

  test('name what their table lacks by its number, and pass over other lines with a note', async () => {
    writeFileSync(path, '--- heapz 1 ---\nformat = java\nresolution = bytes\n 524288000 1000 @ 0x3 0x00004\nso\n 0x3 a.b (c)\n');
    const { code, stdout, stderr } = await jereplay(['report', '--inuse_objects', path]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/^Total: \d+ objects\n.* a\.b\n.* \[location 0x4\]\n$/);
    expect(stderr.split('\n')[0]).toBe(
      `note: ${path}:5: neither a sample, "1024 1 @ 0x1 0x2", nor the name of a location: "so"; it is passed over`,
    );
  });
});

describe.skipIf(!needsTool('go', 'jeprof', 'pprof-profiles'))("pprof's own test profiles", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pprof-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => join(PPROF_PROFILES, name);
  /** The others: what they must give when they are converted, or made of Go. */
  const OTHERS: readonly (readonly [string, string, string])[] = [
    ['cppbench.contention', 'a contention profile', 'delay'],
    ['cppbench.cpu', 'a CPU profile', 'cpu'],
    ['cppbench.thread', 'a profile of threads', 'thread'],
    ['cppbench.thread.all', 'a profile of threads', 'thread'],
    ['cppbench.thread.none', 'a profile of threads', 'thread'],
    ['go.crc32.cpu', 'a CPU profile', 'cpu'],
    ['go.godoc.thread', 'a profile of thread creation', 'threadcreate'],
    ['gobench.cpu', 'a CPU profile', 'cpu'],
    ['java.contention', 'a contention profile', 'delay'],
    ['java.cpu', 'a CPU profile', 'cpu'],
  ];

  test('are all in this table', () => {
    const known = [...OTHERS.map(([name]) => name), 'cppbench.growth', 'cppbench.heap', 'gobench.heap', 'java.heap'];
    expect(readdirSync(PPROF_PROFILES).filter((name) => !name.endsWith('.string'))).toEqual(known.sort());
  });

  test.each(['cppbench.growth', 'cppbench.heap', 'gobench.heap', 'java.heap'])('%s is whole', async (name) => {
    expect((await jereplay(['report', at(name), '-o', join(folder, 'whole')])).code).toBe(0);
  });

  test('java.heap has the rows of pprof', async () => {
    for (const type of ['inuse_space', 'inuse_objects'] as const)
      expect(await ourTop(at('java.heap'), type)).toEqual(pprofTop(at('java.heap'), type));
  });

  test.each(['cppbench.heap', 'cppbench.growth', 'gobench.heap'])('%s has the rows of jeprof', async (name) => {
    const program = join(folder, 'unreadable');
    writeFileSync(program, '\x7fELF, and no more\n');
    // Of what has been freed altogether jeprof makes a division by zero.
    const live = join(folder, name);
    writeFileSync(live, readFileSync(at(name), 'latin1').replace(/^0: 0 .*\n/gm, ''));
    for (const type of ['--inuse_space', '--alloc_objects']) {
      const args = ['--text', '--show_bytes', type, program];
      const theirs = execFileSync('jeprof', [...args, live], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      expect((await jereplay(['jeprof', ...args, live])).stdout).toBe(theirs);
      const [total] = (await jereplay(['jeprof', ...args, at(name)])).stdout.split('\n', 1);
      if (type.startsWith('--inuse')) expect(total).toBe(theirs.split('\n', 1)[0]);
    }
  });

  test.each(OTHERS)('%s is %s: named, and what the hint says makes it open', async (name, kind, measure) => {
    const { code, stderr } = await jereplay(['report', at(name)]);
    const hint = 'go tool pprof -proto FILE > FILE.pb.gz';
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `${at(name)}: ${kind} of a format older than pprof's own\nhint: ${hint} makes one of it that opens here\n`,
    });
    const converted = join(folder, `${name}.pb.gz`);
    const raw = join(folder, `${name}.raw`);
    execFileSync('go', ['tool', 'pprof', '-symbolize=none', at(name)], {
      input: `proto > ${converted}\nraw > ${raw}\n`,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { ...process.env, PPROF_TMPDIR: folder, PPROF_BINARY_PATH: folder },
    });
    const { stdout } = await jereplay(['report', '--json', '--sample_index', measure, converted]);
    const report = JSON.parse(stdout) as OurReport;
    const total = Object.entries(report).find(([key]) => key.startsWith('total_'))?.[1];
    expect(total).toBe(rawTotal(readFileSync(raw, 'utf8'), measure));
  });
});

/** Sum of a sample type in what `go tool pprof -raw` prints. */
function rawTotal(raw: string, type: string): number {
  const [, samples = ''] = /^Samples:\n([\s\S]*?)^Locations$/m.exec(raw) ?? [];
  const [types, ...lines] = samples.split('\n');
  const column = types.split(' ').findIndex((each) => each.startsWith(`${type}/`));
  const rows = lines.flatMap((line) => /^ *([\d ]+):[\d ]*$/.exec(line)?.[1] ?? []);
  return rows.reduce((sum, values) => sum + Number(values.trim().split(/ +/)[column]), 0);
}
