/**
 * Reads the leak records that Valgrind's Memcheck writes with --leak-check=full, to its log or as XML
 * (memcheck/mc_errors.c, pp_LossRecord; docs/internals/xml-output-protocol4.txt):
 *
 *     ==26113== 6,960 (3,480 direct, 3,480 indirect) bytes in 15 blocks are definitely lost in loss record 4 of 7
 *     ==26113==    at 0x4841F2F: operator new(unsigned long) (in /usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so)
 *     ==26113==    by 0x10C3E5: allocate (new_allocator.h:137)
 *
 *     <error> … <kind>Leak_DefinitelyLost</kind> <xwhat><text>6,960 (3,480 direct, …</text> … <stack><frame><ip>0x4841F2F</ip> …
 *
 * Invariant: each block is in one row: of a record that counts what its blocks alone hold on to as well (indirect), only its own bytes are taken.
 * Of several leak checks of a process the last counts, and of several processes the one that the file begins with.
 * What the format cannot say: what was freed, and records of kinds that were not asked for (--show-leak-kinds) or are suppressed.
 */
import { InputError } from '../../core/trace/input_error.ts';
import { type LeakRecord, otherProcessesNote, profileFromLeakRecords } from '../leak_records.ts';
import type { Profile } from '../profile.ts';

/** Kinds of records as Memcheck calls them, worst first. */
const KINDS = ['definitely lost', 'indirectly lost', 'possibly lost', 'still reachable'] as const;
type Kind = (typeof KINDS)[number];

/** A record of one leak check. */
interface LossRecord extends LeakRecord {
  readonly kind: Kind;
  /** Its number in the check, from 1. */
  readonly number: number;
  /** True if it says how it has changed since the check before: then those that have not are left out of its check. */
  readonly changed: boolean;
  readonly frames: string[];
}

/** Leak records of a process. */
interface Process {
  /** Those of one leak check. */
  records: LossRecord[];
  /** True once the check's summary has ended them. */
  summed: boolean;
  /** Bytes that the log says were in use at the exit. */
  atExit: number | undefined;
}

/** `==PID== ` or, with --time-stamp=yes, `==00:00:00:01.546 PID== `, and what follows. */
const LINE = /^==(?:\d+:\d\d:\d\d:\d\d\.\d+ )?(\d{1,10})==(?: (.*))?$/;
const COUNT = '(\\d[\\d,]{0,24})(?: \\([+-][\\d,]+\\))?';
/** Changes since the check before stand behind the counts, `8 (+8) bytes in 1 (+1) blocks are still reachable in new loss record 1 of 2`. */
const RECORD = new RegExp(
  `^${COUNT} (?:\\(${COUNT} direct, ${COUNT} indirect\\) )?bytes? in ${COUNT} blocks? (?:are|is) (${KINDS.join('|')}) in (?:\\w+ )?loss record (\\d[\\d,]*) of \\d[\\d,]*$`,
);
const CHANGE = /\([+-]\d/;
const SUMMARY = 'LEAK SUMMARY:';
const AT_EXIT = /^ +in use at exit: (\d[\d,]*) bytes in \d[\d,]* blocks$/;
const FRAME = /^ +(?:at|by) (0x[0-9A-F]+: .*)$/;
const XML = /<valgrindoutput>[\s\S]*<(?:protocol)?tool>memcheck</;

/** A call of the allocator, by --trace-malloc=yes. */
const CALL = /^--(?:[\d:.]+ )?\d+-- (?:\w*(?:alloc|free|align)\w*|_Z[nd]\w+|__builtin_\w+)\(/m;
/** A report of heapusage, which has Memcheck's headings and records of another form. */
const HEAPUSAGE = /^==\d+== (?:Heapusage - |\d+ bytes in \d+ block\(s\) are lost, )/m;

/** True if bytes look like the beginning of a file that `readMemcheck` takes. A log that lists calls (--trace-malloc=yes) is a trace. */
export function isMemcheck(head: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 65536));
  if (XML.test(text)) return true;
  return (
    /^==(?:[\d:.]+ )?\d+== (?:Memcheck, |(?:HEAP|LEAK) SUMMARY:$|[^\n]* in (?:\w+ )?loss record )/m.test(text) &&
    !HEAPUSAGE.test(text) &&
    !CALL.test(text)
  );
}

