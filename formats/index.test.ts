import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { AccountReplay } from '../core/replay/accounts.ts';
import { Trace } from '../core/trace/trace.ts';
import { fixtureBytes } from '../fixtures/tally.ts';
import { testFolder } from '../fixtures/test_folder.ts';
import { nameOther } from './not_traces.ts';
import { FORMATS, formatNamed, readTrace, sniffFormat, type ReadTraceOptions, type Source } from './index.ts';

const TRACES = readdirSync(fileURLToPath(new URL('../fixtures/traces/', import.meta.url))).filter((name) => !name.endsWith('.md'));

/** Formats that a fixture's extension names. The name is for people: the program never sees it. */
const BY_EXTENSION = new Map([
  ['ltrace', 'ltrace'],
  ['perfscript', 'perf'],
  ['ftrace', 'ftrace'],
  ['heaptrack', 'heaptrack'],
  ['mtrace', 'mtrace'],
]);

/** Known by their format, and refused: they hold sums or samples, not calls. */
const REFUSED = /^(?:leaky_interval|leakycpp_s5)\.txt$|\.prof_(?:log|recent)\.json$/;

async function read(source: Source, options: ReadTraceOptions = {}) {
  const trace = new Trace();
  let events = 0;
  const format = await readTrace(source, trace, (batch) => void (events += batch.length), { name: 'x', ...options });
  return { trace, events, format: format.name };
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

describe('every recorded trace', () => {
  test.each(TRACES)('%s is known by its content, and by no other format', async (name) => {
    const bytes = await fixtureBytes(name);
    for (const length of [65536, 4096]) {
      const head = bytes.subarray(0, length);
      const sure = FORMATS.map((format) => ({ name: format.name, sure: format.sniff(head) })).filter((format) => format.sure > 0);
      expect(sure.length, JSON.stringify(sure)).toBe(1);
      const expected = BY_EXTENSION.get(/\.([a-z]+)(?:\.raw)?(?:\.zst)?$/.exec(name)?.[1] ?? '');
      if (expected !== undefined) expect(sure[0].name).toBe(expected);
    }
    if (REFUSED.test(name)) await expect(read(bytes)).rejects.toThrow(/is a summary, not a trace|cannot be replayed/);
    else expect((await read(bytes)).events).toBeGreaterThan(0);
  });
});

describe('reading', () => {
  const LINES = Array.from(
    { length: 20_000 },
    (_, i) =>
      `7 ${1795218296 + Math.floor(i / 1000)}.${String((i % 1000) * 1000).padStart(6, '0')} p->malloc(${i}) = 0x${(4096 + 16 * i).toString(16)}\n`,
  );
  const BYTES = Buffer.from(LINES.join(''));

  test('hands over all events, says how far it is, finds the format', async () => {
    const progress: [number, number | undefined][] = [];
    const { trace, events, format } = await read(gzipSync(BYTES), { onProgress: (done, total) => progress.push([done, total]) });
    expect([format, events, trace.header.source, trace.partial]).toEqual(['ltrace', 20_000, 'ltrace', false]);
    const last = progress.at(-1);
    expect(last?.[0]).toBe(last?.[1]);
  });

  test('a sink that has enough ends it', async () => {
    let batches = 0;
    const trace = new Trace();
    await readTrace(BYTES, trace, () => ++batches < 2, { name: 'x' });
    expect(batches).toBe(2);
  });

  test('an error of the sink is not swallowed', async () => {
    const failing = () => {
      throw new RangeError('mine');
    };
    await expect(readTrace(BYTES, new Trace(), failing, { name: 'x' })).rejects.toThrow(RangeError);
  });

  test('a signal ends it after what was read', async () => {
    const controller = new AbortController();
    const { trace, events } = await read(chunksOf(BYTES, 100_000), {
      signal: controller.signal,
      onProgress: (done) => {
        if (done > 300_000) controller.abort();
      },
    });
    expect(trace.partial).toBe(true);
    expect(events).toBeGreaterThan(4000);
    expect(events).toBeLessThan(15_000);
  });

  test('compression that breaks off gives what came through', async () => {
    const packed = gzipSync(BYTES);
    const { trace, events } = await read(packed.subarray(0, packed.length >> 1));
    expect(trace.partial).toBe(true);
    expect(events).toBeGreaterThan(1000);
    expect(trace.warnings[0]).toContain('breaks off');
  });

  test('the format can be forced, and is named if it is unknown', async () => {
    await expect(read(BYTES, { from: 'ndjson' })).rejects.toThrow('x:1: not JSON');
    expect(() => formatNamed('toString')).toThrow('unknown format "toString"');
    expect(formatNamed('ltrace').name).toBe('ltrace');
  });

  test('a change of format in the middle is noticed', async () => {
    const line = '{"op":"malloc","size":1,"ptr":"0x10"}\n';
    await expect(read(Buffer.from(line + LINES[0]))).rejects.toThrow('x:2: not JSON');
    await expect(read(Buffer.from(LINES.slice(0, 100).join('') + line.repeat(3) + LINES[100]))).rejects.toThrow(
      `x:101: from here on the lines look like ndjson, not ltrace: ${JSON.stringify(line.trimEnd())}`,
    );
    await expect(read(Buffer.from(LINES.slice(0, 100).join('') + 'hello\n'.repeat(100)))).rejects.toThrow(
      'x:101: from here on 32 lines in a row are not ltrace',
    );
  });

  test.each(['{"op":"started"}\n', 'v 1 2\n', '@ done\n', '==1== hello\n', '12 34 free lunches\n', '# remark\n'])(
    '%j, which a program prints, is counted',
    async (line) => {
      const { trace } = await read(Buffer.from(LINES.map((call, at) => call + (at % 100 === 0 ? line.repeat(5) : '')).join('')));
      expect(trace.skipped.unparsed).toBe(1000);
    },
  );
});

describe('a recording followed by some lines of another format is refused', () => {
  /** A recording of each, and where in it lines can be taken that show what it is. */
  const RECORDINGS = [
    ['ltrace', 'py_x_ttt.ltrace.zst', 200],
    ['bpftrace', 'edge_split_bpftracefmt.txt', 1],
    ['bpftrace', 'leaky_500_jereplay.txt.zst', 100],
    ['perf', 'edge_nog.perfscript', 10],
    ['ftrace', 'edge_local.ftrace', 20],
    ['memleak', 'leaky_trace_t.txt.zst', 100],
    ['heaptrack', 'edge.heaptrack.zst', 0],
    ['mtrace', 'mtr.mtrace', 100],
    ['valgrind', 'calls.valgrind.txt', 30],
  ] as const;
  const linesOf = async (file: string) =>
    Buffer.from(await fixtureBytes(file))
      .toString('latin1')
      .split(/(?<=\n)/);

  test.each(RECORDINGS)('%s (%s)', async (name, file) => {
    const lines = await linesOf(file);
    for (const [other, otherFile, from] of RECORDINGS) {
      if (other === name) continue;
      const tail = (await linesOf(otherFile)).slice(from, from + 9);
      const reading = read(Buffer.from([...lines, ...tail].join(''), 'latin1'));
      // Of two short ones the other may be the one that is read; then the recording before it is what does not fit.
      await expect(reading, otherFile).rejects.toThrow(
        new RegExp(
          `^x:\\d+: from here on the lines (look like (${other}, not|${name}, not ${other})|are ${other}, those before it look like ${name})`,
        ),
      );
    }
  });
});

test.each([
  [
    'bpftrace',
    '10 1.000001 p->malloc(8) = 0x1000\n10 1.000002 p->free(0x1000) = <void>\n10 1.000003 +++ exited (status 0) +++\n',
    'Attaching 11 probes...\n100 7 7 malloc(64) = 0x2000\n101 7 7 malloc(64) = 0x3000\n102 7 7 malloc(64) = 0x4000\n',
    'ltrace',
  ],
  [
    'perf',
    '= Start\n@ ./a:[0x1] + 0x1000 0x8\n@ ./a:[0x1] - 0x1000\n',
    ' t 7 [000] 1.000001: probe_libc:malloc: (7ff4a207d930) size=5\n'.repeat(9),
    'mtrace',
  ],
])('a recording by %s that has a shorter one before it is refused where it begins', async (name, before, after, other) => {
  await expect(read(Buffer.from(before + after))).rejects.toThrow(
    `x:4: from here on the lines are ${name}, those before it look like ${other}`,
  );
});

describe('what is no trace is named', () => {
  test.each([
    ['89504e470d0a1a0a0000000d49484452', 'is a PNG image, not a trace'],
    ['7f454c46020101000000000000000000', 'is an ELF program or library, not a trace'],
    ['50455246494c45326800000000000000', "is perf's binary data, not a trace"],
    ['fd377a585a000004e6d6b446020021', 'is compressed by xz, not a trace'],
    ['1f9d90', 'is compressed by compress, not a trace'],
    ['37a430ec2a000000', 'is a dictionary of zstd, not a trace'],
    ['526172211a0700cf', 'is a RAR archive, not a trace'],
    ['5d00008000ffffffffffffffff00', 'is compressed by lzma, not a trace'],
    ['0001020300010203', 'x:byte 0: binary data, not a trace'],
  ])('%s', async (hex, message) => {
    await expect(read(Buffer.from(hex, 'hex'))).rejects.toThrow(message);
  });

  test.each([
    [
      '% time     seconds  usecs/call     calls      function\n 47.65    0.123039          82      1500 free\n',
      'is a summary of calls by ltrace -c or strace -c',
    ],
    ['heap_v2/524288\n  t*: 1: 2 [0: 0]\n', 'is a jemalloc heap profile'],
    ['execve("/bin/true", ["true"], 0x7ffd) = 0\nbrk(NULL) = 0x55d0c0000000\n', 'is a recording of system calls by strace'],
    ['Attaching 3 probes...\n14:51:58 jq 16572 malloc size=1\n', 'is output of a bpftrace script whose lines are none of those'],
    ['Attaching to pid 21501, Ctrl+C to quit.\n', 'is what bcc’s memleak says before its first table, and no table'],
    [
      'Tracing 1 functions for "c:malloc"... Hit Ctrl-C to end.\n^C\n  malloc\n  main\n    4\n',
      'is a count or a histogram by one of bcc’s tools',
    ],
    ['[01:42:29]\np:c:malloc(size_t size):size_t:size\n\tCOUNT      EVENT\n', 'is a count or a histogram by one of bcc’s tools'],
    ['PID     TID     COMM            FUNC             -\n7 7 a malloc size = 24\n', 'is output of bcc’s tool trace'],
    [
      'leaky 29134 61102.851717:     250000 cpu-clock: \n\t    150af f+0x2f (/bin/a)\n\n',
      'is output of perf script with no event of the allocator',
    ],
    ['   leaky 29460 [001] 61105.737563:  syscalls:sys_enter_brk: brk: 0x0\n', 'is output of perf script with no event of the allocator'],
    ['     7.759 ( 0.031 ms): ls/29718 brk()      = 0x565224841000\n', 'is output of perf trace'],
    ['# ========\n# captured on    : Sun Nov 22\n', 'is no more than the header of perf'],
    ['malloc(24) == 0x55c4a022c2a0\n main+0x10\n caller+0x20\n', 'is text with calls in a form of its own'],
    ['main.c:5 realloc(p)\t-> 0x55c4a022c2a0\n', 'is text with calls in a form of its own'],
    ['1. [01:33:32.811] malloc(1003) = 0x1a4b010\n\t0x4006f1 (in three at a.c:62)\n\t0x400739\n', 'is a log of sp-rtrace'],
    ['Process 29835: 558 nodes malloced for 47 KB\n', 'is a report of macOS’s leaks'],
    ['Process:  ft_ls [29835]\nAnalysis Tool:   /usr/bin/heap\n', 'is a report of macOS’s tools for memory'],
    ['Visual Leak Detector Version 2.2 installed.\n', 'is a report of Visual Leak Detector'],
    ['Detected memory leaks!\r\nDumping objects ->\r\n', 'is what Microsoft’s C library lists'],
    ['+  154944 ( 154944 -      0)      1 allocs\tBackTrace9933FD81\n', 'is a log of UMDH'],
    ['00005320 bytes in 0x14 allocations (@ 0x00000428) by: BackTrace00B53\n', 'is a log of UMDH'],
    ['~~Dr.M~~ \n~~Dr.M~~ Error #1: LEAK 0 bytes\n', 'is a report of Dr. Memory'],
    ["1677916302: 18: Dmalloc version '5.6.5' from 'http://dmalloc.com/'\n", 'is a log of dmalloc'],
    [' ------\r\n|    Memory leak report for:  08/08/2004 15:33:09    |\r\n', 'is a leak report of Nettle’s memory manager'],
    ['00001 ??(00000)::??      new[]            :         24 bytes     \r\n', 'is a log of Nettle’s memory manager'],
    ['\n  Electric Fence 2.2 Copyright (C) 1987-1999\n', 'is what Electric Fence prints'],
    ['==65042== Heapusage - https://\n==65042== HEAP SUMMARY:\n', 'is a report of heapusage'],
    ['Android Native Heap Dump v1.2\n\n', 'is a native heap dump of Android'],
    ['callstack[1] expires. count=1 size=1024/1024 alloc=1 free=0\n', 'is a log of libleak'],
    ['  24 bytes in 1 unreachable allocations\n', 'is a report of Android’s libmemunreachable'],
    ['----\nMALLOC:     3171176096 ( 3024.3 MiB) Bytes in use by application\n', 'is tcmalloc’s statistics'],
    ['heap stats:    peak       total       freed     current\n', 'is mimalloc’s statistics'],
    ['<malloc version="1">\n', 'is what glibc’s malloc_stats or malloc_info prints'],
    ['55d0c0000000-55d0c0100000 r-xp 00000000 fe:00 123 /usr/bin/a\n', 'is a map of a process’s memory'],
    [' virtual                     shared   shared  private  private\n', 'is what Android’s showmap prints'],
    ['{\n"dhatFileVersion": 2,\n"mode": "rust-heap",\n', "is DHAT's output"],
    ["- 0x0000000005633290 Free 521 was never alloc'd 0x2b8bfe05c493\n", 'is what the script mtrace prints'],
    ['# DURATION     TID     FUNCTION\n            [ 27931] | main() {\n', 'is output of uftrace'],
    ['[pid  7] munmap(0x7f8c3a000000, 8192) = 0\n', 'is a recording of system calls by strace'],
    [
      '  sleep  5924 [002] 256797.635705: probe_libc:malloc: (7fd7e092a640)\n',
      'is output of perf or ftrace with probes that have no arguments',
    ],
    [
      '  a-7 [001] d... 156741.233725: malloc: (0x561cfdeb3204 <- 0x7fe7a77af7a0)\n',
      'is output of perf or ftrace with probes that have no arguments',
    ],
    ['#!/bin/sh\necho\n', 'is a script'],
    ['\n<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n', 'is an HTML page'],
    ['<HTML><body>', 'is an HTML page'],
    ['version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n', 'is a pointer of Git LFS'],
    ['[{"op":"malloc","size":1,"ptr":"0x10"},\n', 'is a JSON array of events'],
    ['{\n  "op": "malloc",\n', 'is JSON with events over several lines'],
    ['# callgrind format\nversion: 1\ncreator: xtree-1\n', 'is a call graph in callgrind’s format'],
    ['main;f;g 12\nmain;h 3\n', 'is collapsed stacks'],
    ['#-----------\nsnapshot=0\n#-----------\ntime=0.002\n', 'is what heaptrack_print -M writes'],
    ['reading file "a.zst" - please wait, this might take some time...\n', 'is what heaptrack_print prints'],
    [`${'-'.repeat(80)}\nCommand:            ./a\nMassif arguments:   (none)\n`, 'is what ms_print prints'],
    ['\nMemory not freed:\n-----------------\n   Address     Size     Caller\n', 'is what the script mtrace prints'],
    ['No memory leaks.\n', 'is what the script mtrace prints'],
    ['\n\u001b[01;32mMemory usage summary:\u001b[0;0m heap total: 42, heap peak: 4\n', 'is what glibc’s memusage prints'],
    ['{"head":{"callFrame":{"functionName":"(root)"', 'is a heap profile of V8'],
    ['{"snapshot":{"meta":{"node_fields"', 'is a heap snapshot of V8'],
    ['JAVA PROFILE 1.0.2\0\0\0\0\x08', 'is a Java heap dump'],
    ['{"nodes":[{"id":1,"callFrame":{"functionName":"(root)"', 'is a CPU profile of V8'],
    ['{\n  "version": "0.0.1",\n  "$schema": "https://www.speedscope.app/file-format-schema.json"', 'is a profile of speedscope'],
    ['{"traceEvents": [\n{"pid":7796', 'is events of Chrome’s tracing'],
    ['FLR\0\0\x02\0\x01', 'is a recording of Java’s Flight Recorder'],
    ['memray\0\0\0\0\x0c', 'is a capture of memray'],
    ['Nettrace\x14\0\0\0!FastSerialization.1', 'is a recording of .NET’s events'],
    ['go 1.22 trace\0\0\0', 'is what Go’s runtime/trace writes'],
    ['File: app\nType: cpu\nTime: Feb 10, 2022 at 4:08pm (UTC)\n', 'is what go tool pprof prints'],
    ['PeriodType: cpu nanoseconds\nPeriod: 10000000\n', 'is what go tool pprof prints'],
    ['Total: 0.5 MB\n     0.5 100.0% 100.0%      0.5 100.0% f\n', 'is a table of jeprof or jereplay report'],
    ['\tSun Aug  6 14:52 2023 Time and Allocation Profiling Report  (Final)\n', 'is a profile of GHC'],
    ['{"version":1.2,"mode":"object","interval":1,"samples":103', 'is a profile of stackprof'],
    [
      '\n\nDear reader,\nthis is a letter.\n',
      `x:3: "Dear reader," fits no trace format (compared with ${FORMATS.map((format) => format.name).join(', ')})`,
    ],
    ['\n\r\n\n', 'holds nothing but line ends'],
    ['<script>alert(1)</script>\u001b[31m\n', 'x:1: "<script>alert(1)</script>\\u001b[31m" fits no trace format'],
    [`${'x'.repeat(200_000)}\n`, `x:1: "${'x'.repeat(60)}…" fits no trace format`],
  ])('%j', async (text, message) => {
    await expect(read(Buffer.from(text))).rejects.toThrow(message);
  });

  test.each([
    ['a number', (i: number) => `${i + 1}:`, "sed -E 's/^ *[0-9]+[:\\t ] *//' FILE"],
    ['a number', (i: number) => `     ${i + 1}\t`, "sed -E 's/^ *[0-9]+[:\\t ] *//' FILE"],
    ['colours', () => '\x1b[0;32m', "sed -E 's/\\x1b\\[[0-9;]*m//g' FILE"],
    ['a tab or a mark of quotation', () => '> ', "sed -E 's/^[>\\t ]+//' FILE"],
    ['a time', () => '2026-11-22T18:00:01.000000001Z ', "sed -E 's/^[^ ]+ //' FILE"],
    ['a time', () => 'Nov  2 18:00:01 ', "sed -E 's/^([^ ]+ +){3}//' FILE"],
    ['what a log adds', () => 'Nov 22 18:00:01 host app[12]: ', "sed -E 's/^([^ ]+ +){4}[^ ]+: //' FILE"],
    ['a name', () => 'app_1  | ', "sed -E 's/^[^ ]+ +\\| //' FILE"],
  ])('%s before each line is told of, with what takes it off: %#', async (what, before, command) => {
    const lines = Array.from({ length: 12 }, (_, i) => `${before(i)}malloc@libc.so.6(${i}) = 0x${i + 1}000`);
    await expect(read(Buffer.from(`${lines.join('\n')}\n`))).rejects.toMatchObject({
      message: `x: has ${what} before its lines; without, it is ltrace’s`,
      hint: `take that off: ${command}`,
    });
  });

  test.each([
    ['26: ', 'a number', '==7== 8 bytes in 1 blocks are definitely lost in loss record 1 of 2', "Memcheck's output"],
    ['> ', 'a tab or a mark of quotation', 'Direct leak of 8 byte(s) in 1 object(s) allocated from:', "LeakSanitizer's report"],
  ])('reports with %j before each line are named: %s', async (before, what, line, named) => {
    await expect(read(Buffer.from(`${before}${line}\n`.repeat(9)))).rejects.toThrow(
      `x: has ${what} before its lines; without, it is ${named}`,
    );
  });

  test('where nothing is read and lines are passed over, a note says so', async () => {
    const { trace } = await read(Buffer.from('hello\nworld\n'), { from: 'ltrace' });
    expect(trace.warnings).toContain('no allocation and no free was read, and 2 lines fit no rule of ltrace’s');
  });

  test('where all calls are of other functions, a note says so', async () => {
    const { trace } = await read(Buffer.from('strlen("ls") = 2\nputs("ls") = 3\n+++ exited (status 0) +++\n'));
    expect(trace.warnings).toContain('no allocation and no free was read, but 2 calls of other functions');
  });

  test('nothing but an end is empty', async () => {
    await expect(read(Buffer.alloc(0))).rejects.toThrow('x: is empty');
    expect(sniffFormat(new Uint8Array(0))).toBe(undefined);
  });
});

test.each([
  ['==7== Memcheck, a memory error detector\n', "Memcheck's output"],
  [
    '<?xml version="1.0"?>\n\n<valgrindoutput>\n\n<protocolversion>4</protocolversion>\n<protocoltool>memcheck</protocoltool>\n',
    "Memcheck's output",
  ],
  ['=====\n==7==ERROR: LeakSanitizer: detected memory leaks\n', "LeakSanitizer's report"],
  ['Indirect leak of 8176 byte(s) in 1 object(s) allocated from:\n', "LeakSanitizer's report"],
  ['==7== \n==7== HEAP SUMMARY:\n==7==     in use at exit: 3,080 bytes in 1 blocks\n', "Memcheck's output"],
  ['WARNING: Perftools\nLeak check _main_ detected leaks of 400 bytes in 20 objects\n', 'a report of gperftools’ heap checker'],
])('%j is named, with the command that shows it', (text, what) => {
  expect(nameOther(Buffer.from(text))).toMatchObject({ what, hint: expect.stringContaining('jereplay leaks FILE') });
});

test('the end of a file is read first where a model may ask for the CPUs that it tells of, not for accounts', async () => {
  const path = join(testFolder(), 'app.ltrace');
  writeFileSync(path, `${'7 1.000001 a->malloc(1) = 0x1000\n7 1.000001 a->free(0x1000) = <void>\n'.repeat(10_000)}# jereplay ncpus 3\n`);
  const cpusAtFirst = async (options: (trace: Trace) => ReadTraceOptions) => {
    const trace = new Trace();
    const told: (number | undefined)[] = [];
    await readTrace(path, trace, () => void told.push(trace.header.ncpus), options(trace));
    expect(trace.header.ncpus).toBe(3);
    return told[0];
  };
  expect(await cpusAtFirst(() => ({}))).toBe(3);
  expect(await cpusAtFirst((trace) => ({ accounts: new AccountReplay(trace) }))).toBeUndefined();
});
