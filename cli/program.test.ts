/**
 * The program from outside: exit codes, what goes where, bad input, Ctrl-C and pipes.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { projectRoot } from '../fixtures/root.ts';
import { testFolder } from '../fixtures/test_folder.ts';
import { finished, MAIN, run, start } from './testing.ts';

const ROOT = projectRoot();
const LEAKY = join(ROOT, 'fixtures/traces/leaky_clean_perf.txt.zst');

const folder = testFolder();

test('--help of every command fits its terminal and leaves out what is no help', async () => {
  const commands = (await run(['--help'])).stdout.match(/(?<=^ {2}jereplay )\w+/gm) ?? [];
  expect(commands).toContain('report');
  for (const command of commands) {
    const { code, stdout, stderr } = await run([command, '--help']);
    expect({ code, stderr }, command).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/^jereplay /gm), command).toHaveLength(1);
    expect(stdout, command).not.toMatch(/\[(?:boolean|string|array|required)\]|--version|\n\n\n/);
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(110);
  }
  const report = (await run(['report', '-h'])).stdout.replace(/\s+/g, ' ');
  for (const input of ['heap dumps', 'pprof profiles', 'collapsed stacks', 'DHAT', 'any trace']) expect(report).toContain(input);
});

test('--help belongs to the program that is recorded, behind --', async () => {
  const { stdout } = await run(['record', '--with', 'ltrace', '-o', join(folder, 'no/such'), '--', 'ls', '--help']);
  expect(stdout).toBe('');
});

const file = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** a = malloc 24 in leak <- main / b = malloc 100 / free a / free of an unknown address / c = malloc 1000 in leak <- main */
const SMALL = `${[
  '{"op":"trace","version":1,"command":"small","pid":42}',
  '{"op":"stack","id":0,"frames":["leak","main"]}',
  '{"op":"malloc","ts":10,"tid":0,"size":24,"ptr":"0x7f001000","stack":0}',
  '{"op":"malloc","ts":20,"tid":1,"size":100,"ptr":"0x7f002000"}',
  '{"op":"free","ts":30,"tid":1,"ptr":"0x7f001000"}',
  '{"op":"free","ts":30,"tid":1,"ptr":"0x7f009000"}',
  '{"op":"malloc","ts":40,"tid":0,"size":1000,"ptr":"0x7f003000","stack":0}',
].join('\n')}\n`;

