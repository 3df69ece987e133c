/**
 * Reads reports of LeakSanitizer, alone or in AddressSanitizer (compiler-rt/lib/lsan/lsan_common.cpp, LeakReport):
 *
 *     ==32732==ERROR: LeakSanitizer: detected memory leaks
 *     Direct leak of 77 byte(s) in 7 object(s) allocated from:
 *         #0 0x7fcece013545 in __interceptor_malloc ../libsanitizer/lsan/lsan_interceptors.cpp:75
 *         #1 0x561e1053e1c0 in inner /src/lk.c:7
 *         #2 0x7f1556523249  (/lib/x86_64-linux-gnu/libc.so.6+0x27249) (BuildId: 93a4bb)
 *     SUMMARY: LeakSanitizer: 321 byte(s) leaked in 13 allocation(s).
 *
 * Invariant: the profile's totals are those of the summary, as far as the leaks are listed (max_leaks). Addresses are one before those returned to,
 * as Valgrind's. Of several reports of a process the last counts, and of several processes the one that is first in the file.
 * What the format cannot say: blocks that can still be reached, and what was freed.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { type LeakRecord, otherProcessesNote, profileFromLeakRecords } from '../leak_records.ts';
import type { Profile } from '../profile.ts';

interface Leak extends LeakRecord {
  readonly isDirect: boolean;
  readonly frames: string[];
}

interface Report {
  /** 0 if its heading is not there, as where a part of a log was copied. */
  readonly pid: number;
  readonly leaks: Leak[];
  /** Bytes that the summary says; undefined if the report breaks off before it. */
  total: number | undefined;
}

const HEADING = /^==(\d{1,10})==ERROR: LeakSanitizer: detected memory leaks$/;
const LEAK = /^(Direct|Indirect) leak of (\d{1,16}) byte\(s\) in (\d{1,16}) object\(s\) allocated from:$/;
const FRAME_NUMBER = /^ +#\d+ /;
/** What stands behind that. */
const FRAME = /^(0x[0-9a-f]{1,16})(?: in)? (.*)$/;
const SUMMARY = /^SUMMARY: \w+: (\d{1,16}) byte\(s\) leaked in \d{1,16} allocation\(s\)\.$/;
/** Behind a function: the file of the code. */
const MODULE = /^(.*?) ?\((\/[^()]*|[^()\s]+)(\+0x[0-9a-f]+)\)(?: \(BuildId: [0-9a-f]*\))?$/;
/** Behind a source: line, and column. */
const PLACE = /:(\d{1,9})(?::\d+)?$/;
/** Colours of a terminal. */
const COLOURS = /\x1b\[[\d;]*m/g;

/** True if bytes look like the beginning of a file that `readLeakSanitizer` takes. */
export function isLeakSanitizer(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 65536));
  return /^(?:\x1b\[[\d;]*m)*(?:==\d+==ERROR: LeakSanitizer: detected memory leaks|(?:Direct|Indirect) leak of \d+ byte\(s\) in \d+ object\(s\) allocated from:)/m.test(
    text,
  );
}

/**
 * Reads a log that has a report of LeakSanitizer; other lines are passed over.
 * @param name what errors call it
 * @throws InputError if it lists no leak
 */