/**
 * Reads a log of Memcheck, or its XML.
 * @param name what errors call it
 * @throws InputError if it has no leak records
 */
export function readMemcheck(bytes: Uint8Array, name: string): Profile {
  const text = new TextDecoder().decode(bytes);
  const isXml = XML.test(text.slice(0, 65536));
  const { processes, damaged } = isXml ? readXml(text) : readLog(text);
  const shown = [...processes].find(([, { records }]) => records.length > 0);
  if (shown === undefined) {
    const note = isXml ? freeOfRecords(text) : freedAtExit([...processes.values()]);
    if (note === undefined)
      throw new InputError(name, 'is Memcheck’s output without leak records', 'run it with --leak-check=full --show-leak-kinds=all');
    return profileFromLeakRecords('Memcheck', [], [note], false);
  }
  const [pid, { records, atExit }] = shown;
  const warnings = [kindsNote(records)];
  if (records.some(({ changed }) => changed))
    warnings.push(
      'the last leak check has those records alone that changed since the check before: --leak-check=full makes one of all at the exit',
    );
  const listed = sumOf(records).bytes;
  if (atExit !== undefined && atExit > listed)
    warnings.push(
      `${atExit - listed} of ${atExit} bytes in use at the exit are in no leak record: --show-leak-kinds=all lists those that are not suppressed`,
    );
  const others = [...processes].filter(([other, process]) => other !== pid && process.records.length > 0).length;
  warnings.push(...otherProcessesNote(pid, others, 'leak records', '--log-file=%p has a file for each'));
  if (damaged) warnings.push('the file breaks off: leak records are missing');
  return profileFromLeakRecords('Memcheck', records, warnings, damaged);
}

/** What a log without records says of the exit, if nothing was in use there. */
function freedAtExit(processes: readonly Process[]): string | undefined {
  const ended = processes.filter(({ atExit }) => atExit !== undefined);
  const isFree = ended.length > 0 && ended.every(({ atExit }) => atExit === 0);
  return isFree ? 'Memcheck says that nothing was in use at the exit' : undefined;
}

/** The same of XML, which does not say what was in use: a check that listed leaks would have listed some. */
function freeOfRecords(text: string): string | undefined {
  const isChecked = /<arg>--leak-check=(?:full|yes)<\/arg>/.test(text) && /<state>FINISHED<\/state>/.test(text);
  return isChecked ? 'Memcheck’s leak check lists nothing; of what can still be reached it does with --show-leak-kinds=all' : undefined;
}

function readLog(text: string): { processes: Map<number, Process>; damaged: boolean } {
  const processes = new Map<number, Process>();
  /** The record whose frames come, by process. */
  const open = new Map<number, LossRecord>();
  let end = 0;
  let last: LossRecord | undefined;
  for (let start = 0; start < text.length; start = end + 1) {
    end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    if (text[start] !== '=') continue;
    const match = LINE.exec(text.slice(start, end).replace(/\r$/, ''));
    if (match === null) continue;
    const pid = Number(match[1]);
    const said = match[2] ?? '';
    let process = processes.get(pid);
    if (process === undefined) processes.set(pid, (process = { records: [], summed: false, atExit: undefined }));
    const record = recordOf(said);
    const frame = record === undefined ? FRAME.exec(said) : null;
    last = record ?? (frame === null ? undefined : open.get(pid));
    if (record !== undefined) {
      begin(process, record);
      open.set(pid, record);
    } else if (frame !== null) open.get(pid)?.frames.push(frame[1]);
    else {
      open.delete(pid);
      process.summed ||= said === SUMMARY;
      const atExit = AT_EXIT.exec(said);
      if (atExit !== null) process.atExit = numberOf(atExit[1]);
    }
  }
  return { processes, damaged: last !== undefined };
}

