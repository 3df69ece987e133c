/**
 * Runs a trace through the jemalloc core and writes what is asked for.
 * Invariant: results are taken in one order, statistics before the dump, because taking one can change the next as it does in a program.
 */
import { closeSync, openSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Replay, ReplayOptions } from '../../core/replay/replay.ts';
import type { ReplaySummary } from '../../core/replay/summary.ts';
import type { ProfFile } from '../../core/prof/host.ts';
import { InputError } from '../../core/trace/input_error.ts';
import { Trace } from '../../core/trace/trace.ts';
import { EXIT_BAD_INPUT, EXIT_FINDING } from '../failure.ts';
import { collapsedLines } from '../../profiles/collapsed/collapsed.ts';
import { renderFlameGraph } from '../../profiles/flamegraph/flamegraph.ts';
import { formatBytes } from '../../profiles/format_units.ts';
import { heapFileParts } from '../../profiles/heap/write.ts';
import { leaksJson } from '../../profiles/leaks/leaks_json.ts';
import { formatLeaks } from '../../profiles/leaks/leaks_text.ts';
import { writePprof } from '../../profiles/pprof/write.ts';
import { profileFromLedger } from '../../profiles/profile.ts';
import type { Symbolizer } from '../../profiles/symbols/symbolizer.ts';
import { printNotes } from '../notes.ts';
import { type Content, isStandardOutput, ReaderGone, STANDARD, writeResult } from '../output.ts';
import { checkOutputs, makeFolder, removeFolders } from '../output_places.ts';
import { openPlacements } from '../placements.ts';
import { momentOf, parseCount, parseHex, parseUntil, type Until } from '../settings.ts';
import { summaryText } from '../summary_text.ts';
import { nameProfile, type SymbolArgs, symbolizerOf } from '../symbols.ts';
import { wantsColour, widthOf } from '../terminal.ts';
import type { InputArgs } from '../trace_input.ts';
import { withUntil } from '../trace_accounts.ts';
import { runTrace } from '../trace_run.ts';
import { leaksOfReplay } from './leaks.ts';

/** Results that a replay can write, and their names in the folder of `-o`. */
const RESULTS = {
  stats: 'stats.json',
  'stats-text': 'stats.txt',
  heap: 'profile.heap',
  leaks: 'leaks.txt',
  flamegraph: 'flamegraph.html',
  pprof: 'profile.pb.gz',
  collapsed: 'collapsed.txt',
} as const;
type Result = keyof typeof RESULTS;

/** Those of the account of requested bytes. */
const LEDGER_RESULTS: readonly Result[] = ['leaks', 'flamegraph', 'pprof', 'collapsed'];

/** In the folder of `-o` besides: the object of `--json`. */
const SUMMARY_FILE = 'summary.json';