export function readLeakSanitizer(bytes: Uint8Array, name: string): Profile {
  const reports = readReports(new TextDecoder().decode(bytes).replace(COLOURS, ''));
  const first = reports.find(({ leaks }) => leaks.length > 0);
  if (first === undefined) throw new InputError(name, 'is LeakSanitizer’s output without a leak');
  const { pid, leaks, total } = reports.findLast((report) => report.pid === first.pid && report.leaks.length > 0) ?? first;
  const listed = sumOf(leaks);
  const direct = sumOf(leaks.filter(({ isDirect }) => isDirect));
  const warnings = [`${direct} bytes have leaked themselves (direct), ${listed - direct} are held by those alone (indirect)`];
  const bare = leaks.filter(({ frames }) => frames.length === 0).length;
  if (bare > 0)
    warnings.push(
      `${bare} of ${leaks.length} leaks have no stack, or one in a form of its own: LSAN_OPTIONS (or ASAN_OPTIONS) without stack_trace_format has them`,
    );
  if (pid === 0) warnings.push('the report’s heading is missing: leaks before the first one may be, too');
  if (total === undefined) warnings.push('the report breaks off: leaks are missing');
  else if (total > listed) warnings.push(`${total - listed} of ${total} bytes leaked are not listed (LSAN_OPTIONS=max_leaks=0 lists all)`);
  const others = new Set(reports.flatMap((report) => (report.pid === pid || report.leaks.length === 0 ? [] : [report.pid]))).size;
  warnings.push(...otherProcessesNote(pid, others, 'leaks', 'LSAN_OPTIONS=log_path=FILE makes a file for each'));
  return profileFromLeakRecords('LeakSanitizer', leaks, warnings, total === undefined);
}

const sumOf = (leaks: readonly Leak[]) => leaks.reduce((sum, { bytes }) => sum + bytes, 0);

function readReports(text: string): Report[] {
  const reports: Report[] = [];
  let report: Report | undefined;
  let leak: Leak | undefined;
  const frames = new FrameTexts();
  for (const line of linesOf(text)) {
    const number = leak === undefined ? null : FRAME_NUMBER.exec(line);
    const frame = number === null ? undefined : frames.textOf(line.slice(number[0].length));
    if (frame !== undefined) {
      leak?.frames.push(frame);
      continue;
    }
    leak = undefined;
    const heading = HEADING.exec(line);
    if (heading !== null) reports.push((report = { pid: Number(heading[1]), leaks: [], total: undefined }));
    const found = LEAK.exec(line);
    if (report === undefined && found !== null) reports.push((report = { pid: 0, leaks: [], total: undefined }));
    if (report === undefined) continue;
    if (found !== null) {
      leak = { isDirect: found[1] === 'Direct', bytes: Number(found[2]), objects: Number(found[3]), frames: [] };
      report.leaks.push(leak);
    }
    const summary = SUMMARY.exec(line);
    if (summary !== null) report.total = Number(summary[1]);
  }
  return reports;
}

/** The lines of a text, one at a time: all at once would take several times as much as the text. */
function* linesOf(text: string): Generator<string> {
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    yield text.slice(start, newline > start && text[newline - 1] === '\r' ? newline - 1 : end);
    start = end + 1;
  }
}

/** Frames as Valgrind has them, each text once: most leaks share theirs with others. */
class FrameTexts {
  readonly #texts = new Map<string, string>();

  /** The text of a frame from behind its number; undefined if it is none. */
  textOf(rest: string): string | undefined {
    let text = this.#texts.get(rest);
    if (text === undefined) {
      const frame = FRAME.exec(rest);
      if (frame === null) return undefined;
      text = frameText(frame[1], frame[2]);
      this.#texts.set(rest, text);
    }
    return text;
  }
}

/** A frame as Valgrind has it. */
function frameText(address: string, rest: string): string {
  const module = MODULE.exec(rest);
  if (module !== null) {
    const [, fn, path, place] = module;
    return `${address}: ${fn.trim() || path.replace(/^.*\//, '') + place} (in ${path})`;
  }
  const place = PLACE.exec(rest);
  const before = place === null ? '' : rest.slice(0, place.index);
  // The path of a source may have spaces if it is absolute.
  const absolute = before.indexOf(' /');
  const space = absolute >= 0 ? absolute : before.lastIndexOf(' ');
  const file = space < 0 ? '' : before.slice(space + 1);
  if (place === null || file === '') return `${address}: ${rest.trim() === '(<unknown module>)' ? '???' : rest.trim() || '???'}`;
  return `${address}: ${before.slice(0, space) || '???'} (${file}:${place[1]})`;
}
