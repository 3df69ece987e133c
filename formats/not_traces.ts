/**
 * Files that people hand over in place of a trace, by their first bytes: to say what they are.
 */
import { ascii, findWord, hasWord, textOf } from './shared/cursor.ts';

/** What an input is, and what to do with it. */
export interface Other {
  readonly what: string;
  readonly hint?: string;
}

const ONE_BY_ONE = 'record calls one by one: bcc’s memleak -t, or jereplay record -- PROGRAM';
const PROBES = 'probe malloc and the others as the README says, or record with jereplay record -- PROGRAM';
const SUMMARY = 'record calls one by one instead (without the option that only counts them)';
const NO_CALLS = 'it lists no calls: jereplay record -- PROGRAM makes a recording of them';
const ELSEWHERE = 'it lists no calls: record the program on Linux, with jereplay record -- PROGRAM';
const RATHER_PAIRS = 'jereplay record -- PROGRAM makes a recording with stacks that is read';

/** First bytes in hex, what they are, what to do. */
const MAGICS: readonly (readonly [string, string, string?])[] = [
  ['89504e470d0a1a0a', 'a PNG image'],
  ['ffd8ff', 'a JPEG image'],
  ['47494638', 'a GIF image'],
  ['25504446', 'a PDF document'],
  ['7f454c46', 'an ELF program or library', 'record it first: jereplay record -- PROGRAM'],
  ['504b0304', 'a zip archive', 'unpack it first'],
  ['fd377a585a00', 'compressed by xz', 'decompress it first: xz -d'],
  ['425a68', 'compressed by bzip2', 'decompress it first: bzip2 -d'],
  ['04224d18', 'compressed by lz4', 'decompress it first: lz4 -d'],
  ['1f9d', 'compressed by compress', 'decompress it first: gzip -d'],
  ['37a430ec', 'a dictionary of zstd', 'name what was compressed with it: zstd -d -D DICTIONARY'],
  ['377abcaf271c', 'a 7-zip archive', 'unpack it first'],
  ['526172211a07', 'a RAR archive', 'unpack it first'],
  ['5d00008000ffffffffffffffff', 'compressed by lzma', 'decompress it first: xz -d --format=lzma'],
  ['50455246494c4532', "perf's binary data", 'turn it into text first: perf script -i FILE'],
  [
    '464c5200',
    'a recording of Java’s Flight Recorder',
    'jfrconv --alloc -o collapsed FILE FILE.txt makes collapsed stacks, which jereplay report opens',
  ],
  ['6d656d72617900', 'a capture of memray', 'see it with memray flamegraph FILE'],
  ['4e65747472616365', 'a recording of .NET’s events', 'see it in PerfView'],
  ['53514c69746520666f726d61742033', 'an SQLite database'],
  ['cafebabe', 'a Java class or a Mach-O program'],
  ['213c617263683e', 'a static library'],
  ['fffe', 'UTF-16 text', 'convert it first: iconv -f utf-16 -t utf-8'],
  ['feff', 'UTF-16 text', 'convert it first: iconv -f utf-16 -t utf-8'],
];

/** First bytes as text. */
const OPENINGS: readonly (readonly [string, string, string?])[] = [
  ['% time     seconds', 'a summary of calls by ltrace -c or strace -c', SUMMARY],
  ['heap_v2/', 'a jemalloc heap profile', 'see it with jereplay report FILE'],
  ['--- symbol', 'a symbolized heap profile', 'see it with jereplay report FILE'],
  ['heap profile:', 'a gperftools heap profile', 'see it with jereplay report FILE'],
  ['___ Begin jemalloc statistics ___', "jemalloc's statistics"],
  ['{"jemalloc":', "jemalloc's statistics"],
  ['desc: ', "Massif's output", 'see it with jereplay report FILE'],
  [
    '# callgrind format',
    'a call graph in callgrind’s format',
    'see it with kcachegrind; of Valgrind, --xtree-memory=full --xtree-memory-file=NAME.ms and --leak-check=full have whole stacks',
  ],
  ['<?xml', 'an XML document'],
  ['version https://git-lfs.github.com/', 'a pointer of Git LFS', 'fetch what it stands for: git lfs pull'],
  ['#!', 'a script', 'record it first: jereplay record -- PROGRAM'],
  [
    'Attaching to pid ',
    'what bcc’s memleak says before its first table, and no table',
    'memleak --combined-only crashes before it prints; record with memleak -t',
  ],
  ['uprobe:', 'a bpftrace script', 'run it first, and hand over its output'],
  ['event,address,', 'a comma-separated table'],
  ['#-----------', 'what heaptrack_print -M writes, which is not Massif’s form', 'hand over heaptrack’s recording itself'],
  ['{"head":{"callFrame"', 'a heap profile of V8', 'see it in Chrome: DevTools, Memory, Load profile'],
  ['{"snapshot":{"meta"', 'a heap snapshot of V8', 'see it in Chrome: DevTools, Memory, Load profile'],
  ['{"nodes":[{"id":', 'a CPU profile of V8', 'see it in Chrome: DevTools, Performance, Load profile'],
  ['JAVA PROFILE 1.', 'a Java heap dump (hprof)', 'see it in Eclipse’s Memory Analyzer'],
];

