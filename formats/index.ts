/**
 * All trace formats: which one an input is, and reading it.
 * Invariant: the content alone decides; a name or an extension is never looked at.
 */
import { formatCount } from '../core/trace/counted.ts';
import type { EventBatch } from '../core/trace/events.ts';
import { InputError } from '../core/trace/input_error.ts';
import type { Trace } from '../core/trace/trace.ts';
import { memleak } from './bcc/memleak.ts';
import { bpftrace } from './bpftrace/bpftrace.ts';
import { compact } from './compact/reader.ts';
import type { BatchSink, InputEnd, ReadOptions, TraceFormat } from './format.ts';
import { heaptrack } from './heaptrack/heaptrack.ts';
import { endsEarly, faultOf, HEAD_BYTES, type Input, NOTHING_WRITTEN, openInput, peek, type Source, tailOf } from './input.ts';
import { withoutPrefixes } from './line_prefixes.ts';
import { logalloc } from './logalloc/logalloc.ts';
import { ltrace } from './ltrace/ltrace.ts';
import { lttng } from './lttng/lttng.ts';
import { mallocDebug } from './malloc_debug/malloc_debug.ts';
import { mtrace } from './mtrace/mtrace.ts';
import { ndjson } from './ndjson/reader.ts';
import { nameOther, nameTold } from './not_traces.ts';
import { ftrace } from './perf/ftrace.ts';
import { perfScript } from './perf/perf_script.ts';
import { profLog } from './prof_log/prof_log.ts';
import { NEWLINE, CARRIAGE_RETURN } from './shared/letters.ts';
import { cpusAtEnd, TAIL_BYTES } from './shared/recording_facts.ts';
import { noSuchProcess, unnamedProcess } from './shared/one_process.ts';
import { quoteLine } from './shared/unparsed.ts';
import { utrace } from './utrace/utrace.ts';
import { valgrind } from './valgrind/valgrind.ts';

export type { ReadBesideOptions } from './beside/read_beside.ts';
export { readTraceBeside } from './beside/read_beside.ts';
export type { ContextSumsReader } from './context_sums.ts';
export { contextSumsReader } from './context_sums.ts';
export type { Source } from './input.ts';
export type { Accounts, BatchSink, ReadOptions, TraceFormat, TraceReader } from './format.ts';

/** Every format that can be read, the most specific first: of two that are equally sure the earlier one is taken. */
export const FORMATS: readonly TraceFormat[] = [
  ndjson,
  compact,
  heaptrack,
  ltrace,
  bpftrace,
  perfScript,
  ftrace,
  memleak,
  mtrace,
  valgrind,
  profLog,
  logalloc,
  mallocDebug,
  utrace,
  lttng,
];

/** The format with this name. @throws InputError for an unknown name. */
export function formatNamed(name: string): TraceFormat {
  const format = FORMATS.find((candidate) => candidate.name === name);
  if (format === undefined)
    throw new InputError('--from', `unknown format ${JSON.stringify(name)}`, `known: ${FORMATS.map((known) => known.name).join(', ')}`);
  return format;
}

/** The format that is surest of `head`, the first bytes of a decompressed input; undefined if none knows it. */
export function sniffFormat(head: Uint8Array): TraceFormat | undefined {
  let best: TraceFormat | undefined;
  let surest = 0;
  for (const format of FORMATS) {
    const sure = format.sniff(head);
    if (sure > surest) {
      surest = sure;
      best = format;
    }
    if (surest === 1) break;
  }
  return best;
}

/** How sure a format must be of lines amid another one's to claim them. */
const SURE_AMID = 0.5;

/** The format that claims lines which fit no rule of `own`. */
function formatAmid(own: TraceFormat, lines: Uint8Array): string | undefined {
  const found = sniffFormat(lines);
  return found !== undefined && found !== own && found.sniff(lines) >= SURE_AMID ? found.name : undefined;
}

/** Remedy for what is no recording at all. */
const RECORDING_ITSELF = 'name the recording itself';

/**
 * The error for an input that no format knows: what it is, if that can be told, or its first line.
 * @param profiles formats of profiles that the caller has compared it with before
 */
export function unknownInput(head: Uint8Array, name: string, profiles: readonly string[] = []): InputError {
  const wanted = profiles.length === 0 ? 'trace' : 'trace or profile';
  const other = nameOther(head);
  if (other !== undefined) return new InputError(name, `is ${other.what}, not a ${wanted}`, other.hint ?? RECORDING_ITSELF);
  for (const { what, command, text } of withoutPrefixes(head)) {
    const format = sniffFormat(text);
    if (format !== undefined)
      return new InputError(name, `has ${what} before its lines; without, it is ${format.name}’s`, `take that off: ${command}`);
    const named = nameOther(text);
    if (named !== undefined)
      return new InputError(name, `has ${what} before its lines; without, it is ${named.what}`, `take that off: ${command}`);
  }
  const told = nameTold(head);
  if (told !== undefined) return new InputError(name, `is ${told.what}, not a ${wanted}`, told.hint);
  const compared = `compared with ${[...FORMATS.map((format) => format.name), ...profiles].join(', ')}`;
  const nul = head.indexOf(0);
  if (nul >= 0) return new InputError(`${name}:byte ${nul}`, `binary data, not a ${wanted} (${compared})`, RECORDING_ITSELF);
  let line = 1;
  let start = 0;
  while (start < head.length && (head[start] === NEWLINE || head[start] === CARRIAGE_RETURN)) {
    if (head[start++] === NEWLINE) line++;
  }
  if (start === head.length) return new InputError(name, `holds nothing but line ends (${compared})`, NOTHING_WRITTEN);
  const end = head.indexOf(NEWLINE, start);
  return new InputError(
    `${name}:${line}`,
    `${quoteLine(head, start, end < 0 ? head.length : end)} fits no ${wanted} format (${compared})`,
    'say what it is with --from NAME',
  );
}