describe.concurrent('usage', () => {
  test('--version and --help', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const help = await run(['--help']);
    expect(help.code).toBe(0);
    for (const command of ['record', 'convert', 'replay', 'report', 'leaks', 'flamegraph'])
      expect(help.stdout).toContain(`jereplay ${command}`);
    const ofReplay = await run(['replay', '--help']);
    expect(ofReplay.stdout).toContain('--placements');
    expect([await run(['help']), await run(['help', 'replay'])]).toEqual([help, ofReplay]);
  });

  test.each([
    [[], 'jereplay: no command'],
    [['unknown'], 'jereplay: unknown command: unknown\n'],
    [['unknown', 'file', '--flag'], 'jereplay: unknown command: unknown\n'],
    [['replay'], 'jereplay replay: no trace is named\n'],
    [['synth'], 'jereplay synth: no workload is named\n'],
    [['leaks', ''], "'': no such file or directory\n"],
    [['replay', 'a', '--no-such-flag'], 'unknown flag: --no-such-flag\nhint: jereplay replay --help lists what it takes\n'],
    [['leaks', 'a', '--no-such-flag=3', '-xy'], 'unknown flags: --no-such-flag, -xy'],
    [['replay', 'a', 'b'], 'unknown argument: b'],
    [['convert', 'a'], 'missing required argument: --output'],
    [['replay', '-', '--unmatched', 'maybe'], '--unmatched: "maybe" is none of count, error\n'],
    [['replay', '-', '--unmatched'], 'jereplay replay: --unmatched needs a value\n'],
    [['replay', '-', '--until', 'noon'], '--until: "noon" is no point in a trace'],
    [['replay', '-', '--ncpus', '0'], '--ncpus: "0" is not a whole number from 1 up'],
    [['replay', '-', '--prng-seed', 'xyz'], '--prng-seed: "xyz" is not a 64-bit hexadecimal number'],
    [['replay', '-', '--heap', '-', '--json'], 'standard output: two results cannot go to the same place'],
    [['replay', '-', '--from', 'nothing'], '--from: unknown format "nothing"'],
    [['report', '-', '--dot', '--raw'], 'jereplay report: --dot and --raw at once'],
    [['replay', '-', '--heap'], 'jereplay replay: --heap needs a value'],
    [['report', '-', '-o'], 'jereplay report: -o needs a value'],
    [['record'], 'jereplay record: nothing to record'],
    [['record', '--', 'no-such-program'], 'no-such-program: no such program'],
  ])('%j is bad usage', async (args, fact) => {
    const { code, stdout, stderr } = await run(args, SMALL);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(fact);
    expect(stderr.split('\n').length).toBeLessThanOrEqual(3);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

test.each([['pl.out'], ['-']])('--placements %s leaves no temporary file, bad input or good', async (out) => {
  const temporary = mkdtempSync(join(folder, 'tmp-'));
  const path = out === '-' ? out : join(folder, out);
  for (const [input, code] of [
    [SMALL, 0],
    ['{"op":"zzz"}', 2],
    [`${SMALL}{"op":"zzz"}\n`, 2],
  ] as const) {
    const child = start(['replay', '-', '--quiet', '--placements', path], { TMPDIR: temporary });
    child.stdin?.end(input);
    expect(await finished(child)).toMatchObject({ code });
    expect(readdirSync(temporary)).toEqual([]);
  }
});

describe('--until peak of what is read once', () => {
  const begin = (command: string, ...flags: string[]) => {
    const temporary = mkdtempSync(join(folder, 'tmp-'));
    const child = start([command, '-', '--until', 'peak', ...flags], { TMPDIR: temporary });
    child.stdin?.on('error', () => {});
    return { child, left: () => readdirSync(temporary) };
  };

  test.each(['replay', 'leaks'])('%s names what the user named, and leaves nothing', async (command) => {
    const { child, left } = begin(command, '--json');
    child.stdin?.end(`${SMALL}{"op":"zzz"}\n`);
    expect(await finished(child)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^-:8: unknown op "zzz"\n/) });
    expect(left()).toEqual([]);
  });

  test.each(['replay', 'leaks'])('%s ends it at Ctrl-C with what has come', async (command) => {
    const { child, left } = begin(command, '--json');
    const done = finished(child);
    // more than a pipe holds: once it is written, the program has begun to read
    await new Promise((resolve) => child.stdin?.write(SMALL + '\n'.repeat(300_000), resolve));
    await vi.waitFor(() => expect(left()).toHaveLength(1));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await done;
    expect(code, stderr).toBe(0);
    const json = JSON.parse(stdout) as object;
    if (command === 'replay') expect(json).toMatchObject({ partial: true, requested_bytes_live: 1100 });
    else expect(json).toMatchObject({ contexts: [{ bytes: 1000 }, { bytes: 100 }] });
    expect(left()).toEqual([]);
  });
});

test('counts of a recording are said by whatever names it gives them', async () => {
  const end = '{"op":"trace","version":1,"end":true,"skipped":{"__proto__":5,"constructor":3,"to\\u001bString":2}}\n';
  const { code, stdout } = await run(['replay', '-'], `${SMALL}${end}`);
  expect(code).toBe(0);
  expect(stdout).toMatch(/5 × __proto__\n +3 × constructor\n +2 × to\\x1bString\n/);
});

describe.concurrent('bad input is one line that says where, and exit code 2', () => {
  const third = (line: string) => `{"op":"trace","version":1}\n{"op":"malloc","size":8,"ptr":"0x1000"}\n${line}\n`;
  const inputs: readonly [string, string | Uint8Array][] = [
    ['empty', ''],
    ['png', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
    ['words', 'It was a dark and stormy night.\n'],
    ['utf16', Buffer.from(SMALL, 'utf16le')],
    ['nul_bytes', new Uint8Array(5000)],
    ['not_json:3', third('{"op":"malloc","size":8')],
    ['no_field:3', third('{"op":"malloc","ptr":"0x2000"}')],
    ['unknown_op:3', third('{"op":"mallocate","size":8,"ptr":"0x2000"}')],
    ['negative_size:3', third('{"op":"malloc","size":-1,"ptr":"0x2000"}')],
    ['huge_size:3', third('{"op":"malloc","size":9223372036854775808,"ptr":"0x2000"}')],
    ['text_size:3', third('{"op":"malloc","size":"8","ptr":"0x2000"}')],
    ['other_format:3', third('17191 1700000000.1 app->malloc(24) = 0x5555')],
    ['long_line:3', third(`{"op":"malloc","size":8,"ptr":"0x2000","x":"${'y'.repeat(10_000_000)}`)],
    ['nul_line:3', third('\0\0\0\0')],
    ['deep_json:3', third('['.repeat(100_000))],
  ];
  test.each(inputs)('%s', async (name, content) => {
    const [base, line] = name.split(':') as [string, string | undefined];
    const path = file(base, content);
    const { code, stdout, stderr } = await run(['replay', path]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.startsWith(line === undefined ? path : `${path}:${line}: `), stderr.slice(0, 300)).toBe(true);
    expect(stderr.length).toBeLessThan(1200);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.length).toBe(2);
    expect(lines[1]).toMatch(/^hint: /);
  });

  test('a missing file, a directory', async () => {
    const missing = join(folder, 'no/such/file');
    const stderr = expect.stringMatching(/no\/such\/file: no such file or directory\nhint: name a file that is there/);
    expect(await run(['replay', missing])).toMatchObject({ code: 2, stderr });
    expect(await run(['leaks', folder])).toMatchObject({ code: 2, stderr: `${folder}: is a directory\nhint: name a file in it\n` });
  });

  test('a free of an unknown address, if asked to', async () => {
    const { code, stderr } = await run(['replay', '-', '--unmatched', 'error'], SMALL);
    expect(code).toBe(2);
    expect(stderr).toMatch(/free of 0x7f009000, which is not live\nhint: .*--unmatched count\n$/);
  });

  test('a process that the recording has not is refused, and one that it does not tell is noted', async () => {
    const other = await run(['replay', '-', '--pid', '7'], SMALL);
    expect(other).toMatchObject({ code: 2, stdout: '', stderr: '-: no events of process 7\nhint: it has process 42\n' });
    expect(await run(['replay', '-', '--pid', '42'], SMALL)).toMatchObject({ code: 0, stderr: '' });
    const unsaid = await run(['replay', '-', '--pid', '7'], SMALL.replace(',"pid":42', ''));
    expect(unsaid).toMatchObject({ code: 0, stderr: expect.stringContaining('does not say of which') });
  });

  test('a realloc to nothing ends the process where the options say so', async () => {
    const lines = ['{"op":"malloc","size":8,"ptr":"0x1000"}', '{"op":"realloc","old":"0x1000","size":0,"ptr":"0x0"}'];
    const trace = file('realloc_zero.ndjson', `{"op":"trace","version":1}\n${lines.join('\n')}\n`);
    // as the real library's safety_check_fail says it, before it calls abort
    const said = 'event 1: the real jemalloc ends the process here: Called realloc(non-null-ptr, 0) with zero_realloc:abort set';
    const { code, stderr } = await run(['replay', trace, '--conf', 'zero_realloc:abort']);
    expect([code, stderr]).toEqual([2, `${trace}: ${said}\n`]);
  });

  test('an output that is an input, under whatever name, is refused and stays as it is', async () => {
    const input = file('kept.ndjson', SMALL);
    const link = join(folder, 'kept_link');
    symlinkSync(input, link);
    const dump = file('kept.heap', 'heap_v2/1\n  t*: 1: 16 [0: 0]\n@ 0x10\n  t*: 1: 16 [0: 0]\n');
    for (const args of [
      ['replay', input, '--heap', input],
      ['replay', input, '--placements', link],
      ['convert', link, '--to', 'ndjson', '-o', `${folder}/./kept.ndjson`],
      ['sweep', input, '-o', input],
      ['leaks', input, '-o', input],
      ['report', dump, '-o', dump],
      ['report', dump, '--base', input, '-o', input],
      ['flamegraph', dump, '--base', input, '-o', link],
    ])
      expect(await run(args), args.join(' ')).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('is an input and an output at once'),
      });
    expect(readFileSync(input, 'utf8')).toBe(SMALL);
    expect(await run(['replay', input, '--heap', join(folder, 'same'), '--stats', `${folder}/./same`])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('two results cannot go to the same place'),
    });
  });

  test('an output that cannot be written is known before the work', async () => {
    const input = file('small.ndjson', SMALL);
    const { code, stdout, stderr } = await run(['replay', input, '--heap', join(folder, 'no/such/folder/x.heap')]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/x\.heap: no such file or directory\nhint: name a file/);
    expect(await run(['replay', input, '--stats', folder])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${folder}: is a directory`),
    });
    expect(await run(['replay', input, '-o', input])).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a directory') });
  });

  test.each([['--version'], ['--help'], ['report', join(ROOT, 'fixtures/profiles/leaky_s0.symbolized.heap')]])(
    'a full device takes no %s',
    (...args) => {
      const full = openSync('/dev/full', 'w');
      const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
      closeSync(full);
      expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(/^-: no space left on the device\nhint: [^\n]*\n$/) });
    },
  );
});

test('a truncated compressed file is bad input, and gives what came through, marked as partial', async () => {
  const whole = readFileSync(LEAKY);
  const { code, stdout, stderr } = await run(['replay', file('cut.zst', whole.subarray(0, whole.length >> 1)), '--json']);
  expect(code, stderr).toBe(2);
  const summary = JSON.parse(stdout) as { partial: boolean; events: number };
  expect(summary.partial).toBe(true);
  expect(summary.events).toBeGreaterThan(1000);
  expect(summary.events).toBeLessThan(42_654);
  expect(stderr).toMatch(/^note: .*cut\.zst: the compressed file breaks off; what came through is used\n/m);
});

test.each(['report', 'leaks', 'flamegraph'])('%s of a dump whose compressed file is damaged says so, and is bad input', async (command) => {
  const dump = gzipSync('heap_v2/1\n  t*: 1: 16 [0: 0]\n@ 0x10 0x20\n  t*: 1: 16 [0: 0]\n');
  const wrong = Buffer.from(dump);
  wrong[wrong.length - 6] ^= 1;
  for (const [bytes, said] of [
    [dump.subarray(0, -3), /^note: .*dump\.gz: the compressed file breaks off; what came through is used\n/m],
    [wrong, /^note: .*dump\.gz: the compressed file is damaged: what it gives is not what its checksum says; it is used all the same\n/m],
  ] as const) {
    const { code, stdout, stderr } = await run([command, file('dump.gz', bytes)]);
    expect(stderr).toMatch(said);
    expect([code, stdout.length > 0]).toEqual([2, true]);
  }
});

test.each([
  ['replay', '--until', 'peak', '--json'],
  ['leaks'],
  ['leaks', '--until', 'peak'],
  ['report', '--alloc_space'],
  ['flamegraph', '--title', 'x'],
])('a pipe with a name is read once, as standard input is: %s %s', async (command, ...flags) => {
  const pipe = join(folder, `pipe_${command}_${flags.length}`);
  spawnSync('mkfifo', [pipe]);
  const child = start([command, pipe, ...flags]);
  const done = finished(child);
  // Ends by itself: a second opening of the pipe would wait for ever.
  const writer = spawn('timeout', ['60', 'sh', '-c', `cat > '${pipe}'`]);
  writer.stdin.end(SMALL);
  const kill = setTimeout(() => child.kill('SIGKILL'), 25_000);
  const { code, stdout } = await done;
  clearTimeout(kill);
  expect(code).toBe(0);
  expect(stdout).toBe((await run([command, '-', ...flags], SMALL)).stdout);
});

test('report, leaks and flamegraph repeat what there is to know of a recording', async () => {
  const trace = join(ROOT, 'fixtures/traces/mt4_json_lost.txt.zst');
  for (const command of ['report', 'leaks', 'flamegraph'])
    expect((await run([command, trace])).stderr, command).toContain('note: the recorder lost 18,983 events');
});

describe.concurrent('replay', () => {
  test('the summary object', async () => {
    const { code, stdout, stderr } = await run(['replay', '-', '--json'], SMALL);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      events: 5,
      allocations: 3,
      frees: 1,
      threads: 2,
      requested_bytes_total: 1124,
      requested_bytes_peak: 1100,
      requested_bytes_live: 1100,
      objects_live: 2,
      duration_ns: 30,
      skipped: { free_unknown: 1 },
      partial: false,
      model: { end: { allocated: expect.any(Number), active: expect.any(Number), resident: expect.any(Number) } },
    });
  });

  test('a real recording', async () => {
    const { code, stdout } = await run(['replay', LEAKY, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      events: 42_654,
      requested_bytes_live: 1_060_119,
      objects_live: 2338,
      requested_bytes_peak: 1_070_481,
      partial: false,
    });
  });

  test('the whole set', async () => {
    const out = join(folder, 'set', 'inner');
    const { code, stdout } = await run(['replay', '-', '-o', out, '--conf', 'lg_prof_sample:0'], SMALL);
    expect(code).toBe(0);
    expect(stdout).toContain('written: ');
    expect(readdirSync(out).sort()).toEqual(
      ['collapsed.txt', 'flamegraph.html', 'leaks.txt', 'profile.heap', 'profile.pb.gz', 'stats.json', 'stats.txt', 'summary.json'].sort(),
    );
    const dump = readFileSync(join(out, 'profile.heap'), 'utf8');
    expect(dump).toMatch(/^--- symbol\nbinary=small\n/);
    expect(dump).toMatch(/^heap_v2\/1$/m);
    expect(readFileSync(join(out, 'collapsed.txt'), 'utf8')).toContain('main;leak 1000\n');
    expect(JSON.parse(readFileSync(join(out, 'stats.json'), 'utf8'))).toHaveProperty('jemalloc.stats.allocated');
    // What it wrote can be read back.
    for (const profile of ['profile.heap', 'profile.pb.gz', 'collapsed.txt']) {
      const { stdout: report } = await run(['report', join(out, profile), '--show_bytes']);
      expect(report, profile).toMatch(/ leak$/m);
    }
  });

  test('placements', async () => {
    const { code, stdout } = await run(['replay', '-', '--placements', '-'], SMALL);
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: number; usable: number });
    expect(lines.map(({ event, usable }) => [event, usable])).toEqual([
      [0, 32],
      [1, 112],
      [4, 1024],
    ]);
  });

  test.each([
    ['3', 3, true],
    ['5', 5, false],
    ['99', 5, false],
    ['20ns', 4, true],
    ['1s', 5, false],
    ['peak', 5, false],
  ])('--until %s', async (until, events, partial) => {
    const { stdout } = await run(['replay', '-', '--until', until, '--json'], SMALL);
    expect(JSON.parse(stdout)).toMatchObject({ events, partial });
  });

  test('--until peak stops where most is live', async () => {
    const { stdout } = await run(['replay', LEAKY, '--until', 'peak', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ requested_bytes_live: 1_070_481, requested_bytes_peak: 1_070_481, partial: true });
  });

  test("a bad configuration prints jemalloc's own warning, and is bad input though the replay goes on", async () => {
    const { code, stderr } = await run(['replay', '-', '--conf', 'foo:bar'], SMALL);
    expect(code).toBe(2);
    expect(stderr).toBe('<jemalloc>: Invalid conf pair: foo:bar\n');
    const refused = await run(['replay', '-', '--conf', 'hpa:true,hpa_sec_nshards:65537'], SMALL);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/^--conf: hpa_sec_nshards:65537 is not supported/) });
  });

  test('profiling that the configuration turns off gives no dump', async () => {
    const { code, stderr } = await run(['replay', '-', '--conf', 'prof:false', '--heap', join(folder, 'off.heap')], SMALL);
    expect(code).toBe(2);
    expect(stderr).toContain('the configuration turns profiling off');
  });
});

describe('leaks', () => {
  test('JSON, largest first', async () => {
    const { code, stdout } = await run(['leaks', '-', '--json'], SMALL);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { contexts: unknown[] }).contexts).toMatchObject([
      { bytes: 1000, objects: 1, stack: ['leak', 'main'] },
      { bytes: 100, objects: 1, stack: [] },
    ]);
  });

  test('a limit that is exceeded is exit code 1, with the report', async () => {
    expect(await run(['leaks', '-', '--fail-on-leak', '1k'], SMALL)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('leak'),
      stderr: expect.stringMatching(/^note: --fail-on-leak: 1,\d{3} bytes in use, more than 1,024: exit code 1$/m),
    });
    expect(await run(['leaks', '-', '--fail-on-leak', '1100'], SMALL)).toMatchObject({ code: 0 });
  });

  test('compressed standard input, told from a profile', async () => {
    expect((await run(['leaks', '-', '--json'], gzipSync(SMALL))).stdout).toContain('"bytes": 1000');
    const heap = 'heap_v2/1\n  t*: 2: 64 [0: 0]\n  t0: 2: 64 [0: 0]\n@ 0x401000 0x402000\n  t*: 2: 64 [0: 0]\n  t0: 2: 64 [0: 0]\n';
    expect(JSON.parse((await run(['leaks', '-', '--json'], heap)).stdout)).toMatchObject({ contexts: [{ bytes: 64, objects: 2 }] });
  });
});

describe('at a point of the trace', () => {
  /** 2 temporary objects of 3; most is live after the second event. */
  const CALLS = `${[
    '{"op":"stack","id":0,"frames":["work","main"]}',
    '{"op":"malloc","size":100,"ptr":"0x10","stack":0}',
    '{"op":"malloc","size":50,"ptr":"0x20","stack":0}',
    '{"op":"realloc","old":"0x20","size":8,"ptr":"0x30","stack":0}',
    '{"op":"free","ptr":"0x30"}',
  ].join('\n')}\n`;

  test.each([
    ['peak', 150, 'at the peak'],
    // the peak is at event 1, the second one
    ['2', 150, 'before event 2'],
    ['3', 108, 'before event 3'],
  ])('leaks --until %s', async (until, bytes, moment) => {
    for (const input of ['-', file('calls.ndjson', CALLS)]) {
      const { stdout } = await run(['leaks', input, '--until', until, '--json'], CALLS);
      expect(JSON.parse(stdout)).toMatchObject({ total_bytes: bytes, moment });
    }
  });

  test('report and flamegraph', async () => {
    const report = await run(['report', '-', '--until', 'peak', '--json', '--show_bytes'], CALLS);
    expect(JSON.parse(report.stdout)).toMatchObject({ total_bytes: 150 });
    expect((await run(['flamegraph', '-', '--until', 'peak'], CALLS)).stdout).toContain('150 B');
  });

  test('temporary objects', async () => {
    const { stdout } = await run(['report', '-', '--temporary_objects', '--collapsed'], CALLS);
    expect(stdout).toBe('main;work 2\n');
  });

  test('a profile has no such points', async () => {
    const heap = 'heap_v2/1\n  t*: 2: 64 [0: 0]\n  t0: 2: 64 [0: 0]\n@ 0x401000\n  t*: 2: 64 [0: 0]\n  t0: 2: 64 [0: 0]\n';
    expect(await run(['leaks', '-', '--until', 'peak'], heap)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('leave --until out'),
    });
    expect(await run(['report', '-', '--temporary_objects'], heap)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^--temporary_objects: only a trace tells/),
    });
  });
});

test('report: a table of the trace, sorted, in the unit that was asked for', async () => {
  const { code, stdout } = await run(['report', '-', '--show_bytes', '--cum'], SMALL);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Total: 1100 B\n/);
  expect(stdout).toMatch(/^ +1000 +90\.9% +\S+ +1000 +90\.9% leak$/m);
  expect((await run(['report', '-', '--alloc_objects', '--collapsed'], SMALL)).stdout).toMatch(/^main;leak 2$/m);
  expect(await run(['report', '-', '--focus', '('], SMALL)).toMatchObject({ code: 2, stderr: expect.stringContaining('--focus') });
});

describe('convert', () => {
  test('fields of events that are not known go along as they were spelt, through both forms and a reading thread', async () => {
    const fields = (event: number) =>
      event % 3 === 0 ? '' : `,"request":{"id":${event} , "big":123456789012345678901,"text":"\\u20ac\\"}"},"\\n":null`;
    const line = (event: number, more: string) =>
      `{"op":"malloc","ts":${event},"tid":0,"size":8,"ptr":"0x${(16 + 16 * event).toString(16)}"${more}}`;
    const lines = Array.from({ length: 6000 }, (_, event) => line(event, fields(event)));
    const path = file('fields.ndjson', `{"op":"trace","version":1,"source":"x"}\n${lines.join('\n')}\n`);
    const plain = await run(['convert', path, '-o', '-']);
    const events = plain.stdout.trim().split('\n').slice(1);
    const tidy = (text: string) => JSON.stringify(JSON.parse(text));
    expect(events.filter((text, event) => !text.includes('123456789012345678901') && event % 3 !== 0)).toEqual([]);
    expect(events.map(tidy)).toEqual(lines.map(tidy));
    const compact = join(folder, 'fields.jrt');
    for (const JEREPLAY_READ_BESIDE of ['never', 'always']) {
      expect(await finished(start(['convert', path, '-o', compact], { JEREPLAY_READ_BESIDE }))).toMatchObject({ code: 0 });
      expect((await finished(start(['convert', compact, '-o', '-'], { JEREPLAY_READ_BESIDE }))).stdout === plain.stdout).toBe(true);
    }
  });

  test('so do those of threads, stacks, frames and maps, and known fields that the operation has not', async () => {
    const lines = [
      '{"op":"trace","version":1,"clock":"ns","source":"x"}',
      '{"op":"maps","text":"00400000-00500000 r-xp 00000000 00:00 0 /a\\n","taken":"at exit"}',
      '{"op":"thread","tid":5,"name":"w","role":"io","cpu":123456789012345678901}',
      '{"op":"stack","id":0,"frames":["a",{"fn":"b","column":12}],"label":"one"}',
      '{"op":"malloc","ts":1,"tid":5,"size":8,"ptr":"0x10","stack":0,"alignment":16,"a":{ \r"b":1}}',
      '{"op":"stack","id":1,"frames":["a",{"fn":"b","column":12}],"label":"two","ts":4}',
      '{"op":"malloc","ts":2,"tid":5,"size":8,"ptr":"0x20","stack":1}',
      '{"op":"stack","id":2,"frames":["a",{"fn":"b","column":12}]}',
      '{"op":"malloc","ts":3,"tid":5,"size":8,"ptr":"0x30","stack":2}',
      '{"op":"stack","id":3,"frames":[],"label":"none"}',
      '{"op":"malloc","ts":4,"tid":5,"size":8,"ptr":"0x40","stack":3}',
      '{"op":"free","ts":5,"tid":5,"ptr":"0x10","size":8}',
      '{"op":"free","ts":6,"tid":5,"ptr":"0x20","size":8}',
      '{"op":"free","ts":7,"tid":5,"ptr":"0x30","size":8}',
      '{"op":"thread","tid":6,"name":"without events","role":"ui"}',
    ];
    const text = `${lines.join('\n')}\n`;
    const path = file('more_fields.ndjson', text);
    const compact = join(folder, 'more_fields.jrt');
    for (const JEREPLAY_READ_BESIDE of ['never', 'always']) {
      expect((await finished(start(['convert', path, '-o', '-'], { JEREPLAY_READ_BESIDE }))).stdout).toBe(text);
      expect(await finished(start(['convert', path, '-o', compact], { JEREPLAY_READ_BESIDE }))).toMatchObject({ code: 0 });
      expect((await finished(start(['convert', compact, '-o', '-'], { JEREPLAY_READ_BESIDE }))).stdout).toBe(text);
    }
    const heaps = [path, compact].map((trace) => run(['replay', trace, '--heap', '-', '--conf', 'prof:true,lg_prof_sample:0']));
    const [one, other] = await Promise.all(heaps);
    expect(other).toEqual(one);

    const inlined = text.replace('"column":12}]}', '"inlined":[{"fn":"c","column":9}]}]}');
    expect((await run(['convert', '-', '-o', '-'], inlined)).stderr).toContain(
      'of inlined functions that are not known are not kept: "column" (1)',
    );
  });

  test('there and back', async () => {
    const once = await run(['convert', '-', '-o', '-'], SMALL);
    expect(once.code).toBe(0);
    expect((await run(['convert', '-', '-o', '-'], once.stdout)).stdout).toBe(once.stdout);
    const summaries = await Promise.all([SMALL, once.stdout].map((input) => run(['replay', '-', '--json'], input)));
    expect(summaries[1]?.stdout).toBe(summaries[0]?.stdout);
  });

  test('the parts of a recording, in order', async () => {
    const lines = SMALL.split('\n');
    const parts = [file('part1.ndjson', `${lines.slice(0, 4).join('\n')}\n`), file('part2.ndjson.gz', gzipSync(lines.slice(4).join('\n')))];
    const out = join(folder, 'joined.ndjson');
    expect(await run(['convert', ...parts, '-o', out])).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse((await run(['replay', out, '--json'])).stdout)).toMatchObject({ events: 5, requested_bytes_live: 1100 });
  });

  test('what is wrong with a part is told by its name and line', async () => {
    const begun = file('begun.ndjson', '{"op":"malloc","size":8,"ptr":"0x10"}\n{"op":"free","ptr":"0x10"}\n');
    const torn = file('torn.ndjson', '{"op":"malloc","size":8,"ptr":"0x20"}\n{"op":"zzz"}\n');
    const whole = file('whole.ndjson', '{"op":"trace","version":1}\n{"op":"malloc","size":8,"ptr":"0x20"}\n');
    const out = join(folder, 'joined.jrt');
    expect((await run(['convert', begun, torn, '-o', out])).stderr).toMatch(/torn\.ndjson:2: unknown op "zzz"\n/);
    expect((await run(['convert', torn, begun, '-o', out])).stderr).toMatch(/torn\.ndjson:2: unknown op "zzz"\n/);
    expect((await run(['convert', begun, whole, '-o', out])).stderr).toMatch(
      /whole\.ndjson:1: the trace line comes after events\nhint: several inputs are the parts of one recording, in order\n$/,
    );
  });

  test('of a flag that is given twice, the last', async () => {
    expect(JSON.parse((await run(['replay', '-', '--json', '--until', 'peak', '--until', '2'], SMALL)).stdout)).toMatchObject({
      events: 2,
    });
  });

  test('refusals', async () => {
    const path = file('same.ndjson', SMALL);
    expect(await run(['convert', path, '-o', path])).toMatchObject({ code: 2 });
    expect(readFileSync(path, 'utf8')).toBe(SMALL);
    expect(await run(['convert', path, '-o', join(folder, 'x.png')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('".png" names no format'),
    });
  });
});