/** What tools print of recordings. */
const PRINTED: readonly (readonly [RegExp, string, string])[] = [
  [/^leaks Report Version: |^Process \d+: \d+ (?:nodes malloced|leaks) for /m, 'a report of macOS’s leaks', ELSEWHERE],
  [/^Analysis Tool: .*\/(?:heap|malloc_history|vmmap)$/m, 'a report of macOS’s tools for memory', ELSEWHERE],
  [/Visual Leak Detector |^-{10} Block \d+ at 0x/m, 'a report of Visual Leak Detector', ELSEWHERE],
  [
    /^Detected memory leaks!\r?$|^\{\d+\} (?:normal|client|crt) block at 0x/m,
    'what Microsoft’s C library lists of blocks that are left',
    ELSEWHERE,
  ],
  [
    /\ballocs\s+BackTrace ?[\dA-F]|^[\da-f]{8} bytes in 0x[\da-f]+ allocations \(@ 0x|^\*(?:- )+Start of data for heap/im,
    'a log of UMDH',
    ELSEWHERE,
  ],
  [/^(?:~~\S+~~ )?(?:Dr\. Memory (?:version|results)|Error #\d+: (?:POSSIBLE )?LEAK )/m, 'a report of Dr. Memory', NO_CALLS],
  [/^\d+: \d+: +(?:Dmalloc version|starting time = |Dumping |not freed: )/m, 'a log of dmalloc', NO_CALLS],
  [/^ *Electric Fence \d/m, 'what Electric Fence prints', NO_CALLS],
  [/^ +[\w.-]+`\w+\+0x[\da-f]+$/m, 'output of DTrace', ELSEWHERE],
  [/^\| +Memory leak report for: +\d/m, 'a leak report of Nettle’s memory manager (mmgr)', NO_CALLS],
  [/^\d{5,} \S.* (?:\w*alloc|new(?:\[\])?) {12}: +[\d,]+ bytes/m, 'a log of Nettle’s memory manager (mmgr)', RATHER_PAIRS],
  [/^CallStack\[\d+\]: memory expires with /m, 'a log of memleax', NO_CALLS],
  [/^(?:# callstack statistics:|callstack\[\d+\](?: expires\.|: may-leak=))/m, 'a log of libleak', NO_CALLS],
  [
    /^ *\d+ bytes in \d+ unreachable allocations?$|^ *\d+ bytes unreachable at [\da-f]+$/m,
    'a report of Android’s libmemunreachable',
    NO_CALLS,
  ],
  [/^MALLOC: +\d+ \(/m, 'tcmalloc’s statistics', NO_CALLS],
  [/^ *(?:heap stats:|blocks) +peak +total +/m, 'mimalloc’s statistics', NO_CALLS],
  [/^Arena 0:\nsystem bytes +=|^<malloc version="\d/m, 'what glibc’s malloc_stats or malloc_info prints', NO_CALLS],
  [/^[\da-f]{8,16}-[\da-f]{8,16} [-r][-w][-x][ps] [\da-f]{8,16} [\da-f]+:[\da-f]+ \d+/, 'a map of a process’s memory', NO_CALLS],
  [/^ *virtual +shared +shared +private/m, 'what Android’s showmap prints', NO_CALLS],
  [
    /^==\d+== ?ERROR: AddressSanitizer: /m,
    'AddressSanitizer’s report of an error',
    'leaks are in LeakSanitizer’s: run it with ASAN_OPTIONS=detect_leaks=1',
  ],
  [/^(?:\d+\. (?:\[[\d:.]+\] )?)\w+\(\d+\) = 0x[\da-f]+\n\t0x/m, 'a log of sp-rtrace', RATHER_PAIRS],
  [
    /^reading file ".*" - please wait|^total runtime: [\d.]+s\.?\nbytes allocated in total /m,
    'what heaptrack_print prints',
    'hand over heaptrack’s recording itself',
  ],
  [
    /^go 1\.\d+ trace\0/,
    'what Go’s runtime/trace writes',
    'see it with go tool trace FILE; its profiles (go test -memprofile) open in jereplay report',
  ],
  [
    /^(?:File: .*\n)?(?:Build ID: .*\n)?Type: \w+\n(?:Time: |Duration: |Showing nodes |-{3})|^PeriodType: .*\nPeriod: \d/,
    'what go tool pprof prints',
    'hand over the profile itself',
  ],
  [/^Total: -?[\d.]+ (?:MB|B|objects)\n *-?[\d.]+ +-?[\d.]+% /, 'a table of jeprof or jereplay report', 'hand over the profile itself'],
  [
    /^.*Time and Allocation Profiling Report/,
    'a profile of GHC',
    'inferno-collapse-ghcprof --source bytes FILE makes collapsed stacks, which jereplay report opens',
  ],
  [
    /^\{"version":[\d.]+,"mode":"/,
    'a profile of stackprof',
    'stackprof --stackcollapse on its own file makes collapsed stacks, which jereplay report opens',
  ],
  [
    /"\$schema": ?"https:\/\/www\.speedscope\.app\//,
    'a profile of speedscope',
    'see it in speedscope; jereplay report --speedscope writes such files',
  ],
  [/^\{\s*"traceEvents":/, 'events of Chrome’s tracing', 'see them in Perfetto'],
  [/^Command: .*\nMassif arguments:/m, 'what ms_print prints', 'hand over Massif’s own file: massif.out.PID'],
  [
    /^(?:No memory leaks\.|\s*Memory not freed:\n\s*-+|\s*[-+] 0x[0-9a-f]+ (?:Free|Alloc|Realloc) \d+ .*)$/m,
    'what the script mtrace prints',
    'hand over the log that it reads: the file of MALLOC_TRACE',
  ],
  [
    /^\S*Memory usage summary:\S* heap total: \d/m,
    'what glibc’s memusage prints',
    'record calls one by one instead: jereplay record -- PROGRAM',
  ],
];

/** How bpftrace begins, whatever the script prints. */
export const BPFTRACE = /^Attach(?:ing|ed) \d+ probes?\b/;

const LEAK_SANITIZER = /^==\d+==ERROR: LeakSanitizer: |^(?:Direct|Indirect) leak of \d+ byte\(s\) in \d+ object\(s\) allocated from:/m;
const HEAP_CHECKER =
  /^ *(?:No leaks found for check "|Leak check .* detected leaks of \d+ bytes |Leak of \d+ bytes in \d+ objects allocated from:)/m;
/** heapusage's, which is much like Memcheck's. */
const HEAPUSAGE = /^(?:==\d+==)? *(?:Heapusage - |\d+ bytes in \d+ block\(s\) are lost, originally allocated at:)/m;
/** Its log, or its XML. */
const MEMCHECK = /^==(?:[\d:.]+ )?\d+== (?:Memcheck, |HEAP SUMMARY:$|LEAK SUMMARY:$|.* in (?:\w+ )?loss record )|<protocoltool>memcheck</m;

/** Tells what `head` is, if it is a known kind of file that holds no trace. */
export function nameOther(head: Uint8Array): Other | undefined {
  const hex = Buffer.from(head.subarray(0, 16)).toString('hex');
  const fits = (magic: string) => hex.startsWith(magic);
  for (const [magic, what, hint] of MAGICS) if (fits(magic)) return other(what, hint);
  if (isWideText(head)) return other('UTF-16 text', 'convert it first: iconv -f utf-16le -t utf-8 (or utf-16be)');
  if (hasWord(head, 257, head.length, ascii('ustar'))) return other('a tar archive', 'unpack it first');
  let start = 0;
  while (start < head.length && head[start] <= 0x20) start++;
  const text = textOf(head, start, Math.min(head.length, start + 4096));
  if (/^<(?:!doctype\s+html|html)\b/i.test(text)) return other('an HTML page');
  if (LEAK_SANITIZER.test(text)) return other("LeakSanitizer's report", 'see it with jereplay leaks FILE');
  if (HEAP_CHECKER.test(text)) return other('a report of gperftools’ heap checker', 'see it with jereplay leaks FILE');
  if (/^Android Native Heap Dump v\d/.test(text)) return other('a native heap dump of Android', 'see it with jereplay report FILE');
  if (HEAPUSAGE.test(text)) return other('a report of heapusage', NO_CALLS);
  if (MEMCHECK.test(text)) return other("Memcheck's output", 'see its leak records with jereplay leaks FILE');
  for (const [opening, what, hint] of OPENINGS) if (hasWord(head, start, head.length, ascii(opening))) return other(what, hint);
  for (const [shape, what, hint] of PRINTED) if (shape.test(text)) return other(what, hint);
  if (BPFTRACE.test(text)) {
    return other(
      'output of a bpftrace script whose lines are none of those that are read',
      'print time, pid, tid and call as formats/bpftrace/jereplay.bt does: 100 7 7 malloc(8) = 0x1000',
    );
  }
  if (/^\[\s*\{\s*"op"/.test(text)) return other('a JSON array of events', "make a line of each: jq -c '.[]' FILE");
  if (/^\{\s*"dhatFileVersion"/.test(text)) return other("DHAT's output", 'see it with jereplay report FILE');
  if (/^\{\s*\n\s*"op"/.test(text)) return other('JSON with events over several lines', 'make a line of each: jq -c . FILE');
  if (/^\s*\{\s*"linux-perf-json-version"/.test(text))
    return other("perf data's JSON", 'print the calls as text, from what it was made of: perf script -i FILE');
  if (/^ *[\d.]+ \S.*\/\d+ \w+:\w+\(__probe_\w+: \d+|^ *[\d.?]+ \((?: *[\d.]+ ms| +)\): |^ ?Summary of events:$/m.test(text))
    return other('output of perf trace', 'record the same events with perf record, and print them with perf script');
  if (/^(?:TIME +)?PID +(?:TID +)?COMM +FUNC\b/.test(text)) return other('output of bcc’s tool trace', ONE_BY_ONE);
  if (/^Tracing \d+ functions for |^\[\d\d:\d\d:\d\d\]\s+[pr]:\S+\(/.test(text))
    return other('a count or a histogram by one of bcc’s tools', ONE_BY_ONE);
  if (/^# +DURATION +(?:TID +)?FUNCTION$/m.test(text) || /^ *ELAPSED TIME +FUNCTION +ADDRESS\b/.test(text))
    return other('output of uftrace', 'record with another recorder: jereplay record -- PROGRAM');
  if (/^# (?:Total Lost Samples: \d+|Samples: .* of event .*)$/m.test(text))
    return other(
      'output of perf report',
      'it holds sums: print the calls one by one with perf script -F comm,pid,tid,cpu,time,event,trace',
    );
  if (BARE_PROBE.test(text)) {
    return other(
      'output of perf or ftrace with probes that have no arguments',
      "give them some: perf probe -x LIBRARY 'malloc size=%di:u64', perf probe -x LIBRARY 'malloc%return ret=$retval' …",
    );
  }
  const lacking = perfFieldsLacking(text);
  if (lacking !== undefined) {
    return other(
      `output of perf script without ${lacking}`,
      'print what a replay needs: perf script -F comm,pid,tid,cpu,time,event,trace (with -g, also ip,sym,symoff,dso)',
    );
  }
  if (PERF_EVENT.test(text)) return other('output of perf script with no event of the allocator', PROBES);
  if (/^# ========\n# captured on/.test(text)) return other("no more than the header of perf's data", 'leave --header-only out');
  if (/^==\d+== (Massif|DHAT|Callgrind)/m.test(text))
    return other("Valgrind's log", "see it as it is: Valgrind's log holds sums, not calls");
  if (/^(?:\[pid +\d+\] |\d+ +)?(?:[\d:.]+ )?(?:execve|mmap|munmap|brk|openat)\(.*\) += /m.test(text))
    return other('a recording of system calls by strace', 'record with ltrace instead: jereplay record -- PROGRAM');
  if (CALL.test(text)) {
    return other(
      'text with calls in a form of its own',
      'leave no more on each line than the call, as in malloc(24) = 0x1000 and free(0x1000): sed and grep take off the rest',
    );
  }
  if (findWord(head, start, Math.min(head.length, start + 4096), ascii('\0')) < 0 && looksLikeCollapsed(text)) {
    return other('collapsed stacks', 'see them with jereplay flamegraph FILE or jereplay report FILE');
  }
  return undefined;
}

/** An allocator's probe as perf names it, and its arguments. */
const PROBE =
  /(?:^|\s)\w+:(?:malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|valloc)\w*:\s*(?:$|\([0-9a-f]{4,16}\b)/;
const PROBE_ARGUMENTS = /(?:^|\s)\([0-9a-f]{6,16}(?: <- [0-9a-f]{4,16})?\)(?= \w+=|$)/;

/** Behind a time, an allocator's probe that says no more than where it is. */
const BARE_PROBE =
  /^.*\d\.\d{6,9}: +(?:\w+:)?(?:malloc|calloc|realloc|reallocarray|free|posix_memalign|aligned_alloc|memalign|valloc)\w*: \((?:0x)?[0-9a-f]+(?: <- (?:0x)?[0-9a-f]+)?\)$/m;

/** A call with its result, as people's own libraries print it among other things. */
const CALL = /\b(?:malloc|calloc|realloc)\([^()\n]{1,60}\)\s*(?:==?>?|-+>|:|returns|returned)\s*(?:0x[0-9a-f]+|[0-9a-f]{6,16})\b/m;

/** Text of which at least half of the lines tell of allocations in no form that is known: for what nothing else names. */
export function nameTold(head: Uint8Array): Other | undefined {
  const lines = textOf(head, 0, Math.min(head.length, 4096))
    .split('\n')
    .filter((line) => line.trim() !== '');
  const told = lines.filter((line) => TOLD.test(line)).length;
  if (told === 0 || told * 2 < lines.length) return undefined;
  return other(
    'text that tells of allocations in words of its own',
    'make a call of each line, as in malloc(24) = 0x1000 and free(0x1000): sed does, where sizes and addresses are there',
  );
}

/** A line about an allocation or a free with a size or an address, in no form of a call's. */
const TOLD =
  /\b(?:\w*malloc|\w*calloc|\w*realloc|alloc(?:ated|ating|ation)?|free(?:d|ing)?|deallocat(?:e|ed|ing))\b.*(?:\b0x[\da-f]{4,16}\b|\b\d+ ?bytes\b|\bsize\b\W{0,3}\d|\(\d+\)|\b\d+ -> )/i;

/** Any event as perf script prints it: command, thread, time, name. */
const PERF_EVENT = /^ *\S.{0,15} +(?:\d+\/)?\d+ +(?:\[\d+\] +)?\d+\.\d{6,9}: +(?:\d+ +)?[a-z][\w-]*(?::[\w:-]*)?: /m;

/** True for text of two bytes a letter, every other one 0, without the mark that says so. */
function isWideText(head: Uint8Array): boolean {
  const length = Math.min(head.length & ~1, 256);
  const isPlain = (byte: number) => byte === 0x09 || byte === 0x0a || byte === 0x0d || (byte >= 0x20 && byte < 0x7f);
  return [0, 1].some((low) => {
    for (let at = 0; at < length; at += 2) if (head[at + 1 - low] !== 0 || !isPlain(head[at + low])) return false;
    return length >= 8;
  });
}

/** What the lines of perf script in `text` do not tell, if there are any: words for a message. */
function perfFieldsLacking(text: string): string | undefined {
  const lines = text.split('\n', 20);
  const line = lines.find((each) => PROBE.test(each)) ?? lines.find((each) => PROBE_ARGUMENTS.test(each));
  if (line === undefined) return undefined;
  const before = /^(.*?)\b\d+\.\d{6,9}: /.exec(line);
  const lacking = [
    /(?:^|\s)(?:\d+\/)?\d+(?:\s+\[\d+\])?\s*(?:[A-Za-z]+\s+)?$/.test(before?.[1] ?? /^[^:]*(?=\s\w+:)/.exec(line)?.[0] ?? '')
      ? ''
      : 'the ids of threads (tid)',
    before === null ? 'times (time)' : '',
    PROBE.test(line) ? '' : 'the names of events (event)',
    PROBE_ARGUMENTS.test(line) ? '' : 'the arguments of events (trace)',
  ].filter((field) => field !== '');
  return lacking.length === 0 ? undefined : lacking.join(', ').replace(/, (?=[^,]*$)/, ' and ');
}

function other(what: string, hint?: string): Other {
  return hint === undefined ? { what } : { what, hint };
}

/** Lines of frames, joined by semicolons, and a count. */
function looksLikeCollapsed(text: string): boolean {
  const lines = text.split('\n').slice(0, -1).slice(0, 20);
  return lines.length > 0 && lines.every((line) => /^[^;]+(?:;[^;]+)+ \d+$/.test(line));
}
