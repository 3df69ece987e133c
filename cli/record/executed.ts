/**
 * Following a process into the programs that it executes: it is stopped before the first instruction of one, where it has command line and environment and no library
 * yet, and is let go on once the functions that it will allocate by are known to be probed.
 * Invariant: stops that others bring about are left alone.
 */
import { readlinkSync, statSync } from 'node:fs';
import { InputError } from '../../core/trace/input_error.ts';
import { type Allocator, allocatorOfProgram } from './allocator.ts';
import { stateOf } from './child.ts';
import type { Observed } from './observed.ts';
import { fileId } from './own_libraries.ts';
import { programOf, textOf } from './proc.ts';

/** Numbers of execve and execveat on x86-64, of 32-bit programs on it, and where Linux numbers its calls alike on all processors (asm-generic/unistd.h), ARM64 among them. */
const EXECUTING = process.arch === 'x64' ? /^(?:59|322|11|358) / : /^(?:221|281) /;
/** What the dynamic linker takes from the environment. */
const OF_LINKER = /^(LD_PRELOAD|LD_LIBRARY_PATH)=(.*)$/s;

/** The stops of a process that was started: where it executes a program, and where that has its libraries. */
export class Stops {
  /** What there is to say of programs that it has executed. */
  readonly notes: string[] = [];
  readonly #process: Observed;
  /** Whether the next stop is where its program starts. */
  #starts = false;

  constructor(process: Observed) {
    this.#process = process;
  }

  /** Lets the process go on from these stops; the allocator of what it has executed, where probes on this one do not serve for that and it stays stopped. */
  look(allocator: Allocator): Allocator | undefined {
    const process = this.#process;
    if (stateOf(process.pid) !== 'T') return undefined;
    if (hasExecuted(process.pid)) {
      this.#starts = true;
      const executed = this.#executed();
      if (executed !== undefined && !serves(allocator, executed)) return executed;
    } else if (this.#starts) {
      // A program that a signal ends later is not looked at once more: what it has mapped names its stacks.
      this.#starts = false;
      process.look(true);
    } else return undefined;
    process.resume();
    return undefined;
  }

  #executed(): Allocator | undefined {
    try {
      return allocatorOfExecuted(this.#process.pid);
    } catch (error) {
      // What it has executed may be gone already, and has the allocator that it seemed to have.
      if (!(error instanceof InputError)) return undefined;
      this.notes.push(`the program executed ${error.place}, which ${error.fact}; nothing of that is recorded`);
      return undefined;
    }
  }
}

/** Whether a stopped process is at the end of the call that executes a program (/proc/PID/syscall). */
function hasExecuted(pid: number): boolean {
  return EXECUTING.test(textOf(`/proc/${pid}/syscall`) ?? '');
}

/** @throws InputError as allocatorOfProgram; a system's error where the program's file is no longer there */
function allocatorOfExecuted(pid: number): Allocator {
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
function serves(probed: Allocator, other: Allocator): boolean {
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
