/**
 * Recording with ltrace: needs no privileges, slows the program down about a thousandfold, and sees no stacks.
 */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { mapsOf } from './allocator.ts';
import { ended } from './child.ts';
import { findProgram, notInstalled, type Recorder } from './recorder.ts';

const FUNCTIONS = 'malloc+calloc+realloc+free+memalign+posix_memalign+aligned_alloc+valloc+pvalloc+reallocarray+strdup+strndup';

export const ltrace: Recorder = {
  name: 'ltrace',
  gives: 'every call, without privileges and without stacks, a thousand times slower',
  unfit: () => (findProgram('ltrace') === undefined ? notInstalled('ltrace') : undefined),
  isEvent: (line) => /\) += |resumed>/.test(line),
  async record(target, file, signal, onStart) {
    const what = 'pid' in target ? ['-p', String(target.pid)] : ['--', ...target.program];
    const tracer = spawn('ltrace', ['-f', '-ttt', '-e', FUNCTIONS, '-o', file, ...what], { stdio: 'inherit' });
    // It lets its process go on SIGINT; a program that it started is to end with the recording.
    const stop = () => tracer.kill('SIGINT');
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    onStart();
    const header = { ncpus: cpus().length, pageSize: 4096 };
    const maps = 'pid' in target ? mapsOf(target.pid) : undefined;
    const exitCode = await ended(tracer);
    const notes = ['ltrace sees no stacks, and not what posix_memalign gives'];
    return 'pid' in target
      ? {
          exitCode: 0,
          notes: [...notes, 'the recording starts mid-life: blocks from before it are unknown'],
          header: { ...header, pid: target.pid, ...(maps === undefined ? {} : { maps }) },
        }
      : { exitCode, notes, header: { ...header, command: target.program.join(' ') } };
  },
};
