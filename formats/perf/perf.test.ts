import { describe, expect, test } from 'vitest';
import { neverTakesRubbish, readsTheSameHoweverCut } from '../../fixtures/properties.ts';
import { fixtureBytes, framesOf, liveUnder, tally } from '../../fixtures/tally.ts';
import type { TraceFormat } from '../format.ts';
import { nameOther } from '../not_traces.ts';
import { ftrace } from './ftrace.ts';
import { perfScript } from './perf_script.ts';

const utf8 = new TextEncoder();
const read = (text: string, format: TraceFormat = perfScript) => tally(format, utf8.encode(text));

describe('perf script', () => {
  test('leaky 3000 with -g: the totals of DHAT and ltrace, and complete stacks', async () => {
    const result = tally(perfScript, await fixtureBytes('leaky_g.perfscript.zst'));
    const { ledger } = result;
    expect([ledger.totalBytes, ledger.totalObjects]).toEqual([14588382, 16991]);
    expect(ledger.totalPeakBytes).toBe(1034227);
    expect([ledger.totalLiveBytes, ledger.totalLiveObjects]).toEqual([1001850, 1898]);
    expect(liveUnder(result, 'leak_session')).toEqual({ objects: 300, bytes: 93600 });
    expect(liveUnder(result, 'leak_log_line')).toEqual({ objects: 120, bytes: 122880 });
    expect(result).toMatchObject({ unknown: 0, reused: 0 });
    expect({ ...result.trace.skipped }).toEqual({});
    const leak = [...result.live.values()].find(({ size }) => size === 312)!;
    expect(framesOf(result, leak.stack).map(({ fn }) => fn)).toEqual([
      'malloc',
      'leak_session',
      'handle',
      'main',
      '__libc_start_call_main',
    ]);
    expect(result.trace.threads.names).toEqual(['leaky']);
    expect(result.trace.header.startTime).toBe(868006348000n);
  });

  test('names go on behind a line separator', async () => {
    const text = new TextDecoder().decode(await fixtureBytes('leaky_g.perfscript.zst')).replaceAll('leak_session', 'leak\u2028session');
    expect(liveUnder(read(text), 'leak\u2028session')).toEqual({ objects: 300, bytes: 93600 });
  });

  test('calls are joined once: how much is held back to be sorted changes nothing of a recording in order', async () => {
    const bytes = await fixtureBytes('mt4_cut.perfscript.zst');
    const whole = tally(perfScript, bytes);
    const inParts = tally(perfScript, bytes, { reorderWindow: 1000 });
    expect(inParts.text).toEqual(whole.text);
    expect({ ...inParts.trace.skipped }).toEqual({ ...whole.trace.skipped });
  });

  test.each(['a b: 1.5: x', '[000] 12.3:', 't-9 [001] 1.0:', '7 [001] 1.5: x', 'x/7 y', '()'])(
    'a command %j: what looks like a head in it is none',
    (command) => {
      const line = (time: number, rest: string) => ` ${command} 12 [003] 38.00000${time}: probe_libc:${rest}\n`;
      const { ops, trace, text } = read(
        line(1, 'malloc: (7f0000098930) size=5') +
          line(2, 'malloc__return: (7f0000098930 <- 5500000010) ret=0x1000') +
          line(4, 'free: (7f0000098940) ptr=0x1000'),
      );
      expect([ops, { ...trace.skipped }, trace.threads.names]).toEqual([{ malloc: 1, free: 1 }, {}, [command]]);
      expect(text[1]).toContain(' 2000 ');
    },
  );

  test("an event's CPU is that of its call, not of its return; without the field there is none", () => {
    const line = (cpu: string, time: number, rest: string) => `    app 12 ${cpu} 1.00000${time}: probe_libc:${rest}\n`;
    const text =
      line('[003]', 1, 'malloc: (7f0000098930) size=5') +
      line('[001]', 2, 'malloc__return: (7f0000098930 <- 5500000010) ret=0x1000') +
      line('[99999]', 3, 'free: (7f0000098940) ptr=0x1000') +
      line('', 4, 'free: (7f0000098940) ptr=0x0');
    expect(read(text).text.map((event) => /on .*/.exec(event)?.[0])).toEqual(['on 3', undefined, undefined]);
  });

  test('edge: nested calls, a probe on a linkage table slot, a block without address, the cache of an exiting thread', async () => {
    const result = tally(perfScript, await fixtureBytes('edge_nog.perfscript'));
    expect({ ...result.trace.skipped }).toEqual({ nested: 3, no_address: 1, mislabelled: 4, phantom_free: 2 });
    expect(result.ops).toEqual({ malloc: 19, free: 26, realloc: 7, calloc: 4, posix_memalign: 1 });
    expect(result.ledger.totalPeakBytes).toBe(314576896);
    // Without -g the return address is the stack.
    expect(framesOf(result, 0)).toEqual([{ pc: 0x56402906e32dn }]);
  });

  test('edge with pids: the forked child is another process', async () => {
    const result = tally(perfScript, await fixtureBytes('edge_ns_fields.perfscript'));
    expect(result.trace.header.pid).toBe(19287);
    expect(result.trace.skipped.other_process).toBe(4);
    expect(result.trace.skipped.note).toBe(7);
    expect(result.trace.warnings.join()).toContain('process 19290');
    expect(result.trace.header.startTime).toBe(870154781540n);
  });

  test('several processes are told apart by their commands, and by a thread where lines have no process', () => {
    const call = (who: string, at: number) =>
      `${who} [000] 7.00000${at}: probe_libc:malloc: (7f0000000930) size=0x10\n${who} [000] 7.00000${at + 1}: probe_libc:malloc__return: (7f0000000930 <- 5500) ret=0x${at}000\n`;
    const other = call('git 9', 5).replaceAll('7f0000000930', '7f1000000930');
    const { trace } = tally(perfScript, Buffer.from(call('node 8', 1) + call('node 8', 3) + other));
    expect(trace.warnings).toEqual([
      'only the process of thread 8 (node) is replayed; the recording also has the process of thread 9 (git) with 1 call (--pid N for one of them)',
    ]);
  });

  describe('a process runs another program', () => {
    let at = 0;
    const call = (who: string, library: string, ptr: string) =>
      `${who} [000] 7.${String(++at).padStart(6, '0')}: probe_libc:malloc: (${library}930) size=0x10\n${who} [000] 7.${String(++at).padStart(6, '0')}: probe_libc:malloc__return: (${library}930 <- 5500) ret=0x${ptr}\n`;
    const shell = call('sh 8/8', '7f0000000', '1000') + call('sh 8/8', '7f0000000', '2000');
    const app = call('app 8/8', '7fa000000', '1000') + call('app 8/8', '7fa000000', '3000') + call('app 8/8', '7fa000000', '4000');

    test('what the former one held is not live in it', () => {
      const { trace, ledger, reused } = tally(perfScript, Buffer.from(shell + app));
      expect([ledger.totalLiveObjects, reused, trace.header.pid]).toEqual([3, 0, 8]);
      expect(trace.skipped).toEqual({ other_process: 2 });
      expect(trace.warnings).toEqual([
        'only process 8 (app) is replayed; the recording also has process 8 (sh) with 2 calls (--pid N for one of them)',
      ]);
    });

    test('--pid takes the one that calls most', () => {
      const other = [1, 2, 3, 4].map((page) => call('x 9/9', '7f5000000', `${page}000`)).join('');
      const { ledger, trace } = tally(perfScript, Buffer.from(shell + app + other), { pid: 8 });
      expect([ledger.totalLiveObjects, trace.threads.names]).toEqual([3, ['app']]);
    });
  });

  test.each([
    ['perf script', perfScript, ' ', '', 'probe_libc:', ''],
    ['ftrace', ftrace, '-', ' ....', '', '0x'],
  ] as const)('%s: where lines have no process, --pid of a child is the program that it ran', (_, format, dash, flags, group, hex) => {
    let at = 0;
    const line = (command: string, tid: number, rest: string) =>
      `${command}${dash}${tid} [000]${flags} 7.${String(++at).padStart(6, '0')}: ${group}${rest}\n`;
    const call = (command: string, tid: number, library: string, size: number, ptr: string) => {
      const back = format === ftrace ? `0x5500 <- 0x${library}930` : `${library}930 <- 5500`;
      return (
        line(command, tid, `malloc: (${hex}${library}930) size=${size}`) + line(command, tid, `malloc__return: (${back}) ret=0x${ptr}`)
      );
    };
    const shell = call('sh', 10, '7f0000000', 100, '1000') + call('sh', 20, '7f0000000', 200, '2000');
    const app = call('t1', 20, '7fa000000', 3000, '1000') + call('t1', 20, '7fa000000', 4000, '3000');
    const { ledger, trace } = tally(format, Buffer.from(shell + app), { pid: 20 });
    expect([ledger.totalLiveObjects, ledger.totalLiveBytes, trace.threads.names]).toEqual([2, 7000, ['t1']]);
    expect(trace.skipped).toEqual({ other_process: 2 });
  });

  test('children that fork look like threads where lines have no process: that is said', () => {
    const line = (tid: number, time: number, rest: string) => `sh ${tid} [000] 1.00000${time}: probe_libc:${rest}\n`;
    const call = (tid: number, time: number, ptr: string) =>
      line(tid, time, 'malloc: (7f0000098930) size=5') + line(tid, time + 1, `malloc__return: (7f0000098930 <- 5500000010) ret=${ptr}`);
    const freed = line(7, 7, 'free: (7f0000098ef0) ptr=0x1000');
    const { trace } = read(call(7, 1, '0x1000') + call(8, 3, '0x2000') + call(7, 5, '0x2000') + freed);
    expect(trace.warnings).toEqual([
      '1 block given out twice, as to a process and its forked child: perf script -F +pid (of ftrace, the option record-tgid) tells them from threads',
    ]);
    expect(read(call(7, 1, '0x1000') + call(8, 3, '0x2000') + call(7, 5, '0x3000')).trace.warnings).toEqual([]);
  });

  test('what is not probed is said: returns, entries, free', () => {
    const line = (rest: string) => `app 7/7 [000] 1.000001: probe_libc:${rest}\n`;
    const entries = ['malloc: (7f0000098930) size=5', 'calloc: (7f0000098990) count=1 size=5'].map(line);
    const returns = [
      'malloc__return: (7f0000098930 <- 5500000010) ret=0x1000',
      'calloc__return: (7f0000098990 <- 5500000010) ret=0x2000',
    ].map(line);
    const whole = entries.flatMap((entry, i) => [entry, returns[i]]).join('');
    const free = line('free: (7f0000098ef0) ptr=0x1000');
    const warningsOf = (...lines: string[]) => read(lines.join('')).trace.warnings;
    expect(warningsOf(...entries, free)).toEqual([expect.stringMatching(/^no return of malloc, calloc is recorded, .*malloc%return/)]);
    expect(warningsOf(...entries, returns[1], free)).toEqual([expect.stringMatching(/^no return of malloc is recorded/)]);
    expect(warningsOf(...returns, free)).toEqual([expect.stringMatching(/^no entry of malloc, calloc is recorded, .*size=%di:u64/)]);
    expect(warningsOf(whole, whole)).toEqual([expect.stringMatching(/^no free is recorded, but blocks were given out again \(2 times\)/)]);
    expect(warningsOf(whole)).toEqual([]);
    expect(warningsOf(whole, whole, free)).toEqual([]);
  });

  test.each([
    ['7/8', { phantom_free: 2 }],
    // Without processes the first thread may be the main one, which keeps its cache.
    ['8', {}],
    ['8/8', {}],
  ])('frees of a cache by the first thread of a recording: %s', (ids, skipped) => {
    const line = (rest: string) => `app ${ids} [000] 1.000001: probe_libc:${rest}\n`;
    const call = line('malloc: (7f0000098930) size=5') + line('malloc__return: (7f0000098930 <- 5500000010) ret=0x1000');
    const free = line('free: (7f0000098ef0) ptr=0x1000');
    expect(read(call + free + free + line('free: (7f0000098ef0) ptr=0x7000')).trace.skipped).toEqual(skipped);
  });

  test('a process has the name of its first thread, whichever calls first', () => {
    const line = (name: string, ids: string) => `${name} ${ids} [000] 1.000001: probe_libc:free: (7f0000098ef0) ptr=0x1000\n`;
    const { trace } = read(line('worker', '7/8') + line('server', '7/7') + line('other', '9/9'));
    expect(trace.warnings).toEqual([
      'only process 7 (server) is replayed; the recording also has process 9 (other) with 1 call (--pid N for one of them)',
    ]);
  });

  test('times since the line before are refused, times since the first are not', async () => {
    const lines = Buffer.from(await fixtureBytes('edge_ns_fields.perfscript')).toString('latin1');
    const times = [...lines.matchAll(/ (\d+\.\d{9}): +probe/g)].map(([, time]) => BigInt(time.replace('.', '')));
    const said = (nanos: bigint) => `${nanos / 1_000_000_000n}.${String(nanos % 1_000_000_000n).padStart(9, '0')}`;
    const restamped = (of: (at: number) => bigint) => {
      let at = 0;
      return Buffer.from(
        lines.replace(/ (\d+\.\d{9}): +probe/g, () => ` ${said(of(at++))}: probe`),
        'latin1',
      );
    };
    const whole = tally(
      perfScript,
      restamped((at) => times[at] - times[0]),
    );
    expect(whole.ops).toEqual(tally(perfScript, Buffer.from(lines, 'latin1')).ops);
    expect(() =>
      tally(
        perfScript,
        restamped((at) => (at === 0 ? 0n : times[at] - times[at - 1])),
      ),
    ).toThrow(/:\d+: times are those since the line before \(perf script --deltatime\)/);
  });

  // of one recording by perf 6.1, with perf script -F as named
  describe.each<[string, (line: { head: string; cpu: string; time: string; event: string; rest: string; place: string }) => string]>([
    ['the default', ({ head, cpu, time, event, rest }) => `${head} ${cpu} ${time}: ${event} ${rest}`],
    ['+period', ({ head, cpu, time, event, rest }) => `${head} ${cpu} ${time}:          1 ${event} ${rest}`],
    ['+misc', ({ head, cpu, time, event, rest }) => `${head} ${cpu} U     ${time}: ${event} ${rest}`],
    ['+flags,+insnlen', ({ head, cpu, time, event, rest }) => `${head} ${cpu} ${time}: ${event}                         ${rest} ilen: 2`],
    ['+insn', ({ head, cpu, time, event, rest }) => `${head} ${cpu} ${time}: ${event} ${rest} insn: 41 54`],
    ['+ip,+sym', ({ head, cpu, time, event, rest, place }) => `${head} ${cpu} ${time}: ${event} ${rest}     ${place}`],
    ['+ip,+sym,+srcline', ({ head, cpu, time, event, rest, place }) => `${head} ${cpu} ${time}: ${event} ${rest}     ${place}\n  t.c:6`],
    ['tid,time,event,trace', ({ head, time, event, rest }) => `${head.trim().split(/ +/)[1]} ${time}: ${event} ${rest}`],
  ])('fields %s', (fields, print) => {
    const call = (tid: number, at: number, event: string, rest: string, place: string) =>
      print({
        head: `               t ${tid}`,
        cpu: '[000]',
        time: `59202.505${at}`,
        event: `                probe_libc:${event}:`,
        rest,
        place,
      });
    const lines = [
      call(24902, 853, 'malloc', '(7f226d60f930) size=40', '7f226d60f930 malloc'),
      call(24903, 860, 'calloc', '(7f226d6106e0) n=3 size=9', '7f226d6106e0 calloc'),
      call(24902, 898, 'malloc__return', '(7f226d60f930 <- 56528c2b4195) ret=0x5652c85b02a0', '56528c2b4195 leak'),
      call(24903, 899, 'calloc__return', '(7f226d6106e0 <- 56528c2b4200) ret=0x5652c85b02d0', '56528c2b4200 operator==(int)'),
      call(24902, 910, 'free', '(7f226d60fef0) ptr=0x5652c85b02a0', '7f226d60fef0 free'),
    ];

    test('are read', () => {
      const result = read(`${lines.join('\n')}\n`);
      expect(result.trace.skipped).toEqual({});
      expect(result.ops).toEqual({ malloc: 1, calloc: 1, free: 1 });
      expect([result.ledger.totalBytes, result.ledger.totalLiveBytes, result.trace.threads.length]).toEqual([67, 27, 2]);
      if (!fields.includes('sym')) return;
      const source = fields.includes('srcline') ? { file: 't.c', line: 6 } : {};
      const live = [...result.live.values()].map(({ stack }) => framesOf(result, stack));
      const frames = [
        { pc: 0x7f226d6106e0n, fn: 'calloc', ...source },
        { pc: 0x56528c2b4200n, fn: 'operator==(int)', ...source },
      ];
      expect(live).toEqual([frames]);
    });
  });

  test.each([
    ['               t 59202.505853:                 probe_libc:malloc: (7f226d60f930) size=40', 'the ids of threads (tid)'],
    ['59202.505853:                 probe_libc:malloc: (7f226d60f930) size=40', 'the ids of threads (tid)'],
    ['               t 24902                 probe_libc:malloc: (7f226d60f930) size=40', 'times (time)'],
    ['               t 24902 [000]         probe_libc:malloc__return: (7f226d60f930 <- 56528c2b4195) ret=0x1', 'times (time)'],
    ['        probe_libc:malloc__return: (7f226d60f930 <- 56528c2b4195) ret=0x1', 'the ids of threads (tid) and times (time)'],
    ['24902 59202.505853: (7f226d60f930) size=40', 'the names of events (event)'],
    ['t 24919 59205.002819:                 probe_libc:malloc: ', 'the arguments of events (trace)'],
    ['(7f226d60f930) size=40', 'the ids of threads (tid), times (time) and the names of events (event)'],
  ])('without a field that is needed: %s', (line, lacking) => {
    const head = utf8.encode(`${line}\n`.repeat(3));
    expect(perfScript.sniff(head)).toBe(0);
    expect(nameOther(head)).toMatchObject({
      what: `output of perf script without ${lacking}`,
      hint: expect.stringContaining('perf script -F'),
    });
  });

  test('perf report is named', () => {
    const report =
      "# To display the perf.data header info, please use --header/--header-only options.\n#\n# Samples: 54  of event 'probe_libc:malloc'\n#\n    12.96%  (7f0000098930) size=0x32\n";
    expect(nameOther(utf8.encode(report))).toMatchObject({ what: 'output of perf report' });
  });

  test('what perf data converts to is named', () => {
    expect(nameOther(utf8.encode('{\n\t"linux-perf-json-version": 1,\n\t"headers": {\n'))).toMatchObject({ what: "perf data's JSON" });
  });

  test('perf trace is named', () => {
    const line = '     0.000 t/10121 probe_libc:malloc(__probe_ip: 140647428544816, size: 40)\n';
    expect(nameOther(utf8.encode(line.repeat(2)))).toMatchObject({ what: 'output of perf trace' });
  });

  test('modules are without the place in them that -F +dsoff adds', () => {
    const { trace } = read(
      'a 7 [0] 1.000001: probe_libc:malloc: (7f0000098930) size=5\n\t 98930 malloc+0x0 (/lib/libc.so.6+0x98930)\n\t 12af main+0x4c (/opt/app+0x12af)\n\n' +
        'a 7 [0] 1.000002: probe_libc:malloc__return: (7f0000098930 <- 5500000010) ret=0x1000\n',
    );
    // The third is the return address alone.
    expect(trace.stacks.frames.frames.map(({ module }) => module)).toEqual(['/lib/libc.so.6', '/opt/app', undefined]);
  });

  test('what stands before the time or behind the arguments: the time of day, a data address, registers', () => {
    const call = (place: string, behind: string, tod = '') =>
      `leaky 7 [001] ${tod}1.000001: probe_libc:malloc: (7fe8dd333930) size=24${behind}\n` +
      `leaky 7 [001] ${tod}1.000002: probe_libc:malloc__return: (7fe8dd333930 <- ${place}) ret=0x1000${behind}\n`;
    const callers = (text: string) => {
      const result = read(text);
      expect(result.trace.threads.tids).toEqual([7]);
      return framesOf(result, [...result.live.values()][0]!.stack).map(({ pc, fn }) => fn ?? pc);
    };
    const plain = callers(call('55dcb249a6a5', ''));
    expect(plain).toEqual([0x55dcb249a6a5n]);
    expect(callers(call('55dcb249a6a5', '', '2026-11-22 18:24:34.510575 '))).toEqual(plain);
    expect(callers(call('55dcb249a6a5', '               0'))).toEqual(plain);
    expect(callers(call('55dcb249a6a5', ' ABI:2    SP:0x7ffccf36f838    IP:0x55dcb249a6a5 '))).toEqual(plain);
    expect(callers(call('55dcb249a6a5', '      1e05080021 |OP N/A|LVL N/A or N/A|SNP N/A    0'))).toEqual(plain);
    expect(callers(call('55dcb249a6a5', '               0     55dcb249a6a5 main')).at(-1)).toBe('main');
  });

  test('stack lines without the module, and source lines that tell of an inlined function or are not known', () => {
    const call = (stack: string) =>
      read(
        `t 24938 [001] 7.000001: probe_libc:malloc: (7f07ccdc7930) size=40\n\nt 24938 [001] 7.000002: probe_libc:malloc__return: (7f07ccdc7930 <- 561fac320195) ret=0x561fac3203d0\n${stack}\n\n`,
      );
    const names = (result: ReturnType<typeof read>) => framesOf(result, 0).map(({ fn, inlined, file, line }) => [fn, file, line, inlined]);
    const plain = call('\t           98930 malloc\n\t            11f1 void apply<void (*)(int)>(int)+0x13\n\t           2724a [unknown]');
    expect(names(plain)).toEqual([
      ['malloc', undefined, undefined, undefined],
      ['void apply<void (*)(int)>(int)', undefined, undefined, undefined],
      ['[unknown]+0x2724a', undefined, undefined, undefined],
    ]);
    const inlined = call(
      [
        '\t           10cb3 allocate_dtv (/usr/lib/ld.so)\n  dl-tls.c:402',
        '\t           89dae allocate_stack\n  allocatestack.c:423 (inlined)',
        '\t           89dae __pthread_create\n  pthread_create.c:650 (inlined)',
        '\t           89dae main (/srv/t)\n  t.c:7',
        '\t            1066 _start (/srv/t)\n  ??:0',
        '\t            1070 before (/srv/t)\n  t[1070]',
      ].join('\n'),
    );
    expect({ ...inlined.trace.skipped }).toEqual({});
    expect(names(inlined)).toEqual([
      ['allocate_dtv', 'dl-tls.c', 402, undefined],
      [
        'main',
        't.c',
        7,
        [
          { fn: 'allocate_stack', file: 'allocatestack.c', line: 423 },
          { fn: '__pthread_create', file: 'pthread_create.c', line: 650 },
        ],
      ],
      ['_start', undefined, undefined, undefined],
      ['before', undefined, undefined, undefined],
    ]);
    expect(call('\t           98930 malloc\n\tno stack line').trace.skipped).toEqual({ unparsed: 1 });
  });

  test('sqlite3 with nanoseconds', async () => {
    const result = tally(perfScript, await fixtureBytes('sqlite_ns_fields.perfscript.zst'));
    expect(result.ops).toEqual({ realloc: 55, malloc: 4210, free: 4203 });
    expect([result.ledger.totalLiveBytes, result.ledger.totalPeakBytes]).toEqual([8937, 355104]);
    expect({ ...result.trace.skipped }).toEqual({ nested: 3 });
  });

  test('dwarf call chains: inlined functions belong to the frame that holds them', async () => {
    const result = tally(perfScript, await fixtureBytes('leakycpp_dwarf.perfscript.zst'));
    expect(result.ledger.totalLiveBytes).toBe(76380);
    const frame = result.trace.stacks.frames.frames.find(({ fn, inlined }) => fn === 'leak_cycle' && inlined !== undefined)!;
    expect(frame.inlined!.at(-1)!.fn).toBe('std::make_shared<Node>');
    expect(frame.module).toBe('/opt/sample/bin/leakycpp');
    // Addresses are relative to the file that the code lies in: no frame claims one.
    expect(result.trace.stacks.frames.frames.every(({ pc }) => pc === undefined)).toBe(true);
    expect(result.trace.stacks.frames.frames.some(({ fn }) => fn === 'libstdc++.so.6.0.30+0xa57ba')).toBe(true);
  });

  test.each([
    [
      '    app 12 [000]  1.000001: probe_libc:malloc: (7f0000098930) size=5\n    app 12 [000]  1.000002: probe_libc:malloc__return: (7f0000098930 <- 5500000010) ret=0x1000\n',
      'app',
    ],
    [
      'my app 2 12/12 [000]  1.000001: probe_libc:malloc: (7f0000098930) size=0x5\nmy app 2 12/12 [000]  1.000002: probe_libc:malloc__return: (7f0000098930 <- 5500000010) ret=0x1000\n',
      'my app 2',
    ],
    [
      '12 1.000001000: probe_libc:malloc: (7f0000098930) arg1=5\n12 1.000002000: probe_libc:malloc_ret: (7f0000098930 <- 5500000010) arg1=0x1000\n',
      undefined,
    ],
    [
      '12 1.000001000: probe_libc:malloc_1: (7f0000098930) size=5\n12 1.000002000: probe_libc:malloc_1__return: (7f0000098930 <- 5500000010) ret=0x1000\n',
      undefined,
    ],
  ])('%j', (text, name) => {
    const result = read(text);
    expect(result.ops).toEqual({ malloc: 1 });
    expect(result.ledger.totalLiveBytes).toBe(5);
    expect(result.trace.threads.names).toEqual([name]);
    expect(result.trace.header.startTime).toBe(1000002000n);
  });

  test.each([
    ['malloc', 'size=0x32 who="t1"', 0x32],
    ['malloc', 'who="a size=7 b" size=0x32', 0x32],
    ['malloc', 'size=0x32 frames={0x1,0x2} names={"a b","c"} at=main+0x10 way=(fault)', 0x32],
    ['calloc', 'n=3 size=9 who="t1" line=17', 27],
    ['memalign', 'align=16 size=9 line=17', 9],
    ['posix_memalign', 'align=16 size=9 who="t1"', 9],
    ['posix_memalign', 'to=0x7ffd0000 align=16 size=9 line=17', 9],
  ])('arguments that a call does not need are passed over: %s %s', (name, rest, bytes) => {
    const event = (what: string) => `app 12/12 [000] 1.000001: probe_libc:${what}\n`;
    // The block of a posix_memalign is that of the call within.
    const within = event('memalign: (7f0000098950) align=16 size=10') + event('memalign__return: (7f0000098950 <- 5500000010) ret=0x1000');
    const { trace, ledger, unknown } = read(
      event(`${name}: (7f0000098930) ${rest}`) +
        (name === 'posix_memalign' ? within : '') +
        event(`${name}__return: (7f0000098930 <- 5500000010) ret=${name === 'posix_memalign' ? '0x0' : '0x1000'} who="t1"`) +
        event('free: (7f0000098ef0) ptr=0x1000 stack={0x1,0x2}'),
    );
    expect(trace.skipped).toEqual(name === 'posix_memalign' ? { nested: 1 } : {});
    expect([ledger.totalBytes, ledger.totalLiveObjects, unknown]).toEqual([bytes, 0, 0]);
  });

  test.each([
    ['perf script', perfScript, (what: string) => `app 12/12 [000] 1.000001: probe_libc:${what}\n`],
    ['trace-cmd', ftrace, (what: string) => ` app-12 [001] 1.000001: ${what}\n`],
  ] as const)('%s: addresses of type u64 are decimal', (_, format, event) => {
    const rounds = Array.from({ length: 40 }, (_round, i) => 0x7f0000001000 + i * 32);
    const { ledger, unknown, live, trace } = read(
      rounds
        .map(
          (block) =>
            event('malloc: (7f0000098930) size=8') +
            event(`malloc__return: (7f0000098930 <- 5500000010) ret=0x${block.toString(16)}`) +
            event(`free: (7f0000098ef0) ptr=${block}`),
        )
        .join('') +
        event('realloc: (7f0000098990) old=0 size=8') +
        event('realloc__return: (7f0000098990 <- 5500000010) ret=94573773656848'),
      format,
    );
    expect([ledger.totalLiveObjects, unknown, trace.skipped]).toEqual([1, 0, {}]);
    expect([...live.keys()]).toEqual([94573773656848]);
  });

  test.each(['size=12x', 'size=', 'size="12"', 'who="t1"', 'size=-'])('an argument that a call needs, damaged: %s', (rest) => {
    expect(read(`app 12/12 [000] 1.000001: probe_libc:malloc: (7f0000098930) ${rest}\n`).trace.skipped).toEqual({ unparsed: 1 });
  });

  test.each([
    ['malloc', 'malloc__return__return'],
    ['malloc_entry', 'malloc_ret__return'],
    ['malloc_entry_1', 'malloc_1__return_2'],
    ['malloc_1', 'malloc__return_1'],
    ['__libc_malloc', '__libc_malloc__return'],
    ['je_malloc', 'je_malloc_ret'],
    ['malloc__entry', 'malloc__ret'],
  ])('names of probes with suffixes of their own, and those that perf adds: %s, %s', (entry, name) => {
    const result = read(
      `a 7 [0] 1.000001: probe_libc:${entry}: (7f0000098930) size=5\na 7 [0] 1.000002: probe_libc:${name}: (7f0000098930 <- 5500000010) ret=0x1000\n`,
    );
    expect([result.ops, result.trace.skipped]).toEqual([{ malloc: 1 }, {}]);
  });

  test.each([
    [
      'perf script',
      perfScript,
      'a 7/7 [0] 1.000001: probe_libc:malloc: (7f0000098930)\na 7/7 [0] 1.000002: probe_libc:malloc__return: (7f0000098930 <- 5500000010)\n',
    ],
    [
      'ftrace',
      ftrace,
      ' a-7 [001] d..1. 1.000001: malloc: (0x7f0000098930)\n a-7 [001] d..1. 1.000002: malloc__return: (0x5500000010 <- 0x7f0000098930)\n',
    ],
  ])('probes without arguments: what is missing is said: %s', (_, format, text) => {
    const { trace } = read(text, format);
    expect(trace.skipped).toEqual({ unparsed: 2 });
    expect(trace.warnings).toEqual([
      expect.stringMatching(/^2 events of probes have no arguments, .*malloc size=%di:u64, and malloc%return ret=\$retval$/),
    ]);
  });

  test('lost records, other events, a cut line', () => {
    const result = read(
      'a 1 [0] 1.0: PERF_RECORD_LOST lost 22\na 1 [0] 1.1: cycles:  7f00 f+0x1 (x)\na 1 [0] 1.2: probe_libc:mmap: (7f0000098930)\na 1 [0] 1.3: probe_libc:free: (7f0000098930) ptr=0x10',
    );
    expect({ ...result.trace.skipped }).toEqual({ lost: 22, other_call: 2, torn: 1 });
    expect(result.trace.partial).toBe(true);
    expect(result.events).toBe(0);
  });

  test('calls at a linkage table slot are not what they are named', () => {
    const line = (event: string, rest: string) => `a 7 [0] 1.000001: probe_libc:${event} ${rest}\n`;
    const result = read(
      line('malloc:', '(7f21e5cb7930) size=1024') +
        line('malloc__return:', '(7f21e5cb7930 <- 5600) ret=0x1000') +
        line('calloc:', '(7f21e5c45030) n=4096 size=2048') +
        line('realloc:', '(7f21e5cb8130) ptr=0x1000 size=2048') +
        line('realloc__return:', '(7f21e5cb8130 <- 5600) ret=0x2000') +
        line('calloc__return:', '(7f21e5c45030 <- 5600) ret=0x2000') +
        line('realloc:', '(7f21e5c45010) ptr=0x9000 size=6') +
        line('realloc__return:', '(7f21e5c45010 <- 5600) ret=0x6'),
    );
    expect(result.ops).toEqual({ malloc: 1, realloc: 1 });
    expect(result.trace.skipped.mislabelled).toBe(4);
    expect(result.ledger.totalLiveBytes).toBe(2048);
  });

  test('mt 4 6000, cut: reallocs that also show as calloc of a pointer leave a peak that is possible', async () => {
    const bytes = await fixtureBytes('mt4_cut.perfscript.zst');
    const slots = Buffer.from(bytes)
      .toString()
      .match(/probe_libc:calloc(?:__return)?: \([0-9a-f]*030/g)!.length;
    const { ledger, trace } = tally(perfScript, bytes);
    expect(slots).toBe(182);
    expect(trace.skipped.mislabelled).toBe(slots);
    // What a reading of the lines gives that passes those probes by. Booked by their name they would be petabytes, booked as nothing 4,623,285 bytes.
    expect([ledger.totalPeakBytes, ledger.totalLiveBytes, ledger.totalLiveObjects]).toEqual([4955189, 4301503, 606]);
  });

  test('source lines', () => {
    const result = read(
      'a 7 [0] 1.0: probe_libc:malloc: (7f21e5cb7930) size=8\na 7 [0] 1.1: probe_libc:malloc__return: (7f21e5cb7930 <- 5600) ret=0x1000\n\t    16a5 main+0x90 (/bin/a)\n  a.c:12\n\n',
    );
    expect(framesOf(result, result.live.get(0x1000)!.stack)).toEqual([
      { fn: 'main', offset: 0x90, module: '/bin/a', file: 'a.c', line: 12 },
    ]);
  });
});

describe('ftrace', () => {
  // as trace-cmd prints events: tracecmd/trace-read.c, show_data and tep_print_event; addresses by the event's own print fmt
  test('as trace-cmd report prints it: no flags, addresses in the order of perf', async () => {
    const kernel = Buffer.from(await fixtureBytes('edge_mono.ftrace')).toString('latin1');
    const lines = kernel.split('\n').flatMap((line) => {
      const parts = /^ *(\S+)-(\d+) +(\[\d+\]) \S+ +([\d.]+): (\w+): \((\S+?)(?: <- (\S+?))?\)(.*)$/.exec(line);
      if (parts === null) return [];
      const [, command, tid, cpu, time, name, first, second, rest] = parts;
      const bare = (address: string) => address.replace('0x', '');
      const place = second === undefined ? bare(first) : `${bare(second)} <- ${bare(first)}`;
      return [`${`${command}-${tid}`.padStart(22)} ${cpu} ${time}: ${`${name}:`.padEnd(20)} (${place})${rest}`];
    });
    const bytes = utf8.encode(`version = 7\ncpus=2\nCPU:1 [12 EVENTS DROPPED]\nCPU:0 [EVENTS DROPPED]\n${lines.join('\n')}\n`);
    expect([ftrace.sniff(bytes) > 0.9, perfScript.sniff(bytes)]).toEqual([true, 0]);
    const [own, other] = [tally(ftrace, Buffer.from(kernel, 'latin1')), tally(ftrace, bytes)];
    expect(other.text).toEqual(own.text);
    expect(other.trace.threads.names).toEqual(own.trace.threads.names);
    expect(framesOf(other, 0)).toEqual(framesOf(own, 0));
    const { note: ownNotes, ...skipped } = own.trace.skipped;
    expect(ownNotes).toBeGreaterThan(0);
    expect(other.trace.skipped).toEqual({ ...skipped, note: 2, lost: 13 });
  });

  test.each([
    [
      '',
      '  a-7 [001] 1.000001: malloc:  (7f49f2bff930) size=10',
      '  a-7 [001] 1.000002: malloc__return: (7f49f2bff930 <- 55dcb249a6a5) ret=0x1000',
    ],
    [
      'of an instance',
      'g2i:      a-7 [001] 1.000001: malloc: (7f49f2bff930) size=10',
      'g2i:      a-7 [001] 1.000002: malloc__return: (7f49f2bff930 <- 55dcb249a6a5) ret=0x1000',
    ],
    [
      '--ts-diff',
      'a-7 [001] 1.000001:        malloc: (7f49f2bff930) size=10',
      'a-7 [001] 1.000002: (+1)   malloc__return: (7f49f2bff930 <- 55dcb249a6a5) ret=0x1000',
    ],
    [
      '-l',
      'a-7   1dNHff 1.000001: malloc:   (7f49f2bff930) size=10',
      'a-7   1dNHff 1.000002: malloc__return: (7f49f2bff930 <- 55dcb249a6a5) ret=0x1000',
    ],
    [
      '-R',
      'a-7 [001] 1.000001: malloc:   __probe_ip=7f49f2bff930 size=10',
      'a-7 [001] 1.000002: malloc__return: __probe_func=7f49f2bff930 __probe_ret_ip=55dcb249a6a5 ret=0x1000',
    ],
    [
      'fields',
      'a-7 [001] 1.000001: malloc: __probe_ip=0x7f49f2bff930 (140286247004464) size=0xa (10)',
      'a-7 [001] 1.000002: malloc__return: __probe_func=0x7f49f2bff930 (140286247004464) __probe_ret_ip=0x55dcb249a6a5 (94405) ret=0x1000 (4096)',
    ],
  ])('a call as trace-cmd report prints it: %s', (_, ...lines) => {
    const result = read(`cpus=2\n${lines.join('\n')}\n`, ftrace);
    expect(result.text).toEqual([expect.stringMatching(/^malloc 0 \d+ 4096 0 10 0/)]);
    expect(result.trace.threads.names).toEqual(['a']);
    expect(framesOf(result, [...result.live.values()][0]!.stack)).toEqual([{ pc: 0x55dcb249a6a5n }]);
    expect({ ...result.trace.skipped }).toEqual({ note: 1 });
  });

  test('stacks are left out, and options that leave out what a call needs are refused', () => {
    const call =
      '  a-7 [001] DBZff 1.000001: malloc: (0x7f49f2bff930) size=10\n  a-7 [001] DBZff 1.000001: <user stack trace>\n =>  <00007f49f2bff930>\n => /bin/a[+0x10]\n' +
      '  a-7 [001] DBZff 1.000002: malloc__return: (0x55dcb249a6a5 <- 0x7f49f2bff930) ret=0x1000\n';
    const result = read(`# tracer: nop\n${call}`, ftrace);
    expect(result.ops).toEqual({ malloc: 1 });
    expect({ ...result.trace.skipped }).toEqual({ note: 4 });
    expect(result.trace.warnings).toContainEqual(expect.stringContaining('userstacktrace are left out (1)'));
    const bare = 'malloc: (0x7f8811459930) size=5\nfree: (0x7f8811459ef0) ptr=0x1000\n';
    expect(() => read(`# tracer: nop\n#\n${bare}`, ftrace)).toThrow(/^trace: no line is an event as the kernel prints it by default$/);
  });

  test('lines that end as on Windows', async () => {
    const kernel = Buffer.from(await fixtureBytes('edge_mono.ftrace')).toString('latin1');
    const [own, other] = [kernel, kernel.replaceAll('\n', '\r\n')].map((text) => tally(ftrace, Buffer.from(text, 'latin1')));
    expect(other.text).toEqual(own.text);
    expect(other.trace.skipped).toEqual(own.trace.skipped);
  });

  test('edge among other processes: the one with the most whole calls', async () => {
    const local = tally(ftrace, await fixtureBytes('edge_local.ftrace'));
    const mono = tally(ftrace, await fixtureBytes('edge_mono.ftrace'));
    expect(local.ops).toEqual({ free: 39, malloc: 37 });
    expect(local.trace.skipped).toMatchObject({ note: 12 });
    expect(mono.ops).toEqual(local.ops);
    expect(framesOf(local, local.live.values().next().value!.stack)[0].pc! >> 40n).toBe(0x55n);
  });

  test.each([
    ['mono', 'my-app-1-12      [001] DBZff ', ['37814.977469', '37814.977470', '37814.977472'], 2000],
    ['latency-format', 'my-app-1-12      0DBZff ', ['29259us ', '29261us+', '29262us!'], 1000],
    ['latency-format of older kernels', 'my-app-1-12      1d..1  ', ['  9us ', ' 10us ', ' 12us '], 2000],
    ['x86-tsc', 'my-app-1-12      [001] DBZff ', ['98326030889206', '98326030891306', '98326030891406'], 100],
    ['counter', 'my-app-1-12      [001] DBZff ', ['        5421', '        5422', '        5423'], 1],
    ['x86-tsc and latency-format', 'my-app-1-12      0DBZff ', ['116937873', '116942251', '116942253'], 2],
  ] as const)('%s: heads of lines, and times', (name, head, times, between) => {
    const calls = [
      'malloc: (0x7f0000098930) size=5',
      'malloc__return: (0x5500000010 <- 0x7f0000098930) ret=0x1000',
      'free: (0x7f0000098940) ptr=0x1000',
    ];
    const { ops, trace, text } = read(times.map((time, i) => `   ${head}${time}: ${calls[i]}\n`).join(''), ftrace);
    expect([ops, { ...trace.skipped }, trace.threads.names]).toEqual([{ malloc: 1, free: 1 }, {}, ['my-app-1']]);
    expect(text[1]).toContain(` ${between} `);
    expect(trace.warnings.length).toBe(/tsc|counter/.test(name) ? 1 : 0);
  });

  test('columns in any number, process ids, lost events', () => {
    const result = read(
      '# tracer: nop\nCPU:1 [LOST 5 EVENTS]\n my-app-1-12  (   10) [001] d..1.  5.000001: malloc: (0x7f0000098930) size=5\n my-app-1-12  (   10) [001] 5.000002: malloc__return: (0x5500000010 <- 0x7f0000098930) ret=0x1000\n a-1 [0] .... 6.0: sched_switch: x\nrubbish\n',
      ftrace,
    );
    expect(result.ops).toEqual({ malloc: 1 });
    expect({ ...result.trace.skipped }).toEqual({ note: 1, lost: 5, other_call: 1, unparsed: 1 });
    expect(result.trace.header.pid).toBe(10);
    expect(result.trace.threads.names).toEqual(['my-app-1']);
    expect(framesOf(result, 0)).toEqual([{ pc: 0x5500000010n }]);
  });
});

describe('any input', () => {
  const samples: [string, TraceFormat, TraceFormat][] = [
    ['edge_nog.perfscript', perfScript, ftrace],
    ['edge_ns_fields.perfscript', perfScript, ftrace],
    ['leakycpp_dwarf.perfscript.zst', perfScript, ftrace],
    ['edge_mono.ftrace', ftrace, perfScript],
  ];

  test.each(samples)('%s reads the same however it is cut', async (name, format) => {
    const bytes = (await fixtureBytes(name)).subarray(0, 60000);
    readsTheSameHoweverCut(format, bytes);
  });

  test.each(samples)('%s is recognised from its head, and only as what it is', async (name, format, other) => {
    const bytes = await fixtureBytes(name);
    expect(format.sniff(bytes.subarray(0, 65536))).toBeGreaterThan(0.9);
    expect(format.sniff(bytes.subarray(0, 2000))).toBeGreaterThan(0.5);
    expect(other.sniff(bytes.subarray(0, 65536))).toBe(0);
  });

  const line = 'p 7 [000] 1.000001: probe_libc:malloc: (7ff4a207d930) size=5';

  test('lines of text that was copied from a terminal end in spaces', () => {
    const text = `${line}   \np 7 [000] 1.000002: probe_libc:malloc__return: (7ff4a207d930 <- 7ff4a201e221) ret=0x1000  \n`;
    expect(perfScript.sniff(Buffer.from(text))).toBeGreaterThan(0.9);
    expect(tally(perfScript, Buffer.from(text)).events).toBe(1);
  });

  test('a probe whose arguments are none of a call does not make a recording', () => {
    expect(perfScript.sniff(Buffer.from(`${line}\u001b[0m\n`.repeat(3)))).toBe(0);
  });

  test('other formats are not recognised', async () => {
    for (const name of [
      'edge_split_bpftracefmt.txt',
      'leaky_ra.txt.zst',
      'leaky_trace_t.txt.zst',
      'sqlite_x_ttt.ltrace.zst',
      'leaky_interval.txt',
    ]) {
      const head = (await fixtureBytes(name)).subarray(0, 65536);
      expect([perfScript.sniff(head), ftrace.sniff(head)], name).toEqual([0, 0]);
    }
  });

  test('rubbish is counted, never taken', async () => {
    const good = (await fixtureBytes('leakycpp_dwarf.perfscript.zst')).subarray(0, 6000);
    neverTakesRubbish(perfScript, good);
    neverTakesRubbish(ftrace, await fixtureBytes('edge_mono.ftrace'));
  });
});
