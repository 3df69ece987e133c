/**
 * Recording with bpftrace: probes on the allocator's functions of the library that the process uses.
 * Invariant: a program that is started makes no call before the probes are in place, and does not leave before its stacks have names. No call is recorded
 * before all probes are in place, and bpftrace is told to end only when it has written all that were.
 * Differs from `bpftrace -c`: that one splits the command line at blanks, and its probes fire in every process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { allocatorOfProcess, allocatorOfProgram } from './allocator.ts';
import { Answers, forksIn, placedIn } from './answers.ts';
import { drain, hasNoRoom, startTracer, stopTracer, type Tracer, TRACING, whyGone } from './bpftrace_process.ts';
import { ended, isGone, LEAVE_MS, stateOf, until } from './child.ts';
import { servesProgram, Stops } from './executed.ts';
import { symbolFacts } from './names.ts';
import { Observed } from './observed.ts';
import { OVER } from './probes.ts';
import { programOf } from './proc.ts';
import { findProgram, LIMIT, notInstalled, type Recorded, type Recorder, type Unfit, type Window } from './recorder.ts';

export const bpftrace: Recorder = {
  name: 'bpftrace',
  gives: 'threads, times and stacks, at some ten microseconds a call',
  unfit,
  isEvent: (line) => /^\d+ \d+ \d+ (?!thread\()/.test(line),
  // Each processor's part of the recording is written out by itself.
  timeOf: (line) => Number.parseInt(line, 10),
  record: (target, file, signal, window) =>
    'pid' in target ? attach(target.pid, file, signal, window) : launch(target.program, file, signal, window),
};

/** Number of the PID namespace that the kernel begins with (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
const INITIAL_NAMESPACE = 'pid:[4026531836]';

/** Whether processes have the numbers here that probes see. Where that cannot be told they are taken to. */
function isInitialNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === INITIAL_NAMESPACE;
  } catch {
    return true;
  }
}

function unfit(): Unfit | undefined {
  if (findProgram('bpftrace') === undefined) return notInstalled('bpftrace');
  if (process.getuid?.() !== 0) return { fact: 'needs root', remedy: 'run jereplay record with sudo' };
  if (!existsSync('/sys/bus/event_source/devices/uprobe')) {
    return { fact: 'needs uprobes, which this kernel lacks', remedy: 'boot a kernel with CONFIG_UPROBE_EVENTS=y' };
  }
  if (!isInitialNamespace()) {
    return {
      fact: 'counts processes as the host does, and here they have other numbers (a PID namespace, as in a container)',
      remedy: 'run jereplay record on the host, or in a container with its process ids (docker run --pid=host)',
    };
  }
  const traceable = TRACING.some((folder) => existsSync(`${folder}/uprobe_events`));
  return traceable ? undefined : { fact: 'needs tracefs, which is not mounted', remedy: 'mount -t tracefs nodev /sys/kernel/tracing' };
}

async function attach(pid: number, file: string, signal: AbortSignal, window: Window): Promise<Recorded> {
  const process = new Observed(pid);
  const allocator = allocatorOfProcess(pid);
  process.look(true);
  const tracer = await startTracer({ pid, launched: false, waits: false, most: window.most }, allocator, file, signal, window);
  window.onStart();
  const notes = ['the recording starts mid-life: blocks from before it are unknown'];
  const first = programOf(pid);
  let last = first;
  let symbols = '';
  try {
    const over = new Answers(OVER, file, tracer.from);
    const lookAtProgram = () => {
      last = programOf(pid) ?? last;
      return false;
    };
    await follow(process, tracer, file, over, signal, lookAtProgram);
    notes.push(...(await drain(tracer, file, window)));
    process.look(true);
    symbols = symbolFacts(file, process);
    process.resume();
  } finally {
    await stopTracer(tracer, window);
    // It may have reached its end, and been stopped there, after the last look.
    process.resume();
  }
  if (last !== undefined && last !== first && !servesProgram(allocator, last))
    notes.push(`the process executed ${last}, which allocates elsewhere: nothing of that is recorded`);
  return { exitCode: 0, notes: [...notes, ...startedProcesses(file)], header: process.header, symbols };
}

