/**
 * The replays of a sweep side by side, a thread for each processor.
 * Invariant: the rows, and their order, are those of one replay after the other.
 */
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { runUnder, type SweepOptions } from './sweep_run.ts';
import type { SweepRun } from './sweep_table.ts';
import type { SweepTask } from './sweep_thread.ts';
import { setFlag } from './v8_flags.ts';

/** Bytes of a recording in the compact form, some 100,000 events, that take longer to replay than a thread takes to start. */
const LEAST_BYTES = 1 << 20;

/** Rows of the recording at `path` under each option string; if the signal fires, of those that were done by then. `onRow` is called after each. */
export async function runUnderEach(
  confs: readonly string[],
  path: string,
  options: SweepOptions,
  signal: AbortSignal,
  onRow: (done: number) => void,
): Promise<SweepRun[]> {
  setFlag('--expose-gc', '--no-expose-gc');
  const rows: (SweepRun | undefined)[] = [];
  const threads = Math.min(availableParallelism(), confs.length);
  let next = 0;
  let done = 0;
  /** Takes strings as long as there are any. What is broken off in the middle says nothing. */
  const work = async (run: (conf: string) => Promise<SweepRun>) => {
    while (next < confs.length && !signal.aborted) {
      const at = next++;
      const row = await run(confs[at]);
      if (signal.aborted) return;
      rows[at] = row;
      onRow(++done);
    }
  };
  if (threads < 2 || statSync(path).size < LEAST_BYTES) await work((conf) => runUnder(conf, path, options));
  else await Promise.all(Array.from({ length: threads }, () => inThread({ task: 'sweep', path, options }, work, signal)));
  return rows.filter((row) => row !== undefined);
}

/** A thread for as long as `work` gives it something to do. */
async function inThread(
  task: SweepTask,
  work: (run: (conf: string) => Promise<SweepRun>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const [{ Worker }, { SWEEP_THREAD }] = await Promise.all([import('node:worker_threads'), import('./sweep_thread.ts')]);
  const thread = new Worker(new URL(SWEEP_THREAD), { workerData: task });
  try {
    await work(async (conf) => {
      thread.postMessage(conf);
      const [row] = (await once(thread, 'message', { signal })) as [SweepRun];
      return row;
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await thread.terminate();
  }
}
