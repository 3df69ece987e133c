/**
 * Recording with heaptrack: fast, with stacks that need no frame pointers, names and inlined functions.
 * Differs from the others: its trace has no threads and coarse times.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import { ended } from './child.ts';
import { findProgram, notInstalled, type Recorder } from './recorder.ts';

export const heaptrack: Recorder = {
  name: 'heaptrack',
  gives: 'stacks with inlined functions, without privileges and without threads',
  unfit(target) {
    if (findProgram('heaptrack') === undefined) return notInstalled('heaptrack');
    return 'pid' in target
      ? {
          fact: 'attaching it to a running process can crash that',
          remedy: 'record the program from its start: jereplay record -- PROGRAM',
        }
      : undefined;
  },
  async record(target, file, signal, onStart) {
    if ('pid' in target)
      throw new InputError('heaptrack', 'does not attach to a running process', 'record --with bpftrace or --with ltrace');
    // heaptrack adds an ending of its choice to the name that it is given.
    const folder = mkdtempSync(join(dirname(file), '.jereplay-'));
    try {
      const base = join(folder, 'trace');
      const tracer = spawn('heaptrack', ['-o', base, ...target.program], { stdio: 'inherit' });
      const stop = () => endProgramOf(tracer.pid as number);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      onStart();
      const exitCode = await ended(tracer);
      const written = ['.zst', '.gz'].map((ending) => base + ending).find((path) => existsSync(path));
      if (written === undefined) throw new InputError('heaptrack', 'wrote no trace', 'its own messages above say why');
      renameSync(written, file);
      return { exitCode, notes: ['heaptrack does not tell threads apart: all calls are in one'] };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Ends the program that heaptrack runs, not heaptrack, which then writes the rest. */
function endProgramOf(heaptrackPid: number): void {
  const children = readFileSync(`/proc/${heaptrackPid}/task/${heaptrackPid}/children`, 'utf8').trim().split(' ').map(Number);
  // Its other child reads the program's recording from a pipe.
  for (const pid of children) {
    if (pid > 0 && !/^heaptrack_\w+$/.test(readFileSync(`/proc/${pid}/comm`, 'utf8').trim())) process.kill(pid, 'SIGINT');
  }
}
