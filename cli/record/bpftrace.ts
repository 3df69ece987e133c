/**
 * Recording with bpftrace: probes on the allocator's functions of the library that the process uses.
 * Invariant: a program that is started makes no call before the probes are in place, and does not leave before its stacks have names.
 * Differs from `bpftrace -c`: that one splits the command line at blanks, and its probes fire in every process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { cpus } from 'node:os';
import { InputError } from '../../core/trace/input_error.ts';
import { type Allocator, allocatorOfProcess, allocatorOfProgram } from './allocator.ts';
import { ended, stateOf, until } from './child.ts';
import { Observed } from './observed.ts';
import { ATTACHED, DRAINED, scriptFor } from './probes.ts';
import { findProgram, notInstalled, type Recorded, type Recorder, type Unfit } from './recorder.ts';

/** Pages of the ring per CPU: with bpftrace's own 64 most events of a busy program are lost. */
const RING_PAGES = '8192';
/** Milliseconds for bpftrace to compile and attach, which beside a busy program takes twenty seconds and more, and to write out what it holds. */
const ATTACH_MS = 180_000;
const DRAIN_MS = 120_000;
const KILLED_DRAIN_MS = 3000;
/** Milliseconds that a program gets to end after Ctrl-C. */
const LEAVE_MS = 5000;
const NEWLINE = 0x0a;

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

async function attach(pid: number, file: string, signal: AbortSignal, onStart: () => void): Promise<Recorded> {
  const process = new Observed(pid);
  const tracer = await startTracer(pid, allocatorOfProcess(pid), false, file, signal);
  onStart();
  try {
    await follow(process, tracer, file, signal);
  } finally {
    await stopTracer(tracer);
    // It may have reached its end, and been stopped there, after the last look.
    process.resume();
  }
  return { exitCode: 0, notes: ['the recording starts mid-life: blocks from before it are unknown'], header: process.header };
}

async function launch(program: readonly string[], file: string, signal: AbortSignal, onStart: () => void): Promise<Recorded> {
  const allocator = allocatorOfProgram(program[0] as string);
  // The shell stops itself, becomes the program when it goes on, and keeps its process id.
  const child = spawn('/bin/sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...program], { stdio: 'inherit' });
  const exit = ended(child);
  const pid = child.pid as number;
  let tracer: ChildProcess | undefined;
  try {
    await until(() => stateOf(pid) === 'T', 5000);
    tracer = await startTracer(pid, allocator, true, file, signal);
    child.kill('SIGCONT');
    onStart();
    const process = new Observed(pid);
    await follow(process, tracer, file, signal);
    if (signal.aborted) await leave(child, process);
    return { exitCode: await exit, notes: [], header: { ...process.header, command: program.join(' ') } };
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    if (tracer !== undefined) await stopTracer(tracer);
  }
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

/** Waits until the process has ended and bpftrace has written what every CPU's ring holds of it; then lets the process go. */
async function follow(process: Observed, tracer: ChildProcess, file: string, signal: AbortSignal): Promise<void> {
  const rings = cpus().length;
  const drained = new Lines(file, DRAINED);
  const over = () => signal.aborted || tracer.exitCode !== null || tracer.signalCode !== null || drained.count() >= rings;
  const gone = () => {
    process.look();
    const state = stateOf(process.pid);
    return state === undefined || state === 'Z';
  };
  await until(() => over() || gone(), Infinity);
  // A process that was killed did not stop where it leaves, and nothing tells when its last calls are written.
  await until(over, KILLED_DRAIN_MS);
  process.look(true);
  if (!signal.aborted && (tracer.exitCode !== null || tracer.signalCode !== null)) {
    process.resume();
    throw new InputError(
      'bpftrace',
      `ended before the program (${tracer.signalCode ?? `exit code ${tracer.exitCode}`})`,
      `what it wrote until then is in ${file}`,
    );
  }
  if (!signal.aborted) process.resume();
}

async function startTracer(pid: number, allocator: Allocator, launched: boolean, file: string, signal: AbortSignal): Promise<ChildProcess> {
  const output = openSync(file, 'w');
  // Not bpftrace's own -o, which holds lines back: what is in the file tells when the probes are in place and when all is written.
  const tracer = spawn('bpftrace', ['--unsafe', '-B', 'line', '-e', scriptFor(pid, allocator, launched)], {
    stdio: ['ignore', output, 'pipe'],
    // One process is recorded, so its symbols are read once and not for every frame.
    env: { ...process.env, BPFTRACE_PERF_RB_PAGES: RING_PAGES, BPFTRACE_MAP_KEYS_MAX: '65536', BPFTRACE_CACHE_USER_SYMBOLS: '1' },
    // Ctrl-C at the terminal is for us: bpftrace writes out what it holds when we say so.
    detached: true,
  });
  closeSync(output);
  process.once('exit', () => tracer.kill('SIGKILL'));
  let complaint = '';
  tracer.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text.slice(0, 4096)));
  let gone = false;
  void ended(tracer).then(() => (gone = true));
  const lines = new Lines(file, ATTACHED);
  const attached = () => lines.count() > 0;
  await until(() => gone || attached() || signal.aborted, ATTACH_MS);
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

async function stopTracer(tracer: ChildProcess): Promise<void> {
  if (tracer.exitCode !== null || tracer.signalCode !== null) return;
  const end = ended(tracer);
  tracer.kill('SIGINT');
  const timer = setTimeout(() => tracer.kill('SIGKILL'), DRAIN_MS);
  await end;
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
