/**
 * The thread that reads (read_beside.ts). It runs this file, which does nothing in any other thread but to say where it lies.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { EventBatch } from '../../core/trace/events.ts';
import { Trace } from '../../core/trace/trace.ts';
import { readTrace } from '../index.ts';
import { failureOf, type ReadingMessage, type ReadingTask } from './messages.ts';
import { SharedBatches } from './shared_batches.ts';
import { TraceWatch } from './trace_news.ts';

/** This file. */
export const READING_THREAD = import.meta.url;

if (!isMainThread && parentPort !== null && isTask(workerData)) void read(workerData, parentPort);

function isTask(data: unknown): data is ReadingTask {
  return typeof data === 'object' && data !== null && (data as Partial<ReadingTask>).task === 'read a trace';
}

/** Reads the trace and says what came of it. */
async function read({ path, options, memory }: ReadingTask, port: MessagePort): Promise<void> {
  const trace = new Trace();
  const watch = new TraceWatch(trace);
  const batches = new SharedBatches(memory);
  const say = (message: ReadingMessage) => port.postMessage(message);
  const sink = (batch: EventBatch) => {
    const at = batches.take();
    batches.handOver(at, batch);
    say({ batch: at, news: watch.news() });
  };
  try {
    await readTrace(path, trace, sink, {
      ...options,
      signal: {
        get aborted() {
          return batches.stopped;
        },
      },
      onProgress: (bytesRead, totalBytes) => batches.setProgress(bytesRead, totalBytes),
    });
    say({ end: true, news: watch.news() });
  } catch (error) {
    say({ failed: failureOf(error), news: watch.news() });
  }
}
