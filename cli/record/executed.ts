/**
 * What a process is that has just executed a program and is stopped before the first instruction of that: it has its command line and environment, and no library yet.
 */
import { readlinkSync, statSync } from 'node:fs';
import { type Allocator, allocatorOfProgram } from './allocator.ts';
import { programOf, textOf } from './observed.ts';
import { fileId } from './own_libraries.ts';

/** System calls on x86-64: execve, execveat. */
const EXECUTING = /^(?:59|322) /;
/** What the dynamic linker takes from the environment. */
const OF_LINKER = /^(LD_PRELOAD|LD_LIBRARY_PATH)=(.*)$/s;

/** Whether a stopped process is at the end of the call that executes a program (/proc/PID/syscall). */
export function hasExecuted(pid: number): boolean {
  return EXECUTING.test(textOf(`/proc/${pid}/syscall`) ?? '');
}

/** @throws InputError as allocatorOfProgram; a system's error where the program's file is no longer there */
export function allocatorOfExecuted(pid: number): Allocator {
  const settings = (textOf(`/proc/${pid}/environ`) ?? '').split('\0').flatMap((setting) => {
    const [, name, value] = OF_LINKER.exec(setting) ?? [];
    return name === undefined ? [] : [[name, value as string] as const];
  });
  const path = programOf(pid) ?? '';
  const within = `/proc/${pid}/root`;
  // chroot(8) is in no user's PATH.
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, ...Object.fromEntries(settings) };
  if (sees('/', within) && sees('/proc/self/ns/mnt', `/proc/${pid}/ns/mnt`)) return allocatorOfProgram(path, { root: '', env });
  // Of a root that chroot(2) made, the path is that outside.
  const root = readlinkSync(within);
  return allocatorOfProgram(root !== '/' && path.startsWith(`${root}/`) ? path.slice(root.length) : path, { root: within, env });
}

/** Whether two paths lead to the same file. */
function sees(path: string, other: string): boolean {
  const [a, b] = [statSync(path), statSync(other)];
  return a.dev === b.dev && a.ino === b.ino;
}

/** Whether probes that were made for one allocator are those for another one. */
export function serves(probed: Allocator, other: Allocator): boolean {
  const key = ({ file, prefix, libc }: Allocator) => [fileId(file), prefix, fileId(libc)].join();
  if (key(probed) !== key(other)) return false;
  return (
    other.operators === undefined || (probed.operators !== undefined && fileId(probed.operators.file) === fileId(other.operators.file))
  );
}

/** Whether they are those for a program, as far as can be told once its process may be gone. */
export function servesProgram(probed: Allocator, program: string): boolean {
  try {
    return serves(probed, allocatorOfProgram(program));
  } catch {
    return false;
  }
}
