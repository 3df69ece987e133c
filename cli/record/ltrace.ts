/**
 * Recording with ltrace: needs no privileges, slows the program down about a thousandfold, and sees no stacks.
 */
import { spawn } from 'node:child_process';
import { ended } from './child.ts';
import type { Recorder } from './recorder.ts';
import { findProgram } from './recorder.ts';

const FUNCTIONS = 'malloc+calloc+realloc+free+memalign+posix_memalign+aligned_alloc+valloc+pvalloc+reallocarray+strdup+strndup';

export const ltrace: Recorder = {
  name: 'ltrace',
  unfit: () => (findProgram('ltrace') === undefined ? 'not installed' : undefined),
  async record(target, file, signal) {
    const what = 'pid' in target ? ['-p', String(target.pid)] : ['--', ...target.program];
    const tracer = spawn('ltrace', ['-f', '-ttt', '-e', FUNCTIONS, '-o', file, ...what], { stdio: 'inherit' });
    signal.addEventListener('abort', () => tracer.kill('SIGINT'), { once: true });
    const exitCode = await ended(tracer);
    const notes = ['ltrace sees no stacks, and not what posix_memalign gives'];
    return 'pid' in target
      ? { exitCode: 0, notes: [...notes, 'the recording starts mid-life: blocks from before it are unknown'] }
      : { exitCode, notes };
  },
};
