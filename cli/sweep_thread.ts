/**
 * A thread that replays for a sweep (sweep_threads.ts): takes option strings, gives rows. It runs this file, which does nothing in any other thread but to say where it lies.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { runUnder, type SweepOptions } from './sweep_run.ts';

/** This file. */
export const SWEEP_THREAD = import.meta.url;

/** What the thread is started with. */
export interface SweepTask {
  readonly task: 'sweep';
  /** The recording, in the compact form. */
  readonly path: string;
  readonly options: SweepOptions;
}

if (!isMainThread && parentPort !== null && isTask(workerData)) {
  const { path, options } = workerData;
  const port = parentPort;
  port.on('message', async (conf: string) => port.postMessage(await runUnder(conf, path, options)));
}

function isTask(data: unknown): data is SweepTask {
  return typeof data === 'object' && data !== null && (data as Partial<SweepTask>).task === 'sweep';
}