interface ReplayArgs extends InputArgs, SymbolArgs, Partial<Record<Result, string | undefined>> {
  readonly trace: string;
  readonly conf?: string | undefined;
  readonly ncpus?: string | undefined;
  readonly 'prng-seed'?: string | undefined;
  readonly until?: string | undefined;
  readonly unmatched: 'count' | 'error';
  readonly audit?: boolean | undefined;
  readonly placements?: string | undefined;
  readonly output?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Replays the trace that the arguments name. */
export async function replay(args: ReplayArgs): Promise<void> {
  // With the other usage errors: before the trace is read.
  const symbolizer = symbolizerOf(args, undefined);
  const until = args.until === undefined ? undefined : parseUntil(args.until);
  const options = modelOptions(args);
  if (args.output !== undefined && isStandardOutput(args.output))
    throw new InputError(STANDARD, 'the whole set of results goes to a folder', 'name one with -o FOLDER');
  const made = args.output === undefined ? [] : makeFolder(args.output);
  try {
    await replayInto(args, symbolizer, until, options);
  } catch (error) {
    removeFolders(made);
    throw error;
  }
}

async function replayInto(args: ReplayArgs, symbolizer: Symbolizer, until: Until | undefined, options: ReplayOptions): Promise<void> {
  const paths = resultPaths(args);
  const printed = args.json === true || printsSummary(args, paths) ? [STANDARD] : [];
  checkOutputs([...writtenPaths(args, paths), ...printed], [args.trace]);

  const placements = args.placements === undefined ? undefined : openPlacements(args.placements);
  const unopened: string[] = [];
  try {
    const done = await withUntil(args.trace, args, until, ({ args: readArgs, until: end, source }) => {
      const trace = new Trace();
      const settings = {
        ...options,
        contexts: printsSummary(args, paths) || LEDGER_RESULTS.some((result) => paths.has(result)),
        ...(end === undefined ? {} : { until: end }),
        ...(placements === undefined ? {} : { placement: placements.add }),
        openFile: (name: string) => dumpFile(name, args.output, trace, unopened),
      };
      return runTrace(args.trace, readArgs, settings, source, trace);
    });
    unlessGone(() => placements?.close());
    const summary = done.summary();
    const emptyDump = writeModelResults(done, paths);
    // what the library itself does at exit: the final dump, the leak summary, statistics
    if (done.exit() !== 0) process.exitCode = EXIT_FINDING;
    if (done.confError || unopened.length > 0) process.exitCode = EXIT_BAD_INPUT;
    if (unopened.length > 0) printNotes([unopenedNote(unopened, args.output)], args.quiet);
    const moment = until === undefined ? undefined : momentOf(until);
    writeLedgerResults(done, { summary, emptyDump, moment }, paths, symbolizer, args);
  } finally {
    placements?.dispose();
  }
}

/** Writes a result, unless its reader has gone: the others are written all the same. */
function unlessGone(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error instanceof ReaderGone)) throw error;
  }
}

/** Whether the summary for people goes to standard output: not where a result does, nor beside results where quiet is asked for. */
function printsSummary(args: ReplayArgs, paths: ReadonlyMap<Result, string>): boolean {
  const written = writtenPaths(args, paths);
  return args.json !== true && !(args.quiet === true && written.length > 0) && !written.some(isStandardOutput);
}

/** The model's settings. Profiling is on where its dump is asked for, unless the configuration says otherwise. */
function modelOptions(args: ReplayArgs): ReplayOptions {
  return {
    profiling: args.heap !== undefined || args.output !== undefined,
    ...(args.conf === undefined ? {} : { conf: args.conf }),
    ...(args.ncpus === undefined ? {} : { ncpus: parseCount('--ncpus', args.ncpus, 1) }),
    ...(args['prng-seed'] === undefined ? {} : { prngSeed: parseHex('--prng-seed', args['prng-seed']) }),
    unmatched: args.unmatched,
    audit: args.audit === true,
    message: (_, bytes) => process.stderr.write(bytes),
  };
}

/** Where each result goes: its own flag first, else the folder of `-o`. */
function resultPaths(args: ReplayArgs): Map<Result, string> {
  const paths = new Map<Result, string>();
  for (const [result, file] of Object.entries(RESULTS) as [Result, string][]) {
    const path = args[result] ?? (args.output === undefined ? undefined : join(args.output, file));
    if (path !== undefined) paths.set(result, path);
  }
  return paths;
}

/** Every file that is asked for, the summary's of `-o` too. */
function writtenPaths(args: ReplayArgs, paths: ReadonlyMap<Result, string>): string[] {
  const placements = args.placements === undefined ? [] : [args.placements];
  return [...paths.values(), ...placements, ...(args.output === undefined ? [] : [join(args.output, SUMMARY_FILE)])];
}

/**
 * A dump or log that the model writes of itself (prof_final, prof_gdump, lg_prof_interval, prof_log), where jemalloc would put it.
 * @returns the error (errno) for which there can be none; its name is added to `unopened` then
 */
function dumpFile(name: string, folder: string | undefined, trace: Trace, unopened: string[]): ProfFile | number {
  const path = folder === undefined ? name : join(folder, basename(name));
  try {
    closeSync(openSync(path, 'w'));
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    unopened.push(name);
    return -errno;
  }
  const parts: string[] = [];
  return {
    write: (text) => parts.push(text),
    close: () => {
      const text = parts.join('');
      const heap = name.endsWith('.heap') && text !== '';
      writeResult(path, heap ? heapFileParts({ heapText: text.split('\nMAPPED_LIBRARIES:\n', 1)[0], trace }) : parts);
    },
  };
}