async function launch(program: readonly string[], file: string, signal: AbortSignal, window: Window): Promise<Recorded> {
  let allocator = allocatorOfProgram(program[0] as string);
  // The shell stops itself, becomes the program when it goes on, and keeps its process id.
  const child = spawn('/bin/sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...program], { stdio: 'inherit' });
  const exit = ended(child);
  const pid = child.pid as number;
  const notes: string[] = [];
  let tracer: Tracer | undefined;
  try {
    // A shell that went on before it stops would stay there.
    await until(() => stateOf(pid) === 'T' || isGone(child) || signal.aborted, Infinity);
    tracer = await startTracer({ pid, launched: true, waits: true, most: window.most }, allocator, file, signal, window);
    child.kill('SIGCONT');
    window.onStart();
    const process = new Observed(pid);
    const stops = new Stops(process);
    let over = new Answers(OVER, file, tracer.from);
    for (let next = allocator; ; allocator = next) {
      const executed = () => {
        next = stops.look(allocator) ?? allocator;
        return next !== allocator;
      };
      await follow(process, tracer, file, over, signal, executed);
      if (next === allocator) break;
      notes.push(...(await drain(tracer, file, window)));
      await stopTracer(tracer, window);
      tracer = undefined;
      window.say('the program executes another one, which allocates elsewhere: probes are put in place there');
      tracer = await startTracer({ pid, launched: true, waits: false, most: window.most }, next, file, signal, window, 'a');
      over = new Answers(OVER, file, tracer.from);
      process.resume();
    }
    if (!signal.aborted && isGone(tracer.child) && runs(pid)) {
      window.say(`bpftrace ended (${await whyGone(tracer)}); the program runs on, and what it calls from here on is not recorded`);
      await until(() => signal.aborted || !runs(pid), Infinity);
    }
    if (signal.aborted && signal.reason !== LIMIT) {
      // How it ends is part of the recording.
      child.kill('SIGINT');
      await until(() => !runs(pid), LEAVE_MS);
    }
    const atEnd = !runs(pid);
    notes.push(...(await drain(tracer, file, window)));
    process.look(true);
    const symbols = symbolFacts(file, process);
    process.resume();
    if (!atEnd) await leave(child, process);
    notes.push(...stops.notes, ...startedProcesses(file));
    return { exitCode: await exit, notes, header: { ...process.header, command: program.join(' ') }, symbols };
  } finally {
    if (!isGone(child)) child.kill('SIGKILL');
    if (tracer !== undefined) await stopTracer(tracer, window);
  }
}

/** What to say of processes that a recorded one has started. */
function startedProcesses(file: string): string[] {
  const count = forksIn(file);
  if (count === 0) return [];
  const processes = count === 1 ? 'a process' : `${count} processes`;
  return [`the program started ${processes}, of which nothing is recorded: to record one of them name its program, or its id with -p`];
}

/** False once a process has ended, or has been stopped where it does. */
function runs(pid: number): boolean {
  const state = stateOf(pid);
  return state !== undefined && state !== 'Z' && state !== 'T';
}

/** Ends the program as Ctrl-C at a terminal does; what does not heed that is killed. */
async function leave(child: ChildProcess, process: Observed): Promise<void> {
  child.kill('SIGINT');
  const gone = () => {
    // The script stops it where it leaves.
    process.resume();
    return isGone(child);
  };
  if (!(await until(gone, LEAVE_MS))) child.kill('SIGKILL');
}

/** Waits until the process or bpftrace has ended, as many calls are recorded as are wanted, the user has enough, or something else is over. */
async function follow(
  process: Observed,
  { child, from }: Tracer,
  file: string,
  over: Answers,
  signal: AbortSignal,
  isOver: () => boolean = () => false,
): Promise<void> {
  const placed = placedIn(file, from);
  let seen = 0;
  const isDone = () => {
    // Code that has come may soon be gone.
    const count = placed.count();
    process.look(count > seen);
    seen = count;
    const state = stateOf(process.pid);
    return signal.aborted || isGone(child) || state === undefined || state === 'Z' || over.have() || hasNoRoom(file) || isOver();
  };
  await until(isDone, Infinity);
}
