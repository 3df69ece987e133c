/**
 * bpftrace as a child process: started with libraries of its own, watched by what it writes, ended when all is written.
 * Invariant: it is told to end only after `drain`, save where nothing is to be kept: what its rings hold by then it drops without a word.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../../core/trace/input_error.ts';
import { TemporaryFolder } from '../temporary_folder.ts';
import type { Allocator } from './allocator.ts';
import { Answers, tell } from './answers.ts';
import { endOf, isGone, until } from './child.ts';
import { withOwnLibraries } from './own_libraries.ts';
import { END, MARKS, READY, type Scope, scriptFor } from './probes.ts';
import { cpusOf } from './proc.ts';
import { findProgram, type Window } from './recorder.ts';

/** Where tracefs may be mounted. */
export const TRACING: readonly string[] = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
/** Pages of the ring per CPU: with bpftrace's own 64 most events of a busy program are lost. */
const RING_PAGES = '8192';
/** Milliseconds for bpftrace to compile and attach, which beside a busy program takes twenty seconds and more … */
const ATTACH_MS = 180_000;
/** … and to write out what it holds. */
const DRAIN_MS = 120_000;
/** Milliseconds for a call that was under way to come to its end. */
const UNDER_WAY_MS = 100;
/** Milliseconds after which the user is told what takes so long. */
const SAID_MS = 1000;
const LOST = /^Lost \d+ events$/;

/** bpftrace at work. */
export interface Tracer {
  readonly child: ChildProcess;
  /** Settles once it is gone and all that it said has been heard. */
  readonly closed: Promise<unknown>;
  /** Bytes that the recording had before. */
  readonly from: number;
  /** Lines in which it complained so far. */
  complaints(): readonly string[];
}

/**
 * Starts bpftrace with the script for a scope, and waits until its probes are in place.
 * @param flag 'a' where what it writes comes behind what the file has
 * @throws InputError if they cannot be, or the signal fires before
 */
export async function startTracer(
  scope: Omit<Scope, 'speaker' | 'cpus' | 'syscalls'>,
  allocator: Allocator,
  file: string,
  signal: AbortSignal,
  { say }: Window,
  flag: 'w' | 'a' = 'w',
): Promise<Tracer> {
  const syscalls = TRACING.some((folder) => existsSync(`${folder}/events/syscalls/sys_exit_mmap`));
  const script = scriptFor({ ...scope, speaker: process.pid, cpus: cpusOf(scope.pid), syscalls }, allocator);
  const output = openSync(file, flag);
  const from = fstatSync(output).size;
  const libraries = new TemporaryFolder('bpftrace has copies of libraries there');
  const { file: probed, libc, operators } = allocator;
  const own = withOwnLibraries(
    findProgram('bpftrace') as string,
    [probed, libc, ...(operators === undefined ? [] : [operators.file])],
    libraries,
  );
  // Not bpftrace's own -o, which holds lines back: the lines in the file tell when the probes are in place and when all is written.
  const child = spawn('bpftrace', ['--unsafe', '-B', 'line', '-e', script], {
    stdio: ['ignore', output, 'pipe'],
    // Addresses alone: names.ts has why.
    env: { ...own, BPFTRACE_PERF_RB_PAGES: RING_PAGES, BPFTRACE_MAP_KEYS_MAX: '65536', BPFTRACE_NO_USER_SYMBOLS: '1' },
    // Ctrl-C at the terminal is for us: bpftrace writes out what it holds when we say so.
    detached: true,
  });
  closeSync(output);
  process.once('exit', () => child.kill('SIGKILL'));
  const closed = once(child, 'close').finally(() => libraries.remove());
  const complaints = heed(child, file);
  const ready = new Answers(READY, file, from);
  const attached = () => ready.have();
  const begun = () => isGone(child) || attached() || signal.aborted || hasNoRoom(file);
  if (!(await until(begun, SAID_MS))) {
    say(
      `bpftrace puts its ${script.match(/^u(?:ret)?probe:/gm)?.length} probes in place, one after the other; the recording begins when all are there`,
    );
    await until(begun, ATTACH_MS);
  }
  // The line that tells may come behind the first calls, which another CPU's ring holds.
  if (signal.aborted && hasCalls(file)) await until(() => isGone(child) || attached(), ATTACH_MS);
  // Stopped before it began: there is nothing to say of it, and nothing to keep.
  if (signal.aborted && !attached()) {
    child.kill('SIGKILL');
    throw new InputError('bpftrace', 'was stopped before its probes were in place');
  }
  if (!attached()) {
    if (!isGone(child)) child.kill('SIGKILL');
    if (hasNoRoom(file)) throw new InputError(file, 'there is no space left for the recording', 'name a file elsewhere with -o FILE');
    throw new InputError('bpftrace', complaints()[0] ?? 'did not start', 'record --with heaptrack or --with ltrace instead');
  }
  return { child, closed, from, complaints };
}

