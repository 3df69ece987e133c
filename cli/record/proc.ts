/**
 * What /proc shows of processes (proc(5)): CPUs, threads, children, programs. Of one that is gone it shows nothing, and these say so rather than throw.
 */
import { readFileSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import type { TraceHeader } from '../../core/trace/trace.ts';

const PAGE_BYTES = 4096;

/** What is known of any process that is recorded here, or that inherits from one. */
export const machineFacts = (pid: number | 'self' = 'self'): TraceHeader => ({ ncpus: cpusOf(pid), pageSize: PAGE_BYTES });

/** CPUs that a process may run on: jemalloc counts these (malloc_ncpus). All that there are for one that is gone. */
export function cpusOf(pid: number | 'self'): number {
  // Hexadecimal words, parted by commas.
  const mask = /^Cpus_allowed:\s+([\da-f,]+)$/m.exec(textOf(`/proc/${pid}/status`) ?? '')?.[1];
  if (mask === undefined) return cpus().length;
  let count = 0;
  for (let bits = BigInt(`0x${mask.replaceAll(',', '')}`); bits > 0n; bits &= bits - 1n) count++;
  return count;
}

/** Text of a file of /proc; undefined if it is not there, as once the process is gone. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Where a file that a process has mapped is found from here: as the process sees it, or, where another one is there by now, by what the process alone still has of it.
 * @param extent of a mapping of it: start and end, without the zeros before them
 * @param shown its path as the mapping has it, which tells of a file that is no longer there
 * @param path that without this
 */
export function mappedFile(pid: number, extent: string, inode: number, shown: string, path: string): string {
  const inRoot = `/proc/${pid}/root${path}`;
  // What was replaced or removed since, as libraries are by an upgrade; and of a root that chroot(2) made, paths are those outside.
  const isThere = shown === path && statSync(inRoot, { throwIfNoEntry: false })?.ino === inode;
  return isThere ? inRoot : `/proc/${pid}/map_files/${extent}`;
}

/** Ids of a process' threads; none of one that is gone. */
export function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Processes that a process has started and that are still there. */
export function childrenOf(pid: number): number[] {
  return (textOf(`/proc/${pid}/task/${pid}/children`) ?? '')
    .split(' ')
    .map(Number)
    .filter((child) => child > 0);
}

/** Processes that a process traces. */
export function tracedBy(tracer: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && textOf(`/proc/${name}/status`)?.includes(`\nTracerPid:\t${tracer}\n`) === true)
    .map(Number);
}

/** The process that a thread is of, itself if that is its first one; undefined if there is none. */
export function processOf(thread: number): number | undefined {
  const found = /^Tgid:\s+(\d+)$/m.exec(textOf(`/proc/${thread}/status`) ?? '');
  return found === null ? undefined : Number(found[1]);
}

/** The file that a process runs; undefined if it is gone. */
export function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** Processes of a command that have started since this one and still run: what it left behind, as daemons are. */
export function startedSince([program, ...args]: readonly string[]): number[] {
  const own = startOf('self');
  const path = realpathSync(program as string);
  const behind = args.map((arg) => `${arg}\0`).join('');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => programOf(pid) === path && startOf(pid) >= own && textOf(`/proc/${pid}/cmdline`)?.replace(/^[^\0]*\0/, '') === behind);
}

/** When a process has started, clock ticks since boot (`starttime` of proc_pid_stat(5)); NaN once it is gone. */
function startOf(pid: number | 'self'): number {
  const stat = textOf(`/proc/${pid}/stat`) ?? '';
  // The name in parentheses may itself hold parentheses; the state behind it is the third field.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? Number.NaN);
}
