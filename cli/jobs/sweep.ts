/**
 * One recording under several option strings: what the allocator would have held, and what it would have given back.
 * Invariant: a row says what `replay --conf` of the same string says; the first row is the default options.
 */
import { existsSync, readFileSync } from 'node:fs';
import { InputError } from '../../core/trace/input_error.ts';
import { Trace } from '../../core/trace/trace.ts';
import { EXIT_BAD_INPUT } from '../failure.ts';
import { interruptible } from '../interrupt.ts';
import { printNotes } from '../notes.ts';
import { STANDARD, writeResult } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { showProgress } from '../progress.ts';
import { parseCount } from '../settings.ts';
import { standardInputText } from '../standard_input.ts';
import type { SweepOptions } from '../sweep_run.ts';
import { sweepLimits } from '../sweep_limits.ts';
import { type SweepRun, type SweepSort, sortedRuns, sweepTable } from '../sweep_table.ts';
import { runUnderEach } from '../sweep_threads.ts';
import { TemporaryFolder } from '../temporary_folder.ts';
import { copyTrace } from '../trace_copy.ts';
import type { InputArgs } from '../trace_input.ts';
import { traceOutput } from '../trace_output.ts';

/** What people try first, where nothing is asked for: purging by threads of its own, earlier and none, giving address space back, fewer arenas, smaller thread caches and none. */
const FIRST_TRIES = [
  'background_thread:true',
  'dirty_decay_ms:1000',
  'dirty_decay_ms:0',
  'retain:false',
  'dirty_decay_ms:-1',
  'narenas:4',
  'narenas:1',
  'tcache_max:4096',
  'tcache:false',
  'narenas:1,tcache:false,dirty_decay_ms:0',
];

interface SweepArgs extends InputArgs {
  readonly trace: string;
  readonly confs: readonly string[];
  readonly 'confs-from'?: string | undefined;
  readonly ncpus?: string | undefined;
  readonly sort?: SweepSort | undefined;
  readonly output?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Replays the trace under each option string and prints a row for each. Exit code 2 if jemalloc or the replay refuses one of them. */
export async function sweep(args: SweepArgs): Promise<void> {
  const output = args.output ?? STANDARD;
  checkOrder(args);
  const options: SweepOptions = { name: args.trace, ...(args.ncpus !== undefined && { ncpus: parseCount('--ncpus', args.ncpus, 1) }) };
  const asked = [...args.confs, ...(await confsOf(args['confs-from'], args.trace))];
  const confs = [...new Set(['', ...(asked.length > 0 ? asked : FIRST_TRIES)])];
  checkOutputs([output], [args.trace]);
  const trace = new Trace();
  const inOrder = await runsOf(args, trace, confs, options);
  const runs = args.sort === undefined ? inOrder : sortedRuns(inOrder, args.sort);
  const notes = [...trace.warnings, ...runs.flatMap(({ conf, messages }) => messages.map((message) => `${conf}: ${message}`))];
  notes.push(...sweepLimits(runs, trace.header.timed !== false));
  if (runs.length < confs.length) notes.push(`ended after ${runs.length} of ${confs.length} option strings`);
  printNotes(notes, args.quiet);
  if (runs.some(({ messages }) => messages.length > 0)) process.exitCode = EXIT_BAD_INPUT;
  const partial = trace.partial || runs.length < confs.length;
  writeResult(output, args.json === true ? `${JSON.stringify({ trace: args.trace, partial, runs }, null, 2)}\n` : sweepTable(runs));
}

/** @throws InputError for an option string that stands before the trace. */
function checkOrder({ trace, confs }: SweepArgs): void {
  const file = confs.find((conf) => existsSync(conf));
  if (file === undefined || trace === STANDARD || existsSync(trace)) return;
  throw new InputError(trace, 'no such file or directory', `the trace stands first: jereplay sweep ${file} ${trace}`);
}

/** Reads the recording into `trace` and a copy in the compact form, which is read once for each option string. */
async function runsOf(args: SweepArgs, trace: Trace, confs: readonly string[], options: SweepOptions): Promise<SweepRun[]> {
  const folder = new TemporaryFolder('a copy of the trace is kept there');
  const progress = showProgress(args.trace, args.quiet === true);
  try {
    const path = folder.file('trace.jrt');
    return await interruptible(async (stop) => {
      await copyTrace(args.trace, trace, traceOutput(path, 'compact'), args);
      // Of a pipe only the end may have told it.
      const { ncpus = trace.header.ncpus } = options;
      const told = { ...options, ...(ncpus !== undefined && { ncpus }) };
      return runUnderEach(confs, path, told, stop, (done) => progress.say(`${done} of ${confs.length} option strings`));
    });
  } catch (error) {
    throw folder.told(error);
  } finally {
    progress.done();
    folder.remove();
  }
}

/** The option strings of a file. @throws InputError for a file that has none, and for standard input if the trace comes from there. */
async function confsOf(path: string | undefined, trace: string): Promise<string[]> {
  if (path === undefined) return [];
  if (path === STANDARD && trace === STANDARD)
    throw new InputError(
      path,
      'standard input is the trace, and has no option strings',
      'name a file with --confs-from, or one for the trace',
    );
  let text: string;
  try {
    text = path === STANDARD ? await standardInputText() : readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(path, `cannot be read: ${(error as Error).message}`, '--confs-from takes a file of option strings, one a line');
  }
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  const confs = lines.filter((line) => line !== '');
  if (confs.length === 0) throw new InputError(path, 'has no option string', '--confs-from takes option strings, one a line');
  return confs;
}
