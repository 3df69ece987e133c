/**
 * Recordings of ltrace 0.7.3 and 0.7.91: `[pid ][time ][\[ip\] ][caller->]fn[@library](args) = result[ <seconds>]`, with any of its options
 * (-f -t -tt -ttt -r -i -T -S -n -a -C -e -x -L -p -w), to a file or to standard error. Those of 0.4 to 0.6 have `NULL` for `nil`, and no -w that is read.
 *
 * It cannot say: which process an id is of (processes.ts infers it), the address that posix_memalign and asprintf give,
 * stacks beyond one frame without -w (more only where enclosing calls are recorded too), the whole of a string longer than its limit.
 *
 * On standard error the program prints between, and with -f each of ltrace's lines names its thread there: other lines are the program's,
 * and what stands before the name of a thread is, too.
 */
import type { TraceFormat } from '../format.ts';
import { BPFTRACE } from '../not_traces.ts';
import { textOf } from '../shared/cursor.ts';
import { FACT_PREFIX } from '../shared/recording_facts.ts';
import { isBacktraceLine } from './backtrace.ts';
import { LtraceReader } from './reader.ts';

export const ltrace: TraceFormat = {
  name: 'ltrace',
  title: "ltrace's recording of library calls",
  sniff,
  open: (trace, sink, options) => new LtraceReader(trace, sink, options),
};

/** A line of ltrace, as far as sniffing needs it. */
const LINE =
  /^ *(?:\[pid \d+\] |\d+ +)?(?:(?:\d+\.\d{6}|\d\d:\d\d:\d\d(?:\.\d{6})?) )? *(?:\[0x[0-9a-f]+\] )? *(?:[^\s(]+->|[^\s"'=,;][^"'=,;]*->|SYS_)?[^\s("'=,;]+(?: new| delete)?(?:\[\])?\(.*(?:\) += \S.*|<unfinished \.\.\.>|<no return \.\.\.>)$|^ *(?:\[pid \d+\] |\d+ +)?[\d.: ]*(?:\[0x[0-9a-f]+\] )?(?:<\.\.\. .+ resumed> |--- (?:SIG\w+|Called exec)|\+\+\+ (?:exited|killed))/;
/**
 * Names and results that no other recorder of calls prints in this shape. A recording of all calls may come to its first allocation late:
 * functions of the C library that are no system calls tell it from strace's.
 */
const OWN_WORDS =
  /\) += (?:nil|<void>)(?: <|$)|(?:^|[ >])(?:__libc_start_main|setlocale|getenv|puts|f?printf|str(?:n?cmp|r?chr|n?len|n?cpy)|mem(?:cpy|move|set|cmp|chr))\(|->\w[\w:~<>]*(?: new| delete)?(?:\[\])?\(|\w@[\w.+-]+\(|\bSYS_\d|(?:malloc|calloc|realloc|free|strdup)\(.*= (?:0x[0-9a-f]+|<void>|0)|<\.\.\. \w+ resumed> \)|_Zn[wa]m|operator (?:new|delete)|--- Called exec\(\) ---|\+\+\+ exited \(status \d+\) \+\+\+/;

/** A line as `grep -n` numbers it, or with colours: its call is none of that name. */
const PREFIXED = /^\d+:(?!\d\d:)|^\x1b/;
const ID = /^ *(\d+)(?![\d.:])/;
/** So many lines, each with a larger id than the one before, are numbered: no process makes a single call. */
const NUMBERED = 8;
/** So many lines of ltrace's make a recording of it, however much its program prints between them. */
const ENOUGH_LINES = 4;
/** … and so many if the program's end is among them, which ltrace alone prints so. */
const ENOUGH_WITH_END = 2;
const END = /^(?:\[pid \d+\] |\d+ )?[\d.: ]*\+\+\+ exited \(status \d+\) \+\+\+$/m;
/** An allocation that gives more than an address: of a library that prints calls in a like way. */
const OTHER_RESULT = /^(?:malloc|calloc|realloc)\(.*\) += (?!(?:0x[0-9a-f]+|0|nil|NULL)(?: <\d+\.\d+>)?$)/;
/** free without the result that ltrace prints, which is such a library's unless ltrace's own are there, too. */
const BARE_FREE = /^free\((?:0x[0-9a-f]+|nil|0|\(nil\))\)$/m;
const OWN_FREE = /\bfree\S*\(.*\) += <void>|<unfinished \.\.\.>|^<\.\.\. |\+\+\+ exited/m;

function sniff(head: Uint8Array): number {
  const text = textOf(head, 0, Math.min(head.length, 16384));
  // Its scripts may print calls as ltrace does, and say between them what was lost.
  if (BPFTRACE.test(text) || (BARE_FREE.test(text) && !OWN_FREE.test(text))) return 0;
  const lines = text.split('\n').map((line) => line.trimEnd());
  if (lines.length > 1) lines.pop();
  let fits = 0;
  let own = false;
  let seen = 0;
  let rises = true;
  let last = -1;
  for (const line of lines) {
    // What is appended to a recording says nothing of its format, and backtraces of calls might be others'; of a short one they are most.
    if (line.trim() === '' || line.startsWith(FACT_PREFIX) || (seen > 0 && isBacktraceLine(line))) continue;
    seen++;
    if (line.length < 4000 && LINE.test(line) && !PREFIXED.test(line) && !OTHER_RESULT.test(line)) {
      fits++;
      own ||= OWN_WORDS.test(line);
      const id = Number(ID.exec(line)?.[1]);
      rises &&= id > last;
      last = id;
    }
  }
  if (seen === 0 || !own || (rises && fits >= NUMBERED)) return 0;
  if (fits / seen >= 0.5) return 0.5 + 0.45 * (fits / seen);
  return fits >= (END.test(text) ? ENOUGH_WITH_END : ENOUGH_LINES) ? 0.5 : 0;
}
