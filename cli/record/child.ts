/**
 * Child processes of a recording.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds that a program gets to end after Ctrl-C. */
export const LEAVE_MS = 5000;

/** Waits for the end of a child: its exit code, or 128 + signal as shells have it. */
export function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? codeOf(signal as NodeJS.Signals)));
  });
}

/** What shells make of the signal that ended a process. */
export function codeOf(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}

/** True once a child has ended. */
export function isGone({ signalCode, exitCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** How a child ended that is gone. */
export function endOf({ signalCode, exitCode }: ChildProcess): string {
  return signalCode ?? `exit code ${exitCode}`;
}

/** State of a process as /proc has it (`R`, `S`, `T` …); undefined once it is gone. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may itself hold parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  } catch {
    return undefined;
  }
}

/** Waits until a condition holds. @returns false if it did not within `limitMs`. */
export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (const end = performance.now() + limitMs; performance.now() < end; await sleep(10)) {
    if (condition()) return true;
  }
  return condition();
}

/** Ends processes as Ctrl-C at a terminal does. Of those that do not heed it, the ones that `killed` gives once their time is over are killed. */
export async function endProcesses(
  pids: readonly number[],
  killed: (pids: readonly number[]) => readonly number[] = (all) => all,
): Promise<void> {
  const running = () => pids.filter((pid) => ![undefined, 'Z'].includes(stateOf(pid)));
  const signalAll = (some: readonly number[], signal: NodeJS.Signals) => {
    for (const pid of some) {
      try {
        process.kill(pid, signal);
      } catch {
        // It is gone already.
      }
    }
  };
  signalAll(pids, 'SIGINT');
  if (!(await until(() => running().length === 0, LEAVE_MS))) signalAll(killed(running()), 'SIGKILL');
}
