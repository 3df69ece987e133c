/**
 * The thread that opens an input (open_beside.ts). It runs this file, which does nothing in any other thread but to say where it lies.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Input, openInput } from '../input.ts';
import { failureOf, type Failure } from './messages.ts';

/** This file. */
export const OPENING_THREAD = import.meta.url;

/** Chunks that the thread may be ahead: 4 MiB of what has been decompressed. */
const MOST_AHEAD = 16;
/** The thread is woken each time that so many more chunks are done with, fewer than it waits for: waking it takes a third of a millisecond. */
export const WAKE_EVERY = 8;

/** What the thread is started with. `used` counts the chunks that the other thread has done with. */
export interface OpeningTask {
  readonly task: 'open an input';
  readonly path: string;
  readonly name: string;
  readonly used: Int32Array;
}

/** What is known of the input. */
export type OpeningState = Omit<Input, 'name' | 'isPlainFile' | 'chunks'>;

/** A message: first that the input is open, then a chunk each, and that there are no more; or that it could not be read. */
export type OpeningMessage = { readonly state: OpeningState; readonly chunk: Uint8Array | undefined } | { readonly failed: Failure };

if (!isMainThread && parentPort !== null && isTask(workerData)) void open(workerData, parentPort);

function isTask(data: unknown): data is OpeningTask {
  return typeof data === 'object' && data !== null && (data as Partial<OpeningTask>).task === 'open an input';
}

async function open({ path, name, used }: OpeningTask, port: MessagePort): Promise<void> {
  try {
    const input = await openInput(path, name);
    const say = (chunk: Uint8Array<ArrayBuffer> | undefined) => {
      const { totalBytes, bytesRead, fault } = input;
      const message: OpeningMessage = { state: { totalBytes, bytesRead, fault }, chunk };
      port.postMessage(message, chunk === undefined ? [] : [chunk.buffer]);
    };
    say(undefined);
    let sent = 0;
    for await (const chunk of input.chunks) {
      for (let done = Atomics.load(used, 0); sent - done >= MOST_AHEAD; done = Atomics.load(used, 0)) Atomics.wait(used, 0, done);
      // Its own memory, which goes to the other thread.
      say(Uint8Array.prototype.slice.call(chunk) as Uint8Array<ArrayBuffer>);
      sent++;
    }
    say(undefined);
  } catch (error) {
    port.postMessage({ failed: failureOf(error) } satisfies OpeningMessage);
  }
}
