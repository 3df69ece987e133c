/**
 * Records a trace with a tool of the machine, into a file that every other command reads as it is.
 */
import { appendFileSync, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { recordingFacts } from '../../formats/shared/recording_facts.ts';
import { formatCount } from '../../core/trace/counted.ts';
import { InputError } from '../../core/trace/input_error.ts';
import { ofFile } from '../failure.ts';
import { interruptible } from '../interrupt.ts';
import { printNotes } from '../notes.ts';
import { isStandardOutput } from '../output.ts';
import { checkOutputs } from '../output_places.ts';
import { bpftrace } from '../record/bpftrace.ts';
import { heaptrack } from '../record/heaptrack.ts';
import { ltrace } from '../record/ltrace.ts';
import { processOf, startedSince } from '../record/proc.ts';
import { putInFront } from '../record/put_in_front.ts';
import { findProgram, LIMIT, type Recorded, type Recorder, type Target } from '../record/recorder.ts';
import { showProgress } from '../progress.ts';
import { Watch } from '../record/watch.ts';
import { parseCount, parseDuration } from '../settings.ts';

/** The best one first: threads, times and stacks; stacks; calls alone. */
const RECORDERS: readonly Recorder[] = [bpftrace, heaptrack, ltrace];

interface RecordArgs {
  readonly output?: string | undefined;
  readonly pid?: string | undefined;
  readonly with?: string | undefined;
  readonly duration?: string | undefined;
  readonly 'max-events'?: string | undefined;
  readonly quiet?: boolean | undefined;
  readonly '--'?: unknown;
}

/** Records what the arguments name; ends with the exit code 0 whatever the program's own is, and says it. */
export async function record(args: RecordArgs): Promise<void> {
  const program = ((args['--'] ?? []) as readonly unknown[]).map(String);
  const target = targetOf(program, args.pid);
  const file = args.output ?? `${'pid' in target ? target.pid : basename(program[0] as string)}.trace`;
  if (isStandardOutput(file)) throw new InputError(file, 'a recording goes to a file', 'name one with -o FILE');
  checkFile(file);
  const place = regularFile(file);
  const durationMs = args.duration === undefined ? undefined : parseDuration('--duration', args.duration) / 1e6;
  const most = args['max-events'] === undefined ? undefined : parseCount('--max-events', args['max-events'], 1);
  const [recorder, why] = choose(args.with, target, most !== undefined);
  printNotes([`recording with ${recorder.name} (${why}) into ${file}`], args.quiet);
  const limits = { durationMs, most: most ?? Infinity, quiet: args.quiet === true };
  const { exitCode, notes, events } = await interruptible((signal) => recordWithin(recorder, target, place, signal, limits));
  printNotes(notes, args.quiet);
  if ('program' in target) printNotes(leftBehind(target.program), args.quiet);
  if (exitCode !== 0) printNotes([`the program ended with exit code ${exitCode}`], args.quiet);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) throw new InputError(recorder.name, 'recorded nothing', 'try another one with --with NAME');
  if (events === 0) {
    const others = RECORDERS.filter((other) => other !== recorder && other.unfit(target) === undefined).map(({ name }) => `--with ${name}`);
    const other = others.length === 0 ? '' : `; another recorder may see more: ${others.join(' or ')}`;
    throw new InputError(
      recorder.name,
      'recorded no call of the allocator',
      `does the process itself allocate, and while it is recorded?${other}`,
    );
  }
  printNotes([`see it with: jereplay leaks ${file}`], args.quiet);
}

/** What to say of processes that a program has left behind, as those do that become daemons. */
function leftBehind(program: readonly string[]): string[] {
  const pids = startedSince(program);
  if (pids.length === 0) return [];
  const more = pids.length > 1 ? `, ${pids.slice(1, 5).join(', ')}${pids.length > 5 ? ', …' : ''}` : '';
  return [`it has left processes that run on and are not recorded: jereplay record -p ${pids[0]}${more}`];
}

/** @throws InputError for a place that no recording can go to: standard output is none either. */
function checkFile(path: string): void {
  try {
    checkOutputs([path]);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.place, error.fact, 'name a file in a folder that can be written to: -o FILE');
  }
}

/**
 * The file that a path names, or will name, behind symbolic links: a recorder may put a new one in its place.
 * @throws InputError for devices and pipes, of which nothing tells what has been recorded
 */
function regularFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile()) return realpathSync(path);
  if (stats !== undefined) throw new InputError(path, 'is no regular file, which a recording goes to', 'name one with -o FILE');
  const leadsNowhere = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return leadsNowhere ? regularFile(resolve(dirname(path), readlinkSync(path))) : resolve(path);
}

/** Milliseconds between two looks at a recording that grows. */
const LOOK_MS = 100;

