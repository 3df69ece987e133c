/**
 * Recording with bpftrace: probes on the allocator's functions of the library that the process uses.
 * Invariant: a program that is started makes no call before the probes are in place, and does not leave before its stacks have names. No call is recorded
 * before all probes are in place, and bpftrace is told to end only when it has written all that were.
 * Differs from `bpftrace -c`: that one splits the command line at blanks, and its probes fire in every process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readFileSync, readlinkSync, readSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { InputError } from '../../core/trace/input_error.ts';
import { TemporaryFolder } from '../temporary_folder.ts';
import { type Allocator, allocatorOfProcess, allocatorOfProgram } from './allocator.ts';
import { ended, stateOf, until } from './child.ts';
import { Observed } from './observed.ts';
import { withOwnLibraries } from './own_libraries.ts';
import { ATTACHED, DRAINED, scriptFor, type Scope } from './probes.ts';
import { findProgram, LIMIT, notInstalled, type Recorded, type Recorder, type Unfit, type Window } from './recorder.ts';

/** Pages of the ring per CPU: with bpftrace's own 64 most events of a busy program are lost. */
const RING_PAGES = '8192';
/** Milliseconds for bpftrace to compile and attach, which beside a busy program takes twenty seconds and more, and to write out what it holds. */
const ATTACH_MS = 180_000;
const DRAIN_MS = 120_000;
/** Milliseconds after which the user is told what takes so long. */
const SAID_MS = 1000;
/** Milliseconds that a program gets to end after Ctrl-C. */
const LEAVE_MS = 5000;
const NEWLINE = 0x0a;
const LOST = /^Lost \d+ events$/;

export const bpftrace: Recorder = {
  name: 'bpftrace',
  gives: 'threads, times and stacks, at little cost',
  unfit,
  isEvent: (line) => /^\d+ \d+ \d+ (?!thread\()/.test(line),
  record: (target, file, signal, onStart) =>
    'pid' in target ? attach(target.pid, file, signal, onStart) : launch(target.program, file, signal, onStart),
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
  const traceable = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].some((folder) => existsSync(`${folder}/uprobe_events`));
  return traceable ? undefined : { fact: 'needs tracefs, which is not mounted', remedy: 'mount -t tracefs nodev /sys/kernel/tracing' };
}

async function attach(pid: number, file: string, signal: AbortSignal, window: Window): Promise<Recorded> {
  const process = new Observed(pid);
  const tracer = await startTracer({ pid, launched: false, most: window.most }, allocatorOfProcess(pid), file, signal, window);
  window.onStart();
  const notes = ['the recording starts mid-life: blocks from before it are unknown'];
  try {
    const drained = new Lines(file, DRAINED);
    await follow(process, tracer, drained, file, signal);
    notes.push(...(await drain(tracer, drained, window)));
    process.look(true);
    process.resume();
  } finally {
    await stopTracer(tracer, window);
    // It may have reached its end, and been stopped there, after the last look.
    process.resume();
  }
  return { exitCode: 0, notes, header: process.header };
}

async function launch(program: readonly string[], file: string, signal: AbortSignal, window: Window): Promise<Recorded> {
  const allocator = allocatorOfProgram(program[0] as string);
  // The shell stops itself, becomes the program when it goes on, and keeps its process id.
  const child = spawn('/bin/sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...program], { stdio: 'inherit' });
  const exit = ended(child);
  const pid = child.pid as number;
  let tracer: ChildProcess | undefined;
  try {
    await until(() => stateOf(pid) === 'T', 5000);
    tracer = await startTracer({ pid, launched: true, most: window.most }, allocator, file, signal, window);
    child.kill('SIGCONT');
    window.onStart();
    const process = new Observed(pid);
    const drained = new Lines(file, DRAINED);
    await follow(process, tracer, drained, file, signal);
    if (signal.aborted && signal.reason !== LIMIT) {
      // How it ends is part of the recording.
      child.kill('SIGINT');
      await until(() => !runs(pid), LEAVE_MS);
    }
    const atEnd = !runs(pid);
    const notes = await drain(tracer, drained, window);
    process.look(true);
    process.resume();
    if (!atEnd) await leave(child, process);
    return { exitCode: await exit, notes, header: { ...process.header, command: program.join(' ') } };
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    if (tracer !== undefined) await stopTracer(tracer, window);
  }
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
    return child.exitCode !== null || child.signalCode !== null;
  };
  if (!(await until(gone, LEAVE_MS))) child.kill('SIGKILL');
}

/** Waits until the process has ended, as many calls are recorded as are wanted, or the user has enough. */
async function follow(process: Observed, tracer: ChildProcess, drained: Lines, file: string, signal: AbortSignal): Promise<void> {
  const over = () => {
    process.look();
    const state = stateOf(process.pid);
    return signal.aborted || isGone(tracer) || state === undefined || state === 'Z' || drained.count() > 0;
  };
  await until(over, Infinity);
  if (!signal.aborted && isGone(tracer)) {
    process.resume();
    throw new InputError('bpftrace', `ended before the program (${endOf(tracer)})`, `what it wrote until then is in ${file}`);
  }
}

