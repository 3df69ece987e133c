/**
 * Recording with heaptrack: fast, with stacks that need no frame pointers, names and inlined functions.
 * Differs from the others: its trace has no threads and coarse times.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../../core/trace/input_error.ts';
import { ended } from './child.ts';
import type { Recorder } from './recorder.ts';
import { findProgram } from './recorder.ts';

export const heaptrack: Recorder = {
  name: 'heaptrack',
  unfit(target) {
    if (findProgram('heaptrack') === undefined) return 'not installed';
    return 'pid' in target ? 'attaching to a running process can crash it' : undefined;
  },
  async record(target, file) {
    if ('pid' in target)
      throw new InputError('heaptrack', 'does not attach to a running process', 'record --with bpftrace or --with ltrace');
    // heaptrack adds an ending of its choice to the name that it is given.
    const folder = mkdtempSync(join(dirname(file), '.jereplay-'));
    try {
      const base = join(folder, 'trace');
      const exitCode = await ended(spawn('heaptrack', ['-o', base, ...target.program], { stdio: 'inherit' }));
      const written = ['.zst', '.gz'].map((ending) => base + ending).find((path) => existsSync(path));
      if (written === undefined) throw new InputError('heaptrack', 'wrote no trace', 'its own messages above say why');
      renameSync(written, file);
      return { exitCode, notes: ['heaptrack does not tell threads apart: all calls are in one'] };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