test('a flame graph page of several inputs', async () => {
  const { code, stdout } = await run(['flamegraph', file('a.ndjson', SMALL), file('b.txt', 'main;leak;deep 7\n')]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^<!doctype html>/i);
  expect(stdout).toContain('deep');
});

describe('endings', () => {
  /** Event lines without end: a recording that goes on. */
  const events = (from: number, count: number) => {
    let lines = '';
    for (let i = from; i < from + count; i++) lines += `{"op":"malloc","size":64,"ptr":"0x${(0x1000 + i * 64).toString(16)}"}\n`;
    return lines;
  };

  test('Ctrl-C writes the results so far, marked as partial', async () => {
    const heap = join(folder, 'interrupted.heap');
    const child = start(['replay', '-', '--json', '--heap', heap]);
    const done = finished(child);
    child.stdin?.on('error', () => {});
    // more than a pipe holds: once it is written, the program has begun to read
    await new Promise((resolve) => child.stdin?.write(events(0, 50_000), resolve));
    child.kill('SIGINT');
    const { code, stdout, stderr } = await done;
    expect(code, stderr).toBe(0);
    const summary = JSON.parse(stdout) as { partial: boolean; events: number };
    expect(summary.partial).toBe(true);
    expect(summary.events).toBeGreaterThan(0);
    expect(summary.events).toBeLessThanOrEqual(50_000);
    expect(existsSync(heap)).toBe(true);
  });

  test('a reader that leaves early is no error', async () => {
    const trace = file('many.ndjson', events(0, 200_000));
    const child = start(['convert', trace, '-o', '-']);
    const stderr: Buffer[] = [];
    child.stderr?.on('data', (bytes: Buffer) => stderr.push(bytes));
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.stdout?.destroy();
    const [code] = await once(child, 'exit');
    expect({ code, stderr: Buffer.concat(stderr).toString() }).toEqual({ code: 0, stderr: '' });
  });

  test('nothing is drawn and nothing coloured without a terminal', async () => {
    const { stdout, stderr } = await run(['replay', LEAKY]);
    expect(stdout + stderr).not.toContain('\u001b');
    expect(stderr).not.toContain('\r');
  });

  test('--version starts about as fast as node itself', () => {
    const time = (args: readonly string[]) => {
      const before = performance.now();
      spawnSync(process.execPath, args);
      return performance.now() - before;
    };
    // the least of runs in turn, and of more of them where other programs are in the way
    let ours = Infinity;
    let node = Infinity;
    for (let round = 0; round < 5 || (round < 25 && ours >= 2 * node); round++) {
      ours = Math.min(ours, time([MAIN, '--version']));
      node = Math.min(node, time(['-e', '0']));
    }
    expect(ours).toBeLessThan(2 * node);
  });
});

test('a folder for results that exists is used as it is', async () => {
  const out = join(folder, 'again');
  mkdirSync(out);
  writeFileSync(join(out, 'mine.txt'), 'kept');
  expect(await run(['replay', '-', '-o', out], SMALL)).toMatchObject({ code: 0 });
  expect(readFileSync(join(out, 'mine.txt'), 'utf8')).toBe('kept');
});
