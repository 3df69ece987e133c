/**
 * A way to record a trace: a program of the machine, and how it is run.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TraceHeader } from '../../core/trace/trace.ts';

/** What is recorded: a program to start, or a process that runs. */
export type Target = { readonly program: readonly string[] } | { readonly pid: number };

/** What became of a recording. */
export interface Recorded {
  /** Exit code of the program that was started; 0 for a process that was attached to. */
  readonly exitCode: number;
  /** Messages for the user, one sentence each. */
  readonly notes: readonly string[];
  /** True if the recorder says that it saw no call. */
  readonly sawNone?: boolean;
  /** What there is to know of the process, for a recorder that does not write it down itself. */
  readonly header?: TraceHeader;
  /** Thread id -> name, where the recorder does not write them down. */
  readonly threads?: ReadonlyMap<number, string>;
  /** Lines that name the addresses which the recording has. */
  readonly symbols?: string;
}

/** Why a recorder cannot do it, and what to do about that: a command to run where there is one. */
export interface Unfit {
  readonly fact: string;
  readonly remedy: string;
}

/** Why a recording ends (reason of its signal) where a limit was reached: not the user's Ctrl-C, which a program that was started is to hear of first. */
export const LIMIT = 'limit';

/** From when and how much is recorded. */
export interface Window {
  /** Events that are wanted; a recorder may give more. */
  readonly most: number;
  /** To be called once calls are recorded. */
  onStart(): void;
  /** Tells the user what is going on. */
  say(note: string): void;
}

export interface Recorder {
  readonly name: string;
  /** What speaks for it. */
  readonly gives: string;
  /** Why it cannot record this target here; undefined if it can. */
  unfit(target: Target): Unfit | undefined;
  /** Whether a line of the file is an event; absent if the file cannot be read while it is written. */
  readonly isEvent?: (line: string) => boolean;
  /** Time of a line that is an event or belongs to one, in units of any size, where lines are out of order; NaN for another line. */
  readonly timeOf?: (line: string) => number;
  /** Records into `file` until the target ends or the signal fires. */
  record(target: Target, file: string, signal: AbortSignal, window: Window): Promise<Recorded>;
}

/** A tool that is not there. */
export function notInstalled(name: string): Unfit {
  return { fact: 'is not installed', remedy: `apt-get install ${name}` };
}

/** The path of a program that PATH finds. */
export function findProgram(name: string): string | undefined {
  if (name.includes('/')) return isProgram(name) ? name : undefined;
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder || '.', name);
    if (isProgram(path)) return path;
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