function readXml(text: string): { processes: Map<number, Process>; damaged: boolean } {
  const process: Process = { records: [], summed: false, atExit: undefined };
  for (const error of elementsIn(text, 'error')) {
    const record = recordOf(textOf(error, 'text') ?? '');
    if (record === undefined) continue;
    begin(process, record);
    const [stack = ''] = elementsIn(error, 'stack');
    for (const frame of elementsIn(stack, 'frame')) record.frames.push(frameText(frame));
  }
  return {
    processes: new Map([[Number(textOf(text.slice(0, 65536), 'pid') ?? 0), process]]),
    damaged: !text.includes('</valgrindoutput>'),
  };
}

/** A frame of the XML as the log has it, with the source's folder. */
function frameText(frame: string): string {
  const [ip = '0x0', fn = '???', dir, file, line, obj] = ['ip', 'fn', 'dir', 'file', 'line', 'obj'].map((tag) => textOf(frame, tag));
  if (file !== undefined && line !== undefined) return `${ip}: ${fn} (${dir === undefined ? '' : `${dir}/`}${file}:${line})`;
  return `${ip}: ${fn}${obj === undefined ? '' : ` (in ${obj})`}`;
}

const ENTITIES = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** The content of each element of that name, none of which lies in another. */
function* elementsIn(xml: string, tag: string): Generator<string> {
  const [opening, closing] = [`<${tag}>`, `</${tag}>`];
  for (let start = xml.indexOf(opening); start >= 0; ) {
    const end = xml.indexOf(closing, start);
    if (end < 0) return;
    yield xml.slice(start + opening.length, end);
    start = xml.indexOf(opening, end);
  }
}

/** The text of the first element of that name. */
function textOf(xml: string, tag: string): string | undefined {
  const [content] = elementsIn(xml, tag) as Iterable<string | undefined>;
  return content?.replace(/&(\w+);/g, (whole, name: string) => ENTITIES.get(name) ?? whole);
}

/** Adds a record; the first of another leak check takes the place of all before. */
function begin(process: Process, record: LossRecord): void {
  const former = process.records[process.records.length - 1] as LossRecord | undefined;
  if (former !== undefined && (process.summed || record.number <= former.number)) process.records = [];
  process.summed = false;
  process.records.push(record);
}

/** The record that a line begins; undefined if it is another. */
function recordOf(line: string): LossRecord | undefined {
  const match = RECORD.exec(line);
  if (match === null) return undefined;
  const [, all, direct, , blocks, kind, number] = match as (string | undefined)[];
  return {
    kind: kind as Kind,
    objects: numberOf(blocks),
    bytes: numberOf(direct ?? all),
    number: numberOf(number),
    changed: CHANGE.test(line),
    frames: [],
  };
}

const numberOf = (digits = '') => Number(digits.replaceAll(',', ''));

function sumOf(records: readonly LossRecord[]): { objects: number; bytes: number } {
  const sum = { objects: 0, bytes: 0 };
  for (const { objects, bytes } of records) {
    sum.objects += objects;
    sum.bytes += bytes;
  }
  return sum;
}

/** What is lost in which way. */
function kindsNote(records: readonly LossRecord[]): string {
  const parts = KINDS.flatMap((kind) => {
    const { objects, bytes } = sumOf(records.filter((record) => record.kind === kind));
    return objects === 0 ? [] : [`${bytes} bytes in ${objects} ${objects === 1 ? 'block' : 'blocks'} are ${kind}`];
  });
  return `of what was in use at the exit, ${parts.join(', ')}`;
}