/** What there is to say of dumps and logs whose files could not be opened. */
function unopenedNote(names: readonly string[], folder: string | undefined): string {
  const hint = folder === undefined ? '; what the options of --conf name goes into the folder of -o DIR, if that is given' : '';
  return `${names.length === 1 ? names[0] : `${names[0]} and ${names.length - 1} more`}: could not be opened, and not written${hint}`;
}

/**
 * Writes what jemalloc would have written. Before any frame is named: a dump has the recording's own addresses and names.
 * @returns true if the dump has no sample of what is live
 */
function writeModelResults(done: Replay, paths: ReadonlyMap<Result, string>): boolean {
  let emptyDump = false;
  writeEach(paths, {
    // strings of the configuration may hold any bytes
    stats: () => Buffer.from(done.statsJson(), 'latin1'),
    'stats-text': () => Buffer.from(done.statsText(), 'latin1'),
    heap: () => {
      const text = heapText(done);
      emptyDump = !text.includes('\n@') && done.ledger.totalLiveObjects > 0;
      return heapFileParts({ heapText: text, trace: done.trace });
    },
  });
  return emptyDump;
}

/** What else there is to say of a replay that has ended. */
interface Ended {
  readonly summary: ReplaySummary;
  /** The dump that was asked for has no sample of what is live. */
  readonly emptyDump: boolean;
  /** Where `--until` stopped it. */
  readonly moment: string | undefined;
}

/** Writes what the account of requested bytes says, with the names of the recording's bare addresses, and the summary. */
function writeLedgerResults(
  done: Replay,
  { summary, emptyDump, moment }: Ended,
  paths: ReadonlyMap<Result, string>,
  symbolizer: Symbolizer,
  args: ReplayArgs,
): void {
  const { trace } = done;
  const name = args.trace === STANDARD ? 'standard input' : basename(args.trace);
  const profile = profileFromLedger(trace, done.ledger, moment);
  if (done.ledger.contexts) nameProfile(profile, symbolizer);
  const report = leaksOfReplay(done, true, moment);
  writeEach(paths, {
    leaks: (path) => (path.endsWith('.json') ? leaksJson(report) : formatLeaks(report)),
    flamegraph: () => renderFlameGraph(profile, { title: name }),
    pprof: () => writePprof(profile, { durationNanos: summary.duration_ns }),
    collapsed: () => collapsedLines(profile),
  });
  const json = `${JSON.stringify(summary, null, 2)}\n`;
  if (args.output !== undefined) writeResult(join(args.output, SUMMARY_FILE), json);
  printNotes([...trace.warnings, ...symbolizer.notes()], args.quiet);
  if (emptyDump) printNotes([`the heap dump is empty: ${whyEmpty(done)}`], args.quiet);
  if (args.json === true) writeResult(STANDARD, json);
  else if (printsSummary(args, paths)) {
    const colour = wantsColour(process.stdout);
    const leaks = formatLeaks(report, { contexts: 3, frames: 6, width: widthOf(process.stdout), colour });
    const written = writtenPaths(args, paths);
    const named = written.length === 0 ? '' : `\nwritten: ${written.join(' ')}\n`;
    writeResult(STANDARD, `${summaryText(trace, summary, colour)}\n${leaks}${named}`);
  }
}

/** Why a dump has no sample. */
function whyEmpty({ heap: { prof } }: Replay): string {
  if (prof?.active === false) return 'with prof_active:false nothing is sampled';
  return `it holds one sample per ${formatBytes(2 ** (prof?.lgSample ?? 0))} on average; --conf lg_prof_sample:0 counts every allocation`;
}

/** Writes those of the results that were asked for, in the order of RESULTS. */
function writeEach(paths: ReadonlyMap<Result, string>, contents: Partial<Record<Result, (path: string) => Content>>): void {
  for (const [result, path] of paths) {
    const content = contents[result]?.(path);
    if (content !== undefined) unlessGone(() => writeResult(path, content));
  }
}

function heapText(done: Replay): string {
  if (done.heap.prof === null) throw new InputError('--heap', 'the configuration turns profiling off', 'leave prof:false out of --conf');
  return done.heapText();
}