/**
 * Hears what bpftrace says on standard error. What newer versions say there that they lost goes to the end of the file, where older ones say it and it is read.
 * @returns what gives the lines of its complaints so far
 */
function heed(tracer: ChildProcess, file: string): () => readonly string[] {
  let complaints = '';
  /** Of a line what has come. */
  let unended = '';
  let lost = '';
  tracer.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints += text.slice(0, 4096);
    const lines = (unended + text).split('\n');
    unended = lines.pop() as string;
    for (const line of lines) if (LOST.test(line)) lost += `${line}\n`;
  });
  tracer.once('close', () => {
    if (lost !== '') appendFileSync(file, lost);
  });
  return () => complaints.split('\n').filter((line) => line.trim() !== '' && !LOST.test(line) && !line.includes('RLIMIT_MEMLOCK'));
}

/** Whether a recording has begun: its first lines but bpftrace's own are of calls. */
function hasCalls(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    const head = Buffer.alloc(4096);
    return /^\d+ \d+ \d+ /m.test(head.toString('latin1', 0, readSync(fd, head, 0, head.length, 0)));
  } finally {
    closeSync(fd);
  }
}

/** Ends bpftrace, which takes its probes away. */
export async function stopTracer({ child, closed }: Tracer, { say }: Window): Promise<void> {
  if (isGone(child)) return;
  child.kill('SIGINT');
  const notice = setTimeout(() => say('bpftrace takes its probes away, one after the other'), SAID_MS);
  const timer = setTimeout(() => child.kill('SIGKILL'), DRAIN_MS);
  await closed;
  clearTimeout(notice);
  clearTimeout(timer);
}

/** How bpftrace ended that is gone, and the last that it said. */
export async function whyGone({ child, closed, complaints }: Pick<Tracer, 'child' | 'closed' | 'complaints'>): Promise<string> {
  await closed;
  const last = complaints().at(-1);
  return endOf(child) + (last === undefined ? '' : `: ${last.trim()}`);
}

/** Whether bpftrace can write no more: it says nothing of that, and answers nothing. */
export function hasNoRoom(file: string): boolean {
  return statfsSync(file).bfree === 0;
}

/** Ends the recording, and waits until bpftrace has written what the rings hold of it: what is left there when it is told to end it drops. */
export async function drain({ child, closed, complaints }: Tracer, file: string, { say }: Window): Promise<readonly string[]> {
  tell(END);
  await sleep(UNDER_WAY_MS);
  // They come behind what is written by now.
  const { size } = statSync(file);
  const marks = MARKS.map((mark) => new Answers(mark, file, size));
  // Each is told of once the one before is answered.
  const all = () => marks.every((mark) => mark.have());
  const over = () => isGone(child) || all() || hasNoRoom(file);
  if (!(await until(over, SAID_MS))) {
    say('the recording is over; bpftrace writes out what it holds of it');
    await until(over, DRAIN_MS);
  }
  if (all()) return [];
  if (hasNoRoom(file)) return ['there is no space left for the recording: the last calls are missing'];
  const why = isGone(child)
    ? `ended (${await whyGone({ child, closed, complaints })}) before it had written all calls`
    : `had not written all calls after ${DRAIN_MS / 1000} seconds`;
  return [`bpftrace ${why}: the last ones are missing`];
}
