/**
 * A way to record a trace: a program of the machine, and how it is run.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What is recorded: a program to start, or a process that runs. */
export type Target = { readonly program: readonly string[] } | { readonly pid: number };

/** What became of a recording. */
export interface Recorded {
  /** Exit code of the program that was started; 0 for a process that was attached to. */
  readonly exitCode: number;
  /** Messages for the user, one sentence each. */
  readonly notes: readonly string[];
}

export interface Recorder {
  readonly name: string;
  /** Why it cannot record this target here; undefined if it can. */
  unfit(target: Target): string | undefined;
  /** Records into `file` until the target ends or the signal fires. */
  record(target: Target, file: string, signal: AbortSignal): Promise<Recorded>;
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
    return true;
  } catch {
    return false;
  }
}
