/**
 * Reads a trace in a thread of its own, beside whatever its events are for.
 *
 * The reading thread runs `readTrace`: the file, its decompression, the parsing, the windows that sort. Each batch is copied once, into memory that
 * both threads share (shared_batches.ts), and a message says which one, with what the trace's tables have got since the message before (trace_news.ts).
 * This thread brings its own trace up to date, uses the batch where it lies and gives it back. A reading thread that is too far ahead waits.
 *
 * Invariant: what the sink sees, batch by batch, and what is in the trace when it sees it, is what `readTrace` would show it; so is how reading ends:
 * with a format, with an error after the batches before it, or where the sink has had enough. Where a signal ends it depends on the time, as there.
 */
import { on } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { Trace } from '../../core/trace/trace.ts';
import type { BatchSink } from '../format.ts';
import type { ReadTraceOptions } from '../index.ts';
import { errorOf, type ReadingMessage, type ReadingTask } from './messages.ts';
import { SharedBatches, sharedMemory } from './shared_batches.ts';
import { addNews } from './trace_news.ts';

/** Settings of readTraceBeside. */
export interface ReadBesideOptions extends Omit<ReadTraceOptions, 'formatOf' | 'signal'> {
  readonly signal?: AbortSignal;
}

/**
 * `readTrace` of a file in a thread of its own. Takes some tens of milliseconds and 40 MiB more, and a second processor.
 * @param trace a new one.
 * @throws InputError as `readTrace` does.
 */
export async function readTraceBeside(path: string, trace: Trace, sink: BatchSink, options: ReadBesideOptions = {}): Promise<void> {
  const { signal, onProgress, ...readOptions } = options;
  const memory = sharedMemory(options.batchEvents);
  const batches = new SharedBatches(memory);
  const workerData: ReadingTask = { task: 'read a trace', path, options: readOptions, memory };
  // Loaded only here: short commands read without a thread.
  const [{ Worker }, { READING_THREAD }] = await Promise.all([import('node:worker_threads'), import('./reading_thread.ts')]);
  const thread = new Worker(new URL(READING_THREAD), { workerData });
  const stop = () => batches.stop();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    for await (const [message] of on(thread, 'message') as AsyncIterable<[ReadingMessage]>) {
      if (message.news !== undefined) addNews(trace, message.news);
      if ('failed' in message) throw errorOf(message.failed);
      if (!('batch' in message)) break;
      if (sink(batches.batch(message.batch)) === false) break;
      batches.giveBack(message.batch);
      onProgress?.(...batches.progress);
      // Lets signals in.
      await setImmediate();
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    void thread.terminate();
  }
}
