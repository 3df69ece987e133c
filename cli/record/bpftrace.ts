/**
 * Recording with bpftrace: probes on the allocator's functions of the library that the process uses.
 * Invariant: a program that is started makes no call before the probes are in place, and does not leave before its stacks have names.
 * Differs from `bpftrace -c`: that one splits the command line at blanks, and its probes fire in every process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import { ended, stateOf, until } from './child.ts';
import type { Recorded, Recorder } from './recorder.ts';
import { findProgram } from './recorder.ts';

/** Pages of the ring per CPU: with bpftrace's own 64 most events of a busy program are lost. */
const RING_PAGES = '8192';
/** Lines that the script prints for us; to a reader they are notes like bpftrace's own "Attaching …". */
const ATTACHED = 'Attached to the process';
const DRAINED = 'Attached until here';
/** Milliseconds for bpftrace to compile and attach, and to write out what it holds. */
const ATTACH_MS = 60_000;
const DRAIN_MS = 120_000;
const KILLED_DRAIN_MS = 3000;

export const bpftrace: Recorder = {
  name: 'bpftrace',
  unfit() {
    if (findProgram('bpftrace') === undefined) return 'not installed';
    return process.getuid?.() === 0 ? undefined : 'needs root';
  },
  record: (target, file, signal) => ('pid' in target ? attach(target.pid, file, signal) : launch(target.program, file, signal)),
};

async function attach(pid: number, file: string, signal: AbortSignal): Promise<Recorded> {
  const tracer = await startTracer(pid, librariesOf(pid), false, file);
  await follow(pid, file, signal);
  await stopTracer(tracer);
  return { exitCode: 0, notes: ['the recording starts mid-life: blocks from before it are unknown'] };
}

async function launch(program: readonly string[], file: string, signal: AbortSignal): Promise<Recorded> {
  // The shell stops itself, becomes the program when it goes on, and keeps its process id.
  const child = spawn('/bin/sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...program], { stdio: 'inherit' });
  const exit = ended(child);
  const pid = child.pid as number;
  let tracer: ChildProcess | undefined;
  try {
    await until(() => stateOf(pid) === 'T', 5000);
    tracer = await startTracer(pid, librariesOf('self'), true, file);
    child.kill('SIGCONT');
    await follow(pid, file, signal);
    if (signal.aborted) child.kill('SIGINT');
    return { exitCode: await exit, notes: [] };
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    if (tracer !== undefined) await stopTracer(tracer);
  }
}

/** Waits until the process has ended and bpftrace has written what every CPU's ring holds of it; then lets the process go. */
async function follow(pid: number, file: string, signal: AbortSignal): Promise<void> {
  const rings = cpus().length;
  const drained = () => signal.aborted || linesWith(file, DRAINED) >= rings;
  await until(() => drained() || stateOf(pid) === undefined || stateOf(pid) === 'Z', Infinity);
  // A process that was killed did not stop where it leaves, and nothing tells when its last calls are written.
  await until(drained, KILLED_DRAIN_MS);
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It is gone already.
  }
}

/** The allocator that a process uses and its C library. */
interface Libraries {
  readonly allocator: string;
  readonly libc: string;
}

/** Finds them among the files that a process has mapped; of a program yet to start, those of this one are taken. */
function librariesOf(pid: number | 'self'): Libraries {
  let maps: string;
  try {
    maps = readFileSync(`/proc/${pid}/maps`, 'utf8');
  } catch {
    throw new InputError(`process ${pid}`, 'does not run, or is not yours to look at');
  }
  const mapped = (name: RegExp) =>
    maps
      .split('\n')
      .map((line) => line.slice(line.indexOf('/')))
      .find((path) => name.test(path));
  const libc = mapped(/\/libc(?:\.so|-[\d.]+\.so)[\d.]*$/);
  if (libc === undefined)
    throw new InputError(`process ${pid}`, 'has no C library mapped', 'a statically linked program cannot be recorded this way');
  return { libc, allocator: mapped(/\/lib(?:jemalloc|tcmalloc|mimalloc)[^/]*\.so[\d.]*$/) ?? libc };
}

/** The recording script, which users may also run by hand. */
function recordingScript(): string {
  const root = dirname(createRequire(import.meta.url).resolve('jereplay/package.json'));
  return readFileSync(join(root, 'formats/bpftrace/jereplay.bt'), 'utf8');
}

/**
 * The script for one process, with what a recording needs besides the calls.
 * @param launched the process is the shell that is about to become the program: what it allocates before is not the program's.
 */
function scriptFor(pid: number, { allocator, libc }: Libraries, launched: boolean): string {
  const calls = recordingScript()
    .replaceAll('pid == (uint64)$2', `pid == ${pid}${launched ? ' && @armed' : ''}`)
    .replaceAll('str($1)', JSON.stringify(allocator))
    .replaceAll('$1', allocator)
    .replaceAll('$2', String(pid))
    // bpftrace takes one END probe: our maps are cleared in the script's.
    .replace('END\n{', `END\n{ clear(@attached); clear(@ended); clear(@marked);${launched ? ' clear(@armed);' : ''}`);
  const lines = [
    calls,
    // The first output after the header: bpftrace prints no other before every probe is in place.
    `interval:ms:10 /!@attached/ { @attached = 1; printf("${ATTACHED}\\n"); }`,
    // Stops the process where it leaves: once it is gone its stacks have no names.
    `uprobe:${libc}:_exit /pid == ${pid}/ { @ended = 1; signal("SIGSTOP"); }`,
    // Then a line in the ring of each CPU: what comes before it is all that the ring held.
    `profile:hz:10 /@ended && !@marked[cpu]/ { @marked[cpu] = 1; printf("${DRAINED}\\n"); }`,
  ];
  if (launched) lines.push(`uprobe:${libc}:__libc_start_main /pid == ${pid}/ { @armed = 1; }`);
  return lines.join('\n');
}

async function startTracer(pid: number, libraries: Libraries, launched: boolean, file: string): Promise<ChildProcess> {
  const output = openSync(file, 'w');
  // Not bpftrace's own -o, which holds lines back: what is in the file tells when the probes are in place and when all is written.
  const tracer = spawn('bpftrace', ['--unsafe', '-B', 'line', '-e', scriptFor(pid, libraries, launched)], {
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
  const attached = () => linesWith(file, ATTACHED) > 0;
  await until(() => gone || attached(), ATTACH_MS);
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

/** How many lines of a growing file hold a text; looks at its beginning and its end only. */
function linesWith(file: string, text: string): number {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const part = Buffer.alloc(Math.min(size, 1 << 16));
    readSync(fd, part, 0, part.length, text === ATTACHED ? 0 : size - part.length);
    return part.toString('latin1').split(text).length - 1;
  } finally {
    closeSync(fd);
  }
}