/** Of a recording of one process: whether that is the one which was asked for. @throws InputError if it is another. */
function checkProcess({ header, warnings }: Trace, pid: number, name: string): void {
  if (header.pid === undefined) warnings.push(unnamedProcess(pid));
  else if (header.pid !== pid) throw noSuchProcess(name, pid, [header.pid]);
}

/** Settings of readTrace. */
export interface ReadTraceOptions extends Partial<ReadOptions> {
  /** Name of the format; default: found from the content. */
  readonly from?: string;
  /** Called after each chunk with bytes read and, where it is known, the input's size; both before decompression. */
  readonly onProgress?: (bytesRead: number, totalBytes?: number) => void;
  /** Reads a source that is a path, and takes off its compression, in a thread of its own. */
  readonly unpackBeside?: boolean;
  /** Ends the reading early when it fires: what was read is handed over and the trace marked partial. */
  readonly signal?: { readonly aborted: boolean };
  /** The input ends where its writer was stopped, as if the signal had fired there: a line that it ends in is not torn. */
  readonly stopped?: boolean;
}

/** How the note begins on a recording of which no line was a call. */
const NOTHING_READ = 'no allocation and no free was read';

/** Thrown through a reader to end it when its sink has had enough. */
class EnoughRead extends Error {}

/**
 * Reads a whole trace: fills `trace` and hands batches to `sink` until the input ends, `sink` returns false, or `signal` fires.
 * @returns the format that was read.
 * @throws InputError for input that cannot be read, is no trace, or breaks its format's rules.
 */
export async function readTrace(source: Source, trace: Trace, sink: BatchSink, options: ReadTraceOptions = {}): Promise<TraceFormat> {
  const { from, unpackBeside, ...others } = options;
  const forced = from === undefined ? undefined : formatNamed(from);
  // Only a model has arenas by them; what is converted has them where one will ask.
  const wantsCpus = others.accounts === undefined && typeof source === 'string' && source !== '-';
  const cpus = wantsCpus ? cpusAtEnd(tailOf(source, TAIL_BYTES)) : undefined;
  if (cpus !== undefined) trace.header.ncpus = cpus;
  if (unpackBeside !== true || typeof source !== 'string' || source === '-')
    return readOpened(await openInput(source, options.name), forced, trace, sink, others);
  const { openInputBeside } = await import('./beside/open_beside.ts');
  const { input, close } = await openInputBeside(source, options.name);
  try {
    return await readOpened(input, forced, trace, sink, others);
  } finally {
    close();
  }
}

async function readOpened(
  input: Input,
  forced: TraceFormat | undefined,
  trace: Trace,
  sink: BatchSink,
  { onProgress, signal, stopped, ...rest }: Omit<ReadTraceOptions, 'from' | 'unpackBeside'>,
): Promise<TraceFormat> {
  const [head, chunks] = await peek(input.chunks, HEAD_BYTES);
  const { name } = input;
  const format = forced ?? sniffFormat(head.subarray(0, HEAD_BYTES));
  if (format === undefined) throw unknownInput(head.subarray(0, HEAD_BYTES), name);

  trace.header.source ??= format.name;
  let events = 0;
  const guarded = (batch: EventBatch): void => {
    events += batch.length;
    if (sink(batch) === false) throw new EnoughRead('enough');
  };
  const reader = format.open(trace, guarded, { formatOf: (lines) => formatAmid(format, lines), ...rest, name });
  try {
    for await (const chunk of chunks) {
      reader.write(chunk);
      onProgress?.(input.bytesRead, input.totalBytes);
      if (signal?.aborted) break;
    }
    const ending: InputEnd = signal?.aborted || stopped ? 'stopped' : endsEarly(input) ? 'cut' : 'whole';
    if (ending !== 'whole') trace.partial = true;
    // Standard input is closed where reading is stopped: that is no fault of what was compressed.
    const fault = ending === 'stopped' ? undefined : faultOf(input);
    if (fault !== undefined) {
      trace.truncated = true;
      trace.warnings.push(`${name}: ${fault}`);
    }
    reader.end(ending);
    const { unparsed = 0, other_call: otherCalls = 0 } = trace.skipped;
    // What was converted brings the note along.
    const isNoted = trace.warnings.some((note) => note.startsWith(NOTHING_READ));
    if (events === 0 && unparsed + otherCalls > 0 && !isNoted && (rest.accounts === undefined || format.books === undefined)) {
      const others = otherCalls === 0 ? '' : `, but ${otherCalls} calls of other functions`;
      trace.warnings.push(
        `${NOTHING_READ}${others}${unparsed === 0 ? '' : `, and ${formatCount(unparsed)} ${unparsed === 1 ? 'line fits' : 'lines fit'} no rule of ${format.name}’s`}`,
      );
    }
    if (format.ofOneProcess === true && rest.pid !== undefined) checkProcess(trace, rest.pid, name);
  } catch (error) {
    if (!(error instanceof EnoughRead)) throw error;
  }
  return format;
}