interface Limits {
  readonly durationMs: number | undefined;
  /** Events. */
  readonly most: number;
  readonly quiet: boolean;
}

/** Records until the target ends, the user has enough, or a limit is reached; shows what comes in and what is lost meanwhile. */
async function recordWithin(
  recorder: Recorder,
  target: Target,
  file: string,
  signal: AbortSignal,
  limits: Limits,
): Promise<Recorded & { readonly events: number | undefined }> {
  const { durationMs, most, quiet } = limits;
  const { isEvent } = recorder;
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  signal.addEventListener('abort', onSignal, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const onLimit = () => stop.abort(LIMIT);
  const onStart = () => {
    if (durationMs !== undefined) timer = setTimeout(onLimit, durationMs);
  };
  const say = (note: string) => {
    progress.done();
    printNotes([note], quiet);
  };
  const watch = isEvent === undefined ? undefined : new Watch(file, isEvent, most, recorder.timeOf);
  // The terminal is that of the program which is started: a line of ours would stand amid its own.
  const progress = showProgress(file, quiet || 'program' in target);
  let saidLost = 0;
  const look = () => {
    if (watch === undefined) return;
    watch.look();
    progress.at(watch.bytes, undefined, watch.events);
    // Said when it begins, and each time it has become twice as bad.
    if (watch.lost > 2 * saidLost) {
      saidLost = watch.lost;
      say(
        `${formatCount(watch.lost)} events are lost so far, ${formatCount(watch.events)} recorded: the program allocates faster than they are written`,
      );
    }
    if (watch.isFull) onLimit();
  };
  const looker = setInterval(look, LOOK_MS);
  try {
    const recorded = await recorder.record(target, file, stop.signal, { most, onStart, say });
    look();
    watch?.cut();
    writeTo(file, () => {
      putInFront(file, recorded.symbols ?? '');
      if (recorded.header !== undefined) appendFileSync(file, recordingFacts(recorded.header, recorded.threads));
    });
    const lost =
      watch === undefined || watch.lost === 0 ? [] : [`${formatCount(watch.lost)} events were lost, ${formatCount(watch.events)} recorded`];
    return { ...recorded, notes: [...recorded.notes, ...lost], events: recorded.sawNone === true ? 0 : watch?.events };
  } finally {
    progress.done();
    clearInterval(looker);
    clearTimeout(timer);
    signal.removeEventListener('abort', onSignal);
  }
}

/** @throws InputError where the system does not take what is written. */
function writeTo(file: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw ofFile(error, file);
  }
}

function targetOf(program: readonly string[], pid: string | undefined): Target {
  const hint = 'jereplay record -- PROGRAM ARGS, or jereplay record -p PID';
  if (pid !== undefined) {
    if (program.length > 0) throw new InputError('jereplay record', 'a process and a program at once', hint);
    return { pid: processNamed(pid) };
  }
  if (program.length === 0) throw new InputError('jereplay record', 'nothing to record', hint);
  const [name] = program as [string];
  const path = findProgram(name);
  if (path === undefined) throw whyNoProgram(name, hint);
  return { program: [path, ...program.slice(1)] };
}

/** @throws InputError for what is no process that is there, such as a thread of one, which top and htop show alike. */
function processNamed(text: string): number {
  const pid = parseCount('--pid', text, 1);
  const process = processOf(pid);
  if (process === undefined) throw new InputError(`process ${pid}`, 'does not run, or is not yours to look at', 'see ps -e; run as root');
  if (process !== pid)
    throw new InputError(`process ${pid}`, `is none but a thread of process ${process}`, `jereplay record -p ${process}`);
  return pid;
}

function whyNoProgram(name: string, hint: string): InputError {
  const stats = name.includes('/') ? statSync(name, { throwIfNoEntry: false }) : undefined;
  if (stats?.isDirectory()) return new InputError(name, 'is a directory, no program', hint);
  if (stats !== undefined) return new InputError(name, 'may not be executed', 'chmod +x, or name its interpreter before it');
  return new InputError(name, 'no such program', hint);
}

/** The recorder to take, and why that one. */
function choose(name: string | undefined, target: Target, counting: boolean): [recorder: Recorder, why: string] {
  const why: string[] = [];
  const remedies: string[] = [];
  for (const recorder of RECORDERS) {
    if (name !== undefined && recorder.name !== name) continue;
    const unfit =
      recorder.unfit(target) ??
      (counting && recorder.isEvent === undefined
        ? { fact: 'cannot end after a number of events', remedy: 'end it with --duration' }
        : undefined);
    if (unfit === undefined) return [recorder, [recorder.gives, ...why].join('; ')];
    why.push(`${recorder.name} ${unfit.fact}`);
    remedies.push(unfit.remedy);
  }
  throw new InputError('jereplay record', `no recorder: ${why.join('; ')}`, [...new Set(remedies)].join(', or '));
}
