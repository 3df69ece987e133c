/**
 * Records a trace with a tool of the machine, into a file that every other command reads as it is.
 */
import { statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import { interruptible } from '../interrupt.ts';
import { printNotes } from '../notes.ts';
import { checkOutputs, STANDARD } from '../output.ts';
import { bpftrace } from '../record/bpftrace.ts';
import { heaptrack } from '../record/heaptrack.ts';
import { ltrace } from '../record/ltrace.ts';
import { findProgram, type Recorder, type Target } from '../record/recorder.ts';
import { parseCount } from '../settings.ts';

/** The best one first: threads, times and stacks; stacks; calls alone. */
const RECORDERS: readonly Recorder[] = [bpftrace, heaptrack, ltrace];

interface RecordArgs {
  readonly output?: string | undefined;
  readonly pid?: string | undefined;
  readonly with?: string | undefined;
  readonly quiet?: boolean | undefined;
  readonly '--'?: unknown;
}

/** Records what the arguments name; ends with the exit code 0 whatever the program's own is, and says it. */
export async function record(args: RecordArgs): Promise<void> {
  const program = ((args['--'] ?? []) as readonly unknown[]).map(String);
  const target = targetOf(program, args.pid);
  const file = args.output ?? `${'pid' in target ? target.pid : basename(program[0] as string)}.trace`;
  if (file === STANDARD) throw new InputError('-', 'a recording goes to a file', 'name one with -o FILE');
  checkOutputs([file]);
  const recorder = choose(args.with, target);
  printNotes([`recording with ${recorder.name} into ${file}`], args.quiet);
  const { exitCode, notes } = await interruptible((signal) => recorder.record(target, resolve(file), signal));
  printNotes(notes, args.quiet);
  if (exitCode !== 0) printNotes([`the program ended with exit code ${exitCode}`], args.quiet);
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) throw new InputError(recorder.name, 'recorded nothing', 'try another one with --with NAME');
  printNotes([`see it with: jereplay leaks ${file}`], args.quiet);
}

function targetOf(program: readonly string[], pid: string | undefined): Target {
  const hint = 'jereplay record -- PROGRAM ARGS, or jereplay record -p PID';
  if (pid !== undefined) {
    if (program.length > 0) throw new InputError('jereplay record', 'a process and a program at once', hint);
    return { pid: parseCount('--pid', pid, 1) };
  }
  if (program.length === 0) throw new InputError('jereplay record', 'nothing to record', hint);
  const path = findProgram(program[0] as string);
  if (path === undefined) throw new InputError(program[0] as string, 'no such program', hint);
  return { program: [path, ...program.slice(1)] };
}

function choose(name: string | undefined, target: Target): Recorder {
  const wanted = name === undefined ? RECORDERS : RECORDERS.filter((recorder) => recorder.name === name);
  const fit = wanted.find((recorder) => recorder.unfit(target) === undefined);
  if (fit !== undefined) return fit;
  const why = wanted.map((recorder) => `${recorder.name}: ${recorder.unfit(target)}`).join('; ');
  throw new InputError('jereplay record', `no recorder (${why})`, 'apt-get install heaptrack, or run as root with bpftrace');
}