/** Ends the recording, and waits until bpftrace has written what every CPU's ring holds of it: what is left there when it is told to end it drops. */
async function drain(tracer: ChildProcess, drained: Lines, { say }: Window): Promise<readonly string[]> {
  // To be named, with whatever name, is what the script waits for.
  writeFileSync('/proc/self/comm', readFileSync('/proc/self/comm'));
  const all = () => drained.count() >= cpus().length;
  const over = () => isGone(tracer) || all();
  if (!(await until(over, SAID_MS))) {
    say('the recording is over; bpftrace writes out what it holds of it');
    await until(over, DRAIN_MS);
  }
  if (all()) return [];
  const why = isGone(tracer)
    ? `ended (${endOf(tracer)}) before it had written all calls`
    : `had not written all calls after ${DRAIN_MS / 1000} seconds`;
  return [`bpftrace ${why}: the last ones are missing`];
}

/** How a child ended that is gone. */
function endOf({ signalCode, exitCode }: ChildProcess): string {
  return signalCode ?? `exit code ${exitCode}`;
}

function isGone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function startTracer(
  scope: Omit<Scope, 'ender'>,
  allocator: Allocator,
  file: string,
  signal: AbortSignal,
  { say }: Window,
): Promise<ChildProcess> {
  const script = scriptFor({ ...scope, ender: process.pid }, allocator);
  const output = openSync(file, 'w');
  const libraries = new TemporaryFolder('bpftrace has copies of libraries there');
  const { file: probed, libc, operators } = allocator;
  const own = withOwnLibraries(
    findProgram('bpftrace') as string,
    [probed, libc, ...(operators === undefined ? [] : [operators.file])],
    libraries,
  );
  // Not bpftrace's own -o, which holds lines back: what is in the file tells when the probes are in place and when all is written.
  const tracer = spawn('bpftrace', ['--unsafe', '-B', 'line', '-e', script], {
    stdio: ['ignore', output, 'pipe'],
    // One process is recorded, so its symbols are read once and not for every frame.
    env: { ...own, BPFTRACE_PERF_RB_PAGES: RING_PAGES, BPFTRACE_MAP_KEYS_MAX: '65536', BPFTRACE_CACHE_USER_SYMBOLS: '1' },
    // Ctrl-C at the terminal is for us: bpftrace writes out what it holds when we say so.
    detached: true,
  });
  closeSync(output);
  process.once('exit', () => tracer.kill('SIGKILL'));
  tracer.once('close', () => libraries.remove());
  let complaint = '';
  /** Of a line on standard error what has come. */
  let unended = '';
  let saidLost = '';
  tracer.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text.slice(0, 4096);
    const lines = (unended + text).split('\n');
    unended = lines.pop() as string;
    for (const line of lines) if (LOST.test(line)) saidLost += `${line}\n`;
  });
  // Newer versions say there what they lost, older ones in the output, where it is read.
  tracer.once('close', () => {
    if (saidLost !== '') appendFileSync(file, saidLost);
  });
  let gone = false;
  void ended(tracer).then(() => (gone = true));
  const lines = new Lines(file, ATTACHED);
  const attached = () => lines.count() > 0;
  const begun = () => gone || attached() || signal.aborted;
  if (!(await until(begun, SAID_MS))) {
    say(
      `bpftrace puts its ${script.match(/^u(?:ret)?probe:/gm)?.length} probes in place, one after the other; the recording begins when all are there`,
    );
    await until(begun, ATTACH_MS);
  }
  // Stopped before it began: there is nothing to say of it, and nothing to keep.
  if (signal.aborted && !attached()) {
    tracer.kill('SIGKILL');
    throw new InputError('bpftrace', 'was stopped before its probes were in place');
  }
  if (!attached()) {
    if (!gone) tracer.kill('SIGKILL');
    const lines = complaint.split('\n').filter((line) => line !== '' && !line.includes('RLIMIT_MEMLOCK'));
    throw new InputError('bpftrace', lines[0] ?? 'did not start', 'record --with heaptrack or --with ltrace instead');
  }
  return tracer;
}

async function stopTracer(tracer: ChildProcess, { say }: Window): Promise<void> {
  if (isGone(tracer)) return;
  const end = once(tracer, 'close');
  tracer.kill('SIGINT');
  const notice = setTimeout(() => say('bpftrace takes its probes away, one after the other'), SAID_MS);
  const timer = setTimeout(() => tracer.kill('SIGKILL'), DRAIN_MS);
  await end;
  clearTimeout(notice);
  clearTimeout(timer);
}

/** Counts the lines of a growing file that are a text, each once. */
class Lines {
  #count = 0;
  #looked = 0;
  readonly #file: string;
  readonly #line: Buffer;
  readonly #part = Buffer.alloc(1 << 20);

  constructor(file: string, line: string) {
    this.#file = file;
    this.#line = Buffer.from(`\n${line}\n`);
  }

  /** How many there are by now. */
  count(): number {
    const fd = openSync(this.#file, 'r');
    try {
      const { size } = fstatSync(fd);
      // The last newline is looked at again: the next line may begin behind it.
      while (size - this.#looked > 1) {
        const length = readSync(fd, this.#part, 0, this.#part.length, this.#looked);
        const whole = this.#part.lastIndexOf(NEWLINE, length - 1);
        if (whole <= 0) break;
        const text = this.#part.subarray(0, whole + 1);
        for (let at = text.indexOf(this.#line); at >= 0; at = text.indexOf(this.#line, at + this.#line.length - 1)) this.#count++;
        this.#looked += whole;
      }
      return this.#count;
    } finally {
      closeSync(fd);
    }
  }
}
